"""A worker in a process of its own: `hosted_worker.py URL KEY COMFYUI DATA NAME`."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dressform.worker import shift
from dressform.worker.shift import Options


class Process:
    """Starts a worker; a context manager that ends it.

    Attributes:
        before: Words of the command that come before the interpreter.
    """

    def __init__(self, options: Options, *, log: Path | None = None, before: Sequence[str] = ()):
        told = (options.url, options.key, options.comfyui, options.data, options.name)
        options.data.mkdir(parents=True, exist_ok=True)
        with (log or options.data / "log").open("ab") as file:
            self.process = subprocess.Popen(  # noqa: S603 (this very file)
                [*before, sys.executable, __file__, *map(str, told)],
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.pid = self.process.pid

    def children(self) -> list[int]:
        """Returns the processes that it started."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                words = stat.read_text().rpartition(")")[2].split()
                if int(words[1]) == self.pid and words[0] != "Z":
                    found.append(int(stat.parent.name))
        return found

    def send(self, number: int) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.send(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


if __name__ == "__main__":
    url, key, comfyui, data, name = sys.argv[1:]
    places = {"comfyui": Path(comfyui), "data": Path(data)}
    shift.run(Options(url=url, key=key, name=name, **places), lambda line: print(line, flush=True))
