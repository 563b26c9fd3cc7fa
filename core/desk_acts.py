"""What staff do to a ticket from its page: one table of acts, each a call of the function that every door uses.

Two people may have the same page open: whoever presses a button says what their page showed, and where that is no
longer so, nothing is done and they are told what is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from core import actions, membership, merging, moving, snoozing, spamming, tagging, units
from core.asked import one_of
from core.database import Tx
from core.desk_view import version_of
from core.failures import Conflict, Invalid, NotFound
from core.parts import Parts
from core.shapes import Actor, Priority
from core.status import Status, Ticket
from core.units import Desk
from core.visibility import check_staff

ENDS: Final = (Status.RESOLVED, Status.CLOSED)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page showed on which a button was pressed: the ticket's version, and what was set of what is to be set
    (None: it doesn't matter)."""

    version: int
    was: str | None = None


Act = Callable[[Tx, Desk, Actor, int, str], Awaitable[object]]


async def _status(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, word: str) -> None:
    await actions.set_status(tx, desk, actor, ticket_id, one_of(Status, word))


async def _assignee(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, word: str) -> None:
    await actions.assign(tx, desk, actor, ticket_id, word or None)


async def _priority(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, word: str) -> None:
    await actions.set_priority(tx, desk, actor, ticket_id, one_of(Priority, word))


async def _tag(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, word: str) -> None:
    words = word.replace(",", " ").split()
    if not words:
        raise Invalid("which tag?")
    await tagging.add(tx, desk, actor, ticket_id, words)


async def _untag(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, word: str) -> None:
    await tagging.remove(tx, desk, actor, ticket_id, [word])


async def _snooze(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, word: str) -> None:
    until = None if word == "off" else snoozing.wanted(word.split())
    await snoozing.snooze(tx, desk, actor, ticket_id, until)


async def _merge(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, word: str) -> None:
    await merging.merge(tx, desk, actor, ticket_id, number_of(word))


async def _spam(tx: Tx, desk: Desk, actor: Actor, ticket_id: int, word: str) -> None:
    do = spamming.unmark if word == "off" else spamming.mark
    await do(tx, desk, actor, ticket_id)


ACTS: Final[Mapping[str, Act]] = {
    "status": _status,
    "assignee": _assignee,
    "priority": _priority,
    "queue": moving.move,
    "title": actions.set_title,
    "tag": _tag,
    "untag": _untag,
    "snooze": _snooze,
    "merge": _merge,
    "spam": _spam,
    "admit": membership.admit,
    "unsuppress": membership.unsuppress,
}


def number_of(word: str) -> int:
    """Return the ticket number that somebody wrote, with or without `#`. Raises `Invalid`."""
    digits = word.strip().lstrip("#")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise Invalid("write a ticket's number, like 12")
    return int(digits)


_PRESENT: Final[Mapping[str, Callable[[Ticket], str]]] = {
    "status": lambda ticket: ticket.status.value,
    "assignee": lambda ticket: ticket.assignee or "",
    "priority": lambda ticket: ticket.priority.value,
    "queue": lambda ticket: ticket.queue,
    "title": lambda ticket: ticket.title,
}


def overtaken(ticket: Ticket, version: int, name: str, word: str, shown: Shown) -> str:
    """Say what is now where somebody else was quicker, "" where the act may go on. Whoever sets what it is already
    takes nothing back. A ticket isn't ended by who can't have seen all that was said. Pure."""
    if name not in _PRESENT:
        return ""
    now = _PRESENT[name](ticket)
    if now == word:
        return ""
    if shown.was is not None and now != shown.was:
        return f"Somebody was quicker: the {name} is {now or 'nobody'} now. Nothing was changed."
    if name == "status" and word in ENDS and version != shown.version:
        return (
            f"Something was added since this page was opened, so it wasn't set to {word}. It's all here now."
        )
    return ""


async def act(parts: Parts, actor: Actor, ticket_id: int, name: str, word: str, shown: Shown) -> None:
    """Do something to a ticket. Raises `Refused`: `NotFound` for an act that there isn't, `Conflict` where what the
    page showed is no longer so."""
    check_staff(actor, "work on tickets")
    do = ACTS.get(name)
    if do is None:
        raise NotFound("there is no such act")

    async def unit(tx: Tx) -> None:
        if name in _PRESENT:
            ticket = await units.lock(
                tx, ticket_id
            )  # the act locks it again, which is nothing more to wait for
            if why := overtaken(ticket, version_of(ticket), name, word, shown):
                raise Conflict(why)
        await do(tx, parts.desk, actor, ticket_id, word)

    await parts.database.unit(unit)
