"""What somebody may see and do: the one place that decides, for every way out."""

from __future__ import annotations

import re
from typing import Final

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


def shown_name(actor: Actor, *, own: bool, name: str) -> str:
    """A name as the viewer may see it: staff see all, others what is no address of somebody else's."""
    return name if actor.staff or own else public_name(name)


def public_name(name: str) -> str:
    """Return a name for others' eyes, "" for one that has an address in it: many a mail program writes that."""
    return "" if _ADDRESS.search(name) else name


_ADDRESS = re.compile(r"[^\s@]@[^\s@]")
_LOCK = (
    r"(?:(?:[🔒🔐🔏][\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*|"
    r":\s?(?:lock|locked|locked_with_key|locked_with_pen|closed_lock_with_key|lock_with_ink_pen)\s?:"
    r"(?::skin-tone-[2-6]:)?)[*_~`]*(?:[^\S\n]*[:：](?![\w+-]))?)"
)
# In the languages of our texts: an English adjective stands before its noun, others stand on either side.
_FOR_STAFF = r"(?:private|internal|interne[rs]?|intern|private[rs]?|privat|interna|privada|priv[ée]e)"
_NOTE = re.compile(
    rf"(?:{_LOCK}|(?:[\[(]\s*)?(?:{_FOR_STAFF}\s*)?(?:note|notiz|nota|private|internal|intern|privat)"
    rf"(?:[^\S\n]*{_FOR_STAFF})?\s*"
    r"(?:[\])]\s*[*_~`]*\s*[:：]?|[*_~`]*\s*[:：]))[*_~`]*[^\S\n]*",
    re.IGNORECASE,
)
_REPLY = re.compile(r"(?:public\s+)?reply\s*[*_~`]*\s*[:：][*_~`]*[^\S\n]*", re.IGNORECASE)
# In threads whose words stay at the desk by default: elsewhere they'd only be words.
_ANSWER = re.compile(
    r"(?:(?:[öo]ffentliche\s+)?antwort|r[ée]ponse(?:\s+publique)?|respuesta(?:\s+p[úu]blica)?)"
    r"\s*[*_~]*\s*[:：][*_~]*[^\S\n]*",
    re.IGNORECASE,
)
# White space and what nobody sees, bold, italics, code, a quote mark; the mark of a list's item.
_DRESSING = re.compile(r"[\s*_~`>\u200b-\u200f\u2060\ufeff]*(?:(?:[•◦▪-]|\d{1,2}[.)])[^\S\n]+[*_~`]*)?")
_SIGN: Final = 80  # characters in which the sign must stand


def intent(text: str) -> tuple[Visibility | None, str]:
    """Say for whose eyes a staff member's words are, and return them without the sign that says so.

    `note:`, `private:`, `[note]`, a lock, `Interne Notiz:`, `Note interne :`, `Nota interna:`: staff only. `reply:`:
    everybody. Else None: as the queue is set. One rule for every door: linear, whatever the text.
    """
    start = _DRESSING.match(text)
    at = start.end() if start else 0
    head = text[at : at + _SIGN]
    if note := _NOTE.match(head):
        again = _NOTE.match(head, note.end())  # a lock and the word
        return Visibility.NOTE, text[at + (again or note).end() :]
    if reply := _REPLY.match(head):
        return Visibility.PUBLIC, text[at + reply.end() :]
    return None, text


def as_queue_is_set(text: str, default: str) -> tuple[Visibility, str]:
    """Return what words in a thread are that have no sign which counts everywhere, and the words: as the queue is set.
    Where that is "note", `Antwort:`, `Réponse :` and `Respuesta:` say the same as `reply:`."""
    visibility = Visibility(default)
    start = _DRESSING.match(text)
    at = start.end() if start else 0
    if visibility is Visibility.NOTE and (answer := _ANSWER.match(text[at : at + _SIGN])):
        return Visibility.PUBLIC, text[at + answer.end() :].strip()
    return visibility, text


def asked_visibility(new: NewMessage, default: str) -> tuple[Visibility, str]:
    """Return what a staff's message is, and its words.

    In a thread the door has read the sign already, else the queue's default counts. A mail is an answer unless its
    first line or the address that it was sent to makes it a note (of the two, the note wins). Automatic mail of theirs
    (an absence note) is never an answer.
    """
    text = new.visible or new.text
    if new.automatic is not None:
        return Visibility.NOTE, text
    if new.desk and new.visibility is None:
        return as_queue_is_set(text, default)
    if new.visibility is not None and new.desk:
        return new.visibility, text
    quoted = text.lstrip().startswith(">")  # somebody else's words come first
    asked, words = (None, text) if quoted else intent(text)
    if new.visibility is not None:
        asked = new.visibility
    return asked or Visibility.PUBLIC, words.strip() if words != text else text
