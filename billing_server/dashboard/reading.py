"""What pages read of the journal beside the ledger's own answers: ended runs, open holds, sums."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from .. import database
from ..ledger.pricing import Rate, price
from ..services import services
from .figures import in_credits, in_seconds

# Ends of holds. What was held is what the end took out of the book of held credits.
RUNS = """SELECT e.seq, e.kind::text, e.at, e.run, l.workflow, e.api_key, e.amount,
    coalesce(e.gpu_ms, 0), e.reason, (SELECT -sum(amount) FROM ledger.entry n
        WHERE n.account_id = e.account_id AND n.seq = e.seq AND book = 'held')::bigint,
    r.id, r.version, r.gpu_class, r.valid_from, r.micro_per_gpu_s, r.minimum_micro, r.step_ms
    FROM ledger.movement e LEFT JOIN ledger.rate r ON r.id = e.rate_id
    LEFT JOIN identity.run_label l ON l.account = e.account_id AND l.run = e.run
    WHERE e.account_id = :a AND e.kind IN ('capture', 'release', 'lapse') AND e.seq < :before
        AND e.at >= :since AND e.at < :until AND (CAST(:run AS text) IS NULL OR e.run = :run)
    ORDER BY e.seq DESC LIMIT :n"""
GIVEN_BACK = """SELECT names, sum(amount)::bigint FROM ledger.movement WHERE account_id = :a
    AND kind = 'reversal' AND seq > :first AND names = ANY(:seqs) GROUP BY names"""
HOLDS = """SELECT h.held_at, h.expires_at, h.amount, h.run, l.workflow FROM ledger.open_hold h
    LEFT JOIN identity.run_label l ON l.account = h.account_id AND l.run = h.run
    WHERE h.account_id = :a ORDER BY h.seq DESC LIMIT 50"""
SPENDING = """SELECT api_key, coalesce(sum(amount) FILTER (WHERE day = :day), 0)::bigint,
    sum(amount)::bigint FROM ledger.spending
    WHERE account_id = :a AND day >= date_trunc('month', CAST(:day AS date)) GROUP BY api_key"""
# Days are few however many runs there are.
BURNT = """SELECT coalesce(sum(amount), 0)::bigint FROM ledger.spending
    WHERE account_id = :a AND day > :since"""
BALANCES = "SELECT id, available, held, frozen, seq FROM ledger.account WHERE id = ANY(:ids)"
UNSENT = "SELECT count(*), min(at) FROM ledger.outbox WHERE sent_at IS NULL"
BATCH = 1000  # rows of a CSV file that are read at once


class Run(NamedTuple):
    """A hold that ended: by a capture, a release, or its deadline."""

    seq: int
    kind: str
    at: datetime
    run: str | None
    workflow: str | None
    api_key: str | None
    amount: int
    gpu_ms: int
    reason: str | None
    held: int
    rate: Rate | None
    given_back: int

    @property
    def price(self) -> int:
        """What it cost in the end."""
        return self.amount - self.given_back if self.rate else 0

    def why(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields why it cost that: sentences of the catalogue with their values."""
        if self.rate is None:
            yield f"runs.why_{self.kind}", {"held": in_credits(self.held)}
            return
        rate, due = self.rate, price(self.rate, self.gpu_ms)
        billed = -(-self.gpu_ms // rate.step_ms) * rate.step_ms
        terms = {"gpu": rate.gpu_class, "rate": in_credits(rate.micro_per_gpu_s)}
        yield "runs.why_rate", terms | {"time": in_seconds(billed), "version": rate.version}
        if billed != self.gpu_ms:
            yield "runs.why_step", {"time": in_seconds(self.gpu_ms)}
        if self.amount == due == rate.minimum_micro:
            yield "runs.why_minimum", {"minimum": in_credits(due)}
        if self.amount != due:
            word = "capped" if self.amount == self.held else "agreed"
            yield f"runs.why_{word}", {"due": in_credits(due)}
        if self.given_back:
            yield "runs.why_given_back", {"amount": in_credits(self.given_back)}


def runs(
    account: int,
    since: datetime,
    until: datetime,
    *,
    before: int,
    limit: int,
    run: str | None = None,
) -> list[Run]:
    """Returns ended runs, or the ends of one, the latest first, before a movement."""
    values = {"since": since, "until": until, "before": before or 2**63 - 1, "n": limit}
    values |= {"run": run}
    found = rows(RUNS, a=account, **values)
    seqs = [row[0] for row in found]
    back = dict(map(tuple, rows(GIVEN_BACK, a=account, first=min(seqs, default=0), seqs=seqs)))
    rates = [Rate(*row[10:]) if row[10] else None for row in found]
    told = zip(found, rates, strict=True)
    return [Run._make((*row[:10], rate, back.get(row[0], 0))) for row, rate in told]


def all_runs(account: int, since: datetime, until: datetime) -> Iterator[Run]:
    """Yields ended runs, the latest first."""
    before = 0
    while page := runs(account, since, until, before=before, limit=BATCH):
        before = page[-1].seq
        yield from page


def rows(sql: str, **values: object) -> list[Any]:
    """Returns the rows of one of the queries above."""
    return database.execute(services().engine, sql, **values)
