"""How much a number of scenes can prove, and how many are needed."""

import functools
import math

from .plan import ALPHA, NEW_FAIL_LIMIT, POWER

FEWEST = 5  # scenes; below, no bound exists (gates.FEWEST)
MOST = 5000  # scenes; more is an answer that helps nobody
SMALLEST_EFFECT = 0.03  # standard deviations; needs 6,900 scenes


def provable_margin(count: int, spread: float | None, *, power: float = POWER) -> float | None:
    """Returns the margin that so many scenes prove with `power`, if nothing has changed.

    Args:
        count: Scenes.
        spread: Standard deviation of the differences between scenes; None where unknown.
        power: Of proving it.

    Returns:
        In the unit of the spread; None for fewer than FEWEST scenes.
    """
    if spread is None or count < FEWEST:
        return None
    return spread * _effect(count, power)


def scenes_for(margin: float, spread: float, *, power: float = POWER, gates: int = 1) -> int:
    """Returns the scenes per slice that prove a margin, if nothing has changed.

    Args:
        margin, spread: In one unit.
        power: Of proving it at all gates together.
        gates: That must all pass, taken as independent.
    """
    if spread <= 0:
        return FEWEST
    effect = max(margin / spread, SMALLEST_EFFECT)
    return min(MOST, max(FEWEST, math.ceil(_count(round(effect, 6), power ** (1 / gates)))))


def needed(margin: float, spread: float | None, gain: float, count: int) -> int:
    """Returns the scenes that would decide a gate whose interval straddles its margin.

    As if the loss that was seen were the true one, and at least as many as are needed where
    nothing has changed. A loss near the margin needs more than MOST.
    """
    if spread is None or count < FEWEST:
        return max(FEWEST, count + 1) if spread is None else scenes_for(margin, spread)
    distance = abs(margin + min(gain, 0.0))
    return max(count + 1, scenes_for(margin, spread), scenes_for(distance, spread))


def scenes_without_new_fail(limit: float = NEW_FAIL_LIMIT) -> int:
    """Returns how many scenes without a new fail bound their share by `limit`: 59 for 5 %."""
    return math.ceil(math.log(ALPHA) / math.log1p(-limit))


@functools.cache
def _effect(count: int, power: float) -> float:
    from statsmodels.stats.power import TTestPower

    return float(
        TTestPower().solve_power(
            effect_size=None, nobs=count, alpha=ALPHA, power=power, alternative="larger"
        )
    )


@functools.cache
def _count(effect: float, power: float) -> float:
    from statsmodels.stats.power import TTestPower

    if effect > 5:  # the solver does not find counts below 3
        return FEWEST
    return float(
        TTestPower().solve_power(
            effect_size=effect, nobs=None, alpha=ALPHA, power=power, alternative="larger"
        )
    )
