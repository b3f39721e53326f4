"""What goes into the ledger and what comes out: requests, movements, balances, errors.

Amounts are integers of micro-credits. Times are aware datetimes. A movement is known by its account
and its number `seq` in that account; so is the hold, grant or dispute that it made.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

CREDIT = 1_000_000  # micro-credits
MAX_AMOUNT = 10**15  # micro-credits in one movement: sums of thousands of them fit 64 bits
MAX_RATE = 10**9  # micro-credits for a GPU second: 1,000 credits; a year of it fits 64 bits
MAX_ID = 2**63 - 1
MAX_TEXT = 200  # characters of a key, reason or reference
MAX_GPU_MS = 366 * 24 * 3600 * 1000  # a year on one GPU: more is a mistake of the worker
OWN_KEYS = "due:"  # keys of what the ledger does by itself when a deadline has passed

PAID, PROMOTIONAL, GOODWILL = GRANT_KINDS = ("paid", "promotional", "goodwill")


class LedgerError(Exception):
    """A request that the ledger refuses; nothing was moved."""

    code = "ledger"
    alerts: tuple[tuple[str, dict], ...] = ()  # to be told, although nothing was moved


class InvalidError(LedgerError, ValueError):
    """An argument that can never be right."""

    code = "invalid"


class NotFoundError(LedgerError):
    """The account, hold, grant, dispute or rate does not exist."""

    code = "not_found"


class InsufficientCreditsError(LedgerError):
    """Less is available than asked for."""

    code = "insufficient_credits"


class BudgetExceededError(LedgerError):
    """A budget of the API key or of the account does not allow it."""

    code = "budget_exceeded"


class EndedError(LedgerError):
    """The hold, dispute or refund has ended, or its deadline has passed."""

    code = "ended"


class NotAllowedError(LedgerError):
    """The state of the grant does not allow it: disputed, not paid, spent."""

    code = "not_allowed"


class KeyReusedError(LedgerError):
    """The idempotency key belongs to another request."""

    code = "key_reused"


class UnavailableError(LedgerError):
    """The database did not answer. The outcome is unknown: ask again with the same key."""

    code = "unavailable"


class Request(NamedTuple):
    """One thing that is asked of the ledger; the kind of the movement says which fields count."""

    kind: str
    account: int
    key: str
    amount: int | None = None
    names: int | None = None
    run: str | None = None
    api_key: str | None = None
    rate: int | None = None
    gpu_ms: int | None = None
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    grant_kind: str | None = None
    priority: int | None = None
    reason: str | None = None


class Movement(NamedTuple):
    """An immutable row of the journal; the answer to every request, also when it is repeated."""

    account: int
    seq: int
    kind: str
    amount: int
    names: int | None
    key: str
    request: bytes
    at: datetime
    run: str | None
    api_key: str | None
    rate: int | None
    gpu_ms: int | None
    expires_at: datetime | None
    reason: str | None
    available: int  # of the account, afterwards
    held: int
    hash: bytes


class Entry(NamedTuple):
    """A part of a movement: so much of a grant into (or, negative, out of) a book."""

    grant: int
    book: str
    amount: int


class Line(NamedTuple):
    """A movement as a statement shows it."""

    movement: Movement
    entries: tuple[Entry, ...]


class Grant(NamedTuple):
    """Credits that came, their terms, and what is left of them."""

    account: int
    seq: int
    kind: str
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    amount: int
    available: int = 0
    held: int = 0
    frozen: int = 0
    returned: int = 0  # refunded or clawed back
    dispute: int | None = None  # the open one

    def burns_at(self, now: datetime) -> bool:
        """Says whether it may be spent: it has begun and has not lapsed."""
        return self.effective_at <= now and (self.expires_at is None or now < self.expires_at)


class OpenHold(NamedTuple):
    """A hold that has not ended, with what it took of which grant."""

    account: int
    seq: int
    amount: int
    held_at: datetime
    expires_at: datetime
    api_key: str | None
    run: str | None
    taken: tuple[tuple[int, int], ...]


class Balance(NamedTuple):
    """What an account has: `available` can be held now, `waiting` has not begun."""

    available: int
    held: int
    frozen: int
    waiting: int
    grants: tuple[Grant, ...]


class Budget(NamedTuple):
    """Limits in micro-credits of what is held and captured; None is no limit."""

    per_run: int | None = None
    per_day: int | None = None
    per_month: int | None = None


def in_credits(amount: int) -> str:
    """Writes micro-credits as credits, exactly: 1500000 is 1.5."""
    return f"{Decimal(amount) / CREDIT:f}"


def burn_order(grant: Grant) -> tuple:
    """Sorts what is spent first: given before paid, priority, soonest expiry, then oldest."""
    forever = grant.expires_at is None
    expiry = datetime.max.replace(tzinfo=UTC) if forever else grant.expires_at
    return grant.kind == PAID, grant.priority, expiry, grant.effective_at, grant.seq


REQUIRED = {  # fields, by the kind of the request
    "grant": ("amount", "grant_kind"),
    "expiry": ("names",),
    "hold": ("amount", "expires_at"),
    "extend": ("names",),
    "capture": ("names", "rate", "gpu_ms"),
    "release": ("names",),
    "lapse": ("names",),
    "reversal": ("names",),
    "refund": ("names", "amount"),
    "refund_cancel": ("names",),
    "dispute_open": ("names", "amount"),
    "dispute_won": ("names",),
    "dispute_lost": ("names",),
}


def check(request: Request) -> Request:
    """Returns the request with its times in UTC.

    Raises:
        InvalidError: A field is missing, of the wrong type, or has an absurd value.
    """
    one_of("kind", request.kind, REQUIRED)
    for name in REQUIRED[request.kind]:
        if getattr(request, name) is None:
            raise InvalidError(f"{name} is required for a {request.kind}, got nothing. Give it.")
    whole("account", request.account, 1)
    text("key", request.key)
    if request.key.startswith(OWN_KEYS) != (request.kind in ("lapse", "expiry")):
        raise InvalidError(f"key must not begin with {OWN_KEYS!r}, got {request.key}. Use a UUID.")
    if request.grant_kind is not None:
        one_of("kind", request.grant_kind, GRANT_KINDS)
    for name, lowest, highest in (
        ("amount", 0 if request.kind in ("extend", "capture") else 1, MAX_AMOUNT),
        ("names", 1, MAX_ID),
        ("rate", 1, MAX_ID),
        ("gpu_ms", 0, MAX_GPU_MS),
        ("priority", -1000, 1000),
    ):
        if (value := getattr(request, name)) is not None:
            whole(name, value, lowest, highest)
    for name in ("run", "api_key", "reason"):
        if (value := getattr(request, name)) is not None:
            text(name, value)
    times = {
        name: utc(name, value)
        for name in ("effective_at", "expires_at")
        if (value := getattr(request, name)) is not None
    }
    return request._replace(**times)


def utc(name: str, value: object) -> datetime:
    """Returns a time in UTC; refuses one that does not say its zone."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidError(f"{name} must be a time with a zone, got {value!a:.40}. Give it in UTC.")
    return value.astimezone(UTC)


def whole(name: str, value: object, lowest: int, highest: int = MAX_ID) -> None:
    """Refuses what is no whole number of a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise InvalidError(
            f"{name} must be a whole number from {lowest} to {highest}, got {value!a:.40}. "
            "Amounts are in micro-credits, 1,000,000 to the credit."
        )


def text(name: str, value: object) -> None:
    """Refuses what is no short printable text."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise InvalidError(
            f"{name} must be 1 to {MAX_TEXT} printable characters, got {value!a:.40}. Shorten it."
        )


def one_of(name: str, value: object, known: Iterable[str]) -> None:
    """Refuses what is not among the known."""
    if not isinstance(value, str) or value not in known:
        raise InvalidError(f"{name} must be one of {', '.join(known)}, got {value!a:.40}.")
