"""What the ledger refuses whatever the balance, and with which sentence."""

from datetime import datetime

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server import ledger as book
from dressform.billing_server.ledger import Budget, Request

pytestmark = pytest.mark.usefixtures("clean")


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 1.5},
        {"amount": True},
        {"amount": 10**18},
        {"amount": "1"},
        {"key": ""},
        {"key": "x" * 201},
        {"key": "a\0b"},
        {"key": "\ud800"},
        {"key": "due:lapse:1"},
        {"api_key": "a\nb"},
        {"run": 7},
        {"expires_at": datetime(2026, 3, 14)},
        {"expires_at": "tomorrow"},
        {"account": 0},
        {"account": 2**63},
        {"account": None},
        {"kind": "gift"},
        {"kind": "lapse", "names": 1},  # the ledger's own
        {"kind": "capture", "names": 1},
        {"amount": None},
        {"expires_at": None},
        {"names": -1},
        {"priority": 10**6},
    ],
    ids=str,
)
def test_what_can_never_be_right_is_refused(ledger, account, paid, clock, change):
    request = Request("hold", account, "k", 1, expires_at=clock.after(days=1))._replace(**change)
    with pytest.raises(book.InvalidError):
        ledger.submit(request)
    assert ledger.balance(account).held == 0


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (
            lambda ledger, account: ledger.grant(account, 1, "stolen", key="g"),
            "kind must be one of",
        ),
        (lambda ledger, account: ledger.open_account(""), "reference must be"),
        (lambda ledger, account: ledger.set_budget(account, Budget(per_day=-1)), "per_day must be"),
        (lambda ledger, account: ledger.card.add("h100", -1), "micro_per_gpu_s must be"),
        (lambda ledger, account: ledger.card.add("h100", 1, step_ms=0), "step_ms must be"),
        (lambda ledger, account: ledger.statement(account, limit=0), "limit must be"),
        (lambda ledger, account: ledger.balance("1"), "account must be"),
    ],
)
def test_absurd_settings_are_refused(ledger, account, ask, what):
    with pytest.raises(book.InvalidError, match=what):
        ask(ledger, account)


def test_batch_with_one_absurd_request_decides_none(ledger, account):
    good = Request("grant", account, "g", 1, grant_kind="paid")
    with pytest.raises(book.InvalidError):
        ledger.batch([good, good._replace(key="h", amount=-1)])
    assert ledger.balance(account).available == 0


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda ledger, account: ledger.balance(10**12), "an account"),
        (lambda ledger, account: ledger.grant(10**12, 1, "paid", key="g"), "an account"),
        (lambda ledger, account: ledger.release(account, 99, key="r"), "hold"),
        (lambda ledger, account: ledger.release(account, 1, key="r"), "hold"),
        (lambda ledger, account: ledger.reverse(account, 1, key="r"), "capture"),
        (lambda ledger, account: ledger.refund(account, 99, 1, key="r"), "a grant"),
        (lambda ledger, account: ledger.dispute_won(account, 1, key="r"), "dispute_open"),
    ],
)
def test_what_does_not_exist_is_not_found(ledger, account, paid, ask, what):
    with pytest.raises(book.NotFoundError, match=f"^{what} is required, got"):
        ask(ledger, account)


def test_hold_of_another_account_is_not_found(ledger, account, paid, hold, references):
    made = hold(5)
    other = ledger.open_account(next(references))
    with pytest.raises(book.NotFoundError):
        ledger.release(other, made.seq, key="r")


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 10**12])
def test_quote_refuses_absurd_times(ledger, rate, seconds):
    with pytest.raises(book.InvalidError, match="seconds must be"):
        ledger.card.quote("h100", seconds)


def test_quote_of_an_unknown_gpu_names_the_known(ledger, rate):
    with pytest.raises(book.NotFoundError, match=r"one of .*h100.*, got 'abacus'"):
        ledger.card.quote("abacus", 1)
