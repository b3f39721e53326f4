"""The database: an engine for DATABASE_URL, or for the embedded PostgreSQL, and its migrations."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from . import embedded
from .ledger.away import answering

MIGRATIONS = Path(__file__).parent / "migrations"
Statement = tuple[str, Mapping[str, Any]]
MIGRATION_LOCK = 7_361_020_533  # any number that nobody else uses for an advisory lock


def connect(url: str | None = None, *, pool_size: int = 10) -> sa.Engine:
    """Makes an engine; without a URL and without DATABASE_URL, on the embedded server.

    Raises:
        ValueError: The URL is not one of PostgreSQL.
    """
    url = url or os.environ.get("DATABASE_URL") or embedded.start()
    scheme, _, rest = url.partition("://")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ValueError(
            f"DATABASE_URL must begin with postgresql://, got {scheme or 'nothing'}. "
            "Write postgresql://user:password@host/name, or unset it for the embedded server."
        )
    # A server that was restarted leaves dead connections behind: ask before use, it costs 0.1 ms.
    options = {"pool_size": pool_size, "max_overflow": pool_size, "pool_pre_ping": True}
    engine = sa.create_engine(f"postgresql+psycopg://{rest}", **options)
    sa.event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: psycopg.Connection, _: object) -> None:
    """Times come back in UTC."""
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def alone(engine: sa.Engine) -> sa.Engine:
    """Returns the engine for statements that need no BEGIN and ROLLBACK around them.

    A ROLLBACK is a round trip, and makes psycopg forget what the connection has prepared.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def execute(engine: sa.Engine, sql: str, **values: object) -> list[Any]:
    """Returns the rows of one statement, which needs no BEGIN and COMMIT around it.

    Raises:
        UnavailableError: The database does not answer.
    """
    with answering(), alone(engine).connect() as connection:
        result = connection.execute(sa.text(sql), values)
        return list(result) if result.returns_rows else []


def together(connection: sa.Connection, *asked: Statement) -> list[list[tuple]]:
    """Sends statements in one round trip, in the connection's transaction; returns rows of each.

    They are executed one after another: each sees what the one before has changed and locked.
    """
    driver: Any = connection.connection.driver_connection
    cursors = [driver.cursor() for _ in asked]
    with _raised(), driver.pipeline():
        for cursor, (sql, values) in zip(cursors, asked, strict=True):
            cursor.execute(_for_driver(sql), values, prepare=True)
    return [cursor.fetchall() if cursor.description else [] for cursor in cursors]


@cache
def _for_driver(sql: str) -> str:
    return str(sa.text(sql).compile(dialect=PGDialect_psycopg()))


@contextmanager
def _raised() -> Iterator[None]:
    """Raises what SQLAlchemy would."""
    try:
        yield
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance(None, None, error, psycopg.Error) from error


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Brings the tables up to date; of several processes at once, one does it."""
    settings = Config()
    settings.set_main_option("script_location", MIGRATIONS.as_posix().replace("%", "%%"))
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": MIGRATION_LOCK})
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)
