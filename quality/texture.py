"""Texture: how much of the garment's fine detail the result has kept."""

import cv2
import numpy as np

from ..imaging import masks
from . import color, tiles
from .measure import Measure, require_pair, unmeasurable

# Sigmas of the difference of Gaussians: weave, ribs, seams. A wider band is full of folds, a finer
# one of what JPEG takes away.
FINE_PX, COARSE_PX = 0.7, 1.4
RIM_PX = 6  # left out: the outline's own gradient reaches about four coarse sigmas in
# Luma, median; a cloth drawn in one colour has 0.0003 of rounding, a plain jersey 0.0010.
MIN_AMPLITUDE = 0.0006
MIN_PIXELS = 2000
CLIPPED = 250  # level; a brighter exposure flattens the fabric there, which is no lost detail
MOST_DIMMED = 0.7  # half a stop of exposure; what is darker than that has lost more than light


def measure(
    result: np.ndarray,
    source: np.ndarray,
    result_mask: np.ndarray,
    source_mask: np.ndarray,
    *,
    aligned: bool = False,
) -> Measure:
    """Measures how much fine detail has been lost.

    The larger garment is scaled down to the smaller one first, so that a try-on at another
    distance is compared with what can be seen at that distance.

    Args:
        result, source: (H, W, 3) uint8 sRGB; sizes may differ.
        result_mask, source_mask: (H, W) bool, the garment in each.
        aligned: The garment is in the same place in both, to a few pixels; then a tile map is made.

    Returns:
        Loss of amplitude in the band: 0 (all kept, or more) to 1 (smooth). `details` has the
        amplitudes of both in luma, and the `scale` of result to source.

    Reference:
        Own measure: ratio of median difference-of-Gaussians strengths, phase-free, so no alignment
        is needed. AUC 0.99 on a denoised fabric, where SSIM and its kin stay at chance on moved
        garments.
    """
    require_pair(result, source, result_mask, source_mask)
    if min(result_mask.sum(), source_mask.sum()) < MIN_PIXELS:
        return unmeasurable(f"The garment covers fewer than {MIN_PIXELS} pixels.")
    scale = float(np.sqrt(result_mask.sum() / source_mask.sum()))
    if aligned:
        # What is blown out in one of both can be compared in neither.
        scale, shown = 1.0, result_mask & source_mask & _shown(result) & _shown(source)
        result_mask = source_mask = shown
    after, after_in = _band(result, result_mask, min(1.0, 1 / scale))
    before, before_in = _band(source, source_mask, min(1.0, scale))
    if min(np.count_nonzero(after_in), np.count_nonzero(before_in)) < MIN_PIXELS / 2:
        return unmeasurable("The garment is too narrow, or too bright, to look at its fabric.")
    kept, had = _amplitude(after[after_in]), _amplitude(before[before_in])
    if had < MIN_AMPLITUDE:
        return unmeasurable("The fabric shows no fine detail in the source photo.")
    dimmed = _dimmed(result, source, result_mask, source_mask)
    local, unknown = None, None
    if aligned:
        strengths = np.abs(np.dstack((after, before)))
        both = after_in & before_in
        local, unknown = tiles.local_map(
            both, lambda tile: _tile_loss(tiles.means(strengths, both, tile), dimmed)
        )
    return Measure(
        max(0.0, 1 - kept / had / dimmed),
        local=local,
        unknown=unknown,
        details={"amplitude": kept, "source_amplitude": had, "scale": scale},
    )


def _band(image: np.ndarray, mask: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the fine band of the luma at a smaller scale, and the mask's inside there."""
    light = color.luma(image)
    if scale < 0.97:
        size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
        light = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    band = cv2.GaussianBlur(light, (0, 0), FINE_PX) - cv2.GaussianBlur(light, (0, 0), COARSE_PX)
    return band, color.inside(mask, RIM_PX)


def _shown(image: np.ndarray) -> np.ndarray:
    """Returns (H, W) bool, where no channel is full, so that something can be seen."""
    full = cv2.inRange(image, (0, 0, 0), (CLIPPED - 1,) * 3) == 0
    return ~masks.grow(full, 2)


def _dimmed(
    result: np.ndarray, source: np.ndarray, result_mask: np.ndarray, source_mask: np.ndarray
) -> float:
    """Returns by how much a shorter exposure lowers every contrast; 1 for a brighter result."""
    after, before = (
        float(np.mean(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[m]))
        for p, m in ((result, result_mask), (source, source_mask))
    )
    return min(1.0, max(MOST_DIMMED, after / max(before, 1.0)))


def _amplitude(band: np.ndarray) -> float:
    """Returns the median strength: a denoiser spares folds and prints, and takes the weave."""
    return float(np.median(np.abs(band)))


def _tile_loss(means: np.ndarray, dimmed: float) -> float | None:
    kept, had = (float(mean) for mean in means)
    return None if had < MIN_AMPLITUDE else max(0.0, 1 - kept / had / dimmed)
