"""Veil: a pale haze over the garment, measured as a change from the source picture."""

import cv2
import numpy as np

from . import color, tiles
from .measure import Measure, require_pair, unmeasurable

QUANTILES = np.linspace(0.02, 0.98, 49)  # the tails beyond are highlights, dust and mask errors
VEIL_LUMA = 0.88  # a veil of strength v is x (1 - v) + 0.88 v: haze is light, not white
MIN_SPREAD = 0.02  # standard deviation of luma; below, slope and offset cannot be told apart
SMOOTH_SHARE = 0.004  # sigma over the root of the garment's area: see `_smooth`
BLACK_POINT = 0.01  # quantile
CLIPPED_LUMA = 0.97  # blown out: a brighter exposure flattens these, which is not a veil
MIN_QUANTILES = 16  # a third of them; a line through fewer says little about the garment
MIN_PIXELS = 400
# A veil over a part bends the line of all; the tiles see it. Weaker ones are the tiles' own noise:
# the same garment on a person and on its mannequin differs by up to 0.09 in its haziest quarter.
HAZIEST_QUARTER, LEAST_LOCAL = 0.75, 0.10


def measure(
    result: np.ndarray,
    source: np.ndarray,
    result_mask: np.ndarray,
    source_mask: np.ndarray,
    *,
    aligned: bool = False,
) -> Measure:
    """Measures the strength of the veil that the result has and the source has not.

    Fits the result's luma quantiles as a line over the source's. A veil lowers the slope and
    lifts the dark end; both are needed, so that a change of exposure or grading does not fire.
    The quantiles know no positions: the garment may be moved, bent or scaled.

    Args:
        result, source: (H, W, 3) uint8 sRGB; sizes may differ.
        result_mask, source_mask: (H, W) bool, the garment in each.
        aligned: The pixels of both correspond; then a tile map is made.

    Returns:
        Strength 0 (none) to 1 (nothing to be seen); 0.1 is a 10 % veil, over all or over the
        haziest quarter of the garment. `details` has `black_point_rise`, the change of the darkest
        percent in luma (-1 to 1), and slope and offset of the line through all.

    Reference:
        Own measure. Absolute haze scores (dark channel, contrast) do not separate a 10 % veil on
        product photos, since a white studio looks hazier to them than fog.
    """
    require_pair(result, source, result_mask, source_mask)
    if min(result_mask.sum(), source_mask.sum()) < MIN_PIXELS:
        return unmeasurable(f"The garment covers fewer than {MIN_PIXELS} pixels.")
    after, before = _smooth(result, result_mask), _smooth(source, source_mask)
    after_in, before_in = after[color.inside(result_mask)], before[color.inside(source_mask)]
    if before_in.std() < MIN_SPREAD:
        return unmeasurable("The garment has almost no light and dark parts in the source photo.")
    line = _line(before_in, after_in)
    if line is None:
        return unmeasurable("Most of the garment is blown out to white.")
    slope, offset = line
    local, unknown = None, None
    if aligned:
        both = result_mask & source_mask
        local, unknown = tiles.local_map(
            both, lambda tile: _tile_veil(after[tile], before[tile], both[tile])
        )
    value = strength(slope, offset)
    rise = _rise(after_in, before_in)
    if local is not None and np.isfinite(local).any():
        quarter = float(np.nanquantile(local, HAZIEST_QUARTER))
        if quarter >= max(value, LEAST_LOCAL):
            hazy = local >= LEAST_LOCAL
            value, rise = quarter, max(rise, _rise(after[hazy], before[hazy]))
    return Measure(
        value,
        local=local,
        unknown=unknown,
        details={"black_point_rise": rise, "slope": slope, "offset": offset},
    )


def _rise(after: np.ndarray, before: np.ndarray) -> float:
    return float(np.quantile(after, BLACK_POINT) - np.quantile(before, BLACK_POINT))


def strength(slope: float, offset: float) -> float:
    """Returns the veil that explains both the slope and the offset, in [0, 1]."""
    return float(np.clip(min(max(1 - slope, 0), max(offset, 0) / VEIL_LUMA), 0, 1))


def _line(before: np.ndarray, after: np.ndarray) -> tuple[float, float] | None:
    before_q, after_q = np.quantile(before, QUANTILES), np.quantile(after, QUANTILES)
    usable = (before_q < CLIPPED_LUMA) & (after_q < CLIPPED_LUMA)
    if usable.sum() < MIN_QUANTILES or np.ptp(before_q[usable]) < MIN_SPREAD:
        return None
    slope, offset = np.polyfit(before_q[usable], after_q[usable], 1)
    return float(slope), float(offset)


def _tile_veil(after: np.ndarray, before: np.ndarray, mask: np.ndarray) -> float | None:
    if before[mask].std() < MIN_SPREAD:
        return None  # unknown, not clean
    line = _line(before[mask], after[mask])
    return None if line is None else strength(*line)


def _smooth(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns luma without the finest detail.

    A soft picture has a narrower range of luma, which looks like a veil; smoothing both sides by
    the same share of the garment leaves softness to the measures of edges and texture.
    Only garment pixels are averaged: a white background would bleed in like a veil.
    """
    sigma_px = max(SMOOTH_SHARE * float(np.sqrt(mask.sum())), 0.3)
    weight = mask.astype(np.float32)
    total = cv2.GaussianBlur(color.luma(image) * weight, (0, 0), sigma_px)
    return total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma_px), 1e-3)
