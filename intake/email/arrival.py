"""From the bytes of a mail and its envelope to rows of the inbox: what makes two mails the same, and what keeps
answers in order.

It looks at the header block only as far as that takes: a scan of bytes, linear, that raises for nothing. Reading
the mail is somebody else's work, in a child process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from core.inbox import Arrival
from core.shapes import key_of

# Header blocks that are longer are hostile; what lies beyond counts as body.
HEADER_BYTES: Final = 262_144
_PIECE: Final = 1_048_576
_IDENTITY: Final = (b"message-id", b"from", b"date", b"subject")
# What else changes how a mail is understood: else somebody who knows a mail could send its like first, unreadable or
# as a robot's, and the real one would count as the same.
_MEANING: Final = (b"content-type", b"content-transfer-encoding", b"auto-submitted", b"in-reply-to")
_WANTED: Final = frozenset({*_IDENTITY, *_MEANING, b"references"})
_BLANK = re.compile(rb"\r?\n\r?\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ID = re.compile(rb"<([^<>\s]{1,900})>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the door knows beside the bytes. `queues`: each queue with its recipients. `sender`: "" is the null
    sender (RFC 5321 4.5.5), None where the door doesn't know it. `trusted`: it came over a hop that we believe
    (this machine, a pipe, a fetched mailbox, a trusted relay), so its filter's verdict counts. `source`: the
    network address that brakes count, "" where none is counted."""

    sender: str | None
    queues: Mapping[str, Sequence[str]]
    peer: str = ""
    helo: str = ""
    protocol: str = "smtp"
    trusted: bool = False
    source: str = ""


class Mark:
    """What makes a mail itself and keeps its thread in order, learned while its bytes come in."""

    def __init__(self) -> None:
        self._head: bytearray | None = bytearray()
        self._fields: Mapping[bytes, bytes] = {}
        self._content = _ContentDigest()

    @classmethod
    def of(cls, raw: bytes) -> Mark:
        """Return what a mail that is at hand comes to, without copying it."""
        mark = cls()
        mark._begin_body(raw)
        return mark

    def add(self, piece: bytes) -> None:
        """Take the next bytes; raises nothing, whatever they are. How they are cut makes no difference."""
        if self._head is None:
            self._content.add(piece)
            return
        self._head += piece
        if len(self._head) > HEADER_BYTES:
            self._begin_body(bytes(self._head))

    def _begin_body(self, raw: bytes) -> None:
        head, body = split_head(raw)
        self._head = None
        self._fields = scan_head(head)
        self._content.add(body)

    def arrivals(
        self,
        envelope: Envelope,
        now: datetime,
        *,
        raw: bytes,
        size: int | None = None,
        blobs: Sequence[str] = (),
    ) -> list[Arrival]:
        """Return one row a queue, once all bytes were added. `blobs`: one for each queue where the bytes are
        stored already, `size` of them; then `raw` is empty. `now` is aware UTC."""
        if self._head is not None:
            self._begin_body(bytes(self._head))
        content = self._content.end()
        return [
            Arrival(
                key=_key(queue, self._fields, content, envelope.sender or "", now),
                channel="email",
                shard_by=_thread(self._fields) or content.hex(),
                source_order="",
                envelope={
                    "sender": None if envelope.sender is None else _text(envelope.sender),
                    "recipients": [_text(address) for address in recipients],
                    "queue": queue,
                    "peer": envelope.peer,
                    "helo": _text(envelope.helo),
                    "protocol": envelope.protocol,
                    "trusted": envelope.trusted,
                    "source": envelope.source,
                },
                raw=raw,
                received_at=now,
                blob=blobs[number] if blobs else None,
                size=size,
            )
            for number, (queue, recipients) in enumerate(envelope.queues.items())
        ]


def arrivals(raw: bytes, envelope: Envelope, now: datetime) -> list[Arrival]:
    """Return one row a queue of a mail that is at hand. `now` is aware UTC; raises nothing, whatever the bytes."""
    return Mark.of(raw).arrivals(envelope, now, raw=raw)


def split_head(raw: bytes) -> tuple[memoryview, memoryview]:
    """Return header block and body, the first at most `HEADER_BYTES` long, without copying."""
    view = memoryview(raw)
    if raw[:1] == b"\n" or raw[:2] == b"\r\n":
        return view[:0], view
    blank = _BLANK.search(raw, 0, HEADER_BYTES)
    if blank is None:
        return view[:HEADER_BYTES], view[HEADER_BYTES:]
    return view[: blank.start()], view[blank.end() :]


def scan_head(head: memoryview) -> dict[bytes, bytes]:
    """Return the fields that identify and thread a mail: unfolded, white space collapsed, of a field that comes
    twice all values (so that a second From makes another mail)."""
    found: dict[bytes, list[bytes]] = {}
    current: list[bytes] | None = None
    for line in bytes(head).split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            if current is not None:
                current.append(line)
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip().lower()
        current = found.setdefault(name, []) if colon and name in _WANTED else None
        if current is not None:
            current.append(value)
    return {name: b" ".join(b" ".join(lines).split()) for name, lines in found.items()}


class _ContentDigest:
    """The body's SHA-256 with LF line ends and without the last one: SMTP and a pipe bring the same mail alike."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._held = b""  # a CR or LF at the end of a piece, whose neighbour decides

    def add(self, body: bytes | memoryview) -> None:
        for start in range(0, len(body), _PIECE):
            piece = (self._held + bytes(body[start : start + _PIECE])).replace(b"\r\n", b"\n")
            self._held = piece[-1:] if piece[-1:] in (b"\r", b"\n") else b""
            self._digest.update(piece[:-1] if self._held else piece)

    def end(self) -> bytes:
        if self._held == b"\r":
            self._digest.update(self._held)
        self._held = b""
        return self._digest.digest()


def _key(queue: str, fields: Mapping[bytes, bytes], content: bytes, sender: str, now: datetime) -> bytes:
    """DATA.md "Accepting": trace headers stay out, for a repeated mail may have come another way."""
    parts = [queue.encode(), *(fields.get(name, b"") for name in (*_IDENTITY, *_MEANING)), content]
    if not fields.get(b"message-id") and not fields.get(b"date"):
        parts += [sender.encode("utf-8", "surrogatepass"), now.strftime("%Y-%m-%dT%H:%M").encode()]
    digest = sha256(b"mail arrival")
    for part in parts:  # with their lengths: no two lists of parts give the same bytes
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _thread(fields: Mapping[bytes, bytes]) -> str:
    """What keeps a thread's mails in order: the oldest reference, else the answered id, else the own one."""
    for name in (b"references", b"in-reply-to", b"message-id"):
        value = fields.get(name, b"")
        found = _ID.search(value)
        oldest = found[1] if found else value.partition(b" ")[0]
        if oldest:
            return key_of("mail:" + oldest.decode("utf-8", "surrogateescape")).hex()
    return ""


def _text(value: str) -> str:
    """Text that JSON and every store take: bytes that were no UTF-8 come as surrogates."""
    return _CONTROL.sub("", value.encode("utf-8", "replace").decode("utf-8"))
