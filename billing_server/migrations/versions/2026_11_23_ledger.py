"""The ledger: journal, balances, guards, rates, budgets, outbox, anchors."""

from pathlib import Path

from alembic import op

revision = "2026_11_23_ledger"
down_revision = None


def upgrade() -> None:
    """Makes the schema `ledger`; see the SQL beside this file."""
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(script)


def downgrade() -> None:
    """Refuses: a journal is never thrown away by a command."""
    raise RuntimeError("a ledger is required to stay, got a downgrade. Restore a backup instead.")
