"""The schema: brought up to date by Alembic, once, even when several instances start together.

`work` and `schema_state` are made first, by CREATE TABLE IF NOT EXISTS, because the migration itself is leased work.
Each start of the service raises the database's *generation* and notes it in the data folder: a database whose
generation is lower than the note is a restored backup, and then nothing goes out until an operator says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Index, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from core import work
from core.database import Database, Tx, error_code, trouble_of
from core.failures import Unavailable
from core.tables import schema_state, settings
from core.tables import work as work_table
from core.tasks import kept

log = structlog.get_logger(__name__)

CODE: Final = 4  # what this code knows; a schema says the oldest code that may run on it
# Code 1 takes what staff mail to a ticket's note address for an answer to the customer; code 2 sets forms and reactions
# of Slack aside as nothing to do, and takes what staff write below an old card for a requester's words; code 3 gives
# digests up that it should send, and forgets which of them went.
OLDEST: Final = 4
HEAD: Final = "0007"
WATCH: Final = 5.0  # seconds between looks whether the schema still takes this code
_LEASE = "schema"
# A server changes a table when no transaction on it is open (a dump is one), and whoever comes later waits behind the
# change, readers too. So it waits briefly, and lets them by before it asks again.
_LOCK_WAIT: Final = 2  # seconds; a server's own default is a day or a year
_LOCK_PAUSE: Final = 5.0  # seconds
_LOCK_TRIES: Final = 40  # about five minutes, however long the changes themselves take
_LOCKED: Final = 1205
_TOO_LONG: Final = (1071, 1709)  # an index's columns, for the format of the table's rows


class SchemaProblem(Exception):
    """The schema isn't what this code needs; the message says what to do."""


def _config(connection: Connection) -> Any:
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _first_tables(connection: Connection) -> None:
    for table in (work_table, schema_state):
        if not inspect(connection).has_table(table.name):
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                _create_index(connection, index)


def _create_index(connection: Connection, index: Index) -> None:
    """Create an index that another start may be creating too (MySQL knows no IF NOT EXISTS here)."""
    try:
        connection.execute(CreateIndex(index))
    except DBAPIError as exc:
        if not any(words in str(exc.orig) for words in ("Duplicate key name", "already exists")):
            raise


def _upgrade(connection: Connection) -> None:
    from alembic import command

    command.upgrade(_config(connection), "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


async def revision(database: Database) -> str | None:
    """Return the schema's revision, None for an empty database. Raises `Unavailable`."""
    return await database.read(lambda tx: tx.connection.run_sync(_revision))


async def migrate(database: Database) -> str:
    """Bring the schema up to date and say in one line what was done. Safe when several start at once.

    Raises `SchemaProblem`, `Unavailable`.
    """
    before = await revision(database)
    if before is not None:
        oldest = await check(database, allow_old=True)
        if before > HEAD:
            return f"the schema is {before}, newer than this relaydesk's {HEAD}, which may run on it"
        if before == HEAD and oldest >= OLDEST:
            return f"the schema is up to date ({HEAD})"
    try:
        if database.sqlite:
            await database.unit(_migrate_here, endless=True)  # cancelled, it would begin anew for ever
        else:
            await database.unit(lambda tx: tx.connection.run_sync(_first_tables))
            await _migrate_leased(database)
    except DBAPIError as exc:
        raise _failed(exc) from exc
    log.info("migrated", before=before, now=HEAD)
    return f"the schema was brought from {before or 'nothing'} to {HEAD}"


def _failed(exc: DBAPIError) -> Exception:
    """Say which error it was, by its number: a server's words may name its users."""
    error = f"{type(exc.orig).__name__} {error_code(exc) or ''}".strip()
    if error_code(exc) in _TOO_LONG:
        return SchemaProblem(
            f"the migration to {HEAD} stopped: {error}: the tables' rows are of a format that takes no index so long; "
            "set innodb_default_row_format = dynamic, run for each table that is there ALTER TABLE … "
            "ROW_FORMAT=DYNAMIC, and run again: relaydesk migrate"
        )
    if trouble_of(exc) is not None:
        return Unavailable(f"database: {error}")
    return SchemaProblem(
        f"the migration to {HEAD} stopped: {error}; what was done stays, so mend that (has the database's user the "
        "rights to create, alter and index?) and run again: relaydesk migrate"
    )


def _older(found: str | None) -> bool:
    return found is None or found < HEAD


async def _migrate_here(tx: Tx) -> None:
    """SQLite: the writing lock of the transaction is the lease."""
    await tx.connection.run_sync(_first_tables)
    if _older(await tx.connection.run_sync(_revision)):
        await tx.connection.run_sync(_upgrade)
    await _note_state(tx)


async def _migrate_leased(database: Database) -> None:
    """MySQL: DDL commits by itself, so a `work` row says who migrates."""
    await database.unit(lambda tx: work.ensure(tx, {_LEASE: "schema"}))
    while (lease := await work.claim_named(database, _LEASE, "schema", due=False)) is None:
        await asyncio.sleep(0.2)
        if not _older(await revision(database)) and await _oldest(database) >= OLDEST:
            return
    try:
        async with kept(database, lease):
            if _older(await revision(database)):
                await _upgrade_patiently(database)
            await database.unit(_note_state)
    finally:
        with contextlib.suppress(Exception):
            await work.finish(database, lease, due=None, not_before=None)


async def _upgrade_patiently(database: Database) -> None:
    """Upgrade, again from the step that found a table locked. Raises `SchemaProblem` where that doesn't end."""
    for attempt in range(1, _LOCK_TRIES + 1):
        async with database.engine.connect() as connection:
            try:
                await connection.execute(text(f"SET SESSION lock_wait_timeout = {_LOCK_WAIT}"))
                await connection.run_sync(_upgrade)
                await connection.commit()
                return
            except DBAPIError as exc:
                if error_code(exc) != _LOCKED:
                    raise
            finally:
                await connection.invalidate()  # others' statements wait as long as the server says
        log.warning(
            "migration_waits",
            attempt=attempt,
            most=_LOCK_TRIES,
            mend="it waits for transactions on the tables (tickets) to end: end dumps and long transactions",
        )
        await asyncio.sleep(_LOCK_PAUSE)
    raise SchemaProblem(
        f"the migration to {HEAD} found its tables (tickets) locked for minutes, by a transaction that doesn't end; "
        "what was done stays. End it (SHOW PROCESSLIST: a dump, a client left open), and run again: relaydesk migrate"
    )


async def _note_state(tx: Tx) -> None:
    """Note which code may run here, last of all: a migration that stopped before shuts nobody out."""
    values = {"id": 1, "oldest_code": OLDEST, "generation": 0}
    await tx.run(tx.insert_missing(schema_state).values(**values))
    await tx.run(update(schema_state).where(schema_state.c.oldest_code < OLDEST).values(oldest_code=OLDEST))


async def _oldest(database: Database) -> int:
    """Return the oldest code that may run on the schema; 0 where a migration hasn't come to its end."""
    found = await database.read(lambda tx: tx.scalar(select(schema_state.c.oldest_code)))
    return 0 if found is None else int(found)


async def check(database: Database, *, allow_old: bool = False) -> int:
    """Return the oldest code that may run on the schema. Raises `SchemaProblem` where this one can't, unless the
    reason is that the schema is too old and `allow_old` says that this doesn't matter."""
    found = await revision(database)
    if found is None:
        if allow_old:
            return 0
        raise SchemaProblem("the database is empty; run: relaydesk migrate")
    oldest = await _oldest(database)
    if oldest > CODE:
        raise SchemaProblem(
            f"the database belongs to a newer relaydesk (its schema is {found}, this one knows {HEAD}): start that "
            "one, or restore the backup from before the upgrade"
        )
    if allow_old:
        return oldest
    if found < HEAD:
        raise SchemaProblem(f"the schema is {found}, this relaydesk needs {HEAD}; run: relaydesk migrate")
    if oldest < OLDEST:
        raise SchemaProblem(f"the migration to {HEAD} hasn't come to its end; run: relaydesk migrate")
    return oldest


async def until_shut_out(database: Database, every: float = WATCH) -> None:
    """Return once the schema shuts this code out: a newer relaydesk has migrated while this one ran."""
    while True:
        await asyncio.sleep(every)
        try:
            oldest = await _oldest(database)
        except Unavailable:
            continue
        except Exception:
            log.exception("schema_unread")
            continue
        if oldest > CODE:
            log.error("shut_out", code=CODE, oldest_code=oldest, mend="start the newer relaydesk instead")
            return


async def begin_generation(database: Database, data_dir: Path) -> bool:
    """Raise the generation and note it beside us. True where the database is an older one than we last saw: a
    restored backup; then outgoing is put on hold."""
    note = data_dir / "generation"
    last = _noted(note)

    async def unit(tx: Tx) -> tuple[int, bool]:
        await tx.run(update(schema_state).values(generation=schema_state.c.generation + 1))
        now = int(await tx.scalar(select(schema_state.c.generation)) or 0)
        restored = now <= last
        if restored:
            await tx.run(update(schema_state).values(generation=last + 1))
            values = {"scope": "service", "key": "outbound", "value": "hold"}
            await tx.run(tx.upsert(settings, values, {"value": "hold"}))
        return max(now, last + 1), restored

    generation, restored = await database.unit(unit)
    _write(note, f"{generation}\n")
    return restored


def _write(path: Path, text: str) -> None:
    """Replace a file so that it is the old one or the new one, whatever happens."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _noted(note: Path) -> int:
    note.parent.mkdir(parents=True, exist_ok=True)
    try:
        return int(note.read_text("utf-8").strip() or 0)
    except (OSError, ValueError):
        return 0
