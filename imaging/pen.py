"""How a stroke looks: discs at its points, and straight-edged pieces between neighbours.

docs/strokes.md is the specification; the editor's canvas draws the same shapes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .masks import Bounds

# Side of the squares in which pictures are drawn: the memory stays small at 144 megapixels, and
# most squares of a photo hold no stroke and cost nothing.
TILE_PX = 128
_COINCIDENT_PX = 1e-6  # neighbours closer than this have no direction


class Line(NamedTuple):
    """A stroke in pixels of the picture that is drawn.

    Attributes:
        points: (N, 2) float64 x, y; (0, 0) is the centre of the first pixel.
        radii: (N,) float64, half the line's width at each point.
        closed: Whether the last point joins the first.
    """

    points: np.ndarray
    radii: np.ndarray
    closed: bool


class Pieces(NamedTuple):
    """Lines cut up: each piece is a quadrilateral from a to b and the disc at b.

    Attributes:
        start, end: (M, 2) a and b; equal for a disc alone.
        first, last: (M,) radii at a and b.
        bounds: (M, 4) left, top, right, bottom of what the piece may touch.
    """

    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray
    bounds: np.ndarray


def cut(lines: Sequence[Line]) -> Pieces:
    """Returns the pieces of all lines."""
    none = np.empty((0, 2)), np.empty((0, 2)), np.empty(0), np.empty(0)
    each = [none, *(_pieces(line) for line in lines)]
    start, end, first, last = (np.concatenate(column) for column in zip(*each, strict=True))
    # One pixel more: the antialiased edge reaches half a pixel beyond the shape.
    reach = 1 + np.maximum(first, last)[:, None]
    low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
    return Pieces(start, end, first, last, np.hstack([low, high]))


def cover(pieces: Pieces, size: tuple[int, int]) -> Iterator[tuple[Bounds, np.ndarray]]:
    """Draws the union of the pieces, square by square.

    Args:
        size: Height and width of the picture.

    Yields:
        Where a square lies, and its (h, w) float32 coverage in [0, 1], antialiased by the
        distance from the nearest edge. Squares that the pieces do not touch are left out.
    """
    for tile in tiles(size, extent(pieces)):
        covered = cover_tile(pieces, tile)
        if covered is not None:
            yield tile, covered


def extent(pieces: Pieces) -> np.ndarray:
    """Returns left, top, right, bottom of everything that the pieces may touch."""
    if not len(pieces.first):
        return np.zeros(4)
    return np.concatenate([pieces.bounds[:, :2].min(0), pieces.bounds[:, 2:].max(0)])


def tiles(size: tuple[int, int], within: np.ndarray) -> Iterator[Bounds]:
    """Yields the squares of a picture of `size` that a left, top, right, bottom box touches."""
    height, width = size
    left, top, right, bottom = within
    for y in range(_floor(max(top, 0)), _ceiling(bottom, height), TILE_PX):
        for x in range(_floor(max(left, 0)), _ceiling(right, width), TILE_PX):
            yield Bounds(y, x, min(y + TILE_PX, height), min(x + TILE_PX, width))


def cover_tile(pieces: Pieces, tile: Bounds) -> np.ndarray | None:
    """Returns the (h, w) float32 coverage of one square; None where no piece touches it."""
    box = pieces.bounds
    near = np.flatnonzero(
        (box[:, 0] < tile.right)
        & (box[:, 1] < tile.bottom)
        & (box[:, 2] > tile.left)
        & (box[:, 3] > tile.top)
    )
    if not len(near):
        return None
    centre = np.array([tile.left + tile.right - 1, tile.top + tile.bottom - 1]) / 2
    corner = float(np.hypot(tile.width, tile.height)) / 2 + 1
    away = np.hypot(*(pieces.end[near] - centre).T)
    if (away + corner < pieces.last[near]).any():
        return np.ones((tile.height, tile.width), np.float32)
    near = near[_distances(pieces, near, centre) < corner]
    if not len(near):
        return None
    inside = np.full((tile.height, tile.width), -1, np.float32)  # depth below the edge, pixels
    for index in near:
        _deepen(inside, pieces, int(index), tile)
    return np.clip(inside + 0.5, 0, 1)


def _pieces(line: Line) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    before = np.arange(len(line.points)) - 1
    # The first piece is the disc at the first point, or the one that closes the line.
    before[0] = len(line.points) - 1 if line.closed else 0
    return line.points[before], line.points, line.radii[before], line.radii


def _distances(pieces: Pieces, chosen: np.ndarray, point: np.ndarray) -> np.ndarray:
    """At least how far the chosen pieces are from a point; negative inside."""
    start, along = pieces.start[chosen], pieces.end[chosen] - pieces.start[chosen]
    square = np.maximum((along**2).sum(1), _COINCIDENT_PX**2)
    share = np.clip(((point - start) * along).sum(1) / square, 0, 1)
    nearest = start + share[:, None] * along
    radius = np.maximum(pieces.first[chosen], pieces.last[chosen])
    return np.hypot(*(point - nearest).T) - radius


def _deepen(inside: np.ndarray, pieces: Pieces, index: int, tile: Bounds) -> None:
    """Raises the depths in a square, which the caller made, to those in one piece."""
    left, top, right, bottom = pieces.bounds[index].tolist()
    x = np.arange(max(int(left), tile.left), min(int(right) + 1, tile.right), dtype=np.float32)
    y = np.arange(max(int(top), tile.top), min(int(bottom) + 1, tile.bottom), dtype=np.float32)
    if not (len(x) and len(y)):
        return
    (ax, ay), (bx, by) = pieces.start[index].tolist(), pieces.end[index].tolist()
    first, last = float(pieces.first[index]), float(pieces.last[index])
    row, column = int(y[0]) - tile.top, int(x[0]) - tile.left
    part = inside[row : row + len(y), column : column + len(x)]
    x, y = x - np.float32(ax), (y - np.float32(ay))[:, None]
    length = float(np.hypot(bx - ax, by - ay))
    if length < _COINCIDENT_PX:
        np.maximum(part, last - np.sqrt(x * x + y * y), out=part)
        return
    ux, uy = (bx - ax) / length, (by - ay) / length
    along, off = x * ux + y * uy, np.abs(y * ux - x * uy)
    rest = length - along
    np.maximum(part, last - np.sqrt(rest * rest + off * off), out=part)
    slope = (last - first) / length
    side = (first + slope * along - off) * (1 / np.hypot(1, slope))
    np.maximum(part, np.minimum(side, np.minimum(along, rest)), out=part)


def _floor(value: float) -> int:
    return int(value) // TILE_PX * TILE_PX


def _ceiling(value: float, limit: int) -> int:
    return max(0, min(int(np.ceil(value)), limit))
