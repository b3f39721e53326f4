"""Fits what shapes tell, and how far to trust a parsing; writes parser/conclusions.py.

    python training/assessment.py SCENES ... [--out FILE]

SCENES hold a folder for each scene with photo.jpg, labels.png and meta.json (mannequin_type,
garment, view). Kind, region and view are learned from the true label maps, as they are wanted where
masks were drawn by hand. The confidence is learned from what the network says of photos that it has
not seen and that were spoiled besides, so run this after training/parser.py, with the same scenes.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import augment
import dataset
import numpy as np
import regression
from dressform.imaging import labels, masks
from dressform.imaging.parser import assessment, figures, measures, network

OUT = Path(__file__).parents[1] / "imaging" / "parser" / "conclusions.py"
KINDS = ("full", "headless", "armless", "dressform", "ghost", "legs", "hanger", "flatlay")
REGIONS = ("upper", "lower", "dress")
VIEWS = ("front", "back", "three-quarter")
# Picked by hand among powers of about three, by likelihood and accuracy out of fold; for the
# confidence, which has three weights, it hardly matters.
PENALTY = {"kind": 3e-3, "region": 1e-2, "view": 3e-2, "confidence": 1e-3}
FOLDS = 10
# The overlap that a merchant is content with.
GOOD = 0.9
# Every map is measured again in this many tighter frames.
CROPS = 3
# True garments alone, as in masks drawn by hand, count a quarter.
ALONE_MASS = 0.25
# Spoiled photos of every scene that the confidence is learned from, and their size.
SPOILED, SPOILED_SIZE = 6, (512, 384)
HEAD = '''"""Weights of the conclusions from a label map, fitted on rendered mannequin photos."""

# Multinomial logistic regression by training/assessment.py on {count} scenes. One row per
# measurement: mean, sigma, then the weight for every name. See measures.py, assessment.py.
# Right out of fold: {accuracy}.
# ruff: noqa: E501
# fmt: off
'''


class Measured(NamedTuple):
    """Rows to learn from.

    Attributes:
        scene: (rows,) index of the scene.
        values: (rows, n) measurements.
        mass: (rows,) how much a row counts.
        original: (rows,) bool, the map in its own frame, on which accuracy is told.
        alone: (rows,) bool, only the garment is labelled, as in a mask drawn by hand.
    """

    scene: np.ndarray
    values: np.ndarray
    mass: np.ndarray
    original: np.ndarray
    alone: np.ndarray


def answers(folder: Path) -> tuple[str, str, str]:
    """Returns the true kind, region and view of a scene."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    garment = meta["garment"]
    lower = garment in ("skirt", "trousers")
    region = "lower" if lower else "dress" if garment.startswith("dress") else "upper"
    return meta["mannequin_type"], region, meta["view"].replace("_", "-")


def measure(maps: list[np.ndarray]) -> tuple[tuple[str, ...], Measured]:
    """Measures label maps, whole and cropped."""
    names: tuple[str, ...] = ()
    rows = []
    for index, true in enumerate(maps):
        draw = np.random.default_rng(index)
        frames = [(1.0, true), *((1 / CROPS, _crop(true, draw)) for _ in range(CROPS))]
        alone = np.where(true == labels.GARMENT, true, labels.BACKGROUND)
        frames.append((ALONE_MASS, alone))
        for mass, label_map in frames:
            found = measures.measure(label_map)
            if found:
                names = tuple(found)
                bare = label_map is alone
                rows.append((index, list(found.values()), mass, label_map is true, bare))
    return names, Measured(*(np.array(column) for column in zip(*rows, strict=True)))


def learn(
    rows: Measured, truth: list[str], classes: tuple[str, ...], penalty: float
) -> tuple[regression.Model, float]:
    """Returns the model of all scenes, and its accuracy out of fold; "" in truth is left out."""
    named = [truth[index] for index in rows.scene]
    if classes == KINDS:
        # Without its mannequin a garment is a ghost, whatever it was photographed on.
        named = ["ghost" if alone else n for n, alone in zip(named, rows.alone, strict=True)]
    known = np.array([name in classes for name in named])
    target = np.array([[given == name for name in classes] for given in named], float)
    folds = np.random.default_rng(1).permutation(len(truth)) % FOLDS
    fold = folds[rows.scene]
    right = []
    for left_out in range(FOLDS):
        seen, unseen = known & (fold != left_out), known & (fold == left_out) & rows.original
        model = _fit(rows, target, seen, penalty)
        odds = regression.predict(model, rows.values[unseen])
        right += (odds.argmax(1) == target[unseen].argmax(1)).tolist()
    return _fit(rows, target, known, penalty), float(np.mean(right))


def _fit(rows: Measured, target: np.ndarray, chosen: np.ndarray, penalty: float):
    return regression.fit(
        rows.values[chosen],
        target[chosen],
        rows.mass[chosen],
        penalty=penalty,
        limit=assessment.LIMIT_SIGMA,
    )


def _crop(label_map: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Draws a tighter frame: sides and top keep the figure, the bottom may cut all but the garment.

    A frame in seven cuts the garment's last fifth too.
    """
    whole, garment = masks.bounds(label_map > 0), masks.bounds(label_map == labels.GARMENT)
    if whole is None or garment is None:
        return label_map
    height, width = label_map.shape
    top, left = (int(draw.integers(0, max(1, edge))) for edge in (whole.top, whole.left))
    right = int(draw.integers(whole.right, width + 1))
    least = min(garment.bottom + 3, height)
    if draw.random() < 1 / 7:
        least = garment.top + int(0.8 * garment.height)
    return label_map[top : int(draw.integers(least, height + 1)), left:right]


def calibrate(scenes: list[augment.Scene]) -> tuple[tuple[str, ...], regression.Model, str]:
    """Fits the confidence to the true overlap; returns also how good that is out of fold."""
    names: tuple[str, ...] = ()
    values, overlaps, fold = [], [], []
    patterns = augment.textures(60, np.random.default_rng(0))
    for index, scene in enumerate(scenes):
        for turn in range(SPOILED):
            draw = np.random.default_rng([index, turn])
            spoiled = augment.picture(scene, scenes, patterns, SPOILED_SIZE, draw)
            reading = network.read(spoiled.image)
            look = network.look(spoiled.image, reading.shares)
            shares = assessment.without_impossible(reading.shares, assessment.kind(look.kind))
            shares, _ = figures.single_out(shares)
            found = assessment.trust(shares, reading.agreement, look)
            names = tuple(found)
            values.append(list(found.values()))
            garment, true = shares.argmax(-1) == labels.GARMENT, spoiled.label_map
            counted = (true != labels.INTERIOR) & (true != augment.IGNORED)
            either = (garment | (true == labels.GARMENT)) & counted
            overlaps.append((garment & (true == labels.GARMENT)).sum() / max(1, either.sum()))
            fold.append(index % FOLDS)
    table, share = np.array(values), np.array(overlaps)
    target, mass = np.stack([1 - share, share], 1), np.ones(len(share))
    folds, told = np.array(fold), np.zeros(len(share))
    options = {"penalty": PENALTY["confidence"], "limit": assessment.LIMIT_SIGMA}
    for fold in range(FOLDS):
        seen = folds != fold
        model = regression.fit(table[seen], target[seen], mass[seen], **options)
        told[~seen] = regression.predict(model, table[~seen])[:, 1]
    text = f"confidence off by {np.abs(told - share).mean():.3f} on average, "
    text += f"correlation {np.corrcoef(told, share)[0, 1]:.2f}, "
    good, bad = told[share >= GOOD], told[share < GOOD]
    order = np.mean([(bad < one).mean() for one in good])
    text += f"area under the curve at {GOOD} {order:.2f} ({len(bad)} below)"
    return names, regression.fit(table, target, mass, **options), text


def conclude(folders: list[Path]) -> str:
    """Returns the text of imaging/parser/conclusions.py."""
    names, rows = measure([dataset.read(folder).label_map for folder in folders])
    truth = [answers(folder) for folder in folders]
    kinds, regions, views = ([t[i] for t in truth] for i in range(3))
    # Flat and hanging garments are never turned, whatever the camera did.
    turned = [
        v if k not in ("hanger", "flatlay") else "" for k, v in zip(kinds, views, strict=True)
    ]
    lines, told = [], []
    for name, true, classes in (
        ("kind", kinds, KINDS),
        ("region", regions, REGIONS),
        ("view", turned, VIEWS),
    ):
        model, accuracy = learn(rows, true, classes, PENALTY[name])
        told.append(f"{name} {accuracy:.2f}")
        lines += [f"_{name.upper()} = {{", *regression.rows(model, names), "}"]
        lines += [f"{name.upper()} = ({json.dumps(classes)[1:-1]}), _{name.upper()}"]
    names, model, text = calibrate(
        [dataset.read(folder) for folder in folders if dataset.validates(folder)]
    )
    lines += [
        "# The weights are for the shares of the garment mask that are wrong and right; out of"
    ]
    lines += [f"# fold the {text}.", "CONFIDENCE = {", *regression.rows(model, names), "}", ""]
    print(", ".join(told), text, sep="\n")
    head = HEAD.format(count=len(folders), accuracy=", ".join(told))
    return head + "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("scenes", type=Path, nargs="+")
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    folders = [path.parent for root in chosen.scenes for path in sorted(root.glob("*/meta.json"))]
    chosen.out.write_text(conclude(folders), encoding="utf-8")


if __name__ == "__main__":
    main()
