"""Everything that stands in front of the background: garment, mannequin and support."""

import cv2
import numpy as np

from . import background, masks

# Multiples of the background's spread. Below the first a pixel starts as background, above the
# second it starts as figure.
UNLIKE = 3.0
GRABCUT_ITERATIONS = 3


def find(image: np.ndarray) -> np.ndarray:
    """Selects the figure of a photo.

    Args:
        image: (H, W, 3) uint8 sRGB, small (about 640 px).

    Returns:
        (H, W) bool.

    Reference:
        Rother et al., GrabCut, SIGGRAPH 2004, seeded by the distance to the border's colours.
    """
    distance = background.novelty(background.to_lab(image))
    height, width = distance.shape
    seeds = np.where(distance > UNLIKE, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    rim = max(1, round(width * 0.02))
    seeds[:, :rim][distance[:, :rim] < UNLIKE] = cv2.GC_BGD
    seeds[:, -rim:][distance[:, -rim:] < UNLIKE] = cv2.GC_BGD
    if not (seeds == cv2.GC_PR_FGD).any() or (seeds == cv2.GC_PR_FGD).all():
        return np.zeros((height, width), bool)
    cv2.setRNGSeed(0)  # grabCut starts its colour models with kmeans on the global generator
    bgd, fgd = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, seeds, None, bgd, fgd, GRABCUT_ITERATIONS, cv2.GC_INIT_WITH_MASK)  # pyright: ignore
    figure = (seeds == cv2.GC_PR_FGD) | (seeds == cv2.GC_FGD)
    return _tidy(figure)


def _tidy(figure: np.ndarray) -> np.ndarray:
    """Drops specks and closes pinholes."""
    small = max(9, figure.size // 1500)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(figure.astype(np.uint8))
    keep = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= small]
    kept = np.isin(parts, keep)
    closed = masks.fill_holes(kept)
    holes = closed & ~kept
    count, parts, stats, _ = cv2.connectedComponentsWithStats(holes.astype(np.uint8))
    tiny = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] < small]
    return kept | np.isin(parts, tiny)
