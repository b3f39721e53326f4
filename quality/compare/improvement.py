"""What became better (named before the run) and what became worse (watched everywhere)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import gates, power, scores
from .plan import ALPHA, NOT_JUDGED, Plan


class Improvement(NamedTuple):
    """One named target.

    Attributes:
        metric, slice: Of the target; slice None is all scenes.
        scenes: How many.
        gain: Bounds of the mean gain; None where it could not be measured.
        p: Of the sign-flip test that the mean gain is above 0.
        adjusted: p after Holm's correction for the number of targets.
        proven: Whether it is below ALPHA.
        needed: Scenes that would prove the gain that was seen; 0 where proven, None for none.
    """

    metric: str
    slice: str | None
    scenes: int
    gain: gates.Bounds | None
    p: float
    adjusted: float
    proven: bool
    needed: int | None


class Alarm(NamedTuple):
    """One metric in one slice that became worse; `adjusted` after Benjamini and Hochberg."""

    slice: str
    metric: str
    scenes: int
    gain: float
    p: float
    adjusted: float
    raised: bool


def targets(table: scores.Table, plan: Plan) -> tuple[Improvement, ...]:
    """Tests the named targets, corrected for their number by Holm."""
    found = [scores.gains(table, t.metric, t.slice).values for t in plan.targets]
    ps = [
        gates.flip_p(sample, plan.resamples, "greater") if len(sample) else 1.0 for sample in found
    ]
    adjusted = _holm(ps)
    limits = gates.bounds(found, plan.resamples)
    return tuple(
        Improvement(
            target.metric,
            target.slice,
            len(sample),
            limit,
            p,
            corrected,
            corrected < ALPHA,
            0 if corrected < ALPHA else _needed(sample),
        )
        for target, sample, limit, p, corrected in zip(
            plan.targets, found, limits, ps, adjusted, strict=True
        )
    )


def alarms(table: scores.Table) -> tuple[Alarm, ...]:
    """Tests every metric in every slice for a loss; false alarms are bounded over all of them.

    With enough scenes by the t-test of the differences, with few by sign flips.
    """
    from scipy import stats

    cells = []
    for name in scores.slice_names(table):
        for metric in scores.metrics(table):
            sample = scores.gains(table, metric, name).values
            if metric not in NOT_JUDGED and len(sample) >= gates.FEWEST:
                cells.append((name, metric, sample, _loss_p(sample)))
    adjusted = stats.false_discovery_control([p for *_, p in cells]) if cells else []
    return tuple(
        Alarm(
            name,
            metric,
            len(sample),
            float(sample.mean()),
            p,
            float(corrected),
            bool(corrected < ALPHA),
        )
        for (name, metric, sample, p), corrected in zip(cells, adjusted, strict=True)
    )


def _loss_p(sample: np.ndarray) -> float:
    from scipy import stats

    if np.ptp(sample) == 0:
        return 0.5 ** len(sample) if sample[0] < 0 else 1.0
    if len(sample) < gates.EXACT_BELOW:
        return gates.flip_p(sample, gates.EXACT_RESAMPLES, "less")
    tested = stats.ttest_1samp(sample, 0.0, alternative="less")
    return float(tested[1])  # type: ignore[arg-type]  (the stubs know no p-value)


def _holm(ps: Sequence[float]) -> list[float]:
    from statsmodels.stats.multitest import multipletests

    if not ps:
        return []
    return [float(p) for p in multipletests(ps, alpha=ALPHA, method="holm")[1]]


def _needed(sample: np.ndarray) -> int | None:
    if len(sample) < gates.FEWEST:
        return gates.FEWEST
    gain, spread = float(sample.mean()), float(sample.std(ddof=1))
    if gain <= 0:
        return None
    wanted = power.scenes_for(gain, spread)
    return max(wanted, len(sample) + 1) if wanted < power.MOST else None
