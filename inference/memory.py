"""How an engine is laid into the memory there is: a ladder of setups, tried from the best down."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from .painter import Setup

GIB = 2**30
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
PRECISIONS = ("auto", *DTYPES, "fp8")
OFFLOADS = ("auto", "none", "model", "group")
SPEEDS = ("exact", "cached")
ON_OFF = ("auto", "on", "off")
# The allocator's own rounding and holes; 10 % is what CUDA's caching allocator usually wastes.
FRAGMENTATION = 1.1
# Groups of layers on the device at once: one computes while the next arrives.
GROUP_SHARE = 0.15
# What tiles leave of the autoencoder's working memory: a quarter of the area, and the overlap.
TILED_SHARE = 0.4
# 8 bits instead of 16; norms and embeddings stay as they are.
FP8_SHARE = 0.55


class Memory(Protocol):
    """The memory of a device, and whoever else lives in it."""

    device: str

    def free_bytes(self) -> int:
        """Returns how much may be allocated now."""
        ...

    def release(self, wanted_bytes: int) -> None:
        """Asks others to give memory back, so that `wanted_bytes` are free if that can be."""
        ...


class Sizes(NamedTuple):
    """What an engine takes.

    Attributes:
        networks: Bytes of each network at 16 bits, by name.
        working_bytes: Of the activations of one denoising step at the engine's own size.
        decoding_bytes: Of the activations while the autoencoder decodes without tiles.
        denoiser: The name of the network that works at every step, the one stored in 8 bits.
        gguf_bytes: Of the denoiser's GGUF file, where there is one on the disk.
    """

    networks: Mapping[str, int]
    working_bytes: int = 0
    decoding_bytes: int = 0
    denoiser: str = "transformer"
    gguf_bytes: int | None = None


class Wishes(NamedTuple):
    """What the user asked for; "auto" leaves it to `choose`.

    Attributes:
        precision: One of PRECISIONS.
        offload: One of OFFLOADS.
        speed: One of SPEEDS.
        vae_tiling: One of ON_OFF.
        attention: "auto", or a backend by diffusers' name.
    """

    precision: str = "auto"
    offload: str = "auto"
    speed: str = "exact"
    vae_tiling: str = "auto"
    attention: str = "auto"


NO_WISHES = Wishes()


class Rung(NamedTuple):
    """One step of the ladder."""

    quantization: str
    offload: str
    vae_tiling: bool


# Exact before quick: moving whole networks costs seconds, 8 bits cost accuracy, moving layers
# costs seconds at every step.
LADDER = (
    Rung("none", "none", False),
    Rung("none", "none", True),
    Rung("none", "model", False),
    Rung("none", "model", True),
    Rung("fp8", "none", True),
    Rung("fp8", "model", True),
    Rung("none", "group", True),
    Rung("fp8", "group", True),
)
CPU_LADDER = LADDER[:2]


def choose(
    free_bytes: int,
    sizes: Sizes,
    wishes: Wishes = NO_WISHES,
    *,
    device: str = "cpu",
    precisions: tuple[str, ...] = ("bf16", "fp16", "fp8"),
) -> Setup:
    """Returns the best setup that fits, or the smallest one where none does.

    Args:
        free_bytes: Of the device.
        sizes: Of the engine.
        wishes: Of the user; what is not "auto" is kept.
        device: A torch device.
        precisions: What the device computes or stores in, from `precisions`.
    """
    fitting = (rung for rung in _rungs(device, sizes, wishes, precisions))
    rungs = list(fitting)
    rung = next((one for one in rungs if needed_bytes(sizes, one) <= free_bytes), rungs[-1])
    return Setup(
        device=device,
        dtype=_dtype(device, wishes, precisions),
        offload=rung.offload,
        quantization=rung.quantization,
        vae_tiling=rung.vae_tiling,
        attention=wishes.attention,
        speed=wishes.speed,
    )


def cheaper(setup: Setup, wishes: Wishes = NO_WISHES) -> Setup | None:
    """Returns the next setup down the ladder, None at its foot.

    Args:
        setup: The one that did not fit.
        wishes: Of the user; what is not "auto" is kept.
    """
    ladder = CPU_LADDER if setup.device == "cpu" else LADDER
    here = Rung(setup.quantization, setup.offload, setup.vae_tiling)
    below = ladder[ladder.index(here) + 1 :] if here in ladder else ladder[-1:]
    for rung in below:
        if rung != here and _allowed(rung, wishes):
            return setup._replace(**rung._asdict())
    return None


def needed_bytes(sizes: Sizes, rung: Rung | Setup) -> int:
    """Returns the bytes of the device that a setup needs at its peak."""
    networks = dict(sizes.networks)
    if rung.quantization == "fp8" and sizes.denoiser in networks:
        networks[sizes.denoiser] = int(networks[sizes.denoiser] * FP8_SHARE)
    held = {
        "none": sum(networks.values()),
        "model": max(networks.values(), default=0),
        "group": int(GROUP_SHARE * max(networks.values(), default=0)),
    }[rung.offload]
    decoding = sizes.decoding_bytes * (TILED_SHARE if rung.vae_tiling else 1)
    return int(FRAGMENTATION * (held + max(sizes.working_bytes, decoding)))


def _rungs(device, sizes, wishes, precisions):
    ladder = CPU_LADDER if device == "cpu" else LADDER
    return [one for one in ladder if _allowed(one, wishes)] or list(ladder[:1])


def _allowed(rung: Rung, wishes: Wishes) -> bool:
    if wishes.precision != "auto" and (rung.quantization == "fp8") != (wishes.precision == "fp8"):
        return False
    if wishes.offload not in ("auto", rung.offload):
        return False
    return wishes.vae_tiling in ("auto", "on" if rung.vae_tiling else "off")


def _dtype(device: str, wishes: Wishes, precisions: tuple[str, ...]) -> str:
    if wishes.precision in DTYPES:
        return DTYPES[wishes.precision]
    if device == "cpu":
        return "float32"
    return DTYPES["bf16" if "bf16" in precisions else "fp16"]
