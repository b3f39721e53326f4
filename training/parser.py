"""Trains the parser's network and writes it as ONNX: one command, one seed.

    python training/parser.py --scenes FOLDER ... --flat FOLDER --work STATE --out FILE.onnx

SCENES hold the benchmark's training scenes and those of `training/scenes.py`; every twelfth draped
scene is kept for validation, whatever its looks. The picture grows from phase to phase: most of
what a sleeve is can be learned on a thumbnail, at a tenth of the cost.
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
from dressform.imaging.parsing import REGIONS, VIEWS
from half import halve
from network import LABELS, ParserNetwork
from torch.nn import functional

SEED = 3
# Height, width, pictures a step, steps, the highest learning rate, and the draped scenes used.
PHASES = (
    (192, 160, 24, 3000, 3e-3, 90),
    (320, 256, 12, 2400, 2e-3, 150),
    (512, 384, 6, 1500, 7e-4, 150),
    (512, 384, 6, 400, 3e-4, 150),
    (384, 288, 10, 900, 1.2e-3, 400),
    (512, 384, 6, 900, 5e-4, 400),
)
# Share of the running mean of weights that a step leaves: the mean is what is shipped.
KEPT = 0.995
# Number of the kind whose real photos have no labels.
FLAT = dataset.KINDS.index("flatlay")
# Share of pictures without any figure: else one is found on a bare wall.
EMPTY = 0.04


def batch(scenes, patterns, size, count, rng: np.random.Generator):
    """Draws pictures of one size: mostly upright ones, else lying or square ones."""
    if rng.random() > 0.75:
        size = size[::-1]
    if rng.random() < 0.15:
        size = (size[0] * 3 // 4 // 32 * 32 + 32,) * 2
    return collate(
        [
            augment.empty(patterns, size, rng)
            if rng.random() < EMPTY
            else augment.picture(scenes[index], scenes, patterns, size, rng)
            for index in rng.integers(len(scenes), size=count)
        ]
    )


def collate(drawn):
    images = torch.from_numpy(np.stack([one.image for one in drawn])).permute(0, 3, 1, 2)
    found = torch.from_numpy(np.stack([one.label_map for one in drawn]))
    joints = torch.from_numpy(np.stack([one.joints for one in drawn])).float()
    names = torch.tensor([[one.kind, one.region, one.view] for one in drawn])
    return images, found, joints, names


def soft_labels(found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the share of every label in each 2 x 2 pixels, and where it is known."""
    known = (found != augment.IGNORED).float()[:, None]
    one_hot = functional.one_hot(found.clamp(max=LABELS).long(), LABELS + 1)[..., :LABELS]
    shares = functional.avg_pool2d(one_hot.permute(0, 3, 1, 2).float(), 2)
    return shares, (functional.avg_pool2d(known, 2) > 0.99).float()


def joint_targets(joints: torch.Tensor, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns a bell around every joint on the grid of eighths, and which are in the frame."""
    height, width = size
    rows = torch.arange(height)[None, None, :, None]
    columns = torch.arange(width)[None, None, None]
    x, y = joints[..., 0] / 8 - 0.5, joints[..., 1] / 8 - 0.5
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    x, y = x.nan_to_num(0)[..., None, None], y.nan_to_num(0)[..., None, None]
    bell = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 0.8**2))
    bell = bell / bell.sum((2, 3), keepdim=True).clamp(min=1e-6)
    return bell, inside.float()


def shares_of(logits: torch.Tensor, label: int) -> torch.Tensor:
    return logits.softmax(1)[:, label].clamp(max=0.999)


def loss(answers, found, joints, names):
    logits, places, *guesses = (answer.float() for answer in answers)
    target, known = soft_labels(found)
    weight = known * (1 + target[:, 2:5].sum(1, keepdim=True))
    entropy = -(target * logits.log_softmax(1)).sum(1, keepdim=True)
    total = (entropy * weight).sum() / weight.sum().clamp(min=1)
    shares = logits.softmax(1) * known
    both = (shares * target * known).sum((0, 2, 3))
    either = shares.sum((0, 2, 3)) + (target * known).sum((0, 2, 3))
    total = total + 0.3 * (1 - (2 * both + 50) / (either + 50)).mean()
    # Of a real photo of a lying garment this much is known: it shows no mannequin.
    bare = (names[:, 0] == FLAT) & (found == augment.IGNORED).all((1, 2))
    if bare.any():
        total = total - 0.5 * torch.log1p(-shares_of(logits[bare], 2)).mean()
    bell, inside = joint_targets(joints, places.shape[2:])
    missed = -(bell.flatten(2) * places.flatten(2).log_softmax(2)).sum(2)
    total = total + 0.1 * (missed * inside).sum() / inside.sum().clamp(min=1)
    for share, guess, true in zip((0.15, 0.1, 0.15), guesses, names.T, strict=True):
        if (true >= 0).any():
            total = total + share * functional.cross_entropy(
                guess, true, ignore_index=-1, label_smoothing=0.02
            )
    return total


@torch.no_grad()
def validate(network, scenes, size) -> dict[str, float]:
    network.eval()
    overlap = {1: [], 2: []}
    right = np.zeros((3, 2))
    far = []
    for scene in scenes:
        tall, wide = scene.label_map.shape
        scale = (size[0] * size[1] / (tall * wide)) ** 0.5
        height, width = (max(64, round(side * scale / 32) * 32) for side in (tall, wide))
        image = cv2.resize(scene.image, (width, height), interpolation=cv2.INTER_AREA)
        answers = network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
        guess = [int(answer[0].argmax()) for answer in answers[2:]]
        for number, (said, true) in enumerate(
            zip(guess, (scene.kind, scene.region, scene.view), strict=True)
        ):
            right[number] += [said == true, true >= 0]
        if (scene.label_map == augment.IGNORED).any():
            continue
        shares = functional.interpolate(
            answers[0].softmax(1), size=(tall, wide), mode="bilinear", align_corners=False
        )
        found = shares[0].argmax(0).numpy()
        use = scene.label_map != augment.INTERIOR
        for label, values in ((1, (1,)), (2, (2, 3))):
            said, true = np.isin(found, values), np.isin(scene.label_map, values)
            if true.sum() > 50:
                overlap[label].append((said & true & use).sum() / ((said | true) & use).sum())
        if np.isfinite(scene.joints).all():
            place = answers[1][0].flatten(1).argmax(1)
            columns = answers[1].shape[3]
            x = np.asarray(place % columns + 0.5) * 8 / width * wide
            y = np.asarray(place // columns + 0.5) * 8 / height * tall
            gap = np.hypot(x - scene.joints[:, 0], y - scene.joints[:, 1])
            torso = np.hypot(*(scene.joints[1] - scene.joints[[8, 11]].mean(0)))
            x, y = scene.joints.T
            inside = (x >= 0) & (x < wide) & (y >= 0) & (y < tall)
            far += list(gap[inside] <= 0.1 * torso)
    network.train()
    garment = np.sort(overlap[1])
    return {
        "garment": garment.mean(),
        "worst": garment[: max(1, len(garment) // 10)].mean(),
        "mannequin": float(np.mean(overlap[2])),
        "joints": float(np.mean(far)),
        **{n: r[0] / max(r[1], 1) for n, r in zip(("kind", "region", "view"), right, strict=True)},
    }


def train(options: argparse.Namespace, phases) -> ParserNetwork:
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    patterns = augment.textures(300, np.random.default_rng(SEED))
    network = ParserNetwork(len(dataset.KINDS), len(REGIONS), len(VIEWS))
    network = network.to(memory_format=torch.channels_last)
    mean = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(KEPT), use_buffers=True
    )
    started = time.time()
    for phase, (height, width, count, steps, rate, limit) in enumerate(phases):
        state = options.work / f"phase{phase}.pt"
        if state.exists():
            stored = torch.load(state, weights_only=True)
            network.load_state_dict(stored["network"])
            mean.load_state_dict(stored["mean"])
            continue
        scenes, kept = dataset.load(options.scenes, options.flat, limit)
        print(f"{len(scenes)} scenes, {len(kept)} for validation", flush=True)
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rate, total_steps=steps, pct_start=0.1, final_div_factor=30
        )
        draw = functools.partial(batch, scenes, patterns, (height, width), count)
        pictures = batches.drawn(draw, steps, SEED + phase)
        running = None
        for step, (images, found, joints, names) in enumerate(pictures, 1):
            images = images.to(memory_format=torch.channels_last).float() / 255
            with torch.autocast("cpu", torch.bfloat16):
                answers = network(images)
            value = loss(answers, found, joints, names)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            mean.update_parameters(network)
            running = value.item() if running is None else 0.98 * running + 0.02 * value.item()
            if step % 100 == 0 or step == steps:
                line = f"{height}x{width} {step}/{steps} loss {running:.4f}"
                line += f" {time.time() - started:.0f} s"
                if step % 300 == 0 or step == steps:
                    found_ = validate(mean.module, kept, (height, width))
                    line += "".join(f"  {name} {value_:.3f}" for name, value_ in found_.items())
                print(line, flush=True)
        torch.save({"network": network.state_dict(), "mean": mean.state_dict()}, state)
    return mean.module


def export(network: ParserNetwork, path: Path) -> None:
    network = network.eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(
        Shipped(network),
        (torch.zeros(1, 512, 384, 3, dtype=torch.uint8),),
        str(path),
        input_names=["image"],
        output_names=["labels", "joints"],
        dynamic_axes={"image": {1: "height", 2: "width"}},
        opset_version=18,
        dynamo=False,
    )
    halve(path)


class Shipped(torch.nn.Module):
    """The network as the parser calls it: an 8-bit picture in, probabilities out."""

    def __init__(self, network: ParserNetwork):
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits, joints, *_ = self.network(image.permute(0, 3, 1, 2).float() / 255)
        count, number, height, width = joints.shape
        places = joints.flatten(2).softmax(2).reshape(count, number, height, width)
        return logits.softmax(1), places


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", nargs="+", type=Path, required=True)
    parser.add_argument("--flat", type=Path, help="folder of real photos of lying garments")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="for the state after each phase")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    network = train(options, PHASES)
    export(network, options.out)


if __name__ == "__main__":
    main()
