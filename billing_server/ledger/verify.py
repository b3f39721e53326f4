"""Recomputes from the journal what else the database says: balances, holds, chains, anchors."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import audit, state, store
from .values import PAID, Entry, Grant, Line, Movement

MAX_PROBLEMS = 100  # listed; after as many the rest says nothing new
CHUNK = 5000  # rows fetched at once
# The latest anchor of an account is the first of its index; the highest number is the last of all.
MOVED = """SELECT a.id, a.seq, a.head FROM ledger.account a
    WHERE a.seq > coalesce((SELECT seq FROM ledger.anchor_head h WHERE h.account_id = a.id
        ORDER BY anchor_id DESC LIMIT 1), 0) ORDER BY a.id"""
OF_ACCOUNT = ("available", "held", "frozen")


class Anchor(NamedTuple):
    """The digest of the heads of all chains at a time; kept elsewhere, it shows later changes."""

    id: int
    at: datetime
    digest: bytes


class Report(NamedTuple):
    """What was looked at and what is wrong; `books` are sums over all accounts."""

    accounts: int
    movements: int
    entries: int
    anchors: int
    books: dict[str, int]
    problems: tuple[str, ...]


def lines(connection: sa.Connection, account: int, before: int | None, limit: int) -> list[Line]:
    """Returns movements of an account with their entries, the latest first."""
    page = f"""SELECT {store.MOVEMENT} FROM ledger.movement m WHERE account_id = :a
        AND seq < :b ORDER BY seq DESC LIMIT :n"""
    values = {"a": account, "b": before or 2**63 - 1, "n": limit}
    movements = [Movement(*row) for row in connection.execute(sa.text(page), values)]
    entries: dict[int, list[Entry]] = {}
    sql = """SELECT seq, grant_seq, book::text, amount FROM ledger.entry
        WHERE account_id = :a AND seq BETWEEN :low AND :high ORDER BY seq, leg"""
    if movements:
        values = {"a": account, "low": movements[-1].seq, "high": movements[0].seq}
        for seq, *entry in connection.execute(sa.text(sql), values):
            entries.setdefault(seq, []).append(Entry(*entry))
    return [Line(one, tuple(entries.get(one.seq, ()))) for one in movements]


def anchor(connection: sa.Connection, now: datetime) -> Anchor | None:
    """Writes an anchor over the accounts that moved since the one before."""
    connection.execute(sa.text("LOCK TABLE ledger.anchor IN EXCLUSIVE MODE"))
    last = sa.text("SELECT id, digest FROM ledger.anchor ORDER BY id DESC LIMIT 1")
    previous = connection.execute(last).first() or (0, b"")
    heads = [tuple(row) for row in connection.execute(sa.text(MOVED))]
    if not heads:
        return None
    made = Anchor(previous[0] + 1, now, audit.anchor_digest(previous[1], heads))
    connection.execute(
        sa.text("INSERT INTO ledger.anchor VALUES (:id, :at, :digest)"), made._asdict()
    )
    rows = [{"anchor": made.id, "account": account, "seq": seq} for account, seq, _ in heads]
    connection.execute(
        sa.text("INSERT INTO ledger.anchor_head VALUES (:anchor, :account, :seq)"), rows
    )
    return made


def verify(connection: sa.Connection) -> Report:
    """Reads the whole journal and compares; the connection should see one snapshot."""
    check = _Check(connection)
    for row in connection.execute(sa.text(_ACCOUNTS)).all():
        check.account(*row)
    check.anchors()
    if sum(check.books.values()):
        check.problem(f"all books must sum to zero, got {sum(check.books.values())}")
    for name, rows in check.rows.items():
        check.strays(name, rows)
    counts = {name: check.counts[name] for name in Report._fields[:4]}
    return Report(**counts, books=dict(check.books), problems=tuple(check.problems))


_ACCOUNTS = "SELECT id, available, held, frozen, seq, head FROM ledger.account ORDER BY id"
_ROWS = {
    "movement": f"SELECT {store.MOVEMENT} FROM ledger.movement m ORDER BY account_id, seq",
    "entry": """SELECT account_id, seq, grant_seq, book::text, amount FROM ledger.entry
        ORDER BY account_id, seq, leg""",
    "credit_grant": f"SELECT {store.GRANT} FROM ledger.credit_grant ORDER BY account_id, seq",
    "open_hold": f"SELECT {store.HOLD} FROM ledger.open_hold ORDER BY account_id, seq",
    "spending": """SELECT account_id, api_key, day, amount FROM ledger.spending
        WHERE amount <> 0 ORDER BY account_id, api_key, day""",
}


class _Rows:
    """Rows in order, of which those that begin with some values are taken."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self.skipped: list[Any] = []

    def take(self, *first: int) -> Iterator[Any]:
        while self._next is not None and (head := tuple(self._next[: len(first)])) <= first:
            row, self._next = self._next, next(self._rows, None)
            if head == first:
                yield row
            else:
                self.skipped.append(row)

    def rest(self) -> Iterator[Any]:
        yield from self.skipped
        while self._next is not None:
            yield self._next
            self._next = next(self._rows, None)


class _Check:
    """Goes through the accounts, each with its rows of every table."""

    def __init__(self, connection: sa.Connection) -> None:
        self.problems: list[str] = []
        self.books: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._connection = connection.execution_options(stream_results=True, yield_per=CHUNK)
        self.rows = {
            name: _Rows(iter(self._connection.execute(sa.text(sql)))) for name, sql in _ROWS.items()
        }

    def problem(self, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def account(
        self, account: int, available: int, held: int, frozen: int, seq: int, head: bytes
    ) -> None:
        grants = {row[1]: Grant(*row) for row in self.rows["credit_grant"].take(account)}
        chain = _Chain()
        for row in self.rows["movement"].take(account):
            movement = Movement(*row)
            legs = self.rows["entry"].take(account, movement.seq)
            entries = [Entry(*leg[2:]) for leg in legs]
            self.counts["entries"] += len(entries)
            self.counts["movements"] += 1
            for text in chain.follow(movement, entries, grants):
                self.problem(f"account {account}, movement {movement.seq}: {text}")
        holds = {row[1]: tuple(row) for row in self.rows["open_hold"].take(account)}
        spending = {(row[1], row[2]): row[3] for row in self.rows["spending"].take(account)}
        for what, stored, journal in (
            ("balance", (available, held, frozen), tuple(chain.books[one] for one in OF_ACCOUNT)),
            ("head", (seq, head), (chain.seq, chain.head)),
            ("grants", {seq: one[6:] for seq, one in grants.items()}, chain.grants()),
            ("open holds", {one: _hold(row) for one, row in holds.items()}, chain.holds),
            ("spending", spending, {one: n for one, n in chain.spending.items() if n}),
        ):
            if stored != journal:
                self.problem(f"account {account}: {what} must be {journal}, got {stored}")
        self.books.update(chain.books)
        self.counts["accounts"] += 1

    def anchors(self) -> None:
        sql = """SELECT a.id, a.digest, h.account_id, h.seq, m.hash FROM ledger.anchor a
            LEFT JOIN ledger.anchor_head h ON h.anchor_id = a.id
            LEFT JOIN ledger.movement m ON m.account_id = h.account_id AND m.seq = h.seq
            ORDER BY a.id, h.account_id"""
        previous, expected = b"", 1
        rows = self._connection.execute(sa.text(sql))
        for (id_, digest), group in groupby(rows, key=lambda row: (row[0], row[1])):
            heads = [tuple(row[2:]) for row in group]
            if id_ != expected or audit.anchor_digest(previous, heads) != digest:
                self.problem(f"anchor {id_} must follow from the one before and the heads it fixes")
            previous, expected = digest, id_ + 1
            self.counts["anchors"] += 1

    def strays(self, name: str, rows: _Rows) -> None:
        for row in rows.rest():
            self.problem(f"every {name} must belong to an account and a movement, got {row[:2]}")


@dataclass
class _Hold:
    """An open hold; `taken` of which grant."""

    at: datetime
    api_key: str | None
    run: str | None
    amount: int = 0
    until: datetime | None = None
    taken: Counter[int] = field(default_factory=Counter)

    def counted(self) -> tuple[str, date]:
        """Returns under what its spending is counted."""
        return self.api_key or "", self.at.astimezone(UTC).date()


def _hold(row: tuple) -> _Hold:
    taken: Counter[int] = Counter()
    for grant, part in row[7]:
        taken[grant] += part
    return _Hold(row[3], row[5], row[6], row[2], row[4], taken)


class _Chain:
    """One account, followed movement by movement."""

    def __init__(self) -> None:
        self.seq, self.head = 0, b""
        self.books: Counter[str] = Counter()
        self.spending: Counter[tuple[str, date]] = Counter()
        self.holds: dict[int, _Hold] = {}
        self._grants: dict[int, Counter[str]] = {}
        self._disputes: dict[int, int] = {}  # of which grant
        self._ended: set[int] = set()

    def grants(self) -> dict[int, tuple[int | None, ...]]:
        """Returns amount, available, held, frozen, returned and the open dispute of each grant."""
        disputed = {grant: dispute for dispute, grant in self._disputes.items()}
        return {
            seq: (
                -books["issued"],
                *(books[one] for one in OF_ACCOUNT),
                books["refunded"] + books["clawed_back"],
                disputed.get(seq),
            )
            for seq, books in self._grants.items()
        }

    def follow(
        self, movement: Movement, entries: list[Entry], grants: dict[int, Grant]
    ) -> Iterator[str]:
        if movement.seq != self.seq + 1:
            yield f"must follow {self.seq}: movements are missing"
        grant = grants.get(movement.seq)
        if audit.movement_hash(self.head, movement, entries, grant) != movement.hash:
            yield "hash must fit its content and the movement before"
        if sum(entry.amount for entry in entries):
            yield "entries must sum to zero"
        before = self.books["available"]
        for entry in entries:
            self.books[entry.book] += entry.amount
            self._grants.setdefault(entry.grant, Counter())[entry.book] += entry.amount
            of = grants.get(entry.grant)
            if entry.book == "lapsed" and of is not None and of.kind == PAID:
                yield "paid credits must not lapse"
        after = self.books["available"], self.books["held"]
        if after != (movement.available, movement.held):
            yield f"balances must be {after}, got {(movement.available, movement.held)}"
        if after[0] < min(before, 0) and movement.kind != "dispute_lost":
            yield f"available must not fall below zero, got {after[0]}"
        if movement.kind == "dispute_open":
            if movement.names in self._disputes.values():
                yield f"must name a grant without a dispute, got {movement.names}"
            self._disputes[movement.seq] = movement.names or 0
        yield from self._follow_hold(movement, entries)
        self.seq, self.head = movement.seq, movement.hash

    def _follow_hold(self, movement: Movement, entries: list[Entry]) -> Iterator[str]:
        moved: Counter[int] = Counter()
        for entry in entries:
            moved[entry.grant] += entry.amount if entry.book == "held" else 0
        kind, number = movement.kind, movement.names or 0
        if kind == "hold":
            number = movement.seq
            self.holds[number] = _Hold(movement.at, movement.api_key, movement.run)
        hold = self.holds.get(number)
        if kind in ("hold", "extend", "capture", "release", "lapse") and hold is None:
            yield f"must name an open hold, got {number}"
        elif kind in ("hold", "extend") and hold is not None:
            hold.amount, hold.until = hold.amount + movement.amount, movement.expires_at
            hold.taken.update(moved)
            self.spending[hold.counted()] += movement.amount
        elif kind in ("capture", "release", "lapse") and hold is not None:
            spent = sum(entry.amount for entry in entries if entry.book == "earned")
            if moved != {grant: -part for grant, part in hold.taken.items()}:
                yield "must empty the hold, grant by grant"
            if spent != (movement.amount if kind == "capture" else 0) or spent > hold.amount:
                yield f"must spend what it says, got {spent}"
            self.spending[hold.counted()] += spent - hold.amount
            del self.holds[number]
        elif kind in state.ENDS:
            if number in self._ended:
                yield f"must be the first to end {number}"
            self._ended.add(number)
            self._disputes.pop(number, None)
