"""Measures how often the lint is right: on tagged scenes, and on photos damaged by known amounts.

    python bench/lint.py [--truth FOLDER] [--parsed] [--every N]

FOLDER holds a folder for each scene with photo.jpg, labels.png and, for its tags, meta.json; the
shipped samples by default. A finding counts where it warns or fails. Damaged photos shall have it,
the same photos as they came shall not. --parsed takes the parser's label maps, not the exact ones.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import degradations
import numpy as np
import scores
from dressform.imaging import labels, parse, pictures
from dressform.imaging.parsing import Parsing
from dressform.quality.lint import inspection, limits, shot
from tqdm import tqdm

SAMPLES = Path(__file__).parents[1] / "samples"
# Own bars: the mean over all rows of the table.
PRECISION_BAR, RECALL_BAR = 0.85, 0.85
EXACT = 0.95  # confidence of an exact label map

Picture = np.ndarray


class Damage(NamedTuple):
    """A known damage and the finding it shall lead to; labels move with the photo."""

    finding: str
    name: str
    photo: Callable[[Picture], Picture]
    label_map: Callable[[Picture], Picture] = lambda label_map: label_map


class Tally(NamedTuple):
    """How many of the photos that have a fault were found, and how many that have none."""

    hits: int
    misses: int
    false_alarms: int

    @property
    def precision(self) -> float | None:
        """None where nothing was found."""
        found = self.hits + self.false_alarms
        return self.hits / found if found else None

    @property
    def recall(self) -> float | None:
        """None where nothing is to be found."""
        wanted = self.hits + self.misses
        return self.hits / wanted if wanted else None


# What a scene's tags say about it.
TAGGED = {
    "mannequin_contrast": ("low_contrast_mannequin",),
    "backdrop_contrast": ("low_contrast_background",),
    "unrest": ("busy_background",),
    "clutter": ("clutter",),
    "cast": ("warm_light",),
}
DAMAGES = (
    Damage("blur", "sigma 2 px", lambda photo: cv2.GaussianBlur(photo, (0, 0), 2.0)),
    Damage("blur", "sigma 3 px", lambda photo: cv2.GaussianBlur(photo, (0, 0), 3.0)),
    Damage("noise", "6 levels", lambda photo: degradations.noisy(photo, 6)),
    Damage("noise", "12 levels", lambda photo: degradations.noisy(photo, 12)),
    Damage("compression", "quality 25", lambda photo: degradations.compressed(photo, 25)),
    Damage("compression", "quality 10", lambda photo: degradations.compressed(photo, 10)),
    Damage("brightness", "-2 EV", lambda photo: degradations.exposed(photo, -2)),
    Damage("brightness", "-3 EV", lambda photo: degradations.exposed(photo, -3)),
    Damage(
        "tilt",
        "8 degrees",
        lambda photo: degradations.turned(photo, 8),
        lambda label_map: degradations.turned(label_map, 8),
    ),
)
LIMITS = limits.load()
CUT_SHARE = 0.1  # of the garment's width, taken off at its left


def tally(found: list[bool], wanted: list[bool]) -> Tally:
    """Counts hits, misses and false alarms of answers to what was wanted."""
    pairs = list(zip(found, wanted, strict=True))
    return Tally(
        sum(one and other for one, other in pairs),
        sum(other and not one for one, other in pairs),
        sum(one and not other for one, other in pairs),
    )


def finds(finding: str, photo: Picture, parsing: Parsing) -> bool | None:
    """Tells whether the finding warns or fails; None where it could not be measured."""
    known = LIMITS[finding]
    value = inspection.MEASURES[finding](shot.take(photo, parsing)).value
    if value is None:
        return None
    return known.state(value * (inspection.PERCENT if known.unit == "%" else 1)) != "pass"


def examine(photo: Picture, label_map: Picture, parsed: bool) -> dict[tuple[str, str], bool | None]:
    """Returns the answers for one scene: (finding, "" for as it came or the damage's name)."""

    def parsing(picture: Picture, exact: Picture) -> Parsing:
        return parse.parse(picture) if parsed else Parsing(exact, confidence=EXACT)

    whole = parsing(photo, label_map)
    names = dict.fromkeys([*TAGGED, *(damage.finding for damage in DAMAGES), "cropping"])
    answers = {(name, ""): finds(name, photo, whole) for name in names}
    if _at_frame(label_map):
        answers["cropping", ""] = None  # rightly found, whatever else is cut off
    for damage in DAMAGES:
        picture, exact = damage.photo(photo), damage.label_map(label_map)
        answers[damage.finding, damage.name] = finds(
            damage.finding, picture, parsing(picture, exact)
        )
    cut = slice(_cut_column(label_map), None)
    picture, exact = photo[:, cut].copy(), label_map[:, cut].copy()
    answers["cropping", "a tenth cut off"] = finds("cropping", picture, parsing(picture, exact))
    return answers


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--truth", type=Path, default=SAMPLES, metavar="FOLDER")
    options.add_argument("--parsed", action="store_true", help="use the parser's label maps")
    options.add_argument("--every", type=int, default=1, metavar="N", help="each N-th scene only")
    chosen = options.parse_args()
    folders = [path.parent for path in sorted(chosen.truth.glob("*/labels.png"))][:: chosen.every]
    if not folders:
        raise SystemExit("no scenes found: --truth must hold folders with photo.jpg and labels.png")
    answers, tags = [], []
    for folder in tqdm(folders, unit="scene", disable=None):
        label_map = cv2.imread(str(folder / "labels.png"), cv2.IMREAD_UNCHANGED)
        photo = pictures.open_picture(folder / "photo.jpg")
        answers.append(examine(photo, label_map, chosen.parsed))
        told = folder / "meta.json"
        meta = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
        tags.append(meta.get("tags"))
    rows = {**_tagged(answers, tags), **_damaged(answers)}
    print(f"{'finding':20}{'truth':28}{'n':>5}{'precision':>11}{'recall':>9}")
    for (finding, truth), counted in rows.items():
        cells = f"{_cell(counted.precision):>11}{_cell(counted.recall):>9}"
        print(f"{finding:20}{truth:28}{counted.hits + counted.misses:5}{cells}")
    bars = {}
    for name, limit in (("precision", PRECISION_BAR), ("recall", RECALL_BAR)):
        value = scores.mean([getattr(counted, name) for counted in rows.values()]) or 0.0
        bars[name] = {"value": round(value, 4), "bar": limit, "ok": value >= limit}
    print(json.dumps({"bench": "lint", "scenes": len(folders), "bars": bars}))


def _tagged(answers: list[dict], tags: list[list[str] | None]) -> dict[tuple[str, str], Tally]:
    rows = {}
    for finding, names in TAGGED.items():
        known = [
            (answer[finding, ""], any(name in told for name in names))
            for answer, told in zip(answers, tags, strict=True)
            if told is not None and answer[finding, ""] is not None
        ]
        if any(wanted for _, wanted in known):
            found, wanted = zip(*known, strict=True)
            rows[finding, f"tag {' or '.join(names)}"] = tally(list(found), list(wanted))
    return rows


def _damaged(answers: list[dict]) -> dict[tuple[str, str], Tally]:
    """A photo that already has the finding as it came is a false alarm."""
    rows = {}
    for finding, name in (key for key in answers[0] if key[1]):
        whole = [answer[finding, ""] for answer in answers if answer[finding, ""] is not None]
        broken = [answer[finding, name] for answer in answers if answer[finding, name] is not None]
        wanted = [False] * len(whole) + [True] * len(broken)
        rows[finding, name] = tally(whole + broken, wanted)
    return rows


def _cut_column(label_map: Picture) -> int:
    columns = np.flatnonzero((label_map == labels.GARMENT).any(axis=0))
    if not len(columns):
        return 0
    return int(columns[0] + CUT_SHARE * (columns[-1] - columns[0]))


def _at_frame(label_map: Picture) -> bool:
    garment = label_map == labels.GARMENT
    return bool(garment[[0, -1]].any() or garment[:, [0, -1]].any())


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
