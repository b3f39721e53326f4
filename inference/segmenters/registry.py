"""The engines that can take the place of the parser's own, and the weights they need."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

Segment = Callable[[np.ndarray], np.ndarray]
"""From (h, w, 3) uint8 sRGB to (h, w, 6) float32, the shares of the labels, which sum to 1."""


class Engine(NamedTuple):
    """An engine and its weights.

    Attributes:
        file: What must be there, relative to the weights' folder.
        source: Where the user gets it.
        licence: Of the weights, and what is open about it.
        load: From (path of the weights, device) to the function that segments.
    """

    file: str
    source: str
    licence: str
    load: Callable[[Path, str], Segment]


def _sam3(path: Path, device: str) -> Segment:
    from . import sam3

    return sam3.load(path.parent, device)


def _birefnet(path: Path, device: str) -> Segment:
    from . import figure

    return figure.load(path, figure.BIREFNET)


def _u2net(path: Path, device: str) -> Segment:
    from . import figure

    return figure.load(path, figure.U2NET)


ENGINES: dict[str, Engine] = {
    "sam3": Engine(
        "sam3/model.safetensors",
        "all files of huggingface.co/facebook/sam3 (after accepting its licence)",
        "SAM Licence: commerce allowed, the notice must stay",
        _sam3,
    ),
    "birefnet": Engine(
        "birefnet.onnx",
        "BiRefNet-general-epoch_244.onnx of github.com/danielgatis/rembg/releases, renamed",
        "MIT; whether its training data allow commerce is debated (BiRefNet discussion 23)",
        _birefnet,
    ),
    "u2net": Engine(
        "u2net.onnx",
        "u2net.onnx of github.com/danielgatis/rembg/releases",
        "Apache-2.0",
        _u2net,
    ),
}
"""By the name that the user chooses. Weights whose licence forbids commerce have no place here."""


def file(name: str) -> str:
    """Returns what an engine's weights are called, relative to their folder."""
    return ENGINES[name].file


def available(folder: Path) -> list[str]:
    """Returns the names of the engines whose weights lie in the folder."""
    return [name for name, engine in ENGINES.items() if (folder / engine.file).is_file()]


def missing(name: str, folder: Path) -> str | None:
    """Returns the sentence for the user where an engine's weights are not there, else None."""
    engine = ENGINES[name]
    if (folder / engine.file).is_file():
        return None
    return (
        f"engine {name} must have its weights at {folder / engine.file}, got no such file. Put "
        f"there {engine.source} (licence: {engine.licence}), or choose the engine built-in."
    )


def load(name: str, folder: Path, device: str = "cpu") -> Segment:
    """Loads an engine.

    Args:
        name: One of ENGINES.
        folder: Of the weights.
        device: A torch device, for engines that run on one.

    Raises:
        ValueError: there is no such engine.
        FileNotFoundError: its weights are not in the folder.
        RuntimeError: a package that it needs is missing or too old, or the file is no such weights.
    """
    if name not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {name!r}. Choose one.")
    sentence = missing(name, folder)
    if sentence is not None:
        raise FileNotFoundError(sentence)
    engine = ENGINES[name]
    return engine.load(folder / engine.file, device)
