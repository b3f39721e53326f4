"""What a batch knows of an account, and how a decision changes it. Pure.

`rules` decides; `post` applies its decision to the state in memory, so that the next request of the
same batch sees it, and makes the movement that is written.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from . import audit
from .pricing import Rate
from .values import (
    Budget,
    EndedError,
    Entry,
    Grant,
    KeyReusedError,
    Movement,
    NotFoundError,
    OpenHold,
    Request,
)

ENDS = ("capture", "release", "lapse", "refund_cancel", "dispute_won", "dispute_lost")

Spent = tuple[str, date]  # API key (empty: none), day of the hold in UTC
Alert = tuple[str, dict]  # told once for each key; what happened


@dataclass
class State:
    """What a batch knows of an account; follows the movements that the batch posts."""

    account: int
    available: int
    held: int
    seq: int
    head: bytes
    grants: dict[int, Grant] = field(default_factory=dict)
    holds: dict[int, OpenHold] = field(default_factory=dict)
    named: dict[int, Movement] = field(default_factory=dict)
    # Of a capture: what it spent of which grant, less what its reversals gave back.
    earned: dict[int, Counter[int]] = field(default_factory=dict)
    ended: dict[int, int] = field(default_factory=dict)  # movement to the one that ended it
    answered: dict[str, Movement] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    spending: dict[Spent, int] = field(default_factory=dict)
    rates: dict[int, Rate] = field(default_factory=dict)  # of the captures


class Decision(NamedTuple):
    """What a request moves; `hold` and `grant` as they are afterwards."""

    amount: int
    entries: tuple[Entry, ...]
    expires_at: datetime | None = None
    hold: OpenHold | None = None
    grant: Grant | None = None
    run: str | None = None
    api_key: str | None = None
    spent: tuple[tuple[Spent, int], ...] = ()
    alerts: tuple[Alert, ...] = ()


class Posted(NamedTuple):
    """A movement with its decision, to be written."""

    movement: Movement
    decision: Decision


def replay(state: State, request: Request, digest: bytes) -> Movement | None:
    """Returns the movement that this request has made before.

    Raises:
        KeyReusedError: Its key belongs to another request.
    """
    before = state.answered.get(request.key)
    if before is not None and (before.request != digest or before.kind != request.kind):
        raise KeyReusedError(
            f"a new key is required for a new request, got {request.key}, which made movement "
            f"{before.seq} ({before.kind}). Use another key."
        )
    return before


def post(
    state: State, request: Request, digest: bytes, decision: Decision, now: datetime
) -> Posted:
    """Applies a decision to the state and returns the movement to write."""
    if decision.grant is not None:
        state.grants[decision.grant.seq] = decision.grant
    for entry in decision.entries:
        _apply(state, entry)
    if decision.hold is not None:
        state.holds[decision.hold.seq] = decision.hold
    for spent, amount in decision.spent:
        state.spending[spent] = state.spending.get(spent, 0) + amount
    movement = Movement(
        account=state.account,
        seq=state.seq + 1,
        kind=request.kind,
        amount=decision.amount,
        names=request.names,
        key=request.key,
        request=digest,
        at=now,
        run=decision.run,
        api_key=decision.api_key,
        rate=request.rate,
        gpu_ms=request.gpu_ms,
        expires_at=decision.expires_at,
        reason=request.reason,
        available=state.available,
        held=state.held,
        hash=b"",
    )
    grant = decision.grant if request.kind == "grant" else None
    hash_ = audit.movement_hash(state.head, movement, decision.entries, grant)
    movement = movement._replace(hash=hash_)
    state.seq, state.head = movement.seq, movement.hash
    state.answered[movement.key] = movement
    _remember(state, movement, decision)
    return Posted(movement, decision)


def _apply(state: State, entry: Entry) -> None:
    grant = state.grants[entry.grant]
    if entry.book in ("available", "held", "frozen"):
        amount = getattr(grant, entry.book) + entry.amount
        state.grants[entry.grant] = grant._replace(**{entry.book: amount})
        if entry.book == "available":
            state.available += entry.amount
        elif entry.book == "held":
            state.held += entry.amount
    elif entry.book in ("refunded", "clawed_back"):
        state.grants[entry.grant] = grant._replace(returned=grant.returned + entry.amount)


def _remember(state: State, movement: Movement, decision: Decision) -> None:
    """Lets later requests of the batch name this movement, and see what it ended or gave back."""
    state.named[movement.seq] = movement
    capture = movement.names if movement.kind == "reversal" else movement.seq
    for entry in decision.entries:
        if entry.book == "earned":
            state.earned.setdefault(capture or 0, Counter())[entry.grant] += entry.amount
    if movement.kind in ENDS and movement.names is not None:
        state.ended[movement.names] = movement.seq
        state.holds.pop(movement.names, None)


def home(state: State, grant: int) -> str:
    """Returns the book to which credits of a grant come back: frozen while it is disputed."""
    return "frozen" if state.grants[grant].dispute else "available"


def named(state: State, request: Request, kind: str) -> Movement:
    """Returns the movement that a request names; it must be of a kind and not have ended."""
    seq = request.names or 0
    if seq in state.ended:
        raise EndedError(
            f"{kind} {seq} must not have ended, got one that movement {state.ended[seq]} ended. "
            "Look at the statement."
        )
    found = state.named.get(seq)
    if found is None or found.kind != kind:
        raise NotFoundError(f"{kind} is required, got movement {seq}. Look at the statement.")
    return found


def named_grant(state: State, request: Request) -> Grant:
    """Returns the grant that a request names."""
    grant = state.grants.get(request.names or 0)
    if grant is None:
        raise NotFoundError(
            f"a grant is required, got movement {request.names}. Look at the balance."
        )
    return grant
