"""May a new ticket be acknowledged? The policy says of whom, the brakes say how often: nobody can use us to fill
somebody's mailbox, whatever they write into From, Reply-To or Cc. And what the receipt says beside that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select

from core.brakes import allow, network_of
from core.database import Tx
from core.shapes import Auth, NewMessage, canonical_address
from core.status import ACTIVE, Ticket
from core.tables import participants, tickets
from core.units import Desk

# Providers to whom dots in a local part mean nothing.
_DOTLESS: Final = frozenset({"gmail.com", "googlemail.com"})


def mailbox_of(address: str) -> str:
    """Return the mailbox that an address leads to, as far as that can be told: `+detail` (RFC 5233) and Gmail's dots
    make no new one, so that their variants share one brake."""
    local, _, domain = canonical_address(address).rpartition("@")
    plain = local.partition("+")[0] or local
    if domain in _DOTLESS:
        plain, domain = plain.replace(".", "") or plain, "gmail.com"
    return f"{plain}@{domain}"


async def may_acknowledge(tx: Tx, desk: Desk, new: NewMessage, ticket_id: int) -> bool:
    """Say whether the sender of the message that opened this ticket hears that it came, and count that."""
    if new.automatic is not None or desk.quiet:
        return False
    mail = new.channel == "email"
    if mail and not await _wanted(tx, desk, new, ticket_id):
        return False
    brakes, window = desk.config.brakes, desk.config.brakes.acknowledgement_window
    address = mailbox_of(new.sender.address) if mail else new.sender.address
    if not await allow(tx, f"ack:{new.sender.kind}:{address}", brakes.acknowledgements_per_address, window):
        return False
    source = network_of(new.source)
    if source and not await allow(
        tx, f"ack:source:{source}", brakes.acknowledgements_per_source, window, spread=True
    ):
        return False
    return await allow(tx, "ack:all", brakes.acknowledgements_in_all, window, spread=True)


async def _wanted(tx: Tx, desk: Desk, new: NewMessage, ticket_id: int) -> bool:
    match desk.config.email.outbound.acknowledge:
        case "none":
            return False
        case "authenticated":
            return new.auth is Auth.VERIFIED
        case "known":
            return await _known(tx, new.sender.key, ticket_id)
        case _:
            return True


async def _known(tx: Tx, identity: bytes, ticket_id: int) -> bool:
    """Do they take part in another ticket: wrote before, were copied or admitted, or staff opened one for them?"""
    found = await tx.scalar(
        select(participants.c.ticket_id)
        .join(tickets, tickets.c.id == participants.c.ticket_id)
        .where(
            participants.c.identity_key == identity,
            participants.c.ticket_id != ticket_id,
            participants.c.role.in_(("requester", "cc")),
            tickets.c.unconfirmed.is_(False),
        )
        .limit(1)
    )
    return found is not None


# -- where there are buttons ----------------------------------------------------------------------------------------

_LATEST: Final = 50  # of somebody's tickets, among which the one that they may have meant is looked for


def answers_form(desk: Desk, new: NewMessage) -> bool:
    """Did they fill in a form, so that the receipt is all that they see of their ticket? Then it always comes."""
    return _in_chat(desk, new) and "#" not in new.sender.place and new.automatic is None


async def receipt_of(tx: Tx, desk: Desk, new: NewMessage, ticket: Ticket) -> Mapping[str, Any]:
    """Return what the receipt shows beside its words. `shown`: the ticket's own words, where they don't stand above it.
    `offer`: another ticket of theirs, to which their message may belong."""
    if not _in_chat(desk, new):
        return {}
    if answers_form(desk, new) or new.made_by is not None:
        return {"shown": True}
    if new.evidence.conversation is None:
        return {}
    other = await _other(tx, new, ticket)
    return {} if other is None else {"offer": other}


def _in_chat(desk: Desk, new: NewMessage) -> bool:
    spec = desk.specs.get(new.channel)
    return spec is not None and spec.edits


async def _other(tx: Tx, new: NewMessage, ticket: Ticket) -> dict[str, Any] | None:
    """The requester's latest other ticket in this channel that isn't done."""
    latest = (
        select(tickets)
        .where(tickets.c.requester_id == ticket.requester_id, tickets.c.id != ticket.id)
        .order_by(tickets.c.public_updated_at.desc(), tickets.c.id.desc())
        .limit(_LATEST)
        .subquery()
    )
    row = await tx.first(
        select(latest.c.id, latest.c.title)
        .where(
            latest.c.channel == new.channel,
            latest.c.status.in_(ACTIVE),
            latest.c.merged_into.is_(None),
            latest.c.spam.is_(False),
        )
        .order_by(latest.c.public_updated_at.desc(), latest.c.id.desc())
        .limit(1)
    )
    return None if row is None else {"id": row.id, "title": row.title}
