"""What else comes in: edits, deletions, staff's commands and bounces, each as the steps of one unit."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import Row, select, update

from core import actions, confirming, editing, rich, undelivered, units, views
from core.blank import is_blank
from core.database import Rerun, Tx
from core.desk_texts import Phrase, phrase, said
from core.evidence import settled_root
from core.failures import Refused
from core.matching import ensure, mail_person
from core.people import Known, actor_of
from core.shapes import (
    Actor,
    Auth,
    DeliveryReport,
    Kind,
    Message,
    MessageDeleted,
    MessageEdited,
    Receipt,
    Ref,
    Role,
    StaffCommand,
    Visibility,
    key_of,
)
from core.status import Ticket
from core.suppression import blames_address, how_to_lift, suppress
from core.tables import deliveries, links, tickets
from core.tell import mark, tell_failure, whisper
from core.units import Desk
from core.verbs import VERBS, Asked, carry_out, needs_no_ticket
from core.visibility import as_queue_is_set, intent

log = structlog.get_logger(__name__)


async def edited(tx: Tx, desk: Desk, new: MessageEdited, sender: Known) -> Receipt:
    where = await actions.linked(tx, new.ref)
    ticket_id, message_id = (where.ticket_id, where.message_id) if where else (None, None)
    if where is None or where.kind != "received" or ticket_id is None or message_id is None:
        return Receipt(outcome="ignored", because="an edit of something we don't know")
    message = await views.message(tx, message_id)
    if message is None or message.author_id != sender.user_id:
        return Receipt(outcome="ignored", ticket_id=ticket_id, because="an edit by somebody else")
    if message.edited_at is not None and new.source_time < message.edited_at:
        return Receipt(outcome="ignored", ticket_id=ticket_id, because="an edit before the one that it has")
    at_desk = new.as_new.desk if new.as_new is not None else message.author.staff or bool(new.command)
    if (at_desk or message.author.staff) and not sender.staff:
        return await _did_nothing(tx, desk, new, message, "told_not_staff")
    if new.command:
        return await _became_command(tx, desk, new, sender, message)
    asked, text = message.visibility, new.text
    if at_desk:
        ticket = await views.ticket(tx, ticket_id)
        assert ticket is not None
        asked, text = _asked(desk, new, message, ticket)
    if asked is Visibility.NOTE and message.visibility is Visibility.PUBLIC:
        return await _became_note(tx, desk, new, sender, message, text)
    if is_blank(text) and not message.attachments:
        return await _did_nothing(tx, desk, new, message, "told_no_words")
    actor = actor_of(sender, new.channel, Auth.VERIFIED)
    formatted = new.rich if text == new.text else rich.ending(new.rich, text) if new.rich else None
    at = new.source_time
    await editing.edit(tx, desk, message_id, ticket_id, text, actor, at=at, in_thread=at_desk, rich=formatted)
    if asked is not message.visibility:
        await whisper(tx, desk, ticket_id, new.sender, said(desk.config, "told_still_note"))
    return Receipt(outcome="edited", ticket_id=ticket_id, message_id=message_id, because="its own edit")


def _asked(desk: Desk, new: MessageEdited, message: Message, ticket: Ticket) -> tuple[Visibility, str]:
    """For whose eyes the new text is by its sign, or by how the queue is set, and the text without the sign. Where the
    ticket has moved since, an answer stays one that has no sign in either queue."""
    if new.as_new is not None and new.as_new.visibility is not None:
        return new.as_new.visibility, new.text
    text = new.text if new.as_new is not None else intent(new.text)[1].strip()
    queues = {ticket.queue} | ({new.as_new.queue} if new.as_new is not None else set())
    defaults = {Visibility(desk.queue_or_first(queue).default_visibility) for queue in queues}
    if message.visibility is Visibility.NOTE:
        return (Visibility.PUBLIC if defaults == {Visibility.PUBLIC} else Visibility.NOTE), text
    by_queue, words = as_queue_is_set(text, desk.queue_or_first(ticket.queue).default_visibility)
    known = new.as_new is not None and defaults == {Visibility.NOTE}
    return (by_queue if known else Visibility.PUBLIC), words


async def _did_nothing(tx: Tx, desk: Desk, new: MessageEdited, message: Message, key: str) -> Receipt:
    """An edit that changes nothing: its author alone hears why, by the text `key`."""
    await whisper(tx, desk, message.ticket_id, new.sender, said(desk.config, key))
    return Receipt(
        outcome="ignored", ticket_id=message.ticket_id, message_id=message.id, because="an edit that is none"
    )


async def _became_command(tx: Tx, desk: Desk, new: MessageEdited, sender: Known, message: Message) -> Receipt:
    """An edit runs no command. An answer that became one was a slip: it doesn't go out, if it hasn't."""
    await units.lock(tx, message.ticket_id)
    if message.visibility is Visibility.NOTE or await editing.has_gone(tx, message.id):
        return await _did_nothing(tx, desk, new, message, "told_no_command")
    receipt = await _became_note(tx, desk, new, sender, message, new.text)
    text = said(desk.config, "told_stopped_command", command=new.command)
    await whisper(tx, desk, message.ticket_id, new.sender, text)
    return receipt


async def _became_note(
    tx: Tx, desk: Desk, new: MessageEdited, sender: Known, message: Message, text: str
) -> Receipt:
    """An answer that is a note now: nothing of it goes out any more, and its author hears where it had gone."""
    actor = actor_of(sender, new.channel, Auth.VERIFIED)
    gone = await editing.into_note(tx, desk, message.id, message.ticket_id, text, actor, at=new.source_time)
    ticket = await views.ticket(tx, message.ticket_id)
    assert ticket is not None
    await mark(tx, desk, ticket, units.remote_of(new.ref), "note")
    if gone:
        await whisper(tx, desk, message.ticket_id, new.sender, said(desk.config, "told_note_late"))
    return Receipt(
        outcome="edited", ticket_id=message.ticket_id, message_id=message.id, because="became a note"
    )


async def deleted(tx: Tx, desk: Desk, gone: MessageDeleted) -> Receipt:
    where = await actions.linked(tx, gone.ref)
    if where is None:
        await tx.run(
            tx.insert_missing(links).values(
                key=key_of(gone.ref.name), kind="tombstone", remote=units.remote_of(gone.ref)
            )
        )
        return Receipt(outcome="ignored", because="a deletion of something we don't know: noted")
    ticket_id, message_id = where.ticket_id, where.message_id
    if where.kind != "received" or ticket_id is None or message_id is None:
        return Receipt(outcome="ignored", ticket_id=ticket_id, because="no message behind it")
    message = await views.message(tx, message_id)
    if message is None:
        return Receipt(outcome="ignored", ticket_id=ticket_id, because="no message behind it")
    actor = Actor(
        user_id=message.author_id,
        role=Role.REQUESTER,
        channel=gone.channel,
        name=message.author.name,
    )
    await editing.edit(
        tx, desk, message_id, ticket_id, None, actor, at=gone.source_time, in_thread=message.author.staff
    )
    return Receipt(outcome="deleted", ticket_id=ticket_id, message_id=message_id, because="its own deletion")


async def commanded(tx: Tx, desk: Desk, command: StaffCommand, sender: Known) -> Receipt:
    ticket_id = await _meant(tx, command)
    if ticket_id is None and needs_no_ticket(command.verb):
        return await _commanded_anywhere(tx, desk, command, sender)
    if ticket_id is None:
        await settled_root(tx, desk, command.channel, command.evidence.references)
        return Receipt(outcome="ignored", because="no ticket's thread")
    if command.ref is not None and await actions.linked(tx, command.ref) is not None:
        return Receipt(outcome="duplicate", ticket_id=ticket_id, because="the command is known already")
    ticket = await views.ticket(tx, ticket_id)
    if ticket is None:
        return Receipt(outcome="ignored", because="no such ticket")
    actor = actor_of(sender, command.channel, Auth.VERIFIED)
    about = await _acted_on(tx, command.verb, ticket, actor)
    moved = about.id != ticket_id
    asked = Asked(
        tx=tx,
        desk=desk,
        actor=actor,
        ticket_id=about.id,
        words=command.words,
        text=command.text,
        sender=command.sender,
        ref=command.ref,
        in_thread=actor.staff and not moved and _in_thread(desk, ticket, command),
    )
    answer = await _carried_out(asked, command, about)
    if command.ref is not None and await actions.linked(tx, command.ref) is None:
        remote = units.remote_of(command.ref)
        await units.add_links(tx, ticket_id, None, [(command.ref.name, "command", remote)])
    if answer is None and command.ref is not None:
        sign = VERBS[command.verb.lower()].sign
        await mark(tx, desk, ticket, units.remote_of(command.ref), sign)
    if moved:
        there = f"n #{about.id}, into which this was merged"
        answer = f"Done o{there}." if answer is None else f"O{there}: {answer}"
    if answer is not None:
        await whisper(tx, desk, ticket_id, command.sender, answer, place=command.place)
    return Receipt(outcome="command", ticket_id=about.id, because=f"!{command.verb}")


async def _acted_on(tx: Tx, verb: str, ticket: Ticket, actor: Actor) -> Ticket:
    """The ticket itself; where it was merged away, the one in which it goes on, if the verb follows and they may there
    what they may here."""
    known = VERBS.get(verb.lower())
    if ticket.merged_into is None or known is None or not known.follows:
        return ticket
    target = await actions.target(tx, ticket.id)
    return target if actor.staff or target.requester_id == actor.user_id else ticket


async def _carried_out(asked: Asked, command: StaffCommand, about: Ticket) -> str | None:
    """Return what its sender is told, None where it was done and a sign says so."""
    try:
        answer = await carry_out(command.verb, asked, own=about.requester_id == asked.actor.user_id)
    except Refused as exc:
        return exc.message
    if VERBS[command.verb.lower()].follows and about.merged_into is None:
        into = select(tickets.c.merged_into).where(tickets.c.id == about.id)
        if await asked.tx.scalar(into) is not None:  # merged away since we looked
            raise Rerun
    if not asked.actor.staff:
        await confirming.by_act(asked.tx, asked.desk, asked.actor, about)
    return answer


async def _commanded_anywhere(tx: Tx, desk: Desk, command: StaffCommand, sender: Known) -> Receipt:
    """A command that is about no ticket, outside of any's thread."""
    if command.ref is not None:
        name = {"key": key_of(command.ref.name), "kind": "command", "remote": units.remote_of(command.ref)}
        if await actions.linked(tx, command.ref) is not None:
            return Receipt(outcome="duplicate", because="the command is known already")
        await tx.run(tx.insert_missing(links).values(**name))
    asked = Asked(
        tx=tx,
        desk=desk,
        actor=actor_of(sender, command.channel, Auth.VERIFIED),
        ticket_id=0,
        words=command.words,
        text=command.text,
        sender=command.sender,
        ref=command.ref,
        in_thread=False,
    )
    try:
        answer = await carry_out(command.verb, asked)
    except Refused as exc:
        answer = exc.message
    if answer is not None:
        await whisper(tx, desk, 0, command.sender, answer, place=command.place)
    return Receipt(outcome="command", because=f"!{command.verb}")


async def _meant(tx: Tx, command: StaffCommand) -> int | None:
    """The ticket that a command is about: the one that is named, else its thread's."""
    if command.ticket_id is not None:
        return command.ticket_id
    for ref in command.evidence.references:
        where = await actions.linked(tx, ref)
        if where is not None:
            return where.ticket_id
    return None


def _in_thread(desk: Desk, ticket: Ticket, command: StaffCommand) -> bool:
    """Was it asked for where the ticket's thread is now, so that it needn't be told there?"""
    if not command.place:
        return command.ref is not None
    return actions.in_thread(desk, ticket, command.place)


async def reported(tx: Tx, desk: Desk, report: DeliveryReport) -> Receipt:
    """A bounce: marks its delivery in the ticket and tells staff; nothing else happens."""
    row = await delivery_behind(tx, report)
    if row is not None and not row.ticket_id:
        return await _ticketless_bounced(tx, desk, row, report)
    if row is None:
        return Receipt(outcome="ignored", because="a bounce of nothing that we sent")
    ticket = await units.lock(tx, row.ticket_id)
    if report.action in ("delayed", "relayed", "expanded", "delivered"):
        return Receipt(outcome="ignored", ticket_id=ticket.id, because="nothing new")
    hearing = await units.scene(tx, desk, ticket, None)  # whoever is taken to be dead hears of it too
    dead = await suppress(tx, row, report)
    if row.state == "bounced" and dead is None:  # else another one of those whom that mail went to
        return Receipt(outcome="ignored", ticket_id=ticket.id, because="nothing new")
    reason = " ".join(filter(None, (report.status, report.text)))[:500] or phrase("reason_bounced")
    await tx.run(
        update(deliveries)
        .where(deliveries.c.id == row.id, deliveries.c.state.in_(("sent", "sending")))
        .values(state="bounced", last_error=reason)
    )
    data = {
        "delivery": row.id,
        "recipient": report.recipient,
        "reason": reason,
        "permanent": report.permanent,
    }
    await units.add_event(tx, ticket, "delivery_bounced", None, public=False, data=data)
    if dead is not None:
        data = {"address": dead, "delivery": row.id, "reason": reason}
        await units.add_event(tx, ticket, "suppressed", None, public=False, data=data)
        lift = how_to_lift(ticket.id, dead)
        short = reason if isinstance(reason, Phrase) else reason[:300]
        reason = phrase("reason_suppressed", reason=short, address=dead, lift=lift)
    if row.kind != Kind.ALERT:  # never an alert about an alert
        await tell_failure(tx, desk, ticket, row.id, report.recipient or row.place, reason, scene=hearing)
    return Receipt(outcome="reported", ticket_id=ticket.id, because="a bounce of ours")


async def _ticketless_bounced(tx: Tx, desk: Desk, row: Row[Any], report: DeliveryReport) -> Receipt:
    """A digest, news, a list: managers are told, once (`core.undelivered`)."""
    reason = " ".join(filter(None, (report.status, report.text)))[:500] or phrase("reason_bounced")
    if report.action in ("delayed", "relayed", "expanded", "delivered") or not await tx.changed(
        update(deliveries)
        .where(deliveries.c.id == row.id, deliveries.c.state.in_(("sent", "sending")))
        .values(state="bounced", last_error=reason)
    ):
        return Receipt(outcome="ignored", because="nothing new")
    dead = None
    if row.channel == "email" and row.desk:
        if row.kind == Kind.DIGEST and blames_address(report):
            await ensure(tx, mail_person(row.place))  # who only gets digests is nobody whom the desk knows
        dead = await suppress(tx, row, report)
    if undelivered.concerns(row):
        more = said(desk.config, "undelivered_until", lift=how_to_lift(0, dead)) if dead else ""
        await undelivered.tell(tx, desk, row, reason, more=more)
    tx.after_commit.append(
        lambda: log.warning("bounced", delivery=row.id, kind=row.kind, permanent=report.permanent)
    )
    return Receipt(outcome="reported", because="a bounce of ours")


async def delivery_behind(tx: Tx, report: DeliveryReport) -> Row[Any] | None:
    """Return the delivery of ours that a bounce is about, or None."""
    row = None
    if report.delivery_id is not None:
        row = await tx.first(select(deliveries).where(deliveries.c.id == report.delivery_id))
    if row is None and report.ref is not None:
        row = await _delivery_of(tx, report.ref)
    return row


async def _delivery_of(tx: Tx, ref: Ref) -> Row[Any] | None:
    """The delivery behind a Message-ID of ours that a bounce returned."""
    link = await tx.first(
        select(links).where(links.c.key.in_([key_of(n) for n in ref.names]), links.c.kind == "sent")
    )
    if link is None:
        return await undelivered.sent_as(tx, (ref.ours or ref.name).partition(":")[2])
    if link.message_id is not None:
        return await tx.first(
            select(deliveries)
            .where(
                deliveries.c.message_id == link.message_id,
                deliveries.c.channel == "email",
                deliveries.c.kind == Kind.MESSAGE,
                deliveries.c.desk.is_(False),
            )
            .order_by(deliveries.c.id.desc())
        )
    rows = await tx.all(
        select(deliveries).where(deliveries.c.ticket_id == link.ticket_id, deliveries.c.channel == "email")
    )
    return next((row for row in rows if row.data.get("mail_id") == link.remote), None)
