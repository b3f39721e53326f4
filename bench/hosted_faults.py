"""Breaks what hosted runs stand on, again and again under load, and counts what is lost or doubled.

    python bench/hosted_faults.py [--rounds 20] [--fault NAME]... [--store s3] [--seed N]

A real server (gunicorn as shipped, PostgreSQL), three real workers with a program in ComfyUI's
place, two customers who submit nine runs a round. Once some are at work, the fault strikes. In the
end every run must have succeeded once or failed free, be charged once by the time of the attempt
that ended it, have one output, its own, no credit may stay held, and `ledger verify` must
be clean. Leases are of three seconds instead of thirty. Files lie in a folder, or with `--store s3`
in a bucket of moto's; workers are then in no network namespaces.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import requests
from bucket import VARIABLES, Bucket
from hosted_crew import Cables, Crew
from hosted_market import GRANTED, RATE, Market, wait_for
from ledger_faults import kill_database
from tqdm import tqdm

LEASE_S = 3.0
NAMES = ("a", "b", "c")
CUSTOMERS, LOAD = 2, 9  # runs of a round
WORK_S = 0.6
DOWN_S = 1.5  # at most, until a service manager starts what was killed
SHOWN_S = 5.0  # within which a customer is shown what a run put out, when all is well again
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03\x08\x02\0\0\0"
    b"6\x88I\xd6\0\0\0\x0cIDATx\x9cc``\xc0\x06\0\0\x1e\0\x01\0\0\0\0IEND\xaeB`\x82"
)


class Row(NamedTuple):
    """What became of the rounds of one fault.

    Attributes:
        struck: Runs that took more than one attempt.
        failed: Runs that failed, free.
        lost: Runs without a good end: neither succeeded with their output nor failed free.
        doubled: Runs that ended or were charged more than once, or for more than they used.
        held: Holds that are open after all runs have ended.
        problems: Of `ledger verify`, and of the sum of all charges.
    """

    fault: str
    rounds: int
    runs: int
    struck: int
    failed: int
    lost: int
    doubled: int
    held: int
    problems: int
    slowest_s: float


class Stage:
    """A market, workers and customers, on which faults strike; `load` is the runs of a round."""

    def __init__(
        self,
        scratch: Path,
        seed: int = 1,
        load: int = LOAD,
        bucket: Bucket | None = None,
        lease_s: float = LEASE_S,
        shown_s: float = SHOWN_S,
    ):
        self._load, self.lease_s, self.shown_s = load, lease_s, shown_s
        self.bucket = bucket
        self.chance = random.Random(seed)  # noqa: S311
        self.cables = Cables(NAMES, bridged=bucket is None)  # the bucket is at loopback
        self.market = Market(
            scratch,
            customers=CUSTOMERS,
            lease_s=lease_s,
            addresses=self.cables.addresses,
            variables=bucket
            and VARIABLES | {"BENCH_STORE": bucket.prefix(), "BENCH_STORE_ENDPOINT": bucket.url},
        )
        self._names: dict[str, str] = {}  # by run

    def __enter__(self) -> "Stage":
        self.market.serve()
        self.crew = Crew(self.market, self.cables, NAMES, self.market.data.parent)
        here = "SELECT count(*) FROM runs.worker"
        wait_for(lambda: self.market.scalar(here) == len(NAMES), "a hello of each worker")
        self.assets = {key: self.market.upload(key, PNG) for key in self.market.accounts}
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.close()
        self.market.__exit__()

    def submit(self) -> list[str]:
        """Submits the runs of a round, customer by customer at once; returns their ids."""
        made: list[str] = []

        def several(key: str, names: list[str]) -> None:
            image = {"__type": "core/ASSET", "info": {"id": self.assets[key]}}
            for name in names:
                graph = {
                    "1": {"class_type": "Read", "inputs": {"image": image}},
                    "2": {"class_type": "Work", "inputs": {"seconds": WORK_S, "text": name}},
                    "3": {"class_type": "Save", "inputs": {"text": name, "prefix": "p"}},
                }
                run = self.market.submit(key, graph, name)
                self._names[run] = name
                made.append(run)

        names = [f"run-{len(self._names) + n}" for n in range(self._load)]
        threads = [
            threading.Thread(target=several, args=(key, names[n::CUSTOMERS]))
            for n, key in enumerate(self.market.accounts)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        if len(made) != self._load:
            raise RuntimeError(f"{self._load} runs must be taken, got {len(made)}. Read the log.")
        return made

    def victim(self, runs: list[str]) -> str:
        """Waits until one of the runs is executed; returns the name of its worker."""
        sql = """SELECT w.name FROM runs.attempt a JOIN runs.worker w ON w.id = a.worker
            WHERE a.run = ANY(:runs) AND a.ended_at IS NULL ORDER BY random() LIMIT 1"""
        found = wait_for(lambda: self.market.scalar(sql, runs=runs), "a run at work")
        time.sleep(self.chance.uniform(0.0, WORK_S))
        return found.partition("-")[0]  # the worker puts digits behind it

    def ended(self, runs: list[str]) -> bool:
        """Tells whether all runs have a last state."""
        sql = "SELECT count(*) FROM runs.run WHERE id = ANY(:runs) AND completed_at IS NOT NULL"
        return self.market.scalar(sql, runs=runs) == len(runs)

    def has_output(self, key: str, run: str) -> bool:
        """Tells whether a customer is shown one output of a run, which is of this very run."""
        sent = {"Authorization": f"Bearer {key}"}

        def told(path: str) -> Any:
            def asked() -> Any:
                answer = requests.get(self.market.url + path, headers=sent, timeout=20)
                return answer.json() if answer.ok else None

            return wait_for(asked, f"an answer to {path}", self.shown_s)

        with contextlib.suppress(TimeoutError):
            outputs = told(f"/api/v2/jobs/{run}")["outputs"]
            # A store's own address takes no key of ours; requests leaves it out there.
            texts = [told(one["url"].removeprefix(self.market.url))["text"] for one in outputs]
            return texts == [self._names[run]]
        return False

    def lacks(self, fault: str) -> str | None:
        """Returns what a fault needs and this machine does not give; None where all is there."""
        if fault in NETWORKS and not self.cables.bridged:
            return "Root on Linux, with network namespaces, is required."
        if fault in DISKS and not self.crew.has_disks:
            return "Linux with user namespaces, or root, is required."
        return None


def kill_worker(stage: Stage, name: str) -> None:
    stage.crew.kill(name)
    time.sleep(stage.chance.uniform(0.1, DOWN_S))
    stage.crew.start(name)


def kill_comfyui(stage: Stage, name: str) -> None:
    os.kill(stage.crew.child(name), signal.SIGKILL)


def stop_worker(stage: Stage, name: str) -> None:
    stage.crew.workers[name].send(signal.SIGSTOP)
    time.sleep(3 * stage.lease_s)
    stage.crew.workers[name].send(signal.SIGCONT)


def stop_comfyui(stage: Stage, name: str) -> None:
    """It hangs: its lease goes on until somebody ends the worker."""
    os.kill(stage.crew.child(name), signal.SIGSTOP)
    stage.crew.workers[name].send(signal.SIGTERM)
    time.sleep(0.2)
    stage.crew.workers[name].send(signal.SIGTERM)
    stage.crew.start(name)


def cut_network(stage: Stage, name: str) -> None:
    with stage.cables.pulled(name):
        time.sleep(stage.chance.choice([0.3, 1.0, 3.0]) * stage.lease_s)


def go_dead(stage: Stage, name: str) -> None:
    with stage.cables.dead(name):
        time.sleep(stage.chance.choice([0.3, 1.0, 3.0]) * stage.lease_s)


def kill_server(stage: Stage, _: str) -> None:
    stage.market.kill_server()
    time.sleep(stage.chance.choice([0.1, 0.5, 2.0]) * stage.lease_s)
    stage.market.serve(wait=False)


def kill_postgres(stage: Stage, _: str) -> None:
    kill_database(stage.market.books)  # its keeper starts it again


def fill_disk(stage: Stage, name: str) -> None:
    stage.crew.fill(name, 2.0)


def lose_store(stage: Stage, _: str) -> None:
    away_s = stage.chance.choice([0.3, 1.0]) * stage.lease_s
    if stage.bucket:
        stage.bucket.stop()
        time.sleep(away_s)
        stage.bucket.start()
        return
    assets = stage.market.data / "assets"
    away = assets.with_name("assets-away")
    assets.rename(away)
    assets.touch()  # a mount that is gone leaves no folder that could be written to
    time.sleep(away_s)
    assets.unlink()
    away.rename(assets)


FAULTS: dict[str, Callable[[Stage, str], None]] = {
    "kill -9 worker": kill_worker,
    "kill -9 ComfyUI": kill_comfyui,
    "SIGSTOP worker for 3 leases": stop_worker,
    "SIGSTOP ComfyUI, SIGTERM twice": stop_comfyui,
    "network cut": cut_network,
    "connections dead": go_dead,
    "kill -9 server": kill_server,
    "kill -9 database": kill_postgres,
    "disk full on the worker": fill_disk,
    "asset store down": lose_store,
}
NETWORKS, DISKS = ("network cut",), ("disk full on the worker",)


def strike(stage: Stage, fault: str, rounds: int) -> Row:
    """Repeats a fault under load, and looks at the books."""
    runs: list[str] = []
    slowest_s = 0.0
    for _ in tqdm(range(rounds), desc=fault, unit="round"):
        begun = time.monotonic()
        made = stage.submit()
        FAULTS[fault](stage, stage.victim(made))
        wait_for(lambda: stage.ended(made), "an end of every run", 180)  # noqa: B023
        slowest_s = max(slowest_s, time.monotonic() - begun)
        runs += made
    return look(stage, fault, rounds, runs, slowest_s)


def look(stage: Stage, fault: str, rounds: int, runs: list[str], slowest_s: float) -> Row:
    """Counts what is wrong, in the database and by what customers are shown."""
    market = stage.market
    sql = """SELECT r.id, r.state, r.attempt, r.charged, r.gpu_ms, r.account,
            (SELECT t.gpu_ms FROM runs.attempt t WHERE t.run = r.id AND t.number = r.attempt) used,
            (SELECT count(*) FROM runs.attempt t WHERE t.run = r.id AND outcome = 'complete') ends,
            (SELECT count(*) FROM runs.attempt t WHERE t.run = r.id AND ended_at IS NULL) open,
            (SELECT coalesce(sum(amount), 0) FROM ledger.movement m WHERE m.account_id = r.account
                AND m.kind = 'capture' AND m.names = r.hold) spent,
            (SELECT count(*) FROM ledger.movement m WHERE m.account_id = r.account
                AND m.kind = 'capture' AND m.names = r.hold) captures
        FROM runs.run r WHERE r.id = ANY(:runs)"""
    rows = market.rows(sql, runs=runs)
    keys = {account: key for key, account in market.accounts.items()}
    succeeded = [row for row in rows if row.state == "succeeded"]
    shown = {row.id: stage.has_output(keys[row.account], row.id) for row in succeeded}
    failed = [row for row in rows if row.state == "failed" and not row.charged]
    lost = len(runs) - len(rows)
    lost += sum(row not in failed and not shown.get(row.id) for row in rows)
    doubled = 0
    for row in rows:
        once = row.ends == row.captures == 1 and row.charged == row.gpu_ms * RATE // 1000
        once = once and row.gpu_ms == row.used and not row.open
        none = not (row.ends or row.captures or row.open)
        doubled += row.spent != row.charged or not (once if row in succeeded else none)
    return Row(
        fault,
        rounds,
        len(runs),
        sum(row.attempt > 1 for row in rows),
        len(failed),
        lost,
        doubled,
        market.scalar("SELECT count(*) FROM ledger.open_hold"),
        len(market.ledger.verify().problems) + _difference(market),
        round(slowest_s, 1),
    )


def _difference(market: Market) -> int:
    """Counts customers whose balance differs from what was granted less what runs cost."""
    sql = "SELECT account, sum(charged) FROM runs.run GROUP BY account"
    charged = dict(tuple(row) for row in market.rows(sql))
    wrong = 0
    for account in market.accounts.values():
        balance = market.ledger.balance(account)
        wrong += GRANTED - balance.available - balance.held != charged.get(account, 0)
    return wrong


def table(rows: list[Row]) -> str:
    """Writes the rows for people."""
    lines = [f"{'fault':<32}" + "".join(f"{name:>10}" for name in Row._fields[1:])]
    return "\n".join(
        [*lines, *(f"{row.fault:<32}" + "".join(f"{one:>10}" for one in row[1:]) for row in rows)]
    )


def bars(rows: list[Row], rounds: int) -> dict[str, Any]:
    """Returns what the bars ask for: every fault, nothing lost, nothing doubled, nothing held."""
    sums = {name: sum(getattr(row, name) for row in rows) for name in Row._fields[2:9]}
    bad = sums["lost"] + sums["doubled"] + sums["held"] + sums["problems"]
    met = not bad and rounds >= 20 and len(rows) == len(FAULTS)
    return sums | {"faults": len(rows), "rounds": rounds, "met": met}


def main() -> None:
    """Strikes, checks, prints a table and a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--fault", action="append", choices=list(FAULTS))
    parser.add_argument("--store", choices=["folder", "s3"], default="folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the logs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # all that was started is ended
    rows = []
    with contextlib.ExitStack() as stack:
        if options.keep:
            options.keep.mkdir(parents=True)
            scratch = options.keep.resolve()
        else:
            made = tempfile.TemporaryDirectory(prefix="dressform-", ignore_cleanup_errors=True)
            scratch = Path(stack.enter_context(made))
        bucket = None
        if options.store == "s3":
            os.environ.update(VARIABLES)
            bucket = Bucket()
            stack.callback(bucket.stop)
        stage = stack.enter_context(Stage(scratch, options.seed, bucket=bucket))
        for fault in options.fault or FAULTS:
            if lacks := stage.lacks(fault):
                print(f"{fault}: not run. {lacks}")
            else:
                rows.append(strike(stage, fault, options.rounds))
        print(table(rows))
    print(json.dumps({"bench": "hosted_faults", "bars": bars(rows, options.rounds)}))
    if any(row.lost + row.doubled + row.held + row.problems for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
