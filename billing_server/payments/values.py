"""What the payments tell and refuse: credits in micro-credits, money in minor units."""

from datetime import datetime
from typing import NamedTuple


class PaymentError(Exception):
    """Something that the payments refuse; no money and no credits moved."""

    code = "payment"


class LimitError(PaymentError):
    """Too many purchases were begun, or declined, in a short time."""

    code = "limit"


class RefusedError(PaymentError):
    """Stripe said no, and will say no again. The text may be shown to the customer.

    `reason` is Stripe's decline code or error code; `parameter` what it did not like.
    """

    code = "declined"

    def __init__(self, text: str, reason: str = "", parameter: str | None = None) -> None:
        super().__init__(text)
        self.reason, self.parameter = reason, parameter


class UnknownOutcomeError(PaymentError):
    """Stripe did not answer, or not clearly. Ask again with the same key.

    `kept`: Stripe remembers this very answer for the key; asking again will not help.
    """

    code = "unavailable"

    def __init__(self, text: str, *, kept: bool = False) -> None:
        super().__init__(text)
        self.kept = kept


class SignatureError(PaymentError):
    """A webhook that does not come from Stripe, comes too late, or is for another mode."""

    code = "signature"


class Checkout(NamedTuple):
    """An order and where it is paid."""

    order: str
    url: str


class Order(NamedTuple):
    """What became of an order.

    `state` is new (Stripe was not reached), open (the customer may pay), processing (he has, the
    bank takes its time), paid (credits are granted), failed, or expired.
    """

    id: str
    account: int
    pack: str
    credits_micro: int
    price_minor: int
    currency: str
    state: str
    at: datetime
    failure: str | None  # a sentence for the customer


class Purchase(NamedTuple):
    """A paid order. `state` is paid, partly_refunded, refunded or disputed."""

    order: str
    at: datetime
    credits_micro: int
    price_minor: int
    paid_minor: int  # with tax
    currency: str
    unspent_micro: int  # also what is held or frozen
    refundable_micro: int
    refundable_minor: int  # the money of that
    refunded_micro: int  # also what a lost dispute took
    invoice_url: str | None
    receipt_url: str | None
    state: str


class Refund(NamedTuple):
    """Money on its way back. `state` is pending, done, or failed (the credits came back)."""

    id: str
    order: str
    amount_micro: int
    amount_minor: int
    currency: str
    state: str
    at: datetime


class AutoTopUp(NamedTuple):
    """When credits are bought without asking.

    `state` is ok, or why it was switched off: declined, authentication_required, no_card, disputed;
    or capped, which ends with the month. `reason` is a sentence for the customer.
    """

    enabled: bool
    threshold_micro: int
    pack_id: str
    monthly_cap_minor: int
    state: str
    reason: str | None


class Report(NamedTuple):
    """What a comparison with Stripe's events found."""

    at: datetime
    since: datetime
    events: int  # that Stripe has
    filled: int  # that never came, or were not finished, and now are
    problems: tuple[str, ...]
