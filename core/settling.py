"""How a delivery ends or goes on: sent, waiting, looked for, given up. Each unit is fenced by the lane's lease."""

from __future__ import annotations

import asyncio
import random
import re
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, update

from core import mailed_keys, outbox, rests, signs, undelivered, units, work
from core.channel import Channel
from core.clock import Clock
from core.database import Database, Tx
from core.desk_texts import phrase
from core.failures import (
    Failure,
    PermanentFailure,
    Scope,
    Unavailable,
    as_failure,
)
from core.outgoing import load
from core.posted import forget_taken_back
from core.retry import Fail, Requeue, after, backoff
from core.shapes import Kind, Outgoing, Seen, Sent, key_of
from core.tables import deliveries
from core.tell import held_no_longer, tell_failure
from core.units import Desk

log = structlog.get_logger(__name__)

_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
LOOK_AGAIN = timedelta(seconds=30)
LOOKS = (0.0, 2.0, 8.0, 20.0)  # seconds between looks for a delivery of unknown outcome
AT_ONCE = 2  # so many of them before the lane goes on with other tickets


class Settling:
    """Writes what came of a try to send."""

    def __init__(self, desk: Desk, database: Database, clock: Clock, stopping: asyncio.Event) -> None:
        self._config = desk.config
        self._desk = desk
        self._database = database
        self._clock = clock
        self._stopping = stopping

    async def sent(self, lease: work.Lease, row: Row[Any], sent: Sent) -> datetime | None:
        """It was accepted: note its outside names, promote the next."""

        async def unit(tx: Tx) -> None:
            # Names first (links come before own rows in the lock order); a rerun finds them.
            await forget_taken_back(tx, row, sent)
            for name in sorted(sent.links, key=key_of):
                await outbox.link(tx, row, name, sent)
            went = await outbox.settle(tx, row.id, "sent", remote_id=sent.remote_id, error=sent.warning)
            await mailed_keys.forget(tx, row)  # also where its bounce was quicker
            await work.fence(tx, lease)
            if not went:
                return
            await outbox.promote(tx, row.lane, row.ticket_id)

        await self._database.unit(unit)
        log.info(
            "delivered", delivery=row.id, ticket=row.ticket_id, kind=row.kind, remote=sent.remote_id[:120]
        )
        await self._mark_answer(row)
        self._desk.signals.outbox.set()
        if sent.pace_ms:
            return self._clock.now() + timedelta(milliseconds=sent.pace_ms)
        return None

    async def _mark_answer(self, row: Row[Any]) -> None:
        """Show on the staff's message that it went (or didn't), in a unit of its own, so that of two that settle at
        once the second sees both: a sign may be lost."""
        if row.kind not in (Kind.MESSAGE, Kind.FILE) or row.desk or row.message_id is None:
            return
        try:
            await self._database.unit(lambda tx: signs.show(tx, self._desk, row))
        except Unavailable:
            log.warning("mark_lost", delivery=row.id)

    async def failed(
        self, lease: work.Lease, channel: Channel, row: Row[Any], outgoing: Outgoing, failure: Failure
    ) -> datetime | None:
        now = self._clock.now()
        courier = self._config.courier
        decision = after(
            failure,
            kind=outgoing.kind,
            attempts=row.attempts,
            created_at=now - await self._age(row, now),
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
            reason=_shown(failure.reason),
        )
        if isinstance(decision, Fail):
            await self.give_up(lease, row, decision.reason)
            return None
        if isinstance(decision, Requeue):
            return await self._requeue(lease, row, decision)
        await self.verify(lease, channel, row)
        return None

    async def _requeue(self, lease: work.Lease, row: Row[Any], decision: Requeue) -> datetime | None:
        """It waits. A channel that is down, or a lane that rests, doesn't count as this delivery's try."""
        wide = decision.scope is not Scope.DELIVERY
        now = self._clock.now()

        async def unit(tx: Tx) -> None:
            due = await tx.now() if wide else decision.due_at
            settled = await outbox.settle(tx, row.id, "queued", due_at=due, error=decision.reason)
            if settled and wide:
                # Where only the lane stopped it, a part of it may stand there: its next try isn't the first.
                least = 1 if decision.scope is Scope.LANE else 0
                await tx.run(
                    update(deliveries)
                    .where(deliveries.c.id == row.id, deliveries.c.attempts > least)
                    .values(attempts=deliveries.c.attempts - 1)
                )
            await work.fence(tx, lease)
            if decision.scope is Scope.LANE:
                await rests.note(tx, row.lane, decision.due_at)

        await self._database.unit(unit)
        if decision.scope is Scope.CHANNEL:
            await self._database.unit(lambda tx: rests.pause(tx, row.channel, decision.due_at))
            log.warning("channel_away", channel=row.channel, until=decision.due_at.isoformat())
            asyncio.get_running_loop().call_later(
                max((decision.due_at - now).total_seconds(), 0) + 0.01, self._desk.signals.outbox.set
            )
            return now  # give the lane back; the channel's row holds it up
        return decision.due_at if decision.scope is Scope.LANE else None

    async def _age(self, row: Row[Any], now: datetime) -> timedelta:
        """For how long it could have gone. A mail grows old also while its relay is away: somebody waits for it, and
        staff can call them; a post waits until Slack takes the app again."""
        names = [row.lane] if row.channel == "email" else [row.lane, rests.channel_row(row.channel)]

        async def look(tx: Tx) -> list[rests.Rest | None]:
            return [await rests.of(tx, name) for name in names]

        return rests.age(row.created_at, now, *await self._database.read(look))

    async def verify(self, lease: work.Lease, channel: Channel, row: Row[Any]) -> None:
        """Settle a delivery of unknown outcome by its kind."""
        how = outbox.SETTLE[Kind(row.kind)]
        if how == "look":
            (seen, sent), looks = await self._look(channel, row)
            if seen is Seen.SENT and sent is not None:
                await self.sent(lease, row, sent)
                return
            if row.channel == "email":
                how = "repeat"  # the same bytes under the same Message-ID
            elif looks < len(LOOKS):  # it may show yet; its ticket waits here, others go on
                due = self._clock.now() + timedelta(seconds=LOOKS[looks])
                await self._settle(lease, row, "sending", due_at=due, error="looked for", looks=looks)
                return
            elif seen is Seen.NOT_THERE:
                how = "repeat"
        log.warning("delivery_unknown", delivery=row.id, kind=row.kind, settled=how)
        if how == "once":
            await self._settle(lease, row, "cancelled", error="the outcome is unknown; not repeated")
        elif how == "repeat":
            courier = self._config.courier
            # At once the first time; then as after a failure: a relay that answers too late gets no flood of copies.
            wait = (
                backoff(row.attempts - 1, courier.retry_after, random.random)
                if row.attempts > 1
                else timedelta()
            )
            due = self._clock.now() + wait
            await self._settle(lease, row, "queued", due_at=due, error="the outcome was unknown")
        elif await self._age(row, self._clock.now()) > self._config.courier.give_up_after:
            await self.give_up(lease, row, phrase("reason_unknown"))
        else:  # still `sending`, and looked for again
            due = self._clock.now() + LOOK_AGAIN
            error = "could not look whether it went"
            await self._settle(lease, row, "sending", due_at=due, error=error, looks=len(LOOKS))

    async def _look(self, channel: Channel, row: Row[Any]) -> tuple[tuple[Seen, Sent | None], int]:
        """Look: what was accepted may show late, so a few times. Returns what was seen, and how often it was looked for
        since it was tried."""
        looks = int(row.data.get("looks", 0))
        try:
            outgoing = await self._database.read(lambda tx: load(tx, row))
        except PermanentFailure:
            return (Seen.NOT_THERE, None), len(LOOKS)
        seen: tuple[Seen, Sent | None] = (Seen.UNKNOWN, None)
        at_once = max(AT_ONCE - looks, 1) if row.channel != "email" else 1
        for number in range(at_once):
            if number:
                await asyncio.sleep(LOOKS[looks])
            looks += 1
            try:
                seen = await channel.look_up(outgoing)
            except Exception as exc:
                log.warning("look_up_failed", delivery=row.id, reason=_shown(as_failure(exc).reason))
                seen = (Seen.UNKNOWN, None)
            if seen[0] is Seen.SENT or self._stopping.is_set():  # whoever comes next looks again
                break
        return seen, looks

    async def _settle(
        self,
        lease: work.Lease,
        row: Row[Any],
        state: str,
        *,
        due_at: datetime | None = None,
        error: str,
        looks: int = 0,
    ) -> None:
        data = _unlooked(row) | ({"looks": looks} if looks else {})

        async def unit(tx: Tx) -> None:
            await outbox.settle(tx, row.id, state, due_at=due_at, error=error, data=data)
            await mailed_keys.forget(tx, row)
            await work.fence(tx, lease)
            if state == "cancelled":
                await outbox.promote(tx, row.lane, row.ticket_id)

        await self._database.unit(unit)

    async def give_up(self, lease: work.Lease, row: Row[Any], reason: str, *, told: bool = True) -> None:
        """It failed for good: staff are told in the ticket's thread (never about a notice of that kind), of what
        belongs to no ticket managers are (`core.undelivered`)."""
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
                    data=_unlooked(row),
                    settled_at=await tx.now(),
                )
            )
            if changed and ticket is not None:
                data = {"delivery": row.id, "to": row.place, "reason": reason}
                await units.add_event(tx, ticket, "delivery_failed", None, public=False, data=data)
                await tell_failure(tx, self._desk, ticket, row.id, row.place, reason)
            if changed and told and undelivered.concerns(row):
                await undelivered.tell(tx, self._desk, row, reason)
            if changed:
                await mailed_keys.forget(tx, row)
                await held_no_longer(tx, self._desk, row)
            await work.fence(tx, lease)
            await outbox.promote(tx, row.lane, row.ticket_id)

        await self._database.unit(unit)
        log.warning("gave_up", delivery=row.id, ticket=row.ticket_id, kind=row.kind, reason=_shown(reason))
        await self._mark_answer(row)


def _unlooked(row: Row[Any]) -> dict[str, Any]:
    return {key: value for key, value in row.data.items() if key != "looks"}


def _shown(reason: str) -> str:
    """A reason as it may stand in a log: without anybody's address."""
    return _ADDRESS.sub("<address>", reason)[:200]
