"""What somebody may see and do: the one place that decides, for every way out."""

from __future__ import annotations

from core.failures import NotAllowed, NotFound
from core.shapes import Actor, NewMessage, Visibility
from core.status import Status


def sees_ticket(actor: Actor, *, takes_part: bool) -> bool:
    """Staff see every ticket, others those they take part in."""
    return actor.staff or takes_part


def sees_message(actor: Actor, *, visibility: Visibility, outsider: bool) -> bool:
    """Notes and outsiders' words are for staff alone."""
    return actor.staff or (visibility is Visibility.PUBLIC and not outsider)


def goes_out(*, desk: bool, visibility: Visibility, outsider: bool) -> bool:
    """May a message be sent to this side? Notes and outsiders' words never leave the desk."""
    return desk or (visibility is Visibility.PUBLIC and not outsider)


def sees_event(actor: Actor, *, public: bool) -> bool:
    """The history shows requesters what concerns them; the rest is the desk's."""
    return actor.staff or public


def check_sees(actor: Actor, ticket_id: int, *, takes_part: bool) -> None:
    """Raise `NotFound` where the actor may not know of the ticket: missing and forbidden look alike."""
    if not sees_ticket(actor, takes_part=takes_part):
        raise NotFound(f"there is no ticket {ticket_id}")


def check_writes(actor: Actor, visibility: Visibility) -> None:
    """Raise `NotAllowed` where the actor may not write this."""
    if visibility is Visibility.NOTE and not actor.staff:
        raise NotAllowed("only staff write notes")


def check_sets(actor: Actor, status: Status) -> None:
    """Raise `NotAllowed` where the actor may not set this status: requesters reopen and resolve."""
    if not actor.staff and status not in (Status.OPEN, Status.RESOLVED):
        raise NotAllowed("you can reopen or resolve your own ticket; anything else is the staff's")


def check_staff(actor: Actor, what: str) -> None:
    """Raise `NotAllowed` where the actor is no staff."""
    if not actor.staff:
        raise NotAllowed(f"only staff may {what}")


def shown_email(actor: Actor, *, own: bool, email: str) -> str:
    """An address as the viewer may see it: staff see all, others their own."""
    return email if actor.staff or own else ""


def asked_visibility(new: NewMessage, default: str) -> tuple[Visibility, str]:
    """Return what a staff's message is, and its words: the door's finding, a `note:` in a mail, else the queue's
    default. Automatic mail of theirs (an absence note) is never an answer."""
    text = new.visible or new.text
    if new.automatic is not None:
        return Visibility.NOTE, text
    if new.visibility is not None:
        return new.visibility, text
    if new.desk:
        return Visibility(default), text
    head = text.lstrip()
    if head[:5].lower() == "note:":
        return Visibility.NOTE, head[5:].lstrip()
    return Visibility.PUBLIC, text
