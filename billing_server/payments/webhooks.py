"""Events: hints that an order should be looked at. Each takes effect once."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from ..ledger import LedgerError, UnavailableError
from .gateway import HANDLED, Event
from .orders import DECLINED_COUNT, MAX_DECLINED
from .refunds import Refunds
from .rows import find, run
from .values import RefusedError, Report, UnknownOutcomeError

log = logging.getLogger("dressform")
RECONCILE_EVERY = timedelta(hours=1)
LOOK_BACK = timedelta(days=3)  # as long as Stripe repeats a webhook
LATE = timedelta(days=7)  # for money on its way back
ORDER_OF = """SELECT * FROM payments.pack_order
    WHERE id = :order OR session_id = :session OR payment_id = :payment
    ORDER BY payment_id = :payment DESC NULLS LAST, session_id = :session DESC NULLS LAST
    LIMIT 1"""
ADD_EVENT = """INSERT INTO payments.event (id, type, created_at, at, account_id, order_id, outcome)
    VALUES (:id, :type, :created, :at, :account, :order, :outcome) ON CONFLICT DO NOTHING"""
STUCK = """SELECT 'refund ' || id || ' is pending since ' || at FROM payments.refund
    WHERE state = 'pending' AND at < :late
    UNION ALL SELECT 'order ' || id || ' is ' || state || ' since ' || at FROM payments.pack_order
    WHERE state IN ('new', 'open', 'processing') AND at < :late"""


class Webhooks(Refunds):
    """What Stripe tells, and what it should have told."""

    def receive(self, body: bytes, signature: str) -> str:
        """Takes a webhook; returns what came of it: handled, duplicate, ignored, or refused: why.

        Any error but one is ours: answer 5xx, so that Stripe sends it again.

        Raises:
            SignatureError: It is not Stripe's, or for another mode: 400.
        """
        return self._handle(self._gateway.event(body, signature))

    def _handle(self, event: Event) -> str:
        with self._transaction() as connection:
            if find(connection, "event", id=event.id) is not None:
                return "duplicate"
        order, seen, outcome = None, None, "ignored"
        if event.type in HANDLED:
            order, event = self._order_of(event)
        if order is None and event.order and event.type == "payment_intent.succeeded":
            # Of another shop, or begun after the backup that was restored here: people must look.
            outcome = f"refused: order {event.order} is not in these books"
        if order is not None:
            try:
                seen = self._look(order, event.session, event.payment)
                if event.type.startswith("radar."):
                    self._send_back(order, event, seen)
            except RefusedError as error:
                if error.reason != "resource_missing":  # our fault: let it come again
                    raise
                outcome = f"refused: {error}"
        with self._transaction() as connection:
            if order is not None and seen is not None:
                outcome = self._apply(connection, order.id, seen)
            values = {"id": event.id, "type": event.type, "created": event.created_at}
            values |= {"account": order and order.account_id, "order": order and order.id}
            if not run(connection, ADD_EVENT, **values, at=self._clock(), outcome=outcome).rowcount:
                return "duplicate"  # it came twice at once, and the other was faster
            declined = order is not None and self._declined(connection, order.account_id)
        if declined and event.type == "payment_intent.payment_failed":
            self._close(order)
        return outcome

    def _order_of(self, event: Event) -> tuple[Any, Event]:
        """Returns the order that an event is about; a dispute knows only its payment."""
        order = self._named(event)
        if order is None and event.order is None and event.payment is not None:
            try:
                event = event._replace(order=self._gateway.payment(event.payment).order)
            except RefusedError:  # not of this shop
                return None, event
            order = self._named(event)
        return order, event

    def _named(self, event: Event) -> Any:
        with self._transaction() as connection:
            names = {"order": event.order, "session": event.session, "payment": event.payment}
            return run(connection, ORDER_OF, **names).one_or_none()

    def _send_back(self, order: Any, event: Event, seen: Any) -> None:
        """Refunds what is unspent before an early warning of fraud becomes a dispute."""
        self._settle(order.id, seen)
        for purchase in self.purchases(order.account_id):
            if purchase.order == order.id and purchase.refundable_micro:
                amount = purchase.refundable_micro
                self.refund(order.account_id, order.id, amount, key=f"{event.id}:{amount}")

    def _declined(self, connection: sa.Connection, account: int) -> bool:
        day = self._clock() - timedelta(days=1)
        return run(connection, DECLINED_COUNT, a=account, day=day).scalar_one() >= MAX_DECLINED

    def _close(self, order: Any) -> None:
        """Ends a page on which one card after the other is tried."""
        if order.session_id is not None:
            with suppress(RefusedError, UnknownOutcomeError):  # it ends by itself
                self._gateway.expire(order.session_id)

    def due(self) -> None:
        """Tops up, and finishes what was interrupted; to be called every few seconds.

        When Stripe does not answer, everything waits for its next turn. Any other error is raised
        when all the rest has been done.
        """
        works: list[Callable[[], object]] = []
        works += [partial(self._finish, order) for order in self._claim("pack_order")]
        works += [partial(self._finish_refund, refund) for refund in self._claim("refund")]
        works += [partial(self._finish, order) for order in self._start_top_ups()]
        works.append(self._reconcile_in_time)
        failed: Exception | None = None
        for work in works:
            try:
                work()
            except (UnknownOutcomeError, UnavailableError) as error:
                log.warning("payments: %s", error)
                break
            except RefusedError as error:
                log.warning("payments: %s", error)  # it is written down
            except Exception as error:
                failed = error
        if failed is not None:
            raise failed

    def _reconcile_in_time(self) -> None:
        last, now = self.reconciled(), self._clock()
        if last is None or last.at <= now - RECONCILE_EVERY:
            self.reconcile((last.at if last else now - LOOK_BACK) - RECONCILE_EVERY)

    def reconcile(self, since: datetime) -> Report:
        """Handles the events of Stripe that never came, or that were not finished."""
        events = self._gateway.events(since)
        with self._transaction() as connection:
            sql = "SELECT id FROM payments.event WHERE id = ANY(:ids)"
            known = set(run(connection, sql, ids=[one.id for one in events]).scalars())
        filled, problems = 0, []
        for event in (one for one in events if one.id not in known):
            try:
                outcome = self._handle(event)
            except UnknownOutcomeError:  # Stripe does not answer: all of it comes again
                raise
            except (RefusedError, LedgerError) as error:  # its webhook fares no better
                outcome = f"failed: {error}"
            except Exception as error:  # whatever it is: the others must not wait for it
                log.exception("payments: event %s failed", event.id)
                outcome = f"failed: {type(error).__name__}"
            filled += outcome == "handled"
            if ":" in outcome:
                problems.append(f"event {event.id} {outcome}")
        with self._transaction() as connection:
            late = self._clock() - LATE
            problems = [*problems, *run(connection, STUCK, late=late).scalars()]
            report = Report(self._clock(), since, len(events), filled, tuple(problems))
            sql = """INSERT INTO payments.reconciliation (at, since, events, filled, problems)
                VALUES (:at, :since, :events, :filled, :problems)"""
            run(connection, sql, **report._asdict() | {"problems": problems})
        return report

    def reconciled(self) -> Report | None:
        """Returns the last report."""
        with self._transaction() as connection:
            sql = """SELECT at, since, events, filled, problems FROM payments.reconciliation
                ORDER BY id DESC LIMIT 1"""
            row = run(connection, sql).one_or_none()
        return Report._make((*row[:-1], tuple(row.problems))) if row else None
