"""Bytes in the store and who has a right to them; nothing is there that no row names."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from ..ledger.away import answering
from ..runs.values import RunError
from .store import Store
from .uploads import Uploads

UNKEPT = timedelta(days=1)  # in which bytes must have arrived and been recorded
AGAIN = timedelta(minutes=10)  # until a store that did not delete is asked once more
REST_S = 60.0  # in which a store that is away is left alone
SWEEP_S = 1.0  # after which the rest waits for the next round, as deadlines do not


class Blobs:
    """Keys of the store.

    A key is garbage from before the store sees it until a row is recorded that names it, and again
    when the last such row is gone: so whatever dies in between, the sweep finds it. The account is
    locked by whoever changes what is named.
    """

    def __init__(self, engine: sa.Engine, store: Store, clock: Callable[[], datetime]) -> None:
        self.engine, self.store, self.clock = engine, store, clock
        self.uploads = Uploads(*store.places)
        self._rests_until = 0.0

    def fresh(self, connection: sa.Connection, account: int) -> str:
        """Returns a new key; its bytes are deleted after a day, unless they are kept."""
        key = f"{account}/{uuid4().hex}"
        values = {"key": key, "due": self.clock() + UNKEPT}
        connection.execute(sa.text("INSERT INTO runs.garbage VALUES (:key, :due)"), values)
        return key

    def keep(self, connection: sa.Connection, key: str) -> None:
        """Keeps the bytes of a new key, in the transaction that names it."""
        sql = "DELETE FROM runs.garbage WHERE key = :key AND NOT taken RETURNING key"
        if connection.execute(sa.text(sql), {"key": key}).first() is None:
            text = "A file must arrive within a day, got a slower one. Send it again."
            raise RunError("too_slow", 408, text)

    def drop(self, connection: sa.Connection, key: str, open_until: datetime | None = None) -> None:
        """Makes a key garbage if nothing names it any more, and nobody can write to it."""
        now = self.clock()
        sql = """INSERT INTO runs.garbage SELECT :key, :due
            WHERE NOT EXISTS (SELECT FROM runs.asset WHERE key = :key)
            AND NOT EXISTS (SELECT FROM runs.weights WHERE key = :key) ON CONFLICT DO NOTHING"""
        values = {"key": key, "due": max(now, open_until or now)}
        connection.execute(sa.text(sql), values)

    def sweep(self) -> int:
        """Deletes garbage that is due, for a while; returns how much.

        A store that is away is asked later.
        """
        if time.monotonic() < self._rests_until:
            return 0
        swept, until = 0, time.monotonic() + SWEEP_S
        while key := self._take():
            try:
                self.store.delete(key)
            except RunError:
                self._rests_until = time.monotonic() + REST_S
                break
            with answering(), self.engine.begin() as connection:
                sql = "DELETE FROM runs.garbage WHERE key = :key"
                connection.execute(sa.text(sql), {"key": key})
            swept += 1
            if time.monotonic() >= until:
                break
        return swept

    def _take(self) -> str | None:
        """Returns a key that is due, which nobody else deletes and nobody keeps any more."""
        sql = """UPDATE runs.garbage SET taken = true, due = :again WHERE key = (SELECT key
            FROM runs.garbage WHERE due <= :now ORDER BY due LIMIT 1
            FOR UPDATE SKIP LOCKED) RETURNING key"""
        now = self.clock()
        with answering(), self.engine.begin() as connection:
            values = {"now": now, "again": now + AGAIN}
            return connection.execute(sa.text(sql), values).scalar()


def lock(connection: sa.Connection, account: int) -> None:
    """Lets nobody else change which bytes an account has until the transaction ends."""
    sql = "SELECT pg_advisory_xact_lock(hashtextextended('asset:' || CAST(:a AS text), 0))"
    connection.execute(sa.text(sql), {"a": account})
