"""The mail door and clients that mean no good, or break off."""

from __future__ import annotations

import asyncio
import gc
import ssl
import time
from pathlib import Path

import pytest

from intake.email.smtp_protocol import path_of
from tests.mail.server_house import Shelf, Wire, certificate_in, open_door
from tests.waiting import until

HEAD = b"From: zoe@example.net\r\nSubject: x\r\nMessage-ID: <1@example.net>\r\n\r\n"


async def taken(body: bytes, **inbound: object) -> list[bytes]:
    """What a mail with this body becomes."""
    shelf = Shelf()
    async with open_door(shelf, **inbound) as door:
        wire = await Wire.to(door)
        await wire.hello()
        await wire.envelope("support@example.com")
        assert (await wire.data(HEAD + body)).startswith("250")
        assert (await wire.say("NOOP"))[0].startswith("250")
    return [shelf.bytes_of(row).removeprefix(HEAD) for row in shelf.stored]


@pytest.mark.parametrize(
    "trick",
    [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n\n.\r\n", b"\r\n\x00.\r\n"],
)
async def test_only_crlf_dot_crlf_ends_a_mail(trick: bytes) -> None:
    """Whatever else looks like an end stays inside: else a second mail is smuggled in, with any sender."""
    smuggled = b"MAIL FROM:<boss@example.com>\r\nRCPT TO:<support@example.com>\r\nDATA\r\nevil"
    bodies = await taken(b"one" + trick + smuggled)
    assert len(bodies) == 1
    assert smuggled in bodies[0]


async def test_stuffed_dots_come_off_once() -> None:
    assert await taken(b"..\r\n...x\r\na.b") == [b".\r\n..x\r\na.b\r\n"]


@pytest.mark.parametrize("length", [998, 1001, 8192, 65_535, 65_536, 65_537, 131_072, 1_048_576, 3_000_000])
async def test_lines_of_any_length_come_whole(length: int) -> None:
    line = bytes(33 + i % 90 for i in range(1000)) * (length // 1000 + 1)
    body = line[:length] + b"\r\nafter"
    assert await taken(body) == [body + b"\r\n"]


async def test_a_long_line_with_dots_where_the_pieces_meet() -> None:
    for shift in range(4):
        body = b"a" * (65_536 - len(HEAD) - shift) + b".\r\n.." + b"b" * 65_536 + b"\r\n..\r\nend"
        assert await taken(body) == [body.replace(b"\r\n..", b"\r\n.") + b"\r\n"]


async def test_pipelined_mails_in_one_piece_are_all_taken() -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        wire = await Wire.to(door)
        await wire.hello()
        one = (
            b"MAIL FROM:<a@example.net>\r\nRCPT TO:<support@example.com>\r\nDATA\r\n" + HEAD + b"%d\r\n.\r\n"
        )
        wire.send(b"".join(one.replace(b"%d", b"%d" % i) for i in range(20)))
        for _ in range(20):
            answers = [await wire.answer() for _ in range(4)]
            assert [a[:3] for a in answers] == ["250", "250", "354", "250"]
    assert [row.raw[len(HEAD) :] for row in shelf.stored] == [b"%d\r\n" % i for i in range(20)]
    assert shelf.in_flight == 0


async def test_a_client_that_breaks_off_leaves_nothing_behind() -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        for said in (
            b"",
            b"EHLO x\r\nMAIL FROM:<a@b>\r\n",
            b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<support@example.com>\r\nDATA\r\n" + HEAD,
        ):
            wire = await Wire.to(door)
            await wire.answer()
            wire.send(said + b"half a mail\r\n")
            await asyncio.sleep(0.05)
            wire.close()
        await asyncio.sleep(0.1)
        assert shelf.in_flight == 0
        assert door._limits.total == 0
        assert shelf.stored == []
    gc.collect()  # a task whose exception nobody took would complain here


async def test_a_client_that_leaves_before_our_yes_repeats_and_nothing_breaks() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    async with open_door(shelf) as door:
        wire = await Wire.to(door)
        await wire.hello()
        await wire.envelope("support@example.com")
        await wire.say("DATA")
        wire.send(HEAD + b"x\r\n.\r\n")
        await asyncio.sleep(0.05)
        wire.close()
        await asyncio.sleep(0.05)
        shelf.gate.set()
        again = await Wire.to(door)
        await again.hello()
        await again.envelope("support@example.com")
        assert (await again.data(HEAD + b"x")).startswith("250")
    assert shelf.in_flight == 0
    assert len({row.key for row in shelf.stored}) == 1


async def test_commands_that_make_no_sense() -> None:
    async with open_door(Shelf()) as door:
        wire = await Wire.to(door)
        await wire.hello()
        for said, code in (
            ("MAIL FROM:<a@b", "553"),
            ("MAIL FROM:<a b@c>", "553"),
            ("MAIL FROM:<" + "(" * 400 + "@b>", "250"),
            ("RSET", "250"),
            ("DATA", "503"),
            ("RCPT TO:<support@example.com>", "503"),
            ("MAIL FROM:<a@b> SIZE=1e9", "501"),
            ("MAIL FROM:<a@b> SIZE=" + "9" * 300, "552"),
            ("MAIL FROM:<a@b> AUTH=x", "555"),
            ("X" * 5000, "500"),
            ("MAIL FROM:<" + "a" * 70_000 + "@b>", "500"),
            (b"\xff\xfe", "500"),
            ("NOOP", "250"),
        ):
            assert (await wire.say(said))[0][:3] == code, said[:40]


async def test_a_mail_far_over_the_limit_costs_no_memory_and_gets_552() -> None:
    shelf = Shelf()
    async with open_door(shelf, max_message_bytes=100_000) as door:
        wire = await Wire.to(door)
        await wire.hello()
        await wire.envelope("support@example.com")
        await wire.say("DATA")
        for _ in range(100):
            wire.send(b"y" * 99_998 + b"\r\n")
            await wire.writer.drain()
        wire.send(b".\r\n")
        assert (await wire.answer()).startswith("552")
        await wire.envelope("support@example.com")
        assert (await wire.data(HEAD + b"small")).startswith("250")
    assert len(shelf.stored) == 1


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("<a@b.example>", "a@b.example"),
        ("<>", "<>"),
        (" <a@b> SIZE=3", "a@b"),
        ("a@b SIZE=3", "a@b"),
        ('<"a b>"@c>', '"a b>"@c'),
        ("<@relay.example,@two:a@b>", "a@b"),
        ("<postmaster>", "postmaster"),
        ("<bob@[127.0.0.1]>", "bob@[127.0.0.1]"),
        ("<zoë@bücher.example>", "zoë@bücher.example"),
        ("<a@b\x00>", None),
        ("<a\tb@c>", None),
        ("<a@b", None),
        ("", None),
    ],
)
def test_addresses_in_commands(said: str, address: str | None) -> None:
    assert path_of(said)[0] == address


def test_addresses_are_parsed_in_linear_time() -> None:
    began = time.perf_counter()
    for hostile in ('<"' + '\\"' * 200_000, "<" + "(" * 400_000, '<"' + "a" * 400_000 + "@b>", "<" * 400_000):
        path_of(hostile)
    assert time.perf_counter() - began < 1


async def test_a_client_that_drips_is_heard_while_it_says_something_but_not_for_ever() -> None:
    shelf = Shelf()
    async with open_door(shelf, command_timeout="300ms") as door:
        slow, endless = await Wire.to(door), await Wire.to(door)
        for wire in (slow, endless):
            await wire.hello()
            await wire.envelope("support@example.com")
            await wire.say("DATA")

        async def drip(wire: Wire, data: bytes) -> None:
            for byte in data:
                wire.send(bytes([byte]))
                await asyncio.sleep(0.02)

        began = time.monotonic()
        forever = asyncio.create_task(drip(endless, b"x" * 10_000))
        await drip(slow, HEAD[:50])
        assert time.monotonic() - began > 0.9
        slow.send(HEAD[50:] + b".\r\n")
        assert (await slow.answer()).startswith("250")
        while not (said := await endless.reader.readline()):
            pass
        assert said.startswith(b"421 4.4.2")
        assert time.monotonic() - began < 10
        forever.cancel()
    assert len(shelf.stored) == 1


async def test_a_flood_of_connections_gets_421_and_those_who_were_there_first_are_served() -> None:
    shelf = Shelf()
    async with open_door(shelf) as door:
        wires = [await Wire.to(door) for _ in range(300)]
        greetings = [await wire.answer() for wire in wires]
        assert [said[:3] for said in greetings] == ["220"] * 100 + ["421"] * 200
        assert (await wires[99].say("EHLO x"))[0].startswith("250")
        await wires[99].envelope("support@example.com")
        assert (await wires[99].data(HEAD + b"x")).startswith("250")
        for wire in wires:
            wire.close()
        await until(lambda: door._limits.total == 0)


async def test_what_is_not_offered_is_refused() -> None:
    """No BDAT (RFC 3030): its chunks would be a second way for bytes to come in."""
    async with open_door(Shelf()) as door:
        wire = await Wire.to(door)
        await wire.hello()
        offered = (await wire.say("EHLO client.example"))[0]
        assert "CHUNKING" not in offered
        assert "BINARYMIME" not in offered
        answers = await wire.say(
            "MAIL FROM:<a@b> BODY=BINARYMIME", "STARTTLS", "BDAT 3 LAST", "XCLIENT ADDR=127.0.0.1"
        )
        assert [answer[0] for answer in answers] == ["5", "4", "5", "5"]  # 454: no TLS here


async def test_commands_behind_starttls_are_not_obeyed(tmp_path: Path) -> None:
    """What came in clear with STARTTLS is forgotten (RFC 3207 4.2): else somebody on the way adds commands."""
    certificate, key = certificate_in(tmp_path)
    shelf = Shelf()
    async with open_door(shelf, tls_certificate=str(certificate), tls_key=str(key)) as door:
        wire = await Wire.to(door)
        await wire.hello()
        wire.send(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
        assert (await wire.answer()).startswith("220")
        context = ssl.create_default_context(cafile=str(certificate))
        await wire.writer.start_tls(context, server_hostname="localhost")
        assert (await wire.say("EHLO x"))[0].startswith("250")
        assert (await wire.say("RCPT TO:<support@example.com>"))[0].startswith("503")
        wire.close()
