"""Identity: people, sessions, API keys."""

revision = "2026_11_23_identity"
down_revision = "2026_11_23_payments"


def upgrade() -> None:
    """Makes the schema `identity`."""


def downgrade() -> None:
    """Refuses: what people bought is never thrown away by a command."""
    raise RuntimeError("a downgrade is not possible. Restore a backup instead.")
