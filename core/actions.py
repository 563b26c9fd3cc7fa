"""What somebody may do to a ticket, as steps inside a unit: the manager and the staff's commands share them.

Each takes a transaction in which nothing is locked yet (it locks the ticket itself) and ends with `units.note`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from core import describing, snoozing, targets, units, views
from core.audience import Happened, Scene
from core.blank import is_blank
from core.brakes import allow
from core.database import Rerun, Tx
from core.desk import TITLE
from core.desk_texts import heard, said
from core.failures import Conflict, Invalid, NotFound, TooMany
from core.outbox import release_held
from core.passing_on import braked, passed_on
from core.people import Known
from core.places import same_conversation
from core.shapes import Actor, File, Priority, Ref, Visibility, key_of
from core.staffing import staff_named
from core.status import ACTIVE, SETS, Did, Status, Ticket
from core.tables import links, messages, tickets, users
from core.threads import LinkFact, below
from core.units import Desk, Words
from core.visibility import check_sees, check_sets, check_staff, check_writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message to write on a ticket. `ref`: its outside name where it has one (Slack). `from_thread`: it stands
    in the triage thread already."""

    text: str
    visibility: Visibility
    channel: str
    source_time: datetime | None = None
    files: Sequence[File] = ()
    full_text: str | None = None
    html_blob: str | None = None
    mail_id: str | None = None
    thread_index: str | None = None
    edited_at: datetime | None = None
    rich: str | None = None
    auth_results: Mapping[str, Any] | None = None
    names: Sequence[tuple[str, str, str | None]] = ()
    from_thread: bool = False
    place: str = ""  # where it was written, so that it isn't repeated there
    had: frozenset[bytes] = frozenset()  # identities whom the mail itself went to
    automatic: str | None = None
    proven: bool = True  # it may be passed on: it answers something of ours, or its sender is authenticated
    source: str = ""  # the network address that brakes count


async def locked(tx: Tx, actor: Actor, ticket_id: int, *, adds: int = 0) -> tuple[Ticket, bool]:
    """Lock a ticket that the actor may see; a merged one leads to its target. Returns it and whether they take
    part."""
    target = await tx.scalar(select(tickets.c.merged_into).where(tickets.c.id == ticket_id))
    ticket_id = int(target) if target is not None and adds else ticket_id
    part = await views.takes_part(tx, ticket_id, actor.user_id)
    if not actor.staff:
        check_sees(actor, ticket_id, takes_part=part)
    ticket = await units.lock(tx, ticket_id, adds=adds)
    if adds and ticket.merged_into is not None:  # merged away since we looked
        raise Rerun
    return ticket, part


async def target(tx: Tx, ticket_id: int) -> Ticket:
    """Return a ticket, or what it was merged into. Raises `NotFound`."""
    found = await views.ticket(tx, ticket_id)
    if found is not None and found.merged_into is not None:
        found = await views.ticket(tx, found.merged_into)
    if found is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return found


def in_thread(desk: Desk, ticket: Ticket, place: str) -> bool:
    """Is this place in the triage channel where the ticket's thread is now (not in one where it was before)?"""
    triage = desk.triage(ticket.queue)
    return triage is not None and same_conversation(place, triage[1])


async def as_known(tx: Tx, actor: Actor) -> Known:
    """Return the user behind an actor. Raises `Invalid` where there is none."""
    if actor.user_id is None:
        raise Invalid("nobody is named as the author")
    row = await tx.first(select(users).where(users.c.id == actor.user_id))
    if row is None:
        raise NotFound("there is no such user")
    return Known(
        user_id=row.id, name=row.name, username=row.username, role=actor.role, identity=b"", email=actor.email
    )


async def write(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, written: Written) -> tuple[Ticket, int]:
    """Write a message: staff's answer or note, or the words of somebody who takes part."""
    check_writes(actor, written.visibility)
    if is_blank(written.text) and not written.files:
        raise Invalid("the message is empty")
    ticket, part = await locked(tx, actor, ticket_id, adds=1)
    if written.from_thread and written.place and not in_thread(desk, ticket, written.place):
        written = replace(written, from_thread=False)  # below a card in a channel where it was before
    author = await as_known(tx, actor)
    staff = actor.staff and not (part and ticket.requester_id == actor.user_id)
    seq = await tx.scalar(select(tickets.c.last_seq).where(tickets.c.id == ticket.id))
    now = await tx.now()
    message_id = await units.add_message(
        tx,
        desk,
        ticket,
        int(seq),
        Words(
            author=author,
            address=actor.email,
            staff=staff or written.visibility is Visibility.NOTE,
            visibility=written.visibility,
            channel=written.channel,
            source_time=written.source_time or now,
            text=written.text,
            full_text=written.full_text,
            html_blob=written.html_blob,
            auth=actor.auth,
            automatic=written.automatic,
            mail_id=written.mail_id,
            thread_index=written.thread_index,
            edited_at=written.edited_at,
            rich=written.rich,
            auth_results=written.auth_results,
            files=written.files,
        ),
    )
    await units.add_links(tx, ticket.id, message_id, written.names)
    if written.visibility is Visibility.NOTE:
        return await _noted(tx, desk, actor, ticket, message_id, written), message_id
    if staff:
        return await _staff_replied(tx, desk, actor, ticket, message_id, written), message_id
    return await participant_wrote(tx, desk, actor, ticket, message_id, written), message_id


async def _noted(
    tx: Tx, desk: Desk, actor: Actor, ticket: Ticket, message_id: int, written: Written
) -> Ticket:
    await units.add_event(tx, ticket, "note", actor, public=False, data={"message": message_id})
    after = await units.save(tx, ticket, ticket, public=False)
    scene = await units.scene(tx, desk, after, actor, from_thread=written.from_thread)
    await units.note(tx, desk, Happened.NOTED, scene, message_id)
    return after


async def _staff_replied(
    tx: Tx, desk: Desk, actor: Actor, ticket: Ticket, message_id: int, written: Written
) -> Ticket:
    now = await tx.now()
    queue = desk.queue_or_first(ticket.queue)
    after_reply = Status(queue.after_staff_reply)
    overtaken = await _overtaken(tx, ticket, written.source_time)
    moved = await units.move(
        tx, ticket, Did.STAFF_REPLIED, actor, after=Status.OPEN if overtaken else after_reply
    )
    moved = replace(
        moved,
        first_response_at=ticket.first_response_at or now,
        waiting_since=ticket.waiting_since if overtaken else None,
    )
    moved = moved if overtaken else targets.answered(moved)
    moved = moved if desk.quiet else _waits_anew(moved, now)
    taken = tx.targets.answered(ticket, now, overtaken=overtaken) if tx.targets is not None else {}
    event = {"message": message_id, **taken}
    await units.add_event(tx, ticket, "answered", actor, public=True, data=event)
    after = await units.save(tx, ticket, moved, public=True)
    data: dict[str, Any] = {"hold": units.hold_of(desk, written.channel)}
    scene = await units.scene(
        tx,
        desk,
        after,
        actor,
        from_thread=written.from_thread,
        actor_place=written.place,
        had=written.had,
        data=data,
    )
    if ticket.unconfirmed and not desk.quiet:
        await release_held(tx, ticket.id)
    await _braked_note(tx, desk, Happened.STAFF_REPLIED, scene, message_id, written)
    if overtaken:
        text = said(desk.config, "line_overtaken")
        again = await units.scene(tx, desk, after, None, data={"text": text})
        await units.note(tx, desk, Happened.CHANGED, again, first=100)
    return after


def _waits_anew(ticket: Ticket, now: datetime) -> Ticket:
    """Staff have looked, and it is for the requester to answer: the time until they are reminded begins, where it
    stood still (an archive says that it is pending)."""
    stands = ticket.status is Status.PENDING and ticket.pending_since is None
    return replace(ticket, pending_since=now) if stands else ticket


async def _overtaken(tx: Tx, ticket: Ticket, source_time: datetime | None) -> bool:
    """Did the requester's side write after this answer was written (by the times of the sources)?"""
    if source_time is None:
        return False
    newest = await tx.scalar(
        select(messages.c.source_time)
        .where(
            messages.c.ticket_id == ticket.id,
            messages.c.author_staff.is_(False),
            messages.c.outsider.is_(False),
            messages.c.automatic.is_(None),
        )
        .order_by(messages.c.source_time.desc())
        .limit(1)
    )
    return newest is not None and newest > source_time


async def participant_wrote(
    tx: Tx,
    desk: Desk,
    actor: Actor,
    ticket: Ticket,
    message_id: int,
    written: Written,
    *,
    reopens: bool = True,
) -> Ticket:
    """The words of somebody who takes part: they may reopen the ticket, and the desk hears of them."""
    ticket = await describing.begun_again(tx, ticket, message_id)
    reopens = reopens and not ticket.spam  # spam stays closed; staff see what was written
    did = Did.OTHER_WROTE if written.automatic or not reopens else Did.PARTICIPANT_WROTE
    moved = await units.move(tx, ticket, did, actor)
    woke = ""
    if did is Did.PARTICIPANT_WROTE:
        moved, woke = await snoozing.ended_by_message(tx, moved, actor)
        moved = replace(moved, waiting_since=ticket.waiting_since or await tx.now())
    await units.add_event(tx, ticket, "message", actor, public=True, data={"message": message_id})
    after = await units.save(tx, ticket, moved, public=True)
    scene = await units.scene(
        tx,
        desk,
        after,
        actor,
        from_thread=written.from_thread,
        automatic=written.automatic is not None,
        actor_place=written.place,
        had=written.had,
    )
    if ticket.spam:
        scene = replace(scene, listeners=())
    scene = await passed_on(tx, desk, scene, proven=written.proven, source=written.source)
    await _braked_note(tx, desk, Happened.WROTE, scene, message_id, written)
    await snoozing.say(tx, desk, after, woke)
    return after


async def _braked_note(
    tx: Tx, desk: Desk, happened: Happened, scene: Scene, message_id: int, written: Written
) -> None:
    """Note what goes out because of a message; of one that came by mail only so much in an hour."""
    text = ""
    if written.channel == "email":
        scene, text = await braked(tx, desk, happened, scene)
    if text:
        await units.add_event(tx, scene.ticket, "remark", None, public=False, data={"text": text})
    await units.note(tx, desk, happened, scene, message_id)
    if text:
        line = await units.scene(tx, desk, scene.ticket, None, data={"text": text})
        await units.note(tx, desk, Happened.TOLD, line, first=200)


def _check_goes_on(ticket: Ticket, instead: str) -> None:
    """Nothing is set of a ticket that was merged away. Raises `Conflict`."""
    if ticket.merged_into is not None:
        raise Conflict(f"ticket {ticket.id} is merged into {ticket.merged_into}; {instead}")


async def may_reopen(tx: Tx, desk: Desk, user_id: int | None) -> bool:
    """Reopens by one person are braked, whether they write or press: count one more."""
    limit = desk.config.brakes.reopens_per_hour
    return await allow(tx, f"reopen:{user_id}", limit, timedelta(hours=1))


async def set_status(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, status: Status, *, from_thread: bool = False
) -> Ticket:
    """Set a ticket's status; the one it has already changes nothing. Raises `ForbiddenMove`."""
    ticket, _ = await locked(tx, actor, ticket_id)
    check_sets(actor, status)
    _check_goes_on(ticket, "set that one's status")
    if ticket.status is status:
        again = _waits_anew(ticket, await tx.now()) if actor.staff else ticket
        return ticket if again is ticket else await units.save(tx, ticket, again, public=False)
    if ticket.spam and actor.staff:
        raise Conflict(f"ticket {ticket_id} is marked as spam; if it's none: !spam off")
    if ticket.spam:
        raise Conflict(f"ticket {ticket_id} can't be opened again; please write a new message")
    reopens = status in ACTIVE and ticket.status not in ACTIVE and not actor.staff
    if reopens and not await may_reopen(tx, desk, actor.user_id):
        raise TooMany(await _too_often(tx, desk, ticket, actor))
    moved = await units.move(tx, ticket, SETS[status], actor)
    if status is Status.OPEN and not actor.staff:
        moved = replace(moved, waiting_since=moved.waiting_since or await tx.now())
    after = await units.save(tx, ticket, moved, public=True)
    text = said(desk.config, "line_status", who=units.shown_name(actor), status=status)
    scene = await units.scene(
        tx, desk, after, actor, was=ticket.status, from_thread=from_thread, data={"text": text}
    )
    await units.note(tx, desk, Happened.STATUS_SET, scene)
    return after


async def _too_often(tx: Tx, desk: Desk, ticket: Ticket, actor: Actor) -> str:
    """What somebody outside hears who opens tickets again and again."""
    theirs = await tx.scalar(select(users.c.locale).where(users.c.id == actor.user_id))
    return heard(desk.config, "too_often", (desk.queue_or_first(ticket.queue).language, theirs))


async def assign(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, username: str | None, *, from_thread: bool = False
) -> Ticket:
    """Give a ticket to a staff member, or to nobody. Raises `NotFound`, `ForbiddenMove`."""
    check_staff(actor, "assign tickets")
    member = await staff_named(tx, username) if username else None
    ticket, _ = await locked(tx, actor, ticket_id)
    _check_goes_on(ticket, "assign that one")
    if ticket.assignee_id == (member.user_id if member else None):
        return ticket
    moved = await units.move(tx, ticket, Did.ASSIGNED, actor) if member else ticket
    moved = replace(
        moved,
        assignee_id=member.user_id if member else None,
        assignee=member.username if member else None,
    )
    data = {"from": ticket.assignee, "to": moved.assignee}
    await units.add_event(tx, ticket, "assigned", actor, public=False, data=data)
    after = await units.save(tx, ticket, moved, public=moved.status is not ticket.status)
    who, name = units.shown_name(actor), member.name if member else ""
    key = "line_assigned" if member else "line_unassigned"
    text = said(desk.config, key, who=who, name=name)
    scene = await units.scene(tx, desk, after, actor, from_thread=from_thread, data={"text": text})
    await units.note(tx, desk, Happened.ASSIGNED, scene)
    return after


async def set_priority(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, priority: Priority, *, from_thread: bool = False
) -> Ticket:
    """Set how pressing a ticket is."""
    check_staff(actor, "set priorities")
    ticket, _ = await locked(tx, actor, ticket_id)
    _check_goes_on(ticket, "set that one's priority")
    if ticket.priority is priority:
        return ticket
    await units.add_event(
        tx, ticket, "priority", actor, public=False, data={"from": ticket.priority, "to": priority}
    )
    after = await units.save(tx, ticket, replace(ticket, priority=priority), public=False)
    text = said(desk.config, "line_priority", who=units.shown_name(actor), priority=priority)
    scene = await units.scene(tx, desk, after, actor, from_thread=from_thread, data={"text": text})
    await units.note(tx, desk, Happened.CHANGED, scene)
    return after


async def set_title(
    tx: Tx, desk: Desk, actor: Actor, ticket_id: int, title: str, *, from_thread: bool = False
) -> Ticket:
    """Give a ticket another title. Raises `Invalid`."""
    check_staff(actor, "change titles")
    words = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    if is_blank(words) or len(words) > TITLE:
        raise Invalid(f"a title has 1 to {TITLE} characters")
    ticket, _ = await locked(tx, actor, ticket_id)
    _check_goes_on(ticket, "change that one's title")
    if ticket.title == words:
        return ticket
    data = {"from": ticket.title, "to": words}
    await units.add_event(tx, ticket, "title", actor, public=False, data=data)
    after = await units.save(tx, ticket, replace(ticket, title=words), public=False)
    text = said(desk.config, "line_title", who=units.shown_name(actor), title=words)
    scene = await units.scene(tx, desk, after, actor, from_thread=from_thread, data={"text": text})
    await units.note(tx, desk, Happened.CHANGED, scene)
    return after


async def linked(tx: Tx, ref: Ref) -> LinkFact | None:
    """Return what is known of an outside name that belongs to a ticket, or of the ticket that began below the post of
    that name (`core.threads.below`); None for neither."""
    names = [*ref.names, below(ref.name)] if ref.ours in (None, ref.name) else list(ref.names)
    order = {key_of(name): n for n, name in enumerate(names)}
    rows = await tx.all(select(links).where(links.c.key.in_(list(order)), links.c.ticket_id.is_not(None)))
    row = min(rows, key=lambda row: order[row.key], default=None)
    return None if row is None else LinkFact(row.kind, row.ticket_id, row.message_id)
