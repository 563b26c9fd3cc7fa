"""A message joins a ticket: as staff's answer or note, as the words of somebody who takes part, or as an outsider's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select

from core import actions, rich, units, views
from core.actions import Written
from core.audience import Happened
from core.blank import is_blank
from core.database import Rerun, Tx
from core.desk_texts import said
from core.opening import claimed_staff, tell_claim
from core.outgoing import card_in
from core.people import Known, actor_of, mail_address
from core.places import same_conversation
from core.prepared import MOST_JOINING, NO_TEXT, Prepared, words_of
from core.quoted import fit_to_send
from core.shapes import Actor, Auth, NewMessage, Receipt, Role, Visibility
from core.status import Status, Ticket
from core.tables import participants, tickets
from core.tell import mark
from core.threads import Admission, Found
from core.units import Desk
from core.visibility import asked_visibility

Names = Sequence[tuple[str, str, str | None]]


async def joined(
    tx: Tx,
    desk: Desk,
    prepared: Prepared,
    found: Found | None,
    ticket: Ticket,
    decision: Admission,
    names: Names,
) -> Receipt:
    """Add what somebody wrote to the ticket that it names."""
    new, sender = prepared.new, prepared.sender
    if decision.how == "outsider":
        return await _outsider(tx, desk, prepared, ticket, decision, names)
    address = await mail_address(tx, new.sender, sender)
    actor = replace(actor_of(sender, new.channel, new.auth), email=address)
    visibility, text, unfit = Visibility.PUBLIC, new.visible or new.text, False
    if decision.how == "staff":
        visibility, text, unfit = await _staffs_words(tx, desk, new, found, ticket)
    elif sender.staff:
        actor = replace(actor, role=Role.REQUESTER)
    written = Written(
        text=text if prepared.files or not is_blank(text) else NO_TEXT,
        visibility=visibility,
        channel=new.channel,
        source_time=new.source_time,
        files=prepared.files,
        full_text=new.text,
        html_blob=prepared.html_blob,
        mail_id=new.mail_id,
        thread_index=new.thread_index,
        edited_at=new.edited_at,
        rich=_formatted(new, text),
        auth_results=new.auth_results,
        names=names,
        from_thread=await _stands_below(tx, desk, new, found, ticket),
        place=new.sender.place,
        had=frozenset(person.key for person in new.to_others),
        automatic=new.automatic,
        proven=_proven(new, found),
        source=new.source,
    )
    if decision.how == "join" and not await _may_reopen(tx, desk, ticket, sender, new.source_time):
        written = replace(written, automatic=written.automatic or "braked")
    after, message_id = await actions.write(tx, desk, actor, ticket.id, written)
    if unfit:
        await _tell_unsent(tx, desk, after, actor)
    if found is not None and new.automatic is None and new.to_others:
        await _copied(tx, new, after, actor, proven=_proven(new, found))
    if new.desk and visibility is Visibility.NOTE:
        await mark(tx, desk, after, units.remote_of(new.ref), "note")
    return Receipt(outcome="joined", ticket_id=after.id, message_id=message_id, because=decision.because)


def _formatted(new: NewMessage, text: str) -> str | None:
    """The formatting of what is kept of the words. A mail's own plain words write lists and links in another way."""
    if new.rich is None or text == (new.visible or new.text):
        return new.rich
    return rich.ending(new.rich, text)


async def _stands_below(tx: Tx, desk: Desk, new: NewMessage, found: Found | None, ticket: Ticket) -> bool:
    """Does it stand in the thread of the ticket's present card? Not in a merged one's, nor in one that was left behind
    when the ticket got a card elsewhere."""
    triage = desk.triage(ticket.queue)
    if not new.desk or found is None or found.ticket_id != ticket.id or triage is None:
        return False
    if not same_conversation(units.remote_of(new.ref).rpartition("/")[0], triage[1]):
        return False
    card = await card_in(tx, ticket.id, triage[1])
    return card is None or card in {units.remote_of(ref) for ref in new.evidence.references}


async def _staffs_words(
    tx: Tx, desk: Desk, new: NewMessage, found: Found | None, ticket: Ticket
) -> tuple[Visibility, str, bool]:
    """For whose eyes they are, the words, and whether they are kept as a note because they can't be sent."""
    visibility, text = asked_visibility(new, await _default(tx, desk, new, found, ticket))
    if new.channel != "email" or visibility is Visibility.NOTE:
        return visibility, text, False
    fit = await fit_to_send(tx, ticket.id, text)
    return (Visibility.NOTE, text, True) if fit is None else (visibility, fit, False)


async def _default(tx: Tx, desk: Desk, new: NewMessage, found: Found | None, ticket: Ticket) -> str:
    """What words without a sign are. Who writes below a card goes by what is the rule there, also once the ticket was
    moved or merged away: a note, where that channel's queue or one of the ticket's says so."""
    queues = {ticket.queue}
    if new.desk:
        below = await views.ticket(tx, found.ticket_id) if found and found.ticket_id != ticket.id else None
        queues |= {below.queue} if below is not None else set()
        # Several queues may share a channel: the ticket's own counts there.
        queues |= set() if actions.in_thread(desk, ticket, new.sender.place) else {new.queue}
    defaults = {desk.queue_or_first(queue).default_visibility for queue in queues}
    return Visibility.NOTE if Visibility.NOTE in defaults else Visibility.PUBLIC


async def _tell_unsent(tx: Tx, desk: Desk, ticket: Ticket, actor: Actor) -> None:
    """The thread, and by mail whoever wrote it, hear that it wasn't sent."""
    text = said(desk.config, "line_note_unsent")
    await units.add_event(tx, ticket, "remark", None, public=False, data={"text": text})
    theirs = replace(ticket, assignee_id=actor.user_id)
    scene = await units.scene(tx, desk, theirs, None, data={"text": text})
    await units.note(tx, desk, Happened.TOLD, scene, first=100)


def _proven(new: NewMessage, found: Found | None) -> bool:
    """Does it prove that it answers something of ours, or who its sender is? A `[#id]` alone never does."""
    if new.channel != "email":
        return True
    if found is None or found.because == "subject tag":
        return False
    return found.proof or new.auth is not Auth.CLAIMED


async def _may_reopen(tx: Tx, desk: Desk, ticket: Ticket, sender: Known, written: datetime) -> bool:
    """Reopens by one sender are braked: then it's only a message. Of an archive, what was written before the end
    reopens nothing."""
    if ticket.status not in (Status.RESOLVED, Status.CLOSED):
        return True
    if desk.quiet:
        ended = ticket.closed_at or ticket.resolved_at
        return ended is None or written > ended
    return await actions.may_reopen(tx, desk, sender.user_id)


async def _copied(tx: Tx, new: NewMessage, ticket: Ticket, actor: Actor, *, proven: bool) -> None:
    """Whom the mail copies: they join where it proves itself, else they are proposed to staff, as are all for whom
    the ticket has no room. Only staff make more."""
    seq = await tx.scalar(select(tickets.c.last_seq).where(tickets.c.id == ticket.id))
    copied = await tx.scalar(
        select(func.count())
        .select_from(participants)
        .where(participants.c.ticket_id == ticket.id, participants.c.role == "cc")
    )
    room = MOST_JOINING if actor.staff else MOST_JOINING - int(copied)
    for person in new.to_others[:MOST_JOINING]:
        role = "cc" if proven and room > 0 else "proposed"
        if await units.join(tx, ticket.id, person.key, role, person.place, int(seq)):
            room -= role == "cc"
            kind = "participant" if role == "cc" else "proposed"
            data = {"address": person.address, **({"staff": True} if actor.staff else {})}
            await units.add_event(tx, ticket, kind, actor, public=False, data=data)


async def _outsider(
    tx: Tx, desk: Desk, prepared: Prepared, ticket: Ticket, decision: Admission, names: Names
) -> Receipt:
    """Somebody who takes no part wrote into a ticket: staff see it, marked; nobody else, and nothing goes back."""
    new, sender = prepared.new, prepared.sender
    locked = await units.lock(tx, ticket.id, adds=1)
    if locked.merged_into is not None:  # merged away since we looked
        raise Rerun
    seq = await tx.scalar(select(tickets.c.last_seq).where(tickets.c.id == ticket.id))
    address = await mail_address(tx, new.sender, sender)
    words = words_of(prepared, address, staff=False, visibility=Visibility.PUBLIC, outsider=True)
    message_id = await units.add_message(tx, desk, locked, int(seq), words)
    await units.add_links(tx, locked.id, message_id, names)
    await units.join(tx, locked.id, new.sender.key, "outsider", new.sender.place, int(seq))
    actor = actor_of(sender, new.channel, new.auth)
    claims = claimed_staff(prepared)
    data = {"message": message_id, "claims_staff": claims is not None, "claims": claims}
    await units.add_event(tx, locked, "outsider_message", actor, public=False, data=data)
    for remark in new.remarks:
        await units.add_event(tx, locked, "remark", None, public=False, data={"text": remark})
    # Staff are to look at it before the requester is reminded or it's closed: that time begins again. No more than
    # that, or whoever writes to a ticket's address keeps it pending for good.
    waits = locked.status is Status.PENDING and not new.automatic
    anew = replace(locked, pending_since=await tx.now(), reminded_at=None) if waits else locked
    after = await units.save(tx, locked, anew, public=False)
    # Whoever the address belongs to hears of it too, when it claims to be staff.
    teller = None if claims is not None else actor
    told = {"claims": claims} if claims is not None else {}
    scene = await units.scene(tx, desk, after, teller, automatic=True, data=told)
    await units.note(tx, desk, Happened.OUTSIDER_WROTE, scene, message_id)
    await tell_claim(tx, desk, after, claims)
    return Receipt(outcome="outsider", ticket_id=after.id, message_id=message_id, because=decision.because)
