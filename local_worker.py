"""`dressform serve --with-worker`: a worker on the server's own machine, as a child of the server.

The child ends with its parent: it reads a pipe that only the parent holds open.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .comfyui import environment, source
from .comfyui.sandbox import SERVER

CPU = "cpu"
RATE = 1_000  # micro-credits a second: 3.6 credits an hour, where nobody has set a price
WELCOME = 10_000_000  # micro-credits: some thousand runs of seconds
DRAIN_S = 5.0  # for a run to end by itself; whoever presses Ctrl-C waits
KILL_AFTER_S = DRAIN_S + 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # between two starts
STEADY_S = 60.0  # after so long at work, a start counts as one that succeeded
NAME = "this machine's worker"

Say = Callable[[str], None]


@contextlib.contextmanager
def beside(services: Any, url: str, say: Say) -> Iterator["Keeper"]:
    """Runs a worker for a server until the block ends.

    Args:
        services: Parts of the server.
        url: Where the server listens.
        say: Told what the worker writes.

    Raises:
        FileNotFoundError: COMFYUI_PATH is set and is no ComfyUI.
    """
    source.locate()  # a wrong path is told before anything is started
    folder = services.settings.data / "worker"
    key, is_new = kept_key(services, folder)
    if is_new and services.settings.simulated:
        owner = services.identity.admins()[0]
        told = {"key": "first-runs", "reason": "for the first runs on this machine"}
        before = services.ledger.balance(owner.account).available
        services.ledger.grant(owner.account, WELCOME, "promotional", **told)
        if services.ledger.balance(owner.account).available > before:  # not given before
            say(f"{owner.email} has {WELCOME // 1_000_000} credits for the first runs.")

    def price(gpu_class: str) -> None:
        if gpu_class not in {rate.gpu_class for rate in services.ledger.card.rates()}:
            services.ledger.card.add(gpu_class, RATE)
            say(f"GPU class {gpu_class} costs {RATE / 1_000_000} credits a second until changed.")

    price(CPU)
    # Strangers' workflows run beside the books and their secrets: not without a wall between.
    sandbox = "auto" if services.settings.simulated else "on"
    keeper = Keeper(url, key, folder, sandbox=sandbox, price=price, say=say)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def kept_key(services: Any, folder: Path) -> tuple[Path, bool]:
    """Returns the file with the worker's key, and whether the key was made now."""
    file = folder / "key"
    if file.is_file():
        key = services.keys.find(file.read_text(encoding="ascii").strip())
        if key and "worker" in key.scopes:
            return file, False
    secret, _ = services.keys.create(services.identity.admins()[0].account, NAME, ["worker"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as kept:
        kept.write(secret)
    return file, True


class Keeper:
    """Starts the worker, and starts it again, more and more slowly, when it dies.

    Attributes:
        process: The child that is there; None before the first.
    """

    def __init__(
        self, url: str, key: Path, folder: Path, *, sandbox: str, price: Say, say: Say
    ) -> None:
        self._url, self._key, self._folder, self._sandbox = url, key, folder, sandbox
        self._price, self._say = price, say
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Asks the child to end its run or hand it back, and ends it if it does not."""
        with self._lock:
            self._stopped.set()
        child = self.process
        try:
            if child and child.poll() is None:
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(KILL_AFTER_S)
        finally:
            if child:
                _kill(child)
        self._thread.join(timeout=KILL_AFTER_S)

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopped.is_set():
            begun = time.monotonic()
            try:
                ended = self._work()
            except (OSError, RuntimeError) as error:
                ended = str(error)
            if time.monotonic() - begun > STEADY_S:
                pause_s = FIRST_PAUSE_S
            if not self._stopped.is_set():
                self._say(f"worker: {ended} Starting again in {pause_s:.0f} s.")
            self._stopped.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _work(self) -> str:
        """Gets a ComfyUI, then works with it; returns how that ended."""
        if status := self._follow("comfyui", "--with-parent"):
            return f"no ComfyUI could be got ready (status {status})."
        gpu_class = device_class()
        self._price(gpu_class)
        told = ["--server", self._url, "--key", f"@{self._key}", "--data", str(self._folder)]
        told += ["--gpu-class", gpu_class, "--drain-s", str(DRAIN_S), "--with-parent"]
        told += ["--sandbox", self._sandbox]
        return f"it ended with status {self._follow('worker', *told)}."

    def _follow(self, *arguments: str) -> int:
        """Runs a command of ours, says its lines, and returns its exit status."""
        with self._lock:
            if self._stopped.is_set():
                return 0
            self.process = child = subprocess.Popen(  # noqa: S603 (this very program)
                [sys.executable, "-m", f"{__package__}.cli", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, SERVER: str(self._folder.parent), "PYTHONUNBUFFERED": "1"},
                start_new_session=os.name != "nt",  # Ctrl-C is for the parent, which asks it to end
            )
        with child:
            for line in child.stdout or ():
                self._say(f"worker: {line.rstrip()}")
        return child.returncode


def device_class() -> str:
    """Returns the GPU class of this machine, as a worker would tell it."""
    if not environment.sees_cuda():
        return CPU
    from .worker import introduction

    return introduction.gpu_class(environment.probe()["device"])


def _kill(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
