"""Measures the parser against exact label maps.

    python bench/parsing.py [--truth FOLDER]

FOLDER holds a folder for each scene with photo.jpg and labels.png; the shipped samples by default.
Garment IoU leaves the garment's inside out, as keeping or dropping it are both defensible.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
from dressform.imaging import labels, parse, pictures

GARMENT_IOU_BAR = 0.72
SAMPLES = Path(__file__).parents[1] / "samples"


def iou(found: np.ndarray, true: np.ndarray, counted: np.ndarray) -> float:
    """Returns intersection over union of two (H, W) bool masks where `counted`; 1 if both empty."""
    union = ((found | true) & counted).sum()
    return float(((found & true) & counted).sum() / union) if union else 1.0


def measure(scene: Path) -> dict[str, float]:
    """Returns garment and mannequin IoU, confidence and seconds of one scene."""
    photo = pictures.open_picture(scene / "photo.jpg")
    truth = cv2.imread(str(scene / "labels.png"), cv2.IMREAD_UNCHANGED)
    start = time.perf_counter()
    parsing = parse.parse(photo)
    seconds = time.perf_counter() - start
    counted = truth != labels.INTERIOR
    body = (truth == labels.MANNEQUIN) | (truth == labels.SUPPORT)
    return {
        "garment_iou": iou(parsing.garment, truth == labels.GARMENT, counted),
        "mannequin_iou": iou(parsing.mannequin | parsing.support, body, counted),
        "confidence": parsing.confidence,
        "seconds": seconds,
    }


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--truth", type=Path, default=SAMPLES)
    scenes = [path.parent for path in sorted(options.parse_args().truth.glob("*/labels.png"))]
    if not scenes:
        raise SystemExit("no scenes found: --truth must hold folders with photo.jpg and labels.png")
    rows = {scene.name: measure(scene) for scene in scenes}
    columns = list(next(iter(rows.values())))
    mean = {name: float(np.mean([row[name] for row in rows.values()])) for name in columns}
    print(f"{'scene':14}" + "".join(f"{name:>15}" for name in columns))
    for name, row in {**rows, "mean": mean}.items():
        print(f"{name:14}" + "".join(f"{row[column]:15.3f}" for column in columns))
    value = round(mean["garment_iou"], 4)
    bar = {"value": value, "bar": GARMENT_IOU_BAR, "ok": value >= GARMENT_IOU_BAR}
    print(json.dumps({"bench": "parsing", "bars": {"garment_iou": bar}}))


if __name__ == "__main__":
    main()
