"""Refunds of unspent credits: the ledger gives them up first, then Stripe sends the money."""

from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from ..ledger import InsufficientCreditsError, KeyReusedError, NotAllowedError, Request
from ..ledger.values import MAX_AMOUNT, text, whole
from .gateway import Back
from .office import new_id
from .orders import GIVE_UP
from .rows import add, change, find, run
from .settlement import FIRST_LOOK, LOCK, STANDING
from .top_ups import TopUps
from .values import Purchase, Refund, RefusedError, UnknownOutcomeError

MAX_PURCHASES = 500  # of a list; nobody reads more
PURCHASES = f"{STANDING} WHERE o.account_id = :a AND o.state = 'paid' ORDER BY o.at DESC LIMIT :n"


class Refunds(TopUps):
    """Money back."""

    def purchases(self, account: int) -> list[Purchase]:
        """Returns what was paid, the latest first."""
        with self._transaction() as connection:
            rows = run(connection, PURCHASES, a=account, n=MAX_PURCHASES)
            return [_purchase(row) for row in rows]

    def refund(self, account: int, order: str, amount_micro: int, *, key: str) -> Refund:
        """Takes unspent credits of an order back and sends their money.

        Raises:
            InsufficientCreditsError: Less is unspent.
            NotAllowedError: The order is not paid, or is disputed.
        """
        text("key", key)
        whole("amount", amount_micro, 1, MAX_AMOUNT)
        self._order(order, account)
        with self._transaction() as connection:
            paid = find(connection, "pack_order", LOCK, id=order)
            refund = find(connection, "refund", account_id=account, key=key)
            if refund is None:
                refund = self._begin_refund(connection, paid, amount_micro, key)
        if (refund.order_id, refund.amount_micro) != (order, amount_micro):
            raise KeyReusedError(
                f"a new key is required for a new refund, got {key}, which made {refund.id}. "
                "Use another key."
            )
        if refund.state == "pending" and refund.stripe_id is None:
            with suppress(UnknownOutcomeError):  # it is on its way: `due` sees to it
                refund = self._send(refund)
        what = refund.id, order, refund.amount_micro, refund.amount_minor, paid.currency
        return Refund(*what, refund.state, refund.at)

    def _begin_refund(self, connection: sa.Connection, order: Any, micro: int, key: str) -> Any:
        if order.state != "paid":
            raise NotAllowedError(
                f"a paid order is required, got one that is {order.state}. Wait until it is paid."
            )
        before = self._standing(connection, order.id)
        minor = money(order, before.returned + micro) - before.gone_minor
        refund, account, now = new_id("r"), order.account_id, self._clock()
        terms = {"amount": micro, "names": order.grant_seq, "reason": f"order {order.id}"}
        movement = self._ledger.post(
            connection, Request("refund", account, f"refund:{refund}", **terms)
        ).seq
        if minor < 1:  # refused only now: if less is unspent, the ledger says so
            raise InsufficientCreditsError(
                f"credits worth at least one {order.currency} cent are required, got less. "
                "Refund more."
            )
        values = {"id": refund, "account_id": account, "order_id": order.id, "key": key}
        values |= {"amount_micro": micro, "amount_minor": minor, "movement": movement}
        return add(connection, "refund", **values, at=now, next_at=now + FIRST_LOOK)

    def _send(self, refund: Any) -> Any:
        """Asks Stripe to send money; an unclear answer leaves the refund pending."""
        order = self._order(refund.order_id)
        sent: Back | None = None
        try:
            if self._clock() - refund.at < GIVE_UP:
                sent = self._gateway.refund(refund.id, order.payment_id, refund.amount_minor)
            else:  # the key may be forgotten: is it there?
                found = self._gateway.refunds(order.payment_id)
                sent = next((one for one in found if one.refund == refund.id), None)
        except RefusedError:
            sent = None
        with self._transaction() as connection:
            locked = find(connection, "pack_order", LOCK, id=order.id)
            unsent = {"id": refund.id, "state": "pending", "stripe_id": None}
            if sent is not None:
                self._refunded(connection, locked, sent)
            elif change(connection, "refund", unsent, state="failed", next_at=None):
                self._refund_failed(connection, refund)
            self._even(connection, locked)
            return find(connection, "refund", id=refund.id)

    def _finish_refund(self, refund: Any) -> None:
        """Brings a refund on that nobody brought on."""
        if refund.stripe_id is None:
            self._send(refund)
        else:
            self._finish(self._order(refund.order_id))


def money(order: Any, credits_micro: int) -> int:
    """Returns what so many credits of an order have cost, in whole minor units, never more.

    A refund is the difference of two such sums, so that parts add up to the whole.
    """
    return order.paid_minor * credits_micro // order.credits_micro


def _purchase(row: Any) -> Purchase:
    unspent = max(0, row.available) + row.held + row.frozen
    refundable = 0 if row.dispute else row.unspent
    minor = max(0, money(row, row.returned + refundable) - row.gone_minor)
    if row.dispute:
        state = "disputed"
    elif row.returned:
        state = "refunded" if row.returned == row.credits_micro else "partly_refunded"
    else:
        state = "paid"
    what = row.id, row.at, row.credits_micro, row.price_minor, row.paid_minor, row.currency
    links = row.invoice_url, row.receipt_url
    return Purchase(*what, unspent, refundable if minor else 0, minor, row.returned, *links, state)
