"""The shadow that a garment and its form throw on wall and floor, as a share of the light."""

import cv2
import numpy as np

from . import labels, masks
from .parsing import Parsing

# Long side of the copy on which shadows are found; they are soft.
LONG_SIDE = 512
# Exponent between sRGB levels and light; the exact curve differs by less than a level of shadow.
GAMMA = 2.2
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear sRGB, ITU-R BT.709
# All in shares of the long side. Backdrop counts as unshaded this far from the figure; dark things
# narrower than THIN are the shadow of a pole or cable; full strength up to NEAR from the garment,
# nothing from FAR on: what lies farther off is the shadow of legs, head or stand, and floats like
# a stain on a white page. A shadow that nowhere comes within TOUCH of the garment is none of its.
UNSHADED, THIN, NEAR, FAR, TOUCH = 0.12, 0.035, 0.05, 0.18, 0.012
SOFT = 0.006
# Differences of light under this are the wall's own, and the deepest shadow that is kept.
UNEVEN, DEEPEST = 0.05, 0.4
# Standard deviation of light on unshaded backdrop above which pattern and shadow look the same.
PATTERNED = 0.1
# Pixels of a row that tell its light.
ENOUGH = 3


def cast(image: np.ndarray, parsing: Parsing) -> np.ndarray:
    """Finds the shadow of garment and form on the photo's backdrop.

    Each row of the backdrop is compared with its own ends far from the figure, so that neither the
    line between wall and floor nor light that falls off is taken for shadow. What the removed
    stand covered is filled in from around it; the thin shadow of a pole is not kept.

    Args:
        image: (H, W, 3) uint8 sRGB.
        parsing: Of this photo.

    Returns:
        (H, W) uint8 sRGB level of a white page under that shadow; 255 where there is none, and
        everywhere if the backdrop is patterned or hardly to be seen.
    """
    height, width = parsing.size
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    found = cv2.resize(parsing.label_map, size, interpolation=cv2.INTER_NEAREST)
    level = _level(small, found)
    return cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)


def _level(image: np.ndarray, label_map: np.ndarray) -> np.ndarray:
    white = np.full(label_map.shape, 255, np.uint8)
    long_side = max(label_map.shape)
    figure = (label_map != labels.BACKGROUND).astype(np.uint8)
    away = np.asarray(cv2.distanceTransform(1 - figure, cv2.DIST_L2, 3))
    linear = (image.astype(np.float32) / 255) ** GAMMA
    light = linear @ np.array(LUMINANCE, np.float32)
    unshaded = away > max(2.0, UNSHADED * long_side)
    lit = _lit(light, unshaded)
    if lit is None:
        return white
    share = np.clip(light / np.maximum(lit, 1e-3), 0, 1.2)
    if float(np.std(share[unshaded])) > PATTERNED:
        return white
    # Half a dozen pixels around the figure hold its own blurred edge.
    share = _filled(share, away > 2)
    span = max(3, round(THIN * long_side))
    share = cv2.morphologyEx(share, cv2.MORPH_CLOSE, masks.disc(span // 2))
    share = cv2.GaussianBlur(share, (0, 0), max(0.5, SOFT * long_side))
    darker = np.clip(1 - share - UNEVEN, 0, 1 - DEEPEST)
    cloth = ((label_map == labels.GARMENT) | (label_map == labels.INTERIOR)).astype(np.uint8)
    gap = np.asarray(cv2.distanceTransform(1 - cloth, cv2.DIST_L2, 3)) / long_side
    fade = np.clip((FAR - gap) / (FAR - NEAR), 0, 1)
    kept = 1 - darker * _hanging(darker > 0, gap <= TOUCH, long_side) * fade * fade * (3 - 2 * fade)
    return np.rint(255 * kept ** (1 / GAMMA)).astype(np.uint8)


def _hanging(shaded: np.ndarray, near: np.ndarray, long_side: int) -> np.ndarray:
    """Returns (h, w) float32 in [0, 1]: 1 on the shadows that begin near the garment."""
    pieces = np.asarray(cv2.connectedComponents((shaded | near).astype(np.uint8))[1])
    hangs = (np.isin(pieces, np.unique(pieces[near & shaded])) & shaded).astype(np.float32)
    return cv2.GaussianBlur(hangs, (0, 0), max(0.5, SOFT * long_side))


def _lit(light: np.ndarray, unshaded: np.ndarray) -> np.ndarray | None:
    """Returns the light of every row without the figure, from its two ends; None if unknown."""
    height, width = light.shape
    half = width // 2
    ends = []
    for columns in (slice(0, half), slice(half, width)):
        known = [
            (row, float(np.median(light[row, columns][unshaded[row, columns]])))
            for row in range(height)
            if np.count_nonzero(unshaded[row, columns]) >= ENOUGH
        ]
        if known:
            rows, levels = zip(*known, strict=True)
            ends.append(np.interp(np.arange(height), rows, levels))
    if not ends:
        return None
    left, right = ends[0], ends[-1]
    across = (np.arange(width, dtype=np.float32) + 0.5) / width
    across = np.clip(2 * across - 0.5, 0, 1)  # the ends' middles lie at a quarter of the width
    return (left[:, None] * (1 - across) + right[:, None] * across).astype(np.float32)


def _filled(share: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills what is not known with averages over windows of growing size."""
    weight = known.astype(np.float32)
    total, sums = weight.copy(), share * weight
    radius, factor = 2, 1e-2
    while radius < 2 * max(share.shape):
        side = (2 * min(radius, max(share.shape)) + 1,) * 2
        total += factor * cv2.blur(weight, side, borderType=cv2.BORDER_CONSTANT)
        sums += factor * cv2.blur(share * weight, side, borderType=cv2.BORDER_CONSTANT)
        radius, factor = radius * 3, factor * 1e-2
    filled = np.where(total > 1e-12, sums / np.maximum(total, 1e-12), 1)
    return np.where(known, share, filled).astype(np.float32)
