"""What fetching by IMAP decides, without a server."""

from __future__ import annotations

import imaplib
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.config import Imap, parse
from core.failures import Scope, TemporaryFailure
from intake.email.imap_check import told
from intake.email.imap_rules import (
    LEFT_AGAIN,
    MOST_LEFT,
    Cursor,
    Failures,
    Step,
    account_name,
    begin,
    envelope_of,
    said,
    shown_names,
    stand_in,
    trouble_of,
    wanted,
)
from intake.email.imap_session import Mailbox, Offers
from intake.email.oauth import TokenRefused
from intake.email.routing import Routes

CONFIG = parse(
    {
        "service": {"secret_key": "k" * 32},
        "queue": [
            {"name": "support", "addresses": ["support@example.com", "help@example.com"]},
            {"name": "billing", "addresses": ["billing@example.com"]},
        ],
    }
)
NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)


def box(**more: Any) -> Imap:
    """An account."""
    return Imap.model_validate(
        {"queue": "support", "host": "imap.example.com", "username": "ann@example.com", "password": "x"}
        | more
    )


def test_the_first_look_takes_unread_mails_alone() -> None:
    """And from then on everything that comes."""
    cursor, anew = begin(None, validity=7, uid_next=101)
    assert (cursor, anew) == (Cursor(7, 100), True)
    assert wanted([3, 50], [100], cursor, ()) == [3, 50]  # `101:*` finds the newest, read or not
    assert wanted([102], [101, 102], cursor, ()) == [101, 102]
    assert begin(Cursor(7, 80), validity=7, uid_next=101) == (Cursor(7, 80), False)
    assert begin(Cursor(7, 80, (4,)), validity=8, uid_next=1) == (Cursor(8, 0), True)


def test_what_failed_is_tried_again_whether_read_or_not() -> None:
    """It's kept with the cursor, and given up by count, not silently by a restart."""
    cursor = Cursor(7, 10).after(done={11, 13}, failed={12})
    assert cursor == Cursor(7, 13, (12,))
    assert wanted([], [], cursor, ()) == [12]
    assert wanted([], [], cursor, {12}) == []
    assert cursor.after(done={12}, failed=()) == Cursor(7, 13)
    assert cursor.after(done=(), failed={12}) == cursor
    assert cursor.after(done=(), failed=()) == cursor
    assert len(Cursor(7, 0).after((), set(range(1, 2000))).left) == MOST_LEFT
    assert Cursor.unpack(cursor.pack()) == cursor


@pytest.mark.parametrize(
    "data", [{}, {"validity": "x"}, {"validity": 1, "above": None, "left": []}, {"channels": {}}]
)
def test_a_cursor_that_makes_no_sense_is_none(data: dict[str, Any]) -> None:
    """Then the mailbox is begun anew."""
    assert Cursor.unpack(data) is None


def test_a_mail_at_which_connections_die_is_left_at_the_third() -> None:
    """For an hour."""
    failures = Failures()
    assert [failures.died(5), failures.died(5), failures.died(6), failures.died(5)] == [
        False,
        False,
        False,
        True,
    ]
    failures.leave(5, NOW)
    assert failures.waiting(NOW) == {5}
    assert failures.waiting(NOW + LEFT_AGAIN + timedelta(seconds=1)) == set()
    failures.done(5)
    assert failures.waiting(NOW) == set()


@pytest.mark.parametrize(
    ("head", "sender", "recipients"),
    [
        (b"Return-Path: <z@example.net>\r\nDelivered-To: help@example.com\r\n", "z@example.net", ("help@example.com",)),
        (b"Return-Path: <>\r\n", "", ("support@example.com",)),
        (b"", None, ("support@example.com",)),
        (b"Delivered-To: archive@example.com\r\nX-Original-To: support+t4-abc@example.com\r\n", None,
         ("support+t4-abc@example.com",)),
        (b"Delivered-To: billing@example.com\r\n", None, ("support@example.com",)),
        (b"\r\nDelivered-To: help@example.com\r\n", None, ("support@example.com",)),
    ],
)  # fmt: skip
def test_whose_a_mail_is(head: bytes, sender: str | None, recipients: tuple[str, ...]) -> None:
    """The account's queue, whatever the mail says; its fields tell the recipients that are that queue's."""
    told = envelope_of(head + b"Subject: x\r\n\r\nx", box(), Routes(CONFIG), "support@example.com")
    assert told.queues == {"support": recipients}
    assert (told.sender, told.trusted, told.protocol) == (sender, True, "imap")


def test_names_hold_no_address() -> None:
    """Neither the lease's nor what /readyz shows; the lease's is the same in every instance."""
    one, other = box(), box(mailbox="Tickets")
    assert account_name(one) == account_name(box(host="IMAP.example.com"))
    assert account_name(one) != account_name(other)
    assert "ann" not in account_name(one)
    assert len(account_name(one)) <= 120
    names = shown_names([one, box(queue="billing"), other])
    assert names == ["imap:support", "imap:billing", "imap:support-2"]


def test_the_stand_in_has_the_header_and_no_trace_of_the_body() -> None:
    """Who wrote, about what, in which thread; but nothing that says the text were something else."""
    raw = (
        b"From: zoe@example.net\r\nSubject: =?utf-8?q?Gro=C3=9F?=\r\n folded\r\nContent-Type: multipart/mixed;\r\n"
        b'\tboundary="b"\r\nMIME-Version: 1.0\r\ncontent-transfer-encoding: base64\r\nIn-Reply-To: <1@example.com>\r\n'
        b"no field at all\r\n\r\n--b secret body"
    )
    made = stand_in(raw, 30_000_000, 26_214_400, "INBOX\r\nX: y")
    head, _, body = made.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"From: zoe@example.net",
        b"Subject: =?utf-8?q?Gro=C3=9F?=",
        b" folded",
        b"In-Reply-To: <1@example.com>",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: 8bit",
    ]
    assert b"30000000 bytes, more than the 26214400" in body
    assert b"in the mailbox INBOX X: y, flagged" in body
    for junk in (b"", b"\r\n", b"\n\n", b"\x00\xff" * 400_000, b"a: b\n" * 100_000):
        assert stand_in(junk, 1, 1, "x").endswith(b"read.\r\n")


@pytest.mark.parametrize(
    ("step", "exc", "words", "mend"),
    [
        (Step.CONNECT, ConnectionRefusedError(111, "Connection refused"), "(Connection refused)", False),
        (Step.CONNECT, TimeoutError("timed out"), "doesn't answer", False),
        (Step.CONNECT, ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "check port and tls", True),
        (Step.TLS, imaplib.IMAP4.error("Server does not support STARTTLS"), 'set tls = "tls"', True),
        (Step.TOKEN, TokenRefused("mend it"), "mend it", True),
        (Step.TOKEN, TemporaryFailure("later", scope=Scope.CHANNEL), "later", False),
        (Step.LOGIN, imaplib.IMAP4.error("b'[AUTHENTICATIONFAILED] No.'"), "check username and password", True),
        (Step.LOGIN, imaplib.IMAP4.error("[UNAVAILABLE] Temporary failure"), "takes no login now", False),
        (Step.LOGIN, imaplib.IMAP4.error("LOGINDISABLED"), 'set tls = "starttls"', True),
        (Step.LOGIN, imaplib.IMAP4.abort("command: LOGIN => socket error: EOF"), "the connection was lost", False),
        (Step.MAILBOX, imaplib.IMAP4.error("select failed: no such"), "can't be opened", False),
        (Step.MAILBOX, imaplib.IMAP4.readonly("x"), "can only be read", True),
        (Step.FETCH, imaplib.IMAP4.error("search failed: [SERVERBUG]"), "the server refused", False),
        (Step.FETCH, ValueError("x"), "makes no sense (ValueError)", False),
    ],
)  # fmt: skip
def test_what_trouble_means(step: Step, exc: Exception, words: str, mend: bool) -> None:
    """Whether time mends it, or a person."""
    trouble = trouble_of(step, exc, box())
    assert words in trouble.reason
    assert trouble.mend is mend


def test_foreign_words_are_shown_short_and_on_one_line() -> None:
    """A log line is one line."""
    assert said(imaplib.IMAP4.error("b'No\\r\\n way'")) == "No\\r\\n way"
    assert said(imaplib.IMAP4.error("a\r\nb\x1b[31m" + "x" * 1000)) == "a b [31m" + "x" * 192


def test_check_says_what_the_server_offers() -> None:
    """And what is done without."""
    everything = Mailbox(1, 1, Offers(idle=True, move=True, uidplus=True))
    nothing = Mailbox(1, 1, Offers(idle=False, move=False, uidplus=False))
    assert told(everything, box()) == "IDLE, MOVE, UIDPLUS"
    assert told(nothing, box()) == (
        "no IDLE (looked through every 60 s), no MOVE (mails are copied and deleted), "
        "no UIDPLUS (expunged only where nobody else deletes)"
    )
