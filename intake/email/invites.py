"""Calendar parts told in one line; the file stays. Bounded: only the first event's own lines are read, rules of
repetition are never worked out. Never raises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final

from intake.email.charsets import clean, decode, one_line

_LARGEST: Final = 262_144  # bytes of a calendar that are looked at
_MOST_LINES: Final = 500
_LONGEST: Final = 200  # characters of a title, a place, a name
_KINDS: Final = ("VEVENT", "VTODO", "VFREEBUSY")
_WANTED = re.compile(
    r"(?:SUMMARY|DTSTART|DTEND|DUE|DURATION|ORGANIZER|STATUS|LOCATION|ATTENDEE|SEQUENCE|RECURRENCE-ID|RRULE)[;:]",
    re.IGNORECASE,
)
_SAID: Final = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "accepted tentatively",
                "DELEGATED": "delegated"}  # fmt: skip


def told(content: bytes, charset: str | None = None, method: str = "") -> str:
    """Return one line about a calendar, '' where it holds nothing to tell.

    `method`: what the part's Content-Type says it is for (RFC 6047 2.4).
    """
    lines = _event_lines(clean(decode(content[:_LARGEST], charset or "utf-8", guess=False)))
    if not lines:
        return ""
    method = (lines.pop(0) or method).upper()
    try:
        return _line(_component(lines), method)
    except Exception:  # a library's reading of what strangers sent: any failure means that we can't tell
        return ""


def _event_lines(text: str) -> list[str]:
    """Return the calendar's METHOD and the first event's lines that we tell, unfolded (RFC 5545 3.1)."""
    method, kept, inside, depth = "", list[str](), "", 0
    for line in _unfolded(text):
        name, _, value = line.partition(":")
        name, value = name.upper(), value.strip().upper()
        if not inside:
            if name == "METHOD":
                method = value
            elif name == "BEGIN" and value in _KINDS:
                inside = value
                kept.append(f"BEGIN:{value}")
        elif name == "BEGIN":  # an alarm
            depth += 1
        elif name == "END":
            if depth == 0 or value == inside:
                break
            depth -= 1
        elif depth == 0 and _WANTED.match(line) and len(kept) < _MOST_LINES:
            kept.append(line)
    return [method, *kept, f"END:{inside}"] if inside else []


def _unfolded(text: str) -> Iterator[str]:
    pieces: list[str] = []
    size = 0
    for line in text.split("\n"):
        if line[:1] in (" ", "\t") and pieces:
            if size < 4_096:
                pieces.append(line[1:])
                size += len(line)
            continue
        if pieces:
            yield "".join(pieces)
        pieces, size = [line[:4_096]], len(line)
    yield "".join(pieces)


def _component(lines: list[str]) -> Any:
    from icalendar.cal import Component

    return Component.from_ical("\r\n".join(lines) + "\r\n")


def _line(event: Any, method: str) -> str:
    title = _text(event.get("SUMMARY")) or "(no title)"
    status = _text(event.get("STATUS")).upper()
    try:
        when = _when(event)
    except Exception:  # a time that is none: the rest can still be told
        when = ""
    facts = [title, when, _text(event.get("LOCATION")) and f"at {_text(event.get('LOCATION'))}"]
    if event.get("RRULE") is not None:
        facts.append("repeated")
    organizer = _who(event.get("ORGANIZER"))
    if method in ("REPLY", "COUNTER"):
        attendee = next(iter(_listed(event.get("ATTENDEE"))), None)
        params = getattr(attendee, "params", {})
        answer = _SAID.get(str(params.get("PARTSTAT", "")).upper(), "answered")
        answer = "another time proposed" if method == "COUNTER" else answer
        return _joined(
            f"Answer to an invitation: {answer}", [_who(attendee) and f"by {_who(attendee)}"], facts
        )
    kind = "Invitation"
    if method == "CANCEL" or status == "CANCELLED":
        kind = "Invitation cancelled"
    elif method == "REQUEST" and str(event.get("SEQUENCE", "0")).strip() not in ("0", ""):
        kind = "Invitation updated"
    elif method in ("PUBLISH", ""):
        kind = "Calendar entry"
    return _joined(kind, [], [*facts, organizer and f"organizer {organizer}"])


def _joined(kind: str, of: list[str], facts: list[str]) -> str:
    head = ", ".join([kind, *filter(None, of)])
    return f"{head}: {', '.join(filter(None, facts))}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str:
    found = _listed(value)
    return one_line(str(found[0]))[:_LONGEST] if found else ""


def _who(value: Any) -> str:
    found = _listed(value)
    if not found:
        return ""
    address = re.sub(r"(?i)^mailto:", "", one_line(str(found[0])))[:_LONGEST]
    name = one_line(str(getattr(found[0], "params", {}).get("CN", ""))).strip("\"' ")[:_LONGEST]
    return f"{name} <{address}>" if name and name != address else address


def _when(event: Any) -> str:
    """`Mon 3 Aug 2026 10:00-11:00 Europe/Berlin`; the time as its zone has it."""
    begins = _listed(event.get("DTSTART"))
    if not begins:
        return ""
    start = begins[0].dt
    ends = _listed(event.get("DTEND")) or _listed(event.get("DUE"))
    lasts = _listed(event.get("DURATION"))
    end = ends[0].dt if ends else None
    if end is None and lasts and isinstance(lasts[0].dt, timedelta):
        end = start + lasts[0].dt
    if not isinstance(start, datetime):
        last = end - timedelta(days=1) if isinstance(end, date) and not isinstance(end, datetime) else start
        return _day(start) if last <= start else f"{_day(start)} - {_day(last)}"
    zone = one_line(str(begins[0].params.get("TZID", "")))[:_LONGEST]
    zone = getattr(start.tzinfo, "key", None) or zone or ("UTC" if start.tzinfo else "")
    said = f"{_day(start)} {start:%H:%M}"
    if isinstance(end, datetime):
        if end.tzinfo is not None and start.tzinfo is not None:
            end = end.astimezone(start.tzinfo)
        said += f"-{end:%H:%M}" if end.date() == start.date() else f" - {_day(end)} {end:%H:%M}"
    return f"{said} {zone}".rstrip()


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _day(day: date) -> str:
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"
