"""Shape: whether the garment in the result is one whole piece with a clean outline."""

import cv2
import numpy as np

from ..imaging import masks
from .measure import Measure, require_mask, require_picture, unmeasurable

DETAIL_SHARE = 0.02  # of the root of the garment's area: notches and shreds are finer, sleeves not
MIN_PIXELS = 400


def measure(
    result: np.ndarray, garment_mask: np.ndarray, source_mask: np.ndarray | None = None
) -> Measure:
    """Measures how torn the garment looks.

    A whole garment has a smooth outline, and what was cut out or bent wrongly has shreds, notches
    and pieces that float beside it. Straps and strings cost a little.

    Args:
        result: (H, W, 3) uint8 sRGB.
        garment_mask: (H, W) bool, the garment in the result.
        source_mask: (h, w) bool, the garment in the photo; what is torn there already (lace,
            fringes, a rough mask) is not the result's fault.

    Returns:
        Share (0 to 1) of the garment's area that is a shred (thinner than the detail), a notch
        (a gap narrower than it) or a piece apart from the main one, beyond the source's. The map
        is 1 there, 0 on the rest of the garment. `details` has `pieces` and `loose_share`.
    """
    require_picture("result", result)
    require_mask("garment_mask", garment_mask, result)
    area = int(garment_mask.sum())
    if area < MIN_PIXELS:
        return unmeasurable(f"The garment covers fewer than {MIN_PIXELS} pixels.")
    torn, loose = _torn(garment_mask)
    share, loose_share = float(torn.sum()) / area, float(loose.sum()) / area
    if source_mask is not None and source_mask.sum() >= MIN_PIXELS:
        before, loose_before = (float(m.sum()) / source_mask.sum() for m in _torn(source_mask))
        share, loose_share = max(0.0, share - before), max(0.0, loose_share - loose_before)
    radius_px = _radius_px(garment_mask)
    pieces, _, stats, _ = cv2.connectedComponentsWithStats(garment_mask.astype(np.uint8))
    return Measure(
        min(1.0, share),
        local=np.where(garment_mask | torn, torn, np.nan).astype(np.float32),
        unknown=np.zeros(garment_mask.shape, bool),
        details={
            "pieces": float((stats[1:pieces, cv2.CC_STAT_AREA] >= radius_px**2).sum()),
            "loose_share": loose_share,
        },
    )


def _radius_px(mask: np.ndarray) -> int:
    return max(1, round(DETAIL_SHARE * float(np.sqrt(mask.sum()))))


def _torn(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns what is torn, and of it the pieces apart from the main one."""
    radius_px = _radius_px(mask)
    padded = np.pad(mask, radius_px + 1, mode="edge")
    inner = np.s_[radius_px + 1 : -radius_px - 1, radius_px + 1 : -radius_px - 1]
    opened = masks.grow(masks.shrink(padded, radius_px), radius_px)[inner]
    closed = masks.shrink(masks.grow(padded, radius_px), radius_px)[inner]
    loose = mask & ~masks.largest(mask)
    return (mask & ~opened) | (closed & ~mask) | loose, loose
