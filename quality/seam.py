"""Seam: a line along the border of the repainted mask."""

import numpy as np

from ..imaging import masks
from ..imaging.color import to_lab
from . import contour
from .measure import Measure, require_mask, require_picture, unmeasurable

NEAR_PX, FAR_PX = 1.5, 8.0  # the profile on each side that tells what the picture does anyway
FLOOR_LAB = 0.4  # deviation of the flattest studio wall; flatter profiles are not surer
# This close to the garment's outline a border is matting, an edge that belongs there.
OUTLINE_SHARE = 0.006  # of the long side
SEGMENT_POINTS = 24  # 72 px of border
MIN_POINTS = 30
WORST_QUARTER = 0.75  # quantile of the border's segments
SURE = 2.0  # standard errors; a segment's step within them is chance
MOVED_PX = 4  # by as much the picture may have moved, and its own edges with it
PASTED_SHARE = 0.5  # of the outside
STEEPEST_LAB = 20.0  # of one point; a steeper step is an object's edge and no seam


def measure(
    result: np.ndarray,
    repaint_mask: np.ndarray,
    *,
    garment_mask: np.ndarray | None = None,
    person: np.ndarray | None = None,
) -> Measure:
    """Measures the step in colour where the repainted area ends.

    At each point of the border two parallel lines are fitted to the colours inside and outside;
    their distance is the step. Steps of the picture itself have all signs along a border, those of
    a paste have one: the mean, weighted by how well the lines fit, keeps the seam.

    Args:
        result: (H, W, 3) uint8 sRGB.
        repaint_mask: (H, W) bool.
        garment_mask: (H, W) bool; its outline is an edge that should be there and is left out.
        person: (H, W, 3) uint8, the picture painted on; steps it already had are not counted.

    Returns:
        Step in Lab units, 0 is no seam, 1 is just visible along a line. The larger of the whole
        border's and its worst quarter's counts. The map has the same per stretch of border.

    Reference:
        Own measure.
    """
    require_picture("result", result)
    require_mask("repaint_mask", repaint_mask, result)
    border = contour.points(repaint_mask, margin_px=int(FAR_PX) + 1)
    if garment_mask is not None:
        require_mask("garment_mask", garment_mask, result)
        reach_px = max(2, round(OUTLINE_SHARE * max(garment_mask.shape)))
        outline = masks.grow(garment_mask & ~masks.shrink(garment_mask, 1), reach_px)
        border = border.at_where(~outline)
    if len(border.at) < MIN_POINTS:
        return unmeasurable("The repainted area ends at the garment's own outline or at the frame.")
    (step,), doubt = _steps(result, border)
    if person is not None and person.shape == result.shape:
        same = (result == person).all(2)[~repaint_mask]
        # Where the outside is the person's bit by bit, nothing has moved.
        moved_px = 0 if same.size and same.mean() > PASTED_SHARE else MOVED_PX
        had = _near(_steps(person, border, moved_px)[0], step)
        step = np.where(step * had > 0, np.sign(step) * np.maximum(abs(step) - abs(had), 0), step)
    weight = 1 / (doubt**2 + FLOOR_LAB**2)
    weight[np.linalg.norm(step, axis=1) > STEEPEST_LAB] = 0
    whole, _ = _mean(step, weight)
    local = np.full(repaint_mask.shape, np.nan, np.float32)
    values = []
    for start in range(0, len(step), SEGMENT_POINTS):
        part = slice(start, start + SEGMENT_POINTS)
        value, error = _mean(step[part], weight[part])
        values.append(max(0.0, value - SURE * error))
        contour.paint(local, border.at[part], values[-1], radius_px=3)
    return Measure(
        max(whole, float(np.quantile(values, WORST_QUARTER))),
        local=local,
        unknown=np.zeros(local.shape, bool),
        details={"whole": whole, "worst_quarter": float(np.quantile(values, WORST_QUARTER))},
    )


def _steps(
    picture: np.ndarray, border: contour.Points, beside_px: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns Lab steps outwards, and (N, 1) deviations of the colours from the lines.

    The steps, (S, N, 3), are those at the border and as far as `beside_px` on both sides of it.
    """
    reach = int(FAR_PX)
    profiles = contour.profiles(picture, border, reach + beside_px)
    lab = to_lab(np.rint(profiles * 255).astype(np.uint8))
    at = np.arange(-reach, reach + 1, dtype=np.float64)
    used = np.abs(at) >= NEAR_PX
    # Columns: level, slope, step. The pseudo-inverse's last row gives the step from a profile.
    terms = np.stack((np.ones(used.sum()), at[used], np.sign(at[used]) / 2), 1)
    solve = np.linalg.pinv(terms)
    windows = [lab[:, start : start + len(at)] for start in range(2 * beside_px + 1)]
    steps = np.stack([np.einsum("t,ntc->nc", solve[2], one[:, used]) for one in windows])
    seen = windows[beside_px][:, used].astype(np.float64)
    rest = seen - np.einsum("tk,kv,nvc->ntc", terms, solve, seen, optimize=True)
    return steps, np.sqrt((rest**2).mean((1, 2)))[:, None]


def _near(steps: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns, of (S, N, 3) steps, each point's that is closest to the (N, 3) wanted one."""
    nearest = np.linalg.norm(steps - wanted, axis=2).argmin(0)
    return steps[nearest, np.arange(len(wanted))]


def _mean(step: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Returns the length of the weighted mean step, and its standard error."""
    total = float(weight.sum())
    if total <= 0:
        return 0.0, 0.0
    mean = (step * weight).sum(0) / total
    spread = float((weight**2 * ((step - mean) ** 2)).sum())
    return float(np.linalg.norm(mean)), float(np.sqrt(spread)) / total
