"""Calls of whoever runs the server, on any account: meter runs, give credits, set prices."""

from datetime import timedelta
from typing import Any

from apiflask import APIBlueprint

from ..identity import Person
from ..ledger import Balance, Movement, Request
from ..ledger.pricing import Rate
from ..problems import CallError
from ..services import services
from . import values
from .calls import call, idempotency_key
from .customer import Statement, page
from .values import listed, model, view

MAX_HOLD = timedelta(days=7)  # a run that is longer extends its hold
blueprint = APIBlueprint("operator", __name__, tag="Operator", url_prefix="/api/v1")
HOLD = "/customers/<int:account>/holds"
Customer = model(Person, "language")


@call(
    blueprint,
    f"POST {HOLD}",
    "meter",
    model(Movement),
    takes=values.HoldIn,
    status=201,
    keyed="ledger",
)
def hold(account: int, body: values.HoldIn) -> Any:
    """Reserve credits before a run; `seq` of the answer is the hold."""
    _check_deadline(body.expires_at)
    if body.run and body.workflow:
        services().usage.label(account, body.run, body.workflow)
    what = {"expires_at": body.expires_at, "run": body.run, "api_key": body.api_key}
    return _post("hold", account, amount=body.amount_micro, **what)


@call(
    blueprint,
    f"POST {HOLD}/<int:hold>/extend",
    "meter",
    model(Movement),
    takes=values.ExtendIn,
    keyed="ledger",
)
def extend(account: int, hold: int, body: values.ExtendIn) -> Any:
    """Reserve more, or for longer."""
    if body.expires_at:
        _check_deadline(body.expires_at)
    return _post("extend", account, hold, amount=body.amount_micro, expires_at=body.expires_at)


@call(
    blueprint,
    f"POST {HOLD}/<int:hold>/capture",
    "meter",
    model(Movement),
    takes=values.CaptureIn,
    keyed="ledger",
)
def capture(account: int, hold: int, body: values.CaptureIn) -> Any:
    """Spend what a run took, never more than is held; the rest returns."""
    return _post("capture", account, hold, rate=body.rate, gpu_ms=body.gpu_ms)


@call(
    blueprint,
    f"POST {HOLD}/<int:hold>/release",
    "meter",
    model(Movement),
    takes=values.ReasonIn,
    keyed="ledger",
)
def release(account: int, hold: int, body: values.ReasonIn) -> Any:
    """Give a hold back: the run failed, or never began."""
    return _post("release", account, hold, reason=body.reason)


@call(blueprint, "GET /customers", "admin", listed("customers", Customer), takes=values.Search)
def customers(query: values.Search) -> Any:
    """List people by a part of address or name; `after` is the last id of the page before."""
    found = services().identity.everybody(query.search, after=query.after)
    return {"customers": view(found)}


@call(
    blueprint,
    "POST /customers",
    "admin",
    Customer,
    takes=values.CustomerIn,
    status=201,
    keyed="answer",
)
def create_customer(body: values.CustomerIn) -> Any:
    """Make a customer, or find the one with this address; they sign in by a link."""
    return view(services().identity.create(body.email, name=body.name))


@call(blueprint, "GET /customers/<int:account>/balance", "admin", model(Balance))
def customers_balance(account: int) -> Any:
    """Tell what a customer has."""
    return view(services().ledger.balance(account))


@call(
    blueprint,
    "GET /customers/<int:account>/statement",
    "admin",
    Statement,
    takes=values.Page,
)
def customers_statement(account: int, query: values.Page) -> Any:
    """List a customer's movements, the latest first."""
    return page(account, query)


@call(
    blueprint,
    "POST /customers/<int:account>/grants",
    "admin",
    model(Movement),
    takes=values.GrantIn,
    status=201,
    keyed="ledger",
)
def grant(account: int, body: values.GrantIn) -> Any:
    """Give credits, for a reason that the customer reads."""
    terms = body.model_dump(exclude={"amount_micro", "kind"})
    return _post("grant", account, amount=body.amount_micro, grant_kind=body.kind, **terms)


@call(
    blueprint,
    "POST /customers/<int:account>/captures/<int:capture>/reversal",
    "admin",
    model(Movement),
    takes=values.ReversalIn,
    status=201,
    keyed="ledger",
)
def reverse(account: int, capture: int, body: values.ReversalIn) -> Any:
    """Give a capture, or a part of it, back to the grants that were spent."""
    return _post("reversal", account, capture, amount=body.amount_micro, reason=body.reason)


@call(
    blueprint,
    "POST /rates",
    "admin",
    model(Rate),
    takes=values.RateIn,
    status=201,
    keyed="answer",
)
def add_rate(body: values.RateIn) -> Any:
    """Set what a GPU class costs from a time on; what was captured before keeps its price."""
    return view(services().ledger.card.add(**body.model_dump()))


def _post(kind: str, account: int, names: int | None = None, **what: Any) -> dict[str, Any]:
    request = Request(kind, account, idempotency_key(), names=names, **what)
    return view(services().ledger.submit(request))


def _check_deadline(expires_at: Any) -> None:
    latest = services().clock() + MAX_HOLD
    if expires_at > latest:
        text = f"expires_at must be at most {latest:%Y-%m-%dT%H:%M:%SZ}, got a later time. Extend."
        raise CallError(422, "invalid", text)
