"""Webhooks: where customers are told of the ends of their runs, and what they were told."""

from pathlib import Path

from alembic import op

revision = "2026_11_24_webhooks"
down_revision = "2026_11_23_runs"


def upgrade() -> None:
    """Makes the tables of outgoing webhooks; see the SQL beside this file."""
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(script)


def downgrade() -> None:
    """Refuses: what people paid for is never thrown away by a command."""
    raise RuntimeError("a downgrade is not possible. Restore a backup instead.")
