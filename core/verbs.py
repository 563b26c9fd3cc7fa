"""The verbs that staff use in threads: one table. Doors only tokenise (`!assign @ada` → "assign", ["@ada"]).

A handler runs inside the unit that takes the command from the inbox and returns what only the sender is told, or None
where a sign on their message is enough.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from sqlalchemy import select, update

from core import actions, membership
from core.database import Tx
from core.failures import Conflict, Invalid, NotFound
from core.outbox import rehead
from core.shapes import Actor, Priority
from core.status import Status
from core.tables import deliveries
from core.units import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A command as its handler gets it."""

    tx: Tx
    desk: Desk
    actor: Actor
    ticket_id: int
    words: Sequence[str]


Handler = Callable[[Asked], Awaitable[str | None]]
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: how it is written, what it does in a few words, and who carries it out."""

    usage: str
    help: str
    handler: Handler


def _one_of(kind: type[E], word: str) -> E:
    try:
        return kind(word.strip().lower())
    except ValueError:
        raise Invalid(f"'{word}' is none of: {', '.join(kind)}") from None


def _word(asked: Asked, usage: str) -> str:
    if not asked.words:
        raise Invalid(f"write it like: {usage}")
    return asked.words[0]


def _number(asked: Asked, usage: str) -> int:
    word = _word(asked, usage).lstrip("#")
    if not word.isdigit() or len(word) > 18:
        raise Invalid(f"write it like: {usage}")
    return int(word)


async def _assign(asked: Asked) -> None:
    name = _word(asked, "!assign @name")
    nobody = name.lower() in ("nobody", "none", "-")
    await actions.assign(
        asked.tx, asked.desk, asked.actor, asked.ticket_id, None if nobody else name, from_thread=True
    )


async def _take(asked: Asked) -> None:
    me = await actions.as_known(asked.tx, asked.actor)
    if not me.username:
        raise Conflict("only staff can take tickets")
    await actions.assign(asked.tx, asked.desk, asked.actor, asked.ticket_id, me.username, from_thread=True)


async def _set(asked: Asked, status: Status) -> None:
    await actions.set_status(asked.tx, asked.desk, asked.actor, asked.ticket_id, status, from_thread=True)


async def _status(asked: Asked) -> None:
    await _set(asked, _one_of(Status, _word(asked, "!status pending")))


async def _close(asked: Asked) -> None:
    await _set(asked, Status.CLOSED)


async def _resolve(asked: Asked) -> None:
    await _set(asked, Status.RESOLVED)


async def _reopen(asked: Asked) -> None:
    await _set(asked, Status.OPEN)


async def _priority(asked: Asked) -> None:
    priority = _one_of(Priority, _word(asked, "!priority high"))
    await actions.set_priority(asked.tx, asked.desk, asked.actor, asked.ticket_id, priority, from_thread=True)


async def _merge(asked: Asked) -> None:
    into = _number(asked, "!merge #12")
    await actions.merge(asked.tx, asked.desk, asked.actor, asked.ticket_id, into, from_thread=True)


async def _admit(asked: Asked) -> None:
    address = _word(asked, "!admit name@example.com")
    await membership.admit(asked.tx, asked.desk, asked.actor, asked.ticket_id, address, from_thread=True)


async def _unsuppress(asked: Asked) -> None:
    address = _word(asked, "!unsuppress name@example.com")
    await membership.unsuppress(asked.tx, asked.desk, asked.actor, asked.ticket_id, address, from_thread=True)


async def _retry(asked: Asked) -> None:
    delivery_id = _number(asked, "!retry 12")
    if not await retry_delivery(asked.tx, delivery_id, asked.ticket_id):
        raise Conflict("that delivery isn't one that failed")
    asked.tx.after_commit.append(asked.desk.signals.outbox.set)


async def _help(asked: Asked) -> str:
    return help_text()


VERBS: Final[dict[str, Verb]] = {
    "take": Verb("!take", "give the ticket to yourself", _take),
    "assign": Verb("!assign @name", "give the ticket to somebody (nobody: to no one)", _assign),
    "status": Verb("!status pending", "set the status: open, pending, resolved, closed", _status),
    "resolve": Verb("!resolve", "set it to resolved; the requester is told", _resolve),
    "close": Verb("!close", "set it to closed; the requester is told", _close),
    "reopen": Verb("!reopen", "set it to open again", _reopen),
    "priority": Verb("!priority high", "set the priority: low, normal, high, urgent", _priority),
    "merge": Verb("!merge #12", "merge this ticket into another one", _merge),
    "admit": Verb("!admit name@example.com", "let somebody take part in this ticket", _admit),
    "unsuppress": Verb(
        "!unsuppress name@example.com", "mail somebody again whose address bounced", _unsuppress
    ),
    "retry": Verb("!retry 12", "try a failed delivery again", _retry),
    "help": Verb("!help", "show this", _help),
}


def help_text() -> str:
    """Return what `!help` shows."""
    width = max(len(verb.usage) for verb in VERBS.values())
    lines = [f"{verb.usage.ljust(width)}  {verb.help}" for verb in VERBS.values()]
    return (
        "Whatever you write in this thread goes to the requester, except notes: start them with note: or 🔒.\n"
        + "\n".join(lines)
    )


async def carry_out(verb: str, asked: Asked) -> str | None:
    """Carry a command out. Raises `Refused` (with the nearest verb for one that doesn't exist)."""
    found = VERBS.get(verb.lower())
    if found is None:
        near = difflib.get_close_matches(verb.lower(), VERBS, 1)
        hint = f"; did you mean !{near[0]}?" if near else "; see !help"
        raise Invalid(f"there is no command !{verb[:30]}{hint}")
    return await found.handler(asked)


async def retry_delivery(tx: Tx, delivery_id: int, ticket_id: int | None = None) -> bool:
    """Queue a failed or bounced delivery again, at once. False where it is none."""
    row = await tx.first(select(deliveries).where(deliveries.c.id == delivery_id))
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    if ticket_id is not None and row.ticket_id != ticket_id:
        raise NotFound(f"delivery {delivery_id} isn't this ticket's")
    changed = await tx.changed(
        update(deliveries)
        .where(
            deliveries.c.id == delivery_id,
            deliveries.c.state.in_(("failed", "bounced", "queued")),
        )
        .values(state="queued", wait_until=None, due_at=None, attempts=0, created_at=await tx.now())
    )
    if changed:
        await rehead(tx, row.lane, row.channel, row.ticket_id)
    return changed == 1
