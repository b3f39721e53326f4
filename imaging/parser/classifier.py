"""A transparent classifier of superpixels: one weight per named cue, class and round."""

import numpy as np

from . import context
from .coefficients import ROUNDS
from .cues import Scene

# Standardised cues beyond this are outliers; a linear model must not extrapolate them.
LIMIT_SIGMA = 3.0


def posterior(scene: Scene) -> np.ndarray:
    """Estimates what every superpixel shows.

    Multinomial logistic regression on the named cues; each further round adds what the round
    before says about the surroundings (see `context`).

    Returns:
        (count, 5) probabilities of the labels background, garment, mannequin, support, interior.
    """
    names, values = scene.names, scene.cues
    found = odds(ROUNDS[0], names, values)
    for table in ROUNDS[1:]:
        more_names, more = context.measure(scene, found)
        found = odds(table, names + more_names, np.concatenate([values, more], 1))
    return found


def odds(
    table: dict[str, tuple[float, ...]], names: tuple[str, ...], values: np.ndarray
) -> np.ndarray:
    """Applies one table of weights.

    Args:
        table: Per cue its mean, sigma, and weight for every class; and the "intercept".
        names: Of the columns of values; those without a row in the table are not used.
        values: (count, n) measurements.

    Returns:
        (count, classes) probabilities.
    """
    used = [index for index, name in enumerate(names) if name in table]
    rows = np.array([table[names[index]] for index in used])
    centered = (values[:, used] - rows[:, 0]) / rows[:, 1]
    standard = np.clip(centered, -LIMIT_SIGMA, LIMIT_SIGMA)
    scores = standard @ rows[:, 2:] + np.array(table["intercept"])
    likely = np.exp(scores - scores.max(1, keepdims=True))
    return likely / likely.sum(1, keepdims=True)
