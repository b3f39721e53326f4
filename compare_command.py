"""`dressform compare`: two folders of pictures, or two workflows, to a verdict and a report."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from . import parse_batch
from .imaging import files, pictures
from .quality.compare import (
    document,
    factors,
    frozen,
    gallery,
    junit,
    scores,
    scoring,
    verdict,
    wording,
)
from .quality.compare import suite as suites
from .quality.compare.factors import Factor
from .quality.compare.gallery import Key
from .quality.compare.scoring import Pair
from .quality.compare.suite import Suite

BASELINE, CANDIDATE, AGAIN = scores.ARMS
ROWS = "rows"  # folder of measurements that a second run takes up again
REPORT, JSON, JUNIT, SCORES = "report.html", "compare.json", "junit.xml", "scores.json"
MOST_NAMED = 5

Progress = Callable[[int, int], None]


class Arms(NamedTuple):
    """The pictures of all arms, and what differs between the two models.

    Attributes:
        paths: By arm, scene and seed; `baseline_again` where the suite has noise seeds.
        factors: That differ.
        known: Whether the factors are known; folders of plain pictures do not tell.
    """

    paths: Mapping[Key, Path]
    factors: tuple[Factor, ...]
    known: bool = True


class Outcome(NamedTuple):
    """A finished comparison: the document as it was written, and its decision."""

    document: dict[str, Any]
    decision: verdict.Decision
    report: Path


def folders(suite: Suite, baseline: Path, candidate: Path) -> Arms:
    """Finds the pictures of two folders, and the workflows that ComfyUI wrote into them.

    Raises:
        FileNotFoundError: Pictures are missing.
    """
    names = [scene.id for scene in suite.scenes]
    paths = gallery.find(baseline, names, suite.seeds, BASELINE)
    paths |= gallery.find(candidate, names, suite.seeds, CANDIDATE)
    if suite.noise_seeds:
        paths |= gallery.find(baseline, names, suite.noise_seeds, AGAIN)
    first = suite.scenes[0].id, suite.seeds[0]
    before, after = (factors.embedded(paths[arm, *first]) for arm in (BASELINE, CANDIDATE))
    if before is None or after is None:
        return Arms(paths, (), known=False)
    return Arms(paths, factors.differences(before, after, bound=suites.bound(suite)))


def compare(
    suite: Suite,
    arms: Arms,
    out: Path,
    *,
    lock: Mapping[str, Any],
    jobs: int = 1,
    keep_strangers: bool = False,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """Measures, decides and writes the report; goes on where an earlier run was interrupted.

    Args:
        suite: Frozen.
        arms: Its pictures.
        out: Takes report.html, compare.json, junit.xml, scores.json and the measurements.
        lock: Of the suite.
        jobs: Pictures measured at a time.
        keep_strangers: Count a picture that does not show its scene as failed, do not refuse it.
        progress: Called with measured and all pictures.

    Raises:
        ValueError: A picture, mask or size is not what the suite needs.
    """
    hashes = scoring.hashed({*arms.paths.values(), *_files_of(suite)})
    strange = _strangers(suite, arms.paths)
    if strange and not keep_strangers:
        raise ValueError(_strange_sentence(strange, arms.paths))
    pairs = _pairs(suite, arms.paths)
    noise_pairs = _noise_pairs(suite, arms.paths)
    profile = lock["profile"]
    measured = _measure([*pairs, *noise_pairs], out / ROWS, hashes, profile, suite, jobs, progress)

    def row(pair: Pair, *, strange: bool | None = None) -> scores.Row:
        return scoring.row(pair, measured[scoring.key(pair, hashes, profile)], strange=strange)

    rows = [row(pair, strange=pair.path in strange) for pair in pairs]
    again = [row(pair) for pair in noise_pairs]
    table = scores.table(rows, suites.slices(suite))
    noise = scores.table(again, suites.slices(suite), arms=(BASELINE, AGAIN))
    found = verdict.decide(table, suite.plan, noise=noise)
    told = document.build(
        table,
        suite.plan,
        found,
        noise=noise,
        suite={"name": suite.name, "sha256": lock["sha256"], "profile": lock["profile"]},
        factors=arms.factors,
        pictures={"/".join(map(str, key)): hashes[path] for key, path in arms.paths.items()},
    )
    report = _write(out, told, rows, suite, arms)
    return Outcome(told, found, report)


def _write(
    out: Path, told: dict[str, Any], rows: Sequence[scores.Row], suite: Suite, arms: Arms
) -> Path:
    from .quality.compare import exhibits, report

    out.mkdir(parents=True, exist_ok=True)
    _save(out / JSON, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    _save(out / JUNIT, junit.build(told))
    listed = [row._asdict() for row in sorted(rows, key=lambda row: row[:3])]
    told_rows = json.dumps(document.rounded(listed), ensure_ascii=False, sort_keys=True)
    _save(out / SCORES, told_rows + "\n")
    shown = exhibits.collect(suite, arms.paths, told["worst"])
    _save(out / REPORT, report.build(told, shown, factors_known=arms.known))
    return out / REPORT


def _save(path: Path, text: str) -> None:
    with files.whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _files_of(suite: Suite) -> list[Path]:
    return [path for scene in suite.scenes for path in scene.files.values()]


def _pairs(suite: Suite, paths: Mapping[Key, Path]) -> list[Pair]:
    return [
        Pair(scene, arm, seed, paths[arm, scene.id, seed], paths[other, scene.id, seed])
        for scene in suite.scenes
        for seed in suite.seeds
        for arm, other in ((BASELINE, CANDIDATE), (CANDIDATE, BASELINE))
    ]


def _noise_pairs(suite: Suite, paths: Mapping[Key, Path]) -> list[Pair]:
    """The baseline against its second run, or without one its first seed against its second."""
    if suite.noise_seeds:
        seeds = list(zip(suite.seeds, suite.noise_seeds, strict=True))
        second = AGAIN
    else:
        seeds, second = [(suite.seeds[0], suite.seeds[1])], BASELINE
    found = []
    for scene in suite.scenes:
        for seed, other in seeds:
            first, again = paths[BASELINE, scene.id, seed], paths[second, scene.id, other]
            found += [
                Pair(scene, BASELINE, seed, first, again),
                Pair(scene, AGAIN, other, again, first),
            ]
    return found


def _measure(
    pairs: Sequence[Pair],
    folder: Path,
    hashes: Mapping[Path, str],
    profile: str,
    suite: Suite,
    jobs: int,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Returns measurements by key; those of an earlier run are taken, the rest is made."""
    keys = {scoring.key(pair, hashes, profile): pair for pair in pairs}
    found = {name: one for name in keys if (one := scoring.kept(folder, name)) is not None}
    missing: dict[str, list[tuple[str, Pair]]] = {}
    for name, pair in keys.items():
        if name not in found:
            missing.setdefault(pair.scene.id, []).append((name, pair))
    photos = [parse_batch.Photo(s.id, s.files["photo"]) for s in suite.scenes if s.id in missing]
    progress(len(found), len(keys))

    def work(photo: parse_batch.Photo) -> dict[str, dict[str, Any]]:
        return _measure_scene(missing[photo.id], folder, suite.profile)

    for made in parse_batch.each(photos, work, jobs):
        found |= made
        progress(len(found), len(keys))
    return found


def _measure_scene(
    entries: Sequence[tuple[str, Pair]], folder: Path, profile: str
) -> dict[str, dict[str, Any]]:
    material = scoring.material(entries[0][1].scene)
    made = {}
    for name, pair in entries:
        result, other = pictures.open_picture(pair.path), pictures.open_picture(pair.other)
        told = f"{pair.scene.id} seed {pair.seed} ({pair.arm})"
        made[name] = scoring.measure(result, other, material, profile, told)
        scoring.keep(folder, name, made[name])
    return made


def _strangers(suite: Suite, paths: Mapping[Key, Path]) -> dict[Path, str]:
    """Returns pictures that do not show their scene, each with the reason."""
    own = {
        scene.id: [_thumb(scene.files[k]) for k in ("photo", "person") if k in scene.files]
        for scene in suite.scenes
    }
    thumbs: dict[Key, np.ndarray] = {}
    found: dict[Path, str] = {}
    sizes: dict[str, tuple[int, ...]] = {}
    for key, path in paths.items():
        picture = pictures.open_picture(path)
        told = f"{key[1]} ({path.name} and another)"
        # Before anything is measured: a mistake costs seconds, not an hour.
        scoring.require_same_size(picture.shape, sizes.setdefault(key[1], picture.shape), told)
        if not gallery.is_blank(picture):  # an empty one fails as such
            thumbs[key] = gallery.thumb(picture)
    for (arm, scene, seed), thumb in thumbs.items():
        others = {
            name: [
                *own[name],
                *(t for (a, s, _), t in thumbs.items() if s == name and a != arm),
            ]
            for name in own
        }
        reason = gallery.stranger(thumb, scene, others)
        if reason:
            found[paths[arm, scene, seed]] = reason
    return found


def _thumb(path: Path) -> np.ndarray:
    return gallery.thumb(pictures.open_picture(path))


def _strange_sentence(strange: Mapping[Path, str], paths: Mapping[Key, Path]) -> str:
    names = {path: f"{arm} {scene} seed {seed}" for (arm, scene, seed), path in paths.items()}
    told = [f"{names[path]} ({path.name}) {reason}" for path, reason in strange.items()]
    more = f"; and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return (
        f"every picture must show its scene, got {len(told)} that may not: "
        f"{'; '.join(told[:MOST_NAMED])}{more}. Check how the files were sorted; if the model "
        "really painted this, say --keep-strangers, and they count as failed."
    )


def main(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Runs the command; returns its exit status: 0 SHIP, 3 to a slice, 4 need more, 5 hold.

    Raises:
        ValueError: An option, the suite or a picture is wrong.
    """
    suite = suites.load(options.suite)
    was_frozen = frozen.path_of(suite).is_file()
    lock = frozen.freeze(suite)
    if not was_frozen:
        say(f"{suite.path.name} is frozen now: {frozen.path_of(suite)}")
    if options.freeze:
        say(lock["sha256"])
        return 0
    if options.baseline is None or options.candidate is None:
        raise ValueError(
            "--baseline and --candidate are required, got none. Name two folders of pictures or "
            "two workflows, or --freeze to freeze the suite only."
        )
    arms = _arms(suite, options)
    factors.require_one(arms.factors, options.factors)
    with tqdm(unit="picture", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        made = compare(
            suite,
            arms,
            options.out,
            lock=lock,
            jobs=options.jobs,
            keep_strangers=options.keep_strangers,
            progress=progress,
        )
    found = made.decision
    label = wording.label(found.decision, found.slices, found.more)
    say(f"{label}: {made.document['sentence']['en']}")
    for reason in made.document["reasons"]:
        say(f"  {reason['en']}")
    say(str(made.report))
    return document.exit_status(made.decision)


def _arms(suite: Suite, options: argparse.Namespace) -> Arms:
    given = options.baseline, options.candidate
    if all(path.suffix.lower() == ".json" for path in given):
        from . import suite_runs

        made = suite_runs.make(
            suite, *given, options.out, allowed=options.factors, url=options.server
        )
        return Arms(made.paths, made.factors)
    if any(path.suffix.lower() == ".json" for path in given):
        raise ValueError(
            f"both sides must be folders or both workflows, got {given[0]} and {given[1]}. Run the "
            "workflow over the suite as well, or name the folder of its pictures."
        )
    return folders(suite, *given)
