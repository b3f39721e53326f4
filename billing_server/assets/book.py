"""The table of assets: who has which bytes under what name, and until when."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa
from blake3 import blake3

from ..ledger.away import answering
from ..runs.values import KEPT, RunError
from . import kinds
from .blobs import Blobs, lock
from .store import GoneError, Upload

MAX_BYTES = 512 << 20  # of one file
MAX_ACCOUNT_BYTES = 50 << 30  # of all files of an account
MAX_FILES = 50_000  # that an account has uploaded or named
MIN_KEPT, MAX_KEPT = timedelta(minutes=1), KEPT
HIDDEN = timedelta(days=1)  # for which an output may wait for the end of its run
SENDING_S = 900  # for which an address takes an output; on its way a file may take longer
READING_S = 600  # for which an address gives a customer's file
LEASED_S = 3600  # for which a worker may begin to fetch what its lease names
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
    key: str


ASSET = ", ".join(Asset._fields)


class Assets:
    """Files of all accounts."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs, self._engine, self._clock = blobs, blobs.engine, blobs.clock

    def room(self, account: int, more: int) -> None:
        """Refuses a file of at least so many bytes for which an account has no room."""
        with answering(), self._engine.connect() as connection:
            self._room(connection, account, more, new=True)

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
        with self._blobs.store.writing() as file:
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
        with self._blobs.store.writing() as file:
            found, size, head = _copy(chunks, file)
            if found != hash_:
                text = f"Bytes of the hash {hash_:.80} are required, got others. Send them again."
                raise RunError("hash_mismatch", 409, text)
            content_type = "text/plain" if type_ == "text" else kinds.kind(head)
            row = self._row(account, hash_, size, content_type, name, HIDDEN)
            row |= {"run": run, "attempt": attempt, "node": node, "kind": type_, "hidden": True}
            return self._keep(row, file)[0]

    def awaited(
        self,
        account: int,
        run: str,
        attempt: int,
        hash_: str,
        size: int,
        *,
        node: str,
        name: str,
        type_: str,
    ) -> tuple[Asset, Upload | None] | None:
        """Returns where an output can be sent; None if it must come through this server.

        Nothing is to be sent where the account has the bytes already. What is sent is looked at
        before it is shown, see `arrived`.
        """
        if size > MAX_BYTES:
            raise _too_large()
        store = self._blobs.store
        if size > store.most_sent:
            return None
        row = self._row(account, plain_hash(hash_), size, kinds.OTHER, name, HIDDEN)
        row |= {"run": run, "attempt": attempt, "node": node, "kind": type_, "hidden": True}
        row |= {"open": self._clock() + timedelta(seconds=2 * SENDING_S)}
        with answering(), self._engine.begin() as connection:
            lock(connection, account)
            if there := self._there(connection, row):
                row |= {"key": there.key, "content_type": there.content_type}
            else:
                row |= {"key": self._blobs.fresh(connection, account), "awaited": True}
            asset = Asset(*connection.execute(_INSERT_OUTPUT, row).one())
        return asset, None if there else store.upload(asset.key, size, SENDING_S)

    def arrived(self, run: str, token: bytes, ids: Sequence[str]) -> None:
        """Looks at outputs that were sent to an address: nothing else than was said is shown.

        Args:
            run: Whose they are.
            token: Digest of the attempt's.
            ids: Of the outputs that the worker names.

        Raises:
            RunError: One is not there, or is something else.
        """
        sql = f"""SELECT {", ".join(f"a.{one}" for one in Asset._fields)} FROM runs.asset a
            JOIN runs.attempt t ON t.run = a.run AND t.number = a.attempt
            WHERE a.run = :run AND t.token = :token AND awaited AND a.id = ANY(:ids)"""
        if not ids or not self._blobs.store.most_sent:
            return
        for row in self._do(sql, run=run, token=token, ids=list(ids)):
            asset = Asset(*row)
            try:
                found = _copy(self._blobs.store.read(asset.key), None)
            except GoneError:
                text = f"A file that was sent is required, got no {asset.file_path!a:.80}. Send it."
                raise RunError("missing_asset", 422, text) from None
            if found[:2] != (asset.hash, asset.bytes):
                text = f"Bytes of the hash {asset.hash} are required, got others. Send them again."
                raise RunError("hash_mismatch", 422, text)
            sql = """UPDATE runs.asset SET awaited = false, content_type = :type
                WHERE id = :id AND awaited RETURNING id"""
            values = {"id": asset.id, "type": kinds.kind(found[2])}
            with answering(), self._engine.begin() as connection:
                if connection.execute(sa.text(sql), values).first():
                    self._blobs.keep(connection, asset.key)

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

    def path(self, asset: Asset) -> Path | str:
        """Returns where the bytes of an asset can be read: a path, or an address for a while."""
        return self.at(asset.key, asset.file_path, asset.content_type, READING_S)

    def at(
        self, key: str, name: str = "file", content_type: str = kinds.OTHER, seconds: int = LEASED_S
    ) -> Path | str:
        """Returns where the bytes of a key can be read, for a worker unless more is said."""
        return self._blobs.store.where(key, name, content_type, seconds)

    def address(self, key: str) -> str | None:
        """Returns where a worker can fetch bytes past this server, if it can."""
        return str(self.at(key)) if self._blobs.store.most_sent else None

    def delete(self, account: int, id_: str) -> None:
        """Forgets an asset that no run needs any more."""
        asset = self.get(account, id_)
        if not self._forget(asset, datetime.max.replace(tzinfo=UTC)):
            text = "An asset that no job waits for is required, got one in use. Cancel the job."
            raise RunError("in_use", 409, text)

    def sweep(self) -> int:
        """Forgets what has expired, and runs of which nothing is left; returns how many files."""
        sql = f"""SELECT {ASSET} FROM runs.asset WHERE expires_at <= :now
            ORDER BY expires_at LIMIT {SWEPT}"""
        runs = f"""DELETE FROM runs.run WHERE id IN (SELECT id FROM runs.run r
            WHERE expires_at <= :now AND charged IS NOT NULL
            AND NOT EXISTS (SELECT FROM runs.asset WHERE run = r.id) LIMIT {SWEPT})"""
        now = self._clock()
        forgotten = sum(self._forget(Asset(*row), now) for row in self._do(sql))
        self._do(runs)
        return forgotten

    def _forget(self, asset: Asset, expired: datetime) -> bool:
        """Deletes a row; its bytes are garbage with the last one.

        Not what a run still needs, nor what was uploaded again and expires later.
        """
        values = {"id": asset.id, "expired": expired}
        try:
            with answering(), self._engine.begin() as connection:
                # Who keeps the same bytes at the same time waits for this, and so do we for him.
                lock(connection, asset.account)
                needed = """SELECT FROM runs.asset a WHERE id = :id AND (expires_at > :expired
                    OR EXISTS (SELECT FROM runs.input i JOIN runs.run r ON r.id = i.run
                        WHERE i.asset = a.id AND r.charged IS NULL))"""
                if connection.execute(sa.text(needed), values).first() is not None:
                    return False
                connection.execute(sa.text("DELETE FROM runs.input WHERE asset = :id"), values)
                sql = "DELETE FROM runs.asset WHERE id = :id RETURNING open_until"
                if (row := connection.execute(sa.text(sql), values).first()) is not None:
                    self._blobs.drop(connection, asset.key, row.open_until)
        except sa.exc.IntegrityError:  # a run that was submitted meanwhile reads it
            return False
        return True

    def _keep(self, row: dict[str, Any], file: Any) -> tuple[Asset, bool]:
        """Keeps bytes and row together; the same twice is the same asset, kept longer.

        No transaction is open while the store is asked.
        """
        key = None
        while True:
            with answering(), self._engine.begin() as connection:
                lock(connection, row["account"])
                there = self._there(connection, row)
                if there or key:
                    if key and not there:
                        self._blobs.keep(connection, key)
                    insert = _INSERT if row["run"] is None else _INSERT_OUTPUT
                    row["key"] = there.key if there else key
                    return Asset(*connection.execute(insert, row).one()), not there
                if file is None:
                    text = f"Bytes that this account has are required, got {row['hash']}. "
                    raise RunError("blob_not_found", 404, text + "Upload them.")
                fresh = self._blobs.fresh(connection, row["account"])
            self._blobs.store.put(file, fresh)
            key = fresh

    def _there(self, connection: sa.Connection, row: dict[str, Any]) -> Any:
        """Finds the same bytes in the account, if it has room for one more file.

        Raises:
            RunError: It has not.
        """
        self._room(connection, row["account"], row["bytes"], new=row["run"] is None)
        sql = """SELECT key, content_type FROM runs.asset WHERE account = :account
            AND hash = :hash AND NOT awaited LIMIT 1"""
        return connection.execute(sa.text(sql), row).first()

    def _room(self, connection: sa.Connection, account: int, more: int, *, new: bool) -> None:
        """Refuses what does not fit; outputs are paid for, and are as many as they are."""
        sql = """SELECT coalesce(sum(bytes), 0) AS bytes, count(*) FILTER (WHERE run IS NULL)
            AS files FROM runs.asset WHERE account = :account"""
        used = connection.execute(sa.text(sql), {"account": account}).one()
        if used.bytes + more > MAX_ACCOUNT_BYTES or (new and used.files >= MAX_FILES):
            text = f"At most {MAX_FILES} files and {MAX_ACCOUNT_BYTES} bytes are kept, got more. "
            raise RunError("storage_full", 413, f"{text}Delete assets.")

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
        row |= {"run": None, "attempt": None, "node": None, "kind": None, "hidden": False}
        return row | {"awaited": False, "open": None}

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


def _copy(chunks: Iterable[bytes], file: Any | None) -> tuple[str, int, bytes]:
    """Writes what comes, if to anywhere; returns its hash, size and first bytes."""
    hasher, size, head = blake3(), 0, b""
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BYTES:
            raise _too_large()
        hasher.update(chunk)
        if file is not None:
            file.write(chunk)
        if len(head) < kinds.HEAD:
            head += chunk[: kinds.HEAD - len(head)]
    return hasher.hexdigest(), size, head


def _too_large() -> RunError:
    text = f"At most {MAX_BYTES} bytes are taken, got more. Make the file smaller."
    return RunError("too_large", 413, text)


def _insert(same: str, update: str) -> sa.TextClause:
    return sa.text(
        f"""INSERT INTO runs.asset AS a (id, account, hash, bytes, content_type, file_path,
            created_at, expires_at, run, attempt, node, kind, hidden, key, awaited, open_until)
        VALUES (:id, :account, :hash, :bytes, :content_type, :file_path, :now, :until, :run,
            :attempt, :node, :kind, :hidden, :key, :awaited, :open)
        ON CONFLICT {same} DO UPDATE SET {update} RETURNING {ASSET}"""
    )


_INSERT = _insert(
    "(account, hash, file_path) WHERE run IS NULL",
    "expires_at = greatest(a.expires_at, excluded.expires_at)",
)
_INSERT_OUTPUT = _insert(
    "(run, attempt, node, file_path, hash) WHERE run IS NOT NULL",
    """kind = excluded.kind, open_until = coalesce(excluded.open_until, a.open_until),
        key = CASE WHEN a.awaited > excluded.awaited THEN excluded.key ELSE a.key END,
        content_type = CASE WHEN a.awaited > excluded.awaited THEN excluded.content_type
            ELSE a.content_type END,
        awaited = a.awaited AND excluded.awaited""",
)
