"""What the decision who is told what needs to know: who takes part, who of the staff reads mail, where threads hang."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from core.audience import Agent, Listener, Scene
from core.database import Tx
from core.desk import Desk
from core.exposure import SCOPE
from core.places import conversation
from core.shapes import Actor, Person
from core.staffing import staff_members
from core.status import Ticket
from core.tables import identities, participants, settings


async def listeners(tx: Tx, ticket_id: int) -> list[Listener]:
    """Return who takes part and where they are reached."""
    rows = await tx.all(
        select(participants, identities.c.kind, identities.c.user_id, identities.c.suppressed_at)
        .join(identities, identities.c.key == participants.c.identity_key)
        .where(participants.c.ticket_id == ticket_id, participants.c.role.in_(("requester", "cc")))
        .order_by(participants.c.since_seq, participants.c.identity_key)
    )
    return [
        Listener(
            user_id=row.user_id,
            role=row.role,
            channel=row.kind,
            place=row.place,
            key=row.identity_key,
            suppressed=row.suppressed_at is not None,
        )
        for row in rows
    ]


async def scene(tx: Tx, desk: Desk, ticket: Ticket, actor: Actor | None, **more: Any) -> Scene:
    """Gather what `audience.told` needs."""
    triage = desk.triage(ticket.queue)
    return Scene(
        ticket=ticket,
        triage=triage,
        agents=await _agents(tx, desk, ticket.queue, triage),
        listeners=[] if desk.quiet else await listeners(tx, ticket.id),
        actor_id=actor.user_id if actor else None,
        edits=frozenset(name for name, spec in desk.specs.items() if spec.edits),
        ask_rating=desk.config.slack.ask_rating,
        **more,
    )


async def _agents(tx: Tx, desk: Desk, queue: str, triage: tuple[str, str] | None) -> list[Agent]:
    """Whom of the staff to tell by mail: as the queue says, and while its triage channel may be shown nothing."""
    if desk.quiet or "email" not in desk.specs:
        return []
    by_mail = "email" in desk.config.notify(desk.queue_or_first(queue))
    if not by_mail and (triage is None or not await _exposed(tx, desk, triage[1])):
        return []
    members = [m for m in await staff_members(tx) if m.email]
    reached = [m for m in members if not m.suppressed]
    return [  # nobody is reached: better a dead address than no notice at all
        Agent(user_id=m.user_id, email=m.email, key=Person(kind="email", address=m.email).key)
        for m in reached or members
    ]


async def _exposed(tx: Tx, desk: Desk, place: str) -> bool:
    """Would strangers read a triage channel, and no operator has allowed that?"""
    channel = conversation(place)
    if channel in desk.config.slack.exposed_channels:
        return False
    found = await tx.scalar(
        select(settings.c.key).where(settings.c.scope == SCOPE, settings.c.key == channel)
    )
    return found is not None
