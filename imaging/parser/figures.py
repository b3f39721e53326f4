"""Which of the figures in a photo is meant, and what is too small to be one."""

import cv2
import numpy as np

from .. import labels, masks

# Parts nearer than this share of the long side are one figure.
GAP = 1 / 60
# A figure beside the largest one has at least this share of its garment; less is a speck.
SECOND_GARMENT = 0.25
# Figures whose columns overlap by less than this share of the narrower one stand side by side; a
# blouse over a skirt on an unseen form overlaps.
BESIDE = 0.3
# A part with less than this share of the largest one's pixels, apart from it, is a speck.
SPECK = 0.01

_WORN = (labels.GARMENT, labels.MANNEQUIN, labels.SUPPORT, labels.INTERIOR)


def single_out(shares: np.ndarray) -> tuple[np.ndarray, bool]:
    """Keeps the figure with the largest garment, and makes the others part of the room.

    Args:
        shares: (h, w, 6) float32, how much every pixel belongs to every label.

    Returns:
        The shares, and whether another figure stood beside the one that is kept.
    """
    found = shares.argmax(-1)
    garment = found == labels.GARMENT
    radius = max(1, round(GAP * max(garment.shape)))
    closed = cv2.morphologyEx(
        np.isin(found, _WORN).astype(np.uint8), cv2.MORPH_CLOSE, masks.disc(radius)
    )
    count, parts, stats, _ = cv2.connectedComponentsWithStats(closed)
    if count < 3:
        return shares, False
    parts = np.asarray(parts, np.int32)
    worn = np.bincount(parts[garment], minlength=count).astype(np.float64)
    worn[0] = 0
    main = int(worn.argmax())
    areas = stats[:, cv2.CC_STAT_AREA]
    others, specks = np.zeros(count, bool), np.zeros(count, bool)
    for number in range(1, count):
        if number == main:
            continue
        specks[number] = areas[number] < SPECK * areas[main]
        rival = worn[number] >= SECOND_GARMENT * worn[main]
        others[number] = rival and _overlap(stats[number], stats[main]) < BESIDE
    gone = (others | specks)[parts]
    if not gone.any():
        return shares, False
    left = shares.copy()
    left[gone[..., None] & np.isin(np.arange(shares.shape[-1]), _WORN)] = 0
    left[others[parts], labels.CLUTTER] = 1
    return left, bool(others.any())


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Returns how much of the narrower one's columns two components share."""
    start = max(first[cv2.CC_STAT_LEFT], second[cv2.CC_STAT_LEFT])
    end = min(
        first[cv2.CC_STAT_LEFT] + first[cv2.CC_STAT_WIDTH],
        second[cv2.CC_STAT_LEFT] + second[cv2.CC_STAT_WIDTH],
    )
    narrower = min(first[cv2.CC_STAT_WIDTH], second[cv2.CC_STAT_WIDTH])
    return float(max(0, end - start) / narrower)
