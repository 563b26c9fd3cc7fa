"""A message gets another text, or is taken back: wherever it was posted hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, update

from core import describing, searching, units, views
from core.audience import Copy, Happened
from core.database import Tx
from core.desk_texts import said
from core.outbox import cancel, lane_kind, rehead
from core.outgoing import card_in
from core.shapes import Actor, Kind, Message, Person, Visibility
from core.status import Ticket
from core.tables import deliveries, identities, links, messages
from core.tell import whisper
from core.units import Desk
from core.work import enqueue as enqueue_work


async def edit(
    tx: Tx,
    desk: Desk,
    message_id: int,
    ticket_id: int,
    text: str | None,
    actor: Actor,
    *,
    at: datetime,
    in_thread: bool,
    rich: str | None = None,
) -> None:
    """Give a message a new text (None: it was deleted) with its formatting, and carry that to where it was posted.
    `at`: when its author did that."""
    ticket = await units.lock(tx, ticket_id)
    message = await views.message(tx, message_id)
    if message is None or message.deleted_at is not None:
        return
    if message.text == text and message.rich == rich:
        return
    own = await describing.shown(tx, ticket_id) == message_id
    now = await tx.now()
    values: dict[str, Any] = {"full_text": None, "rich": None}
    values |= {"deleted_at": now} if text is None else {"edited_at": at, "text": text, "rich": rich}
    await tx.run(update(messages).where(messages.c.id == message_id).values(**values))
    kind = "deleted" if text is None else "edited"
    public = message.visibility is Visibility.PUBLIC and not message.outsider
    await units.add_event(tx, ticket, kind, actor, public=False, data={"message": message_id})
    after = await units.save(tx, ticket, ticket, public=public)
    if own:
        await describing.changed(tx, message)
    await searching.changed(tx, ticket_id)
    stopped = await _stop_unsent(tx, message_id, deleted=text is None)
    # A note that was an answer once: what the requester has of that stays taken back.
    copies = [copy for copy in await _copies(tx, message_id) if public or copy.desk]
    happened = Happened.DELETED if text is None else Happened.EDITED
    scene = await units.scene(tx, desk, after, actor, copies=copies, from_thread=in_thread)
    await units.note(tx, desk, happened, scene, message_id)
    if text is None and message.author.staff and public:
        await _tell_deleted(tx, desk, after, message, actor, copies, stopped=stopped)


async def _tell_deleted(
    tx: Tx,
    desk: Desk,
    ticket: Ticket,
    message: Message,
    actor: Actor,
    copies: Sequence[Copy],
    *,
    stopped: bool,
) -> None:
    """An answer is gone from the thread: its author hears what became of it, and where the requester has it, a line in
    the thread says so to the others."""
    theirs = [copy for copy in copies if not copy.desk]
    if theirs:
        files = any(copy.attachment_id is not None for copy in theirs)
        key = "told_too_late_files" if files else "told_too_late"
        await _tell_author(tx, desk, message, said(desk.config, key))
        text = said(desk.config, "line_deleted_late", who=units.shown_name(actor))
        line = await units.scene(tx, desk, ticket, actor, data={"text": text})
        await units.note(tx, desk, Happened.CHANGED, line, first=100)
    elif stopped:
        await _tell_author(tx, desk, message, said(desk.config, "told_stopped"))


async def into_note(
    tx: Tx, desk: Desk, message_id: int, ticket_id: int, text: str, actor: Actor, *, at: datetime
) -> bool:
    """A staff's answer was edited into a note: what hasn't gone doesn't go, what can be taken back is. Returns
    whether some of it had reached the requester already."""
    ticket = await units.lock(tx, ticket_id)
    await tx.run(
        update(messages)
        .where(messages.c.id == message_id)
        .values(visibility=Visibility.NOTE, text=text, full_text=None, rich=None, edited_at=at)
    )
    await searching.changed(tx, ticket_id)
    await units.add_event(tx, ticket, "became_note", actor, public=False, data={"message": message_id})
    after = await units.save(tx, ticket, ticket, public=True)
    await _stop_unsent(tx, message_id, deleted=True, desk=False)
    copies = await _copies(tx, message_id)
    scene = await units.scene(tx, desk, after, actor, copies=copies, from_thread=True)
    await units.note(tx, desk, Happened.TAKEN_BACK, scene, message_id)
    return any(not copy.desk for copy in copies)


async def has_gone(tx: Tx, message_id: int) -> bool:
    """Return whether the requester's side has a message, or is about to."""
    return any(not copy.desk for copy in await _copies(tx, message_id))


async def _stop_unsent(tx: Tx, message_id: int, *, deleted: bool, desk: bool | None = None) -> bool:
    """A message deleted before it went doesn't go; one edited before it went goes as it now is; a correction that still
    waits is replaced by the newer one. `desk`: of one side alone. Returns whether an answer was stopped."""
    waiting = select(deliveries).where(
        deliveries.c.message_id == message_id, deliveries.c.state.in_(("queued", "held"))
    )
    if desk is not None:
        waiting = waiting.where(deliveries.c.desk.is_(desk))
    # The lanes' rows come first: a courier that marks one of these has then either committed that, or will see
    # the new text.
    lanes = {row.lane: lane_kind(row.channel) for row in await tx.all(waiting)}
    await enqueue_work(tx, lanes, await tx.now())
    stopped = False
    for row in await tx.all(waiting):
        if row.kind == Kind.CARD:
            continue
        correction = row.data.get("what") == "correction"
        if (deleted or correction) and await cancel(
            tx, row.id, "deleted before it went" if deleted else "newer text"
        ):
            stopped = stopped or (row.kind == Kind.MESSAGE and not row.desk)
            await rehead(tx, row.lane, row.channel, row.ticket_id)
    return stopped


async def _copies(tx: Tx, message_id: int) -> list[Copy]:
    """Return where the message and its files were posted. What was rendered once goes as it was, so it counts."""
    rows = await tx.all(
        select(deliveries)
        .where(
            deliveries.c.message_id == message_id,
            deliveries.c.kind.in_((Kind.MESSAGE, Kind.FILE)),
            deliveries.c.state.in_(("sent", "sending"))
            | and_(
                deliveries.c.state == "queued",
                or_(deliveries.c.rendered.is_not(None), deliveries.c.rendered_raw.is_not(None)),
            ),
        )
        .order_by(deliveries.c.id)
    )
    return [
        Copy(
            channel=row.channel,
            place=row.place,
            remote=row.remote_id or "",
            desk=bool(row.desk),
            attachment_id=row.data.get("attachment_id") if row.kind == Kind.FILE else None,
        )
        for row in rows
    ]


async def _tell_author(tx: Tx, desk: Desk, message: Message, text: str) -> None:
    """Tell who deleted an answer what became of it: where they had written it, as no sign can stand on it."""
    row = await tx.first(
        select(identities.c.kind, identities.c.address)
        .where(identities.c.user_id == message.author_id, identities.c.kind == message.channel)
        .order_by(identities.c.key)
        .limit(1)
    )
    remote = await tx.scalar(
        select(links.c.remote).where(links.c.message_id == message.id, links.c.kind == "received").limit(1)
    )
    if row is None or not remote:
        return
    place = str(remote).rpartition("/")[0]
    card = await card_in(tx, message.ticket_id, place)
    if card is not None:
        place = f"{place}#{card.rpartition('/')[2]}"
    await whisper(tx, desk, message.ticket_id, Person(kind=row.kind, address=row.address), text, place=place)
