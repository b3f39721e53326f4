"""Counts the pixels that change outside of the mask, through the nodes that users run.

    python bench/paste_back.py [--runs N] [--seed N]

Each run draws a size and a batch of 1 to 4 photos with values between the 8-bit levels, each with
a repaint mask of its own, and hands them to the nodes of the real ComfyUI (COMFYUI_PATH, else the
pinned one) in this process, without its server: Try On with `warp`, Try On with `flux2-klein`, and
in every third run Make Model Photo with `sdxl-union`. The last two run their real code, from the
licence to the report, on tiny random weights written for this. Three things are not as users have
them: the engines paint one step at 256x256 pixels instead of a megapixel, a photo that was parsed
once is not parsed again, and no side is more than four times the other, because the parser finds
nobody in a thinner picture and the node refuses it. A pixel is outside where the node's mask or the
one given to it is 0; it is counted here, bit by bit, not taken from the report.
"""

import argparse
import functools
import importlib
import json
import math
import sys
import tempfile
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

import checkpoints
import cv2
import numpy as np
import resources
from dressform.comfyui import session
from dressform.imaging import labels, pictures
from tqdm import tqdm

SAMPLES = Path(__file__).parents[1] / "samples"
PERSONS = ("person.jpg", "person_turned.jpg", "person_full.jpg")
SMALLEST, LARGEST = 64, 3000
SLIMMEST = 4
LARGEST_BATCH = 4
# Pixels of a whole batch; with this and the skew a hundred runs take about ten minutes.
LARGEST_TOTAL = 8_000_000
# How much more often small sizes are drawn than evenly over the logarithm of the side.
SKEW = 1.5
# Upper ends of the long sides by which runs are told apart in the table.
CLASSES = {"to 512": 512, "to 1500": 1500, "to 3000": LARGEST}
PIXELS = 256 * 256
PARSED_KEPT = 16
FAMILIES = {
    "warp": ("TryOn", "warp"),
    "diffusion": ("TryOn", "flux2-klein"),
    "lock": ("MakeModelPhoto", "sdxl-union"),
}
# The garment lock is the frame of `diffusion` with another mask: every third run is enough.
EVERY = {"warp": 1, "diffusion": 1, "lock": 3}
WEIGHTS = {"flux2-klein": "flux2", "sdxl-union": "sdxl"}


class Run(NamedTuple):
    """What is asked of every family.

    Attributes:
        size: Height and width.
        batch: Pictures.
        persons: Photos in the batch: as many, or one for all masks.
        seed: Of all that is drawn at random.
    """

    size: tuple[int, int]
    batch: int
    persons: int
    seed: int


def plan(runs: int, seed: int) -> list[Run]:
    """Returns runs of every size: the ends of the range first, then more small ones than large.

    In every other run both sides are odd. Small runs come first.
    """
    rng = np.random.default_rng(seed)
    ends = [(SMALLEST, SMALLEST), (LARGEST, LARGEST - 1), (65, 255), (2999, 751)]
    drawn = []
    for index in range(runs):
        share = rng.random() ** SKEW
        first = SMALLEST * (LARGEST / SMALLEST) ** share
        low, high = max(SMALLEST, first / SLIMMEST), min(LARGEST, first * SLIMMEST)
        second = math.exp(rng.uniform(math.log(low), math.log(high)))
        sides = [min(int(side) | index % 2, LARGEST - 1) for side in (first, second)]
        rng.shuffle(sides)
        size = ends[index] if index < len(ends) else (sides[0], sides[1])
        most = min(LARGEST_BATCH, max(1, int(LARGEST_TOTAL / math.prod(size))))
        batch = int(rng.integers(1, most + 1))
        persons = batch if rng.random() < 0.5 else 1
        drawn.append(Run(size, batch, persons, int(rng.integers(1 << 30))))
    return sorted(drawn, key=lambda run: run.batch * math.prod(run.size))


@contextmanager
def comfyui(tree: Path, weights: Path) -> Iterator[ModuleType]:
    """Gives the pack's nodes with ComfyUI's real modules and with tiny weights in a folder.

    Args:
        tree: A ComfyUI whose requirements are there.
        weights: A folder that may be written to.
    """
    sys.path.insert(0, str(tree))
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # of the libraries' own imports
        import torch
        from comfy.cli_args import args

        # Read when comfy.model_management is imported: without it a CPU torch is refused.
        args.cpu = not torch.cuda.is_available()
        import folder_paths

        for engine, name in WEIGHTS.items():
            checkpoints.builder(name).write(weights)
            module = importlib.import_module(f"dressform.inference.{engine.replace('-', '_')}")
            small = module.SPEC._replace(pixels=PIXELS)
            stack.enter_context(mock.patch.object(module, "SPEC", small))
        klein = importlib.import_module("dressform.inference.flux2_klein")
        stack.enter_context(mock.patch.object(klein, "GARMENT_PIXELS", PIXELS))
        from dressform.imaging import parse

        stack.enter_context(mock.patch.object(parse, "parse", remembered(parse.parse)))
        stack.callback(folder_paths.set_temp_directory, folder_paths.get_temp_directory())
        folder_paths.set_temp_directory(str(weights / "temp"))
        known = folder_paths.folder_names_and_paths
        stack.enter_context(mock.patch.dict(known, {"dressform": ([str(weights)], set())}))
        from dressform.inference import residency

        stack.callback(residency.WARM.evict_all)
        yield importlib.import_module("dressform.nodes")


def remembered(parse: Any) -> Any:
    """Returns `parse` with a memory for the photos of a few runs."""
    known: OrderedDict[bytes, Any] = OrderedDict()

    def look_up(photo: np.ndarray, *more: Any, **options: Any) -> Any:
        key = repr((photo.shape, more, options)).encode() + photo.tobytes()
        if key not in known:
            known[key] = parse(photo, *more, **options)
            if len(known) > PARSED_KEPT:
                known.popitem(last=False)
        return known[key]

    return look_up


@functools.cache
def sample(name: str) -> np.ndarray:
    """Returns one of the pack's own photos."""
    return pictures.open_picture(SAMPLES / name)


def photos(run: Run, names: tuple[str, ...]) -> Any:
    """Returns an IMAGE of samples at the run's size, each value moved by half a level at most."""
    import torch

    rng, shown = np.random.default_rng(run.seed), []
    for index in range(run.persons):
        picture = sample(names[(run.seed + index) % len(names)])
        picture = fitted(picture, run.size, cv2.BORDER_REPLICATE)
        moved = rng.random(picture.shape, np.float32) - np.float32(0.5)
        shown.append(np.clip((picture + 0.98 * moved) / 255, 0, 1, dtype=np.float32))
    return torch.from_numpy(np.stack(shown))


def fitted(picture: np.ndarray, size: tuple[int, int], border: int) -> np.ndarray:
    """Returns a picture in the middle of one of another size, unstretched."""
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    height, width = (max(1, math.floor(side * scale)) for side in picture.shape[:2])
    way = cv2.INTER_NEAREST if border == cv2.BORDER_CONSTANT else cv2.INTER_AREA
    small = cv2.resize(picture, (width, height), interpolation=way)
    down, right = size[0] - height, size[1] - width
    edges = down // 2, down - down // 2, right // 2, right - right // 2
    return cv2.copyMakeBorder(small, *edges, border)


def blots(run: Run) -> Any:
    """Returns a MASK of random places: ellipses that may pass the edge, with crumbs."""
    import torch

    rng = np.random.default_rng((run.seed, 1))
    return torch.from_numpy(np.stack([_blot(run.size, rng) for _ in range(run.batch)]))


def _blot(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    height, width = size
    mask = np.zeros(size, np.float32)
    middle = int(rng.uniform(0.2, 0.8) * width), int(rng.uniform(0.2, 0.8) * height)
    axes = int(rng.uniform(0.2, 0.6) * width), int(rng.uniform(0.2, 0.6) * height)
    cv2.ellipse(mask, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    mask[rng.integers(0, height, 9), rng.integers(0, width, 9)] = 1
    return mask


def paint(nodes: ModuleType, family: str, run: Run, photo: Any, allowed: Any) -> tuple[Any, Any]:
    """Returns the IMAGE and the mask of what a node made of a run."""
    import torch

    node, engine = FAMILIES[family]
    asked = {
        "engine": engine,
        "usage": "research",
        "seed": run.seed,
        "steps": 0 if engine == "warp" else 1,
        "when_weights_missing": "stop",
        "repaint_mask": allowed,
    }
    if node == "TryOn":
        garment, mask, parsing = tee()
        asked |= {"person": photo, "garment": garment, "garment_mask": mask}
        asked |= {"garment_parsing": parsing, "region": "auto"}
    else:
        found = fitted(mannequin(), run.size, cv2.BORDER_CONSTANT)
        asked |= {"image": photo, "garment_mask": torch.from_numpy(found)[None]}
    out = getattr(nodes, node).execute(**asked)
    return out.args[0], out.args[1]


@functools.cache
def tee() -> tuple[Any, Any, list]:
    """Returns a garment as IMAGE, MASK and its parsing."""
    import torch
    from dressform.imaging import parse

    picture = sample("flat_tee.jpg")
    parsing = parse.parse(picture)
    mask = torch.from_numpy(parsing.garment.astype(np.float32))
    return torch.from_numpy(picture).float()[None] / 255, mask[None], [parsing]


@functools.cache
def mannequin() -> np.ndarray:
    """Returns where the garment is in the photo of a mannequin, (H, W) float32."""
    found = cv2.imread(str(SAMPLES / "full" / "labels.png"), cv2.IMREAD_GRAYSCALE)
    return (found == labels.GARMENT).astype(np.float32)


def outside(before: Any, after: Any, mask: Any) -> tuple[int, int]:
    """Returns how many pixels lie outside of the mask, and how many of these differ in any bit.

    Args:
        before: (B or 1, H, W, 3) IMAGE.
        after: (B, H, W, 3) IMAGE.
        mask: (B, H, W) bool; False is outside.
    """
    kept = changed = 0
    for index, picture in enumerate(after.numpy()):
        was = before[min(index, len(before) - 1)].numpy()
        out = ~mask[index].numpy()
        kept += int(out.sum())
        changed += int((was.view(np.int32) != picture.view(np.int32)).any(-1)[out].sum())
    return kept, changed


def measure(nodes: ModuleType, family: str, run: Run) -> tuple[int, int]:
    """Returns pixels outside and changed, of the whole batch of a run."""
    names = PERSONS if FAMILIES[family][0] == "TryOn" else ("full/photo.jpg",)
    photo, allowed = photos(run, names), blots(run)
    image, repainted = paint(nodes, family, run, photo, allowed)
    if image.shape != (run.batch, *run.size, 3) or repainted.shape != allowed.shape:
        raise RuntimeError(f"{family} must return {run}, got {image.shape} and {repainted.shape}")
    return outside(photo, image, (repainted > 0) & (allowed > 0))


def _class(run: Run) -> str:
    return next(name for name, limit in CLASSES.items() if max(run.size) <= limit)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--runs", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    tree = session.prepare()
    print(f"{chosen.runs} sizes, {resources.keep_to_cores()} cores")
    runs = plan(chosen.runs, chosen.seed)
    totals = {(family, name): np.zeros(5) for family in FAMILIES for name in CLASSES}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        comfyui(tree, Path(folder)) as nodes,
    ):
        print(f"{'height':>6}{'width':>6}{'photos':>7}" + f"{'outside':>12}{'changed':>9}")
        for index, run in enumerate(tqdm(runs, file=sys.stderr)):
            for family in (name for name in FAMILIES if index % EVERY[name] == 0):
                began = time.process_time()
                kept, changed = measure(nodes, family, run)
                spent = time.process_time() - began
                totals[family, _class(run)] += 1, run.batch, kept, changed, spent
                print(f"{run.size[0]:6}{run.size[1]:6}{run.batch:7}{kept:12}{changed:9}  {family}")
    print(f"\n{'family':10}{'long side':11}{'runs':>5}{'photos':>7}{'outside':>12}{'changed':>9}")
    for (family, name), row in totals.items():
        counted, batch, kept, changed, spent = row.astype(int)
        print(f"{family:10}{name:11}{counted:5}{batch:7}{kept:12}{changed:9}{spent:7} s")
    bars = {}
    for family in FAMILIES:
        total = int(sum(row[3] for key, row in totals.items() if key[0] == family))
        bars[f"changed_outside_{family}"] = {"value": total, "bar": 0, "ok": total == 0}
    print(json.dumps({"bench": "paste_back", "sizes": len(runs), "bars": bars}))


if __name__ == "__main__":
    main()
