"""What all calls of Comfy API v2 have in common: keys, strict JSON, errors in their envelope."""

import functools
import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, g, request

from .. import problems
from ..api.calls import caller
from ..problems import CallError
from ..services import services
from .hosting import Hosting
from .values import Caller, RunError, invalid
from .workflow import parse

PATH = "/api/v2"
MAX_KEY = 255  # characters of an Idempotency-Key
MAX_LABELS, MAX_LABEL_KEY, MAX_LABEL = 16, 64, 256
CODES = {"scope": "forbidden", "limit": "rate_limited"}
View = Callable[..., Any]

blueprint = Blueprint("comfy", __name__, url_prefix=PATH)


@blueprint.errorhandler(RunError)
def refused(error: RunError) -> Response:
    """Tells a refusal, and when to ask again."""
    response = problems.answer(error.status, error.code, str(error), **error.details)
    if wait_s := error.details.get("retry_after"):
        response.headers["Retry-After"] = str(wait_s)
    return response


@blueprint.errorhandler(sa.exc.DataError)
def no_text(_: sa.exc.DataError) -> Response:
    """Refuses what PostgreSQL cannot keep: a NUL in a name or an id."""
    return refused(RunError("invalid", 422, "Texts without NUL are required, got one. Remove it."))


@blueprint.after_request
def enveloped(response: Response) -> Response:
    """Adds what Comfy's clients read to a problem, and the id of the call."""
    response.headers["X-Comfy-Request-Id"] = g.get("id", "")
    if response.mimetype == "application/problem+json":
        told: Any = response.get_json()
        more = {name: told[name] for name in told if name.startswith("missing_")}
        error = {"code": CODES.get(told["code"], told["code"]), "details": more or None}
        error["message"] = f"{told['detail']} {told['what_to_do']}"
        response.data = problems.jsonify(told | {"error": error}).data
    return response


def call(rule: str, *scopes: str) -> Callable[[View], View]:
    """Makes a view a call: for keys with one of the scopes."""
    method, path = rule.split()

    def decorate(view: View) -> View:
        @blueprint.route(path, methods=[method], endpoint=view.__name__)
        @functools.wraps(view)
        def called(**kwargs: Any) -> Any:
            if not set(scopes) & set(caller().scopes):
                text = f"The scope {scopes[0]} is required, got others. Use another key."
                raise CallError(403, "scope", text)
            return view(**kwargs)

        called.scopes = scopes  # type: ignore[attr-defined]
        return called

    return decorate


def hosting() -> Hosting:
    """Returns the parts of hosted runs."""
    return services().hosting


def account() -> int:
    """Returns whose call it is."""
    return caller().account


def submitter() -> Caller:
    """Returns whose call it is, with the key whose budget counts."""
    return Caller(caller().account, str(caller().id))


def body(*known: str) -> dict[str, Any]:
    """Reads a JSON object of known fields."""
    told = parse(request.get_data())
    if not isinstance(told, dict):
        raise invalid(f"A JSON object is required, got {type(told).__name__}. Send one.")
    if unknown := sorted(told.keys() - set(known)):
        text = f"Only {', '.join(known)} are taken, got {', '.join(unknown):.100}. Leave it out."
        raise RunError("invalid", 422, text)
    return told


def idempotency_key() -> str | None:
    """Returns the key of a call, if it has one."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(rf"[ -~]{{1,{MAX_KEY}}}", key):
        text = f"Idempotency-Key must be 1 to {MAX_KEY} ASCII characters, got {key!a:.40}."
        raise RunError("invalid", 422, f"{text} Send a UUID.")
    return key


def labels(told: Any) -> dict[str, str]:
    """Checks the labels of a job."""
    good = isinstance(told, dict) and len(told) <= MAX_LABELS
    for key, value in told.items() if good else ():
        good &= isinstance(value, str) and len(value) <= MAX_LABEL and 0 < len(key) <= MAX_LABEL_KEY
    if not good:
        text = f"metadata must be at most {MAX_LABELS} labels, keys of {MAX_LABEL_KEY} and texts "
        text += f"of {MAX_LABEL} characters, got something else. Shorten it."
        raise RunError("metadata_invalid", 422, text)
    return told
