"""The ledger: SQL and values. It knows neither Flask nor Stripe."""

from .book import Ledger
from .values import (
    CREDIT,
    Balance,
    Budget,
    BudgetExceededError,
    EndedError,
    Grant,
    InsufficientCreditsError,
    InvalidError,
    KeyReusedError,
    LedgerError,
    Line,
    Movement,
    NotAllowedError,
    NotFoundError,
    Request,
    UnavailableError,
    in_credits,
)

__all__ = [
    "CREDIT",
    "Balance",
    "Budget",
    "BudgetExceededError",
    "EndedError",
    "Grant",
    "InsufficientCreditsError",
    "InvalidError",
    "KeyReusedError",
    "Ledger",
    "LedgerError",
    "Line",
    "Movement",
    "NotAllowedError",
    "NotFoundError",
    "Request",
    "UnavailableError",
    "in_credits",
]
