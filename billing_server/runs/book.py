"""Runs as customers know them: submitted once, listed, cancelled, and told about."""

import json
from collections.abc import Callable, Sequence, Set
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa

from .. import database
from ..assets import weights
from ..assets.kinds import SUFFIXES
from ..ledger import BudgetExceededError, Ledger
from ..ledger.away import answering
from ..ledger.card import RATES
from ..ledger.pricing import Rate
from . import events, limits, money, workflow
from .endings import end, locked
from .policy import Policy
from .values import (
    ALIVE,
    CANCELED,
    CANCELING,
    HOLD_AFTER_START,
    KEPT,
    KNOWN,
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

NOT_READY_S = 30  # to wait before asking again
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
    weights: dict[weights.Model, str]  # of the account's own, by what the workflow calls them
    rate: Rate
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
        self._alone = database.alone(engine)

    # Before a run

    def plan(self, account: int, graph: Any, gpu_class: str | None = None) -> Plan:
        """Checks a workflow against workers, models and assets; nothing is held.

        Raises:
            RunError: The workflow can never run, or no worker was ever here.
        """
        with answering(), self._alone.connect() as connection:
            return self._plan(connection, account, graph, gpu_class)

    def _plan(
        self, connection: sa.Connection, account: int, graph: Any, gpu_class: str | None
    ) -> Plan:
        checked = workflow.check(graph)
        rows, known, files, brought = database.together(
            connection,
            (RATES, {}),
            (_KNOWN, {"t": self.clock() - KNOWN, "alive": self.clock() - ALIVE}),
            (_ASSETS, {"ids": sorted(checked.assets), "a": account, "now": self.clock()}),
            weights.asking(account, checked.models),
        )
        rates = self._rates(rows)
        workers = self._here(known, rates.keys() & {gpu_class} if gpu_class else rates.keys())
        if not workers:
            text = "A worker is required, got none yet. Ask again."
            raise RunError("deployment_not_ready", 429, text, retry_after=NOT_READY_S)
        # By the asset's id and by what the bytes are.
        inputs = {id_: id_ + SUFFIXES.get(kind, ".bin") for id_, kind in files}
        own = weights.asked(brought, checked.models)
        others = tuple(model for model in checked.models if model not in own)
        catalogue = checked._replace(models=others)
        classes = self.policy.bind(checked.classes, [one.node_classes for one in workers])
        best = max(workers, key=lambda one: _fitness(one, classes, catalogue, rates))
        models = {model: _place(model, best.models) for model in others}
        rate = rates[best.gpu_class]
        if own or not all(models.values()):
            # Whoever guesses the name of somebody's weights must not learn that they have run.
            shape = sha256(b"%d " % account + checked.shape).digest()
            checked = checked._replace(shape=shape)
        quote = money.quote(connection, rate, checked.shape)
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
            own,
            rate,
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
        max_micro: int | None = None,
        priority: int = 0,
    ) -> tuple[Run, bool]:
        """Queues a run and holds what it may cost; says whether it is new.

        The same request with the same key is the same run, however often it comes.

        Raises:
            RunError: The workflow may not run, the key is another's, or too many runs wait.
            RunError: It is expected to cost more than max_micro.
            LedgerError: Not enough credits, or a budget.
        """
        asked = json.dumps([graph, metadata or {}, gpu_class, max_micro, priority], sort_keys=True)
        digest = sha256(asked.encode()).digest()
        with answering(), self._alone.connect() as connection:
            if found := _replayed(connection, caller.account, key, digest):
                return found, False
            plan = self._plan(connection, caller.account, graph, gpu_class)
        _require(plan)
        quote = plan.quote
        if max_micro is not None:
            quote = money.within(plan.rate, quote, max_micro)
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
            "gpu_class": quote.gpu_class,
            "rate": quote.rate,
            "held": max(1, quote.held),
            "estimate_ms": quote.estimate_ms,
            "max_gpu_ms": quote.max_gpu_ms,
            "max_micro": max_micro,
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
                more = [
                    (_INPUT, {"run": id_, "asset": asset, "name": name, "until": row["expires_at"]})
                    for asset, name in plan.inputs.items()
                ]
                for (asked, _), one in plan.weights.items():
                    more.append((_WEIGHTS, {"run": id_, "weights": one, "asked": asked}))
                if label := (metadata or {}).get("workflow"):
                    more.append((_LABEL, {"account": caller.account, "id": id_, "label": label}))
                (counted,), (made,), *_ = database.together(
                    connection,
                    limits.counting(caller.account, now),
                    (_INSERT, row),
                    *more,
                    events.adding(id_, "status", status=QUEUED),
                    events.ringing(events.QUEUE),
                )
                limits.require(*counted)
        except BudgetExceededError as error:
            self.ledger.tell(caller.account, error)
            raise
        except sa.exc.IntegrityError:
            # The same key at the same time, or an asset that went meanwhile.
            with answering(), self._alone.connect() as connection:
                if found := _replayed(connection, caller.account, key, digest):
                    return found, False
            text = "Assets that exist are required, got some that were deleted. Upload them again."
            raise RunError("missing_asset", 422, text) from None
        return Run(*made), True

    # Of a run

    def get(self, account: int, id_: str) -> Run:
        """Returns a run of an account."""
        sql = f"SELECT {RUN} FROM runs.run WHERE id = :id AND account = :account"
        with answering(), self._alone.connect() as connection:
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
        with answering(), self._alone.connect() as connection:
            rows = connection.execute(sa.text(sql), values | {"limit": min(limit, MAX_PAGE)})
            return [Run(*row) for row in rows]

    def workflow(self, account: int, id_: str) -> dict[str, Any]:
        """Returns what was submitted."""
        sql = "SELECT workflow FROM runs.run WHERE id = :id AND account = :account"
        with answering(), self._alone.connect() as connection:
            row = connection.execute(sa.text(sql), {"id": id_, "account": account}).first()
        if row is None:
            raise no_run(id_)
        return row.workflow

    def standing(self, run: Run) -> tuple[int, int | None]:
        """Counts who waits longer for the same GPUs, and guesses in how many s it will have ended.

        That is None if no worker is here.
        """
        if run.state != QUEUED:
            return 0, max(1, (run.estimate_ms - run.gpu_ms) // 1000)
        return self._queue(run.gpu_class, run.estimate_ms, run.created_at, run.id)

    def queue(self, quote: Quote) -> tuple[int, int | None]:
        """Counts who waits for a GPU class, and guesses when a run more would have ended."""
        return self._queue(quote.gpu_class, quote.estimate_ms, "infinity", "")

    def _queue(
        self, gpu_class: str, estimate_ms: int, at: datetime | str, id_: str
    ) -> tuple[int, int | None]:
        sql = """SELECT (SELECT count(*) FROM runs.run WHERE state = 'queued' AND gpu_class = :gpu
                AND (created_at, id) < (CAST(:at AS timestamptz), :id)),
            (SELECT count(*) FROM runs.worker WHERE gpu_class = :gpu AND seen_at > :t
                AND NOT draining)"""
        values = {"gpu": gpu_class, "at": at, "id": id_, "t": self.clock() - ALIVE}
        (row,) = database.execute(self.engine, sql, **values)
        ahead, workers = row
        return ahead, (ahead // workers + 1) * max(1, estimate_ms // 1000) if workers else None

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

    def _here(self, rows: Sequence[tuple], wanted: Set[str]) -> Sequence[Worker]:
        """Returns workers of these GPU classes that are here; if none is, those that were."""
        known = [(Worker(*row), seen_at) for *row, seen_at in rows]
        known = [(one, seen_at) for one, seen_at in known if one.gpu_class in wanted]
        heard = self.clock() - ALIVE
        here = [one for one, seen_at in known if seen_at > heard and not one.draining]
        return here or [one for one, _ in known]

    def _rates(self, rows: Sequence[tuple]) -> dict[str, Rate]:
        """Returns the rate of each GPU class that is valid now."""
        rates, now = [Rate(*row) for row in rows], self.clock()
        return {one.gpu_class: one for one in rates if one.valid_from <= now}


def _replayed(connection: sa.Connection, account: int, key: str, digest: bytes) -> Run | None:
    sql = f"SELECT request, {RUN} FROM runs.run WHERE account = :a AND key = :k"
    (rows,) = database.together(connection, (sql, {"a": account, "k": key}))
    if not rows:
        return None
    if bytes(rows[0][0]) != digest:
        text = "A new Idempotency-Key is required for another job, got a used one. Send a UUID."
        raise RunError("idempotency_key_reuse", 422, text)
    return Run(*rows[0][1:])


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
    gpu_class rate hold held estimate_ms max_gpu_ms max_micro created_at start_by hold_until
    expires_at""".split()
_INSERT = (
    f"INSERT INTO runs.run (state, {', '.join(_COLUMNS)}) VALUES ('queued', "
    + ", ".join(f":{one}" for one in _COLUMNS)
    + f") RETURNING {RUN}"
)
# Usage is told by it.
_LABEL = "INSERT INTO identity.run_label VALUES (:account, :id, :label)"
_WEIGHTS = "INSERT INTO runs.run_weights VALUES (:run, :weights, :asked)"
# What is used again is kept longer.
_INPUT = """WITH used AS (UPDATE runs.asset SET expires_at = greatest(expires_at, :until)
    WHERE id = :asset) INSERT INTO runs.input (run, asset, name) VALUES (:run, :asset, :name)"""
# Of workers that are alike one is enough; those that are away count where no other is here.
_KNOWN = f"""SELECT DISTINCT ON (gpu_class, environment, models, node_classes) {WORKER}, seen_at
    FROM runs.worker w WHERE seen_at > :t AND ((seen_at > :alive AND NOT draining) OR NOT EXISTS (
        SELECT FROM runs.worker o WHERE o.gpu_class = w.gpu_class AND o.seen_at > :alive
        AND NOT o.draining))"""
_ASSETS = """SELECT id, content_type FROM runs.asset WHERE id = ANY(:ids)
    AND account = :a AND NOT hidden AND expires_at > :now"""
