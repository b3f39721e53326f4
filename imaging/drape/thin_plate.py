"""Fitting point sets: weighted similarity transforms and thin-plate splines that never fold."""

from typing import NamedTuple

import numpy as np

# Tried in turn, relative to the point set's squared extent; the last is practically affine.
REGULARISATIONS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


class Spline(NamedTuple):
    """A thin-plate spline from the plane to the plane.

    Attributes:
        centres: (N, 2) float64, control points, in units of `scale` around `origin`.
        weights: (N, 2) float64, of the radial terms.
        affine: (3, 2) float64, constant, x and y terms.
        origin, scale: Normalisation of the input, in pixels.
    """

    centres: np.ndarray
    weights: np.ndarray
    affine: np.ndarray
    origin: np.ndarray
    scale: float


def similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Finds the rotation, uniform scale and shift that maps source onto target best.

    Args:
        source: (N, 2) float, N >= 2 distinct points.
        target: (N, 2) float.
        weights: (N,) float, not negative.

    Returns:
        (2, 3) float64 affine matrix without reflection.

    Raises:
        ValueError: Fewer than two distinct points carry weight.

    Reference:
        Umeyama, Least-squares estimation of transformation parameters, PAMI 1991; in the plane
        the rotation has the closed form used here, with complex numbers.
    """
    share = np.asarray(weights, np.float64) / max(float(np.sum(weights)), 1e-12)
    source_z = np.asarray(source, np.float64) @ (1, 1j)
    target_z = np.asarray(target, np.float64) @ (1, 1j)
    source_mean, target_mean = (share * source_z).sum(), (share * target_z).sum()
    spread = (share * np.abs(source_z - source_mean) ** 2).sum()
    if not np.isfinite(spread) or spread < 1e-9:
        raise ValueError(
            "at least two distinct body points must be known in both photos, got fewer. "
            "Draw hints for the shoulders and hips, or choose a photo that shows them."
        )
    turn = (share * (target_z - target_mean) * np.conj(source_z - source_mean)).sum() / spread
    shift = target_mean - turn * source_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def fit(source: np.ndarray, target: np.ndarray, *, regularisation: float = 0.0) -> Spline:
    """Fits the spline of least bending energy through point pairs.

    Args:
        source: (N, 2) float, N >= 3, not on one line.
        target: (N, 2) float.
        regularisation: 0 passes through the points; larger values bend less.

    Reference:
        Bookstein, Principal warps: thin-plate splines and the decomposition of deformations,
        PAMI 1989; Wahba's diagonal term for the regularisation.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    origin = source.mean(0)
    scale = max(float(np.abs(source - origin).max()), 1e-9)
    centres = (source - origin) / scale
    count = len(centres)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(centres, centres) + regularisation * np.eye(count)
    system[:count, count:] = np.column_stack([np.ones(count), centres])
    system[count:, :count] = system[:count, count:].T
    right = np.vstack([target, np.zeros((3, 2))])
    solved = np.linalg.lstsq(system, right, rcond=1e-12)[0]
    return Spline(centres, solved[:count], solved[count:], origin, scale)


def apply(spline: Spline, points: np.ndarray) -> np.ndarray:
    """Maps (..., 2) points through the spline."""
    flat = (np.reshape(points, (-1, 2)) - spline.origin) / spline.scale
    mapped = _kernel(flat, spline.centres) @ spline.weights
    mapped += np.column_stack([np.ones(len(flat)), flat]) @ spline.affine
    return mapped.reshape(np.shape(points))


def unfolded(source: np.ndarray, target: np.ndarray, bounds: tuple[float, ...]) -> Spline:
    """Fits a spline whose Jacobian stays positive, bending less until it does.

    Args:
        source, target: (N, 2) float point pairs.
        bounds: left, top, right, bottom of the area that must not fold, in source pixels.

    Returns:
        The least regularised spline of REGULARISATIONS that does not fold on a 33 x 33 grid.
    """
    left, top, right, bottom = bounds
    grid = np.stack(np.meshgrid(np.linspace(left, right, 33), np.linspace(top, bottom, 33)), -1)
    spline = fit(source, target)
    for regularisation in REGULARISATIONS:
        spline = fit(source, target, regularisation=regularisation)
        if (jacobian(spline, grid) > 0).all():
            break
    return spline


def jacobian(spline: Spline, points: np.ndarray) -> np.ndarray:
    """Returns the determinant of the spline's derivative at (..., 2) points."""
    step = 1e-4 * spline.scale
    right, below = np.array([step, 0.0]), np.array([0.0, step])
    across = (apply(spline, points + right) - apply(spline, points - right)) / (2 * step)
    down = (apply(spline, points + below) - apply(spline, points - below)) / (2 * step)
    return across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]


def _kernel(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    squared = ((points[:, None] - centres[None]) ** 2).sum(-1)
    return 0.5 * squared * np.log(np.maximum(squared, 1e-30))
