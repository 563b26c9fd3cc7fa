"""What staff do to a ticket by a verb: each handler reads its words and calls the step that does it."""

from __future__ import annotations

from sqlalchemy import select

from core import (
    actions,
    canned,
    digests,
    membership,
    merging,
    moving,
    preferences,
    relations,
    snoozing,
    spamming,
    tagging,
    views,
)
from core.actions import Written
from core.asked import NOBODY, Asked, first, how, number, one_of, person
from core.audience import Told
from core.failures import Conflict, NotAllowed
from core.retrying import retry_delivery
from core.shapes import Priority, Role, Visibility
from core.status import Status
from core.tables import deliveries
from core.units import remote_of

ON: tuple[str, ...] = ("", "on", "yes")
DELIVERED = "that was delivered meanwhile, so nothing was done"
OFF: tuple[str, ...] = ("off", "no", "none", "not")


async def is_own(asked: Asked) -> bool:
    """Is it the actor's own ticket?"""
    ticket = await views.ticket(asked.tx, asked.ticket_id)
    return (
        ticket is not None and asked.actor.user_id is not None and ticket.requester_id == asked.actor.user_id
    )


async def assign(asked: Asked) -> None:
    """Give the ticket to somebody, or to nobody."""
    name = first(asked, "!assign @name (or: !assign nobody)")
    await _assign(asked, None if name.lower() in NOBODY else name)


async def take(asked: Asked) -> None:
    """Give the ticket to oneself."""
    me = await actions.as_known(asked.tx, asked.actor)
    name = me.username or asked.sender.address.rpartition("/")[2]
    if not name or not asked.actor.staff:
        raise Conflict("only staff can take tickets")
    await _assign(asked, name)


async def _assign(asked: Asked, name: str | None) -> None:
    await actions.assign(
        asked.tx, asked.desk, asked.actor, asked.ticket_id, name, from_thread=asked.in_thread
    )


async def status(asked: Asked) -> None:
    """Set the status that is named."""
    await _set(asked, one_of(Status, first(asked, "!status pending")))


async def close(asked: Asked) -> None:
    """Set it to closed."""
    await _set(asked, Status.CLOSED)


async def resolve(asked: Asked) -> None:
    """Set it to resolved: staff's and the requester's."""
    await _set(asked, Status.RESOLVED)


async def reopen(asked: Asked) -> None:
    """Set it to open again: staff's and the requester's."""
    await _set(asked, Status.OPEN)


async def _set(asked: Asked, wanted: Status) -> None:
    await actions.set_status(
        asked.tx, asked.desk, asked.actor, asked.ticket_id, wanted, from_thread=asked.in_thread
    )


async def priority(asked: Asked) -> None:
    """Set how pressing it is."""
    wanted = one_of(Priority, first(asked, "!priority high"))
    await actions.set_priority(
        asked.tx, asked.desk, asked.actor, asked.ticket_id, wanted, from_thread=asked.in_thread
    )


async def title(asked: Asked) -> None:
    """Give it another title."""
    if not asked.words_or_text():
        raise how("!title The printer burns")
    await actions.set_title(
        asked.tx,
        asked.desk,
        asked.actor,
        asked.ticket_id,
        asked.words_or_text(),
        from_thread=asked.in_thread,
    )


async def tag(asked: Asked) -> str | None:
    """Put tags on it; without a name: which it has."""
    if not asked.words:
        has = await tagging.of(asked.tx, (await actions.target(asked.tx, asked.ticket_id)).id)
        return f"Its tags: {', '.join(has)}" if has else "It has no tags. To put one on it: !tag name"
    await tagging.add(
        asked.tx, asked.desk, asked.actor, asked.ticket_id, asked.words, from_thread=asked.in_thread
    )
    return None


async def untag(asked: Asked) -> None:
    """Take tags off it."""
    first(asked, "!untag name")
    await tagging.remove(
        asked.tx, asked.desk, asked.actor, asked.ticket_id, asked.words, from_thread=asked.in_thread
    )


async def note(asked: Asked) -> None:
    """Write a note: typed in the thread it stands there already, from a form it comes there."""
    if not asked.words_or_text():
        raise how("!note what only staff shall see")
    typed = asked.in_thread and asked.ref is not None
    written = Written(
        text=asked.words_or_text(),
        visibility=Visibility.NOTE,
        channel=asked.actor.channel,
        names=_names(asked),
        from_thread=typed,
    )
    await actions.write(asked.tx, asked.desk, asked.actor, asked.ticket_id, written)


async def reply(asked: Asked) -> str | None:
    """Send a canned answer; without a name: which there are."""
    ticket = await actions.target(asked.tx, asked.ticket_id)
    offered = canned.offered(asked.desk.config.canned, ticket.queue)
    if not asked.words:
        return canned.listed(offered, ticket.queue)
    chosen = canned.chosen(asked.desk.config.canned, asked.words[0], ticket.queue)
    written = Written(
        text=canned.filled(chosen.text, ticket, asked.actor.name),
        visibility=Visibility.PUBLIC,
        channel=asked.actor.channel,
        names=_names(asked),
    )
    await actions.write(asked.tx, asked.desk, asked.actor, ticket.id, written)
    return None


def _names(asked: Asked) -> list[tuple[str, str, str | None]]:
    """What was typed is the message that came of it: deleting it takes that back, and signs are put on it."""
    return [] if asked.ref is None else [(asked.ref.name, "received", remote_of(asked.ref))]


async def merge(asked: Asked) -> None:
    """Merge it into another one."""
    into = number(asked, "!merge #12")
    await merging.merge(asked.tx, asked.desk, asked.actor, asked.ticket_id, into)


async def link(asked: Asked) -> None:
    """Note that two tickets have to do with each other."""
    other = number(asked, "!link #12")
    await relations.link(asked.tx, asked.desk, asked.actor, asked.ticket_id, other)


async def snooze(asked: Asked) -> None:
    """Put it aside for a while, or take it up again."""
    if not asked.words:
        raise how(snoozing.USAGE)
    until: snoozing.Until | None = None
    if asked.words[0].lower() not in OFF:
        until = snoozing.wanted(asked.words)
    await snoozing.snooze(asked.tx, asked.desk, asked.actor, asked.ticket_id, until)


async def queue(asked: Asked) -> None:
    """Move it to another queue."""
    name = first(asked, "!queue name")
    await moving.move(asked.tx, asked.desk, asked.actor, asked.ticket_id, name)


async def spam(asked: Asked) -> None:
    """It is spam, or (off) it is none after all."""
    word = asked.words[0].lower() if asked.words else ""
    if word not in (*ON, *OFF):
        raise how("!spam (or: !spam off)")
    step = spamming.unmark if word in OFF else spamming.mark
    await step(asked.tx, asked.desk, asked.actor, asked.ticket_id)


async def cc(asked: Asked) -> None:
    """Let somebody take part: they read along from now on."""
    them = await person(asked, "!cc name@example.com (or: !cc @name)")
    await membership.let_in(
        asked.tx,
        asked.desk,
        asked.actor,
        asked.ticket_id,
        them,
        kind="participant",
        from_thread=asked.in_thread,
    )


async def admit(asked: Asked) -> None:
    """Let an outsider take part; what they wrote is for everybody then."""
    them = await person(asked, "!admit name@example.com (or: !admit @name)")
    await membership.let_in(
        asked.tx, asked.desk, asked.actor, asked.ticket_id, them, from_thread=asked.in_thread
    )


async def unsuppress(asked: Asked) -> None:
    """Mail an address again that bounced for good."""
    address = first(asked, "!unsuppress name@example.com")
    await membership.unsuppress(
        asked.tx, asked.desk, asked.actor, asked.ticket_id, address, from_thread=asked.in_thread
    )


async def retry(asked: Asked) -> None:
    """Try a failed delivery again."""
    delivery_id = number(asked, "!retry 12")
    # What is written in the thread of a merged ticket goes out from the one in which it goes on.
    of = {asked.ticket_id, (await actions.target(asked.tx, asked.ticket_id)).id}
    if not await retry_delivery(asked.tx, asked.desk, delivery_id, of):
        state = await asked.tx.scalar(select(deliveries.c.state).where(deliveries.c.id == delivery_id))
        raise Conflict(DELIVERED if state == "sent" else "that delivery isn't one that failed")
    asked.tx.after_commit.append(asked.desk.signals.outbox.set)


async def digest(asked: Asked) -> None:
    """Send a digest of the period that ends now to whoever asks. It tells of all its queues, so only managers may."""
    if asked.actor.role not in (Role.MANAGER, Role.SYSTEM):
        raise NotAllowed("only managers get digests, so nothing was done")
    name = first(
        asked, f"!digest {asked.desk.config.digest[0].name if asked.desk.config.digest else 'daily'}"
    )
    await digests.send_now(asked.tx, asked.desk, name, [_told(asked)])


def _told(asked: Asked) -> Told:
    """Where whoever asks is reached: by direct message, or by mail where that is how we know them."""
    if asked.sender.kind == "slack":
        return digests.told_in_slack(asked.sender.address)
    if not asked.actor.email:
        raise Conflict("nobody knows where to send it to you")
    return digests.told_by_mail(asked.actor.email)


async def notify(asked: Asked) -> str:
    """Choose what one is told of personally, and when not; without a word: what that is now."""
    config = asked.desk.config
    return await preferences.choose(
        asked.tx,
        asked.actor.user_id,
        asked.words,
        quiet_hours=config.notices.quiet_hours,
        zone=config.service.timezone,
    )
