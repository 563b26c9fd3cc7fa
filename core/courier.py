"""The courier: claims lanes, marks, sends, settles. It alone sends what the outbox notes.

A delivery is `sending` in a committed row before its first byte leaves. Whoever finds one `sending` that it didn't mark
itself (its holder was killed) settles it by kind: look it up, repeat it, or let it be.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, delete, insert, select, update

from core import outbox, units, views, work
from core.blobs import Blobs
from core.channel import Channel
from core.clock import Clock
from core.config import Config
from core.database import Database, Tx
from core.failures import (
    Failure,
    PermanentFailure,
    Scope,
    StaleLease,
    TemporaryFailure,
    Unavailable,
    UnknownOutcome,
    as_failure,
)
from core.outgoing import load, written_at_desk
from core.retry import Fail, Requeue, after
from core.shapes import Kind, Outgoing, Seen, Sent, key_of
from core.tables import deliveries, links, tickets
from core.tell import mark, tell_failure
from core.units import Desk

log = structlog.get_logger(__name__)

PER_CLAIM = 50  # deliveries that one holder sends before it gives others a turn
LOOK_AGAIN = timedelta(seconds=30)
LOOKS = (0.0, 2.0, 8.0, 20.0)  # seconds between looks for a delivery of unknown outcome


class Courier:
    """Sends what the outbox notes, through the mounted channels. One per process; any number of processes."""

    def __init__(
        self,
        config: Config,
        database: Database,
        blobs: Blobs,
        desk: Desk,
        channels: Mapping[str, Channel],
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._database = database
        self._blobs = blobs
        self._desk = desk
        self._channels = channels
        self._clock = clock or database.clock
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._gate = asyncio.Semaphore(config.courier.lanes)
        self._running: set[asyncio.Task[None]] = set()
        self.tokens: set[str] = set()

    async def start(self) -> None:
        """Begin to work in the background."""
        self._tasks.append(asyncio.create_task(self._loop(), name="courier"))

    async def stop(self, grace: timedelta = timedelta(seconds=6)) -> None:
        """Send nothing new, finish what is being sent, within `grace`."""
        self._stopping.set()
        self._desk.signals.outbox.set()
        pending = [*self._tasks, *self._running]
        if pending:
            _, late = await asyncio.wait(pending, timeout=grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

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
        if await self._database.read(self._held):
            return 0
        claimed = 0
        for name in self._channels:
            if await work.waits_until(self._database, f"channel:{name}") is not None:
                continue
            while not self._stopping.is_set() and not self._gate.locked():
                lease = await work.claim(self._database, outbox.lane_kind(name))
                if lease is None:
                    break
                claimed += 1
                await self._gate.acquire()
                task = asyncio.create_task(self._hold(lease, self._channels[name]), name=f"lane {lease.name}")
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        if self._gate.locked() and self._running:
            await asyncio.wait(self._running, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        return claimed

    async def _held(self, tx: Tx) -> bool:
        return await outbox.on_hold(tx, self._config.service.outbound)

    async def _heads(self, tx: Tx, lane: str) -> Sequence[Row[Any]]:
        return () if await self._held(tx) else await outbox.heads(tx, lane)

    async def _hold(self, lease: work.Lease, channel: Channel) -> None:
        self.tokens.add(lease.token)
        renewer = asyncio.create_task(self._renew(lease))
        try:
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
            renewer.cancel()
            self.tokens.discard(lease.token)
            self._gate.release()

    async def _renew(self, lease: work.Lease) -> None:
        while True:
            await asyncio.sleep(work.RENEW.total_seconds())
            try:
                await work.renew(self._database, lease)
            except (StaleLease, Unavailable):
                return

    async def _work_off(self, lease: work.Lease, channel: Channel) -> datetime | None:
        """Work a lane off. Returns until when it must rest, None where it needn't."""
        for row in await self._database.read(lambda tx: outbox.sending(tx, lease.name)):
            await self._verify(lease, channel, row)
        for _ in range(PER_CLAIM):
            if self._stopping.is_set():
                return None
            rows = await self._database.read(lambda tx: self._heads(tx, lease.name))
            if not rows:
                return None
            rest = await self.deliver_one(lease, channel, rows[0])
            if rest is not None:
                return rest
        return None

    async def deliver_one(self, lease: work.Lease, channel: Channel, row: Row[Any]) -> datetime | None:
        """Mark, send, settle one delivery. Returns until when the lane must rest, None where it needn't."""
        try:
            outgoing = await self._database.read(lambda tx: load(tx, row))
        except PermanentFailure as exc:
            await self._give_up(lease, row, exc.reason, told=False)
            return None
        try:
            rendered = await self._render(channel, row, outgoing)
        except PermanentFailure as exc:
            await self._give_up(lease, row, exc.reason)
            return None
        except (Unavailable, StaleLease):
            raise
        except Exception as exc:  # rendering raised: our bug, told to staff and not repeated for ever
            log.exception("render_failed", delivery=row.id, kind=row.kind)
            await self._give_up(lease, row, f"could not be rendered ({type(exc).__name__})")
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
            return await self._failed(lease, channel, row, outgoing, as_failure(exc))
        return await self._sent(lease, row, sent)

    async def _render(self, channel: Channel, row: Row[Any], outgoing: Outgoing) -> bytes | None:
        """The bytes of the first try are kept and repeated on every other."""
        try:
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
        blob = None
        if rendered is not None and row.rendered is None:
            try:
                blob = await self._blobs.put(rendered)
            except OSError as exc:
                raise Unavailable(f"disk: {exc.strerror}") from exc

        async def unit(tx: Tx) -> Row[Any] | None:
            marked = await outbox.mark_sending(tx, row.id, blob)
            await work.fence(tx, lease)
            # Whoever changes what is shown locks this lane too, so from here on they see it being sent.
            if marked and row.rendered is None and await _changed(tx, loaded):
                raise _Changed
            return await tx.first(select(deliveries).where(deliveries.c.id == row.id)) if marked else None

        try:
            return await self._database.unit(unit)
        except _Changed:
            return None

    async def _sent(self, lease: work.Lease, row: Row[Any], sent: Sent) -> datetime | None:
        """It was accepted: note its outside names, promote the next."""

        async def unit(tx: Tx) -> None:
            # Names first (links come before own rows in the lock order); a rerun finds them.
            for name in sorted(sent.links, key=key_of):
                await _link(tx, row, name, sent)
            if not await outbox.settle(tx, row.id, "sent", remote_id=sent.remote_id, error=sent.warning):
                await work.fence(tx, lease)
                return
            await work.fence(tx, lease)
            await outbox.promote(tx, row.lane, row.ticket_id)

        await self._database.unit(unit)
        log.info(
            "delivered", delivery=row.id, ticket=row.ticket_id, kind=row.kind, remote=sent.remote_id[:120]
        )
        await self._mark_answer(row, "sent")
        self._desk.signals.outbox.set()
        if sent.pace_ms:
            return self._clock.now() + timedelta(milliseconds=sent.pace_ms)
        return None

    async def _mark_answer(self, row: Row[Any], sign: str) -> None:
        """Show on the staff's message that it went (or didn't), in a unit of its own: a sign may be lost."""
        if row.kind != Kind.MESSAGE or row.desk or row.message_id is None:
            return

        async def unit(tx: Tx) -> None:
            remote = await written_at_desk(tx, row.message_id)
            if remote is None:
                return
            ticket = await views.ticket(tx, row.ticket_id)
            if ticket is not None:
                await mark(tx, self._desk, ticket, remote, sign, row.message_id)

        try:
            await self._database.unit(unit)
        except Unavailable:
            log.warning("mark_lost", delivery=row.id)

    async def _failed(
        self, lease: work.Lease, channel: Channel, row: Row[Any], outgoing: Outgoing, failure: Failure
    ) -> datetime | None:
        now = self._clock.now()
        courier = self._config.courier
        decision = after(
            failure,
            kind=outgoing.kind,
            attempts=row.attempts,
            created_at=row.created_at,
            now=now,
            steps=courier.retry_after,
            give_up_after=courier.give_up_after,
            channel_pause=courier.channel_pause,
            dice=random.random,
        )
        log.warning(
            "delivery_failed",
            delivery=row.id,
            ticket=row.ticket_id,
            kind=row.kind,
            failure=type(failure).__name__,
            decision=type(decision).__name__,
            reason=failure.reason[:200],
        )
        if isinstance(decision, Fail):
            await self._give_up(lease, row, decision.reason)
            return None
        if isinstance(decision, Requeue):
            return await self._requeue(lease, row, decision)
        await self._verify(lease, channel, row)
        return None

    async def _requeue(self, lease: work.Lease, row: Row[Any], decision: Requeue) -> datetime | None:
        """It waits. A whole channel that is down doesn't count as this delivery's try."""
        wide = decision.scope is not Scope.DELIVERY
        now = self._clock.now()

        async def unit(tx: Tx) -> None:
            due = await tx.now() if wide else decision.due_at
            await outbox.settle(tx, row.id, "queued", due_at=due, error=decision.reason)
            if decision.scope is Scope.CHANNEL:
                await tx.run(
                    update(deliveries)
                    .where(deliveries.c.id == row.id)
                    .values(attempts=deliveries.c.attempts - 1)
                )
            await work.fence(tx, lease)

        await self._database.unit(unit)
        if decision.scope is Scope.CHANNEL:
            name = f"channel:{row.channel}"
            await work.pause(self._database, name, "channel", decision.due_at)
            log.warning("channel_away", channel=row.channel, until=decision.due_at.isoformat())
            asyncio.get_running_loop().call_later(
                max((decision.due_at - now).total_seconds(), 0) + 0.01, self._desk.signals.outbox.set
            )
            return now  # give the lane back; the channel's row holds it up
        return decision.due_at if decision.scope is Scope.LANE else None

    async def _verify(self, lease: work.Lease, channel: Channel, row: Row[Any]) -> None:
        """Settle a delivery of unknown outcome by its kind."""
        how = outbox.SETTLE[Kind(row.kind)]
        if how == "look":
            seen, sent = await self._look(channel, row)
            if seen is Seen.SENT and sent is not None:
                await self._sent(lease, row, sent)
                return
            if seen is Seen.NOT_THERE:
                how = "repeat"
            elif row.channel == "email":
                how = "repeat"  # the same bytes under the same Message-ID
        log.warning("delivery_unknown", delivery=row.id, kind=row.kind, settled=how)
        if how == "once":
            await self._settle(lease, row, "cancelled", error="the outcome is unknown; not repeated")
        elif how == "repeat":
            due = self._clock.now() + timedelta(seconds=0 if row.attempts <= 1 else 5)
            await self._settle(lease, row, "queued", due_at=due, error="the outcome was unknown")
        elif self._clock.now() - row.created_at > self._config.courier.give_up_after:
            await self._give_up(lease, row, "nobody could say whether it went")
        else:  # still `sending`, and looked for again
            due = self._clock.now() + LOOK_AGAIN
            await self._settle(lease, row, "sending", due_at=due, error="could not look whether it went")

    async def _look(self, channel: Channel, row: Row[Any]) -> tuple[Seen, Sent | None]:
        """Look several times: what was accepted may show late."""
        try:
            outgoing = await self._database.read(lambda tx: load(tx, row))
        except PermanentFailure:
            return Seen.NOT_THERE, None
        seen: tuple[Seen, Sent | None] = (Seen.UNKNOWN, None)
        for wait in LOOKS if row.channel != "email" else LOOKS[:1]:
            await asyncio.sleep(wait)
            try:
                seen = await channel.look_up(outgoing)
            except Exception as exc:
                failure = as_failure(exc)
                log.warning("look_up_failed", delivery=row.id, reason=failure.reason[:200])
                seen = (Seen.UNKNOWN, None)
                if isinstance(failure, TemporaryFailure | UnknownOutcome):
                    continue
            if seen[0] is Seen.SENT:
                break
            if self._stopping.is_set():  # it may show yet: whoever comes next looks again
                return Seen.UNKNOWN, None
        return seen

    async def _settle(
        self, lease: work.Lease, row: Row[Any], state: str, *, due_at: datetime | None = None, error: str
    ) -> None:
        async def unit(tx: Tx) -> None:
            await outbox.settle(tx, row.id, state, due_at=due_at, error=error)
            await work.fence(tx, lease)
            if state == "cancelled":
                await outbox.promote(tx, row.lane, row.ticket_id)

        await self._database.unit(unit)

    async def _give_up(self, lease: work.Lease, row: Row[Any], reason: str, *, told: bool = True) -> None:
        """It failed for good: staff are told in the ticket's thread (never about a notice of that kind)."""
        tells = told and row.ticket_id and row.kind in (Kind.MESSAGE, Kind.NOTICE, Kind.FILE, Kind.EDIT)

        async def unit(tx: Tx) -> None:
            ticket = await units.lock(tx, row.ticket_id) if tells else None
            changed = await tx.changed(
                update(deliveries)
                .where(deliveries.c.id == row.id, deliveries.c.state.in_(("queued", "sending")))
                .values(
                    state="failed" if told else "cancelled",
                    due_at=None,
                    last_error=reason[:500],
                    settled_at=await tx.now(),
                )
            )
            if changed and ticket is not None:
                data = {"delivery": row.id, "to": row.place, "reason": reason}
                await units.add_event(tx, ticket, "delivery_failed", None, public=False, data=data)
                await tell_failure(tx, self._desk, ticket, row.id, row.place, reason)
            await work.fence(tx, lease)
            await outbox.promote(tx, row.lane, row.ticket_id)

        await self._database.unit(unit)
        log.warning("gave_up", delivery=row.id, ticket=row.ticket_id, kind=row.kind, reason=reason[:200])
        await self._mark_answer(row, "failed")


class _Changed(Exception):
    """The ticket changed between loading a delivery and marking it."""


async def _changed(tx: Tx, loaded: Outgoing) -> bool:
    if loaded.ticket is None:
        return False
    version = await tx.scalar(select(tickets.c.version).where(tickets.c.id == loaded.ticket.id))
    return bool(version != loaded.ticket.version)


async def _link(tx: Tx, row: Row[Any], name: str, sent: Sent) -> None:
    """Remember an outside name of what was sent. A card posted anew takes the place of the old one."""
    kind = "card" if row.kind == Kind.CARD or name == sent.card else "sent"
    values = {
        "kind": kind,
        "ticket_id": row.ticket_id or None,
        "message_id": row.message_id,
        "delivery_id": row.id,
        "remote": name.partition(":")[2][:500],
    }
    existing = await tx.first(select(links).where(links.c.key == key_of(name)))
    if existing is None:
        await tx.run(insert(links).values(key=key_of(name), **values))
    elif existing.kind == "sent" and kind == "card":
        await tx.run(update(links).where(links.c.key == key_of(name)).values(kind="card", delivery_id=row.id))
    elif existing.kind not in ("card", "sent"):
        # Our own post was read back before we noted it: it is ours all the same.
        await tx.run(delete(links).where(links.c.key == key_of(name)))
        await tx.run(insert(links).values(key=key_of(name), **values))


__all__ = ["Courier"]
