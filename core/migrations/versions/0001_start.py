"""The tables to start from."""

from __future__ import annotations

from alembic import op

from core.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """There is no way back but a backup."""
