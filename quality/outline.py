"""Outline: how far the garment's edge has moved, by the name of the place: sleeves, hem, neck."""

import numpy as np

from . import contour, zones
from .contour import Points
from .measure import Measure, require_mask, require_picture, unmeasurable

LOOK_PX = 7  # of the profile on each side of the edge; less is the edge alone, more other edges
SEARCH_PX = 10  # the edge is looked for as far as this; farther it is another edge
ALONG_POINTS = 3  # neighbours on each side that move together: 21 px of outline
MIN_CONTRAST = 0.02  # root mean square of the profiles, of 1; less is noise and not an edge
MIN_AGREEMENT = 0.7  # normalised correlation; an edge that agrees less is another one, or gone
MIN_GAIN = 0.05  # of agreement, against the old place
# Of full scale, the largest channel. Before something else an edge is not compared: a garment worn
# by somebody else seemed to have moved by 8 px in 2 of 12 pairs.
SAME_OUTSIDE = 0.1
BESIDE_PX = (3, 4, 5, 6)  # outwards of the edge
SAME_IN_ZONE = 0.65  # of a zone's points: a hem before other legs is told by chance
MIN_POINTS = 20  # of an outline that can be measured
FRAME_PX = SEARCH_PX + LOOK_PX + 1  # where the frame cuts the garment off is no edge
FIT_ROUNDS = 6
WORST_POINTS = 6  # the least of a zone's worst 18 px counts: a speck is no moved edge
FIT_STEP = 97  # each such pixel of the garment; thousands are enough for six numbers


def measure(
    result: np.ndarray,
    other: np.ndarray,
    other_mask: np.ndarray,
    *,
    motion: np.ndarray | None = None,
    body: zones.Body | None = None,
) -> Measure:
    """Measures how far the garment's edge has moved away from where it was.

    The profile of colours across the other picture's edge is looked for in the result. What the
    whole picture does (a shift, another scale) is taken off by a robust affine fit.

    Args:
        result, other: (H, W, 3) uint8 sRGB, with the garment in the same place.
        other_mask: (H, W) bool, the garment in `other`; good to a few pixels.
        motion: (h, w, 2) of `alignment.Placed`, of these pictures or reduced ones; where the
            picture as a whole moved.
        body: Of `other`, to name the places. None: they are named by where they are.

    Returns:
        Pixels in the worst zone, 0 and up; beyond SEARCH_PX an edge is not found again. `where`
        names the zone and `details` has each (`zone:hem`), and `same_surroundings`, the share of
        the outline beside which both pictures show the same. The map has the same along the edge.

    Reference:
        Own measure. A boundary F-score hides a bad sleeve: pushed by 6 px it changes by 0.05.
    """
    require_picture("result", result)
    require_picture("other", other)
    require_mask("other_mask", other_mask, other)
    if result.shape != other.shape:
        return unmeasurable("The edges are compared in place, and the pictures differ in size.")
    found = contour.points(other_mask, margin_px=FRAME_PX)
    if len(found.at) < MIN_POINTS:
        return unmeasurable("The garment has no outline inside the picture.")
    common = None if motion is None else _common(motion, other_mask, found)
    reach_px = LOOK_PX + SEARCH_PX
    after = contour.profiles(result, found, reach_px, common)
    before = contour.profiles(other, found, reach_px)
    moved = _moved(after, before, found)
    same = _same_outside(after, before, moved)
    moved = np.where(same, moved, np.nan)
    known = np.isfinite(moved)
    if known.sum() < MIN_POINTS:
        return unmeasurable("The garment hardly stands out from what surrounds it.")
    apart = np.abs(_without_common(found, moved))
    names = zones.name_points(found.at, found.outward, other_mask, body)
    worst = {
        str(name): float(np.sort(apart[chosen])[-WORST_POINTS])
        for name in dict.fromkeys(names)
        if (chosen := known & (names == name)).sum() >= WORST_POINTS
        and same[names == name].mean() >= SAME_IN_ZONE
    }
    if not worst:
        return unmeasurable("No part of the outline is long enough to be compared.")
    where = max(worst, key=lambda name: worst[name])
    local, unknown = _painted(found, apart, other_mask.shape)
    return Measure(
        worst[where],
        local=local,
        unknown=unknown,
        details={
            "same_surroundings": float(same.mean()),
            **{f"zone:{name}": value for name, value in worst.items()},
        },
        where=where,
    )


def _same_outside(after: np.ndarray, before: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Returns (N,) bool, where both pictures show the same right beside the edge.

    What happened to all surroundings alike, as by another exposure, is no difference.
    """
    middle, rows = SEARCH_PX + LOOK_PX, np.arange(len(moved))[:, None]
    beside = np.array(BESIDE_PX)[None]
    place = middle + np.rint(np.nan_to_num(moved)).astype(int)[:, None] + beside
    seen = after[rows, np.clip(place, 0, after.shape[1] - 1)].mean(1)
    change = seen - before[rows, middle + beside].mean(1)
    return np.abs(change - np.median(change, axis=0)).max(1) < SAME_OUTSIDE


def _moved(after: np.ndarray, before: np.ndarray, found: Points) -> np.ndarray:
    """Returns (N,) px that the edge has moved outwards; NaN where that cannot be told.

    Both profiles, of the result and of the other picture, are as `contour.profiles` has them.
    """
    before = before[:, SEARCH_PX:-SEARCH_PX]
    before = before - before.mean(1, keepdims=True)
    shifts = range(2 * SEARCH_PX + 1)
    windows = [after[:, s : s + 2 * LOOK_PX + 1] for s in shifts]
    windows = [w - w.mean(1, keepdims=True) for w in windows]
    had = _along((before**2).sum((1, 2)), found.line)
    has = np.stack([_along((w**2).sum((1, 2)), found.line) for w in windows], 1)
    both = np.stack([_along((w * before).sum((1, 2)), found.line) for w in windows], 1)
    floor = before[0].size * MIN_CONTRAST**2
    agreement = both / np.sqrt(np.maximum(had[:, None], floor) * np.maximum(has, floor))
    best = agreement.argmax(1)
    middle = np.clip(best, 1, 2 * SEARCH_PX - 1)
    rows = np.arange(len(best))
    left, top, right = (agreement[rows, middle + step] for step in (-1, 0, 1))
    bend = np.minimum(left - 2 * top + right, -1e-6)
    offset = np.where(best == middle, np.clip((left - right) / (2 * bend), -0.5, 0.5), 0)
    sure = (had >= floor) & (agreement[rows, best] >= MIN_AGREEMENT)
    # Ribs and folds look alike: where the edge fits at its old place as well, nothing is told.
    gain = agreement[rows, best] - agreement[:, SEARCH_PX]
    sure &= (np.abs(best - SEARCH_PX) <= 1) | (gain >= MIN_GAIN)
    return np.where(sure, best - SEARCH_PX + offset, np.nan)


def _along(values: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Returns each point's mean with its neighbours on the same outline."""
    mean = np.empty(len(values))
    for number in np.unique(line):
        chosen = line == number
        reach = min(ALONG_POINTS, (chosen.sum() - 1) // 2)
        ring = np.pad(values[chosen], reach, mode="wrap")
        mean[chosen] = np.convolve(ring, np.full(2 * reach + 1, 1 / (2 * reach + 1)), "valid")
    return mean


def _common(motion: np.ndarray, mask: np.ndarray, found: Points) -> np.ndarray:
    """Returns (N, 2) px by which an affine map of the whole garment moves each point."""
    enlarged = np.array(mask.shape[::-1]) / motion.shape[1::-1]  # of the motion's pixels
    rows, columns = np.nonzero(mask)
    at = np.stack((columns, rows), 1)[::FIT_STEP]
    x, y = np.minimum(at / enlarged, np.array(motion.shape[1::-1]) - 1).astype(int).T
    # The motion says where a pixel of the result came from; a point of the other went against it.
    went = -motion[y, x].astype(np.float64) * enlarged
    fits = [_robust(_affine(at, mask), part) for part in went.T]
    return np.stack([_affine(found.at, mask) @ fit for fit in fits], 1).astype(np.float32)


def _affine(at: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.c_[np.ones(len(at)), at / max(mask.shape)]


def _without_common(found: Points, moved: np.ndarray) -> np.ndarray:
    """Takes the rest of an affine motion off, as the edges themselves show it."""
    known = np.isfinite(moved)
    at = (found.at - found.at[known].mean(0)) / max(float(np.ptp(found.at)), 1.0)
    terms = np.concatenate(
        [found.outward * factor for factor in (1, at[:, :1], at[:, 1:])], 1
    ).astype(np.float64)
    return moved - terms @ _robust(terms[known], moved[known])


def _robust(terms: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns least absolute deviations: one pushed sleeve does not count."""
    weight, fit = np.ones(len(wanted)), np.zeros(terms.shape[1])
    for _ in range(FIT_ROUNDS):
        root = np.sqrt(weight)
        fit, *_ = np.linalg.lstsq(terms * root[:, None], wanted * root, rcond=1e-6)
        weight = 1 / np.maximum(np.abs(wanted - terms @ fit), 0.2)
    return fit


def _painted(
    found: Points, apart: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    local, unseen = np.full(size, np.nan, np.float32), np.full(size, np.nan, np.float32)
    for point, value in zip(found.at, apart, strict=True):
        known = np.isfinite(value)
        contour.paint(local if known else unseen, point[None], value if known else 1.0, radius_px=5)
    return local, np.isfinite(unseen) & np.isnan(local)
