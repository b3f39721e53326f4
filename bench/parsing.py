"""Measures the parser against exact label maps.

    python bench/parsing.py [--truth FOLDER] [--degrade] [--flat FOLDER] [--every N]

FOLDER holds a folder for each scene with photo.jpg, labels.png and, for kind, view and tags,
meta.json; the shipped samples by default. Two baselines run on the same scenes. --degrade adds a
hard version of each scene (blurred, dark, compressed, cropped or before a wall of the garment's
colour); they are reported apart. --flat takes photos of garments that lie or hang.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import baselines
import cv2
import degradations
import numpy as np
import resources
import scores
from dressform.imaging import parse, pictures
from dressform.imaging.parsing import Parsing
from tqdm import tqdm

SAMPLES = Path(__file__).parents[1] / "samples"
# Value, and whether more is better.
BARS = {
    "garment_iou": (0.95, True),
    "garment_iou_worst": (0.75, True),
    "garment_bf": (0.85, True),
    "mannequin_iou": (0.88, True),
    "residue": (0.04, False),
    "eaten": (0.02, False),
    "false_mannequin": (0.002, False),
    "white_on_white": (0.88, True),
    "confidence_auroc": (0.85, True),
    "seconds_1536x2048": (0.7, False),
    "seconds_1024x768": (0.25, False),
    "memory_mb": (700, False),
    "kind": (0.95, True),
    "view": (0.95, True),
    "flat": (0.85, True),
}
MASK_COLUMNS = (
    "garment_iou",
    "garment_bf",
    "mannequin_iou",
    "residue",
    "eaten",
    "false_mannequin",
)
# The confidence shall tell photos below this garment IoU from the rest.
GOOD_IOU = 0.9
NO_MANNEQUIN = ("ghost", "hanger", "flatlay")
UNTURNED = ("hanger", "flatlay")
SIZES = {"seconds_1536x2048": (2048, 1536), "seconds_1024x768": (768, 1024)}  # height, width


class Scene(NamedTuple):
    """A photo with its label map (H, W) uint8 and what is known of it."""

    id: str
    photo: np.ndarray
    truth: np.ndarray
    meta: dict


class Row(NamedTuple):
    """What one parser measured on one scene; kind and view are "" where it does not say."""

    id: str
    masks: dict[str, float | None]
    meta: dict
    confidence: float | None = None
    kind: str = ""
    view: str = ""


def read(folder: Path) -> Scene:
    """Reads one scene; its meta is empty where there is no meta.json."""
    truth = cv2.imread(str(folder / "labels.png"), cv2.IMREAD_UNCHANGED)
    told = folder / "meta.json"
    meta = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    return Scene(folder.name, pictures.open_picture(folder / "photo.jpg"), truth, meta)


def ours(scene: Scene) -> Row:
    """Measures the pack's parser on a scene."""
    found: Parsing = parse.parse(scene.photo)
    measured = scores.measure(found.garment, found.mannequin | found.support, scene.truth)
    return Row(scene.id, measured, scene.meta, found.confidence, found.kind, found.view)


def theirs(scene: Scene, baseline: baselines.Baseline) -> Row:
    """Measures a baseline on a scene."""
    foreground = baseline.foreground(scene.photo)
    garment, mannequin = baselines.split(scene.photo, foreground)
    return Row(scene.id, scores.measure(garment, mannequin, scene.truth), scene.meta)


def conclude(rows: Sequence[Row]) -> dict[str, float]:
    """Returns the bars that a parser's rows tell; without those that no scene can tell."""
    found: dict[str, float | None] = {
        name: scores.mean([row.masks[name] for row in rows]) for name in MASK_COLUMNS
    }
    overlaps = [row.masks["garment_iou"] or 0.0 for row in rows]
    found["garment_iou_worst"] = scores.worst_tenth(overlaps)
    white = [
        overlap
        for row, overlap in zip(rows, overlaps, strict=True)
        if "white_on_white" in row.meta.get("tags", ())
    ]
    found["white_on_white"] = scores.mean(white)
    if rows[0].confidence is not None:
        found["confidence_auroc"] = confidence_auroc(rows)
    told = [row for row in rows if row.meta and row.kind]
    found["kind"] = scores.mean([float(row.kind == row.meta["mannequin_type"]) for row in told])
    found["view"] = scores.mean([float(row.view == true_view(row.meta)) for row in told])
    return {name: value for name, value in found.items() if value is not None}


def confidence_auroc(rows: Sequence[Row]) -> float | None:
    """Returns how well the confidence tells IoU below GOOD_IOU; None where all are on one side."""
    good = [(row.masks["garment_iou"] or 0.0) >= GOOD_IOU for row in rows]
    return scores.auroc([row.confidence or 0.0 for row in rows], good)


def true_view(meta: dict) -> str:
    """Returns the scene's view in the words of `parsing.VIEWS`.

    Of what hangs or lies the benchmark draws a view as well, and then turns it by 7 degrees at
    most, as far as what it calls the front of a mannequin.
    """
    return "front" if meta["mannequin_type"] in UNTURNED else meta["view"].replace("_", "-")


def flat_share(folder: Path) -> float:
    """Returns how many photos of lying or hanging garments are known to show no mannequin."""
    known, taken = 0, 0
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in pictures.SUFFIXES:
            continue
        found = parse.parse(pictures.open_picture(path))
        taken, known = taken + 1, known + (found.kind in NO_MANNEQUIN)
        if found.kind not in NO_MANNEQUIN or not found.garment.any():
            shown = found.garment.mean()
            print(f"flat: {path.name} is called {found.kind}, garment on {shown:.0%} of it")
    if not taken:
        raise SystemExit(f"no photos found: --flat must be a folder of photos, got {folder}")
    return known / taken


def measure_resources(scene: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Returns the parser's seconds and memory, and GrabCut's seconds on the same pictures."""
    found, grabcut = {}, {}
    memory_mb = resources.parser_memory_mb(scene / "photo.jpg")
    if memory_mb is not None:
        found["memory_mb"] = memory_mb
    photo = pictures.open_picture(scene / "photo.jpg")
    for name, (height, width) in SIZES.items():
        picture = cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC)
        found[name] = resources.seconds(parse.parse, picture)
        grabcut[name] = resources.seconds(baselines.grabcut, picture, runs=3)
    return found, grabcut


def print_scenes(rows: Sequence[Row]) -> None:
    """Prints every scene, and below, the scenes whose kind or view is wrong."""
    print(f"{'scene':14}{'confidence':>16}" + "".join(f"{name:>16}" for name in MASK_COLUMNS))
    for row in rows:
        cells = [row.confidence, *(row.masks[name] for name in MASK_COLUMNS)]
        print(f"{row.id:14}" + "".join(f"{_cell(value):>16}" for value in cells))
    for row in (row for row in rows if row.meta):
        for found, true in (
            (row.kind, row.meta["mannequin_type"]),
            (row.view, true_view(row.meta)),
        ):
            if found != true:
                print(f"{row.id}: {true} is called {found}")


def print_groups(rows: Sequence[Row]) -> None:
    """Prints the means by kind and by tag, where the scenes have them."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        for name in (row.meta.get("mannequin_type"), *row.meta.get("tags", ())):
            if name:
                groups.setdefault(name, []).append(row)
    if groups:
        head = "".join(f"{name:>16}" for name in MASK_COLUMNS)
        print(f"\n{'kind or tag':26}{'n':>4}{head}")
    for name, some in sorted(groups.items()):
        means = [scores.mean([row.masks[column] for row in some]) for column in MASK_COLUMNS]
        print(f"{name:26}{len(some):4}" + "".join(f"{_cell(value):>16}" for value in means))


def print_hard(rows: Sequence[Row], plain: Sequence[Row]) -> float | None:
    """Prints the hard versions; returns the AUROC of the confidence on all photos together."""
    print(f"\n{'hard version':14}{'n':>4}{'garment_iou':>16}{'confidence':>16}")
    for name in degradations.hard_versions():
        some = [row for row in rows if row.id.endswith(f" {name}")]
        if some:
            overlap = scores.mean([row.masks["garment_iou"] for row in some])
            sure = scores.mean([row.confidence for row in some])
            print(f"{name:14}{len(some):4}{_cell(overlap):>16}{_cell(sure):>16}")
    pooled = confidence_auroc([*plain, *rows])
    print(f"confidence_auroc on the hard versions: {_cell(confidence_auroc(rows))}")
    print(f"confidence_auroc on all together: {_cell(pooled)}")
    return pooled


def print_bars(columns: dict[str, dict[str, float]]) -> None:
    """Prints the bars, one row each, beside what each way measured."""
    print(f"\n{'':20}{'bar':>12}" + "".join(f"{name:>12}" for name in columns))
    for name, (limit, more) in BARS.items():
        values = [column.get(name) for column in columns.values()]
        if any(value is not None for value in values):
            bar = f"{'>=' if more else '<='} {limit:g}"
            cells = "".join(f"{_cell(value):>12}" for value in values)
            print(f"{name:20}{bar:>12}{cells}" + ("" if _ok(name, values[0]) else "  MISSED"))


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--truth", type=Path, default=SAMPLES, metavar="FOLDER")
    options.add_argument("--degrade", action="store_true", help="measure hard versions as well")
    options.add_argument("--flat", type=Path, metavar="FOLDER", help="photos without a mannequin")
    options.add_argument("--every", type=int, default=1, metavar="N", help="each N-th scene only")
    options.add_argument("--no-baselines", action="store_true")
    chosen = options.parse_args()
    folders = [path.parent for path in sorted(chosen.truth.glob("*/labels.png"))][:: chosen.every]
    if not folders:
        raise SystemExit("no scenes found: --truth must hold folders with photo.jpg and labels.png")
    print(f"{len(folders)} scenes, {resources.keep_to_cores()} cores")
    found, grabcut = measure_resources(folders[0])
    lines = [
        f"{name}: {found[name] / spent_s:.2f} of the time of GrabCut at {baselines.GRABCUT_PX} px"
        for name, spent_s in grabcut.items()
    ]
    rows = [ours(read(folder)) for folder in tqdm(folders, unit="scene", disable=None)]
    print_scenes(rows)
    print_groups(rows)
    found |= conclude(rows)
    if "confidence_auroc" not in found:
        lines.append("confidence_auroc: not measurable, all scenes are on one side of 0.9 IoU")
    if chosen.degrade:
        pooled = print_hard(_hard(folders), rows)
        if "confidence_auroc" not in found and pooled is not None:
            found["confidence_auroc"] = pooled
            lines.append("confidence_auroc: with the hard versions, for want of both kinds without")
    if chosen.flat:
        found["flat"] = flat_share(chosen.flat)
    columns = {"dressform": found}
    for baseline in [] if chosen.no_baselines else baselines.known():
        if baseline.missing:
            lines.append(f"{baseline.name}: {baseline.missing}")
        else:
            others = [theirs(read(folder), baseline) for folder in tqdm(folders, disable=None)]
            columns[baseline.name] = conclude(others)
            if baseline.foreground is baselines.grabcut:
                columns[baseline.name] |= grabcut
    print_bars(columns)
    print("\n".join(["", *lines]))
    bars = {
        name: {"value": round(found[name], 4), "bar": limit, "ok": _ok(name, found[name])}
        for name, (limit, _) in BARS.items()
        if name in found
    }
    print(json.dumps({"bench": "parsing", "scenes": len(rows), "bars": bars}))


def _hard(folders: Sequence[Path]) -> list[Row]:
    """Measures each scene in one hard version, in turn."""
    versions = list(degradations.hard_versions().items())
    rows = []
    for index, folder in enumerate(tqdm(folders, unit="scene", disable=None)):
        name, harden = versions[index % len(versions)]
        scene = read(folder)
        photo, truth = harden(scene.photo, scene.truth)
        rows.append(ours(Scene(f"{scene.id} {name}", photo, truth, scene.meta)))
    return rows


def _ok(name: str, value: float | None) -> bool:
    limit, more = BARS[name]
    return value is not None and (value >= limit if more else value <= limit)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
