"""Whether the garment's pixels in two pictures correspond and may be compared in place."""

import cv2
import numpy as np

from . import color, tiles

SMOOTH_PX = 2.0  # sigma; sensor noise and JPEG blocks are not what two pictures share
# Same garment, same place, other wearer: 0.90 or more in 38 rendered pairs; a 2.5 px blur 0.89
# or more; moved by 3 px 0.84 in the median, by 8 px 0.42, another garment 0.28 at most.
MIN_CORRELATION = 0.85
MIN_TILES = 3  # the median of fewer is chance
MIN_STRUCTURE = 0.006  # standard deviation of luma in a tile, 1.5 levels; less is noise


def correlation(result: np.ndarray, source: np.ndarray, mask: np.ndarray) -> float | None:
    """Measures how well two pictures of one size agree inside a mask.

    Normalised correlation of the smoothed luma in each tile, and the median over the tiles: a
    change of exposure or a veil changes little, and a fault in one place does not either.

    Args:
        result, source: (H, W, 3) uint8 sRGB.
        mask: (H, W) bool.

    Returns:
        -1 to 1; None where the sizes differ or fewer than MIN_TILES show any structure.
    """
    if result.shape != source.shape or mask.shape != result.shape[:2]:
        return None
    where = color.inside(mask, 3)
    after, before = (cv2.GaussianBlur(color.luma(p), (0, 0), SMOOTH_PX) for p in (result, source))
    found = [_agreement(after[t][where[t]], before[t][where[t]]) for t in tiles.tiles(where)]
    known = [agreement for agreement in found if agreement is not None]
    return float(np.median(known)) if len(known) >= MIN_TILES else None


def _agreement(after: np.ndarray, before: np.ndarray) -> float | None:
    if before.std() < MIN_STRUCTURE:
        return None
    spread = max(float(after.std() * before.std()), MIN_STRUCTURE**2 / 100)
    return float(((after - after.mean()) * (before - before.mean())).mean() / spread)


def aligned(result: np.ndarray, source: np.ndarray, mask: np.ndarray) -> bool:
    """Tells whether the masked pixels of two pictures correspond."""
    agreement = correlation(result, source, mask)
    return agreement is not None and agreement >= MIN_CORRELATION
