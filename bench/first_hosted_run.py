"""Measures the way from nothing to the first hosted picture, by the commands of the README.

    python bench/first_hosted_run.py [--folder NAME] [--port N]

Clones this repository's HEAD into an empty temporary folder, runs `make serve` there, waits until
the worker says that it works, and runs samples/hosted_run.py. Everything is installed from the
package index into the clone's own environment; pip may have packages in its cache: it is told.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BAR_S = 600
PICTURE = "on_model*.png"


def cached_bytes() -> int:
    """Returns what pip's cache holds."""
    told = subprocess.run(
        ["python3", "-m", "pip", "cache", "dir"],  # noqa: S607 (the user's)
        capture_output=True,
        text=True,
        check=False,
    )
    files = Path(told.stdout.strip() or "/nowhere").rglob("*")
    return sum(one.stat().st_size for one in files if one.is_file())


def measure(clone: Path, data: Path, port: int) -> dict[str, float]:
    """Returns the seconds since the first command at which each thing was reached."""
    begun, reached, key, url = time.perf_counter(), {}, "", ""
    # In a process group of its own, so that make and what it started are ended together.
    server = subprocess.Popen(  # noqa: S603 (our own arguments)
        ["make", "serve", f"SERVE_ARGUMENTS=--port {port}"],  # noqa: S607
        cwd=clone,
        env={**os.environ, "DRESSFORM_DATA": str(data)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for line in server.stdout or ():
            print(f"{time.perf_counter() - begun:6.1f} s  {line.rstrip()[:160]}", flush=True)
            if match := re.match(r"Dashboard: (\S+)", line):
                url, reached["server_s"] = match[1], time.perf_counter() - begun
            key = match[1] if (match := re.match(r"Admin key: (\S+)", line)) else key
            if re.match(r"worker: .* works for", line):
                reached["worker_s"] = time.perf_counter() - begun
                break
        told = {**os.environ, "COMFY_BASE_URL": url, "COMFY_API_KEY": key}
        command = [".venv/bin/python", "samples/hosted_run.py"]
        subprocess.run(command, cwd=clone, env=told, check=True)  # noqa: S603
        (picture,) = (clone / "out" / "hosted").rglob(PICTURE)
        reached["picture_s"] = time.perf_counter() - begun
        print(f"{picture.name}: {picture.stat().st_size} bytes")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=60)
    return reached


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--folder", default="my pack-1.0", help="name of the clone")
    options.add_argument("--port", type=int, default=8020)
    options = options.parse_args()
    before = cached_bytes()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        place.chmod(0o755)  # root's PostgreSQL runs as somebody else
        clone = place / options.folder
        command = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)]
        subprocess.run(command, check=True)  # noqa: S603 (our own arguments)
        reached = measure(clone, place / "data", options.port)
    print(f"{'':12}{'measured':>10}{'at most':>10}")
    for name, seconds in reached.items():
        bar = f"{BAR_S:10.0f}" if name == "picture_s" else ""
        print(f"{name:12}{seconds:10.1f}{bar}")
    print(f"pip's cache held {before / 2**30:.1f} GB before")
    value = round(reached["picture_s"], 1)
    bars = {"first_hosted_picture_s": {"value": value, "bar": BAR_S, "ok": value <= BAR_S}}
    print(json.dumps({"bench": "first_hosted_run", "bars": bars}))


if __name__ == "__main__":
    main()
