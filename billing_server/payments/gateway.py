"""Stripe, as the payments see it. The one file that imports stripe; it answers values of ours."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import stripe

from ..ledger import in_credits
from .values import RefusedError, SignatureError, UnknownOutcomeError

API_VERSION = "2026-10-28.endive"
TOLERANCE_S = 300  # of a webhook's time, either way: the SDK takes any time in the future
DAY_S = 86_400  # our clock may have been wrong when an order was written
PAGE = 100  # Stripe's largest
HANDLED = (  # what the webhook endpoint must be subscribed to; events.list takes 20 at most
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created",
)
OF_PAYMENT = {  # everything else has failed
    "succeeded": "paid",
    "processing": "processing",
    "requires_action": "processing",  # a voucher that must be paid somewhere
}
NO_PAYMENT = {"status": "processing", "livemode": None, "currency": "", "amount": 0}
ASKED_FIRST = "authentication_required"
DISPUTES = {"won": "won", "warning_closed": "won", "prevented": "won", "lost": "lost"}  # else open
REFUNDS = {"succeeded": "done", "failed": "failed", "canceled": "failed"}  # else pending


class Event(NamedTuple):
    """A hint that something happened, and to what. Nothing in it is believed."""

    id: str
    type: str
    created_at: datetime
    order: str | None
    session: str | None
    payment: str | None


class Back(NamedTuple):
    """A refund or a dispute. `refund` is our id, if it is ours."""

    id: str
    amount_minor: int
    state: str
    refund: str | None = None


class Seen(NamedTuple):
    """What Stripe says about the payment of an order, now."""

    state: str
    order: str | None
    customer: str | None
    livemode: bool
    currency: str
    total_minor: int
    payment: str | None
    failure: str | None
    receipt_url: str | None
    refunds: tuple[Back, ...]
    disputes: tuple[Back, ...]
    net_minor: int | None = None  # without tax, where Stripe knows: this and the rest by a checkout
    session: str | None = None
    invoice_url: str | None = None


class Gateway:
    """A Stripe account, or the simulator at `base_url`.

    Raises, wherever it asks Stripe:
        RefusedError: No, for good.
        UnknownOutcomeError: Whether anything was done is not known, or nothing was, for now.
    """

    def __init__(
        self,
        secret_key: str,
        webhook_secrets: tuple[str, ...],
        *,
        base_url: str | None = None,
        timeout_s: float = 20.0,
        retries: int = 1,
    ) -> None:
        """Connects nothing yet.

        Args:
            secret_key: sk_test_... or sk_live_...; says which mode this is.
            webhook_secrets: whsec_...; several while they are rotated.
            base_url: Of the simulator.
            timeout_s: Until an answer is no longer waited for.
            retries: Of the SDK, with the same idempotency key.
        """
        self.livemode = secret_key.startswith(("sk_live_", "rk_live_"))
        self._secrets = webhook_secrets
        self._v1 = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": base_url} if base_url else {},
            max_network_retries=retries,
            http_client=stripe.RequestsClient(timeout=timeout_s),
        ).v1

    def _ask(self, call: Callable[..., Any], *arguments: Any, key: str | None = None) -> Any:
        """Calls Stripe; every call goes through here."""
        options: Any = {"idempotency_key": key} if key else {}
        try:
            return call(*arguments, options=options).to_dict()
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            said: Any = getattr(error.json_body, "get", lambda _: None)("error") or {}
            reason = said.get("decline_code") or error.code or ""
            if error.code == ASKED_FIRST:
                reason = error.code
            text = error.user_message or "Stripe refused."
            raise RefusedError(text, reason, said.get("param")) from error
        except stripe.StripeError as error:  # also a wrong key, or too many requests: it may pass
            raise UnknownOutcomeError(
                f"an answer of Stripe is required, got {type(error).__name__} "
                f"{error.http_status or ''}. Ask again with the same key.",
                kept=(error.http_status or 0) >= 500,
            ) from error

    # What is done. The key makes it happen once.

    def customer(self, key: str, account: int) -> str:
        """Makes a customer."""
        what = {"metadata": {"account": str(account)}}
        return self._ask(self._v1.customers.create, what, key=key)["id"]

    def open_checkout(self, order: Any) -> tuple[str, str]:
        """Makes a page for paying an order; returns its id and address."""
        name = f"{in_credits(order.credits_micro)} credits"
        price = {"currency": order.currency, "unit_amount": order.price_minor}
        price |= {"product_data": {"name": name}}
        payment: dict[str, Any] = {"metadata": {"order": order.id}, "description": name}
        if order.save_card:
            payment["setup_future_usage"] = "off_session"
        join = "&" if "?" in order.return_url else "?"
        back = order.return_url + join + urlencode({"order": order.id})
        what: dict[str, Any] = {
            "mode": "payment",
            "customer": order.customer,
            "client_reference_id": order.id,
            "metadata": {"order": order.id},
            "line_items": [{"price_data": price, "quantity": 1}],
            "payment_intent_data": payment,
            "saved_payment_method_options": {"allow_redisplay_filters": ["always", "limited"]},
            "invoice_creation": {"enabled": True},
            "adaptive_pricing": {"enabled": False},  # what is paid must be what was ordered
            "success_url": back,
            "cancel_url": back,
        }
        if order.tax:
            price["tax_behavior"] = "exclusive"
            what |= {"automatic_tax": {"enabled": True}, "customer_update": {"address": "auto"}}
        session = self._ask(self._v1.checkout.sessions.create, what, key=order.id)
        return session["id"], session["url"]

    def charge(self, order: Any) -> Seen:
        """Charges an order to its card while the customer is away."""
        what: dict[str, Any] = {
            "amount": order.price_minor,
            "currency": order.currency,
            "customer": order.customer,
            "payment_method": order.card,
            "off_session": True,
            "confirm": True,
            "metadata": {"order": order.id},
            "description": f"{in_credits(order.credits_micro)} credits",
            "expand": ["latest_charge"],
        }
        if order.tax:
            line = {"amount": order.price_minor, "reference": order.id, "tax_behavior": "exclusive"}
            asked = {"currency": order.currency, "customer": order.customer, "line_items": [line]}
            tax = self._ask(self._v1.tax.calculations.create, asked, key=f"{order.id}:tax")
            what["amount"] = tax["amount_total"]
            what["hooks"] = {"inputs": {"tax": {"calculation": tax["id"]}}}
        payment = self._ask(self._v1.payment_intents.create, what, key=order.id)
        if payment["status"] == "requires_action":  # nobody is there to act
            raise RefusedError("The bank wants to ask you first.", ASKED_FIRST)
        return self._seen(payment)

    def refund(self, refund: str, payment: str, amount_minor: int) -> Back:
        """Sends money of a payment back."""
        what = {"payment_intent": payment, "amount": amount_minor, "metadata": {"refund": refund}}
        return _refund(self._ask(self._v1.refunds.create, what, key=refund))

    def expire(self, session: str) -> None:
        """Closes a page for paying."""
        self._ask(self._v1.checkout.sessions.expire, session)

    def portal(self, customer: str, return_url: str) -> str:
        """Returns the address of a page for cards and invoices."""
        what = {"customer": customer, "return_url": return_url}
        return self._ask(self._v1.billing_portal.sessions.create, what)["url"]

    # What is looked up

    def card(self, customer: str) -> str | None:
        """Returns what the customer pays with: his default, or the latest card he saved."""
        settings = self._ask(self._v1.customers.retrieve, customer).get("invoice_settings") or {}
        if settings.get("default_payment_method"):
            return settings["default_payment_method"]
        cards = self._ask(self._v1.customers.payment_methods.list, customer, {"limit": 1})["data"]
        return cards[0]["id"] if cards else None

    def session(self, session: str) -> Seen:
        """Looks a checkout up."""
        what = {"expand": ["payment_intent.latest_charge", "invoice"]}
        found = self._ask(self._v1.checkout.sessions.retrieve, session, what)
        seen = self._seen(found.get("payment_intent") or NO_PAYMENT)
        state = found["status"]  # open, expired, or complete: then the payment decides
        if found["payment_status"] == "paid":
            state = "paid"
        elif state == "complete":
            state = seen.state if seen.state != "paid" else "processing"
        return seen._replace(
            state=state,
            order=found.get("client_reference_id"),
            customer=found.get("customer"),
            livemode=found["livemode"],
            currency=found["currency"],
            net_minor=found["amount_subtotal"],
            total_minor=found["amount_total"],
            session=found["id"],
            invoice_url=(found.get("invoice") or {}).get("hosted_invoice_url"),
        )

    def payment(self, payment: str) -> Seen:
        """Looks a payment up."""
        what = {"expand": ["latest_charge"]}
        return self._seen(self._ask(self._v1.payment_intents.retrieve, payment, what))

    def find_session(self, payment: str) -> str | None:
        """Returns the checkout of a payment."""
        what = {"payment_intent": payment, "limit": 1}
        found = self._ask(self._v1.checkout.sessions.list, what)["data"]
        return found[0]["id"] if found else None

    def find_payment(self, customer: str, order: str, since: datetime) -> str | None:
        """Returns the payment of an order whose idempotency key no longer tells."""
        what = {"customer": customer, "created": {"gte": int(since.timestamp()) - DAY_S}}
        payments = self._pages(self._v1.payment_intents.list, what)
        return next((one["id"] for one in payments if _metadata(one, "order") == order), None)

    def refunds(self, payment: str) -> tuple[Back, ...]:
        """Returns all refunds of a payment."""
        pages = self._pages(self._v1.refunds.list, {"payment_intent": payment})
        return tuple(_refund(one) for one in pages)

    def _seen(self, payment: dict[str, Any]) -> Seen:
        charge = payment.get("latest_charge") or {}
        state = OF_PAYMENT.get(payment["status"], "failed")
        disputes: tuple[Back, ...] = ()
        if charge.get("disputed"):
            pages = self._pages(self._v1.disputes.list, {"payment_intent": payment["id"]})
            disputes = tuple(
                Back(one["id"], one["amount"], DISPUTES.get(one["status"], "open")) for one in pages
            )
        return Seen(
            state=state,
            order=_metadata(payment, "order"),
            customer=payment.get("customer"),
            livemode=payment["livemode"],
            currency=payment["currency"],
            total_minor=payment["amount_received" if state == "paid" else "amount"],
            payment=payment.get("id"),
            failure=(payment.get("last_payment_error") or {}).get("message"),
            receipt_url=charge.get("receipt_url"),
            refunds=self.refunds(payment["id"]) if state == "paid" else (),
            disputes=disputes,
        )

    def _pages(self, call: Callable[..., Any], what: dict[str, Any]) -> Iterator[dict[str, Any]]:
        after: dict[str, Any] = {}
        while True:
            page = self._ask(call, what | {"limit": PAGE} | after)
            yield from page["data"]
            if not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    # Events

    def event(self, body: bytes, signature: str) -> Event:
        """Reads a webhook.

        Raises:
            SignatureError: It was not signed with a secret of ours just now, or is not of our mode.
        """
        sent = None
        for secret in self._secrets:
            with suppress(stripe.SignatureVerificationError, ValueError, TypeError):
                sent = stripe.Webhook.construct_event(body, signature, secret, TOLERANCE_S)
        latest = time.time() + TOLERANCE_S
        if sent is None or int(re.findall(r"(?:^|,)t=(\d+)", signature)[0]) > latest:
            raise SignatureError(
                "a webhook that Stripe signed just now is required, got another. "
                "Check STRIPE_WEBHOOK_SECRET and the clock."
            )
        event = sent.to_dict()
        if event.get("livemode") != self.livemode:
            mode = "live" if self.livemode else "test"
            text = f"a webhook of {mode} mode is required, got another. Take key and secret of one."
            raise SignatureError(text)
        return _event(event)

    def events(self, since: datetime) -> list[Event]:
        """Returns all events from a time on, the oldest first. Stripe keeps them for 30 days."""
        what = {"created": {"gte": int(since.timestamp())}, "types": list(HANDLED)}
        return [_event(one) for one in self._pages(self._v1.events.list, what)][::-1]


def _event(event: dict[str, Any]) -> Event:
    about = event["data"]["object"]
    kind, created = about.get("object"), datetime.fromtimestamp(event["created"], UTC)
    if kind == "checkout.session":
        order, session, payment = about.get("client_reference_id"), about["id"], None
    else:
        order, session = _metadata(about, "order"), None
        payment = about["id"] if kind == "payment_intent" else about.get("payment_intent")
    return Event(event["id"], event["type"], created, order, session, payment)


def _metadata(thing: dict[str, Any], name: str) -> str | None:
    return (thing.get("metadata") or {}).get(name)


def _refund(refund: dict[str, Any]) -> Back:
    state = REFUNDS.get(refund["status"], "pending")
    return Back(refund["id"], refund["amount"], state, _metadata(refund, "refund"))
