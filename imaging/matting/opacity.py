"""Opacity of a garment: the hard mask where it is sure, the photo's colours near its border."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import masks
from ..studio import FABRICS
from . import cells, scale

# Share of the long side up to which sheer cloth is seen through, inside of its edge.
SHEER_REACH = 0.06
# Long side of the grid on which local colours are found, in cells: a window of two cells is then
# about as wide as the soft border of `scale.BAND_PX`.
GRID = 512
# Pixels per pass, so that a 100-megapixel photo needs little more memory than a small one.
STRIP_PIXELS = 1 << 20
# Standard deviation of a photo's noise and JPEG error, of [0, 1].
NOISE = 0.012
# Covariance of hue, in the order of `cells.PAIRS`: JPEG halves its resolution, so that near an edge
# it is off by a standard deviation of 0.03 whatever the brightness says.
BLEED = np.float32(0.03**2 / 3) * np.array((2, 2, 2, -1, -1, -1), np.float32)
# Doubt of the mask, as a standard deviation of opacity: at its border, and at the end of reach.
DOUBT, FAR_DOUBT = 0.5, 0.03
# How soon a colour counts as unusual, per squared standard deviation.
USUAL = 1.0
# Of a thin strap: off the line from background to cloth by less than this share of the distance a
# colour is a mixture; and squared contrast, as a share of the largest around, of unmixed pixels.
EXPLAINED, PUREST = 0.2, 0.7
# Contrast, of [0, 1], under which such a pixel is rather a piece of background in the mask.
FAINT = 0.12
# Share of one side that looks like the other, at which colour tells nothing on that side.
COMMON = 0.1
# Sigma that evens out where colour tells little, in half widths of the soft border.
CALM = 0.4
# Half width of pinholes inside of the mask that are noise, in half widths of the soft border.
PINHOLE = 1 / 3
# Opacity at the bottom of holes that are none of noise, but of lace.
OPEN = 0.2
# Opacities that are snapped to 0 and 1: less is noise, and leaves a haze on a new background.
SNAP = 0.05


class _Model(NamedTuple):
    """Colours of garment and background on the grid, and how the grid lies on the photo."""

    garment: cells.Statistics
    ground: cells.Statistics
    misleading: np.ndarray  # (h, w, 2), share of the garment that looks like background; reversed
    step: int


def alpha(image: np.ndarray, mask: np.ndarray, *, fabric: str = "opaque") -> np.ndarray:
    """Refines a hard mask to opacity that follows the photo's own edges.

    Near the border each pixel is placed on the line between the local colours of garment and
    background; how far that is trusted depends on how far the two colours are apart, against how
    much each of them varies here and how far the border is.

    Args:
        image: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool; the garment.
        fabric: One of `studio.FABRICS`; "sheer" also looks for the background through the cloth.

    Returns:
        (H, W) float32 in [0, 1]; equal to the mask farther than `scale.reach_px` from its border
        (for sheer cloth SHEER_REACH of the long side).

    Raises:
        ValueError: The mask has another size than the image, or the fabric is unknown.

    Reference:
        Chuang, Curless, Salesin and Szeliski, A Bayesian Approach to Digital Matting, CVPR 2001:
        Gaussian colours of both layers. Here opacity has a prior of its own, from the mask.
    """
    _check(image, mask, fabric)
    soft = mask.astype(np.float32)
    box = masks.bounds(mask)
    if box is None or mask.all():
        return soft
    reach = _reach(mask.shape, fabric)
    window = masks.Bounds(
        max(0, box.top - reach - 1),
        max(0, box.left - reach - 1),
        min(mask.shape[0], box.bottom + reach + 1),
        min(mask.shape[1], box.right + reach + 1),
    )
    local = slice(window.top, window.bottom), slice(window.left, window.right)
    soft[local] = _refine(image[local], mask[local], mask.shape, fabric)
    return soft


def _check(image: np.ndarray, mask: np.ndarray, fabric: str) -> None:
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"mask must be {image.shape[0]}x{image.shape[1]} like image, got "
            f"{'x'.join(map(str, mask.shape))}. Connect the mask of the same photo."
        )
    if fabric not in FABRICS:
        raise ValueError(
            f"fabric must be one of {', '.join(FABRICS)}, got {fabric!r}. Choose one of these."
        )


def _reach(shape: tuple[int, int], fabric: str) -> int:
    if fabric == "sheer":
        return max(scale.reach_px(*shape), round(SHEER_REACH * max(shape)))
    return scale.reach_px(*shape)


def _refine(image: np.ndarray, mask: np.ndarray, shape: tuple[int, int], fabric: str) -> np.ndarray:
    """Refines a crop of a photo of the given shape, strip by strip."""
    band, reach = scale.band_px(*shape), _reach(shape, fabric)
    sheer = fabric == "sheer"
    step = max(1, round(max(shape) / GRID))
    model = _model(image, mask, band, reach if sheer else band, reach, step)
    soft, trust = mask.astype(np.float32), np.full(mask.shape, 255, np.uint8)
    for rows, around in _strips(mask.shape, reach + 2):
        depth = _depths(mask, rows, around)
        y, x = np.nonzero(np.abs(depth) <= reach)
        if not len(y):
            continue
        depth = depth[y, x]
        found, doubt = _project(image[rows][y, x], y + rows.start, x, depth > 0, model)
        share = _share(depth, doubt, band, sheer)
        prior = np.clip(0.5 + depth / 2, 0, 1)  # the ramp of an antialiased edge, 2 px wide
        mixed = prior + share * (found - prior)
        soft[rows][y, x] = np.clip((mixed - SNAP) / (1 - 2 * SNAP), 0, 1)
        trust[rows][y, x] = np.rint(255 * share)
    soft = _calm(soft, trust, mask, band, reach)
    return _without_islands(soft if sheer else _closed(soft, mask, band), mask)


def _calm(
    soft: np.ndarray, trust: np.ndarray, mask: np.ndarray, band: int, reach: int
) -> np.ndarray:
    """Evens out opacity where colour tells little; single pixels are guesses there."""
    result = soft.copy()
    for rows, around in _strips(soft.shape, 2 * band + reach):
        inner = slice(rows.start - around.start, rows.stop - around.start)
        smooth = cv2.GaussianBlur(soft[around], (0, 0), CALM * band)[inner]
        share = (255 - trust[rows]).astype(np.float32) / 255
        near = np.abs(_depths(mask, rows, around)) <= reach
        result[rows] += np.where(near, share * (smooth - soft[rows]), 0)
    return result


def _depths(mask: np.ndarray, rows: slice, around: slice) -> np.ndarray:
    """`_signed` of some rows, from a strip with a margin."""
    return _signed(mask[around])[rows.start - around.start :][: rows.stop - rows.start]


def _strips(shape: tuple[int, int], margin: int, multiple: int = 1):
    """Yields (rows, rows with a margin above and below) that cover a picture."""
    height = max(64, STRIP_PIXELS // max(1, shape[1]))
    height += -height % multiple
    for top in range(0, shape[0], height):
        bottom = min(shape[0], top + height)
        yield slice(top, bottom), slice(max(0, top - margin), min(shape[0], bottom + margin))


def _signed(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32 distance in pixels from the mask's border, positive inside."""
    marks = mask.astype(np.uint8)
    inside = np.asarray(cv2.distanceTransform(marks, cv2.DIST_L2, 3), np.float32)
    outside = np.asarray(cv2.distanceTransform(1 - marks, cv2.DIST_L2, 3), np.float32)
    # Each counts pixel centres from the other side's nearest one: the border lies half way.
    return inside - outside - np.where(mask, 0.5, -0.5).astype(np.float32)


def _model(
    image: np.ndarray, mask: np.ndarray, band: int, deep: int, reach: int, step: int
) -> _Model:
    parts: list[list[cells.Cells]] = [[], [], []]
    for rows, around in _strips(mask.shape, max(deep, reach) + 2, step):
        depth = _depths(mask, rows, around)
        for side, chosen in zip(parts, (depth > deep, depth < -band, depth < -reach), strict=True):
            side.append(cells.gather(image[rows], chosen, step))
    sure, outside, far = (
        cells.Cells(
            np.concatenate([part.color for part in side]),
            np.concatenate([part.weight for part in side]),
        )
        for side in parts
    )
    if not outside.weight.any():
        outside = cells.gather(image, ~mask, step)
    ground = cells.statistics(outside)
    thin = _thin(image, mask, sure, ground, deep + 2 * band, step)
    inside = cells.Cells(sure.color + thin.color, sure.weight + thin.weight)
    if not inside.weight.any():
        inside = cells.gather(image, mask, step)
    cloth = cells.statistics(inside)
    # Nearer by, what looks like the garment may be its own fringe.
    common = [
        cells.alike(inside, (cloth.mean, ground.mean)),
        cells.alike(far, (ground.mean, cloth.mean)),
    ]
    return _Model(cloth, ground, np.concatenate(common, -1), step)


def _thin(
    image: np.ndarray,
    mask: np.ndarray,
    sure: cells.Cells,
    ground: cells.Statistics,
    far: int,
    step: int,
) -> cells.Cells:
    """Gathers colours of straps and threads too thin to hold any sure garment.

    Taken are the pixels least like the background around; and none where the colours of the
    nearest sure garment explain them, mixed with the background.
    """
    radius = max(1, round(far / step))
    near = cv2.dilate((sure.weight > 0).astype(np.uint8), masks.disc(radius))
    marks = np.zeros(mask.shape, bool)
    y, x = np.nonzero(mask)
    lonely = near[y // step, x // step] == 0
    y, x = y[lonely], x[lonely]
    if not len(y):
        return cells.Cells(np.zeros_like(sure.color), np.zeros_like(sure.weight))
    pixel = image[y, x].astype(np.float32) / 255
    away = pixel - cells.sample(ground.mean, y, x, step)
    contrast = (away**2).sum(1)
    if sure.weight.any():
        across = cells.sample(cells.statistics(sure).mean, y, x, step) - (pixel - away)
        share = np.clip((away * across).sum(1) / np.maximum((across**2).sum(1), 1e-6), 0, 1)
        off = away - share[:, None] * across
        explained = (off**2).sum(1) < np.maximum(EXPLAINED**2 * contrast, (3 * NOISE) ** 2)
    else:
        explained = np.zeros(len(y), bool)
    most = np.zeros((sure.weight.shape), np.float32)
    np.maximum.at(most, (y // step, x // step), contrast)
    most = cv2.dilate(most, np.ones((5, 5), np.uint8))
    taken = ~explained & (contrast >= PUREST * most[y // step, x // step]) & (contrast > FAINT**2)
    marks[y[taken], x[taken]] = True
    return cells.gather(image, marks, step)


def _project(
    color: np.ndarray, rows: np.ndarray, columns: np.ndarray, inside: np.ndarray, model: _Model
) -> tuple[np.ndarray, np.ndarray]:
    """Places N colours between those of garment and background: opacity, and its deviation."""
    step = model.step
    pixel = color.astype(np.float32) / 255
    cloth = cells.sample(model.garment.mean, rows, columns, step)
    ground = cells.sample(model.ground.mean, rows, columns, step)
    across = cloth - ground
    of_cloth = cells.sample(model.garment.spread, rows, columns, step)
    of_ground = cells.sample(model.ground.spread, rows, columns, step)
    # Least squares under the spread of both: on a mottled wall hue decides rather than brightness.
    weights = cells.solve((of_cloth + of_ground) / 2 + BLEED, NOISE**2, across)
    weights /= np.maximum((weights * across).sum(1), 1e-6)[:, None]
    place = ((pixel - ground) * weights).sum(1)
    found = np.clip(place, 0, 1)
    size = (weights**2).sum(1)
    # Where both sides look the same, nothing can be told: no division by nothing either.
    of_cloth = np.maximum(cells.along(of_cloth, weights) + NOISE**2 * size, 1e-6)
    of_ground = np.maximum(cells.along(of_ground, weights) + NOISE**2 * size, 1e-6)
    # What lies off the line is a colour that neither side has here.
    off = pixel - (ground + found[:, None] * across)
    contrast = np.maximum((across**2).sum(1), 1e-6)
    varies = found**2 * of_cloth + (1 - found) ** 2 * of_ground
    varies += (NOISE**2 + 0.25 * np.minimum((off**2).sum(1), 1)) / contrast
    # A colour that its side of the mask often has here, as a white stripe, belongs to that side.
    usual = np.where(inside, (1 - place) ** 2 / of_cloth, place**2 / of_ground)
    common = cells.sample(model.misleading, rows, columns, step)
    common = np.where(inside, common[:, 0], common[:, 1])
    hard = inside.astype(np.float32)
    found = hard - np.expm1(-USUAL * usual) * (found - hard)
    return found, np.sqrt(varies) + np.minimum(common / COMMON, 1)


def _share(depth: np.ndarray, doubt: np.ndarray, band: int, sheer: bool) -> np.ndarray:
    """Returns how far colours decide rather than the mask, with a short blend between them."""
    reach = scale.REACH * band
    away = np.clip((np.abs(depth) - 0.5 * band) / (reach - 0.5 * band), 0, 1)
    if sheer:
        away = np.where(depth > 0, 0, away)
    of_mask = DOUBT * (FAR_DOUBT / DOUBT) ** away
    return np.clip((of_mask**2 / (of_mask**2 + doubt**2) - 0.3) / 0.4, 0, 1)


def _closed(soft: np.ndarray, mask: np.ndarray, band: int) -> np.ndarray:
    """Closes pinholes inside of the mask: threads that look a little like what is behind."""
    window = np.ones((2 * max(1, round(PINHOLE * band)) + 1,) * 2)
    closed = cv2.morphologyEx(soft, cv2.MORPH_CLOSE, window)
    return np.where(mask & (cv2.erode(soft, window) > OPEN), closed, soft)


def _without_islands(soft: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Drops specks outside of the mask that do not hang on the garment."""
    outside = (soft > 0) & ~mask
    if not outside.any():
        return soft
    count, pieces = cv2.connectedComponents(((soft > 0) | mask).astype(np.uint8))
    pieces = np.asarray(pieces, np.int32)
    hangs = np.zeros(count, bool)
    hangs[pieces[mask & (soft > 0)]] = True
    return np.where(hangs[pieces], soft, np.float32(0))
