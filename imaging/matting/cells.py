"""Local colour statistics of garment and background, on a coarse grid of cells."""

from typing import NamedTuple

import cv2
import numpy as np

# Radii of the windows, in cells, in which colours are averaged, and how much each counts: the
# nearest with any evidence wins, the wide ones only fill in where it has none.
WINDOWS = ((2, 1.0), (6, 1e-3), (20, 1e-6), (60, 1e-9))
# Share of a window that counts as evidence at all.
FAINTEST = 1e-5
# Weight of the mean over everything, which serves where no window holds any evidence.
EVERYWHERE = 1e-12
# Colours are alike that differ by less than this share of what garment and background do.
ALIKE = 0.35
# The six different entries of a symmetric 3x3 matrix.
PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class Cells(NamedTuple):
    """Sums over square cells of a photo.

    Attributes:
        color: (h, w, 3) float32, sum of the chosen pixels' colours in [0, 1], per cell area.
        weight: (h, w) float32 in [0, 1], share of the cell that is chosen.
    """

    color: np.ndarray
    weight: np.ndarray


class Statistics(NamedTuple):
    """Colour around each cell.

    Attributes:
        mean: (h, w, 3) float32 in [0, 1].
        spread: (h, w, 6) float32, covariance in the order of PAIRS.
    """

    mean: np.ndarray
    spread: np.ndarray


def gather(image: np.ndarray, chosen: np.ndarray, step: int) -> Cells:
    """Sums the chosen pixels of cells of `step` x `step` pixels.

    Args:
        image: (H, W, 3) uint8.
        chosen: (H, W) bool.
        step: Side of a cell in pixels.

    Returns:
        Cells of (ceil(H / step), ceil(W / step)); pixels past the border count as not chosen.
    """
    height, width = chosen.shape
    marks = chosen.astype(np.uint8)
    color = cv2.bitwise_and(image, image, mask=marks)
    below, right = -height % step, -width % step
    if below or right:
        color = cv2.copyMakeBorder(color, 0, below, 0, right, cv2.BORDER_CONSTANT)
        marks = cv2.copyMakeBorder(marks, 0, below, 0, right, cv2.BORDER_CONSTANT)
    size = (marks.shape[1] // step, marks.shape[0] // step)
    # In 8 bits the sum of a half chosen cell would be rounded; in 16 the error is under 1/256.
    color = cv2.resize(color.astype(np.uint16) << 8, size, interpolation=cv2.INTER_AREA)
    weight = cv2.resize(marks * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return Cells(color.astype(np.float32) / (255 << 8), weight.astype(np.float32) / 255)


def statistics(cells: Cells) -> Statistics:
    """Averages colours around each cell, farther away where nothing is near.

    Args:
        cells: With at least one chosen pixel.

    Returns:
        Mean and covariance of the cells' colours, everywhere.
    """
    known = cells.weight > 0
    color = cells.color / np.maximum(cells.weight, 1e-6)[..., None]
    products = np.stack([color[..., i] * color[..., j] for i, j in PAIRS], -1)
    moments = np.concatenate([color, products], -1) * np.where(known, cells.weight, 0)[..., None]
    moments = np.concatenate([moments, cells.weight[..., None]], -1).astype(np.float32)
    total = np.broadcast_to(EVERYWHERE * moments.mean((0, 1)), moments.shape).astype(np.float32)
    for radius, share in WINDOWS:
        total += np.float32(share) * _mean(moments, radius)
    total /= np.maximum(total[..., -1:], np.finfo(np.float32).tiny)
    mean = total[..., :3]
    spread = total[..., 3:9] - np.stack([mean[..., i] * mean[..., j] for i, j in PAIRS], -1)
    return Statistics(mean, spread)


def alike(own: Cells, ends: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Measures how common colours of one side are that look like the other side.

    Args:
        own: Cells of the side in question.
        ends: (h, w, 3) means of this side and of the other.

    Returns:
        (h, w, 1) float32 in [0, 1], the share around each cell.
    """
    here, there = ends
    color = own.color / np.maximum(own.weight, 1e-6)[..., None]
    contrast = ((here - there) ** 2).sum(-1)
    same = ((color - there) ** 2).sum(-1) < ALIKE**2 * contrast
    counted = np.stack([own.weight * same, own.weight], -1)
    total = np.zeros_like(counted)
    for radius, share in WINDOWS[1:]:
        total += np.float32(share) * _mean(counted, radius)
    return (total[..., :1] / np.maximum(total[..., 1:], 1e-20)).astype(np.float32)


def _mean(values: np.ndarray, radius: int) -> np.ndarray:
    """Two box means come close to a Gaussian one; wide ones are taken of a smaller grid."""
    height, width = values.shape[:2]
    factor = max(1, radius // 4)
    small = values
    if factor > 1:
        size = max(1, round(width / factor)), max(1, round(height / factor))
        small = _resized(values, size, cv2.INTER_AREA)
    side = (2 * round(radius / factor) + 1,) * 2
    for _ in range(2):
        small = cv2.boxFilter(small, -1, side, borderType=cv2.BORDER_CONSTANT)
    # Running sums leave rounding errors behind, which would outweigh the wider windows.
    small[small[..., -1] < FAINTEST] = 0
    if factor > 1:
        return _resized(small, (width, height), cv2.INTER_LINEAR)
    return small


def _resized(values: np.ndarray, size: tuple[int, int], method: int) -> np.ndarray:
    """Resizes any number of channels; OpenCV takes four at a time."""
    parts = [
        cv2.resize(np.ascontiguousarray(values[..., first : first + 4]), size, interpolation=method)
        for first in range(0, values.shape[-1], 4)
    ]
    return np.concatenate([part.reshape(size[1], size[0], -1) for part in parts], -1)


def along(spread: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Returns the (N,) variance of (N, 6) covariances along (N, 3) directions of any length."""
    x, y, z = direction[:, 0], direction[:, 1], direction[:, 2]
    crossed = spread[:, 3] * x * y + spread[:, 4] * x * z + spread[:, 5] * y * z
    plain = spread[:, 0] * x * x + spread[:, 1] * y * y + spread[:, 2] * z * z
    return np.maximum(plain + 2 * crossed, 0)


def solve(spread: np.ndarray, ridge: float, vectors: np.ndarray) -> np.ndarray:
    """Solves N symmetric 3x3 systems by cofactors; numpy's solver is 20 times slower.

    Args:
        spread: (N, 6) float32, in the order of PAIRS.
        ridge: Added to the diagonal, so that flat colours have an inverse.
        vectors: (N, 3) float32, right sides.

    Returns:
        (N, 3) float32.
    """
    a, d, f = (spread[:, i] + np.float32(ridge) for i in range(3))
    b, c, e = spread[:, 3], spread[:, 4], spread[:, 5]
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    aa, ab, ac = d * f - e * e, c * e - b * f, b * e - c * d
    bb, bc, cc = a * f - c * c, b * c - a * e, a * d - b * b
    determinant = np.maximum(a * aa + b * ab + c * ac, np.float32(ridge**3))
    solved = (aa * x + ab * y + ac * z, ab * x + bb * y + bc * z, ac * x + bc * y + cc * z)
    return np.stack(solved, -1) / determinant[:, None]


def sample(field: np.ndarray, rows: np.ndarray, columns: np.ndarray, step: int) -> np.ndarray:
    """Reads a (h, w, C) field of cells at N pixels, bilinearly.

    Returns:
        (N, C) float32.
    """
    height, width = field.shape[:2]
    y = np.clip((rows.astype(np.float32) + 0.5) / step - 0.5, 0, height - 1)
    x = np.clip((columns.astype(np.float32) + 0.5) / step - 0.5, 0, width - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    down = (np.minimum(top + 1, height - 1) - top) * width
    over = np.minimum(left + 1, width - 1) - left
    flat, here = field.reshape(height * width, -1), top * width + left
    v, u = (y - top)[:, None], (x - left)[:, None]
    upper = flat[here] * (1 - u) + flat[here + over] * u
    lower = flat[here + down] * (1 - u) + flat[here + down + over] * u
    return upper * (1 - v) + lower * v
