"""`dressform ledger verify`: the verified ledger as a text for people."""

import sqlalchemy as sa

from . import database
from .ledger import Ledger, UnavailableError, in_credits
from .ledger.verify import Report


def verified(url: str | None = None) -> Report:
    """Verifies the ledger of DATABASE_URL, or of the embedded server; raises nothing on findings.

    Raises:
        RuntimeError: The database does not answer, or holds no ledger.
    """
    engine = database.connect(url)
    try:
        return Ledger(engine).verify()
    except (sa.exc.ProgrammingError, UnavailableError) as error:
        raise RuntimeError(
            f"a database with a ledger is required, got: {str(error).strip()[:200]}. "
            "Check DATABASE_URL, or run: dressform serve"
        ) from error
    finally:
        engine.dispose()


def text(report: Report) -> str:
    """Returns the books in credits, what was counted, and every problem on a line of its own."""
    books = [f"{name:<12} {in_credits(sum_):>24}" for name, sum_ in report.books.items()]
    counts = ", ".join(f"{getattr(report, name):,} {name}" for name in report._fields[:4])
    verdict = f"{len(report.problems)} problems." if report.problems else "Everything agrees."
    return "\n".join([*books, counts, *report.problems, verdict])
