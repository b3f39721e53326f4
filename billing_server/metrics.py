"""How the server does: /healthz, /readyz, and /metrics for Prometheus."""

import os
from datetime import timedelta
from typing import Any

import prometheus_client as prometheus
from flask import Blueprint, Response
from prometheus_client import multiprocess

from . import database
from .api.calls import caller
from .problems import CallError
from .services import services

LATE = timedelta(minutes=1)  # past its deadline a hold should have ended
REQUESTS = prometheus.Histogram(
    "dressform_request_seconds", "Time of requests", ["method", "route", "status"]
)
EVENTS = prometheus.Counter("dressform_events_total", "What happened beside requests", ["event"])
_COUNTS = {
    "dressform_open_holds": "SELECT count(*) FROM ledger.open_hold",
    "dressform_held_micro_credits": "SELECT coalesce(sum(amount), 0) FROM ledger.open_hold",
    "dressform_overdue_holds": "SELECT count(*) FROM ledger.open_hold WHERE expires_at < :late",
    "dressform_unsent_mails": "SELECT count(*) FROM ledger.outbox WHERE sent_at IS NULL",
    "dressform_queued_runs": "SELECT count(*) FROM runs.run WHERE state = 'queued'",
    "dressform_longest_wait_seconds": """SELECT coalesce(extract(epoch FROM :now - min(created_at)),
        0) FROM runs.run WHERE state = 'queued'""",
    "dressform_workers": """SELECT count(*) FROM runs.worker WHERE NOT draining
        AND seen_at > CAST(:now AS timestamptz) - INTERVAL '2 minutes'""",
    "dressform_people": "SELECT count(*) FROM identity.person",
    "dressform_clock_ahead_seconds": "SELECT extract(epoch FROM :now - now())",
}
blueprint = Blueprint("metrics", __name__)


@blueprint.get("/healthz")
def healthz() -> Any:
    """The process lives."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def readyz() -> Any:
    """The database answers."""
    database.execute(services().engine, "SELECT FROM identity.person LIMIT 1")
    return {"status": "ok"}


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counts of this server; for keys of the operator."""
    if not {"meter", "admin"} & set(caller().scopes):
        raise CallError(403, "scope", "The scope meter is required, got another. Use another key.")
    registry = prometheus.REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = prometheus.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    now, text = services().clock(), prometheus.generate_latest(registry).decode()
    for name, sql in _COUNTS.items():  # of the database, not of a process
        ((value,),) = database.execute(services().engine, sql, now=now, late=now - LATE)
        text += f"# TYPE {name} gauge\n{name} {value}\n"
    return Response(text, mimetype="text/plain; version=0.0.4")
