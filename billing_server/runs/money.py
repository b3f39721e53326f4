"""What runs cost: quote, hold, more of it, and the end; always in the run's own transaction."""

from contextlib import suppress
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from .. import database
from ..ledger import EndedError, Ledger, LedgerError, Request
from ..ledger.pricing import Rate, affordable_ms, price
from ..ledger.values import OWN_KEYS
from .values import (
    ALIKE,
    EXTEND_AT,
    FIRST_MS,
    HOLD_AFTER_START,
    HOLD_LEFT,
    MARGIN,
    MAX_RUN_MS,
    STEP_MS,
    Quote,
    Run,
    RunError,
)


def quote(connection: sa.Connection, rate: Rate, shape: bytes) -> Quote:
    """Tells what a run would cost by the last ones that were alike."""
    sql = f"""SELECT gpu_ms FROM runs.run WHERE shape = :shape AND gpu_class = :gpu
        AND state = 'succeeded' ORDER BY completed_at DESC LIMIT {ALIKE}"""
    (found,) = database.together(connection, (sql, {"shape": shape, "gpu": rate.gpu_class}))
    times = sorted(row[0] for row in found)
    estimate = times[len(times) // 2] if times else FIRST_MS // 2
    most = min(MAX_RUN_MS, round(times[-1] * MARGIN) + 1000 if times else FIRST_MS)
    cost, held = price(rate, estimate), price(rate, most)
    return Quote(rate.gpu_class, rate.id, len(times), estimate, most, cost, held)


def within(rate: Rate, quote: Quote, most: int) -> Quote:
    """Holds no more for a run than its customer allows, in micro-credits.

    Raises:
        RunError: It is expected to cost more.
    """
    if quote.cost > most:
        text = f"max_micro must be at least {quote.cost}, which is expected, got {most}. Raise it."
        raise RunError("max_cost", 422, text, cost_micro=quote.cost)
    paid_ms = min(quote.max_gpu_ms, affordable_ms(rate, most))
    return quote._replace(max_gpu_ms=paid_ms, held=min(quote.held, most))


def hold(
    ledger: Ledger,
    connection: sa.Connection,
    account: int,
    api_key: str,
    run: str,
    amount: int,
    until: datetime,
) -> int:
    """Reserves what a run may cost; returns the hold."""
    key = f"run:{run}"
    # A hold cannot be of nothing, a rate may be.
    what: dict[str, Any] = {"run": run, "api_key": api_key, "expires_at": until}
    return ledger.post(connection, Request("hold", account, key, max(1, amount), **what)).seq


def prolong(
    ledger: Ledger, connection: sa.Connection, run: Run, now: datetime
) -> tuple[Run, str | None]:
    """Reserves more for a run that needs it; returns why it must end, if it must.

    Time is added long before the hold could lapse, credits in steps of STEP_MS until the run's
    limit. Where there is no more, it goes on until what is held is used up.
    """
    most, until = run.max_gpu_ms, run.hold_until
    used_up, short = run.gpu_ms >= most, run.gpu_ms >= EXTEND_AT * most
    if until - now < HOLD_LEFT:
        until = now + HOLD_AFTER_START
    if not short and until == run.hold_until:
        return run, None
    (rate,) = (one for one in ledger.card.rates() if one.id == run.rate)
    if short:
        allowed = MAX_RUN_MS
        if run.max_micro is not None:
            allowed = min(allowed, affordable_ms(rate, run.max_micro))
        most = max(most, min(allowed, most + STEP_MS))
        if used_up and most == run.max_gpu_ms:
            return run, "time_limit" if allowed == MAX_RUN_MS else "max_cost"
    extra = max(0, price(rate, most) - run.held)
    if extra or until > run.hold_until:
        key = f"run:{run.id}:{run.held}:{until.timestamp():.0f}"
        request = Request("extend", run.account, key, extra, run.hold, expires_at=until)
        try:
            ledger.post(connection, request)
        except LedgerError as error:
            return run, error.code if used_up else None
    return run._replace(max_gpu_ms=most, held=run.held + extra, hold_until=until), None


def settle(ledger: Ledger, connection: sa.Connection, run: Run, gpu_ms: int | None) -> int:
    """Ends the hold of a run: charges GPU time, or nothing; returns the charge."""
    key = f"run:{run.id}:end"
    request = Request("release", run.account, key, names=run.hold)
    if gpu_ms is not None:
        request = request._replace(kind="capture", rate=run.rate, gpu_ms=gpu_ms)
    try:
        movement = ledger.post(connection, request)
    except EndedError:
        # The server was away until the hold had lapsed: that is not the customer's fault.
        lapse = Request("lapse", run.account, f"{OWN_KEYS}lapse:{run.hold}:0", names=run.hold)
        with suppress(EndedError):
            ledger.post(connection, lapse)  # as `Ledger.expire_due` will, if it has not
        return 0
    return movement.amount if gpu_ms is not None else 0
