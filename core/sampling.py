"""How often words stand in the entries of all tickets, told from some of them; and the latest of very many that fit.

InnoDB gathers all entries that have a word before it sorts them, and heeds no time limit meanwhile: a word that half a
million old tickets have would take most of a second and find nothing. So it is asked for words that few have.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from core.database import Tx
from core.tables import search

RUNS: Final = 20  # places that are looked at
RUN: Final = 100  # entries of each
OFTEN: Final = 15_000  # entries with a word that InnoDB gathers in some 40 ms
AT_ONCE: Final = 5_000  # entries that are read through by a statement of `walk`

Likes = Mapping[str, ColumnElement[bool]]  # by the word: the condition on `search`


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen between two tickets: `seen` says by the word how many entries of which run had it."""

    first: int
    last: int
    seen: Mapping[str, Mapping[int, int]]

    @property
    def step(self) -> int:
        """Tickets from the beginning of a run to that of the next."""
        return max((self.last - self.first + 1) // RUNS, 1)

    def often(self, word: str) -> bool:
        """Do more than `OFTEN` entries have this word, as far as can be told?"""
        looked = min(RUN, self.step) * RUNS
        return sum(self.seen[word].values()) * (self.last - self.first + 1) > OFTEN * looked

    def bounds(self) -> tuple[int, int]:
        """Between which tickets (both included) the latest that has all words is, as far as can be told."""
        newest = min(max(runs, default=-1) for runs in self.seen.values())
        begin = self.first + max(newest, 0) * self.step
        return begin, min(
            begin + self.step + min(RUN, self.step) - 1, self.last
        ) if newest >= 0 else self.last


async def sampled(tx: Tx, likes: Likes, first: int, last: int) -> Sample:
    """Look at `RUNS` runs of entries between two tickets (both included)."""
    empty = Sample(first, last, {})
    step, columns = empty.step, search.c.ticket_id
    begins = [first + number * step for number in range(RUNS)]
    run = func.floor((columns - first) / step)
    names = {word: f"n{index}" for index, word in enumerate(likes)}
    sums = [func.sum(case((likes[word], 1), else_=0)).label(name) for word, name in names.items()]
    rows = await tx.all(
        select(run.label("run"), *sums)
        .where(or_(*(columns.between(begin, begin + min(RUN, step) - 1) for begin in begins)))
        .group_by(run)
    )
    seen = {
        word: {int(row.run): int(n) for row in rows if (n := getattr(row, name))}
        for word, name in names.items()
    }
    return Sample(first, last, seen)


async def walk(tx: Tx, likes: Likes, sample: Sample, patience: timedelta, enough: int) -> set[int]:
    """Return the latest tickets whose entries have all words, which are frequent: from where the sample saw them
    downwards, until `enough` are found or time is over."""
    low, high = sample.bounds()
    if high - low > AT_ONCE:  # look closer, before all of that is read
        high = (await sampled(tx, likes, low, high)).bounds()[1]
    found: set[int] = set()
    begun = time.monotonic()
    wanted: list[Any] = list(likes.values())
    while (
        high >= sample.first and len(found) < enough and time.monotonic() - begun < patience.total_seconds()
    ):
        span = search.c.ticket_id.between(high - AT_ONCE + 1, high)
        rows = await tx.all(select(search.c.ticket_id).where(span, and_(*wanted)))
        found |= {row.ticket_id for row in rows}
        high -= AT_ONCE
    return found


async def ends(tx: Tx) -> tuple[int, int]:
    """Return the first and the last ticket that has an entry; (1, 0) where there are none."""
    row: Any = await tx.first(select(func.min(search.c.ticket_id), func.max(search.c.ticket_id)))
    return (1, 0) if row is None or row[0] is None else (int(row[0]), int(row[1]))
