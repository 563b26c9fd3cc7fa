"""Figures by the hour, beside those by the day. Older code runs beside it: it neither reads nor writes them."""

from __future__ import annotations

from alembic import op

from core import tables as t

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, unless a migration that was killed has done so."""
    t.rollup_hours.create(op.get_bind(), checkfirst=True)
