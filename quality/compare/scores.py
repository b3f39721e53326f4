"""Score tables: what was measured of every picture, and one number per scene from them.

The unit of every statistic is the scene. Seeds are averaged here and nowhere else, and the only
way from a table to a test leads through `Gains`, which holds one number per scene.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

ARMS = ("baseline", "candidate", "baseline_again")
EVERYTHING = "all"  # the slice of scenes that have no other
STATES = ("pass", "warn", "fail", "unmeasurable")


class Row(NamedTuple):
    """What was measured of one picture.

    Attributes:
        scene: Its id.
        arm: One of ARMS.
        seed: That it was made with.
        scores: By metric, larger is worse; None where it could not be measured.
        states: By check, one of STATES.
        units: By metric.
    """

    scene: str
    arm: str
    seed: int
    scores: Mapping[str, float | None]
    states: Mapping[str, str] = MappingProxyType({})
    units: Mapping[str, str] = MappingProxyType({})


class Table(NamedTuple):
    """All rows of two arms, complete: every scene with every seed in both.

    Attributes:
        scenes: Ids in the order of the suite.
        slices: Slice names by scene.
        seeds: Of the first arm.
        arms: The reference first, then what is judged.
        rows: By scene, arm and place of the seed.
    """

    scenes: tuple[str, ...]
    slices: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    arms: tuple[str, str]
    rows: Mapping[tuple[str, str, int], Row]


class Gains(NamedTuple):
    """By how much the judged arm is better in each scene; one number per scene.

    Attributes:
        by_scene: Mean score of the reference less that of the judged arm: positive is better.
        lost: Scenes that could be measured in the reference only.
        unknown: Scenes that could not be measured in the reference.
    """

    by_scene: Mapping[str, float]
    lost: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """(scenes,) float64."""
        return np.fromiter(self.by_scene.values(), float, len(self.by_scene))


def table(
    rows: Iterable[Row],
    slices: Mapping[str, Sequence[str]],
    *,
    arms: tuple[str, str] = ("baseline", "candidate"),
) -> Table:
    """Arranges rows so that seeds cannot be mistaken for scenes.

    Args:
        rows: Of both arms, in any order.
        slices: Slice names by scene, in the order of the suite.
        arms: The reference first.

    Raises:
        ValueError: A row is there twice, or a scene lacks a seed in one arm.
    """
    found: dict[tuple[str, str], dict[int, Row]] = {}
    for row in rows:
        seeds = found.setdefault((row.scene, row.arm), {})
        if row.seed in seeds:
            raise ValueError(
                f"a scene must have one picture per arm and seed, got two of {row.scene}, "
                f"{row.arm}, seed {row.seed}. Give different photos different scene names."
            )
        seeds[row.seed] = row
    if not slices:
        raise ValueError("at least one scene is required, got none. Add scenes to the suite.")
    _require_complete(found, tuple(slices), arms)
    placed = {
        (scene, arm, place): found[scene, arm][seed]
        for scene in slices
        for arm in arms
        for place, seed in enumerate(sorted(found[scene, arm]))
    }
    first = next(iter(slices))
    return Table(
        tuple(slices),
        {scene: tuple(names) or (EVERYTHING,) for scene, names in slices.items()},
        tuple(sorted(found[first, arms[0]])),
        arms,
        MappingProxyType(placed),
    )


def _require_complete(
    found: Mapping[tuple[str, str], Mapping[int, Row]], scenes: Sequence[str], arms: Sequence[str]
) -> None:
    counts = {key: len(found.get(key, ())) for key in ((s, a) for s in scenes for a in arms)}
    most = max(counts.values())
    scene, arm = lacking = min(counts, key=lambda key: counts[key])
    if counts[lacking] < max(most, 1):
        raise ValueError(
            f"every scene must have as many seeds in both arms, got {counts[lacking]} of {most} "
            f"for {scene}, {arm}. Make the missing pictures."
        )
    wanted = {arm: set(found[scenes[0], arm]) for arm in arms}
    if "baseline_again" not in arms:
        wanted[arms[1]] = wanted[arms[0]]  # the same start for both, so that pairs are pairs
    for scene in scenes:
        for arm in arms:
            if set(found[scene, arm]) != wanted[arm]:
                raise ValueError(
                    f"{scene}, {arm} must have the seeds {sorted(wanted[arm])}, got "
                    f"{sorted(found[scene, arm])}. Make its pictures with the same seeds."
                )


def metrics(table: Table) -> tuple[str, ...]:
    """Returns the metrics that were measured in any picture of the reference, sorted."""
    return tuple(
        sorted(
            {
                name
                for (_, arm, _), row in table.rows.items()
                if arm == table.arms[0]
                for name, value in row.scores.items()
                if value is not None
            }
        )
    )


def unit(table: Table, metric: str) -> str:
    """Returns the unit of a metric; empty where no row tells."""
    return next((u for row in table.rows.values() if (u := row.units.get(metric))), "")


def slice_names(table: Table) -> tuple[str, ...]:
    """Returns the slices, those of one kind together, in the order in which they first occur."""
    names = dict.fromkeys(name for names in table.slices.values() for name in names)
    kinds = list(dict.fromkeys(name.rpartition("=")[0] for name in names))
    return tuple(sorted(names, key=lambda name: kinds.index(name.rpartition("=")[0])))


def subset(table: Table, scenes: Iterable[str]) -> Table:
    """Returns the table with some of its scenes only."""
    kept = [scene for scene in table.scenes if scene in set(scenes)]
    return table._replace(
        scenes=tuple(kept),
        slices={scene: table.slices[scene] for scene in kept},
        rows={key: row for key, row in table.rows.items() if key[0] in set(kept)},
    )


def in_slice(table: Table, name: str | None) -> tuple[str, ...]:
    """Returns the scenes of a slice; all for None."""
    return tuple(s for s in table.scenes if name is None or name in table.slices[s])


def gains(table: Table, metric: str, name: str | None = None) -> Gains:
    """Averages the seeds of every scene of a slice and returns the differences between the arms."""
    by_scene, lost, unknown = {}, [], []
    for scene in in_slice(table, name):
        before, after = (_mean(table, scene, arm, metric) for arm in table.arms)
        if before is None:
            unknown.append(scene)
        elif after is None:
            lost.append(scene)
        else:
            by_scene[scene] = before - after
    return Gains(MappingProxyType(by_scene), tuple(lost), tuple(unknown))


def states(table: Table, scene: str, arm: str, check: str) -> tuple[str, ...]:
    """Returns the states of a check for all seeds of a scene; unmeasurable where there is none."""
    return tuple(
        table.rows[scene, arm, place].states.get(check, "unmeasurable")
        for place in range(len(table.seeds))
    )


def checks(table: Table) -> tuple[str, ...]:
    """Returns every check that any row has a state of, sorted."""
    return tuple(sorted({name for row in table.rows.values() for name in row.states}))


def _mean(table: Table, scene: str, arm: str, metric: str) -> float | None:
    """The mean over the seeds; None unless all of them could be measured."""
    found = [table.rows[scene, arm, place].scores.get(metric) for place in range(len(table.seeds))]
    known = [value for value in found if value is not None and math.isfinite(value)]
    return math.fsum(known) / len(known) if len(known) == len(found) else None
