"""What isn't needed any more is deleted, each kind after its own time (`[retention]`), in small batches.

What the desk must know for good stays as a name without anything behind it (a tombstone): a mail that comes in once
more is no new one, though its row of the inbox, or its ticket, is gone. Bytes on the disk go after the rows that named
them; what a crash leaves there, the sweeper finds. While outgoing is on hold nothing is deleted: the database may be an
old backup, soon to be replaced by one that names more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import delete, select, update

from core import deleting, work
from core.config_time import Retention
from core.database import Tx
from core.inbox import TOMBSTONE
from core.jobs import Job, Jobs
from core.outbox import on_hold
from core.status import Status
from core.tables import attachments, deliveries, inbox, links, messages, reports, tickets
from core.turns import Apart, TurnFailed, take

log = structlog.get_logger(__name__)

ROWS: Final = 500  # that one turn deletes
TICKETS: Final = 100  # closed ones that one turn looks through
SETTLED: Final = ("done", "ignored")  # what waits or couldn't be read stays
HELD: Final = ("held",)  # as spam: staff may yet say that it's none
GONE: Final = ("sent", "cancelled")
ENDED: Final = (
    *GONE,
    "failed",
    "bounced",
)  # a ticket's stay for a retry; of no ticket they are as old as their digest
REPEATED: Final = (
    "email"  # where the same may come in again after years: archives, mailboxes that are read anew
)
EXPIRED: Final = "expired"
_PLACE: Final = "retire:"


@dataclass(frozen=True, slots=True)
class Gone:
    """What a step did: how many rows it took, the blobs that nobody names any more, whether there is more, and which
    tickets it failed on."""

    rows: int = 0
    more: bool = False
    blobs: tuple[str, ...] = ()
    failed: tuple[int, ...] = ()


Step = Callable[[Jobs, datetime, int], Awaitable[Gone]]  # what is older than that, at most so many rows


async def retire(jobs: Jobs) -> bool:
    """Delete what has been kept for long enough: at most `ROWS` rows of all kinds together. Returns whether there is
    more. Raises `Unavailable`, and `TurnFailed` where only tickets are left that can't be."""
    kept, left = jobs.desk.config.retention, ROWS
    configured = jobs.desk.config.service.outbound
    if jobs.desk.quiet or await jobs.database.read(lambda tx: on_hold(tx, configured)):
        return False
    now, failed = await jobs.database.read(lambda tx: tx.now()), list[int]()
    for name, step in STEPS.items():
        age = age_of(kept, name)
        if not age:
            continue
        gone = await step(jobs, now - age, left)
        await _remove(jobs, gone.blobs)
        left -= gone.rows
        failed += gone.failed
        if gone.rows:
            log.info("retired", what=name, rows=gone.rows, blobs=len(gone.blobs))
        if gone.more or left <= 0:
            return True
    if failed:
        raise TurnFailed(failed)
    return False


def age_of(kept: Retention, name: str) -> timedelta:
    """Return for how long a kind is kept, zero for ever. Digests hold tickets' titles, so they aren't kept longer than
    closed tickets are. Pure."""
    age: timedelta = getattr(kept, name)
    if name != "reports" or not kept.closed_tickets:
        return age
    return min(age or kept.closed_tickets, kept.closed_tickets)


async def _remove(jobs: Jobs, blobs: Sequence[str]) -> None:
    for blob in blobs:
        try:
            await jobs.blobs.remove(blob)
        except OSError as exc:  # the sweeper will
            log.info("blob_stays", error=exc.strerror)


# -- the inbox -----------------------------------------------------------------------------------------------------


async def retire_inbox(
    jobs: Jobs, before: datetime, limit: int, *, name: str = "inbox", states: Sequence[str] = SETTLED
) -> Gone:
    """Delete rows that came in before, with what came in. Of mail its key stays."""
    place = f"{_PLACE}{name}"
    at = await work.remembered(jobs.database, place)

    async def old(tx: Tx) -> Sequence[Any]:
        conditions = [inbox.c.received_at <= before, inbox.c.state.in_(states)]
        if at.get("from"):  # what stays, of before, needn't be looked through in every turn
            conditions.append(inbox.c.received_at >= datetime.fromisoformat(at["from"]))
        return await tx.all(
            select(inbox.c.id, inbox.c.key, inbox.c.channel, inbox.c.blob, inbox.c.received_at)
            .where(*conditions)
            .order_by(inbox.c.received_at, inbox.c.id)
            .limit(limit)
        )

    async def unit(tx: Tx) -> int:
        keys = sorted(bytes(row.key) for row in rows if row.channel == REPEATED)
        if keys:
            await tx.run(tx.insert_missing(links), [{"key": key, "kind": TOMBSTONE} for key in keys])
        ids = [row.id for row in rows]
        return await tx.changed(delete(inbox).where(inbox.c.id.in_(ids), inbox.c.state.in_(states)))

    rows = await jobs.database.read(old)
    count = await jobs.database.unit(unit) if rows else 0
    more = len(rows) == limit
    if more or at:
        then = {"from": rows[-1].received_at.isoformat()} if more else {}
        await work.remember(jobs.database, place, "cursor", then)
    return Gone(count, more, tuple(row.blob for row in rows if row.blob))


# -- what hangs on closed tickets ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Window:
    """The next tickets that nothing has happened to since they were closed, and `upto`: where to go on behind them."""

    ids: Sequence[int]
    upto: dict[str, Any] | None
    more: bool


async def _window(jobs: Jobs, name: str, before: datetime) -> _Window:
    """Each closed ticket is looked at once, when it has been left alone for long enough: in the order of its last
    change, so that none gets behind the mark. One that changes comes again."""
    at = await work.remembered(jobs.database, _PLACE + name)

    async def read(tx: Tx) -> Sequence[Any]:
        conditions = [tickets.c.status == Status.CLOSED, tickets.c.updated_at <= before]
        if at:
            since = datetime.fromisoformat(at["updated_at"])
            behind = (tickets.c.updated_at > since) | (tickets.c.id > at["id"])
            conditions += [tickets.c.updated_at >= since, behind]
        return await tx.all(
            select(tickets.c.id, tickets.c.updated_at)
            .where(*conditions)
            .order_by(tickets.c.updated_at, tickets.c.id)
            .limit(TICKETS)
        )

    rows = await jobs.database.read(read)
    upto = {"updated_at": rows[-1].updated_at.isoformat(), "id": rows[-1].id} if rows else None
    return _Window([row.id for row in rows], upto, len(rows) == TICKETS)


async def _past(jobs: Jobs, name: str, window: _Window) -> None:
    if window.upto is not None:
        await work.remember(jobs.database, _PLACE + name, "cursor", window.upto)


async def retire_deliveries(jobs: Jobs, before: datetime, limit: int) -> Gone:
    """Delete what was sent (or cancelled) of closed tickets, and what belongs to none. Posts that a channel may yet
    change, or goes on below, stay as long as their ticket: they are named by a link."""
    gone = await _ticketless(jobs, before, limit)
    if gone.rows >= limit or gone.more:
        return gone
    left, window = limit - gone.rows, await _window(jobs, "deliveries", before)
    fixed = [name for name, spec in jobs.desk.specs.items() if not spec.edits]
    named = select(links.c.key).where(
        links.c.ticket_id == deliveries.c.ticket_id, links.c.delivery_id == deliveries.c.id
    )

    async def old(tx: Tx) -> Sequence[Any]:
        return await tx.all(
            select(deliveries.c.id, deliveries.c.rendered)
            .where(
                deliveries.c.ticket_id.in_(window.ids),
                deliveries.c.state.in_(GONE),
                deliveries.c.channel.in_(fixed) | ~named.exists(),
            )
            .order_by(deliveries.c.ticket_id, deliveries.c.id)
            .limit(left)
        )

    rows = await jobs.database.read(old) if window.ids else ()
    count = await _delete_deliveries(jobs, rows)
    full = len(rows) == left
    if not full:
        await _past(jobs, "deliveries", window)
    blobs = tuple(row.rendered for row in rows if row.rendered)
    return Gone(gone.rows + count, full or window.more, (*gone.blobs, *blobs))


async def _ticketless(jobs: Jobs, before: datetime, limit: int) -> Gone:
    """Of those without a ticket: a window by their ids, from the oldest to the first that is too young."""
    place = f"{_PLACE}ticketless"
    at = await work.remembered(jobs.database, place)

    async def read(tx: Tx) -> Sequence[Any]:
        columns = ("id", "rendered", "state", "created_at", "settled_at")
        return await tx.all(
            select(*(deliveries.c[name] for name in columns))
            .where(deliveries.c.ticket_id == 0, deliveries.c.id > at.get("after", 0))
            .order_by(deliveries.c.id)
            .limit(limit)
        )

    rows = await jobs.database.read(read)
    old = [r for r in rows if r.state in ENDED and r.settled_at is not None and r.settled_at <= before]
    count = await _delete_deliveries(jobs, old, ENDED)
    more = len(rows) == limit and rows[-1].created_at <= before
    if more or at:
        await work.remember(jobs.database, place, "cursor", {"after": rows[-1].id} if more else {})
    return Gone(count, more, tuple(row.rendered for row in old if row.rendered))


async def _delete_deliveries(jobs: Jobs, rows: Sequence[Any], states: Sequence[str] = GONE) -> int:
    ids = [row.id for row in rows]
    if not ids:
        return 0
    where = (deliveries.c.id.in_(ids), deliveries.c.state.in_(states))
    return await jobs.database.unit(lambda tx: tx.changed(delete(deliveries).where(*where)))


async def retire_attachments(jobs: Jobs, before: datetime, limit: int) -> Gone:
    """Delete the files of closed tickets; their names stay, and that they are gone."""
    window = await _window(jobs, "attachments", before)
    if not window.ids:
        return Gone()

    async def unit(tx: Tx) -> Sequence[Any]:
        still = await tx.all(
            select(tickets.c.id)
            .where(
                tickets.c.id.in_(window.ids),
                tickets.c.status == Status.CLOSED,
                tickets.c.updated_at <= before,
            )
            .order_by(tickets.c.id)
            .with_for_update()
        )
        rows = await tx.all(
            select(attachments.c.id, attachments.c.blob)
            .join(messages, messages.c.id == attachments.c.message_id)
            .where(
                messages.c.ticket_id.in_([row.id for row in still]),
                attachments.c.state == "stored",
                attachments.c.blob.is_not(None),
            )
            .order_by(attachments.c.id)
            .limit(limit)
        )
        if rows:
            values = {"state": EXPIRED, "blob": None, "reason": "its time to be kept is over"}
            ids = [row.id for row in rows]
            await tx.run(update(attachments).where(attachments.c.id.in_(ids)).values(**values))
        return rows

    rows = await jobs.database.unit(unit)
    full = len(rows) == limit
    if not full:
        await _past(jobs, "attachments", window)
    return Gone(len(rows), full or window.more, tuple(row.blob for row in rows))


# -- whole tickets -------------------------------------------------------------------------------------------------


async def retire_tickets(jobs: Jobs, before: datetime, limit: int) -> Gone:
    """Delete tickets that were closed before, and left alone since, with all that hangs on them. However many raise,
    those behind them have their turn."""
    rows, blobs = 0, list[str]()

    async def old(tx: Tx, apart: Apart) -> list[int]:
        rows = await tx.all(
            select(tickets.c.id)
            .where(
                tickets.c.status == Status.CLOSED,
                tickets.c.updated_at <= before,
                tickets.c.merged_into.is_(None),
                *apart,
            )
            .order_by(tickets.c.updated_at, tickets.c.id)
            .limit(TICKETS)
        )
        return [row.id for row in rows]

    async def one(ticket_id: int) -> None:
        nonlocal rows
        if rows >= limit:
            return
        found = await jobs.database.unit(
            partial(deleting.delete_ticket, desk=jobs.desk, ticket_id=ticket_id, before=before)
        )
        rows += found.rows
        blobs.extend(found.blobs)
        if found.rows:
            log.info("ticket_deleted", ticket=ticket_id, rows=found.rows)

    taken = await take(jobs.database, old, one, limit=TICKETS, trouble="ticket_stays")
    return Gone(rows, rows >= limit or (taken.left and rows > 0), tuple(blobs), tuple(taken.failed))


async def retire_reports(jobs: Jobs, before: datetime, limit: int) -> Gone:
    """Delete digests that were made before."""

    async def unit(tx: Tx) -> int:
        rows = await tx.all(
            select(reports.c.id).where(reports.c.made_at <= before).order_by(reports.c.made_at).limit(limit)
        )
        ids = [row.id for row in rows]
        return await tx.changed(delete(reports).where(reports.c.id.in_(ids))) if ids else 0

    count = await jobs.database.unit(unit)
    return Gone(count, count == limit)


STEPS: Final[dict[str, Step]] = {
    "inbox": retire_inbox,
    "held": partial(retire_inbox, name="held", states=HELD),
    "deliveries": retire_deliveries,
    "attachments": retire_attachments,
    "closed_tickets": retire_tickets,
    "reports": retire_reports,
}
JOBS: Final = (Job("retire", timedelta(hours=1), retire),)
