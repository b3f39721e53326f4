"""Budgets of API keys and accounts: what a hold may take, and which alerts it sets off. Pure."""

from datetime import UTC, date

from .state import Alert, Spent, State
from .values import BudgetExceededError, OpenHold, in_credits

SHARES = (80, 90, 100)  # % of a budget that are told


def check(state: State, hold: OpenHold, extra: int) -> tuple[Alert, ...]:
    """Checks a hold against the budgets; returns which shares of them it crosses."""
    alerts: list[Alert] = []
    for name in dict.fromkeys(("", hold.api_key or "")):
        budget = state.budgets.get(name)
        if budget is None:
            continue
        _, day = counted(hold)
        used = {"day": 0, "month": 0}
        for (api_key, on), amount in state.spending.items():
            if name in ("", api_key) and (on.year, on.month) == (day.year, day.month):
                used["month"] += amount
                used["day"] += amount if on == day else 0
        for period, before, limit in (
            ("run", hold.amount - extra, budget.per_run),
            ("day", used["day"], budget.per_day),
            ("month", used["month"], budget.per_month),
        ):
            if limit is not None:
                crossed = _crossed(name, period, before, before + extra, limit, day)
                if before + extra > limit:
                    _refuse(name, period, before, extra, limit, crossed)
                alerts += crossed
    return tuple(alerts)


def _crossed(name: str, period: str, before: int, after: int, limit: int, day: date) -> list[Alert]:
    if period == "run":
        return []  # the caller learns it from the refusal
    since = day.isoformat() if period == "day" else day.isoformat()[:7]
    return [
        (
            f"budget:{name}:{period}:{since}:{limit}:{share}",
            {"api_key": name, "period": period, "since": since, "limit": limit, "share": share},
        )
        for share in SHARES
        if before * 100 < share * limit <= after * 100 or (limit == 0 and share == SHARES[-1])
    ]


def _refuse(
    name: str, period: str, before: int, extra: int, limit: int, alerts: list[Alert]
) -> None:
    error = BudgetExceededError(
        f"the budget per {period} of {f'key {name}' if name else 'the account'} allows "
        f"{in_credits(limit)}, got {in_credits(before)} and {in_credits(extra)} more. "
        "Raise the budget, or hold less."
    )
    error.alerts = tuple(alerts[-1:])  # what is refused uses nothing, but the end is reached
    raise error


def counted(hold: OpenHold) -> Spent:
    """Returns under what a hold is counted."""
    return hold.api_key or "", hold.held_at.astimezone(UTC).date()
