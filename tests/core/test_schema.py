"""The schema: brought up to date once, refused where it doesn't fit, and a restored backup is noticed."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, inspect, select, text

from core import outbox, schema
from core.database import Database, Tx
from core.schema import SchemaProblem
from core.tables import metadata
from tests.core.desk import TestDesk
from tests.stores import Store


@pytest.fixture
async def empty(empty_store: Store):
    opened = Database(empty_store.config().database)
    yield opened
    await opened.close()


async def _tables(database: Database) -> set[str]:
    """All but those that SQLite's full-text search keeps for itself."""
    names = await database.read(
        lambda tx: tx.connection.run_sync(lambda c: set(inspect(c).get_table_names()))
    )
    return {name for name in names if not name.startswith("search_words")}


async def test_an_empty_database_gets_everything(empty: Database) -> None:
    """Refused before, complete after, and nothing to do the second time."""
    assert await schema.revision(empty) is None
    with pytest.raises(SchemaProblem, match="relaydesk migrate"):
        await schema.check(empty)
    assert f"to {schema.HEAD}" in await schema.migrate(empty)
    assert await _tables(empty) == {*metadata.tables, "alembic_version"}
    await schema.check(empty)
    assert "up to date" in await schema.migrate(empty)


async def test_several_start_at_once(empty_store: Store) -> None:
    """Three instances on an empty database: each returns with the whole schema, none fails."""
    instances = [Database(empty_store.config().database) for _ in range(3)]
    try:
        async with asyncio.timeout(30):
            await asyncio.gather(*(schema.migrate(database) for database in instances))
        for database in instances:
            await schema.check(database)
        assert empty_store.count("schema_state") == 1
        assert empty_store.count("alembic_version") == 1
        assert await _tables(instances[0]) == {*metadata.tables, "alembic_version"}
    finally:
        for database in instances:
            await database.close()


async def test_an_interrupted_migration_is_done_again(empty: Database, empty_store: Store) -> None:
    """An instance that died after the first tables leaves nothing that stops the next."""
    await empty.unit(lambda tx: tx.connection.run_sync(schema._first_tables))
    assert await schema.revision(empty) is None
    await schema.migrate(empty)
    await schema.check(empty)
    assert empty_store.count("work", "name = 'schema' AND token IS NOT NULL") == 0


async def test_indexes_are_added_beside_code_that_knows_nothing_of_them(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0006: they are there afterwards, also where one was made before the migration stopped; what ran goes on."""
    await schema.migrate(empty)
    added = {"ix_tickets_address", "ix_tickets_standing"}

    def indexes(connection: Connection) -> set[str | None]:
        return {index["name"] for index in inspect(connection).get_indexes("tickets")}

    async def back(tx: Tx, names: set[str]) -> None:
        for name in names:
            await tx.run(text(f"DROP INDEX {name}" + ("" if tx.sqlite else " ON tickets")))
        await tx.run(text("UPDATE alembic_version SET version_num = '0005'"))

    for names in (added, {"ix_tickets_standing"}):
        await empty.unit(lambda tx, names=names: back(tx, names))  # type: ignore[misc]
        assert f"from 0005 to {schema.HEAD}" in await schema.migrate(empty)
        assert added <= await empty.read(lambda tx: tx.connection.run_sync(indexes))
    monkeypatch.setattr(schema, "HEAD", "0005")
    await schema.check(empty)
    assert "newer than this relaydesk's 0005, which may run on it" in await schema.migrate(empty)


def _before_lists(store: Store, *more: str) -> None:
    """Put a migrated database back to what it was before 0006."""
    for name in ("ix_tickets_address", "ix_tickets_standing"):
        store.execute(f"DROP INDEX {name} ON tickets")
    for statement in (*more, "UPDATE alembic_version SET version_num = '0005'"):
        store.execute(statement)


@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_a_dump_keeps_the_migration_waiting_and_nobody_else(
    empty: Database, empty_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lets those by who came after it, says what it waits for, and stops in the end. Then it's done again."""
    assert empty_store.server is not None
    await schema.migrate(empty)
    _before_lists(empty_store)
    dump = empty_store.server.connect(empty_store.database, autocommit=False)
    dump.cursor().execute("SELECT COUNT(*) FROM tickets")
    heard: list[str] = []

    def ends(event: str, **more: object) -> None:
        heard.append(event)
        assert "end dumps" in str(more["mend"])
        assert empty_store.count("tickets") == 0, "nobody waits behind it"
        if len(heard) == 3:
            dump.rollback()

    monkeypatch.setattr(schema, "log", SimpleNamespace(warning=ends, info=lambda *_, **__: None))
    for name, value in {"_LOCK_WAIT": 1, "_LOCK_PAUSE": 0, "_LOCK_TRIES": 2}.items():
        monkeypatch.setattr(schema, name, value)
    with closing(dump):
        async with asyncio.timeout(30):
            with pytest.raises(SchemaProblem, match=r"a dump.* run again: relaydesk migrate"):
                await schema.migrate(empty)
            assert heard == ["migration_waits"] * 2
            assert f"from 0005 to {schema.HEAD}" in await schema.migrate(empty)
    assert len(heard) == 3
    waits = text("SELECT @@SESSION.lock_wait_timeout")
    assert await empty.read(lambda tx: tx.scalar(waits)) > 1, "others' statements wait as before"


@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_rows_of_an_older_format(
    empty: Database, empty_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take an index of addresses; of one that they don't take it is said what to do."""
    await schema.migrate(empty)
    _before_lists(empty_store, "ALTER TABLE tickets ROW_FORMAT=COMPACT")
    assert f"from 0005 to {schema.HEAD}" in await schema.migrate(empty)

    def too_long(connection: Connection) -> None:
        connection.execute(text("CREATE INDEX ix_long ON tickets (requester_address)"))

    _before_lists(empty_store)
    monkeypatch.setattr(schema, "_upgrade", too_long)
    with pytest.raises(SchemaProblem, match=r"1709.*ROW_FORMAT=DYNAMIC, and run again: relaydesk migrate"):
        await schema.migrate(empty)


async def test_a_long_migration_comes_to_its_end(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take longer than anything else of the database: begun again it would end the same way."""
    database = Database(empty_store.config(database={"timeout": "1s"}).database)
    upgrade = schema._upgrade

    def slowly(connection: Connection) -> None:
        time.sleep(1.1)
        upgrade(connection)
        connection.execute(select(1))

    monkeypatch.setattr(schema, "_upgrade", slowly)
    try:
        await schema.migrate(database)
        await schema.check(database)
    finally:
        await database.close()


async def test_what_does_not_fit_is_refused(empty: Database, empty_store: Store) -> None:
    """An older schema asks for `migrate`, one of a newer relaydesk for that one; the database stays as it is."""
    await schema.migrate(empty)
    empty_store.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(SchemaProblem, match="run: relaydesk migrate"):
        await schema.check(empty)
    empty_store.execute("UPDATE alembic_version SET version_num = '0009'")
    await schema.check(empty)  # additive: this code may still run
    empty_store.execute("UPDATE schema_state SET oldest_code = 99")
    with pytest.raises(SchemaProblem, match="newer relaydesk"):
        await schema.check(empty)
    with pytest.raises(SchemaProblem, match="newer relaydesk"):
        await schema.migrate(empty)


async def test_who_runs_sees_that_it_is_shut_out(empty: Database, empty_store: Store) -> None:
    """A newer relaydesk migrates while this one runs; a database that is away meanwhile says nothing."""
    await schema.migrate(empty)
    watching = asyncio.create_task(schema.until_shut_out(empty, every=0.01))
    empty_store.execute(f"UPDATE schema_state SET oldest_code = {schema.CODE}")
    await asyncio.wait({watching}, timeout=0.2)
    assert not watching.done()
    empty_store.execute("UPDATE schema_state SET oldest_code = 99")
    async with asyncio.timeout(5):
        await watching


async def test_a_restored_backup_holds_what_goes_out(empty: Database, empty_store: Store, tmp_path) -> None:
    """Starts count up; a database that is behind the folder's note sends nothing until an operator says so."""
    await schema.migrate(empty)

    async def held() -> bool:
        return await empty.read(outbox.on_hold)

    for _ in range(3):
        assert not await schema.begin_generation(empty, tmp_path)
    assert not await held()
    empty_store.execute("UPDATE schema_state SET generation = 1")  # the backup of two starts ago
    assert await schema.begin_generation(empty, tmp_path)
    assert await held()
    assert not await schema.begin_generation(empty, tmp_path), "said once"
    assert await held(), "until an operator resumes"


async def test_another_folder_knows_nothing(empty: Database, tmp_path) -> None:
    """A second machine's first start is no restored backup; a note that can't be read counts as none."""
    await schema.migrate(empty)
    for folder in (tmp_path / "one", tmp_path / "two", tmp_path / "one"):
        assert not await schema.begin_generation(empty, folder)
    (tmp_path / "one" / "generation").write_text("?")
    assert not await schema.begin_generation(empty, tmp_path / "one")


async def test_every_store_takes_every_byte(desk: TestDesk) -> None:
    """Keys of any bytes, letters of any script, times to the microsecond."""
    from core.shapes import key_of
    from core.tables import links

    key, name = bytes([255, 0]) * 16, "𝒻öö 😀 \x00 end"

    async def unit(tx: Tx) -> None:
        await tx.run(links.insert().values(key=key, kind="x", remote=name))
        await tx.run(links.insert().values(key=key_of(name), kind="x", remote=None))

    await desk.database.unit(unit)
    row = await desk.database.read(lambda tx: tx.first(links.select().where(links.c.key == key)))
    assert row is not None
    assert (row.key, row.remote) == (key, name)


@pytest.mark.parametrize("name", ["é", "😀", "a\ud800", "support"])
async def test_names_of_any_letters_can_be_asked_for(desk: TestDesk, name: str) -> None:
    """What isn't ASCII equals no ASCII name; it is no error of the database's."""
    from core.views import TicketCriteria

    await desk.write()
    actor = await desk.staff()
    for criteria in (TicketCriteria(queue=name), TicketCriteria(assignee=name)):
        page = await desk.manager.view_tickets(actor, criteria)
        assert len(page.tickets) == (1 if criteria.queue == "support" else 0)
