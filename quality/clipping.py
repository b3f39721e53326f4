"""Clipping: how much of the garment has become pure white or pure black."""

import cv2
import numpy as np

from . import color
from .measure import Measure, require_pair, unmeasurable

WHITE, BLACK = 254, 1  # levels of 255 from which, and to which, nothing is left to be seen
MIN_PIXELS = 400


def measure(
    result: np.ndarray, source: np.ndarray, result_mask: np.ndarray, source_mask: np.ndarray
) -> Measure:
    """Measures how much more of the garment is blown out or drowned than in the other picture.

    Args:
        result, source: (H, W, 3) uint8 sRGB; sizes may differ.
        result_mask, source_mask: (H, W) bool, the garment in each.

    Returns:
        Rise of the share (0 to 1) of pixels whose every channel is WHITE or more, or BLACK or
        less. The map is 1 on each of them in the result. `details` has both kinds.
    """
    require_pair(result, source, result_mask, source_mask)
    if min(result_mask.sum(), source_mask.sum()) < MIN_PIXELS:
        return unmeasurable(f"The garment covers fewer than {MIN_PIXELS} pixels.")
    inside, source_inside = color.inside(result_mask), color.inside(source_mask)
    white, black = _clipped(result)
    was_white, was_black = _clipped(source)
    rises = {
        "white_rise": float(white[inside].mean() - was_white[source_inside].mean()),
        "black_rise": float(black[inside].mean() - was_black[source_inside].mean()),
    }
    return Measure(
        max(0.0, *rises.values()),
        local=np.where(inside, white | black, np.nan).astype(np.float32),
        unknown=np.zeros(inside.shape, bool),
        details=rises,
    )


def _clipped(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (H, W) bool, where every channel is white, and where every one is black."""
    white = cv2.inRange(image, (WHITE,) * 3, (255,) * 3) > 0
    return white, cv2.inRange(image, (0,) * 3, (BLACK,) * 3) > 0
