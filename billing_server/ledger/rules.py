"""What the ledger decides about grants, holds, refunds and disputes. Pure.

Nothing here reads a clock or a database, and nothing changes its arguments.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from . import budgets
from .pricing import price
from .state import Decision, State, home, named, named_grant
from .values import (
    PAID,
    EndedError,
    Entry,
    Grant,
    InsufficientCreditsError,
    InvalidError,
    NotAllowedError,
    NotFoundError,
    OpenHold,
    Request,
    burn_order,
    in_credits,
)


def decide(state: State, request: Request, now: datetime) -> Decision:
    """Decides one request; raises a LedgerError if it must be refused."""
    return _RULES[request.kind](state, request, now)


def _grant(state: State, request: Request, now: datetime) -> Decision:
    amount, begins = request.amount or 0, request.effective_at or now
    if request.expires_at is not None:
        if request.grant_kind == PAID:
            raise InvalidError(
                "paid credits must not expire, got expires_at. Leave it out, or grant another kind."
            )
        if request.expires_at <= max(now, begins):
            raise InvalidError(
                f"expires_at must be later than now and effective_at, got {request.expires_at}. "
                "Choose a later time."
            )
    grant = Grant(
        state.account,
        state.seq + 1,
        request.grant_kind or "",
        request.priority or 0,
        begins,
        request.expires_at,
        amount,
    )
    entries = _moved(grant.seq, amount, "issued", "available")
    return Decision(amount, entries, request.expires_at, grant=grant)


def _expiry(state: State, request: Request, now: datetime) -> Decision:
    grant = named_grant(state, request)
    # What is owed stays covered; the rest of the grant lapses when the debt is paid.
    amount = min(grant.available, state.available)
    if grant.expires_at is None or now < grant.expires_at or amount <= 0:
        raise NotAllowedError(
            f"a lapsed grant with something left is required, got grant {grant.seq}: "
            f"{in_credits(grant.available)} until {grant.expires_at}, of a balance of "
            f"{in_credits(state.available)}. Leave it."
        )
    return Decision(amount, _moved(grant.seq, amount, "available", "lapsed"))


def _hold(state: State, request: Request, now: datetime) -> Decision:
    amount, deadline = request.amount or 0, request.expires_at
    if deadline is None or deadline <= now:
        raise InvalidError(
            f"expires_at must be later than now, got {deadline}. Choose a later time."
        )
    taken = _take(state, amount, now)
    hold = OpenHold(
        state.account, state.seq + 1, amount, now, deadline, request.api_key, request.run, taken
    )
    return _reserving(state, hold, taken, amount)


def _extend(state: State, request: Request, now: datetime) -> Decision:
    hold, extra = _open_hold(state, request, now), request.amount or 0
    deadline = request.expires_at or hold.expires_at
    if deadline < hold.expires_at or (extra == 0 and deadline == hold.expires_at):
        raise InvalidError(
            f"more credits or a deadline later than {hold.expires_at} is required, got "
            f"{in_credits(extra)} more until {deadline}. Extend by more."
        )
    taken = _take(state, extra, now)
    hold = hold._replace(
        amount=hold.amount + extra, expires_at=deadline, taken=(*hold.taken, *taken)
    )
    return _reserving(state, hold, taken, extra)


def _reserving(
    state: State, hold: OpenHold, taken: tuple[tuple[int, int], ...], amount: int
) -> Decision:
    entries = [one for grant, part in taken for one in _moved(grant, part, "available", "held")]
    return Decision(
        amount,
        tuple(entries),
        hold.expires_at,
        hold,
        run=hold.run,
        api_key=hold.api_key,
        spent=((budgets.counted(hold), amount),),
        alerts=budgets.check(state, hold, amount),
    )


def _capture(state: State, request: Request, now: datetime) -> Decision:
    hold, rate = _open_hold(state, request, now), state.rates.get(request.rate or 0)
    if rate is None:
        raise NotFoundError(
            f"a row of the rate card is required, got {request.rate}. Ask for a quote."
        )
    amount = request.amount
    if amount is None:
        # A run that outlasted its hold costs what was held: it should have been extended.
        amount = min(price(rate, request.gpu_ms or 0), hold.amount)
    if amount > hold.amount:
        raise InsufficientCreditsError(
            f"a capture must not exceed the hold of {in_credits(hold.amount)}, got "
            f"{in_credits(amount)}. Extend the hold before, or capture less."
        )
    return _ending(state, hold, amount)._replace(amount=amount)


def _release(state: State, request: Request, now: datetime) -> Decision:
    return _ending(state, _open_hold(state, request, now), 0)


def _lapse(state: State, request: Request, now: datetime) -> Decision:
    hold = _open_hold(state, request, None)
    if now < hold.expires_at:
        raise NotAllowedError(
            f"a hold whose deadline has passed is required, got {hold.expires_at}. Wait."
        )
    return _ending(state, hold, 0)


def _ending(state: State, hold: OpenHold, captured: int) -> Decision:
    """Spends so much of a hold in burn order and returns the rest to where it came from."""
    left, entries = captured, []
    for seq, part in sorted(hold.taken, key=lambda one: burn_order(state.grants[one[0]])):
        spent = min(left, part)
        left -= spent
        entries.append(Entry(seq, "held", -part))
        if spent:
            entries.append(Entry(seq, "earned", spent))
        if part > spent:
            entries.append(Entry(seq, home(state, seq), part - spent))
    return Decision(
        hold.amount,
        tuple(entries),
        run=hold.run,
        api_key=hold.api_key,
        spent=((budgets.counted(hold), captured - hold.amount),),
    )


def _reversal(state: State, request: Request, now: datetime) -> Decision:
    """Gives a capture back to the grants that were spent; the last one spent comes first."""
    capture = named(state, request, "capture")
    spent = state.earned.get(capture.seq, Counter())
    amount = request.amount if request.amount is not None else spent.total()
    if not 0 < amount <= spent.total():
        raise NotAllowedError(
            f"at most {in_credits(spent.total())} of capture {request.names} can be given "
            f"back, got {in_credits(amount)}. Give back less."
        )
    left, entries = amount, []
    for seq in sorted(spent, key=lambda seq: burn_order(state.grants[seq]), reverse=True):
        part = min(left, spent[seq])
        if part:
            entries += _moved(seq, part, "earned", home(state, seq))
        left -= part
    return Decision(amount, tuple(entries), run=capture.run, api_key=capture.api_key)


def _refund(state: State, request: Request, now: datetime) -> Decision:
    grant, amount = named_grant(state, request), request.amount or 0
    if grant.kind != PAID or grant.dispute:
        raise NotAllowedError(
            f"paid credits that nobody disputes are required, got grant {grant.seq} ({grant.kind}"
            f"{', disputed' if grant.dispute else ''}). Refund another grant."
        )
    if amount > min(grant.available, state.available):
        raise InsufficientCreditsError(
            f"at most {in_credits(max(0, min(grant.available, state.available)))} of grant "
            f"{grant.seq} is unspent, got {in_credits(amount)}. Refund less."
        )
    return Decision(amount, _moved(grant.seq, amount, "available", "refunded"))


def _refund_cancel(state: State, request: Request, now: datetime) -> Decision:
    refund = named(state, request, "refund")
    grant = refund.names or 0
    return Decision(refund.amount, _moved(grant, refund.amount, "refunded", home(state, grant)))


def _dispute_open(state: State, request: Request, now: datetime) -> Decision:
    grant, amount = named_grant(state, request), request.amount or 0
    if grant.kind != PAID or grant.dispute or amount > grant.amount - grant.returned:
        raise NotAllowedError(
            f"at most {in_credits(grant.amount - grant.returned)} paid credits without a dispute "
            f"can be disputed, got {in_credits(amount)} of grant {grant.seq} ({grant.kind}"
            f"{', disputed' if grant.dispute else ''}). Look at the payment."
        )
    freeze = max(0, min(amount, grant.available, state.available))  # what is left is owed already
    entries = _moved(grant.seq, freeze, "available", "frozen") if freeze else ()
    return Decision(amount, entries, grant=grant._replace(dispute=state.seq + 1))


def _dispute_won(state: State, request: Request, now: datetime) -> Decision:
    return _dispute_end(state, request, 0)


def _dispute_lost(state: State, request: Request, now: datetime) -> Decision:
    """Takes the disputed credits back; what was spent of them becomes a debt."""
    return _dispute_end(state, request, named(state, request, "dispute_open").amount)


def _dispute_end(state: State, request: Request, lost: int) -> Decision:
    dispute = named(state, request, "dispute_open")
    grant = state.grants[dispute.names or 0]
    moved = (("frozen", -grant.frozen), ("available", grant.frozen - lost), ("clawed_back", lost))
    entries = tuple(Entry(grant.seq, book, amount) for book, amount in moved if amount)
    return Decision(dispute.amount, entries, grant=grant._replace(dispute=None))


def _moved(grant: int, amount: int, source: str, target: str) -> tuple[Entry, Entry]:
    return Entry(grant, source, -amount), Entry(grant, target, amount)


def _take(state: State, amount: int, now: datetime) -> tuple[tuple[int, int], ...]:
    """Chooses what to spend: (grant, micro-credits), in burn order."""
    grants = sorted((one for one in state.grants.values() if one.burns_at(now)), key=burn_order)
    spendable = spendable_at(state.grants.values(), now)
    if amount > spendable:
        raise InsufficientCreditsError(
            f"not enough credits: this holds {in_credits(amount)}, the balance is "
            f"{in_credits(spendable)}. Buy credits, or hold less."
        )
    taken = []
    for grant in grants:
        part = min(amount, grant.available)
        if part > 0:
            taken.append((grant.seq, part))
            amount -= part
    return tuple(taken)


def spendable_at(grants: Iterable[Grant], now: datetime) -> int:
    """Returns what can be held: what has begun and not lapsed, less what is owed."""
    return sum(one.available for one in grants if one.available < 0 or one.burns_at(now))


def _open_hold(state: State, request: Request, now: datetime | None) -> OpenHold:
    hold = state.holds.get(request.names or 0)
    if hold is None:
        named(state, request, "hold")  # says that it has ended, or that there is none
        raise NotFoundError(
            f"an open hold is required, got {request.names}. Look at the statement."
        )
    if now is not None and hold.expires_at <= now:
        raise EndedError(
            f"a hold whose deadline has not passed is required, got {hold.expires_at}. "
            "Hold again, and extend the hold in time."
        )
    return hold


_RULES: dict[str, Callable[[State, Request, datetime], Decision]] = {
    "grant": _grant,
    "expiry": _expiry,
    "hold": _hold,
    "extend": _extend,
    "capture": _capture,
    "release": _release,
    "lapse": _lapse,
    "reversal": _reversal,
    "refund": _refund,
    "refund_cancel": _refund_cancel,
    "dispute_open": _dispute_open,
    "dispute_won": _dispute_won,
    "dispute_lost": _dispute_lost,
}
