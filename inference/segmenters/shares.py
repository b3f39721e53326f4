"""Shares of the labels from what foreign networks see: they know no interior and no seams."""

import cv2
import numpy as np

from ...imaging import labels

COUNT = 6


def from_concepts(garment: np.ndarray, mannequin: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Combines how likely each concept is at every pixel.

    What is asked for as "mannequin" comes with the clothes on it, so the garment goes first, then
    the mannequin, then its stand; the rest is background.

    Args:
        garment, mannequin, support: (h, w) float32 in [0, 1].

    Returns:
        (h, w, 6) float32, sums to 1.
    """
    shares = np.zeros((*garment.shape, COUNT), np.float32)
    left = np.ones(garment.shape, np.float32)
    for value, likely in (
        (labels.GARMENT, garment),
        (labels.MANNEQUIN, mannequin),
        (labels.SUPPORT, support),
    ):
        shares[..., value] = left * likely
        left = left * (1 - likely)
    shares[..., labels.BACKGROUND] = left
    return shares


def from_figure(opacity: np.ndarray, label_map: np.ndarray) -> np.ndarray:
    """Gives a figure's outline to a label map whose own outline is worse.

    Inside the figure, what the map calls background takes the label of the nearest part of the
    figure that the map knows, or garment where it knows none; outside, all is background.

    Args:
        opacity: (h, w) float32 in [0, 1], how much every pixel belongs to the figure.
        label_map: (h, w) uint8.

    Returns:
        (h, w, 6) float32, sums to 1.
    """
    known = (label_map != labels.BACKGROUND) & (label_map != labels.CLUTTER) & (opacity > 0.5)
    inside = np.full(label_map.shape, labels.GARMENT, np.uint8)
    if known.any():
        _, nearest = cv2.distanceTransformWithLabels(
            (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        names = np.zeros(int(nearest.max()) + 1, np.uint8)
        names[nearest[known]] = label_map[known]
        inside = names[nearest]
    shares = opacity[..., None] * (inside[..., None] == np.arange(COUNT))
    shares[..., labels.BACKGROUND] += 1 - opacity
    return shares.astype(np.float32)
