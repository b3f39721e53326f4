"""What an account may have under way, and of workers for nothing."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from .. import database
from .values import FREE_LOAD_MS, FREE_MS, FREE_WITHIN, MAX_ACTIVE, RunError

FULL_S, WAIT_S = 5, 600  # to wait before asking again
FAILING = "Workflows that succeed are required, got too many failures. Try them locally."
# What fails, or is cancelled before it uses a GPU, costs nothing; so that nobody holds workers that
# way on purpose, not forever.
_FREE = """SELECT coalesce(sum(greatest(t.gpu_ms,
        extract(epoch FROM ended_at - leased_at) * 1000 - :load)), 0)::bigint
    FROM runs.attempt t JOIN runs.run r ON r.id = t.run
    WHERE t.ended_at > :t AND (t.outcome = 'fail:workflow' OR t.gpu_ms = 0)
    AND t.outcome IN ('fail:workflow', 'complete') AND r.account = :a AND r.charged = 0"""


def counting(account: int, now: datetime) -> database.Statement:
    """Returns what counts for `require`, of an account whose row is locked."""
    sql = f"""SELECT count(*), ({_FREE}) FROM runs.run
        WHERE account = :a AND state IN ('queued', 'running', 'canceling')"""
    return sql, _values(account, now)


def require(active: int, free_ms: int) -> None:
    """Refuses one run more of an account that has many, or whose runs fail."""
    if active >= MAX_ACTIVE:
        text = f"At most {MAX_ACTIVE} jobs may wait and run, got one more. Ask again."
        raise RunError("queue_full", 429, text, retry_after=FULL_S)
    if free_ms >= FREE_MS:
        raise RunError("too_many_failures", 429, FAILING, retry_after=WAIT_S)


def waiting(engine: sa.Engine, account: int, now: datetime) -> list[str]:
    """Returns the runs that wait of an account that has used too much for nothing."""
    sql = f"""SELECT id FROM runs.run WHERE account = :a AND state = 'queued'
        AND ({_FREE}) >= :most"""
    values = _values(account, now) | {"most": FREE_MS}
    return [id_ for (id_,) in database.execute(engine, sql, **values)]


def _values(account: int, now: datetime) -> dict[str, Any]:
    return {"a": account, "t": now - FREE_WITHIN, "load": FREE_LOAD_MS}
