"""A hosted server in a process of its own, its customer, and a simulator of a worker."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import cv2
import numpy as np
from blake3 import blake3
from dressform.comfyui.server import free_port

CREDIT = 1_000_000
RATE = 500_000  # micro-credits for a second of the simulator's GPU
GPU = "simulated"
START_TIMEOUT_S = 120  # 6 s seen; the first start makes a database
BEAT_S = 0.3
TRIES = 60


def call(url, path, body=None, *, key="", method=None, headers=(), raw=None):
    """Calls a server; returns status and JSON, or the text of what is none."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    told = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **dict(headers)}
    request = urllib.request.Request(  # noqa: S310 (loopback)
        url + path, data=data, headers=told, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (loopback)
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    try:
        return status, json.loads(content) if content else {}
    except ValueError:
        return status, content.decode(errors="replace")


class Hosted:
    """`dressform serve`: real, with the embedded database and the simulator of payments.

    Attributes:
        url: Where it listens, also after a restart.
        key: Of the customer, with the scopes read and run.
        password: Of the customer, who is the first admin too.
    """

    def __init__(self, *options):
        self.folder = Path(tempfile.mkdtemp(prefix="dressform-"))
        self.folder.chmod(0o711)  # PostgreSQL runs as a user of its own below root
        self.url = f"http://127.0.0.1:{free_port()}"
        self._options = options
        self._process = None
        self._log = self.folder / "serve.log"
        self.start()
        said = self._log.read_text()
        self.admin = re.search(r"Admin key: (\S+)", said)[1]
        told = re.search(r"Sign in as (\S+) with the password (\S+)", said)
        self.email, self.password = told.groups()
        self.key = self.new_key("read", "run")
        self.worker_key = self.new_key("worker")

    def start(self):
        """Starts it, again at the same address."""
        command = [sys.executable, "-m", "dressform.cli", "serve", "--data", str(self.folder)]
        command += ["--port", self.url.rpartition(":")[2], *self._options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if call(self.url, "/api/v1/rates")[0] in (200, 401):
                    return
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            time.sleep(0.2)
        raise AssertionError(self._log.read_text()[-2000:])

    def kill(self):
        """Takes it away at once."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self):
        """Ends it, and forgets everything; its database ends with it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def do(self, path, body=None, *, key=None, method=None):
        """Calls as the admin; every call is one that may be repeated."""
        once = {"Idempotency-Key": uuid.uuid4().hex} if body is not None else {}
        status, told = call(
            self.url, path, body, key=key or self.admin, method=method, headers=once
        )
        assert status < 300, (status, told)
        return told

    def ask(self, path, body):
        """Calls as the customer; returns status and answer, whatever they are."""
        return call(self.url, path, body, key=self.key)

    def log(self):
        """What the server has said."""
        return self._log.read_text()

    def new_key(self, *scopes):
        """Makes a key of the customer's."""
        told = self.do("/api/v1/keys", {"name": "-".join(scopes), "scopes": list(scopes)})
        return next(value for value in told.values() if str(value).startswith("df_"))

    def poor(self):
        """Makes another customer, who has no credits; returns address, password and a key."""
        from dressform.billing_server import create_app, database, embedded
        from dressform.billing_server.settings import Settings

        engine = database.connect(embedded.start(self.folder / "postgresql"))
        try:
            settings = Settings.read({}, self.folder)._replace(ticks=False)
            parts = create_app(settings, engine=engine).extensions["services"]
            email, password = f"{uuid.uuid4().hex}@example.com", uuid.uuid4().hex
            person = parts.identity.create(email)
            parts.identity.set_password(person, password)
            return email, password, parts.keys.create(person.account, "poor", ["read", "run"])[0]
        finally:
            engine.dispose()
            embedded.stop(self.folder / "postgresql")

    @property
    def account(self):
        return self.do("/api/v1/customers")["customers"][0]["account"]

    def grant(self, credits):
        """Gives the customer credits."""
        terms = {"amount_micro": int(credits * CREDIT), "kind": "goodwill", "reason": "test"}
        self.do(f"/api/v1/customers/{self.account}/grants", terms)

    def have(self, credits):
        """Sees to it that the customer has at least so many credits."""
        missing = credits - self.balance[0] / CREDIT
        if missing > 0:
            self.grant(missing + 1)

    @property
    def balance(self):
        """Micro-credits that are available, and held."""
        told = self.do("/api/v1/balance")
        return told["available_micro"], told["held_micro"]

    def jobs(self):
        """The customer's jobs, the newest first, with all that is told of them."""
        listed = self.do("/api/v2/jobs")["jobs"]
        return [self.do(f"/api/v2/jobs/{one['id']}") for one in listed]


class Simulator(threading.Thread):
    """A worker as the server sees one: speaks the real protocol, and runs nothing.

    Attributes:
        steps: For how many heartbeats each node runs.
        gate: Runs wait before their last node while it is not set.
        seen: Leases that it got.
    """

    def __init__(self, hosted, classes):
        super().__init__(daemon=True)
        self._hosted, self._classes = hosted, classes
        self.steps, self.gate, self.seen, self.errors = 2, threading.Event(), [], []
        self.gate.set()
        self.fault = None
        self._ended = threading.Event()
        self._gpu_ms = 0

    def end(self):
        """Stops it after the run that it has."""
        self.gate.set()
        self._ended.set()
        self.join(60)

    def run(self):
        while not self._ended.is_set():
            try:
                worker = self._hello()
                while not self._ended.is_set():
                    self._lease(worker)
            except OSError:  # the server is gone
                time.sleep(BEAT_S)
            except Exception as error:
                self.errors.append(error)
                raise

    def _call(self, path, body=None, token="", **more):
        headers = {"X-Attempt-Token": token, **more.pop("headers", {})}
        path = f"/api/worker/v1{path}"
        return call(
            self._hosted.url, path, body, key=self._hosted.worker_key, headers=headers, **more
        )

    def _hello(self):
        told = {"protocol": 1, "name": "simulator", "gpu_class": GPU, "gpu": {"name": "none"}}
        told |= {"environment": {"digest": "simulated"}, "node_classes": self._classes}
        status, answer = self._call("/hello", {**told, "models": []})
        if status != 200:
            raise OSError(f"{status}: {answer}")
        return answer["worker"]

    def _lease(self, worker):
        status, lease = self._call("/lease", {"worker": worker, "wait_s": 2})
        if status == 200:
            self.seen.append(lease)
            self._work(lease)
        elif status != 204:
            raise OSError(f"{status}: {lease}")

    def _work(self, lease):
        run, token, self._gpu_ms = lease["run"], lease["token"], 0
        begun = time.monotonic()
        done = []
        nodes = list(lease["workflow"])
        for node in nodes:
            if node == nodes[-1]:
                while not self.gate.is_set() and self._beat(run, token, done, node, 1, begun):
                    time.sleep(BEAT_S)
            for step in range(1, self.steps + 1):
                if not self._beat(run, token, done, node, step, begun):
                    self._complete(run, token, [])
                    return
                self._show(run, token, node, step)
                time.sleep(BEAT_S)
            done.append(node)
        if self.fault:
            told = {"fault": "workflow", "code": "execution", "message": self.fault, "node": "1"}
            self._call(f"/runs/{run}/fail", {**self._end_of(token), **told})
            return
        self._complete(run, token, self._outputs(lease))

    def _beat(self, run, token, done, node, step, begun):
        self._gpu_ms = int((time.monotonic() - begun) * 900)
        progress = [{"node": one, "value": 1, "max": 1} for one in done]
        progress.append({"node": node, "value": step - 1, "max": self.steps})
        told = {"token": token, "gpu_ms": self._gpu_ms, "phase": "executing"}
        status, answer = self._call(f"/runs/{run}/heartbeat", {**told, "progress": progress})
        return status == 200 and answer["command"] == "go"

    def _show(self, run, token, node, step):
        picture = np.full((96, 128, 3), (40 * step % 255, 120, 200), np.uint8)
        data = cv2.imencode(".jpg", picture)[1].tobytes()
        headers = {"X-Node": node, "Content-Type": "image/jpeg"}
        self._call(f"/runs/{run}/preview", token=token, raw=data, method="POST", headers=headers)

    def _outputs(self, lease):
        """A picture of every node that saves or shows one, larger than a thumbnail."""
        made = []
        for number, (node, told) in enumerate(lease["workflow"].items()):
            if told["class_type"] not in ("SaveImage", "PreviewImage", "DressformSaveProduct"):
                continue
            picture = np.full((300, 220, 3), (90, 60 + number, 180), np.uint8)
            cv2.circle(picture, (110, 150), 80, (240, 240, 240), -1)
            data = cv2.imencode(".png", picture)[1].tobytes()
            shown = told["class_type"] == "PreviewImage"
            name = "ComfyUI_temp_abcde_00001_.png" if shown else "hosted_00001_.png"
            where = f"?node={node}&name={name}&type={'temp' if shown else 'output'}"
            path = f"/runs/{lease['run']}/outputs/{blake3(data).hexdigest()}{where}"
            headers = {"Content-Type": "application/octet-stream"}
            status, answer = self._call(
                path, token=lease["token"], raw=data, method="PUT", headers=headers
            )
            assert status in (200, 201), answer
            told = {"node": node, "asset": answer["asset"], "name": name}
            made.append({**told, "type": "temp" if shown else "output"})
        return made

    def _complete(self, run, token, outputs):
        told = {**self._end_of(token), "outputs": outputs}
        for _ in range(TRIES):  # as a worker does while the server is in trouble
            with contextlib.suppress(OSError):
                status, answer = self._call(f"/runs/{run}/complete", told)
                if status < 500:
                    assert status in (200, 409), answer
                    return
            time.sleep(BEAT_S)
        raise AssertionError(answer)

    def _end_of(self, token):
        phases = {"provisioning": 100, "loading": 200, "executing": self._gpu_ms, "uploading": 50}
        return {"token": token, "gpu_ms": self._gpu_ms, "phases": phases}
