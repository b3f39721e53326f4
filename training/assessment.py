"""Fits kind, region, view and confidence on scenes with truth; writes parser/conclusions.py.

    python training/assessment.py SCENES [--out FILE]

SCENES holds a folder for each scene with photo.jpg, labels.png and meta.json (mannequin_type,
garment, view). The label maps that are measured come from classifiers that did not see the scene,
so this first repeats what training/superpixels.py does. Run that one before, with the same scenes.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import regression
import superpixels
from dressform.imaging import labels, masks
from dressform.imaging.parser import assessment, classifier, measures, split

OUT = Path(__file__).parents[1] / "imaging" / "parser" / "conclusions.py"
KINDS = ("full", "headless", "armless", "dressform", "ghost", "legs", "hanger", "flatlay")
REGIONS = ("upper", "lower", "dress")
VIEWS = ("front", "back", "three-quarter")
# Picked by hand among powers of about three, by likelihood and accuracy out of fold; for the
# confidence, which has three weights, it hardly matters.
PENALTY = {"kind": 3e-3, "region": 1e-2, "view": 3e-2, "confidence": 1e-3}
FOLDS = 10
# Every map is measured again in this many tighter frames.
CROPS = 3
# True label maps count half: corrected masks look like them, parsed ones less so. True garments
# alone, as in masks drawn by hand, count a quarter.
TRUE_MASS, ALONE_MASS = 0.5, 0.25
HEAD = '''"""Weights of the conclusions from a label map, fitted on rendered mannequin photos."""

# Multinomial logistic regression by training/assessment.py on the {count} training scenes of the
# project's rendered benchmark, parsed by classifiers that had not seen them. One row per
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
        original: (rows,) bool, the parsed map in its own frame, on which accuracy is told.
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


def measure(maps: list[tuple[np.ndarray, np.ndarray]]) -> tuple[tuple[str, ...], Measured]:
    """Measures parsed and true label maps, whole and cropped."""
    names: tuple[str, ...] = ()
    rows = []
    for index, (parsed, true) in enumerate(maps):
        draw = np.random.default_rng(index)
        frames = [(1.0, parsed), (TRUE_MASS, true)]
        for _ in range(CROPS):
            frames.append((1 / CROPS, _crop(parsed, draw)))
            frames.append((TRUE_MASS / CROPS, _crop(true, draw)))
        alone = np.where(true == labels.GARMENT, true, labels.BACKGROUND)
        frames.append((ALONE_MASS, alone))
        for mass, label_map in frames:
            found = measures.measure(label_map)
            if found:
                names = tuple(found)
                bare = label_map is alone
                rows.append((index, list(found.values()), mass, label_map is parsed, bare))
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
        limit=classifier.LIMIT_SIGMA,
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


def calibrate(examples, posteriors, maps) -> tuple[tuple[str, ...], regression.Model, str]:
    """Fits the confidence to the true overlap; returns also how good that is out of fold."""
    names: tuple[str, ...] = ()
    values, overlaps = [], []
    for example, posterior, (parsed, true) in zip(examples, posteriors, maps, strict=True):
        expected = assessment.expected_iou(example.scene.patches.areas, posterior)
        found = assessment.trust(parsed, example.scene.figure, expected)
        names = tuple(found)
        values.append(list(found.values()))
        garment, counted = parsed == labels.GARMENT, true != labels.INTERIOR
        both = garment & (true == labels.GARMENT)
        either = (garment | (true == labels.GARMENT)) & counted
        overlaps.append(both.sum() / max(1, either.sum()))
    table, share = np.array(values), np.array(overlaps)
    target, mass = np.stack([1 - share, share], 1), np.ones(len(share))
    folds = np.random.default_rng(1).permutation(len(share)) % FOLDS
    told = np.zeros(len(share))
    options = {"penalty": PENALTY["confidence"], "limit": classifier.LIMIT_SIGMA}
    for fold in range(FOLDS):
        seen = folds != fold
        model = regression.fit(table[seen], target[seen], mass[seen], **options)
        told[~seen] = regression.predict(model, table[~seen])[:, 1]
    text = f"confidence off by {np.abs(told - share).mean():.3f} on average, "
    text += f"correlation {np.corrcoef(told, share)[0, 1]:.2f}"
    return names, regression.fit(table, target, mass, **options), text


def conclude(folder: Path, examples, posteriors) -> str:
    """Returns the text of imaging/parser/conclusions.py."""
    maps = [
        (split.label_map(split.shares(example.scene, posterior)), example.label_map)
        for example, posterior in zip(examples, posteriors, strict=True)
    ]
    names, rows = measure(maps)
    truth = [answers(folder / example.name) for example in examples]
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
    names, model, text = calibrate(examples, posteriors, maps)
    lines += [
        "# The weights are for the shares of the garment mask that are wrong and right; out of"
    ]
    lines += [f"# fold the {text}.", "CONFIDENCE = {", *regression.rows(model, names), "}", ""]
    print(", ".join(told), text, sep="\n")
    head = HEAD.format(count=len(examples), accuracy=", ".join(told))
    return head + "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("scenes", type=Path)
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    examples = superpixels.read(chosen.scenes)
    _, posteriors, _ = superpixels.learn(examples)
    chosen.out.write_text(conclude(chosen.scenes, examples, posteriors), encoding="utf-8")


if __name__ == "__main__":
    main()
