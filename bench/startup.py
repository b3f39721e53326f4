"""Measures what the pack adds to the start of a real ComfyUI, with and without it.

    python bench/startup.py [--runs N]

Starts ComfyUI (COMFYUI_PATH, else the pinned one) in turns without and with the pack, N times each,
and compares the medians of the seconds until it answers. What ComfyUI itself logs as the pack's
import is quoted beside.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from dressform.comfyui import session, source
from dressform.comfyui.server import Server

ADDED_BAR_S = 0.3


def start(tree: Path, packs: list[Path]) -> tuple[float, float | None]:
    """Returns the seconds until ComfyUI answers, and those it logs for the pack's import."""
    with tempfile.TemporaryDirectory() as base:
        began = time.perf_counter()
        with Server(tree, packs=packs, base=Path(base)).start() as server:
            spent = time.perf_counter() - began
            return spent, server.import_seconds(session.PACK) if packs else None


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--runs", type=int, default=5)
    tree = source.locate_or_fetch()
    start(tree, [])  # fills the disk's cache; not counted
    bare, packed, imports = [], [], []
    print(f"{'run':>4}{'without':>11}{'with':>11}{'import':>11}")
    for run in range(1, options.parse_args().runs + 1):
        bare.append(start(tree, [])[0])
        spent, imported = start(tree, [session.PACK])
        packed.append(spent)
        imports.append(imported)
        logged = "not listed" if imported is None else f"{imported:.1f} s"
        print(f"{run:4}{bare[-1]:9.2f} s{packed[-1]:9.2f} s{logged:>11}")
    added = statistics.median(packed) - statistics.median(bare)
    slowest = None if None in imports else max(imports)
    print(f"median{statistics.median(bare):9.2f} s{statistics.median(packed):9.2f} s")
    bars = {
        "added_s": {"value": round(added, 3), "bar": ADDED_BAR_S, "ok": added <= ADDED_BAR_S},
        "import_s": {
            "value": slowest,
            "bar": ADDED_BAR_S,
            "ok": slowest is not None and slowest <= ADDED_BAR_S,
        },
    }
    print(json.dumps({"bench": "startup", "bars": bars}))


if __name__ == "__main__":
    main()
