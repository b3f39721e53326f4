"""Exact paste-back: what was not painted stays bit-identical."""

import numpy as np

# Rows per pass; bounds the float copies of a huge photo.
STRIP_ROWS = 512


def stitch(person: np.ndarray, painted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Blends a painted picture into the person photo.

    Args:
        person: (H, W, 3) uint8 sRGB.
        painted: (H, W, 3) uint8 sRGB.
        mask: (H, W) float32 in [0, 1] or bool; how much of `painted` shows.

    Returns:
        (H, W, 3) uint8; bit-identical to `person` where the mask is 0, to `painted` where it is 1.

    Raises:
        ValueError: The sizes differ.
    """
    height, width = person.shape[:2]
    for name, array in (("painted", painted), ("mask", mask)):
        if array.shape[:2] != (height, width):
            raise ValueError(
                f"{name} must be {height}x{width} like person, got "
                f"{array.shape[0]}x{array.shape[1]}. Resize it before stitching."
            )
    result = person.copy()
    for top in range(0, height, STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        touched = mask[rows] > 0
        share = mask[rows][touched].astype(np.float32)[:, None]
        below, above = person[rows][touched], painted[rows][touched]
        mixed = below * (1 - share) + above * share
        result[rows][touched] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result
