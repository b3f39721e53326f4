"""Counts pixels that change outside of the mask, by both engine families, at random sizes.

    python bench/paste_back.py [--runs N] [--seed N]

Each run draws a size and a batch of 1 to 4 pictures, each with its own repaint mask. `warp` is the
real engine on a sample, resized; `diffusion` is the real frame around a simulator of an engine,
which paints noise over every pixel of its crop; loading, ranking and the report are left out. A
pixel is outside where the returned mask or the allowed one is 0; it is counted here, not taken
from the report.
"""

import argparse
import functools
import json
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import cv2
import numpy as np
import resources
from dressform.imaging import parse, pictures
from dressform.imaging.parsing import Parsing
from dressform.inference import engine, painting, request, residency
from dressform.inference.order import Order
from dressform.inference.painter import Spec

SAMPLES = Path(__file__).parents[1] / "samples"
FAMILIES = ("warp", "diffusion")
# Longest side of each class, and its share of the runs.
CLASSES = {"small": (64, 512, 0.8), "medium": (513, 1500, 0.16), "large": (1501, 3000, 0.04)}
NAME = "flux2-klein"
SPEC = Spec(pixels=256 * 256, multiple=16, steps=1, guidance=1.0, references=3)


def outside(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> tuple[int, int]:
    """Returns how many pixels lie outside of the mask, and how many of these differ."""
    kept = mask == 0
    return int(kept.sum()), int((before[kept] != after[kept]).any(1).sum())


def ask(size: tuple[int, int], rng: np.random.Generator) -> engine.TryOnRequest:
    """Returns a sample person at a size, with a sample garment and a random repaint mask."""
    photo, garment, parsing = samples()
    person = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)
    return request.prepare(
        person,
        garment,
        parsing.garment.astype(np.float32),
        garment_parsing=parsing,
        repaint_mask=blot(size, rng),
    )


@functools.cache
def samples() -> tuple[np.ndarray, np.ndarray, Parsing]:
    """Returns a person, a garment and the garment's parsing."""
    person, garment = (
        pictures.open_picture(SAMPLES / name) for name in ("person.jpg", "flat_tee.jpg")
    )
    return person, garment, parse.parse(garment)


def blot(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Returns a random mask, (H, W) float32: an ellipse that may pass the edge, with crumbs."""
    height, width = size
    mask = np.zeros(size, np.float32)
    middle = int(rng.uniform(0.2, 0.8) * width), int(rng.uniform(0.2, 0.8) * height)
    axes = int(rng.uniform(0.2, 0.6) * width), int(rng.uniform(0.2, 0.6) * height)
    cv2.ellipse(mask, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    mask[rng.integers(0, height, 9), rng.integers(0, width, 9)] = 1
    return mask


def dress(family: str, asked: engine.TryOnRequest, seed: int):
    """Returns the picture and the returned mask of one family."""
    if family == "warp":
        made = engine.load("warp").run(asked, lambda done, total: None)
        return made.image, made.repainted

    def paint(cleared, order, crop, host, progress):
        noise = np.random.default_rng(seed).integers(0, 256, crop.image.shape, np.uint8)
        return residency.Run([noise], None, {})

    cleared = painting.Cleared(NAME, engine.TRY_ON, {})
    with (
        mock.patch.object(painting.residency, "paint", paint),
        mock.patch.object(engine, "module", return_value=SimpleNamespace(SPEC=SPEC)),
        mock.patch.object(painting, "report", mock.MagicMock()),
        mock.patch.object(painting.parse, "parse", lambda image: Parsing(image[..., 0] * 0)),
    ):
        order = Order(engine=NAME, usage="research", seed=seed)
        made = painting.dress(order, asked, None, progress=lambda d, t: None, cleared=cleared)
    return made.images[0], made.repainted


def measure(family: str, size: tuple[int, int], batch: int, seed: int) -> tuple[int, int]:
    """Returns pixels outside and changed, of a whole batch."""
    counts = []
    for index in range(batch):
        asked = ask(size, np.random.default_rng((seed, index)))
        image, repainted = dress(family, asked, seed + index)
        allowed = (repainted > 0) & asked.repaint_mask
        counts.append(outside(asked.person, image, allowed))
    kept, changed = np.sum(counts, 0)
    return int(kept), int(changed)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--runs", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    print(f"{chosen.runs} sizes, {resources.keep_to_cores()} cores")
    rng, bars = np.random.default_rng(chosen.seed), {}
    plan = []
    for name, (low, high, share) in CLASSES.items():
        for _ in range(max(1, round(share * chosen.runs))):
            size = tuple(int(side) for side in rng.integers(low, high + 1, 2))
            plan.append((name, size, int(rng.integers(1, 5)), int(rng.integers(1 << 30))))
    print(f"{'family':10}{'size':8}{'runs':>5}{'outside':>12}{'changed':>9}")
    for family in FAMILIES:
        total = 0
        for name in CLASSES:
            rows = [measure(family, *rest) for label, *rest in plan if label == name]
            kept, changed = np.sum(rows, 0)
            total += int(changed)
            print(f"{family:10}{name:8}{len(rows):5}{kept:12}{changed:9}", flush=True)
        bars[f"changed_outside_{family}"] = {"value": total, "bar": 0, "ok": total == 0}
    print(json.dumps({"bench": "paste_back", "bars": bars}))


if __name__ == "__main__":
    main()
