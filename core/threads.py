"""Which ticket does a message belong to? Pure rules, in the order of policy; who may join is `admission`.

A signed address, a reference or a `[#id]` says which ticket, never who: somebody who takes part joins, anybody else
is an outsider or opens a ticket of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.shapes import Evidence, Ref


def below(name: str) -> str:
    """Return the name of what is written below a post of ours that belongs to no ticket (a digest, news). Pure."""
    return f"below:{name}"


@dataclass(frozen=True, slots=True)
class LinkFact:
    """What is known of an outside name: `kind` is referenced, received, sent, card or tombstone."""

    kind: str
    ticket_id: int | None
    message_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLinks:
    """What the database knows of the names in a message's evidence: by name, and which numbers are tickets."""

    links: Mapping[str, LinkFact]
    tickets: frozenset[int]
    elsewhere: frozenset[int] = frozenset()  # tickets that were never in the queue that it was sent to
    answered: int | None = None  # the ticket of the delivery to whose envelope sender it was sent
    ticketless: bool = False  # it answers a mail of ours that belongs to no ticket: a digest, news
    recent: int | None = None  # the ticket that this conversation's further messages belong to

    def of(self, ref: Ref) -> LinkFact | None:
        """Return the fact of a reference: own queue first, then ids that we sent."""
        for name in (ref.name, below(ref.name)):
            own = self.links.get(name)
            if own is not None and own.ticket_id is not None:
                return own
        ours = self.links.get(ref.ours) if ref.ours else None
        return ours if ours is not None and ours.kind in ("sent", "card") and ours.ticket_id else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A ticket and the rule that named it. `proof`: the message shows that it answers something of ours, so
    that whom it copies may join. `elsewhere`: that ticket is another queue's."""

    ticket_id: int
    because: str
    proof: bool
    elsewhere: bool = False


def by_signed_address(evidence: Evidence, known: KnownLinks) -> Found | None:
    """It was sent to the signed reply address of a ticket."""
    for ticket in evidence.signed:
        if ticket in known.tickets:
            return Found(ticket_id=ticket, because="signed address", proof=True)
    return None


def by_bounce_address(evidence: Evidence, known: KnownLinks) -> Found | None:
    """It was sent to the signed envelope sender of a mail of ours, as vacation programs do."""
    if evidence.delivery is not None and known.answered is not None:
        return Found(ticket_id=known.answered, because="signed bounce address", proof=True)
    return None


def by_references(evidence: Evidence, known: KnownLinks) -> Found | None:
    """It answers a message that we know: nearest first, one of its own queue before any other."""
    other = None
    for ref in evidence.references:
        fact = known.of(ref)
        if fact is None or fact.ticket_id is None:
            continue
        because, sent = f"reference ({fact.kind})", fact.kind in ("sent", "card")
        if fact.ticket_id not in known.elsewhere:
            return Found(ticket_id=fact.ticket_id, because=because, proof=sent)
        other = other or Found(ticket_id=fact.ticket_id, because=because, proof=sent, elsewhere=True)
    return other


def by_subject_tag(evidence: Evidence, known: KnownLinks) -> Found | None:
    """Its subject has a `[#123]`."""
    if evidence.tagged is not None and evidence.tagged in known.tickets:
        elsewhere = evidence.tagged in known.elsewhere
        return Found(ticket_id=evidence.tagged, because="subject tag", proof=False, elsewhere=elsewhere)
    return None


def by_conversation(evidence: Evidence, known: KnownLinks) -> Found | None:
    """It follows closely on the message that opened a ticket in the same conversation."""
    if evidence.conversation is not None and known.recent is not None:
        return Found(ticket_id=known.recent, because="same conversation", proof=False)
    return None


RULES: Final = (by_signed_address, by_bounce_address, by_references, by_subject_tag, by_conversation)


def which_ticket(evidence: Evidence, known: KnownLinks) -> Found | None:
    """Return the first rule's finding, one of its own queue before any other, or None: it opens a ticket."""
    other = None
    for rule in RULES:
        found = rule(evidence, known)
        if found is not None and not found.elsewhere:
            return found
        other = other or found
    return other


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What may happen with a message: `how` is join, staff, outsider, new or refuse; `because` says why."""

    how: str
    because: str
    ticket_id: int | None = None
    too_old: bool = False  # it would have joined, had the ticket not been closed too long ago


def admission(
    found: Found | None,
    *,
    takes_part: bool,
    staff: bool,
    own: bool = False,
    claims_staff: bool = False,
    desk: bool,
    in_place: bool,
    too_old: bool = False,
    automatic: bool = False,
    private: bool = False,
    forwards: bool = False,
) -> Admission:
    """Decide who may write where.

    `staff`: authenticated and on the staff. `own`: it is the ticket's requester, who isn't staff on a ticket of
    their own. `claims_staff`: the address is a staff member's, but nothing proves it: a stranger. `desk`: written
    in a triage thread. `in_place`: the message stands in the ticket's own thread (Slack), so that it can't open
    another one. `too_old`: the ticket was closed longer ago than its queue reopens.
    `private`: it is meant for staff's eyes (it came to a note address). `forwards`: staff forward somebody's mail.
    """
    if desk:
        if found is None:
            return Admission(how="ignore", because="no ticket's thread")
        return Admission(how="staff" if staff else "refuse", because=found.because, ticket_id=found.ticket_id)
    if found is None:
        return Admission(how="new", because="nothing names a ticket")
    if found.elsewhere and not in_place:  # forwarded to another queue: its people shall see it
        because = f"{found.because}, but that ticket is another queue's"
        return Admission(how="new", because=because, ticket_id=found.ticket_id)
    if forwards and not found.because.startswith("signed"):
        because = f"{found.because}, but it was forwarded"
        return Admission(how="new", because=because, ticket_id=found.ticket_id)
    if staff and (private or not own):
        return Admission(how="staff", because=found.because, ticket_id=found.ticket_id)
    if claims_staff and not staff and not own:
        return Admission(
            how="outsider", because=f"{found.because}; claims to be staff", ticket_id=found.ticket_id
        )
    if private:
        because = f"{found.because}; the note address is staff's"
        return Admission(how="outsider", because=because, ticket_id=found.ticket_id)
    if takes_part:
        if too_old and not automatic:
            because = f"{found.because}; closed too long ago"
            return Admission(how="new", because=because, ticket_id=found.ticket_id, too_old=True)
        return Admission(how="join", because=found.because, ticket_id=found.ticket_id)
    if found.because.startswith("signed") or in_place:
        return Admission(how="outsider", because=found.because, ticket_id=found.ticket_id)
    return Admission(
        how="new", because=f"{found.because}, but its sender takes no part in it", ticket_id=found.ticket_id
    )
