"""From what Stripe says of an order to credits: once, in any order, any number of times."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from ..ledger import LedgerError, Movement, Request
from ..settings import Pack
from .gateway import ASKED_FIRST, Back, Seen
from .office import Office, new_id
from .rows import add, change, find, run

DISPUTES = ("open", "won", "lost")
RANK = {"new": 0, "open": 1, "processing": 2, "failed": 3, "expired": 3}  # never back
LOCK = "FOR UPDATE"
FIRST_LOOK = timedelta(seconds=60)  # whoever wrote a row is still at it before
# A paid order: what its grant has left, and the money that went back or was lost.
STANDING = """SELECT o.*, g.returned, g.available, g.held, g.frozen, g.dispute,
    greatest(0, least(g.available, a.available)) AS unspent, least(o.paid_minor,
        (SELECT coalesce(sum(amount_minor), 0) FROM payments.refund
            WHERE order_id = o.id AND state <> 'failed')
        + (SELECT coalesce(sum(amount_minor), 0) FROM payments.dispute
            WHERE order_id = o.id AND state = 'lost'))::bigint AS gone_minor
    FROM payments.pack_order o JOIN ledger.account a ON a.id = o.account_id
    JOIN ledger.credit_grant g ON g.account_id = o.account_id AND g.seq = o.grant_seq"""
EVENED = """SELECT seq FROM ledger.movement m WHERE account_id = :a AND kind = 'refund'
    AND key LIKE :key AND NOT EXISTS (SELECT FROM ledger.movement
    WHERE account_id = :a AND names = m.seq AND kind = 'refund_cancel')"""


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

    def _settle(self, order: str, seen: Seen) -> None:
        """Brings an order to what was seen, by itself."""
        with self._transaction() as connection:
            self._apply(connection, order, seen)

    def _apply(self, connection: sa.Connection, order: str, seen: Seen) -> str:
        """Brings an order to what was seen; says what came of it."""
        row = find(connection, "pack_order", LOCK, id=order)
        if wrong := self._wrong(row, seen):
            what = {"order": order, "wrong": wrong, "payment": seen.payment}
            self._tell(connection, row.account_id, "operator", f"{order}:{wrong}", **what)
            return f"refused: {wrong}"
        row = change(
            connection,
            "pack_order",
            {"id": order},
            session_id=row.session_id or seen.session,
            payment_id=row.payment_id or seen.payment,
            invoice_url=seen.invoice_url or row.invoice_url,
            receipt_url=seen.receipt_url or row.receipt_url,
        )
        if seen.state == "paid":
            self._paid(connection, row, seen)
        elif RANK[seen.state] > RANK.get(row.state, 3):
            if seen.state == "processing":
                change(connection, "pack_order", {"id": order}, state="processing")
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

    def _paid(self, connection: sa.Connection, order: Any, seen: Seen) -> None:
        """Grants the credits, if it was not done before, and takes those whose money went back."""
        if order.state != "paid":
            key, reason = f"order:{order.id}", f"order {order.id}"
            what = {"amount": order.credits_micro, "grant_kind": "paid", "reason": reason}
            request = Request("grant", order.account_id, key, **what)
            told = {"state": "paid", "paid_minor": seen.total_minor, "failure": None}
            told |= {"grant_seq": self._ledger.post(connection, request).seq, "next_at": None}
            order = change(connection, "pack_order", {"id": order.id}, **told)
        for refund in seen.refunds:
            self._refunded(connection, order, refund)
        for dispute in seen.disputes:
            self._disputed(connection, order, dispute)
        self._even(connection, order)

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
            WHERE id = :id AND state IN ('new', 'open', 'processing')"""
        ended = run(connection, sql, id=order.id, state=state, text=text).rowcount
        if not ended or order.kind != "top_up":
            return
        why = reason if reason in (ASKED_FIRST, "no_card") else "declined"
        self._stop_top_up(connection, order.account_id, why, text, order.id)
        if why == ASKED_FIRST:  # the same again, to be paid by hand
            pack = Pack(order.pack, order.credits_micro, order.price_minor, order.currency)
            what = {"return_url": f"{self._settings.url}/credits/order", "mail": True}
            what |= {"save_card": True, "next_at": self._clock()}
            self._add(connection, order.account_id, pack, "checkout", **what)

    def _add(
        self, connection: sa.Connection, account: int, pack: Pack, kind: str, **what: Any
    ) -> Any:
        """Writes an order down before Stripe is asked; its id is the key of whoever names none."""
        id_, now = new_id("o"), self._clock()
        terms = pack._asdict() | {"id": id_, "pack": pack.id, "tax": self._settings.tax}
        usual = {"key": id_, "at": now, "next_at": now + FIRST_LOOK}
        return add(
            connection, "pack_order", account_id=account, kind=kind, **terms, **(usual | what)
        )

    def _stop_top_up(
        self, connection: sa.Connection, account: int, state: str, text: str, key: str
    ) -> None:
        which = {"account_id": account, "enabled": True}
        if change(connection, "auto_top_up", which, enabled=False, state=state, reason=text):
            self._tell(connection, account, "top_up_stopped", key, state=state, reason=text)

    # Money that goes back

    def _refunded(self, connection: sa.Connection, order: Any, seen: Back) -> None:
        sql = """SELECT * FROM payments.refund WHERE order_id = :o AND (stripe_id = :s OR id = :id)
            ORDER BY stripe_id = :s DESC NULLS LAST LIMIT 1 FOR UPDATE"""
        row = run(connection, sql, o=order.id, s=seen.id, id=seen.refund or "").one_or_none()
        if row is None or (row.state == "failed" and row.stripe_id is None):
            if seen.state != "failed":  # somebody sent it at Stripe, or after it was given up
                self._refunded_outside(connection, order, seen)
        elif row.state == "pending" or (row.state == "done" and seen.state == "failed"):
            next_at = row.next_at if seen.state == "pending" else None
            told = {"stripe_id": seen.id, "state": seen.state, "next_at": next_at}
            change(connection, "refund", {"id": row.id}, **told)
            if seen.state == "failed":  # also after it was done: the bank sent it back
                self._refund_failed(connection, row)

    def _refund_failed(self, connection: sa.Connection, refund: Any) -> None:
        """Puts the credits back."""
        account, key = refund.account_id, f"refund-failed:{refund.id}"
        if refund.movement is not None:
            request = Request("refund_cancel", account, key, names=refund.movement)
            self._ledger.post(connection, request)
        for topic in ("refund_failed", "operator"):
            what = {"refund": refund.id, "order": refund.order_id}
            self._tell(connection, account, topic, key, **what)

    def _refunded_outside(self, connection: sa.Connection, order: Any, seen: Back) -> None:
        """Writes down what somebody sent back at Stripe; `_even` takes its credits."""
        account, id_ = order.account_id, new_id("r")
        values = {"id": id_, "key": id_, "stripe_id": seen.id, "at": self._clock()}
        values |= {"amount_micro": 0, "amount_minor": seen.amount_minor, "state": seen.state}
        add(connection, "refund", account_id=account, order_id=order.id, **values)
        what = {"order": order.id, "refund": seen.id, "sent_minor": seen.amount_minor}
        self._tell(connection, account, "operator", f"refund:{seen.id}", **what)

    def _standing(self, connection: sa.Connection, order: str) -> Any:
        """Reads what is left of a paid order, of which the ledger moves nothing meanwhile."""
        sql = f"{STANDING} WHERE o.id = :id FOR NO KEY UPDATE OF a"
        return run(connection, sql, id=order).one()

    def _even(self, connection: sa.Connection, order: Any) -> None:
        """Takes unspent credits whose money is gone; gives back those whose money came back.

        Refunds and disputes do so themselves. This is for what crossed: money that was sent back at
        Stripe, also while it was disputed, and refunds that failed after the rest was lost.
        """
        account, now = order.account_id, self._standing(connection, order.id)
        due = -(-order.credits_micro * now.gone_minor // order.paid_minor)
        cents = 8 * -(-order.credits_micro // order.paid_minor)  # what refunds may have rounded off
        if now.returned - due > cents:
            what = {"a": account, "key": f"even:{order.id}:%"}
            for seq in run(connection, EVENED, **what).scalars().all():
                cancel = Request("refund_cancel", account, f"even-back:{order.id}:{seq}", names=seq)
                self._ledger.post(connection, cancel)
            now = self._standing(connection, order.id)
        if now.unspent and due > now.returned:
            key, take = f"even:{order.id}:{new_id('t')}", min(due - now.returned, now.unspent)
            self._try(connection, Request("refund", account, key, take, order.grant_seq))

    def _disputed(self, connection: sa.Connection, order: Any, seen: Back) -> None:
        """Freezes credits while their money is disputed; claws them back if it is lost."""
        account, told = order.account_id, []
        row = find(connection, "dispute", LOCK, id=seen.id)
        if row is None:
            micro = -(-order.credits_micro * seen.amount_minor // order.paid_minor)
            returned = self._standing(connection, order.id).returned
            micro = min(micro, order.credits_micro - returned)
            opened = Request("dispute_open", account, f"dispute:{seen.id}", micro, order.grant_seq)
            frozen = self._try(connection, opened)
            values = {"order_id": order.id, "amount_minor": seen.amount_minor, "state": "open"}
            values["movement"] = frozen and frozen.seq
            row = add(connection, "dispute", id=seen.id, **values)
            text = "A payment is disputed."
            self._stop_top_up(connection, account, "disputed", text, seen.id)
            told.append("open")
        if row.state == "open" and seen.state != "open":
            change(connection, "dispute", {"id": seen.id}, state=seen.state)
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
        with suppress(LedgerError):
            return self._ledger.post(connection, request)
