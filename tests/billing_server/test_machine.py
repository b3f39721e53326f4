"""Random histories of an account: PostgreSQL and the model agree, and planted faults are found."""

import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import psycopg
from dressform.billing_server import database
from dressform.billing_server.ledger import Ledger, rules, state, store, values

sys.path.append(str(Path(__file__).parent))  # ledger_*.py are modules of no package
import ledger_machine

SEQUENCES = int(os.environ.get("DRESSFORM_SEQUENCES", "200"))  # 2,000 before a release
STEPS = 20
TOGETHER = 10  # drawn from one seed: those that follow resemble each other more and more
ENOUGH = 100  # sequences in which a planted fault must show; most show in the first ten


def run(engines, *, sequences, debt=0):
    ledger = Ledger(engines[0])
    steep = [one for one in ledger.card.rates() if one.gpu_class == "steep"]
    # By this rate every millisecond counts, so that rounding shows.
    terms = {"minimum_micro": 2, "step_ms": 1, "valid_from": ledger_machine.BEGIN}
    rate = steep[0] if steep else ledger.card.add("steep", 300, **terms)
    options = settings(max_examples=TOGETHER, stateful_step_count=STEPS, phases=[Phase.generate])
    for number in range(-(-sequences // TOGETHER)):
        made = seed(number)(ledger_machine.machine(engines, rate.id, debt))
        run_state_machine_as_test(made, settings=options)


@pytest.fixture
def sessions():
    """Makes two engines, each with connections of its own."""
    made = []

    def make(url):
        made[:] = database.connect(url), database.connect(url)
        return made

    yield make
    for engine in made:
        engine.dispose()


@pytest.mark.parametrize("debt", [0, 20])
def test_histories_are_as_the_model_says(server, engine, sessions, debt):
    run(sessions(server), sequences=SEQUENCES, debt=debt)
    report = Ledger(engine).verify()
    assert report.problems == ()
    assert report.movements > SEQUENCES


@pytest.fixture(scope="module")
def template(fresh):
    """A database that lets a hold end twice and a key be used twice, as the faulty code would."""
    url = fresh()
    inside = database.connect(url)
    with inside.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ledger.movement_ends_once")
        connection.exec_driver_sql("ALTER TABLE ledger.movement DROP CONSTRAINT movement_key")
    inside.dispose()
    return url.rpartition("/")[2]


@pytest.fixture
def unguarded(fresh, template):
    """A copy of it: what a fault leaves behind must not be found by the next test."""
    return fresh(template=template, migrated=False)


def without_lock(patch):
    patch.setattr(store, "LOCK", store.LOCK.replace("FOR NO KEY UPDATE", ""))
    load = store.load

    def slow(*told):
        read = load(*told)
        time.sleep(0.003)  # so that two sessions decide by the same balances on any machine
        return read

    patch.setattr(store, "load", slow)


def double_capture(patch):
    patch.setattr(store, "END_HOLDS", store.END_HOLDS + " AND false")


def lost_release(patch):
    patch.setattr(rules, "home", lambda state, grant: "lapsed")


def rounded_down(patch):
    price = lambda rate, gpu_ms: max(rate.minimum_micro, gpu_ms * rate.micro_per_gpu_s // 1000)  # noqa: E731
    patch.setattr(rules, "price", price)


def paid_first(patch):
    order = values.burn_order
    patch.setattr(rules, "burn_order", lambda grant: (not order(grant)[0], *order(grant)[1:]))


def forgotten_key(patch):
    patch.setattr(state, "replay", lambda state, request, digest: None)


FAULTS = (without_lock, double_capture, lost_release, rounded_down, paid_first, forgotten_key)


def test_unguarded_database_serves_a_right_ledger(unguarded, sessions):
    run(sessions(unguarded), sequences=5)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found(unguarded, sessions, monkeypatch, fault):
    fault(monkeypatch)
    # The database's refusals count: that the fault got so far is what was to be found.
    with pytest.raises((AssertionError, psycopg.IntegrityError, Flaky)):
        run(sessions(unguarded), sequences=ENOUGH)
