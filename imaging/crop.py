"""Cutting the area to repaint out of a photo for an engine, and putting it back exactly."""

import math
from typing import NamedTuple

import cv2
import numpy as np

from . import masks, stitch
from .masks import Bounds

# Surroundings on every side, as a share of the region's side (of the square of its area): an engine
# that sees no more than the hole does not know the light, nor where the arms go on.
CONTEXT = 0.25
# Small regions are shown to the engine with more surroundings rather than larger than this.
LARGEST_SCALE = 4.0
# Engines are trained on pictures up to about this long for their width.
LONGEST = 3.0
# Rows per pass; bounds the copies of a huge photo.
STRIP_ROWS = 512


class Crop(NamedTuple):
    """A rectangle of a photo and the size at which an engine paints it.

    Attributes:
        bounds: In pixels of the photo. Where the photo is too small for the shape that the engine
            needs they pass its edge; what lies there is the photo mirrored, and is dropped again.
        height: Of the engine's picture, in pixels.
        width: Of the engine's picture, in pixels.
    """

    bounds: Bounds
    height: int
    width: int


def plan(mask: np.ndarray, *, pixels: int, multiple: int, context: float = CONTEXT) -> Crop:
    """Chooses what an engine sees: the region with surroundings, in a shape that it can paint.

    The bounds have the engine size's shape to within a pixel, so nothing is stretched: they grow
    into the photo to get it, and past its edge only where the photo ends.

    Args:
        mask: (H, W) bool or float32 in [0, 1]; above 0 is repainted.
        pixels: Area of the engine's pictures.
        multiple: Both sides of the engine's picture are multiples of this.
        context: Surroundings on every side, as a share of the region's side.

    Returns:
        The crop; it holds every pixel of the mask that is above 0.

    Raises:
        ValueError: The mask is empty, or pixels, multiple or context are out of range.
    """
    _check(pixels, multiple, context)
    region = masks.bounds(mask > 0)
    if region is None:
        raise ValueError(
            "mask must select what to repaint, got an empty mask. "
            "Connect a mask with something selected."
        )
    margin = 2 * context * math.sqrt(region.height * region.width)
    height, width = region.height + margin, region.width + margin
    spread = max(1.0, math.sqrt(pixels / (height * width)) / LARGEST_SCALE)
    height, width = min(height * spread, mask.shape[0]), min(width * spread, mask.shape[1])
    height, width = max(height, width / LONGEST), max(width, height / LONGEST)
    rows, columns = _engine_size(height, width, pixels, multiple)
    height, width = max(height, width * rows / columns), max(width, height * columns / rows)
    top, bottom = _span(region.top, region.bottom, math.ceil(height), mask.shape[0])
    left, right = _span(region.left, region.right, math.ceil(width), mask.shape[1])
    return Crop(Bounds(top, left, bottom, right), rows, columns)


def cut(picture: np.ndarray, crop: Crop) -> np.ndarray:
    """Returns the crop of a picture at the engine's size.

    Args:
        picture: (H, W, 3) uint8 of the photo's size, or a mask (H, W) bool or float32 in [0, 1].
        crop: From `plan`.

    Returns:
        (height, width, 3) uint8, or (height, width) float32 in [0, 1] for a mask.
    """
    inside = _inside(crop.bounds, picture.shape[:2])
    part = picture[inside.top : inside.bottom, inside.left : inside.right]
    if part.dtype == bool:
        part = part.astype(np.float32)
    beyond = _beyond(crop.bounds, inside)
    if any(beyond):
        part = cv2.copyMakeBorder(part, *beyond, cv2.BORDER_REFLECT_101)
    result = _resized(part, crop.height, crop.width)
    return result if picture.ndim == 3 else np.clip(result, 0, 1)


def paste(
    photo: np.ndarray, painted: np.ndarray, crop: Crop, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Puts what an engine painted back; pixels where the mask is 0 stay bit-identical.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        painted: (height, width, 3) uint8 sRGB, the crop painted anew.
        crop: From `plan`.
        mask: (H, W) float32 in [0, 1] or bool, feathered as the result shall be: how much of
            `painted` shows.

    Returns:
        (H, W, 3) uint8 of the photo's size, and (H, W) float32 in [0, 1], how much of each pixel
        was painted: the mask inside of the crop, 0 outside.

    Raises:
        ValueError: The sizes do not fit.
    """
    _check_sizes(photo, painted, crop, mask)
    result, share = photo.copy(), np.zeros(mask.shape, np.float32)
    inside = _inside(crop.bounds, mask.shape)
    there = slice(inside.top, inside.bottom), slice(inside.left, inside.right)
    top, left = inside.top - crop.bounds.top, inside.left - crop.bounds.left
    whole = _resized(painted, crop.bounds.height, crop.bounds.width)
    part = whole[top : top + inside.height, left : left + inside.width]
    result[there] = stitch.stitch(photo[there], part, mask[there])
    share[there] = mask[there]
    return result, share


def feather(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Softens a mask inward, so that nothing outside of it is selected.

    Args:
        mask: (H, W) bool or float32 in [0, 1].
        radius_px: Width of the ramp inside of the mask's border; 0 leaves the mask as it is.

    Returns:
        (H, W) float32; above 0 exactly where the mask is.
    """
    soft, margin = mask.astype(np.float32), radius_px + 1
    if radius_px <= 0:
        return soft
    for top in range(0, mask.shape[0], STRIP_ROWS):
        rows = slice(top, min(top + STRIP_ROWS, mask.shape[0]))
        first = max(0, top - margin)
        marks = (mask[first : rows.stop + margin] > 0).astype(np.uint8)
        away = cv2.distanceTransform(marks, cv2.DIST_L2, 5)[top - first :][: rows.stop - top]
        share = np.clip(away / margin, 0, 1)
        # Smoothstep: no line shows where the ramp begins or ends.
        soft[rows] *= share * share * (3 - 2 * share)
    return soft


def changed_outside(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> int:
    """Counts the pixels that differ where the mask is 0; the proof of an exact paste-back.

    Args:
        before: (H, W, C), any type.
        after: Of the same shape.
        mask: (H, W) bool or float32.

    Raises:
        ValueError: The shapes differ.
    """
    if before.shape != after.shape or mask.shape != before.shape[:2]:
        raise ValueError(
            "before, after and mask must have one size, got "
            f"{_text(before)}, {_text(after)} and {_text(mask)}. Compare pictures of one photo."
        )
    count = 0
    for top in range(0, mask.shape[0], STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        differs = (before[rows] != after[rows]).reshape(*mask[rows].shape, -1).any(-1)
        count += int(np.count_nonzero(differs & ~(mask[rows] > 0)))
    return count


def _check(pixels: int, multiple: int, context: float) -> None:
    if pixels < 1 or multiple < 1 or not 0 <= context < math.inf:
        raise ValueError(
            "pixels and multiple must be at least 1 and context at least 0, got "
            f"{pixels}, {multiple} and {context}. Take the values of the engine's specification."
        )


def _check_sizes(photo: np.ndarray, painted: np.ndarray, crop: Crop, mask: np.ndarray) -> None:
    if mask.shape != photo.shape[:2]:
        raise ValueError(
            f"mask must be {_text(photo)} like photo, got {_text(mask)}. "
            "Resize the mask or connect the mask of the same photograph."
        )
    if painted.shape[:2] != (crop.height, crop.width):
        raise ValueError(
            f"painted must be {crop.height}x{crop.width} like the crop, got {_text(painted)}. "
            "Paste what was painted for this crop."
        )


def _text(array: np.ndarray) -> str:
    return "x".join(map(str, array.shape[:2]))


def _engine_size(height: float, width: float, pixels: int, multiple: int) -> tuple[int, int]:
    """Returns the multiples whose shape and area are nearest to those wanted."""
    scale = math.sqrt(pixels / (height * width)) / multiple
    found = []
    for rows in {math.floor(height * scale), math.ceil(height * scale)}:
        for columns in {math.floor(width * scale), math.ceil(width * scale)}:
            size = max(1, rows) * multiple, max(1, columns) * multiple
            shape = abs(math.log(size[0] / size[1] * width / height))
            area = abs(math.log(size[0] * size[1] / pixels))
            found.append((shape + area / 2, size))
    return min(found)[1]


def _span(first: int, last: int, length: int, limit: int) -> tuple[int, int]:
    """Places a length around first to last: in the middle, but inside of the photo if it fits."""
    if length >= limit:
        start = -((length - limit) // 2)
    else:
        start = min(max(0, (first + last - length) // 2), limit - length)
    return start, start + length


def _inside(bounds: Bounds, size: tuple[int, ...]) -> Bounds:
    return Bounds(
        max(0, bounds.top),
        max(0, bounds.left),
        min(size[0], bounds.bottom),
        min(size[1], bounds.right),
    )


def _beyond(bounds: Bounds, inside: Bounds) -> tuple[int, int, int, int]:
    """Returns by how much the bounds pass the photo: top, bottom, left, right."""
    return (
        inside.top - bounds.top,
        bounds.bottom - inside.bottom,
        inside.left - bounds.left,
        bounds.right - inside.right,
    )


def _resized(part: np.ndarray, height: int, width: int) -> np.ndarray:
    """Averages where it gets smaller; interpolates where it gets larger, masks without ringing."""
    if part.shape[:2] == (height, width):
        return part.copy()
    larger = cv2.INTER_CUBIC if part.ndim == 3 else cv2.INTER_LINEAR
    smaller = height * width < part.shape[0] * part.shape[1]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if smaller else larger)
