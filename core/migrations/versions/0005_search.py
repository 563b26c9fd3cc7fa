"""Searching tickets by their words: an entry a ticket, and the tickets whose entries are to be made, at first all.

MySQL commits each statement that changes tables by itself: a migration that was killed is run again from its start, so
each step looks first, or harms nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core import tables as t

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# https://www.sqlite.org/fts5.html#external_content_tables
_SQLITE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS search_words USING fts5(words, content='search', content_rowid='ticket_id', "
    "detail=none, tokenize='unicode61 remove_diacritics 0')",
    "CREATE TRIGGER IF NOT EXISTS search_added AFTER INSERT ON search BEGIN "
    "INSERT INTO search_words (rowid, words) VALUES (new.ticket_id, new.words); END",
    "CREATE TRIGGER IF NOT EXISTS search_gone AFTER DELETE ON search BEGIN "
    "INSERT INTO search_words (search_words, rowid, words) VALUES ('delete', old.ticket_id, old.words); END",
    "CREATE TRIGGER IF NOT EXISTS search_changed AFTER UPDATE ON search BEGIN "
    "INSERT INTO search_words (search_words, rowid, words) VALUES ('delete', old.ticket_id, old.words); "
    "INSERT INTO search_words (rowid, words) VALUES (new.ticket_id, new.words); END",
)


def upgrade() -> None:
    """Add tables, and note every ticket."""
    bind = op.get_bind()
    for table in (t.search, t.search_due):
        table.create(bind, checkfirst=True)
    if bind.dialect.name == "sqlite":
        for statement in _SQLITE:
            op.execute(statement)
    noted = sa.select(t.search_due.c.ticket_id)
    missing = sa.select(t.tickets.c.id).where(t.tickets.c.id.not_in(noted))
    op.execute(t.search_due.insert().from_select(["ticket_id"], missing))
