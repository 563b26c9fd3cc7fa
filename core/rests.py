"""For how long a whole lane could send nothing (a rate limit, a place that may be shown nothing for now), or a whole
channel (the app was removed). What waits there doesn't age by that, so that it isn't given up for what it never could
do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update

from core.database import Tx
from core.tables import work
from core.work import ensure

AGAIN: Final = timedelta(minutes=5)  # a rest that begins so soon after the last one is the same


@dataclass(frozen=True, slots=True)
class Rest:
    """The last time that a lane, or a channel, rested."""

    since: datetime
    until: datetime


def longer(rest: Rest | None, now: datetime, until: datetime) -> Rest:
    """Return the rest that goes on, or begins now, up to `until`."""
    if rest is None or now > rest.until + AGAIN:
        return Rest(now, until)
    return Rest(rest.since, max(rest.until, until))


def age(created_at: datetime, now: datetime, *rests: Rest | None) -> timedelta:
    """Return for how long a delivery could have gone: what rested at the same time counts once."""
    rested, until = timedelta(), created_at
    for rest in sorted((rest for rest in rests if rest is not None), key=lambda rest: rest.since):
        begins, ends = max(rest.since, until), min(rest.until, now)
        if ends > begins:
            rested, until = rested + (ends - begins), ends
    return now - created_at - rested


async def of(tx: Tx, name: str) -> Rest | None:
    """Return when a lane or a channel, by the name of its `work` row, rested last; None where it never did."""
    data = await tx.scalar(select(work.c.data).where(work.c.name == name))
    if not data or "rested" not in data:
        return None
    since, until = (datetime.fromisoformat(moment) for moment in data["rested"])
    return Rest(since, until)


async def note(tx: Tx, name: str, until: datetime) -> None:
    """Note that a lane or a channel rests. Its `work` row must be locked by this transaction."""
    rest = longer(await of(tx, name), await tx.now(), until)
    data = {"rested": [rest.since.isoformat(), rest.until.isoformat()]}
    await tx.run(update(work).where(work.c.name == name).values(data=data))


async def pause(tx: Tx, channel: str, until: datetime) -> None:
    """Let a channel's lanes be claimed by nobody before `until`, and note that it rests."""
    name = channel_row(channel)
    await ensure(tx, {name: "channel"})
    await tx.run(update(work).where(work.c.name == name).values(not_before=until))
    await note(tx, name, until)


def channel_row(channel: str) -> str:
    """Return the name of a channel's row in `work`."""
    return f"channel:{channel}"
