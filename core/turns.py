"""A turn of a job that takes up tickets one by one: bounded, and one ticket's trouble holds up no other."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from sqlalchemy import ColumnElement

from core.database import Database
from core.failures import Unavailable
from core.tables import tickets

log = structlog.get_logger(__name__)

TURN: Final = 1.0  # seconds after which a turn begins nothing more: others wait for its end
PATIENCE: Final = 10  # times as long it spends at most on tickets that raise

Apart = Sequence[ColumnElement[bool]]  # conditions that leave out what has failed in this turn
Due = Callable[..., Awaitable[list[int]]]  # (tx, apart=…): what is due, in its order, a batch at most
Step = Callable[[int], Awaitable[None]]


class TurnFailed(RuntimeError):
    """All that was due failed: the slot isn't done."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many tickets of a turn worked and failed, and whether more are due."""

    worked: int
    failed: int
    left: bool


async def take(
    database: Database, due: Due, step: Step, *, limit: int, trouble: str, seconds: float = TURN
) -> Taken:
    """Take up what is due, `limit` tickets at most that work. What fails is logged as `trouble` and stepped over; the
    time that it takes is no other's, up to `PATIENCE` times `seconds`. Raises `Unavailable`."""
    failed: list[int] = []
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
                lost += time.monotonic() - at
                if lost > PATIENCE * seconds:
                    return Taken(worked, len(failed), left=True)
                continue
            worked += 1
            if time.monotonic() - begun - lost > seconds or worked >= limit:
                return Taken(worked, len(failed), left=ticket_id != ids[-1] or len(ids) == limit)
        if len(ids) < limit or len(failed) == fails:
            return Taken(worked, len(failed), left=len(ids) == limit)


def more(taken: Sequence[Taken]) -> bool:
    """Return whether a turn is to follow at once: never where nothing worked. Raises `TurnFailed` where all failed."""
    if any(one.worked for one in taken):
        return any(one.worked and one.left for one in taken)
    if fails := sum(one.failed for one in taken):
        raise TurnFailed(f"{fails} tickets failed, and none worked")
    return False
