"""The comparison as a JSON document; docs/compare.schema.json describes it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from . import eprocess, improvement, power, scores, wording
from .factors import Factor
from .plan import NOT_JUDGED, Plan
from .verdict import Assessment, Decision

SCHEMA = "dressform.compare/1"
DIGITS = 6
LARGEST_LOSS = 4.0  # margins; a scene's loss is clipped there where evidence is followed
WORST = 12  # pairs in the report
COUNTS = (10, 20, 40, 59, 80, 120, 160, 240)  # scenes per slice in the table of power


def build(
    table: scores.Table,
    plan: Plan,
    found: Decision,
    *,
    noise: scores.Table | None,
    suite: Mapping[str, Any],
    factors: Sequence[Factor],
    pictures: Mapping[str, str],
) -> dict[str, Any]:
    """Returns everything that is known of a comparison; the same input gives the same bytes.

    Args:
        table, plan, found: As `verdict.decide` takes and gives them.
        noise: Baseline and baseline again; None where it was not measured.
        suite: Name and hash.
        factors: What differs between the two; empty where nobody knows.
        pictures: SHA-256 by arm, scene and seed.
    """
    said = wording.sentence(found, len(table.scenes))
    return rounded(
        {
            "schema": SCHEMA,
            "decision": found.decision,
            "headline": wording.headline(found)._asdict(),
            "sentence": said._asdict(),
            "reasons": [
                {"rule": rule, **told._asdict()}
                for rule, told in zip(found.reasons, wording.reasons(found), strict=True)
            ],
            "is_worse": found.is_worse,
            "ship_to": list(found.slices),
            "more_scenes": found.more,
            "suite": dict(suite),
            "scenes": len(table.scenes),
            "seeds": list(table.seeds),
            "factors": [factor._asdict() for factor in factors],
            "margins": {gate.metric: gate.margin for gate in plan.gates},
            "claim": plan.claim,
            **_assessment(table, found.all),
            "part": None if found.part is None else _assessment(table, found.part),
            "noise": None if noise is None else _noise(noise, plan, table),
            "power": _power(table, plan),
            "evidence": _evidence(table, plan),
            "worst": worst(table, plan, found),
            "pictures": dict(pictures),
        }
    )


def worst(table: scores.Table, plan: Plan, found: Decision) -> list[dict[str, Any]]:
    """Returns the scenes with the largest losses, each at its worst seed, new fails first."""
    failed: dict[str, list[str]] = {}
    for case in found.all.new_fails.cases:
        failed.setdefault(case.scene, []).append(case.check)
    entries = []
    for scene in table.scenes:
        for place, seed in enumerate(table.seeds):
            losses = {gate.metric: _loss(table, scene, place, gate.metric) for gate in plan.gates}
            weight = sum(
                max(0.0, loss) / gate.margin
                for gate in plan.gates
                if (loss := losses[gate.metric]) is not None
            )
            entries.append(
                {
                    "scene": scene,
                    "seed": seed,
                    "slices": list(table.slices[scene]),
                    "losses": losses,
                    "weight": weight,
                    "new_fails": failed.get(scene, []),
                }
            )
    entries.sort(key=lambda e: (-bool(e["new_fails"]), -e["weight"], e["scene"], e["seed"]))
    by_scene = {entry["scene"]: entry for entry in reversed(entries)}
    return [entry for entry in entries if by_scene[entry["scene"]] is entry][:WORST]


def rounded(value: Any) -> Any:
    """Returns the document with finite numbers of DIGITS digits; anything else becomes null."""
    if isinstance(value, Mapping):
        return {str(key): rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value


def _assessment(table: scores.Table, found: Assessment) -> dict[str, Any]:
    return {
        "gates": [
            {
                **gate._asdict(),
                "unit": scores.unit(table, gate.metric),
                "gain": None if gate.gain is None else gate.gain._asdict(),
            }
            for gate in found.gates
        ],
        "new_fails": {
            **found.new_fails._asdict(),
            "cases": [case._asdict() for case in found.new_fails.cases],
            "by_slice": {
                name: {"scenes": count, "failed": failed}
                for name, (count, failed) in found.new_fails.by_slice.items()
            },
        },
        "blockers": [case._asdict() for case in found.blockers],
        "targets": [
            {
                **target._asdict(),
                "unit": scores.unit(table, target.metric),
                "gain": None if target.gain is None else target.gain._asdict(),
            }
            for target in found.targets
        ],
        "alarms": [
            {**alarm._asdict(), "unit": scores.unit(table, alarm.metric)} for alarm in found.alarms
        ],
    }


def _noise(noise: scores.Table, plan: Plan, table: scores.Table) -> dict[str, Any]:
    """How much two runs of one model differ, in the mean over as many seeds as the suite has."""
    halved = math.sqrt(len(noise.seeds) / len(table.seeds))
    metrics = []
    for gate in plan.gates:
        sample = scores.gains(noise, gate.metric).values
        if len(sample) < power.FEWEST:
            continue
        spread = float(sample.std(ddof=1)) * halved
        per_slice = {
            name: power.provable_margin(len(scores.in_slice(table, name)), spread)
            for name in scores.slice_names(table)
        }
        metrics.append(
            {
                "metric": gate.metric,
                "unit": scores.unit(table, gate.metric),
                "spread": spread,
                "margin": gate.margin,
                "scenes_needed": power.scenes_for(gate.margin, spread),
                "provable": per_slice,
            }
        )
    return {
        "scenes": len(noise.scenes),
        "seeds": len(noise.seeds),
        "metrics": metrics,
        "false_alarms": [
            {"slice": alarm.slice, "metric": alarm.metric}
            for alarm in improvement.alarms(noise)
            if alarm.raised
        ],
    }


def _power(table: scores.Table, plan: Plan) -> list[dict[str, Any]]:
    """What so many scenes in a slice can prove, by the spread that was measured over all."""
    found = []
    for gate in plan.gates:
        sample = scores.gains(table, gate.metric).values
        if len(sample) < power.FEWEST:
            continue
        spread = float(sample.std(ddof=1))
        found.append(
            {
                "metric": gate.metric,
                "unit": scores.unit(table, gate.metric),
                "spread": spread,
                "margin": gate.margin,
                "scenes_needed": power.scenes_for(gate.margin, spread),
                "scenes_needed_for_all": power.scenes_for(
                    gate.margin,
                    spread,
                    power=0.9,
                    gates=len(plan.gates) * len(scores.slice_names(table)),
                ),
                "provable": [
                    {"scenes": count, "margin": power.provable_margin(count, spread)}
                    for count in COUNTS
                ],
            }
        )
    return found


def _evidence(table: scores.Table, plan: Plan) -> list[dict[str, Any]]:
    """Evidence that a gate metric became worse, scene by scene; it may be looked at early."""
    found = []
    for name in scores.slice_names(table):
        for gate in plan.gates:
            losses = -scores.gains(table, gate.metric, name).values
            capital = eprocess.evidence(losses, LARGEST_LOSS * gate.margin)
            if gate.metric not in NOT_JUDGED and len(capital):
                found.append(
                    {
                        "slice": name,
                        "metric": gate.metric,
                        "scenes": len(capital),
                        "evidence": float(capital[-1]),
                        "largest": float(capital.max()),
                        "stop_after": eprocess.stop(capital),
                    }
                )
    return found


def _loss(table: scores.Table, scene: str, place: int, metric: str) -> float | None:
    before, after = (table.rows[scene, arm, place].scores.get(metric) for arm in table.arms)
    return None if before is None or after is None else after - before


def exit_status(found: Decision) -> int:
    """Returns the exit status of a decision; 0 is SHIP alone."""
    return wording.EXIT[found.decision]
