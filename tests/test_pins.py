"""Why a dependency is held at a version: each reason as a test, so that a pin can go when its reason has gone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from email.message import EmailMessage
from importlib.metadata import version

import aiosmtplib
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from core.database import Database
from tests.stores import Store


def release(package: str) -> tuple[int, ...]:
    """Return an installed version as numbers."""
    return tuple(int(part) for part in version(package).split(".")[:3] if part.isdigit())


BYTES = [b"\xff\x00", b"", b"\x00", b"'\\\"%s:name", bytes(range(256)), "José".encode()]


@pytest.mark.parametrize("value", BYTES, ids=repr)
async def test_bytes_come_back_as_they_went_in(empty_store: Store, value: bytes) -> None:
    """PyMySQL 1.2.4 raises TypeError for any bytes parameter under aiomysql; keys and raw mail are bytes."""
    engine = create_async_engine(empty_store.url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE pin (id INTEGER PRIMARY KEY, v VARBINARY(300))"))
            await connection.execute(text("INSERT INTO pin VALUES (1, :v)"), {"v": value})
            found = await connection.execute(text("SELECT v FROM pin WHERE v = :v"), {"v": value})
            assert found.scalar_one() == value
            await connection.execute(text("INSERT INTO pin VALUES (:id, :v)"), [{"id": 2, "v": value}])
    finally:
        await engine.dispose()


def test_pymysql_is_one_that_imports() -> None:
    """1.2.2 doesn't import at all, and 1.2.3 and later aren't tried: see the test above."""
    import pymysql.cursors

    assert pymysql.cursors.Cursor
    assert release("pymysql") in {(1, 1, 1), (1, 1, 2), (1, 2, 0)}


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_a_connection_that_the_server_cut_is_replaced_unnoticed(store: Store) -> None:
    """Pre-ping under aiomysql needs SQLAlchemy 2.0.58: after a failover the pool must not hand out the dead."""
    engine = create_async_engine(store.url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    try:
        ids = []
        for _ in range(3):
            async with engine.connect() as connection:
                ids.append((await connection.execute(text("SELECT CONNECTION_ID()"))).scalar_one())
            await asyncio.to_thread(store.end_connections)
        assert len(set(ids)) == 3
    finally:
        await engine.dispose()


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_our_own_engine_outlives_a_cut(store: Store) -> None:
    """The same for the pool as relaydesk makes it."""
    database = Database(store.config().database)
    try:
        before = await database.read(lambda tx: tx.scalar(text("SELECT CONNECTION_ID()")))
        await asyncio.to_thread(store.end_connections)
        after = await database.read(lambda tx: tx.scalar(text("SELECT CONNECTION_ID()")))
        assert before != after
    finally:
        await database.close()


def test_sqlalchemy_is_new_enough() -> None:
    """Before 2.0.58 the pre-ping under aiomysql is broken."""
    assert release("sqlalchemy") >= (2, 0, 58)


def test_aiosmtplib_is_new_enough() -> None:
    """Before 5.1.3 CR and LF in an address reach the wire, and what follows them is a command."""
    assert release("aiosmtplib") >= (5, 1, 3)


LINE_BREAKS = ["a@example.com>\r\nRCPT TO:<b@example.com", "a@example.com\r\nDATA", "a\nDATA\n@example.com"]


@pytest.mark.parametrize("address", LINE_BREAKS, ids=repr)
async def test_a_line_break_in_an_address_never_becomes_a_command(address: str) -> None:
    """Seen on the wire. The library leaves the break out rather than refuse, so whoever calls it refuses before."""
    lines: list[bytes] = []
    ended = asyncio.Event()

    async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 pin ESMTP\r\n")
        while line := await reader.readline():
            lines.append(line)
            writer.write(b"354 go\r\n" if line == b"DATA\r\n" else b"250 OK\r\n")
        writer.close()
        ended.set()

    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, timeout=5)
    message = EmailMessage()
    message.set_content("x")
    await client.connect()
    with suppress(aiosmtplib.SMTPException, ValueError):
        await client.sendmail("me@example.com", [address], message.as_bytes())
    client.close()
    await ended.wait()
    server.close()
    await server.wait_closed()
    verbs = [line.split()[0].upper() for line in lines if line.strip()]
    assert verbs.count(b"RCPT") <= 1
    assert verbs.count(b"DATA") <= 1
