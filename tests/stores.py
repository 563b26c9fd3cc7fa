"""The stores that tests run on: SQLite and MariaDB, each test with a migrated database of its own.

SQLite: a file migrated once per process is copied. MariaDB: migrated databases are kept in a pool per process;
after a test, connections left to its database are ended and its rows put back to what the migration left.
"""

from __future__ import annotations

import asyncio
import copy
import re
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors
from pymysql.constants import CLIENT

from core.config import Config, parse
from tests.mariadb import MariaDbServer
from tests.waiting import until_true

Rows = list[dict[str, Any]]
# A database that holds more than this is dropped; emptying it would take longer than a new one.
MOST_ROWS_TO_EMPTY = 20_000

STAFF = [
    {"username": "ada", "email": "ada@example.com", "name": "Ada Lovelace", "role": "manager"},
    {"username": "grace", "email": "grace@example.com", "name": "Grace Hopper", "role": "agent"},
]
QUEUE = {"name": "support", "addresses": ["support@example.com"]}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on it: tables join key by key, all else is replaced."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


@dataclass
class Store:
    """One test's database, with what a configuration needs to use it."""

    name: str  # "sqlite" or "mariadb"
    url: str
    folder: Path  # the data folder of the configuration
    server: MariaDbServer | None = None
    database: str = ""

    @property
    def sqlite(self) -> bool:
        return self.name == "sqlite"

    def settings(self, **overrides: Any) -> dict[str, Any]:
        """Return configuration data: the support queue, ada and grace, and what `overrides` says section by section."""
        base: dict[str, Any] = {
            "service": {"data_dir": str(self.folder), "secret_key": "a-key-of-the-tests-" + "0" * 24},
            "database": {"url": self.url},
            "email": {"inbound": {"port": 0}, "outbound": {"port": 1, "tls": "none"}},
            "http": {"port": 0},
            "queue": [QUEUE],
            "staff": STAFF,
        }
        return merged(base, overrides)

    def config(self, **overrides: Any) -> Config:
        """Return a checked configuration: `store.config(slack={"enabled": False}, queue=[…])`."""
        return parse(self.settings(**overrides))

    def rows(self, sql: str, **values: Any) -> Rows:
        """Read with a connection beside the program's own: `store.rows("SELECT * FROM inbox WHERE id = :id", id=1)`."""
        if self.sqlite:
            with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as lite:
                lite.row_factory = sqlite3.Row
                return [dict(row) for row in lite.execute(sql, values)]
        assert self.server is not None
        with closing(self.server.connect(self.database)) as connection, connection.cursor() as cursor:
            cursor.execute(_for_pymysql(sql), values)
            return list(cursor.fetchall())

    def value(self, sql: str, **values: Any) -> Any:
        """Return the first column of the first row, or None."""
        rows = self.rows(sql, **values)
        return next(iter(rows[0].values())) if rows else None

    def execute(self, sql: str, **values: Any) -> int:
        """Write with a connection beside the program's own, committed at once; returns the rows matched."""
        if self.sqlite:
            with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as lite:
                return lite.execute(sql, values).rowcount
        assert self.server is not None
        with (
            closing(self.server.connect(self.database, client_flag=CLIENT.FOUND_ROWS)) as connection,
            connection.cursor() as cursor,
        ):
            return int(cursor.execute(_for_pymysql(sql), values))

    def count(self, table: str, where: str = "1 = 1", **values: Any) -> int:
        """Count rows."""
        return int(self.value(f"SELECT COUNT(*) FROM {table} WHERE {where}", **values))

    def end_connections(self) -> int:
        """MariaDB: cut every connection to this database, as a failover does; returns how many."""
        return _end_connections(self.server, self.database) if self.server else 0

    @property
    def _path(self) -> str:
        return self.url.split("///", 1)[1]


def migrate(config: Config) -> None:
    """Bring the database of `config` up to date, as `relaydesk migrate` does."""
    from core import schema
    from core.database import Database

    async def _go() -> None:
        database = Database(config.database)
        try:
            await schema.migrate(database)
        finally:
            await database.close()

    in_thread(lambda: asyncio.run(_go()))


def in_thread(work: Callable[[], None]) -> None:
    """Run in a thread of its own, so that a fixture may use a loop beside the test's."""
    failed: list[BaseException] = []

    def _work() -> None:
        try:
            work()
        except BaseException as exc:
            failed.append(exc)

    thread = threading.Thread(target=_work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


class SqliteStores:
    """Copies of one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template: Path | None = None

    def empty(self, folder: Path) -> Store:
        """Return a store without tables."""
        return Store("sqlite", f"sqlite+aiosqlite:///{folder / 'relaydesk.db'}", folder)

    def migrated(self, folder: Path) -> Store:
        """Return a store with the whole schema."""
        if self._template is None:
            home = self._folder / f"template-{uuid.uuid4().hex[:8]}"
            home.mkdir(parents=True)
            store = self.empty(home)
            migrate(store.config())
            with closing(sqlite3.connect(store._path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._template = home / "relaydesk.db"
        shutil.copy(self._template, folder / "relaydesk.db")
        return self.empty(folder)


@dataclass
class Kept:
    """A migrated database of the pool, and what it looked like when it was new."""

    name: str
    tables: dict[str, Any]  # name: columns and indexes; a test that alters one shows
    rows: dict[str, Rows]


class MariaDbStores:
    """Databases on the run's one server."""

    def __init__(self, server: MariaDbServer) -> None:
        self.server = server
        self._free: list[Kept] = []

    def empty(self, folder: Path) -> Store:
        """Return a store without tables."""
        name = f"test_{uuid.uuid4().hex}"
        with closing(self.server.connect()) as connection:
            connection.cursor().execute(f"CREATE DATABASE {name}")
        return Store("mariadb", self.server.url(name), folder, self.server, name)

    def drop(self, name: str) -> None:
        """Remove a database."""
        _end_connections(self.server, name)
        with closing(self.server.connect()) as connection:
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {name}")

    def take(self, folder: Path) -> tuple[Store, Kept]:
        """Return a store with the whole schema, and what `give_back` wants."""
        if self._free:
            kept = self._free.pop()
            store = Store("mariadb", self.server.url(kept.name), folder, self.server, kept.name)
            return store, kept
        store = self.empty(folder)
        migrate(store.config())
        tables = self._tables(store.database)
        rows: dict[str, Rows] = {}
        with closing(self.server.connect(store.database)) as connection, connection.cursor() as cursor:
            for table in tables:
                if cursor.execute(f"SELECT * FROM `{table}`"):
                    rows[table] = list(cursor.fetchall())
        return store, Kept(store.database, tables, rows)

    def give_back(self, kept: Kept) -> None:
        """Put the database back to what it was after migration, or drop it where that isn't quick or sure."""
        _end_connections(self.server, kept.name)
        try:
            if self._tables(kept.name) == kept.tables and self._emptied(kept):
                self._free.append(kept)
                return
        except pymysql.Error:
            pass
        self.drop(kept.name)

    def _tables(self, database: str) -> dict[str, Any]:
        """Return each table with its columns and indexes; a time of creation would have whole seconds."""
        found: dict[str, set[tuple[str, ...]]] = {}
        with closing(self.server.connect(database, cursorclass=pymysql.cursors.Cursor)) as connection:
            cursor = connection.cursor()
            for sql in (
                "SELECT table_name, column_name, column_type FROM information_schema.columns",
                "SELECT table_name, index_name, column_name FROM information_schema.statistics",
            ):
                cursor.execute(f"{sql} WHERE table_schema = %s", (database,))
                for table, *rest in cursor.fetchall():
                    found.setdefault(table, set()).add(tuple(rest))
        return found

    def _emptied(self, kept: Kept) -> bool:
        with closing(self.server.connect(kept.name, autocommit=False)) as connection:
            cursor = connection.cursor()
            cursor.execute("SET foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES'")
            filled = " UNION ALL ".join(
                f"(SELECT '{table}' AS name FROM `{table}` LIMIT 1)" for table in kept.tables
            )
            cursor.execute(filled)  # most tests leave rows in few tables
            deleted = 0
            for table in [row["name"] for row in cursor.fetchall()]:
                deleted += cursor.execute(f"DELETE FROM `{table}` LIMIT {MOST_ROWS_TO_EMPTY}")
                if deleted >= MOST_ROWS_TO_EMPTY:
                    return False
            for table, rows in kept.rows.items():
                names = ", ".join(f"`{name}`" for name in rows[0])
                marks = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(
                    f"INSERT INTO `{table}` ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows]
                )
            connection.commit()
        return True


def _end_connections(server: MariaDbServer, database: str) -> int:
    """End what a test, or a process of it that was killed, left open; its transactions are rolled back first."""
    ended: set[int] = set()

    def _gone() -> bool:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (database,))
        ids = {int(row["id"]) for row in cursor.fetchall()}
        for connection_id in ids:
            ended.add(connection_id)
            with suppress(pymysql.Error):
                cursor.execute(f"KILL CONNECTION {connection_id}")
        return not ids

    with closing(server.connect()) as connection, connection.cursor() as cursor:
        until_true(_gone, timeout=20, what=f"connections to {database} end")
    return len(ended)


def _for_pymysql(sql: str) -> str:
    return re.sub(r"(?<![:\w]):([a-z_]\w*)", r"%(\1)s", sql.replace("%", "%%"))
