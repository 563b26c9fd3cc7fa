"""The database: engines, and the unit of work that may run twice.

A unit is one transaction, given as a function of a `Tx`. It is run again after a deadlock, a lock wait that took
too long, or a connection that went away (even at COMMIT, whose outcome is then unknown): so it begins by claiming
its key and does nothing outside the database. What must happen after the commit goes into `Tx.after_commit`.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy import Executable, Insert, Row, Table, event, text
from sqlalchemy.engine import CursorResult, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from core.clock import Clock
from core.config import DatabaseConfig
from core.failures import Unavailable

if TYPE_CHECKING:
    from core.targets import Targets

log = structlog.get_logger(__name__)
T = TypeVar("T")

# MySQL: deadlock, lock wait, record changed (snapshot), and certification failure at COMMIT under Galera (1213).
_CONFLICTS = {1213, 1205, 1020}
_TRIES = 8
# Too many connections or questions, no access yet, no such database yet, shutting down, read-only, disk full.
_AWAY = {1021, 1030, 1040, 1044, 1045, 1047, 1049, 1053, 1114, 1129, 1203, 1226, 1290, 1317, 1836, 1927}

_SESSION = (
    "SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', "
    "time_zone='+00:00', innodb_lock_wait_timeout=5, group_concat_max_len=67108864"
)
_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # of the next transaction alone


class Rerun(Exception):
    """The unit found that what it read is no longer so: roll back and run it again."""


class Tx:
    """An open transaction."""

    def __init__(
        self, connection: AsyncConnection, clock: Clock, sqlite: bool, targets: Targets | None = None
    ) -> None:
        self.connection = connection
        self.sqlite = sqlite
        self._clock = clock
        self._now: datetime | None = None
        self.targets = targets  # by which each ticket that is saved is counted anew
        self.as_of: datetime | None = None  # an archive is read in: what is written now happened then
        self.after_commit: list[Callable[[], None]] = []

    async def now(self) -> datetime:
        """The database's time, the same throughout the transaction, aware UTC; `as_of` where that is set."""
        if self.as_of is not None:
            return self.as_of
        if self._now is None:
            if self.sqlite:  # the database is this process
                self._now = self._clock.now()
            else:
                row: Any = (await self.connection.execute(text("SELECT UTC_TIMESTAMP(6)"))).scalar_one()
                there = row.replace(tzinfo=UTC)
                self._clock.database_says(there)
                self._now = there + self._clock.offset
        return self._now

    async def run(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Execute a statement."""
        return await self.connection.execute(statement, parameters)

    async def all(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """Return all rows. `parameters`: what a statement that is kept has names for."""
        return (await self.connection.execute(statement, parameters)).all()

    async def first(self, statement: Executable) -> Row[Any] | None:
        """Return the first row, or None."""
        return (await self.connection.execute(statement)).first()

    async def scalar(self, statement: Executable) -> Any:
        """Return the first column of the first row, or None."""
        return (await self.connection.execute(statement)).scalar()

    async def changed(self, statement: Executable) -> int:
        """Execute an UPDATE or DELETE and return how many rows it matched."""
        return int((await self.run(statement)).rowcount)

    async def new_id(self, statement: Executable) -> int:
        """Execute an INSERT of one row and return its id."""
        result = await self.run(statement)
        key: Any = result.inserted_primary_key
        return int(key[0])

    async def beside(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in a reading transaction beside this one, all of whose statements see the database as the first
        one does; what this one wrote isn't there. With SQLite it's this one, which is a snapshot already."""
        if self.sqlite:
            return await work(self)
        async with self.connection.engine.connect() as connection, connection.begin():
            await connection.execute(_ONE_MOMENT)
            return await work(Tx(connection, self._clock, self.sqlite, self.targets))

    def insert_missing(self, table: Table) -> Insert:
        """An INSERT that leaves rows alone whose key exists. Never INSERT IGNORE: it stores cut text."""
        key = next(iter(table.primary_key))
        if self.sqlite:
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            return sqlite_insert(table).on_conflict_do_nothing()
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        return mysql_insert(table).on_duplicate_key_update({key.name: key})

    def upsert(self, table: Table, values: Mapping[str, Any], update: Mapping[str, Any]) -> Insert:
        """An INSERT that, where the key exists, sets `update` (expressions over the existing row)."""
        if self.sqlite:
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            statement = sqlite_insert(table).values(**values)
            return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=dict(update))
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        return mysql_insert(table).values(**values).on_duplicate_key_update(dict(update))


class Database:
    """One store: MySQL/MariaDB by aiomysql, or SQLite by aiosqlite. Same statements, same tests."""

    def __init__(
        self, config: DatabaseConfig, clock: Clock | None = None, targets: Targets | None = None
    ) -> None:
        self.clock = clock or Clock()
        self._targets = targets
        self.instance = secrets.token_hex(4)  # begins our lease tokens
        self.sqlite = config.sqlite
        self.url = make_url(config.url)
        self.engine: AsyncEngine = _sqlite_engine(config) if config.sqlite else _mysql_engine(config)
        self._patience = config.timeout.total_seconds()
        self._writer = asyncio.Lock()  # SQLite: one writing connection a process

    async def unit(
        self, work: Callable[[Tx], Awaitable[T]], *, tries: int = _TRIES, endless: bool = False
    ) -> T:
        """Run `work` in one writing transaction, again where that may help. `endless`: it may take longer than
        `database.timeout`.

        Raises what `work` raises, and `Unavailable` where the database can't be had.
        """
        once = partial(self._once, work, writes=True, snapshot=False)
        patience = None if endless else self._patience
        if self.sqlite:
            async with self._writer:
                return await self._attempts(once, tries, patience)
        return await self._attempts(once, tries, patience)

    async def read(self, work: Callable[[Tx], Awaitable[T]], *, snapshot: bool = False) -> T:
        """Run `work` in one reading transaction. `snapshot`: all its statements see the database as the first one
        does, for what must add up; it takes a trip more. Raises `Unavailable` where the database can't be had."""
        once = partial(self._once, work, writes=False, snapshot=snapshot)
        return await self._attempts(once, 3, self._patience)

    async def _attempts(self, once: Callable[[], Awaitable[T]], tries: int, patience: float | None) -> T:
        for attempt in range(1, tries + 1):
            try:
                async with asyncio.timeout(patience):
                    return await once()
            except Rerun:
                if attempt == tries:
                    raise Unavailable("too much happened at once") from None
            except TimeoutError:  # perhaps committed: units may run twice, their callers too
                log.warning("database_trouble", trouble="silent", seconds=patience)
                raise Unavailable("database: no answer") from None
            except (DBAPIError, PoolTimeout, OSError) as exc:
                trouble = trouble_of(exc)
                if trouble is None:
                    raise
                if attempt == tries or (trouble == "away" and attempt >= 3):
                    log.warning(
                        "database_trouble", trouble=trouble, error=type(exc).__name__, code=error_code(exc)
                    )
                    raise Unavailable(
                        f"database: {trouble} ({error_code(exc) or type(exc).__name__})"
                    ) from None
            await asyncio.sleep(random.uniform(0.005, 0.02) * 2 ** min(attempt, 5))
        raise AssertionError("unreachable")

    async def _once(self, work: Callable[[Tx], Awaitable[T]], *, writes: bool, snapshot: bool) -> T:
        async with self.engine.connect() as plain:
            connection = await plain.execution_options(relaydesk_writes=writes)
            async with connection.begin():
                if (
                    snapshot and not self.sqlite
                ):  # SQLite's transactions are that; MySQL: of this transaction alone
                    await connection.execute(_ONE_MOMENT)
                tx = Tx(connection, self.clock, self.sqlite, self._targets)
                result = await work(tx)
        for done in tx.after_commit:
            done()
        return result

    async def close(self) -> None:
        """Close all connections. One that is in use is closed when it's given back: else nobody would, as the pool
        that it goes back to isn't the engine's any more."""
        event.listen(self.engine.sync_engine.pool, "checkin", _given_back_late)
        await self.engine.dispose()


def _given_back_late(connection: Any, record: ConnectionPoolEntry) -> None:
    record.close()


def error_code(exc: BaseException) -> int | None:
    """Return the number that MySQL gave the error, None for any other."""
    args: tuple[object, ...] = getattr(getattr(exc, "orig", exc), "args", ())
    return args[0] if args and isinstance(args[0], int) else None


def trouble_of(exc: BaseException) -> str | None:
    """Return "conflict" or "away" where running again may help, else None."""
    if isinstance(exc, PoolTimeout | OSError):
        return "away"
    if isinstance(exc, IntegrityError):
        return None
    code = error_code(exc)
    if code in _CONFLICTS:
        return "conflict"
    words = str(getattr(exc, "orig", exc)).lower()
    if "database is locked" in words or "database table is locked" in words:
        return "conflict"
    if code in _AWAY or (code is not None and 2000 <= code < 2100):
        return "away"
    if isinstance(exc, DBAPIError) and exc.connection_invalidated:
        return "away"
    if (
        "unable to open database file" in words
        or "disk i/o error" in words
        or "disk is full" in words
        or "readonly" in words
    ):
        return "away"
    return None


def _sqlite_engine(config: DatabaseConfig) -> AsyncEngine:
    from core.sqlite_cursor import one_trip

    path = make_url(config.url).database
    if path and path != ":memory:" and not path.startswith("file:"):  # a file: URL is to read alone
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        config.url, pool_size=min(config.pool_size, 10), max_overflow=5, hide_parameters=True
    )

    @event.listens_for(engine.sync_engine, "do_connect")
    def on_open(dialect: Any, record: Any, args: Any, options: Any) -> Any:
        return one_trip(dialect.connect(*args, **options))

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver's autocommit: we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=5000",
            "foreign_keys=ON",
            "cache_size=-4000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("relaydesk_writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _mysql_engine(config: DatabaseConfig) -> AsyncEngine:
    return create_async_engine(
        config.url,
        pool_size=config.pool_size,
        max_overflow=config.pool_size,
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_timeout=10,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # they hold people's words, and errors are logged
        connect_args={"charset": "utf8mb4", "init_command": _SESSION, "connect_timeout": 5},
    )


__all__ = ["Database", "Rerun", "SQLAlchemyError", "Tx", "error_code", "trouble_of"]
