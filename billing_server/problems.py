"""What went wrong, told as application/problem+json to programs and as a page to people."""

import contextlib
from typing import Any

import psycopg
import structlog
from flask import Flask, Response, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from .identity import browser
from .ledger import LedgerError, UnavailableError
from .ledger.away import AWAY
from .payments import PaymentError

RETRY_S = 2
STATUS = {  # by the code of an error of ledger and payments
    "invalid": 422,
    "not_found": 404,
    "insufficient_credits": 402,
    "budget_exceeded": 402,
    "ended": 409,
    "not_allowed": 409,
    "key_reused": 409,
    "in_progress": 409,
    "declined": 402,
    "limit": 429,
    "signature": 400,
    "unavailable": 503,
}
CODES = {400: "malformed", 401: "unauthorized", 403: "forbidden", 413: "too_large", 429: "limit"}
PAGES_NOT = ("/api/", "/webhooks/", "/openapi.json", "/healthz", "/readyz", "/metrics")


class CallError(Exception):
    """A refusal of the API's own."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code


def register(app: Flask) -> None:
    """Answers every error of the application."""
    for kind, handler in (
        *((one, _refused) for one in (CallError, LedgerError, PaymentError)),
        *((one, _away) for one in (UnavailableError, psycopg.OperationalError, *AWAY)),
        (HTTPException, _http),
        (Exception, _ours),
    ):
        app.register_error_handler(kind, handler)


def answer(status: int, code: str, text: str, **more: Any) -> Response:
    """Returns a problem; the last sentence of the text says what to do."""
    detail, _, advice = text.rpartition(". ")
    title = code.replace("_", " ").capitalize()
    body = {"type": "about:blank", "title": title, "status": status, "code": code}
    body |= {"detail": f"{detail}." if detail else text, "what_to_do": advice} | more
    if request.path.startswith(PAGES_NOT):
        response = jsonify(body)
        response.mimetype = "application/problem+json"
    else:
        with contextlib.suppress(LedgerError):  # the database may be away
            browser.person()
        # What the library says of a wrong address is nothing for people.
        g.refusal = {"code": code, "detail": "" if text.endswith(".json.") else text}
        try:
            response = Response(render_template("dashboard/error.html"))
        except Exception:  # the page of an error is the last one there is
            structlog.get_logger().exception("no_page")
            response = Response(text, mimetype="text/plain")
    response.status_code = status
    if status in (409, 429, 503) and code in ("in_progress", "limit", "unavailable"):
        response.headers["Retry-After"] = str(RETRY_S)
    if status == 401 and request.path.startswith(PAGES_NOT):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _refused(error: Any) -> Response:
    status = error.status if isinstance(error, CallError) else STATUS.get(error.code, 400)
    return answer(status, error.code, str(error))


def _http(error: HTTPException) -> Any:
    status = error.code or 500
    if status < 400:
        return error
    text = error.description or error.name
    if error.description == type(error).description:  # of the library: what to do is not in it
        text = f"{text.rstrip('.')}. See /openapi.json."
    response = answer(status, CODES.get(status, error.name.lower().replace(" ", "_")), text)
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length", "WWW-Authenticate"):
            response.headers[name] = value  # Allow, Retry-After
    return response


def _away(error: Exception) -> Response:
    structlog.get_logger().warning("database_away", error=str(error))  # where it is, is for us
    return answer(503, "unavailable", "The database does not answer. Ask again with the same key.")


def _ours(error: Exception) -> Response:
    structlog.get_logger().exception("failed", error=type(error).__name__)
    text = f"This is a mistake of the server. Tell its operator the request {g.get('id', '')}."
    return answer(500, "internal", text)
