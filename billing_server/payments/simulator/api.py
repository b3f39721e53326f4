"""The part of Stripe's API that the payments use, with Stripe's rules for keys and parameters."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import stripe
from stripe import params
from stripe.params import billing_portal, checkout, tax

from .contract import ParameterError, check
from .world import TAX_PERCENT, StripeError, Thing, World

Act = Callable[[World, dict[str, Any], str], Any]


class Route(NamedTuple):
    """A method of the API: what it takes, and what it does with the object that it names."""

    method: str
    path: str
    takes: type
    act: Act


def answer(
    world: World, method: str, path: str, given: dict[str, Any], headers: Any
) -> tuple[int, Thing]:
    """Answers a request as Stripe would: once for each idempotency key."""
    if not headers.get("Authorization", "").startswith("Bearer sk_test_"):
        return 401, StripeError(401, "invalid_request_error", "Invalid API Key provided.").body
    key, request = headers.get("Idempotency-Key"), _digest(method, path, given)
    if key and key in world.answers:
        before, status, body = world.answers[key]
        if before == request:
            return status, body
        text = f"Keys for idempotent requests can only be used with the same parameters ({key})."
        return 400, StripeError(400, "idempotency_error", text).body
    try:
        status, body = 200, _act(world, method, path, given, headers)
    except ParameterError as error:  # refused before it began: the key is as good as new
        more = {"code": error.code, "param": error.parameter}
        return 400, StripeError(400, "invalid_request_error", str(error), **more).body
    except KeyError as error:
        text = f"The simulator needs {error}, which Stripe may not."
        return 400, StripeError(400, "invalid_request_error", text).body
    except StripeError as error:
        status, body = error.status, error.body
    if key and method == "POST":
        world.answers[key] = [request, status, body]
    return status, body


def _act(world: World, method: str, path: str, given: dict[str, Any], headers: Any) -> Thing:
    if headers.get("Stripe-Version") != stripe.api_version:
        raise ParameterError("version", "Stripe-Version", "The version that is pinned is expected.")
    for route in ROUTES:
        found = re.fullmatch(route.path, path) if route.method == method else None
        if found:
            what = check(route.takes, given)
            thing = route.act(world, what, *(found.groups() or ("",)))
            return world.expanded(thing, what.get("expand", []))
    raise StripeError(404, "invalid_request_error", f"Unrecognized request URL ({method} {path}).")


def _digest(method: str, path: str, given: dict[str, Any]) -> str:
    text = json.dumps([method, path, given], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _make_customer(world: World, what: dict[str, Any], _: str) -> Thing:
    settings = {"default_payment_method": None}
    return world.add("cus", "customer", invoice_settings=settings, **what)


def _open_session(world: World, what: dict[str, Any], _: str) -> Thing:
    if "customer" in what:
        world.get(what["customer"], "customer", "customer")
    prices = [(line["price_data"], line["quantity"]) for line in what["line_items"]]
    net = sum(price["unit_amount"] * quantity for price, quantity in prices)
    taxed = what.get("automatic_tax", {}).get("enabled", False)
    session = world.add("cs_test", "checkout.session", payment_intent=None, invoice=None)
    session |= {
        "status": "open",
        "payment_status": "unpaid",
        "currency": prices[0][0]["currency"],
        "amount_subtotal": net,
        "amount_total": net + (net * TAX_PERCENT // 100 if taxed else 0),
        "url": f"{world.url}/pay/{session['id']}",
        **{name: what[name] for name in ("customer", "client_reference_id", "metadata", "mode")},
        **{name: what[name] for name in ("success_url", "cancel_url", "payment_intent_data")},
        "expires_at": session["created"] + 24 * 3600,
    }
    return session


def _expire_session(world: World, what: dict[str, Any], id_: str) -> Thing:
    session = world.get(id_, "checkout.session")
    if session["status"] != "open":
        text = "Only Checkout Sessions with a status in ['open'] can be expired."
        raise StripeError(400, "invalid_request_error", text)
    session |= {"status": "expired", "url": None}
    world.happen("checkout.session.expired", session)
    return session


def make_payment(world: World, amount: int, currency: str, customer: str, **what: Any) -> Thing:
    """Makes a payment that nobody has paid yet."""
    same = {"amount": amount, "currency": currency, "customer": customer}
    bare = {"latest_charge": None, "last_payment_error": None, "payment_method": None}
    bare |= {"amount_received": 0, "setup_future_usage": None, "status": "requires_payment_method"}
    return world.add("pi", "payment_intent", **bare | same | what)


def _charge(world: World, what: dict[str, Any], _: str) -> Thing:
    customer = world.get(what["customer"], "customer", "customer")["id"]
    card = world.get(what["payment_method"], "payment_method", "payment_method")
    if card["customer"] != customer:
        text = "The PaymentMethod does not belong to the Customer."
        raise StripeError(400, "invalid_request_error", text, param="payment_method")
    calculation = what.get("hooks", {}).get("inputs", {}).get("tax", {}).get("calculation")
    if calculation:
        world.get(calculation, "tax.calculation", "hooks[inputs][tax][calculation]")
    metadata = what.get("metadata", {})
    payment = make_payment(world, what["amount"], what["currency"], customer, metadata=metadata)
    world.pay(payment, card, away=what.get("off_session", False))
    return payment


def _refund(world: World, what: dict[str, Any], _: str) -> Thing:
    payment = world.get(what["payment_intent"], "payment_intent", "payment_intent")
    return world.refund(payment, what.get("amount"), what.get("metadata", {}))


def _open_portal(world: World, what: dict[str, Any], _: str) -> Thing:
    world.get(what["customer"], "customer", "customer")
    session = world.add("bps", "billing_portal.session", **what)
    return session | {"url": f"{world.url}/portal/{session['id']}"}


def _calculate(world: World, what: dict[str, Any], _: str) -> Thing:
    net = sum(line["amount"] for line in what["line_items"])
    total = net + net * TAX_PERCENT // 100
    return world.add("taxcalc", "tax.calculation", amount_total=total, **what)


def _getting(kind: str) -> Act:
    return lambda world, what, id_: world.get(id_, kind)


def _listing(kind: str, *filters: str) -> Act:
    def act(world: World, what: dict[str, Any], id_: str) -> Thing:
        same = {name: what[name] for name in filters if name in what}
        if id_:
            same["customer"] = world.get(id_, "customer", "customer")["id"]
        return _page(world.all(kind, **same), what)

    return act


def _list_events(world: World, what: dict[str, Any], _: str) -> Thing:
    types = what.get("types")
    events = [one for one in reversed(world.events) if not types or one["type"] in types]
    return _page(events, what)


def _page(things: list[Thing], what: dict[str, Any]) -> Thing:
    since = what.get("created", {}).get("gte", 0)
    ids = [one["id"] for one in things]
    start = ids.index(what["starting_after"]) + 1 if "starting_after" in what else 0
    found = [one for one in things[start:] if one["created"] >= since]
    limit = what.get("limit", 10)
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}


ID = r"/(\w+)"
ROUTES = (
    Route("POST", "customers", params.CustomerCreateParams, _make_customer),
    Route("GET", f"customers{ID}", params.CustomerRetrieveParams, _getting("customer")),
    Route(
        "GET",
        f"customers{ID}/payment_methods",
        params.CustomerPaymentMethodListParams,
        _listing("payment_method"),
    ),
    Route("POST", "checkout/sessions", checkout.SessionCreateParams, _open_session),
    Route(
        "GET",
        "checkout/sessions",
        checkout.SessionListParams,
        _listing("checkout.session", "payment_intent", "customer"),
    ),
    Route(
        "GET",
        f"checkout/sessions{ID}",
        checkout.SessionRetrieveParams,
        _getting("checkout.session"),
    ),
    Route("POST", f"checkout/sessions{ID}/expire", checkout.SessionExpireParams, _expire_session),
    Route("POST", "payment_intents", params.PaymentIntentCreateParams, _charge),
    Route(
        "GET",
        "payment_intents",
        params.PaymentIntentListParams,
        _listing("payment_intent", "customer"),
    ),
    Route(
        "GET",
        f"payment_intents{ID}",
        params.PaymentIntentRetrieveParams,
        _getting("payment_intent"),
    ),
    Route("POST", "refunds", params.RefundCreateParams, _refund),
    Route("GET", "refunds", params.RefundListParams, _listing("refund", "payment_intent")),
    Route("GET", "disputes", params.DisputeListParams, _listing("dispute", "payment_intent")),
    Route("POST", "billing_portal/sessions", billing_portal.SessionCreateParams, _open_portal),
    Route("POST", "tax/calculations", tax.CalculationCreateParams, _calculate),
    Route("GET", "events", params.EventListParams, _list_events),
)
