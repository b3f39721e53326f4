"""What the simulator remembers, and what paying, refunding and disputing change in it."""

import copy
import json
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Thing = dict[str, Any]
TAX_PERCENT = 20  # of whatever is bought, where tax is asked for
DECLINED = {  # number of the card: decline code
    "4000000000000002": "generic_decline",
    "4000000000009995": "insufficient_funds",
    "4000000000009987": "lost_card",
}
DECLINED_LATER = "4000000000000341"  # can be saved, and is declined when the customer is away
SAFE = "4000002500003155"  # 3-D Secure once; then it may be charged while the customer is away
ALWAYS_SAFE = "4000002760003184"  # 3-D Secure each time
DISPUTED, WARNED = "4000000000000259", "4000000000005423"
BANK = "bank"  # a debit that takes days
CARDS = {
    "4242424242424242": "is charged",
    "4000000000000002": "is declined",
    "4000000000009995": "has too little money",
    SAFE: "needs 3-D Secure once",
    ALWAYS_SAFE: "needs 3-D Secure each time",
    DECLINED_LATER: "is declined when you are away",
    DISPUTED: "is charged, then disputed",
    WARNED: "is charged, then reported as stolen",
    BANK: "is a bank debit, which takes days",
}


class StripeError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, kind: str, text: str, **more: Any) -> None:
        super().__init__(text)
        self.status, self.body = status, {"error": {"type": kind, "message": text} | more}


class World:
    """All objects, events and answers. Its lock is held while a request is answered."""

    def __init__(self, url: str, clock: Callable[[], float], file: Path | None) -> None:
        self.url, self.lock, self._clock, self._file = url, threading.RLock(), clock, file
        self.things: dict[str, Thing] = {}
        self.events: list[Thing] = []
        self.answers: dict[str, list[Any]] = {}  # by idempotency key: request, status, body
        self.faults: list[Thing] = []
        self.on_event: Callable[[Thing], None] = lambda event: None
        if file is not None and file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            self.things, self.events, self.answers = kept["things"], kept["events"], kept["answers"]

    def keep(self) -> None:
        """Writes everything down, for after a restart."""
        if self._file is not None:
            kept = {"things": self.things, "events": self.events, "answers": self.answers}
            kept["port"] = int(self.url.rpartition(":")[2])
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(kept), encoding="utf-8")
            fresh.replace(self._file)

    def fault(self, at: str) -> Thing | None:
        """Takes the next scripted fault for a place, if there is one."""
        for fault in self.faults:
            if at.startswith(fault["at"]):
                fault["times"] = fault.get("times", 1) - 1
                if fault["times"] <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def add(self, prefix: str, kind: str, **values: Any) -> Thing:
        """Makes an object."""
        thing = {"id": f"{prefix}_{secrets.token_hex(12)}", "object": kind, "livemode": False}
        thing |= {"created": int(self._clock()), "metadata": {}} | values
        self.things[thing["id"]] = thing
        return thing

    def get(self, id_: str, kind: str, parameter: str = "id") -> Thing:
        """Returns an object."""
        thing = self.things.get(id_)
        if thing is None or thing["object"] != kind:
            text, more = f"No such {kind}: '{id_}'", {"code": "resource_missing"}
            raise StripeError(404, "invalid_request_error", text, **more, param=parameter)
        return thing

    def all(self, kind: str, **same: Any) -> list[Thing]:
        """Returns objects, the latest first."""
        return [
            one
            for one in reversed(self.things.values())
            if one["object"] == kind and all(one.get(name) == same[name] for name in same)
        ]

    def expanded(self, thing: Thing, paths: list[str]) -> Thing:
        """Returns a copy with objects in place of some ids."""
        thing = copy.deepcopy(thing)
        for path in paths:
            node: Any = thing
            for name in path.split("."):
                if node is None:
                    break
                if isinstance(node.get(name), str):
                    node[name] = copy.deepcopy(self.things[node[name]])
                node = node.get(name)
        return thing

    def happen(self, type_: str, thing: Thing) -> Thing:
        """Makes an event."""
        event = {"id": f"evt_{secrets.token_hex(12)}", "object": "event", "type": type_}
        event |= {"livemode": False, "created": int(self._clock()), "api_version": None}
        event |= {"data": {"object": copy.deepcopy(thing)}, "pending_webhooks": 1}
        self.events.append(event)
        self.on_event(event)
        return event

    # Paying

    def card(self, number: str) -> Thing:
        """Makes a payment method."""
        kind = {"card": {"brand": "visa", "last4": number[-4:]}, "number": number}
        return self.add("pm", "payment_method", type="card", customer=None, **kind)

    def pay(self, payment: Thing, card: Thing, *, away: bool, authenticated: bool = False) -> None:
        """Charges a payment to a card: it succeeds, is under way, or fails with an error.

        Raises:
            StripeError: It was declined, or needs the customer.
        """
        number = card["number"]
        reason = DECLINED.get(number)
        if away and number == DECLINED_LATER:
            reason = "generic_decline"
        elif away and (number == ALWAYS_SAFE or (number == SAFE and not card["authenticated"])):
            reason = "authentication_required"
        elif not away and number in (SAFE, ALWAYS_SAFE) and not authenticated:
            payment["status"] = "requires_action"
            return
        payment["payment_method"] = card["id"]
        if reason is not None:
            self._decline(payment, reason)
        if number == BANK:
            payment["status"] = "processing"
            self.happen("payment_intent.processing", payment)
            return
        self._succeed(payment)
        card["authenticated"] = authenticated or card.get("authenticated", False)

    def _decline(self, payment: Thing, reason: str) -> None:
        needs_customer = reason == "authentication_required"
        code = reason if needs_customer else "card_declined"
        text = (
            "This payment needs your authentication."
            if needs_customer
            else "Your card was declined."
        )
        error = {"code": code, "decline_code": reason, "message": text, "type": "card_error"}
        charge = self._charge(payment, "failed")
        payment |= {"status": "requires_payment_method", "last_payment_error": error}
        self.happen("charge.failed", charge)
        self.happen("payment_intent.payment_failed", payment)
        more = {"code": code, "decline_code": reason, "payment_intent": copy.deepcopy(payment)}
        raise StripeError(402, "card_error", text, **more)

    def _charge(self, payment: Thing, status: str) -> Thing:
        same = {name: payment[name] for name in ("amount", "currency", "customer", "metadata")}
        charge = self.add("ch", "charge", **same, status=status, payment_intent=payment["id"])
        charge |= {"amount_refunded": 0, "refunded": False, "disputed": False}
        charge["receipt_url"] = f"{self.url}/receipt/{charge['id']}"
        payment["latest_charge"] = charge["id"]
        return charge

    def _succeed(self, payment: Thing) -> None:
        charge = self._charge(payment, "succeeded")
        payment |= {"status": "succeeded", "amount_received": payment["amount"]}
        payment["last_payment_error"] = None
        self.happen("charge.succeeded", charge)
        self.happen("payment_intent.succeeded", payment)

    def paid(self, session: Thing, payment: Thing) -> None:
        """Completes a checkout, as far as its payment has got."""
        session |= {"status": "complete", "payment_intent": payment["id"], "url": None}
        card = self.things[payment["payment_method"]]
        if payment["setup_future_usage"]:
            card["customer"] = session["customer"]
            self.happen("payment_method.attached", card)
        if payment["status"] == "succeeded":
            session["payment_status"] = "paid"
            session["invoice"] = self._invoice(session)["id"]
        self.happen("checkout.session.completed", session)
        if card["number"] == DISPUTED:
            self.dispute(payment)
        if card["number"] == WARNED:
            self.warn(payment)

    def _invoice(self, session: Thing) -> Thing:
        invoice = self.add("in", "invoice", customer=session["customer"], status="paid")
        invoice |= {"total": session["amount_total"], "currency": session["currency"]}
        invoice["hosted_invoice_url"] = f"{self.url}/invoice/{invoice['id']}"
        return invoice

    def settle(self, payment: Thing, *, succeeds: bool) -> None:
        """Ends a debit that takes days."""
        session = next(iter(self.all("checkout.session", payment_intent=payment["id"])), None)
        if succeeds:
            self._succeed(payment)
        else:
            error = {"code": "payment_failed", "message": "The bank refused the debit."}
            payment |= {"status": "requires_payment_method", "last_payment_error": error}
            self.happen("payment_intent.payment_failed", payment)
        if session is not None:
            word = "succeeded" if succeeds else "failed"
            if succeeds:
                session |= {"payment_status": "paid", "invoice": self._invoice(session)["id"]}
            self.happen(f"checkout.session.async_payment_{word}", session)

    # Money that goes back

    def refund(self, payment: Thing, amount: Any, metadata: dict[str, str]) -> Thing:
        """Sends money back, never more than came."""
        charge = self.things.get(payment.get("latest_charge") or "")
        if charge is None or payment["status"] != "succeeded":
            text = (
                f"This PaymentIntent ({payment['id']}) does not have a successful charge to refund."
            )
            raise StripeError(400, "invalid_request_error", text)
        left = charge["amount"] - charge["amount_refunded"]
        if amount is None:
            amount = left
        if any(one["status"] == "lost" for one in self.all("dispute", charge=charge["id"])):
            text, code = "This charge has been charged back.", "charge_disputed"
            raise StripeError(400, "invalid_request_error", text, code=code)
        if not 0 < amount <= left:
            code = "charge_already_refunded" if left == 0 else "amount_too_large"
            text = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise StripeError(400, "invalid_request_error", text, code=code, param="amount")
        same = {"payment_intent": payment["id"], "charge": charge["id"], "metadata": metadata}
        same |= {"amount": amount, "currency": charge["currency"], "status": "succeeded"}
        refund = self.add("re", "refund", **same)
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self.happen("refund.created", refund)
        self.happen("charge.refunded", charge)
        return refund

    def fail_refund(self, refund: Thing) -> None:
        """Lets the bank send a refund back."""
        refund["status"] = "failed"
        self.things[refund["charge"]]["amount_refunded"] -= refund["amount"]
        self.happen("refund.failed", refund)

    def dispute(self, payment: Thing, amount: int | None = None) -> Thing:
        """Lets the customer dispute a payment at his bank."""
        charge = self.things[payment["latest_charge"]]
        charge["disputed"] = True
        same = {
            "payment_intent": payment["id"],
            "charge": charge["id"],
            "currency": charge["currency"],
        }
        same |= {"amount": amount or charge["amount"], "status": "needs_response"}
        dispute = self.add("dp", "dispute", **same, reason="fraudulent")
        self.happen("charge.dispute.created", dispute)
        self.happen("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, dispute: Thing, status: str) -> None:
        """Decides a dispute: won or lost."""
        dispute["status"] = status
        self.happen("charge.dispute.closed", dispute)
        if status == "won":
            self.happen("charge.dispute.funds_reinstated", dispute)

    def warn(self, payment: Thing) -> None:
        """Lets the issuer of a card report that it was stolen."""
        same = {"payment_intent": payment["id"], "charge": payment["latest_charge"]}
        warning = self.add("issfr", "radar.early_fraud_warning", **same, actionable=True)
        self.happen("radar.early_fraud_warning.created", warning)


def now() -> float:
    """Returns the time; the default clock."""
    return time.time()
