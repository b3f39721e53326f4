"""Identity: people, sessions, API keys, labels, answers."""

from pathlib import Path

from alembic import op

revision = "2026_11_23_identity"
down_revision = "2026_11_23_payments"


def upgrade() -> None:
    """Makes the schema `identity`; see the SQL beside this file."""
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(script)


def downgrade() -> None:
    """Refuses: what people bought is never thrown away by a command."""
    raise RuntimeError("a downgrade is not possible. Restore a backup instead.")
