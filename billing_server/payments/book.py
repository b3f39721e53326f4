"""The payments' face: orders, refunds, auto top-up, webhooks, and what is due."""

from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa

from ..ledger import Ledger
from ..settings import Settings
from .gateway import Gateway
from .values import AutoTopUp, Checkout, Order, Pack, Purchase, Refund, Report


def utc_now() -> datetime:
    """Returns the time; the default clock."""
    return datetime.now(UTC)


class Payments:
    """Orders of credit packs; one for each process, used by all its threads.

    No transaction is open while Stripe is asked. What Stripe did not answer clearly is asked again
    with the same idempotency key, by `due`, until it is known. Each method may raise:

        LedgerError: as the ledger does (InvalidError, NotFoundError, KeyReusedError,
            InsufficientCreditsError, NotAllowedError; UnavailableError: the database is away).
        UnknownOutcomeError: Stripe did not answer; the same call with the same key goes on.
        RefusedError: Stripe said no.
    """

    def __init__(
        self,
        engine: sa.Engine,
        ledger: Ledger,
        gateway: Gateway,
        settings: Settings,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Uses the tables that `database.migrate` made."""

    def packs(self) -> list[Pack]:
        """Returns what is sold."""
        raise NotImplementedError

    def checkout(
        self, account: int, pack_id: str, *, key: str, return_url: str, save_card: bool = True
    ) -> Checkout:
        """Opens a page at Stripe where a pack is paid; the customer comes back to `return_url`.

        The caller answers for `return_url`; `order=...` is added to it. Coming back
        means nothing: credits come by webhook.

        Raises:
            LimitError: Too many unpaid or declined orders of this account.
        """
        raise NotImplementedError

    def order(self, account: int, order: str) -> Order:
        """Returns what is known of an order; asks nobody."""
        raise NotImplementedError

    def portal(self, account: int, return_url: str) -> str:
        """Returns the address of Stripe's page for cards and invoices; it is good for minutes."""
        raise NotImplementedError

    def auto_top_up(self, account: int) -> AutoTopUp:
        """Returns the setting; switched off if there was never one."""
        raise NotImplementedError

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
        raise NotImplementedError

    def purchases(self, account: int) -> list[Purchase]:
        """Returns what was paid, the latest first."""
        raise NotImplementedError

    def refund(self, account: int, order: str, amount_micro: int, *, key: str) -> Refund:
        """Takes unspent credits of an order back and sends their money.

        Raises:
            InsufficientCreditsError: Less is unspent.
            NotAllowedError: The order is not paid, or is disputed.
        """
        raise NotImplementedError

    def receive(self, body: bytes, signature: str) -> str:
        """Takes a webhook; returns handled, duplicate or ignored. Any error but one is ours: 5xx.

        Raises:
            SignatureError: It is not Stripe's, or for another mode: 400.
        """
        raise NotImplementedError

    def due(self) -> None:
        """Tops up, and finishes what was interrupted; to be called every few seconds."""
        raise NotImplementedError

    def reconcile(self, since: datetime) -> Report:
        """Handles the events of Stripe that never came."""
        raise NotImplementedError

    def reconciled(self) -> Report | None:
        """Returns the last report."""
        raise NotImplementedError
