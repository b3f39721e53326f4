"""How a call is let in: its key, its scope, its form, and an answer that is given only once."""

import base64
import functools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from apiflask import APIBlueprint
from cryptography.fernet import Fernet
from flask import g, request
from pydantic import BaseModel

from .. import database
from ..keys import ApiKey, digest
from ..problems import CallError
from ..services import services

KEPT = timedelta(days=1)  # for which an answer is given again
STALE = timedelta(minutes=1)  # after which a call without an answer was interrupted
MAX_KEY = 100  # characters of an Idempotency-Key
View = Callable[..., Any]


def caller() -> ApiKey:
    """Returns the key that proves this call.

    Raises:
        CallError: There is none, or none that is good.
    """
    if (key := known()) is None:
        text = "A key is required, got none that is good. Send Authorization: Bearer df_..."
        raise CallError(401, "unauthorized", text)
    return key


def known() -> ApiKey | None:
    """Returns the key that proves this call, if it has a good one."""
    if "key" not in g:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        g.key = services().keys.find(secret.strip()) if kind.lower() == "bearer" else None
    return g.key


def idempotency_key() -> str:
    """Returns the key of a call as the ledger has it: of nobody else, our own keys included."""
    return f"api:{caller().account}:{request.headers['Idempotency-Key']}"


def call(
    blueprint: APIBlueprint,
    rule: str,
    scope: str | None,
    gives: type[BaseModel],
    *,
    keyed: str | None = None,
) -> Callable[[View], View]:
    """Makes a view a call of the API: `METHOD /path`.

    Its parameter `body`, or of a GET `query`, says by its type what is taken.

    Args:
        blueprint: Which the view joins.
        rule: Method and path.
        scope: That the key must have; none: any key.
        gives: The answer.
        keyed: "ledger" if the view hands the call's Idempotency-Key to the ledger or the payments,
            who know it again; "answer" if the answer is to be kept and given again.
    """
    method, path = rule.split()

    def decorate(view: View) -> View:
        if keyed == "answer":
            view = _given_once(view)
        view = blueprint.output(gives, status_code=201 if keyed else 200)(view)
        location, name = ("query", "query") if method == "GET" else ("json", "body")
        if takes := view.__annotations__.get(name):
            view = blueprint.input(takes, location=location, arg_name=name)(view)
        view = _admitted(view, scope, keyed=bool(keyed), takes=bool(takes))
        told = {"x-scope": scope or "any", "x-keyed": bool(keyed)}
        view = blueprint.doc(security="key", extensions=told)(view)
        return blueprint.route(path, methods=[method])(view)

    return decorate


def _admitted(view: View, scope: str | None, *, keyed: bool, takes: bool) -> View:
    @functools.wraps(view)
    def admitted(**kwargs: Any) -> Any:
        key = caller()
        if scope and scope not in key.scopes:
            text = f"The scope {scope} is required, got {', '.join(key.scopes)}. Use another key."
            raise CallError(403, "scope", text)
        if request.args and not (takes and request.method == "GET"):
            text = "No parameters are taken in the address, got some. Leave them out."
            raise CallError(422, "invalid", text)
        if request.method != "GET":
            _check_body(takes)
        if keyed:
            _check_key()
        return view(**kwargs)

    return admitted


def _check_body(takes: bool) -> None:
    if not takes:
        if request.get_data():
            raise CallError(422, "invalid", "No body is taken, got one. Leave it out.")
        return
    if request.mimetype != "application/json":
        text = (
            f"JSON is required, got {request.mimetype!a:.60}. Send Content-Type: application/json."
        )
        raise CallError(415, "unsupported_media_type", text)
    try:
        body = request.get_json()
    except RecursionError:
        text = "JSON is required, got one nested too deep. See /openapi.json."
        raise CallError(400, "malformed", text) from None
    if not isinstance(body, dict):
        text = f"A JSON object is required, got {type(body).__name__}. See /openapi.json."
        raise CallError(422, "invalid", text)


def _check_key() -> None:
    key = request.headers.get("Idempotency-Key", "")
    if not (0 < len(key) <= MAX_KEY and all("!" <= one <= "~" for one in key)):
        raise CallError(
            422,
            "idempotency_key",
            f"Idempotency-Key of 1 to {MAX_KEY} visible characters is required, got {key!a:.40}. "
            "Send a new UUID with each new call, and the same one if you repeat it.",
        )


def _given_once(view: View) -> View:
    """Keeps answers. They may tell a secret, so the caller's key is needed to open them."""

    @functools.wraps(view)
    def once(**kwargs: Any) -> Any:
        now, key = services().clock(), idempotency_key()
        asked = json.dumps([request.method, request.path, request.get_json(silent=True)])
        row = {"account": caller().account, "now": now, "old": now - KEPT, "stale": now - STALE}
        row |= {"key": digest(key).hex(), "request": digest(asked)}
        seal = Fernet(base64.urlsafe_b64encode(digest(services().settings.secret_key + key)))
        if not _do(_TAKE, row):
            return json.loads(seal.decrypt(_kept(row)))
        try:
            answer = view(**kwargs)
        except BaseException:
            _do(_FORGET, row)  # nothing was done; or those who did it know the key themselves
            raise
        sealed = seal.encrypt(json.dumps(answer, default=str).encode())
        _do(_KEEP, row | {"body": sealed.decode()})
        return answer

    return once


def _kept(row: dict[str, Any]) -> str:
    request_, body = next(iter(_do(_LOOK, row)), (row["request"], None))
    if bytes(request_) != row["request"]:
        text = "A new Idempotency-Key is required for a new call, got a used one. Send a new UUID."
        raise CallError(409, "key_reused", text)
    if body is None:
        text = "The first call with this key must have ended, got one under way. Ask again."
        raise CallError(409, "in_progress", text)
    return body


# Takes the place of an answer: a free one, an old one, or one whose call never ended.
_TAKE = """INSERT INTO identity.answer AS a (account, key, request, at)
    VALUES (:account, :key, :request, :now) ON CONFLICT (account, key) DO UPDATE
    SET at = :now, request = :request, body = NULL
    WHERE a.at <= :old OR (a.body IS NULL AND a.at <= :stale AND a.request = :request)
    RETURNING account"""
_LOOK = "SELECT request, body FROM identity.answer WHERE account = :account AND key = :key"
_KEEP = "UPDATE identity.answer SET body = :body WHERE account = :account AND key = :key"
_FORGET = "DELETE FROM identity.answer WHERE account = :account AND key = :key AND at = :now"


def _do(sql: str, values: dict[str, Any]) -> list[Any]:
    return database.execute(services().engine, sql, **values)
