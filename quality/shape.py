"""Shape: whether the garment in the result is one whole piece with a clean outline."""

import cv2
import numpy as np

from ..imaging import masks
from .measure import Measure, require_mask, require_picture, unmeasurable

DETAIL_SHARE = 0.02  # of the root of the garment's area: notches and shreds are finer, sleeves not
MIN_PIXELS = 400


def measure(result: np.ndarray, garment_mask: np.ndarray) -> Measure:
    """Measures how torn the garment looks.

    Needs no source: a whole garment has a smooth outline, and what was cut out or bent wrongly
    has shreds, notches and pieces that float beside it. Straps and strings cost a little.

    Args:
        result: (H, W, 3) uint8 sRGB.
        garment_mask: (H, W) bool, the garment in the result.

    Returns:
        Share (0 to 1) of the garment's area that is a shred (thinner than the detail), a notch
        (a gap narrower than it) or a piece apart from the main one. The map is 1 there, 0 on the
        rest of the garment. `details` has `pieces` and `loose_share`.
    """
    require_picture("result", result)
    require_mask("garment_mask", garment_mask, result)
    area = int(garment_mask.sum())
    if area < MIN_PIXELS:
        return unmeasurable(f"The garment covers fewer than {MIN_PIXELS} pixels.")
    radius_px = max(1, round(DETAIL_SHARE * float(np.sqrt(area))))
    padded = np.pad(garment_mask, radius_px + 1, mode="edge")
    inner = np.s_[radius_px + 1 : -radius_px - 1, radius_px + 1 : -radius_px - 1]
    opened = masks.grow(masks.shrink(padded, radius_px), radius_px)[inner]
    closed = masks.shrink(masks.grow(padded, radius_px), radius_px)[inner]
    loose = garment_mask & ~masks.largest(garment_mask)
    torn = (garment_mask & ~opened) | (closed & ~garment_mask) | loose
    pieces, _, stats, _ = cv2.connectedComponentsWithStats(garment_mask.astype(np.uint8))
    return Measure(
        min(1.0, float(torn.sum()) / area),
        local=np.where(garment_mask | torn, torn, np.nan).astype(np.float32),
        unknown=np.zeros(garment_mask.shape, bool),
        details={
            "pieces": float((stats[1:pieces, cv2.CC_STAT_AREA] >= radius_px**2).sum()),
            "loose_share": float(loose.sum()) / area,
        },
    )
