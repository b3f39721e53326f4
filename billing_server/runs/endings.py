"""How runs and attempts end; in the transaction of whoever ends them, with the run locked."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from .. import database
from ..ledger import Ledger
from . import events, money, webhooks
from .values import CANCELED, CANCELING, FAILED, KEPT, MAX_ATTEMPTS, QUEUED, RUN, Run

LOCK = f"SELECT {RUN} FROM runs.run WHERE id = :id FOR UPDATE"
HIDE = "UPDATE runs.asset SET expires_at = :now WHERE run = :id AND hidden"


class Parts(Protocol):
    """What ending takes."""

    ledger: Ledger
    clock: Callable[[], datetime]


def locked(connection: sa.Connection, id_: str) -> Run | None:
    """Returns a run that nobody else changes until the transaction ends."""
    (rows,) = database.together(connection, (LOCK, {"id": id_}))
    return Run(*rows[0]) if rows else None


def end(
    parts: Parts,
    connection: sa.Connection,
    run: Run,
    state: str,
    gpu_ms: int | None,
    error: dict[str, Any] | None = None,
) -> None:
    """Ends a run that is locked, with its hold: charged for GPU time, or for nothing."""
    now = parts.clock()
    charged = money.settle(parts.ledger, connection, run, gpu_ms)
    sql = """UPDATE runs.run SET state = :state, charged = :charged, gpu_ms = :gpu_ms,
        completed_at = :now, expires_at = :kept, error = CAST(:error AS jsonb) WHERE id = :id"""
    values = {"state": state, "charged": charged, "gpu_ms": run.gpu_ms, "now": now, "id": run.id}
    values |= {"kept": now + KEPT, "error": json.dumps(error) if error else None}
    database.together(
        connection,
        (sql, values),
        # What was not shown until now never is: nobody gets by a failure what he did not pay for.
        (HIDE, {"now": now, "id": run.id}),
        webhooks.telling(run, state, now),
        events.adding(run.id, "status", status=state),
    )


def close(parts: Parts, connection: sa.Connection, run: Run, outcome: str) -> None:
    """Ends an attempt."""
    sql = """WITH p AS (DELETE FROM runs.preview WHERE run = :id)
        UPDATE runs.attempt SET ended_at = :now, outcome = :outcome
        WHERE run = :id AND number = :number"""
    values = {"now": parts.clock(), "outcome": outcome, "id": run.id, "number": run.attempt}
    database.together(connection, (sql, values))


def lose(
    parts: Parts,
    connection: sa.Connection,
    id_: str,
    number: int,
    outcome: str,
    code: str = "worker_lost",
    message: str = "The worker was lost.",
    *,
    overdue: bool = False,
) -> bool:
    """Ends an attempt that was ours to bring to an end; the run is tried again, or is free."""
    run = locked(connection, id_)
    sql = """SELECT lease_until FROM runs.attempt WHERE run = :id AND number = :number
        AND ended_at IS NULL"""
    attempt = connection.execute(sa.text(sql), {"id": id_, "number": number}).first()
    if run is None or attempt is None or (overdue and attempt.lease_until > parts.clock()):
        return False
    close(parts, connection, run, outcome)
    if run.state == CANCELING:
        end(parts, connection, run, CANCELED, None)
    elif run.stop or number >= MAX_ATTEMPTS:
        error = {"code": code, "message": f"{message} It was tried {number} times, free."}
        end(parts, connection, run, FAILED, None, error)
    else:
        sql = """UPDATE runs.run SET state = 'queued', progress = NULL, started_at = NULL,
            gpu_ms = 0, phases = '{}' WHERE id = :id"""
        text = f"{message} The job is tried again, free of charge."
        database.together(
            connection,
            (sql, {"id": id_}),
            (HIDE, {"now": parts.clock(), "id": id_}),
            events.adding(id_, "log", level="warning", message=text),
            events.adding(id_, "status", status=QUEUED),
            events.ringing(events.QUEUE),
        )
    return True
