"""`dressform payments reconcile`: fills in what Stripe knows and this server does not."""

from datetime import UTC, datetime, timedelta

from . import database
from .ledger import Ledger
from .payments import Gateway, Payments
from .payments.values import Report
from .settings import Settings

DAYS_MAX = 30.0  # Stripe keeps events no longer


def reconciled(days: float = 3.0, settings: Settings | None = None) -> Report:
    """Handles the events of so many days that never came.

    Raises:
        ValueError: The configuration is not whole, or the days are too many.
        RuntimeError: There is nothing to compare with: the simulator lives in the server.
        UnknownOutcomeError: Stripe does not answer.
    """
    settings = settings or Settings.read()
    if not 0 < days <= DAYS_MAX:
        raise ValueError(
            f"days must be more than 0, at most {DAYS_MAX:g}, got {days}. Choose less."
        )
    if settings.stripe_secret_key is None:
        raise RuntimeError(
            "STRIPE_SECRET_KEY is required, got none. The simulator is reconciled by its server."
        )
    engine = database.connect(settings.database_url)
    try:
        gateway = Gateway(settings.stripe_secret_key, settings.stripe_webhook_secrets)
        payments = Payments(engine, Ledger(engine), gateway, settings)
        return payments.reconcile(datetime.now(UTC) - timedelta(days=days))
    finally:
        engine.dispose()


def text(report: Report) -> str:
    """Returns what was found, and every problem on a line of its own."""
    verdict = f"{len(report.problems)} problems." if report.problems else "Everything agrees."
    found = (
        f"{report.events} events since {report.since:%Y-%m-%d %H:%M} UTC, {report.filled} filled"
    )
    return "\n".join([found, *report.problems, verdict])
