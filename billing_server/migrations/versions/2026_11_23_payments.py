"""Payments: customers, orders, refunds, events of Stripe."""

revision = "2026_11_23_payments"
down_revision = "2026_11_23_ledger"


def upgrade() -> None:
    """Makes the schema `payments`."""


def downgrade() -> None:
    """Refuses: what people bought is never thrown away by a command."""
    raise RuntimeError("a downgrade is not possible. Restore a backup instead.")
