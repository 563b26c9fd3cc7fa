"""What was posted of a ticket, and where: the names by which a channel changes it, or goes on below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, select

from core.database import Tx
from core.shapes import Kind, Sent, key_of
from core.tables import deliveries, events, links


async def anchor(tx: Tx, row: Row[Any]) -> str | None:
    """Return the first post of a ticket in a place of the requester's side that names no thread, None for any other
    place and before the first. What a merged ticket began there goes on there."""
    if row.desk or not row.ticket_id or "#" in row.place or row.channel == "email":
        return None
    found = await _first(tx, [row.ticket_id], row)
    if found is None:
        merged = await tx.all(
            select(events.c.data).where(events.c.ticket_id == row.ticket_id, events.c.kind == "merged_in")
        )
        numbers = [int(event.data["ticket"]) for event in merged if event.data.get("ticket")]
        found = await _first(tx, numbers, row) if numbers else None
    return found


async def _first(tx: Tx, tickets: Sequence[int], row: Row[Any]) -> str | None:
    found: str | None = await tx.scalar(
        select(deliveries.c.remote_id)
        .where(
            deliveries.c.ticket_id.in_(tickets),
            deliveries.c.channel == row.channel,
            deliveries.c.place == row.place,
            deliveries.c.desk.is_(False),
            deliveries.c.kind.in_((Kind.NOTICE, Kind.MESSAGE)),
            deliveries.c.state == "sent",
            deliveries.c.remote_id.is_not(None),
            deliveries.c.id != row.id,
        )
        .order_by(deliveries.c.ticket_id, deliveries.c.seq, deliveries.c.id)
        .limit(1)
    )
    return found


async def posted(tx: Tx, row: Row[Any]) -> str | None:
    """Return the remote id of the newest post of a delivery's message in its place, None where none stands there."""
    found: str | None = await tx.scalar(
        select(deliveries.c.remote_id)
        .where(*_same(row), deliveries.c.kind == Kind.MESSAGE, deliveries.c.remote_id.is_not(None))
        .order_by(deliveries.c.id.desc())
        .limit(1)
    )
    return found


async def file_posted(tx: Tx, row: Row[Any]) -> str | None:
    """Return the remote id of the file that an edit takes back, None where it never got there."""
    rows = await tx.all(
        select(deliveries.c.remote_id, deliveries.c.data)
        .where(*_same(row), deliveries.c.kind == Kind.FILE, deliveries.c.remote_id.is_not(None))
        .order_by(deliveries.c.id.desc())
    )
    wanted = row.data.get("attachment_id")
    return next((str(one.remote_id) for one in rows if one.data.get("attachment_id") == wanted), None)


async def brought(tx: Tx, ticket_id: int, delivery_id: int, remotes: Sequence[str]) -> set[str]:
    """Return those of some files, by their remote ids, that other deliveries of a ticket brought."""
    rows = await tx.all(
        select(deliveries.c.remote_id).where(
            deliveries.c.ticket_id == ticket_id,
            deliveries.c.id != delivery_id,
            deliveries.c.remote_id.in_(remotes),
        )
    )
    # A text that went as a file is no delivery's remote id: it is linked.
    keys = [key_of(f"slack:{remote}") for remote in remotes]
    linked = await tx.all(
        select(links.c.remote).where(links.c.key.in_(keys), links.c.delivery_id != delivery_id)
    )
    return {str(row.remote_id) for row in rows} | {str(row.remote) for row in linked}


async def parts_posted(tx: Tx, row: Row[Any], target: str) -> tuple[str, ...]:
    """Return the remote ids of all parts of the post that an edit changes, in their order; those that earlier edits had
    to add are among them."""
    found = {str(one.remote) for one in await _parts(tx, row)} | {target}
    return tuple(sorted(found, key=_order))


async def forget_taken_back(tx: Tx, row: Row[Any], sent: Sent) -> None:
    """An edit took fewer posts than there were: those that it took back are no part of the message any more, or a
    later edit would write into posts that are gone."""
    if row.kind != Kind.EDIT or row.message_id is None or "file" in row.data:
        return
    first = row.data.get("target") or await posted(tx, row)
    stand = {key_of(name) for name in sent.links}
    parts = await _parts(tx, row)
    for key in sorted(one.key for one in parts if one.key not in stand and one.remote != first):
        await tx.run(delete(links).where(links.c.key == key, links.c.kind == "sent"))


async def _parts(tx: Tx, row: Row[Any]) -> Sequence[Row[Any]]:
    """The names of what earlier deliveries of a message posted in a place, without its files."""
    made = await tx.all(
        select(deliveries.c.id, deliveries.c.data).where(
            *_same(row), deliveries.c.kind.in_((Kind.MESSAGE, Kind.EDIT)), deliveries.c.id != row.id
        )
    )
    return await tx.all(
        select(links.c.key, links.c.remote).where(
            links.c.ticket_id == row.ticket_id,
            links.c.delivery_id.in_([one.id for one in made if "file" not in one.data]),
            links.c.kind == "sent",
            links.c.remote.is_not(None),
        )
    )


def _same(row: Row[Any]) -> tuple[Any, ...]:
    return (
        deliveries.c.message_id == row.message_id,
        deliveries.c.channel == row.channel,
        deliveries.c.place == row.place,
        deliveries.c.desk.is_(bool(row.desk)),
    )


def _order(remote: str) -> tuple[int, int, str]:
    """By the time in a message's name; what has none (a file) comes last."""
    seconds, _, fraction = remote.rpartition("/")[2].partition(".")
    if not seconds.isdigit() or not (fraction.isdigit() or not fraction):
        return (1 << 62, 0, remote)
    return (int(seconds), int(fraction.ljust(6, "0")), remote)
