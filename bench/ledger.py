"""Measures the ledger beside pgbench, on the same PostgreSQL, in the same run, as ratios.

    python bench/ledger.py [--clients N] [--workers N] [--seconds S] [--rounds R] [--entries N]
        [--folder DIR]

A pair is a hold and its capture, each answered after a commit that is written through to the disk
(fsync and synchronous_commit are on). What is compared is measured in turns, and the median taken:

* pairs over 100 accounts, against transactions of pgbench's own test (tpcb-like, prepared);
* pairs of one hot account, against the same requests with a transaction for each; and, for the sake
  of comparison, against the least SQL that could hold and capture, driven by pgbench;
* the latency of holds at half of the pairs that were reached, from the time they were due;
* pairs in a ledger with N entries, against one with a thousand.

The clients are threads of two processes, which share nothing but the database, as the workers of
gunicorn do; pgbench has two threads, and a process of PostgreSQL for each client. What part of the
processors other programs took is told as well, and the processor time of each transaction and pair.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psutil
import sqlalchemy as sa
from dressform.billing_server import database, embedded
from dressform.billing_server.ledger import CREDIT, Ledger, Movement, Request
from tqdm import tqdm

# Pairs to pgbench, hot account to one by one, p99 of holds in ms, cost of a pair at N entries.
BARS = {"pairs": 0.5, "hot": 10.0, "p99_ms": 50.0, "growth": 1.25}
ACCOUNTS = 100
LASTS = timedelta(hours=1)
# What a hold and its capture cost at least, if each has a transaction: one row to fight for.
PLAIN = """BEGIN;
UPDATE plain SET available = available - 1, held = held + 1 WHERE id = 1 AND available >= 1;
INSERT INTO plain_entry (amount) VALUES (1);
COMMIT;
BEGIN;
UPDATE plain SET held = held - 1 WHERE id = 1;
INSERT INTO plain_entry (amount) VALUES (1);
COMMIT;
"""
PLAIN_TABLES = """CREATE TABLE plain (id int PRIMARY KEY, available bigint, held bigint);
INSERT INTO plain VALUES (1, 1000000000, 0);
CREATE TABLE plain_entry (id bigserial PRIMARY KEY, amount bigint);
"""
# A server that has run for a while writes its log into old files. One that was just made has to
# make each, and nobody's commit ends meanwhile: its slowest holds take twice as long.
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "min_wal_size": "2GB",
    "max_connections": "200",
}


class Load:
    """Clients that hold and capture, each its own accounts in turn, in the worker processes."""

    def __init__(self, workers: Sequence[Executor], url: str, accounts: int) -> None:
        self._workers, self._url = workers, url
        engine = database.connect(url)
        database.migrate(engine)
        ledger, name = Ledger(engine), uuid.uuid4().hex
        self.accounts = [ledger.open_account(f"{name}-{n}") for n in range(accounts)]
        for account in self.accounts:
            ledger.grant(account, 10**9 * CREDIT, "paid", key="grant")
        self.rate = ledger.card.add(name, 1000).id
        engine.dispose()

    def run(
        self,
        clients: int,
        seconds: float,
        *,
        alone: bool = False,
        pairs_per_s: float | None = None,
    ) -> tuple[float, list[float]]:
        """Returns pairs in a second, and how long each hold took from when it was due, in s."""
        begin, gap_s = time.time() + 0.3, 1 / pairs_per_s if pairs_per_s else 0.0
        turns = [
            Turns(
                self.accounts[n % len(self.accounts) :: clients],
                begin + n * gap_s,
                begin + seconds,
                gap_s * clients,
            )
            for n in range(clients)
        ]
        many = len(self._workers)
        jobs = [
            worker.submit(work, self._url, self.rate, turns[n::many], alone)
            for n, worker in enumerate(self._workers)
        ]
        latencies = [one for job in jobs for one in job.result()]
        return len(latencies) / (time.time() - begin), latencies


class Turns(NamedTuple):
    """What a client does, and when; `each_s` between two pairs, or as fast as it goes."""

    accounts: list[int]
    begin: float
    end: float
    each_s: float


_ledgers: dict[str, Ledger] = {}


def work(url: str, rate: int, clients: list[Turns], alone: bool) -> list[float]:
    """Runs clients in this process, each in a thread; returns how long each hold took, in s."""
    if url not in _ledgers:
        _ledgers[url] = Ledger(database.connect(url, pool_size=len(clients)))
    ledger, latencies = _ledgers[url], []

    def ask(request: Request) -> Movement:
        if not alone:
            return ledger.submit(request)
        (answer,) = ledger.batch([request])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(turns: Turns) -> None:
        due = turns.begin
        for account in itertools.cycle(turns.accounts):
            time.sleep(max(0.0, due - time.time()))
            begun = time.time()
            if max(begun, due) > turns.end:
                return
            key, until = uuid.uuid4().hex, datetime.now(UTC) + LASTS
            hold = ask(Request("hold", account, key, 1000, expires_at=until, run=key, api_key="k"))
            latencies.append(time.time() - (due if turns.each_s else begun))
            what = {"rate": rate, "gpu_ms": 900}
            ask(Request("capture", account, f"{key}-end", None, hold.seq, **what))
            due += turns.each_s

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(client, clients))
    return latencies


def pgbench(url: str, *options: str) -> float | None:
    """Runs pgbench; returns transactions in a second."""
    told = sa.make_url(url)
    where = ["-h", told.host, "-p", str(told.port), "-U", told.username, "pgbench"]
    done = subprocess.run(  # noqa: S603 (a program of the wheel)
        [embedded.programs() / "pgbench", *options, *where],
        env={**os.environ, "PGPASSWORD": told.password or ""},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    return float(found[1]) if found else None


class Spent:
    """Processor time of PostgreSQL, of this process and its children, for what is measured."""

    def __init__(self, folder: Path) -> None:
        lines = (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        self._processes = psutil.Process(int(lines[0])), psutil.Process()
        self._each_ms: list[float] = []
        self._begun, self._own_s, self._busy_s = time.monotonic(), self._now_s(), _busy_s()

    def of(self, measure: Callable[[], float], seconds: float) -> float:
        """Measures, and notes the time for each of so many in a second."""
        before = self._now_s()
        per_s = measure()
        self._each_ms.append((self._now_s() - before) / (per_s * seconds) * 1000)
        return per_s

    def others(self) -> float:
        """Returns what part of the processors other programs took, since this was made."""
        took_s = _busy_s() - self._busy_s - (self._now_s() - self._own_s)
        return took_s / (time.monotonic() - self._begun) / (psutil.cpu_count() or 1)

    def median_ms(self) -> float:
        """Returns the median over the rounds."""
        return statistics.median(self._each_ms)

    def _now_s(self) -> float:
        total = 0.0
        for process in self._processes:
            total += sum(process.cpu_times()[:4])  # user and system, own and of children that ended
            for child in process.children():
                with contextlib.suppress(psutil.Error):
                    total += sum(child.cpu_times()[:2])
        return total


def _busy_s() -> float:
    now = psutil.cpu_times()
    return sum(now) - now.idle - getattr(now, "iowait", 0.0)


def make_database(url: str, name: str) -> str:
    """Makes a database beside; returns its URL."""
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return url.rpartition("/")[0] + f"/{name}"


def fill(url: str, accounts: list[int], entries: int) -> None:
    """Writes old pairs, without the guards: sizes and indexes are real, hashes are not."""
    each, engine = entries // (4 * len(accounts)), database.connect(url)
    movements = """INSERT INTO ledger.movement SELECT :a, 1 + n,
            (CASE n % 2 WHEN 1 THEN 'hold' ELSE 'capture' END)::ledger.kind, 1000,
            CASE n % 2 WHEN 0 THEN n END, gen_random_uuid()::text, sha256(n::text::bytea), now(),
            'run', 'k', CASE n % 2 WHEN 0 THEN (SELECT min(id) FROM ledger.rate) END,
            CASE n % 2 WHEN 0 THEN 900 END, now(), NULL, 0, 0, sha256(n::text::bytea)
        FROM generate_series(1, 2 * :each) AS n"""
    legs = """INSERT INTO ledger.entry SELECT :a, 1 + n, leg, 1,
            (CASE WHEN (n % 2 = 1) = (leg = 0) THEN 'available' ELSE 'held' END)::ledger.book,
            CASE leg WHEN 0 THEN -1000 ELSE 1000 END
        FROM generate_series(1, 2 * :each) AS n, generate_series(0, 1) AS leg"""
    for account in tqdm(accounts, desc="filling", unit="account"):
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            values = {"a": account, "each": each}
            for sql in (
                movements,
                legs,
                "UPDATE ledger.account SET seq = seq + 2 * :each WHERE id = :a",
            ):
                connection.execute(sa.text(sql), values)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")
    engine.dispose()


def alternate(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Measures in turns; returns the median of each."""
    rows = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def main() -> None:
    """Prints a table and a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2, help="processes that share the clients")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--entries", type=int, default=5_000_000, help="0 leaves this part out")
    parser.add_argument("--folder", type=Path, help="of the server; a temporary one by default")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="dressform-"))
    url = embedded.start(folder, settings=SETTINGS)
    spawn = multiprocessing.get_context("spawn")
    try:
        with contextlib.ExitStack() as stack:
            pools = [ProcessPoolExecutor(1, spawn) for _ in range(options.workers)]
            workers = [stack.enter_context(pool) for pool in pools]
            result = measure(url, folder, workers, options)
    finally:
        embedded.stop(folder)
        if options.folder is None:
            time.sleep(5)  # until the keeper has stopped it
            shutil.rmtree(folder, ignore_errors=True)
    for name, value in result.items():
        bar = f"   bar {BARS[name]:g}" if name in BARS else ""
        print(f"{name:<22} {value:>12,.2f}{bar}")
    bars = {
        name: {"value": round(result[name], 3), "bar": bar, "ok": ok(name, result[name])}
        for name, bar in BARS.items()
        if name in result
    }
    print(json.dumps({"bench": "ledger", "bars": bars}))


def ok(name: str, value: float) -> bool:
    """Says whether a figure is on the right side of its bar."""
    return value >= BARS[name] if name in ("pairs", "hot") else value <= BARS[name]


def measure(
    url: str, folder: Path, workers: Sequence[Executor], options: argparse.Namespace
) -> dict[str, float]:
    """Returns every figure by its name."""
    clients, seconds, rounds = options.clients, options.seconds, options.rounds
    address = make_database(url, f"ledger_{uuid.uuid4().hex}")
    many, hot = (Load(workers, address, accounts) for accounts in (ACCOUNTS, 1))
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS pgbench"))
        connection.execute(sa.text("CREATE DATABASE pgbench"))
    # As pgbench advises: no fewer branches than clients, or these wait for each other.
    pgbench(url, "-i", "-q", "-s", str(clients))
    tpcb = f"-n -M prepared -c {clients} -j 2 -T {max(1, round(seconds))}".split()
    many.run(clients, min(2.0, seconds))  # prepares statements, warms caches
    transaction_ms, pair_ms = Spent(folder), Spent(folder)
    transactions, pairs = alternate(
        rounds,
        lambda: transaction_ms.of(lambda: pgbench(url, *tpcb) or 0.0, seconds),
        lambda: pair_ms.of(lambda: many.run(clients, seconds)[0], seconds),
    )
    others = pair_ms.others()
    with sa.create_engine(url.rpartition("/")[0] + "/pgbench").begin() as connection:
        connection.exec_driver_sql(PLAIN_TABLES)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(PLAIN)
        script.flush()
        plain, alone, grouped = alternate(
            rounds,
            lambda: pgbench(url, *tpcb, "-f", script.name) or 0.0,
            lambda: hot.run(clients, seconds, alone=True)[0],
            lambda: hot.run(clients, seconds)[0],
        )
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("CHECKPOINT")  # what the log has filled so far is used again
    _, latencies = many.run(clients, 2 * seconds, pairs_per_s=pairs / 2)
    latencies.sort()
    result = {
        "pgbench_tps": transactions,
        "pairs_per_s": pairs,
        "pairs": pairs / transactions,
        "transaction_cpu_ms": transaction_ms.median_ms(),
        "pair_cpu_ms": pair_ms.median_ms(),
        "others": others,
        "alone_pairs_per_s": alone,
        "hot_pairs_per_s": grouped,
        "hot": grouped / alone,
        "plain_pairs_per_s": plain,
        "hot_to_plain": grouped / plain,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
    }
    if options.entries:
        result |= growth(url, workers, options)
    return result


def growth(url: str, workers: Sequence[Executor], options: argparse.Namespace) -> dict[str, float]:
    """Compares the time of a pair in a large ledger with that in a small one."""
    loads = []
    for entries in (1000, options.entries):
        address = make_database(url, f"ledger_{uuid.uuid4().hex}")
        loads.append(Load(workers, address, ACCOUNTS))
        fill(address, loads[-1].accounts, entries)
    run = [lambda load=load: load.run(options.clients, options.seconds)[0] for load in loads]
    for one in run:
        one()
    small, large = alternate(options.rounds + 2, *run)
    return {"small_pairs_per_s": small, "large_pairs_per_s": large, "growth": small / large}


if __name__ == "__main__":
    main()
