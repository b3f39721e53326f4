"""What the parts of the payments share: their means, and telling people."""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..ledger import Ledger
from ..ledger.away import answering
from ..ledger.book import utc_now
from ..settings import Settings
from .gateway import Gateway
from .rows import run

BATCH = 20  # orders or refunds that are looked up at once
# Looked up after half a minute, a minute, two, and so on, at last four times a day.
CLAIM = """UPDATE payments.{table} SET attempts = attempts + 1,
    next_at = :now + make_interval(secs => least(30 * 2 ^ least(attempts, 12), 21600))
    WHERE id IN (SELECT id FROM payments.{table} WHERE next_at <= :now
    ORDER BY next_at LIMIT :n FOR UPDATE SKIP LOCKED) RETURNING *"""


def new_id(prefix: str) -> str:
    """Makes an id that nobody guesses; also an idempotency key that no other database has."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Office:
    """Means, and the two things that all parts do."""

    def __init__(
        self,
        engine: sa.Engine,
        ledger: Ledger,
        gateway: Gateway,
        settings: Settings,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Uses the tables that `database.migrate` made."""
        self._engine, self._ledger, self._gateway = engine, ledger, gateway
        self._settings, self._clock = settings, clock

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """Commits at the end. Stripe is never asked inside."""
        with answering(), self._engine.begin() as connection:
            yield connection

    def _claim(self, table: str) -> list[Any]:
        """Takes what is due; if this process dies, it is due again after a while."""
        with self._transaction() as connection:
            sql = CLAIM.format(table=table)
            return list(run(connection, sql, now=self._clock(), n=BATCH))

    def _tell(
        self, connection: sa.Connection, account: int, topic: str, key: str, **what: object
    ) -> None:
        """Leaves word for whoever mails: once for each key.

        Topics: pay_link, top_up_stopped, top_up_capped, refund_failed, dispute for the customer;
        operator for whoever runs the server.
        """
        sql = """INSERT INTO ledger.outbox (account_id, topic, key, payload, at)
            VALUES (:a, :t, :k, :p, :at) ON CONFLICT DO NOTHING"""
        values = {"a": account, "t": topic, "k": f"{topic}:{key}", "p": json.dumps(what)}
        run(connection, sql, **values, at=self._clock())
