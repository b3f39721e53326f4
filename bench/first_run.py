"""Measures what a newcomer waits for: `make demo` in an empty clone, cold, then set up.

    python bench/first_run.py [--folder NAME]

Clones this repository's HEAD into an empty temporary folder and runs `make demo` there twice. The
cold run installs everything from the package index, so it depends on the network.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLD_BAR_S = 600
WARM_BAR_S = 90
REPORT_BAR_BYTES = 100_000  # with its pictures


def demo(clone: Path) -> float:
    """Runs `make demo`, returns its seconds; its output goes to the terminal."""
    start = time.perf_counter()
    subprocess.run(["make", "demo"], cwd=clone, check=True)  # noqa: S607 (the user's make)
    return time.perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--folder", default="my pack-1.0", help="name of the clone")
    name = options.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / name
        command = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)]
        subprocess.run(command, check=True)  # noqa: S603 (our own arguments)
        cold, warm = demo(clone), demo(clone)
        report = clone / "out" / "demo" / "report.html"
        size = report.stat().st_size if report.is_file() else 0
    measured = {
        "cold_s": (cold, COLD_BAR_S),
        "warm_s": (warm, WARM_BAR_S),
    }
    print(f"{'':18}{'measured':>10}{'at most':>10}")
    for bar, (value, limit) in measured.items():
        print(f"{bar:18}{value:10.2f}{limit:10.2f}")
    print(f"report.html: {size} bytes")
    bars = {
        bar: {"value": round(value, 3), "bar": limit, "ok": value <= limit}
        for bar, (value, limit) in measured.items()
    }
    bars["report_bytes"] = {"value": size, "bar": REPORT_BAR_BYTES, "ok": size >= REPORT_BAR_BYTES}
    print(json.dumps({"bench": "first_run", "bars": bars}))


if __name__ == "__main__":
    main()
