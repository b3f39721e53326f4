"""API keys: a prefix and 32 random bytes, of which only the SHA-256 is kept."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import database
from .ledger import InvalidError, NotFoundError
from .ledger.away import answering
from .ledger.values import one_of, text

PREFIX = "df_"
SCOPES = ("read", "run", "buy", "manage", "meter", "admin", "worker")
CUSTOMER_SCOPES = SCOPES[:4]  # the others reach every account
OVERLAP = timedelta(days=1)  # for which the key before a rotation stays good
USED_STEP = timedelta(minutes=1)  # last use is kept no more precisely: a write less for each call
MAX_KEYS = 100  # of an account that are not revoked
_LOCK = "SELECT FROM ledger.account WHERE id = :account FOR NO KEY UPDATE"
_GOOD = "SELECT count(*) FROM identity.api_key WHERE account = :account AND revoked_at IS NULL"
_COLUMNS = "id, account, name, scopes, hint, created_at, used_at, revoked_at, previous_until"


class ApiKey(NamedTuple):
    """A key without its secret; in the ledger it is called by its id as text."""

    id: int
    account: int
    name: str
    scopes: tuple[str, ...]
    hint: str
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    previous_until: datetime | None


class Keys:
    """The table of API keys."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def create(self, account: int, name: str, scopes: Sequence[str]) -> tuple[str, ApiKey]:
        """Returns a new key's text, which nobody can read again, and what is kept of it."""
        text("name", name)
        if not scopes:
            raise InvalidError(
                f"scopes of {', '.join(SCOPES)} are required, got none. Choose some."
            )
        for scope in scopes:
            one_of("scopes", scope, SCOPES)
        secret = PREFIX + secrets.token_urlsafe(32)
        sql = f"""INSERT INTO identity.api_key (account, name, scopes, hint, digest, created_at)
            VALUES (:account, :name, :scopes, :hint, :digest, :now) RETURNING {_COLUMNS}"""
        what = {"scopes": [one for one in SCOPES if one in scopes], "hint": secret[-4:]}
        what |= {"account": account, "name": name, "digest": digest(secret), "now": self._clock()}
        with answering(), self._engine.begin() as connection:
            connection.execute(sa.text(_LOCK), what)  # one after another
            if connection.execute(sa.text(_GOOD), what).scalar_one() >= MAX_KEYS:
                raise InvalidError(
                    f"at most {MAX_KEYS} keys are possible, got one more. Revoke some."
                )
            return secret, _key(connection.execute(sa.text(sql), what).one())

    def list(self, account: int) -> list[ApiKey]:
        """Returns the keys of an account, the newest first, revoked ones too."""
        sql = f"SELECT {_COLUMNS} FROM identity.api_key WHERE account = :a ORDER BY id DESC"
        return [_key(row) for row in self._do(sql, a=account)]

    def required(self, account: int, name: str) -> None:
        """Refuses what is neither the id of a key of the account, as text, nor empty."""
        if name and name not in {str(key.id) for key in self.list(account)}:
            raise NotFoundError(f"the id of a key is required, got {name!a:.40}. List the keys.")

    def find(self, secret: str) -> ApiKey | None:
        """Returns the key of a text, and notes that it was used."""
        if not secret.startswith(PREFIX) or len(secret) > 100 or not secret.isascii():
            return None
        # The database compares hashes of secrets: how long it takes tells nothing of the secret.
        sql = f"""SELECT {_COLUMNS} FROM identity.api_key WHERE revoked_at IS NULL
            AND (digest = :d OR (previous = :d AND previous_until > :now))"""
        rows = self._do(sql, d=digest(secret))
        if not rows:
            return None
        key, now = _key(rows[0]), self._clock()
        if key.used_at is None or now - key.used_at >= USED_STEP:
            self._do("UPDATE identity.api_key SET used_at = :now WHERE id = :id", id=key.id)
        return key

    def rotate(self, account: int, id_: int) -> tuple[str, ApiKey]:
        """Returns a new text for a key; the one before stays good for OVERLAP."""
        secret = PREFIX + secrets.token_urlsafe(32)
        sql = f"""UPDATE identity.api_key SET previous = digest, previous_until = :until,
            digest = :digest, hint = :hint
            WHERE account = :account AND id = :id AND revoked_at IS NULL RETURNING {_COLUMNS}"""
        values = {"digest": digest(secret), "hint": secret[-4:], "until": self._clock() + OVERLAP}
        return secret, self._changed(account, id_, sql, **values)

    def revoke(self, account: int, id_: int) -> ApiKey:
        """Ends a key for good, also if it was ended before."""
        sql = f"""UPDATE identity.api_key SET revoked_at = coalesce(revoked_at, :now)
            WHERE account = :account AND id = :id RETURNING {_COLUMNS}"""
        return self._changed(account, id_, sql)

    def _changed(self, account: int, id_: int, sql: str, **values: object) -> ApiKey:
        rows = self._do(sql, account=account, id=id_, **values)
        if not rows:
            raise NotFoundError(f"a key that is not revoked is required, got {id_}. List the keys.")
        return _key(rows[0])

    def _do(self, sql: str, **values: object) -> Sequence[Any]:
        return database.execute(self._engine, sql, now=self._clock(), **values)


def _key(row: Any) -> ApiKey:
    return ApiKey(*row)._replace(scopes=tuple(row.scopes))


def digest(secret: str) -> bytes:
    """Returns the SHA-256, which is all that is kept of whatever lets somebody in."""
    return hashlib.sha256(secret.encode()).digest()
