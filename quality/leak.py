"""Leak: pixels that changed outside the repainted mask."""

import cv2
import numpy as np

from .measure import Measure, require_mask, require_picture, unmeasurable

VISIBLE_LEVELS = 8  # of 255; about 2 to 3 CIEDE2000 on mid grey, the least a shopper could notice


def measure(result: np.ndarray, person: np.ndarray, repaint_mask: np.ndarray) -> Measure:
    """Measures what the engine changed where it had no business.

    Args:
        result, person: (H, W, 3) uint8 sRGB of one size; person is what the result was painted on.
        repaint_mask: (H, W) bool, where painting was allowed.

    Returns:
        Share (0 to 1) of the pixels outside the mask that changed by VISIBLE_LEVELS or more in
        any channel. The map is the largest channel difference in levels. `details` has
        `changed_count` (pixels with any change) and `largest_levels`. An engine that pastes
        back exactly scores 0 in all three.
    """
    require_picture("result", result)
    require_picture("person", person)
    if result.shape != person.shape:
        return unmeasurable("The result and the person photo differ in size.")
    require_mask("repaint_mask", repaint_mask, result)
    outside = ~repaint_mask
    if not outside.any():
        return unmeasurable("The repainted mask covers the whole picture.")
    change = cv2.absdiff(result, person).max(axis=2)
    levels = change[outside]
    local = change.astype(np.float32)
    local[repaint_mask] = np.nan
    return Measure(
        float((levels >= VISIBLE_LEVELS).mean()),
        local=local,
        unknown=np.zeros(outside.shape, bool),
        details={
            "changed_count": float((levels > 0).sum()),
            "changed_share": float((levels > 0).mean()),
            "largest_levels": float(levels.max()),
        },
    )
