"""Runs on real PostgreSQL, with customers that have credits and workers that only pretend."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import BASE, CLASSES, CREDIT, graph

API = Path(__file__).parents[1] / "api" / "conftest.py"


@pytest.fixture
def gpu_class(references, engine, clock):
    """A GPU class that no other test's workers have: 1,000,000 micro-credits a second."""
    from datetime import timedelta

    from dressform.billing_server.ledger import Ledger

    name = next(references).replace("customer", "gpu")
    Ledger(engine, clock).card.add(name, CREDIT, valid_from=clock.now - timedelta(days=1))
    return name


@pytest.fixture
def runs(engine, ledger, clock):
    """The parts, on tables that have no worker of an earlier test."""
    import sqlalchemy as sa
    from dressform.billing_server.runs.attempts import Attempts
    from dressform.billing_server.runs.book import Runs
    from dressform.billing_server.runs.leases import Leases

    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE runs.worker SET seen_at = '-infinity'"))
        sql = "UPDATE runs.run SET start_by = 'infinity', gpu_class = 'past' WHERE state = 'queued'"
        connection.execute(sa.text(sql))
    made = Runs(engine, ledger, clock)
    yield SimpleNamespace(book=made, attempts=Attempts(made), leases=Leases(made), ledger=ledger)
    made.bells.stop()


@pytest.fixture
def worker(runs, engine, clock, gpu_class, ledger, references):
    """Introduces workers; returns something that leases."""
    from dressform.billing_server.keys import Keys

    operator = ledger.open_account(next(references))
    _, api_key = Keys(engine, clock).create(operator, "worker", ["meter"])

    def make(name="one", classes=CLASSES, models=(BASE,), gpu_class=gpu_class):
        told = {"about": {}, "environment": "env", "digests": {}}
        told |= {"node_classes": classes, "models": models}
        id_ = runs.leases.hello(api_key.id, name, gpu_class, **told)

        def lease(resident=(), wait_s=0.0):
            return runs.leases.lease(api_key.id, id_, resident, None, wait_s)

        return SimpleNamespace(id=id_, key=api_key.id, lease=lease)

    return make


@pytest.fixture
def customer(runs, account, ledger):
    """A customer with so many credits; returns what submits."""
    from dressform.billing_server.runs.values import Caller

    def make(credits=1000, account=account):
        if credits:
            ledger.grant(account, credits * CREDIT, "paid", key=f"g{credits}")
        keys = (f"key-{n}" for n in range(10_000))

        def submit(flow=None, key=None, **what):
            flow = flow or graph()
            return runs.book.submit(Caller(account, "7"), flow, key=key or next(keys), **what)[0]

        return SimpleNamespace(account=account, submit=submit)

    return make


@pytest.fixture
def no_hold_left(ledger):
    """Says what an account still has held."""
    return lambda account: ledger.balance(account).held == 0


# Over HTTP, with the application and the callers of the tests of the API


def _of_api():
    spec = importlib.util.spec_from_file_location("conftest_of_api", API)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_api = _of_api()
simulator, settings, make_app, app = _api.simulator, _api.settings, _api.make_app, _api.app
parts, caller, live = _api.parts, _api.caller, _api.live


@pytest.fixture
def hosted(app, runs, settings):
    """The parts of the application that serves."""
    made = app.extensions["services"].hosting
    yield SimpleNamespace(**made._asdict(), root=settings.data / "assets")
    made.runs.bells.stop()


@pytest.fixture
def machine(caller, hosted, gpu_class):
    """Introduces workers over HTTP; returns what calls for them."""
    key = caller("worker")

    def make(name="one", gpu_class=gpu_class, classes=CLASSES, models=(BASE,)):
        def call(method, path, body=None, **more):
            path = path if path.startswith("/api") else f"/api/worker/v1{path}"
            if token := more.pop("token", None):
                more["headers"] = {"X-Attempt-Token": token}
            return key(method, path, body, **more)

        places = [one.split("/", 1) for one in models]
        told = {"protocol": 1, "name": name, "gpu_class": gpu_class, "gpu": {"name": "none"}}
        told |= {"environment": {"digest": "env"}, "node_classes": classes}
        told["models"] = [{"folder": one, "name": two, "sha256": None} for one, two in places]
        answer = call("POST", "/hello", told)
        assert answer.status_code == 200, answer.text
        call.id = answer.json["worker"]
        return call

    return make


@pytest.fixture
def paying(machine, customer):
    """A customer, after the first worker said hello."""
    machine("idle")
    return customer()
