"""The engines in memory: chosen to fit, lent for a painting, made smaller where memory ends."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import engine as engines
from . import memory
from .clearance import Cleared
from .memory import Sizes, Wishes
from .order import Host, Order
from .painter import Painter, PaintRequest, Progress, Setup
from .warm_set import WarmSet

# Of the machine's own memory: networks wait there while they are off the device.
RAM_SHARE = 0.6
GIB = 2**30
# The engines of this process. Its limit is set by the machine, when the first one is loaded.
WARM = WarmSet(0)
# How each engine was laid into memory when it last fitted.
_FITTING: dict[tuple, Setup] = {}


class Run(NamedTuple):
    """What an engine painted, and how.

    Attributes:
        pictures: (h, w, 3) uint8, one for each seed.
        setup: How the engine was laid into memory.
        seconds: By what took them: load, paint.
        notices: Sentences for the user.
    """

    pictures: list
    setup: Setup
    seconds: Mapping[str, float]
    notices: tuple[str, ...] = ()


def paint(
    cleared: Cleared, order: Order, request: PaintRequest, host: Host, progress: Progress
) -> Run:
    """Paints with an engine that is loaded where it is not in memory yet.

    Args:
        cleared: The engine, with weights.
        order: For its settings.
        request: The crop.
        host: For its memory.
        progress: As the painter calls it; starts again where the engine has to.

    Raises:
        RuntimeError: The engine does not fit, however small it is made.
        Exception: Whatever the painter or `progress` raises; the engine stays usable.
    """
    import torch

    wishes = order.settings.wishes
    setup: Setup | None = fitting(cleared, wishes, host)
    spent = setup
    notices: tuple[str, ...] = ()
    while setup is not None:
        try:
            pictures, seconds = _attempt(cleared, order, request, setup, progress)
        except torch.OutOfMemoryError:
            spent, setup = setup, memory.cheaper(setup, wishes, _sizes(cleared))
        else:
            _FITTING[_wanted(cleared, wishes)] = setup
            return Run(pictures, setup, seconds, notices)
        # Out here, because the exception holds on to what the attempt had allocated.
        _make_room(host)
        if setup is not None:
            notices += (
                f"The memory of {spent.device} ended with {_words(spent)}: painted with "
                f"{_words(setup)} instead, which is slower or less exact.",
            )
    height, width = request.image.shape[:2]
    raise RuntimeError(
        f"{cleared.engine} needs more memory to paint {width}x{height} pixels, got "
        f"{host.memory.free_bytes() / GIB:.1f} GiB free on {host.memory.device} with "
        f"{_words(spent)}, the smallest allowed. Close other programs, set everything in Engine "
        "Settings to auto, or choose another engine."
    )


def fitting(cleared: Cleared, wishes: Wishes, host: Host) -> Setup:
    """Returns how an engine is laid into memory; makes room for it where it is not there yet.

    An engine in memory stays as it is: what it takes itself must not make it seem too large.
    """
    known = _FITTING.get(_wanted(cleared, wishes))
    resident = {one.key for one in WARM.residents()}
    if known is not None and _key(cleared, known) in resident:
        return known
    device = host.memory.device
    sizes = _sizes(cleared)
    best = memory.needed_bytes(sizes, Setup(device, "float32" if device == "cpu" else "bfloat16"))
    if device != "cpu" and host.memory.free_bytes() < best:
        host.memory.release(best)
        WARM.evict(max(0, best - host.memory.free_bytes()))
    return memory.choose(
        host.memory.free_bytes(),
        sizes,
        wishes,
        device=device,
        precisions=memory.precisions(device),
    )


def _attempt(
    cleared: Cleared, order: Order, request: PaintRequest, setup: Setup, progress: Progress
) -> tuple[list, dict[str, float]]:
    started = time.perf_counter()
    WARM.limit_bytes = max(WARM.limit_bytes, _limit_bytes())

    def load() -> Painter:
        return engines.module(cleared.engine).load(cleared.paths, setup)

    size = memory.held_bytes(_sizes(cleared), setup)
    with WARM.lease(_key(cleared, setup), load, size) as painter:
        painter.set_loras(order.settings.loras)
        loaded = time.perf_counter()
        pictures = painter.paint(request, progress)
    return pictures, {
        "load": round(loaded - started, 3),
        "paint": round(time.perf_counter() - loaded, 3),
    }


def _sizes(cleared: Cleared) -> Sizes:
    return memory.measure(cleared.paths, engines.module(cleared.engine).SPEC.pixels)


def _make_room(host: Host) -> None:
    """Gives up every idle engine, and asks for all that others can give."""
    import torch

    WARM.evict_all()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    host.memory.release(2**62)


def _wanted(cleared: Cleared, wishes: Wishes) -> tuple:
    return (cleared.engine, _weights(cleared.paths), wishes)


def _key(cleared: Cleared, setup: Setup) -> tuple:
    return (cleared.engine, _weights(cleared.paths), setup)


def _weights(paths: Mapping[str, Path]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((key, str(path)) for key, path in paths.items()))


def _limit_bytes() -> int:
    import psutil
    import torch

    ram = math.floor(RAM_SHARE * psutil.virtual_memory().total)
    if not torch.cuda.is_available():
        return ram
    return ram + torch.cuda.get_device_properties(0).total_memory


def _words(setup: Setup) -> str:
    stored = setup.dtype if setup.quantization == "none" else setup.quantization
    tiles = ", decoded in tiles" if setup.vae_tiling else ""
    return f"{stored}, offload {setup.offload}{tiles}"
