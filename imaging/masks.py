"""Small algebra of masks: (H, W) bool selects, float32 in [0, 1] is soft."""

from typing import NamedTuple

import cv2
import numpy as np


class Bounds(NamedTuple):
    """A rectangle in pixels; bottom and right are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


def disc(radius_px: int) -> np.ndarray:
    """Returns a round structuring element of 2 radius + 1 pixels."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2)


def grow(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Returns the (H, W) bool mask, larger by `radius_px` on every side; 0 is identity."""
    if radius_px <= 0:
        return mask.copy()
    return cv2.dilate(mask.astype(np.uint8), disc(radius_px)) > 0


def shrink(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Returns the (H, W) bool mask, smaller by `radius_px`; the dual of `grow`."""
    return ~grow(~mask, radius_px)


def feather(mask: np.ndarray, radius_px: float) -> np.ndarray:
    """Returns a soft float32 mask in [0, 1] that leaves the border over `radius_px`.

    The Gaussian's sigma is a third of the radius, so that the ramp ends there; 0 is hard.
    """
    soft = mask.astype(np.float32)
    if radius_px <= 0:
        return soft
    return np.clip(cv2.GaussianBlur(soft, (0, 0), radius_px / 3), 0, 1)


def bounds(mask: np.ndarray) -> Bounds | None:
    """Returns the tight rectangle around a bool mask, None where the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return Bounds(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def largest(mask: np.ndarray) -> np.ndarray:
    """Returns the largest 8-connected component of a bool mask; empty stays empty."""
    count, components, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask.copy()
    return components == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Returns the bool mask with every enclosed gap selected."""
    padded = np.pad(mask.astype(np.uint8), 1)
    flooded = padded.copy()
    cv2.floodFill(flooded, None, (0, 0), 1)
    return mask | (flooded[1:-1, 1:-1] == 0)
