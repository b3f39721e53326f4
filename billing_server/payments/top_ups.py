"""Auto top-up: a pack is bought while the customer is away, until a cap or the first decline."""

from datetime import datetime
from typing import Any

from ..ledger import InvalidError
from ..ledger.values import MAX_AMOUNT, whole
from .office import BATCH
from .orders import GIVE_UP, Orders
from .rows import change, find, run
from .settlement import LOCK
from .values import AutoTopUp, RefusedError

MAX_CAP = 10**9  # minor units in a month: more is a slip of the finger
NO_CARD = "No card is saved. Buy a pack and save the card, then switch it on again."
CAPPED = "The cap of this month is reached."
# One at a time: a top-up that is not finished is in nobody's way twice.
WANTED = """SELECT t.* FROM payments.auto_top_up t JOIN ledger.account a ON a.id = t.account_id
    WHERE t.enabled AND a.available < t.threshold_micro
    AND (t.rests_until IS NULL OR t.rests_until <= :now)
    AND NOT EXISTS (SELECT FROM payments.pack_order o WHERE o.account_id = t.account_id
        AND o.kind = 'top_up' AND o.state IN ('new', 'processing'))"""
SPENT = """SELECT coalesce(sum(price_minor), 0)::bigint FROM payments.pack_order
    WHERE account_id = :a AND kind = 'top_up' AND at >= :since
    AND state IN ('new', 'processing', 'paid')"""
SET = """INSERT INTO payments.auto_top_up (account_id, enabled, threshold_micro, pack,
    monthly_cap_minor) VALUES (:a, :e, :t, :p, :c)
    ON CONFLICT (account_id) DO UPDATE SET enabled = excluded.enabled, pack = excluded.pack,
    threshold_micro = excluded.threshold_micro, monthly_cap_minor = excluded.monthly_cap_minor,
    state = 'ok', reason = NULL, rests_until = NULL"""


class TopUps(Orders):
    """Buying while the customer is away."""

    def auto_top_up(self, account: int) -> AutoTopUp:
        """Returns the setting; switched off if there was never one."""
        with self._transaction() as connection:
            row = find(connection, "auto_top_up", account_id=account)
        if row is None:
            pack = self._settings.packs[0]
            return AutoTopUp(False, 0, pack.id, pack.price_minor, "ok", None)
        what = row.enabled, row.threshold_micro, row.pack, row.monthly_cap_minor
        rests = row.rests_until is not None and self._clock() < row.rests_until
        return AutoTopUp(*what, "capped" if row.enabled and rests else row.state, row.reason)

    def set_auto_top_up(
        self,
        account: int,
        *,
        enabled: bool,
        threshold_micro: int,
        pack_id: str,
        monthly_cap_minor: int,
    ) -> AutoTopUp:
        """Buys a pack whenever less than the threshold is available, up to a cap in a month (UTC).

        The cap counts prices without tax. Switching on again is how a customer says that a declined
        card is in order.
        """
        price = self._pack(pack_id).price_minor
        whole("threshold_micro", threshold_micro, 0, MAX_AMOUNT)
        if not isinstance(enabled, bool):
            raise InvalidError(f"enabled must be true or false, got {enabled!a:.40}.")
        number = isinstance(monthly_cap_minor, int) and not isinstance(monthly_cap_minor, bool)
        if not number or not price <= monthly_cap_minor <= MAX_CAP:
            raise InvalidError(
                f"monthly_cap_minor must be from {price}, the price of the pack, to {MAX_CAP}, "
                f"got {monthly_cap_minor!a:.40}. Raise it, or choose a smaller pack."
            )
        values = {"e": enabled, "t": threshold_micro, "p": pack_id, "c": monthly_cap_minor}
        with self._transaction() as connection:
            self._customer_row(connection, account)
            run(connection, SET, a=account, **values)
        return self.auto_top_up(account)

    def _start_top_ups(self) -> list[Any]:
        """Writes orders for accounts that are low; they are placed afterwards."""
        with self._transaction() as connection:
            sql = f"{WANTED} LIMIT :n"
            low = [row.account_id for row in run(connection, sql, now=self._clock(), n=BATCH)]
        return [order for account in low if (order := self._start_top_up(account))]

    def _start_top_up(self, account: int) -> Any:
        now = self._clock()
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        with self._transaction() as connection:
            find(connection, "auto_top_up", LOCK, account_id=account)
            sql = f"{WANTED} AND t.account_id = :a"
            wanted = run(connection, sql, a=account, now=now).one_or_none()
            if wanted is None:  # somebody else was faster
                return None
            try:
                pack = self._pack(wanted.pack)
            except InvalidError as error:
                self._stop_top_up(connection, account, "declined", str(error), f"{now}")
                return None
            spent = run(connection, SPENT, a=account, since=month).scalar_one()
            if spent + pack.price_minor > wanted.monthly_cap_minor:
                told = {"reason": CAPPED, "rests_until": _next_month(month)}
                change(connection, "auto_top_up", {"account_id": account}, **told)
                what = {"reason": CAPPED, "spent_minor": spent, "currency": pack.currency}
                self._tell(connection, account, "top_up_capped", f"{month:%Y-%m}", **what)
                return None
            change(connection, "auto_top_up", {"account_id": account}, reason=None)
            return self._add(connection, account, pack, "top_up")

    def _place(self, order: Any) -> None:
        if order.kind != "top_up":
            super()._place(order)
        elif self._clock() - order.at < GIVE_UP:
            self._charge(order)
        else:
            self._find_charge(order)

    def _charge(self, order: Any) -> None:
        try:
            card = order.card or self._gateway.card(self._customer(order.account_id))
            if card is None:
                raise RefusedError(NO_CARD, "no_card")
            order = self._addressed(order, card)
            seen = self._gateway.charge(order)
        except RefusedError as error:
            self._refused(order, error)
            raise
        self._settle(order.id, seen)

    def _find_charge(self, order: Any) -> None:
        """Looks for a charge whose answer never came; if there is none, there was none."""
        customer, payment = order.customer, None
        if customer is not None:
            payment = self._gateway.find_payment(customer, order.id, order.at)
        if payment is not None:
            self._settle(order.id, self._gateway.payment(payment))
            return
        with self._transaction() as connection:
            self._failed(connection, order, "The card could not be charged.")


def _next_month(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
