"""Edges: how sharp the garment's outline is, compared with the source."""

import cv2
import numpy as np

from ..imaging import masks
from . import color, tiles
from .measure import Measure, require_pair, unmeasurable

REACH_PX = 3  # the steepest pixel may lie this far from the mask's border
CONTRAST_PX = 6  # half of the 13 px window in which contrast across the outline is taken
MIN_CONTRAST = 0.1  # luma; a weaker outline has no sharpness to speak of
MIN_OUTLINE_PX = 100  # outline pixels with contrast; the median of fewer is chance


def measure(
    result: np.ndarray, source: np.ndarray, result_mask: np.ndarray, source_mask: np.ndarray
) -> Measure:
    """Measures how much softer the garment's outline has become.

    Args:
        result, source: (H, W, 3) uint8 sRGB; sizes may differ.
        result_mask, source_mask: (H, W) bool, the garment in each.

    Returns:
        Loss of acutance: 0 (as sharp as the source, or sharper) to 1 (no edge left). The map
        compares each tile of the outline with the source's median. `details` has both acutances.

    Reference:
        Own measure: steepest luma gradient at the outline over the contrast across it. It
        separates a 1.5 px softer edge with AUC 0.985, where the boundary F-score gives 0.71.
    """
    require_pair(result, source, result_mask, source_mask)
    after, before = acutance(result, result_mask), acutance(source, source_mask)
    for name, found in (("result", after), ("source photo", before)):
        if np.isfinite(found).sum() < MIN_OUTLINE_PX:
            return unmeasurable(
                f"The garment hardly stands out from what surrounds it in the {name}."
            )
    sharp = float(np.nanmedian(before))
    local, unknown = _local(after, sharp, result_mask)
    return Measure(
        max(0.0, 1 - float(np.nanmedian(after)) / sharp),
        local=local,
        unknown=unknown,
        details={"acutance": float(np.nanmedian(after)), "source_acutance": sharp},
    )


def acutance(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Measures the sharpness of each outline pixel.

    Args:
        image: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool.

    Returns:
        (H, W) float32, steepest gradient over contrast, in 1 / px; NaN off the outline, at the
        picture's frame and where the contrast is under MIN_CONTRAST.
    """
    outline = mask & ~masks.shrink(mask, 1)
    outline[[0, -1]] = outline[:, [0, -1]] = False  # where the frame cuts the garment is no edge
    return np.where(outline, crispness(color.luma(image)), np.nan).astype(np.float32)


def crispness(light: np.ndarray) -> np.ndarray:
    """Measures how steep each place is for its contrast.

    Args:
        light: (H, W) float32 luma in [0, 1].

    Returns:
        (H, W) float32, steepest gradient over contrast, in 1 / px; NaN where the contrast is under
        MIN_CONTRAST.
    """
    slope = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)) / 8
    steepest = cv2.dilate(slope, np.ones((2 * REACH_PX + 1,) * 2, np.uint8))
    window = np.ones((2 * CONTRAST_PX + 1,) * 2, np.uint8)
    contrast = cv2.dilate(light, window) - cv2.erode(light, window)
    found = steepest / np.maximum(contrast, MIN_CONTRAST)
    return np.where(contrast >= MIN_CONTRAST, found, np.nan).astype(np.float32)


def _local(after: np.ndarray, sharp: float, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paints each tile's loss on a band along the outline."""
    band = masks.grow(mask & ~masks.shrink(mask, 1), 4)
    local = np.full(mask.shape, np.nan, np.float32)
    unknown = np.zeros(mask.shape, bool)
    size = tiles.size_px(mask)
    for top in range(0, mask.shape[0], size):
        for left in range(0, mask.shape[1], size):
            tile = slice(top, top + size), slice(left, left + size)
            found = after[tile][np.isfinite(after[tile])]
            if len(found) >= size // 2:
                local[tile] = np.where(band[tile], max(0.0, 1 - np.median(found) / sharp), np.nan)
            else:
                unknown[tile] = band[tile]
    return local, unknown
