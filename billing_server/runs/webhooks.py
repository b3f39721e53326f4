"""Webhooks of customers: where they are told of the ends of their runs, and what they were told.

Secrets are kept nowhere: they are made of the server's own, the webhook and a version.
"""

import base64
import hashlib
import hmac
import random
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from .. import database
from ..ledger import InvalidError, NotFoundError
from . import events, outbound
from .values import ENDED, Run

EVENTS = tuple(f"run.{state}" for state in ENDED)
MAX_WEBHOOKS = 10  # of an account
OVERLAP = timedelta(days=1)  # for which the secret before a rotation signs, too
TRIED_FOR = timedelta(days=3)
DISABLED_AFTER = timedelta(days=2, hours=12)  # without a success, when one is given up
FIRST_S, LONGEST_S = 5.0, 6 * 3600.0  # between two tries; each time twice as long
SENDING = timedelta(minutes=2)  # after which whoever was at it is believed dead
AT_ONCE = 4  # to one address; to one that fails, 1
OF_ACCOUNT = 8  # to all addresses of an account, who may have the same under several names
GONE = 410


class Webhook(NamedTuple):
    """Where a customer is told."""

    id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    previous_until: datetime | None
    failing_since: datetime | None
    disabled_at: datetime | None


class Delivery(NamedTuple):
    """What was told, or will be; `status` is of the last answer."""

    id: str
    event: str
    run: str
    created_at: datetime
    attempts: int
    due_at: datetime | None
    delivered_at: datetime | None
    status: int | None
    error: str | None


class Task(NamedTuple):
    """A delivery for whoever sends it."""

    id: str
    event: str
    run: str
    created_at: datetime
    attempts: int
    webhook: str
    account: int
    url: str
    version: int
    previous_until: datetime | None
    failing: bool


_HOOK, _TOLD = ", ".join(Webhook._fields), ", ".join(Delivery._fields)


def telling(run: Run, state: str, now: datetime) -> database.Statement:
    """Returns what writes down who is told of the end of a run, in the transaction that ends it."""
    sql = """WITH d AS (INSERT INTO runs.delivery (id, webhook, run, event, created_at, due_at)
            SELECT 'msg_' || replace(gen_random_uuid()::text, '-', ''), id, :run, :event, :now, :now
            FROM runs.webhook WHERE account = :account AND :event = ANY(events)
                AND disabled_at IS NULL FOR KEY SHARE RETURNING id)
        SELECT pg_notify(:channel, :bell) FROM d LIMIT 1"""
    values = {"run": run.id, "event": f"run.{state}", "now": now, "account": run.account}
    return sql, values | {"channel": events.CHANNEL, "bell": events.WEBHOOKS}


class Webhooks:
    """The tables of webhooks and deliveries."""

    def __init__(
        self, engine: sa.Engine, clock: Callable[[], datetime], secret_key: str, *, local: bool
    ) -> None:
        self._engine, self._clock, self._key = engine, clock, secret_key.encode()
        self.local = local  # whether this machine may be told, in a trial on it

    # Of customers

    def create(self, account: int, url: str, named: Sequence[str]) -> tuple[str, Webhook]:
        """Returns a new webhook and its secret."""
        try:
            outbound.resolve(outbound.parse(url, local=self.local))
        except outbound.OutboundError as error:
            raise InvalidError(f"url is not right: {error} Write another.") from None
        if len(self.of(account)) >= MAX_WEBHOOKS:
            text = f"at most {MAX_WEBHOOKS} webhooks are possible, got one more. Delete some."
            raise InvalidError(text)
        told = [one for one in EVENTS if one in named]
        if not told:
            raise InvalidError("events that can be told are required, got none. Choose some.")
        sql = f"""INSERT INTO runs.webhook (id, account, url, events, created_at)
            VALUES (:id, :account, :url, :events, :now) RETURNING {_HOOK}, version"""
        id_ = f"we_{secrets.token_hex(12)}"
        return self._with_secret(self._do(sql, id=id_, account=account, url=url, events=told))

    def of(self, account: int) -> list[Webhook]:
        """Returns the webhooks of an account, the newest first."""
        sql = f"""SELECT {_HOOK} FROM runs.webhook WHERE account = :account
            ORDER BY created_at DESC, id"""
        return [_webhook(row) for row in self._do(sql, account=account)]

    def delete(self, account: int, id_: str) -> Webhook:
        """Forgets a webhook, and what it was told."""
        sql = f"DELETE FROM runs.webhook WHERE id = :id AND account = :account RETURNING {_HOOK}"
        return _webhook(self._one(self._do(sql, id=id_, account=account), id_))

    def rotate(self, account: int, id_: str) -> tuple[str, Webhook]:
        """Returns a new secret; the one before signs beside it for OVERLAP."""
        sql = f"""UPDATE runs.webhook SET version = version + 1, previous_until = :until
            WHERE id = :id AND account = :account RETURNING {_HOOK}, version"""
        until = self._clock() + OVERLAP
        found = self._do(sql, id=id_, account=account, until=until)
        self._one(found, id_)
        return self._with_secret(found)

    def deliveries(self, account: int, id_: str, before: str | None, limit: int) -> list[Delivery]:
        """Returns what a webhook was told, the latest first, before a delivery."""
        self._one([one for one in self.of(account) if one.id == id_], id_)
        sql = f"""SELECT {_TOLD} FROM runs.delivery WHERE webhook = :id
            AND (CAST(:before AS text) IS NULL OR (created_at, id) <
                (SELECT created_at, id FROM runs.delivery WHERE id = :before AND webhook = :id))
            ORDER BY created_at DESC, id DESC LIMIT :limit"""
        return [Delivery(*row) for row in self._do(sql, id=id_, before=before, limit=limit)]

    def resend(self, account: int, id_: str, delivery: str) -> Delivery:
        """Tells again now, also where it was given up."""
        sql = f"""WITH d AS (UPDATE runs.delivery SET due_at = :now, delivered_at = NULL
                WHERE id = :delivery AND webhook = (SELECT id FROM runs.webhook
                    WHERE id = :id AND account = :account) RETURNING {_TOLD})
            SELECT {_TOLD}, pg_notify(:channel, :bell)::text FROM d"""
        names = {"channel": events.CHANNEL, "bell": events.WEBHOOKS}
        found = self._do(sql, id=id_, account=account, delivery=delivery, **names)
        return Delivery(*self._one(found, delivery)[:-1])

    # Of whoever sends

    def claim(self, *, healthy: bool) -> Task | None:
        """Returns a delivery that is due, which for a while is nobody else's to send.

        Args:
            healthy: Only to addresses that answered last time.
        """
        sql = """WITH busy AS MATERIALIZED (SELECT webhook, account FROM runs.delivery
                JOIN runs.webhook w ON w.id = webhook WHERE sending_until > :now)
            UPDATE runs.delivery d SET sending_until = :until, attempts = attempts + 1
            FROM runs.webhook w WHERE w.id = d.webhook AND d.id = (
                SELECT c.id FROM runs.delivery c JOIN runs.webhook v ON v.id = c.webhook
                WHERE c.due_at <= :now AND (c.sending_until IS NULL OR c.sending_until <= :now)
                AND (SELECT count(*) FROM busy WHERE busy.account = v.account) < :all
                AND (SELECT count(*) FROM busy WHERE busy.webhook = v.id)
                    < CASE WHEN v.failing_since IS NULL THEN :most ELSE 1 END
                AND (v.failing_since IS NULL OR NOT :healthy)
                ORDER BY c.due_at LIMIT 1 FOR UPDATE OF c SKIP LOCKED)
            RETURNING d.id, event, run, d.created_at, attempts, w.id, account, url, version,
                previous_until, failing_since IS NOT NULL"""
        values = {"until": self._clock() + SENDING, "healthy": healthy}
        values |= {"most": AT_ONCE, "all": OF_ACCOUNT}
        return next((Task(*row) for row in self._do(sql, **values)), None)

    def sent(self, task: Task, status: int | None, error: str | None) -> None:
        """Notes what came of a delivery: it is done, tried again later, or given up."""
        now, good = self._clock(), status is not None and 200 <= status < 300
        due_at = None if good else now + timedelta(seconds=_pause_s(task.attempts))
        if due_at and due_at > task.created_at + TRIED_FOR:
            due_at = None
        values = {"id": task.id, "attempts": task.attempts, "webhook": task.webhook}
        values |= {"good": good, "due": due_at, "status": status, "error": error}
        # Who was believed dead and comes back changes nothing: `attempts` has grown.
        sql = """UPDATE runs.delivery d SET sending_until = NULL, status = :status, error = :error,
                delivered_at = CASE WHEN :good THEN CAST(:now AS timestamptz) END,
                due_at = CASE WHEN disabled_at IS NULL THEN CAST(:due AS timestamptz) END
            FROM runs.webhook w WHERE w.id = webhook AND d.id = :id AND attempts = :attempts"""
        self._do(sql, **values)
        sql = """UPDATE runs.webhook SET
            failing_since = CASE WHEN NOT :good THEN coalesce(failing_since, :now) END,
            disabled_at = CASE WHEN :good THEN NULL WHEN :gone OR (CAST(:due AS timestamptz) IS NULL
                AND failing_since <= :long) THEN coalesce(disabled_at, :now) ELSE disabled_at END
            WHERE id = :webhook RETURNING disabled_at"""
        values |= {"gone": status == GONE, "long": now - DISABLED_AFTER}
        if any(row.disabled_at for row in self._do(sql, **values)):
            sql = "UPDATE runs.delivery SET due_at = NULL WHERE webhook = :webhook"
            self._do(sql, webhook=task.webhook)

    def signatures(self, task: Task, at: int, body: bytes) -> str:
        """Signs after standardwebhooks, with each secret that is good."""
        both = task.previous_until is not None and task.previous_until > self._clock()
        versions = (task.version, task.version - 1) if both else (task.version,)
        signed = f"{task.id}.{at}.".encode() + body
        made = (hmac.digest(self._secret(task.webhook, one), signed, "sha256") for one in versions)
        return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)

    # Inside

    def _secret(self, webhook: str, version: int) -> bytes:
        return hmac.digest(self._key, f"webhook {webhook} {version}".encode(), hashlib.sha256)

    def _with_secret(self, rows: Sequence[Any]) -> tuple[str, Webhook]:
        *_, version = rows[0]
        made = _webhook(rows[0][:-1])
        secret = base64.b64encode(self._secret(made.id, version)).decode()
        return f"whsec_{secret}", made

    def _one(self, rows: Sequence[Any], id_: str) -> Any:
        if not rows:
            raise NotFoundError(f"one of this account is required, got {id_!a:.60}. List them.")
        return rows[0]

    def _do(self, sql: str, **values: object) -> Sequence[Any]:
        return database.execute(self._engine, sql, now=self._clock(), **values)


def _webhook(row: Any) -> Webhook:
    made = Webhook(*row)
    return made._replace(events=tuple(made.events))


def _pause_s(attempts: int) -> float:
    """Returns how long to wait; not all at once after an address was away."""
    return min(FIRST_S * 2 ** min(attempts - 1, 20), LONGEST_S) * random.uniform(0.8, 1.2)  # noqa: S311
