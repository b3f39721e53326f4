"""Leak: what changed outside the repainted mask."""

import cv2
import numpy as np

from ..imaging import masks
from ..imaging.color import to_lab
from . import alignment, color
from .measure import Measure, require_mask, require_picture, unmeasurable

VISIBLE_LEVELS = 8  # of 255; about 2 to 3 CIEDE2000 on mid grey, the least a shopper could notice
VISIBLE_DE = 2.0  # CIEDE2000 of an area: side by side, most people see it
# Reached somewhere in an area, or it is how JPEG rounds colours: 2.0 to 2.4 on white walls.
SURE_DE = 2.5
# Changed pixels outside among those that differ from a neighbour by as many levels (a plain wall
# stays the same through anything). With fewer the engine has pasted back, and each of them counts.
PASTED_SHARE, STRUCTURE_LEVELS = 0.5, 6
STRIP_PX = 1024
WORKING_SIDE_PX = 640
# The lengths below are for a working copy of WORKING_SIDE_PX and shrink with a smaller one.
SMOOTH_PX = 2.5  # sigma; grain and JPEG blocks average out
LEAST_RADIUS_PX = 3.0  # an area narrower than its double is an edge that moved, not a leak
FEATHER_PX = 4.0  # around the mask: the soft border of a paste
FIT_PIXELS = 20000
FIT_ROUNDS = 4
MOST_LAB = 15.0  # median; a change of all colours beyond a stop of light is itself the fault
FIT_RIDGE = 0.002
FEWEST_PIXELS = 100
LEAST_ERROR = 0.015  # of full scale, about 4 levels: grain and JPEG
CLIPPED = 250 / 255  # from which a channel says no more than that it is full
REACH_PX = 2.0  # within which an edge may have moved


def measure(result: np.ndarray, person: np.ndarray, repaint_mask: np.ndarray) -> Measure:
    """Measures what the engine changed where it had no business.

    Where most pixels outside are the same bit by bit, each visibly changed one counts. Else the
    whole picture went through something (JPEG, exposure, the network's own encoder): one affine
    change of all colours is taken off, and a motion of the whole, and areas count that still
    differ.

    Args:
        result, person: (H, W, 3) uint8 sRGB of one size; person is what the result was painted on.
        repaint_mask: (H, W) bool, where painting was allowed.

    Returns:
        Share (0 to 1) of the area outside the mask that visibly changed. The map is in CIEDE2000.
        `details` has `changed_count` (pixels with any change), `changed_share`, `largest_levels`
        and `pasted_share` (visibly changed pixels, where all else is the same bit by bit). An
        engine that pastes back exactly scores 0 in all.
    """
    require_picture("result", result)
    require_picture("person", person)
    if result.shape != person.shape:
        return unmeasurable(
            f"The result is {_size(result)} and the person photo {_size(person)}: they must have "
            "the same size."
        )
    require_mask("repaint_mask", repaint_mask, result)
    outside = ~repaint_mask
    if not outside.any():
        return unmeasurable("The repainted mask covers the whole picture.")
    red, green, blue = cv2.split(cv2.absdiff(result, person))
    change = cv2.max(cv2.max(red, green), blue)
    levels = change[outside]
    changed_share = float((levels > 0).mean())
    pasted = _pasted(person, change, outside)
    if changed_share:
        local = _areas(result, person, outside, pasted=pasted)
    else:
        local = np.zeros(change.shape, np.float32)
    value = np.count_nonzero((local >= VISIBLE_DE) & outside) / len(levels)
    pasted_share = 0.0
    if pasted:
        for top in range(0, len(change), STRIP_PX):  # a huge picture twice would be too much
            rows = slice(top, top + STRIP_PX)
            each = change[rows] * np.float32(VISIBLE_DE / VISIBLE_LEVELS)
            np.maximum(local[rows], each, out=local[rows])
        pasted_share = float((levels >= VISIBLE_LEVELS).mean())
        value = max(value, pasted_share)
    local[repaint_mask] = np.nan
    return Measure(
        value,
        local=local,
        unknown=np.zeros(outside.shape, bool),
        details={
            "changed_count": float((levels > 0).sum()),
            "changed_share": changed_share,
            "largest_levels": float(levels.max()),
            "pasted_share": pasted_share,
        },
    )


def _pasted(person: np.ndarray, change: np.ndarray, outside: np.ndarray) -> bool:
    """Tells whether the outside is that of the person photo, bit by bit, but for some places."""
    grey = cv2.cvtColor(person, cv2.COLOR_RGB2GRAY)
    window = np.ones((3, 3), np.uint8)
    structured = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, window) >= STRUCTURE_LEVELS
    looked = outside & structured
    return float((change[looked if looked.any() else outside] > 0).mean()) <= PASTED_SHARE


def _areas(
    result: np.ndarray, person: np.ndarray, outside: np.ndarray, *, pasted: bool
) -> np.ndarray:
    """Returns (H, W) float32 CIEDE2000 of areas that differ beyond what happened to all."""
    scale = min(1.0, WORKING_SIDE_PX / max(outside.shape))
    size = tuple(max(1, round(length * scale)) for length in outside.shape[::-1])
    after, before = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (result, person))
    where = cv2.resize(outside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    share = max(where.shape) / WORKING_SIDE_PX
    where = masks.shrink(where, round(FEATHER_PX * share))
    if pasted:
        found = _difference(after, before, where, reach_px=0)
    else:
        reach_px = round(REACH_PX * share)
        found = _difference(after, before, where, reach_px=reach_px)
        motion = alignment.flow(after, before)
        if (found >= VISIBLE_DE).any() and motion is not None:
            rows, columns = np.indices(where.shape, np.float32)
            source = columns + motion[..., 0], rows + motion[..., 1]
            moved = cv2.remap(before, *source, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            found = np.minimum(found, _difference(after, moved, where, reach_px=reach_px))
    return cv2.resize(found, outside.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _difference(
    after: np.ndarray, before: np.ndarray, where: np.ndarray, *, reach_px: int
) -> np.ndarray:
    """Returns CIEDE2000 after one affine change of all colours is taken off; 0 elsewhere.

    A colour that the picture before has within `reach_px` is no difference: an edge that moved.
    """
    expected = _as_lit(before, after, where)
    share = max(where.shape) / WORKING_SIDE_PX
    sigma, radius = max(0.3, SMOOTH_PX * share), round(LEAST_RADIUS_PX * share)
    weight = np.maximum(cv2.GaussianBlur(where.astype(np.float32), (0, 0), sigma), 0.05)
    seen, wanted = (
        cv2.GaussianBlur(to_lab(p) * where[..., None], (0, 0), sigma) / weight[..., None]
        for p in (after, expected)
    )
    if reach_px:
        window = masks.disc(reach_px)
        wanted = np.clip(seen, cv2.erode(wanted, window), cv2.dilate(wanted, window))
    # CIEDE2000 is at most about twice the Euclidean distance, and that is soon computed.
    far = where & (np.linalg.norm(seen - wanted, axis=2) >= VISIBLE_DE / 2)
    found = np.zeros(where.shape, np.float32)
    found[far] = color.ciede2000(seen[far], wanted[far])
    areas = (found >= VISIBLE_DE) | ~where  # an area at the mask's border may be narrow there
    areas = _sure(masks.grow(masks.shrink(areas, radius), radius) & where, found)
    return np.where(areas, found, np.minimum(found, 0.9 * VISIBLE_DE)).astype(np.float32)


def _sure(areas: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Returns the areas that reach SURE_DE somewhere."""
    _, parts = cv2.connectedComponents(areas.astype(np.uint8))
    return areas & np.isin(parts, np.unique(parts[areas & (found >= SURE_DE)]))


def _as_lit(before: np.ndarray, after: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Returns the picture before, in the light and colours of the one after."""
    chosen = np.flatnonzero(where)
    chosen = chosen[:: max(1, len(chosen) // FIT_PIXELS)]
    if len(chosen) < FEWEST_PIXELS:
        return before
    # Smoothed, or lost grain would pass for a change of contrast.
    sigma = max(0.3, SMOOTH_PX * max(where.shape) / WORKING_SIDE_PX)
    smooth = [cv2.GaussianBlur(p, (0, 0), sigma).reshape(-1, 3)[chosen] for p in (before, after)]
    start, end = np.c_[smooth[0] / 255.0, np.ones(len(chosen))], smooth[1] / 255.0
    matrix = np.stack([_fit(start, end[:, c], np.eye(4)[c]) for c in range(3)], 1)
    flat = np.c_[before.reshape(-1, 3) / 255.0, np.ones(where.size)] @ matrix
    lit = np.clip(np.rint(flat * 255), 0, 255).astype(np.uint8).reshape(before.shape)
    gone = np.linalg.norm(to_lab(lit)[where] - to_lab(before)[where], axis=1)
    return before if np.median(gone) > MOST_LAB else lit


def _fit(start: np.ndarray, end: np.ndarray, unchanged: np.ndarray) -> np.ndarray:
    """Fits one channel of the picture after, robustly; a full channel is at least that bright."""
    full, fit = end >= CLIPPED, unchanged
    kept = ~full
    for _ in range(FIT_ROUNDS):
        # Towards no change, where the colours are too few to tell.
        weak = FIT_RIDGE * len(end) * np.eye(4)
        parts = start[kept]
        fit = np.linalg.solve(parts.T @ parts + weak, parts.T @ end[kept] + weak @ unchanged)
        error = start @ fit - end
        error[full] = np.minimum(error[full], 0)  # brighter than full is still full
        near = max(2.5 * float(np.median(np.abs(error))), LEAST_ERROR)
        kept = (np.abs(error) <= near) & (error != 0)  # what leaked is an outlier
    return fit


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[0]}x{picture.shape[1]}"
