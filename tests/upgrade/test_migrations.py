"""What the migrations make is what `core/tables.py` says, on both stores."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from core import schema
from core.database import Database
from core.tables import metadata
from tests.stores import Store


def _differences(connection: Connection) -> list[Any]:
    found = compare_metadata(MigrationContext.configure(connection), metadata)
    # An index that MariaDB makes for a foreign key by itself isn't a difference; nor is what SQLite's full-text search
    # keeps for itself, where MySQL has an index.
    own = {"remove_index": "fk_", "remove_table": "search_words", "add_index": "ft_"}
    sqlite = connection.dialect.name == "sqlite"
    return [
        one
        for one in found
        if not (
            one[0] in own and one[1].name.startswith(own[one[0]]) and (sqlite or one[0] == "remove_index")
        )
    ]


async def test_the_migrated_schema_is_the_one_in_the_code(empty_store: Store) -> None:
    """Alembic finds nothing to change after the last migration."""
    database = Database(empty_store.config().database)
    try:
        await schema.migrate(database)
        assert await database.read(lambda tx: tx.connection.run_sync(_differences)) == []
    finally:
        await database.close()
