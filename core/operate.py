"""What an operator does with the inbox and the outbox: look, retry, cancel, hold, let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from core import inbox as inbox_rows
from core import mailed_keys, outbox, units
from core.blobs import Blobs
from core.database import Database, Tx
from core.failures import Conflict, NotFound, Unavailable
from core.shapes import Actor
from core.tables import deliveries, inbox, settings, tickets, work
from core.tell import held_no_longer
from core.units import Desk
from core.verbs import retry_delivery

RESUMED_AT_ONCE = 500


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as an operator sees it."""

    id: int
    ticket_id: int | None
    channel: str
    kind: str
    place: str
    state: str
    due_at: datetime | None
    attempts: int
    last_error: str | None
    created_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "id": self.id,
            "ticket": self.ticket_id,
            "channel": self.channel,
            "kind": self.kind,
            "place": self.place,
            "state": self.state,
            "due_at": _iso(self.due_at),
            "attempts": self.attempts,
            "last_error": self.last_error,
            "created_at": _iso(self.created_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """A row of the inbox as an operator sees it."""

    id: int
    channel: str
    state: str
    received_at: datetime
    bytes: int
    attempts: int
    reason: str | None
    ticket_id: int | None
    message_id: int | None
    envelope: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "id": self.id,
            "channel": self.channel,
            "state": self.state,
            "received_at": _iso(self.received_at),
            "bytes": self.bytes,
            "attempts": self.attempts,
            "reason": self.reason,
            "ticket": self.ticket_id,
            "message": self.message_id,
            "envelope": dict(self.envelope),
        }


_WAITING = ("queued", "sending", "held", "failed", "bounced")
_UNREAD = ("new", "unreadable", "held")


class Operations:
    """The operator's view of what waits, failed or could not be read."""

    def __init__(self, database: Database, blobs: Blobs, desk: Desk) -> None:
        self._database = database
        self._blobs = blobs
        self._desk = desk
        self._signals = desk.signals

    async def outbox(self, state: str | None = None, limit: int = 100) -> list[DeliveryRow]:
        """Return deliveries that wait or failed (or those in `state`), the oldest first."""
        states = (state,) if state else _WAITING

        async def look(tx: Tx) -> list[DeliveryRow]:
            rows = await tx.all(
                select(deliveries)
                .where(deliveries.c.state.in_(states))
                .order_by(deliveries.c.id)
                .limit(limit)
            )
            return [
                DeliveryRow(
                    id=r.id,
                    ticket_id=r.ticket_id or None,
                    channel=r.channel,
                    kind=r.kind,
                    place=r.place,
                    state=r.state,
                    due_at=r.due_at,
                    attempts=r.attempts,
                    last_error=r.last_error,
                    created_at=r.created_at,
                )
                for r in rows
            ]

        return await self._database.read(look)

    async def retry_delivery(self, delivery_id: int, actor: Actor) -> None:
        """Try a delivery again at once. Raises `NotFound`, `Conflict`."""

        async def unit(tx: Tx) -> None:
            if not await retry_delivery(tx, self._desk, delivery_id):
                raise Conflict(f"delivery {delivery_id} isn't waiting and hasn't failed")
            channel = await tx.scalar(select(deliveries.c.channel).where(deliveries.c.id == delivery_id))
            await tx.run(update(work).where(work.c.name == f"channel:{channel}").values(not_before=None))
            tx.after_commit.append(self._signals.outbox.set)

        await self._database.unit(unit)

    async def cancel_delivery(self, delivery_id: int, actor: Actor) -> None:
        """Cancel a delivery that hasn't gone. Raises `NotFound`, `Conflict`."""

        async def unit(tx: Tx) -> None:
            row = await tx.first(select(deliveries).where(deliveries.c.id == delivery_id))
            if row is None:
                raise NotFound(f"there is no delivery {delivery_id}")
            if not await outbox.cancel(tx, delivery_id, f"cancelled by {units.shown_name(actor)}"):
                raise Conflict(f"delivery {delivery_id} is {row.state}; only what waits can be cancelled")
            await mailed_keys.forget(tx, row)
            await outbox.rehead(tx, row.lane, row.channel, row.ticket_id)
            await held_no_longer(tx, self._desk, row)
            tx.after_commit.append(self._signals.outbox.set)  # what comes next may go at once

        await self._database.unit(unit)

    async def pause(self) -> None:
        """Hold everything outgoing until `resume`."""

        async def unit(tx: Tx) -> None:
            values = {"scope": "service", "key": "outbound", "value": "hold"}
            await tx.run(tx.upsert(settings, values, {"value": "hold"}))

        await self._database.unit(unit)

    async def resume(self) -> int:
        """Let everything that was held go, in batches. Returns how many deliveries."""

        async def open_gate(tx: Tx) -> None:
            values = {"scope": "service", "key": "outbound", "value": "send"}
            await tx.run(tx.upsert(settings, values, {"value": "send"}))

        await self._database.unit(open_gate)
        released = 0
        while True:
            batch = await self._database.unit(self._release)
            released += batch
            self._signals.outbox.set()
            if batch < RESUMED_AT_ONCE:
                return released

    async def _release(self, tx: Tx) -> int:
        """One batch of what the hold kept back (not what waits for a requester to confirm)."""
        rows = await tx.all(
            select(deliveries.c.id, deliveries.c.lane, deliveries.c.channel, deliveries.c.ticket_id)
            .outerjoin(tickets, tickets.c.id == deliveries.c.ticket_id)
            .where(
                deliveries.c.state == "held",
                tickets.c.unconfirmed.is_not(True)
                | deliveries.c.desk.is_(True)
                | (deliveries.c.kind == "message"),
            )
            .order_by(deliveries.c.id)
            .limit(RESUMED_AT_ONCE)
        )
        if rows:
            ids = [row.id for row in rows]
            await tx.run(
                update(deliveries)
                .where(deliveries.c.id.in_(ids), deliveries.c.state == "held")
                .values(state="queued", created_at=await tx.now())
            )
        for lane, channel, ticket_id in sorted({(r.lane, r.channel, r.ticket_id) for r in rows}):
            await outbox.rehead(tx, lane, channel, ticket_id)
        return len(rows)

    async def inbox(self, state: str | None = None, limit: int = 100) -> list[InboxRow]:
        """Return what waits, is held or couldn't be read (or is in `state`), the oldest first."""
        states = (state,) if state else _UNREAD

        async def look(tx: Tx) -> list[InboxRow]:
            columns = [c for c in inbox.c if c.name != "raw"]
            rows = await tx.all(
                select(*columns).where(inbox.c.state.in_(states)).order_by(inbox.c.id).limit(limit)
            )
            return [_inbox_row(r) for r in rows]

        return await self._database.read(look)

    async def inbox_item(self, item_id: int) -> InboxRow:
        """Return one row. Raises `NotFound`."""
        return _inbox_row(await self._row(item_id))

    async def inbox_raw(self, item_id: int) -> bytes:
        """Return the bytes that came in. Raises `NotFound`, `Unavailable`."""
        try:
            return await inbox_rows.raw_of(await self._row(item_id), self._blobs)
        except OSError as exc:
            raise Unavailable(f"disk: {exc.strerror}") from exc

    async def _row(self, item_id: int) -> Row[Any]:
        row = await self._database.read(lambda tx: tx.first(select(inbox).where(inbox.c.id == item_id)))
        if row is None:
            raise NotFound(f"there is no inbox row {item_id}")
        return row

    async def retry_inbox(self, item_id: int) -> None:
        """Read a row again: an unreadable one into its same ticket, a held one as no spam. Raises `NotFound`,
        `Conflict`."""

        async def unit(tx: Tx) -> None:
            row = await tx.first(select(inbox).where(inbox.c.id == item_id))
            if row is None:
                raise NotFound(f"there is no inbox row {item_id}")
            envelope = {**row.envelope, "not_spam": True} if row.state == "held" else row.envelope
            changed = await tx.changed(
                update(inbox)
                .where(inbox.c.id == item_id, inbox.c.state.in_(("unreadable", "held", "new")))
                .values(state="new", attempts=0, not_before=await tx.now(), reason=None, envelope=envelope)
            )
            if not changed:
                raise Conflict(f"inbox row {item_id} is {row.state}: there is nothing to read again")
            tx.after_commit.append(self._signals.inbox.set)

        await self._database.unit(unit)

    async def counts(self) -> dict[str, dict[str, int]]:
        """Return how many rows of the inbox and of the outbox are in which state that matters."""

        async def look(tx: Tx) -> dict[str, dict[str, int]]:
            found: dict[str, dict[str, int]] = {}
            for name, table, states in (("inbox", inbox, _UNREAD), ("deliveries", deliveries, _WAITING)):
                rows = await tx.all(
                    select(table.c.state, func.count().label("n"))
                    .where(table.c.state.in_(states))
                    .group_by(table.c.state)
                )
                found[name] = dict.fromkeys(states, 0) | {row.state: int(row.n) for row in rows}
            return found

        return await self._database.read(look)


def _inbox_row(r: Row[Any]) -> InboxRow:
    return InboxRow(
        id=r.id,
        channel=r.channel,
        state=r.state,
        received_at=r.received_at,
        bytes=r.bytes,
        attempts=r.attempts,
        reason=r.reason,
        ticket_id=r.ticket_id,
        message_id=r.message_id,
        envelope=r.envelope,
    )
