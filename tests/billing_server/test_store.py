"""What a batch reads does not grow with the journal, even while PostgreSQL thinks it short."""

import itertools
import re

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server import database
from dressform.billing_server.ledger import CREDIT, Ledger, store


@pytest.fixture(scope="module")
def young(fresh):
    """A ledger whose rows PostgreSQL has not counted."""
    engine = database.connect(fresh(), pool_size=1)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("sql", "indexes"),
    [
        (store.ANSWERED, {"movement_key"}),
        (store.NAMED, {"movement_pkey"}),
        (store.ENDED, {"movement_ends_once"}),
        (store.EARNED, {"movement_reversals", "entry_pkey"}),
        (store.GRANTS, {"credit_grant_pkey"}),
        (store.LIVE, {"credit_grant_live"}),
    ],
    ids=["keys", "named", "ended", "earned", "grants", "live grants"],
)
def test_rows_are_looked_up_by_their_own_index(young, sql, indexes):
    numbers = itertools.count(1)
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", sql)
    with young.connect() as connection:
        connection.exec_driver_sql(store.BY_INDEX)
        plan = connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {numbered}").scalars().all()
    used = {line.split(" using ")[1].split()[0] for line in plan if " using " in line}
    used |= {line.split(" on ")[1].split()[0] for line in plan if "Bitmap Index Scan" in line}
    assert used == indexes, "\n".join(plan)


def test_one_plan_serves_all_batches(young):
    ledger = Ledger(young)
    account = ledger.open_account("young")
    for number in range(9):  # PostgreSQL would make a plan of its own for each of the first five
        ledger.grant(account, CREDIT, "paid", key=f"{number}")
    sql = "SELECT statement, custom_plans FROM pg_prepared_statements WHERE generic_plans > 5"
    plans = {row.statement: row.custom_plans for row in database.execute(young, sql)}
    assert len(plans) > 5
    assert set(plans.values()) == {0}
