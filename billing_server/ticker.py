"""What nobody asks for and must be done: deadlines, payments, mails, anchors, checks."""

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from . import database, mails, metrics, verification
from .ledger.away import AWAY
from .runs.deliverer import Deliverer
from .services import Services

LOCK = 7_361_020_534  # of all processes at this database, one does it; any number nobody else uses
PERIOD_S = 2.0
MAILS_S, VERIFY_S, HOUR_S = 10.0, 10.0, 3600.0
# Answers are given again for a day. Stripe sends no event again that is older than a month, and one
# that comes twice finds its order settled.
TIDY = (
    "DELETE FROM identity.answer WHERE at < CAST(:now AS timestamptz) - interval '1 day'",
    "DELETE FROM payments.event WHERE at < CAST(:now AS timestamptz) - interval '90 days'",
)


class Ticker:
    """Threads that go their rounds until they are stopped: one of them only verifies the ledger."""

    def __init__(self, services: Services, deliverer: Deliverer | None = None) -> None:
        self._services, self._deliverer = services, deliverer
        self._stopped = threading.Event()
        self._done: dict[str, float] = {}
        rounds, checks = (self.round, PERIOD_S), (self._verify, VERIFY_S)
        self._threads = [
            threading.Thread(target=self._run, args=works, name="ticker", daemon=True)
            for works in (rounds, checks)
        ]

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()
        if self._deliverer:
            self._deliverer.start()

    def stop(self) -> None:
        """Ends after the round that is under way; a check of the ledger is not waited for."""
        self._stopped.set()
        if self._deliverer:
            self._deliverer.stop()
        self._threads[0].join(timeout=30)

    def _run(self, works: Callable[[], object], period_s: float) -> None:
        while not self._stopped.wait(period_s):
            try:
                works()
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
                self._do("anchor", self._anchor, every_s=HOUR_S)
                self._do("tidy", self._tidy, every_s=HOUR_S)
                connection.execute(sa.text("SELECT pg_advisory_unlock(:n)"), {"n": LOCK})

    def _do(self, name: str, work: Callable[[], object], every_s: float = 0.0) -> None:
        begun = time.monotonic()
        if begun - self._done.get(name, -every_s) < every_s:
            return
        self._done[name] = begun
        try:
            work()
            metrics.EVENTS.labels(f"tick_{name}").inc()
        except AWAY as error:
            structlog.get_logger().warning("database_away", work=name, error=type(error).__name__)
        except Exception:  # one must not keep the others from their work; it is tried again
            structlog.get_logger().exception("tick_failed", work=name)
            metrics.EVENTS.labels(f"tick_{name}_failed").inc()

    def _anchor(self) -> None:
        if made := self._services.ledger.anchor():
            # In a log that the database's owner cannot change, it shows what he changed.
            digest = made.digest.hex()
            structlog.get_logger().info("anchor", id=made.id, digest=digest)

    def _tidy(self) -> None:
        """Forgets what nobody will ask for again."""
        for sql in TIDY:
            database.execute(self._services.engine, sql, now=self._services.clock())

    def _verify(self) -> None:
        self._do("verify", lambda: verification.due(self._services))
