"""Measures the body that the hints are drawn from against exact joints and silhouettes.

    python bench/hints.py --truth FOLDER [--scenes] [--every N]

FOLDER holds a folder for each scene with photo.jpg, keypoints.json, body.png and meta.json, as the
mannequin benchmark has them. Scenes without a body are left out. Beside the pack's own body
(`imaging.body`) stand the network's joints as they are, and the mean body of the benchmark's
training scenes scaled to the garment's box.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import resources
import scores
from dressform.imaging import body, masks, parse, pictures
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import NAMES, Keypoint, Pose
from tqdm import tqdm

# Value, and whether more is better.
BARS = {
    "pck": (0.92, True),
    "pck_missing": (0.80, True),
    "silhouette": (0.70, True),
    "seconds": (0.15, False),
}
COLUMNS = ("pck", "pck_missing", "error", "error_missing", "silhouette", "silhouette_all")
# A joint is found within this many torso lengths, from the neck to the middle of the hips.
NEAR = 0.1
# Kinds on which the silhouette is held to its bar: those that lack parts of the body.
HOLLOW = ("headless", "armless", "dressform", "ghost")
# Mean joints of the 48 front views of the benchmark's training scenes, made symmetric: outward
# and down from the neck, in torso lengths.
MEAN_BODY = {
    "Nose": (0.0, -0.46),
    "Neck": (0.0, 0.0),
    "Shoulder": (0.34, 0.0),
    "Elbow": (0.66, 0.49),
    "Wrist": (0.87, 0.95),
    "Hip": (0.17, 1.0),
    "Knee": (0.23, 1.86),
    "Ankle": (0.25, 2.60),
    "Eye": (0.06, -0.53),
    "Ear": (0.16, -0.46),
}
# The neck below the top of the garment's box, and the torso, in heights of the box: means of the
# same scenes by what the garment covers.
NECK_AND_TORSO = {
    "upper": (0.15, 0.71),
    "lower": (-0.46, 0.71),
    "dress": (0.10, 0.47),
    "layered": (0.18, 0.72),
}


class Scene(NamedTuple):
    """What is true of one photo.

    Attributes:
        joints: (18, 2) pixels, in the order of `pose.NAMES`.
        framed, missing: (18,) bool: inside the photo; not on this mannequin.
        silhouette: (H, W) bool, the complete body within the photo.
    """

    id: str
    photo: np.ndarray
    joints: np.ndarray
    framed: np.ndarray
    missing: np.ndarray
    silhouette: np.ndarray
    kind: str


class Row(NamedTuple):
    """What one way to a body measured on one scene; None where the scene cannot tell."""

    id: str
    kind: str
    measures: dict[str, float | None]


def read(folder: Path) -> Scene:
    """Reads one scene."""
    told = json.loads((folder / "keypoints.json").read_text(encoding="utf-8"))["keypoints"]
    by_name = {point["name"]: point for point in told}
    points = [by_name[name] for name in NAMES]
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return Scene(
        folder.name,
        pictures.open_picture(folder / "photo.jpg"),
        np.array([[point["x"], point["y"]] for point in points]),
        np.array([point["in_frame"] for point in points]),
        np.array([point["state"] == "missing" for point in points]),
        cv2.imread(str(folder / "body.png"), cv2.IMREAD_GRAYSCALE) > 127,
        meta["mannequin_type"],
    )


def located(parsing: Parsing) -> Pose:
    """The pack's own body; the mean body's place where nothing is labelled."""
    try:
        return body.locate(parsing)
    except ValueError:
        return mean_body(parsing)


def seen(parsing: Parsing) -> Pose:
    """The joints as the parser's network sees them."""
    height, width = parsing.size
    joints = np.zeros((len(NAMES), 3)) if parsing.joints is None else parsing.joints
    return Pose(height, width, dict(zip(NAMES, (Keypoint(*row) for row in joints), strict=True)))


def mean_body(parsing: Parsing) -> Pose:
    """The baseline: the mean body scaled to the garment's box, or to the photo without garment."""
    height, width = parsing.size
    box = masks.bounds(parsing.garment) or masks.Bounds(0, 0, height, width)
    middle, (drop, torso) = box.left + box.width / 2, NECK_AND_TORSO[parsing.region]
    joints = {}
    for name in NAMES:
        outward, down = MEAN_BODY[name if name in MEAN_BODY else name[1:]]
        side = -1 if name.startswith("R") else 1
        joints[name] = Keypoint(
            middle + side * outward * torso * box.height,
            box.top + (drop + down * torso) * box.height,
            0.5,
        )
    return Pose(height, width, joints)


def measure(pose: Pose, scene: Scene) -> dict[str, float | None]:
    """Measures joints and silhouette of one pose.

    Returns:
        `pck`: share of the joints in the frame within NEAR torso lengths; `error`: their mean
        distance in torso lengths; both also of the `missing` joints alone. `silhouette`: overlap
        within the frame where parts are missing, and `silhouette_all` on every scene.
    """
    found = np.array([pose.keypoints[name][:2] for name in NAMES])
    away = distances(found, scene.joints)
    lacked = scene.framed & scene.missing
    overlap = scores.iou(body.silhouette(pose), scene.silhouette, np.ones_like(scene.silhouette))
    return {
        "pck": _mean_where(away <= NEAR, scene.framed),
        "pck_missing": _mean_where(away <= NEAR, lacked),
        "error": _mean_where(away, scene.framed),
        "error_missing": _mean_where(away, lacked),
        "silhouette": overlap if scene.kind in HOLLOW else None,
        "silhouette_all": overlap,
    }


def distances(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Returns (18,) distances of (18, 2) joints in lengths of the true torso."""
    at = {name: true[index] for index, name in enumerate(NAMES)}
    torso = float(np.linalg.norm(at["Neck"] - (at["RHip"] + at["LHip"]) / 2))
    return np.linalg.norm(found - true, axis=1) / torso


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> float | None:
    return float(values[chosen].mean()) if chosen.any() else None


def conclude(rows: Sequence[Row]) -> dict[str, float]:
    """Returns the means over the scenes, without those that no scene can tell."""
    means = {name: scores.mean([row.measures[name] for row in rows]) for name in COLUMNS}
    return {name: value for name, value in means.items() if value is not None}


def print_table(title: str, groups: dict[str, list[Row]]) -> None:
    """Prints the means of each group of scenes."""
    print(f"\n{title:16}{'n':>4}" + "".join(f"{name:>16}" for name in COLUMNS))
    for name, rows in groups.items():
        found = conclude(rows)
        cells = "".join(f"{_cell(found.get(column)):>16}" for column in COLUMNS)
        print(f"{name:16}{len(rows):4}{cells}")


def print_bars(columns: dict[str, dict[str, float]]) -> None:
    """Prints the bars, one row each, beside what each way measured."""
    print(f"\n{'':16}{'bar':>10}" + "".join(f"{name:>12}" for name in columns))
    for name in (*BARS, *(name for name in COLUMNS if name not in BARS)):
        values = [column.get(name) for column in columns.values()]
        bar = "" if name not in BARS else f"{'>=' if BARS[name][1] else '<='} {BARS[name][0]:g}"
        missed = "" if name not in BARS or ok(name, values[0]) else "  MISSED"
        print(f"{name:16}{bar:>10}" + "".join(f"{_cell(v):>12}" for v in values) + missed)


def ok(name: str, value: float | None) -> bool:
    """Whether a value meets its bar; one that nobody could measure does not."""
    limit, more = BARS[name]
    return value is not None and (value >= limit if more else value <= limit)


def by_kind(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Groups rows by the kind of mannequin, in alphabetical order."""
    return {kind: [r for r in rows if r.kind == kind] for kind in sorted({r.kind for r in rows})}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--truth", type=Path, required=True, metavar="FOLDER")
    options.add_argument("--scenes", action="store_true", help="print every scene")
    options.add_argument("--every", type=int, default=1, metavar="N", help="each N-th scene only")
    chosen = options.parse_args()
    folders = [path.parent for path in sorted(chosen.truth.glob("*/keypoints.json"))]
    folders = folders[:: chosen.every]
    if not folders:
        raise SystemExit("no scenes found: --truth must hold folders with keypoints.json")
    print(f"{len(folders)} scenes with a body, {resources.keep_to_cores()} cores")
    ways: dict[str, Callable[[Parsing], Pose]] = {
        "dressform": located,
        "network": seen,
        "mean body": mean_body,
    }
    rows: dict[str, list[Row]] = {name: [] for name in ways}
    first = None
    for folder in tqdm(folders, unit="scene", disable=None):
        scene = read(folder)
        parsing = parse.parse(scene.photo)
        first = first or parsing
        for name, way in ways.items():
            rows[name].append(Row(scene.id, scene.kind, measure(way(parsing), scene)))
    if chosen.scenes:
        print_table("scene", {row.id: [row] for row in rows["dressform"]})
    for name in ways:
        print_table(name, {**by_kind(rows[name]), "all": rows[name]})
    found = {name: conclude(some) for name, some in rows.items()}
    spent_s = resources.seconds(lambda _: located(first), np.empty(0))
    found["dressform"]["seconds"] = spent_s
    print_bars(found)
    bars = {
        name: {"value": round(value, 4), "bar": BARS[name][0], "ok": ok(name, value)}
        for name, value in found["dressform"].items()
        if name in BARS
    }
    print(json.dumps({"bench": "hints", "scenes": len(folders), "bars": bars}))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
