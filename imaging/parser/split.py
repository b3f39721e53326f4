"""The figure divided, pixel by pixel, into garment, mannequin, support and interior."""

import cv2
import numpy as np

from .. import labels
from . import background
from .cues import Scene

# Parts of the garment smaller than this share of the photo, away from its main part, are dropped.
LEAST_PART = 0.0015
# A garment part that touches a side of the photo must be this share of the largest one.
LEAST_SIDE_PART = 0.15
# Lab hue angle (radians) and spread of human skin; chroma below the least is grey.
SKIN_HUE, SKIN_HUE_SPREAD, SKIN_CHROMA = 0.85, 0.3, 9.0
# The head fills about this share of a standing figure's height.
HEAD_SHARE = 0.15


def shares(scene: Scene, posterior: np.ndarray) -> np.ndarray:
    """Gives every pixel of the working copy to a label.

    Args:
        scene: Its measurements.
        posterior: (count, 5) probabilities of every superpixel.

    Returns:
        (H, W, 5) float32, 1 at the pixel's label, specks removed.
    """
    best = scene.patches.paint(posterior.argmax(1).astype(np.uint8))
    specks = _specks(best > 0)
    best = np.where(specks | _wall_pieces(best), labels.BACKGROUND, best)
    return _one_hot(best)


def label_map(split: np.ndarray) -> np.ndarray:
    """Returns the (H, W) uint8 label with the largest share."""
    return split.argmax(-1).astype(np.uint8)


def worn_shares(image: np.ndarray, figure: np.ndarray) -> np.ndarray:
    """Divides the figure of a person: skin and head are the body, the rest is worn.

    Args:
        image: (H, W, 3) uint8 sRGB.
        figure: (H, W) bool.

    Returns:
        (H, W, 5) float32, 1 at the pixel's label.
    """
    lab = background.to_lab(cv2.medianBlur(image, 5))
    angle = np.arctan2(lab[..., 2], lab[..., 1] + 1e-3)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    body = (np.abs(angle - SKIN_HUE) < SKIN_HUE_SPREAD) & (chroma > SKIN_CHROMA)
    rows = np.flatnonzero(figure.any(1))
    if len(rows):
        chin = rows[0] + HEAD_SHARE * (rows[-1] - rows[0])
        body[: round(chin)] = True
    best = np.where(figure, np.where(body, labels.MANNEQUIN, labels.GARMENT), labels.BACKGROUND)
    return _one_hot(cv2.medianBlur(best.astype(np.uint8), 5))


def _one_hot(best: np.ndarray) -> np.ndarray:
    return (best[..., None] == np.arange(labels.CLUTTER)).astype(np.float32)


def _wall_pieces(best: np.ndarray) -> np.ndarray:
    """Selects small garment parts at the photo's sides: skirting lines and goods on a rail."""
    garment = (best == labels.GARMENT).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(garment)
    if count < 3:
        return np.zeros(best.shape, bool)
    areas = stats[1:, cv2.CC_STAT_AREA]
    right = stats[1:, cv2.CC_STAT_LEFT] + stats[1:, cv2.CC_STAT_WIDTH] >= best.shape[1]
    at_side = (stats[1:, cv2.CC_STAT_LEFT] == 0) | right
    minor = at_side & (areas < LEAST_SIDE_PART * areas.max())
    return np.isin(parts, 1 + np.flatnonzero(minor))


def _specks(figure: np.ndarray) -> np.ndarray:
    count, parts, stats, _ = cv2.connectedComponentsWithStats(figure.astype(np.uint8))
    small = stats[:, cv2.CC_STAT_AREA] < LEAST_PART * figure.size
    small[0] = False
    if small[1:].all() and count > 1:
        small[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())] = False
    return np.asarray(small[np.asarray(parts, np.intp)])
