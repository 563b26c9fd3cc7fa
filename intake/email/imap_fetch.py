"""The mails of one account: each is stored, and only then marked.

A crash between the two fetches a mail again, and the inbox takes it for the same (`arrival`'s key). What is wrong with
one mail holds up no other: it's told, left where it is and tried again an hour later.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from core.clock import Clock
from core.config import Config, Imap
from core.failures import Unavailable
from core.inbox import Arrival
from intake.email import imap_rules as rules
from intake.email.addresses import plain_of
from intake.email.arrival import arrivals
from intake.email.imap_link import Link
from intake.email.imap_rules import Cursor, Failures
from intake.email.routing import Routes

_LARGE: Final = 1_048_576  # bytes; hashing more would hold the loop up


class Store(Protocol):
    """Where arrivals go: `core.inbox.Intake`."""

    async def store(self, arrivals: Sequence[Arrival]) -> int:
        """Store them; raise `Unavailable` on trouble of ours."""
        ...


@dataclass(slots=True)
class Batch:
    """What became of some mails. `stored`: to be marked; `done`: stored, gone or set aside; `failed`: left.

    `trouble` ended the batch early: the connection went, or nothing can be stored now.
    """

    stored: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    bytes: int = 0
    trouble: Exception | None = None

    def full(self) -> bool:
        """Say whether it's time to mark."""
        return len(self.done) + len(self.failed) >= rules.BATCH or self.bytes >= rules.BATCH_BYTES


class Fetcher:
    """Takes mails from one account's connections, one connection at a time; remembers across them."""

    def __init__(self, config: Config, box: Imap, intake: Store, clock: Clock, log: Any) -> None:
        self._inbound, self._data_dir = config.email.inbound, config.service.data_dir
        self._box, self._clock, self._log = box, clock, log
        self.intake = intake
        self._routes = Routes(config, partial(plain_of, delimiter=self._inbound.delimiter))
        queue = config.queue_named(box.queue)
        self._queue_address = next(iter(queue.addresses if queue else ()), "")
        self._validity = 0
        self._failures = Failures()
        self._unmarked: set[int] = set()  # stored, but marking failed
        self._stored: set[int] = (
            set()
        )  # of late: some mailboxes keep no flags, and some people mark as unread

    def mailbox(self, validity: int) -> None:
        """Say which mailbox a new connection has open: UIDs mean something in it alone."""
        if validity != self._validity:
            self._validity = validity
            self._failures, self._unmarked, self._stored = Failures(), set(), set()

    def room(self) -> bool:
        """Whether the disk takes more; what isn't fetched waits at the server."""
        try:
            left = shutil.disk_usage(self._data_dir).free
        except OSError:
            return True
        if left < self._inbound.disk_left_bytes:
            self._log.warning("imap_disk_full", left=left)
        return left >= self._inbound.disk_left_bytes

    async def look(self, link: Link, cursor: Cursor) -> list[int]:
        """Return the mails to fetch, the oldest first; mark before what couldn't be marked."""
        if self._unmarked:
            await self._mark(link, set())
        skip = self._unmarked | self._stored | self._failures.waiting(self._clock.now())
        unread, newer = await link.look(cursor.above)
        return rules.wanted(unread, newer, cursor, skip)

    async def batch(self, link: Link, uids: list[int], stopping: Callable[[], bool]) -> Batch:
        """Take some of `uids` off its front, store them, and then mark what was stored. Raises nothing that isn't
        a bug or an end: see `Batch.trouble`."""
        batch = Batch()
        while uids and not batch.full() and not stopping():
            uid = uids.pop(0)
            try:
                await self._one(link, uid, batch)
            except Unavailable as exc:
                batch.trouble = exc
                break
            except Exception as exc:
                if rules.is_wire(exc):
                    batch.trouble = exc
                    if not self._failures.died(uid):
                        break
                self._leave(uid, exc, batch)
                if batch.trouble:
                    break
        for uid in batch.done:
            self._failures.done(uid)
        if not batch.stored:
            return batch
        if batch.trouble is None or not rules.is_wire(batch.trouble):
            try:
                await self._mark(link, batch.stored)
            except Exception as exc:
                batch.trouble = exc
        else:
            self._unmarked |= batch.stored
        return batch

    async def _one(self, link: Link, uid: int, batch: Batch) -> None:
        """Fetch and store one mail; one that is gone counts as done."""
        fetched = await link.fetch(uid)
        if fetched is None:
            batch.done.add(uid)
            return
        if len(fetched.raw) > self._inbound.max_message_bytes:
            await self._too_large(link, uid, fetched.raw, fetched.size)
        else:
            await self._store(uid, fetched.raw, fetched.arrived)
            batch.stored.add(uid)
            batch.bytes += len(fetched.raw)
            self._remember(uid)
        batch.done.add(uid)

    def _leave(self, uid: int, exc: Exception, batch: Batch) -> None:
        self._failures.leave(uid, self._clock.now())
        batch.failed.add(uid)
        reason = f"{type(exc).__name__} {rules.said(exc)}".strip()
        self._log.warning("imap_mail_left", uid=uid, reason=reason)

    async def _store(self, uid: int, raw: bytes, arrived: datetime | None) -> None:
        """Store it. Where a mail has no name of its own, the server's time of arrival, not ours, tells it from
        others: a mail that is fetched twice stays one."""
        now = self._clock.now()
        envelope = rules.envelope_of(raw, self._box, self._routes, self._queue_address)
        if len(raw) < _LARGE:
            rows = arrivals(raw, envelope, arrived or now)
        else:
            rows = await asyncio.to_thread(arrivals, raw, envelope, arrived or now)
        await self.intake.store([replace(row, received_at=now) for row in rows])
        self._log.info("imap_stored", uid=uid, key=rows[0].key.hex()[:16], bytes=len(raw))

    def _remember(self, uid: int) -> None:
        if len(self._stored) >= rules.REMEMBERED:
            self._stored.clear()  # what is fetched again then is the same to the inbox
        self._stored.add(uid)

    async def _too_large(self, link: Link, uid: int, begun: bytes, size: int) -> None:
        limit = self._inbound.max_message_bytes
        await self._store(uid, rules.stand_in(begun, size, limit, self._box.mailbox), None)
        await link.set_aside(uid)
        self._remember(uid)
        self._log.warning("imap_mail_too_large", uid=uid, bytes=size, limit=limit)

    async def _mark(self, link: Link, stored: set[int]) -> None:
        """Mark what was stored, now or before; what the server refuses to mark is tried again at the next look."""
        uids = self._unmarked | stored
        try:
            await link.mark(uids)
        except Exception as exc:
            again, self._unmarked = bool(self._unmarked), uids
            if rules.is_wire(exc):
                raise
            tell = self._log.info if again else self._log.warning
            tell("imap_mark_failed", mails=len(uids), after=self._box.after, reason=rules.said(exc))
        else:
            self._unmarked = set()
            self._log.info("imap_marked", mails=len(uids), after=self._box.after)
