"""What a diffusion engine gets and gives: a crop of the photo at its own size, painted anew."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

Progress = Callable[[int, int], None]
"""Called with the number of finished steps (1-based) and of all steps; raises to interrupt."""

TASKS = ("try-on", "mannequin-to-model")


class Spec(NamedTuple):
    """How an engine likes to be asked.

    Attributes:
        pixels: Area of the pictures that it was trained on.
        multiple: Both sides must be multiples of this many pixels.
        steps: Denoising steps where the user names none.
        guidance: Scale of the guidance where the user names none.
        references: Reference pictures it can look at, garments and person together.
    """

    pixels: int
    multiple: int
    steps: int
    guidance: float
    references: int


class Lora(NamedTuple):
    """Weights that change an engine without reloading it.

    Attributes:
        path: A safetensors file.
        strength: 0 is none, 1 as trained.
        licence: "commercial" where the user says so, else "unknown".
    """

    path: Path
    strength: float = 1.0
    licence: str = "unknown"


class Setup(NamedTuple):
    """How an engine is laid into memory; chosen by `memory.choose`.

    Attributes:
        device: A torch device.
        dtype: Name of a torch dtype: "bfloat16", "float16" or "float32".
        offload: "none" keeps everything on the device, "model" one network at a time, "group" a
            few layers at a time.
        quantization: "none", "fp8" (stored in 8 bits, computed in `dtype`) or "gguf".
        vae_tiling: Whether the autoencoder works in tiles.
        attention: "auto", or a backend by diffusers' name.
        speed: "exact", or "cached": skip the blocks of a step that would change little.
    """

    device: str = "cpu"
    dtype: str = "float32"
    offload: str = "none"
    quantization: str = "none"
    vae_tiling: bool = False
    attention: str = "auto"
    speed: str = "exact"


class PaintRequest(NamedTuple):
    """A crop and how to paint it. Pictures are uint8 sRGB.

    Attributes:
        image: (h, w, 3), sides multiples of the engine's `Spec.multiple`.
        mask: (h, w) float32 in [0, 1]; 1 is painted anew.
        garments: Garment references on white, (., ., 3), any sizes.
        person: (., ., 3), who shall wear the garment, where `image` does not show that person.
        scribble: (h, w) uint8, hints white on black.
        skeleton: (h, w, 3), OpenPose picture.
        roles: (h, w, 3), hints in the colours of their roles.
        task: One of TASKS.
        prompt: What to paint, in words.
        negative_prompt: What not, for engines that take it.
        seeds: One picture is painted for each.
        steps: Denoising steps; 0 takes the engine's own.
        guidance: None takes the engine's own.
        region: Of `parsing.REGIONS`, for the words of the prompt; "" is any garment.
    """

    image: np.ndarray
    mask: np.ndarray
    garments: tuple[np.ndarray, ...] = ()
    person: np.ndarray | None = None
    scribble: np.ndarray | None = None
    skeleton: np.ndarray | None = None
    roles: np.ndarray | None = None
    task: str = "try-on"
    prompt: str = ""
    negative_prompt: str = ""
    seeds: tuple[int, ...] = (0,)
    steps: int = 0
    guidance: float | None = None
    region: str = ""


class Painter(Protocol):
    """A loaded engine."""

    spec: Spec

    def paint(self, request: PaintRequest, progress: Progress) -> list[np.ndarray]:
        """Paints one (h, w, 3) uint8 picture for each seed, each independent of the others.

        Raises:
            ValueError: The request does not fit the engine.
            Exception: Whatever `progress` raises, within the step; the painter stays usable.
        """
        ...

    def set_loras(self, loras: Sequence[Lora]) -> None:
        """Replaces the LoRAs in force; the base weights stay where they are."""
        ...

    def modules(self) -> Mapping[str, Any]:
        """Returns the networks by name (torch modules), to count and to move their bytes."""
        ...

    def close(self) -> None:
        """Frees what the painter holds; it cannot paint any more."""
        ...
