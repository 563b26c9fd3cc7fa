"""The outbox: what must go out, noted in the transaction that decided it. The courier alone sends it.

Within a lane a ticket's deliveries go in order of `seq`: only the *head* (the first that is queued, while none is
being sent) has a `due_at`; settling it promotes the next.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, insert, or_, select, update

from core.audience import Told
from core.channel import ChannelSpec
from core.database import Tx
from core.shapes import Kind, Sent, key_of
from core.tables import deliveries, links, settings, work
from core.work import enqueue as enqueue_work

PER_UNIT: Final = 1000  # seq numbers that one unit on a ticket may use
URGENT: Final = 1  # a priority that waits for nothing else
PATIENCE: Final = timedelta(seconds=5)  # what has waited longer gets its turn, whatever its priority

# How an unknown outcome is settled: "repeat" harms nobody (mail: the same bytes and Message-ID), "look" asks the
# channel first, "once" is never repeated.
SETTLE: Final[Mapping[Kind, str]] = {
    Kind.CARD: "look",
    Kind.MESSAGE: "look",
    Kind.FILE: "look",
    Kind.NOTICE: "look",
    Kind.ALERT: "look",
    Kind.MARK: "repeat",
    Kind.EDIT: "repeat",
    Kind.WHISPER: "once",
    Kind.DIGEST: "look",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What `enqueue` needs beside the deliveries: their ticket, message, and where our Message-IDs live."""

    ticket_id: int
    version: int
    message_id: int | None
    domain: str
    held: bool = False  # the requester is unconfirmed: automatic mail waits
    on_hold: bool = False  # nothing goes out until `outbox resume`
    remotes: Mapping[str, str] = field(default_factory=dict)


def lane_kind(channel: str) -> str:
    """Return the kind of a channel's lanes in `work`."""
    return f"lane.{channel}"


def lane_of(spec: ChannelSpec, one: Told, ticket_id: int) -> str:
    """Return the lane that a delivery is worked off in."""
    return spec.lane(one.place, ticket_id) + (f":{one.apart}" if one.apart else "")


def new_mail_id(domain: str, *parts: object) -> str:
    """Return a Message-ID of ours, without angle brackets: no secret in it, never the same twice."""
    return ".".join([*(str(p) for p in parts), secrets.token_hex(8)]) + f"@{domain}"


async def on_hold(tx: Tx, configured: str = "send") -> bool:
    """Is everything outgoing on hold? `configured` counts until an operator has paused or resumed."""
    value = await tx.scalar(
        select(settings.c.value).where(settings.c.scope == "service", settings.c.key == "outbound")
    )
    return bool((value or configured) == "hold")


async def enqueue(
    tx: Tx, specs: Mapping[str, ChannelSpec], noted: Noted, told: Iterable[Told], first: int = 0
) -> list[int]:
    """Note deliveries, in order, and make their lanes due. Call last in the unit. Returns their ids.

    A card that still waits shows the present state when it goes, so a second one is left out. Channels that aren't
    mounted are left out too. Mails get their Message-ID and Date here, before anything is sent.
    """
    now = await tx.now()
    rows = []
    for index, one in enumerate(t for t in told if t.channel in specs):
        rows.append(_row(one, specs[one.channel], noted, now, noted.version * PER_UNIT + first + index))
    if not rows:
        return []
    await _link_mails(tx, noted, rows)
    lanes = {row["lane"]: lane_kind(row["channel"]) for row in rows if row["state"] == "queued"}
    await enqueue_work(tx, lanes, now)
    ids = []
    headed: set[tuple[str, int]] = set()
    for row in rows:
        if row["kind"] == Kind.CARD and await _card_waits(tx, row):
            continue
        where = (row["lane"], row["ticket_id"])
        if row["state"] == "queued" and where not in headed:
            if not await _has_head(tx, *where):
                row["due_at"] = row["wait_until"] or now
            headed.add(where)
        ids.append(await tx.new_id(insert(deliveries).values(**row)))
    return ids


def _row(one: Told, spec: ChannelSpec, noted: Noted, now: datetime, seq: int) -> dict[str, Any]:
    held = noted.on_hold or (noted.held and one.automatic and not one.desk)
    data = {k: v for k, v in one.data.items() if k != "hold"}
    if one.automatic:
        data["automatic"] = True
    # What is passed on is somebody else's message: ours is the copy, with an id of its own.
    if one.channel == "email" and (one.desk or one.kind is not Kind.MESSAGE or "passed_on" in one.data):
        data["mail_id"] = new_mail_id(noted.domain, "notice", noted.ticket_id)
        data["mail_date"] = now.isoformat()
    return {
        "lane": lane_of(spec, one, noted.ticket_id),
        "channel": one.channel,
        "ticket_id": noted.ticket_id,
        "message_id": noted.message_id if one.message_id is None else one.message_id,
        "place": one.place,
        "kind": one.kind,
        "desk": one.desk,
        "priority": one.priority,
        "seq": seq,
        "state": "held" if held else "queued",
        "due_at": None,
        "wait_until": now + one.delay if one.delay > timedelta() else None,
        "created_at": now,
        "attempts": 0,
        "to_key": one.to_key,
        "data": data,
    }


async def _link_mails(tx: Tx, noted: Noted, rows: Sequence[Mapping[str, Any]]) -> None:
    """Answers to our notices belong to their ticket."""
    made = [
        {
            "key": key_of(f"mail:{row['data']['mail_id']}"),
            "kind": "sent",
            "ticket_id": noted.ticket_id,
            "message_id": None,
            "remote": row["data"]["mail_id"],
        }
        for row in rows
        if "mail_id" in row["data"] and noted.ticket_id
    ]
    for link in sorted(made, key=lambda link: link["key"]):
        await tx.run(insert(links).values(**link))


async def _card_waits(tx: Tx, row: Mapping[str, Any]) -> bool:
    return (
        await tx.scalar(
            select(deliveries.c.id)
            .where(
                deliveries.c.lane == row["lane"],
                deliveries.c.ticket_id == row["ticket_id"],
                deliveries.c.state.in_(("queued", "held")),
                deliveries.c.kind == Kind.CARD,
                deliveries.c.place == row["place"],
            )
            .limit(1)
        )
        is not None
    )


async def _has_head(tx: Tx, lane: str, ticket_id: int) -> bool:
    return (
        await tx.scalar(
            select(deliveries.c.id)
            .where(
                deliveries.c.lane == lane,
                deliveries.c.ticket_id == ticket_id,
                deliveries.c.state.in_(("queued", "sending")),
            )
            .limit(1)
        )
        is not None
    )


async def promote(tx: Tx, lane: str, ticket_id: int) -> None:
    """Make the first queued delivery of (lane, ticket) its head, where none is being sent.

    The lane's `work` row must be locked by this transaction (fenced or made due).
    """
    rows = await tx.all(
        select(deliveries.c.id, deliveries.c.state, deliveries.c.due_at, deliveries.c.wait_until)
        .where(
            deliveries.c.lane == lane,
            deliveries.c.ticket_id == ticket_id,
            deliveries.c.state.in_(("queued", "sending")),
        )
        .order_by(deliveries.c.state.desc(), deliveries.c.seq, deliveries.c.id)  # sending first
        .limit(1)
    )
    if rows and rows[0].state == "queued" and rows[0].due_at is None:
        due = max(await tx.now(), rows[0].wait_until) if rows[0].wait_until else await tx.now()
        await tx.run(update(deliveries).where(deliveries.c.id == rows[0].id).values(due_at=due))


async def rehead(tx: Tx, lane: str, channel: str, ticket_id: int) -> None:
    """Find the head of (lane, ticket) anew after states were changed from outside, and make the lane due."""
    now = await tx.now()
    await enqueue_work(tx, {lane: lane_kind(channel)}, now)
    await tx.run(
        update(deliveries)
        .where(
            deliveries.c.lane == lane,
            deliveries.c.ticket_id == ticket_id,
            deliveries.c.state == "queued",
        )
        .values(due_at=None)
    )
    await promote(tx, lane, ticket_id)


async def heads(tx: Tx, lane: str, limit: int = 1) -> Sequence[Row[Any]]:
    """Return the lane's due heads, the most pressing first."""
    pressing = (deliveries.c.priority, deliveries.c.due_at, deliveries.c.seq)
    return await _due(tx, lane, await tx.now(), pressing, limit)


async def next_head(tx: Tx, lane: str, *, by_age: bool) -> Row[Any] | None:
    """Return the head that goes next, None where none is due. `by_age`: this turn is that of whatever has waited
    longest, so that a talkative ticket's messages don't keep everybody's cards waiting for good."""
    first = next(iter(await heads(tx, lane)), None)
    if first is None or not by_age or first.priority <= URGENT:
        return first
    longest = await _due(tx, lane, await tx.now() - PATIENCE, (deliveries.c.due_at, deliveries.c.seq), 1)
    return longest[0] if longest else first


async def _due(tx: Tx, lane: str, by: datetime, order: Sequence[Any], limit: int) -> Sequence[Row[Any]]:
    return await tx.all(
        select(deliveries)
        .where(deliveries.c.lane == lane, deliveries.c.due_at <= by, deliveries.c.state == "queued")
        .order_by(*order)
        .limit(limit)
    )


async def wake(tx: Tx, lane: str) -> None:
    """Let a lane that rests go on at once: what stopped it is over. One that is being worked off is left alone; it
    comes due by itself. Call last in the unit."""
    await tx.run(update(work).where(work.c.name == lane, work.c.token.is_(None)).values(not_before=None))


async def sending(tx: Tx, lane: str) -> Sequence[Row[Any]]:
    """Return what an earlier holder of the lane was sending when it went; what could not be looked up has a
    `due_at` for the next look."""
    now = await tx.now()
    return await tx.all(
        select(deliveries)
        .where(
            deliveries.c.lane == lane,
            deliveries.c.state == "sending",
            or_(deliveries.c.due_at.is_(None), deliveries.c.due_at <= now),
        )
        .order_by(deliveries.c.seq)
    )


async def mark_sending(tx: Tx, delivery_id: int, kept: Mapping[str, Any]) -> bool:
    """Note, before the first byte leaves, that a delivery is being sent (`kept`: what is noted beside that, as its
    rendered bytes). False where it was cancelled meanwhile."""
    now = await tx.now()
    values: dict[str, Any] = {
        "state": "sending",
        "due_at": None,
        "sending_at": now,
        "attempts": deliveries.c.attempts + 1,
        **kept,
    }
    return (
        await tx.changed(
            update(deliveries)
            .where(deliveries.c.id == delivery_id, deliveries.c.state == "queued")
            .values(**values)
        )
        == 1
    )


async def settle(
    tx: Tx,
    delivery_id: int,
    state: str,
    *,
    due_at: datetime | None = None,
    error: str | None = None,
    remote_id: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> bool:
    """Write how a delivery that was being sent ended (`sending`: nobody knows yet, look again at `due_at`). False
    where somebody else did already."""
    values: dict[str, Any] = {"state": state, "due_at": due_at}
    if state not in ("queued", "sending"):
        values["settled_at"] = await tx.now()
    if error is not None:
        values["last_error"] = error[:500]
    if remote_id is not None:
        values["remote_id"] = remote_id[:500]
    if data is not None:
        values["data"] = dict(data)
    return (
        await tx.changed(
            update(deliveries)
            .where(deliveries.c.id == delivery_id, deliveries.c.state == "sending")
            .values(**values)
        )
        == 1
    )


async def cancel(tx: Tx, delivery_id: int, reason: str) -> bool:
    """Cancel what hasn't gone. The caller promotes the next."""
    return (
        await tx.changed(
            update(deliveries)
            .where(deliveries.c.id == delivery_id, deliveries.c.state.in_(("queued", "held")))
            .values(state="cancelled", due_at=None, last_error=reason[:500], settled_at=await tx.now())
        )
        == 1
    )


async def release_held(tx: Tx, ticket_id: int) -> int:
    """Let go what waited for a requester's confirmation; the lanes come due. Returns how many."""
    rows = await tx.all(
        select(deliveries.c.id, deliveries.c.lane, deliveries.c.channel)
        .where(deliveries.c.ticket_id == ticket_id, deliveries.c.state == "held")
        .order_by(deliveries.c.id)
    )
    if not rows:
        return 0
    await tx.run(
        update(deliveries)
        .where(deliveries.c.id.in_([row.id for row in rows]), deliveries.c.state == "held")
        .values(state="queued", created_at=await tx.now())  # its age counts from now
    )
    for lane, channel in sorted({(row.lane, row.channel) for row in rows}):
        await rehead(tx, lane, channel, ticket_id)
    return len(rows)


async def link(tx: Tx, row: Row[Any], name: str, sent: Sent) -> None:
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
