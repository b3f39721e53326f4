"""What nobody asks for and must be done: deadlines, payments, mails, anchors."""

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from . import mails, metrics
from .ledger.away import AWAY
from .services import Services

LOCK = 7_361_020_534  # of all processes at this database, one does it; any number nobody else uses
PERIOD_S = 2.0
MAILS_S, ANCHOR_S = 10.0, 3600.0


class Ticker:
    """A thread that goes its rounds until it is stopped."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopped = threading.Event()
        self._done: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the round that is under way."""
        self._stopped.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            try:
                self.round()
            except AWAY as error:
                structlog.get_logger().warning("database_away", error=type(error).__name__)
            except Exception:  # whatever it is: without rounds no deadline is kept
                structlog.get_logger().exception("round_failed")

    def round(self) -> None:
        """Does all that is due, unless another process is at it."""
        engine = self._services.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:  # no transaction is open while others are asked
            lock = connection.execute(sa.text("SELECT pg_try_advisory_lock(:n)"), {"n": LOCK})
            if lock.scalar_one():
                self._do("expire", self._services.ledger.expire_due)
                self._do("runs", self._services.hosting.due)
                self._do("payments", self._services.payments.due)
                self._do("mails", lambda: mails.deliver(self._services), every_s=MAILS_S)
                self._do("anchor", self._anchor, every_s=ANCHOR_S)
                connection.execute(sa.text("SELECT pg_advisory_unlock(:n)"), {"n": LOCK})

    def _do(self, name: str, work: Callable[[], object], every_s: float = 0.0) -> None:
        begun = time.monotonic()
        if begun - self._done.get(name, -every_s) < every_s:
            return
        self._done[name] = begun
        try:
            work()
            metrics.EVENTS.labels(f"tick_{name}").inc()
        except Exception:  # one must not keep the others from their work; it is tried again
            structlog.get_logger().exception("tick_failed", work=name)
            metrics.EVENTS.labels(f"tick_{name}_failed").inc()

    def _anchor(self) -> None:
        if made := self._services.ledger.anchor():
            # In a log that the database's owner cannot change, it shows what he changed.
            digest = made.digest.hex()
            structlog.get_logger().info("anchor", id=made.id, digest=digest)
