"""Blur: how much softer the whole garment looks, by how little a second blur changes it."""

import cv2
import numpy as np

from . import color
from .measure import Measure, require_pair, unmeasurable

WINDOW_PX = 11  # of the second blur, as Crete et al. have it
RIM_PX = 6  # left out: the outline has its own measure
MIN_PIXELS = 2000
MIN_VARIATION = 0.002  # luma between neighbours; less is a plain cloth, as soft as it is


def measure(
    result: np.ndarray, source: np.ndarray, result_mask: np.ndarray, source_mask: np.ndarray
) -> Measure:
    """Measures how much more blurred the garment is.

    Args:
        result, source: (H, W, 3) uint8 sRGB; sizes may differ.
        result_mask, source_mask: (H, W) bool, the garment in each.

    Returns:
        Rise of the blur effect: 0 (as sharp, or sharper) to 1. `details` has both effects.

    Reference:
        Crete, Dolmiere, Ladret, Nicolas: The blur effect: perception and estimation with a new
        no-reference perceptual quality metric, SPIE 6492 (2007); here in a mask.
    """
    require_pair(result, source, result_mask, source_mask)
    if min(result_mask.sum(), source_mask.sum()) < MIN_PIXELS:
        return unmeasurable(f"The garment covers fewer than {MIN_PIXELS} pixels.")
    scale = float(np.sqrt(result_mask.sum() / source_mask.sum()))
    after, _ = effect(*_scaled(result, result_mask, min(1.0, 1 / scale)))
    before, variation = effect(*_scaled(source, source_mask, min(1.0, scale)))
    if variation < MIN_VARIATION:
        return unmeasurable("The fabric is too plain to look soft or sharp.")
    return Measure(max(0.0, after - before), details={"effect": after, "source_effect": before})


def effect(light: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Returns the blur effect inside a mask, 0 (sharp) to 1, and how much neighbours differ.

    Args:
        light: (H, W) float32 luma in [0, 1].
        mask: (H, W) bool.

    Returns:
        The effect, and the mean luma step between neighbours, of the plainer direction.
    """
    inside = color.inside(mask, RIM_PX)
    found, varied = [], []
    for axis in (0, 1):
        size = (WINDOW_PX, 1) if axis else (1, WINDOW_PX)
        soft = cv2.blur(light, size)
        steps, soft_steps = (np.abs(np.diff(p, axis=axis)) for p in (light, soft))
        chosen = inside[:, 1:] if axis else inside[1:]
        total = float(steps[chosen].sum(dtype=np.float64))
        lost = float(np.maximum(steps - soft_steps, 0)[chosen].sum(dtype=np.float64))
        found.append(1 - lost / total if total else 1.0)  # nothing varies: wholly blurred
        varied.append(total / max(1, chosen.sum()))
    return max(found), min(varied)


def _scaled(image: np.ndarray, mask: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    light = color.luma(image)
    if scale > 0.97:
        return light, mask
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return cv2.resize(light, size, interpolation=cv2.INTER_AREA), small
