"""A ticket as its page shows it to one viewer: with the rating, with which mails can be shown as they came, and with
what they may do; and one of those mails."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from core import confirming, ratings, units, views
from core.database import Tx
from core.failures import Conflict, NotFound
from core.shapes import Actor, Attachment, Message
from core.status import ACTIVE, MOVES, SETS, Status, Ticket
from core.tables import attachments, messages, tickets
from core.units import Desk
from core.views import TicketDetail
from core.visibility import sees_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """How it went: 1 to 5, and words."""

    score: int
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A ticket's page. `mails`: the messages whose mail can be shown as it came. `own`: the viewer is its requester.
    `asked`: whether it was them who sent it without signing in. `ended_for_good`: it was closed longer ago than its
    queue reopens."""

    detail: TicketDetail
    mails: frozenset[int]
    own: bool
    asked: bool
    rating: Rating | None
    ended_for_good: bool
    may_write: bool
    may_resolve: bool
    may_reopen: bool
    may_rate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail's own HTML: `blob` holds it; `pictures` are the files that it may show."""

    message: Message
    blob: str
    pictures: tuple[Attachment, ...]


async def shown(tx: Tx, desk: Desk, actor: Actor, detail: TicketDetail) -> Shown:
    """Return what the page shows of a ticket that the actor may see."""
    ticket = detail.ticket
    own = actor.user_id is not None and ticket.requester_id == actor.user_id
    too_long = await _too_long(tx, desk, ticket)
    part = own or await views.takes_part(tx, ticket.id, actor.user_id)
    row = await ratings.of(tx, ticket.id) if own or actor.staff else None
    rating = Rating(score=row.score, comment=row.comment or "") if row is not None else None
    open_still = ticket.merged_into is None and not ticket.spam
    ended = ticket.status not in ACTIVE
    return Shown(
        detail=detail,
        mails=await _mails(tx, actor, ticket.id),
        own=own,
        asked=confirming.is_asked(actor, ticket),
        rating=rating,
        ended_for_good=too_long,
        may_write=actor.staff or (part and not too_long),
        may_resolve=part and open_still and ticket.status in MOVES[SETS[Status.RESOLVED]] and not ended,
        may_reopen=part and open_still and ended and not too_long,
        may_rate=own and ticket.merged_into is None and (ended or rating is not None),
    )


async def _too_long(tx: Tx, desk: Desk, ticket: Ticket) -> bool:
    return units.closed_too_long(ticket, desk.queue_or_first(ticket.queue), await tx.now())


async def _mails(tx: Tx, actor: Actor, ticket_id: int) -> frozenset[int]:
    """Messages with a mail's HTML that this viewer may see: staff any, others their own. What others' and staff's
    mails quote isn't for everybody."""
    wanted = select(messages.c.id).where(
        messages.c.ticket_id == ticket_id, messages.c.html_blob.is_not(None), messages.c.deleted_at.is_(None)
    )
    if not actor.staff:
        wanted = wanted.where(messages.c.author_id == (actor.user_id or 0))
    return frozenset(int(row.id) for row in await tx.all(wanted))


async def mail(tx: Tx, actor: Actor, ticket_id: int, message_id: int) -> Mail:
    """Return a message's mail as it came. The ticket is one that the actor may see. Raises `NotFound`: missing and
    forbidden look alike."""
    missing = NotFound("there is no such mail")
    if message_id not in await _mails(tx, actor, ticket_id):
        raise missing
    message = await views.message(tx, message_id)
    blob = await tx.scalar(select(messages.c.html_blob).where(messages.c.id == message_id))
    if message is None or blob is None:
        raise missing
    if not sees_message(actor, visibility=message.visibility, outsider=message.outsider):
        raise missing
    rows = await tx.all(
        select(attachments).where(
            attachments.c.message_id == message_id,
            attachments.c.inline_cid.is_not(None),
            attachments.c.blob.is_not(None),
        )
    )
    pictures = tuple(views.attachment_of(row) for row in rows)
    return Mail(message=views.message_for(actor, message), blob=str(blob), pictures=pictures)


async def check_goes_on(tx: Tx, desk: Desk, actor: Actor, ticket_id: int) -> None:
    """Who isn't staff can't go on with a ticket that was closed longer ago than its queue reopens (a mail opens a new
    one then). Raises `Conflict`."""
    if actor.staff or not await tx.scalar(select(tickets.c.closed_at).where(tickets.c.id == ticket_id)):
        return
    ticket = await views.ticket(tx, ticket_id)
    part = await views.takes_part(tx, ticket_id, actor.user_id)
    if part and ticket is not None and await _too_long(tx, desk, ticket):
        raise Conflict("this ticket was closed too long ago to go on with it; please make a new request")
