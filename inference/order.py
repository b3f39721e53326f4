"""What is asked of an engine beside its pictures, what it may use, and what comes back."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .memory import Memory, Wishes
from .painter import Lora

STOP, WARP = "stop", "warp"
WHEN_WEIGHTS_MISSING = (STOP, WARP)
KEEP, NEW = "keep", "new"
BACKGROUNDS = (KEEP, NEW)
MAX_CANDIDATES = 16


class Settings(NamedTuple):
    """How an engine shall work, for those who want to choose themselves.

    Attributes:
        wishes: What of the memory's layout is fixed.
        loras: In force, in this order.
    """

    wishes: Wishes = Wishes()
    loras: tuple[Lora, ...] = ()


class Order(NamedTuple):
    """What the user asks of an engine.

    Attributes:
        engine: A name in `engine.ENGINES`.
        usage: One of `licences.USAGES`; what may not be sold with refuses "commercial".
        prompt: What to paint, in words; added to what the engine says by itself.
        seed: Of the first candidate; each further one has the next.
        steps: Denoising steps; 0 takes the engine's own.
        candidates: Pictures to choose from, 1 to MAX_CANDIDATES.
        when_weights_missing: One of WHEN_WEIGHTS_MISSING.
        settings: See `Settings`.
    """

    engine: str = "warp"
    usage: str = "commercial"
    prompt: str = ""
    seed: int = 0
    steps: int = 0
    candidates: int = 1
    when_weights_missing: str = STOP
    settings: Settings = Settings()

    @property
    def seeds(self) -> tuple[int, ...]:
        """One for each candidate; after the last of 64 bits comes 0."""
        return tuple((self.seed + index) % 2**64 for index in range(self.candidates))


class Host(NamedTuple):
    """What the program around the engines lends them.

    Attributes:
        memory: Of the device that paints.
        folders: Where weights may lie, the first one first.
    """

    memory: Memory
    folders: tuple[Path, ...] = ()


class Candidate(NamedTuple):
    """One of several pictures to choose from.

    Attributes:
        image: (H, W, 3) uint8 sRGB.
        garment: (H, W) float32, opacity of the garment in it.
        repainted: (H, W) float32, above 0 where it may differ from the photo.
    """

    image: np.ndarray
    garment: np.ndarray
    repainted: np.ndarray


class Score(NamedTuple):
    """How good a candidate is.

    Attributes:
        order: The lowest is the best candidate.
        details: For the report, as JSON.
    """

    order: tuple[float, ...]
    details: Mapping[str, Any]


Rank = Callable[[Candidate], Score]


class Painted(NamedTuple):
    """What an engine made.

    Attributes:
        images: (H, W, 3) uint8 sRGB, the best first.
        repainted: (H, W) float32 in [0, 1]; pixels of 0 equal the photo's bit for bit, in all.
        garment: (H, W) float32 in [0, 1], opacity of the garment in the best.
        generated: (H, W) float32; 1 where a pixel was photographed nowhere.
        report: What was used and what came of it, as JSON.
        warnings: Sentences for the user.
    """

    images: tuple[np.ndarray, ...]
    repainted: np.ndarray
    garment: np.ndarray
    generated: np.ndarray
    report: dict[str, Any]
    warnings: tuple[str, ...] = ()
