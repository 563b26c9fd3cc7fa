"""SQLite's statements in one trip each. aiosqlite works on a thread of its own, and SQLAlchemy goes there four times a
statement (make a cursor, execute, fetch, close), which is most of what a statement costs; here it goes once."""

from __future__ import annotations

from collections import deque
from typing import Any

from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor


class _Result:
    """What is left of the driver's cursor after its statement."""

    __slots__ = ("arraysize", "description", "lastrowid", "rowcount")

    def __init__(self) -> None:
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: Any = None
        self.arraysize = 1

    def close(self) -> None:
        """The driver's cursor is closed already."""


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()

    _awaitable_cursor_close = False

    def _make_new_cursor(self, connection: Any) -> Any:
        return _Result()

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        return await self._trip("execute", operation, parameters or ())

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        return await self._trip("executemany", operation, seq_of_parameters)

    async def _trip(self, how: str, operation: Any, parameters: Any) -> Any:
        connection: Any = self._connection

        def on_its_thread() -> tuple[Any, ...]:
            cursor = connection._conn.cursor()
            try:
                getattr(cursor, how)(operation, parameters)
                rows = cursor.fetchall() if cursor.description else ()
                return rows, cursor.description, cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        async with self._adapt_connection._execute_mutex:
            rows, *told = await connection._execute(on_its_thread)
        self._rows = deque(rows)
        result: Any = self._cursor
        result.description, result.rowcount, result.lastrowid = told
        return self


class OneTripConnection(AsyncAdapt_aiosqlite_connection):
    """SQLAlchemy's connection to aiosqlite, with cursors of ours."""

    __slots__ = ()

    _cursor_cls = _Cursor


def one_trip(connection: Any) -> OneTripConnection:
    """Return a connection that SQLAlchemy's dialect opened, with cursors of ours."""
    return OneTripConnection(connection.dbapi, connection._connection)
