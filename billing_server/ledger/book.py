"""The ledger's face: every operation on credits, each decided, written and answered once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import sqlalchemy as sa

from . import audit, rules, state, store, verify
from .away import AWAY, answering, unavailable
from .card import RateCard
from .group import MAX_BATCH, Group
from .values import (
    MAX_AMOUNT,
    OWN_KEYS,
    Balance,
    Budget,
    Grant,
    LedgerError,
    Line,
    Movement,
    NotFoundError,
    Request,
    check,
    text,
    whole,
)

ATTEMPTS = 2  # a connection may be dead when it is taken; repeating is safe by the key
PAGE, MAX_PAGE = 50, 1000  # lines of a statement


def utc_now() -> datetime:
    """Returns the time; the default clock."""
    return datetime.now(UTC)


class Ledger:
    """Credits of accounts in a PostgreSQL database; one for each process, used by all its threads.

    Every operation takes the caller's idempotency key, unique in the account, and returns the
    movement that it made. The same request with the same key returns the same movement; another
    request with that key is refused. Amounts are micro-credits. Each may raise:

        InvalidError, NotFoundError, InsufficientCreditsError, BudgetExceededError, EndedError,
        NotAllowedError, KeyReusedError: refused; nothing was moved.
        UnavailableError: the outcome is unknown; ask again with the same key.
    """

    def __init__(self, engine: sa.Engine, clock: Callable[[], datetime] = utc_now) -> None:
        """Uses the tables that `database.migrate` made; rules take their time from the clock."""
        self._engine = engine
        self._clock = clock
        self._group = Group(self._commit)

    @property
    def card(self) -> RateCard:
        """What GPU time costs."""
        return RateCard(self._engine, self._clock)

    # Accounts and settings

    def open_account(self, reference: str) -> int:
        """Returns the account of a reference of the caller's; opens it the first time."""
        text("reference", reference)
        sql = "INSERT INTO ledger.account (reference) VALUES (:r) ON CONFLICT DO NOTHING"
        with answering(), self._engine.begin() as connection:
            connection.execute(sa.text(sql), {"r": reference})
            found = sa.text("SELECT id FROM ledger.account WHERE reference = :r")
            return connection.execute(found, {"r": reference}).scalar_one()

    def set_budget(self, account: int, budget: Budget, api_key: str = "") -> None:
        """Limits what an API key, or without one the whole account, may hold and capture."""
        if api_key:
            text("api_key", api_key)
        for name, limit in budget._asdict().items():
            if limit is not None:
                whole(name, limit, 0, MAX_AMOUNT)
        sql = """INSERT INTO ledger.budget VALUES (:a, :k, :run, :day, :month)
            ON CONFLICT (account_id, api_key) DO UPDATE SET per_run = excluded.per_run,
            per_day = excluded.per_day, per_month = excluded.per_month"""
        run, day, month = budget
        values = {"a": account, "k": api_key, "run": run, "day": day, "month": month}
        with answering(), self._engine.begin() as connection:
            self._required(connection, account)
            connection.execute(sa.text(sql), values)

    # Operations

    def grant(
        self,
        account: int,
        amount: int,
        kind: str,
        *,
        key: str,
        priority: int = 0,
        effective_at: datetime | None = None,
        expires_at: datetime | None = None,
        reason: str | None = None,
    ) -> Movement:
        """Adds credits; paid ones never expire. Lower priorities are spent first."""
        terms = {"priority": priority, "effective_at": effective_at, "expires_at": expires_at}
        return self.submit(
            Request("grant", account, key, amount, grant_kind=kind, reason=reason, **terms)
        )

    def hold(
        self,
        account: int,
        amount: int,
        expires_at: datetime,
        *,
        key: str,
        run: str | None = None,
        api_key: str | None = None,
    ) -> Movement:
        """Reserves credits for a run until a deadline; `seq` of the answer is the hold."""
        what = {"expires_at": expires_at, "run": run, "api_key": api_key}
        return self.submit(Request("hold", account, key, amount, **what))

    def extend(
        self,
        account: int,
        hold: int,
        *,
        key: str,
        amount: int = 0,
        expires_at: datetime | None = None,
    ) -> Movement:
        """Reserves more, or for longer, or both."""
        return self.submit(Request("extend", account, key, amount, hold, expires_at=expires_at))

    def capture(
        self,
        account: int,
        hold: int,
        *,
        key: str,
        rate: int,
        gpu_ms: int,
        amount: int | None = None,
    ) -> Movement:
        """Spends a hold: by the rate and the time, never more than held, or a given amount."""
        return self.submit(Request("capture", account, key, amount, hold, rate=rate, gpu_ms=gpu_ms))

    def release(self, account: int, hold: int, *, key: str, reason: str | None = None) -> Movement:
        """Gives a whole hold back to the grants it was taken from."""
        return self.submit(Request("release", account, key, names=hold, reason=reason))

    def reverse(
        self,
        account: int,
        capture: int,
        *,
        key: str,
        amount: int | None = None,
        reason: str | None = None,
    ) -> Movement:
        """Gives a capture, or a part of it, back to the grants that were spent."""
        return self.submit(Request("reversal", account, key, amount, capture, reason=reason))

    def refund(
        self, account: int, grant: int, amount: int, *, key: str, reason: str | None = None
    ) -> Movement:
        """Takes unspent paid credits out, before their money is sent back."""
        return self.submit(Request("refund", account, key, amount, grant, reason=reason))

    def cancel_refund(
        self, account: int, refund: int, *, key: str, reason: str | None = None
    ) -> Movement:
        """Puts refunded credits back, because the money could not be sent."""
        return self.submit(Request("refund_cancel", account, key, names=refund, reason=reason))

    def dispute_open(
        self, account: int, grant: int, amount: int, *, key: str, reason: str | None = None
    ) -> Movement:
        """Freezes what is left of disputed paid credits, and what comes back of them later.

        What covers a debt is left where it is.
        """
        return self.submit(Request("dispute_open", account, key, amount, grant, reason=reason))

    def dispute_won(self, account: int, dispute: int, *, key: str) -> Movement:
        """Unfreezes."""
        return self.submit(Request("dispute_won", account, key, names=dispute))

    def dispute_lost(self, account: int, dispute: int, *, key: str) -> Movement:
        """Claws the disputed credits back; what was spent of them is owed."""
        return self.submit(Request("dispute_lost", account, key, names=dispute))

    def expire_due(self, limit: int = 1000) -> list[Movement]:
        """Ends holds and grants whose deadline has passed, at most so many of each.

        Nothing else ends them: whoever runs the server calls this every few seconds.
        """
        # A grant may lapse again, when a hold comes back; the account's seq tells the two apart.
        sql = """(SELECT 'lapse', account_id, seq, 0 FROM ledger.open_hold
                WHERE expires_at <= :t ORDER BY expires_at LIMIT :n)
            UNION ALL (SELECT 'expiry', account_id, g.seq, a.seq FROM ledger.credit_grant g
                JOIN ledger.account a ON a.id = account_id
                WHERE live AND g.available > 0 AND a.available > 0 AND expires_at <= :t
                ORDER BY expires_at LIMIT :n)"""
        with answering(), self._engine.connect() as connection:
            due = connection.execute(sa.text(sql), {"t": self._clock(), "n": limit}).all()
        requests = [
            Request(kind, account, f"{OWN_KEYS}{kind}:{seq}:{after}", names=seq)
            for kind, account, seq, after in due
        ]
        answers = []
        for start in range(0, len(requests), MAX_BATCH):
            answers += self.batch(requests[start : start + MAX_BATCH])
        # A refusal means that somebody else was faster.
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, LedgerError):
                raise answer
        return [answer for answer in answers if isinstance(answer, Movement)]

    def submit(self, request: Request) -> Movement:
        """Returns the answer to a request, after a commit that it may share with others."""
        return self._group.submit(check(request))

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """Returns an answer, or the error, for each request; all are decided in one transaction.

        Raises:
            InvalidError: One of them can never be right; none is decided.
        """
        return self._commit([check(one) for one in requests])

    def _commit(self, requests: Sequence[Request]) -> list[Any]:
        """Decides a batch; if the database refuses it, one by one, so that none spoils others."""
        failed: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return self._transact(requests)
            except (psycopg.OperationalError, *AWAY) as error:
                failed = error  # the connection, a deadlock, a restart: it may work now
            except Exception as error:
                if len(requests) == 1:
                    return [error]
                return [self._commit([one])[0] for one in requests]
        return [unavailable(failed)] * len(requests)

    def post(self, connection: sa.Connection, request: Request) -> Movement:
        """Answers a request in the caller's transaction, which commits both or neither."""
        driver: Any = connection.connection.driver_connection
        (answer,) = self._decide(driver, [check(request)], commit=False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def tell(self, account: int, error: LedgerError) -> None:
        """Tells what a refusal set off, where the caller's transaction went with it."""
        alerts = [(account, one) for one in error.alerts]
        with answering(), self._engine.begin() as connection:
            driver: Any = connection.connection.driver_connection
            store.write(driver, (), alerts, self._clock(), commit=False)

    # Reading

    def balance(self, account: int) -> Balance:
        """Returns what an account has now, and of which grants."""
        now = self._clock()
        sql = f"SELECT {store.GRANT} FROM ledger.credit_grant WHERE live AND account_id = :a"
        with answering(), self._engine.connect() as connection:
            self._required(connection, account)
            grants = [Grant(*row) for row in connection.execute(sa.text(sql), {"a": account})]
        grants.sort(key=rules.burn_order)
        return Balance(
            rules.spendable_at(grants, now),
            sum(one.held for one in grants),
            sum(one.frozen for one in grants),
            sum(one.available for one in grants if now < one.effective_at),
            tuple(grants),
        )

    def statement(
        self, account: int, *, before: int | None = None, limit: int = PAGE
    ) -> list[Line]:
        """Returns movements with their entries, the latest first; `before` is where to go on."""
        whole("limit", limit, 1, MAX_PAGE)
        with answering(), self._engine.connect() as connection:
            self._required(connection, account)
            return verify.lines(connection, account, before, limit)

    def anchor(self) -> verify.Anchor | None:
        """Fixes the heads of all chains that moved, if any did. Keep the digest elsewhere."""
        with answering(), self._engine.begin() as connection:
            return verify.anchor(connection, self._clock())

    def verify(self) -> verify.Report:
        """Recomputes every balance, chain and anchor from the journal."""
        snapshot = self._engine.execution_options(isolation_level="REPEATABLE READ")
        with answering(), snapshot.connect() as connection:
            return verify.verify(connection)

    def _required(self, connection: sa.Connection, account: int) -> None:
        whole("account", account, 1)
        found = sa.text("SELECT FROM ledger.account WHERE id = :a")
        if connection.execute(found, {"a": account}).first() is None:
            raise _no_account(account)

    def _transact(self, requests: Sequence[Request]) -> list[Any]:
        pooled = self._engine.raw_connection()
        driver: Any = pooled.driver_connection
        try:
            answers = self._decide(driver, requests, commit=True)
        except BaseException:
            pooled.invalidate()  # in whatever state it is, nobody shall use it
            raise
        pooled.close()  # back to the pool
        return answers

    def _decide(
        self, driver: psycopg.Connection[Any], requests: Sequence[Request], *, commit: bool
    ) -> list[Any]:
        now = self._clock()
        states = store.load(driver, requests, now)
        posted: list[state.Posted] = []
        alerts: list[tuple[int, state.Alert]] = []
        answers: list[Movement | LedgerError] = []
        for request in requests:
            try:
                digest = audit.request_digest(request)
                of = states.get(request.account)
                if of is None:
                    raise _no_account(request.account)
                answer = state.replay(of, request, digest)
                if answer is None:
                    decision = rules.decide(of, request, now)
                    posted.append(state.post(of, request, digest, decision, now))
                    answer = posted[-1].movement
                answers.append(answer)
            except LedgerError as error:
                alerts += ((request.account, one) for one in error.alerts)
                answers.append(error)
        store.write(driver, posted, alerts, now, commit=commit)
        return answers


def _no_account(account: int) -> NotFoundError:
    return NotFoundError(f"an account is required, got {account}. Open one.")
