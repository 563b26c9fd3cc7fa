"""May a new ticket be acknowledged? The policy says of whom, the brakes say how often: nobody can use us to fill
somebody's mailbox, whatever they write into From, Reply-To or Cc.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from core.brakes import allow, network_of
from core.database import Tx
from core.shapes import Auth, NewMessage, canonical_address
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
