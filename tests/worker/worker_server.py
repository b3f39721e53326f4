"""A simulator of the server's half of the worker protocol, which makes trouble when asked to."""

import asyncio
import contextlib
import time

from aiohttp import web
from blake3 import blake3

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
        said: What a worker that waits for a command is told; heartbeats tell `command`.
        previews: (node, bytes) that were shown.
        ended: By run, the bodies of complete and fail that were taken.
        refused: Words of calls that came with a token that was over.
    """

    def __init__(self, *, lease_s=4.0, heartbeat_s=0.2):
        self.lease_s, self.heartbeat_s = lease_s, heartbeat_s
        self.queue, self.calls, self.hellos, self.refused = [], [], [], []
        self.faults, self.ended, self.assets, self.files = {}, {}, {}, {}
        self.command, self.said, self.max_gpu_ms = "go", "go", 60_000
        self.previews = []
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
        app.router.add_post(PATH + "/runs/{run}/wait", self._wait)
        app.router.add_post(PATH + "/runs/{run}/preview", self._preview)
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
        word = request.path.split("/")[-1]
        word = "output" if "/outputs/" in request.path and word != "url" else word
        word = "file" if request.path.startswith("/files/") else word
        token = {"token": request.headers.get("X-Attempt-Token")}
        if request.method == "POST" and word != "preview":
            body = await request.json()
        else:
            body = token | dict(request.query)
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

    async def _wait(self, request):
        deadline = time.monotonic() + min(1.0, (await request.json())["wait_s"])
        while self.said == "go" and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return web.json_response({"command": self.said})

    async def _preview(self, request):
        self.previews.append((request.headers["X-Node"], await request.read()))
        return web.Response(status=204)

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
