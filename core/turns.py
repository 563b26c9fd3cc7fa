"""A turn of a job that takes up tickets one by one: bounded, and one ticket's trouble holds up no other.

A ticket that raises is stepped over, and set aside for a minute by this process: however many such there are, the next
turns begin behind them. The slot that leaves some behind has failed, and says which.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import ColumnElement

from core.database import Database
from core.failures import Unavailable
from core.tables import tickets

log = structlog.get_logger(__name__)

TURN: Final = 1.0  # seconds after which a turn begins nothing more: others wait for its end
PATIENCE: Final = 10  # times as long it spends at most on tickets that raise
AGAIN: Final = 60.0  # seconds after which one that raised is tried again
MOST_ASIDE: Final = 1_000  # tickets of one kind of trouble that are set aside: the newest
NAMED: Final = 10  # tickets that a failure names

Apart = Sequence[ColumnElement[bool]]  # conditions that leave out what has failed in this turn
Due = Callable[..., Awaitable[list[int]]]  # (tx, apart=…): what is due, in its order, a batch at most
Step = Callable[[int], Awaitable[None]]


_aside: WeakKeyDictionary[Database, dict[str, dict[int, float]]] = WeakKeyDictionary()


class TurnFailed(RuntimeError):
    """Some of what was due failed: the slot isn't done. Its text names tickets by their numbers alone."""

    def __init__(self, failed: Iterable[int]) -> None:
        ids = sorted(set(failed))
        more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
        listed = ", ".join(map(str, ids[:NAMED]))
        super().__init__(f"{'ticket' if len(ids) == 1 else 'tickets'} {listed}{more}")


@dataclass(frozen=True, slots=True)
class Taken:
    """How many tickets of a turn worked, which failed (now or within the last minute), and whether more are due."""

    worked: int
    failed: frozenset[int]
    left: bool


def aside(database: Database, name: str) -> list[int]:
    """Return the tickets that are set aside: those that raised within the last minute, the oldest trouble first."""
    found, now = _aside.get(database, {}).get(name, {}), time.monotonic()
    for ticket_id in [one for one, until in found.items() if until <= now]:
        del found[ticket_id]
    return list(found)


def set_aside(database: Database, name: str, ticket_id: int) -> None:
    """Leave a ticket alone for a minute: it raised."""
    found = _aside.setdefault(database, {}).setdefault(name, {})
    found.pop(ticket_id, None)
    found[ticket_id] = time.monotonic() + AGAIN
    if len(found) > MOST_ASIDE:
        del found[next(iter(found))]


async def take(
    database: Database,
    due: Due,
    step: Step,
    *,
    limit: int,
    trouble: str,
    name: str = "",
    seconds: float = TURN,
) -> Taken:
    """Take up what is due, `limit` tickets at most that work. What fails is logged as `trouble`, stepped over and set
    aside under `name` (else `trouble`); the time that it takes is no other's, up to `PATIENCE` times `seconds`. Raises
    `Unavailable`."""
    name = name or trouble
    failed = aside(database, name)
    worked, lost, begun = 0, 0.0, time.monotonic()
    while True:
        fails, apart = len(failed), [tickets.c.id.not_in(failed)] if failed else []
        ids = await database.read(partial(due, apart=apart))
        for ticket_id in ids:
            at = time.monotonic()
            try:
                await step(ticket_id)
            except Unavailable:
                raise
            except Exception:
                log.exception(trouble, ticket=ticket_id)
                failed.append(ticket_id)
                set_aside(database, name, ticket_id)
                lost += time.monotonic() - at
                if lost > PATIENCE * seconds:
                    return Taken(worked, frozenset(failed), left=True)
                continue
            worked += 1
            if time.monotonic() - begun - lost > seconds or worked >= limit:
                left = ticket_id != ids[-1] or len(ids) == limit
                return Taken(worked, frozenset(failed), left=left)
        if len(ids) < limit or len(failed) == fails:
            return Taken(worked, frozenset(failed), left=len(ids) == limit)


def more(taken: Sequence[Taken]) -> bool:
    """Return whether a turn is to follow at once: never where nothing worked. Raises `TurnFailed` where nothing is left
    but what failed."""
    if any(one.worked and one.left for one in taken):
        return True
    if failed := frozenset[int]().union(*(one.failed for one in taken)):
        raise TurnFailed(failed)
    return False
