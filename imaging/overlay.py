"""Pictures for people to look at: a label map painted on its photo."""

import cv2
import numpy as np

from . import labels

# A line this share of the long side is seen on a thumbnail and hides no detail in the full picture.
OUTLINE_SHARE = 1 / 500


def labels_on_photo(image: np.ndarray, label_map: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """Paints a label map over its photo, with crisp outlines between labels.

    Args:
        image: (H, W, 3) uint8 sRGB.
        label_map: (H, W) uint8, values of `labels`; background stays unpainted.
        opacity: Of the paint, 0 to 1; outlines are always opaque.

    Returns:
        (H, W, 3) uint8 sRGB.

    Raises:
        ValueError: label_map has another size than image, or opacity is outside of [0, 1].
    """
    height, width = image.shape[:2]
    if label_map.shape != (height, width):
        got = "x".join(map(str, label_map.shape))
        raise ValueError(
            f"label_map must be {height}x{width} like image, got {got}. "
            "Use the label map of the same photograph."
        )
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must be between 0 and 1, got {opacity}. Choose 0.5.")
    paint = np.array(labels.COLORS, np.uint8)[label_map]
    mixed = cv2.addWeighted(paint, opacity, image, 1 - opacity, 0)
    painted = np.where((label_map != labels.BACKGROUND)[..., None], mixed, image)
    edge = outline(label_map, max(1, round(max(height, width) * OUTLINE_SHARE)))
    inside = cv2.dilate(paint, np.ones((3, 3), np.uint8))
    return np.where(edge[..., None], np.where(paint.any(-1, keepdims=True), paint, inside), painted)


def outline(label_map: np.ndarray, thickness_px: int = 1) -> np.ndarray:
    """Selects, as (H, W) bool, the inner rims of labelled regions, `thickness_px` wide."""
    size = 2 * thickness_px + 1
    kernel = np.ones((size, size), np.uint8)
    differs = cv2.dilate(label_map, kernel) != cv2.erode(label_map, kernel)
    return differs & (label_map != labels.BACKGROUND)
