"""Networks that tell a figure from its background, as ONNX files run on the CPU.

They draw a better outline than the built-in parser before busy backgrounds, but do not tell garment
from mannequin: that stays the parser's work, inside their outline.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ...imaging import parse
from . import shares

AGAIN = "Fetch the file again from the place that the help page names."
IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Recipe(NamedTuple):
    """How a network wants its picture.

    Attributes:
        side_px: Of the square it takes, where the file does not say.
        logits: Whether its first output is to be passed through the logistic function.
    """

    side_px: int
    logits: bool


BIREFNET = Recipe(1024, logits=True)
U2NET = Recipe(320, logits=False)


def load(path: Path, recipe: Recipe) -> Callable[[np.ndarray], np.ndarray]:
    """Loads an ONNX file that finds the figure.

    Raises:
        RuntimeError: onnxruntime is missing, or the file is no network from pictures to masks.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeError(
            "this engine needs the package onnxruntime, which is not installed. "
            "Run: pip install onnxruntime"
        ) from error
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        raise RuntimeError(
            f"{path} must be an ONNX file, got: {str(error)[:200]} {AGAIN}"
        ) from error
    entry = session.get_inputs()[0]
    if len(entry.shape) != 4:
        raise RuntimeError(
            f"{path} must take pictures of 1x3xHxW, got {_shown(entry.shape)}. {AGAIN}"
        )
    fixed = [side for side in entry.shape[2:] if isinstance(side, int) and side > 0]
    height, width = fixed if len(fixed) == 2 else (recipe.side_px, recipe.side_px)

    def segment(image: np.ndarray) -> np.ndarray:
        tensor = _tensor(image, (height, width))
        found = np.asarray(session.run(None, {entry.name: tensor})[0])
        if found.size != found.shape[-1] * found.shape[-2]:
            raise RuntimeError(
                f"{path} must give one mask for a picture, got {_shown(found.shape)}. {AGAIN}"
            )
        mask = found.reshape(found.shape[-2:]).astype(np.float32)
        if recipe.logits:
            mask = 1 / (1 + np.exp(-np.clip(mask, -30, 30)))
        size = image.shape[1], image.shape[0]
        opacity = np.clip(np.nan_to_num(cv2.resize(mask, size)), 0, 1)
        return shares.from_figure(opacity, parse.parse(image).label_map)

    return segment


def _tensor(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns (1, 3, height, width) float32, normalised as ImageNet's pictures are."""
    square = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    normal = (square - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_SPREAD, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
