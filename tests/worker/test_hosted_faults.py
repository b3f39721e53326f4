"""Faults under load, as bench/hosted_faults.py strikes them: nothing is lost or paid twice.

Each strikes once here; DRESSFORM_FAULTS=20 repeats it.
"""

import os
import tempfile
from pathlib import Path

import pytest

NEEDED = "Run: pip install -r billing_server/requirements.txt"
pytest.importorskip("psycopg", reason=NEEDED)
sa = pytest.importorskip("sqlalchemy", reason=NEEDED)
faults = pytest.importorskip("hosted_faults", reason=NEEDED)

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(os.name == "nt", reason="asks for signals. Run it on Linux or macOS."),
]
ROUNDS = int(os.environ.get("DRESSFORM_FAULTS", "1"))
LOAD = 5  # runs of a round, for three workers
LEASE_S, SHOWN_S = 10.0, 30.0  # longer than the benchmark's: other tests run beside


@pytest.fixture(scope="module")
def stage():
    # Not in pytest's own folder, which nobody but its user can reach.
    with tempfile.TemporaryDirectory(prefix="dressform-", ignore_cleanup_errors=True) as scratch:
        longer = {"lease_s": LEASE_S, "shown_s": SHOWN_S}
        with faults.Stage(Path(scratch), load=LOAD, **longer) as made:
            yield made


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_fault_loses_no_run_and_charges_none_twice(stage, fault):
    if lacks := stage.lacks(fault):
        pytest.skip(f"{lacks} The other faults are struck without it.")
    row = faults.strike(stage, fault, ROUNDS)
    assert row.runs == LOAD * ROUNDS
    wrong = row.lost, row.doubled, row.held, row.problems
    assert (wrong, row.failed) == ((0, 0, 0, 0), 0), faults.table([row])  # a try is left


def test_look_finds_what_is_lost_doubled_and_held(stage, monkeypatch):
    monkeypatch.setattr(stage, "shown_s", 0.3)
    runs = stage.submit()
    early = faults.look(stage, "none", 1, runs, 0.0)
    assert min(early.lost, early.held) > 0
    faults.wait_for(lambda: stage.ended(runs), "an end of every run")
    assets = stage.market.data / "assets"
    away = assets.rename(assets.with_name("assets-away"))
    assert faults.look(stage, "none", 1, runs[:1], 0.0).lost == 1
    away.rename(assets)
    change(stage, "UPDATE runs.run SET charged = charged + 1 WHERE id = :run", run=runs[0])
    wrong = faults.look(stage, "none", 1, runs, 0.0)
    change(stage, "UPDATE runs.run SET charged = charged - 1 WHERE id = :run", run=runs[0])
    assert (wrong.lost, wrong.doubled, wrong.held, wrong.problems) == (0, 1, 0, 1)


def test_bar_is_met_by_all_faults_without_a_loss_alone():
    good = [faults.Row(name, 20, 180, 20, 0, 0, 0, 0, 0, 5.0) for name in faults.FAULTS]
    assert faults.bars(good, 20)["met"]
    assert not faults.bars(good[1:], 20)["met"]
    assert not faults.bars(good, 19)["met"]
    for wrong in ("lost", "doubled", "held", "problems"):
        assert not faults.bars([*good[1:], good[0]._replace(**{wrong: 1})], 20)["met"]


def change(stage, sql, **values):
    with stage.market.engine.begin() as connection:
        connection.execute(sa.text(sql), values)
