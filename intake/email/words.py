"""Encoded words (RFC 2047), also the broken ones that real mail has. Linear, never raises.

Neighbours of one charset are put together as bytes before they are decoded: many programs cut in the middle of a
character, some in the middle of a base64 group.
"""

from __future__ import annotations

import binascii
import re
from contextlib import suppress
from typing import Final

from intake.email.charsets import codec_for, decode

_LONGEST_WORD: Final = 8_192  # RFC 2047 allows 75; some programs write one word for the whole field
_START = re.compile(r"=\?([^?\s]{0,60})\?([bBqQ])\?")
_GAP = re.compile(r"[ \t\r\n]*")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_HEX_AHEAD = re.compile(r"[0-9A-Fa-f]{2}[^\s?]*\?")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")


def decode_words(text: str) -> str:
    """Decode encoded words: inside quotes, with spaces in them, without spaces between them, with a character cut
    between two, with a language (RFC 2231), with a bare `?`, in unknown charsets."""
    if "=?" not in text:
        return text
    out: list[str] = []
    run = _Run()
    at = 0
    while (start := _START.search(text, at)) is not None:
        gap = text[at : start.start()]
        end = _end(text, start.end(), start[2])
        if end < 0:
            out += [run.take(), text[at : start.end()]]
            at = start.end()
            continue
        if not run.parts or not _GAP.fullmatch(gap):
            out += [run.take(), gap]
        elif start[1].lower() != run.charset.lower():
            out.append(run.take())
        run.add(start[1], start[2], text[start.end() : end])
        at = end + 2
    out += [run.take(), text[at:]]
    return "".join(out)


def _end(text: str, begin: int, encoding: str) -> int:
    """Return where the word's `?=` is, -1 where it has none before the next word begins."""
    limit = begin + _LONGEST_WORD
    end = text.find("?=", begin, limit)
    while end >= 0 and encoding in "qQ" and _HEX_AHEAD.match(text, end + 2, end + 200):
        further = text.find("?=", end + 2, limit)  # a bare question mark before an escaped letter
        if further < 0:
            break
        end = further
    if end < 0:
        return -1
    nested = text.find("=?", begin, end)
    return -1 if nested >= 0 and _START.match(text, nested) else end


class _Run:
    """Neighbouring words of one charset."""

    def __init__(self) -> None:
        self.charset = ""
        self.parts: list[tuple[str, str]] = []

    def add(self, charset: str, encoding: str, payload: str) -> None:
        encoding = encoding.lower()
        if not self.parts:
            self.charset = charset
        elif encoding == "b" and self.parts[-1][0] == "b" and _goes_on(self.parts[-1][1]):
            payload = self.parts.pop()[1] + payload  # quadratic only in a word's length, which is bounded
            if len(payload) > _LONGEST_WORD:
                self.parts.append((encoding, payload[:-1]))
                payload = payload[-1:]
        self.parts.append((encoding, payload))

    def take(self) -> str:
        if not self.parts:
            return ""
        raw = b"".join(_bytes(encoding, payload, self.charset) for encoding, payload in self.parts)
        self.parts = []
        return decode(raw, self.charset, guess=False)


def _goes_on(payload: str) -> bool:
    """Say whether base64 was cut within a group of four, without padding."""
    return not payload.rstrip().endswith("=") and len("".join(payload.split())) % 4 != 0


def _bytes(encoding: str, payload: str, charset: str) -> bytes:
    try:  # raw 8-bit letters inside an encoded word are of its charset
        raw = payload.encode("ascii" if payload.isascii() else codec_for(charset) or "utf-8")
    except (UnicodeError, ValueError):
        raw = payload.encode("utf-8", "replace")
    if encoding == "b":
        return decode_base64(raw)
    return _HEX.sub(lambda m: bytes([int(m[1], 16)]), raw.replace(b"_", b" "))


def decode_base64(raw: bytes) -> bytes:
    """Decode base64 as far as it goes: foreign characters are skipped, missing padding is added, what several
    encoders wrote one after the other is read piece by piece, prose behind the padding isn't read."""
    padding = raw.find(b"=")
    if padding < 0 or not raw[padding:].strip(b"= \t\r\n"):
        with suppress(binascii.Error):  # as it should be; a large file is copied as seldom as can be
            return binascii.a2b_base64(raw)
    body = raw.rstrip(b"= \t\r\n")
    if b"=" not in body:
        return _letters(body)
    out: list[bytes] = []
    for piece in body.split(b"="):
        if piece and out and _NOT_BASE64.sub(b"", piece) != b"".join(piece.split()):
            break  # a footer that a list put below
        out.append(_letters(piece))
    return b"".join(out)


def _letters(raw: bytes) -> bytes:
    """Decode what has no padding inside."""
    try:  # skips what is foreign by itself; only the padding has to be right
        return binascii.a2b_base64(raw)
    except binascii.Error:
        letters = _NOT_BASE64.sub(b"", raw)
    cut = len(letters) % 4
    if cut == 1:
        letters = letters[:-1]
    try:
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return b""
