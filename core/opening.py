"""A message opens a ticket: its sender's own, that of somebody whose mail staff forward, or it fills a bare one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select, update

from core import actions, brought, units, views
from core.acknowledging import answers_form, may_acknowledge, receipt_of
from core.actions import Written
from core.audience import Happened
from core.database import Tx
from core.desk_texts import phrase, said
from core.evidence import twins
from core.people import actor_of, mail_address
from core.prepared import MOST_JOINING, Prepared, words_of
from core.shapes import Actor, Auth, Forwarded, NewMessage, Priority, Receipt, Visibility
from core.status import Ticket
from core.tables import tickets
from core.threads import Admission
from core.units import CARD_WORDS, Desk

Names = Sequence[tuple[str, str, str | None]]


async def opened(tx: Tx, desk: Desk, prepared: Prepared, decision: Admission, names: Names) -> Receipt:
    """Open a ticket for what somebody wrote, or for whose mail staff forward."""
    new = prepared.new
    if prepared.customer is not None and new.forwarded is not None:
        return await _forwarded(tx, desk, prepared, new.forwarded, decision, names)
    actor = actor_of(prepared.maker or prepared.sender, new.channel, new.auth)
    ticket, message_id = await _written(tx, desk, prepared, actor, decision, names)
    return Receipt(outcome="opened", ticket_id=ticket.id, message_id=message_id, because=decision.because)


async def _written(
    tx: Tx, desk: Desk, prepared: Prepared, actor: Actor, decision: Admission, names: Names
) -> tuple[Ticket, int]:
    new, sender = prepared.new, prepared.sender
    lines = brought.in_order(prepared, await brought.unknown(tx, prepared))
    shown = brought.titling(prepared, lines)
    words = shown.new.visible or shown.new.text
    ticket = await units.open_ticket(
        tx,
        queue=desk.queue_or_first(new.queue).name,
        title=units.title_of(shown.new.subject, words, answers=decision.ticket_id),
        description=words,
        priority=new.priority or Priority.NORMAL,
        channel=new.channel,
        requester=sender,
        address=await mail_address(tx, new.sender, sender),
        room=len(lines),
    )
    ids = await brought.written(tx, desk, ticket, prepared, lines, names)
    message_id = ids[lines.index(shown)]
    await _taking_part(tx, ticket.id, new, 1)
    data: dict[str, Any] = {"message": message_id, "channel": new.channel}
    if len(lines) > 1:
        data["thread"] = len(lines)
    if prepared.maker is not None:
        data["made_for"] = sender.name
    await units.add_event(tx, ticket, "opened", actor, public=True, data=data)
    await _remarks(tx, ticket, new, decision)
    for twin in await twins(tx, desk, new):
        await _linked(tx, ticket, twin)
    alone = len(lines) == 1
    long = alone and (len(words) > CARD_WORDS or bool(shown.files))
    await _told(tx, desk, prepared, ticket, actor, message_id, long=long)
    if not alone:
        await brought.note(tx, desk, ticket, ids)
    return ticket, message_id


async def _forwarded(
    tx: Tx, desk: Desk, prepared: Prepared, forwarded: Forwarded, decision: Admission, names: Names
) -> Receipt:
    """A staff member forwards a customer's mail: the ticket is the customer's, what staff wrote above it is a note.

    The customer's words are as the forward has them, so they prove nothing about who wrote them. Of the files only the
    mail that came along whole is theirs beyond doubt: any other may be what staff added, so it goes with the note.
    """
    new, customer = prepared.new, prepared.customer
    assert customer is not None
    assert forwarded.sender is not None
    theirs = replace(
        new,
        sender=forwarded.sender,
        auth=Auth.CLAIMED,
        auth_results=None,
        text=forwarded.text,
        visible=forwarded.text,
        mail_id=forwarded.mail_id,
        thread_index=None,
        rich=None,
    )
    whole = [file for file in prepared.files if forwarded.whole and file.content_type == "message/rfc822"]
    others = [file for file in prepared.files if file not in whole]
    # The HTML is of the whole mail, staff's words in it.
    opening = replace(prepared, new=theirs, files=whole, sender=customer, html_blob=None, customer=None)
    actor = actor_of(prepared.sender, new.channel, new.auth)
    ticket, message_id = await _written(tx, desk, opening, actor, decision, names)
    data = {"address": forwarded.sender.address, "message": message_id}
    await units.add_event(tx, ticket, "forwarded", actor, public=False, data=data)
    comment = forwarded.comment.strip()
    if comment or others:
        note = Written(
            text=comment or said(desk.config, "note_forwarded_files"),
            files=others,
            visibility=Visibility.NOTE,
            channel=new.channel,
            source_time=new.source_time,
            full_text=new.text,
            html_blob=prepared.html_blob,
        )
        await actions.write(tx, desk, actor, ticket.id, note)
    because = f"staff forwarded it ({decision.because})"
    return Receipt(outcome="opened", ticket_id=ticket.id, message_id=message_id, because=because)


async def refilled(tx: Tx, desk: Desk, prepared: Prepared, ticket_id: int, names: Names) -> Receipt:
    """What could not be read before is read now: it fills the bare ticket that was made for it."""
    new, sender = prepared.new, prepared.sender
    ticket = await units.lock(tx, ticket_id, adds=1)
    seq = int(await tx.scalar(select(tickets.c.last_seq).where(tickets.c.id == ticket_id)))
    address = await mail_address(tx, new.sender, sender)
    words = words_of(prepared, address, staff=False, visibility=Visibility.PUBLIC, outsider=False)
    message_id = await units.add_message(tx, desk, ticket, seq, words)
    await units.add_links(tx, ticket_id, message_id, names)
    await _taking_part(tx, ticket_id, new, seq)
    await tx.run(
        update(tickets)
        .where(tickets.c.id == ticket_id)
        .values(
            requester_id=sender.user_id,
            requester_address=address[:320],
            description=words.text,
            title=units.title_of(new.subject, words.text),
        )
    )
    actor = actor_of(sender, new.channel, new.auth)
    await units.add_event(tx, ticket, "read_again", actor, public=False, data={"message": message_id})
    await _remarks(tx, ticket, new, None)
    await units.save(tx, ticket, ticket, public=True)
    after = await views.ticket(tx, ticket_id)
    assert after is not None
    await _told(tx, desk, prepared, after, actor, message_id, long=True)
    return Receipt(outcome="opened", ticket_id=ticket_id, message_id=message_id, because="read again")


async def _linked(tx: Tx, ticket: Ticket, twin: int) -> None:
    """One mail to two queues is a ticket in each: they name each other."""
    other = await views.ticket(tx, twin)
    if other is None:
        return
    because = "the same mail came to both queues"
    for one, another in ((ticket, other), (other, ticket)):
        data = {"ticket": another.id, "because": because}
        await units.add_event(tx, one, "related", None, public=False, data=data)


async def _taking_part(tx: Tx, ticket_id: int, new: NewMessage, seq: int) -> None:
    await units.join(tx, ticket_id, new.sender.key, "requester", new.sender.place, seq)
    for person in new.to_others[:MOST_JOINING] if new.automatic is None else ():
        await units.join(tx, ticket_id, person.key, "cc", person.place, seq)


async def _remarks(tx: Tx, ticket: Ticket, new: NewMessage, decision: Admission | None) -> None:
    """What the reader, or the way here, has to tell staff beside the words."""
    for remark in new.remarks:
        await units.add_event(tx, ticket, "remark", None, public=False, data={"text": remark})
    if decision is not None and decision.ticket_id is not None:
        data = {"ticket": decision.ticket_id, "because": decision.because}
        await units.add_event(tx, ticket, "related", None, public=False, data=data)


async def _told(
    tx: Tx, desk: Desk, prepared: Prepared, ticket: Ticket, actor: Actor, message_id: int, *, long: bool
) -> None:
    """The desk hears of the ticket (and that its sender only says they are staff), the requester that it came."""
    new = prepared.new
    claims = claimed_staff(prepared)
    if claims is not None:
        await units.add_event(tx, ticket, "claims_staff", None, public=False, data={"address": claims})
    scene = await units.scene(
        tx,
        desk,
        ticket,
        actor if claims is None else None,
        automatic=new.automatic is not None,
        acknowledge=await may_acknowledge(tx, desk, new, ticket.id) or answers_form(desk, new),
        receipt=await receipt_of(tx, desk, new, ticket),
        long=long,
        data={"claims": claims} if claims else {},
    )
    await units.note(tx, desk, Happened.OPENED, scene, message_id)
    await tell_claim(tx, desk, ticket, claims)
    if actor.staff and new.forwarded is not None and new.forwarded.sender is None:
        text = said(desk.config, "line_forwarded_own", why=phrase(new.forwarded.why))
        await units.add_event(tx, ticket, "remark", None, public=False, data={"text": text})
        line = await units.scene(tx, desk, ticket, None, data={"text": text})
        await units.note(tx, desk, Happened.CHANGED, line, first=200)


def claimed_staff(prepared: Prepared) -> str | None:
    """Return the staff address that a mail names as its sender's without any proof, None where it names none."""
    new = prepared.new
    if new.channel != "email" or not prepared.sender.staff or new.auth is Auth.VERIFIED:
        return None
    return new.sender.address


async def tell_claim(tx: Tx, desk: Desk, ticket: Ticket, claims: str | None) -> None:
    """A line in the desk's thread below a mail that only says it is staff's."""
    if claims is not None:
        text = said(desk.config, "line_not_proved", address=claims)
        line = await units.scene(tx, desk, ticket, None, data={"text": text})
        await units.note(tx, desk, Happened.CHANGED, line, first=100)
