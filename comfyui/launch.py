"""The child's side of `server`: runs ComfyUI's main.py, and ends with its parent.

    python launch.py MAIN.PY ARGUMENTS...

A script of its own that imports nothing of the pack. Standard input is a pipe that the parent
holds open: the end of file says that the parent is gone, however it went, on every system.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import runpy
import signal
import sys
import threading
import time
import types

WATCH_S = 0.2  # between two looks at the clock


class TorchaudioWithoutItsLibrary(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets torchaudio load without its compiled half where that does not fit the torch there is.

    torchaudio's last release is built for CUDA 13.0 and refuses every other build of torch, CPU
    builds among them. ComfyUI cannot start without torchaudio, and calls its Python parts only.
    """

    NAME = "torchaudio._extension"

    def find_spec(self, fullname, path=None, target=None):
        """Returns a spec that goes through this loader, for the one module of interest."""
        if fullname != self.NAME:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None:
            return spec
        self._loader = spec.loader
        spec.loader = self
        return spec

    def create_module(self, spec):
        """Leaves the creation to the import system."""
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        """Runs the real module, or fills in what it offers where there is no library."""
        try:
            self._loader.exec_module(module)  # type: ignore[attr-defined]
        except (ImportError, OSError, RuntimeError) as error:
            sys.stderr.write(f"torchaudio runs without its compiled library: {error}\n")
            from torchaudio._internal.module_utils import fail_with_message

            module._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
            module._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
            module._check_cuda_version = lambda: None  # type: ignore[attr-defined]
            module.fail_if_no_align = fail_with_message(  # type: ignore[attr-defined]
                "Requires torchaudio's compiled library."
            )


class Lease:
    """How long this process may live: until standard input closes, or a lease there runs out.

    The parent may write `lease SECONDS` and has to write it again before they are over, or
    `rest`, which takes the lease away. It is kept here and not by the parent, which may be
    stopped, swapped out or cut off while this process goes on.
    """

    def __init__(self) -> None:
        self._until: float | None = None

    def read(self) -> None:
        """Follows standard input to its end; the end is that of this process group."""
        try:
            rest = b""
            while told := os.read(0, 1024):
                *lines, rest = (rest + told).split(b"\n")
                for line in lines:
                    self.take(line, time.monotonic())
        except OSError:
            pass
        end_group()

    def take(self, line: bytes, now: float) -> None:
        """Takes one line; what is none of the two means nothing."""
        word, _, seconds = line.strip().partition(b" ")
        if word == b"rest":
            self._until = None
        elif word == b"lease":
            try:
                self._until = now + float(seconds)
            except ValueError:
                pass

    def is_over(self, now: float) -> bool:
        """Tells whether there is a lease and it has run out."""
        return self._until is not None and now > self._until

    def watch(self) -> None:
        """Ends this process group when the lease is over."""
        while not self.is_over(time.monotonic()):
            time.sleep(WATCH_S)
        end_group()


def end_group() -> None:
    """Kills this process and all that it started."""
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def end_with_parent() -> None:
    """Ends this process group as soon as standard input closes, or a lease there is over."""
    lease = Lease()
    for task in (lease.read, lease.watch):
        threading.Thread(target=task, daemon=True).start()


def main() -> None:
    """Runs the script named by the first argument as the main program."""
    script = os.path.abspath(sys.argv[1])
    sys.argv = sys.argv[1:]
    # As `python main.py` would have it: the folder of this file off the path, ComfyUI's on it.
    sys.path[0] = os.path.dirname(script)
    sys.meta_path.insert(0, TorchaudioWithoutItsLibrary())
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    end_with_parent()
    main()
