"""The measures of a garment in one picture against the same garment in another."""

from collections.abc import Callable, Collection
from typing import NamedTuple

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
NOT_IN_PLACE = "The garment is not in the same place in both pictures."


class Pair(NamedTuple):
    """A garment in two pictures.

    Attributes:
        result, other: (H, W, 3) uint8 sRGB; sizes may differ.
        mask, other_mask: (H, W) bool, the garment in each.
        placed: `other` moved onto the result; None where their pixels do not correspond.
        body: Of `other`, or of both where they correspond; None where nobody is known.
    """

    result: np.ndarray
    other: np.ndarray
    mask: np.ndarray
    other_mask: np.ndarray
    placed: Placed | None
    body: zones.Body | None = None

    @property
    def both(self) -> np.ndarray:
        """(H, W) bool, the garment in both, in the result's pixels."""
        return self.mask if self.placed is None else self.mask & self.placed.mask


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
    parts = _cut(result, box), _cut(other, other_box), _cut(mask, box), _cut(other_mask, other_box)
    moved = None if body is None else body.moved(-other_box.left, -other_box.top)
    pair = Pair(*parts, alignment.place(*parts), moved)
    return {name: _whole(MEASURES[name](pair), box, mask.shape) for name in names}


def _cut(array: np.ndarray, box: Bounds) -> np.ndarray:
    return np.ascontiguousarray(array[box.top : box.bottom, box.left : box.right])


def _whole(found: Measure, box: Bounds, size: tuple[int, ...]) -> Measure:
    """Puts the maps of a cut-out back where they were."""
    if found.local is None or found.unknown is None or found.local.shape == size:
        return found
    local, unknown = np.full(size, np.nan, np.float32), np.zeros(size, bool)
    local[box.top : box.bottom, box.left : box.right] = found.local
    unknown[box.top : box.bottom, box.left : box.right] = found.unknown
    return found._replace(local=local, unknown=unknown)


def _veil(pair: Pair) -> Measure:
    if pair.placed is None:
        return veil.measure(pair.result, pair.other, pair.mask, pair.other_mask)
    return veil.measure(pair.result, pair.placed.picture, pair.both, pair.both, aligned=True)


def _edge(pair: Pair) -> Measure:
    mask = pair.mask if pair.placed is None else pair.placed.mask
    return edge.measure(pair.result, pair.other, mask, pair.other_mask)


def _outline(pair: Pair) -> Measure:
    if pair.placed is None:
        return unmeasurable(NOT_IN_PLACE)
    motion = pair.placed.motion
    return outline.measure(pair.result, pair.other, pair.other_mask, motion=motion, body=pair.body)


def _color(pair: Pair) -> Measure:
    if pair.placed is None:
        return color.measure(pair.result, pair.other, pair.mask, pair.other_mask)
    return color.measure(pair.result, pair.placed.picture, pair.both, pair.both, aligned=True)


def _texture(pair: Pair) -> Measure:
    return texture.measure(pair.result, pair.other, pair.both, pair.other_mask, placed=pair.placed)


def _marks(pair: Pair) -> Measure:
    return marks.measure(pair.result, pair.other, pair.mask, pair.other_mask)


def _blur(pair: Pair) -> Measure:
    return blur.measure(pair.result, pair.other, pair.both, pair.other_mask)


def _clipping(pair: Pair) -> Measure:
    return clipping.measure(pair.result, pair.other, pair.both, pair.other_mask)


MEASURES: dict[str, Callable[[Pair], Measure]] = {
    "veil": _veil,
    "edge": _edge,
    "outline": _outline,
    "color": _color,
    "texture": _texture,
    "marks": _marks,
    "blur": _blur,
    "clipping": _clipping,
}
