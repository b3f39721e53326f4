"""The page of API keys and budgets."""

from collections import defaultdict
from typing import Any

from flask import g, render_template, request

from ..keys import CUSTOMER_SCOPES, SCOPES
from ..ledger import Budget, InvalidError
from ..services import services
from . import reading
from .figures import micro
from .page import blueprint, done, form_pages, today


@blueprint.get("/keys")
def keys(made: Any = None) -> str:
    """Shows keys and what they may spend; `made` is a new key and its text, only this once."""
    parts, account, day = services(), g.person.account, today().date()
    limits = {one.api_key: one.budget for one in parts.usage.limits(account, day)}
    spent = {one[0]: one[1:] for one in reading.rows(reading.SPENDING, a=account, day=day)}
    spent[""] = [sum(column) for column in zip(*spent.values(), strict=True)] or (0, 0)
    return render_template(
        "dashboard/keys.html",
        keys=parts.keys.list(account),
        budgets=defaultdict(Budget, limits),
        spent=defaultdict(lambda: (0, 0), spent),
        scopes=_scopes(),
        made=made,
    )


def _scopes() -> tuple[str, ...]:
    return SCOPES if g.person.admin else CUSTOMER_SCOPES


@blueprint.post("/keys")
def create_key() -> str:
    """Makes a key."""
    scopes, name = request.form.getlist("scopes"), request.form.get("name", "").strip()
    if not set(scopes) <= set(_scopes()):
        known = ", ".join(_scopes())
        raise InvalidError(f"scopes of {known} are required, got others. Choose among them.")
    return keys(services().keys.create(g.person.account, name, scopes))


@blueprint.post("/keys/<int:key>/rotate")
def rotate_key(key: int) -> str:
    """Gives a key a new text."""
    return keys(services().keys.rotate(g.person.account, key))


@blueprint.post("/keys/<int:key>/revoke")
def revoke_key(key: int) -> Any:
    """Ends a key."""
    services().keys.revoke(g.person.account, key)
    return done("keys", "revoked")


@blueprint.post("/budgets")
def set_budget() -> Any:
    """Limits a key, or the whole account."""
    form, parts, account = request.form, services(), g.person.account
    name = form.get("api_key", "")
    parts.keys.required(account, name)
    limits = {one: micro(text) for one in Budget._fields if (text := form.get(one, "").strip())}
    parts.ledger.set_budget(account, Budget(**limits), name)
    return done("keys", "budget")


for _form in ("create_key", "rotate_key", "revoke_key", "set_budget"):
    form_pages[f"dashboard.{_form}"] = lambda **_: keys()
