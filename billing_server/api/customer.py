"""Calls of customers, each on the account of its key."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from apiflask import APIBlueprint
from pydantic import create_model

from ..keys import ApiKey
from ..ledger import Balance, Budget, Line
from ..ledger.pricing import Quote, Rate
from ..payments.values import AutoTopUp, Checkout, Order, Purchase, Refund
from ..problems import CallError
from ..services import services
from ..settings import Pack
from ..usage import Limits, Spent
from . import calls, values
from .calls import caller, idempotency_key
from .values import listed, model, view

blueprint = APIBlueprint("customer", __name__, tag="Customer", url_prefix="/api/v1")
call = partial(calls.call, blueprint)


@call("GET /balance", "read", model(Balance))
def balance() -> Any:
    """Tell what there is and of which grants."""
    return view(services().ledger.balance(caller().account))


Statement = listed("lines", model(Line), next=(int | None, ...))


@call("GET /statement", "read", Statement)
def statement(query: values.Page) -> Any:
    """List movements, the latest first; `next` is the `before` of the next page."""
    return page(caller().account, query)


def page(account: int, query: values.Page) -> dict[str, Any]:
    """Returns a page of a statement."""
    lines = services().ledger.statement(account, before=query.before, limit=query.limit)
    more = len(lines) == query.limit and lines[-1].movement.seq > 1
    return {"lines": view(lines), "next": lines[-1].movement.seq if more else None}


@call("GET /usage", "read", listed("rows", model(Spent)))
def usage(query: values.Period) -> Any:
    """Tell what was spent by day, key, run, workflow or GPU class; given back is subtracted."""
    spent = services().usage.by(caller().account, query.since, query.until, query.by)
    return {"rows": view(spent)}


@call("GET /rates", None, listed("rates", model(Rate)))
def rates() -> Any:
    """List what GPU time costs, costed, and will cost."""
    return {"rates": view(services().ledger.card.rates())}


@call("POST /quote", None, model(Quote))
def quote(body: values.QuoteIn) -> Any:
    """Tell what a run would cost now; nothing is held."""
    return view(services().ledger.card.quote(body.gpu_class, body.seconds))


# Keys and budgets

KeyOut = model(ApiKey, "account")
NewKey = create_model("NewKey", __base__=KeyOut, secret=(str, ...))


@call("GET /keys", "manage", listed("keys", KeyOut))
def keys() -> Any:
    """List the keys of the account, without their secrets."""
    return {"keys": view(services().keys.list(caller().account))}


@call("POST /keys", "manage", NewKey, keyed="answer")
def create_key(body: values.KeyIn) -> Any:
    """Make a key; `secret` is shown in this answer alone."""
    _no_more_than_own(body.scopes)
    return _new(services().keys.create(caller().account, body.name, body.scopes))


@call("POST /keys/<int:id>/rotate", "manage", NewKey, keyed="answer")
def rotate_key(id: int) -> Any:
    """Give a key a new secret; the one before stays good for a day."""
    for one in services().keys.list(caller().account):
        if one.id == id:
            _no_more_than_own(one.scopes)
    return _new(services().keys.rotate(caller().account, id))


@call("DELETE /keys/<int:id>", "manage", KeyOut)
def revoke_key(id: int) -> Any:
    """End a key at once and for good."""
    return view(services().keys.revoke(caller().account, id))


def _no_more_than_own(scopes: Sequence[str]) -> None:
    if more := [one for one in scopes if one not in caller().scopes]:
        text = (
            f"A key gives no more than it has, got {', '.join(more)}. Use a key with more scopes."
        )
        raise CallError(403, "scope", text)


def _new(made: tuple[str, ApiKey]) -> dict[str, Any]:
    return view(made[1]) | {"secret": made[0]}


@call("GET /budgets", "read", listed("budgets", model(Limits)))
def budgets() -> Any:
    """List the budgets of account and keys, and what is used of them."""
    return {"budgets": view(services().usage.limits(caller().account, services().clock().date()))}


@call("PUT /budgets", "manage", listed("budgets", model(Limits)))
def set_budget(body: values.BudgetIn) -> Any:
    """Limit what a key, or the whole account, may spend; a limit left out is none."""
    account = caller().account
    services().keys.required(account, body.api_key)
    limits = Budget(body.per_run_micro, body.per_day_micro, body.per_month_micro)
    services().ledger.set_budget(account, limits, body.api_key)
    return {"budgets": view(services().usage.limits(account, services().clock().date()))}


# Buying


@call("GET /packs", None, listed("packs", model(Pack)))
def packs() -> Any:
    """List what is sold; prices are in the smallest unit of the currency."""
    return {"packs": view(services().payments.packs())}


@call("POST /checkouts", "buy", model(Checkout), keyed="ledger")
def checkout(body: values.CheckoutIn) -> Any:
    """Open a page where a pack is paid. Credits come when it is paid, not when one returns."""
    back = f"{services().settings.url}/credits/order"
    what = {"key": idempotency_key(), "return_url": back, "save_card": body.save_card}
    return view(services().payments.checkout(caller().account, body.pack, **what))


@call("GET /checkouts/<order>", "read", model(Order, "account"))
def order(order: str) -> Any:
    """Tell what became of an order."""
    return view(services().payments.order(caller().account, order))


@call("GET /purchases", "read", listed("purchases", model(Purchase)))
def purchases() -> Any:
    """List what was paid and what of it can be refunded, the latest first."""
    return {"purchases": view(services().payments.purchases(caller().account))}


@call("POST /purchases/<order>/refunds", "buy", model(Refund), keyed="ledger")
def refund(order: str, body: values.RefundIn) -> Any:
    """Send the money of unspent credits back."""
    key = idempotency_key()
    return view(services().payments.refund(caller().account, order, body.amount_micro, key=key))


@call("GET /auto-top-up", "read", model(AutoTopUp))
def auto_top_up() -> Any:
    """Tell when a pack is bought without asking."""
    return view(services().payments.auto_top_up(caller().account))


@call("PUT /auto-top-up", "buy", model(AutoTopUp))
def set_auto_top_up(body: values.AutoTopUpIn) -> Any:
    """Buy a pack whenever the balance falls below a threshold, up to a cap in a month."""
    return view(services().payments.set_auto_top_up(caller().account, **body.model_dump()))
