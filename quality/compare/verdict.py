"""The decision on a change: ship it, ship it to a part of the scenes, measure more, or hold it."""

from typing import NamedTuple

from . import gates, improvement, newfails, scores
from .plan import Plan, require
from .power import MOST

SHIP, SHIP_TO_SLICE, NEED_MORE, HOLD = "SHIP", "SHIP TO SLICE", "NEED MORE", "HOLD"
DECISIONS = (SHIP, SHIP_TO_SLICE, NEED_MORE, HOLD)


class Assessment(NamedTuple):
    """What all rules say about one set of scenes."""

    gates: tuple[gates.Outcome, ...]
    new_fails: newfails.Outcome
    targets: tuple[improvement.Improvement, ...]
    alarms: tuple[improvement.Alarm, ...]

    @property
    def blockers(self) -> tuple[newfails.Case, ...]:
        """New fails that stop a change by themselves."""
        return newfails.blockers(self.new_fails)

    @property
    def raised(self) -> tuple[improvement.Alarm, ...]:
        """Alarms that are raised."""
        return tuple(alarm for alarm in self.alarms if alarm.raised)

    @property
    def is_worse(self) -> bool:
        """Whether harm is proven."""
        return bool(
            self.blockers
            or self.raised
            or self.new_fails.state == newfails.WORSE
            or any(gate.state == gates.WORSE for gate in self.gates)
        )

    @property
    def is_harmless(self) -> bool:
        """Whether it is proven that there is no harm beyond the margins."""
        return (
            not self.is_worse
            and self.new_fails.state == newfails.PASS
            and bool(self.gates)
            and all(gate.state == gates.PASS for gate in self.gates)
        )


class Decision(NamedTuple):
    """What to do, and why.

    Attributes:
        decision: One of DECISIONS.
        is_worse: Whether harm is proven; a HOLD without it only lacks a reason to ship.
        slices: For SHIP TO SLICE: which.
        more: For NEED MORE: further scenes, over all slices.
        reasons: Keys of `wording.REASONS`, the weightiest first.
        all: The rules over all scenes.
        part: The rules over the scenes of `slices`; None but for SHIP TO SLICE.
        unstable: Slices and metrics in which the baseline was worse than itself.
    """

    decision: str
    is_worse: bool
    slices: tuple[str, ...]
    more: int
    reasons: tuple[str, ...]
    all: Assessment
    part: Assessment | None = None
    unstable: tuple[tuple[str, str], ...] = ()


def decide(
    table: scores.Table,
    plan: Plan,
    *,
    noise: scores.Table | None = None,
) -> Decision:
    """Decides by quality of pictures alone; who made them is not looked at.

    Args:
        table: Baseline and candidate.
        plan: Fixed before the run.
        noise: Baseline and baseline again: the same rules must find no harm in it.

    Raises:
        ValueError: The plan cannot be decided by.
    """
    whole = assess(table, require(plan))
    unstable = _unstable(noise, plan) if noise else ()
    if unstable:
        return Decision(HOLD, whole.is_worse, (), 0, ("unstable",), whole, unstable=unstable)
    if whole.is_harmless and _is_wanted(whole, plan):
        return Decision(SHIP, False, (), 0, ("proven",), whole)
    reasons = _reasons(whole, plan)
    if whole.is_worse:
        routed = None if whole.blockers else _route(table, plan, whole)
        if routed:
            return Decision(SHIP_TO_SLICE, True, routed[0], 0, reasons, whole, routed[1])
        return Decision(HOLD, True, (), 0, reasons, whole)
    more = _more(table, plan, whole)
    if more is None:
        return Decision(HOLD, False, (), 0, reasons, whole)
    return Decision(NEED_MORE, False, (), more, reasons, whole)


def assess(table: scores.Table, plan: Plan) -> Assessment:
    """Applies every rule to a table."""
    return Assessment(
        gates.judge(table, plan),
        newfails.judge(table, plan),
        improvement.targets(table, plan),
        improvement.alarms(table),
    )


def _is_wanted(found: Assessment, plan: Plan) -> bool:
    return plan.claim == "no worse" or any(target.proven for target in found.targets)


def _reasons(found: Assessment, plan: Plan) -> tuple[str, ...]:
    gate_states = {gate.state for gate in found.gates}
    rules = {
        "blocker": bool(found.blockers),
        "new_fails_worse": found.new_fails.state == newfails.WORSE,
        "gate_worse": gates.WORSE in gate_states,
        "alarm": bool(found.raised),
        "gate_unmeasurable": gates.UNMEASURABLE in gate_states,
        "new_fails_unmeasurable": found.new_fails.state == newfails.UNMEASURABLE,
        "new_fails_straddle": found.new_fails.state == newfails.STRADDLES,
        "gate_straddles": gates.STRADDLES in gate_states,
        "no_improvement": not _is_wanted(found, plan),
    }
    return tuple(name for name, holds in rules.items() if holds)


def _unstable(noise: scores.Table, plan: Plan) -> tuple[tuple[str, str], ...]:
    """Returns where the rules call the baseline worse than itself by a whole margin."""
    judged = gates.judge(noise, plan)
    return tuple((gate.slice, gate.metric) for gate in judged if gate.state == gates.WORSE)


def _route(
    table: scores.Table, plan: Plan, whole: Assessment
) -> tuple[tuple[str, ...], Assessment] | None:
    """Finds slices of one kind on which alone every rule is met, the largest part first."""
    bad = {gate.slice for gate in whole.gates if gate.state != gates.PASS}
    bad |= {alarm.slice for alarm in whole.raised}
    parts = []
    for kind in dict.fromkeys(kind_of(name) for name in scores.slice_names(table)):
        good = tuple(
            name for name in scores.slice_names(table) if kind_of(name) == kind and name not in bad
        )
        if good and len(_scenes(table, good)) < len(table.scenes):
            parts.append(good)
    for good in sorted(parts, key=lambda names: -len(_scenes(table, names))):
        part = scores.subset(table, _scenes(table, good))
        found = assess(part, _reachable(plan, part))
        if found.is_harmless and _is_wanted(found, plan):
            return good, found
    return None


def kind_of(name: str) -> str:
    """Returns what a slice is a slice by: `garment` of `garment=dress`, else nothing."""
    return name.partition("=")[0] if "=" in name else ""


def _reachable(plan: Plan, part: scores.Table) -> Plan:
    """The plan without targets in slices that the part has no scene of."""
    kept = [t for t in plan.targets if t.slice is None or scores.in_slice(part, t.slice)]
    return plan._replace(targets=tuple(kept))


def _scenes(table: scores.Table, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(s for s in table.scenes if set(names) & set(table.slices[s]))


def _more(table: scores.Table, plan: Plan, found: Assessment) -> int | None:
    """Returns the further scenes that would decide, over all slices; None where none would."""
    if any(gate.state == gates.UNMEASURABLE for gate in found.gates):
        return None
    if found.new_fails.state == newfails.UNMEASURABLE or found.new_fails.needed is None:
        return None
    wanted = max(0, found.new_fails.needed - len(table.scenes)) if found.new_fails.needed else 0
    if not _is_wanted(found, plan):
        reachable = [t for t in found.targets if t.needed is not None]
        if not reachable:
            return None
        wanted = max(wanted, min((t.needed or 0) - t.scenes for t in reachable))
    by_slice: dict[str, int] = {}
    for gate in found.gates:
        if gate.state == gates.STRADDLES:
            lacking = max(1, gate.needed - gate.scenes)
            by_slice[gate.slice] = max(by_slice.get(gate.slice, 0), lacking)
    by_kind: dict[str, int] = {}
    for name, lacking in by_slice.items():  # a scene has one slice of each kind
        by_kind[kind_of(name)] = by_kind.get(kind_of(name), 0) + lacking
    wanted = max(wanted, 1, *by_kind.values()) if by_kind else max(wanted, 1)
    return wanted if wanted <= MOST else None
