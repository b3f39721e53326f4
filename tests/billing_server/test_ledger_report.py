"""`dressform ledger verify` tells a sound ledger from a broken one by its exit status."""

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import psycopg
from dressform import cli
from dressform.billing_server import database
from dressform.billing_server.ledger import CREDIT, Ledger


@pytest.fixture
def own(fresh, monkeypatch):
    """The URL of a ledger that the test may break, with a grant in it."""
    url = fresh().replace("+psycopg", "")
    monkeypatch.setenv("DATABASE_URL", url)
    own = database.connect()
    ledger = Ledger(own)
    ledger.grant(ledger.open_account("customer"), 15 * CREDIT // 10, "paid", key="g")
    own.dispose()
    return url


def test_sound_ledger_exits_with_0(own, capsys):
    assert cli.main(["ledger", "verify"]) == 0
    out = capsys.readouterr().out
    assert "1 accounts, 1 movements, 2 entries, 0 anchors" in out
    assert out.endswith("Everything agrees.\n")
    assert out.split()[:2] == ["issued", "-1.5"]


def test_broken_ledger_exits_with_1_and_says_where(own, capsys):
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no triggers
        connection.execute("UPDATE ledger.account SET available = available + 1")
    assert cli.main(["ledger", "verify"]) == 1
    assert (
        "account 1: balance must be (1500000, 0, 0), got (1500001, 0, 0)" in capsys.readouterr().out
    )


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/nothing", "mysql://host/name"])
def test_database_that_is_none_is_one_sentence(monkeypatch, capsys, url):
    monkeypatch.setenv("DATABASE_URL", url)
    assert cli.main(["ledger", "verify"]) == 1
    assert "got" in capsys.readouterr().err
