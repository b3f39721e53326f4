"""Logs: one JSON object a line on standard error, without secrets and e-mail addresses."""

import logging
import re
import secrets
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request

from . import metrics

# What proves something, or says who somebody is; replaced wherever it stands.
SECRETS = re.compile(
    r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*|\b(?:df|whsec)_[\w-]+|\b[sr]k_(?:live|test)_\w+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|(?<=token=)[\w.%-]+|(?<=Bearer )\S+",
    re.IGNORECASE,
)
QUIET = ("/healthz", "/readyz", "/metrics", "/static/<path:filename>")
_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def redact(text: str) -> str:
    """Returns a text without what nobody should read in a log."""
    return SECRETS.sub("[removed]", text)


def set_up(level: int = logging.INFO) -> None:
    """Sends what this process logs, also through the standard library, through one filter."""
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    out = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            lambda *event: redact(str(render(*event))),
        ],
        foreign_pre_chain=_PROCESSORS,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(out)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for chatty in ("alembic", "werkzeug", "stripe", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def register(app: Flask) -> None:
    """Logs each request: route and outcome, never the address with its parameters."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.begun, g.id = time.perf_counter(), secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=g.id)


def _end(response: Response) -> Response:
    route = str(request.url_rule) if request.url_rule else "none"
    if "begun" in g and "id" in g:
        took_s = time.perf_counter() - g.begun
        response.headers["X-Request-Id"] = g.id
        metrics.REQUESTS.labels(request.method, route, response.status_code).observe(took_s)
        if route not in QUIET:
            key = g.get("key")
            what = {"method": request.method, "route": route, "status": response.status_code}
            who = {"key": key.id, "account": key.account} if key else {}
            structlog.get_logger().info("request", **what, ms=round(took_s * 1000, 1), **who)
    return response
