"""The run of an import: list the mails, read them a window at a time while the last window is taken in, count."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from core.children import ChildFailed, Children
from core.config import secret_keys
from core.failures import Unavailable
from core.importing import Archived, Failed, Importer
from core.inbox import Arrival
from core.parts import Parts
from core.shapes import DeliveryReport, Held, Ignored, NewMessage, Receipt
from intake.email.arrival import Envelope, arrivals
from intake.email.context import context_of
from intake.email.import_order import Order, sane
from intake.email.import_reading import ReadArchived, named_in
from intake.email.import_scratch import Stop, scratch_folder
from intake.email.import_sources import Place, Unfit, mail_of, places

WINDOW_MAILS: Final = 48
WINDOW_BYTES: Final = 8_000_000
BATCH_MAILS: Final = 12  # in one call of a child
BATCH_BYTES: Final = 1_000_000
_COLLECT: Final = 2_000  # a command that takes long needs the collector of cycles, unlike a short one
# Stands for a time of arrival where a mail has neither Message-ID nor Date: the same whenever it is imported.
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_READ: Final = "intake.email.import_reading:read_archived"
_IN: Final = {"opened": "opened", "joined": "joined", "outsider": "joined", "duplicate": "already_there"}

Progress = Callable[[int | None], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be imported, and how."""

    paths: tuple[Path, ...]
    queue: str | None = None
    as_of_date: bool = False


@dataclass(slots=True)
class Summary:
    """What became of an archive. `not_read`: file, offset in it (None: the whole file), reason."""

    opened: int = 0
    joined: int = 0
    already_there: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    not_read: list[tuple[str, int | None, str]] = field(default_factory=list)
    stopped: str | None = None

    def count(self, place: Place, receipt: Receipt | Failed) -> None:
        """Count what became of one mail."""
        if isinstance(receipt, Failed):
            self.fail(place, receipt.reason)
        elif (name := _IN.get(receipt.outcome)) is not None:
            setattr(self, name, getattr(self, name) + 1)
        elif receipt.outcome == "held":
            self.skipped["spam, held in the inbox"] += 1
        else:
            self.skipped[receipt.because] += 1

    def fail(self, place: Place, reason: str) -> None:
        """Note a mail that couldn't be read."""
        self.not_read.append((str(place.shown), place.offset if place.mbox else None, reason))

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "opened": self.opened,
            "joined": self.joined,
            "already_there": self.already_there,
            "skipped": dict(self.skipped),
            "not_read": [
                {"file": file, "offset": offset, "reason": reason} for file, offset, reason in self.not_read
            ],
            "stopped": self.stopped,
        }

    def lines(self) -> Iterator[str]:
        """Yield it as people read it."""
        yield (
            f"opened {self.opened}, joined {self.joined}, already there {self.already_there}, "
            f"skipped {self.skipped.total()}, not read {len(self.not_read)}"
        )
        for reason, number in self.skipped.most_common():
            yield f"skipped {number}: {reason}"
        for file, offset, reason in self.not_read:
            yield f"not read: {file}{'' if offset is None else f' at byte {offset}'}: {reason}"
        if self.stopped:
            yield f"stopped: {self.stopped}; run it again, it goes on from here"


async def run(parts: Parts, asked: Asked, progress: Progress) -> Summary:
    """Import what was asked for. Our own trouble (database, disk) ends it early and stands in the summary. SIGTERM
    cancels it."""
    gc.set_threshold(_COLLECT)
    stop = Stop()
    with stop.listening(), scratch_folder() as scratch:
        return await _run(parts, asked, progress, scratch, stop)


async def _run(parts: Parts, asked: Asked, progress: Progress, scratch: Path, stop: Stop) -> Summary:
    summary = Summary()
    order = Order(parts.clock.now())
    worker = parts.config.worker
    children = Children(
        max(worker.reading_children, 2),
        worker.reading_timeout,
        worker.reading_memory_bytes,
        preload=("intake.email.import_reading",),
    )
    try:
        with progress(None):
            stop.at_once = True
            _list(asked, scratch, order, summary, parts.config.email.inbound.max_message_bytes)
            count = order.arrange()
            stop.at_once = False
            with suppress(ChildFailed):  # then the first mail says so
                await children.warm()
        with progress(count) as advance:
            await _Run(parts, asked, children, summary).all(order, advance)
    except Unavailable as exc:
        summary.stopped = str(exc) or "our own trouble"
    finally:
        order.close()
        await children.close()
    return summary


def _list(asked: Asked, scratch: Path, order: Order, summary: Summary, limit: int) -> None:
    for found in places(asked.paths, scratch):
        if isinstance(found, Unfit):
            if found.skipped:
                summary.skipped["no mail"] += 1
            else:
                summary.not_read.append((str(found.shown), None, found.reason))
        elif found.skip is not None:
            summary.skipped[found.skip] += 1
        elif found.size > limit + 2:  # an empty line may follow it
            summary.fail(found, f"is over {limit} bytes")
        else:
            order.add(found)


@dataclass(slots=True)
class _Mail:
    """A mail on its way: its bytes' rows, one a queue that it may belong to, and what was read."""

    place: Place
    rows: Mapping[str, Arrival]
    raw: bytes
    read: ReadArchived | None = None


class _Run:
    def __init__(self, parts: Parts, asked: Asked, children: Children, summary: Summary) -> None:
        self._parts = parts
        self._asked = asked
        self._children = children
        self._summary = summary
        self._importer = Importer(parts.desk, parts.database, parts.blobs)
        self._context = context_of(parts.config, secret_keys(parts.config))
        names = [queue.name for queue in parts.config.queue]
        self._queues = [asked.queue] if asked.queue else names

    async def all(self, order: Order, advance: Callable[[int], None]) -> None:
        """Read one window while the one before is taken in."""
        windows = _windows(order.mails())
        reading = asyncio.create_task(self._read(next(windows, [])))
        try:
            while True:
                mails, seen = await reading
                if not seen:
                    return
                reading = asyncio.create_task(self._read(next(windows, [])))
                await self._take_in(mails)
                advance(seen)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, window: Sequence[Place]) -> tuple[list[_Mail], int]:
        """Read a window's mails, but for those that are there. Returns them and how many the window had."""
        mails = []
        for place in window:
            try:
                raw = mail_of(place)
            except OSError as exc:
                self._summary.fail(place, exc.strerror or type(exc).__name__)
                continue
            mails.append(_Mail(place, self._rows(raw), raw))
        there = await self._importer.there({row.key for mail in mails for row in mail.rows.values()})
        fresh = [mail for mail in mails if not any(row.key in there for row in mail.rows.values())]
        self._summary.already_there += len(mails) - len(fresh)
        await asyncio.gather(*(self._read_batch(batch) for batch in _batches(fresh)))
        return [mail for mail in fresh if mail.read is not None], len(window)

    def _rows(self, raw: bytes) -> dict[str, Arrival]:
        envelope = Envelope(
            sender=None, queues=dict.fromkeys(self._queues, ()), protocol="import", trusted=True
        )
        now = self._parts.clock.now()
        return {
            str(row.envelope["queue"]): replace(
                row, received_at=now, envelope={**row.envelope, "quiet": True}
            )
            for row in arrivals(raw, envelope, _LONG_AGO)
        }

    async def _read_batch(self, batch: Sequence[_Mail]) -> None:
        """Read several in one call; where that fails each alone, so that one mail's trouble is its own."""
        try:
            read = await self._children.call(
                _READ, [mail.raw for mail in batch], self._asked.queue, self._context
            )
        except ChildFailed as exc:
            if len(batch) == 1:
                self._summary.fail(batch[0].place, f"can't be read: {exc.reason}")
                return
            for mail in batch:
                await self._read_batch([mail])
            return
        for mail, one in zip(batch, read, strict=True):
            mail.read = one

    async def _take_in(self, mails: Sequence[_Mail]) -> None:
        wanted: list[tuple[Place, Archived]] = []
        for mail in mails:
            archived = self._archived(mail)
            if isinstance(archived, str):
                self._summary.skipped[archived] += 1
            else:
                wanted.append((mail.place, archived))
        receipts = await self._importer.take_in([archived for _, archived in wanted])
        for (place, _), receipt in zip(wanted, receipts, strict=True):
            self._summary.count(place, receipt)

    def _archived(self, mail: _Mail) -> Archived | str:
        """What the importer takes in, or why there is nothing to take in."""
        assert mail.read is not None
        inbound, queue = mail.read.inbound, mail.read.queue
        if isinstance(inbound, Ignored):
            return inbound.reason
        if isinstance(inbound, DeliveryReport) or (
            isinstance(inbound, NewMessage) and inbound.automatic == "bounce"
        ):
            return "bounce"
        now, as_of = self._parts.clock.now(), None
        if isinstance(inbound, NewMessage):
            if inbound.automatic in ("auto-reply", "auto-generated") and self._ours(inbound):
                return "automatic mail of ours"
            written = sane(inbound.source_time, now)
            as_of = written if self._asked.as_of_date else None
            inbound = replace(inbound, source_time=written or sane(mail.place.arrived, now) or now)
        elif not isinstance(inbound, Held):
            return f"a {type(inbound).__name__}"
        rows = {queue: mail.rows[queue]} if mail.read.sure else mail.rows
        return Archived(arrivals=rows, queue=queue, inbound=inbound, named_in=named_in, as_of=as_of)

    def _ours(self, new: NewMessage) -> bool:
        return new.sender.address in self._context.ours


def _windows(found: Iterator[Place]) -> Iterator[list[Place]]:
    window: list[Place] = []
    size = 0
    for place in found:
        if window and (len(window) == WINDOW_MAILS or size + place.size > WINDOW_BYTES):
            yield window
            window, size = [], 0
        window.append(place)
        size += place.size
    if window:
        yield window


def _batches(mails: Sequence[_Mail]) -> Iterator[list[_Mail]]:
    batch: list[_Mail] = []
    size = 0
    for mail in mails:
        if batch and (len(batch) == BATCH_MAILS or size + len(mail.raw) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(mail)
        size += len(mail.raw)
    if batch:
        yield batch
