"""Non-inferiority: in every slice, no gate metric may be worse by its margin or more.

All gates must pass, so each is tested at the plain level (intersection-union test): correcting
for their number would only make it harder to see that a change is harmless.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import power, scores
from .plan import ALPHA, Gate, Plan

EXACT_BELOW = 15  # scenes; the bootstrap is too narrow for fewer, sign flips are exact
FEWEST = 5  # scenes; 2^-4 is above ALPHA, so no bound exists for fewer
FLIPS_EXACT_TO = 11  # scenes; all 2^n sign flips are tried, above as many as the plan resamples
HALVINGS = 14  # of the interval in which a bound of the sign-flip test is looked for
EXACT_RESAMPLES = 1 << EXACT_BELOW  # all sign flips of every smaller sample
SEED = 20261123  # of resampling: the same table gives the same bounds
MAX_LOST = 0.1  # share of a slice's scenes that may be without a value; more is no measurement
PASS, STRADDLES, WORSE, UNMEASURABLE = "pass", "straddles", "worse", "unmeasurable"


class Bounds(NamedTuple):
    """One-sided 95 % bounds of a mean gain, both of them; None where there are too few scenes."""

    mean: float
    low: float | None
    high: float | None
    method: str


class Outcome(NamedTuple):
    """One gate metric in one slice.

    Attributes:
        slice, metric, margin: Which.
        scenes: How many have a value in both arms.
        gain: Bounds of the mean gain, positive is better; None where it could not be measured.
        state: pass, straddles, worse or unmeasurable.
        provable: The margin that so many scenes of this spread can prove; None where unknown.
        needed: Scenes in the slice that would decide; 0 where it is decided.
        lost: Scenes that could be measured in the reference only.
    """

    slice: str
    metric: str
    margin: float
    scenes: int
    gain: Bounds | None
    state: str
    provable: float | None
    needed: int
    lost: tuple[str, ...]


def judge(table: scores.Table, plan: Plan) -> tuple[Outcome, ...]:
    """Judges every gate metric in every slice."""
    cells = [(name, gate) for name in scores.slice_names(table) for gate in plan.gates]
    found = [scores.gains(table, gate.metric, name) for name, gate in cells]
    limits = bounds([gains.values for gains in found], plan.resamples)
    return tuple(
        _outcome(name, gate, gains, limit)
        for (name, gate), gains, limit in zip(cells, found, limits, strict=True)
    )


def bounds(samples: Sequence[np.ndarray], resamples: int) -> list[Bounds | None]:
    """Bounds the mean of each sample; one value in it is one scene.

    BCa bootstrap from EXACT_BELOW scenes on, below it the inverted sign-flip test.

    Args:
        samples: Each (scenes,) float.
        resamples: Of the bootstrap.

    Returns:
        None for an empty sample.

    Reference:
        Efron: Better Bootstrap Confidence Intervals, JASA 1987.
    """
    found: list[Bounds | None] = [None] * len(samples)
    alike: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        if len(sample) and np.ptp(sample) <= 1e-12 * max(1.0, float(np.abs(sample).max())):
            found[place] = _constant(sample)
        elif len(sample) >= EXACT_BELOW:
            alike.setdefault(len(sample), []).append(place)
        elif len(sample):
            found[place] = _flipped(sample, resamples)
    for places in alike.values():  # samples of one size are resampled in one call
        for place, one in zip(
            places, _bootstrapped(np.stack([samples[p] for p in places]), resamples), strict=True
        ):
            found[place] = one
    return found


def flip_p(sample: np.ndarray, resamples: int, alternative: str) -> float:
    """Returns the p-value of the sign-flip test that the mean is 0; exact for small samples.

    Args:
        sample: (scenes,) float.
        resamples: Random sign flips where not all are tried.
        alternative: `greater` or `less`.
    """
    from scipy import stats

    if len(sample) < 2:  # one scene proves nothing, and the library refuses it
        return 1.0
    return float(
        stats.permutation_test(
            (sample,),
            np.mean,
            permutation_type="samples",
            vectorized=True,
            alternative=alternative,
            n_resamples=1 << len(sample) if len(sample) <= FLIPS_EXACT_TO else resamples,
            rng=np.random.default_rng(SEED),
        ).pvalue
    )


def _bootstrapped(samples: np.ndarray, resamples: int) -> list[Bounds]:
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a degenerate jackknife; seen by the NaN below
        interval = stats.bootstrap(
            (samples,),
            np.mean,
            axis=-1,
            n_resamples=resamples,
            batch=max(1, 4_000_000 // samples.size),  # 32 MB at a time
            confidence_level=1 - 2 * ALPHA,  # each end is a one-sided bound at ALPHA
            method="BCa",
            rng=np.random.default_rng(SEED),
        ).confidence_interval
    found = []
    for sample, low, high in zip(samples, interval.low, interval.high, strict=True):
        if np.isfinite(low) and np.isfinite(high):
            found.append(Bounds(float(sample.mean()), float(low), float(high), "BCa"))
        else:  # one scene differs, all others do not: the jackknife knows no skewness
            found.append(_flipped(sample, resamples))
    return found


def _flipped(sample: np.ndarray, resamples: int) -> Bounds:
    mean = float(sample.mean())
    if len(sample) < FEWEST:
        return Bounds(mean, None, None, "too few scenes")
    reach = float(np.abs(sample - mean).max()) * 2
    low = _edge(sample, mean - reach, mean, resamples, "greater")
    high = _edge(sample, mean + reach, mean, resamples, "less")
    return Bounds(mean, low, high, "sign flip")


def _edge(
    sample: np.ndarray, refuted: float, kept: float, resamples: int, alternative: str
) -> float:
    """Halves the way between a mean that the test refutes and one that it does not."""
    if flip_p(sample - refuted, resamples, alternative) > ALPHA:
        return refuted
    for _ in range(HALVINGS):
        middle = (refuted + kept) / 2
        if flip_p(sample - middle, resamples, alternative) <= ALPHA:
            refuted = middle
        else:
            kept = middle
    return refuted  # the side that is refuted, so that the bound is never too narrow


def _constant(sample: np.ndarray) -> Bounds:
    mean = float(sample.mean())
    if len(sample) < FEWEST:
        return Bounds(mean, None, None, "too few scenes")
    return Bounds(mean, mean, mean, "no spread")


def _outcome(name: str, gate: Gate, gains: scores.Gains, limit: Bounds | None) -> Outcome:
    values = gains.values
    total = len(values) + len(gains.lost) + len(gains.unknown)
    without = len(gains.lost) + len(gains.unknown)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    state = _state(limit, gate.margin, without > MAX_LOST * total)
    needed = 0
    if state == STRADDLES:
        needed = power.needed(gate.margin, spread, limit.mean if limit else 0.0, len(values))
    provable = power.provable_margin(len(values), spread)
    return Outcome(
        name, gate.metric, gate.margin, len(values), limit, state, provable, needed, gains.lost
    )


def _state(limit: Bounds | None, margin: float, patchy: bool) -> str:
    if limit is None or patchy:
        return UNMEASURABLE
    if limit.low is None or limit.high is None:
        return STRADDLES
    if limit.low > -margin:
        return PASS
    return WORSE if limit.high < -margin else STRADDLES
