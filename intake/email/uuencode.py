"""Files that old programs write into the text itself: `begin 644 name` … `end` (POSIX uuencode). Linear, never raises.

A block counts only where each of its lines is what its first byte says it is, so that prose never becomes a file.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from intake.email.charsets import clean, decode

MOST: Final = 50
_BEGIN = re.compile(rb"(?:^|\n)begin ([0-7]{3,4}) ([^\r\n]{1,255})\r?\n")
_LINE_ENDS: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class Block:
    """A file in the text: where it began and ended."""

    name: str
    content: bytes = field(repr=False)
    start: int = 0
    end: int = 0


def decode_block(data: bytes, at: int = 0) -> Block | None:
    """Return the first file in the data, None where there is none."""
    begin = _BEGIN.search(data, at)
    if begin is None:
        return None
    start = begin.start() + (data[begin.start() : begin.start() + 1] == b"\n")
    content, end = _lines(data, begin.end())
    if end < 0:
        return None
    return Block(clean(decode(begin[2].strip(), guess=False)), content, start, end)


def take_blocks(data: bytes) -> tuple[bytes, list[Block]]:
    """Return the text without its files, and the files, at most `MOST`."""
    out: list[bytes] = []
    found: list[Block] = []
    at = searched = 0
    while len(found) < MOST and (begin := _BEGIN.search(data, searched)) is not None:
        start = begin.start() + (data[begin.start() : begin.start() + 1] == b"\n")
        content, end = _lines(data, begin.end())
        if end < 0 or not content:
            searched = begin.end() - 1
            continue
        found.append(Block(clean(decode(begin[2].strip(), guess=False)), content, start, end))
        out.append(data[at:start])
        at = end
        searched = max(end - 1, 0)
    return (b"".join([*out, data[at:]]) if found else data), found


def _lines(data: bytes, at: int) -> tuple[bytes, int]:
    """Decode line by line; return the content and where the block ends, -1 where it isn't one."""
    out = bytearray()
    while at < len(data):
        after = data.find(b"\n", at) + 1 or len(data)
        line = data[at:after].rstrip(_LINE_ENDS)
        bare = line.strip()
        if bare == b"end":
            return bytes(out), after
        decoded = b"" if bare in (b"", b"`") else _decoded(line)
        if decoded is None:
            break
        out += decoded
        at = after
    # Cut short on the way: what is there counts where it's more than a word that looks so.
    return (bytes(out), at) if len(out) >= 90 else (b"", -1)


def _decoded(line: bytes) -> bytes | None:
    size = (line[0] - 32) & 63
    wanted = 1 + (size * 4 + 2) // 3
    if not 0x20 <= line[0] <= 0x60 or len(line) > (size + 2) // 3 * 4 + 3 or len(line.rstrip()) > wanted + 3:
        return None
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:  # trailing garbage of old encoders: the length byte says how much counts
        try:
            return binascii.a2b_uu(line[:wanted])
        except binascii.Error:
            return None
