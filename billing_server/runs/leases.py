"""Workers: introduced, given runs that suit them, drained."""

import json
import secrets
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..ledger.away import answering
from . import dispatch, events, workflow
from .book import Runs
from .endings import lose
from .values import LEASE, RUN, RUNNING, WORKER, Run, RunError, Worker

HEAD = 8  # runs of each account that are looked at for a worker


class Lease(NamedTuple):
    """What a worker needs for a run."""

    run: str
    attempt: int
    token: str
    workflow: dict[str, Any]
    inputs: list[dict[str, Any]]
    max_gpu_ms: int
    tenant: int


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
                digests = :digests, seen_at = :now, draining = false, resident = '{}'
            RETURNING id"""
        with answering(), self._engine.begin() as connection:
            now = self._clock()
            return connection.execute(sa.text(sql), values | {"now": now}).scalar_one()

    def goodbye(self, api_key: int, worker: str) -> None:
        """Gives a worker no more leases; the one that it has goes on."""
        with answering(), self._engine.begin() as connection:
            self._worker(connection, api_key, worker)
            sql = "UPDATE runs.worker SET draining = true WHERE id = :id"
            connection.execute(sa.text(sql), {"id": worker})

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

        A worker that asks has no run: what it had was lost on the way, and is queued again.
        """
        deadline = time.monotonic() + wait_s
        with self._runs.bells.on(events.QUEUE) as heard:
            while True:
                heard.clear()
                if lease := self._lease(api_key, worker, resident, free_vram):
                    return lease
                waits = False
                while not waits:  # of the many that a bell wakes, most find nothing left
                    left_s = deadline - time.monotonic()
                    if left_s <= 0 or not heard.wait(left_s):
                        return None
                    heard.clear()
                    waits = self._waits(worker)

    def _waits(self, worker: str) -> bool:
        sql = """SELECT EXISTS (SELECT FROM runs.run WHERE state = 'queued'
            AND gpu_class = (SELECT gpu_class FROM runs.worker WHERE id = :id))"""
        with answering(), self._engine.connect() as connection:
            return connection.execute(sa.text(sql), {"id": worker}).scalar_one()

    def _lease(
        self, api_key: int, worker: str, resident: Sequence[str], free_vram: int | None
    ) -> Lease | None:
        with answering(), self._engine.begin() as connection:
            who = self._worker(connection, api_key, worker)
            now = self._clock()
            for number in self._open(connection, worker):
                lose(self._runs, connection, *number, "unknown")
            at = [who.digests.get(one, one) for one in resident]
            sql = """UPDATE runs.worker SET seen_at = :now, resident = :at, free_vram = :free
                WHERE id = :id"""
            values = {"now": now, "at": at, "free": free_vram, "id": worker}
            connection.execute(sa.text(sql), values)
            if who.draining:
                return None
            waiting = self._waiting(connection, who)
            for one in dispatch.order(waiting, frozenset(at), who.tenant, now):
                sql = f"""SELECT {RUN} FROM runs.run WHERE id = :id AND state = 'queued'
                    FOR UPDATE SKIP LOCKED"""
                if row := connection.execute(sa.text(sql), {"id": one.id}).first():
                    return self._give(connection, Run(*row), who)
        return None

    def _waiting(self, connection: sa.Connection, worker: Worker) -> list[dispatch.Waiting]:
        """Returns the first runs of every account that this worker is able to run."""
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
        rows = connection.execute(sa.text(sql), values | {"models": worker.models})
        return [dispatch.Waiting(*row)._replace(models=tuple(row.models)) for row in rows]

    def _give(self, connection: sa.Connection, run: Run, worker: Worker) -> Lease:
        now, number = self._clock(), run.attempt + 1
        token = f"{number}.{secrets.token_urlsafe(32)}"
        values = {"run": run.id, "number": number, "worker": worker.id, "now": now}
        values |= {"token": token_digest(token), "until": now + LEASE}
        sql = """INSERT INTO runs.attempt (run, number, worker, token, leased_at, lease_until)
            VALUES (:run, :number, :worker, :token, :now, :until)"""
        connection.execute(sa.text(sql), values)
        sql = """UPDATE runs.run SET state = 'running', attempt = :number, stop = NULL, gpu_ms = 0,
            started_at = :now, phases = '{}', progress = NULL, environment = :env WHERE id = :run"""
        connection.execute(sa.text(sql), values | {"env": worker.environment})
        sql = "UPDATE runs.worker SET tenant = :account WHERE id = :worker"
        connection.execute(sa.text(sql), {"account": run.account, "worker": worker.id})
        events.add(connection, run.id, "status", status=RUNNING)
        sql = """SELECT i.name, a.id AS asset, a.hash, a.bytes FROM runs.input i
            JOIN runs.asset a ON a.id = i.asset WHERE i.run = :id ORDER BY i.name"""
        inputs = [dict(row) for row in connection.execute(sa.text(sql), {"id": run.id}).mappings()]
        found = sa.text("SELECT workflow FROM runs.run WHERE id = :id")
        graph = connection.execute(found, {"id": run.id}).scalar_one()
        graph = workflow.bind(graph, {one["asset"]: one["name"] for one in inputs})
        return Lease(run.id, number, token, graph, inputs, run.max_gpu_ms, run.account)

    # Inside

    def _worker(self, connection: sa.Connection, api_key: int, id_: str) -> Worker:
        sql = f"SELECT {WORKER} FROM runs.worker WHERE id = :id AND api_key = :key FOR UPDATE"
        row = connection.execute(sa.text(sql), {"id": id_, "key": api_key}).first()
        if row is None:
            text = f"A worker that said hello is required, got {id_!a:.60}. Say hello."
            raise RunError("unknown_worker", 404, text)
        return Worker(*row)

    def _open(self, connection: sa.Connection, worker: str) -> list[tuple[str, int]]:
        sql = "SELECT run, number FROM runs.attempt WHERE worker = :w AND ended_at IS NULL"
        return [(row[0], row[1]) for row in connection.execute(sa.text(sql), {"w": worker})]


def token_digest(token: str) -> bytes:
    """Returns what is kept of a token."""
    return sha256(token.encode()).digest()
