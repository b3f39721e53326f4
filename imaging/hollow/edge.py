"""The edge of a garment's back, seen across its front neckline: where it begins and how it sags."""

import itertools
from typing import NamedTuple

import cv2
import numpy as np

from .. import masks

# How far the back edge hangs below the line between the collar points. Of a garment with
# shoulders: share of the opening's width, a back neckline is cut 2 cm deep and 18 cm wide. Of one
# with straps: share of the front's depth, as tanks and slips are cut low behind too.
SAG_OF_WIDTH = 0.14
SAG_OF_DEPTH = 0.5
# Cloth beside the opening, in shares of the opening's width, up to which it is a strap and from
# which it is a shoulder.
STRAP, SHOULDER = 0.45, 0.9
# Depth, from above, at which that is measured: shoulders begin as a point.
STRAP_DEPTH = 0.6
# Sags that are tried, as shares of the opening's depth.
SAGS = np.linspace(0, 0.9, 46)
# Pixels of contradicting evidence that outweigh the rule above, per pixel of the opening's width,
# for a sag that is off by the whole depth.
RULE_WEIGHT = 0.5
# How far a collar's inner side may lean from one row to the next, as a share of the opening.
LEAN = 0.04
# A valley in the upper outline is a neckline from this depth on, as a share of its width, within
# these shares of the garment's width, and at most so far off its middle.
VALLEY, VALLEY_SPAN, VALLEY_OFF = 0.04, (0.06, 0.8), 0.2
# Shallower ones are the steps of a slanting outline, in pixels.
STEPS_PX = 1.5
# Where the outline is level from shoulder to shoulder but for the neck, the hull touches it at its
# ends only: then the valley begins where the outline is so far below the hull, in pixels.
STRAIGHT_PX = 1.0


class Edge(NamedTuple):
    """The course of a back edge: a parabola that hangs from the two collar points.

    Attributes:
        left, right: (x, y) in pixels.
        sag_px: Below the line between them, in their middle.
    """

    left: tuple[float, float]
    right: tuple[float, float]
    sag_px: float

    def rows(self, columns: np.ndarray) -> np.ndarray:
        """Returns the edge's height at each column, in pixels; level beyond its ends."""
        span = max(self.right[0] - self.left[0], 1.0)
        place = np.clip((columns - self.left[0]) / span, 0, 1)
        chord = self.left[1] + (self.right[1] - self.left[1]) * place
        return chord + self.sag_px * 4 * place * (1 - place)

    def depth(self, box: masks.Bounds) -> np.ndarray:
        """Returns (h, w) float32: pixels below the edge, across it; negative above."""
        columns = np.arange(box.left, box.right, dtype=np.float32)
        rows = np.arange(box.top, box.bottom, dtype=np.float32)[:, None]
        heights = self.rows(columns)
        slope = np.gradient(heights) if len(heights) > 1 else np.zeros(1)
        return ((rows - heights) / np.hypot(1, slope)).astype(np.float32)

    def below(self, box: masks.Bounds) -> np.ndarray:
        """Selects (h, w) bool what lies at or below the edge."""
        return self.depth(box) >= 0

    def moved(self, left_px: int, top_px: int) -> "Edge":
        """Returns the same edge in a window that begins at (left, top)."""
        (left, left_y), (right, right_y) = self.left, self.right
        return Edge((left - left_px, left_y - top_px), (right - left_px, right_y - top_px), self[2])


def neckline(cloth: np.ndarray) -> Edge | None:
    """Finds the neckline of cloth that nobody stands in: the valley in its upper outline.

    Args:
        cloth: (H, W) bool.

    Returns:
        The edge between the two collar points, in pixels of the array; None where there is none.
    """
    columns = np.flatnonzero(cloth.any(0))
    if len(columns) < 3:
        return None
    rows = cloth[:, columns].argmax(0)
    points = np.stack([columns, rows], -1).astype(np.int32)
    # Two points below keep the hull's lower side away from the outline.
    floor = [(columns[0], rows.max() + 1), (columns[-1], rows.max() + 1)]
    around = np.vstack([points, np.array(floor, np.int32)])
    hull = np.sort(cv2.convexHull(around, returnPoints=False).ravel())
    hull = hull[hull < len(points)]
    box = masks.bounds(cloth) or masks.Bounds(0, 0, *cloth.shape)
    middle = float(np.nonzero(cloth[box.top : box.top + max(1, box.height // 2)])[1].mean())
    found = []
    for start, end in itertools.pairwise(hull):
        (left, left_y), (right, right_y) = points[start], points[end]
        place = (columns[start : end + 1] - left) / (right - left)
        sag = rows[start : end + 1] - (left_y + (right_y - left_y) * place)
        for low, high in _valleys(sag, right - left > VALLEY_SPAN[1] * box.width):
            first, last, depth = start + low, start + high, float(sag[low:high].max())
            # A neck is in the middle and no wider than the shoulders.
            off = abs((columns[first] + columns[last]) / 2 - middle)
            span = columns[last] - columns[first]
            deep = depth >= max(STEPS_PX, VALLEY * span)
            if deep and VALLEY_SPAN[0] <= span / box.width <= VALLEY_SPAN[1]:
                found.append((off, first, last, depth))
    if not found:
        return None
    off, first, last, depth = min(found)
    if off > VALLEY_OFF * box.width:
        return None
    ends = [(float(x), float(y)) for x, y in points[[first, last]]]
    return Edge(ends[0], ends[1], depth)


def _valleys(sag: np.ndarray, level: bool) -> np.ndarray:
    """Returns (n, 2): first and last index of each valley; of level shoulders, those between."""
    if not level:
        return np.array([(0, len(sag) - 1)])
    return np.flatnonzero(np.diff(np.pad(sag >= STRAIGHT_PX, 1))).reshape(-1, 2) - (1, 0)


def back_edge(part: np.ndarray, region: np.ndarray, inside: np.ndarray, gone: np.ndarray) -> Edge:
    """Finds the back edge over one opening.

    Collar points are where cloth ends beside the opening. How far the edge sags follows the cut,
    unless the photo tells better: photographed inside lies below the edge, photographed backdrop
    above it, and the edge is as far down on one side of the neck as on the other.

    Args:
        part: (H, W) bool, cloth.
        region: (H, W) bool, what cloth encloses to the left, to the right and below.
        inside: (H, W) bool, photographed inside of the garment.
        gone: (H, W) bool, mannequin and support.

    Returns:
        The edge, in pixels of these arrays.
    """
    box = masks.bounds(region) or masks.Bounds(0, 0, *region.shape)
    upper = np.flatnonzero(region[box.top])
    middle = (int(upper[0]) + int(upper[-1])) / 2
    left = _collar(part, box, int(upper[0]) - 1, middle, inner=1)
    right = _collar(part, box, int(upper[-1]) + 1, middle, inner=-1)
    depth = box.bottom - (left[1] + right[1]) / 2
    width = right[0] - left[0]
    cut = _cut(part, region, box)
    rule = (1 - cut) * min(SAG_OF_DEPTH * depth, width) + cut * SAG_OF_WIDTH * width
    rule = min(rule, SAG_OF_DEPTH * depth)
    return _agreeing(Edge(left, right, rule), depth, region, inside, gone)


def _collar(
    part: np.ndarray, box: masks.Bounds, column: int, middle: float, *, inner: int
) -> tuple[float, float]:
    """Climbs the cloth beside the opening to its upper end."""
    reach = max(2, round(LEAN * box.width))
    row, limit = box.top, max(0, box.top - box.width)
    while row > limit:
        first = max(0, column - reach)
        near = np.flatnonzero(part[row - 1, first : column + reach + 1]) + first
        near = near[(near - middle) * inner < 0]
        if not len(near):
            break
        column, row = int(near.max() if inner > 0 else near.min()), row - 1
    return float(column), float(row)


def _cut(part: np.ndarray, region: np.ndarray, box: masks.Bounds) -> float:
    """Tells straps (0) from shoulders (1) by the cloth on the narrower side of the opening."""
    row = min(box.bottom - 1, box.top + round(STRAP_DEPTH * box.height))
    columns = np.flatnonzero(region[row])
    if not len(columns):
        return 1.0
    left = ~part[row, : columns[0]][::-1]
    right = ~part[row, columns[-1] + 1 :]
    runs = [int(gap.argmax()) if gap.any() else len(gap) for gap in (left, right)]
    share = min(runs) / max(1, box.width)
    return float(np.clip((share - STRAP) / (SHOULDER - STRAP), 0, 1))


def _agreeing(
    rule: Edge, depth: float, region: np.ndarray, inside: np.ndarray, gone: np.ndarray
) -> Edge:
    """Returns the edge whose sag contradicts the photo least."""
    top = max(0, int(min(rule.left[1], rule.right[1])))
    box = masks.bounds(region) or masks.Bounds(0, 0, *region.shape)
    around = masks.Bounds(top, box.left, box.bottom, box.right)
    window = (slice(top, box.bottom), slice(box.left, box.right))
    rows = np.arange(top, box.bottom)[:, None]
    room = (region & ~inside & ~gone)[window].astype(np.uint8)
    # Slivers between two labels are no backdrop.
    room = cv2.morphologyEx(room, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    cost = np.empty(len(SAGS))
    for number, share in enumerate(SAGS):
        heights = rule._replace(sag_px=share * depth).rows(np.arange(around.left, around.right))
        below = rows >= heights
        wrong = (inside[window] & ~below).sum() + (room & below).sum()
        cost[number] = wrong + RULE_WEIGHT * box.width * (share - rule.sag_px / depth) ** 2
    best = float(SAGS[int(cost.argmin())])
    if abs(best * depth - rule.sag_px) <= (SAGS[1] - SAGS[0]) * depth:
        return rule
    return rule._replace(sag_px=best * depth)
