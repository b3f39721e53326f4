"""A program that stands in for ComfyUI: answers the calls that a worker makes, has its own nodes.

It starts in half a second, where ComfyUI takes ten; tests of faults need hundreds of starts. A file
`broken` beside it keeps it from starting, `stubborn` from being interrupted.
"""

import asyncio
import json
import os
import signal
import struct
import sys
import time
import uuid
from pathlib import Path

from aiohttp import web

STEP_S = 0.05
PREVIEW = b"\xff\xd8\xff\xe0 a preview \xff\xd9"


def argument(name):
    return sys.argv[sys.argv.index(name) + 1]


BASE = Path(argument("--base-directory"))
if Path(__file__).with_name("broken").exists():
    sys.exit("it does not start")


def declared(required=None, output=(), saves=False):
    told = {"input": {"required": required or {}}, "output": list(output), "output_node": saves}
    return told | {"python_module": "nodes"}


IMAGE = ["COMBO", {"image_upload": True, "options": []}]
FILES = ["COMBO", {"options": ["base.safetensors"]}]
NUMBER, TEXT = ["FLOAT", {}], ["STRING", {}]
NODES = {
    "Read": declared({"image": IMAGE}, ["IMAGE"]),
    "Weights": declared({"name": FILES, "seconds": NUMBER}, ["MODEL"]),
    "Work": declared({"seconds": NUMBER, "text": TEXT}, ["IMAGE"]),
    "Peek": declared({"text": TEXT}, ["IMAGE"]),
    "Save": declared({"text": TEXT, "prefix": TEXT}, saves=True),
    "Tell": declared({"text": TEXT}, saves=True),
    "Lora": declared({"lora_name": FILES}, saves=True),
    "Raise": declared({"text": TEXT, "kind": TEXT}, saves=True),
    "Crash": declared(saves=True),
    "Show": declared({"file": TEXT, "type": TEXT}, saves=True),
    "Link": declared({"to": TEXT}, saves=True),
}


class StoppedError(Exception):
    """Somebody asked for it."""


class Run:
    """One prompt: what it did, and whom it tells."""

    def __init__(self, server, prompt_id, prompt, client):
        self.server, self.id, self.prompt, self.client = server, prompt_id, prompt, client
        self.messages, self.outputs = [], {}

    async def conclude(self):
        await self.send("execution_start")
        status = "success"
        for name, told in self.prompt.items():
            key = json.dumps([told["class_type"], told["inputs"]], sort_keys=True)
            if key in self.server.cached:
                await self.send("execution_cached", nodes=[name])
                if told["class_type"] == "Peek":  # HAS_INTERMEDIATE_OUTPUT: told of again
                    self.outputs[name] = self.server.cached[key]
                continue
            await self.send("executing", node=name)
            try:
                ui = await self.act(name, told["class_type"], told["inputs"])
            except StoppedError:
                status = "error"
                await self.send("execution_interrupted", node_id=name)
                break
            except Exception as error:
                status, what = "error", {"node_id": name, "exception_message": str(error)}
                await self.send("execution_error", **what, exception_type=type(error).__name__)
                break
            self.server.cached[key] = ui
            if ui:
                self.outputs[name] = ui
        else:
            await self.send("execution_success")
        status = {"status_str": status, "messages": self.messages}
        return {"outputs": self.outputs, "status": status}

    async def send(self, kind, **data):
        message = [kind, {"prompt_id": self.id, **data}]
        if kind != "progress_state":
            self.messages.append(message)
        if self.client in self.server.sockets:
            await self.server.sockets[self.client].send_json({"type": kind, "data": message[1]})

    async def tell(self, name, value, maximum):
        running = {name: {"state": "running", "value": value, "max": maximum}}
        await self.send("progress_state", nodes=running)
        if self.client in self.server.sockets:  # 1: a preview, 1: of JPEG
            frame = struct.pack(">II", 1, 1) + PREVIEW
            await self.server.sockets[self.client].send_bytes(frame)

    async def act(self, name, kind, inputs):
        if kind in ("Work", "Weights"):
            steps = max(1, round(inputs["seconds"] / STEP_S))
            for step in range(steps):
                if self.server.interrupted_at:
                    raise StoppedError
                await asyncio.sleep(STEP_S)
                await self.tell(name, step + 1, steps)
            if kind == "Weights":
                return {"read": [head(BASE / "models" / inputs["name"])]}
        if kind == "Read":
            return {"read": [head(BASE / "input" / inputs["image"])]}
        if kind == "Raise":
            raise type(inputs["kind"], (Exception,), {})(inputs["text"])
        if kind == "Crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "Tell":
            return {"text": [inputs["text"]]}
        if kind == "Link":
            (BASE / "output" / "link.png").symlink_to(inputs["to"])
            return saved("link.png")
        if kind == "Peek":
            (BASE / "temp" / "peek.png").write_text(inputs["text"])
            return saved("peek.png", "temp")
        if kind == "Show":
            return {"images": [{"filename": inputs["file"], "type": inputs["type"]}]}
        if kind == "Lora":
            data = (BASE / "models" / "loras" / inputs["lora_name"]).read_bytes()
            (BASE / "output" / "lora.bin").write_bytes(data)
            return saved("lora.bin")
        if kind == "Save":
            file = inputs["prefix"] + "_00001_.png"
            seen = {"text": inputs["text"], "pid": os.getpid(), "env": dict(os.environ)}
            (BASE / "output" / file).write_text(json.dumps(seen))
            return saved(file)
        return None


def head(path):
    return path.read_bytes().hex()[:16]


def saved(file, folder="output"):
    return {"images": [{"filename": file, "subfolder": "", "type": folder}]}


class Server:
    """The queue, the history, and who listens."""

    def __init__(self):
        self.queue, self.history, self.sockets, self.cached = asyncio.Queue(), {}, {}, {}
        self.running, self.interrupted_at = None, 0.0

    async def work(self):
        while True:
            run = await self.queue.get()
            self.running, self.interrupted_at = run.id, 0.0
            told = await run.conclude()
            self.running, self.history[run.id] = None, told

    async def system_stats(self, _):
        system = {"comfyui_version": "0.0", "python_version": "3.11.2 (main)"}
        system |= {"pytorch_version": "2.0", "argv": sys.argv}
        devices = [{"name": "cpu", "vram_total": 1000, "vram_free": 500}]
        return web.json_response({"system": system, "devices": devices})

    async def object_info(self, _):
        return web.json_response(NODES)

    async def prompt(self, request):
        body = await request.json()
        unknown = [one for one in body["prompt"].values() if one["class_type"] not in NODES]
        if unknown or "extra_data" in body:
            return web.json_response({"error": {"message": "refused"}}, status=400)
        run = Run(self, uuid.uuid4().hex, body["prompt"], body["client_id"])
        await self.queue.put(run)
        return web.json_response({"prompt_id": run.id, "node_errors": {}})

    async def past(self, request):
        key = request.match_info["key"]
        return web.json_response({key: self.history[key]} if key in self.history else {})

    async def forget(self, _):
        self.history.clear()
        return web.Response()

    async def waiting(self, _):
        running = [[0, self.running]] if self.running else []
        return web.json_response({"queue_running": running, "queue_pending": []})

    async def nothing(self, _):
        return web.Response()

    async def interrupt(self, _):
        if not Path(__file__).with_name("stubborn").exists():
            self.interrupted_at = time.time()
            Path(__file__).with_name("interrupted").write_text(str(self.interrupted_at))
        return web.Response()

    async def socket(self, request):
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        self.sockets[request.query["clientId"]] = answer
        async for _ in answer:
            pass
        return answer


async def main():
    server = Server()
    app = web.Application()
    app.add_routes(
        [
            web.get("/system_stats", server.system_stats),
            web.get("/object_info", server.object_info),
            web.post("/prompt", server.prompt),
            web.get("/history/{key}", server.past),
            web.post("/history", server.forget),
            web.get("/queue", server.waiting),
            web.post("/queue", server.nothing),
            web.post("/interrupt", server.interrupt),
            web.get("/ws", server.socket),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(argument("--port"))).start()
    await server.work()


asyncio.run(main())
