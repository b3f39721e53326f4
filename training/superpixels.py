"""Fits the superpixel classifier on scenes with true labels; writes imaging/parser/coefficients.py.

    python training/superpixels.py SCENES [--out FILE]

SCENES holds a folder for each scene with photo.jpg and labels.png (an 8-bit map of
`imaging/labels.py`). Takes about 6 minutes and 3 GB for 134 scenes on two cores; the same scenes
give the same table.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import regression
from dressform.imaging import labels, parse, pictures
from dressform.imaging.parser import classifier, context, cues, foreground, superpixels

OUT = Path(__file__).parents[1] / "imaging" / "parser" / "coefficients.py"
# Weak, picked by hand: rows outnumber weights by hundreds.
PENALTY = 6e-4
ROUNDS, FOLDS = 2, 3
# Plain background is most of a photo and easy: a fifth of its patches, each counted five times.
EASY, KEPT = 0.98, 5
# Background counts less than figure, so that small mannequins are not voted down.
BACKGROUND_MASS = 0.4
# Figures smaller than this, in pixels of the working copy, count less than others.
LEAST_FIGURE_PX = 2000.0
HEAD = '''"""Weights of the superpixel classifier, fitted on rendered photos of mannequins."""

# Multinomial logistic regression, L2 penalty {penalty:g}, by training/superpixels.py on the {count}
# training scenes of the project's rendered benchmark (no photograph of a person or product is in
# them); rounds after the first see out-of-fold answers of the round before. One row per cue: mean,
# sigma, then the weights for background, garment, mannequin, support, interior. See cues.py,
# context.py.
'''


class Example(NamedTuple):
    """A scene, measured, with the true shares of the labels in every superpixel.

    Attributes:
        name: Of its folder.
        image: (H, W, 3) uint8, the working copy.
        scene: See `cues.measure`.
        truth: (count, 5) shares of background to interior; clutter counts as background.
        label_map: (H, W) uint8, the truth by pixel.
    """

    name: str
    image: np.ndarray
    scene: cues.Scene
    truth: np.ndarray
    label_map: np.ndarray


def read(folder: Path) -> list[Example]:
    """Measures every scene of a folder, in the order of their names."""
    found = []
    for path in sorted(folder.glob("*/labels.png")):
        image = parse.working_copy(pictures.open_picture(path.parent / "photo.jpg"))
        exact = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        truth = cv2.resize(exact, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        truth[truth == labels.CLUTTER] = labels.BACKGROUND
        patches = superpixels.partition(image)
        scene = cues.measure(image, patches, foreground.find(image))
        shares = np.stack([patches.mean(truth == label) for label in range(labels.CLUTTER)], 1)
        found.append(Example(path.parent.name, image, scene, shares, truth))
    if not found:
        raise SystemExit(f"no scenes found: {folder} must hold folders with photo.jpg, labels.png")
    return found


def learn(examples: list[Example]) -> tuple[list[regression.Model], list[np.ndarray], list]:
    """Fits all rounds.

    Returns:
        The models, the out-of-fold posterior of every example after the last round, and the names
        of each round's cues.
    """
    folds = np.random.default_rng(0).permutation(len(examples)) % FOLDS
    before: list[np.ndarray | None] = [None] * len(examples)
    models, names = [], []
    for turn in range(ROUNDS):
        tables = [_table(e, posterior) for e, posterior in zip(examples, before, strict=True)]
        names.append(tables[0][0])
        values = [table for _, table in tables]
        after: list[np.ndarray] = [np.empty(0)] * len(examples)
        for fold in range(FOLDS):
            model = _fit(examples, values, np.flatnonzero(folds != fold))
            for index in np.flatnonzero(folds == fold):
                after[index] = regression.predict(model, values[index])
        models.append(_fit(examples, values, np.arange(len(examples))))
        scores = [overlap(e, p) for e, p in zip(examples, after, strict=True)]
        print(f"round {turn + 1}: garment IoU out of fold {np.mean(scores):.4f}", flush=True)
        before = list(after)
    return models, [p for p in before if p is not None], names


def overlap(example: Example, posterior: np.ndarray) -> float:
    """Returns the garment's IoU in superpixels; the garment's inside may count either way."""
    areas, truth = example.scene.patches.areas, example.truth
    chosen = posterior.argmax(1) == labels.GARMENT
    both = (areas * truth[:, labels.GARMENT])[chosen].sum()
    union = (areas * (1 - truth[:, labels.INTERIOR]))[chosen].sum()
    union += (areas * truth[:, labels.GARMENT])[~chosen].sum()
    return float(both / max(union, 1.0))


def _table(example: Example, posterior: np.ndarray | None) -> tuple[tuple[str, ...], np.ndarray]:
    scene = example.scene
    if posterior is None:
        return scene.names, scene.cues
    names, more = context.measure(scene, posterior)
    return scene.names + names, np.concatenate([scene.cues, more], 1)


def _fit(examples, values, chosen: np.ndarray) -> regression.Model:
    tables, truths, masses = [], [], []
    for index in chosen:
        truth, areas = examples[index].truth, examples[index].scene.patches.areas
        easy = truth[:, labels.BACKGROUND] > EASY
        kept = ~easy | (np.random.default_rng(int(index)).random(len(truth)) < 1 / KEPT)
        figure = (areas * (1 - truth[:, labels.BACKGROUND])).sum()
        mass = areas / max(figure, LEAST_FIGURE_PX)
        mass = mass * (1 - (1 - BACKGROUND_MASS) * truth[:, labels.BACKGROUND])
        mass = mass * np.where(easy, KEPT, 1)
        tables.append(values[index][kept])
        truths.append(truth[kept])
        masses.append(mass[kept])
    return regression.fit(
        np.concatenate(tables),
        np.concatenate(truths),
        np.concatenate(masses),
        penalty=PENALTY,
        limit=classifier.LIMIT_SIGMA,
    )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("scenes", type=Path)
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    examples = read(chosen.scenes)
    models, _, names = learn(examples)
    lines = [HEAD.format(penalty=PENALTY, count=len(examples)).rstrip("\n")]
    for turn, (model, cue_names) in enumerate(zip(models, names, strict=True)):
        lines += [f"_ROUND_{turn + 1} = {{", *regression.rows(model, cue_names), "}"]
    lines += [f"ROUNDS = ({', '.join(f'_ROUND_{turn + 1}' for turn in range(ROUNDS))},)", ""]
    chosen.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
