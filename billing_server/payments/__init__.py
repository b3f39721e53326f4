"""Payments: credits for money, by Stripe. Money is Stripe's affair, credits are the ledger's."""

from .book import Payments
from .gateway import Gateway
from .values import PaymentError

__all__ = ["Gateway", "PaymentError", "Payments"]
