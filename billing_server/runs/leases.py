"""Workers: introduced, given runs that suit them, drained."""

import json
import secrets
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog

from .. import database
from ..assets import weights
from ..ledger.away import answering
from . import dispatch, events, workflow
from .book import Runs
from .endings import end, locked, lose
from .values import FAILED, LEASE, QUEUED, RUN, RUNNING, WORKER, Run, RunError, Worker

HEAD = 8  # runs of each account that are looked at for a worker
TAKEN_S = 0.05  # after which is looked again where others were about to take all of them


class Lease(NamedTuple):
    """What a worker needs for a run."""

    run: str
    attempt: int
    token: str
    workflow: dict[str, Any]
    inputs: list[dict[str, Any]]
    models: list[weights.Weights]
    max_gpu_ms: int
    tenant: int


class UnfitError(Exception):
    """A run that cannot be told to any worker."""


class Leases:
    """The table of workers, and what they are given."""

    def __init__(self, runs: Runs) -> None:
        self._runs, self._engine, self._clock = runs, runs.engine, runs.clock

    # Workers

    def hello(self, api_key: int, name: str, gpu_class: str, **told: Any) -> str:
        """Introduces a worker, or one that was started again; returns its id.

        Args:
            api_key: The key that it proves itself with.
            name: Its own, of no other worker with that key.
            gpu_class: In the rate card.
            told: about, environment, node_classes, models (folder/name), digests.
        """
        if gpu_class not in {one.gpu_class for one in self._runs.ledger.card.rates()}:
            text = f"gpu_class must be of the rate card, got {gpu_class!a:.60}. Add a rate."
            raise RunError("gpu_class", 422, text)
        values = {one: json.dumps(told[one]) for one in ("about", "node_classes", "digests")}
        values |= {"environment": told["environment"], "models": sorted(set(told["models"]))}
        values |= {"id": secrets.token_hex(12), "key": api_key, "name": name, "gpu": gpu_class}
        sql = """INSERT INTO runs.worker (id, api_key, name, gpu_class, about, environment,
                node_classes, models, digests, seen_at)
            VALUES (:id, :key, :name, :gpu, :about, :environment, :node_classes, :models, :digests,
                :now)
            ON CONFLICT (api_key, name) DO UPDATE SET gpu_class = :gpu, about = :about,
                environment = :environment, node_classes = :node_classes, models = :models,
                digests = :digests, seen_at = :now, draining = false, resident = '{}',
                polls = worker.polls + 1
            RETURNING id"""
        with answering(), self._engine.begin() as connection:
            now = self._clock()
            return connection.execute(sa.text(sql), values | {"now": now}).scalar_one()

    def goodbye(self, api_key: int, worker: str) -> None:
        """Gives a worker no more leases; the one that it has goes on."""
        with answering(), self._engine.begin() as connection:
            self._worker(connection, api_key, worker)
            sql = "UPDATE runs.worker SET draining = true, polls = polls + 1 WHERE id = :id"
            connection.execute(sa.text(sql), {"id": worker})
            events.ring(connection, events.QUEUE)  # whoever waits for it need not any more

    # Leases

    def lease(
        self,
        api_key: int,
        worker: str,
        resident: Sequence[str],
        free_vram: int | None,
        wait_s: float,
    ) -> Lease | None:
        """Gives a worker a run, as soon as there is one; None after so many seconds.

        A worker that asks has no run: what it had was lost on the way, and is queued again. It asks
        once at a time: whoever still waits for an earlier question, maybe at a connection that is
        dead, gets nothing any more.
        """
        deadline, poll = time.monotonic() + wait_s, None
        with self._runs.bells.on(events.QUEUE) as heard:
            while True:
                heard.clear()
                try:
                    poll, lease, taken = self._lease(api_key, worker, resident, free_vram, poll)
                except UnfitError as error:
                    self._refuse(*error.args)
                    continue
                if lease or poll is None:
                    return lease
                waits = taken and time.monotonic() < deadline
                if waits:
                    heard.wait(TAKEN_S)
                while not waits:  # of the many that a bell wakes, most find nothing left
                    left_s = deadline - time.monotonic()
                    if left_s <= 0 or not heard.wait(left_s):
                        return None
                    heard.clear()
                    waits = self._waits(worker, poll)

    def _waits(self, worker: str, poll: int) -> bool:
        """Says whether it is worth asking again: a run waits, or the question is out of date."""
        sql = """SELECT polls <> :poll OR EXISTS (SELECT FROM runs.run
            WHERE state = 'queued' AND run.gpu_class = w.gpu_class)
            FROM runs.worker w WHERE id = :id"""
        ((found,),) = database.execute(self._engine, sql, id=worker, poll=poll)
        return found

    def _lease(
        self,
        api_key: int,
        worker: str,
        resident: Sequence[str],
        free_vram: int | None,
        poll: int | None,
    ) -> tuple[int | None, Lease | None, bool]:
        """Looks for a run once.

        Returns the number of the question, None if it is out of date; a run; and whether there were
        runs, which others are taking.
        """
        with answering(), self._engine.begin() as connection:
            sql = "SELECT run, number FROM runs.attempt WHERE worker = :w AND ended_at IS NULL"
            who, lost = self._worker(connection, api_key, worker, (sql, {"w": worker}))
            now = self._clock()
            if poll is None:
                poll = who.polls + 1
                for run, number in lost:
                    lose(self._runs, connection, run, number, "unknown")
            elif poll != who.polls:
                return None, None, False
            at = [who.digests.get(one, one) for one in resident]
            sql = """UPDATE runs.worker SET seen_at = :now, resident = :at, free_vram = :free,
                polls = :poll WHERE id = :id"""
            values = {"now": now, "at": at, "free": free_vram, "id": worker, "poll": poll}
            _, rows = database.together(connection, (sql, values), self._waiting(who))
            if who.draining:
                return None, None, False
            waiting = [dispatch.Waiting(*row)._replace(models=tuple(row[-1])) for row in rows]
            for one in dispatch.order(waiting, frozenset(at), who.tenant, now):
                sql = f"""SELECT {RUN} FROM runs.run WHERE id = :id AND state = 'queued'
                    FOR UPDATE SKIP LOCKED"""
                (found,) = database.together(connection, (sql, {"id": one.id}))
                if found:
                    return poll, self._give(connection, Run(*found[0]), who), False
        return poll, None, bool(waiting)

    def _waiting(self, worker: Worker) -> database.Statement:
        """Returns what asks for the first runs of every account that a worker is able to run."""
        sql = f"""SELECT r.id, r.account, r.priority, r.created_at,
                r.place + (SELECT count(*) FROM runs.run u WHERE u.account = r.account
                    AND u.state IN ('running', 'canceling')),
                coalesce((SELECT extract(epoch FROM max(started_at)) FROM runs.run s
                    WHERE s.account = r.account), 0), r.models
            FROM (SELECT DISTINCT account FROM runs.run
                WHERE state = 'queued' AND gpu_class = :gpu) a
            CROSS JOIN LATERAL (SELECT q.*, row_number() OVER (ORDER BY priority DESC, created_at)
                    AS place FROM runs.run q
                WHERE state = 'queued' AND gpu_class = :gpu AND q.account = a.account
                AND CAST(:classes AS jsonb) @> classes AND models <@ CAST(:models AS text[])
                ORDER BY priority DESC, created_at LIMIT {HEAD}) r"""
        values = {"gpu": worker.gpu_class, "classes": json.dumps(worker.node_classes)}
        return sql, values | {"models": worker.models}

    def _give(self, connection: sa.Connection, run: Run, worker: Worker) -> Lease:
        now, number = self._clock(), run.attempt + 1
        token = f"{number}.{secrets.token_urlsafe(32)}"
        leased = {"run": run.id, "number": number, "worker": worker.id, "now": now}
        leased |= {"token": token_digest(token), "until": now + LEASE}
        begun = {"run": run.id, "number": number, "now": now, "env": worker.environment}
        ((graph,),), _, _, _, files, brought = database.together(
            connection,
            (_BEGIN, begun),
            (_LEASE, leased),
            (_TENANT, {"account": run.account, "worker": worker.id}),
            events.adding(run.id, "status", status=RUNNING),
            (_FILES, {"id": run.id}),
            weights.loading(run.id),
        )
        inputs: list[dict[str, Any]] = [dict(zip(_FILE, row, strict=True)) for row in files]
        own = weights.loaded(brought)
        try:
            graph = workflow.bind(
                graph,
                {one["asset"]: one["name"] for one in inputs},
                {(asked, one.name): one.shown for asked, one in own},
            )
        except Exception as error:
            raise UnfitError(run.id) from error
        models = list(dict.fromkeys(one for _, one in own))
        return Lease(run.id, number, token, graph, inputs, models, run.max_gpu_ms, run.account)

    def _refuse(self, id_: str) -> None:
        """Ends a run that cannot be leased; it must not keep workers from those behind it."""
        structlog.get_logger().error("run_unfit", run=id_, exc_info=True)
        with answering(), self._engine.begin() as connection:
            run = locked(connection, id_)
            if run and run.state == QUEUED:
                text = "The server could not prepare it. Report it."
                error = {"code": "internal", "message": text}
                end(self._runs, connection, run, FAILED, None, error)

    def _worker(
        self, connection: sa.Connection, api_key: int, id_: str, *more: database.Statement
    ) -> Any:
        """Locks a worker; returns it, and the rows of what else is asked."""
        sql = f"SELECT {WORKER} FROM runs.worker WHERE id = :id AND api_key = :key FOR UPDATE"
        found, *rest = database.together(connection, (sql, {"id": id_, "key": api_key}), *more)
        if not found:
            text = f"A worker that said hello is required, got {id_!a:.60}. Say hello."
            raise RunError("unknown_worker", 404, text)
        return (Worker(*found[0]), *rest)


_BEGIN = """UPDATE runs.run SET state = 'running', attempt = :number, stop = NULL, gpu_ms = 0,
    started_at = :now, phases = '{}', progress = NULL, environment = :env WHERE id = :run
    RETURNING workflow"""
_LEASE = """INSERT INTO runs.attempt (run, number, worker, token, leased_at, lease_until)
    VALUES (:run, :number, :worker, :token, :now, :until)"""
_TENANT = "UPDATE runs.worker SET tenant = :account WHERE id = :worker"
_FILE = ("name", "asset", "hash", "bytes", "key")
_FILES = """SELECT i.name, a.id, a.hash, a.bytes, a.key FROM runs.input i
    JOIN runs.asset a ON a.id = i.asset WHERE i.run = :id ORDER BY i.name"""


def token_digest(token: str) -> bytes:
    """Returns what is kept of a token."""
    return sha256(token.encode()).digest()
