"""Runs as customers know them: submitted once, listed, cancelled, and told about."""

import json
from collections.abc import Callable, Sequence, Set
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa

from ..assets.kinds import SUFFIXES
from ..ledger import Ledger
from ..ledger.away import answering
from ..ledger.pricing import Rate
from . import events, money, workflow
from .endings import end, locked
from .policy import Policy
from .values import (
    ALIVE,
    CANCELED,
    CANCELING,
    FREE_MS,
    FREE_WITHIN,
    HOLD_AFTER_START,
    KEPT,
    KNOWN,
    MAX_ACTIVE,
    QUEUED,
    RUN,
    RUNNING,
    START_WITHIN,
    WORKER,
    Caller,
    Quote,
    Run,
    RunError,
    Worker,
    no_run,
)

NOT_READY_S, FULL_S, WAIT_S = 30, 5, 600  # to wait before asking again
PAGE, MAX_PAGE = 50, 100


class Plan(NamedTuple):
    """What a workflow takes to run, and what is missing for it."""

    workflow: workflow.Workflow
    classes: dict[str, str]
    models: tuple[str, ...]
    missing_nodes: tuple[str, ...]
    missing_models: tuple[str, ...]
    missing_assets: tuple[str, ...]
    inputs: dict[str, str]  # asset: the name it will have
    quote: Quote


class Runs:
    """The table of runs."""

    def __init__(
        self,
        engine: sa.Engine,
        ledger: Ledger,
        clock: Callable[[], datetime],
        policy: Policy | None = None,
    ) -> None:
        self.engine, self.ledger, self.clock = engine, ledger, clock
        self.policy = policy or Policy.read()
        self.bells = events.Bells(engine)

    # Before a run

    def plan(self, account: int, graph: Any, gpu_class: str | None = None) -> Plan:
        """Checks a workflow against workers, models and assets; nothing is held.

        Raises:
            RunError: The workflow can never run, or no worker was ever here.
        """
        checked = workflow.check(graph)
        rates = self._rates()
        with answering(), self.engine.connect() as connection:
            wanted = rates.keys() & {gpu_class} if gpu_class else rates.keys()
            workers = self._known(connection, wanted)
            if not workers:
                text = "A worker is required, got none yet. Ask again."
                raise RunError("deployment_not_ready", 429, text, retry_after=NOT_READY_S)
            inputs = self._inputs(connection, account, checked.assets)
            classes = self.policy.bind(checked.classes, [one.node_classes for one in workers])
            best = max(workers, key=lambda one: _fitness(one, classes, checked, rates))
            models = {model: _place(model, best.models) for model in checked.models}
            quote = money.quote(connection, rates[best.gpu_class], checked.shape)
        # Classes must be together on one worker, not each on some.
        classes = {one: pack for one, pack in classes.items() if best.node_classes.get(one) == pack}
        return Plan(
            checked,
            classes,
            tuple(sorted(place for place in models.values() if place)),
            tuple(sorted(checked.classes - classes.keys())),
            tuple(sorted("/".join(filter(None, one)) for one, at in models.items() if not at)),
            tuple(sorted(checked.assets - inputs.keys())),
            inputs,
            quote,
        )

    def submit(
        self,
        caller: Caller,
        graph: Any,
        *,
        key: str,
        metadata: dict[str, str] | None = None,
        gpu_class: str | None = None,
        priority: int = 0,
    ) -> tuple[Run, bool]:
        """Queues a run and holds what it may cost; says whether it is new.

        The same request with the same key is the same run, however often it comes.

        Raises:
            RunError: The workflow may not run, the key is another's, or too many runs wait.
            LedgerError: Not enough credits, or a budget.
        """
        asked = json.dumps([graph, metadata or {}, gpu_class, priority], sort_keys=True)
        digest = sha256(asked.encode()).digest()
        if found := self._replayed(caller.account, key, digest):
            return found, False
        plan = self.plan(caller.account, graph, gpu_class)
        _require(plan)
        now, id_ = self.clock(), str(uuid4())
        hold_until = now + START_WITHIN + HOLD_AFTER_START
        row = {
            "id": id_,
            "account": caller.account,
            "api_key": caller.api_key,
            "key": key,
            "request": digest,
            "workflow": json.dumps(graph),
            "metadata": json.dumps(metadata or {}),
            "classes": json.dumps(plan.classes),
            "models": list(plan.models),
            "shape": plan.workflow.shape,
            "nodes": len(graph),
            "priority": priority,
            "gpu_class": plan.quote.gpu_class,
            "rate": plan.quote.rate,
            "held": max(1, plan.quote.held),
            "estimate_ms": plan.quote.estimate_ms,
            "max_gpu_ms": plan.quote.max_gpu_ms,
            "created_at": now,
            "start_by": now + START_WITHIN,
            "hold_until": hold_until,
            "expires_at": now + START_WITHIN + KEPT,
        }
        try:
            with answering(), self.engine.begin() as connection:
                row["hold"] = money.hold(
                    self.ledger, connection, caller.account, caller.api_key, id_, row["held"],
                    hold_until,
                )  # fmt: skip
                self._check_queue(connection, caller.account)
                connection.execute(_INSERT, row)
                for asset, name in plan.inputs.items():
                    values = {"run": id_, "asset": asset, "name": name, "until": row["expires_at"]}
                    connection.execute(_INPUT, values)
                if label := (metadata or {}).get("workflow"):
                    connection.execute(_LABEL, row | {"label": label})
                events.add(connection, id_, "status", status=QUEUED)
                events.ring(connection, events.QUEUE)
        except sa.exc.IntegrityError:
            # The same key at the same time, or an asset that went meanwhile.
            if found := self._replayed(caller.account, key, digest):
                return found, False
            text = "Assets that exist are required, got some that were deleted. Upload them again."
            raise RunError("missing_asset", 422, text) from None
        return self.get(caller.account, id_), True

    # Of a run

    def get(self, account: int, id_: str) -> Run:
        """Returns a run of an account."""
        sql = f"SELECT {RUN} FROM runs.run WHERE id = :id AND account = :account"
        with answering(), self.engine.connect() as connection:
            row = connection.execute(sa.text(sql), {"id": id_, "account": account}).first()
        if row is None:
            raise no_run(id_)
        return Run(*row)

    def page(
        self,
        account: int,
        metadata: dict[str, str] | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = PAGE,
    ) -> list[Run]:
        """Returns runs with all these labels, the newest first."""
        sql = f"""SELECT {RUN} FROM runs.run WHERE account = :account
            AND metadata @> CAST(:metadata AS jsonb)
            AND (created_at, id) < (coalesce(CAST(:at AS timestamptz), 'infinity'), :id)
            ORDER BY created_at DESC, id DESC LIMIT :limit"""
        at, id_ = before or (None, "")
        values = {"account": account, "metadata": json.dumps(metadata or {}), "at": at, "id": id_}
        with answering(), self.engine.connect() as connection:
            rows = connection.execute(sa.text(sql), values | {"limit": min(limit, MAX_PAGE)})
            return [Run(*row) for row in rows]

    def workflow(self, account: int, id_: str) -> dict[str, Any]:
        """Returns what was submitted."""
        sql = "SELECT workflow FROM runs.run WHERE id = :id AND account = :account"
        with answering(), self.engine.connect() as connection:
            row = connection.execute(sa.text(sql), {"id": id_, "account": account}).first()
        if row is None:
            raise no_run(id_)
        return row.workflow

    def ahead(self, run: Run) -> int:
        """Counts the runs that wait longer for the same GPUs."""
        sql = """SELECT count(*) FROM runs.run WHERE state = 'queued' AND gpu_class = :gpu
            AND (created_at, id) < (:at, :id)"""
        values = {"gpu": run.gpu_class, "at": run.created_at, "id": run.id}
        with answering(), self.engine.connect() as connection:
            return connection.execute(sa.text(sql), values).scalar_one()

    def eta_s(self, run: Run, ahead: int) -> int | None:
        """Guesses when a run will have ended; None if no worker is here."""
        if run.state == RUNNING:
            return max(1, (run.estimate_ms - run.gpu_ms) // 1000)
        sql = """SELECT count(*) FROM runs.worker WHERE gpu_class = :g AND seen_at > :t
            AND NOT draining"""
        with answering(), self.engine.connect() as connection:
            values = {"g": run.gpu_class, "t": self.clock() - ALIVE}
            workers = connection.execute(sa.text(sql), values).scalar_one()
        return None if not workers else (ahead // workers + 1) * max(1, run.estimate_ms // 1000)

    def cancel(self, account: int, id_: str) -> Run:
        """Ends a run that waits, and asks the worker of one that does not; the rest stay."""
        with answering(), self.engine.begin() as connection:
            run = locked(connection, id_)
            if run is None or run.account != account:
                raise no_run(id_)
            if run.state == QUEUED:
                end(self, connection, run, CANCELED, None)
            elif run.state == RUNNING:
                sql = "UPDATE runs.run SET state = 'canceling' WHERE id = :id"
                connection.execute(sa.text(sql), {"id": id_})
                events.add(connection, id_, "status", status=CANCELING)
        return self.get(account, id_)

    # Inside

    def _replayed(self, account: int, key: str, digest: bytes) -> Run | None:
        sql = f"SELECT request, {RUN} FROM runs.run WHERE account = :a AND key = :k"
        with answering(), self.engine.connect() as connection:
            row = connection.execute(sa.text(sql), {"a": account, "k": key}).first()
        if row is None:
            return None
        if bytes(row[0]) != digest:
            text = "A new Idempotency-Key is required for another job, got a used one. Send a UUID."
            raise RunError("idempotency_key_reuse", 422, text)
        return Run(*row[1:])

    def _check_queue(self, connection: sa.Connection, account: int) -> None:
        """Counts; the account is locked by its hold, so that nobody slips in between."""
        sql = """SELECT count(*) FROM runs.run WHERE account = :a
            AND state IN ('queued', 'running', 'canceling')"""
        if connection.execute(sa.text(sql), {"a": account}).scalar_one() >= MAX_ACTIVE:
            text = f"At most {MAX_ACTIVE} jobs may wait and run, got one more. Ask again."
            raise RunError("queue_full", 429, text, retry_after=FULL_S)
        # Workflows that fail cost nothing; so that nobody lets them fail on purpose, not forever.
        sql = """SELECT coalesce(sum(t.gpu_ms), 0)
            FROM runs.run r JOIN runs.attempt t ON t.run = r.id
            WHERE account = :a AND created_at > :since AND charged = 0 AND ended_at > :t
            AND outcome = 'fail:workflow'"""
        since = self.clock() - FREE_WITHIN
        values = {"a": account, "t": since, "since": since - START_WITHIN}
        if connection.execute(sa.text(sql), values).scalar_one() >= FREE_MS:
            text = "Workflows that succeed are required, got too many failures. Try them locally."
            raise RunError("too_many_failures", 429, text, retry_after=WAIT_S)

    def _known(self, connection: sa.Connection, wanted: Set[str]) -> Sequence[Worker]:
        """Returns workers of these GPU classes that are here; if none is, those that were."""
        sql = f"""SELECT {WORKER}, seen_at FROM runs.worker WHERE seen_at > :t
            AND gpu_class = ANY(:wanted)"""
        now = self.clock()
        values = {"t": now - KNOWN, "wanted": list(wanted)}
        rows = connection.execute(sa.text(sql), values).all()
        here = [one for one in rows if one.seen_at > now - ALIVE and not one.draining]
        return [Worker(*row[:-1]) for row in here or rows]

    def _rates(self) -> dict[str, Rate]:
        now = self.clock()
        return {one.gpu_class: one for one in self.ledger.card.rates() if one.valid_from <= now}

    def _inputs(
        self, connection: sa.Connection, account: int, assets: frozenset[str]
    ) -> dict[str, str]:
        """Names the files of a run: by the asset's id and by what the bytes are."""
        sql = """SELECT id, content_type FROM runs.asset WHERE id = ANY(:ids)
            AND account = :a AND NOT hidden AND expires_at > :now"""
        values = {"ids": list(assets), "a": account, "now": self.clock()}
        rows = connection.execute(sa.text(sql), values)
        return {row.id: row.id + SUFFIXES.get(row.content_type, ".bin") for row in rows}


def _require(plan: Plan) -> None:
    """Refuses a plan that lacks something."""
    missing = {
        "missing_nodes": list(plan.missing_nodes),
        "missing_models": list(plan.missing_models),
        "missing_assets": list(plan.missing_assets),
    }
    if plan.missing_assets:
        text = f"Assets of this account are required, got {', '.join(plan.missing_assets):.200}."
        raise RunError("missing_asset", 422, f"{text} Upload them.", **missing)
    if plan.missing_nodes or plan.missing_models:
        names = ", ".join(plan.missing_nodes + plan.missing_models)
        text = f"Nodes and models that run here are required, got {names:.300}. Take others."
        raise RunError("invalid_workflow", 422, text, **missing)


def _fitness(
    worker: Worker, classes: dict[str, str], asked: workflow.Workflow, rates: dict[str, Rate]
) -> tuple[int, int]:
    """Prefers workers that lack least, and of those the cheapest."""
    nodes = sum(worker.node_classes.get(one) == pack for one, pack in classes.items())
    models = sum(_place(one, worker.models) is not None for one in asked.models)
    return nodes + models, -rates[worker.gpu_class].micro_per_gpu_s


def _place(model: tuple[str, str], there: Sequence[str]) -> str | None:
    """Finds where a worker has a model; the input need not tell the folder."""
    folder, name = model
    if folder:
        return f"{folder}/{name}" if f"{folder}/{name}" in there else None
    return next((one for one in sorted(there) if one.partition("/")[2] == name), None)


_COLUMNS = """id account api_key key request workflow metadata classes models shape nodes priority
    gpu_class rate hold held estimate_ms max_gpu_ms created_at start_by hold_until
    expires_at""".split()
_INSERT = sa.text(
    f"INSERT INTO runs.run (state, {', '.join(_COLUMNS)}) VALUES ('queued', "
    + ", ".join(f":{one}" for one in _COLUMNS)
    + ")"
)
# Usage is told by it.
_LABEL = sa.text("INSERT INTO identity.run_label VALUES (:account, :id, :label)")
# What is used again is kept longer.
_INPUT = sa.text(
    """WITH used AS (UPDATE runs.asset SET expires_at = greatest(expires_at, :until)
        WHERE id = :asset) INSERT INTO runs.input (run, asset, name) VALUES (:run, :asset, :name)"""
)
