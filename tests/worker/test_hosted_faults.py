"""Faults under load: two workers, the real server and database; nothing is lost or paid twice.

Each fault strikes once here; DRESSFORM_FAULTS=20 repeats it, and the table is written to
out/hosted-faults.json. Leases are of three seconds instead of thirty.
"""

import json
import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(os.name == "nt", reason="asks for signals. Run it on Linux or macOS."),
]

TIMES = int(os.environ.get("DRESSFORM_FAULTS", "1"))
TABLE = Path(__file__).resolve().parents[2] / "out" / "hosted-faults.json"
CREDIT = 1_000_000
RATE = 250_000
GRANTED = 100_000 * CREDIT
LEASE_S = 3
LOAD = 3  # runs at a time, for two workers
NAMES = ("one", "two")


class Market:
    """A server, two workers, a customer."""

    def __init__(self, url, key, parts, options, process):
        self.parts, self.process = parts, process
        told = {"key": key, "url": url}
        self.options = {n: options(name=n, data_name=n, **told) for n in NAMES}
        self.workers = {name: process(one) for name, one in self.options.items()}
        self.account = parts.ledger.open_account("customer")
        parts.ledger.grant(self.account, GRANTED, "paid", key="g")
        self.made = []

    def submit(self, graph):
        from dressform.billing_server.runs.values import Caller

        key = str(len(self.made))
        run, _ = self.parts.hosting.runs.submit(Caller(self.account, "7"), graph, key=key)
        self.made.append(run.id)
        return run.id

    def get(self, run):
        return self.parts.hosting.runs.get(self.account, run)

    def at_work(self, runs):
        """Waits until one of the runs is executed; returns the name of its worker."""
        sql = """SELECT w.name FROM runs.attempt a JOIN runs.worker w ON w.id = a.worker
            WHERE a.run = ANY(:runs) AND a.ended_at IS NULL AND a.gpu_ms > 0 LIMIT 1"""
        return wait_for(lambda: self.scalar(sql, {"runs": runs}))

    def scalar(self, sql, values):
        import sqlalchemy as sa

        with self.parts.engine.connect() as connection:
            return connection.execute(sa.text(sql), values).scalar()

    def replace(self, name):
        """A service manager starts a worker that was killed."""
        self.workers[name].process.wait()
        self.workers[name] = self.process(self.options[name])

    def end(self):
        for worker in self.workers.values():
            worker.__exit__()


def wait_for(holds, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
    return found


def kill_comfyui(market, name):
    [child] = market.workers[name].children()
    os.kill(child, signal.SIGKILL)


def kill_worker(market, name):
    market.workers[name].send(signal.SIGKILL)
    market.replace(name)


def stop_for_three_leases(market, name):
    market.workers[name].send(signal.SIGSTOP)
    time.sleep(3 * LEASE_S)
    market.workers[name].send(signal.SIGCONT)


def stop_comfyui(market, name):
    """It hangs: its run is cancelled by nobody, and its lease goes on until the worker is ended."""
    [child] = market.workers[name].children()
    os.kill(child, signal.SIGSTOP)
    market.workers[name].send(signal.SIGTERM)
    market.workers[name].send(signal.SIGTERM)
    market.replace(name)


FAULTS = {
    "kill -9 ComfyUI": kill_comfyui,
    "kill -9 worker": kill_worker,
    "SIGSTOP worker for three leases": stop_for_three_leases,
    "SIGSTOP ComfyUI, SIGTERM twice": stop_comfyui,
}


@pytest.fixture(scope="module")
def market(serving, program, process, tmp_path_factory):
    from dressform.billing_server.runs import attempts, leases, worker_api
    from dressform.worker.shift import Options

    root = tmp_path_factory.mktemp("market")

    def options(data_name, **told):
        return Options(comfyui=program, data=root / data_name, drain_s=1.0, **told)

    with pytest.MonkeyPatch.context() as patch:
        for module in (attempts, leases):
            patch.setattr(module, "LEASE", timedelta(seconds=LEASE_S))
        patch.setattr(worker_api, "LEASE_S", LEASE_S)
        patch.setattr(worker_api, "HEARTBEAT_S", 0.4)
        with serving(root, RATE) as (url, key, parts):
            ended = threading.Event()

            def sweep():
                while not ended.wait(0.3):
                    parts.hosting.due()

            ticker = threading.Thread(target=sweep)
            ticker.start()
            made = Market(url, key, parts, options, process)
            try:
                wait_for(lambda: made.scalar("SELECT count(*) FROM runs.worker", {}) == 2)
                yield made
            finally:
                made.end()
                ended.set()
                ticker.join()


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_loses_no_run_and_charges_none_twice(market, work, fault):
    rows = []
    for number in range(TIMES):
        runs = [market.submit(work(1.5, text=f"{fault} {number} {n}")) for n in range(LOAD)]
        begun = time.monotonic()
        FAULTS[fault](market, market.at_work(runs))
        wait_for(lambda: all(market.get(run).ended for run in runs))  # noqa: B023
        rows += [(market.get(run), time.monotonic() - begun) for run in runs]
    ends = [run for run, _ in rows]
    ledger = market.parts.ledger
    everything = [market.get(run) for run in market.made]
    spent = sum(run.charged or 0 for run in everything)
    balance = ledger.balance(market.account)
    lost = [run for run in ends if run.state not in ("succeeded", "failed")]
    lost += [run for run in ends if run.state == "failed" and run.charged]
    table(
        fault,
        runs=len(ends),
        again=sum(run.attempt > 1 for run in ends),
        failed=sum(run.state == "failed" for run in ends),
        lost=len(lost),
        overcharged=GRANTED - spent - balance.available,
        slowest_s=round(max(seconds for _, seconds in rows), 1),
    )
    assert lost == []
    assert [run.state for run in ends] == ["succeeded"] * LOAD * TIMES
    assert any(run.attempt > 1 for run in ends)  # the fault did strike
    for run in ends:
        assert run.charged == run.gpu_ms * RATE // 1000
        assert 1400 <= run.gpu_ms < 6000  # of the attempt that succeeded alone
    assert (balance.held, balance.available) == (0, GRANTED - spent)
    assert not ledger.verify().problems


def table(fault, **row):
    if TIMES > 1:
        told = json.loads(TABLE.read_text()) if TABLE.is_file() else {}
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(json.dumps({**told, fault: row}, indent=1))
