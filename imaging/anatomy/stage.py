"""The stage on which body parts are compared with a photo: what it shows, hides or lacks."""

import cv2
import numpy as np

from .. import masks
from ..parsing import Parsing

PRESENT = 0.55  # share of a part, outside the garment, that the mannequin must show
NEARBY = 0.35  # the same of a hand or foot, counting mannequin up to REACH away
TRACE = 0.10  # the same where this kind of mannequin has hands or feet
REACH = 0.035  # statures by which a located hand or foot may miss the real one
SHOWN = 0.06  # share of a part that must stick out of the garment to be worth a stroke
SLIVER = 0.009  # statures; what is thinner than twice this is the outline's error, not a limb
CANVAS_PX = 640  # the photo's longer side on the stage

HAVING = {
    "hand": ("full", "headless", "person"),
    "foot": ("full", "headless", "armless", "legs", "person"),
}
"""Kinds of mannequin that have hands and feet."""


class Stage:
    """The photo with room around it, on which parts are cut out; immutable once made."""

    def __init__(self, parsing: Parsing, stature: float, *, all_parts: bool = False) -> None:
        """Sets the stage.

        Args:
            parsing: What the photo shows.
            stature: Of the body, in photo pixels.
            all_parts: Treats every part as bare and missing.
        """
        height, width = parsing.size
        self.scale = CANVAS_PX / max(height, width)
        size = max(1, round(width * self.scale)), max(1, round(height * self.scale))
        self.pad = CANVAS_PX // 2
        self.stature = stature * self.scale
        self.all_parts = all_parts
        self.kind = parsing.kind
        self.garment = self._wide(parsing.garment, size)
        self.mannequin = self._wide(parsing.mannequin, size)
        self.photo = self._wide(np.ones(parsing.size, bool), size)

    def _wide(self, mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return np.pad(small > 0, self.pad)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Photo pixels to stage pixels."""
        return (points + 0.5) * self.scale - 0.5 + self.pad

    def back(self, points: np.ndarray) -> np.ndarray:
        """Stage pixels to photo pixels."""
        return (points - self.pad + 0.5) / self.scale - 0.5

    def fill(self, polygon: np.ndarray) -> np.ndarray:
        """(H, W) bool of the padded stage."""
        canvas = np.zeros(self.garment.shape, np.uint8)
        cv2.fillPoly(canvas, [np.rint(self.place(polygon)).astype(np.int32)], 1)
        return canvas > 0

    def free(self, polygon: np.ndarray, thin: float = SLIVER) -> np.ndarray:
        """The part of a polygon that no garment covers, without slivers along its edge."""
        area = self.fill(polygon)
        if self.all_parts or not area.any():
            return area
        radius = max(1, round(thin * self.stature))
        box = _box(area, 2 * radius + 1)
        bare = masks.shrink(area[box] & ~self.garment[box], radius)
        area[box] &= masks.grow(bare, radius)
        return area

    def covered(self, polygon: np.ndarray) -> float:
        """Share of a polygon's area that lies under the garment."""
        area = self.fill(polygon)
        return float((area & self.garment).sum() / max(area.sum(), 1))

    def shows(self, polygon: np.ndarray, tip: str = "") -> bool:
        """Whether the mannequin shows what of a part the garment leaves bare.

        A tip is a "hand" or "foot": small, and seldom exactly where it was located.
        """
        seen = self.free(polygon) & self.photo
        if not seen.any():
            return False
        reach = round(REACH * self.stature) if tip else 0
        box = _box(seen, reach + 1)
        near = masks.grow(seen[box], reach) & self.mannequin[box]
        expected = PRESENT
        if tip:
            expected = TRACE if self.kind in HAVING[tip] else NEARBY
        return bool(near.sum() >= expected * seen.sum())

    def lacks(self, polygon: np.ndarray, tip: str = "") -> bool:
        """Whether a part sticks out of the garment and the mannequin does not show it."""
        if self.all_parts:
            return True
        whole, area = self.fill(polygon), self.free(polygon)
        if area.sum() < SHOWN * max(whole.sum(), 1) or not (area & self.photo).any():
            return False
        return not self.shows(polygon, tip)


def largest(area: np.ndarray) -> np.ndarray:
    """Returns the largest connected piece of an area of the stage."""
    if not area.any():
        return area
    found, box = np.zeros_like(area), _box(area, 1)
    found[box] = masks.largest(area[box])
    return found


def _box(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The rows and columns of a mask, with a margin: morphology elsewhere is wasted."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    rows = slice(max(0, y - margin), y + height + margin)
    return rows, slice(max(0, x - margin), x + width + margin)
