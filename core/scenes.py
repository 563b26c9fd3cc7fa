"""What the decision who is told what needs to know: who takes part, who of the staff reads mail, where threads hang."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select

from core.audience import Agent, Listener, Scene
from core.database import Tx
from core.desk import Desk
from core.exposure import SCOPE
from core.places import conversation
from core.preferences import LIST, NOTHING, of_people
from core.quiet import quiet_for
from core.rating_links import url_for
from core.shapes import Actor, Person
from core.staffing import StaffMember, staff_members
from core.status import Ticket
from core.tables import identities, participants, settings
from core.unsubscribing import stopped

log = structlog.get_logger(__name__)


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
    actor_id = actor.user_id if actor else None
    heard = [] if desk.quiet else await listeners(tx, ticket.id)
    return Scene(
        ticket=ticket,
        triage=triage,
        assignee=await _assignee(tx, desk, ticket, actor_id),
        agents=await agents(tx, desk, ticket.queue, triage),
        listeners=heard,
        actor_id=actor_id,
        actor_name=actor.name if actor else "",
        edits=frozenset(name for name, spec in desk.specs.items() if spec.edits),
        ask_rating=desk.config.slack.ask_rating,
        rate_url=url_for(desk.config, ticket, heard) if "was" in more else "",  # its status was set
        **more,
    )


async def agents(tx: Tx, desk: Desk, queue: str, triage: tuple[str, str] | None) -> list[Agent]:
    """Whom of the staff to tell by mail: as the queue says, and while its triage channel may be shown nothing."""
    if desk.quiet or "email" not in desk.specs:
        return []
    by_mail = "email" in desk.config.notify(desk.queue_or_first(queue))
    if not by_mail and (triage is None or not await exposed(tx, desk, triage[1])):
        return []
    members = [m for m in await staff_members(tx) if m.email]
    reached = [m for m in members if not m.suppressed]
    # Nobody is reached: better a dead address than no notice at all.
    return await heard_by(tx, desk, reached or members)


async def _assignee(tx: Tx, desk: Desk, ticket: Ticket, actor_id: int | None) -> Agent | None:
    """Who has the ticket, where that isn't who does something to it."""
    if desk.quiet or ticket.assignee_id is None or ticket.assignee_id == actor_id:
        return None
    found = await heard_by(tx, desk, await staff_members(tx, [ticket.assignee_id]))
    return next(iter(found), None)


async def heard_by(tx: Tx, desk: Desk, members: Sequence[StaffMember]) -> list[Agent]:
    """Return members of the staff as they are told of things now: where, of what, and whether it must wait. Who hasn't
    written in Slack yet is there by what the configuration says."""
    config, now = desk.config, await tx.now()
    configured = {one.username: one.slack_user for one in config.staff if one.slack_user}
    chosen = await of_people(tx, [member.user_id for member in members])
    unmailed = await stopped(tx, LIST, [member.email for member in members if member.email])
    found = []
    for one in members:
        theirs = chosen.get(one.user_id, NOTHING)
        quiet = config.notices.quiet_hours if theirs.quiet_hours is None else theirs.quiet_hours
        slack = one.slack_user or configured.get(one.username, "")
        found.append(
            Agent(
                user_id=one.user_id,
                email=one.email,
                key=Person(kind="email", address=one.email).key,
                slack_user=slack,
                channel="slack" if one.suppressed and slack else theirs.channel,
                off=theirs.off,
                unmailed=one.email in unmailed,
                quiet=quiet_for(quiet, _known(theirs.zone) or config.service.timezone, now),
            )
        )
    return found


@lru_cache(maxsize=1000)  # so that it's logged once
def _known(zone: str) -> str:
    """Return a time zone that somebody chose, "" where this machine's data lacks it."""
    if not zone:
        return ""
    try:
        return ZoneInfo(zone).key
    except (LookupError, ValueError, OSError):
        log.warning("zone_unknown", zone=zone)
        return ""


async def exposed(tx: Tx, desk: Desk, place: str) -> bool:
    """Would strangers read a triage channel, and no operator has allowed that?"""
    channel = conversation(place)
    if channel in desk.config.slack.exposed_channels:
        return False
    found = await tx.scalar(
        select(settings.c.key).where(settings.c.scope == SCOPE, settings.c.key == channel)
    )
    return found is not None
