"""Measures what the server does for hosted runs, with workers that do nothing but wait 50 ms.

    python bench/runs.py [--seconds S] [--rounds R] [--workers N] [--processes N] [--listeners N]

A real server in gunicorn with the configuration that is shipped and a process for each of two cores
(WEB_CONCURRENCY), a real PostgreSQL, and simulated workers and customers that speak the real
protocols over connections that stay open, all on this machine. Told are:

* runs in a second through submit, lease, complete and settle, with a queue that is never empty;
* how much slower that is while listeners hold streams of events open, each of a run that waits;
* from sending a run until a worker has it, while all workers are idle.

Every run must end charged once, for 50 ms; one that does not is told as wrong.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from hosted_market import GPU_CLASS, GRANTED, RATE, Market

# Runs in a second, part that listeners cost, p95 from submit to lease in ms, runs charged wrongly.
BARS = {"runs_per_s": 40.0, "listeners": 0.2, "dispatch_p95_ms": 200.0, "wrong": 0}
WORK_MS = 50
WAITS = "waits"  # a GPU class whose worker never asks for a run
EMPTY = {"width": 64, "height": 64, "batch_size": 1, "color": 0}
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": EMPTY},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "bench"}},
}
CUSTOMERS, FOLLOWERS = 4, 12  # accounts that submit, and that listen: 20 streams each at most
AHEAD = 24  # runs that wait or are worked on at any time
PAUSE_S = (0.05, 0.25)  # between runs for idle workers
WORKER = "/api/worker/v1"


class Line:
    """A connection to the server that stays open; one thread's."""

    def __init__(self, market: Market, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", market.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        """Posts; returns what is answered, None if that is nothing."""
        text = json.dumps(body)
        try:
            self._connection.request("POST", path, text, self._headers | headers)
            answer = self._connection.getresponse()
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()  # the server ends idle ones; it is opened anew
            self._connection.request("POST", path, text, self._headers | headers)
            answer = self._connection.getresponse()
        told = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path} must succeed, got {answer.status}: {told[:300]!r}")
        return json.loads(told) if told else None


class Workers:
    """Simulated workers, each a thread: lease, wait, complete.

    Attributes:
        ended: Runs they have completed.
        leased: When each run came, by its id.
    """

    def __init__(self, market: Market, many: int) -> None:
        self._market, self._stopped = market, threading.Event()
        self.ended, self.leased = 0, dict[str, float]()
        self.free = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(many)]
        for one in self._threads:
            one.start()

    def stop(self) -> None:
        """Ends them, once each has no run."""
        self._stopped.set()
        for one in self._threads:
            one.join()

    def _work(self, number: int) -> None:
        line = Line(self._market, self._market.worker_key)
        me = line.post(f"{WORKER}/hello", introduction(f"worker-{number}", GPU_CLASS))["worker"]
        while not self._stopped.is_set():
            lease = line.post(f"{WORKER}/lease", {"worker": me, "wait_s": 1})
            if lease is None:
                continue
            self.leased[lease["run"]] = time.perf_counter()
            time.sleep(WORK_MS / 1000)
            told = {"token": lease["token"], "gpu_ms": WORK_MS, "phases": {"executing": WORK_MS}}
            line.post(f"{WORKER}/runs/{lease['run']}/complete", told | {"outputs": []})
            self.ended += 1
            self.free.release()


class Listeners:
    """Streams of events that are open, each of a run that waits; a context manager."""

    def __init__(self, market: Market, keys: Sequence[str], many: int) -> None:
        self._market, self._open = market, list[socket.socket]()
        line = Line(market, keys[0])
        line.post(f"{WORKER}/hello", introduction("never asks", WAITS), **bearer(market.worker_key))
        body = {"workflow": GRAPH, "gpu_class": WAITS}
        self._runs = [
            (key, line.post("/api/v2/jobs", body, **bearer(key))["id"])
            for key in (keys[n % len(keys)] for n in range(many))
        ]

    def __enter__(self) -> "Listeners":
        for key, run in self._runs:
            opened = socket.create_connection(("127.0.0.1", self._market.port))
            told = f"Authorization: {bearer(key)['Authorization']}"
            opened.sendall(
                f"GET /api/v2/jobs/{run}/events HTTP/1.1\r\nHost: x\r\n{told}\r\n\r\n".encode()
            )
            self._open.append(opened)
        for one in self._open:  # what it says of itself comes at once
            heard = b""
            while b"data:" not in heard:
                heard += one.recv(4096)
                if b" 200 " not in heard[:20]:
                    raise RuntimeError(f"a stream must be opened, got {heard[:300]!r}")
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._open:
            one.close()
        self._open.clear()


def bearer(key: str) -> dict[str, str]:
    """Returns the header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


def introduction(name: str, gpu_class: str) -> dict[str, Any]:
    """Returns what a worker says of itself."""
    return {
        "protocol": 1,
        "name": name,
        "gpu_class": gpu_class,
        "gpu": {"name": "none", "vram_bytes": 0},
        "environment": {"comfyui": "0", "digest": "bench"},
        "node_classes": {one["class_type"]: "comfyui" for one in GRAPH.values()},
        "models": [],
    }


def throughput(market: Market, workers: Workers, keys: Sequence[str], seconds: float) -> float:
    """Keeps runs waiting for so long; returns how many ended in a second."""
    until = time.perf_counter() + seconds

    def customer(key: str) -> None:
        line = Line(market, key)
        while time.perf_counter() < until:
            if workers.free.acquire(timeout=0.1):
                line.post("/api/v2/jobs", {"workflow": GRAPH})

    before = workers.ended
    for _ in range(AHEAD):
        workers.free.release()
    with ThreadPoolExecutor(len(keys)) as pool:
        list(pool.map(customer, keys))
    ended = workers.ended - before
    drain(market, workers)
    return ended / seconds


def drain(market: Market, workers: Workers) -> None:
    """Waits until no run is left for the workers, and takes back what would let more begin."""
    sql = "SELECT count(*) FROM runs.run WHERE gpu_class = :g AND completed_at IS NULL"
    while market.scalar(sql, g=GPU_CLASS):
        time.sleep(0.05)
    while workers.free.acquire(blocking=False):
        pass


def dispatch(market: Market, workers: Workers, key: str, many: int) -> list[float]:
    """Sends runs one at a time to idle workers; returns until one had each, in ms."""
    line, sent, random_ = Line(market, key), dict[str, float](), random.Random(7)  # noqa: S311
    for _ in range(many):
        time.sleep(random_.uniform(*PAUSE_S) + WORK_MS / 1000)
        begun = time.perf_counter()
        sent[line.post("/api/v2/jobs", {"workflow": GRAPH})["id"]] = begun
    drain(market, workers)
    return sorted((workers.leased[run] - begun) * 1000 for run, begun in sent.items())


def wrong(market: Market) -> int:
    """Counts runs that did not succeed, charged once for what they took, and credits still held."""
    price = RATE * WORK_MS // 1000
    bad = """SELECT count(*) FROM runs.run r WHERE gpu_class = :g AND (state <> 'succeeded'
        OR charged <> :price OR attempt <> 1 OR (SELECT count(*) FROM ledger.movement m
            WHERE m.account_id = r.account AND m.names = r.hold AND m.kind = 'capture'
            AND m.amount = :price) <> 1)"""
    found = market.scalar(bad, g=GPU_CLASS, price=price)
    ended = market.scalar("SELECT count(*) FROM runs.run WHERE gpu_class = :g", g=GPU_CLASS)
    left = market.scalar("SELECT sum(available + held) FROM ledger.account")
    given = GRANTED * len(market.accounts)
    return found + (given - left != ended * price) + len(market.ledger.verify().problems)


class Spent:
    """Processor time of the server, PostgreSQL, and this process, for each run."""

    def __init__(self, market: Market) -> None:
        books = (market.books / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        server = market.server.pid if market.server else 0
        self._parts = {"server": server, "postgresql": int(books[0]), "bench": os.getpid()}

    def now(self) -> dict[str, float]:
        """Returns seconds so far, by part."""
        return {name: self._seconds(pid, name) for name, pid in self._parts.items()}

    def _seconds(self, pid: int, name: str) -> float:
        whole = psutil.Process(pid)
        if name == "bench":
            return sum(whole.cpu_times()[:2])
        total = sum(whole.cpu_times()[:4])  # its own, and of children that ended
        for child in whole.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                total += sum(child.cpu_times()[:2])
        return total


def main() -> None:
    """Prints a table and a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2, help="of the server (WEB_CONCURRENCY)")
    parser.add_argument("--listeners", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dressform-") as scratch:
        variables = {"WEB_CONCURRENCY": str(options.processes)}
        customers = CUSTOMERS + FOLLOWERS
        with Market(Path(scratch), customers=customers, variables=variables) as market:
            result = measure(market, options)
    for name, value in result.items():
        bar = f"   bar {BARS[name]:g}" if name in BARS else ""
        print(f"{name:<22} {value:>12,.2f}{bar}")
    bars = {
        name: {"value": round(result[name], 3), "bar": bar, "ok": ok(name, result[name])}
        for name, bar in BARS.items()
    }
    print(json.dumps({"bench": "runs", "bars": bars}))


def ok(name: str, value: float) -> bool:
    """Says whether a figure is on the right side of its bar."""
    return value >= BARS[name] if name == "runs_per_s" else value <= BARS[name]


def measure(market: Market, options: argparse.Namespace) -> dict[str, float]:
    """Returns every figure by its name."""
    keys = list(market.accounts)
    market.ledger.card.add(WAITS, 2 * RATE)  # dearer: none goes there unasked
    workers = Workers(market, options.workers)
    try:
        listeners = Listeners(market, keys[CUSTOMERS:], options.listeners)
        load = lambda: throughput(market, workers, keys[:CUSTOMERS], options.seconds)  # noqa: E731
        throughput(market, workers, keys[:CUSTOMERS], 3)  # makes connections and plans
        spent, cost = Spent(market), dict[str, list[float]]()
        alone: list[float] = []
        for _ in range(options.rounds):
            before, ended = spent.now(), workers.ended
            alone.append(load())
            for name, now in spent.now().items():
                each_ms = (now - before[name]) / (workers.ended - ended) * 1000
                cost.setdefault(name, []).append(each_ms)
        # Not in turns: the server sees that a stream is closed only when it has something to say.
        with listeners:
            heard = [load() for _ in range(options.rounds)]
        latencies = dispatch(market, workers, keys[0], 150)
    finally:
        workers.stop()
    per_s, heard_per_s = statistics.median(alone), statistics.median(heard)
    return {
        "runs_per_s": per_s,
        "with_listeners": heard_per_s,
        "listeners": 1 - heard_per_s / per_s,
        "dispatch_p50_ms": latencies[len(latencies) // 2],
        "dispatch_p95_ms": latencies[len(latencies) * 95 // 100],
        **{f"{name}_cpu_ms": statistics.median(each) for name, each in cost.items()},
        "wrong": wrong(market),
    }


if __name__ == "__main__":
    main()
