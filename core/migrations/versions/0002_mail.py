"""What mail's conversations need: the thread index that Outlook's mails carry, and what was said of their senders; and
indexes by which the sweeper asks whether a blob is named.

MySQL commits each ALTER by itself: a migration that was killed is run again from its start, so each step looks first.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from core import tables as t

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and indexes."""
    _column("messages", sa.Column("thread_index", t.ascii_name(400), nullable=True))
    _column("messages", sa.Column("auth_results", t.Json(), nullable=True))
    _index("ix_inbox_blob", "inbox", "blob")
    _index("ix_messages_html_blob", "messages", "html_blob")
    _index("ix_attachments_blob", "attachments", "blob")
    _index("ix_deliveries_rendered", "deliveries", "rendered")


def _column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def _index(name: str, table: str, column: str) -> None:
    if name not in {found["name"] for found in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, [column])
