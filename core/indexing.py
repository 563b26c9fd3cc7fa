"""The job that makes the entries by which tickets are searched (`core.searching`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import delete, select

from core.database import Tx
from core.jobs import Job, Jobs
from core.searching import remade
from core.tables import search, search_due

TOGETHER: Final = 20  # tickets in a unit


async def index(jobs: Jobs) -> bool:
    """Make the entries of noted tickets, the latest first: a batch of them."""
    limit = jobs.desk.config.scheduler.batch

    async def look(tx: Tx) -> list[int]:
        noted = select(search_due.c.ticket_id).order_by(search_due.c.ticket_id.desc()).limit(limit)
        return [row.ticket_id for row in await tx.all(noted)]

    numbers = await jobs.database.read(look)
    for at in range(0, len(numbers), TOGETHER):
        await jobs.database.unit(partial(_index, some=sorted(numbers[at : at + TOGETHER])))
    return len(numbers) == limit


async def _index(tx: Tx, some: Sequence[int]) -> None:
    # Whoever notes one of them from here on waits for this unit, and their note stays.
    await tx.run(delete(search_due).where(search_due.c.ticket_id.in_(some)))
    for number, kept in sorted((await remade(tx, some)).items()):
        await tx.run(tx.upsert(search, {"ticket_id": number, "words": kept}, {"words": kept}))


JOBS: Final = (Job("index", timedelta(seconds=2), index),)
