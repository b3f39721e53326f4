"""Colours of a garment: luma, Lab, CIEDE2000, and the colour shift between two pictures."""

import numpy as np

from ..imaging import masks
from ..imaging.color import to_lab
from . import tiles
from .measure import Measure, require_pair, unmeasurable

REC709_LUMA = np.array((0.2126, 0.7152, 0.0722), np.float32)  # ITU-R BT.709, weights of R, G, B
RIM_PX = 2  # left out along the mask's border: mixed pixels
MIN_PIXELS = 400  # a patch of 20 x 20; medians of less are chance
MIN_TILE_PIXELS = 200
# kL for textiles, as CMC (2:1) and CIE94 have it: a cloth that is a little lighter or darker is
# forgiven sooner than one of another hue.
TEXTILE_KL = 2.0


def luma(image: np.ndarray) -> np.ndarray:
    """Returns (H, W) float32 luma in [0, 1] of (H, W, 3) uint8 sRGB, gamma-encoded as it comes."""
    return image.astype(np.float32) @ (REC709_LUMA / 255)


def inside(mask: np.ndarray, rim_px: int = RIM_PX) -> np.ndarray:
    """Returns the mask without its rim, the whole mask where nothing else would be left."""
    shrunk = masks.shrink(np.pad(mask, 1), rim_px)[1:-1, 1:-1]
    return shrunk if shrunk.any() else mask.copy()


def measure(
    result: np.ndarray,
    source: np.ndarray,
    result_mask: np.ndarray,
    source_mask: np.ndarray,
    *,
    aligned: bool = False,
) -> Measure:
    """Measures how far the garment's colour has moved.

    The median colours are compared, not the pixels: pixelwise differences mostly tell that folds
    moved. A tenth of a stop of exposure alone gives about 1.5.

    Args:
        result, source: (H, W, 3) uint8 sRGB; sizes may differ.
        result_mask, source_mask: (H, W) bool, the garment in each.
        aligned: The pixels of both correspond; then a tile map is made.

    Returns:
        CIEDE2000 between the masked median colours, 0 and up; 1 is just visible. `details` has
        the differences in lightness, chroma and hue angle (degrees).

    Reference:
        Sharma, Wu, Dalal: The CIEDE2000 color-difference formula: implementation notes,
        supplementary test data, and mathematical observations. Color Res. Appl. 30 (2005).
    """
    require_pair(result, source, result_mask, source_mask)
    if min(result_mask.sum(), source_mask.sum()) < MIN_PIXELS:
        return unmeasurable(f"The garment covers fewer than {MIN_PIXELS} pixels.")
    result_lab, source_lab = to_lab(result), to_lab(source)
    after = np.median(result_lab[inside(result_mask)], axis=0)
    before = np.median(source_lab[inside(source_mask)], axis=0)
    local, unknown = None, None
    if aligned:
        both = result_mask & source_mask
        local, unknown = tiles.local_map(
            both, lambda tile: _tile_shift(result_lab, source_lab, both, tile)
        )
    return Measure(
        float(ciede2000(after, before, lightness_weight=TEXTILE_KL)),
        local=local,
        unknown=unknown,
        details={
            "lightness_shift": float(after[0] - before[0]),
            "chroma_shift": float(np.hypot(*after[1:]) - np.hypot(*before[1:])),
            "hue_shift_deg": float(_turn(_hue(*after[1:]), _hue(*before[1:]))),
        },
    )


def ciede2000(lab_1: np.ndarray, lab_2: np.ndarray, *, lightness_weight: float = 1.0) -> np.ndarray:
    """Returns the CIEDE2000 difference of (..., 3) L*a*b* colours, with kC = kH = 1.

    `lightness_weight` is kL: 1 for colours side by side, TEXTILE_KL for textiles.

    Reference:
        Sharma et al. 2005, equations 2 to 22; checked against their table 1.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(lab_1, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(lab_2, np.float64), -1, 0)
    mean_c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(mean_c7 / (mean_c7 + 25.0**7))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = _hue(stretch * a1, b1), _hue(stretch * a2, b2)
    gray = c1 * c2 == 0
    turn = np.where(gray, 0, _turn(h2, h1))
    mean_h = np.where(gray, h1 + h2, _mean_hue(h1, h2))
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2

    delta_h = 2 * np.sqrt(c1 * c2) * _sin(turn / 2)
    weight_t = (
        1
        - 0.17 * _cos(mean_h - 30)
        + 0.24 * _cos(2 * mean_h)
        + 0.32 * _cos(3 * mean_h + 6)
        - 0.20 * _cos(4 * mean_h - 63)
    )
    scale_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    scale_c = 1 + 0.045 * mean_c
    scale_h = 1 + 0.015 * mean_c * weight_t
    chroma_7 = mean_c**7
    rotation = (
        -2
        * np.sqrt(chroma_7 / (chroma_7 + 25.0**7))
        * _sin(60 * np.exp(-(((mean_h - 275) / 25) ** 2)))
    )
    part_l = (l2 - l1) / (scale_l * lightness_weight)
    part_c, part_h = (c2 - c1) / scale_c, delta_h / scale_h
    return np.sqrt(part_l**2 + part_c**2 + part_h**2 + rotation * part_c * part_h)


def _tile_shift(
    result_lab: np.ndarray, source_lab: np.ndarray, mask: np.ndarray, tile: tuple[slice, slice]
) -> float | None:
    if np.count_nonzero(mask[tile]) < MIN_TILE_PIXELS:
        return None
    after, before = (tiles.means(lab, mask, tile) for lab in (result_lab, source_lab))
    return float(ciede2000(after, before, lightness_weight=TEXTILE_KL))


def _hue(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan2(b, a)) % 360


def _turn(hue: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns hue minus other, the short way round, in (-180, 180]."""
    return -((other - hue + 180) % 360 - 180)


def _mean_hue(h1: np.ndarray, h2: np.ndarray) -> np.ndarray:
    mean, far = (h1 + h2) / 2, np.abs(h1 - h2) > 180
    return np.where(far & (h1 + h2 < 360), mean + 180, np.where(far, mean - 180, mean))


def _sin(degrees: np.ndarray) -> np.ndarray:
    return np.sin(np.radians(degrees))


def _cos(degrees: np.ndarray) -> np.ndarray:
    return np.cos(np.radians(degrees))
