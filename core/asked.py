"""A command as its handler gets it, and its words read: what can't be meant is refused, with how to write it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from sqlalchemy import select

from core.database import Tx
from core.failures import Invalid
from core.people import mail_person
from core.shapes import Actor, Person, Ref
from core.tables import identities, participants
from core.units import Desk

E = TypeVar("E", bound=StrEnum)

# A Slack user's id as it stands in a mention, or bare where the door took the brackets off.
_USER_ID: Final = re.compile(r"(?:<@|@)?([UW][A-Z0-9]{2,30})(?:\|[^>]*)?>?")
NOBODY: Final = ("nobody", "none", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A command as its handler gets it. `text`: what was written for it in a form. `sender`: who asks, as the channel
    names them. `ref`: the message that carried it, None for a click or a form. `in_thread`: it was asked for in the
    ticket's present thread, which therefore shows it already."""

    tx: Tx
    desk: Desk
    actor: Actor
    ticket_id: int
    words: Sequence[str] = ()
    text: str = ""
    sender: Person
    ref: Ref | None = None
    in_thread: bool = True

    def words_or_text(self) -> str:
        """Return what was written, in the form or behind the command."""
        return (self.text or " ".join(self.words)).strip()


def how(usage: str) -> Invalid:
    """The refusal of a command that lacks something."""
    return Invalid(f"write it like: {usage}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known name that was probably meant, "" where none is near."""
    names = list(known)
    return next(iter(difflib.get_close_matches(word.lower(), names, 1)), "")


def one_of(kind: type[E], word: str) -> E:
    """Return the member that a word names. Raises `Invalid`."""
    try:
        return kind(word.strip().lower())
    except ValueError:
        raise Invalid(f"'{word[:40]}' is none of: {', '.join(kind)}") from None


def first(asked: Asked, usage: str) -> str:
    """Return the first word. Raises `Invalid` where there is none."""
    if not asked.words or not asked.words[0].strip():
        raise how(usage)
    return asked.words[0].strip()


def number(asked: Asked, usage: str) -> int:
    """Return the number that the first word is, with or without `#`. Raises `Invalid`."""
    word = first(asked, usage).lstrip("#")
    if not word.isascii() or not word.isdigit() or len(word) > 18:
        raise how(usage)
    return int(word)


async def person(asked: Asked, usage: str) -> Person:
    """Return whom the first word names: a mail address, or somebody who is known by that id in the channel in which it
    was asked. An id doesn't say of whose team they are, and any word may look like one. Raises `Invalid`."""
    word = first(asked, usage)
    found = _USER_ID.fullmatch(word)
    if found is None:
        return mail_person(word.removeprefix("@"))
    if asked.sender.kind == "email":  # whoever asks by mail or on a page has no team
        raise how(usage)
    known = await _known_by_id(asked, found[1])
    if known is None:
        raise Invalid(f"nobody is known here by '{found[1]}'; name their mail address: {usage}")
    return known


async def _known_by_id(asked: Asked, user: str) -> Person | None:
    """Somebody of our team, else who wrote in this ticket, else anybody; where they wrote they are answered, else in
    their direct messages."""
    tx, kind = asked.tx, asked.sender.kind
    home = asked.sender.team or asked.sender.address.partition("/")[0]
    ours = Person(kind=kind, address=f"{home}/{user}", team=home, place=f"{home}/{user}")
    people = select(identities.c.address, identities.c.team_id).where(identities.c.kind == kind)
    if await tx.first(people.where(identities.c.key == ours.key)) is not None:
        return ours
    theirs = identities.c.address.endswith(f"/{user}", autoescape=True)
    wrote = people.add_columns(participants.c.place).join(
        participants, participants.c.identity_key == identities.c.key
    )
    row = await tx.first(wrote.where(participants.c.ticket_id == asked.ticket_id, theirs).limit(1))
    place = row.place if row is not None else ours.place
    row = row or await tx.first(people.where(theirs).order_by(identities.c.key).limit(1))
    if row is None:
        return None
    return Person(kind=kind, address=row.address, team=row.team_id or "", guest=True, place=place)
