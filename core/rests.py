"""For how long a whole lane could send nothing: a rate limit, a channel that may be shown nothing for now. What waits
in it doesn't age by that, so that it isn't given up for what it never could do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update

from core.database import Tx
from core.tables import work

AGAIN: Final = timedelta(minutes=5)  # a rest that begins so soon after the last one is the same


@dataclass(frozen=True, slots=True)
class Rest:
    """The last time that a lane rested."""

    since: datetime
    until: datetime


def longer(rest: Rest | None, now: datetime, until: datetime) -> Rest:
    """Return the rest that goes on, or begins now, up to `until`."""
    if rest is None or now > rest.until + AGAIN:
        return Rest(now, until)
    return Rest(rest.since, max(rest.until, until))


def age(created_at: datetime, now: datetime, rest: Rest | None) -> timedelta:
    """Return for how long a delivery could have gone."""
    if rest is None:
        return now - created_at
    rested = min(rest.until, now) - max(rest.since, created_at)
    return now - created_at - max(rested, timedelta())


async def of(tx: Tx, lane: str) -> Rest | None:
    """Return when a lane rested last, None where it never did."""
    data = await tx.scalar(select(work.c.data).where(work.c.name == lane))
    if not data or "rested" not in data:
        return None
    since, until = (datetime.fromisoformat(moment) for moment in data["rested"])
    return Rest(since, until)


async def note(tx: Tx, lane: str, until: datetime) -> None:
    """Note that a lane rests. Its `work` row must be locked by this transaction."""
    rest = longer(await of(tx, lane), await tx.now(), until)
    data = {"rested": [rest.since.isoformat(), rest.until.isoformat()]}
    await tx.run(update(work).where(work.c.name == lane).values(data=data))
