"""Structured fields with parameters: `text/plain; charset=utf-8` (RFC 2045 5.1), in pieces and percent-encoded
(RFC 2231), and as mail programs write them in spite of both. Linear, never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from intake.email.charsets import decode, one_line
from intake.email.words import decode_words

_LONGEST: Final = 16_384  # characters of a field that are looked at
_MOST: Final = 200
_TOKEN = re.compile(r"[\s\"']*([^\s;,()\"'=/]+(?:\s*/\s*[^\s;,()\"'=/]+)?)")
_COMMENT = re.compile(r"\s*\([^()]*\)")
_AFTER_QUOTE = re.compile(r"[ \t]*(?:$|[;,(]|[A-Za-z][A-Za-z0-9*_-]{0,40}[ \t]*=)")
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Value:
    """A structured field: lower-case value, parameters by lower-case name."""

    value: str
    params: dict[str, str]


def read_value(text: str) -> Value:
    """Read a structured field with parameters; a field that was encoded as a whole is decoded first."""
    text = text[:_LONGEST]
    if text.lstrip().startswith("=?"):
        text = decode_words(text)
    token = _TOKEN.match(text)
    value = "".join(token[1].split()).lower() if token else ""
    rest = text[token.end() :] if token else text
    while comment := _COMMENT.match(rest):
        rest = rest[comment.end() :]
    given: dict[str, str] = {}
    for name, content in _parameters(rest.lstrip("\"' \t,;")):
        given.setdefault(name, content)
    return Value(value, _joined(given))


def _parameters(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text) and len(found) < _MOST:
        equals = text.find("=", at)
        if equals < 0:
            break
        words = text[at:equals].rpartition(";")[2].split()
        name = words[-1].lower() if words else ""
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
    """A quote in the middle of a name that nobody escaped is part of it."""
    out: list[str] = []
    at += 1
    while at < len(text):
        char = text[at]
        if char == '"' and _AFTER_QUOTE.match(text, at + 1):
            return "".join(out), at + 1
        if char == "\\" and at + 1 < len(text) and text[at + 1] in '"\\':
            at += 1
            char = text[at]
        out.append(char)
        at += 1
    return "".join(out).rstrip('"'), at


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


def _unpercent(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return _PERCENT.sub(lambda m: bytes([int(m[1], 16)]), raw)
