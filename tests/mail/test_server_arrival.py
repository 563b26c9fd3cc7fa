"""What makes two mails the same, and what keeps a thread in order."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.inbox import Intake, shard_of
from intake.email.arrival import Envelope, arrivals
from tests.mail.server_house import Wire, open_door
from tests.stores import Store

NOW = datetime(2026, 3, 4, 9, 30, 15, tzinfo=UTC)
BASE = (
    b"Received: from a\r\nFrom: Zoe <z@example.net>\r\nDate: Wed, 4 Mar 2026 09:30:00 +0000\r\n"
    b"Subject: Broken\r\nMessage-ID: <1@example.net>\r\n\r\nIt broke.\r\nBadly.\r\n"
)


def key(
    raw: bytes, queue: str = "support", sender: str | None = "z@example.net", now: datetime = NOW
) -> bytes:
    (row,) = arrivals(raw, Envelope(sender=sender, queues={queue: ("support@example.com",)}), now)
    return row.key


def thread(raw: bytes) -> str:
    (row,) = arrivals(raw, Envelope(sender="", queues={"support": ()}), NOW)
    return row.shard_by


@pytest.mark.parametrize(
    "same",
    [
        BASE.replace(b"from a", b"from b by c"),
        b"Return-Path: <x@y>\r\nDelivered-To: support@example.com\r\n" + BASE,
        BASE.replace(b"\r\n", b"\n"),
        BASE.removesuffix(b"\r\n"),
        BASE.replace(b"Subject: Broken", b"SUBJECT:  \r\n\tBroken"),
        BASE.replace(b"To: ", b"X-Spam: no\r\nTo: "),
    ],
)
def test_the_same_mail_by_another_way_is_one(same: bytes) -> None:
    assert key(same) == key(BASE)
    assert key(BASE, sender="bounces@elsewhere", now=NOW + timedelta(days=2)) == key(BASE)


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace(b"Badly", b"badly"),
        BASE.replace(b"Subject: Broken", b"Subject: Mended"),
        BASE.replace(b"<1@", b"<2@"),
        BASE.replace(b"z@example.net", b"y@example.net"),
        BASE.replace(b"09:30:00", b"09:30:01"),
        BASE + b"\r\n",
        BASE.replace(b"Subject: Broken\r\n", b"Subject: Broken\r\nFrom: other@example.net\r\n"),
        BASE.replace(b"It broke.\r\n", b"It broke.\r"),
        b"Content-Type: application/x-hidden\r\n" + BASE,
        b"Content-Transfer-Encoding: base64\r\n" + BASE,
        b"Auto-Submitted: auto-replied\r\n" + BASE,
        b"In-Reply-To: <0@example.net>\r\n" + BASE,
    ],
)
def test_another_mail_is_another(other: bytes) -> None:
    assert key(other) != key(BASE)
    assert key(BASE, queue="billing") != key(BASE)


def test_without_id_and_date_sender_and_minute_tell_mails_apart() -> None:
    bare = b"Subject: x\r\n\r\nfax"
    assert key(bare) == key(bare, now=NOW + timedelta(seconds=30))
    assert key(bare) != key(bare, now=NOW + timedelta(minutes=1))
    assert key(bare) != key(bare, sender="y@example.net")
    dated = b"Date: x\r\n" + bare
    assert key(dated) == key(dated, now=NOW + timedelta(minutes=1), sender="y@example.net")


def test_answers_share_the_shard_of_what_they_answer() -> None:
    first = b"Message-ID: <first@x>\r\n\r\n"
    assert thread(first) == thread(b"References: <first@x> <b@x>\r\nMessage-ID: <c@x>\r\n\r\n")
    assert thread(first) == thread(b"references:\r\n <first@x>\r\n <b@x>\r\n\r\n")
    assert thread(first) == thread(b"In-Reply-To: Your mail <first@x> of Monday\r\nMessage-ID: <d@x>\r\n\r\n")
    assert thread(first) != thread(b"Message-ID: <other@x>\r\n\r\n")
    assert 0 <= shard_of(thread(b"")) < 16


@given(st.binary(max_size=400))
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    assert len(key(raw)) == 32
    assert key(raw, sender="\udcff\ud800") != b""


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_two_bodies_are_one_only_if_their_lines_are(one: bytes, two: bytes) -> None:
    def lines(body: bytes) -> bytes:
        return body.replace(b"\r\n", b"\n").removesuffix(b"\n")

    head = b"Message-ID: <1@x>\r\n\r\n"
    assert (key(head + one) == key(head + two)) == (lines(one) == lines(two))


def test_line_ends_where_pieces_meet() -> None:
    head = b"Message-ID: <1@x>\r\n\r\n"
    for size in range(1_048_570, 1_048_580):
        body = b"a" * size + b"\r\n" + b"b" * 10
        assert key(head + body) == key(head + body.replace(b"\r\n", b"\n"))


def test_hostile_heads_cost_little() -> None:
    began = time.perf_counter()
    for hostile in (
        b"a:\n" * 2_000_000,
        b"References: " + b"<" * 5_000_000,
        b"References: " + b"<x@y> " * 500_000 + b"\r\n\r\n",
        b"Subject: x\r\n" + b" y\r\n" * 1_000_000,
        b"\r\n" * 2_000_000,
        b"x" * 10_000_000,
    ):
        key(hostile)
    assert time.perf_counter() - began < 3


async def test_stored_for_good_in_one_transaction_and_once(store: Store) -> None:
    """With the real inbox: both rows of a mail to two queues, the bytes as they came, a repeat is no second row."""
    from core.blobs import Blobs
    from core.clock import Clock
    from core.database import Database
    from core.signals import Signal

    database = Database(store.config().database, Clock())
    intake = Intake(database, Blobs(store.folder / "blobs"), Signal())
    large = b"Message-ID: <2@x>\r\n\r\n" + b"0123456789abcdef\r\n" * 20_000
    try:
        async with open_door(intake) as door:
            wire = await Wire.to(door)
            await wire.hello()
            for mail in (BASE, BASE, large):
                await wire.envelope("support@example.com", "billing@example.com")
                assert (await wire.data(mail.removesuffix(b"\r\n"))).startswith("250")
    finally:
        await database.close()
    rows = store.rows("SELECT * FROM inbox ORDER BY id")
    assert [(row["channel"], row["state"], row["bytes"]) for row in rows] == (
        [("email", "new", len(BASE))] * 2 + [("email", "new", len(large))] * 2
    )
    assert bytes(rows[0]["raw"]) == BASE
    assert Blobs(store.folder / "blobs").path(rows[2]["blob"]).read_bytes() == large
