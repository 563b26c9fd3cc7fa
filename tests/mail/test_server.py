"""The mail door: 250 only once stored, and what it takes."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from core.config import ConfigError
from core.failures import Unavailable
from intake.email.server import MailDoor
from tests.mail.server_house import SIGNER, Shelf, Wire, certificate_in, config_with, open_door

MAIL = b"From: Zoe <zoe@example.net>\r\nSubject: Broken\r\nMessage-ID: <1@example.net>\r\n\r\nIt broke."


async def test_250_comes_after_the_commit_and_not_before() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    async with open_door(shelf) as door:
        wire = await Wire.to(door)
        await wire.hello()
        await wire.envelope("support@example.com")
        answer = asyncio.create_task(wire.data(MAIL))
        await asyncio.sleep(0.1)
        assert shelf.calls == 1
        assert not answer.done()
        shelf.gate.set()
        assert (await answer).startswith("250")
        assert [row.raw for row in shelf.stored] == [MAIL + b"\r\n"]


@pytest.mark.parametrize(
    "trouble", [Unavailable("mysql://relaydesk:hunter2@db"), RuntimeError("hunter2"), KeyError("hunter2")]
)
async def test_trouble_of_ours_is_451_without_its_text_and_the_next_try_works(trouble: Exception) -> None:
    shelf = Shelf()
    shelf.trouble = trouble
    async with open_door(shelf) as door:
        wire = await Wire.to(door)
        await wire.hello()
        await wire.envelope("support@example.com")
        answer = await wire.data(MAIL)
        assert answer.startswith("451 4.3.0")
        assert "hunter2" not in answer
        shelf.trouble = None
        await wire.envelope("support@example.com")
        assert (await wire.data(MAIL)).startswith("250")
        assert len(shelf.stored) == 1


async def test_an_exception_in_a_command_is_451_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door(Shelf()) as door:

        def broken(address: str) -> None:
            raise RuntimeError("hunter2")

        monkeypatch.setattr(door._routes, "queue_of", broken)
        wire = await Wire.to(door)
        await wire.hello()
        answers = await wire.envelope("support@example.com")
        assert answers[1].startswith("451 4.3.0")
        assert "hunter2" not in answers[1]
        wire.close()  # else the door waits for the end of this transaction


@pytest.mark.parametrize(
    ("recipient", "queue"),
    [
        ("support@example.com", "support"),
        ("SUPPORT@Example.COM", "support"),
        ("help@example.com", "support"),
        ("billing@example.com", "billing"),
        (SIGNER.reply_address("billing@example.com", 7), "billing"),
        (SIGNER.reply_address("billing@example.com", 7).upper(), "billing"),
        (SIGNER.bounce_address("support@example.com", 99), "support"),
        ("support+t7-aaaaaaaaaaaaaaaa@example.com", "support"),
        ("support+whatever@example.com", "support"),
        ("postmaster@example.com", "support"),
        ("Postmaster", "support"),
    ],
)
async def test_recipients_that_are_ours(recipient: str, queue: str) -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        wire = await Wire.to(door)
        await wire.hello()
        assert [a[:3] for a in await wire.envelope(recipient)] == ["250", "250"]
        assert (await wire.data(MAIL)).startswith("250")
    assert shelf.stored[0].envelope["queue"] == queue
    assert shelf.stored[0].envelope["recipients"] == [recipient]


@pytest.mark.parametrize(
    "recipient", ["nobody@example.com", "support@example.org", "postmaster@example.org", "@", "support"]
)
async def test_recipients_that_are_not_ours_are_550(recipient: str) -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        wire = await Wire.to(door)
        await wire.hello()
        answers = await wire.envelope(recipient, "support@example.com")
        assert answers[1].startswith("550 5.1.1")
        assert answers[2].startswith("250")
        assert (await wire.data(MAIL)).startswith("250")
    assert shelf.stored[0].envelope["recipients"] == ["support@example.com"]


async def test_two_queues_are_two_rows_in_one_call_and_the_envelope_is_no_headers() -> None:
    shelf = Shelf()
    forged = b"Return-Path: <boss@example.com>\r\nX-RcptTo: billing@example.com\r\n" + MAIL
    async with open_door(shelf) as door:
        wire = await Wire.to(door)
        await wire.hello()
        signed = SIGNER.reply_address("support@example.com", 5)
        await wire.envelope("support@example.com", "billing@example.com", signed)
        assert (await wire.data(forged)).startswith("250")
    assert shelf.calls == 1
    told = {row.envelope["queue"]: row.envelope for row in shelf.stored}
    assert told["support"]["recipients"] == ["support@example.com", signed]
    assert told["billing"]["recipients"] == ["billing@example.com"]
    assert told["support"]["sender"] == "zoe@example.net"
    assert told["support"]["peer"] == "127.0.0.1"
    assert len({row.key for row in shelf.stored}) == 2


async def test_null_sender_and_utf8_and_8bit() -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        wire = await Wire.to(door)
        await wire.hello()
        offered = (await wire.say("EHLO client.example"))[0]
        for extension in ("SIZE 26214400", "8BITMIME", "SMTPUTF8", "PIPELINING"):
            assert extension in offered
        assert "AUTH" not in offered
        assert "STARTTLS" not in offered
        await wire.envelope("support@example.com", sender="<>")
        assert (await wire.data(MAIL)).startswith("250")
        await wire.envelope("support@example.com", sender="<zoë@exämple.net> SMTPUTF8 BODY=8BITMIME")
        assert (await wire.data("Subject: Grüße\r\n\r\nä".encode())).startswith("250")
    assert [row.envelope["sender"] for row in shelf.stored] == ["", "zoë@exämple.net"]


async def test_it_logs_its_own_name_with_keys_and_no_signature() -> None:
    structlog.reset_defaults()
    shelf = Shelf()
    signed = SIGNER.reply_address("support@example.com", 5)
    with capture_logs() as logs:
        async with open_door(shelf) as door:
            wire = await Wire.to(door)
            await wire.hello()
            await wire.envelope(signed, sender=f"<{signed}>")
            await wire.data(MAIL)
    (entry,) = [e for e in logs if e["event"] == "handle_DATA"]
    assert entry["queues"] == ["support"]
    assert entry["keys"] == [shelf.stored[0].key.hex()[:16]]
    assert signed.partition("-")[2][:16] not in str(logs)


async def test_limits_on_size_and_recipients() -> None:
    shelf = Shelf()
    async with open_door(shelf, max_message_bytes=2000, max_recipients=2) as door:
        wire = await Wire.to(door)
        await wire.hello()
        assert (await wire.say("MAIL FROM:<a@example.net> SIZE=2001"))[0].startswith("552")
        assert (await wire.say("MAIL FROM:<a@example.net> SIZE=2000"))[0].startswith("250")
        answers = await wire.say(*["RCPT TO:<support@example.com>"] * 3)
        assert [a[:9] for a in answers] == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]
        assert (await wire.data(MAIL + b"x" * 3000)).startswith("552")
        await wire.envelope("support@example.com")
        assert (await wire.data(MAIL)).startswith("250")
    assert len(shelf.stored) == 1


async def test_connections_are_limited_in_all_and_come_free_again() -> None:
    async with open_door(Shelf(), max_connections=2) as door:
        first, second = await Wire.to(door), await Wire.to(door)
        await first.hello()
        await second.hello()
        third = await Wire.to(door)
        assert (await third.answer()).startswith("421")
        assert await third.answer() == ""
        first.close()
        await asyncio.sleep(0.05)
        await (await Wire.to(door)).hello()


def test_a_source_is_limited_but_not_the_host_itself_nor_trusted_relays() -> None:
    door = MailDoor(
        config_with(max_connections_per_source=1, trusted_relays=["192.0.2.0/24"]), Shelf(), SIGNER
    )
    for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "unix", "192.0.2.9"):
        assert [door.enter(peer)[0] for _ in range(3)] == [None] * 3
    for peer, neighbour in (("198.51.100.7", "198.51.100.7"), ("2001:db8::1", "2001:db8::2")):
        refused, leave = door.enter(peer)
        assert refused is None
        assert str(door.enter(neighbour)[0]).startswith("421")
        leave()
        assert door.enter(neighbour)[0] is None
    with pytest.raises(ConfigError, match="trusted_relays"):
        MailDoor(config_with(trusted_relays=["mx.example.com"]), Shelf(), SIGNER)


async def test_a_silent_client_is_sent_away() -> None:
    async with open_door(Shelf(), command_timeout="100ms") as door:
        wire = await Wire.to(door)
        await wire.hello()
        assert (await wire.answer()).startswith("421")


async def test_stop_lets_a_transaction_finish_and_sends_the_idle_away() -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        busy, idle = await Wire.to(door), await Wire.to(door)
        await busy.hello()
        await idle.hello()
        await busy.envelope("support@example.com")
        assert shelf.in_flight == 1
        stopping = asyncio.create_task(door.stop())
        assert (await idle.answer()).startswith("421")
        assert not door.ready
        assert (await busy.data(MAIL)).startswith("250")
        assert (await busy.answer()).startswith("421")
        await asyncio.wait_for(stopping, 2)
        with pytest.raises(OSError):
            await Wire.to(door)
    assert len(shelf.stored) == 1
    assert shelf.in_flight == 0


async def test_no_login_and_no_lists_of_addresses() -> None:
    async with open_door(Shelf()) as door:
        wire = await Wire.to(door)
        await wire.hello()
        answers = await wire.say("AUTH PLAIN AGEAYg==", "VRFY support@example.com", "EXPN staff")
        assert [a[:3] for a in answers] == ["502", "252", "502"]
        assert "support" not in answers[1]


async def test_starttls_where_a_certificate_is_configured(tmp_path: Path) -> None:
    certificate, key = certificate_in(tmp_path)
    shelf = Shelf()
    async with open_door(shelf, tls_certificate=str(certificate), tls_key=str(key)) as door:

        def send() -> None:
            message = EmailMessage()
            message["From"], message["Subject"] = "zoe@example.net", "over TLS"
            message.set_content("x" * 200_000)
            with smtplib.SMTP("localhost", door.port, timeout=5) as client:
                client.starttls(context=ssl.create_default_context(cafile=str(certificate)))
                assert not client.has_extn("auth")
                client.send_message(message, "zoe@example.net", ["support@example.com"])

        await asyncio.to_thread(send)
    assert len(shelf.stored) == 1
    with pytest.raises(ConfigError, match="tls_certificate"):
        async with open_door(Shelf(), tls_certificate=str(tmp_path / "none.pem")):
            pass
