"""What the database itself refuses, whatever the code above it does."""

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import sqlalchemy as sa
from dressform.billing_server.ledger import CREDIT, Request, store


@pytest.fixture
def held(ledger, account, clock, rate):
    """An account with a grant (1), a hold (2) that was captured (3), and one that is open (4)."""
    ledger.grant(account, 10 * CREDIT, "paid", key="g")
    ledger.hold(account, 100, clock.after(minutes=5), key="h")
    ledger.capture(account, 2, key="c", rate=rate.id, gpu_ms=1)
    ledger.hold(account, 100, clock.after(minutes=5), key="i")
    ledger.anchor()
    return account


@pytest.fixture
def refused(engine):
    """Runs a statement that the database must refuse; returns what it names as the reason."""

    def run(sql, **values):
        with pytest.raises(sa.exc.IntegrityError) as error, engine.begin() as connection:
            connection.execute(sa.text(sql), values)
        return error.value.orig.diag.constraint_name

    return run


COPY = """INSERT INTO ledger.movement (account_id, seq, kind, amount, names, key, request, at,
    rate_id, gpu_ms, expires_at, available, held, hash)
    SELECT account_id, :seq, :kind, amount, :names, :key, request, at, rate_id, gpu_ms, expires_at,
    available, held, hash FROM ledger.movement WHERE account_id = :a AND seq = :of"""


@pytest.mark.parametrize("table", ["movement", "entry", "rate", "anchor", "anchor_head"])
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE"])
def test_journal_is_never_changed(held, refused, table, verb):
    column = {"rate": "version", "anchor": "id"}.get(table, "account_id")
    sql = {
        "UPDATE": f"UPDATE ledger.{table} SET {column} = {column}",
        "DELETE": f"DELETE FROM ledger.{table}",
        "TRUNCATE": f"TRUNCATE ledger.{table} CASCADE",
    }[verb]
    assert refused(sql) == "journal_immutable"


@pytest.mark.parametrize("table", ["account", "credit_grant"])
def test_accounts_and_grants_stay(held, refused, table):
    assert refused(f"DELETE FROM ledger.{table}") == "journal_immutable"


@pytest.mark.parametrize(
    "change", ["kind = 'goodwill'", "priority = 9", "amount = 9", "effective_at = now()"]
)
def test_terms_of_a_grant_are_never_changed(held, refused, change):
    sql = f"UPDATE ledger.credit_grant SET {change} WHERE account_id = :a"
    assert refused(sql, a=held) == "journal_immutable"


def test_hold_ends_once(held, refused):
    values = {"a": held, "of": 3, "seq": 5, "kind": "capture", "names": 2, "key": "again"}
    assert refused(COPY, **values) == "movement_ends_once"


def test_key_is_used_once(held, refused):
    values = {"a": held, "of": 4, "seq": 5, "kind": "hold", "names": None, "key": "h"}
    assert refused(COPY, **values) == "movement_key"


def test_capture_names_its_rate(held, refused):
    values = {"a": held, "of": 4, "seq": 5, "kind": "capture", "names": 4, "key": "c2"}
    assert "movement" in refused(COPY, **values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seq": 6}, "movement_follows"),
        ({"a": -1}, "movement_follows"),
        ({"rate": -1}, "movement_rate"),
        ({"names": 5}, "movement_check"),
        ({"names": 0}, "movement_check"),
    ],
    ids=["a gap", "no account", "no rate", "itself", "before the first"],
)
def test_movement_follows_what_is_there(held, refused, change, reason):
    account = change.pop("a", held)
    sql = f"""INSERT INTO ledger.movement SELECT {account}, :seq, kind, amount, :names, 'new',
        request, at, run, api_key, coalesce(:rate, rate_id), gpu_ms, expires_at, reason, available,
        held, hash FROM ledger.movement WHERE account_id = :of AND seq = 3"""
    values = {"of": held, "seq": 5, "names": 4, "rate": None} | change
    assert refused(sql, **values).startswith(reason)


@pytest.mark.parametrize("column", ["available", "held", "frozen", "seq"])
def test_balances_and_heads_are_written_by_triggers_alone(held, refused, column):
    sql = f"UPDATE ledger.account SET {column} = {column} + 1 WHERE id = :a"
    assert refused(sql, a=held) == "journal_immutable"


def entries(*rows):
    values = ", ".join(f"(:a, 4, {90 + n}, 1, '{book}', {x})" for n, (book, x) in enumerate(rows))
    return f"INSERT INTO ledger.entry VALUES {values}"


def test_entries_sum_to_zero(held, refused):
    assert refused(entries(("available", -5), ("held", 4)), a=held) == "entry_balanced"


def test_each_movement_sums_to_zero_not_only_all(held, refused):
    sql = "INSERT INTO ledger.entry VALUES (:a, 4, 90, 1, 'held', 5), (:a, 2, 91, 1, 'held', -5)"
    assert refused(sql, a=held) == "entry_balanced"


@pytest.mark.parametrize(
    ("seq", "grant", "books", "reason"),
    [
        (9, 1, ("available", "held"), "entry_movement"),
        (4, 2, ("available", "held"), "entry_grant"),
        (4, 9, ("available", "held"), "entry_grant"),
        (4, 1, ("available", "clawed_back"), "entry_clawed_back"),
    ],
    ids=["no movement", "a hold for a grant", "no grant", "no lost dispute"],
)
def test_each_entry_has_its_movement_and_its_grant(held, refused, seq, grant, books, reason):
    rows = ", ".join(
        f"(:a, {of}, {leg}, {from_}, '{book}', {amount})"
        for of, leg, from_, book, amount in (
            (4, 90, 1, "available", -1),
            (4, 91, 1, "held", 1),
            (seq, 92, grant, books[0], -1),
            (seq, 93, grant, books[1], 1),
        )
    )
    assert refused(f"INSERT INTO ledger.entry VALUES {rows}", a=held) == reason


@pytest.mark.parametrize("book", ["available", "held", "frozen"])
def test_no_balance_falls_below_zero(held, refused, book):
    assert refused(entries((book, -(10**9)), ("earned", 10**9)), a=held)


def test_debt_is_not_deepened(ledger, account, clock, rate, refused, engine):
    ledger.grant(account, 10, "paid", key="g")
    ledger.hold(account, 10, clock.after(minutes=5), key="h")
    ledger.capture(account, 2, key="c", rate=rate.id, gpu_ms=1, amount=10)
    ledger.dispute_lost(account, ledger.dispute_open(account, 1, 8, key="d").seq, key="l")
    assert ledger.balance(account).available == -8
    sql = entries(("available", -1), ("earned", 1))
    assert refused(sql, a=account) == "account_available"


def test_refused_movement_leaves_its_batch_whole(ledger, account, clock, monkeypatch):
    """If the code lets a hold through that the database refuses, its neighbours still pass."""
    ledger.grant(account, 10, "paid", key="g")
    until = clock.after(minutes=5)
    requests = [Request("hold", account, f"h{n}", 1, expires_at=until) for n in range(5)]
    monkeypatch.setattr(store, "_entries", careless(store._entries))
    answers = ledger.batch(requests)
    kinds = ["error" if isinstance(one, Exception) else one.kind for one in answers]
    assert kinds == ["hold", "hold", "error", "hold", "hold"]
    monkeypatch.undo()
    assert ledger.balance(account)[:2] == (6, 4)
    assert ledger.verify().problems == ()


def careless(entries):
    """Loses an entry of the request with the key h2."""
    return lambda posted: entries(posted)[: 1 if posted.movement.key == "h2" else None]
