"""A visitor's cookie: the session it names, and the proof that a form is one of ours."""

import hashlib
import hmac
import secrets
from typing import Any

from flask import Flask, Response, abort, g, redirect, request, url_for

from ..services import services
from .people import SESSION, Person

SAFE = ("GET", "HEAD", "OPTIONS")
ADMIN = "/admin/"  # pages of who runs the server
WITHOUT_COOKIES = ("/api/", "/webhooks/")  # they prove themselves by key or signature


def register(app: Flask) -> None:
    """Checks every form, and gives pages `person` and `csrf_token`."""
    app.before_request(_check_form)
    app.after_request(_keep_visitor)
    app.context_processor(lambda: {"person": person(), "csrf_token": csrf_token})


def let_in() -> Any:
    """Lets in who is signed in, as `g.person`; sends others to sign in and back.

    For who is no admin there are no pages of admins.
    """
    if person() is None:
        if request.method not in SAFE:
            abort(401)
        return redirect(url_for("sign_in.page", next=request.full_path.rstrip("?")), 303)
    if request.path.startswith(ADMIN) and not g.person.admin:
        abort(404)
    return None


def person(_: object = None) -> Person | None:
    """Returns who is signed in, looked up once in a request."""
    if "person" not in g:
        g.person = None  # also if the database is away: the page that says so asks again
        if token := request.cookies.get(_cookie_name()):
            g.person = services().identity.of_session(token)
    return g.person


def csrf_token() -> str:
    """Returns what forms of this visitor must carry as `csrf_token`, or `X-CSRF-Token`."""
    secret = services().settings.secret_key.encode()
    return hmac.new(secret, _visitor().encode(), hashlib.sha256).hexdigest()


def admit(someone: Person, response: Response) -> Response:
    """Signs somebody in under a new token; one that was planted before is worth nothing."""
    identity = services().identity
    if old := request.cookies.get(_cookie_name()):
        identity.sign_out(old)
    g.visitor = identity.sign_in(someone)
    g.new_visitor = True
    return response


def dismiss(response: Response) -> Response:
    """Signs out and forgets the visitor."""
    if old := request.cookies.get(_cookie_name()):
        services().identity.sign_out(old)
    g.visitor, g.new_visitor = secrets.token_urlsafe(32), True
    return response


def local_path(target: str | None) -> str:
    """Returns a path of this server to go on to: `target` if it is one."""
    plain = (target or "").replace("\\", "/")
    good = plain.startswith("/") and not plain.startswith("//") and plain.isprintable()
    return plain if good else "/"


def _visitor() -> str:
    """Returns the random name of this visitor, signed in or not."""
    if "visitor" not in g:
        g.visitor = request.cookies.get(_cookie_name()) or ""
        if not 20 <= len(g.visitor) <= 100:
            g.visitor, g.new_visitor = secrets.token_urlsafe(32), True
    return g.visitor


def _keep_visitor(response: Response) -> Response:
    if g.get("new_visitor"):
        response.set_cookie(
            _cookie_name(),
            g.visitor,
            max_age=SESSION,
            secure=_secure(),
            httponly=True,
            samesite="Lax",
        )
    return response


def _check_form() -> None:
    if request.method in SAFE or request.path.startswith(WITHOUT_COOKIES):
        return
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if not hmac.compare_digest(given.encode(), csrf_token().encode()):
        abort(403, "the form of a page of this server is required. Load the page again.")


def _secure() -> bool:
    return services().settings.url.startswith("https://")


def _cookie_name() -> str:
    return "__Host-dressform" if _secure() else "dressform"
