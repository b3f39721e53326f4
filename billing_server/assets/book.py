"""The table of assets: who has which bytes under what name, and until when."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa
from blake3 import blake3

from ..ledger.away import answering
from ..runs.values import KEPT, RunError
from . import kinds
from .store import Store, key

MAX_BYTES = 512 << 20  # of one file
MAX_ACCOUNT_BYTES = 50 << 30  # of all files of an account
MIN_KEPT, MAX_KEPT = timedelta(minutes=1), KEPT
HIDDEN = timedelta(days=1)  # for which an output may wait for the end of its run
MAX_NAME = 200  # characters of a file's name
SWEPT = 500


class Asset(NamedTuple):
    """A file of an account."""

    id: str
    account: int
    hash: str
    bytes: int
    content_type: str
    file_path: str
    created_at: datetime
    expires_at: datetime
    run: str | None
    node: str | None
    kind: str | None


ASSET = ", ".join(Asset._fields)


class Assets:
    """Files of all accounts."""

    def __init__(self, engine: sa.Engine, store: Store, clock: Callable[[], datetime]) -> None:
        self._engine, self._store, self._clock = engine, store, clock

    def upload(
        self,
        account: int,
        chunks: Iterable[bytes],
        file_path: str,
        *,
        expected: str | None = None,
        kept: timedelta = KEPT,
    ) -> tuple[Asset, bool]:
        """Takes a file of a customer; says whether the account had the bytes not yet.

        Raises:
            RunError: The hash differs, or size, kind or name are not allowed.
        """
        with self._store.writing() as file:
            hash_, size, head = _copy(chunks, file)
            if expected is not None and plain_hash(expected) != hash_:
                text = f"Bytes of the hash {expected:.80} are required, got others. Send it again."
                raise RunError("hash_mismatch", 409, text)
            content_type = kinds.check(head)
            row = self._row(account, hash_, size, content_type, file_path, kept)
            return self._keep(row, file)

    def output(
        self,
        account: int,
        run: str,
        attempt: int,
        hash_: str,
        chunks: Iterable[bytes],
        *,
        node: str,
        name: str,
        type_: str,
    ) -> Asset:
        """Takes a file that a run made; it stays hidden until the run is settled."""
        with self._store.writing() as file:
            found, size, head = _copy(chunks, file)
            if found != hash_:
                text = f"Bytes of the hash {hash_:.80} are required, got others. Send them again."
                raise RunError("hash_mismatch", 409, text)
            content_type = kinds.kind(head)
            row = self._row(account, hash_, size, content_type, name, HIDDEN)
            row |= {"run": run, "attempt": attempt, "node": node, "kind": type_, "hidden": True}
            return self._keep(row, file)[0]

    def again(self, account: int, hash_: str, file_path: str) -> tuple[Asset, bool]:
        """Names bytes that the account has already; nobody else's are found.

        Raises:
            RunError: The account does not have them.
        """
        found = self.by_hash(account, hash_)
        if found is None:
            text = f"Bytes that this account has are required, got {hash_:.80}. Upload them."
            raise RunError("blob_not_found", 404, text)
        row = self._row(account, found.hash, found.bytes, found.content_type, file_path, KEPT)
        return self._keep(row, None)

    def get(self, account: int, id_: str) -> Asset:
        """Returns an asset of an account."""
        found = self._find("id = :id", account=account, id=id_)
        if not found:
            text = f"An asset of this account is required, got {id_!a:.60}. Upload it."
            raise RunError("not_found", 404, text)
        return found[0]

    def by_hash(self, account: int, hash_: str) -> Asset | None:
        """Returns an asset of an account with these bytes."""
        found = self._find("hash = :hash LIMIT 1", account=account, hash=plain_hash(hash_))
        return found[0] if found else None

    def of_input(self, account: int, run: str, id_: str) -> Asset:
        """Returns an asset that a run reads."""
        joined = "id = (SELECT asset FROM runs.input WHERE run = :run AND asset = :id)"
        found = self._find(joined, account=account, run=run, id=id_)
        if not found:
            text = f"An input of this run is required, got {id_!a:.60}. Ask for another."
            raise RunError("not_found", 404, text)
        return found[0]

    def of_run(self, account: int, run: str) -> list[Asset]:
        """Returns the outputs of a run, in the order in which they came."""
        return self._find("run = :run ORDER BY created_at, id", account=account, run=run)

    def path(self, asset: Asset) -> Path:
        """Returns where the bytes of an asset can be read."""
        return self._store.path(key(asset.account, asset.hash))

    def delete(self, account: int, id_: str) -> None:
        """Forgets an asset that no run needs any more."""
        asset = self.get(account, id_)
        if not self._forget(asset):
            text = "An asset that no job waits for is required, got one in use. Cancel the job."
            raise RunError("in_use", 409, text)

    def sweep(self) -> int:
        """Forgets what has expired, and runs of which nothing is left; returns how many files."""
        sql = f"""SELECT {ASSET} FROM runs.asset WHERE expires_at <= :now
            ORDER BY expires_at LIMIT {SWEPT}"""
        runs = f"""DELETE FROM runs.run WHERE id IN (SELECT id FROM runs.run r
            WHERE expires_at <= :now AND charged IS NOT NULL
            AND NOT EXISTS (SELECT FROM runs.asset WHERE run = r.id) LIMIT {SWEPT})"""
        rows = self._do(sql)
        forgotten = sum(self._forget(Asset(*row)) for row in rows)
        self._do(runs)
        return forgotten

    def _forget(self, asset: Asset) -> bool:
        """Deletes a row, and the bytes with the last one; not what a run still needs."""
        values = {"id": asset.id, "account": asset.account, "hash": asset.hash}
        with answering(), self._engine.begin() as connection:
            # Who keeps the same bytes at the same time waits for this, and so do we for him.
            connection.execute(_LOCK, values)
            needed = """SELECT FROM runs.input i JOIN runs.run r ON r.id = i.run
                WHERE i.asset = :id AND r.charged IS NULL"""
            if connection.execute(sa.text(needed), values).first() is not None:
                return False
            connection.execute(sa.text("DELETE FROM runs.input WHERE asset = :id"), values)
            connection.execute(sa.text("DELETE FROM runs.asset WHERE id = :id"), values)
            others = "SELECT FROM runs.asset WHERE account = :account AND hash = :hash"
            if connection.execute(sa.text(others), values).first() is None:
                self._store.delete(key(asset.account, asset.hash))
        return True

    def _keep(self, row: dict[str, Any], file: Any) -> tuple[Asset, bool]:
        """Keeps bytes and row together; the same twice is the same asset, kept longer."""
        sql = """SELECT coalesce(sum(bytes), 0), bool_or(hash = :hash) FROM runs.asset
            WHERE account = :account"""
        with answering(), self._engine.begin() as connection:
            connection.execute(_LOCK, row)
            used, there = connection.execute(sa.text(sql), row).one()
            if used + row["bytes"] > MAX_ACCOUNT_BYTES:
                text = f"At most {MAX_ACCOUNT_BYTES} bytes are kept, got more. Delete assets."
                raise RunError("storage_full", 413, text)
            if file is not None:
                self._store.put(file, key(row["account"], row["hash"]))
            elif not there:
                text = f"Bytes that this account has are required, got {row['hash']}. Upload them."
                raise RunError("blob_not_found", 404, text)
            insert = _INSERT if row["run"] is None else _INSERT_OUTPUT
            return Asset(*connection.execute(insert, row).one()), not there

    def _row(
        self,
        account: int,
        hash_: str,
        size: int,
        content_type: str,
        file_path: str,
        kept: timedelta,
    ) -> dict[str, Any]:
        name = file_path.replace("\\", "/").rpartition("/")[2]
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            text = f"A file name of at most {MAX_NAME} printable characters is required."
            raise RunError("invalid", 422, f"{text} Rename it.")
        now = self._clock()
        row = {"id": str(uuid4()), "account": account, "hash": hash_, "bytes": size}
        row |= {"content_type": content_type, "file_path": name, "now": now}
        row |= {"until": now + min(MAX_KEPT, max(MIN_KEPT, kept))}
        return row | {"run": None, "attempt": None, "node": None, "kind": None, "hidden": False}

    def _find(self, where: str, **values: object) -> list[Asset]:
        sql = f"""SELECT {ASSET} FROM runs.asset WHERE account = :account AND NOT hidden
            AND expires_at > :now AND {where}"""
        return [Asset(*row) for row in self._do(sql, **values)]

    def _do(self, sql: str, **values: object) -> list[Any]:
        with answering(), self._engine.begin() as connection:
            result = connection.execute(sa.text(sql), {"now": self._clock()} | values)
            return list(result) if result.returns_rows else []


def plain_hash(hash_: str) -> str:
    """Returns the digits of a hash as it is sent: `blake3:...`."""
    digits = hash_.removeprefix("blake3:").lower()
    if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        text = f"A hash as blake3:<64 hexadecimal digits> is required, got {hash_!a:.80}."
        raise RunError("invalid", 422, f"{text} Compute it again.")
    return digits


def _copy(chunks: Iterable[bytes], file: Any) -> tuple[str, int, bytes]:
    """Writes what comes; returns its hash, size and first bytes."""
    hasher, size, head = blake3(), 0, b""
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BYTES:
            text = f"At most {MAX_BYTES} bytes are taken, got more. Make the file smaller."
            raise RunError("too_large", 413, text)
        hasher.update(chunk)
        file.write(chunk)
        if len(head) < kinds.HEAD:
            head += chunk[: kinds.HEAD - len(head)]
    return hasher.hexdigest(), size, head


_LOCK = sa.text(
    "SELECT pg_advisory_xact_lock(hashtextextended('asset:' || CAST(:account AS text), 0))"
)


def _insert(same: str, update: str) -> sa.TextClause:
    return sa.text(
        f"""INSERT INTO runs.asset AS a (id, account, hash, bytes, content_type, file_path,
            created_at, expires_at, run, attempt, node, kind, hidden)
        VALUES (:id, :account, :hash, :bytes, :content_type, :file_path, :now, :until, :run,
            :attempt, :node, :kind, :hidden)
        ON CONFLICT {same} DO UPDATE SET {update} RETURNING {ASSET}"""
    )


_INSERT = _insert(
    "(account, hash, file_path) WHERE run IS NULL",
    "expires_at = greatest(a.expires_at, excluded.expires_at)",
)
_INSERT_OUTPUT = _insert(
    "(run, attempt, node, file_path, hash) WHERE run IS NOT NULL", "kind = excluded.kind"
)
