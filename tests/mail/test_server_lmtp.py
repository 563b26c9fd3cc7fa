"""The mail door as LMTP (RFC 2033), on TCP and on a UNIX socket."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import stat
from pathlib import Path

import pytest

from core.config import ConfigError
from core.failures import Unavailable
from tests.mail.server_house import Shelf, Wire, open_door

MAIL = b"From: zoe@example.net\r\nSubject: x\r\n\r\nhello"


async def lmtp(wire: Wire) -> None:
    assert (await wire.answer()).startswith("220")
    assert (await wire.say("LHLO client.example"))[0].startswith("250")


async def test_every_recipient_has_an_answer_of_its_own() -> None:
    shelf = Shelf()
    async with open_door(shelf, protocol="lmtp", max_message_bytes=5000) as door:
        wire = await Wire.to(door)
        await lmtp(wire)
        answers = await wire.envelope("support@example.com", "nobody@example.com", "billing@example.com")
        assert [a[:3] for a in answers] == ["250", "250", "550", "250"]
        assert (await wire.data(MAIL)).startswith("250")
        assert (await wire.answer()).startswith("250")
        shelf.trouble = Unavailable("database")
        await wire.envelope("support@example.com", "billing@example.com")
        assert (await wire.data(MAIL)).startswith("451")
        assert (await wire.answer()).startswith("451")
        await wire.envelope("support@example.com", "billing@example.com")
        assert (await wire.data(b"x" * 6000)).startswith("552")
        assert (await wire.answer()).startswith("552")
        assert [a[:3] for a in await wire.say("DATA", "NOOP")] == ["503", "250"]
    assert sorted(row.envelope["queue"] for row in shelf.stored) == ["billing", "support"]
    assert {row.envelope["protocol"] for row in shelf.stored} == {"lmtp"}


async def test_smtp_greetings_are_refused() -> None:
    async with open_door(Shelf(), protocol="lmtp") as door:
        wire = await Wire.to(door)
        await wire.answer()
        assert [a[:3] for a in await wire.say("EHLO x", "HELO x", "MAIL FROM:<a@b>")] == ["500", "500", "503"]


async def test_a_unix_socket_has_its_mode_and_goes_with_the_door(tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    shelf = Shelf()
    async with open_door(shelf, protocol="lmtp", host=f"unix:{path}", socket_mode="0600") as door:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert door.ready

        def send() -> dict[str, tuple[int, bytes]]:
            with smtplib.LMTP(str(path)) as client:
                return client.sendmail("zoe@example.net", ["support@example.com"], MAIL)

        assert await asyncio.to_thread(send) == {}
        with pytest.raises(ConfigError, match="another process listens"):
            async with open_door(Shelf(), protocol="lmtp", host=f"unix:{path}"):
                pass
    assert not path.exists()
    assert shelf.stored[0].envelope["peer"] == "unix"


async def test_a_socket_that_a_crash_left_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
    left, file = tmp_path / "left.sock", tmp_path / "file"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    file.write_text("precious")
    async with open_door(Shelf(), protocol="lmtp", host=f"unix:{left}") as door:
        await lmtp(await Wire.to(door, str(left)))
        assert stat.S_IMODE(left.stat().st_mode) == 0o660
    for path in (file, tmp_path / "none" / "x.sock"):
        with pytest.raises(ConfigError, match=r"email\.inbound\.host"):
            async with open_door(Shelf(), protocol="lmtp", host=f"unix:{path}"):
                pass
    assert file.read_text() == "precious"
    with pytest.raises(ConfigError, match="socket_mode"):
        async with open_door(Shelf(), protocol="lmtp", host=f"unix:{left}", socket_mode="rw"):
            pass
