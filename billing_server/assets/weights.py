"""The table of weights: models that customers bring along, each for the runs of its account."""

import re
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa

from .. import database
from ..ledger.away import answering
from ..runs.values import RunError
from . import safetensors
from .blobs import Blobs, lock

FOLDERS = (
    "checkpoints",
    "clip_vision",
    "controlnet",
    "diffusion_models",
    "loras",
    "style_models",
    "text_encoders",
    "upscale_models",
    "vae",
)
MAX_BYTES = 24 << 30  # of one file
MAX_ACCOUNT_BYTES = 100 << 30
MAX_FILES = 500  # of an account
MAX_LICENSE = 200  # characters
NAME = re.compile(r"[\w()+=,-][\w .()+=,-]{0,150}\.safetensors")
SHOWN = 12  # digits of the hash before the name that ComfyUI sees

Model = tuple[str, str]  # folder, empty if the input did not tell it, and name


class Weights(NamedTuple):
    """A file of weights of an account."""

    id: str
    account: int
    folder: str
    name: str
    license: str
    sha256: str
    bytes: int
    tensors: int
    key: str
    created_at: datetime

    @property
    def shown(self) -> str:
        """The name that ComfyUI sees: another content has another, so no cache mixes them up."""
        return f"{self.sha256[:SHOWN]}-{self.name}"


WEIGHTS = ", ".join(f"w.{one}" for one in Weights._fields)


class Shelf:
    """Weights of all accounts."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs, self._engine = blobs, blobs.engine

    def room(self, account: int, more: int) -> None:
        """Refuses so many bytes if an account has no room; they may be a file that it has."""
        sql = "SELECT coalesce(sum(bytes), 0) FROM runs.weights WHERE account = :a"
        with answering(), self._engine.connect() as connection:
            used = connection.execute(sa.text(sql), {"a": account}).scalar_one()
        if used + more > MAX_ACCOUNT_BYTES:
            raise _full()

    def upload(
        self, account: int, chunks: Iterable[bytes], folder: str, name: str, license_: str
    ) -> tuple[Weights, bool]:
        """Takes weights; says whether they are new. The same again is the same.

        Raises:
            RunError: They are no safetensors, too many, or the name has others.
        """
        row = _row(account, folder, name, license_)
        seen, size = sha256(), 0
        with self._blobs.store.writing() as file:
            for chunk in chunks:
                size += len(chunk)
                if size > MAX_BYTES:
                    text = f"At most {MAX_BYTES} bytes are taken, got more. Make the file smaller."
                    raise RunError("too_large", 413, text)
                seen.update(chunk)
                file.write(chunk)
            row |= {"tensors": safetensors.check(file, size)}
            return self._keep(row | {"sha256": seen.hexdigest(), "bytes": size}, file)

    def of(self, account: int) -> list[Weights]:
        """Returns the weights of an account."""
        sql = f"SELECT {WEIGHTS} FROM runs.weights w WHERE account = :a ORDER BY folder, name"
        with answering(), self._engine.connect() as connection:
            return [Weights(*row) for row in connection.execute(sa.text(sql), {"a": account})]

    def of_run(self, run: str, digest: str) -> Weights:
        """Returns weights that a run loads."""
        with answering(), self._engine.connect() as connection:
            (rows,) = database.together(connection, loading(run))
        found = [one for _, one in loaded(rows) if one.sha256 == digest]
        if not found:
            text = f"Weights of this run are required, got {digest!a:.80}. Ask for others."
            raise RunError("not_found", 404, text)
        return found[0]

    def delete(self, account: int, id_: str) -> None:
        """Forgets weights that no run needs any more."""
        values = {"id": id_, "a": account}
        with answering(), self._engine.begin() as connection:
            lock(connection, account)
            needed = """SELECT FROM runs.run_weights u JOIN runs.run r ON r.id = u.run
                WHERE u.weights = :id AND r.account = :a AND r.charged IS NULL"""
            if connection.execute(sa.text(needed), values).first() is not None:
                raise _in_use()
            sql = """WITH u AS (DELETE FROM runs.run_weights WHERE weights = :id AND weights IN
                (SELECT id FROM runs.weights WHERE account = :a))
                SELECT key FROM runs.weights WHERE id = :id AND account = :a"""
            key = connection.execute(sa.text(sql), values).scalar()
            if key is None:
                text = f"Weights of this account are required, got {id_!a:.60}. List them."
                raise RunError("not_found", 404, text)
            try:
                connection.execute(sa.text("DELETE FROM runs.weights WHERE id = :id"), values)
            except sa.exc.IntegrityError:  # a run that was submitted meanwhile loads them
                raise _in_use() from None
            self._blobs.drop(connection, key)

    def _keep(self, row: dict[str, Any], file: Any) -> tuple[Weights, bool]:
        """Keeps bytes and row together; no transaction is open while the store is asked."""
        key = None
        while True:
            with answering(), self._engine.begin() as connection:
                lock(connection, row["account"])
                if found := self._same(connection, row):
                    return found, False
                there = self._room(connection, row)
                if there or key:
                    if key and not there:
                        self._blobs.keep(connection, key)
                    values = row | {"key": there or key, "now": self._blobs.clock()}
                    return Weights(*connection.execute(_INSERT, values).one()), True
                fresh = self._blobs.fresh(connection, row["account"])
            self._blobs.store.put(file, fresh)
            key = fresh

    def _same(self, connection: sa.Connection, row: dict[str, Any]) -> Weights | None:
        sql = f"""SELECT {WEIGHTS} FROM runs.weights w WHERE account = :account
            AND folder = :folder AND name = :name"""
        if (found := connection.execute(sa.text(sql), row).first()) is None:
            return None
        if found.sha256 != row["sha256"]:
            text = f"A new name is required, got {row['name']}, which has other content. "
            raise RunError("exists", 409, text + "Rename it, or delete the other.")
        return Weights(*found)

    def _room(self, connection: sa.Connection, row: dict[str, Any]) -> str | None:
        """Returns the key of the same bytes in the account, if it has room for one more file.

        Raises:
            RunError: It has not.
        """
        sql = """SELECT count(*) AS files, coalesce(sum(bytes), 0) AS bytes,
            min(key) FILTER (WHERE sha256 = :sha256) AS key FROM runs.weights
            WHERE account = :account"""
        told = connection.execute(sa.text(sql), row).one()
        if told.files >= MAX_FILES or told.bytes + row["bytes"] > MAX_ACCOUNT_BYTES:
            raise _full()
        return told.key


def asking(account: int, models: Iterable[Model]) -> database.Statement:
    """Returns what asks for an account's own weights by names that a workflow says."""
    sql = """SELECT folder, name, id FROM runs.weights WHERE account = :a AND name = ANY(:names)
        ORDER BY folder DESC"""
    return sql, {"a": account, "names": sorted({name for _, name in models})}


def asked(rows: Iterable[Any], models: Iterable[Model]) -> dict[Model, str]:
    """Returns ids by what a workflow calls them; weights of others are absent."""
    found = {}
    for folder, name, id_ in rows:
        found |= {(folder, name): id_, ("", name): id_}
    return {model: found[model] for model in models if model in found}


def loading(run: str) -> database.Statement:
    """Returns what asks for the weights that a run loads."""
    sql = f"""SELECT u.asked, {WEIGHTS} FROM runs.run_weights u JOIN runs.weights w
        ON w.id = u.weights WHERE u.run = :run ORDER BY w.folder, w.name"""
    return sql, {"run": run}


def loaded(rows: Iterable[Any]) -> list[tuple[str, Weights]]:
    """Returns them, each with the folder that the workflow told."""
    return [(row[0], Weights(*row[1:])) for row in rows]


def _row(account: int, folder: str, name: str, license_: str) -> dict[str, Any]:
    """Checks what is said of weights."""
    if folder not in FOLDERS:
        text = f"folder must be one of {', '.join(FOLDERS)}, got {folder!a:.40}. Choose one."
        raise RunError("invalid", 422, text)
    if not NAME.fullmatch(name):
        text = f"A plain name that ends in .safetensors is required, got {name!a:.80}. "
        raise RunError("invalid", 422, text + "Save the weights as safetensors.")
    license_ = license_.strip()
    if not 0 < len(license_) <= MAX_LICENSE or not license_.isprintable():
        text = "license must name the licence of the weights, as apache-2.0, got none. Send it."
        raise RunError("invalid", 422, text)
    row = {"id": str(uuid4()), "account": account, "folder": folder, "name": name}
    return row | {"license": license_}


def _full() -> RunError:
    text = f"At most {MAX_FILES} files of weights and {MAX_ACCOUNT_BYTES} bytes are kept, "
    return RunError("storage_full", 413, text + "got more. Delete some.")


def _in_use() -> RunError:
    text = "Weights that no job waits for are required, got some in use. Cancel it."
    return RunError("in_use", 409, text)


_INSERT = sa.text(
    """INSERT INTO runs.weights (id, account, folder, name, license, sha256, bytes, tensors, key,
        created_at) VALUES (:id, :account, :folder, :name, :license, :sha256, :bytes, :tensors,
        :key, :now) RETURNING id, account, folder, name, license, sha256, bytes, tensors, key,
        created_at"""
)
