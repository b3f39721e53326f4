"""Seam: a line along the border of the repainted mask."""

import cv2
import numpy as np

from ..imaging import masks
from . import color, tiles
from .measure import Measure, require_mask, require_picture, unmeasurable

LINE_PX = 1.5  # distance from the border within which a hard paste shows
NEAR_PX, FAR_PX = 5, 12  # ring whose gradients are what the picture does anyway
FLOOR_LAB = 0.25  # Lab per px; what noise and JPEG leave of a flat studio after averaging
ALONG_PX = 4.0  # sigma of the average along the border
OUTLINE_PX = (
    8  # this close to the garment's outline a border is matting, an edge that belongs there
)
MIN_BORDER_PX = 100
WORST_QUARTER = 0.75  # quantile of the border


def measure(
    result: np.ndarray,
    repaint_mask: np.ndarray,
    *,
    garment_mask: np.ndarray | None = None,
    person: np.ndarray | None = None,
) -> Measure:
    """Measures how much a line stands out where the repainted area ends.

    Args:
        result: (H, W, 3) uint8 sRGB.
        repaint_mask: (H, W) bool.
        garment_mask: (H, W) bool; its outline is an edge that should be there and is left out.
        person: (H, W, 3) uint8, the picture painted on; lines it already had are not counted.

    Returns:
        Gradient on the border beyond the expected one, over the gradient beside it: 0 is no seam.
        The worst quarter of the border counts. The map has the same per tile.

    Reference:
        Own measure: Lab gradient across the border, |d| <= 1.5 px over 5 to 12 px. Noise and JPEG
        score up to 0.3, a hard paste 4 % darker 0.5 or more in 95 of 100 (36 cases).
    """
    require_picture("result", result)
    require_mask("repaint_mask", repaint_mask, result)
    distance = _distance(repaint_mask)
    counted = np.ones(repaint_mask.shape, bool)
    counted[[0, -1]] = counted[:, [0, -1]] = False
    if garment_mask is not None:
        require_mask("garment_mask", garment_mask, result)
        outline = garment_mask & ~masks.shrink(garment_mask, 1)
        counted &= ~masks.grow(outline, OUTLINE_PX)
    line = (distance <= LINE_PX) & counted
    beside = (distance >= NEAR_PX) & (distance <= FAR_PX) & counted
    if min(line.sum(), beside.sum()) < MIN_BORDER_PX:
        return unmeasurable("The repainted area ends at the garment's own outline or at the frame.")
    across = _normal(repaint_mask)
    on_line, around = _steepness(result, across, line), _steepness(result, across, beside)
    if person is not None and person.shape == result.shape:
        # A line that the person photo has at the same place is no seam: only its growth is.
        on_line = np.maximum(on_line - _steepness(person, across, line), 0)
        return _compare(on_line, around, line, beside, usual_share=0.0)
    return _compare(on_line, around, line, beside, usual_share=1.0)


def _compare(
    on_line: np.ndarray,
    around: np.ndarray,
    line: np.ndarray,
    beside: np.ndarray,
    *,
    usual_share: float,
) -> Measure:
    """Compares the border with its surroundings, in all and tile by tile.

    `usual_share` of the surroundings' gradient is expected on the border where nothing is wrong.
    """
    ring = float(np.median(around[beside]))
    local, unknown = np.full(line.shape, np.nan, np.float32), np.zeros(line.shape, bool)
    size, band = tiles.TILE_PX, masks.grow(line, 2)
    for top in range(0, line.shape[0], size):
        for left in range(0, line.shape[1], size):
            tile = slice(top, top + size), slice(left, left + size)
            if line[tile].sum() < size // 2:
                unknown[tile] = band[tile]
                continue
            near = around[tile][beside[tile]]
            usual = float(np.median(near)) if near.size >= size else ring
            excess = _excess(float(np.median(on_line[tile][line[tile]])), usual, usual_share)
            local[tile] = np.where(band[tile], excess, np.nan)
    median = _excess(float(np.median(on_line[line])), ring, usual_share)
    # Weighted by the border's length in each tile; a seam on a third of the border must count.
    along = local[line & np.isfinite(local)]
    value = float(np.quantile(along, WORST_QUARTER)) if along.size else median
    return Measure(
        value,
        local=local,
        unknown=unknown,
        details={"median": median, "ring_lab_per_px": ring},
    )


def _excess(line: float, beside: float, usual_share: float) -> float:
    return max(0.0, (line - usual_share * beside) / (beside + FLOOR_LAB))


def _distance(mask: np.ndarray) -> np.ndarray:
    """Returns the distance of each pixel to the mask's border, in px, 0.5 next to it."""
    if mask.all() or not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    selected = mask.astype(np.uint8)
    to_outside = cv2.distanceTransform(selected, cv2.DIST_L2, 5)
    to_inside = cv2.distanceTransform(1 - selected, cv2.DIST_L2, 5)
    return np.maximum(to_outside, to_inside) - 0.5


def _normal(mask: np.ndarray) -> np.ndarray:
    """Returns (H, W, 2) unit vectors x, y that point across the mask's border."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), FAR_PX / 2)
    slope = np.dstack((cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)))
    return slope / np.maximum(np.linalg.norm(slope, axis=2, keepdims=True), 1e-12)


def _steepness(image: np.ndarray, across: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Returns the Lab gradient across the border, in Lab per px, averaged along the ring.

    Signed gradients are averaged: noise cancels, a seam has one sign along the border.
    """
    lab = color.to_lab(image)
    slope = cv2.Sobel(lab, cv2.CV_32F, 1, 0) / 8 * across[..., :1]
    slope += cv2.Sobel(lab, cv2.CV_32F, 0, 1) / 8 * across[..., 1:]
    weight = ring.astype(np.float32)
    total = cv2.GaussianBlur(slope * weight[..., None], (0, 0), ALONG_PX)
    share = cv2.GaussianBlur(weight, (0, 0), ALONG_PX)
    return np.linalg.norm(total, axis=2) / np.maximum(share, 1e-3)
