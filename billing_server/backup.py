"""A backup: the database as it was at one moment, and then the files, which are never changed.

Files are copied after the database, so that whatever it names is there. What came in between is in
the copy and named by nothing.
"""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from . import database, embedded

DUMP, MANIFEST, FILES = "database.dump", "manifest.json", "files"
VERSION = 1
# Of the data folder: what is in the dump, what a worker makes again, what is half written.
LEFT_OUT = ("postgresql", "postgresql-*", "worker", ".new-*")
REVISION = "SELECT version_num FROM alembic_version"
LEDGER = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'ledger')"


class Backup(NamedTuple):
    """What a backup holds."""

    path: Path
    files: int
    bytes: int  # of all
    revision: str  # of the tables


def make(folder: Path, data: Path, url: str | None = None) -> Backup:
    """Makes a backup in a folder, while servers go on; it appears there whole.

    Args:
        folder: Gets a folder with the time in its name.
        data: Of the server.
        url: Of its database; none: the embedded one in `data`.

    Raises:
        ValueError: There is no such server.
        RuntimeError: The database cannot be read.
    """
    if not url and not (data / "postgresql" / "data").is_dir():
        raise ValueError(
            f"the data folder of a server is required, got {data}. Name it by --data, or its "
            "database in DATABASE_URL."
        )
    if folder.resolve().is_relative_to(data.resolve()):
        raise ValueError(f"a folder outside of {data} is required, got {folder}. Name another.")
    now = datetime.now(UTC)
    path = folder / f"dressform-{now:%Y%m%dT%H%M%SZ}"
    fresh = path.with_suffix(".part")
    fresh.mkdir(mode=0o700, parents=True)
    try:
        revision = _fill(fresh, data, url or embedded.start(data / "postgresql"), now)
    except BaseException:
        shutil.rmtree(fresh)
        raise
    fresh.rename(path)
    sizes = [one.stat().st_size for one in path.rglob("*") if one.is_file()]
    return Backup(path, len(sizes), sum(sizes), revision)


def _fill(folder: Path, data: Path, url: str, now: datetime) -> str:
    dump = folder / DUMP
    options = ("--format=custom", "--no-owner", "--no-privileges")
    embedded.client("pg_dump", url, *options, f"--file={dump}")
    _copy(data, folder / FILES)
    engine = database.connect(url)
    ((revision,),) = database.execute(engine, REVISION)
    engine.dispose()
    told = {"version": VERSION, "made_at": now.isoformat(), "revision": revision}
    told["dump_sha256"] = _digest(dump)
    (folder / MANIFEST).write_text(json.dumps(told, indent=1), encoding="utf-8")
    return revision


def restore(path: Path, data: Path, url: str | None = None) -> sa.Engine:
    """Restores a backup into an empty folder and an empty database; returns the database.

    Raises:
        ValueError: It is no whole backup, or something is there already.
        RuntimeError: The database does not take it.
    """
    try:
        told = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        whole = told["version"] == VERSION and told["dump_sha256"] == _digest(path / DUMP)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"a backup is required, got {path}: {error}. Name its folder.") from error
    if not whole:
        raise ValueError(f"a whole backup is required, got {path}, which was changed. Use another.")
    if data.exists() and any(data.iterdir()):
        raise ValueError(f"an empty folder is required, got {data}. Name another by --data.")
    url = url or embedded.start(data / "postgresql")
    engine = database.connect(url)
    try:
        with engine.connect() as connection:
            if connection.execute(sa.text(LEDGER)).scalar_one():
                raise ValueError(
                    f"an empty database is required, got {engine.url.database} with a ledger. "
                    "Make a new one, and name it in DATABASE_URL."
                )
        _copy(path / FILES, data)
        options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        embedded.client("pg_restore", url, *options, path / DUMP)
        database.migrate(engine)  # of an older server
    except BaseException:
        engine.dispose()
        raise
    return engine


def _copy(source: Path, target: Path) -> None:
    """Copies files that may go meanwhile: they have expired."""

    def copied(one: str, other: str) -> None:
        try:
            shutil.copy2(one, other)
        except FileNotFoundError:
            pass

    ignored = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(source, target, copy_function=copied, ignore=ignored, dirs_exist_ok=True)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
