"""Time and memory of the parser, measured in processes and threads that nothing else disturbs."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

CORES = 2
RUNS = 5
# Four thirds, as cameras have it; 12 million pixels.
LARGE_HEIGHT, LARGE_WIDTH = 4000, 3000
KIB_PER_MB = 1024

_IMPORT = "from dressform.imaging import parse, pictures"
_PARSE = (
    _IMPORT
    + """
import sys, cv2
photo = pictures.open_picture(sys.argv[1])
photo = cv2.resize(photo, (int(sys.argv[2]), int(sys.argv[3])))
parse.parse(photo)"""
)
_CHECK_IMPORT = "from dressform.quality import verdict; from dressform.imaging import pictures"
_CHECK = (
    _CHECK_IMPORT
    + """
import sys; sys.path.insert(0, sys.argv[2])
import quality_cost
quality_cost.check(*quality_cost.pair(sys.argv[1]))"""
)
# The peak that Linux keeps for getrusage survives the start of a program and so may be that of the
# process that started it; VmHWM begins anew.
_PEAK = """
import resource, sys
try:
    lines = open("/proc/self/status").read().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
except (OSError, StopIteration):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak // 1024 if sys.platform == "darwin" else peak)"""


def keep_to_cores() -> int:
    """Binds this process to CORES processors where the system can; returns how many it may use."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    cv2.setNumThreads(CORES)
    counted = getattr(os, "sched_getaffinity", None)
    return len(counted(0)) if counted else os.cpu_count() or 1


def seconds(work: Callable[[np.ndarray], object], photo: np.ndarray, runs: int = RUNS) -> float:
    """Returns the median seconds of `runs` calls after one that is not counted."""
    work(photo)
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        work(photo)
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def parser_memory_mb(photo: Path) -> float | None:
    """Returns the peak of a process that parses 12 megapixels over one that only imports.

    The picture itself counts. None where the system does not tell.
    """
    if sys.platform == "win32":
        return None
    size = str(LARGE_WIDTH), str(LARGE_HEIGHT)
    return _peak_mb(_PARSE, str(photo), *size) - _peak_mb(_IMPORT)


def check_memory_mb(scene: Path) -> float | None:
    """Returns the peak of a process that checks a pair of 1536x2048 over one that only imports.

    Both pictures count, and all that is given with them. None where the system does not tell.
    """
    if sys.platform == "win32":
        return None
    return _peak_mb(_CHECK, str(scene), str(Path(__file__).parent)) - _peak_mb(_CHECK_IMPORT)


def _peak_mb(program: str, *arguments: str) -> float:
    command = [sys.executable, "-c", program + _PEAK, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (ours)
    return int(done.stdout.split()[-1]) / KIB_PER_MB
