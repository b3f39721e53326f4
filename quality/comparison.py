"""The measures of a garment in one picture against the same garment in another."""

from collections.abc import Callable, Collection
from typing import NamedTuple

import cv2
import numpy as np

from ..imaging.masks import Bounds
from . import (
    alignment,
    blur,
    clipping,
    color,
    edge,
    marks,
    outline,
    texture,
    veil,
    zones,
)
from .alignment import Placed
from .measure import Measure, unmeasurable

NO_PLACE = (
    "It is not known where the garment is in the result: connect the mask of the repainted garment."
)
COARSE_SIDE_PX = 1024  # of the whole picture: a haze or a colour is seen at this size
SAME_PROPORTIONS = 0.02  # of the longer side; a scaled copy is rounded by less
NOT_IN_PLACE = "The garment is not in the same place in both pictures."


class Pair(NamedTuple):
    """A garment in two pictures.

    Attributes:
        result, other: (H, W, 3) uint8 sRGB; sizes may differ.
        mask, other_mask: (H, W) bool, the garment in each.
    """

    result: np.ndarray
    other: np.ndarray
    mask: np.ndarray
    other_mask: np.ndarray


class Comparison(NamedTuple):
    """A garment in two pictures, in every pixel and reduced.

    Attributes:
        fine: For what is about single pixels.
        coarse: At most COARSE_SIDE_PX high and wide, for what is about areas.
        placed: Of `coarse`; None where the pixels of both do not correspond.
        both: (H, W) bool, the garment in both pictures, in the pixels of the fine result.
        body: Of the fine other picture; None where nobody is known.
    """

    fine: Pair
    coarse: Pair
    placed: Placed | None
    both: np.ndarray
    body: zones.Body | None


def measure(
    result: np.ndarray,
    other: np.ndarray,
    mask: np.ndarray | None,
    other_mask: np.ndarray | None,
    *,
    body: zones.Body | None = None,
    only: Collection[str] | None = None,
) -> dict[str, Measure]:
    """Measures the garment in the result against the garment in another picture.

    Args:
        result, other: (H, W, 3) uint8 sRGB; sizes may differ.
        mask, other_mask: (H, W) bool, the garment in each; None where it is not known.
        body: Of the other picture, to name places.
        only: Names of MEASURES; None for all.

    Returns:
        A measure for each name, in the order of MEASURES.
    """
    names = [name for name in MEASURES if only is None or name in only]
    if not names:
        return {}
    if mask is None or other_mask is None:
        return dict.fromkeys(names, unmeasurable(NO_PLACE))
    if not other_mask.any() or not mask.any():
        return dict.fromkeys(names, unmeasurable("No garment was found."))
    if result.shape == other.shape:
        box = other_box = alignment.around(mask, other_mask)
    else:
        box, other_box = alignment.around(mask), alignment.around(other_mask)
    fine = Pair(
        _cut(result, box), _cut(other, other_box), _cut(mask, box), _cut(other_mask, other_box)
    )
    coarse = Pair(
        reduced(fine.result, max(mask.shape)),
        reduced(fine.other, max(other_mask.shape)),
        reduced(fine.mask, max(mask.shape)),
        reduced(fine.other_mask, max(other_mask.shape)),
    )
    placed = alignment.place(*coarse)
    both = fine.mask
    if placed is not None:
        both = both & enlarged(placed.mask, fine.mask.shape)
    moved = None if body is None else body.moved(-other_box.left, -other_box.top)
    given = Comparison(fine, coarse, placed, both, moved)
    return {name: _whole(MEASURES[name](given), box, mask.shape) for name in names}


def _cut(array: np.ndarray, box: Bounds) -> np.ndarray:
    return np.ascontiguousarray(array[box.top : box.bottom, box.left : box.right])


def reduced(array: np.ndarray, side_px: int) -> np.ndarray:
    """Reduces a cut-out of a picture whose long side is `side_px`."""
    if side_px <= COARSE_SIDE_PX:
        return array
    scale = COARSE_SIDE_PX / side_px
    height, width = (max(1, round(length * scale)) for length in array.shape[:2])
    if array.dtype == bool:
        return (
            cv2.resize(array.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        )
    return cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA)


def enlarged(mask: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Brings a (h, w) bool mask to another size."""
    if mask.shape == size:
        return mask
    return cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0


def alike(size: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tells whether two sizes, height and width, have the same proportions."""
    (height, width), (tall, wide) = size[:2], other[:2]
    return abs(height * wide - width * tall) <= SAME_PROPORTIONS * height * wide


def scaled(picture: np.ndarray, like: np.ndarray) -> np.ndarray | None:
    """Scales a picture to the size of another one of the same proportions; None of others."""
    if not alike(picture.shape, like.shape):
        return None
    height, (tall, wide) = picture.shape[0], like.shape[:2]
    way = cv2.INTER_AREA if height > tall else cv2.INTER_CUBIC
    return cv2.resize(picture, (wide, tall), interpolation=way)


def at_size(found: Measure, size: tuple[int, ...]) -> Measure:
    """Brings the maps of a measure on reduced pictures to the measured size."""
    if found.local is None or found.unknown is None or found.local.shape == size:
        return found
    local = cv2.resize(found.local, size[::-1], interpolation=cv2.INTER_NEAREST)
    return found._replace(local=local, unknown=enlarged(found.unknown, size))


def _whole(found: Measure, box: Bounds, size: tuple[int, ...]) -> Measure:
    """Puts the maps of a cut-out back where they were."""
    if found.local is None or found.unknown is None or found.local.shape == size:
        return found
    part = box.height, box.width
    near = found.local
    if near.shape != part:
        near = cv2.resize(near, part[::-1], interpolation=cv2.INTER_NEAREST)
    local, unknown = np.full(size, np.nan, np.float32), np.zeros(size, bool)
    local[box.top : box.bottom, box.left : box.right] = near
    unknown[box.top : box.bottom, box.left : box.right] = enlarged(found.unknown, part)
    return found._replace(local=local, unknown=unknown)


def _veil(given: Comparison) -> Measure:
    pair, placed = given.coarse, given.placed
    if placed is None:
        return veil.measure(*pair)
    both = pair.mask & placed.mask
    return veil.measure(pair.result, placed.picture, both, both, aligned=True)


def _edge(given: Comparison) -> Measure:
    pair = given.fine
    mask = pair.mask
    if given.placed is not None:
        mask = enlarged(given.placed.mask, mask.shape)
    return edge.measure(pair.result, pair.other, mask, pair.other_mask)


def _outline(given: Comparison) -> Measure:
    if given.placed is None:
        return unmeasurable(NOT_IN_PLACE)
    pair = given.fine
    return outline.measure(
        pair.result, pair.other, pair.other_mask, motion=given.placed.motion, body=given.body
    )


def _color(given: Comparison) -> Measure:
    pair, placed = given.coarse, given.placed
    if placed is None:
        return color.measure(*pair)
    both = pair.mask & placed.mask
    return color.measure(pair.result, placed.picture, both, both, aligned=True)


def _texture(given: Comparison) -> Measure:
    pair = given.fine
    in_place = given.placed is not None
    return texture.measure(pair.result, pair.other, given.both, pair.other_mask, aligned=in_place)


def _marks(given: Comparison) -> Measure:
    return marks.measure(*given.coarse)


def _blur(given: Comparison) -> Measure:
    pair = given.fine
    return blur.measure(pair.result, pair.other, given.both, pair.other_mask)


def _clipping(given: Comparison) -> Measure:
    pair = given.fine
    return clipping.measure(pair.result, pair.other, given.both, pair.other_mask)


MEASURES: dict[str, Callable[[Comparison], Measure]] = {
    "veil": _veil,
    "edge": _edge,
    "outline": _outline,
    "color": _color,
    "texture": _texture,
    "marks": _marks,
    "blur": _blur,
    "clipping": _clipping,
}
