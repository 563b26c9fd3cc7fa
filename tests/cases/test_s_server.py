"""S: the SMTP server, with the real inbox on each store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from structlog.testing import capture_logs

from core.blobs import Blobs
from core.clock import Clock
from core.database import Database
from core.failures import Unavailable
from core.inbox import Intake
from core.signals import Signal
from intake.email.server import MailDoor
from tests.mail.server_house import Shelf, Wire, open_door
from tests.stores import Store

HEAD = b"From: Zoe <zoe@example.net>\r\nSubject: Scan\r\nMessage-ID: <s.%d@example.net>\r\n\r\n"


@asynccontextmanager
async def door_on(store: Store, **inbound: object) -> AsyncIterator[tuple[MailDoor, Wire]]:
    """The door before the real inbox, and a client that has said hello."""
    database = Database(store.config().database, Clock())
    try:
        intake = Intake(database, Blobs(store.folder / "blobs"), Signal())
        async with open_door(intake, **inbound) as door:
            wire = await Wire.to(door)
            await wire.hello()
            yield door, wire
    finally:
        await database.close()


def stored(store: Store) -> list[bytes]:
    """The mails in the inbox, as they were stored."""
    blobs = Blobs(store.folder / "blobs")
    return [
        blobs.path(row["blob"]).read_bytes() if row["blob"] else bytes(row["raw"])
        for row in store.rows("SELECT * FROM inbox ORDER BY id")
    ]


@pytest.mark.parametrize("length", [1_001, 8_192, 1_048_576, 5_000_000])
async def test_S1_long_lines_are_accepted(store: Store, length: int) -> None:
    """Some clients send HTML in one line: it is stored as it came, octet for octet."""
    line = ("ä€𝄞x" * (length // 10 + 1)).encode()[:length]
    mail = HEAD % length + line + b"\r\nafter\r\n"
    async with door_on(store) as (_, wire):
        await wire.envelope("support@example.com")
        assert (await wire.data(mail.removesuffix(b"\r\n"))).startswith("250")
    assert stored(store) == [mail]


@pytest.mark.parametrize("tag", ["x" * 65, "x" * 300])
async def test_S2_recipient_with_a_long_local_part(store: Store, tag: str) -> None:
    """RFC 5321 allows 64 octets; an answer to an address that somebody made longer mustn't bounce."""
    async with door_on(store) as (_, wire):
        answers = await wire.envelope(f"support+{tag}@example.com")
        assert [answer[:3] for answer in answers] == ["250", "250"]
        assert (await wire.data(HEAD % 2 + b"hello")).startswith("250")
    assert len(stored(store)) == 1


async def test_S3_a_forged_recipient_field_is_ignored(store: Store) -> None:
    """Where a mail goes is what RCPT said, never a header, and nothing is added to the mail."""
    forged = b"X-RcptTo: billing@example.com\r\nX-MailFrom: boss@example.com\r\n" + HEAD % 3 + b"hello\r\n"
    async with door_on(store) as (_, wire):
        await wire.envelope("support@example.com")
        assert (await wire.data(forged.removesuffix(b"\r\n"))).startswith("250")
    (row,) = store.rows("SELECT * FROM inbox")
    told = json.loads(row["envelope"])
    assert (told["queue"], told["recipients"], told["sender"]) == (
        "support",
        ["support@example.com"],
        "zoe@example.net",
    )
    assert stored(store) == [forged]


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
@pytest.mark.parametrize("where", ["store", "recipient", "blob"])
async def test_S4_an_exception_is_4xx_and_tells_nothing(
    protocol: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks, here with a password in its text: the client repeats, and learns nothing of ours."""

    def broken(*_: object) -> None:
        raise RuntimeError("mysql://desk:hunter2@db")

    shelf = Shelf()
    async with open_door(shelf, protocol=protocol) as door:
        wire = await Wire.to(door)
        greeting = [await wire.answer(), *await wire.say(f"{'LHLO' if protocol == 'lmtp' else 'EHLO'} x")]
        if where == "store":
            shelf.trouble = Unavailable("mysql://desk:hunter2@db")
        elif where == "blob":
            monkeypatch.setattr(shelf.blobs, "writer", broken)
        else:
            monkeypatch.setattr(door._routes, "queue_of", broken)
        answers = await wire.envelope("support@example.com")
        if where == "recipient":
            said = answers[1]
        else:
            said = await wire.data(HEAD % 4 + b"x" * (300_000 if where == "blob" else 10))
        assert said.startswith("451 4.3.0")
        assert "hunter2" not in " ".join([*greeting, *answers, said])
        monkeypatch.undo()
        shelf.trouble = None
        await wire.say("RSET")
        await wire.envelope("support@example.com")
        assert (await wire.data(HEAD % 4 + b"again")).startswith("250")
    assert len(shelf.stored) == 1
    assert shelf.parts() == []


async def test_S5_a_size_over_the_limit_is_552_at_mail_and_noted() -> None:
    """Before a byte of it was sent; an operator sees the refusal in the log."""
    structlog.reset_defaults()
    with capture_logs() as logs:
        async with open_door(Shelf(), max_message_bytes=10_000) as door:
            wire = await Wire.to(door)
            await wire.hello()
            assert (await wire.say("MAIL FROM:<zoe@example.net> SIZE=10001"))[0].startswith("552")
            assert (await wire.say("RCPT TO:<support@example.com>"))[0].startswith("503")
            assert (await wire.say("MAIL FROM:<zoe@example.net> SIZE=10000"))[0].startswith("250")
            assert (await wire.say("RCPT TO:<support@example.com>"))[0].startswith("250")
            assert (await wire.data(b"x" * 20_000)).startswith("552")
            assert (await wire.say("NOOP"))[0].startswith("250")
    refused = [entry for entry in logs if entry["event"] == "refused"]
    assert [entry["answer"][:3] for entry in refused] == ["552", "552"]
    assert {entry["peer"] for entry in refused} == {"127.0.0.1"}


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r.\r\n", b"\r\n\n.\r\n"])
async def test_S6_a_bare_line_feed_ends_no_mail(store: Store, end: bytes) -> None:
    """Else the rest would be commands, and a second mail with any sender (SMTP smuggling)."""
    hidden = b"MAIL FROM:<boss@example.com>\r\nRCPT TO:<support@example.com>\r\nDATA\r\nevil"
    mail = HEAD % 6 + b"one" + end + hidden
    async with door_on(store) as (_, wire):
        await wire.envelope("support@example.com")
        assert (await wire.data(mail)).startswith("250")
        assert (await wire.say("NOOP"))[0].startswith("250")
    # A dot that begins a line was stuffed; it comes off as it would inside any line.
    assert stored(store) == [mail.replace(b"\r\n.", b"\r\n") + b"\r\n"]


@pytest.mark.parametrize("postmaster", ["postmaster@example.com", "PostMaster@EXAMPLE.com", "postmaster"])
async def test_S7_postmaster_is_taken(store: Store, postmaster: str) -> None:
    """RFC 5321 4.5.1; it's the first queue's."""
    async with door_on(store) as (_, wire):
        assert (await wire.envelope(postmaster))[1].startswith("250")
        assert (await wire.data(HEAD % 7 + b"hello")).startswith("250")
    (row,) = store.rows("SELECT * FROM inbox")
    told = json.loads(row["envelope"])
    assert (told["queue"], told["recipients"]) == ("support", [postmaster])
