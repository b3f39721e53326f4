"""The look of a garment's cloth: a piece of it without light and folds, as large as needed."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import masks

# A sample is at least this large, else a mean colour says as much; at a long side of 1024 px.
LEAST_PX = 12
# Samples are looked for on a grid of this many steps a side, first as large as the opening, then
# smaller by this factor until one fits between the garment's edges.
GRID, SMALLER = 24, 0.8
# Samples among which the best continuation of the surrounding cloth is chosen: the share that
# resembles the garment's usual cloth best. A print on the chest does not.
USUAL = 0.35
# Long side, in pixels, at which looks are compared: enough to tell a print from plain cloth.
SURVEY_PX = 512
# Folds keep this share of their contrast: inside they are seen in shade.
FOLDS = 0.6
# Lowest and highest light that is divided out of a sample.
LIGHT_RANGE = 0.4, 2.5


class Cloth(NamedTuple):
    """A sample of cloth.

    Attributes:
        texture: (h, w, 3) float32 sRGB levels, 0 to 255, evenly lit.
        mean: (3,) float64 sRGB levels of the cloth around the opening.
    """

    texture: np.ndarray
    mean: np.ndarray


def sample(
    image: np.ndarray, source: np.ndarray, box: masks.Bounds, ring: np.ndarray | None = None
) -> Cloth:
    """Takes cloth of a garment to cover a rectangle with.

    The sample is usual cloth of the garment, as near as possible, and placed so that its pattern
    continues the cloth beside the rectangle. Where no sample is as large as the rectangle, a
    smaller one is mirrored again and again.

    Args:
        image: (H, W, 3) uint8 sRGB.
        source: (H, W) bool, where cloth may be taken.
        box: The rectangle.
        ring: (h, w) bool in the rectangle, photographed cloth to continue; None for none.

    Returns:
        Cloth of the rectangle's size. Without any source it is mid grey.
    """
    window, inner = _around(source, box)
    image, source = image[window], source[window]
    if not source.any():
        return Cloth(np.full((box.height, box.width, 3), 128, np.float32), np.full(3, 128.0))
    mean = image[source].mean(0)
    inset = masks.shrink(source, max(1, round(2 * max(source.shape) / 1024)))
    places, size = _places(inset, box.height, box.width)
    if not len(places):
        return Cloth(np.full((box.height, box.width, 3), mean, np.float32), mean)
    top, left = _best(image, places, size, inner, ring)
    piece = even(image[top : top + size[0], left : left + size[1]].astype(np.float32))
    rows, columns = _folded(box.height, size[0]), _folded(box.width, size[1])
    return Cloth(piece[rows][:, columns], mean)


def even(piece: np.ndarray) -> np.ndarray:
    """Divides the slow course of light out of a piece of cloth, (h, w, 3) float32 levels.

    A quadratic surface is fitted to its logarithmic luminance, so stripes stay; folds are
    weakened.
    """
    height, width = piece.shape[:2]
    light = np.log(piece.mean(2) + 8)  # 8 levels keep black cloth's noise from counting
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    found = np.linalg.lstsq(terms, light.ravel(), rcond=None)[0]
    found[0] = 0
    slow = (terms @ found).reshape(height, width)
    slow -= slow.mean()
    gain = np.exp(-np.clip(slow, *np.log(LIGHT_RANGE))).astype(np.float32)
    flat = piece * gain[..., None]
    middle = flat.mean((0, 1))
    broad = cv2.GaussianBlur(flat.mean(2), (0, 0), max(2.0, min(height, width) / 4))
    folds = (broad / max(float(middle.mean()), 1)) ** (FOLDS - 1)
    return flat * np.clip(folds, *LIGHT_RANGE)[..., None]


def _around(source: np.ndarray, box: masks.Bounds) -> tuple[tuple[slice, slice], masks.Bounds]:
    """Returns a window with source near a rectangle, and the rectangle in it."""
    for reach in (max(box.height, box.width), max(source.shape)):
        top, left = max(0, box.top - reach), max(0, box.left - reach)
        window = (slice(top, box.bottom + reach), slice(left, box.right + reach))
        # Cloth of the opening's own size; a strip of it is no sample.
        if source[window].sum() >= box.height * box.width:
            break
    inner = masks.Bounds(box.top - top, box.left - left, box.bottom - top, box.right - left)
    return window, inner


def _places(source: np.ndarray, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Finds corners (N, 2) of rectangles that hold nothing but source, as large as possible."""
    sums = cv2.integral((~source).astype(np.uint8))
    least = max(4, round(LEAST_PX * max(source.shape) / 1024))
    tall, wide = min(height, source.shape[0]), min(width, source.shape[1])
    # On a large photo not every pixel need be tried as a corner.
    step = max(1, max(source.shape) // SURVEY_PX)
    grid = slice(None, None, step), slice(None, None, step)
    while True:
        lower, upper = sums[tall:], sums[:-tall]
        free = lower[:, wide:][grid] - upper[:, wide:][grid]
        free = free - lower[:, :-wide][grid] + upper[:, :-wide][grid] == 0
        if free.any():
            return step * _thinned(free), (tall, wide)
        if tall <= least and wide <= least:
            return np.empty((0, 2), int), (tall, wide)
        # The longer side gives way first, so that a pattern's repeat still fits.
        if tall > wide:
            tall = max(min(least, tall), int(tall * SMALLER))
        else:
            wide = max(min(least, wide), int(wide * SMALLER))


def _thinned(free: np.ndarray) -> np.ndarray:
    """Returns about GRID x GRID of the selected corners."""
    box = masks.bounds(free) or masks.Bounds(0, 0, *free.shape)
    step = max(1, box.height // GRID), max(1, box.width // GRID)
    part = free[box.top : box.bottom : step[0], box.left : box.right : step[1]]
    found = np.argwhere(part) * step + (box.top, box.left)
    return found if len(found) else np.argwhere(free)[:1]


def _best(
    image: np.ndarray,
    places: np.ndarray,
    size: tuple[int, int],
    box: masks.Bounds,
    ring: np.ndarray | None,
) -> tuple[int, int]:
    step = max(1, round(max(image.shape) / SURVEY_PX))
    survey = image[::step, ::step].astype(np.float32)
    corners, extent = places // step, (max(1, size[0] // step), max(1, size[1] // step))
    means = _means(survey, corners, extent)
    spreads = np.sqrt(np.maximum(_means(survey**2, corners, extent) - means**2, 0))
    looks = np.hstack([means, 2 * spreads])
    strange = np.abs(looks - np.median(looks, 0)).sum(1)
    away = np.hypot(*(places - (box.top, box.left)).T) / max(image.shape[:2])
    # A tenth of the photo's side farther is as bad as 4 levels of another look.
    order = np.argsort(strange + 40 * away, kind="stable")
    order = order[: max(1, int(USUAL * len(order)))]
    if ring is None or not ring.any():
        return int(places[order[0]][0]), int(places[order[0]][1])
    y, x = np.nonzero(ring)
    rows, columns = _folded(box.height, size[0])[y], _folded(box.width, size[1])[x]
    wanted = image[y + box.top, x + box.left].astype(np.float32)
    wanted -= wanted.mean(0)
    misfit = np.empty(len(order))
    for number, (top, left) in enumerate(places[order]):
        seen = image[top + rows, left + columns].astype(np.float32)
        misfit[number] = np.abs(seen - seen.mean(0) - wanted).mean()
    top, left = places[order[int(misfit.argmin())]]
    return int(top), int(left)


def _means(values: np.ndarray, corners: np.ndarray, extent: tuple[int, int]) -> np.ndarray:
    """Returns (N, C) means over rectangles of one size."""
    sums = cv2.integral(values, sdepth=cv2.CV_64F)
    top, left = corners.T
    bottom = np.minimum(top + extent[0], values.shape[0])
    right = np.minimum(left + extent[1], values.shape[1])
    total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return total / ((bottom - top) * (right - left))[:, None]


def _folded(length: int, period: int) -> np.ndarray:
    """Returns indices that run to and fro over `period` places."""
    place = np.arange(length) % (2 * period)
    return np.where(place < period, place, 2 * period - 1 - place)
