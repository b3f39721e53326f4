"""Multinomial logistic regression by Newton's method: exact, and without a random start."""

from typing import NamedTuple

import numpy as np

STEPS = 40
# The mean gradient below which a fit counts as done; the tables are printed with four digits.
DONE = 1e-6
# Keeps the Hessian invertible: the intercepts of all classes may move together.
TIE = 1e-7
# Rows whose Hessian is summed at once: bounds the memory.
CHUNK = 20_000


class Model(NamedTuple):
    """A fitted table.

    Attributes:
        mean, sigma: (n,) that standardise the measurements.
        weights: (n, classes) per standardised measurement.
        intercept: (classes,).
        limit: Standardised measurements are clipped to this, in sigmas.
    """

    mean: np.ndarray
    sigma: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray
    limit: float


def fit(
    values: np.ndarray, targets: np.ndarray, mass: np.ndarray, *, penalty: float, limit: float
) -> Model:
    """Fits probabilities of classes to measurements.

    Minimises the mean cross entropy plus `penalty` times the sum of squared weights; the intercept
    is free.

    Args:
        values: (rows, n) measurements.
        targets: (rows, classes) shares of the classes in every row, summing to 1.
        mass: (rows,) how much a row counts.
        penalty: See above.
        limit: See `Model`.
    """
    mass = mass / mass.sum()
    mean = mass @ values
    sigma = np.sqrt(mass @ (values - mean) ** 2) + 1e-3
    table = np.clip((values - mean) / sigma, -limit, limit)
    table = np.concatenate([table, np.ones((len(table), 1))], 1).astype(np.float32)
    ridge = np.full(table.shape[1], 2 * penalty)
    ridge[-1] = TIE
    solution = np.zeros((table.shape[1], targets.shape[1]))
    loss = _loss(table, targets, mass, solution, ridge)
    for _ in range(STEPS):
        step, slope = _newton(table, targets, mass, solution, ridge)
        size = 1.0
        while size > 1e-4:
            tried = solution - size * step
            new = _loss(table, targets, mass, tried, ridge)
            if new < loss:
                solution, loss = tried, new
                break
            size /= 2
        if slope < DONE or size <= 1e-4:
            break
    return Model(mean, sigma, solution[:-1], solution[-1] - solution[-1].mean(), limit)


def predict(model: Model, values: np.ndarray) -> np.ndarray:
    """Returns (rows, classes) probabilities."""
    standard = np.clip((values - model.mean) / model.sigma, -model.limit, model.limit)
    return softmax(standard @ model.weights + model.intercept)


def softmax(scores: np.ndarray) -> np.ndarray:
    odds = np.exp(scores - scores.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def rows(model: Model, names: tuple[str, ...]) -> list[str]:
    """Prints a model as the lines of a Python table: mean, sigma, then the weights."""
    digits = lambda numbers: ", ".join(f"{v:.4g}" if abs(v) > 1e-4 else "0.0" for v in numbers)  # noqa: E731
    lines = [
        f'    "{name}": ({digits((model.mean[i], model.sigma[i], *model.weights[i]))}),'
        for i, name in enumerate(names)
    ]
    return [*lines, f'    "intercept": ({digits(model.intercept)}),']


def _loss(table, targets, mass, solution, ridge) -> float:
    scores = (table @ solution.astype(np.float32)).astype(np.float64)
    scores -= scores.max(1, keepdims=True)
    likely = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return float(-mass @ (targets * likely).sum(1) + 0.5 * (ridge[:, None] * solution**2).sum())


def _newton(table, targets, mass, solution, ridge) -> tuple[np.ndarray, float]:
    """Returns the Newton step, and the largest entry of the gradient."""
    width, classes = solution.shape
    gradient = ridge[:, None] * solution
    hessian = np.zeros((classes, width, classes, width))
    for first in range(0, len(table), CHUNK):
        part = table[first : first + CHUNK]
        found = softmax((part @ solution.astype(np.float32)).astype(np.float64))
        heavy = mass[first : first + CHUNK, None]
        gradient = gradient + part.T @ (heavy * (found - targets[first : first + CHUNK]))
        for i in range(classes):
            for j in range(i + 1):
                curve = heavy[:, 0] * found[:, i] * (float(i == j) - found[:, j])
                block = part.T @ (part * curve[:, None].astype(np.float32))
                hessian[i, :, j] += block
                if i != j:
                    hessian[j, :, i] += block  # blocks are symmetric themselves
    for i in range(classes):
        hessian[i, :, i] += np.diag(ridge)
    flat = hessian.reshape(classes * width, classes * width)
    step = np.linalg.solve(flat, gradient.T.ravel()).reshape(classes, width).T
    return step, float(np.abs(gradient).max())
