"""How fast the device is: measured by ComfyUI itself, and kept with the date."""

import datetime
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..comfyui.client import Client, Event, failed
from ..comfyui.run import write_json
from . import introduction
from .child import Child

FILE = "calibration.json"
SIDE_PX, RADIUS_PX = 512, 15
MOST_IMAGES = 256  # 67 million pixels: 800 MB of float32
LONG_ENOUGH_S = 0.3  # for the overhead of a node not to count
REPEATS = 3
STEPS = 12  # of a sampler: as many as give a time per step to a tenth
SIGMA = 10.0


def told(data: Path, name: str, gpu_class: str | None, device: Mapping[str, Any]) -> dict[str, Any]:
    """Returns name, class and speed for the introduction.

    A figure measured on another device is not told.
    """
    kept = read(data)
    mine = kept if kept.get("gpu") == device else {}
    return {
        "name": name,
        "gpu_class": gpu_class or introduction.gpu_class(device["name"]),
        "speed": mine.get("speed", {}),
        "calibrated_at": mine.get("calibrated_at"),
    }


def read(data: Path) -> dict[str, Any]:
    """Returns what was measured last, empty where nothing was."""
    try:
        kept = json.loads((data / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


async def measure(child: Child, data: Path, checkpoint: str | None = None) -> dict[str, Any]:
    """Measures the device by a blur, and by sampling where there is a checkpoint; keeps it.

    Args:
        child: A ComfyUI, started here.
        data: The worker's folder.
        checkpoint: Name of one in ComfyUI's checkpoints.

    Raises:
        RuntimeError: ComfyUI could not run it.
    """
    await child.ready()
    speed = {"blur_mpx_per_s": await _blur_speed(child)}
    if checkpoint:
        await _timed(child, _sample(checkpoint, 0))  # loads
        spent = await _timed(child, _sample(checkpoint, 1))
        speed["step_ms"] = round(1000 * spent["sample"] / STEPS, 1)
    device = introduction.device(child.system)
    kept = {
        "gpu": device,
        "gpu_class": introduction.gpu_class(device["name"]),
        "speed": speed,
        "calibrated_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "checkpoint": checkpoint,
        "comfyui": (child.system.get("system") or {}).get("comfyui_version"),
        "torch": (child.system.get("system") or {}).get("pytorch_version"),
    }
    write_json(data / FILE, kept)
    return kept


async def _blur_speed(child: Child) -> float:
    """Measures pixels through a kernel of 31 x 31, which needs no weights: Mpx per second.

    A device is asked for four times as much until it takes long enough to be timed.
    """
    images, spent_s = 1, 0.0
    for seed in range(100):  # each seed is a run of its own; the first also starts the device
        spent_s = (await _timed(child, _blur(seed, images)))["blur"]
        if seed and (spent_s >= LONG_ENOUGH_S or 4 * images > MOST_IMAGES):
            break
        images *= 4 if seed else 1
    more = [(await _timed(child, _blur(200 + n, images)))["blur"] for n in range(REPEATS - 1)]
    return round(images * SIDE_PX**2 / 1e6 / statistics.median([spent_s, *more]), 2)


async def _timed(child: Child, prompt: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Runs a prompt; returns the seconds of each node."""
    begun: dict[str, float] = {}
    spent: dict[str, float] = {}
    running = [""]

    def take(event: Event) -> None:
        if event.kind == "node":
            now = time.monotonic()
            if running[0]:
                spent[running[0]] = now - begun[running[0]]
            running[0], begun[event.node] = event.node, now

    async with Client(child.url) as client:
        execution = await client.conclude(prompt, take)
    if failure := failed(execution.history, prompt):
        raise RuntimeError(failure)
    return spent


def _blur(seed: int, images: int) -> dict[str, dict[str, Any]]:
    return {
        "source": _node("EmptyImage", width=SIDE_PX, height=SIDE_PX, batch_size=images, color=seed),
        "blur": _node("ImageBlur", image=["source", 0], blur_radius=RADIUS_PX, sigma=SIGMA),
        "part": _node("ImageFromBatch", image=["blur", 0], batch_index=0, length=1),
        "end": _node("PreviewImage", images=["part", 0]),
    }


def _sample(checkpoint: str, seed: int) -> dict[str, dict[str, Any]]:
    text = {"clip": ["model", 1], "text": "a plain white shirt"}
    return {
        "model": _node("CheckpointLoaderSimple", ckpt_name=checkpoint),
        "text": _node("CLIPTextEncode", **text),
        "empty": _node("EmptyLatentImage", width=SIDE_PX, height=SIDE_PX, batch_size=1),
        "sample": _node(
            "KSampler",
            model=["model", 0],
            seed=seed,
            steps=STEPS,
            cfg=5.0,
            sampler_name="euler",
            scheduler="normal",
            positive=["text", 0],
            negative=["text", 0],
            latent_image=["empty", 0],
            denoise=1.0,
        ),
        "end": _node("VAEDecode", samples=["sample", 0], vae=["model", 2]),
        "shown": _node("PreviewImage", images=["end", 0]),
    }


def _node(kind: str, **given: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": given}
