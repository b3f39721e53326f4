"""What goes into the ledger and what comes out: requests, movements, balances, errors.

Amounts are integers of micro-credits. Times are aware datetimes. A movement is known by its account
and its number `seq` in that account; so is the hold, grant or dispute that it made.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

CREDIT = 1_000_000  # micro-credits
MAX_AMOUNT = 10**15  # micro-credits in one movement: sums of thousands of them fit 64 bits
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


def check(request: Request) -> Request:
    """Returns the request with its times in UTC.

    Raises:
        InvalidError: A field has the wrong type or an absurd value.
    """
    _whole("account", request.account, 1)
    _text("key", request.key, required=True)
    if request.key.startswith(OWN_KEYS) != (request.kind in ("lapse", "expiry")):
        raise InvalidError(f"key must not begin with {OWN_KEYS!r}, got {request.key}. Use a UUID.")
    for name, lowest, highest in (
        ("amount", 0 if request.kind in ("extend", "capture") else 1, MAX_AMOUNT),
        ("names", 1, 2**63 - 1),
        ("rate", 1, 2**63 - 1),
        ("gpu_ms", 0, MAX_GPU_MS),
        ("priority", -1000, 1000),
    ):
        value = getattr(request, name)
        if value is not None:
            _whole(name, value, lowest, highest)
    for name in ("run", "api_key", "reason"):
        _text(name, getattr(request, name))
    times = {
        name: utc(name, value)
        for name in ("effective_at", "expires_at")
        if (value := getattr(request, name)) is not None
    }
    return request._replace(**times)


def utc(name: str, value: object) -> datetime:
    """Returns a time in UTC; refuses one that does not say its zone."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidError(f"{name} must be a time with a zone, got {value!r}. Give it in UTC.")
    return value.astimezone(UTC)


def _whole(name: str, value: object, lowest: int, highest: int = 2**63 - 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise InvalidError(
            f"{name} must be a whole number from {lowest} to {highest}, got {str(value)[:40]}. "
            "Amounts are in micro-credits, 1,000,000 to the credit."
        )


def _text(name: str, value: object, *, required: bool = False) -> None:
    if value is None and not required:
        return
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise InvalidError(
            f"{name} must be 1 to {MAX_TEXT} printable characters, got {value!a:.60}. Shorten it."
        )
