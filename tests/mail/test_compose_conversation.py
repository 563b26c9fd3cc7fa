"""Outlook's thread index: kept from the requester's mails, carried on by our answers."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

import pytest

from intake.email import thread_index
from intake.email.compose import compose_mail
from intake.email.read import ReadContext, read_mail
from tests.mail.test_compose import CONTEXT, NOW, notice, outgoing, parsed, ticket

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
GUID = bytes(range(16))


def ticks(at: datetime) -> int:
    return int((at - EPOCH).total_seconds()) * 10_000_000


def outlook(at: datetime, *, exchange: bool = False) -> str:
    """An index as a client begins it: the time's first six bytes, or a byte of 1 and the first five."""
    time = ticks(at).to_bytes(8, "big")
    return b64encode((b"\x01" + time[:5] if exchange else time[:6]) + GUID).decode()


@pytest.mark.parametrize("exchange", [False, True])
@pytest.mark.parametrize("passed", [timedelta(minutes=5), timedelta(days=90), timedelta(days=900)])
def test_an_answer_says_when_after_the_beginning_it_was_written(exchange: bool, passed: timedelta) -> None:
    began = NOW - passed
    parent = outlook(began, exchange=exchange)
    made = thread_index.answer(parent, NOW, "seed")
    assert made is not None
    raw = b64decode(made)
    assert raw[:22] == b64decode(parent)
    assert len(raw) == 27
    block = int.from_bytes(raw[22:26], "big")
    coarse, delta = block >> 31, block & 0x7FFF_FFFF
    assert coarse == (passed > timedelta(days=650))
    said = timedelta(microseconds=(delta << (23 if coarse else 18)) / 10)
    assert abs(said - passed) < timedelta(seconds=3)  # the header's time is cut to 1.7 s at most
    assert thread_index.answer(made, NOW, "seed") != made
    assert len(b64decode(str(thread_index.answer(made, NOW, "seed")))) == 32


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "AdpK",
        "not base64 at all!",
        b64encode(bytes(21)).decode(),
        b64encode(bytes(23)).decode(),
        "é",
    ],
)
def test_what_is_none_is_left_out(value: str | None) -> None:
    assert thread_index.usable(value) is None
    assert thread_index.answer(value or "", NOW, "seed") is None


def test_long_and_folded_ones() -> None:
    folded = outlook(NOW)[:20] + "\r\n\t " + outlook(NOW)[20:]
    assert thread_index.usable(folded) == outlook(NOW)
    deep = b64encode(b64decode(outlook(NOW)) + bytes(5 * 300)).decode()
    assert thread_index.usable(deep) == outlook(NOW), "the conversation's name is kept"
    kept = b64encode(b64decode(outlook(NOW)) + bytes(5 * 50)).decode()
    assert thread_index.usable(kept) == kept
    before_its_time = thread_index.answer(outlook(NOW), NOW - timedelta(days=1), "seed")
    assert b64decode(str(before_its_time))[22:26] == bytes(4)


def test_our_answer_carries_it_on_with_the_topic() -> None:
    made = outgoing(thread_index=outlook(NOW - timedelta(hours=1)), ticket=ticket("RE: Größe " + "x" * 120))
    mail = compose_mail(made, CONTEXT)
    assert mail == compose_mail(made, CONTEXT)
    head = parsed(mail)
    assert head["Thread-Index"].replace(" ", "") == thread_index.answer(
        made.thread_index, NOW, "ticket.12.77.abcd@example.com"
    )
    assert head["Thread-Topic"] == "Größe " + "x" * 120
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998
    ack = parsed(compose_mail(notice("ack", thread_index=made.thread_index), CONTEXT))
    assert ack["Thread-Index"] is not None
    for other in (outgoing(), notice("confirm", thread_index=made.thread_index)):
        assert parsed(compose_mail(other, CONTEXT))["Thread-Index"] is None
        assert parsed(compose_mail(other, CONTEXT))["Thread-Topic"] is None


def test_reading_keeps_it() -> None:
    context = ReadContext(keys=("test key",), queues={"support": ("support@example.com",)})
    head = "From: zoe@example.net\r\nMessage-ID: <8@x>\r\nThread-Index: "
    for value, kept in ((outlook(NOW), outlook(NOW)), ("rubbish", None)):
        mail = read_mail(f"{head}{value}\r\n\r\nHello".encode(), {"sender": "zoe@example.net"}, context)
        assert getattr(mail, "thread_index", "none") == kept
