"""What billing_server/README.md shows is what happens."""

import doctest
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server import database
from dressform.billing_server.ledger import CREDIT, Ledger, in_credits

README = Path(__file__).parents[2] / "billing_server" / "README.md"


def test_transcript_of_the_readme_is_what_happens(fresh, clock):
    engine = database.connect(fresh())
    ledger = Ledger(engine, clock)
    ledger.card.add("h100", 1_000_000)
    names = {
        "CREDIT": CREDIT,
        "in_credits": in_credits,
        "ledger": ledger,
        "account": ledger.open_account("readme"),
        "next_week": clock.after(days=7),
        "in_five_minutes": clock.after(minutes=5),
    }
    failed, tried = doctest.testfile(
        str(README), module_relative=False, globs=names, optionflags=doctest.REPORT_NDIFF
    )
    engine.dispose()
    assert tried > 10
    assert failed == 0
