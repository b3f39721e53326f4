"""Runs as workers know them: kept alive under a token, ended, or lost."""

import json
import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..ledger.away import answering
from . import events, money
from .book import Runs
from .endings import close, end, locked, lose
from .leases import token_digest
from .values import (
    CANCELED,
    CANCELING,
    EXPIRED,
    FAILED,
    KEPT,
    LEASE,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Run,
    RunError,
    stale,
)

SWEPT = 500  # of a kind in one sweep
TEXTS = {  # why a run was ended early
    "time_limit": "The run took longer than runs may.",
    "insufficient_credits": "The credits were used up. What there is so far is kept.",
    "budget_exceeded": "The budget was used up. What there is so far is kept.",
}


class Answer(NamedTuple):
    """What a worker is told when it is heard of."""

    command: str  # go, cancel, stop
    max_gpu_ms: int


class Step(NamedTuple):
    """How far a node is."""

    node: str
    value: float
    max: float


class Attempts:
    """The tables of workers and attempts."""

    def __init__(self, runs: Runs) -> None:
        self._runs, self._engine, self._clock = runs, runs.engine, runs.clock

    # Of an attempt

    def heartbeat(
        self,
        id_: str,
        token: str,
        gpu_ms: int,
        *,
        phase: str = "executing",
        phases: dict[str, int] | None = None,
        progress: Sequence[Step] = (),
        resident: Sequence[str] | None = None,
        free_vram: int | None = None,
    ) -> Answer:
        """Renews a lease; says whether to go on, and until how much GPU time."""
        with answering(), self._engine.begin() as connection:
            run = self._current(connection, id_, token, gpu_ms, phases)
            now, stop = self._clock(), run.stop
            if run.state == RUNNING and stop is None:
                run, stop = money.prolong(self._runs.ledger, connection, run, now)
            told = {"phase": phase, **_summed(progress, run.nodes)}
            sql = """UPDATE runs.run SET stop = :stop, held = :held, max_gpu_ms = :most,
                hold_until = :until, progress = CAST(:told AS jsonb) WHERE id = :id"""
            values = {"stop": stop, "held": run.held, "most": run.max_gpu_ms, "id": id_}
            values |= {"until": run.hold_until, "told": json.dumps(told)}
            connection.execute(sa.text(sql), values)
            sql = """WITH a AS (UPDATE runs.attempt SET lease_until = :until
                    WHERE run = :run AND number = :number RETURNING worker)
                UPDATE runs.worker w SET seen_at = :now, free_vram = coalesce(:free, free_vram),
                    resident = coalesce(:resident, resident)
                WHERE id = (SELECT v.id FROM runs.worker v JOIN a ON v.id = a.worker
                    FOR UPDATE OF v SKIP LOCKED)"""  # who leases has it locked, and waits for runs
            values = {"until": now + LEASE, "run": id_, "number": run.attempt, "now": now}
            at = list(resident) if resident is not None else None
            connection.execute(sa.text(sql), values | {"free": free_vram, "resident": at})
            if told != run.progress:
                events.add(connection, id_, "progress", **told)
        command = "cancel" if run.state == CANCELING else "stop" if stop else "go"
        return Answer(command, run.max_gpu_ms)

    def complete(
        self,
        id_: str,
        token: str,
        gpu_ms: int,
        phases: dict[str, int] | None = None,
        outputs: Sequence[str] = (),
    ) -> None:
        """Ends a run with its outputs and charges it; again with the token changes nothing."""
        with answering(), self._engine.begin() as connection:
            if self._repeated(connection, id_, token, "complete"):
                return
            run = self._current(connection, id_, token, gpu_ms, phases)
            self._show(connection, run, outputs)
            close(self._runs, connection, run, "complete")
            if run.state == CANCELING:
                end(self._runs, connection, run, CANCELED, _used(run))
            elif run.stop:
                text = TEXTS.get(run.stop, "The hold could not be extended.")
                error = {"code": run.stop, "message": text}
                end(self._runs, connection, run, FAILED, run.gpu_ms, error)
            else:
                end(self._runs, connection, run, SUCCEEDED, run.gpu_ms)

    def fail(
        self,
        id_: str,
        token: str,
        gpu_ms: int,
        phases: dict[str, int] | None = None,
        *,
        fault: str,
        code: str,
        message: str,
        node: str | None = None,
    ) -> None:
        """Ends an attempt that failed: our fault is tried again; failures cost nothing.

        A run that was cancelled costs what it used, one that was stopped what was held.
        """
        outcome = f"fail:{fault}"
        with answering(), self._engine.begin() as connection:
            if self._repeated(connection, id_, token, outcome):
                return
            run = self._current(connection, id_, token, gpu_ms, phases)
            if fault == "worker":
                lose(self._runs, connection, id_, run.attempt, outcome, code, message)
                return
            close(self._runs, connection, run, outcome)
            if run.state == CANCELING:
                end(self._runs, connection, run, CANCELED, _used(run))
            elif run.stop:
                error = {"code": run.stop, "message": TEXTS.get(run.stop, message)}
                end(self._runs, connection, run, FAILED, run.gpu_ms, error)
            else:
                error = {"code": code, "message": message, "node_id": node}
                end(self._runs, connection, run, FAILED, None, error)

    def check(self, id_: str, token: str) -> Run:
        """Returns the run of a current token, which may then move files."""
        with answering(), self._engine.begin() as connection:
            return self._current(connection, id_, token, None, None)

    def sweep(self) -> int:
        """Ends leases that were not renewed and runs that nobody began; returns how many."""
        now, swept = self._clock(), 0
        lost = f"""SELECT run, number FROM runs.attempt WHERE ended_at IS NULL
            AND lease_until <= :now ORDER BY lease_until LIMIT {SWEPT}"""
        late = f"""SELECT id FROM runs.run WHERE state = 'queued' AND start_by <= :now
            ORDER BY start_by LIMIT {SWEPT}"""
        with answering(), self._engine.connect() as connection:
            attempts = connection.execute(sa.text(lost), {"now": now}).all()
            waiting = connection.execute(sa.text(late), {"now": now}).all()
        for id_, number in attempts:
            with answering(), self._engine.begin() as connection:
                swept += lose(self._runs, connection, id_, number, "lost", overdue=True)
        for (id_,) in waiting:
            with answering(), self._engine.begin() as connection:
                run = locked(connection, id_)
                if run and run.state == QUEUED:
                    error = {"code": "expired", "message": "No worker began it in time."}
                    end(self._runs, connection, run, EXPIRED, None, error)
                    swept += 1
        return swept

    # Inside

    def _current(
        self,
        connection: sa.Connection,
        id_: str,
        token: str,
        gpu_ms: int | None,
        phases: dict[str, int] | None,
    ) -> Run:
        """Locks the run of a token, if its lease goes on, and takes down what the worker told.

        GPU time only grows, and never faster than the time since the lease began.
        """
        run = locked(connection, id_)
        sql = """SELECT token, leased_at, lease_until, ended_at FROM runs.attempt
            WHERE run = :id AND number = :number"""
        values = {"id": id_, "number": run.attempt if run else 0}
        attempt = connection.execute(sa.text(sql), values).first()
        now = self._clock()
        if (
            run is None
            or attempt is None
            or not secrets.compare_digest(bytes(attempt.token), token_digest(token))
            or attempt.ended_at is not None
            or attempt.lease_until <= now
        ):
            raise stale()
        if gpu_ms is None:
            return run
        most = max(0, int((now - attempt.leased_at).total_seconds() * 1000))
        run = run._replace(gpu_ms=max(run.gpu_ms, min(gpu_ms, most)))
        sql = """WITH a AS (UPDATE runs.attempt SET gpu_ms = :gpu_ms, phases = :phases
                WHERE run = :id AND number = :number)
            UPDATE runs.run SET gpu_ms = :gpu_ms, phases = :phases WHERE id = :id"""
        values |= {"gpu_ms": run.gpu_ms, "phases": json.dumps(phases or run.phases)}
        connection.execute(sa.text(sql), values)
        return run

    def _repeated(self, connection: sa.Connection, id_: str, token: str, outcome: str) -> bool:
        """Says whether this very answer has been taken before."""
        sql = """SELECT FROM runs.attempt WHERE run = :id AND token = :token
            AND outcome = :outcome"""
        values = {"id": id_, "token": token_digest(token), "outcome": outcome}
        return connection.execute(sa.text(sql), values).first() is not None

    def _show(self, connection: sa.Connection, run: Run, outputs: Sequence[str]) -> None:
        """Shows the outputs that the worker names; they must be of this very attempt."""
        sql = """UPDATE runs.asset SET hidden = false, expires_at = :until
            WHERE id = :asset AND run = :run AND attempt = :attempt RETURNING id"""
        values = {"until": self._clock() + KEPT, "run": run.id, "attempt": run.attempt}
        for one in dict.fromkeys(outputs):
            values["asset"] = one
            if connection.execute(sa.text(sql), values).first() is None:
                text = f"An output of this attempt is required, got {one!a:.60}. Send it."
                raise RunError("missing_asset", 422, text)
            events.add(connection, run.id, "output", asset=one)


def _used(run: Run) -> int | None:
    """Returns what a cancelled run is charged for; nothing, not even a minimum, if it was idle."""
    return run.gpu_ms or None


def _summed(steps: Sequence[Step], nodes: int) -> dict[str, Any]:
    """Sums up progress as the API tells it; nodes count alike, the current one by its steps."""
    done = sum(one.value >= one.max for one in steps)
    told: dict[str, Any] = {"nodes_done": min(done, nodes), "nodes_total": nodes}
    current = next((one for one in reversed(steps) if one.value < one.max), None)
    part = max(0.0, current.value / current.max) if current else 0.0
    if current:
        told |= {"current_node": current.node}
        told |= {"step": int(current.value), "steps": int(current.max)}
    return told | {"value": round(min(1.0, (done + part) / nodes), 4)}
