"""A database that does not answer, told as an error of the ledger's."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from .values import UnavailableError

AWAY = (sa.exc.OperationalError, sa.exc.TimeoutError)  # no server, or no free connection


@contextmanager
def answering() -> Iterator[None]:
    """Raises UnavailableError where the block finds no database."""
    try:
        yield
    except AWAY as error:
        raise unavailable(getattr(error, "orig", error)) from error


def unavailable(error: BaseException | None) -> UnavailableError:
    """Returns the error that tells a caller to ask again."""
    return UnavailableError(
        f"a database that answers is required, got: {str(error).strip()[:200]}. "
        "Ask again with the same key."
    )
