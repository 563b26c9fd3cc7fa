"""The bytes of one mail while they come in: without the dots that were stuffed, hashed, and on the disk before they
are many.

`Unstuffer` is pure. `Incoming` writes through threads, in pieces, so that no disk holds up the event loop.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import structlog

from core.blobs import BlobWriter
from intake.email.arrival import Mark
from intake.email.room import Disk, Hold

log = structlog.get_logger(__name__)

# So much is gathered before it is written; a mail that ends within it touches the disk only with its row.
WINDOW: Final = 262_144
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

TROUBLE: Final = "451 4.3.0 Local trouble, please try again later"
TOO_MUCH: Final = "452 4.3.1 No room for more mail now, please try again later"
TOO_BIG: Final = "552 5.3.4 Mail is over the size limit"


class Unstuffer:
    """What DATA brings, from the wire to the mail (RFC 5321 4.5.2), in pieces of any size.

    Only CRLF.CRLF ends it, and at the very start a dot line: a bare CR or LF is content, so nothing can be smuggled.
    A piece must not reach beyond the end; one that is cut after each dot-CRLF can't.
    """

    def __init__(self) -> None:
        self._held = b"\r\n"  # a line has ended before the first one; taken off again from the first content
        self._owed = 2
        self.ended = False

    def feed(self, piece: bytes) -> bytes:
        """Return the content that is certain now."""
        piece = self._held + piece
        if piece.endswith(b"\r\n.\r\n"):
            self.ended = True
            piece = piece[:-3]
            self._held = b""
        else:
            self._held = _line_end(piece)
        content = piece[: len(piece) - len(self._held)].replace(b"\r\n.", b"\r\n")
        if self._owed:
            taken = min(self._owed, len(content))
            self._owed -= taken
            content = content[taken:]
        return content


def _line_end(piece: bytes) -> bytes:
    """The end of a piece that may be the beginning of CRLF-dot."""
    return b"\r\n" if piece.endswith(b"\r\n") else b"\r" if piece.endswith(b"\r") else b""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A mail that has come in whole: its bytes, or the blob that holds them. `mark` has seen all of it."""

    mark: Mark
    size: int
    raw: bytes = field(repr=False)
    blob: str | None = None


class Disks(Protocol):
    """What `Incoming` needs of `core.blobs.Blobs`."""

    def writer(self) -> BlobWriter:
        """Begin a blob."""

    async def in_thread(self, work: Callable[[], None]) -> None:
        """Do it in a thread."""

    def soon(self, work: Callable[[], object]) -> None:
        """Do it in a thread, later."""


class Incoming:
    """One mail. `limit`: its most bytes. After a refusal nothing of it is kept, and the rest is let go by."""

    def __init__(self, blobs: Disks, hold: Hold, disk: Disk, limit: int) -> None:
        self._blobs = blobs
        self._hold = hold
        self._disk = disk
        self._limit = limit
        self._gathered = bytearray()
        self._mark = Mark()
        self._writer: BlobWriter | None = None
        self._spooled = False
        self._dropped = False
        self._in_hand = threading.Lock()  # a piece may be on its way to the disk when the client hangs up
        self.size = 0
        self.refusal = ""

    @property
    def full(self) -> bool:
        """Whether `flush` should be called."""
        return len(self._gathered) >= WINDOW

    def take(self, data: bytes) -> None:
        """Take a piece of content; `refusal` says where that was one too many."""
        if self.refusal:
            return
        self.size += len(data)
        if self.size > self._limit:
            self.refuse(TOO_BIG)
        elif not self._hold.grow(self.size):
            self.refuse(TOO_MUCH)
        else:
            self._gathered += data

    async def flush(self) -> None:
        """Write what was gathered; trouble is a refusal."""
        data, self._gathered = bytes(self._gathered), bytearray()
        self._spooled = True
        if self._disk.fits(len(data)):
            await self._on_disk(partial(self._write, data))
        else:
            self.refuse(TOO_MUCH)

    async def finish(self) -> TakenIn | str:
        """Return the mail, on the disk for good where it was spooled, or the refusal."""
        if self._spooled and not self.refusal:
            await self.flush()
        if self._spooled and not self.refusal:
            await self._on_disk(self._put_down)
        if self.refusal:
            return self.refusal
        if self._writer is not None:
            writer, self._writer = self._writer, None  # it's the row's now
            return TakenIn(self._mark, self.size, b"", writer.key)
        raw, self._gathered = bytes(self._gathered), bytearray()
        return TakenIn(Mark.of(raw), self.size, raw)

    def refuse(self, why: str) -> None:
        """Take no more of it and forget what there is."""
        self.refusal = why
        self.drop()

    def drop(self) -> None:
        """Forget it, its file too. Safe to call twice, and while a piece is being written."""
        self._gathered = bytearray()
        if self._spooled and not self._dropped:
            self._dropped = True
            self._blobs.soon(self._forget)

    async def _on_disk(self, work: Callable[[], None]) -> None:
        try:
            await self._blobs.in_thread(work)
        except Exception as exc:
            full = isinstance(exc, OSError) and exc.errno in _NO_SPACE
            log.error("spooling_failed", error=type(exc).__name__, errno=getattr(exc, "errno", None))
            self.refuse(TOO_MUCH if full else TROUBLE)

    # -- in a thread --

    def _write(self, data: bytes) -> None:
        with self._in_hand:
            if self._dropped:
                return
            if self._writer is None:
                self._writer = self._blobs.writer()
            self._writer.write(data)
            self._mark.add(data)

    def _put_down(self) -> None:
        with self._in_hand:
            if self._writer is not None:
                self._writer.put_down()

    def _forget(self) -> None:
        with self._in_hand:
            if self._writer is not None:
                self._writer.abort()
