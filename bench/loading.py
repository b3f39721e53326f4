"""Measures what the pack adds to ComfyUI's start, by ComfyUI's own import times.

    python bench/loading.py [--starts N]

Starts a real ComfyUI with this pack N times and quotes the slowest import.
"""

import argparse
import json

from dressform.comfyui import session

IMPORT_BAR_S = 0.3


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--starts", type=int, default=3)
    seconds, failures = [], 0
    for _ in range(options.parse_args().starts):
        with session.started() as server:
            seconds.append(server.import_seconds(session.PACK))
            failures += server.log().count("IMPORT FAILED")
    print(f"{'start':8}{'import':>10}")
    for index, spent in enumerate(seconds, 1):
        print(f"{index:<8}{'not listed' if spent is None else f'{spent:8.1f} s'}")
    slowest = None if None in seconds else max(seconds)
    bars = {
        "import_s": {
            "value": slowest,
            "bar": IMPORT_BAR_S,
            "ok": slowest is not None and slowest <= IMPORT_BAR_S,
        },
        "import_failures": {"value": failures, "bar": 0, "ok": failures == 0},
    }
    print(json.dumps({"bench": "loading", "bars": bars}))


if __name__ == "__main__":
    main()
