"""The courier: claims lanes, marks, sends, settles. It alone sends what the outbox notes.

A delivery is `sending` in a committed row before its first byte leaves. Whoever finds one `sending` that it didn't mark
itself (its holder was killed) settles it by kind: look it up, repeat it, or let it be.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, select

from core import outbox, rests, work
from core.blobs import INLINE_BYTES, Blobs
from core.channel import Channel
from core.clock import Clock
from core.config import Config
from core.database import Database, Tx
from core.desk_texts import phrase
from core.failures import (
    PermanentFailure,
    StaleLease,
    Suppressed,
    Unavailable,
    as_failure,
)
from core.outgoing import load
from core.settling import Settling
from core.shapes import Outgoing
from core.tables import deliveries, tickets
from core.tasks import drained, kept
from core.tell import held_no_longer
from core.units import Desk

log = structlog.get_logger(__name__)

PER_CLAIM = 50  # deliveries that one holder sends before it gives others a turn


class Courier:
    """Sends what the outbox notes, through the mounted channels. One per process; any number of processes.

    `quiet` lets an SMTP transaction in flight go first.
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        blobs: Blobs,
        desk: Desk,
        channels: Mapping[str, Channel],
        clock: Clock | None = None,
        quiet: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._config = config
        self._database = database
        self._blobs = blobs
        self._desk = desk
        self._channels = channels
        self._clock = clock or database.clock
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._settling = Settling(desk, database, self._clock, self._stopping)
        self._quiet = quiet or _at_once
        # One gate a channel: a backlog of mail holds up no Slack, and the other way round.
        self._gates = {name: asyncio.Semaphore(config.courier.lanes) for name in channels}
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to work in the background."""
        self._tasks.append(asyncio.create_task(self._loop(), name="courier"))

    async def stop(self, grace: timedelta = timedelta(seconds=6)) -> None:
        """Send nothing new, finish what is being sent, within `grace`."""
        self._stopping.set()
        self._desk.signals.outbox.set()
        await drained(self._tasks, grace, lambda: self._running)

    async def _loop(self) -> None:
        """Claim due lanes as they come; each is worked off by a task of its own."""
        while not self._stopping.is_set():
            claimed = 0
            try:
                claimed = await self._claim_all()
            except Unavailable:
                await asyncio.sleep(0.5)
            except Exception:
                log.exception("courier_trouble")
                await asyncio.sleep(0.5)
            if not claimed and not self._stopping.is_set():
                await self._desk.signals.outbox.wait(self._config.courier.poll.total_seconds())

    async def _claim_all(self) -> int:
        claimed = 0
        for name in await self._database.read(self._open_channels):
            gate = self._gates[name]
            while not self._stopping.is_set() and not gate.locked():
                await self._quiet()
                lease = await work.claim(self._database, outbox.lane_kind(name))
                if lease is None:
                    break
                claimed += 1
                await gate.acquire()
                holder = self._hold(lease, self._channels[name], gate)
                task = asyncio.create_task(holder, name=f"lane {lease.name}")
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        return claimed

    async def _open_channels(self, tx: Tx) -> list[str]:
        """The channels that may send now: none while everything is on hold, none that is paused."""
        if await self._held(tx):
            return []
        paused = await work.paused(tx, [rests.channel_row(name) for name in self._channels])
        return [name for name in self._channels if rests.channel_row(name) not in paused]

    async def _held(self, tx: Tx) -> bool:
        return await outbox.on_hold(tx, self._config.service.outbound)

    async def _hold(self, lease: work.Lease, channel: Channel, gate: asyncio.Semaphore) -> None:
        try:
            async with kept(self._database, lease):
                not_before = await self._work_off(lease, channel)
            await work.finish_lane(self._database, lease, not_before)
            if not_before is not None:
                wait = max((not_before - self._clock.now()).total_seconds(), 0)
                asyncio.get_running_loop().call_later(min(wait + 0.01, 60), self._desk.signals.outbox.set)
        except StaleLease:
            log.warning("lane_lost", lane=lease.name)
        except Unavailable:
            log.warning("lane_left", lane=lease.name)  # the lease expires, somebody verifies
        except Exception:
            log.exception("lane_trouble", lane=lease.name)
        finally:
            gate.release()
            self._desk.signals.outbox.set()

    async def _work_off(self, lease: work.Lease, channel: Channel) -> datetime | None:
        """Work a lane off. Returns until when it must rest, None where it needn't."""
        for _ in range(PER_CLAIM):
            if self._stopping.is_set():
                return None
            await self._quiet()
            next_one = await self._database.read(lambda tx: self._look(tx, lease.name))
            for row in next_one.unsettled:
                await self._settling.verify(lease, channel, row)
            if next_one.unsettled:
                continue
            if next_one.row is None:
                return None
            rest = await self.deliver_one(lease, channel, next_one)
            if rest is not None:
                return rest
        return None

    async def _look(self, tx: Tx, lane: str) -> _Next:
        """What comes next in a lane: first whatever was being sent when its holder went, then the head."""
        unsettled = await outbox.sending(tx, lane)
        if unsettled or await self._held(tx):
            return _Next(unsettled)
        # Every other turn, by chance: whoever holds the lane next knows nothing of this one's turns.
        head = await outbox.next_head(tx, lane, by_age=random.random() < 0.5)
        if head is None:
            return _Next(())
        try:
            return _Next((), head, await load(tx, head))
        except PermanentFailure as exc:
            return _Next((), head, never=exc.reason, told=isinstance(exc, Suppressed))

    async def deliver_one(self, lease: work.Lease, channel: Channel, found: _Next) -> datetime | None:
        """Mark, send, settle one delivery. Returns until when the lane must rest, None where it needn't."""
        row, outgoing = found.row, found.outgoing
        assert row is not None
        if outgoing is None:
            await self._settling.give_up(lease, row, found.never, told=found.told)
            return None
        try:
            rendered = await self._render(channel, row, outgoing)
        except PermanentFailure as exc:
            await self._settling.give_up(lease, row, exc.reason)
            return None
        except (Unavailable, StaleLease):
            raise
        except Exception as exc:  # rendering raised: our bug, told to staff and not repeated for ever
            log.exception("render_failed", delivery=row.id, kind=row.kind)
            await self._settling.give_up(lease, row, phrase("reason_not_rendered", error=type(exc).__name__))
            return None
        marked = await self._mark(lease, row, rendered, outgoing)
        if marked is None:
            return None
        row = marked
        outgoing = replace(outgoing, sending_at=row.sending_at, attempts=row.attempts)
        log.info("deliver_one", delivery=row.id, ticket=row.ticket_id, kind=row.kind, channel=row.channel)
        try:
            sent = await channel.send(outgoing, rendered)
        except Exception as exc:
            return await self._settling.failed(lease, channel, row, outgoing, as_failure(exc))
        return await self._settling.sent(lease, row, sent)

    async def _render(self, channel: Channel, row: Row[Any], outgoing: Outgoing) -> bytes | None:
        """The bytes of the first try are kept and repeated on every other."""
        try:
            if row.rendered_raw is not None:
                return bytes(row.rendered_raw)
            if row.rendered is not None:
                return await self._blobs.get(row.rendered)
            return await channel.render(outgoing)
        except FileNotFoundError:
            raise  # gone for good
        except OSError as exc:
            raise Unavailable(f"disk: {exc.strerror}") from exc

    async def _mark(
        self, lease: work.Lease, row: Row[Any], rendered: bytes | None, loaded: Outgoing
    ) -> Row[Any] | None:
        """Commit that it is being sent before the first byte leaves. None where it was cancelled, or where its
        ticket changed since it was loaded: then it is loaded again."""
        first = row.rendered is None and row.rendered_raw is None
        kept = await self._kept(rendered) if rendered is not None and first else {}
        if kept and loaded.cc:  # a bounce may be about any of them
            kept["data"] = {**row.data, "copied": [person.key.hex() for person in loaded.cc]}
        kept["wait_until"] = None  # its time has come

        async def unit(tx: Tx) -> Row[Any] | None:
            marked = await outbox.mark_sending(tx, row.id, kept)
            if marked:
                await held_no_longer(tx, self._desk, row)
            await work.fence(tx, lease)
            # Whoever changes what is shown locks this lane too, so from here on they see it being sent.
            if marked and first and await _changed(tx, loaded):
                raise _Changed
            after = await tx.first(select(deliveries).where(deliveries.c.id == row.id)) if marked else None
            if after is not None and after.seq != row.seq:
                raise _Changed  # it took further news since it was loaded (`core.bundling`)
            return after

        try:
            return await self._database.unit(unit)
        except _Changed:
            return None

    async def _kept(self, rendered: bytes) -> dict[str, Any]:
        """Where the bytes of the first try are kept: in the row, large ones in a blob."""
        if len(rendered) <= INLINE_BYTES:
            return {"rendered_raw": rendered}
        try:
            return {"rendered": await self._blobs.put(rendered)}
        except OSError as exc:
            raise Unavailable(f"disk: {exc.strerror}") from exc


async def _at_once() -> None:
    """Nobody needs to go first."""


@dataclass(frozen=True, slots=True)
class _Next:
    """What a lane's holder found: deliveries of unknown outcome, or the head as its channel gets it; `never`
    says why it must not go, `told` whether staff hear of that."""

    unsettled: Sequence[Row[Any]]
    row: Row[Any] | None = None
    outgoing: Outgoing | None = None
    never: str = ""
    told: bool = False


class _Changed(Exception):
    """The ticket, or the delivery itself, changed between loading it and marking it."""


async def _changed(tx: Tx, loaded: Outgoing) -> bool:
    if loaded.ticket is None:
        return False
    version = await tx.scalar(select(tickets.c.version).where(tickets.c.id == loaded.ticket.id))
    return bool(version != loaded.ticket.version)


__all__ = ["Courier"]
