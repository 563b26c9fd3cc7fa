"""The head of a mail or a part: fields as they came, and safe ways to read them. Never raises on any bytes.

Fields are kept unfolded but undecoded: who reads addresses must see the structure before encoded words (RFC 2047)
put commas and brackets into it.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from intake.email.charsets import codec_for, decode, one_line

LONGEST_FIELD: Final = 65_536  # characters of one field that we look at
MOST_FIELDS: Final = 1_000
_LONGEST_PARAMETERS: Final = 16_384
_FIELD = re.compile(rb"([!-9;-~]{1,128})[ \t]*:")
_WORD = re.compile(r"=\?([^?\s]{0,60})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN = re.compile(r"[ \t\r\n]+")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of one head in order: lower-case name, unfolded text."""

    fields: tuple[tuple[str, str], ...] = ()
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


@dataclass(frozen=True, slots=True)
class Value:
    """A structured field: `text/plain; charset=utf-8` or `attachment; filename=x`; lower-case value and names."""

    value: str
    params: dict[str, str]


def read_head(data: bytes, start: int = 0, end: int | None = None) -> tuple[Headers, int]:
    """Read the fields from `start`; return them and where the body begins.

    A line that is no field is skipped where another field follows it; otherwise the body begins there.
    """
    end = len(data) if end is None else end
    fields: list[tuple[str, str]] = []
    name, pieces, at = "", [], start  # type: tuple[str, list[bytes], int]
    if data.startswith((b"From ", b">From "), at):
        at = _next_line(data, at, end)
    while at < end:
        after = _next_line(data, at, end)
        line = data[at:after].rstrip(b"\r\n")
        if not line:
            at = after
            break
        if name and (line[0] in b" \t" or _lost_indent(pieces, line)):
            pieces.append(line)
        elif match := _FIELD.match(line):
            _keep(fields, name, pieces)
            name, pieces = match[1].decode("ascii").lower(), [line[match.end() :]]
        elif not _field_follows(data, after, end):
            break
        at = after
    _keep(fields, name, pieces)
    return Headers(tuple(fields), dict(reversed(fields))), at


def _lost_indent(pieces: list[bytes], line: bytes) -> bool:
    """A parameter on a line of its own that lost its indent on the way."""
    return pieces[-1].rstrip().endswith(b";") and b"=" in line and _FIELD.match(line) is None


def _next_line(data: bytes, at: int, end: int) -> int:
    found = data.find(b"\n", at, end)
    return end if found < 0 else found + 1


def _field_follows(data: bytes, at: int, end: int) -> bool:
    return at < end and bool(_FIELD.match(data, at, min(end, at + 200)))


def _keep(fields: list[tuple[str, str]], name: str, pieces: list[bytes]) -> None:
    if name and len(fields) < MOST_FIELDS:
        raw = b"".join(pieces)[:LONGEST_FIELD]
        fields.append((name, decode(raw, guess=False).strip()))


def decode_words(text: str) -> str:
    """Decode encoded words (RFC 2047), also the broken ones that real mail has: inside quotes, with spaces, with
    a character cut between two words, with a language (RFC 2231), in unknown charsets."""
    if "=?" not in text:
        return text
    out: list[str] = []
    held, charset, at = b"", "", 0
    for match in _WORD.finditer(text):
        gap = text[at : match.start()]
        if not held or not (gap == "" or _BETWEEN.fullmatch(gap)):
            out += [decode(held, charset, guess=False), gap]
            held, charset = b"", match[1]
        elif match[1].lower() != charset.lower():
            out.append(decode(held, charset, guess=False))
            held, charset = b"", match[1]
        held += _word_bytes(match[2], match[3], match[1])
        at = match.end()
    out += [decode(held, charset, guess=False), text[at:]]
    return "".join(out)


def _word_bytes(encoding: str, payload: str, charset: str) -> bytes:
    try:  # raw 8-bit letters inside an encoded word are of its charset
        raw = payload.encode("ascii" if payload.isascii() else codec_for(charset) or "utf-8")
    except (UnicodeError, ValueError):
        raw = payload.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_base64(raw)
    return _HEX.sub(lambda m: bytes([int(m[1], 16)]), raw.replace(b"_", b" "))


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def decode_base64(raw: bytes) -> bytes:
    """Decode base64 as far as it goes: foreign characters are skipped, missing padding is added."""
    letters = _NOT_BASE64.sub(b"", raw)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    try:
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return b""


def read_value(text: str) -> Value:
    """Read a structured field with parameters (RFC 2045 5.1, RFC 2231 with its continuations)."""
    text = text[:_LONGEST_PARAMETERS]
    if "=?" in text and ";" not in text:  # the whole field was encoded
        text = decode_words(text)
    value, _, rest = text.partition(";")
    given: dict[str, str] = {}
    for name, content in _parameters(rest):
        given.setdefault(name, content)
    return Value("".join(value.split()).lower().strip("\"'"), _joined(given))


def _parameters(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text) and len(found) < 200:
        equals = text.find("=", at)
        if equals < 0:
            break
        name = text[at:equals].rpartition(";")[2].strip().lower()
        at = equals + 1
        while at < len(text) and text[at] in " \t":
            at += 1
        content, at = _quoted(text, at) if text[at : at + 1] == '"' else _bare(text, at)
        if name:
            found.append((name, content))
    return found


def _bare(text: str, at: int) -> tuple[str, int]:
    end = text.find(";", at)
    end = len(text) if end < 0 else end
    return text[at:end].strip().strip("'"), end + 1


def _quoted(text: str, at: int) -> tuple[str, int]:
    out: list[str] = []
    at += 1
    while at < len(text):
        char = text[at]
        if char == '"':
            end = text.find(";", at)
            return "".join(out), len(text) if end < 0 else end + 1
        if char == "\\" and at + 1 < len(text) and text[at + 1] in '"\\':
            at += 1
            char = text[at]
        out.append(char)
        at += 1
    return "".join(out), at


_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")


def _joined(given: dict[str, str]) -> dict[str, str]:
    """Put continuations together (RFC 2231 3) and decode what is percent- or word-encoded."""
    plain: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for name, content in given.items():
        match = _SECTION.fullmatch(name)
        if match and (match[2] or match[3]):
            pieces.setdefault(match[1], []).append((int(match[2] or 0), bool(match[3]), content))
        else:
            plain[name] = one_line(decode_words(content))
    for name, parts in pieces.items():
        charset, raw = "", b""
        for number, (_, encoded, content) in enumerate(sorted(parts, key=lambda p: p[0])):
            piece = content
            if encoded and number == 0 and piece.count("'") >= 2:
                charset, _, piece = piece.split("'", 2)
            raw += _unpercent(piece) if encoded else piece.encode("utf-8", "surrogatepass")
        plain[name] = one_line(decode_words(decode(raw, charset, guess=False)))
    return plain


_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def _unpercent(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return _PERCENT.sub(lambda m: bytes([int(m[1], 16)]), raw)


def read_date(text: str) -> datetime | None:
    """Return the time of a Date field in UTC, or None where it makes no sense (RFC 5322 3.3)."""
    try:
        when = parsedate_to_datetime(text[:200])
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return when if 1970 <= when.year <= 9000 else None
