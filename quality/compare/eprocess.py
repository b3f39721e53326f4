"""Evidence that may be looked at after every scene: a test by betting.

A p-value that is looked at again and again finds an effect by chance. A bettor who starts with 1
and may not lose more than it has cannot expect to win where there is none, so that its capital
reaches 20 with a probability of at most 1 in 20, however often one looks.

Reference:
    Waudby-Smith, Ramdas: Estimating means of bounded random variables by betting, JRSS-B 2024.
"""

from collections.abc import Iterable

import numpy as np

ENOUGH = 20.0  # capital at which a watcher may stop: 1 / 0.05
MOST_BET = 0.75  # of the capital on one scene; all of it would end the game at the first loss


def evidence(values: Iterable[float], bound: float) -> np.ndarray:
    """Returns the capital after each value, where it bets that their mean is above 0.

    Args:
        values: In the order of the suite, one per scene.
        bound: Values are clipped to it on both sides; the mean is that of the clipped values.

    Returns:
        (scenes,) float64; above ENOUGH there is a mean above 0.

    Raises:
        ValueError: The bound is not above 0.
    """
    if not bound > 0:
        raise ValueError(f"the bound must be above 0, got {bound}. Give the largest loss.")
    capital, grown = 1.0, []
    total, squares = 0.5, 0.5  # a start that bets MOST_BET until the values say otherwise
    for value in values:
        scaled = float(np.clip(value / bound, -1.0, 1.0))
        # Known before the value is: the mean over the mean square, where the growth is largest.
        bet = min(max(total / squares, 0.0), MOST_BET)
        capital *= 1 + bet * scaled
        grown.append(capital)
        total, squares = total + scaled, squares + scaled**2
    return np.array(grown)


def stop(capital: np.ndarray) -> int | None:
    """Returns after how many values the watcher could stop; None where it could not."""
    reached = np.flatnonzero(capital >= ENOUGH)
    return int(reached[0]) + 1 if len(reached) else None
