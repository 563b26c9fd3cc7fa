"""What an operator's reading of the mail part found: upgrades that died, newer schemas, older code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from core import schema
from core.check import probe_database
from core.database import Database
from core.schema import SchemaProblem
from tests.stores import Store

INDEXES = {
    "ix_inbox_blob": "inbox",
    "ix_messages_html_blob": "messages",
    "ix_attachments_blob": "attachments",
    "ix_deliveries_rendered": "deliveries",
}


@pytest.fixture
async def database(store: Store) -> Any:
    opened = Database(store.config().database)
    yield opened
    await opened.close()


def as_released(store: Store) -> None:
    """Make the schema what the release before had."""
    for name, table in INDEXES.items():
        store.execute(f"DROP INDEX {name}" + ("" if store.sqlite else f" ON {table}"))
    for column in ("thread_index", "auth_results"):
        store.execute(f"ALTER TABLE messages DROP COLUMN {column}")
    store.execute("UPDATE alembic_version SET version_num = '0001'")
    store.execute("UPDATE schema_state SET oldest_code = 1")


async def test_the_release_before_refuses_the_migrated_database(
    database: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would post to the customer what staff mail to the note address."""
    as_released(store)
    await schema.migrate(database)
    assert store.value("SELECT oldest_code FROM schema_state") == schema.CODE == schema.OLDEST
    monkeypatch.setattr(schema, "CODE", 1)
    monkeypatch.setattr(schema, "HEAD", "0001")
    for start in (schema.check, schema.migrate):
        with pytest.raises(SchemaProblem, match="newer relaydesk"):
            await start(database)


async def test_a_migration_that_died_before_its_last_word_says_it_when_run_again(
    database: Database, store: Store
) -> None:
    """All columns are there, but the release before isn't shut out yet."""
    store.execute("UPDATE schema_state SET oldest_code = 1")
    with pytest.raises(SchemaProblem, match="run: relaydesk migrate"):
        await schema.check(database)
    await schema.migrate(database)
    await schema.check(database)
    assert store.value("SELECT oldest_code FROM schema_state") == schema.OLDEST


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
async def test_a_migration_that_was_killed_between_its_steps_can_be_finished(
    database: Database, store: Store, steps: int
) -> None:
    """MySQL has committed the first ones by then."""
    as_released(store)
    done = [
        "ALTER TABLE messages ADD COLUMN thread_index VARCHAR(400)",
        "ALTER TABLE messages ADD COLUMN auth_results TEXT",
        *(f"CREATE INDEX {name} ON {table} (`{name.split('_', 2)[2]}`)" for name, table in INDEXES.items()),
    ]
    for sql in done[:steps]:
        store.execute(sql)
    assert schema.HEAD in await schema.migrate(database)
    await schema.check(database)
    found = await database.read(lambda tx: tx.connection.run_sync(_indexes))
    assert set(INDEXES) <= found


def _indexes(connection: Connection) -> set[str]:
    from sqlalchemy import inspect

    inspector = inspect(connection)
    return {str(index["name"]) for table in INDEXES.values() for index in inspector.get_indexes(table)}


async def test_a_migration_that_cannot_go_on_names_the_error(
    database: Database, store: Store, tmp_path: Path
) -> None:
    """By the server's number; it is no trouble that waiting mends. Mended, it's run again."""
    as_released(store)
    store.execute("ALTER TABLE inbox RENAME COLUMN `blob` TO other")
    with pytest.raises(SchemaProblem, match="OperationalError" if store.sqlite else "1072") as caught:
        await schema.migrate(database)
    assert "relaydesk migrate" in str(caught.value)
    store.execute("ALTER TABLE inbox RENAME COLUMN other TO `blob`")
    await schema.migrate(database)
    await schema.check(database)


async def test_a_newer_schema_that_this_code_may_run_on_is_left_alone(
    database: Database, store: Store
) -> None:
    store.execute("UPDATE alembic_version SET version_num = '0009'")
    assert "0009" in await schema.migrate(database)
    assert store.value("SELECT version_num FROM alembic_version") == "0009"
    (told,) = [one for one in await probe_database(database, store.config()) if one.part == "schema"]
    assert told.problem is None
    assert "newer" in told.text


async def test_a_newer_schema_that_this_code_may_not_run_on_says_what_to_do(
    database: Database, store: Store
) -> None:
    store.execute("UPDATE alembic_version SET version_num = '0009'")
    store.execute("UPDATE schema_state SET oldest_code = 99")
    with pytest.raises(SchemaProblem, match="start that one"):
        await schema.migrate(database)
    (told,) = [one for one in await probe_database(database, store.config()) if one.part == "schema"]
    assert told.problem is not None
    assert "start that one" in told.problem
    assert "relaydesk migrate" not in told.problem, "which would be refused"
