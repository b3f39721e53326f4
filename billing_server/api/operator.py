"""Calls of whoever runs the server, on any account: meter runs, give credits, set prices."""

from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from apiflask import APIBlueprint

from ..identity import Person
from ..ledger import Balance, Movement, Request
from ..ledger.pricing import Rate
from ..ledger.values import MAX_GPU_MS
from ..problems import CallError
from ..services import services
from . import calls, values
from .calls import idempotency_key
from .customer import Statement, page
from .values import listed, model, view

MAX_HOLD = timedelta(milliseconds=MAX_GPU_MS)  # more is a mistake of the caller
blueprint = APIBlueprint("operator", __name__, tag="Operator", url_prefix="/api/v1")
call = partial(calls.call, blueprint)
HOLD = "/customers/<int:account>/holds"
Customer = model(Person, "language")


@call(f"POST {HOLD}", "meter", model(Movement), keyed="ledger")
def hold(account: int, body: values.HoldIn) -> Any:
    """Reserve credits before a run; `seq` of the answer is the hold."""
    _check_deadline(body.expires_at)
    if body.workflow and not body.run:
        raise CallError(422, "invalid", "run is required with workflow, got none. Name the run.")
    if body.workflow and body.run:
        services().ledger.balance(account)  # there is such an account
        services().usage.label(account, body.run, body.workflow)
    what = {"expires_at": body.expires_at, "run": body.run, "api_key": body.api_key}
    return _post("hold", account, amount=body.amount_micro, **what)


@call(f"POST {HOLD}/<int:hold>/extend", "meter", model(Movement), keyed="ledger")
def extend(account: int, hold: int, body: values.ExtendIn) -> Any:
    """Reserve more, or for longer."""
    if body.expires_at:
        _check_deadline(body.expires_at)
    return _post("extend", account, hold, amount=body.amount_micro, expires_at=body.expires_at)


@call(f"POST {HOLD}/<int:hold>/capture", "meter", model(Movement), keyed="ledger")
def capture(account: int, hold: int, body: values.CaptureIn) -> Any:
    """Spend what a run took, never more than is held; the rest returns."""
    return _post("capture", account, hold, rate=body.rate, gpu_ms=body.gpu_ms)


@call(f"POST {HOLD}/<int:hold>/release", "meter", model(Movement), keyed="ledger")
def release(account: int, hold: int, body: values.ReasonIn) -> Any:
    """Give a hold back: the run failed, or never began."""
    return _post("release", account, hold, reason=body.reason)


@call("GET /customers", "admin", listed("customers", Customer))
def customers(query: values.Search) -> Any:
    """List people by a part of address or name; `after` is the last id of the page before."""
    found = services().identity.everybody(query.search, after=query.after)
    return {"customers": view(found)}


@call("POST /customers", "admin", Customer, keyed="answer")
def create_customer(body: values.CustomerIn) -> Any:
    """Make a customer, or find the one with this address; they sign in by a link."""
    return view(services().identity.create(body.email, name=body.name))


@call("GET /customers/<int:account>/balance", "admin", model(Balance))
def customers_balance(account: int) -> Any:
    """Tell what a customer has."""
    return view(services().ledger.balance(account))


@call("GET /customers/<int:account>/statement", "admin", Statement)
def customers_statement(account: int, query: values.Page) -> Any:
    """List a customer's movements, the latest first."""
    return page(account, query)


@call("POST /customers/<int:account>/grants", "admin", model(Movement), keyed="ledger")
def grant(account: int, body: values.GrantIn) -> Any:
    """Give credits, for a reason that the customer reads."""
    terms = body.model_dump(exclude={"amount_micro", "kind"})
    return _post("grant", account, amount=body.amount_micro, grant_kind=body.kind, **terms)


@call(
    "POST /customers/<int:account>/captures/<int:capture>/reversal",
    "admin",
    model(Movement),
    keyed="ledger",
)
def reverse(account: int, capture: int, body: values.ReversalIn) -> Any:
    """Give a capture, or a part of it, back to the grants that were spent."""
    return _post("reversal", account, capture, amount=body.amount_micro, reason=body.reason)


@call("POST /rates", "admin", model(Rate), keyed="answer")
def add_rate(body: values.RateIn) -> Any:
    """Set what a GPU class costs from a time on; what was captured before keeps its price."""
    try:
        return view(services().ledger.card.add(**body.model_dump()))
    except sa.exc.IntegrityError:
        text = "Another valid_from is required, got one of a rate that is there. List the rates."
        raise CallError(409, "exists", text) from None


def _post(kind: str, account: int, names: int | None = None, **what: Any) -> dict[str, Any]:
    request = Request(kind, account, idempotency_key(), names=names, **what)
    return view(services().ledger.submit(request))


def _check_deadline(expires_at: Any) -> None:
    latest = services().clock() + MAX_HOLD
    if expires_at > latest:
        text = f"expires_at must be at most {latest:%Y-%m-%d}, got a later time. Hold for less."
        raise CallError(422, "invalid", text)
