"""Payments: credits for money, by Stripe. Money is Stripe's affair, credits are the ledger's."""

from .book import Payments
from .gateway import Gateway
from .values import (
    AutoTopUp,
    Checkout,
    LimitError,
    Order,
    Pack,
    PaymentError,
    Purchase,
    Refund,
    RefusedError,
    Report,
    SignatureError,
    UnknownOutcomeError,
)

__all__ = [
    "AutoTopUp",
    "Checkout",
    "Gateway",
    "LimitError",
    "Order",
    "Pack",
    "PaymentError",
    "Payments",
    "Purchase",
    "Refund",
    "RefusedError",
    "Report",
    "SignatureError",
    "UnknownOutcomeError",
]
