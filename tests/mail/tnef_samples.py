"""winmail.dat as Outlook builds them, from scratch: attributes, properties, packed rich text."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

Value = str | bytes | int
BODY, SUBJECT, RTF, HTML, CODE_PAGE = 0x1000, 0x0037, 0x1009, 0x1013, 0x3FDE
DATA_OBJECT, LONG_NAME, MIME_TYPE, CONTENT_ID = 0x3701, 0x3707, 0x370E, 0x3712
MESSAGE = bytes.fromhex("0703020000000000c000000000000046")


def attribute(level: int, tag: int, content: bytes) -> bytes:
    """One attribute with its checksum."""
    return struct.pack("<BII", level, tag, len(content)) + content + struct.pack("<H", sum(content) & 0xFFFF)


def properties(given: Mapping[int, Value]) -> bytes:
    """A list of MAPI properties."""
    out = [struct.pack("<I", len(given))]
    for name, value in given.items():
        if isinstance(value, int):
            out.append(struct.pack("<HHI", 0x0003, name, value))
            continue
        kind = 0x001F if isinstance(value, str) else 0x0102
        raw = value.encode("utf-16-le") + b"\0\0" if isinstance(value, str) else value
        out.append(struct.pack("<HHII", kind, name, 1, len(raw)) + raw + bytes(-len(raw) % 4))
    return b"".join(out)


def tnef(
    message: Mapping[int, Value] | None = None,
    files: Sequence[tuple[str, bytes, Mapping[int, Value]]] = (),
    *,
    code_page: int = 1252,
) -> bytes:
    """A winmail.dat: the mail's properties, and files as (short name, content, properties)."""
    out = [b"\x78\x9f\x3e\x22\x01\x00", attribute(1, 0x00069007, struct.pack("<II", code_page, 0))]
    if message:
        out.append(attribute(1, 0x00069003, properties(message)))
    for name, content, more in files:
        out.append(attribute(2, 0x00069002, bytes(14)))
        out.append(attribute(2, 0x00018010, name.encode("cp1252", "replace") + b"\0"))
        if content:
            out.append(attribute(2, 0x0006800F, content))
        if more:
            out.append(attribute(2, 0x00069005, properties(more)))
    return b"".join(out)


def stored_rtf(rtf: bytes) -> bytes:
    """Rich text as MS-OXRTFCP stores it unpacked."""
    return struct.pack("<II", len(rtf) + 12, len(rtf)) + b"MELA" + bytes(4) + rtf


def packed_rtf(rtf: bytes, *tokens: int) -> bytes:
    """Rich text packed as letters, then these references, then the end mark."""
    body = bytearray()
    for at in range(0, len(rtf), 8):
        body += b"\0" + rtf[at : at + 8].ljust(8, b" ")
    for at in range(0, len(tokens), 8):
        group = tokens[at : at + 8]
        body += bytes([(1 << len(group)) - 1]) + b"".join(struct.pack(">H", token) for token in group)
    return struct.pack("<II", len(body) + 12, len(rtf)) + b"LZFu" + bytes(4) + bytes(body)
