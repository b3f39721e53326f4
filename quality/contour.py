"""Points along the outline of a mask, and the colours across it."""

from typing import NamedTuple

import cv2
import numpy as np

SPACING_PX = 3  # between two points
SMOOTH_PX = 0.8  # sigma; a profile is sampled between pixels
NORMAL_PX = 3.0  # sigma of the mask whose slope is the normal: stairs of pixels have none
MAX_ROWS = 30000  # of one call; OpenCV's remap takes no more than 32767


class Points(NamedTuple):
    """Points of outlines.

    Attributes:
        at: (N, 2) float32, x and y in px.
        outward: (N, 2) float32 unit normals.
        line: (N,) int, which outline a point belongs to; they follow one another on it.
    """

    at: np.ndarray
    outward: np.ndarray
    line: np.ndarray

    def chosen(self, which: np.ndarray) -> "Points":
        """Returns those points."""
        return Points(self.at[which], self.outward[which], self.line[which])

    def at_where(self, mask: np.ndarray) -> "Points":
        """Returns the points that lie in a (H, W) bool mask."""
        return self.chosen(mask[self.at[:, 1].astype(int), self.at[:, 0].astype(int)])


def points(mask: np.ndarray, *, margin_px: int) -> Points:
    """Returns points along the outlines of a (H, W) bool mask, away from the picture's frame."""
    height, width = mask.shape
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    kept = [line[::SPACING_PX, 0] for line in lines if len(line) >= 4 * SPACING_PX]
    if not kept:
        nothing = np.zeros((0, 2), np.float32)
        return Points(nothing, nothing, np.zeros(0, int))
    at = np.concatenate(kept).astype(np.float32)
    line = np.repeat(np.arange(len(kept)), [len(one) for one in kept])
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), NORMAL_PX)
    slope = np.dstack((cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)))
    outward = -slope[at[:, 1].astype(int), at[:, 0].astype(int)]
    length = np.linalg.norm(outward, axis=1)
    x, y = at.T
    inside = (length > 1e-4) & (np.minimum(x, width - 1 - x) >= margin_px)
    inside &= np.minimum(y, height - 1 - y) >= margin_px
    return Points(at[inside], outward[inside] / length[inside, None], line[inside])


def profiles(
    picture: np.ndarray, found: Points, reach_px: int, moved: np.ndarray | None = None
) -> np.ndarray:
    """Returns (N, 2 reach + 1, 3) float32 colours in [0, 1], from inside to outside.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        found: Where.
        reach_px: On each side of the outline.
        moved: (N, 2) x and y in px by which the outline lies elsewhere in this picture.
    """
    smooth = cv2.GaussianBlur(picture, (0, 0), SMOOTH_PX)
    steps = np.arange(-reach_px, reach_px + 1, dtype=np.float32)
    start = found.at if moved is None else found.at + moved
    where = start[:, None] + steps[None, :, None] * found.outward[:, None]
    x, y = (np.ascontiguousarray(where[..., axis], np.float32) for axis in (0, 1))
    samples = np.empty((*x.shape, 3), np.uint8)
    for first in range(0, len(x), MAX_ROWS):
        rows = slice(first, first + MAX_ROWS)
        samples[rows] = cv2.remap(
            smooth, x[rows], y[rows], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return samples.astype(np.float32) / 255


def paint(local: np.ndarray, at: np.ndarray, value: float, *, radius_px: int) -> None:
    """Paints a value around (N, 2) points into a map made by the caller; the larger one stays."""
    for x, y in at.astype(int):
        spot = (
            slice(max(0, y - radius_px), y + radius_px + 1),
            slice(max(0, x - radius_px), x + radius_px + 1),
        )
        local[spot] = np.fmax(local[spot], value)
