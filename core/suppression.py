"""Addresses to which nothing is mailed any more, because mail to them bounced for good, until staff lift that.

What bounces because of *this mail* (its size, its content, a policy) says nothing about the address; nor does a
mailbox that is full today. Nor may a bounce silence staff, whose addresses anybody can put into Cc: a bounce of a mail
for requesters says nothing about them.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, select, update

from core.database import Tx
from core.desk_texts import Phrase, phrase
from core.shapes import DeliveryReport, Role, canonical_address
from core.tables import identities, users

# Enhanced status codes (RFC 3463 3) that blame the mail, the way or the moment instead of the address.
_NOT_THE_ADDRESS: Final = ("5.2.2", "5.2.3", "5.3", "5.5", "5.6", "5.7")


TRIED: Final = "tried"  # in a delivery's data: its reader asked for it, so the address is tried all the same


def blames_address(report: DeliveryReport) -> bool:
    """Say whether a bounce means that its recipient can't be reached at all."""
    if not report.permanent or report.action not in (None, "failed"):
        return False
    status = report.status or "5.1.1"
    parts = status.split(".")
    return status not in _NOT_THE_ADDRESS and ".".join(parts[:2]) not in _NOT_THE_ADDRESS


async def suppress(tx: Tx, row: Row[Any], report: DeliveryReport) -> str | None:
    """Suppress the address that a bounce of this delivery is about and return it; None where it can't be told, or was
    suppressed before.

    One mail goes to a recipient and to participants in Cc (`data["copied"]`), so the bounce must name who of them it
    was, where there was more than one. Whom it names that had no such mail was never the trouble.
    """
    if not blames_address(report):
        return None
    keys = [key for key in (row.to_key, *map(bytes.fromhex, row.data.get("copied", ()))) if key]
    reached = await tx.all(
        select(identities.c.key, identities.c.address, users.c.role)
        .join(users, users.c.id == identities.c.user_id)
        .where(identities.c.key.in_(keys), identities.c.kind == "email")
    )
    named = list(reached)
    if report.recipient:
        wanted = canonical_address(report.recipient)
        named = [one for one in reached if canonical_address(one.address) == wanted]
    if len(named) != 1 or (named[0].role != Role.REQUESTER and not row.desk):
        return None
    changed = await tx.changed(
        update(identities)
        .where(identities.c.key == named[0].key, identities.c.suppressed_at.is_(None))
        .values(suppressed_at=await tx.now())
    )
    return str(named[0].address) if changed else None


def how_to_lift(ticket_id: int, address: str) -> Phrase:
    """Return what to write so that mail goes to an address again: in a thread, and where there is none. `ticket_id`: 0
    where it is about no ticket; any does."""
    if not ticket_id:
        shell = f"relaydesk tickets unsuppress NUMBER {address}"
        return phrase("lift_anywhere", command=f"!unsuppress {address}", shell=shell)
    shell = f"relaydesk tickets unsuppress {ticket_id} {address}"
    return phrase("lift_here", command=f"!unsuppress {address}", shell=shell)


async def lift(tx: Tx, key: bytes) -> bool:
    """Let mail go to an identity again. False where nothing was in the way."""
    changed = await tx.changed(
        update(identities)
        .where(identities.c.key == key, identities.c.suppressed_at.is_not(None))
        .values(suppressed_at=None)
    )
    return changed == 1


async def is_suppressed(tx: Tx, key: bytes | None) -> bool:
    """Say whether mail to this identity bounced for good."""
    if key is None:
        return False
    return (
        await tx.scalar(
            select(identities.c.key).where(
                identities.c.key == key, identities.c.kind == "email", identities.c.suppressed_at.is_not(None)
            )
        )
        is not None
    )
