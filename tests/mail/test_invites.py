"""A calendar in one line."""

from __future__ import annotations

import time

import pytest

from intake.email.invites import told
from intake.email.parse import parse
from tests.mail.written import mail, multipart

EVENT = """BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:1@x.example
ORGANIZER;CN="Ada Byron":mailto:ada@x.example
ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:support@example.com
SUMMARY;LANGUAGE=de:Drucker\\, ne
 u
DTSTART;TZID=Europe/Berlin:20260803T100000
DTEND;TZID=Europe/Berlin:20260803T110000
LOCATION:Room 1
SEQUENCE:0
BEGIN:VALARM
TRIGGER:-PT5M
SUMMARY:alarm
END:VALARM
END:VEVENT
END:VCALENDAR
"""
WHEN = "Mon 3 Aug 2026 10:00-11:00 Europe/Berlin"


def say(*changes: tuple[str, str]) -> str:
    text = EVENT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return told(text.encode())


def test_an_invitation() -> None:
    assert say() == f"Invitation: Drucker, neu, {WHEN}, at Room 1, organizer Ada Byron <ada@x.example>"


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ([("METHOD:REQUEST", "METHOD:CANCEL")], "Invitation cancelled: Drucker"),
        ([("SEQUENCE:0", "STATUS:CANCELLED")], "Invitation cancelled: Drucker"),
        ([("SEQUENCE:0", "SEQUENCE:2")], "Invitation updated: Drucker"),
        ([("METHOD:REQUEST", "METHOD:PUBLISH")], "Calendar entry: Drucker"),
        (
            [("METHOD:REQUEST", "METHOD:REPLY"), ("NEEDS-ACTION", "ACCEPTED")],
            "Answer to an invitation: accepted, by support@example.com: Drucker",
        ),
        (
            [("METHOD:REQUEST", "METHOD:REPLY"), ("NEEDS-ACTION", "DECLINED")],
            "Answer to an invitation: declined, by",
        ),
        ([("METHOD:REQUEST", "METHOD:COUNTER")], "Answer to an invitation: another time proposed"),
    ],
)
def test_what_it_is_for(changes: list[tuple[str, str]], start: str) -> None:
    assert say(*changes).startswith(start)


@pytest.mark.parametrize(
    ("start", "end", "when"),
    [
        (
            ";TZID=W. Europe Standard Time:20260803T100000",
            ";TZID=W. Europe Standard Time:20260803T110000",
            WHEN,
        ),
        (
            ";TZID=Nowhere/Else:20260803T100000",
            ";TZID=Nowhere/Else:20260803T110000",
            "10:00-11:00 Nowhere/Else",
        ),
        (":20260803T100000Z", ":20260804T090000Z", "Mon 3 Aug 2026 10:00 - Tue 4 Aug 2026 09:00 UTC"),
        (":20260803T100000", ":20260803T110000", "Mon 3 Aug 2026 10:00-11:00, at"),
        (";VALUE=DATE:20260803", ";VALUE=DATE:20260804", "Mon 3 Aug 2026, at"),
        (";VALUE=DATE:20260803", ";VALUE=DATE:20260806", "Mon 3 Aug 2026 - Wed 5 Aug 2026"),
        (":nonsense", ":20260804T090000Z", "Drucker, neu, at Room 1"),
    ],
)
def test_when_it_is(start: str, end: str, when: str) -> None:
    changes = [
        ("DTSTART;TZID=Europe/Berlin:20260803T100000", f"DTSTART{start}"),
        ("DTEND;TZID=Europe/Berlin:20260803T110000", f"DTEND{end}"),
    ]
    assert when in say(*changes)


def test_a_duration_and_a_rule_that_is_not_worked_out() -> None:
    said = say(("DTEND;TZID=Europe/Berlin:20260803T110000", "DURATION:PT90M\nRRULE:FREQ=SECONDLY"))
    assert "10:00-11:30 Europe/Berlin" in said
    assert "repeated" in said


def test_nothing_to_tell() -> None:
    for text in ("", "BEGIN:VCALENDAR\nEND:VCALENDAR", "no calendar", "BEGIN:VEVENT", "\x00\xff"):
        assert told(text.encode()) in ("", "Calendar entry: (no title)")


def test_hostile_calendars_take_little_time() -> None:
    began = time.process_time()
    for piece in (
        "ATTENDEE;CN=x:mailto:a@b.example\n",
        'SUMMARY;X="',
        "BEGIN:VALARM\n",
        " x\n",
        "RRULE:FREQ=DAILY;",
        "DTSTART:",
    ):
        told(b"BEGIN:VEVENT\n" + piece.encode() * (1_000_000 // len(piece)))
    assert time.process_time() - began < 5


def test_it_stands_above_the_text_and_the_file_is_kept() -> None:
    text = "Content-Type: text/plain\r\n\r\nPlease come.\r\n"
    part = "Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\n" + EVENT.replace("\n", "\r\n")
    read = parse(multipart("alternative", text, part))
    assert read.text.startswith(f"[Invitation: Drucker, neu, {WHEN}")
    assert read.text.endswith("\n\nPlease come.")
    assert [(f.name, f.content_type) for f in read.files] == [("part-1.ics", "text/calendar")]
    alone = parse(mail(EVENT, content_type="text/calendar"))
    assert alone.text.startswith("[Invitation: ")
    assert len(alone.files) == 1
    broken = parse(mail("BEGIN:VCALENDAR", content_type="text/calendar"))
    assert (broken.text, len(broken.files)) == ("", 1)
