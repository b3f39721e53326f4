"""Measures the quality check: harms it must find, and harmless changes it must let pass.

    python bench/quality.py [--truth FOLDER] [--flat FOLDER] [--every N] [--only ROW] [--fast]

FOLDER holds a folder for each scene with photo.jpg, labels.png, keypoints.json and, for some,
model.jpg (a person in the garment) and clean.jpg (the garment alone), all with the garment in the
same place; the shipped samples by default. --flat takes photos of garments that lie or hang; the
parser finds the garment in them. Every picture is harmed by known amounts from fixed seeds and
compared with itself as it came. AUC is how often a harmed picture scores above one that was
changed without harm, over all pictures; what could not be measured counts as 0 on both sides.
--fast leaves out time and memory.
"""

import argparse
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import harms
import numpy as np
import quality_cost
import resources
import scores
from dressform.imaging import labels, masks, parse, pictures
from dressform.imaging.parsing import Parsing
from dressform.quality import tiles, verdict
from harms import Case, Harm, Subject
from tqdm import tqdm

SAMPLES = Path(__file__).parents[1] / "samples"
EXACT = 0.95  # confidence of an exact label map
LEAST_GARMENT = 0.03  # of a flat photo; less is not found
VS = "_vs_baseline"
NOT_SOFT = tuple(name for name in harms.harmless() if name != "blur 1 px")
ALL = tuple(harms.harmless())


class Row(NamedTuple):
    """A harm, the check that shall find it, what it must be told from, and the bar."""

    check: str
    harm: Harm
    against: tuple[str, ...]
    bar: float


ROWS = {
    "veil 5 %": Row("veil" + VS, harms.veil(0.05), ALL, 0.95),
    "veil 10 %": Row("veil" + VS, harms.veil(0.10), ALL, 0.99),
    "veil 20 %": Row("veil" + VS, harms.veil(0.20), ALL, 0.9995),
    "sleeve 3 px": Row("outline" + VS, harms.pushed(3), NOT_SOFT, 0.90),
    "sleeve 6 px": Row("outline" + VS, harms.pushed(6), NOT_SOFT, 0.95),
    "edge soft 1.5 px": Row("edge" + VS, harms.softened(1.5), NOT_SOFT, 0.97),
    "texture wiped": Row("texture" + VS, harms.wiped, NOT_SOFT, 0.90),
    "blur 1 px, moved": Row("texture" + VS, harms.blurred_and_moved, NOT_SOFT, 0.95),
    "seam 1 %": Row("seam", harms.seam(0.01), ALL, 0.85),
    "seam 2 %": Row("seam", harms.seam(0.02), ALL, 0.93),
    "seam 4 %": Row("seam", harms.seam(0.04), ALL, 0.97),
    "residue neck": Row("residue", harms.left_over("neck"), ALL, 0.95),
    "residue stub": Row("residue", harms.left_over("stub"), ALL, 0.95),
    "residue stand": Row("residue", harms.left_over("stand"), ALL, 0.95),
    "leak dE 3, 0.5 %": Row("leak", harms.leak(3, 0.005), ALL, 0.98),
}
# Local veils, found tile by tile on pictures that are bent by 3 px as well.
MAPPED = {"veil map, half": "half", "veil map, garment": "garment"}
MAP_BAR, STRENGTH_BAR, FALSE_FAIL_BAR = 0.95, 0.02, 0.02
SECONDS_BAR, MEMORY_BAR_MB = 1.2, 600
MOST, LEAST = 0.9, 0.1  # share of a tile that is veiled, or is not


class Found(NamedTuple):
    """One picture's checks: value and state by name; the maps."""

    values: dict[str, float]
    states: dict[str, str]
    maps: dict[str, np.ndarray]


def generator(*names: str) -> np.random.Generator:
    """Returns the same random numbers for the same names."""
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))


def subjects(truth: Path, flat: Path | None, every: int) -> Iterator[Subject]:
    """Reads all pictures, one after the other."""
    for folder in [path.parent for path in sorted(truth.glob("*/labels.png"))][::every]:
        form = cv2.imread(str(folder / "labels.png"), cv2.IMREAD_UNCHANGED)
        told = folder / "keypoints.json"
        points = json.loads(told.read_text("utf-8"))["keypoints"] if told.exists() else []
        joints = {p["name"]: np.array((p["x"], p["y"])) for p in points}
        photo = pictures.open_picture(folder / "photo.jpg")
        garment = form == labels.GARMENT
        yield Subject(f"{folder.name}/photo", photo, garment, joints)
        for name in ("model", "clean"):
            if (folder / f"{name}.jpg").exists():
                picture = pictures.open_picture(folder / f"{name}.jpg")
                yield Subject(f"{folder.name}/{name}", picture, garment, joints, photo, form)
    for path in sorted(flat.glob("*.jpg"))[::every] if flat else ():
        picture = pictures.open_picture(path)
        garment = parse.parse(picture).garment
        if garment.mean() >= LEAST_GARMENT:
            yield Subject(path.stem, picture, garment, {})


def look(
    subject: Subject,
    result: np.ndarray,
    repainted: np.ndarray | None = None,
    only: Sequence[str] | None = None,
) -> Found:
    """Checks a result against the picture it came from, and against its mannequin photo."""
    if subject.form is None:
        source, label_map = None, np.where(subject.garment, labels.GARMENT, labels.BACKGROUND)
    else:
        source, label_map = subject.photo, subject.form
    parsing = Parsing(label_map.astype(np.uint8), confidence=EXACT, joints=_joints(subject))
    done = verdict.check(
        result,
        source,
        parsing,
        person=subject.picture,
        repaint_mask=repainted,
        garment_mask=subject.garment,
        baseline=subject.picture,
        only=only,
    )
    return Found(
        {one.name: one.value or 0.0 for one in done.checks},
        {one.name: one.state for one in done.checks},
        {name: found.severity for name, found in done.maps.items()},
    )


def tile_answers(found: np.ndarray, where: np.ndarray) -> list[tuple[float, bool]]:
    """Returns the map's mean in each tile that it knows, and whether the tile is veiled."""
    answers = []
    for tile in tiles.tiles(np.ones(found.shape, bool)):
        known, share = np.isfinite(found[tile]), where[tile].mean()
        if known.mean() >= 0.5 and not LEAST < share < MOST:
            answers.append((float(found[tile][known].mean()), bool(share >= MOST)))
    return answers


def examine(subject: Subject, rows: dict[str, Row], with_maps: bool) -> dict:
    """Returns every value of one picture by row and by harmless change."""
    repainted = {
        "leak": masks.grow(subject.garment, round(0.015 * len(subject.garment))),
        "seam": _case(subject, "seam 0", harms.seam(0)).repainted,
    }
    quiet: dict[str, Found] = {}
    for name, change in harms.harmless().items():
        result = change(subject.picture, generator(subject.id, name))
        quiet[name] = look(subject, result, repainted["leak"])._replace(maps={})
        if any(row.check == "seam" for row in rows.values()):
            seam = look(subject, result, repainted["seam"], only=("seam",))
            quiet[name].values["seam"] = seam.values["seam"]
    loud = {}
    for name, row in rows.items():
        case = row.harm(subject, generator(subject.id, name))
        if case is not None:
            found = look(subject, case.picture, case.repainted, only=(row.check,))
            loud[name] = found.values[row.check]
    answers = {}
    for name, over in MAPPED.items() if with_maps else ():
        case = _case(subject, name, harms.veil(0.10, over))
        rng = generator(subject.id, name, "bent")
        bent = [harms.bent(p, 3, rng) for p in (case.picture, subject.picture)]
        hazy, clear = (look(subject, p, only=("veil" + VS,)).maps.get("veil" + VS) for p in bent)
        if hazy is not None and clear is not None and case.where is not None:
            nowhere = np.zeros_like(case.where)
            answers[name] = tile_answers(hazy, case.where) + tile_answers(clear, nowhere)
    return {"id": subject.id, "quiet": quiet, "loud": loud, "tiles": answers}


def area_under_curve(examined: list[dict], name: str, row: Row) -> tuple[float | None, int]:
    """Returns the AUC of a row over all pictures, and how many were harmed."""
    harmed = [one["loud"][name] for one in examined if name in one["loud"]]
    spared = [
        one["quiet"][change].values.get(row.check, 0.0)
        for one in examined
        for change in row.against
        if name in one["loud"]
    ]
    wanted = [True] * len(harmed) + [False] * len(spared)
    return scores.auroc(harmed + spared, wanted), len(harmed)


def false_fails(examined: list[dict]) -> list[tuple[str, str, list[str]]]:
    """Returns the pictures, harmless changes and checks that failed though nothing is wrong."""
    found = []
    for one in examined:
        for change, seen in one["quiet"].items():
            failed = [name for name, state in seen.states.items() if state == "fail"]
            if failed:
                found.append((one["id"], change, failed))
    return found


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--truth", type=Path, default=SAMPLES, metavar="FOLDER")
    options.add_argument("--flat", type=Path, metavar="FOLDER")
    options.add_argument("--every", type=int, default=1, metavar="N", help="each N-th scene only")
    options.add_argument("--only", metavar="ROW", help="rows whose name begins like this")
    options.add_argument("--fast", action="store_true", help="without time and memory")
    options.add_argument("--keep", type=Path, metavar="FILE", help="write every value as JSON")
    chosen = options.parse_args()
    resources.keep_to_cores()
    rows = {n: row for n, row in ROWS.items() if n.startswith(chosen.only or "")}
    with_maps = (chosen.only or "veil") in "veil map"
    pool = subjects(chosen.truth, chosen.flat, chosen.every)
    examined = [examine(one, rows, with_maps) for one in tqdm(pool, unit="picture", disable=None)]
    if not examined:
        raise SystemExit("no scenes found: --truth must hold folders with photo.jpg and labels.png")
    if chosen.keep:
        chosen.keep.write_text(json.dumps([_plain(one) for one in examined]), "utf-8")
    bars = {}
    print(f"{'what':24}{'check':24}{'n':>5}{'value':>9}{'bar':>9}")

    def tell(
        name: str, check: str, count: int, value: float | None, bar: float | None, ok: bool
    ) -> None:
        shown, wanted = ("-" if v is None else f"{v:.3f}" for v in (value, bar))
        print(f"{name:24}{check:24}{count:5}{shown:>9}{wanted:>9}{'' if ok else '  MISSED'}")
        bars[name] = {"value": None if value is None else round(value, 4), "bar": bar, "ok": ok}

    for name, row in rows.items():
        value, count = area_under_curve(examined, name, row)
        if count:
            tell(name, row.check, count, value, row.bar, value is not None and value >= row.bar)
    for name in MAPPED if with_maps else ():
        known = [answer for one in examined for answer in one["tiles"].get(name, ())]
        value = scores.auroc([v for v, _ in known], [veiled for _, veiled in known])
        tell(name, "veil" + VS, len(known), value, MAP_BAR, value is not None and value >= MAP_BAR)
    if "veil 10 %" in rows:
        errors = [abs(one["loud"]["veil 10 %"] / 100 - 0.10) for one in examined]
        value = float(np.median(errors))
        tell("veil 10 %, error", "veil" + VS, len(errors), value, 0.02, value <= STRENGTH_BAR)
    wrong = false_fails(examined)
    count = len(examined) * len(ALL)
    share = len(wrong) / count
    tell("false fails", "default profile", count, share, FALSE_FAIL_BAR, share <= FALSE_FAIL_BAR)
    if not chosen.fast:
        first = next(path.parent for path in sorted(chosen.truth.glob("*/labels.png")))
        for name, (value, bar) in cost(first).items():
            tell(name, "all", 1, value, bar, bar is None or (value is not None and value <= bar))
    for id_, change, failed in wrong:
        print(f"  failed without harm: {id_}, {change}: {', '.join(failed)}")
    print(json.dumps({"bench": "quality", "pictures": len(examined), "bars": bars}))


def cost(scene: Path) -> dict[str, tuple[float | None, float | None]]:
    """Returns seconds, their ratio to a fixed piece of work, and memory, each with its bar."""
    result, source, parsing = quality_cost.pair(scene)
    seconds = resources.seconds(lambda photo: quality_cost.check(photo, source, parsing), result)
    reference = resources.seconds(quality_cost.reference, result)
    return {
        "seconds, 1536x2048": (seconds, SECONDS_BAR),
        "of the fixed work": (seconds / reference, None),
        "memory, MB": (resources.check_memory_mb(scene), MEMORY_BAR_MB),
    }


def _case(subject: Subject, name: str, harm: Harm) -> Case:
    case = harm(subject, generator(subject.id, name))
    assert case is not None  # noqa: S101 (these harms always apply)
    return case


def _joints(subject: Subject) -> np.ndarray | None:
    from dressform.imaging.pose import NAMES

    if not subject.joints:
        return None
    return np.array([(*subject.joints[name], 1.0) for name in NAMES], np.float32)


def _plain(one: dict) -> dict:
    quiet = {name: found.values for name, found in one["quiet"].items()}
    return {"id": one["id"], "quiet": quiet, "loud": one["loud"]}


if __name__ == "__main__":
    main()
