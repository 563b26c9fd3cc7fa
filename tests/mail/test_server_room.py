"""The mail door where there is little room: memory, disk, and those who read."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from structlog.testing import capture_logs

from core import blobs
from core.blobs import Blobs, BlobWriter
from core.config import parse
from intake.email import room
from intake.email.deliver import Given, take
from intake.email.room import MOST_HELD, Backlog, announced
from tests.house import House
from tests.mail.server_house import QUEUES, Shelf, Wire, open_door
from tests.stores import Store
from tests.waiting import until

HEAD = b"From: zoe@example.net\r\nSubject: x\r\nMessage-ID: <1@example.net>\r\n\r\n"
LARGE = HEAD + b"0123456789abcde\r\n" * 100_000
TO = "support@example.com"


async def greeted(door: Any) -> Wire:
    wire = await Wire.to(door)
    await wire.hello()
    return wire


# -- spooling --


async def test_a_large_mail_is_a_blob_as_it_came_and_each_queue_has_its_own() -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        wire = await greeted(door)
        await wire.envelope(TO, "billing@example.com")
        assert (await wire.data(LARGE.removesuffix(b"\r\n"))).startswith("250")
        one, two = shelf.stored
        assert one.blob != two.blob
        assert one.raw == b""
        assert one.size == two.size == len(LARGE)
        assert one.blob
        await shelf.blobs.remove(one.blob)
        assert shelf.bytes_of(two) == LARGE
        assert shelf.parts() == []


async def test_the_same_mail_has_the_same_key_large_or_small_piece_by_piece() -> None:
    """A mail that a pipe brings whole, with LF, is the one that DATA brought in pieces, with CRLF."""
    from datetime import UTC, datetime

    from intake.email.arrival import Envelope, arrivals

    shelf = Shelf()
    async with open_door(shelf) as door:
        wire = await greeted(door)
        await wire.envelope(TO)
        await wire.data(LARGE.removesuffix(b"\r\n"))
    for raw in (LARGE, LARGE.replace(b"\r\n", b"\n")):
        told = Envelope(sender="x@y", queues={"support": (TO,)})
        (row,) = arrivals(raw, told, datetime.now(UTC))
        assert (row.key, row.shard_by) == (shelf.stored[0].key, shelf.stored[0].shard_by)


async def test_a_large_mail_in_hand_holds_little_and_is_on_the_disk() -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        wire = await greeted(door)
        await wire.envelope(TO)
        await wire.say("DATA")
        wire.send(LARGE * 4)
        await wire.writer.drain()
        await until(
            lambda: sum(p.stat().st_size for p in shelf.blobs.folder.rglob("*.part")) > len(LARGE) * 3
        )
        (dialogue,) = door._open
        assert dialogue.hold is not None
        assert dialogue.hold._bytes <= MOST_HELD
        wire.send(b"\r\n.\r\n")
        assert (await wire.answer()).startswith("250")
        assert door._room.budget.left == door._settings.memory_bytes


async def test_a_client_that_hangs_up_leaves_no_file_and_no_reservation() -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        for _ in range(10):
            wire = await greeted(door)
            await wire.envelope(TO)
            await wire.say("DATA")
            wire.send(LARGE)
            await wire.writer.drain()
            wire.writer.transport.abort()
        await until(lambda: door._limits.total == 0)
        await until(lambda: not shelf.parts())
        assert door._room.budget.left == door._settings.memory_bytes
    assert shelf.stored == []
    assert [path for path in shelf.blobs.folder.rglob("*") if path.is_file()] == []


async def test_a_large_mail_over_the_limit_leaves_no_file() -> None:
    shelf = Shelf()
    async with open_door(shelf, max_message_bytes=1_000_000) as door:
        wire = await greeted(door)
        await wire.envelope(TO)
        assert (await wire.data(LARGE)).startswith("552")
        await until(lambda: not shelf.parts())
        await wire.envelope(TO)
        assert (await wire.data(HEAD + b"small")).startswith("250")
    assert len(shelf.stored) == 1


def test_a_start_sweeps_what_a_crash_left_and_nothing_else(tmp_path: Path) -> None:
    folder = Blobs(tmp_path)
    kept, left, fresh = folder.writer(), folder.writer(), folder.writer()
    for writer in (kept, left, fresh):
        writer.write(b"half a mail")
    for writer in (left, fresh):  # as where their process has ended: the kernel unlocks
        writer._file.close()
    old = time.time() - blobs.LEFT_BEHIND.total_seconds() - 1
    for writer in (kept, left):
        os.utime(writer._path, (old, old))
    assert folder.sweep_parts() == 1
    assert not left._path.exists()
    assert kept._path.exists()
    assert fresh._path.exists()


async def test_the_door_sweeps_at_its_start() -> None:
    shelf = Shelf()
    left = shelf.blobs.writer()
    left._file.close()
    os.utime(left._path, (1, 1))
    async with open_door(shelf):
        await until(lambda: not shelf.parts())


async def test_a_kill_amid_a_large_mail_stores_nothing_and_the_next_start_sweeps(
    store: Store, tmp_path: Path
) -> None:
    """Nothing was promised, so the client repeats; the half file goes."""
    async with House(store, tmp_path / "house") as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.smtp_port)
        wire = Wire(reader, writer)
        await wire.hello()
        await wire.envelope(TO)
        await wire.say("DATA")
        wire.send(LARGE)
        await writer.drain()
        folder = store.folder / "blobs"
        (part,) = await until(lambda: [path for path in folder.rglob("*.part") if path.stat().st_size])
        await house.kill9()
        wire.close()
        os.utime(part, (1, 1))
        await house.restart()
        await house.logged("parts_swept", files=1)
        assert not part.exists()
        assert store.count("inbox") == 0


# -- memory --


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
async def test_too_many_at_once_for_the_memory_are_452_at_mail_until_one_is_done(protocol: str) -> None:
    shelf = Shelf()
    mail = f"MAIL FROM:<zoe@example.net> SIZE={len(LARGE)}"
    async with open_door(shelf, memory_bytes=2 * MOST_HELD, protocol=protocol) as door:
        wires = [await Wire.to(door) for _ in range(3)]
        for wire in wires:
            await wire.answer()
            await wire.say("LHLO x" if protocol == "lmtp" else "EHLO x")
        answers = [(await wire.say(mail))[0] for wire in wires]
        assert [answer[:9] for answer in answers] == ["250 2.1.0", "250 2.1.0", "452 4.3.1"]
        await wires[0].say(f"RCPT TO:<{TO}>")
        assert (await wires[0].data(LARGE)).startswith("250")
        assert (await wires[2].say(mail, "RCPT TO:<postmaster>"))[1].startswith("250")
        assert (await wires[1].say("RSET", mail))[1].startswith("250")


async def test_a_mail_that_said_nothing_of_its_size_is_452_after_data() -> None:
    shelf = Shelf()
    async with open_door(shelf, memory_bytes=2 * MOST_HELD) as door:
        first, second, third = [await greeted(door) for _ in range(3)]
        await first.say(f"MAIL FROM:<zoe@example.net> SIZE={len(LARGE)}")
        await second.envelope(TO)
        await third.say("MAIL FROM:<zoe@example.net> SIZE=300000")
        assert (await second.data(LARGE)).startswith("452 4.3.1")
        first.send(b"QUIT\r\n")
        await first.answer()
        await until(lambda: door._limits.total == 2)
        await second.envelope(TO)
        assert (await second.data(LARGE)).startswith("250")
    assert len(shelf.stored) == 1


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ([], 0),
        (["SIZE=7"], 7),
        (["BODY=8BITMIME", "SIZE=12"], 12),
        (["SIZE=" + "9" * 99], 0),
        (["SIZE=²"], 0),
    ],
)
def test_the_announced_size(options: list[str], size: int) -> None:
    assert announced(options) == size


# -- disk --


class Told(NamedTuple):
    f_bavail: int
    f_frsize: int


async def test_a_disk_that_is_nearly_full_is_452_at_mail_and_deliver_says_75(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free = 10_000_000

    def statvfs(_: object) -> Told:
        return Told(free // 4096, 4096)

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(room, "_DISK_SECONDS", 0)
    async with open_door(Shelf(), disk_left_bytes=5_000_000) as door:
        wire = await greeted(door)
        assert (await wire.say("MAIL FROM:<a@b> SIZE=6000000"))[0].startswith("452 4.3.1")
        assert (await wire.say("MAIL FROM:<a@b> SIZE=4000000"))[0].startswith("250")
        free = 4_000_000
        assert (await wire.say(f"RCPT TO:<{TO}>"))[0].startswith("250")
        assert (await wire.data(LARGE)).startswith("452 4.3.1")
        assert (await wire.say("MAIL FROM:<a@b>"))[0].startswith("452 4.3.1")
        free = 6_000_000
        assert (await wire.say("MAIL FROM:<a@b>"))[0].startswith("250")
    free = 0
    config = parse({"service": {"secret_key": "k", "data_dir": str(tmp_path)}, "queue": QUEUES})
    status, text = await asyncio.to_thread(take, lambda: config, Given(queue="support"), lambda _: HEAD)
    assert status == 75
    assert "disk" in text


@pytest.mark.parametrize(
    ("number", "answer"), [(errno.ENOSPC, "452"), (errno.EDQUOT, "452"), (errno.EIO, "451")]
)
@pytest.mark.parametrize("step", ["write", "put_down"])
async def test_a_disk_that_fills_up_meanwhile_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, step: str, number: int, answer: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    shelf = Shelf()
    async with open_door(shelf) as door:
        wire = await greeted(door)
        with monkeypatch.context() as patch:
            patch.setattr(BlobWriter, step, full)
            await wire.envelope(TO)
            assert (await wire.data(LARGE)).startswith(answer)
        await until(lambda: not shelf.parts())
        await wire.envelope(TO)
        assert (await wire.data(LARGE)).startswith("250")
        assert len(shelf.stored) == 1


async def test_a_slow_disk_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    write = BlobWriter.write

    def slow(writer: BlobWriter, data: bytes) -> None:
        time.sleep(0.2)
        write(writer, data)

    monkeypatch.setattr(BlobWriter, "write", slow)
    shelf = Shelf()
    async with open_door(shelf) as door:
        large = [await greeted(door) for _ in range(6)]
        for wire in large:
            await wire.envelope(TO)
        waiting = [asyncio.create_task(wire.data(LARGE)) for wire in large]
        await until(lambda: shelf.parts())
        small = await greeted(door)
        for n in range(20):
            await small.envelope(TO)
            began = time.perf_counter()
            assert (await small.data(HEAD + b"%d" % n)).startswith("250")
            assert time.perf_counter() - began < 0.15
        assert not any(task.done() for task in waiting)
        assert [answer[:3] for answer in await asyncio.gather(*waiting)] == ["250"] * 6


# -- backlog --


async def test_a_backlog_that_is_too_old_is_452_and_asked_for_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    shelf = Shelf()
    shelf.age = timedelta(hours=13)
    with capture_logs() as logs:
        async with open_door(shelf) as door:
            wire = await greeted(door)
            for _ in range(50):
                assert (await wire.say("MAIL FROM:<a@b>"))[0].startswith("452 4.3.1")
            assert shelf.asked == 1
            shelf.age = timedelta(hours=11)
            monkeypatch.setattr(room, "_BACKLOG_SECONDS", 0)
            monkeypatch.setattr(room, "_STALE_SECONDS", 0)
            assert (await wire.say("MAIL FROM:<a@b>"))[0].startswith("250")
        async with open_door(shelf, backlog_age="0s") as door:
            asked = shelf.asked
            await (await greeted(door)).envelope(TO)
            assert shelf.asked == asked
    assert {entry["of"] for entry in logs if entry["event"] == "no_room"} == {"backlog"}


async def test_a_database_that_is_slow_or_away_holds_up_no_mail() -> None:
    async def never() -> timedelta:
        await asyncio.sleep(3600)
        raise AssertionError

    async def away() -> timedelta:
        raise ConnectionError

    for ask in (never, away):
        backlog = Backlog(ask, timedelta(hours=1))
        began = time.perf_counter()
        assert not await backlog.too_old()
        assert time.perf_counter() - began < 1
        await backlog.stop()


async def test_the_oldest_that_waits_counts_on_each_store(store: Store, tmp_path: Path) -> None:
    """Rows of mail that could be read now; what is put off, done or another channel's doesn't count."""
    from core.clock import Clock
    from core.database import Database
    from core.inbox import Arrival, Intake
    from core.signals import Signal

    database = Database(store.config().database, Clock())
    intake = Intake(database, Blobs(store.folder / "blobs"), Signal())
    try:
        assert await intake.waiting("email") is None
        now = database.clock.now()
        for n, (channel, hours) in enumerate([("email", 1), ("email", 5), ("email", 3), ("slack", 9)]):
            row = Arrival(key=bytes([n]) * 32, channel=channel, shard_by=str(n), envelope={}, raw=b"x",
                          received_at=now - timedelta(hours=hours))  # fmt: skip
            await intake.store([row])

        async def hours() -> int:
            age = await intake.waiting("email")
            assert age is not None
            return round(age.total_seconds() / 3600)

        assert await hours() == 5
        ids = [row["id"] for row in store.rows("SELECT id FROM inbox ORDER BY id")]
        store.execute(f"UPDATE inbox SET not_before = '2099-01-01 00:00:00' WHERE id = {ids[1]}")
        assert await hours() == 3
        store.execute(f"UPDATE inbox SET state = 'done' WHERE id = {ids[2]}")
        assert await hours() == 1
        config = store.config(email={"inbound": {"backlog_age": "30m", "disk_left_bytes": 0}})
        status, text = await asyncio.to_thread(take, lambda: config, Given(queue="support"), lambda _: HEAD)
        assert status == 75
        assert "waited too long" in text
    finally:
        await database.close()


async def test_where_a_mail_came_from_is_in_its_envelope() -> None:
    """Only this machine and trusted relays are believed, and not counted; a stranger's source is, IPv6 by its /64."""
    shelf = Shelf()
    async with open_door(shelf, trusted_relays=["192.0.2.0/24"]) as door:
        wire = await greeted(door)
        await wire.envelope(TO)
        await wire.data(HEAD + b"x")
        source = door._limits.source
        assert [source(p) for p in ("::1", "unix", "192.0.2.7")] == ["", "", ""]
        assert source("198.51.100.7") == "198.51.100.7"
        assert source("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    (row,) = shelf.stored
    assert row.envelope["trusted"] is True
    assert row.envelope["source"] == ""
