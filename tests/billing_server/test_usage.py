"""Usage: what is read of the journal when it is long."""

import pytest
import sqlalchemy as sa

A_YEAR = """INSERT INTO ledger.movement (account_id, seq, kind, amount, names, api_key, rate_id,
        gpu_ms, at, key, request, hash, available, held, expires_at)
    SELECT :account, n, (CASE WHEN n % 2 = 1 THEN 'hold' ELSE 'capture' END)::ledger.kind, 1000,
        CASE WHEN n % 2 = 0 THEN n - 1 END, '1', :rate, 3000,
        :now - interval '365 days' + n * interval '1576 seconds', n::text, :digest, :digest, 0, 0,
        :now
    FROM generate_series(1, 20000) n"""


@pytest.mark.postgres
def test_usage_of_a_day_does_not_read_the_year(fresh, clock):
    from dressform.billing_server import database, usage
    from dressform.billing_server.ledger import Ledger

    engine = database.connect(fresh())
    ledger = Ledger(engine, clock)
    account, rate = ledger.open_account("x"), ledger.card.add("h100", 1000)
    values = {"account": account, "rate": rate.id, "now": clock.now, "digest": bytes(32)}
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no guards
        connection.execute(sa.text(A_YEAR), values)
        connection.exec_driver_sql("ANALYZE ledger.movement")
    asked = {"account": account, "since": clock.after(days=-2), "until": clock.after(days=-1)}
    with engine.connect() as connection:
        plan = connection.execute(sa.text(f"EXPLAIN SELECT sum(c.amount) {usage._RUNS}"), asked)
        assert "movement_at" in "\n".join(plan.scalars())
    spent = usage.Usage(engine).by(account, asked["since"], asked["until"], "key")
    engine.dispose()
    assert [(one.what, one.runs, one.amount) for one in spent] == [("1", 27, 27_000)]
