"""What was spent on what: read from the journal, by day, key, run, workflow or GPU class."""

from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa

from . import database
from .ledger import Budget, InvalidError, NotAllowedError
from .ledger.values import one_of, utc

# What can be told apart, and how a row says it.
BY = {
    "day": "to_char(c.at, 'YYYY-MM-DD')",
    "key": "coalesce(c.api_key, '')",
    "run": "coalesce(c.run, '')",
    "workflow": "coalesce(l.workflow, '')",
    "gpu": "r.gpu_class",
}
MAX_ROWS = 10_000
# A capture, what was given back of it, what it was for and what it cost a second.
# Reversals are summed once, not looked for at each capture: an account may have millions.
_RUNS = """FROM ledger.movement c JOIN ledger.rate r ON r.id = c.rate_id
    LEFT JOIN identity.run_label l ON l.account = c.account_id AND l.run = c.run
    LEFT JOIN (SELECT names, sum(amount) AS amount FROM ledger.movement
        WHERE kind = 'reversal' AND account_id = :account GROUP BY names) back ON back.names = c.seq
    WHERE c.kind = 'capture' AND c.account_id = :account AND c.at >= :since AND c.at < :until"""
_SPENT = "c.amount - coalesce(back.amount, 0)"


class Spent(NamedTuple):
    """Captures with something in common; `amount` is without what was given back."""

    what: str  # a day, or the id of a key, or a name; empty if it was not told
    amount: int
    gpu_ms: int
    runs: int


class Limits(NamedTuple):
    """A budget and what is used of it; `api_key` is empty for the whole account."""

    api_key: str
    budget: Budget
    spent_day: int
    spent_month: int


class Usage:
    """Reads; nothing here writes to the ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def by(self, account: int, since: datetime, until: datetime, by: str) -> list[Spent]:
        """Returns what was spent from `since` until before `until`, by one of BY, in its order."""
        one_of("by", by, BY)
        since, until = utc("since", since), utc("until", until)
        if since >= until:
            text = f"until must be after since, got {until} and {since}. Exchange them."
            raise InvalidError(text)
        sql = f"""SELECT {BY[by]} AS what, sum({_SPENT})::bigint, sum(c.gpu_ms)::bigint, count(*)
            {_RUNS} GROUP BY 1 ORDER BY 1 LIMIT {MAX_ROWS}"""
        values = {"account": account, "since": since, "until": until}
        return [Spent(*row) for row in database.execute(self._engine, sql, **values)]

    def limits(self, account: int, today: date) -> list[Limits]:
        """Returns the budgets of an account, its own first, and what is used of them."""
        sql = """SELECT b.api_key, per_run, per_day, per_month,
                coalesce(sum(amount) FILTER (WHERE day = :today), 0)::bigint,
                coalesce(sum(amount) FILTER (WHERE day >= date_trunc('month', :today)), 0)::bigint
            FROM ledger.budget b LEFT JOIN ledger.spending s ON s.account_id = b.account_id
                AND (b.api_key = '' OR s.api_key = b.api_key) AND day <= :today
                AND day >= date_trunc('month', :today)
            WHERE b.account_id = :account GROUP BY 1, 2, 3, 4 ORDER BY 1"""
        rows = database.execute(self._engine, sql, account=account, today=today)
        return [Limits(row[0], Budget(*row[1:4]), *row[4:]) for row in rows]

    def label(self, account: int, run: str, workflow: str) -> None:
        """Notes what a run is for.

        Raises:
            NotAllowedError: It is for something else.
        """
        keep = "INSERT INTO identity.run_label VALUES (:a, :run, :workflow) ON CONFLICT DO NOTHING"
        sql = "SELECT workflow FROM identity.run_label WHERE account = :a AND run = :run"
        database.execute(self._engine, keep, a=account, run=run, workflow=workflow)
        known = database.execute(self._engine, sql, a=account, run=run)[0].workflow
        if known != workflow:
            raise NotAllowedError(
                f"run {run} must be of workflow {known}, got {workflow}. Name another run."
            )
