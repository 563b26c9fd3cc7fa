"""What time needs: when targets are due and what of them was told, since when a ticket waits for its requester, tags,
figures by day, and the reports that were sent.

MySQL commits each ALTER by itself: a migration that was killed is run again from its start, so each step looks first.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

from core import tables as t

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FRESH = timedelta(days=14)


def upgrade() -> None:
    """Add columns, indexes and tables."""
    for name in ("clock_since", "first_due_at", "next_due_at", "resolve_due_at", "targets_at"):
        _column("tickets", sa.Column(name, t.Utc(), nullable=True))
    _column("tickets", sa.Column("clock_used", t.BigId, nullable=False, server_default="0"))
    _column("tickets", sa.Column("targets_told", t.ascii_name(60), nullable=False, server_default=""))
    for name in ("pending_since", "reminded_at"):
        _column("tickets", sa.Column(name, t.Utc(), nullable=True))
    _index("ix_tickets_targets", "tickets", ["targets_at"])
    _index("ix_tickets_pending", "tickets", ["status", "queue", "reminded_at", "pending_since", "id"])
    _index("ix_tickets_merged", "tickets", ["merged_into"])
    for table in (t.tags, t.rollups, t.reports):
        table.create(op.get_bind(), checkfirst=True)
    # Since when a ticket that waits already has waited nobody has noted: its last public activity is the nearest. What
    # has lain for long, or came out of an archive, nobody expects to be reminded of.
    op.execute(
        t.tickets.update()
        .where(
            t.tickets.c.status == "pending",
            t.tickets.c.pending_since.is_(None),
            t.tickets.c.public_updated_at > datetime.now(UTC) - FRESH,
        )
        .values(pending_since=t.tickets.c.public_updated_at)
    )


def _column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def _index(name: str, table: str, columns: list[str]) -> None:
    if name not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
