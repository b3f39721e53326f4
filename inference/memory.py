"""How an engine is laid into the memory there is: a ladder of setups, tried from the best down."""

import importlib.util
import json
import re
import struct
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple, Protocol

from .painter import Setup

DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
PRECISIONS = ("auto", *DTYPES, "fp8", "gguf")
OFFLOADS = ("auto", "none", "model", "group")
SPEEDS = ("exact", "cached")
ON_OFF = ("auto", "on", "off")
DENOISERS = ("transformer", "unet")
GIB = 2**30
BYTES = 2  # of a weight at 16 bits
# Of a pixel that is painted. A transformer keeps about thirty buffers of 3,072 channels for every
# 256 pixels, and sees two references of the same size beside the picture.
WORKING_BYTES_PER_PIXEL = 2048
# While an autoencoder decodes: about eight buffers of 256 channels at full resolution.
DECODING_BYTES_PER_PIXEL = 4096
# What tiles leave of that: a quarter of the area, and their overlap.
TILED_SHARE = 0.4
# 8 bits instead of 16; norms, embeddings and the last layer stay as they are.
FP8_SHARE = 0.55
# Layers on the device at once: some compute while the next arrive.
GROUP_SHARE = 0.15
# The allocator rounds sizes up and leaves holes.
FRAGMENTATION = 1.1


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
        working_bytes: Of the activations of one denoising step.
        decoding_bytes: Of the activations while the autoencoder decodes without tiles.
        denoiser: The name of the network that works at every step, the one stored in 8 bits.
        gguf_bytes: Of a GGUF file that can take its place; 0 where there is none.
        plain: Whether it is there without one.
    """

    networks: Mapping[str, int]
    working_bytes: int = 0
    decoding_bytes: int = 0
    denoiser: str = DENOISERS[0]
    gguf_bytes: int = 0
    plain: bool = True


NO_SIZES = Sizes({})


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
    """One step of a ladder; see `Setup` for what the values mean."""

    quantization: str
    offload: str
    vae_tiling: bool
    dtype: str | None = None


# Exact before quick: moving whole networks costs seconds for each picture, fewer bits cost
# accuracy, moving layers costs seconds for each step. Where a GGUF file lies it is taken instead of
# 8 bits: whoever put it there chose how many bits to spend.
LADDER = (
    Rung("none", "none", False),
    Rung("none", "none", True),
    Rung("none", "model", False),
    Rung("none", "model", True),
    Rung("fp8", "none", True),
    Rung("gguf", "none", True),
    Rung("fp8", "model", True),
    Rung("gguf", "model", True),
    Rung("none", "group", True),
    Rung("fp8", "group", True),
    Rung("gguf", "group", True),
)
# Where the processor and the device share one memory there is nowhere to move a network to.
SHARED_LADDER = (
    *LADDER[:2],
    Rung("none", "none", True, "bfloat16"),
    Rung("gguf", "none", True, "bfloat16"),
)


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
        wishes: Of the user; what is not "auto" is kept, whether it fits or not.
        device: A torch device.
        precisions: What the device works in, from `precisions`.
    """
    top = Setup(
        device=device,
        dtype=_dtype(device, wishes, precisions),
        attention=wishes.attention,
        speed=wishes.speed,
    )
    setups = list(_descend(top, wishes, precisions, sizes))
    return next((one for one in setups if needed_bytes(sizes, one) <= free_bytes), setups[-1])


def cheaper(setup: Setup, wishes: Wishes = NO_WISHES, sizes: Sizes = NO_SIZES) -> Setup | None:
    """Returns the next setup down the ladder, None at its foot.

    Args:
        setup: The one that did not fit.
        wishes: Of the user; what is not "auto" is kept.
        sizes: Of the engine, for what lies there.
    """
    top = setup._replace(offload="none", quantization="none", vae_tiling=False)
    setups = list(_descend(top, wishes, tuple(PRECISIONS[1:]), sizes))
    below = setups[setups.index(setup) + 1 :] if setup in setups else setups[-1:]
    return next((one for one in below if one != setup), None)


def needed_bytes(sizes: Sizes, setup: Setup | Rung) -> int:
    """Returns the bytes of the device that a setup needs at its peak."""
    networks = _held(sizes, setup)
    largest = max(networks.values(), default=0)
    held = {
        "none": sum(networks.values()),
        "model": largest,
        "group": int(GROUP_SHARE * largest),
    }[setup.offload]
    decoding = sizes.decoding_bytes * (TILED_SHARE if setup.vae_tiling else 1)
    working = max(sizes.working_bytes, decoding)
    return int(FRAGMENTATION * (held + _wide(setup) * working))


def held_bytes(sizes: Sizes, setup: Setup) -> int:
    """Returns the bytes of all networks, on the device or off it."""
    return sum(_held(sizes, setup).values())


def _held(sizes: Sizes, setup: Setup | Rung) -> dict[str, int]:
    networks = {name: count * _wide(setup) for name, count in sizes.networks.items()}
    if setup.quantization == "gguf":
        networks[sizes.denoiser] = sizes.gguf_bytes
    elif setup.quantization == "fp8" and sizes.denoiser in networks:
        networks[sizes.denoiser] = int(sizes.networks[sizes.denoiser] * FP8_SHARE)
    return networks


def _wide(setup: Setup | Rung) -> int:
    return 2 if setup.dtype == "float32" else 1


def measure(paths: Mapping[str, Path], pixels: int) -> Sizes:
    """Returns what an engine takes, from the headers of its weights; no weight is read.

    Args:
        paths: Weights id to a folder in diffusers' layout, or to a file.
        pixels: Area of the pictures that it paints.
    """
    networks: dict[str, int] = {}
    quantized = [file for path in paths.values() for file in gguf_files(path)]
    for key, path in paths.items():
        files = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
        parts: dict[str, dict[str, int]] = {}
        for file in files:
            inside = file.parent != path and path.is_dir()
            part = parts.setdefault(file.parent.name if inside else key, {})
            variant = _variant(file.name)
            part[variant] = part.get(variant, 0) + weights_count(file) * BYTES
        for name, variants in parts.items():  # the same network in two precisions counts once
            networks[name] = max(networks.get(name, 0), *variants.values())
    return Sizes(
        networks,
        working_bytes=WORKING_BYTES_PER_PIXEL * pixels,
        decoding_bytes=DECODING_BYTES_PER_PIXEL * pixels,
        denoiser=next((name for name in DENOISERS if name in networks), DENOISERS[0]),
        gguf_bytes=max((file.stat().st_size for file in quantized), default=0)
        if reads_gguf()
        else 0,
        plain=not quantized or any(name in networks for name in DENOISERS),
    )


def gguf_files(folder: Path) -> list[Path]:
    """Returns the GGUF files that can be the transformer of a folder in diffusers' layout."""
    return sorted([*folder.glob("*.gguf"), *(folder / DENOISERS[0]).glob("*.gguf")])


def reads_gguf() -> bool:
    """Returns whether the package is installed that reads GGUF files; the pack does not need it."""
    return importlib.util.find_spec("gguf") is not None


def weights_count(file: Path) -> int:
    """Returns how many numbers a safetensors file holds, by its header.

    Raises:
        ValueError: the file is no safetensors file.
    """
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > file.stat().st_size:
                raise ValueError("the header is longer than the file")
            header = json.loads(opened.read(length))
        header.pop("__metadata__", None)
        return sum(prod(tensor["shape"]) for tensor in header.values())
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ValueError(
            f"{file} must be a safetensors file, got {error}. Fetch it again: dressform weights "
            "verify"
        ) from error


def precisions(device: str) -> tuple[str, ...]:
    """Returns what a device works in, the best for pictures first, from PRECISIONS.

    Args:
        device: A torch device.
    """
    import torch

    kind = torch.device(device).type
    capability = torch.cuda.get_device_capability(device) if kind == "cuda" else (0, 0)
    return precisions_of(kind, capability)


def precisions_of(kind: str, capability: tuple[int, int] = (0, 0)) -> tuple[str, ...]:
    """Returns the same for a kind of device.

    Args:
        kind: "cuda", "cpu", "mps" or another of torch's.
        capability: Of a CUDA device. From 8.0 (Ampere) it computes in bfloat16; 8 bits are
            converted to 16 for computing, which every CUDA device can.
    """
    if kind == "cuda":
        return ("bf16", "fp16", "fp32", "fp8") if capability >= (8, 0) else ("fp16", "fp32", "fp8")
    return ("fp32", "bf16") if kind == "cpu" else ("bf16", "fp16", "fp32")


def _descend(
    top: Setup, wishes: Wishes, works_in: tuple[str, ...], sizes: Sizes
) -> Iterator[Setup]:
    """The setups of a ladder from the top, each once, with the user's wishes put in."""
    shared = top.device.split(":")[0] in ("cpu", "mps")
    seen = set()
    for rung in SHARED_LADDER if shared else LADDER:
        if not _open(rung, wishes, works_in, sizes):
            continue
        setup = top._replace(
            quantization=_quantization(rung, wishes, sizes),
            offload=rung.offload if wishes.offload == "auto" else wishes.offload,
            vae_tiling=rung.vae_tiling
            if wishes.vae_tiling == "auto"
            else wishes.vae_tiling == "on",
            dtype=top.dtype if wishes.precision in DTYPES else rung.dtype or top.dtype,
        )
        if setup not in seen:
            seen.add(setup)
            yield setup


def _open(rung: Rung, wishes: Wishes, works_in: tuple[str, ...], sizes: Sizes) -> bool:
    """Whether a rung may be stepped on: there is what it takes, and no wish against it."""
    if rung.quantization == "none":
        return True
    if wishes.precision not in ("auto", rung.quantization):
        return False
    if rung.quantization == "fp8":
        return "fp8" in works_in and (wishes.precision == "fp8" or not sizes.gguf_bytes)
    return bool(sizes.gguf_bytes)


def _quantization(rung: Rung, wishes: Wishes, sizes: Sizes) -> str:
    if not sizes.plain:
        return "gguf"  # there is nothing else
    return wishes.precision if wishes.precision in ("fp8", "gguf") else rung.quantization


def _dtype(device: str, wishes: Wishes, works_in: tuple[str, ...]) -> str:
    if wishes.precision in DTYPES:
        return DTYPES[wishes.precision]
    if device.split(":")[0] == "cpu":
        return "float32"
    return DTYPES["bf16" if "bf16" in works_in else "fp16"]


def _variant(name: str) -> str:
    """The name of a weights file without the number of the shard: one for each precision."""
    return re.sub(r"-\d+-of-\d+", "", name)
