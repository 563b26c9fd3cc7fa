"""The mail channel whole: read in a child, render once, send the same bytes, probe."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.blobs import Blobs
from core.children import Children
from core.config import Config, parse
from core.failures import TemporaryFailure, UnknownOutcome
from core.shapes import Attachment, Evidence, InboxItem, NewMessage, Seen
from intake.email.addresses import Signer
from intake.email.channel import EmailChannel
from intake.email.composed import ComposedMail
from intake.email.read import ReadContext, read_mail
from intake.email.spec import SPEC
from tests.mail.test_compose import message, notice, outgoing, parsed
from tests.mail.test_relay import FakeRelay, relayed


def config(folder: Path, **more: object) -> Config:
    return parse(
        {
            "service": {"secret_key": "test key", "data_dir": str(folder), "name": "Acme"},
            "email": {"outbound": {"port": 1, "tls": "none", "timeout": "300ms"}},
            "queue": [
                {"name": "support", "addresses": ["support@example.com"]},
                {"name": "billing", "addresses": ["billing@bücher.example"]},
                {"name": "bare", "addresses": []},
            ],
        }
        | more
    )


async def test_the_bytes_of_the_first_try_go_again_with_their_envelope(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    key = await blobs.put(b"\x00\xff picture" * 40_000)
    files = (
        Attachment(id=1, name="big.bin", content_type="application/x", size=440_000, blob=key),
        Attachment(id=2, name="lost.bin", content_type="application/x", size=1, blob="0" * 32),
    )
    made = outgoing(message=message(attachments=files))
    fake = FakeRelay(DOT="drop")
    async with relayed(fake, timeout="2s") as relay:
        channel = EmailChannel(config(tmp_path), blobs, Children(), relay=relay)
        rendered = await channel.render(made)
        assert rendered == await channel.render(replace(made, attempts=3))
        with pytest.raises(UnknownOutcome):
            await channel.send(made, rendered)
        assert await channel.look_up(made) == (Seen.UNKNOWN, None)
        fake.answers["DOT"] = "250 2.0.0 queued as XYZ"
        sent = await channel.send(replace(made, place="other@example.net", attempts=2), rendered)
        assert sent.remote_id == "2.0.0 queued as XYZ"
        await channel.close()
    assert channel.spec is SPEC
    assert fake.mails[0] == fake.mails[1]
    assert b"lost.bin could not be attached" in fake.mails[0]
    assert [c for c in fake.commands if c.startswith("RCPT")] == ["RCPT TO:<zoe@example.net>"] * 2


async def test_the_queue_writes_from_its_own_address(tmp_path: Path) -> None:
    channel = EmailChannel(config(tmp_path), Blobs(tmp_path), Children())
    for queue, address in (
        ("billing", "billing@xn--bcher-kva.example"),
        ("bare", "support@example.com"),
        ("gone", "support@example.com"),
    ):
        mail = ComposedMail.unpack(await channel.render(notice("ack", queue=queue)))
        assert parsed(mail)["From"] == f"Acme <{address}>"


async def test_reading_happens_in_a_child(tmp_path: Path) -> None:
    children = Children(preload=("intake.email.read",))
    channel = EmailChannel(config(tmp_path), Blobs(tmp_path), children)
    signed = Signer(["test key"]).reply_address("support@example.com", 12)
    item = InboxItem(
        id=1,
        key=b"k" * 32,
        channel="email",
        envelope={"sender": "zoe@example.net", "recipients": [signed], "queue": "support"},
        raw=b"From: Zoe <zoe@example.net>\r\nSubject: Re: x\r\nMessage-ID: <9@example.net>\r\n\r\nThanks!\r\n",
        received_at=datetime(2026, 3, 4, tzinfo=UTC),
    )
    try:
        inbound = await channel.read(item)
    finally:
        await children.close()
    assert isinstance(inbound, NewMessage)
    assert inbound.visible == "Thanks!"
    assert inbound.evidence == Evidence(signed=(12,), references=inbound.evidence.references)


async def test_a_forward_that_names_nobody_comes_out_of_the_child(tmp_path: Path) -> None:
    """What a child answers is made of plain values alone."""
    children = Children(preload=("intake.email.read",))
    channel = EmailChannel(config(tmp_path), Blobs(tmp_path), children)
    item = InboxItem(
        id=1,
        key=b"k" * 32,
        channel="email",
        envelope={"sender": "zoe@example.net", "recipients": ["support@example.com"], "queue": "support"},
        raw=b"From: Zoe <zoe@example.net>\r\nSubject: Fwd: Printer\r\nMessage-ID: <9@example.net>\r\n\r\nLook!\r\n",
        received_at=datetime(2026, 3, 4, tzinfo=UTC),
    )
    try:
        inbound = await channel.read(item)
    finally:
        await children.close()
    assert isinstance(inbound, NewMessage)
    assert inbound.forwarded is not None
    assert inbound.forwarded.why == "forward_nobody"


async def test_what_reading_cuts_is_what_composing_writes(tmp_path: Path) -> None:
    """An answer above our whole quoted mail, with no other sign of a quote, shows the answer alone."""
    channel = EmailChannel(config(tmp_path), Blobs(tmp_path), Children())
    mail = ComposedMail.unpack(await channel.render(outgoing()))
    plain = parsed(mail).get_body(("plain",))
    assert plain is not None
    answer = "Water helped.\n\n" + plain.get_content()
    raw = b"From: zoe@example.net\r\nMessage-ID: <8@x>\r\n\r\n" + answer.encode().replace(b"\n", b"\r\n")
    context = ReadContext(keys=("test key",), queues={"support": ("support@example.com",)})
    inbound = read_mail(raw, {"sender": "zoe@example.net", "queue": "support"}, context)
    assert isinstance(inbound, NewMessage)
    assert inbound.visible == "Water helped."
    assert "pour water" in inbound.text


async def test_probe_says_how_to_mend(tmp_path: Path) -> None:
    long = [{"name": "long", "addresses": ["x" * 36 + "@example.com"]}, {"name": "bare"}]
    async with relayed(FakeRelay()) as relay:
        channel = EmailChannel(config(tmp_path, queue=long), Blobs(tmp_path), Children(), relay=relay)
        fine, door, first, second = await channel.probe()
        assert (door.part, door.problem) == ("mail door", None)
        assert fine.problem is None
        assert "35 octets" in str(first.problem)
        assert "queue.addresses" in str(second.problem)
    away, *_ = await EmailChannel(config(tmp_path), Blobs(tmp_path), Children()).probe()
    assert "can't be reached" in str(away.problem)
    channel = EmailChannel(config(tmp_path), Blobs(tmp_path), Children())
    rendered = await channel.render(outgoing())
    with pytest.raises(TemporaryFailure):
        await channel.send(outgoing(), rendered)


async def test_probe_looks_at_every_relay(tmp_path: Path) -> None:
    outbound = {"port": 1, "tls": "none", "timeout": "300ms", "fallback": [{"port": 2, "tls": "none"}]}
    channel = EmailChannel(config(tmp_path, email={"outbound": outbound}), Blobs(tmp_path), Children())
    first, second, *_ = await channel.probe()
    assert (first.part, first.text) == ("mail relay", "127.0.0.1:1")
    assert (second.part, second.text) == ("fallback relay 1", "127.0.0.1:2")
    assert "can't be reached" in str(second.problem)
    await channel.close()
