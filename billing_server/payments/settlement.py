"""From what Stripe says of an order to credits: once, in any order, any number of times."""

from typing import Any

import sqlalchemy as sa

from ..ledger import LedgerError, Movement, Request
from .gateway import Back, Seen
from .office import Office, new_id, run

INSTEAD = """INSERT INTO payments.pack_order (id, account_id, key, kind, pack, credits_micro,
    price_minor, currency, tax, return_url, save_card, mail, at, next_at)
    SELECT :new, account_id, :new, 'checkout', pack, credits_micro, price_minor, currency, tax,
    :url, true, true, :now, :now FROM payments.pack_order WHERE id = :id"""
DISPUTES = ("open", "won", "lost")
UNPAID = ("new", "open", "processing")
RANK = {"new": 0, "open": 1, "processing": 2, "failed": 3, "expired": 3}  # never back
LOCKED = "SELECT * FROM payments.pack_order WHERE id = :id FOR UPDATE"
PAID = """UPDATE payments.pack_order SET state = 'paid', grant_seq = :grant, paid_minor = :paid,
    failure = NULL, next_at = NULL WHERE id = :id"""
NOTED = """UPDATE payments.pack_order SET session_id = coalesce(session_id, :session),
    payment_id = coalesce(payment_id, :payment), invoice_url = coalesce(:invoice, invoice_url),
    receipt_url = coalesce(:receipt, receipt_url) WHERE id = :id"""
# What is gone of an order: money that went back or was lost, credits that were given up for it.
# The ledger moves no credits of an account while its row is locked.
GONE = """SELECT g.returned AS micro, greatest(0, least(g.available, a.available)) AS unspent,
    least(:paid, (SELECT coalesce(sum(amount_minor), 0) FROM payments.refund
        WHERE order_id = :id AND state <> 'failed')
      + (SELECT coalesce(sum(amount_minor), 0) FROM payments.dispute
        WHERE order_id = :id AND state = 'lost'))::bigint AS minor
    FROM ledger.account a JOIN ledger.credit_grant g ON g.account_id = a.id
    WHERE a.id = :a AND g.seq = :g FOR NO KEY UPDATE OF a"""
EVENED = """SELECT seq FROM ledger.movement m WHERE account_id = :a AND kind = 'refund'
    AND key LIKE :key AND NOT EXISTS (SELECT FROM ledger.movement
    WHERE account_id = :a AND names = m.seq AND kind = 'refund_cancel')"""
ADD_REFUND = """INSERT INTO payments.refund (id, account_id, order_id, key, amount_micro,
    amount_minor, movement, at, state, next_at, stripe_id)
    VALUES (:id, :a, :order, :key, :micro, :minor, :movement, :at, :state, :next, :stripe)"""


class Settlement(Office):
    """What becomes of orders, refunds and disputes when Stripe was looked at."""

    def _look(self, order: Any, session: str | None = None, payment: str | None = None) -> Any:
        """Asks Stripe about an order; nothing if Stripe does not know it yet."""
        payment, session = order.payment_id or payment, order.session_id or session
        if order.kind == "checkout":
            if session is None and payment is not None:
                session = self._gateway.find_session(payment)
            return self._gateway.session(session) if session else None
        return self._gateway.payment(payment) if payment else None

    def _apply(self, connection: sa.Connection, order: str, seen: Seen) -> str:
        """Brings an order to what was seen; says what came of it."""
        row = run(connection, LOCKED, id=order).one()
        wrong = self._wrong(row, seen)
        if wrong:
            what = {"order": order, "wrong": wrong, "payment": seen.payment}
            self._tell(connection, row.account_id, "operator", f"{order}:{wrong}", **what)
            return f"refused: {wrong}"
        noted = {"invoice": seen.invoice_url, "receipt": seen.receipt_url, "id": order}
        run(connection, NOTED, session=seen.session, payment=seen.payment, **noted)
        if seen.state == "paid":
            if row.state != "paid":
                request = Request(
                    "grant",
                    row.account_id,
                    f"order:{order}",
                    row.credits_micro,
                    grant_kind="paid",
                    reason=f"order {order}",
                )
                grant = self._ledger.post(connection, request).seq
                run(connection, PAID, id=order, grant=grant, paid=seen.total_minor)
                row = run(connection, LOCKED, id=order).one()
            for refund in seen.refunds:
                self._refunded(connection, row, refund)
            for dispute in seen.disputes:
                self._disputed(connection, row, dispute)
            self._even(connection, row)
        elif row.state in UNPAID and RANK[seen.state] > RANK[row.state]:
            if seen.state == "processing":
                sql = "UPDATE payments.pack_order SET state = 'processing' WHERE id = :id"
                run(connection, sql, id=order)
            elif seen.state != "open":
                text = seen.failure or "It was not paid in time."
                self._failed(connection, row, text, state=seen.state)
        return "handled"

    def _wrong(self, order: Any, seen: Seen) -> str | None:
        """Says in what the payment is not the one that was ordered."""
        price, total = order.price_minor, seen.total_minor
        for name, wanted, got in (
            ("order", order.id, seen.order),
            ("customer", order.customer, seen.customer),
            ("livemode", self._gateway.livemode, seen.livemode),
            ("currency", order.currency, seen.currency),
            ("net amount", price, price if seen.net_minor is None else seen.net_minor),
            ("amount", max(price, total) if order.tax else price, total),
        ):
            if wanted != got:
                return f"{name} must be {wanted!a} as ordered, got {got!a}"
        return None

    def _failed(
        self,
        connection: sa.Connection,
        order: Any,
        text: str,
        *,
        reason: str = "",
        state: str = "failed",
    ) -> None:
        """Ends an order without money. A top-up was the last, until the customer says otherwise."""
        sql = """UPDATE payments.pack_order SET state = :state, failure = :text, next_at = NULL
            WHERE id = :id AND state = ANY(:unpaid)"""
        values = {"id": order.id, "state": state, "text": text, "unpaid": list(UNPAID)}
        if not run(connection, sql, **values).rowcount or order.kind != "top_up":
            return
        why = reason if reason in ("authentication_required", "no_card") else "declined"
        self._stop_top_up(connection, order.account_id, why, text, order.id)
        if why == "authentication_required":
            values = {"new": new_id("o"), "id": order.id, "now": self._clock()}
            run(connection, INSTEAD, **values, url=f"{self._settings.url}/credits/order")

    def _stop_top_up(
        self, connection: sa.Connection, account: int, state: str, text: str, key: str
    ) -> None:
        sql = """UPDATE payments.auto_top_up SET enabled = false, state = :s, reason = :r
            WHERE account_id = :a AND enabled"""
        if run(connection, sql, a=account, s=state, r=text).rowcount:
            self._tell(connection, account, "top_up_stopped", key, state=state, reason=text)

    # Money that goes back

    def _refunded(self, connection: sa.Connection, order: Any, seen: Back) -> None:
        sql = """SELECT * FROM payments.refund WHERE order_id = :o AND (stripe_id = :s OR id = :id)
            ORDER BY stripe_id = :s DESC NULLS LAST LIMIT 1 FOR UPDATE"""
        row = run(connection, sql, o=order.id, s=seen.id, id=seen.refund or "").one_or_none()
        if row is None:
            if seen.state != "failed":
                self._refunded_outside(connection, order, seen)
        elif row.state == "pending" or (row.state == "done" and seen.state == "failed"):
            next_at = row.next_at if seen.state == "pending" else None
            sql = """UPDATE payments.refund SET stripe_id = :s, state = :state, next_at = :next
                WHERE id = :id"""
            run(connection, sql, id=row.id, s=seen.id, state=seen.state, next=next_at)
            if seen.state == "failed":  # also after it was done: the bank sent it back
                self._refund_failed(connection, row)
        elif row.stripe_id is None and seen.state != "failed":
            self._refunded_outside(connection, order, seen)  # after it was given up

    def _refund_failed(self, connection: sa.Connection, refund: Any) -> None:
        """Puts the credits back."""
        account = refund.account_id
        if refund.movement is not None:
            key = f"refund-failed:{refund.id}"
            request = Request("refund_cancel", account, key, names=refund.movement)
            self._ledger.post(connection, request)
        what = {"refund": refund.id, "order": refund.order_id}
        for topic in ("refund_failed", "operator"):
            self._tell(connection, account, topic, f"refund-failed:{refund.id}", **what)

    def _refunded_outside(self, connection: sa.Connection, order: Any, seen: Back) -> None:
        """Writes down what somebody sent back at Stripe; `_even` takes its credits."""
        account, id_ = order.account_id, new_id("r")
        values = {"id": id_, "a": account, "order": order.id, "key": id_, "at": self._clock()}
        values |= {"micro": 0, "minor": seen.amount_minor, "movement": None, "next": None}
        run(connection, ADD_REFUND, **values, state=seen.state, stripe=seen.id)
        what = {"order": order.id, "refund": seen.id, "sent_minor": seen.amount_minor}
        self._tell(connection, account, "operator", f"refund:{seen.id}", **what)

    def _gone(self, connection: sa.Connection, order: Any) -> Any:
        what = {"paid": order.paid_minor, "a": order.account_id, "g": order.grant_seq}
        return run(connection, GONE, id=order.id, **what).one()

    def _even(self, connection: sa.Connection, order: Any) -> None:
        """Takes unspent credits whose money is gone; gives back those whose money came back.

        Refunds and disputes do so themselves. This is for what crossed: money that was sent back at
        Stripe, also while it was disputed, and refunds that failed after the rest was lost.
        """
        account, gone = order.account_id, self._gone(connection, order)
        due = -(-order.credits_micro * gone.minor // order.paid_minor)
        cents = 8 * -(-order.credits_micro // order.paid_minor)  # what refunds may have rounded off
        if gone.micro - due > cents:
            what = {"a": account, "key": f"even:{order.id}:%"}
            for seq in run(connection, EVENED, **what).scalars().all():
                cancel = Request("refund_cancel", account, f"even-back:{order.id}:{seq}", names=seq)
                self._ledger.post(connection, cancel)
            gone = self._gone(connection, order)
        if gone.unspent and due > gone.micro:
            key, take = f"even:{order.id}:{new_id('t')}", min(due - gone.micro, gone.unspent)
            self._try(connection, Request("refund", account, key, take, order.grant_seq))

    def _disputed(self, connection: sa.Connection, order: Any, seen: Back) -> None:
        """Freezes credits while their money is disputed; claws them back if it is lost."""
        account, told = order.account_id, []
        sql = "SELECT * FROM payments.dispute WHERE id = :id FOR UPDATE"
        row = run(connection, sql, id=seen.id).one_or_none()
        if row is None:
            micro = -(-order.credits_micro * seen.amount_minor // order.paid_minor)
            micro = min(micro, order.credits_micro - self._gone(connection, order).micro)
            key = f"dispute:{seen.id}"
            opened = Request("dispute_open", account, key, micro, order.grant_seq)
            frozen = self._try(connection, opened)
            values = {"o": order.id, "m": seen.amount_minor, "seq": frozen and frozen.seq}
            sql = "INSERT INTO payments.dispute VALUES (:id, :o, :m, 'open', :seq) RETURNING *"
            row = run(connection, sql, id=seen.id, **values).one()
            text = "A payment is disputed."
            self._stop_top_up(connection, account, "disputed", text, seen.id)
            told.append("open")
        if row.state == "open" and seen.state != "open":
            sql = "UPDATE payments.dispute SET state = :state WHERE id = :id"
            run(connection, sql, id=seen.id, state=seen.state)
            if row.movement is not None:
                kind, key = f"dispute_{seen.state}", f"dispute-{seen.state}:{seen.id}"
                self._ledger.post(connection, Request(kind, account, key, names=row.movement))
            told.append(seen.state)
        elif row.state == "lost" and seen.state == "won":
            told.append("won after it was lost: grant what was clawed back")
        for state in told:
            what = {"order": order.id, "dispute": seen.id, "state": state}
            for topic in ("dispute", "operator") if state in DISPUTES else ("operator",):
                self._tell(connection, account, topic, f"{seen.id}:{state}", **what)

    def _try(self, connection: sa.Connection, request: Request) -> Movement | None:
        """Posts what the ledger may refuse: money has moved, whatever it says."""
        try:
            return self._ledger.post(connection, request)
        except LedgerError:
            return None
