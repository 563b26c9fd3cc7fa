"""Tickets whose queue was renamed or left the configuration: they are the first queue's (`Desk.queue_or_first`)."""

from __future__ import annotations

from sqlalchemy import select

from core.config import Config, Queue
from core.database import Tx
from core.status import Status
from core.tables import tickets


async def left(tx: Tx, config: Config, *statuses: Status) -> list[str]:
    """Return the queues that aren't configured and have tickets of these statuses: by one look into the index for each
    queue that there is."""
    known, found = {queue.name for queue in config.queue}, set()
    for status in statuses:
        last = ""
        while last is not None:
            last = await tx.scalar(
                select(tickets.c.queue)
                .where(tickets.c.status == status, tickets.c.queue > last)
                .order_by(tickets.c.queue)
                .limit(1)
            )
            if last is not None and last not in known:
                found.add(last)
    return sorted(found)


async def ruled(tx: Tx, config: Config, status: Status) -> list[tuple[str, Queue]]:
    """Return the names of queues that tickets of a status may be in, each with the queue whose rules hold for it."""
    first = config.queue[0]
    return [(queue.name, queue) for queue in config.queue] + [
        (name, first) for name in await left(tx, config, status)
    ]
