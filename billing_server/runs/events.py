"""What happens to runs, told to whoever waits: rows to read again, and a bell between servers."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import psycopg
import sqlalchemy as sa
import structlog

from .. import database
from .values import Event

CHANNEL = "dressform_runs"
QUEUE = "queue"  # rung when a run waits; else a bell has the id of its run
WEBHOOKS = "webhooks"  # rung when a webhook is to be told
PREVIEW = "preview"  # kind of what is shown once and not kept
RETRY_S = 1.0
PAGE = 200
# A connection that a router forgot says nothing; this finds out within half a minute.
KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def adding(run: str, kind: str, **data: Any) -> database.Statement:
    """Returns what appends an event, in the transaction that changes the run; its row is locked."""
    sql = """WITH n AS (UPDATE runs.run SET events = events + 1 WHERE id = :run RETURNING events),
            e AS (INSERT INTO runs.event SELECT :run, events, :kind, CAST(:data AS jsonb) FROM n)
        SELECT pg_notify(:channel, :run)"""
    return sql, {"run": run, "kind": kind, "data": json.dumps(data), "channel": CHANNEL}


def add(connection: sa.Connection, run: str, kind: str, **data: Any) -> None:
    """Appends an event."""
    database.together(connection, adding(run, kind, **data))


def ringing(bell: str) -> database.Statement:
    """Returns what wakes whoever waits for a bell, when the transaction commits."""
    return "SELECT pg_notify(:c, :b)", {"c": CHANNEL, "b": bell}


def ring(connection: sa.Connection, bell: str) -> None:
    """Wakes whoever waits for a bell, when the transaction commits."""
    database.together(connection, ringing(bell))


def after(engine: sa.Engine, run: str, seq: int, shown: int) -> list[Event]:
    """Returns the events of a run after one, at most PAGE; at last its preview, if it is newer."""
    sql = f"""(SELECT seq::bigint, kind, data FROM runs.event WHERE run = :run AND seq > :seq
        ORDER BY seq LIMIT {PAGE}) UNION ALL SELECT at, '{PREVIEW}', jsonb_build_object(
            'node_id', node, 'content_type', content_type,
            'data_base64', translate(encode(data, 'base64'), chr(10), ''))
        FROM runs.preview WHERE run = :run AND at > :shown"""
    values = {"run": run, "seq": seq, "shown": shown}
    return [Event(*row) for row in database.execute(engine, sql, **values)]


def in_ms(at: datetime) -> int:
    """Returns a time as previews have it."""
    return int(at.timestamp() * 1000)


class Bells:
    """Hears the bells of all servers, on one connection of this process."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._on: dict[str, set[threading.Event]] = {}
        self._thread: threading.Thread | None = None
        self._stopped = False

    @contextmanager
    def on(self, bell: str) -> Iterator[threading.Event]:
        """Gives what is set whenever the bell rings: clear it, look, and wait for it."""
        heard = threading.Event()
        with self._lock:
            self._on.setdefault(bell, set()).add(heard)
            # Not before somebody listens: a server that forks must not share the connection.
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._listen, name="bells", daemon=True)
                self._thread.start()
        try:
            yield heard
        finally:
            with self._lock:
                self._on[bell].discard(heard)
                if not self._on[bell]:
                    del self._on[bell]

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped = True
        if self._thread:
            with suppress(sa.exc.SQLAlchemyError), self._engine.begin() as connection:
                ring(connection, "")  # it waits for a bell
            self._thread.join(timeout=10)

    def _listen(self) -> None:
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._stopped:
            try:
                with psycopg.connect(url, autocommit=True, **KEEPALIVES) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    for bell in list(self._on):
                        self._hear(bell)  # it may have rung while nobody heard
                    while not self._stopped:
                        for notice in connection.notifies(timeout=RETRY_S, stop_after=1):
                            self._hear(notice.payload)
            except Exception as error:  # whatever it is: without bells everybody waits too long
                structlog.get_logger().warning("database_away", error=type(error).__name__)
                time.sleep(RETRY_S)

    def _hear(self, bell: str) -> None:
        with self._lock:
            for heard in self._on.get(bell, ()):
                heard.set()
