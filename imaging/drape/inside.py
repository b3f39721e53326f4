"""The inside of a worn garment: its back, seen over the front edge beside the person's neck."""

import cv2
import numpy as np

from .. import masks
from ..hollow import openings

# Brightness of the inside of a garment against its outside, at its back neckline and down where
# the front ends; of the rendered ghost scenes' interiors, by eye.
INTERIOR_LIGHT = (0.62, 0.34)
# The back neckline hangs below the line between the collar points by this share of its width, at
# most this share of the opening's depth.
BACK_SAG, BACK_DEPTH = 0.14, 0.5


def find(kept: np.ndarray) -> np.ndarray:
    """Finds where the inside of the garment's back would be seen above its front.

    Args:
        kept: (H, W) bool, the garment.

    Returns:
        (H, W) bool: pixels of the neck or waist opening, with cloth to the left, to the right and
        below, under the sagging line of the back edge.
    """
    found = np.zeros_like(kept)
    box = masks.bounds(kept)
    if box is None:
        return found
    part = kept[box.top : box.bottom, box.left : box.right]
    above = np.logical_or.accumulate(part, 0)
    enclosed = openings.enclosed(part).astype(np.uint8)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(enclosed, connectivity=4)
    # Notches between pleats or in a ragged mask are no openings.
    least = max(3, round(openings.NOTCH * box.width))
    for number in range(1, count):
        x, y, width, height, _ = stats[number]
        if width < least or height < 2:
            continue
        # Lower down it is an arm in front of the garment, or the room between sleeve and torso.
        if y > openings.TOP * box.height:
            continue
        place = (np.arange(width) + 0.5) / width * 2 - 1
        sag = min(BACK_SAG * width, BACK_DEPTH * height) * (1 - place**2)
        under = np.arange(height)[:, None] >= sag[None]
        local = (slice(y, y + height), slice(x, x + width))
        inside = (regions[local] == number) & (under | above[local])
        found[box.top : box.bottom, box.left : box.right][local] |= inside
    return found


def fill(image: np.ndarray, kept: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Paints the inside of a garment: its own colour, darker with depth.

    Args:
        image: (H, W, 3) uint8 sRGB.
        kept: (H, W) bool, the garment.
        hole: (H, W) bool, what to paint.

    Returns:
        (H, W, 3) uint8; equal to `image` outside of the hole.
    """
    result = image.copy()
    count, regions, stats, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8))
    for number in range(1, count):
        x, y, width, height, _ = stats[number]
        window = (slice(y, y + height), slice(x, x + width))
        inside = regions[window] == number
        reach = max(8, width // 2)
        near = (
            slice(max(0, y - reach), y + height + reach),
            slice(max(0, x - reach), x + width + reach),
        )
        cloth = image[near][kept[near]]
        # A mean, as a median of stripes would be one of them.
        color = (cloth if len(cloth) else image[kept]).mean(0)
        depth = np.linspace(0, 1, height) if height > 1 else np.zeros(1)
        light = INTERIOR_LIGHT[0] + (INTERIOR_LIGHT[1] - INTERIOR_LIGHT[0]) * depth
        painted = np.rint(light[:, None, None] * color).astype(np.uint8)
        result[window][inside] = np.broadcast_to(painted, (height, width, 3))[inside]
    return result
