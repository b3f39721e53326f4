"""Measures what the pack adds to the start of a real ComfyUI, with and without it.

    python bench/startup.py [--pairs N]

Starts ComfyUI (COMFYUI_PATH, else the pinned one) N times without and with the pack, the one first
in every other pair. The bar is on what ComfyUI itself logs as the pack's import ("Import times for
custom nodes", to a tenth of a second), the slowest of all starts. Beside it stand the whole starts,
until ComfyUI answers: in seconds of the clock, which on a shared machine differ by more than a pack
takes, and in seconds of the processor, which do not wait for others. Of both the least is the
start that was disturbed least.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dressform.comfyui import session
from dressform.comfyui.server import Server

ADDED_BAR_S = 0.3


class Start(NamedTuple):
    """One start of ComfyUI, in seconds.

    Attributes:
        clock: Until it answered.
        processor: That it took until then; None where psutil is missing.
        imported: That it logged for the pack's import; None where it logged nothing.
    """

    clock: float
    processor: float | None = None
    imported: float | None = None


class Pair(NamedTuple):
    """Two starts, one after the other."""

    bare: Start
    packed: Start


def start(tree: Path, packs: list[Path]) -> Start:
    """Starts ComfyUI and stops it when it answers."""
    with tempfile.TemporaryDirectory() as base:
        began = time.perf_counter()
        with Server(tree, packs=packs, base=Path(base)).start() as server:
            spent = time.perf_counter() - began
            processor = _processor_seconds()
            return Start(spent, processor, server.import_seconds(session.PACK) if packs else None)


def _processor_seconds() -> float | None:
    """Returns what the processes that this one started have taken of the processor."""
    with contextlib.suppress(ImportError):
        import psutil

        spent = 0.0
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                times = child.cpu_times()
                spent += times.user + times.system
        return spent
    return None


def measure(tree: Path, pairs: int) -> list[Pair]:
    """Returns pairs of starts, in turns the one without and the one with the pack first."""
    start(tree, [session.PACK])  # fills the disk's cache and compiles; not counted
    found = []
    for index in range(pairs):
        if index % 2:
            packed, bare = start(tree, [session.PACK]), start(tree, [])
        else:
            bare, packed = start(tree, []), start(tree, [session.PACK])
        found.append(Pair(bare, packed))
    return found


def conclude(pairs: Sequence[Pair]) -> dict:
    """Returns the bar and what stands beside it; see the top of the file."""
    logged = [pair.packed.imported for pair in pairs]
    known = [one for one in logged if one is not None]
    slowest = max(known) if len(known) == len(logged) else None
    ok = slowest is not None and slowest <= ADDED_BAR_S
    beside: dict[str, object] = {"import_median_s": statistics.median(known) if known else None}
    for kind in ("clock", "processor"):
        bare, packed = (
            [getattr(one, kind) for one in column] for column in zip(*pairs, strict=True)
        )
        if None not in (*bare, *packed):
            beside[f"{kind}_least_s"] = [round(min(bare), 2), round(min(packed), 2)]
            beside[f"{kind}_added_s"] = round(min(packed) - min(bare), 2)
            differences = [with_it - without for without, with_it in zip(bare, packed, strict=True)]
            beside[f"{kind}_added_median_s"] = round(statistics.median(differences), 2)
    bar = {"value": slowest, "bar": ADDED_BAR_S, "ok": ok}
    return {"bars": {"import_s": bar}, "beside": beside}


def _text(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.2f} s"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pairs", type=int, default=5)
    pairs = measure(session.prepare(), options.parse_args().pairs)
    print(f"{'':6}{'until it answers':>22}{'processor':>22}{'import':>11}")
    print(f"{'pair':6}{'without':>11}{'with':>11}{'without':>11}{'with':>11}")
    for number, (bare, packed) in enumerate(pairs, 1):
        shown = (bare.clock, packed.clock, bare.processor, packed.processor, packed.imported)
        print(f"{number:<6}" + "".join(f"{_text(one):>11}" for one in shown))
    print(json.dumps({"bench": "startup", **conclude(pairs)}))


if __name__ == "__main__":
    main()
