"""What else comes in: edits, deletions, staff's commands and bounces, each as the steps of one unit."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import Row, select, update

from core import actions, editing, rich, units, views
from core.database import Tx
from core.evidence import settled_root
from core.failures import Refused
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
from core.suppression import how_to_lift, suppress
from core.tables import deliveries, links
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
    asked = new.as_new.visibility if new.as_new is not None else None
    if message.author.staff and asked is Visibility.NOTE and message.visibility is Visibility.PUBLIC:
        return await _became_note(tx, desk, new, sender, message)
    text = _words(new) if message.author.staff else new.text
    if message.author.staff and message.visibility is Visibility.PUBLIC:
        ticket = await views.ticket(tx, ticket_id)
        if ticket is not None:  # the sign that made it an answer isn't a part of it
            text = as_queue_is_set(text, desk.queue_or_first(ticket.queue).default_visibility)[1]
    actor = actor_of(sender, new.channel, Auth.VERIFIED)
    formatted = rich.ending(new.rich, text) if new.rich else None
    await editing.edit(
        tx, desk, message_id, ticket_id, text, actor, in_thread=message.author.staff, rich=formatted
    )
    return Receipt(outcome="edited", ticket_id=ticket_id, message_id=message_id, because="its own edit")


async def _became_note(tx: Tx, desk: Desk, new: MessageEdited, sender: Known, message: Message) -> Receipt:
    """An answer that is a note now: nothing of it goes out any more, and its author hears where it had gone."""
    actor = actor_of(sender, new.channel, Auth.VERIFIED)
    gone = await editing.into_note(tx, desk, message.id, message.ticket_id, _words(new), actor)
    ticket = await views.ticket(tx, message.ticket_id)
    assert ticket is not None
    await mark(tx, desk, ticket, units.remote_of(new.ref), "note")
    if gone:
        text = "It's a note from now on, but the requester had the answer already."
        await whisper(tx, desk, message.ticket_id, new.sender, text)
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
    await editing.edit(tx, desk, message_id, ticket_id, None, actor, in_thread=message.author.staff)
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
    asked = Asked(
        tx=tx,
        desk=desk,
        actor=actor,
        ticket_id=ticket_id,
        words=command.words,
        text=command.text,
        sender=command.sender,
        ref=command.ref,
        in_thread=actor.staff and _in_thread(desk, ticket, command),
    )
    answer: str | None
    sign = "done"
    try:
        answer = await carry_out(command.verb, asked, own=ticket.requester_id == sender.user_id)
        sign = VERBS[command.verb.lower()].sign
    except Refused as exc:
        answer = exc.message
    if command.ref is not None and await actions.linked(tx, command.ref) is None:
        remote = units.remote_of(command.ref)
        await units.add_links(tx, ticket_id, None, [(command.ref.name, "command", remote)])
    if answer is not None:
        await whisper(tx, desk, ticket_id, command.sender, answer, place=command.place)
    elif command.ref is not None:
        await mark(tx, desk, ticket, units.remote_of(command.ref), sign)
    return Receipt(outcome="command", ticket_id=ticket_id, because=f"!{command.verb}")


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
    if row is not None and row.kind == Kind.DIGEST:
        return await _digest_bounced(tx, row, report)
    if row is None or not row.ticket_id:
        return Receipt(outcome="ignored", because="a bounce of nothing that we sent")
    ticket = await units.lock(tx, row.ticket_id)
    if report.action in ("delayed", "relayed", "expanded", "delivered"):
        return Receipt(outcome="ignored", ticket_id=ticket.id, because="nothing new")
    hearing = await units.scene(tx, desk, ticket, None)  # whoever is taken to be dead hears of it too
    dead = await suppress(tx, row, report)
    if row.state == "bounced" and dead is None:  # else another one of those whom that mail went to
        return Receipt(outcome="ignored", ticket_id=ticket.id, because="nothing new")
    reason = " ".join(filter(None, (report.status, report.text)))[:500] or "bounced"
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
        reason = f"{reason[:300]} (nothing is mailed to {dead} any more, until: {lift})"
    if row.kind != Kind.ALERT:  # never an alert about an alert
        await tell_failure(tx, desk, ticket, row.id, report.recipient or row.place, reason, scene=hearing)
    return Receipt(outcome="reported", ticket_id=ticket.id, because="a bounce of ours")


async def _digest_bounced(tx: Tx, row: Row[Any], report: DeliveryReport) -> Receipt:
    """It belongs to no ticket: `outbox list` shows it, and the log."""
    reason = " ".join(filter(None, (report.status, report.text)))[:500] or "bounced"
    if report.action in ("delayed", "relayed", "expanded", "delivered") or not await tx.changed(
        update(deliveries)
        .where(deliveries.c.id == row.id, deliveries.c.state.in_(("sent", "sending")))
        .values(state="bounced", last_error=reason)
    ):
        return Receipt(outcome="ignored", because="nothing new")
    tx.after_commit.append(lambda: log.warning("digest_bounced", delivery=row.id, permanent=report.permanent))
    return Receipt(outcome="reported", because="a bounce of ours")


def _words(new: MessageEdited) -> str:
    """The new text without the sign in front; the reader of a whole message has taken it off."""
    return new.text if new.as_new is not None else intent(new.text)[1].strip()


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
        return None
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
