"""What Slack's conversations need: words with their formatting, tickets put aside for a while, ratings, and an index by
which the longest waiting are found.

MySQL commits each ALTER by itself: a migration that was killed is run again from its start, so each step looks first.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from core import tables as t

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns, indexes and a table."""
    _column("messages", sa.Column("rich", t.LongText, nullable=True))
    _column("tickets", sa.Column("snoozed_until", t.Utc(), nullable=True))
    _index("ix_tickets_waiting", "tickets", ["status", "waiting_since", "id"])
    _index("ix_tickets_snoozed", "tickets", ["snoozed_until"])
    t.ratings.create(op.get_bind(), checkfirst=True)


def _column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def _index(name: str, table: str, columns: list[str]) -> None:
    if name not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
