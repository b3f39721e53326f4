"""The body of `dressform doctor`: what is there, what is missing, and how to get it."""

import shutil
import sys
from collections.abc import Iterator
from typing import NamedTuple

from .comfyui import environment, source

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")

ENGINE_PACKAGES = ("diffusers", "accelerate", "peft", "safetensors", "huggingface_hub")

# Each brings the same module.
SUBSTITUTES = {
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime-directml"),
    "opencv-python": (
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
}


class Finding(NamedTuple):
    """One thing that was looked for.

    Attributes:
        name: What it is.
        state: What was found.
        advice: How to get it; empty where it is there.
        needed_for: What does not work without it.
    """

    name: str
    state: str
    advice: str = ""
    needed_for: str = ""


def examine() -> Iterator[Finding]:
    """Yields a finding for everything that some command needs."""
    yield Finding("python", f"{sys.version.split()[0]} ({sys.executable})")
    for name in ("numpy", "onnxruntime", "opencv-python", "pillow", "aiohttp", "tqdm"):
        found = next(
            filter(None, map(environment.version, (name, *SUBSTITUTES.get(name, ())))), None
        )
        yield _package(name, found, f"pip install {name}", "everything")
    for name in ENGINE_PACKAGES:
        found = environment.version(name)
        yield _package(name, found, f"pip install {name}", "engines with weights")
    yield _weights()
    for name in environment.TRIO:
        yield _package(name, environment.version(name), "dressform comfyui", "demo, run, tests")
    yield _comfyui()
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    yield _package("chromium", browser, "apt-get install chromium", "browser tests")


def _package(name: str, found: str | None, command: str, needed_for: str) -> Finding:
    if found:
        return Finding(name, found)
    return Finding(name, "missing", f"Run: {command}", needed_for)


def _weights() -> Finding:
    """Missing weights are no fault: the engine warp needs none."""
    from . import weights_command
    from .inference import weights

    where = weights_command.places()
    found = [key for key in weights.entries() if weights.find(key, where)]
    return Finding("weights", ", ".join(found) or "none (see: dressform weights list)")


def _comfyui() -> Finding:
    needed_for = "demo, run, tests"
    try:
        tree = source.locate()
    except FileNotFoundError as error:
        return Finding("ComfyUI", "missing", str(error), needed_for)
    if tree is None:
        advice = "Run: dressform comfyui, or set COMFYUI_PATH to a ComfyUI of your own"
        return Finding("ComfyUI", "missing", advice, needed_for)
    if not environment.is_ready(tree):
        return Finding("ComfyUI", str(tree), "Run: dressform comfyui, for its packages", needed_for)
    return Finding("ComfyUI", str(tree))
