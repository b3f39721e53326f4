"""The command `dressform serve --with-worker` as tests start it, its admin, and its processes."""

import contextlib
import csv
import functools
import io
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import requests

PROGRAM = "import sys; from dressform import cli; sys.exit(cli.main(sys.argv[1:]))"
START_S = 300


class Machine:
    """The command, what it says, and calls of its admin."""

    def __init__(self, data, comfyui):
        command = [sys.executable, "-c", PROGRAM, "serve", "--port=0", f"--data={data}"]
        variables = {**os.environ, "COMFYUI_PATH": str(comfyui), "OMP_NUM_THREADS": "1"}
        self.log = data / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--with-worker"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=variables,
            )
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    @functools.cached_property
    def url(self):
        return self.said(r"Dashboard: (\S+)")

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def said(self, pattern, times=1):
        """Waits until lines match; returns the first group of the last of them."""

        def find():
            found = [match for line in list(self.lines) if (match := re.search(pattern, line))]
            assert self.process.poll() is None, [self.lines, self.log.read_text()[-2000:]]
            return found[times - 1] if len(found) >= times else None

        match = wait(find, START_S)
        return match[1] if match.re.groups else match[0]

    def get(self, path, **more):
        answer = requests.get(f"{self.url}/api/v1{path}", headers=self.proof, timeout=30, **more)
        assert answer.ok, answer.text
        return answer.json()

    def post(self, path, body):
        proof = self.proof | {"Idempotency-Key": uuid.uuid4().hex}
        answer = requests.post(f"{self.url}/api/v1{path}", json=body, headers=proof, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    @property
    def proof(self):
        return {"Authorization": f"Bearer {self.key}"}

    def captures(self):
        """Of each run, what the ledger captured."""
        found, where = {}, {"limit": 100}
        while True:
            told = self.get("/statement", params=where)
            for line in told["lines"]:
                moved = line["movement"]
                if moved["kind"] == "capture":
                    found.setdefault(moved["run"], []).append(moved["amount_micro"])
            if not told["next"]:
                return found
            where["before"] = told["next"]

    def usage(self, password):
        """The dashboard's rows of runs, and its page, as a person sees them."""
        visit = requests.Session()
        page = visit.get(f"{self.url}/sign-in", timeout=30).text
        token = re.search(r'name="csrf_token" value="(\w+)"', page)[1]
        form = {"csrf_token": token, "email": "admin@localhost", "password": password}
        visit.post(f"{self.url}/sign-in", form, timeout=30)
        text = visit.get(f"{self.url}/usage.csv", timeout=30).content.decode("utf-8-sig")
        rows = {row["run"]: row for row in csv.DictReader(io.StringIO(text))}
        return rows, visit.get(f"{self.url}/usage", timeout=30).text


def wait(holds, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
    return found


def children(parent, word):
    """Processes that another started, by a word of their command."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().split(b"\0")
            if int(stat[1]) == parent and word.encode() in command:
                found.append(int(folder.name))
    return found


def gone(data):
    """Waits until no process names the folder; returns those that still do."""

    def naming():
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes()
                if str(data).encode() in command and int(folder.name) != os.getpid():
                    found.append(command)
        return found

    deadline = time.monotonic() + 120
    while (left := naming()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left
