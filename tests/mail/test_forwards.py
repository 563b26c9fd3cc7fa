"""Whose mail a forwarded mail is: by the head that programs write, never by an address that merely stands there."""

from __future__ import annotations

import time

import pytest

from core.desk_texts import phrase
from core.shapes import Forwarded
from intake.email.forwards import read_forwarded
from intake.email.parse import parse
from tests.mail.written import mail, multipart

GMAIL = """Please take this one.

---------- Forwarded message ---------
From: Zoë Brass <zoe@customer.example>
Date: Mon, May 4, 2026 at 10:00 AM
Subject: Lamp
To: Ada <ada@example.com>


My lamp flickers.
Write to boss@customer.example too.
"""
APPLE = """Begin forwarded message:

> From: Zoë Brass <zoe@customer.example>
> Subject: Lamp
> Date: 4 May 2026 at 10:00:00 CEST
> To: ada@example.com
>\x20
> My lamp flickers.
>> It does.
"""
OUTLOOK = """Bitte übernehmen.

________________________________
Von: Zoë Brass <zoe@customer.example>
Gesendet: Montag, 4. Mai 2026 10:00
An: Ada
Betreff: Lampe

My lamp flickers.
"""
MAILTO = "De : Zoë Brass [mailto:zoe@customer.example]\nEnvoyé : lundi 4 mai 2026 10:00\nÀ : Ada\nObjet : Lampe\n\nIci."
SPANISH = "De: Zoë <zoe@customer.example>\nEnviado el: lunes, 4 de mayo de 2026 10:00\nPara: Ada\nAsunto: Luz\n\nAquí."
NESTED = GMAIL.replace(
    "My lamp flickers.",
    "See below.\n\n---------- Forwarded message ---------\nFrom: Kim <kim@far.example>\n"
    "Date: Sun, May 3, 2026 at 1:00 PM\nSubject: Lamp\nTo: zoe@customer.example\n\nIt flickers.",
)


def read(text: str, subject: str = "Fwd: Lamp", *, ours: str = "support@example.com") -> Forwarded | None:
    return read_forwarded(parse(mail(text, subject=subject)), lambda address: address == ours)


@pytest.mark.parametrize(
    ("text", "subject", "comment", "words"),
    [
        (
            GMAIL,
            "Fwd: Lamp",
            "Please take this one.",
            "My lamp flickers.\nWrite to boss@customer.example too.",
        ),
        (APPLE, "FW: Lamp", "", "My lamp flickers.\n> It does."),
        (OUTLOOK, "WG: Lampe", "Bitte übernehmen.", "My lamp flickers."),
        (MAILTO, "TR: Lampe", "", "Ici."),
        (SPANISH, "RV: Luz", "", "Aquí."),
        (
            "#fwd " + GMAIL,
            "Lamp",
            "Please take this one.",
            "My lamp flickers.\nWrite to boss@customer.example too.",
        ),
    ],
)
def test_the_writer_is_named_by_the_head(text: str, subject: str, comment: str, words: str) -> None:
    """In several languages and programs; what stood above is the comment, what stands below their words."""
    found = read(text, subject)
    assert found is not None
    assert found.sender is not None
    assert (found.sender.address, found.sender.name[:3]) == ("zoe@customer.example", "Zoë")
    assert (found.comment, found.text) == (comment, words)


def test_of_nested_forwards_the_outer_one_counts() -> None:
    """Who wrote to us is asked, not who wrote to them."""
    found = read(NESTED)
    assert found is not None
    assert found.sender is not None
    assert found.sender.address == "zoe@customer.example"
    assert "kim@far.example" in found.text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Have a look: zoe@customer.example writes that her lamp flickers.", "doesn't say whose"),
        (GMAIL.replace(" <zoe@customer.example>", ""), "no address"),
        (
            GMAIL.replace("zoe@customer.example>", "zoe@customer.example>, Kim <kim@far.example>"),
            "several people",
        ),
        (GMAIL.replace("zoe@customer.example>", "support@example.com>"), "our own"),
        ("", "doesn't say whose"),
    ],
)
def test_without_one_writer_nobody_is_taken(text: str, why: str) -> None:
    """It says why, for the remark on the forwarder's own ticket."""
    found = read(text)
    assert found is not None
    assert found.sender is None
    assert why in phrase(found.why)


@pytest.mark.parametrize("subject", ["Lamp", "Re: Lamp", "Re: Fwd: Lamp", "Forward planning"])
def test_other_mail_is_no_forward(subject: str) -> None:
    """A head in the text alone makes none: answers carry it too."""
    assert read(OUTLOOK, subject) is None
    assert read("That's #fwd, isn't it", subject) is None


INNER = (
    "Content-Type: message/rfc822\r\n\r\nFrom: {who}\r\nMessage-ID: <in@customer.example>\r\n\r\nMy lamp.\r\n"
)
NOTE = "Content-Type: text/plain\r\n\r\nfrom eve@elsewhere.example\r\n"


def test_a_mail_as_a_file_names_its_writer() -> None:
    """One of them does; two, or one with two senders, don't."""
    one = INNER.format(who="Zoe <zoe@customer.example>")
    two = INNER.format(who="a@b.example, c@d.example")

    def of(*parts: str) -> Forwarded:
        found = read_forwarded(parse(multipart("mixed", *parts, subject="Fwd: x")), lambda address: False)
        assert found is not None
        return found

    good = of(NOTE, one)
    assert good.sender is not None
    assert (good.sender.address, good.mail_id) == ("zoe@customer.example", "in@customer.example")
    assert (good.text, good.comment) == ("My lamp.", "from eve@elsewhere.example")
    assert of(NOTE, one, one).why == "forward_several"
    assert of(NOTE, two).sender is None


@pytest.mark.parametrize(
    "line", ["From: a@b.example\n", "On ", "----- ", "From: x\nDate: 1\n\n", " \n", "> From:\n"]
)
def test_crafted_text_takes_no_time(line: str) -> None:
    """A megabyte of whatever looks like a head."""
    parsed = parse(mail(line * (1_000_000 // len(line)), subject="Fwd: x"))
    started = time.process_time()
    read_forwarded(parsed, lambda address: False)
    assert time.process_time() - started < 0.5
