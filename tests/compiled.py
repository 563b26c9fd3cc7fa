"""One cache of compiled statements for all databases of a test run, as a service has one for its only database.

Each test has a database, and so an engine, of its own; without this a third of the suite's time goes into compiling the
same few thousand statements again. It also makes the cache as old as a service's is: a statement whose text depends on
what its cache key leaves out is found.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.dialects.mysql.aiomysql import MySQLDialect_aiomysql
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine import Connection, Engine

_cache: dict[Any, Any] = {}


def share() -> None:
    """Let all engines to come use one cache. Its keys hold the dialect: those of the same server count as the same."""
    for dialect in (MySQLDialect_aiomysql, SQLiteDialect_aiosqlite):
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
        dialect.__eq__ = _same  # type: ignore[method-assign,assignment]
    event.listen(Engine, "engine_connect", _with_cache)


def _same(one: Any, other: object) -> bool:
    return type(one) is type(other) and one.server_version_info == getattr(other, "server_version_info", None)


def _with_cache(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_cache)
