"""Measures how much of a bad parse one stroke repairs, and what it breaks elsewhere.

    python bench/corrections.py [--truth FOLDER ...] [--fit]

FOLDER holds a folder for each scene with photo.jpg and labels.png; default: the shipped samples.
Each scene's true label map is spoiled in several ways (and parsed by the shipped parser), one
stroke is drawn through the middle of the largest wrong part, and the label maps before and after
are compared with the truth. The garment's inside is left out. --fit prints the coefficients of
imaging/parser/belonging.py, fitted on the scenes instead.
"""

import argparse
import itertools
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from dressform.imaging import labels, parse, pictures, strokes
from dressform.imaging.parser import belonging, corrections, patch_graph, superpixels

SAMPLES = Path(__file__).parents[1] / "samples"
WORKING_PX = 512
# Of a case: the median share of the struck wrong part that is right afterwards, and the share of
# all right pixels that are wrong afterwards.
REPAIRED_BAR, BROKEN_BAR, MILLISECONDS_BAR = 0.9, 0.01, 50
# Wrong parts below this share of the photo are no task for a stroke.
LEAST_WRONG = 0.002
PIECE_PX = 20  # errors of parsers keep to pieces of about this size
INSIDE = 255
GROUPS = np.array([0, 1, 2, 2, INSIDE, 0], np.uint8)
ROLES = ("background", "garment", "mannequin")


class Case(NamedTuple):
    """A spoiled parsing: its name, label map, and the wrong part that the stroke goes through."""

    name: str
    found: np.ndarray
    role: str
    wrong: np.ndarray


class Scene(NamedTuple):
    """A photo and its truth on the working copy, and what is wrong about parsings of it."""

    name: str
    image: np.ndarray
    truth: np.ndarray
    random: np.random.Generator


def read(folder: Path) -> Scene:
    """Reads a scene, reduced to the working copy."""
    photo = pictures.open_picture(folder / "photo.jpg")
    truth = cv2.imread(str(folder / "labels.png"), cv2.IMREAD_UNCHANGED)
    scale = min(1.0, WORKING_PX / max(truth.shape))
    size = round(truth.shape[1] * scale), round(truth.shape[0] * scale)
    image = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    truth = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST)
    seed = zlib.crc32(folder.name.encode())
    return Scene(folder.name, image, truth, np.random.default_rng(seed))


def cases(scene: Scene) -> Iterator[Case]:
    """Yields the scene's spoiled parsings that have a wrong part worth a stroke."""
    for name, found in _spoiled(scene):
        wrong = _largest_wrong(scene.truth, found)
        if wrong is not None:
            group, part = wrong
            yield Case(name, found, ROLES[group], part)


def _spoiled(scene: Scene) -> Iterator[tuple[str, np.ndarray]]:
    truth, random = scene.truth, scene.random
    pieces = superpixels.partition(scene.image, PIECE_PX)
    garment = truth == labels.GARMENT

    def snapped(mask: np.ndarray, within: np.ndarray) -> np.ndarray:
        return pieces.paint(pieces.mean(mask) > 0.5) & within

    if garment.any():
        aside = random.choice([0, np.pi]) + random.normal(0, 0.3)
        part = snapped(_side(garment, random.uniform(0.12, 0.3), aside), garment)
        yield "sleeve called mannequin", np.where(part, labels.MANNEQUIN, truth)
        part = _side(garment, random.uniform(0.2, 0.5), random.uniform(0, 2 * np.pi))
        yield (
            "part lost in the wall",
            np.where(snapped(part, garment), labels.BACKGROUND, truth),
        )
        yield "everything called background", np.zeros_like(truth)
        wall = (cv2.dilate(garment.astype(np.uint8), np.ones((61, 61))) > 0) & (truth == 0)
        if wall.any():
            part = snapped(_side(wall, 0.35, random.uniform(0, 2 * np.pi)), wall)
            yield "wall called garment", np.where(part, labels.GARMENT, truth)
    for value, name in (
        (labels.MANNEQUIN, "mannequin called garment"),
        (labels.CLUTTER, "room called garment"),
        (labels.SUPPORT, "stand called garment"),
    ):
        if (truth == value).any():
            yield name, np.where(truth == value, labels.GARMENT, truth)
    yield "the parser's own", parse.parse(scene.image).label_map


def _side(mask: np.ndarray, share: float, angle: float) -> np.ndarray:
    """Selects the share of a mask that lies farthest in a direction."""
    ys, xs = np.nonzero(mask)
    along = np.cos(angle) * xs + np.sin(angle) * ys
    chosen = along > np.quantile(along, 1 - share)
    part = np.zeros_like(mask)
    part[ys[chosen], xs[chosen]] = True
    return part


def _largest_wrong(truth: np.ndarray, found: np.ndarray) -> tuple[int, np.ndarray] | None:
    """Returns the true group and the mask of the largest connected wrong part."""
    best, largest = None, LEAST_WRONG * truth.size
    for group in range(len(ROLES)):
        wrong = (GROUPS[truth] == group) & (GROUPS[found] != group)
        _, parts, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8))
        areas = stats[1:, cv2.CC_STAT_AREA]
        if len(areas) and areas.max() > largest:
            best, largest = (group, parts == 1 + areas.argmax()), areas.max()
    return best


def draw(part: np.ndarray, role: str, *, slabs: int = 9) -> strokes.StrokeDocument:
    """Draws one stroke along the middle of a connected part, as a user would.

    The part is cut into slabs across its long axis; the line joins their innermost points, as far
    as it stays inside.
    """
    inside = cv2.distanceTransform(np.pad(part, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    ys, xs = np.nonzero(part)
    points = np.stack([xs, ys], 1).astype(float)
    centered = points - points.mean(0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    along = centered @ axes[:, -1]
    depth = inside[ys, xs]
    edges = np.quantile(along, np.linspace(0.1, 0.9, slabs + 1))
    ridge = []
    for low, high in itertools.pairwise(edges):
        here = np.flatnonzero((along >= low) & (along <= high))
        ridge.append(points[here[depth[here].argmax()]])
    depths = [inside[int(y), int(x)] for x, y in ridge]
    middle = int(np.argmax(depths))
    line = [ridge[middle]]
    for point in ridge[middle + 1 :]:
        if _stays(part, line[-1], point):
            line.append(point)
    for point in ridge[:middle][::-1]:
        if _stays(part, line[0], point):
            line.insert(0, point)
    least = min(inside[int(y), int(x)] for x, y in line)
    radius = float(np.clip(least / 2, 0.6, max(part.shape) / 120))
    rows = np.column_stack([np.array(line), np.ones(len(line))])
    stroke = strokes.stroke(role, rows, radius, closed=False)
    height, width = part.shape
    return strokes.StrokeDocument(width, height, "", (stroke,))


def _stays(part: np.ndarray, start: np.ndarray, end: np.ndarray) -> bool:
    count = max(2, int(np.hypot(*(end - start))))
    steps = np.rint(start + (end - start) * np.linspace(0, 1, count)[:, None]).astype(int)
    return bool(part[steps[:, 1], steps[:, 0]].all())


def one_hot(label_map: np.ndarray) -> np.ndarray:
    """Returns the shares of a parser that is sure of everything: no hint of a second choice."""
    return (label_map[..., None] == np.arange(6)).astype(np.float32)


def measure(scene: Scene, case: Case, shares: np.ndarray) -> dict[str, float]:
    """Returns what one stroke repaired and broke, the garment's IoU, milliseconds of a core."""
    document = draw(case.wrong, case.role)
    start = time.process_time()  # of the processor: other work on the machine does not count
    after = corrections.apply(shares, scene.image, document).argmax(-1)
    milliseconds = 1000 * (time.process_time() - start)
    counted = GROUPS[scene.truth] != INSIDE
    right = GROUPS[scene.truth] == GROUPS[case.found]
    still = GROUPS[scene.truth] == GROUPS[after]
    return {
        "repaired": float(still[case.wrong].mean()),
        "broken": float((right & ~still & counted).sum() / max(1, (right & counted).sum())),
        "iou_before": _iou(scene.truth, case.found),
        "iou_after": _iou(scene.truth, after),
        "ms": milliseconds,
    }


def _iou(truth: np.ndarray, found: np.ndarray) -> float:
    counted = truth != labels.INTERIOR
    true, seen = (truth == labels.GARMENT) & counted, (found == labels.GARMENT) & counted
    return float((true & seen).sum() / max(1, (true | seen).sum()))


def fit(scenes: list[Scene]) -> dict[str, float]:
    """Fits the coefficients: weighted logistic regression, each stroke counts the same.

    Half of the strokes are cut to a dab, and half of the parsings are made unsure, so that the
    model works for both. Only patches are learned from that the struck part or the right rest fill.
    """
    measured, belongs, weights = [], [], []
    for scene in scenes:
        for case in cases(scene):
            for unsure in (False, True):
                rows = _examples(scene, case, unsure=unsure)
                if rows is not None:
                    measured.append(rows[0])
                    belongs.append(rows[1])
                    weights.append(np.full(len(rows[1]), 1 / max(1, len(rows[1]))))
    x, y, w = np.concatenate(measured), np.concatenate(belongs), np.concatenate(weights)
    spread = x.std(0)
    spread[spread == 0] = 1
    solution = _logistic(x / spread, y.astype(float), w / w.sum()) / spread
    return dict(zip(belonging.COEFFICIENTS, solution.round(4).tolist(), strict=True))


def _examples(scene: Scene, case: Case, *, unsure: bool) -> tuple[np.ndarray, np.ndarray] | None:
    slabs = 9 if scene.random.random() < 0.5 else int(scene.random.integers(1, 4))
    document = draw(case.wrong, case.role, slabs=slabs)
    target = corrections.ROLE_LABELS[case.role]
    seeds = corrections.seed_map(document, scene.truth.shape)
    shares = one_hot(case.found)
    if unsure:
        # The truth shines through where a network is unsure, more in some places than in others.
        noise = scene.random.uniform(0, scene.random.uniform(0.1, 0.45), (16, 12))
        amount = cv2.resize(noise.astype(np.float32), scene.truth.shape[::-1])[..., None]
        shares = (1 - amount) * shares + amount * one_hot(scene.truth)
        shares = cv2.GaussianBlur(shares, (0, 0), 3)
    graph = patch_graph.cut(scene.image, belonging.GROUPS[shares.argmax(-1)])
    mass = np.stack([graph.patches.mean(shares[..., value]) for value in range(6)], 1)
    struck = corrections.owners(graph, seeds) == target
    evidence = belonging.evidence(graph, mass, struck, target, seeds == target)
    if evidence is None:
        return None
    asked = graph.patches.mean(case.wrong)
    wanted = graph.patches.mean(GROUPS[scene.truth] == target)
    inside = graph.patches.mean(GROUPS[scene.truth] == INSIDE)
    candidates = belonging.GROUPS[mass.argmax(1)] != target
    clear = (inside < 0.5) & ((asked > 0.5) | (wanted < 0.5)) & ~struck
    return evidence[candidates & clear], asked[candidates & clear] > 0.5


def _logistic(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Newton's method with a ridge of 1e-5 per unit of weight."""
    solution = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ solution, -30, 30)))
        curve = w * np.maximum(p * (1 - p), 1e-6)
        gradient = x.T @ (w * (y - p)) - 1e-5 * solution
        step = np.linalg.solve(x.T @ (x * curve[:, None]) + 1e-5 * np.eye(len(solution)), gradient)
        solution = solution + step
        if np.abs(step).max() < 1e-6:
            break
    return solution


def main() -> None:
    cv2.setNumThreads(1)  # so that the processor's time is that of one core
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--truth", type=Path, nargs="+", default=[SAMPLES])
    options.add_argument("--fit", action="store_true")
    chosen = options.parse_args()
    folders = [path.parent for root in chosen.truth for path in sorted(root.glob("*/labels.png"))]
    if not folders:
        raise SystemExit("no scenes found: --truth must hold folders with photo.jpg and labels.png")
    scenes = [read(folder) for folder in folders]
    if chosen.fit:
        print(json.dumps(fit(scenes), indent=4))
        return
    rows: dict[str, list[dict[str, float]]] = {}
    for scene in scenes:
        for case in cases(scene):
            rows.setdefault(case.name, []).append(measure(scene, case, one_hot(case.found)))
    if not rows:
        raise SystemExit("no wrong part was found in any scene: --truth must hold true label maps")
    _report(rows)


def _report(rows: dict[str, list[dict[str, float]]]) -> None:
    every = [row for listed in rows.values() for row in listed]
    titles = ("count", "repaired", "worst 10%", "broken", "worst 10%", "IoU before", "after", "ms")
    print(f"{'':30}" + "".join(f"{title:>11}" for title in titles))
    for name, listed in {**rows, "all": every}.items():
        column = {key: np.array([row[key] for row in listed]) for key in listed[0]}
        values = (
            np.median(column["repaired"]),
            np.quantile(column["repaired"], 0.1),
            column["broken"].mean(),
            np.quantile(column["broken"], 0.9),
            column["iou_before"].mean(),
            column["iou_after"].mean(),
            np.median(column["ms"]),
        )
        print(f"{name:30}{len(listed):11d}" + "".join(f"{value:11.4f}" for value in values))
    repaired = float(np.median([row["repaired"] for row in every]))
    broken = float(np.mean([row["broken"] for row in every]))
    milliseconds = float(np.median([row["ms"] for row in every]))
    bars = {
        "repaired": {"value": round(repaired, 4), "bar": REPAIRED_BAR},
        "broken": {"value": round(broken, 5), "bar": BROKEN_BAR},
        "milliseconds": {"value": round(milliseconds, 1), "bar": MILLISECONDS_BAR},
    }
    for name, entry in bars.items():
        over = entry["value"] >= entry["bar"]
        entry["ok"] = over if name == "repaired" else not over
    print(json.dumps({"bench": "corrections", "bars": bars}))


if __name__ == "__main__":
    main()
