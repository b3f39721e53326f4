"""Reads what a batch of requests needs, under locks, and writes what it moved: a few statements.

Statements go to psycopg directly, in pipelines: a batch is a handful of round trips however many
requests it holds. The caller owns the transaction.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import psycopg

from .pricing import Rate
from .state import ENDS, Alert, Posted, State
from .values import Budget, Grant, Movement, OpenHold, Request

MOVEMENT = (
    "m.account_id, m.seq, m.kind::text, m.amount, m.names, m.key, m.request, m.at, m.run, "
    "m.api_key, m.rate_id, m.gpu_ms, m.expires_at, m.reason, m.available, m.held, m.hash"
)
GRANT = (
    "account_id, seq, kind, priority, effective_at, expires_at, amount, available, held, frozen, "
    "returned, dispute"
)
# A plan that is made while a table is small must not read all of it when it has grown: until the
# transaction ends, rows are looked up by their index, one by one. And one plan serves all batches:
# to make another for each costs more than it saves, and reads an account's history for its keys.
BY_INDEX = """SELECT set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('plan_cache_mode', 'force_generic_plan', true)"""
# Locked in the order of the ids, so that two batches never wait for each other in a circle.
# NO KEY: foreign keys that point to the account need not wait.
LOCK = """SELECT id, available, held, seq, head FROM ledger.account
    WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE"""
PAIRS = "unnest(%s::bigint[], %s::bigint[]) AS p(account_id, seq)"
ANSWERED = f"""SELECT {MOVEMENT} FROM ledger.movement m
    JOIN unnest(%s::bigint[], %s::text[]) AS p(account_id, key) USING (account_id, key)"""
HOLD = "account_id, seq, amount, held_at, expires_at, api_key, run, taken"
# OFFSET 0 keeps the planner, who thinks the table empty, from reading all holds that have ended.
HELD = f"""{PAIRS} CROSS JOIN LATERAL (SELECT h.*, h.ctid AS place FROM ledger.open_hold h
    WHERE h.account_id = p.account_id AND h.seq = p.seq OFFSET 0) AS o"""
HOLDS = f"SELECT {', '.join('o.' + one for one in HOLD.split(', '))} FROM {HELD}"
LIVE = f"SELECT {GRANT} FROM ledger.credit_grant WHERE live AND account_id = ANY(%s::bigint[])"
BUDGETS = """SELECT account_id, api_key, per_run, per_day, per_month FROM ledger.budget
    WHERE account_id = ANY(%s::bigint[])"""
NAMED = f"SELECT {MOVEMENT} FROM ledger.movement m JOIN {PAIRS} USING (account_id, seq)"
ENDED = f"""SELECT m.account_id, m.names, m.seq FROM ledger.movement m
    JOIN {PAIRS} ON m.account_id = p.account_id AND m.names = p.seq WHERE m.kind IN {ENDS}"""
EARNED = f"""SELECT p.account_id, p.seq, e.grant_seq, sum(e.amount)::bigint FROM {PAIRS}
    CROSS JOIN LATERAL (SELECT p.seq UNION ALL SELECT m.seq FROM ledger.movement m
        WHERE m.account_id = p.account_id AND m.names = p.seq AND m.kind = 'reversal') AS of(seq)
    JOIN ledger.entry e ON e.account_id = p.account_id AND e.seq = of.seq
    WHERE e.book = 'earned' GROUP BY p.account_id, p.seq, e.grant_seq"""
GRANTS = f"SELECT {GRANT} FROM ledger.credit_grant JOIN {PAIRS} USING (account_id, seq)"
SPENDING = """SELECT account_id, api_key, day, amount FROM ledger.spending
    WHERE account_id = ANY(%s::bigint[]) AND day >= %s"""
RATE = "id, version, gpu_class, valid_from, micro_per_gpu_s, minimum_micro, step_ms"
RATES = f"SELECT {RATE} FROM ledger.rate WHERE id = ANY(%s::bigint[])"

Cursor = psycopg.Cursor[Any]


def _insert(table: str, columns: str, types: str, tail: str = "") -> str:
    arrays = ", ".join(f"%s::{one}[]" for one in types.split())
    return f"INSERT INTO ledger.{table} ({columns}) SELECT * FROM unnest({arrays}) {tail}"


ADD_MOVEMENTS = _insert(
    "movement",
    MOVEMENT.replace("m.", "").replace("::text", ""),
    "bigint bigint ledger.kind bigint bigint text bytea timestamptz text text bigint bigint "
    "timestamptz text bigint bigint bytea",
)
ADD_GRANTS = _insert(
    "credit_grant",
    "account_id, seq, kind, priority, effective_at, expires_at, amount, dispute",
    "bigint bigint text int timestamptz timestamptz bigint bigint",
)
ADD_ENTRIES = _insert(
    "entry",
    "account_id, seq, leg, grant_seq, book, amount",
    "bigint bigint smallint bigint ledger.book bigint",
)
SET_HOLDS = _insert(
    "open_hold",
    HOLD,
    "bigint bigint bigint timestamptz timestamptz text text jsonb",
    """ON CONFLICT (account_id, seq) DO UPDATE SET amount = excluded.amount,
        expires_at = excluded.expires_at, taken = excluded.taken""",
)
END_HOLDS = f"DELETE FROM ledger.open_hold WHERE ctid = ANY(ARRAY(SELECT place FROM {HELD}))"
SET_DISPUTES = """UPDATE ledger.credit_grant g SET dispute = u.c
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS u(a, b, c)
    WHERE g.account_id = u.a AND g.seq = u.b"""
ADD_SPENDING = """INSERT INTO ledger.spending AS s
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::bigint[])
    ON CONFLICT (account_id, api_key, day) DO UPDATE SET amount = s.amount + excluded.amount"""
RETURN_SPENDING = """UPDATE ledger.spending s SET amount = s.amount + u.d
    FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::bigint[]) AS u(a, b, c, d)
    WHERE s.account_id = u.a AND s.api_key = u.b AND s.day = u.c"""
ADD_ALERTS = _insert(
    "outbox",
    "account_id, topic, key, payload, at",
    "bigint text text jsonb timestamptz",
    "ON CONFLICT DO NOTHING",
)


def load(
    connection: psycopg.Connection[Any], requests: Sequence[Request], now: datetime
) -> dict[int, State]:
    """Locks the accounts of the requests and reads what deciding them takes."""
    accounts = sorted({one.account for one in requests})
    named = sorted({(one.account, one.names) for one in requests if one.names is not None})
    rates = sorted({one.rate for one in requests if one.rate is not None})
    keys = [(one.account, one.key) for one in requests]
    ids = (_array(accounts),)
    asked = (
        (BY_INDEX, ()),
        (LOCK, ids),
        (ANSWERED, _columns(keys, 2)),
        (LIVE, ids),
        (BUDGETS, ids),
        *([(HOLDS, _columns(named, 2))] if named else ()),
        *([(RATES, (_array(rates),))] if rates else ()),
    )
    rows = dict(zip((sql for sql, _ in asked), _ask(connection, asked), strict=True))
    card = {row[0]: Rate(*row) for row in rows.get(RATES, ())}
    states = {row[0]: State(*row, rates=card) for row in rows[LOCK]}
    for row in rows[ANSWERED]:
        states[row[0]].answered[row[5]] = Movement(*row)
    for row in rows[LIVE]:
        states[row[0]].grants[row[1]] = Grant(*row)
    for row in rows.get(HOLDS, ()):
        states[row[0]].holds[row[1]] = OpenHold(*row[:7], taken=tuple(map(tuple, row[7])))
    for account, api_key, *limits in rows[BUDGETS]:
        states[account].budgets[api_key] = Budget(*limits)
    _load_named(connection, states, [(a, n) for a, n in named if n not in _holds(states, a)])
    _load_spending(connection, states, now.date())
    return states


def _holds(states: dict[int, State], account: int) -> dict[int, OpenHold]:
    return states[account].holds if account in states else {}


def _load_named(
    connection: psycopg.Connection[Any], states: dict[int, State], named: list[tuple[int, int]]
) -> None:
    """Reads named movements that are no open holds, what ended them, and the grants they touch."""
    if not named:
        return
    pairs = _columns(named, 2)
    movements, ended, spent = _ask(connection, ((NAMED, pairs), (ENDED, pairs), (EARNED, pairs)))
    touched = {(row[0], row[2]) for row in spent} | set(named)
    touched |= {(row[0], row[4]) for row in movements if row[4] is not None}
    (grants,) = _ask(connection, ((GRANTS, _columns(sorted(touched), 2)),))
    for row in grants:
        states[row[0]].grants[row[1]] = Grant(*row)
    for row in movements:
        states[row[0]].named[row[1]] = Movement(*row)
    for account, seq, grant, amount in spent:
        states[account].earned.setdefault(seq, Counter())[grant] = amount
    for account, names, seq in ended:
        states[account].ended[names] = seq


def _load_spending(
    connection: psycopg.Connection[Any], states: dict[int, State], today: date
) -> None:
    budgeted = [state for state in states.values() if state.budgets]
    if not budgeted:
        return
    days = [hold.held_at.date() for state in budgeted for hold in state.holds.values()]
    # Before the beginning of this month only for holds that are extended from there.
    since = min([*days, today]).replace(day=1)
    ((rows),) = _ask(
        connection, ((SPENDING, (_array([state.account for state in budgeted]), since)),)
    )
    for account, api_key, day, amount in rows:
        states[account].spending[api_key, day] = amount


def write(
    connection: psycopg.Connection[Any],
    posted: Sequence[Posted],
    alerts: Sequence[tuple[int, Alert]],
    now: datetime,
    *,
    commit: bool,
) -> None:
    """Writes what a batch posted; triggers move the balances and the heads of the chains.

    To commit in the same round trip is for the transaction's owner to ask for.
    """
    told = [*alerts, *((p.movement.account, a) for p in posted for a in p.decision.alerts)]
    topics = [(account, "budget", key, json.dumps(what), now) for account, (key, what) in told]
    born = {p.movement[:2] for p in posted if p.movement.kind == "grant"}
    grants = {p.decision.grant[:2]: p.decision.grant for p in posted if p.decision.grant}
    ends = [
        (p.movement.account, p.movement.names or 0)
        for p in posted
        if p.movement.kind in ("capture", "release", "lapse")
    ]
    holds = {p.decision.hold[:2]: p.decision.hold for p in posted if p.decision.hold is not None}
    for end in ends:
        holds.pop(end, None)  # made and ended in the same batch
    spent: Counter[tuple[int, str, date]] = Counter()
    for p in posted:
        for what, amount in p.decision.spent:
            spent[p.movement.account, *what] += amount
    counted = [(*place, amount) for place, amount in sorted(spent.items())]
    tables = (
        (ADD_MOVEMENTS, [p.movement for p in posted]),
        (ADD_GRANTS, [(*g[:7], g.dispute) for place, g in grants.items() if place in born]),
        (SET_DISPUTES, [(*place, g.dispute) for place, g in grants.items() if place not in born]),
        (ADD_ENTRIES, [row for p in posted for row in _entries(p)]),
        (SET_HOLDS, [(*one[:7], json.dumps(one.taken)) for one in holds.values()]),
        (END_HOLDS, ends),
        (ADD_SPENDING, [one for one in counted if one[3] > 0]),
        (RETURN_SPENDING, [one for one in counted if one[3] < 0]),
        (ADD_ALERTS, topics),
    )
    statements = [(sql, _columns(rows, len(rows[0]))) for sql, rows in tables if rows]
    _ask(connection, [*statements, *([("COMMIT", [])] if commit else [])])


def _entries(posted: Posted) -> list[tuple]:
    movement = posted.movement
    return [
        (movement.account, movement.seq, leg, *entry)
        for leg, entry in enumerate(posted.decision.entries)
    ]


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[str]:
    """Returns an array literal for each column.

    JSON escapes what is printable just as an array literal does, and is written twenty times faster
    than psycopg writes lists; and a literal has no type, so a statement is prepared once.
    """
    columns = zip(*rows, strict=True) if rows else [()] * width
    return [_array(column) for column in columns]


def _plain(value: datetime | date | bytes) -> str:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value.isoformat()


_encode = json.JSONEncoder(ensure_ascii=False, default=_plain).encode


def _array(column: Sequence[Any]) -> str:
    return "{" + _encode(column)[1:-1] + "}"


def _ask(
    connection: psycopg.Connection[Any], asked: Sequence[tuple[str, Sequence[Any]]]
) -> list[list[tuple]]:
    """Sends statements without waiting for each; returns the rows of each."""
    cursors = [connection.cursor() for _ in asked]
    with connection.pipeline():
        for cursor, (sql, values) in zip(cursors, asked, strict=True):
            cursor.execute(sql, values, prepare=True)
    return [cursor.fetchall() if cursor.description else [] for cursor in cursors]
