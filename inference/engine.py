"""The one interface of try-on engines: what they get, what they return, and their names."""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, Protocol

import numpy as np

from ..imaging.parsing import Parsing
from ..imaging.pose import Pose

Progress = Callable[[int, int], None]
"""Called with the number of finished steps (1-based) and the number of all steps."""

# Module of this package, imported when the engine is asked for.
ENGINES = {"warp": "warp"}


class TryOnRequest(NamedTuple):
    """One person, one garment, and how to paint.

    Attributes:
        person: (H, W, 3) uint8 sRGB.
        garment: (h, w, 3) uint8 sRGB.
        garment_mask: (h, w) bool.
        person_pose: In pixels of `person`.
        garment_pose: In pixels of `garment`.
        person_parsing: Parsing of `person`; None where unknown.
        repaint_mask: (H, W) bool; the only place that may change. None leaves it to the engine.
        hints: (H, W, 3) uint8 scribble map for engines that take one.
        prompt: Text for engines that take one.
        seed: Of the noise, where an engine uses any.
        steps: Of sampling, where an engine samples.
        region: One of `parsing.REGIONS`.
        by_outline: Whether the person's outline may correct where `person_pose` puts the garment;
            not where a user gave a pose of their own.
    """

    person: np.ndarray
    garment: np.ndarray
    garment_mask: np.ndarray
    person_pose: Pose
    garment_pose: Pose
    person_parsing: Parsing | None = None
    repaint_mask: np.ndarray | None = None
    hints: np.ndarray | None = None
    prompt: str = ""
    seed: int = 0
    steps: int = 4
    region: str = "upper"
    by_outline: bool = True


class TryOnResult(NamedTuple):
    """The person in the garment.

    Attributes:
        image: (H, W, 3) uint8 sRGB, of the person's size.
        repainted: (H, W) float32 in [0, 1]; pixels of 0 equal the person's bit for bit.
        garment: (H, W) float32 in [0, 1], opacity of the garment in the picture.
        warnings: Sentences for the user.
    """

    image: np.ndarray
    repainted: np.ndarray
    garment: np.ndarray
    warnings: tuple[str, ...] = ()


class Engine(Protocol):
    """What a try-on engine must offer."""

    def run(self, request: TryOnRequest, progress: Progress) -> TryOnResult:
        """Paints the garment onto the person."""
        ...


def load(name: str) -> Engine:
    """Imports and makes an engine.

    Raises:
        ValueError: There is no engine of this name.
    """
    if name not in ENGINES:
        raise ValueError(
            f"engine must be one of {', '.join(ENGINES)}, got {name!r}. Choose one of these."
        )
    return import_module(f".{ENGINES[name]}", __package__).make()
