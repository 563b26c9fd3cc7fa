"""What the database knows of a message's evidence: the names in it, and which tickets they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import case, select

from core import units, views
from core.database import Rerun, Tx
from core.failures import NotYet
from core.people import Known
from core.shapes import NewMessage, Ref, Visibility, key_of
from core.status import ACTIVE, Ticket
from core.tables import deliveries, events, links, messages, participants, tickets
from core.threads import Found, KnownLinks, LinkFact, below
from core.units import Desk

CLOCKS = timedelta(minutes=10)  # so far Slack's clock and ours may differ
POSTING = timedelta(seconds=10)  # a post that takes longer is no reason to wait for its name


async def look_up(tx: Tx, desk: Desk, new: NewMessage, sender: Known) -> KnownLinks:
    """Return what is known of a message's own name and of those it refers to."""
    names = [*new.ref.names, *(n for ref in new.evidence.references for n in ref.names)]
    names += [below(ref.name) for ref in new.evidence.references if _in_place(ref)]
    by_key = {key_of(name): name for name in names}
    rows = await tx.all(select(links).where(links.c.key.in_(list(by_key))))
    facts = {by_key[r.key]: LinkFact(r.kind, r.ticket_id, r.message_id) for r in rows}
    numbers = [n for n in (*new.evidence.signed, new.evidence.tagged) if n is not None]
    existing = await tx.all(select(tickets.c.id).where(tickets.c.id.in_(numbers))) if numbers else ()
    recent = await _recent(tx, desk, new, sender) if new.evidence.conversation else None
    answered = None
    if new.evidence.delivery is not None:
        answered = await tx.scalar(
            select(deliveries.c.ticket_id).where(deliveries.c.id == new.evidence.delivery)
        )
    own_tickets = {new.evidence.tagged, *(fact.ticket_id for fact in facts.values())} - {None}
    return KnownLinks(
        links=facts,
        tickets=frozenset(r.id for r in existing),
        elsewhere=frozenset() if new.desk else await _never_in(tx, own_tickets, new.queue),
        answered=answered or None,
        ticketless=not answered and (new.evidence.delivery is not None or _answers_no_ticket(desk, new)),
        recent=recent,
    )


def _answers_no_ticket(desk: Desk, new: NewMessage) -> bool:
    """Does it answer a mail of ours that belongs to no ticket, as its Message-ID says (`core.outbox`)? What comes
    through a mailing list says nothing by that: a person may have written it."""
    if new.automatic == "list":
        return False
    domains = {desk.domain(queue.name) for queue in desk.config.queue}
    named = (ref.ours or "" for ref in new.evidence.references)
    return any(
        name.startswith("mail:notice.0.") and name.rpartition("@")[2].lower() in domains for name in named
    )


async def _never_in(tx: Tx, numbers: Iterable[int | None], queue: str) -> frozenset[int]:
    """Which of these tickets are in another queue and have been all the time: events keep the queue of their day."""
    there = await tx.all(
        select(tickets.c.id).where(tickets.c.id.in_(list(numbers)), tickets.c.queue != queue)
    )
    other = {row.id for row in there}
    if other:
        rows = await tx.all(
            select(events.c.ticket_id)
            .where(events.c.ticket_id.in_(other), events.c.queue == queue)
            .distinct()
        )
        other -= {row.ticket_id for row in rows}
    return frozenset(other)


async def _recent(tx: Tx, desk: Desk, new: NewMessage, sender: Known) -> int | None:
    """The ticket that a further top-level message of this conversation belongs to: the same person opened it there,
    wrote at most the window before (or after, where this one comes late), and staff hadn't answered by then. The times
    of the source count, whenever it comes in."""
    window = desk.config.slack.group_window
    if window <= timedelta():
        return None
    place = new.evidence.conversation or ""
    at = new.source_time
    answers = messages.alias("answers")
    found: int | None = await tx.scalar(
        select(tickets.c.id)
        .join(participants, participants.c.ticket_id == tickets.c.id)
        .join(messages, messages.c.ticket_id == tickets.c.id)
        .where(
            participants.c.identity_key == new.sender.key,
            participants.c.place.startswith(f"{place}#", autoescape=True),
            tickets.c.requester_id == sender.user_id,
            tickets.c.channel == new.channel,
            tickets.c.status.in_(ACTIVE),
            tickets.c.merged_into.is_(None),
            # Nothing happened to it before its messages were written, but for what clocks differ.
            tickets.c.public_updated_at >= at - window - CLOCKS,
            messages.c.author_id == sender.user_id,
            messages.c.channel == new.channel,
            messages.c.source_time.between(at - window, at + window),
            ~select(answers.c.id)
            .where(
                answers.c.ticket_id == tickets.c.id,
                answers.c.author_staff.is_(True),
                answers.c.visibility == Visibility.PUBLIC.value,
                answers.c.source_time <= at,
            )
            .exists(),
        )
        # What they wrote before it says more than what they wrote after it.
        .order_by(case((messages.c.source_time <= at, 0), else_=1), messages.c.source_time.desc())
        .limit(1)
    )
    return found


def _in_place(ref: Ref) -> bool:
    """Is it a post in a thread, of which there is but one?"""
    return ref.ours in (None, ref.name)


async def settled_root(tx: Tx, desk: Desk, channel: str, refs: Sequence[Ref]) -> bool:
    """Return False where no ticket has any of these names. Raises `NotYet` where that may be because what carries the
    name is being posted (its delivery is `sending`, the name comes with its settling), `Rerun` where it came just now.
    """
    if await _any_linked(tx, refs):
        return True
    lanes = {desk.specs[channel].lane(units.remote_of(ref).rpartition("/")[0], None) for ref in refs}
    posting = await tx.scalar(
        select(deliveries.c.id)
        .where(
            deliveries.c.lane.in_(lanes),
            deliveries.c.state == "sending",
            deliveries.c.sending_at > await tx.now() - POSTING,
        )
        .limit(1)
    )
    if posting is not None:
        raise NotYet("what it answers is being posted")
    if await _any_linked(tx, refs):  # settled between the two looks
        raise Rerun
    return False


async def _any_linked(tx: Tx, refs: Sequence[Ref]) -> bool:
    keys = [key_of(name) for ref in refs for name in ref.names]
    return (
        await tx.scalar(
            select(links.c.ticket_id).where(links.c.key.in_(keys), links.c.ticket_id.is_not(None))
        )
        is not None
    )


async def target(tx: Tx, found: Found | None) -> Ticket | None:
    """Return the ticket that was found, or the one it was merged into."""
    if found is None:
        return None
    ticket = await views.ticket(tx, found.ticket_id)
    if ticket is not None and ticket.merged_into is not None:
        return await views.ticket(tx, ticket.merged_into)
    return ticket


async def beside(tx: Tx, desk: Desk, new: NewMessage, sender: Known, ticket_id: int) -> int | None:
    """Return the message as which this very mail came into the ticket by another queue of ours, or None.

    A mail to two queues belongs to a ticket in each; where those were merged, it isn't said twice there.
    """
    if new.ref.ours in (None, new.ref.name):
        return None
    found: int | None = await tx.scalar(
        select(messages.c.id)
        .join(links, links.c.message_id == messages.c.id)
        .where(
            links.c.key.in_(_elsewhere(desk, new)),
            links.c.kind == "received",
            messages.c.ticket_id == ticket_id,
            messages.c.author_id == sender.user_id,
            messages.c.source_time == new.source_time,
        )
        .limit(1)
    )
    return found


def _elsewhere(desk: Desk, new: NewMessage) -> list[bytes]:
    """The keys of a mail's name in the other queues."""
    return [
        key_of(new.ref.name.replace(f":{new.queue}:", f":{queue.name}:", 1))
        for queue in desk.config.queue
        if queue.name != new.queue
    ]


async def twins(tx: Tx, desk: Desk, new: NewMessage) -> list[int]:
    """Return the tickets into which this very mail came by other queues of ours, in order."""
    if new.ref.ours in (None, new.ref.name):
        return []
    rows = await tx.all(
        select(links.c.ticket_id)
        .where(
            links.c.key.in_(_elsewhere(desk, new)),
            links.c.kind == "received",
            links.c.ticket_id.is_not(None),
        )
        .distinct()
        .order_by(links.c.ticket_id)
    )
    return [int(row.ticket_id) for row in rows]


def heir_name(ticket_id: int, sender: Known) -> str:
    """Return the name of the ticket in which somebody's words to a ticket closed too long ago go on."""
    return f"heir:{ticket_id}:{sender.user_id}"


async def heir_of(tx: Tx, ticket_id: int, sender: Known) -> int | None:
    """Return the ticket that an earlier message of the sender's to this closed one opened, or None."""
    found = await tx.scalar(
        select(links.c.ticket_id).where(links.c.key == key_of(heir_name(ticket_id, sender)))
    )
    return None if found is None else int(found)


def names_of(
    new: NewMessage, known: KnownLinks, *, twice: bool, joins: bool = False
) -> list[tuple[str, str, str | None]]:
    """Return the names to claim: its own (unless another mail has it), and referenced ones that nobody has. Its own may
    be known by an answer that came before it: it gets that where it `joins` what the answer opened, or where no other
    message can have it."""
    remote = new.mail_id or units.remote_of(new.ref)
    own = known.links.get(new.ref.name)
    names: list[tuple[str, str, str | None]] = []
    if not twice and (own is None or own.kind == "tombstone"):
        names.append((new.ref.name, "received", remote))
    for ref in new.evidence.references:
        if ref.name != new.ref.name and not any(n in known.links for n in ref.names):
            names.append((ref.name, "referenced", None))
        elif _in_place(ref) and (root := known.links.get(ref.name)) and root.ticket_id is None:
            names.append((below(ref.name), "referenced", None))  # so that what follows there joins
    unique = {name: (name, kind, where) for name, kind, where in names}
    fresh = [n for n in unique.values() if known.links.get(n[0]) is None]
    if own is not None and own.kind == "referenced" and (joins or new.ref.ours == new.ref.name):
        fresh.append((new.ref.name, units.ADOPTED, remote))
    return fresh
