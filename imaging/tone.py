"""Colours of a painted crop, brought back to those of the photo around it."""

from typing import NamedTuple

import cv2
import numpy as np

from .matting import cells

# Cells along the long side of the grid on which colours are compared: larger than the pattern of
# cloth and than an outline that an engine moved, smaller than the fall-off of light.
GRID = 64
# Share of a cell that must be unmasked to count.
LEAST_SHARE = 0.25
# Standard deviation of a cell's mean that an engine kept, of [0, 1].
NOISE = 0.006
# And where colours change, as a share of the change to the neighbouring cells: what moved a little.
MOVED = 0.15
# How much an engine usually drifts, as standard deviations of [0, 1]: each entry of the 3x3 matrix
# (contrast, haze, saturation), the shift, and how the shift varies over half the crop (the first
# and second order).
MATRIX, SHIFT, SLOPE, CURVE = 0.08, 0.08, 0.03, 0.02
# For every round, how many standard deviations a cell may be off and still count as kept, so that
# a fit that starts far away finds its way (graduated non-convexity, Blake and Zisserman 1987).
LOOSENESS = (20.0, 10.0, 6.0, 4.0, 3.0, 3.0)
# Share of the cells that must agree on one drift; else the engine painted another scene.
AGREEING = 0.3
# No colour is changed by more than this, of [0, 1].
LARGEST = 0.2
# Rows per pass; bounds the float copies.
STRIP_ROWS = 256


class Drift(NamedTuple):
    """How to undo what an engine did to the colours.

    Attributes:
        middle: (3,) colour around which contrast is stretched.
        amounts: (9, 3) to be multiplied with the terms of `_terms`.
    """

    middle: np.ndarray
    amounts: np.ndarray


def match(painted: np.ndarray, photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Undoes an engine's drift of colour, measured where it was to paint nothing.

    The correction is a colour matrix and a shift that varies smoothly over the crop. It is none
    where painted and photo agree, where there is nothing to compare, and where too little of the
    surroundings was kept to tell.

    Args:
        painted: (h, w, 3) uint8 sRGB, the whole crop as the engine returned it.
        photo: (h, w, 3) uint8 sRGB, the crop as it was.
        mask: (h, w) bool or float32 in [0, 1]; 0 was to be kept.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: The sizes differ.
    """
    if painted.shape != photo.shape or mask.shape != photo.shape[:2]:
        sizes = ("x".join(map(str, array.shape[:2])) for array in (painted, photo, mask))
        raise ValueError(
            "painted, photo and mask must have one size, got {}, {} and {}. "
            "Cut all three with the same crop.".format(*sizes)
        )
    drift = measure(painted, photo, mask)
    return painted.copy() if drift is None else apply(painted, drift)


def measure(painted: np.ndarray, photo: np.ndarray, mask: np.ndarray) -> Drift | None:
    """Fits the drift to the colours of the unmasked cells; arguments as for `match`.

    Returns:
        What undoes it; None where that cannot be told.

    Reference:
        Holland and Welsch, Robust regression using iteratively reweighted least-squares, 1977,
        with the usual size of a drift as prior.
    """
    kept, step = ~(mask > 0), max(1, round(max(mask.shape) / GRID))
    now, then = cells.gather(painted, kept, step), cells.gather(photo, kept, step)
    chosen = now.weight >= LEAST_SHARE
    if not chosen.any():
        return None
    share = now.weight[chosen]
    color = now.color[chosen] / share[:, None]
    wanted = then.color[chosen] / share[:, None] - color
    doubt = NOISE + MOVED * _change(then, chosen)
    middle = np.average(color, 0, share)
    row, column = np.nonzero(chosen)
    terms = _terms(color - middle, (row + 0.5) * step, (column + 0.5) * step, mask.shape)
    amounts, agreeing = _fit(terms, wanted, share, doubt)
    return Drift(middle, amounts) if agreeing >= AGREEING else None


def apply(painted: np.ndarray, drift: Drift) -> np.ndarray:
    """Returns the (h, w, 3) uint8 picture with a drift undone."""
    height, width = painted.shape[:2]
    result = np.empty_like(painted)
    for top in range(0, height, STRIP_ROWS):
        part = painted[top : top + STRIP_ROWS].astype(np.float32) / 255
        row, column = np.indices(part.shape[:2], np.float32) + 0.5
        terms = _terms(part - drift.middle, row + top, column, (height, width))
        change = np.clip(terms @ drift.amounts.astype(np.float32), -LARGEST, LARGEST)
        levels = np.rint(255 * (part + change))
        result[top : top + STRIP_ROWS] = np.clip(levels, 0, 255).astype(np.uint8)
    return result


def _terms(
    color: np.ndarray, row: np.ndarray, column: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """(..., 9) float32: colour, one, and place to the second order, each about -1 to 1."""
    y, x = 2 * row / shape[0] - 1, 2 * column / shape[1] - 1
    place = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    return np.concatenate([color, place], -1).astype(np.float32)


def _change(then: cells.Cells, chosen: np.ndarray) -> np.ndarray:
    """(N,) by how much the photo's colour changes from chosen cells to their neighbours."""
    color = (then.color / np.maximum(then.weight, 1e-6)[..., None]).astype(np.float32)
    window = np.ones((3, 3), np.uint8)
    hidden = ~chosen[..., None]
    high = cv2.dilate(np.where(hidden, np.float32(-1), color), window)
    low = cv2.erode(np.where(hidden, np.float32(2), color), window)
    return (high - low)[chosen].max(-1)


def _fit(
    terms: np.ndarray, wanted: np.ndarray, share: np.ndarray, doubt: np.ndarray
) -> tuple[np.ndarray, float]:
    """Returns (9, 3) amounts, and the share of the cells that agree with them."""
    usual = np.array([MATRIX] * 3 + [SHIFT] + [SLOPE] * 2 + [CURVE] * 3)
    prior = np.diag(usual**-2)
    terms, weight = terms.astype(np.float64), share / doubt**2
    trust, amounts = np.ones(len(terms)), np.zeros((terms.shape[1], 3))
    away = np.zeros(len(terms))
    for loose in LOOSENESS:
        weighted = terms * (weight * trust)[:, None]
        amounts = np.linalg.solve(terms.T @ weighted + prior, weighted.T @ wanted)
        away = np.linalg.norm(wanted - terms @ amounts, axis=1) / doubt
        trust = (loose**2 / (loose**2 + away**2)) ** 2
    return amounts, float(np.average(away <= LOOSENESS[-1], weights=share))
