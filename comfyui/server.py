"""A real ComfyUI as a child process that never outlives its parent."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import environment

START_TIMEOUT_S = 300  # 12 s seen warm, 32 s cold; slow disks and busy machines take far longer
STOP_TIMEOUT_S = 10  # then the group is killed
POLL_S = 0.2
LOG_LINES = 12  # of the log, in the error of a start that failed
FREE_PORT_ATTEMPTS = 3  # another program may take the port between the choice and the start
FOLDERS = ("custom_nodes", "input", "output", "temp", "user")

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_IMPORT_TIME = re.compile(r"^\s*([\d.]+) seconds(?P<failed> \(IMPORT FAILED\))?: (?P<path>.+)$")


class Server:
    """Starts ComfyUI on a loopback port; a context manager.

    The child's standard input is a pipe held by this process: it ends itself when the pipe
    closes, so that not even a killed parent leaves it behind.

    Attributes:
        url: Where it listens, once started.
        base: Folder with custom_nodes, input, output, temp and user of this start alone.
        log_path: Its standard output and error.
    """

    def __init__(
        self,
        comfyui: Path,
        *,
        packs: Sequence[Path] = (),
        port: int | None = None,
        base: Path | None = None,
        log_path: Path | None = None,
        arguments: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        timeout_s: float = START_TIMEOUT_S,
    ):
        """Prepares a start; nothing is made but the temporary folder.

        Args:
            comfyui: The ComfyUI tree.
            packs: Node packs to link into custom_nodes.
            port: None picks a free one.
            base: Kept after the stop where given; None makes a temporary one.
            log_path: None is a file in `base`.
            arguments: Further arguments for main.py.
            variables: Environment of the child; None gives it that of this process.
            before: Words before the command: a sandbox that runs it.
            timeout_s: How long it may take until it answers.
        """
        self.comfyui = comfyui
        self.url = ""
        self._packs = packs
        self._wanted_port = port
        self._temporary = None if base else tempfile.mkdtemp(prefix="dressform-comfyui-")
        self.base = Path(base or self._temporary or "")
        self.log_path = log_path or self.base / "comfyui.log"
        self._arguments = arguments
        self._variables = os.environ if variables is None else variables
        self._before = before
        self._timeout_s = timeout_s
        self._child: subprocess.Popen | None = None

    def start(self, notify: Callable[[str], None] = lambda text: None) -> "Server":
        """Starts it and waits until it answers.

        Raises:
            RuntimeError: the port is taken, or ComfyUI ended or did not answer in time.
        """
        try:
            self._prepare()
            for attempt in range(FREE_PORT_ATTEMPTS):
                port = self._wanted_port or free_port()
                if self._wanted_port:
                    require_free(self._wanted_port)
                self._spawn(port)
                if self._answers(port, notify):
                    return self
                taken = "address already in use" in self.log().lower()
                if self._wanted_port or not taken or attempt + 1 == FREE_PORT_ATTEMPTS:
                    raise self._failure(port)
                self._end()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the whole process group and removes a temporary base folder."""
        try:
            self._end()
        finally:
            if self._temporary:
                shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """Of the child, which leads its process group; None where there is none or it ended."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def lease(self, seconds: float | None) -> None:
        """Lets the child live for so long unless told again; None lets it live on.

        The child itself keeps the time: it ends even while this process stands still.
        """
        pipe = self._child.stdin if self._child else None
        if pipe:
            line = "rest" if seconds is None else f"lease {seconds:.3f}"
            with contextlib.suppress(OSError):  # it has ended
                pipe.write(line.encode() + b"\n")
                pipe.flush()

    def kill(self) -> None:
        """Kills the whole process group at once; `stop` has still to be called."""
        if self._child:
            _signal_group(self._child, "SIGKILL")

    def log(self) -> str:
        """Returns the log so far, without colours."""
        if not self.log_path.is_file():
            return ""
        return _COLOR.sub("", self.log_path.read_text(encoding="utf-8", errors="replace"))

    def import_failures(self) -> list[str]:
        """Returns the log's lines that say that a node pack did not load."""
        return [
            line
            for line in self.log().splitlines()
            if "IMPORT FAILED" in line or "Cannot import" in line
        ]

    def import_seconds(self, pack: Path) -> float | None:
        """Returns the import time that ComfyUI itself logged for a pack, None where it did not."""
        for line in self.log().splitlines():
            match = _IMPORT_TIME.match(line.removeprefix("[INFO]"))
            if match and Path(match["path"]).name == pack.resolve().name:
                return float(match[1])
        return None

    def __enter__(self) -> "Server":
        return self if self._child else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        for folder in FOLDERS:
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        if (self.comfyui / "models").is_dir():
            with contextlib.suppress(OSError):  # without weights it still starts
                link(self.comfyui / "models", self.base / "models")
        for pack in self._packs:
            _install(pack.resolve(), self.base / "custom_nodes")

    def _spawn(self, port: int) -> None:
        command = [
            *self._before,
            sys.executable,
            str(environment.LAUNCHER),
            str(self.comfyui / "main.py"),
        ]
        command += ["--listen", "127.0.0.1", "--port", str(port)]
        command += ["--disable-auto-launch", "--disable-api-nodes"]
        command += ["--base-directory", str(self.base), "--database-url", "sqlite:///:memory:"]
        command += [] if environment.sees_cuda() else ["--cpu"]
        with self.log_path.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603
                [*command, *self._arguments],
                cwd=self.comfyui,
                env={**self._variables, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    def _answers(self, port: int, notify: Callable[[str], None]) -> bool:
        child, started = self._child, time.monotonic()
        url = f"http://127.0.0.1:{port}"
        while child and child.poll() is None:
            waited_s = time.monotonic() - started
            if waited_s > self._timeout_s:
                return False
            notify(f"Starting ComfyUI ({waited_s:.0f} s)")
            with contextlib.suppress(urllib.error.URLError, OSError):
                with urllib.request.urlopen(url + "/system_stats", timeout=5) as answer:  # noqa: S310
                    if answer.status == 200:
                        self.url = url
                        return True
            time.sleep(POLL_S)
        return False

    def _failure(self, port: int) -> RuntimeError:
        tail = "\n".join(f"    {line}" for line in self.log().splitlines()[-LOG_LINES:])
        status = self._child.poll() if self._child else None
        if status is None:
            what = f"no answer on port {port} after {self._timeout_s:.0f} s"
        else:
            what = f"an end with status {status}"
        return RuntimeError(
            f"ComfyUI in {self.comfyui} must start and answer, got {what}. Read the last lines of "
            f"its log below; `dressform doctor` says what is missing.\n{tail}"
        )

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        try:
            _signal_group(child, "SIGTERM")
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_TIMEOUT_S)
        finally:
            # Even where the leader is gone, the group may not be.
            _signal_group(child, "SIGKILL")
            child.wait()
            if child.stdin:
                with contextlib.suppress(OSError):  # what was not read in time
                    child.stdin.close()


def free_port() -> int:
    """Returns a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def require_free(port: int) -> None:
    """Checks that a port that the user named can be listened on.

    Raises:
        RuntimeError: another program has it.
    """
    with socket.socket() as probe:
        if os.name != "nt":  # there the option would share the port instead of reusing it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise RuntimeError(
                f"port {port} must be free for ComfyUI, got: {error.strerror}. Stop the program "
                "that uses it, name another port, or leave the port out to get a free one."
            ) from error


def link(source: Path, target: Path) -> None:
    """Makes `target` show the folder `source`: a symlink, a junction where that is refused.

    Raises:
        OSError: neither is possible on this file system.
    """
    if target.is_symlink() or target.exists():
        return
    try:
        target.symlink_to(source, target_is_directory=True)
    except (OSError, NotImplementedError):
        if os.name != "nt":
            raise
        import _winapi

        _winapi.CreateJunction(str(source), str(target))  # type: ignore[attr-defined]


def _install(pack: Path, custom_nodes: Path) -> None:
    target = custom_nodes / pack.name
    try:
        link(pack, target)
    except (OSError, NotImplementedError):
        leave_out = shutil.ignore_patterns(".*", "__pycache__", "out", "*.egg-info")
        shutil.copytree(pack, target, ignore=leave_out)


def _signal_group(child: subprocess.Popen, name: str) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, getattr(signal, name))
        elif child.poll() is None:
            child.kill()
