"""Workers of a benchmark, each behind a cable that can be cut and on a disk that can be filled.

The cable leads through `relay.py`, which can let bytes vanish. As root a worker has a network
namespace of its own too, whose end lies at a bridge; pulled out, packets vanish both ways.
The disk is a tmpfs in a mount namespace, where the system lets a user make one.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dressform.worker.shift import Options
from hosted_market import BENCH, Market, free_port, wait_for
from hosted_worker import Process

DISK_MB = 512
MOUNT = 'mount -t tmpfs -o size=%dm,mode=700 tmpfs "$0" && exec "$@"'
RELAY_PORT = 18_999  # inside a namespace, where nobody else listens


def _run(*words: object) -> bool:
    done = subprocess.run(  # noqa: S603 (ip and unshare)
        list(map(str, words)), check=False, capture_output=True
    )
    return done.returncode == 0


class Cables:
    """A relay for each worker, and a namespace at a bridge where there is leave to make them.

    Attributes:
        bridged: Whether workers are in namespaces.
        addresses: Where the server must listen.
    """

    def __init__(self, names: tuple[str, ...], *, bridged: bool = True):
        tag = os.getpid() % 60_000
        self._net = f"10.{200 + tag // 250 % 50}.{tag % 250}"
        self._tag, self._names = f"df{tag}", names
        may = bridged and os.geteuid() == 0 and shutil.which("ip") is not None
        self.bridged = may and self._lay()
        self.addresses = ("127.0.0.1", *((f"{self._net}.1",) if self.bridged else ()))
        self._relays: dict[str, subprocess.Popen] = {}
        self._ports: dict[str, int] = {}

    def _lay(self) -> bool:
        bridge = f"{self._tag}-net"
        good = _run("ip", "link", "add", bridge, "type", "bridge")
        good = good and _run("ip", "addr", "add", f"{self._net}.1/24", "dev", bridge)
        good = good and _run("ip", "link", "set", bridge, "up")
        for number, name in enumerate(self._names, 2):
            space, here, there = self._space(name), self._end(name), "eth0"
            inside = ("ip", "-n", space)
            good = good and _run("ip", "netns", "add", space)
            peer = ("peer", "name", there, "netns", space)
            good = good and _run("ip", "link", "add", here, "type", "veth", *peer)
            good = good and _run("ip", "link", "set", here, "master", bridge, "up")
            good = good and _run(*inside, "addr", "add", f"{self._net}.{number}/24", "dev", there)
            good = good and _run(*inside, "link", "set", there, "up")
            good = good and _run(*inside, "link", "set", "lo", "up")
        if not good:
            self._remove()
        return good

    def _remove(self) -> None:
        for name in self._names:
            _run("ip", "netns", "del", self._space(name))
            _run("ip", "link", "del", self._end(name))
        _run("ip", "link", "del", f"{self._tag}-net")

    def _space(self, name: str) -> str:
        return f"{self._tag}{name}"

    def _end(self, name: str) -> str:
        return f"{self._tag}{name}"[:15]

    def before(self, name: str) -> list[str]:
        """Returns the words that put a command behind a worker's cable."""
        return ["ip", "netns", "exec", self._space(name)] if self.bridged else []

    def url(self, name: str, port: int) -> str:
        """Returns where a worker finds the server: its end of the cable."""
        if name not in self._relays:
            to = self.addresses[-1], port
            self._ports[name] = RELAY_PORT if self.bridged else free_port()
            words = [sys.executable, BENCH / "relay.py", self._ports[name], *to]
            command = [*self.before(name), *map(str, words)]
            self._relays[name] = subprocess.Popen(command)  # noqa: S603 (beside this file)
        return f"http://127.0.0.1:{self._ports[name]}"

    @contextlib.contextmanager
    def pulled(self, name: str) -> Iterator[None]:
        """Lets all packets vanish that go either way; what was open goes on afterwards."""
        _run("ip", "link", "set", self._end(name), "nomaster")
        yield
        _run("ip", "link", "set", self._end(name), "master", f"{self._tag}-net")

    @contextlib.contextmanager
    def dead(self, name: str) -> Iterator[None]:
        """Takes what is sent and passes nothing on; what was open stays dead."""
        self._relays[name].send_signal(signal.SIGUSR1)
        yield
        self._relays[name].send_signal(signal.SIGUSR2)

    def close(self) -> None:
        """Takes everything away."""
        for relay in self._relays.values():
            relay.kill()
            relay.wait()
        if self.bridged:
            self._remove()


class Crew:
    """Workers that are started again when they were killed, as a service manager does."""

    def __init__(self, market: Market, cables: Cables, names: tuple[str, ...], scratch: Path):
        self.cables, self._market, self._scratch = cables, market, scratch
        self._comfyui = scratch / "comfyui"
        self._comfyui.mkdir()
        shutil.copyfile(BENCH / "stand_in.py", self._comfyui / "main.py")
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        self._disk = ["unshare", "--mount", *user, "sh", "-c", MOUNT % DISK_MB]
        (scratch / "probe").mkdir()
        self.has_disks = bool(shutil.which("unshare")) and _run(
            *self._disk, scratch / "probe", "true"
        )
        self.workers = {name: self._start(name) for name in names}

    def _start(self, name: str) -> Process:
        data = self._scratch / name
        data.mkdir(exist_ok=True)
        before = self.cables.before(name)
        if self.has_disks:
            before += [*self._disk, str(data)]
        options = Options(
            url=self.cables.url(name, self._market.port),
            key=self._market.worker_key,
            comfyui=self._comfyui,
            data=data,
            name=name,
        )
        return Process(options, log=self._scratch / f"{name}.log", before=before)

    def kill(self, name: str) -> None:
        """Kills a worker."""
        self.workers[name].send(signal.SIGKILL)
        self.workers[name].process.wait()

    def start(self, name: str) -> None:
        """Starts one that has ended."""
        self.workers[name].process.wait()
        self.workers[name] = self._start(name)

    def child(self, name: str) -> int:
        """Returns the process of a worker's ComfyUI."""
        return wait_for(self.workers[name].children, f"a ComfyUI of worker {name}")[0]

    def fill(self, name: str, seconds: float) -> None:
        """Leaves no byte free on a worker's disk for a while."""
        file = Path(f"/proc/{self.workers[name].pid}/root{self._scratch / name}/full")
        with contextlib.suppress(OSError), file.open("wb", buffering=0) as filled:
            while filled.write(bytes(1 << 16)):
                pass
        time.sleep(seconds)
        file.unlink()

    def close(self) -> None:
        """Ends all."""
        for worker in self.workers.values():
            worker.__exit__()
        self.cables.close()
