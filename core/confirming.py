"""A report that was made without signing in, and whose it is: their mailed link says so, or they themselves, signed in.

Whatever way they say it: this report alone is theirs, what waited for it goes out, and staff's card shows it.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select, update

from core import units
from core.audience import Happened
from core.database import Tx
from core.failures import NotAllowed
from core.outbox import release_held
from core.people import token_hash
from core.shapes import Actor, Auth
from core.status import Ticket
from core.tables import tokens
from core.units import Desk


def is_asked(actor: Actor, ticket: Ticket) -> bool:
    """Is this a report under the actor's name that nobody confirmed, and are they who they say? Pure."""
    own = actor.user_id is not None and ticket.requester_id == actor.user_id
    return own and ticket.unconfirmed and actor.auth is Auth.VERIFIED


async def by_link(tx: Tx, desk: Desk, token: str) -> Ticket | None:
    """The mailed link was followed. None for a token that is unknown, used or too old."""
    now = await tx.now()
    wanted = token_hash(token)
    row = await tx.first(
        select(tokens).where(
            tokens.c.hash == wanted,
            tokens.c.purpose == "confirm",
            tokens.c.expires_at > now,
            tokens.c.used_at.is_(None),
        )
    )
    if row is None:
        return None
    unused = update(tokens).where(tokens.c.hash == wanted, tokens.c.used_at.is_(None))
    if not await tx.changed(unused.values(used_at=now)):  # a second click came first
        return None
    # This report alone: what else came under the address may be anybody's.
    return await _settle(tx, desk, int(row.scopes[0]))


async def by_requester(tx: Tx, desk: Desk, actor: Actor, ticket: Ticket) -> Ticket:
    """Who is signed in says that it was them; said again, nothing changes. Their link stays good until it's too old,
    and does nothing more. Raises `NotAllowed` for anybody but the requester."""
    if actor.user_id is None or ticket.requester_id != actor.user_id or actor.auth is not Auth.VERIFIED:
        raise NotAllowed("only the requester can say that it was them")
    return await by_act(tx, desk, actor, ticket)


async def by_act(tx: Tx, desk: Desk, actor: Actor, ticket: Ticket) -> Ticket:
    """The actor did something as the requester of a ticket, which says that it's theirs. Call last in the unit, when
    what they did is noted: so that goes out as well. Returns the ticket."""
    return await _settle(tx, desk, ticket.id) if is_asked(actor, ticket) else ticket


async def _settle(tx: Tx, desk: Desk, ticket_id: int) -> Ticket:
    """It is theirs. One that was confirmed meanwhile stays as it is."""
    ticket = await units.lock(tx, ticket_id)
    if ticket.unconfirmed:
        confirmed = await units.save(tx, ticket, replace(ticket, unconfirmed=False), public=False)
        await units.add_event(tx, ticket, "confirmed", None, public=False)
        await release_held(tx, ticket.id)
        scene = await units.scene(tx, desk, confirmed, None)
        await units.note(tx, desk, Happened.CHANGED, scene)
        ticket = confirmed
    tx.after_commit.append(desk.signals.outbox.set)
    return ticket
