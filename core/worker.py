"""The worker: reads the inbox, a shard at a time, and hands each row to the manager, one transaction a row.

A row's attempt is counted in a committed row before it is read; a row that crashed its reader is read alone, later,
and at the third crash set aside as `unreadable`: staff get a bare ticket with the original attached, and what came
after it goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Row, select, update

from core import inbox, work
from core.blobs import Blobs
from core.channel import Channel
from core.config import Config
from core.database import Database, Tx
from core.failures import NotYet, StaleLease, Unavailable
from core.inbox import SHARDS, Intake, item_of, shards_with_work, window
from core.manager import TicketManager
from core.receive import Claim
from core.shapes import Inbound, Receipt
from core.signals import Signals
from core.tables import inbox as rows_of
from core.tasks import drained, kept
from core.unreadable import bare_ticket

log = structlog.get_logger(__name__)

WINDOW = 20  # rows looked at together
TRIES = 3
DISK_PATIENCE = timedelta(seconds=60)
DEATHS = 10  # reading is in a child, so a process that dies says little about the mail in its hands


def shard_name(shard: int) -> str:
    """Return the name of a shard's lease."""
    return f"inbox:{shard:02}"


class Worker:
    """Reads the inbox. One per process; any number of processes share the shards."""

    def __init__(
        self,
        config: Config,
        database: Database,
        blobs: Blobs,
        intake: Intake,
        manager: TicketManager,
        channels: Mapping[str, Channel],
        signals: Signals,
    ) -> None:
        self._config = config
        self._database = database
        self._blobs = blobs
        self._intake = intake
        self._manager = manager
        self._channels = channels
        self._signals = signals
        self._stopping = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._busy: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Make sure that the shards' leases exist and begin to work in the background."""
        names = {shard_name(shard): "inbox" for shard in range(SHARDS)}
        await self._database.unit(lambda tx: work.ensure(tx, names))
        self._loop_task = asyncio.create_task(self._loop(), name="worker")

    async def stop(self, grace: timedelta = timedelta(seconds=6)) -> None:
        """Begin no further row, finish those in hand, within `grace`."""
        self._stopping.set()
        self._signals.inbox.set()
        await drained([self._loop_task], grace, self._busy.values)

    async def _loop(self) -> None:
        while not self._stopping.is_set():
            started = 0
            try:
                started = await self._start_shards()
            except Unavailable:
                await asyncio.sleep(0.5)
            except Exception:
                log.exception("worker_trouble")
                await asyncio.sleep(0.5)
            if not started and not self._stopping.is_set():
                await self._signals.inbox.wait(self._config.worker.poll.total_seconds())

    async def _start_shards(self) -> int:
        """Claim free shards with work, up to the configured number of lanes."""
        if len(self._busy) >= self._config.worker.lanes:
            return 0
        await self._intake.quiet()
        found = await self._database.read(lambda tx: shards_with_work(tx, self._channels))
        shards = [s for s in found if s not in self._busy]
        random.shuffle(shards)
        started = 0
        for shard in shards:
            if len(self._busy) >= self._config.worker.lanes or self._stopping.is_set():
                break
            lease = await work.claim_named(self._database, shard_name(shard), "inbox", due=False)
            if lease is None:
                continue
            task = asyncio.create_task(self._hold(lease, shard), name=f"shard {shard}")
            self._busy[shard] = task
            task.add_done_callback(partial(self._done, shard))
            started += 1
        return started

    def _done(self, shard: int, _: asyncio.Task[None]) -> None:
        self._busy.pop(shard, None)
        self._signals.inbox.set()

    async def _hold(self, lease: work.Lease, shard: int) -> None:
        rest = None
        try:
            async with kept(self._database, lease):
                try:
                    while not self._stopping.is_set() and await self._work_window(lease, shard):
                        pass
                except NotYet:
                    rest = timedelta(milliseconds=100)
                except Unavailable as exc:
                    log.warning("shard_waits", shard=shard, reason=str(exc))
                    rest = timedelta(seconds=1)
            not_before = None if rest is None else self._database.clock.now() + rest
            await work.finish(self._database, lease, due=None, not_before=not_before)
        except StaleLease:
            log.warning("shard_lost", shard=shard)
        except Unavailable:
            log.warning("shard_left", shard=shard)
        except Exception:
            log.exception("shard_trouble", shard=shard)
            await asyncio.sleep(1)

    async def _work_window(self, lease: work.Lease, shard: int) -> bool:
        """Read the shard's next rows, in order. False where there were none."""
        rows = await self._database.read(lambda tx: window(tx, shard, WINDOW, self._channels))
        if not rows:
            return False
        if rows[0].attempts:  # it crashed before: alone
            rows = rows[:1]
        else:
            fresh = next((i for i, row in enumerate(rows) if row.attempts), len(rows))
            rows = rows[:fresh]
        ids = [row.id for row in rows]

        async def count(tx: Tx) -> None:
            await inbox.count_attempt(tx, ids)
            await work.fence(tx, lease)

        await self._database.unit(count)
        for index, row in enumerate(rows):
            if self._stopping.is_set():
                await self._take_back(ids[index:])
                return False
            await self._intake.quiet()
            try:
                await self.work_one(lease, row.id, row.attempts + 1)
            except (Unavailable, StaleLease, asyncio.CancelledError):
                await self._take_back(ids[index:])
                raise
        return True

    async def _take_back(self, ids: Sequence[int]) -> None:
        """Trouble of ours is no fault of the rows'."""
        try:
            await asyncio.shield(self._database.unit(lambda tx: inbox.count_attempt(tx, ids, -1)))
        except Unavailable:
            log.warning("attempts_kept", rows=len(ids))

    async def work_one(self, lease: work.Lease, item_id: int, attempt: int) -> None:
        """Read one row and hand it to the manager. Raises `Unavailable`, `StaleLease`."""
        row = await self._database.read(
            lambda tx: tx.first(select(rows_of).where(rows_of.c.id == item_id, rows_of.c.state == "new"))
        )
        if row is None:
            return
        if attempt > DEATHS:  # each try so far took the whole process with it
            await self._crashed(lease, row, attempt, RuntimeError())
            return
        try:
            inbound = await self._read(row)
        except FileNotFoundError as exc:
            await self._crashed(lease, row, attempt, exc)
            return
        except OSError as exc:
            await self._put_off(lease, row, attempt - 1, f"disk: {exc.strerror}")
            return
        except (Unavailable, StaleLease, asyncio.CancelledError):
            raise
        except Exception as exc:
            await self._crashed(lease, row, attempt, exc)
            return
        try:
            claim = Claim(
                item_id=item_id,
                fence=lambda tx: work.fence(tx, lease),
                refill=row.ticket_id,
                quiet=bool(row.envelope.get("quiet")),
            )
            receipt = await self._manager.receive(inbound, claim)
        except (Unavailable, StaleLease, asyncio.CancelledError):
            raise
        except Exception as exc:
            await self._crashed(lease, row, attempt, exc)
            return
        _told(row, receipt)

    async def _read(self, row: Row[Any]) -> Inbound:
        channel = self._channels.get(row.channel)
        if channel is None:
            raise Unavailable(f"channel {row.channel} isn't mounted here")
        return await channel.read(await item_of(row, self._blobs))

    async def _put_off(self, lease: work.Lease, row: Row[Any], attempts: int, reason: str) -> None:
        """Our disk's trouble with one row is no fault of the row's, and none of those behind it."""
        log.error("bytes_unreadable", item=row.id, reason=reason)

        async def later(tx: Tx) -> None:
            put_off = await tx.now() + DISK_PATIENCE
            await tx.run(
                update(rows_of)
                .where(rows_of.c.id == row.id, rows_of.c.state == "new")
                .values(not_before=put_off, reason=reason[:500], attempts=attempts)
            )
            await work.fence(tx, lease)

        await self._database.unit(later)

    async def _crashed(self, lease: work.Lease, row: Row[Any], attempt: int, exc: Exception) -> None:
        """A limit, a crash or an exception: later and alone, or, the third time, set aside and shown."""
        reason = f"{type(exc).__name__}: {exc}"[:300] if _harmless(exc) else type(exc).__name__
        log.warning("read_failed", item=row.id, attempt=attempt, error=type(exc).__name__, at=_place(exc))
        if attempt < TRIES:
            steps = self._config.worker.retry_after
            wait = steps[min(attempt, len(steps)) - 1]

            async def later(tx: Tx) -> None:
                now = await tx.now()
                await tx.run(
                    update(rows_of)
                    .where(rows_of.c.id == row.id, rows_of.c.state == "new")
                    .values(not_before=now + wait, reason=reason)
                )
                await work.fence(tx, lease)

            await self._database.unit(later)
            asyncio.get_running_loop().call_later(wait.total_seconds() + 0.01, self._signals.inbox.set)
            return
        ticket_id = await bare_ticket(
            self._manager.desk, self._database, self._blobs, row, reason, lambda tx: work.fence(tx, lease)
        )
        log.error("unreadable", item=row.id, ticket=ticket_id)


def _place(exc: BaseException) -> str:
    """Where it was raised: a file and a line, never a value."""
    frames = traceback.extract_tb(exc.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"


def _harmless(exc: Exception) -> bool:
    """Does the exception's text come from us (and so holds no words of the mail's)?"""
    return type(exc).__module__.startswith(("core.", "intake.", "bot."))


def _told(row: Row[Any], receipt: Receipt) -> None:
    log.info(
        "work_one",
        item=row.id,
        channel=row.channel,
        outcome=receipt.outcome,
        ticket=receipt.ticket_id,
        message=receipt.message_id,
        because=receipt.because,
    )
