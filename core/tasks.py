"""Background tasks of the loops: kept leases, and an end within a grace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

from core import work
from core.database import Database
from core.failures import StaleLease, Unavailable


@asynccontextmanager
async def kept(database: Database, lease: work.Lease) -> AsyncIterator[None]:
    """Renew a lease for as long as the block runs. One that was lost shows at the next fence."""
    renewer = asyncio.create_task(_renew(database, lease), name=f"renew {lease.name}")
    try:
        yield
    finally:
        renewer.cancel()
        await asyncio.wait({renewer})  # it may be using a connection


async def _renew(database: Database, lease: work.Lease) -> None:
    while True:
        await asyncio.sleep(work.RENEW.total_seconds())
        try:
            await work.renew(database, lease)
        except StaleLease:
            return
        except Unavailable:
            continue  # the database may be back before the lease expires


async def drained(
    tasks: Iterable[asyncio.Task[None] | None],
    grace: timedelta,
    begun: Callable[[], Iterable[asyncio.Task[None]]] = tuple,
) -> None:
    """Wait for tasks that were told to stop, then for those that they have `begun`, also just now; cancel those that
    are late."""
    end = time.monotonic() + grace.total_seconds()
    await _ended([task for task in tasks if task is not None], grace.total_seconds())
    await _ended([*begun()], max(end - time.monotonic(), 0))


async def _ended(pending: Collection[asyncio.Task[None]], seconds: float) -> None:
    if not pending:
        return
    _, late = await asyncio.wait(pending, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
