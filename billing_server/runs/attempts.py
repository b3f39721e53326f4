"""Runs as workers know them: kept alive under a token, ended, or lost."""

import json
import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from .. import database
from ..ledger.away import answering
from . import events, limits, money
from .book import Runs
from .endings import LOCK, close, end, locked, lose
from .leases import token_digest
from .values import (
    CANCELED,
    CANCELING,
    EXPIRED,
    FAILED,
    KEPT,
    LEASE,
    MAX_IDLE,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Run,
    RunError,
    stale,
)

SWEPT = 500  # of a kind in one sweep
PREVIEW_MS = 500  # between two that are shown; workers send one a second
TEXTS = {  # why a run was ended early
    "time_limit": "The run took longer than runs may.",
    "max_cost": "It would have cost more than allowed. What there is so far is kept.",
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
                if phase != "uploading" and _idle(run, now) > MAX_IDLE:
                    stop = "time_limit"
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
        return Answer(_command(run._replace(stop=stop)), run.max_gpu_ms)

    def wait(self, id_: str, token: str, wait_s: float) -> str:
        """Returns what a worker shall do as soon as that is not to go on; renews no lease."""
        deadline = time.monotonic() + wait_s
        with self._runs.bells.on(id_) as heard:
            while True:
                heard.clear()
                command = _command(self.check(id_, token))
                left_s = deadline - time.monotonic()
                if command != "go" or left_s <= 0 or not heard.wait(left_s):
                    return command

    def preview(self, id_: str, token: str, node: str, content_type: str, data: bytes) -> None:
        """Shows whoever follows a run how its picture becomes; one that comes too soon is not."""
        with answering(), self._engine.begin() as connection:
            self._current(connection, id_, token, None, None)
            sql = """INSERT INTO runs.preview AS p (run, at, node, content_type, data)
                VALUES (:run, :at, :node, :type, :data) ON CONFLICT (run) DO UPDATE
                SET at = :at, node = :node, content_type = :type, data = :data
                WHERE p.at <= :at - CAST(:pause AS bigint) RETURNING run"""
            values = {"run": id_, "at": events.in_ms(self._clock()), "pause": PREVIEW_MS}
            values |= {"node": node, "type": content_type, "data": data}
            if connection.execute(sa.text(sql), values).first():
                events.ring(connection, id_)

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
            run = self._unrepeated(connection, id_, token, gpu_ms, phases, "complete")
            if run is None:
                return
            self._show(connection, run, outputs)
            close(self._runs, connection, run, "complete")
            if run.state == CANCELING:
                end(self._runs, connection, run, CANCELED, _used(run))
            elif run.stop:
                text = TEXTS.get(run.stop, "The hold could not be extended.")
                error = {"code": run.stop, "message": text}
                end(self._runs, connection, run, FAILED, _used(run), error)
            else:
                end(self._runs, connection, run, SUCCEEDED, run.gpu_ms)
        if run.gpu_ms == 0:
            self._spare(run.account)

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

        A run that was cancelled costs what it used.
        """
        outcome = f"fail:{fault}"
        with answering(), self._engine.begin() as connection:
            run = self._unrepeated(connection, id_, token, gpu_ms, phases, outcome)
            if run is None:
                return
            if fault == "worker":
                lose(self._runs, connection, id_, run.attempt, outcome, code, message)
                return
            close(self._runs, connection, run, outcome)
            if run.state == CANCELING:
                end(self._runs, connection, run, CANCELED, _used(run))
            else:
                error = {"code": code, "message": message, "node_id": node}
                end(self._runs, connection, run, FAILED, None, error)
        self._spare(run.account)

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
        error = {"code": "expired", "message": "No worker began it in time."}
        return swept + sum(self._unbegun(id_, EXPIRED, error) for (id_,) in waiting)

    # Inside

    def _spare(self, account: int) -> None:
        """Keeps workers from what an account has waiting that has used too much for nothing."""
        error = {"code": "too_many_failures", "message": limits.FAILING}
        for id_ in limits.waiting(self._engine, account, self._clock()):
            self._unbegun(id_, FAILED, error)

    def _unbegun(self, id_: str, state: str, error: dict[str, Any]) -> bool:
        """Ends a run, free, if it still waits."""
        with answering(), self._engine.begin() as connection:
            run = locked(connection, id_)
            if run is None or run.state != QUEUED:
                return False
            end(self._runs, connection, run, state, None, error)
        return True

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
        sql = """SELECT token, leased_at, lease_until, ended_at FROM runs.attempt
            WHERE run = :id AND number = (SELECT attempt FROM runs.run WHERE id = :id)"""
        rows, attempts = database.together(connection, (LOCK, {"id": id_}), (sql, {"id": id_}))
        now = self._clock()
        if not rows or not attempts:
            raise stale()
        (kept, leased_at, lease_until, ended_at), run = attempts[0], Run(*rows[0])
        right = secrets.compare_digest(bytes(kept), token_digest(token))
        if not right or ended_at is not None or lease_until <= now:
            raise stale()
        if gpu_ms is None:
            return run
        most = max(0, int((now - leased_at).total_seconds() * 1000))
        run = run._replace(gpu_ms=max(run.gpu_ms, min(gpu_ms, most)))
        sql = """WITH a AS (UPDATE runs.attempt SET gpu_ms = :gpu_ms, phases = :phases
                WHERE run = :id AND number = :number)
            UPDATE runs.run SET gpu_ms = :gpu_ms, phases = :phases WHERE id = :id"""
        values = {"id": id_, "number": run.attempt, "gpu_ms": run.gpu_ms}
        database.together(connection, (sql, values | {"phases": json.dumps(phases or run.phases)}))
        return run

    def _unrepeated(
        self,
        connection: sa.Connection,
        id_: str,
        token: str,
        gpu_ms: int,
        phases: dict[str, int] | None,
        outcome: str,
    ) -> Run | None:
        """Does as `_current`; returns None where this very answer has been taken before."""
        try:
            return self._current(connection, id_, token, gpu_ms, phases)
        except RunError:
            sql = """SELECT 1 FROM runs.attempt WHERE run = :id AND token = :token
                AND outcome = :outcome"""
            values = {"id": id_, "token": token_digest(token), "outcome": outcome}
            if database.together(connection, (sql, values)) == [[]]:
                raise
            return None

    def _show(self, connection: sa.Connection, run: Run, outputs: Sequence[str]) -> None:
        """Shows the outputs that the worker names; they must be of this very attempt."""
        sql = """UPDATE runs.asset SET hidden = false, expires_at = :until
            WHERE id = :asset AND run = :run AND attempt = :attempt AND NOT awaited RETURNING id"""
        values = {"until": self._clock() + KEPT, "run": run.id, "attempt": run.attempt}
        for one in dict.fromkeys(outputs):
            values["asset"] = one
            if connection.execute(sa.text(sql), values).first() is None:
                text = f"An output of this attempt is required, got {one!a:.60}. Send it."
                raise RunError("missing_asset", 422, text)
            events.add(connection, run.id, "output", asset=one)


def _command(run: Run) -> str:
    return "cancel" if run.state == CANCELING else "stop" if run.stop else "go"


def _used(run: Run) -> int | None:
    """Returns what an unfinished run is charged for; if it was idle nothing, not even a minimum."""
    return run.gpu_ms or None


def _idle(run: Run, now: datetime) -> timedelta:
    """Returns for how long a worker has had a run without using the GPU."""
    return now - (run.started_at or now) - timedelta(milliseconds=run.gpu_ms)


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
