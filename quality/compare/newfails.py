"""New fails: scenes that were fit for sale before the change and are not after it.

Means hide them: a haze over every tenth scene moves a slice's mean by a fraction of a margin. One
picture may fail by chance, so a new fail counts only where it is confirmed on every seed.
"""

from typing import NamedTuple

from . import scores
from .plan import ALPHA, BLOCKERS, NEW_FAIL_LIMIT, NOT_JUDGED, Plan
from .power import MOST

PASS, STRADDLES, WORSE, UNMEASURABLE = "pass", "straddles", "worse", "unmeasurable"
LEAST_SEEDS = 2
# Half of ALPHA: new fails and alarms may each call a change worse that changes nothing, and both
# together are to do so in less than one case of ten (bench/compare.py).
ADVERSE = ALPHA / 2
LOST = "lost"  # measured before the change, on no seed after it
NEW = "new"


class Case(NamedTuple):
    """One check that one scene newly fails; `kind` is NEW or LOST."""

    scene: str
    check: str
    kind: str


class Outcome(NamedTuple):
    """The gate on new fails.

    Attributes:
        scenes: How many.
        failed: Scenes with at least one confirmed new fail.
        fixed: Scenes with at least one confirmed fail less, and none more.
        lower, upper: One-sided 95 % bounds of the share of new fails (Clopper, Pearson 1934).
        p: Of the exact one-sided McNemar test that new fails outnumber the fixed.
        state: pass, straddles, worse or unmeasurable.
        needed: Scenes that would decide if the share stays; 0 where decided, None for no number.
        cases: Every confirmed new fail.
        by_slice: Scenes and new fails by slice.
    """

    scenes: int
    failed: int
    fixed: int
    lower: float
    upper: float
    p: float
    state: str
    needed: int | None
    cases: tuple[Case, ...]
    by_slice: dict[str, tuple[int, int]]


def judge(table: scores.Table, plan: Plan) -> Outcome:
    """Counts confirmed new fails over all scenes and bounds their share."""
    from scipy import stats

    measured = {gate.metric for gate in plan.gates}
    checks = tuple(name for name in scores.checks(table) if name not in NOT_JUDGED)
    cases = tuple(c for scene in table.scenes for c in _cases(table, scene, checks, measured))
    failed = {case.scene for case in cases}
    fixed = {s for s in table.scenes if s not in failed and _is_fixed(table, s, checks)}
    count, low, high = len(table.scenes), *_bounds(len(failed), len(table.scenes))
    both = len(failed) + len(fixed)
    p = stats.binomtest(len(failed), both, 0.5, alternative="greater").pvalue if both else 1.0
    state = _state(low, high, float(p), len(table.seeds))
    needed = _needed(len(failed), count) if state == STRADDLES else 0
    return Outcome(
        count,
        len(failed),
        len(fixed),
        low,
        high,
        float(p),
        state,
        needed,
        cases,
        {
            name: (len(inside), len(failed.intersection(inside)))
            for name in scores.slice_names(table)
            if (inside := scores.in_slice(table, name))
        },
    )


def blockers(outcome: Outcome) -> tuple[Case, ...]:
    """Returns the new fails that stop a change, however rare they are."""
    return tuple(case for case in outcome.cases if case.check in BLOCKERS and case.kind == NEW)


def _cases(
    table: scores.Table, scene: str, checks: tuple[str, ...], measured: set[str]
) -> list[Case]:
    found = []
    for check in checks:
        before, after = (scores.states(table, scene, arm, check) for arm in table.arms)
        if not set(before) <= {"pass", "warn"}:
            continue
        if set(after) == {"fail"}:
            found.append(Case(scene, check, NEW))
        elif set(after) == {"unmeasurable"} and check in measured:
            found.append(Case(scene, check, LOST))
    return found


def _is_fixed(table: scores.Table, scene: str, checks: tuple[str, ...]) -> bool:
    for check in checks:
        before, after = (scores.states(table, scene, arm, check) for arm in table.arms)
        if set(before) == {"fail"} and set(after) <= {"pass", "warn"}:
            return True
    return False


def _bounds(failed: int, count: int) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(failed, count, alpha=2 * ALPHA, method="beta")
    return float(low), float(high)


def _state(low: float, high: float, p: float, seeds: int) -> str:
    if seeds < LEAST_SEEDS:
        return UNMEASURABLE
    if p < ADVERSE or low > NEW_FAIL_LIMIT:
        return WORSE
    return PASS if high <= NEW_FAIL_LIMIT else STRADDLES


def _needed(failed: int, count: int) -> int | None:
    """Returns the scenes whose share of new fails would be bounded, if it stays as it is."""
    if failed >= NEW_FAIL_LIMIT * count:
        return None
    wanted = count + 1
    while wanted <= MOST:
        if _bounds(-(-failed * wanted // count), wanted)[1] <= NEW_FAIL_LIMIT:
            return wanted
        wanted += max(1, wanted // 50)
    return None
