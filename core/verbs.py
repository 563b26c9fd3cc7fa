"""The verbs of a ticket: one table. Doors only tokenise (`!assign @ada` → "assign", ["@ada"]).

A handler runs inside the unit that takes the command from the inbox and returns what only the sender is told, or None
where a sign on their message is enough. Staff type their verbs in threads, or press what stands for them; requesters
only press.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core import verbs_requester as theirs
from core import verbs_staff as staff
from core.asked import Asked as Asked
from core.asked import nearest
from core.failures import Invalid, NotAllowed
from core.retrying import retry_delivery as retry_delivery


class Who(StrEnum):
    """Who may use a verb: staff on any ticket, requesters on their own."""

    STAFF = "staff"
    REQUESTER = "requester"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: how it is written, what it does in a few words, who carries it out, and who may use it. `sign`: what is
    put on the message that carried it. `bare`: no words belong to it. `anywhere`: it is about no ticket, and may be
    written in a direct message to the bot too. `follows`: said of a ticket that was merged away, it is meant for the
    one in which that goes on."""

    usage: str
    help: str
    handler: Callable[[Asked], Awaitable[str | None]]
    who: Who = Who.STAFF
    sign: str = "done"
    bare: bool = False
    anywhere: bool = False
    follows: bool = True


NOTHING_DONE: Final = "so nothing was done."
NOT_STAFF: Final = f"You aren't on the help desk's staff, {NOTHING_DONE}"
STAFF_ONLY: Final = f"Only the help desk's staff can do that, {NOTHING_DONE}"
REQUESTER_ONLY: Final = {
    "rate": f"Only the requester can rate this ticket, {NOTHING_DONE}",
    "belongs": f"Only the requester can say that it belongs to another ticket, {NOTHING_DONE}",
}
NEITHER: Final = (
    f"You aren't on the help desk's staff, and only a ticket's requester can do that too, {NOTHING_DONE}"
)


async def _help(asked: Asked) -> str:
    own = await staff.is_own(asked)
    return help_text(staff=asked.actor.staff, own=own)


VERBS: Final[dict[str, Verb]] = {
    "take": Verb("!take", "give the ticket to yourself", staff.take, bare=True),
    "assign": Verb("!assign @name", "give it to somebody (nobody: to no one)", staff.assign),
    "status": Verb("!status pending", "set it to open, pending, resolved or closed", staff.status),
    "resolve": Verb(
        "!resolve", "set it to resolved; the requester is told", staff.resolve, Who.BOTH, bare=True
    ),
    "close": Verb("!close", "set it to closed; the requester is told", staff.close, bare=True),
    "reopen": Verb("!reopen", "set it to open again", staff.reopen, Who.BOTH, bare=True),
    "priority": Verb("!priority high", "set it to low, normal, high or urgent", staff.priority),
    "reply": Verb("!reply hours", "send a canned answer (no name: lists them)", staff.reply),
    "note": Verb("!note text", "write a note, which only staff see", staff.note, sign="note"),
    "title": Verb("!title new words", "give the ticket another title", staff.title),
    "tag": Verb("!tag name", "put a tag on it (no name: lists them)", staff.tag),
    "untag": Verb("!untag name", "take a tag off it", staff.untag),
    "queue": Verb("!queue billing", "move it to another queue", staff.queue),
    "merge": Verb("!merge #12", "merge this ticket into another one", staff.merge, follows=False),
    "link": Verb("!link #12", "note that two tickets have to do with each other", staff.link),
    "snooze": Verb("!snooze 2d", "put it aside: 2d, until 2026-12-01, or off", staff.snooze),
    "spam": Verb("!spam", "close it as spam, telling nobody (off: it is none)", staff.spam, follows=False),
    "cc": Verb("!cc name@example.com", "let somebody (or @name) read along and answer", staff.cc),
    "admit": Verb("!admit name@example.com", "let an outsider (or @name) take part", staff.admit),
    "retry": Verb("!retry 12", "try a failed delivery again", staff.retry, follows=False),
    "unsuppress": Verb(
        "!unsuppress name@example.com", "mail an address again that bounced", staff.unsuppress
    ),
    "digest": Verb("!digest daily", "send you a digest, as of now (managers)", staff.digest, anywhere=True),
    "notify": Verb(
        "!notify off assigned", "choose what you are told of (no word: shows it)", staff.notify, anywhere=True
    ),
    "belongs": Verb(
        "belongs 12",
        "it is a part of that other ticket of yours",
        theirs.belongs,
        Who.REQUESTER,
        follows=False,
    ),
    "rate": Verb("rate 5", "say how it went, from 1 to 5", theirs.rate, Who.REQUESTER, follows=False),
    "help": Verb("!help", "show this", _help, Who.BOTH, bare=True, follows=False),
}


def needs_no_ticket(name: str) -> bool:
    """Is it a verb that is about no ticket?"""
    verb = VERBS.get(name.lower())
    return verb is not None and verb.anywhere


def may(verb: Verb, *, staff: bool, own: bool) -> bool:
    """May somebody use it who is on the staff, or whose own ticket it is?"""
    return (staff and verb.who is not Who.REQUESTER) or (own and verb.who is not Who.STAFF)


def why_not(name: str, *, staff: bool, own: bool) -> str:
    """Say why somebody can't use a verb."""
    verb = VERBS.get(name)
    if verb is not None and verb.who is Who.REQUESTER:
        return REQUESTER_ONLY[name]
    if own:
        return STAFF_ONLY
    return NEITHER if verb is not None and verb.who is Who.BOTH else NOT_STAFF


def help_text(*, staff: bool = True, own: bool = False) -> str:
    """Return what `!help` shows: the verbs that somebody may use, in two columns."""
    mine = [verb for verb in VERBS.values() if may(verb, staff=staff, own=own)]
    if staff:  # what is pressed, not written
        mine = [verb for verb in mine if verb.who is not Who.REQUESTER]
    usages = [verb.usage if staff else verb.usage.lstrip("!") for verb in mine]
    width = max(map(len, usages))
    table = "\n".join(f"{usage.ljust(width)}  {verb.help}" for usage, verb in zip(usages, mine, strict=True))
    head = "What you can do with your ticket:"
    if staff:
        head = (
            "What you write in this thread goes to the requester, except notes: start them with note: or 🔒. "
            "Where notes are the rule, start an answer with reply:"
        )
    return f"{head}\n```\n{table}\n```"


async def carry_out(name: str, asked: Asked, *, own: bool = False) -> str | None:
    """Carry a command out. `own`: the actor is the ticket's requester. Raises `Refused` (with the nearest verb for one
    that doesn't exist)."""
    name = name.lower()
    verb = VERBS.get(name)
    is_staff = asked.actor.staff
    known = [n for n, v in VERBS.items() if may(v, staff=is_staff, own=own)]
    if verb is None and known and (is_staff or own):
        near = nearest(name, known)
        hint = f"; did you mean !{near}?" if near else "; see !help."
        as_it_is = " To send it as it is, write reply: before it." if is_staff else ""
        raise Invalid(f"there is no command !{name[:30]}{hint}{as_it_is}")
    if verb is None or not may(verb, staff=is_staff, own=own):
        raise NotAllowed(why_not(name, staff=is_staff, own=own))
    if verb.bare and asked.words:
        said = " ".join(asked.words)
        raise Invalid(f"!{name} takes no words, so nothing was done; '{said[:60]}' wasn't sent to anybody")
    return await verb.handler(asked)
