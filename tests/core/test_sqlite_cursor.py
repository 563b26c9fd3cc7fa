"""SQLite's statements: one trip to the driver's thread each, and what comes back is what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from core.config import DatabaseConfig
from core.database import Database, Tx


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    made = Database(DatabaseConfig(url=f"sqlite+aiosqlite:///{tmp_path}/x.db"))
    await made.unit(lambda tx: tx.run(text("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT UNIQUE)")))
    yield made
    await made.close()


async def test_a_statement_is_one_trip(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[object] = []
    real = aiosqlite.Connection._execute

    async def execute(self: Any, function: Any, *args: Any, **more: Any) -> Any:
        trips.append(function)
        return await real(self, function, *args, **more)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", execute)

    async def work(tx: Tx) -> tuple[int, ...]:
        counts = [len(trips)]
        await tx.run(text("INSERT INTO t (word) VALUES ('a'), ('b')"))
        counts.append(len(trips))
        rows = await tx.all(text("SELECT word FROM t ORDER BY id"))
        assert [row.word for row in rows] == ["a", "b"]
        counts.append(len(trips))
        return tuple(counts)

    first, second, third = await database.unit(work)
    assert (second - first, third - second) == (1, 1)


async def test_what_a_statement_says_of_itself(database: Database) -> None:
    """How many rows, which id, and its errors as SQLAlchemy names them."""

    async def work(tx: Tx) -> list[int]:
        connection = tx.connection
        many = text("INSERT INTO t (word) VALUES (:word)")
        await connection.execute(many, [{"word": "a"}, {"word": "b"}, {"word": "c"}])
        changed = await connection.execute(text("UPDATE t SET word = word || 'x' WHERE id > 1"))
        none = await connection.execute(text("DELETE FROM t WHERE id = 99"))
        made = await connection.exec_driver_sql("INSERT INTO t (word) VALUES (?)", ("d",))
        return [changed.rowcount, none.rowcount, made.lastrowid]

    assert await database.unit(work) == [2, 0, 4]
    with pytest.raises(IntegrityError):
        await database.unit(lambda tx: tx.run(text("INSERT INTO t (word) VALUES ('d')")))
    with pytest.raises(OperationalError):
        await database.unit(lambda tx: tx.run(text("SELECT nothing FROM t")))
    assert len(await database.read(lambda tx: tx.all(text("SELECT * FROM t")))) == 4
