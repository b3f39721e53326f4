"""Rows of the tables of payments: one is found, added, or changed."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa


def run(connection: sa.Connection, sql: str, **values: Any) -> sa.CursorResult[Any]:
    """Runs a statement."""
    return connection.execute(sa.text(sql), values)


def find(connection: sa.Connection, table: str, lock: str = "", **which: object) -> Any:
    """Returns the row that has these values, or nothing; `lock` is FOR UPDATE."""
    sql = f"SELECT * FROM payments.{table} WHERE {_having(which)} {lock}"
    return run(connection, sql, **_named(which)).one_or_none()


def add(connection: sa.Connection, table: str, **values: object) -> Any:
    """Adds a row; returns it as it is now."""
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    sql = f"INSERT INTO payments.{table} ({columns}) VALUES ({marks}) RETURNING *"
    return run(connection, sql, **values).one()


def change(
    connection: sa.Connection, table: str, which: Mapping[str, object], **values: object
) -> Any:
    """Changes the row that has the values of `which`; returns it, or nothing if none has them."""
    sets = ", ".join(f"{name} = :{name}" for name in values)
    sql = f"UPDATE payments.{table} SET {sets} WHERE {_having(which)} RETURNING *"
    return run(connection, sql, **values, **_named(which)).one_or_none()


def _having(which: Mapping[str, object]) -> str:
    told = (
        f"{one} IS NULL" if value is None else f"{one} = :is_{one}" for one, value in which.items()
    )
    return " AND ".join(told)


def _named(which: Mapping[str, object]) -> dict[str, object]:
    return {f"is_{name}": value for name, value in which.items()}
