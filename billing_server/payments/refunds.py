"""Refunds of unspent credits: the ledger gives them up first, then Stripe sends the money."""

from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from ..ledger import InsufficientCreditsError, KeyReusedError, NotAllowedError, Request
from ..ledger.values import MAX_AMOUNT, text, whole
from .gateway import Back
from .office import new_id, run
from .orders import FIRST_LOOK, GIVE_UP
from .settlement import ADD_REFUND, LOCKED
from .top_ups import TopUps
from .values import Purchase, Refund, RefusedError, UnknownOutcomeError

MAX_PURCHASES = 500  # of a list; nobody reads more
PURCHASES = """SELECT o.*, g.available, g.held, g.frozen, g.dispute, g.returned,
    a.available AS spendable,
    (SELECT coalesce(sum(amount_minor), 0) FROM payments.refund
        WHERE order_id = o.id AND state <> 'failed')::bigint
    + (SELECT coalesce(sum(amount_minor), 0) FROM payments.dispute
        WHERE order_id = o.id AND state = 'lost')::bigint AS gone_minor
    FROM payments.pack_order o
    JOIN ledger.account a ON a.id = o.account_id
    JOIN ledger.credit_grant g ON g.account_id = o.account_id AND g.seq = o.grant_seq
    WHERE o.account_id = :a AND o.state = 'paid' ORDER BY o.at DESC LIMIT :n"""


class Refunds(TopUps):
    """Money back."""

    def purchases(self, account: int) -> list[Purchase]:
        """Returns what was paid, the latest first."""
        with self._transaction() as connection:
            return [
                _purchase(row) for row in run(connection, PURCHASES, a=account, n=MAX_PURCHASES)
            ]

    def refund(self, account: int, order: str, amount_micro: int, *, key: str) -> Refund:
        """Takes unspent credits of an order back and sends their money.

        Raises:
            InsufficientCreditsError: Less is unspent.
            NotAllowedError: The order is not paid, or is disputed.
        """
        text("key", key)
        whole("amount", amount_micro, 1, MAX_AMOUNT)
        self._order(order, account)
        sql = "SELECT * FROM payments.refund WHERE account_id = :a AND key = :k"
        with self._transaction() as connection:
            paid = run(connection, LOCKED, id=order).one()
            refund = run(connection, sql, a=account, k=key).one_or_none()
            if refund is None:
                self._begin_refund(connection, paid, amount_micro, key)
                refund = run(connection, sql, a=account, k=key).one()
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

    def _begin_refund(
        self, connection: sa.Connection, order: Any, amount_micro: int, key: str
    ) -> None:
        if order.state != "paid":
            raise NotAllowedError(
                f"a paid order is required, got one that is {order.state}. Wait until it is paid."
            )
        before = self._gone(connection, order)
        minor = money(order, before.micro + amount_micro) - before.minor
        refund, now = new_id("r"), self._clock()
        request = Request(
            "refund",
            order.account_id,
            f"refund:{refund}",
            amount_micro,
            order.grant_seq,
            reason=f"order {order.id}",
        )
        movement = self._ledger.post(connection, request).seq
        if minor < 1:  # refused only now: if less is unspent, the ledger says so
            raise InsufficientCreditsError(
                f"credits worth at least one {order.currency} cent are required, got less. "
                "Refund more."
            )
        values = {"id": refund, "a": order.account_id, "order": order.id, "key": key, "at": now}
        values |= {"micro": amount_micro, "minor": minor, "movement": movement, "stripe": None}
        run(connection, ADD_REFUND, **values, state="pending", next=now + FIRST_LOOK)

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
            locked = run(connection, LOCKED, id=order.id).one()
            if sent is not None:
                self._refunded(connection, locked, sent)
            else:
                sql = """UPDATE payments.refund SET state = 'failed', next_at = NULL
                    WHERE id = :id AND state = 'pending' AND stripe_id IS NULL"""
                if run(connection, sql, id=refund.id).rowcount:
                    self._refund_failed(connection, refund)
            self._even(connection, locked)
            return run(
                connection, "SELECT * FROM payments.refund WHERE id = :id", id=refund.id
            ).one()

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
    refundable = 0 if row.dispute else max(0, min(row.available, row.spendable))
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
