"""Orders of packs: placed at Stripe, paid there, looked up until it is known."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from ..ledger import InvalidError, KeyReusedError, NotFoundError
from ..ledger.values import text
from ..settings import Pack
from .office import new_id
from .rows import change, find, run
from .settlement import FIRST_LOOK, LOCK, Settlement
from .values import Checkout, LimitError, Order, RefusedError, UnknownOutcomeError

GIVE_UP = timedelta(hours=1)  # Stripe forgets idempotency keys after 24 hours
MAX_UNPAID = 10  # orders begun in an hour and not paid: more is testing of cards
MAX_DECLINED = 5  # declined payments in a day
CUSTOMER = """INSERT INTO payments.customer AS c (account_id, key)
    SELECT id, :k FROM ledger.account WHERE id = :a
    ON CONFLICT (account_id) DO UPDATE SET key = c.key RETURNING key, stripe_id"""  # locks it, too
UNPAID_COUNT = """SELECT count(*) FROM payments.pack_order
    WHERE account_id = :a AND at > :hour AND kind = 'checkout' AND state <> 'paid'"""
DECLINED_COUNT = """SELECT count(*) FROM payments.event
    WHERE account_id = :a AND at > :day AND type = 'payment_intent.payment_failed'"""


class Orders(Settlement):
    """Buying."""

    def packs(self) -> list[Pack]:
        """Returns what is sold."""
        return list(self._settings.packs)

    def checkout(
        self, account: int, pack_id: str, *, key: str, return_url: str, save_card: bool = True
    ) -> Checkout:
        """Opens a page at Stripe where a pack is paid; the customer comes back to `return_url`.

        The caller answers for `return_url`; `order=...` is added to it. Coming back means nothing:
        credits come by webhook.

        Raises:
            LimitError: Too many unpaid or declined orders of this account.
        """
        pack = self._pack(pack_id)
        text("key", key)
        if urlsplit(return_url).scheme not in ("http", "https") or len(return_url) > 2000:
            raise InvalidError(
                f"return_url must be an address of a page, got {return_url!a:.80}. Write https://..."
            )
        with self._transaction() as connection:
            self._customer_row(connection, account)
            order = find(connection, "pack_order", account_id=account, key=key)
            if order is None:
                self._limit(connection, account)
                what = {"key": key, "return_url": return_url, "save_card": save_card}
                order = self._add(connection, account, pack, "checkout", **what)
        if (order.pack, order.return_url, order.save_card) != (pack_id, return_url, save_card):
            raise KeyReusedError(
                f"a new key is required for a new order, got {key}, which made order {order.id}. "
                "Use another key."
            )
        if order.state == "new":
            return self._place_checkout(order)
        if order.url is None:
            raise RefusedError(order.failure or "The order has failed. Order again.")
        return Checkout(order.id, order.url)

    def order(self, account: int, order: str) -> Order:
        """Returns what is known of an order; asks nobody."""
        row = self._order(order, account)
        what = row.id, row.account_id, row.pack, row.credits_micro, row.price_minor, row.currency
        return Order(*what, row.state, row.at, row.failure)

    def portal(self, account: int, return_url: str) -> str:
        """Returns the address of Stripe's page for cards and invoices; it is good for minutes."""
        return self._gateway.portal(self._customer(account), return_url)

    def _pack(self, pack_id: str) -> Pack:
        for pack in self._settings.packs:
            if pack.id == pack_id:
                return pack
        known = ", ".join(pack.id for pack in self._settings.packs)
        raise InvalidError(f"pack must be one of {known}, got {pack_id!a:.40}. Choose one of them.")

    def _limit(self, connection: sa.Connection, account: int) -> None:
        now = self._clock()
        hour, day = now - timedelta(hours=1), now - timedelta(days=1)
        declined = run(connection, DECLINED_COUNT, a=account, day=day).scalar_one()
        unpaid = run(connection, UNPAID_COUNT, a=account, hour=hour).scalar_one()
        for count, most, what, wait in (
            (unpaid, MAX_UNPAID, "unpaid orders in an hour", "Pay one of them, or wait an hour."),
            (declined, MAX_DECLINED, "declined payments in a day", "Ask your bank; wait a day."),
        ):
            if count >= most:
                raise LimitError(f"at most {most} {what} are allowed, got {count}. {wait}")

    def _order(self, order: str, account: int | None = None) -> Any:
        with self._transaction() as connection:
            row = find(connection, "pack_order", id=order)
        if row is None or account not in (None, row.account_id):
            raise NotFoundError(f"an order is required, got {order!a:.60}. Look at the purchases.")
        return row

    def _customer_row(self, connection: sa.Connection, account: int) -> Any:
        row = run(connection, CUSTOMER, a=account, k=new_id("c")).one_or_none()
        if row is None:
            raise NotFoundError(f"an account is required, got {account}. Open one.")
        return row

    def _customer(self, account: int) -> str:
        """Returns Stripe's id of an account; makes the customer the first time."""
        with self._transaction() as connection:
            row = self._customer_row(connection, account)
        if row.stripe_id:
            return row.stripe_id
        which = {"account_id": account, "key": row.key}
        try:
            customer = self._gateway.customer(row.key, account)
        except UnknownOutcomeError as error:
            if error.kept:  # a customer that nobody knows of harms nobody
                with self._transaction() as connection:
                    change(connection, "customer", which, key=new_id("c"))
            raise
        with self._transaction() as connection:
            change(connection, "customer", which | {"stripe_id": None}, stripe_id=customer)
        return customer

    def _addressed(self, order: Any, card: str | None = None) -> Any:
        """Writes down who pays, before Stripe is asked: the same key needs the same request."""
        customer = self._customer(order.account_id)
        with self._transaction() as connection:
            row = find(connection, "pack_order", LOCK, id=order.id)
            told = {"customer": row.customer or customer, "card": row.card or card}
            return change(connection, "pack_order", {"id": order.id}, **told)

    def _refused(self, order: Any, error: RefusedError) -> None:
        """Ends an order that Stripe refused."""
        with self._transaction() as connection:
            if error.reason == "resource_missing" and error.parameter in ("customer", "id"):
                which = {"account_id": order.account_id}
                which |= {"stripe_id": order.customer} if order.customer else {}
                change(connection, "customer", which, stripe_id=None, key=new_id("c"))
            self._failed(connection, order, str(error), reason=error.reason)

    def _place_checkout(self, order: Any) -> Checkout:
        order = self._addressed(order)
        try:
            session, url = self._gateway.open_checkout(order)
        except (RefusedError, UnknownOutcomeError) as error:
            if isinstance(error, UnknownOutcomeError):
                if not error.kept:
                    raise
                error = RefusedError("The page for paying could not be opened. Order again.")
            self._refused(order, error)
            raise error from None
        with self._transaction() as connection:
            told = {"session_id": session, "url": url, "state": "open", "attempts": 0}
            told["next_at"] = self._clock() + FIRST_LOOK
            placed = change(connection, "pack_order", {"id": order.id, "state": "new"}, **told)
            if placed and order.mail:
                self._tell(connection, order.account_id, "pay_link", order.id, url=url)
        return Checkout(order.id, url)

    def _place(self, order: Any) -> None:
        """Asks Stripe again for what got no answer; after an hour, only whether it is there."""
        if self._clock() - order.at < GIVE_UP:
            self._place_checkout(order)
            return
        with self._transaction() as connection:  # nobody has its address
            self._failed(connection, order, "It could not be opened.", state="expired")

    def _finish(self, order: Any) -> None:
        """Brings an order on that nobody brought on."""
        if order.state == "new":
            self._place(order)
            return
        try:
            seen = self._look(order)
        except RefusedError as error:
            if error.reason == "resource_missing":
                self._refused(order, error)
            raise
        self._settle(order.id, seen)
