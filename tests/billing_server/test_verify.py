"""Whoever changes the journal behind the database's back is found out."""

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import sqlalchemy as sa
from dressform.billing_server.ledger import CREDIT, verify


@pytest.fixture
def busy(ledger, account, clock, rate):
    """1 grant, 2 hold, 3 capture, 4 hold, 5 grant, 6 dispute of it, 7 won, 8 another, 9 refund."""
    ledger.grant(account, 10 * CREDIT, "paid", key="g")
    ledger.hold(account, 100, clock.after(minutes=5), key="h", api_key="key-1")
    ledger.capture(account, 2, key="c", rate=rate.id, gpu_ms=1)
    ledger.hold(account, 100, clock.after(minutes=5), key="i", api_key="key-1")
    ledger.grant(account, CREDIT, "paid", key="g2")
    ledger.dispute_won(account, ledger.dispute_open(account, 5, 9, key="d").seq, key="w")
    ledger.dispute_open(account, 5, 9, key="d2")
    ledger.anchor()
    ledger.refund(account, 1, CREDIT, key="f")
    return account


@pytest.fixture
def after(engine, busy):
    """Verifies after a change with all guards off, which is then undone."""

    def run(*statements):
        with engine.connect() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql("SET LOCAL search_path = ledger")
            for sql in statements:
                connection.execute(sa.text(sql), {"a": busy})
            report = verify.verify(connection)
            connection.rollback()
        return "\n".join(report.problems)

    return run


def test_untouched_journal_is_clean(after):
    assert after() == ""


def test_report_counts_and_sums(ledger, busy):
    report = ledger.verify()
    assert report.anchors >= 1
    assert report.entries > report.movements > report.accounts > 0
    assert sum(report.books.values()) == 0


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE movement SET reason = 'gift' WHERE account_id = :a AND seq = 3", "hash must"),
        ("UPDATE movement SET at = at - interval '1 s' WHERE account_id = :a AND seq = 5", "hash"),
        ("UPDATE credit_grant SET kind = 'goodwill' WHERE account_id = :a", "hash must fit"),
        ("UPDATE credit_grant SET available = 99 WHERE account_id = :a", "grants must be"),
        ("UPDATE credit_grant SET dispute = NULL WHERE account_id = :a", "grants must be"),
        ("UPDATE credit_grant SET dispute = 6 WHERE account_id = :a AND seq = 5", "grants must"),
        ("UPDATE credit_grant SET dispute = 8 WHERE account_id = :a AND seq = 1", "grants must"),
        ("UPDATE movement SET names = 1 WHERE account_id = :a AND seq = 8", "grants must be"),
        (
            "UPDATE movement SET (kind, names) = ('dispute_open', 5) "
            "WHERE account_id = :a AND seq = 7",
            "without",
        ),
        ("UPDATE account SET available = 99 WHERE id = :a", "balance must be"),
        ("UPDATE account SET held = 99 WHERE id = :a", "balance must be"),
        ("UPDATE open_hold SET amount = 99 WHERE account_id = :a", "open holds must be"),
        ("DELETE FROM open_hold WHERE account_id = :a", "open holds must be"),
        ("UPDATE spending SET amount = 1 WHERE account_id = :a", "spending must be"),
        ("DELETE FROM movement WHERE account_id = :a AND seq = 4", "movements are missing"),
        ("DELETE FROM movement WHERE account_id = :a AND seq = 9", "every entry must belong"),
        ("UPDATE entry SET amount = amount + 1 WHERE account_id = :a AND leg = 0", "sum to zero"),
        ("UPDATE entry SET book = 'earned' WHERE account_id = :a AND book = 'held'", "balances"),
        ("DELETE FROM account WHERE id = :a", "every movement must belong"),
        ("UPDATE anchor SET digest = sha256('x')", "anchor 1 must follow"),
        ("DELETE FROM anchor_head WHERE account_id = :a", "must follow from the one before"),
    ],
)
def test_change_is_found(after, change, found):
    assert found in after(change)


def test_cut_off_end_is_found_by_the_anchor(engine, ledger, busy, after):
    """Even if head and balances are made to fit."""
    ledger.anchor()
    problems = after(
        "DELETE FROM entry WHERE account_id = :a AND seq = 9",
        "DELETE FROM movement WHERE account_id = :a AND seq = 9",
        """UPDATE account SET seq = 8, available = available + 1000000,
            head = (SELECT hash FROM movement WHERE account_id = :a AND seq = 8)
            WHERE id = :a""",
        """UPDATE credit_grant SET available = available + 1000000, returned = 0
            WHERE account_id = :a AND seq = 1""",
    )
    assert "anchor" in problems
    assert "account" not in problems


def test_anchor_reads_one_head_of_each_account_by_its_index(engine, busy):
    with engine.begin() as connection:
        for way in ("seqscan", "bitmapscan", "sort"):  # what small tables are read by
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {verify.MOVED}").scalars())
    assert "Limit" in plan
    assert "Index Scan Backward using anchor_head_pkey" in plan
    assert "Sort Key: h.anchor_id" not in plan


def test_anchor_of_nothing_new_is_none(ledger, busy):
    ledger.anchor()
    assert ledger.anchor() is None
