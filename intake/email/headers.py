"""The head of a mail or a part: fields as they came, and safe ways to read them. Never raises on any bytes.

Fields are kept unfolded but undecoded: who reads addresses must see the structure before encoded words (RFC 2047)
put commas and brackets into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from intake.email.charsets import decode, one_line
from intake.email.words import decode_words

LONGEST_FIELD: Final = 65_536  # characters of one field that we look at
MOST_FIELDS: Final = 1_000
_FIELD = re.compile(rb"([!-9;-~]{1,128})[ \t]*:")


_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of one head in order: lower-case name, unfolded text. `cut`: a limit left something out."""

    fields: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    _first: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def get(self, name: str) -> str:
        """Return the first field of that (lower-case) name as it came, or ''."""
        return self._first.get(name, "")

    def all(self, name: str) -> tuple[str, ...]:
        """Return all fields of that name as they came."""
        return tuple(value for key, value in self.fields if key == name)

    def text(self, name: str) -> str:
        """Return the first field of that name as one decoded line without control characters, or ''."""
        return one_line(decode_words(self.get(name)))

    def __contains__(self, name: str) -> bool:
        return name in self._first


def read_head(
    data: bytes, start: int = 0, end: int | None = None, charset: str | None = None
) -> tuple[Headers, int]:
    """Read the fields from `start`; return them and where the body begins.

    A line that is no field is skipped where another field follows it; otherwise the body begins there. `charset`:
    of raw 8-bit letters that aren't UTF-8, where the head's own Content-Type names none.
    """
    end = len(data) if end is None else end
    found = _Fields()
    at = start
    if data.startswith((b"From ", b">From "), at):
        at = _next_line(data, at, end)
    while at < end:
        after = _next_line(data, at, end)
        line = data[at:after].rstrip(b"\r\n")
        if not line:
            at = after
            break
        if found.name and (line[0] in b" \t" or _lost_indent(found.last, line)):
            found.go_on(line)
        elif match := _FIELD.match(line):
            found.begin(match[1].lower(), line[match.end() :])
        elif not _field_follows(data, after, end):
            break
        at = after
    return found.read(charset), at


class _Fields:
    """The fields of a head while it's read; holds at most `LONGEST_FIELD` bytes of each."""

    def __init__(self) -> None:
        self.name = self.last = b""
        self._pieces: list[bytes] = []
        self._size = 0
        self._raw: list[tuple[bytes, bytes]] = []
        self._cut = False

    def begin(self, name: bytes, line: bytes) -> None:
        self._keep()
        self.name, self._pieces, self._size = name, [], 0
        self.go_on(line)

    def go_on(self, line: bytes) -> None:
        self.last = line
        if self._size < LONGEST_FIELD:
            self._pieces.append(line)
            self._size += len(line)
        else:
            self._cut = True

    def _keep(self) -> None:
        if not self.name:
            return
        if len(self._raw) >= MOST_FIELDS:
            self._cut = True
            return
        raw = b"".join(self._pieces)
        self._cut = self._cut or len(raw) > LONGEST_FIELD
        self._raw.append((self.name, raw[:LONGEST_FIELD]))

    def read(self, charset: str | None) -> Headers:
        self._keep()
        kind = next((raw for name, raw in self._raw if name == b"content-type"), b"")
        if named := _CHARSET.search(kind):
            charset = named[1].decode("ascii")
        fields = tuple((name.decode("ascii"), _text(raw, charset)) for name, raw in self._raw)
        return Headers(fields, self._cut, dict(reversed(fields)))


def _text(raw: bytes, charset: str | None) -> str:
    """Raw 8-bit letters are UTF-8 (RFC 6532), or what the mail's text is written in."""
    try:
        text = raw.decode("utf-8") if not raw.isascii() else decode(raw, guess=False)
    except UnicodeDecodeError:
        text = decode(raw, charset, guess=False)
    return text.strip()


def _lost_indent(last: bytes, line: bytes) -> bool:
    """A parameter on a line of its own that lost its indent on the way."""
    return last.rstrip().endswith(b";") and b"=" in line and _FIELD.match(line) is None


def _next_line(data: bytes, at: int, end: int) -> int:
    found = data.find(b"\n", at, end)
    return end if found < 0 else found + 1


def _field_follows(data: bytes, at: int, end: int) -> bool:
    return at < end and bool(_FIELD.match(data, at, min(end, at + 200)))


def read_date(text: str) -> datetime | None:
    """Return the time of a Date field in UTC, or None where it makes no sense (RFC 5322 3.3)."""
    try:
        when = parsedate_to_datetime(text[:200])
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return when if 1970 <= when.year <= 9000 else None
