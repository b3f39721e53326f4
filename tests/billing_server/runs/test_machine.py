"""Random histories of runs on PostgreSQL: every run ends once, and nothing stays held."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server import database
from dressform.billing_server.ledger import EndedError, Ledger
from dressform.billing_server.runs import money

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
import runs_machine

SEQUENCES = int(os.environ.get("DRESSFORM_SEQUENCES", "10"))  # 2,000 before a release
STEPS = 30
ENOUGH = 60  # sequences in which a planted fault must show


def run(engine, sequences):
    options = settings(
        max_examples=sequences, stateful_step_count=STEPS, phases=[Phase.generate], deadline=None
    )
    run_state_machine_as_test(runs_machine.machine(engine), settings=options)


@pytest.fixture(autouse=True)
def small_holds(monkeypatch):
    """Holds that runs often outgrow."""
    monkeypatch.setattr(money, "FIRST_MS", 8_000)
    monkeypatch.setattr(money, "STEP_MS", 6_000)


@pytest.fixture
def empty(fresh):
    """A database of its own, so that no run of another test is swept."""
    engine = database.connect(fresh())
    yield engine
    engine.dispose()


def test_every_run_ends_once_and_nothing_stays_held(empty):
    run(empty, SEQUENCES)
    report = Ledger(empty).verify()
    assert report.problems == ()
    assert report.movements > SEQUENCES


def failures_are_charged(patch):
    settle = money.settle
    patch.setattr(money, "settle", lambda *a: settle(*a[:3], a[3] if a[3] is not None else 9))


def holds_are_forgotten(patch):
    patch.setattr(money, "settle", lambda *a: 0)


def extension_is_not_noted(patch):
    prolong = money.prolong

    def forgetful(ledger, connection, run, now):
        more, stop = prolong(ledger, connection, run, now)
        return more._replace(held=run.held), stop

    patch.setattr(money, "prolong", forgetful)


FAULTS = (failures_are_charged, holds_are_forgotten, extension_is_not_noted)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found(empty, monkeypatch, fault):
    fault(monkeypatch)
    with pytest.raises((AssertionError, EndedError, ExceptionGroup)):
        run(empty, ENOUGH)
