"""Trains the network that names what it sees: kind of photo, garment region, view.

    python training/look.py --scenes FOLDER ... --flat FOLDER --out FILE.onnx

Run it after training/parser.py: real photos are labelled by the network that is in the package.
It looks at the figure alone, cut out of the photo by its labels, so that a neckline is as large to
it as the whole garment is to the network that finds the labels (training/parser.py).
"""

import argparse
import functools
import time
from pathlib import Path

import augment
import batches
import cv2
import dataset
import numpy as np
import torch
from dressform.imaging.parser import network as reader
from dressform.imaging.parsing import REGIONS, VIEWS
from half import halve
from network import LookNetwork
from torch.nn import functional

SEED = 5
BATCH = 32
# A leg mannequin shows less of where it looks than others: it is drawn this many times as often.
LEGS_SHARE = 3.0
LEGS = dataset.KINDS.index("legs")
# Height and width of the figure, steps, the highest learning rate, and the share of the running
# mean of weights that a step leaves. Where the knees bend can be learned on a thumbnail; seams and
# heels, which tell front from back, cannot.
PHASES = (((192, 144), 4000, 1.5e-3, 0.997), (reader.LOOK_PX, 3600, 7e-4, 0.99))


def figure(scene: augment.Scene) -> augment.Scene:
    """Cuts the figure out of a scene, at most 320 pixels tall; unlabelled scenes stay whole."""
    image, found = scene.image, scene.label_map
    window = reader.figure_window(found)
    image, found = image[window], found[window]
    scale = min(1.0, 320 / max(found.shape))
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = cv2.resize(found, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return scene._replace(image=np.ascontiguousarray(image), label_map=np.ascontiguousarray(found))


def material(scenes: list[augment.Scene]) -> list[augment.Scene]:
    """Returns every scene with its true labels, and once more as the first network labels it.

    Real photos have no true labels; they must not be known by that.
    """
    true = [one for one in scenes if (one.label_map != augment.IGNORED).all()]
    return [figure(one) for one in true] + [
        figure(one._replace(label_map=reader.read(one.image).shares.argmax(-1).astype(np.uint8)))
        for one in scenes
    ]


def mistaken(found: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Takes one label for another in a part of the picture, as the first network sometimes does."""
    height, width = found.shape
    spot = np.zeros(found.shape, np.uint8)
    middle = int(rng.integers(width)), int(rng.integers(height))
    axes = tuple(int(side * rng.uniform(0.05, 0.3)) + 1 for side in (width, height))
    cv2.ellipse(spot, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    one, other = rng.choice(5, 2, replace=False)
    return np.where((spot > 0) & (found == one), other, found).astype(np.uint8)


def channels(image: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Returns (9, h, w) float32: the photo in [0, 1], and a channel for each label."""
    shares = (found[None] == np.arange(6)[:, None, None]).astype(np.float32)
    picture = image.transpose(2, 0, 1).astype(np.float32) / 255
    return np.concatenate([picture, shares])


def batch(scenes, patterns, size, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    drawn = []
    often = np.array([LEGS_SHARE if one.kind == LEGS else 1.0 for one in scenes])
    for index in rng.choice(len(scenes), BATCH, p=often / often.sum()):
        one = augment.picture(scenes[index], scenes, patterns, size, rng)
        found = one.label_map
        # The labels that it will be shown are sometimes wrong, and soft.
        while rng.random() < 0.35:
            found = mistaken(found, rng)
        both = channels(one.image, found)
        soft = rng.uniform(0.3, 2.5)
        both[3:] = [cv2.GaussianBlur(plane, (0, 0), soft) for plane in both[3:]]
        if rng.random() < 0.2:
            both[3:] = 0
        angle = np.deg2rad(one.yaw)
        drawn.append((both, (one.kind, one.region, one.view), (np.sin(angle), np.cos(angle))))
    images, names, turns = zip(*drawn, strict=True)
    return torch.from_numpy(np.stack(images)), torch.tensor(names), torch.tensor(turns).float()


@torch.no_grad()
def validate(network, scenes, size) -> str:
    network.eval()
    right, known = np.zeros(3), np.zeros(3)
    for scene in scenes:
        image = cv2.resize(scene.image, size[::-1], interpolation=cv2.INTER_AREA)
        found = cv2.resize(scene.label_map, size[::-1], interpolation=cv2.INTER_NEAREST)
        answers = network(torch.from_numpy(channels(image, found))[None])
        for index, true in enumerate((scene.kind, scene.region, scene.view)):
            known[index] += true >= 0
            right[index] += int(answers[index].argmax()) == true
    network.train()
    return "  ".join(
        f"{name} {share:.3f}"
        for name, share in zip(("kind", "region", "view"), right / known, strict=True)
    )


def train(options: argparse.Namespace) -> LookNetwork:
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    scenes, kept = dataset.load(options.scenes, options.flat)
    scenes, kept = material(scenes), material(kept)
    print(f"{len(scenes)} scenes, {len(kept)} for validation", flush=True)
    patterns = augment.textures(300, np.random.default_rng(SEED))
    network = LookNetwork(len(dataset.KINDS), len(REGIONS), len(VIEWS))
    if options.start:
        network.load_state_dict(torch.load(options.start, weights_only=True), strict=False)
    network = network.to(memory_format=torch.channels_last)
    for number, phase in enumerate(PHASES):
        network = learn(network, scenes, kept, patterns, phase, number, options.out)
    return network


def learn(network, scenes, kept, patterns, phase, number: int, out: Path) -> LookNetwork:
    """Trains in one phase; returns the mean of the weights along the way."""
    size, steps, rate, share = phase
    mean = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(share), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.1
    )
    running, started = 3.0, time.time()
    draw = functools.partial(batch, scenes, patterns, size)
    for step, (images, names, turns) in enumerate(batches.drawn(draw, steps, SEED + number), 1):
        with torch.autocast("cpu", torch.bfloat16):
            *answers, turned = network(images.to(memory_format=torch.channels_last))
        value = sum(
            functional.cross_entropy(answer.float(), true, ignore_index=-1, label_smoothing=0.05)
            for answer, true in zip(answers, names.T, strict=True)
        )
        # An angle teaches more than the name of its range.
        known = ~turns[:, 0].isnan()
        value = value + 2 * functional.mse_loss(turned.float()[known], turns[known])
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        mean.update_parameters(network)
        running += 0.02 * (value.item() - running)
        if step % 250 == 0 or step == steps:
            told = validate(mean.module, kept, size)
            spent = f"{time.time() - started:.0f} s"
            print(f"{size} {step}/{steps} loss {running:.3f} {spent}  {told}", flush=True)
            torch.save(mean.module.state_dict(), out.with_suffix(".pt"))
    return mean.module


class Shipped(torch.nn.Module):
    """The network as the parser calls it: 8-bit picture and shares in, odds and the turn out."""

    def __init__(self, network: LookNetwork):
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, ...]:
        both = torch.cat([image.permute(0, 3, 1, 2).float() / 255, shares], 1)
        *names, turn = self.network(both)
        return (*(name.softmax(1) for name in names), turn)


def export(network: LookNetwork, path: Path) -> None:
    network, size = network.eval().to(memory_format=torch.contiguous_format), reader.LOOK_PX
    torch.onnx.export(
        Shipped(network),
        (torch.zeros(1, *size, 3, dtype=torch.uint8), torch.zeros(1, 6, *size)),
        str(path),
        input_names=["image", "shares"],
        output_names=["kind", "region", "view", "turn"],
        opset_version=18,
        dynamo=False,
    )
    halve(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", nargs="+", type=Path, required=True)
    parser.add_argument("--flat", type=Path, help="folder of real photos of lying garments")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="state of an earlier run to go on from")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    export(train(options), options.out)


if __name__ == "__main__":
    main()
