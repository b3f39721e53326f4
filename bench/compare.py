"""Simulates model changes and counts what the rules of `dressform compare` make of them.

    python bench/compare.py [--trials N] [--seed N] [--scenes 20 40 80] [--plots FOLDER]

Every world has 8 slices and 3 gate metrics with a margin of 0.5 standard deviations. A score is
the scene's own (sd 1.5), plus what the model makes of this scene (t5), plus what the seed makes of
it (t5), so that the difference of the means over two seeds has sd 1. A picture fails a
check above 3.4: 2 % of all pictures do. Worlds:

    neutral   only other noise
    better    0.3 sd better everywhere
    story     the target metric of one slice 0.8 sd better; 25 % of two other slices get a haze
              of 2.5 sd
    dip       0.2 sd better everywhere, but 1.0 sd worse at one metric of one slice

The last rows tell the same with the tail rule that the confirmed one replaces, a fail on one draw.
Resampling is cut to 299 (999 for 9,999 changed no rate by more than its error); the alarms, the
exact tests and the corrections are those of the real run.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from dressform.quality.compare import gates, newfails, power, scores, verdict
from dressform.quality.compare.plan import Gate, Plan, Target
from matplotlib.figure import Figure
from tqdm import tqdm

SLICES = tuple(f"garment={name}" for name in "abcdefgh")
METRICS = ("veil", "edge", "texture")
MARGIN, SCENE_SD, FAILS_ABOVE = 0.5, 1.5, 3.4
SEEDS = (1, 2)
OF_MODEL, OF_SEED = 0.5, np.sqrt(0.5)  # sd; half of the difference's variance from each
PLAN = Plan(
    tuple(Gate(name, MARGIN) for name in METRICS),
    (Target("edge"), Target("edge", SLICES[0])),
    resamples=299,
)
HAZE_SHARE, HAZE_SD = 0.25, 2.5
HARMED = {"story": SLICES[3:5], "dip": SLICES[3:4]}
COLORS = {
    "ship": "#167a52",
    "ship to slice": "#8fc7a9",
    "need more": "#e3b34a",
    "hold, nothing gained": "#b9bbbf",
    "hold, worse": "#b02024",
}
WORLDS = ("neutral", "better", "story", "dip")


class Tally(NamedTuple):
    """What one simulated change was answered with."""

    decision: str
    is_worse: bool
    harmed_shipped: bool
    unconfirmed: bool


def world(name: str, count: int, rng: np.random.Generator) -> scores.Table:
    """Draws the score table of a change.

    Args:
        name: One of WORLDS.
        count: Scenes per slice.
        rng: Of all that is drawn.
    """
    shape = (len(SLICES), count, len(METRICS))
    seeds = (*shape, len(SEEDS))
    own = rng.normal(0, SCENE_SD, shape)
    before, after = (own + OF_MODEL * _t5(rng, shape) for _ in range(2))
    after = after + _effect(name, shape, rng)
    drawn = {
        arm: (mean[..., None] + OF_SEED * _t5(rng, seeds)).reshape(-1, *seeds[2:])
        for arm, mean in (("baseline", before), ("candidate", after))
    }
    ids = [f"{letter}{i}" for letter in "abcdefgh" for i in range(count)]
    slices = {scene: (SLICES["abcdefgh".index(scene[0])],) for scene in ids}
    rows = [
        _row(scene, arm, seed, drawn[arm][i, :, k])
        for arm in drawn
        for i, scene in enumerate(ids)
        for k, seed in enumerate(SEEDS)
    ]
    return scores.table(rows, slices)


def _effect(name: str, shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    effect = np.zeros(shape)
    if name == "better":
        effect -= 0.3
    elif name == "story":
        effect[0, :, 1] -= 0.8
        for harmed in HARMED[name]:
            effect[SLICES.index(harmed), :, 0] += HAZE_SD * (rng.random(shape[1]) < HAZE_SHARE)
    elif name == "dip":
        effect -= 0.2
        effect[SLICES.index(HARMED[name][0]), :, 0] = 1.0
    return effect


def _t5(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_t(5, shape) * np.sqrt(3 / 5)  # sd 1


def _row(scene: str, arm: str, seed: int, drawn: np.ndarray) -> scores.Row:
    values = {name: float(value) for name, value in zip(METRICS, drawn, strict=True)}
    states = {name: "fail" if value > FAILS_ABOVE else "pass" for name, value in values.items()}
    return scores.Row(scene, arm, seed, values, states)


def answer(name: str, table: scores.Table) -> Tally:
    """Decides on a change; tells also what the unconfirmed tail rule would have done."""
    found = verdict.decide(table, PLAN)
    shipped = set(SLICES if found.decision == verdict.SHIP else found.slices)
    return Tally(
        found.decision,
        found.is_worse,
        bool(shipped & set(HARMED.get(name, ()))),
        _unconfirmed(table)
        and all(gate.state == gates.PASS for gate in found.all.gates)
        and any(target.proven for target in found.all.targets)
        and not found.all.raised,
    )


def _unconfirmed(table: scores.Table) -> bool:
    """The tail rule without a second seed: every fail of the first draw counts."""
    first = [
        row._replace(seed=seed)
        for row in table.rows.values()
        if row.seed == SEEDS[0]
        for seed in SEEDS
    ]
    return newfails.judge(scores.table(first, table.slices), PLAN).state == newfails.PASS


def rates(name: str, count: int, trials: int, seed: int) -> dict[str, float]:
    """Returns the share of each answer among simulated changes of one world."""
    tallies = [
        answer(
            name,
            world(name, count, np.random.default_rng((seed, WORLDS.index(name), count, trial))),
        )
        for trial in tqdm(range(trials), desc=f"{name} {count}", file=sys.stderr, leave=False)
    ]
    shares = {d: np.mean([t.decision == d for t in tallies]) for d in verdict.DECISIONS}
    shares["worse"] = np.mean([t.is_worse for t in tallies])
    shares["harmed shipped"] = np.mean([t.harmed_shipped for t in tallies])
    shares["unconfirmed"] = np.mean([t.unconfirmed for t in tallies])
    return {key: round(float(value), 4) for key, value in shares.items()}


def main() -> None:
    """Prints the table and the bars."""
    about, _, usage = (__doc__ or "").partition("\n\n")
    options = argparse.ArgumentParser(description=about, epilog=usage)
    options.add_argument("--trials", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--scenes", type=int, nargs="+", default=[20, 40, 80])
    options.add_argument("--plots", type=Path, help="draws the figures of docs/evaluation.md there")
    chosen = options.parse_args()
    columns = (*verdict.DECISIONS, "worse", "harmed shipped", "unconfirmed")
    print(f"{'world':9}{'scenes':>7}" + "".join(f"{name:>15}" for name in columns))
    found = {}
    for name in WORLDS:
        for count in chosen.scenes:
            found[name, count] = rates(name, count, chosen.trials, chosen.seed)
            shares = "".join(f"{found[name, count][column]:15.3f}" for column in columns)
            print(f"{name:9}{count:7}{shares}", flush=True)
    most = max(chosen.scenes)
    story = max(found["story", count][verdict.SHIP] for count in chosen.scenes)
    neutral = max(found["neutral", count]["worse"] for count in chosen.scenes)
    better = found["better", most][verdict.SHIP]
    bars = {
        "story_shipped": {"value": story, "bar": 0.01, "ok": story <= 0.01},
        "neutral_called_worse": {"value": neutral, "bar": 0.1, "ok": neutral <= 0.1},
        f"better_shipped_at_{most}": {"value": better, "bar": 0.9, "ok": better >= 0.9},
    }
    if chosen.plots:
        draw_answers(found, chosen.plots / "evaluation-answers.svg")
        draw_power(chosen.plots / "evaluation-power.svg")
    print(json.dumps({"bench": "compare", "trials": chosen.trials, "bars": bars}))


def draw_answers(found: Mapping[tuple[str, int], Mapping[str, float]], path: Path) -> None:
    """Draws how often each simulated change was answered with what."""
    figure = Figure(figsize=(8.6, 2.9), layout="constrained")
    for place, name in enumerate(WORLDS):
        axis = figure.add_subplot(1, len(WORLDS), place + 1)
        counts = [count for world, count in found if world == name]
        under = np.zeros(len(counts))
        for answer_name, color in COLORS.items():
            shares = np.array([_parts(found[name, count])[answer_name] for count in counts])
            label = answer_name if place == 0 else None
            axis.bar(range(len(counts)), shares, 0.7, under, color=color, label=label)
            under += shares
        axis.set_ylim(0, 1)
        axis.set_xticks(range(len(counts)), [str(count) for count in counts])
        axis.set_title(name, loc="left", fontsize=11)
        axis.set_xlabel("scenes per slice", fontsize=9)
        axis.set_yticks([0, 0.5, 1] if place == 0 else [])
        for side in axis.spines.values():
            side.set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(COLORS), frameon=False, fontsize=9)
    _save(figure, path)


def _parts(shares: Mapping[str, float]) -> dict[str, float]:
    """Splits HOLD by whether harm is proven; whoever is shipped to a slice did harm elsewhere."""
    harm = shares["worse"] - shares[verdict.SHIP_TO_SLICE]
    counted = {decision.lower(): shares[decision] for decision in verdict.DECISIONS[:3]}
    return {**counted, "hold, nothing gained": shares[verdict.HOLD] - harm, "hold, worse": harm}


def draw_power(path: Path) -> None:
    """Draws the margin that a number of scenes proves, for one gate and for all together."""
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axis = figure.add_subplot()
    margins = np.linspace(0.2, 1.0, 33)
    for gates_count, share, color in (
        (1, 0.8, "#8b8e92"),
        (1, 0.9, "#2f6f9f"),
        (24, 0.9, "#b02024"),
    ):
        counts = [power.scenes_for(m, 1.0, power=share, gates=gates_count) for m in margins]
        told = "one gate" if gates_count == 1 else f"all {gates_count} gates"
        axis.plot(counts, margins, color=color, lw=1.8, label=f"{told}, {share:.0%} of the time")
    axis.set_xlim(0, 240)
    axis.set_xlabel("scenes per slice", fontsize=9)
    axis.set_ylabel("margin, in sd of the scenes' differences", fontsize=9)
    axis.grid(visible=True, color="#e0ddd7", lw=0.6)
    axis.legend(frameon=False, fontsize=9)
    for side in axis.spines.values():
        side.set_visible(False)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_facecolor("white")
    with mpl.rc_context({"svg.hashsalt": "dressform", "svg.fonttype": "path"}):
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
