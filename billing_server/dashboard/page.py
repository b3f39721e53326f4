"""What all pages share: words, figures, the shell around them, refusals, and safety headers."""

import contextlib
import secrets
from datetime import datetime
from typing import Any
from uuid import uuid4

from apiflask import APIBlueprint
from flask import Response, g, make_response, redirect, request, url_for

from .. import problems
from ..identity import browser
from ..ledger import LedgerError
from ..payments import PaymentError
from ..services import services
from . import figures, words

blueprint = APIBlueprint(  # pages are no part of the API
    "dashboard",
    __name__,
    static_folder="static",
    template_folder="templates",
    enable_openapi=False,
)

PAGES = ("overview", "runs", "usage", "statement", "credits", "keys", "webhooks", "account")
FOR_ALL = ("dashboard.static", "dashboard.set_language")
ADMIN_PAGES = ("customers", "rates", "health")
TONES = {"paid": "good", "processing": "care", "partly_refunded": "care"}
TONES |= {"disputed": "bad", "failed": "bad"}
SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
# Our scripts and no others, in no frame, posting nowhere else.
POLICY = (
    "default-src 'none'; script-src 'nonce-{}'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action {}; base-uri 'none'; frame-ancestors 'none'"
)
FILTERS = {"at": figures.at, "credits": figures.in_credits, "estimate": figures.rounded}
FILTERS |= {"seconds": figures.in_seconds, "duration": figures.in_time}
# A form that is refused is shown again: the view that has it, by the one that took it.
form_pages: dict[str | None, Any] = {}


def t(name: str, /, **values: object) -> str:
    """Returns a sentence in the visitor's language."""
    return words.catalogue(_language())[name].format(**values)


def done(endpoint: str, word: str, **where: Any) -> Any:
    """Goes on to a page that says what was done; a reload there repeats nothing."""
    return redirect(url_for(f"dashboard.{endpoint}", done=f"done.{word}", **where), 303)


def today() -> datetime:
    """Returns the beginning of the day in UTC, by which budgets and usage are counted."""
    return services().clock().replace(hour=0, minute=0, second=0, microsecond=0)


@blueprint.before_request
def _signed_in() -> Any:
    """All pages but these are for who is signed in."""
    return None if request.endpoint in FOR_ALL else browser.let_in()


@blueprint.app_context_processor
def _around() -> dict[str, Any]:
    said = request.args.get("done", "")
    return {
        "t": t,
        "language": _language(),
        "all_languages": words.LANGUAGES,
        "simulated": services().settings.simulated,
        "asset": lambda name: url_for("dashboard.static", filename=name),
        "nonce": _nonce,
        "menu": _menu,
        "here": lambda: request.full_path.rstrip("?") if request.method == "GET" else "/",
        "done": said if said.startswith("done.") and _is_said(said) else None,
        "refusal": _refusal(),
        "form_key": _form_key,
        "now": services().clock,
        "decimals": figures.places,
        "money": figures.in_money,
        "tone": lambda state: TONES.get(state, ""),
    }


@blueprint.record_once
def _add_filters(setup: Any) -> None:
    setup.app.jinja_env.filters.update(FILTERS)


def _form_key(name: str = "") -> str:
    """Returns an idempotency key: a new one, or that of the form that is shown again."""
    again = request.method == "POST" and request.form.get("pack", "") == name
    return (again and request.form.get("key")) or str(uuid4())


def _refusal() -> dict[str, str] | None:
    told = g.get("refusal")
    if told is None:
        return None
    name = f"error.{told['code']}"
    return {"title": t(name if _is_said(name) else "error.other"), "detail": told["detail"]}


def _is_said(name: str) -> bool:
    return name in words.catalogue("en")


def _language() -> str:
    if "language" not in g:
        someone = browser.person()
        g.language = words.chosen(request, someone.language if someone else "")
    return g.language


def _menu() -> list[tuple[str, tuple[str, ...]]]:
    return [("base.menu", PAGES), *([("base.admin", ADMIN_PAGES)] if g.person.admin else [])]


def _nonce() -> str:
    return g.setdefault("nonce", secrets.token_urlsafe(16))


@blueprint.after_app_request
def _safe(response: Response) -> Response:
    if response.mimetype == "text/html":
        # Signing in by an identity provider is a form that leads there.
        leaves = request.blueprint == "sign_in" and services().settings.oidc_issuer
        forms = "'self' https:" if leaves else "'self'"
        policy = {"Content-Security-Policy": POLICY.format(_nonce(), forms)}
        for name, value in (SAFETY | policy).items():
            response.headers.setdefault(name, value)
    return response


@blueprint.errorhandler(LedgerError)
@blueprint.errorhandler(PaymentError)
@blueprint.errorhandler(ValueError)
def _refused(error: Any) -> Response:
    """Shows the form again with what is wrong; nothing has happened."""
    code, view = getattr(error, "code", "invalid"), form_pages.get(request.endpoint)
    status = problems.STATUS.get(code, 400)
    g.refusal = {"code": code, "detail": "" if code == "unavailable" else str(error)}
    if request.method == "POST" and view is not None and status != 404:
        with contextlib.suppress(LedgerError, PaymentError):  # the page may not be there, either
            return make_response(view(**request.view_args or {}), status)
    return problems.answer(status, code, str(error))


@blueprint.post("/language")
def set_language() -> Any:
    """Keeps the language in a cookie, and for who is signed in."""
    language, someone = request.form.get("language", ""), browser.person()
    response = redirect(browser.local_path(request.form.get("next")), 303)
    if language in words.LANGUAGES:
        if someone:
            services().identity.describe(someone, name=someone.name, language=language)
        response.set_cookie(words.COOKIE, language, max_age=365 * 86400, samesite="Lax")
    return response
