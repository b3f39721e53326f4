"""Comfy API v2: jobs. The official `comfy-sdk` speaks it unchanged."""

import base64
import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import uuid4

from flask import Response, request

from ..assets.api import output_view
from ..ledger import in_credits
from ..ledger.values import MAX_AMOUNT
from ..services import services
from . import events
from .book import MAX_PAGE, PAGE, Plan
from .comfy_api import account, body, call, hosting, idempotency_key, labels, submitter
from .comfy_api import blueprint as blueprint
from .hosting import Hosting
from .values import QUEUED, RUNNING, Event, Run, RunError

KEEPALIVE_S = 15.0
MAX_STREAM_S = 600.0  # then a client comes back, maybe to another server
MAX_STREAMS = 20  # of an account, in this process
MAX_STREAMS_OF_ALL = 256  # each has a thread: fewer than the server has
FILTER = re.compile(r"metadata\[(.+)\]")
_streams: dict[int, int] = {}
_lock = Lock()


@call("POST /jobs", "run")
def submit_job() -> Any:
    """Queues a run; the same call again with its Idempotency-Key has the same answer."""
    # Keys of partners' nodes, which do not run here, are taken by the SDK and kept by nobody.
    told = body("workflow", "metadata", "gpu_class", "max_micro", "extra_data")
    run, new = hosting().runs.submit(
        submitter(),
        told.get("workflow"),
        key=idempotency_key() or str(uuid4()),
        metadata=labels({} if told.get("metadata") is None else told["metadata"]),
        gpu_class=_gpu_class(told),
        max_micro=_max_micro(told),
    )
    response = answered(view(run), 201)
    if not new:
        response.headers["Idempotency-Replayed"] = "true"
    return response


@call("POST /quote", "run", "read")
def quote_job() -> Any:
    """Tells what a job would cost and what is missing for it; nothing is held."""
    told = body("workflow", "gpu_class")
    plan = hosting().runs.plan(account(), told.get("workflow"), _gpu_class(told))
    ahead, eta_s = hosting().runs.queue(plan.quote)
    return _plan_view(plan) | {"queue": {"ahead": ahead, "eta_s": eta_s}}


@call("GET /jobs", "read", "run")
def list_jobs() -> Any:
    """Lists jobs, the newest first, by their labels."""
    wanted, limit, before = {}, PAGE, None
    for name, value in request.args.items():
        if match := FILTER.fullmatch(name):
            wanted[match[1]] = value
        elif name == "limit" and value.isascii() and value.isdecimal() and 0 < int(value[:9]):
            limit = min(MAX_PAGE, int(value[:9]))
        elif name == "cursor":
            before = _place(value)
        else:
            text = f"limit, cursor and metadata[...] are taken, got {name!a:.60}. Leave it out."
            raise RunError("invalid_metadata_filter", 422, text)
    found = hosting().runs.page(account(), labels(wanted), before, limit)
    answer: dict[str, Any] = {"jobs": [_item(run) for run in found]}
    if len(found) == limit:
        place = f"{found[-1].created_at.isoformat()} {found[-1].id}"
        answer["next_cursor"] = base64.urlsafe_b64encode(place.encode()).decode()
    return answer


@call("GET /jobs/<id_>", "read", "run")
def get_job(id_: str) -> Any:
    """Tells how a job is."""
    return answered(view(hosting().runs.get(account(), id_)))


@call("POST /jobs/<id_>/cancel", "run")
def cancel_job(id_: str) -> Any:
    """Asks a job to end; one that has ended stays as it is."""
    return answered(view(hosting().runs.cancel(account(), id_)))


@call("GET /jobs/<id_>/workflow", "read", "run")
def job_workflow(id_: str) -> Any:
    """Gives what was submitted."""
    return {"workflow": hosting().runs.workflow(account(), id_), "format": "api"}


@call("GET /jobs/<id_>/events", "read", "run")
def job_events(id_: str) -> Response:
    """Streams what happens to a job: all of it, or what came after Last-Event-ID."""
    parts, who = hosting(), account()
    run = parts.runs.get(who, id_)
    last = request.headers.get("Last-Event-ID", "0")
    seq = int(last) if last.isascii() and last.isdecimal() and len(last) < 10 else 0
    with _lock:
        if _streams.get(who, 0) >= MAX_STREAMS or sum(_streams.values()) >= MAX_STREAMS_OF_ALL:
            text = f"At most {MAX_STREAMS} streams may be open, got one more. Close some, or poll."
            raise RunError("too_many_streams", 429, text, retry_after=5)
        _streams[who] = _streams.get(who, 0) + 1
    response = Response(_stream(parts, run, seq, services().settings.url), 200)
    response.mimetype = "text/event-stream"
    response.headers |= {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response.call_on_close(lambda: _ended(who))
    return response


def _ended(who: int) -> None:
    with _lock:
        _streams[who] -= 1
        if not _streams[who]:
            del _streams[who]


def _stream(parts: Hosting, run: Run, seq: int, url: str) -> Iterator[str]:
    """Yields events until the run has ended; holds no connection to the database meanwhile."""
    until, shown = time.monotonic() + MAX_STREAM_S, events.in_ms(parts.runs.clock())
    with parts.runs.bells.on(run.id) as heard:
        while time.monotonic() < until:
            heard.clear()
            # The state is read before its events, so that the last of them is not missed.
            ended = parts.runs.get(run.account, run.id).ended
            found = events.after(parts.runs.engine, run.id, seq, shown)
            for one in found:
                if one.kind == events.PREVIEW:
                    shown = one.seq
                else:
                    seq = one.seq
                yield _frame(parts, run, one, url)
            if ended and not found:
                return
            if not found and not heard.wait(KEEPALIVE_S):
                yield ": still here\n\n"


def _frame(parts: Hosting, run: Run, event: Event, url: str) -> str:
    data = event.data
    if event.kind == "output":
        try:
            data = output_view(parts.assets.get(run.account, data["asset"]), url)
        except RunError:
            data = {}  # it has expired
    place = "" if event.kind == events.PREVIEW else f"id: {event.seq}\n"  # it is not told again
    return f"{place}event: {event.kind}\ndata: {json.dumps(data)}\n\n"


def answered(told: dict[str, Any], status: int = 200) -> Response:
    """Answers with a job; of one that has ended, the price is in the header too."""
    response = Response(json.dumps(told), status, mimetype="application/json")
    if (charged := told["billing"]["charged"]) is not None:
        response.headers["X-Comfy-Credits-Used"] = charged
    return response


def view(run: Run) -> dict[str, Any]:
    """Writes a run as a job, with more than clients of Comfy know: billing, phases, ETA."""
    parts, url = hosting(), services().settings.url
    ahead, eta_s = parts.runs.standing(run) if run.state in (QUEUED, RUNNING) else (0, None)
    outputs = parts.assets.of_run(run.account, run.id) if run.ended else []
    here = f"/api/v2/jobs/{run.id}"
    progress = {"nodes_done": 0, "nodes_total": run.nodes, "value": 0.0} | (run.progress or {})
    return _item(run) | {
        "created_at": run.created_at.isoformat(),
        "started_at": _time(run.started_at),
        "completed_at": _time(run.completed_at),
        "expires_at": run.expires_at.isoformat(),
        "queue_position": ahead + 1 if run.state == QUEUED else None,
        "eta_s": eta_s,
        "progress": progress if run.started_at else None,
        "outputs": [output_view(one, url) for one in outputs],
        "error": run.error,
        "metrics": _metrics(run),
        "urls": {"self": here, "events": f"{here}/events", "cancel": f"{here}/cancel"},
        "billing": _billing(run),
        "gpu_class": run.gpu_class,
        "attempt": run.attempt,
        "environment_digest": run.environment,
    }


def _item(run: Run) -> dict[str, Any]:
    updated = run.completed_at or run.started_at or run.created_at
    return {
        "id": run.id,
        "status": run.state,
        "metadata": run.metadata,
        "create_time": run.created_at.isoformat(),
        "update_time": updated.isoformat(),
    }


def _metrics(run: Run) -> dict[str, int | None]:
    """Tells milliseconds: only those of `gpu_ms` are billed."""
    begun, ended = run.started_at, run.completed_at
    queued = begun and int((begun - run.created_at).total_seconds() * 1000)
    took = begun and ended and int((ended - begun).total_seconds() * 1000)
    phases = {f"{name}_ms": ms for name, ms in run.phases.items()}
    return {"queue_ms": queued, "execution_ms": took, "gpu_ms": run.gpu_ms} | phases


def _billing(run: Run) -> dict[str, Any]:
    charged = None if run.charged is None else in_credits(run.charged)
    told = {"held_micro": 0 if run.ended else run.held, "charged_micro": run.charged}
    told |= {"charged": charged, "rate": run.rate, "explanation": None}
    if run.charged is not None:
        (rate,) = (one for one in services().ledger.card.rates() if one.id == run.rate)
        per_s = in_credits(rate.micro_per_gpu_s)
        told["explanation"] = (
            f"{run.gpu_ms / 1000:.3f} s of {run.gpu_class} at {per_s} credits a second: {charged}"
            if run.charged
            else f"Nothing: the job was {run.state} and cost no GPU time of yours."
        )
    return told


def _plan_view(plan: Plan) -> dict[str, Any]:
    quote = plan.quote
    missing = {"nodes": plan.missing_nodes, "models": plan.missing_models}
    missing |= {"assets": plan.missing_assets}
    return {
        "runnable": not any(missing.values()),
        "missing": missing,
        "gpu_class": quote.gpu_class,
        "rate": quote.rate,
        "alike_jobs": quote.alike,
        "estimate_gpu_ms": quote.estimate_ms,
        "max_gpu_ms": quote.max_gpu_ms,
        "cost_micro": quote.cost,
        "cost": in_credits(quote.cost),
        "held_micro": quote.held,
        "held": in_credits(quote.held),
    }


def _gpu_class(told: dict[str, Any]) -> str | None:
    named = told.get("gpu_class")
    if named is not None and not (isinstance(named, str) and 0 < len(named) <= 200):
        text = "gpu_class must be a name of the rate card, got something else. See /api/v1/rates."
        raise RunError("invalid", 422, text)
    return named


def _max_micro(told: dict[str, Any]) -> int | None:
    most = told.get("max_micro")
    if most is not None and not (type(most) is int and 0 < most <= MAX_AMOUNT):
        text = f"max_micro must be 1 to {MAX_AMOUNT} micro-credits, got {most!a:.40}. Take some."
        raise RunError("invalid", 422, text)
    return most


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        at, _, id_ = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        made = datetime.fromisoformat(at)
        if made.tzinfo is None or "\0" in id_:
            raise ValueError
    except ValueError:
        text = "cursor must be a next_cursor of before, got another. Begin without one."
        raise RunError("invalid_cursor", 422, text) from None
    return made, id_


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
