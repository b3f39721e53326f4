"""kill -9 of the server under load: every run ends once, charged once, and is told of."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
pytest.importorskip("standardwebhooks", reason="Run: pip install standardwebhooks")
import requests
from dressform.billing_server import database
from dressform.billing_server.keys import Keys
from dressform.billing_server.ledger import Ledger
from dressform.billing_server.runs.book import Runs
from dressform.billing_server.runs.webhooks import EVENTS, Webhooks
from dressform.billing_server.settings import Settings

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import BASE, CLASSES, CREDIT, graph
from runs_receiver import Receiver, verify

SERVER = Path(__file__).with_name("runs_server.py")
RUNS, WORKERS, KILLS = 20, 4, 2


class Outside:
    """Asks again until there is an answer, as clients and workers do."""

    def __init__(self, url, secret):
        self.url, self.secret, self.over = url, secret, threading.Event()

    def __call__(self, path, body, **headers):
        while not self.over.is_set():
            with contextlib.suppress(requests.RequestException):
                sent = {"Authorization": f"Bearer {self.secret}"} | headers
                answer = requests.post(self.url + path, json=body, headers=sent, timeout=40)
                if answer.status_code < 500:
                    return answer
            time.sleep(0.05)
        return None


def work(call, name):
    place = "/api/worker/v1"
    told = {"protocol": 1, "name": name, "gpu_class": "faults", "gpu": {}, "environment": {}}
    folder, _, model = BASE.partition("/")
    told |= {"node_classes": CLASSES, "models": [{"folder": folder, "name": model}]}
    if (answer := call(f"{place}/hello", told)) is None:
        return
    worker = answer.json()["worker"]
    while not call.over.is_set():
        answer = call(f"{place}/lease", {"worker": worker, "wait_s": 0.5})
        if answer is not None and answer.status_code == 200:
            lease = answer.json()
            time.sleep(0.05)
            call(f"{place}/runs/{lease['run']}/complete", {"token": lease["token"], "gpu_ms": 20})


@pytest.fixture
def heard():
    """Somebody who is told of ends and takes his time, so that servers are killed meanwhile."""

    def answer(handler):
        time.sleep(0.3)
        handler.send_response(204)
        handler.end_headers()

    made = Receiver(answer)
    yield made
    made.stop()


def test_killed_server_loses_and_doubles_nothing(fresh, folder, eventually, heard):
    url, data = fresh(), folder()
    engine = database.connect(url)
    now = lambda: datetime.now(UTC)  # noqa: E731
    ledger, keys = Ledger(engine), Keys(engine, now)
    ledger.card.add("faults", CREDIT, valid_from=datetime(2026, 1, 1, tzinfo=UTC))
    customer, operator = ledger.open_account("customer"), ledger.open_account("operator")
    ledger.grant(customer, 10_000 * CREDIT, "paid", key="g")
    buyer, _ = keys.create(customer, "c", ["run", "read"])
    owner, _ = keys.create(operator, "w", ["worker"])
    secret_key = Settings.read({}, Path(data)).secret_key
    hooks = Webhooks(engine, now, secret_key, local=True)
    secret, hook = hooks.create(customer, heard.url, EVENTS)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"

    def serve():
        return subprocess.Popen([sys.executable, SERVER, url, data, str(port)])

    server, mine, theirs = serve(), Outside(address, buyer), Outside(address, owner)
    threads = [threading.Thread(target=work, args=(theirs, f"w{n}")) for n in range(WORKERS)]
    made = {}

    def submit():
        for number in range(RUNS):
            while number not in made and not mine.over.is_set():  # not ready: no worker said hello
                key = {"Idempotency-Key": f"key-{number}"}
                answer = mine("/api/v2/jobs", {"workflow": graph()}, **key)
                if answer is not None and answer.status_code == 201:
                    made[number] = answer.json()["id"]
                else:
                    time.sleep(0.2)

    threads.append(threading.Thread(target=submit))
    for one in threads:
        one.start()

    def ended():
        found = Runs(engine, ledger, now).page(customer, limit=100)
        return len(found) == RUNS and all(run.ended for run in found)

    try:
        for kill in range(KILLS):
            eventually(lambda kill=kill: len(made) > kill * RUNS // (KILLS + 1), timeout_s=90)
            server.kill()
            server.wait()
            server = serve()
        eventually(ended, timeout_s=120)
        sql = "UPDATE runs.delivery SET sending_until = NULL WHERE due_at IS NOT NULL"
        database.execute(engine, sql)  # as if two minutes were over: who was at it is dead
        list_ = lambda: hooks.deliveries(customer, hook.id, None, 100)  # noqa: E731
        eventually(lambda: all(one.delivered_at for one in list_()), timeout_s=60)
    finally:
        mine.over.set(), theirs.over.set()
        for one in threads:
            one.join()
        server.kill()
        server.wait()
    found = Runs(engine, ledger, now).page(customer, limit=100)
    assert {run.id for run in found} == set(made.values())
    assert [run.state for run in found] == ["succeeded"] * RUNS
    told = [verify(secret, got) for got in heard.got]
    assert {one["data"]["id"] for one in told} == {one.id for one in found}
    assert {one["type"] for one in told} == {"run.succeeded"}
    assert len({got[1]["webhook-id"] for got in heard.got}) == RUNS
    balance = ledger.balance(customer)
    assert balance.held == 0
    assert 10_000 * CREDIT - balance.available == sum(run.charged for run in found)
    assert ledger.verify().problems == ()
    engine.dispose()
