"""Two indexes: one requester's tickets by their address, and how all that is open stands, read from the index alone.

Older code runs beside them: an index changes no answer. Each step looks first, as MySQL commits each by itself.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_tickets_address": ["requester_address", "status", "updated_at", "id"],
    "ix_tickets_standing": [
        *("status", "first_due_at", "next_due_at", "resolve_due_at"),
        *("queue", "assignee_id", "waiting_since", "unconfirmed"),
    ],
}


def upgrade() -> None:
    """Add the indexes that aren't there."""
    there = {found["name"] for found in sa.inspect(op.get_bind()).get_indexes("tickets")}
    for name, columns in INDEXES.items():
        if name not in there:
            op.create_index(
                name, "tickets", columns, mysql_length=_cut(columns), mariadb_length=_cut(columns)
            )


def _cut(columns: list[str]) -> dict[str, int]:
    """So many characters of an address: rows of the formats COMPACT and REDUNDANT take no more than 767 bytes."""
    return {"requester_address": 120} if "requester_address" in columns else {}
