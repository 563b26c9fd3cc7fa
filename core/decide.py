"""What becomes of a message, decided before anything is written: is it known already, which ticket does it belong to,
may its sender join there. It only reads: `receive` decides by these functions, and `explain` tells by them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from core import units, views
from core.blank import is_blank
from core.database import Tx
from core.evidence import heir_of, target
from core.people import Known
from core.shapes import Auth, NewMessage, Receipt, Visibility
from core.status import Ticket
from core.threads import Admission, Found, KnownLinks, admission, which_ticket
from core.units import Desk

MENTION: Final = "mention"  # the kind of a name whose message had no words but opened a ticket for its thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`found`: the ticket that the message names, and by which rule. `ticket`: that one as it stands, or what it was
    merged into. `admission`: what its sender may do there."""

    found: Found | None
    ticket: Ticket | None
    admission: Admission


def known_already(new: NewMessage, known: KnownLinks) -> Receipt | None:
    """Return what is said of a message that the desk has, or wrote itself; None for a new one.

    Of mail a Message-ID alone doesn't tell: different mails may carry the same (`DATA.md`).
    """
    own = known.links.get(new.ref.name)
    unique = new.ref.ours in (None, new.ref.name)
    if own is not None and own.kind == MENTION and not is_blank(new.visible or new.text):
        return None  # a mention that was edited: now it says something
    if own is None or not (own.kind in ("sent", "card") or (unique and own.kind != "referenced")):
        return None
    return Receipt(
        outcome="duplicate" if own.kind in ("received", MENTION) else "ignored",
        ticket_id=own.ticket_id,
        message_id=own.message_id,
        because=f"known already ({own.kind})",
    )


async def decide(tx: Tx, desk: Desk, new: NewMessage, sender: Known, known: KnownLinks) -> Decision:
    """Return which ticket a message belongs to and what its sender may do there."""
    own = known.links.get(new.ref.name)
    found = which_ticket(new.evidence, known)
    if found is None and own is not None and own.kind == "referenced" and own.ticket_id:
        found = Found(ticket_id=own.ticket_id, because="an answer to it came before it", proof=False)
    ticket = await target(tx, found)
    if ticket is None:
        found = None
    if found is None and known.ticketless and (why := _of_no_ticket(new)):
        return Decision(found=None, ticket=None, admission=Admission(how="ignore", because=why))
    allowed = await _admission(tx, desk, new, sender, found, ticket)
    while found is not None and allowed.too_old:
        # Their thread goes on in the ticket that an earlier message of theirs opened instead.
        heir = await heir_of(tx, found.ticket_id, sender)
        if heir is None:
            break
        found = replace(found, ticket_id=heir)
        ticket = await target(tx, found)
        allowed = await _admission(tx, desk, new, sender, found, ticket)
    return Decision(found=found, ticket=ticket, admission=allowed)


def _of_no_ticket(new: NewMessage) -> str:
    """Why nothing becomes of an answer to a digest or the like, "" for a person's, which goes its usual way."""
    # People write to From. Who answers the envelope's sender is a program, also where it says nowhere that it is one.
    # At From other programs are let in: some hand on what a person wrote.
    to_sender = new.evidence.delivery is not None
    if new.automatic in ("auto-reply", "bounce") or (to_sender and new.automatic):
        return "automatic mail about what belongs to no ticket"
    return "mail to the bounce address of what belongs to no ticket" if to_sender else ""


def forwards_for_desk(new: NewMessage, sender: Known) -> bool:
    """Is it a mail that staff forward to the desk? Only authenticated staff can open a ticket for somebody else."""
    return new.forwarded is not None and sender.staff and new.auth is Auth.VERIFIED and new.automatic is None


async def _admission(
    tx: Tx, desk: Desk, new: NewMessage, sender: Known, found: Found | None, ticket: Ticket | None
) -> Admission:
    part = too_old = False
    if ticket is not None:
        part = await views.takes_part(tx, ticket.id, sender.user_id)
        too_old = units.closed_too_long(ticket, desk.queue_or_first(ticket.queue), await tx.now())
    return admission(
        found,
        takes_part=part,
        staff=sender.staff and new.auth is Auth.VERIFIED,
        own=ticket is not None and ticket.requester_id == sender.user_id,
        claims_staff=sender.staff,
        desk=new.desk,
        in_place=new.ref.ours in (None, new.ref.name),
        too_old=too_old,
        automatic=new.automatic is not None,
        private=new.visibility is Visibility.NOTE and not new.desk,
        forwards=forwards_for_desk(new, sender),
    )
