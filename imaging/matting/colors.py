"""Colours of a garment without those of the background that shone in."""

import cv2
import numpy as np

from .. import masks
from . import cells, opacity

# Cells around the garment in which its colours and the background's are gathered.
AROUND = 16
# Opacity below which a pixel shows nothing but background.
CLEAR = 0.02
# Variance of noise, of [0, 1]: differences under it are no texture of the cloth.
NOISE = 0.02**2
# Levels a colour may leave the cloth's usual ones by, in standard deviations.
USUAL = 2.5


def foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Takes the background's share out of every mixed colour.

    The colours of both layers are known where a pixel shows one of them alone, and vary slowly
    from there on; what the mixture of both leaves unexplained is texture of the cloth.

    Args:
        image: (H, W, 3) uint8 sRGB.
        alpha: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8; equal to `image` where alpha is 1, else the garment's colours,
        extended outward where alpha is 0.

    Reference:
        The cost is the one of Germer, Uelwer, Conrad and Harmeling, Fast Multi-Level Foreground
        Estimation, ICPR 2020; its minimum is found in one step from layers averaged over
        windows of growing size.
    """
    step = max(1, round(max(alpha.shape) / opacity.GRID))
    box, (height, width) = masks.bounds(alpha > 0), alpha.shape
    if box is None:
        return image.copy()
    top, left = max(0, box.top - AROUND * step), max(0, box.left - AROUND * step)
    bottom, right = min(height, box.bottom + AROUND * step), min(width, box.right + AROUND * step)
    local = slice(top, bottom), slice(left, right)
    found = _foreground(image[local], alpha[local], step)
    if found is None:
        return image.copy()
    around = (top, height - bottom, left, width - right)
    return cv2.copyMakeBorder(found, *around, cv2.BORDER_REPLICATE) if any(around) else found


def _foreground(image: np.ndarray, alpha: np.ndarray, step: int) -> np.ndarray | None:
    """Returns the colours in a crop around the garment, None where nothing is mixed."""
    pure = alpha >= 1
    if not pure.any():
        pure = alpha >= max(0.5, float(alpha.max()))
    if not pure.any() or pure.all():
        return None
    cloth = cells.statistics(cells.gather(image, pure, step))
    clear = alpha <= CLEAR
    ground = cells.statistics(cells.gather(image, clear, step)) if clear.any() else cloth
    size = (step * cloth.mean.shape[1], step * cloth.mean.shape[0])
    levels = np.clip(np.rint(cloth.mean * 255), 0, 255).astype(np.uint8)
    result = cv2.resize(levels, size, interpolation=cv2.INTER_LINEAR)
    result = np.ascontiguousarray(result[: alpha.shape[0], : alpha.shape[1]])
    np.copyto(result, image, where=(alpha >= 1)[..., None])
    for top in range(0, alpha.shape[0], 512):
        rows = slice(top, top + 512)
        y, x = np.nonzero((alpha[rows] > 0) & (alpha[rows] < 1))
        if len(y):
            mixed = image[rows][y, x]
            found = _unmix(mixed, alpha[rows][y, x], y + top, x, cloth, ground, step)
            result[rows][y, x] = found
    return result


def _unmix(
    color: np.ndarray,
    share: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    cloth: cells.Statistics,
    ground: cells.Statistics,
    step: int,
) -> np.ndarray:
    """Returns the (N, 3) uint8 colours of the cloth in (N, 3) mixtures."""
    pixel, part = color.astype(np.float32) / 255, share[:, None]
    near = cells.sample(cloth.mean, rows, columns, step)
    behind = cells.sample(ground.mean, rows, columns, step)
    varies = cells.sample(cloth.spread, rows, columns, step)[:, :3].sum(1, keepdims=True)
    noise = cells.sample(ground.spread, rows, columns, step)[:, :3].sum(1, keepdims=True)
    left = pixel - part * near - (1 - part) * behind
    varies = np.maximum(varies, 0)
    gain = part * varies / (part**2 * varies + (1 - part) ** 2 * np.maximum(noise, 0) + NOISE)
    found = near + np.clip(gain, 0, 1) * left
    return np.clip(np.rint(found * 255), 0, 255).astype(np.uint8)
