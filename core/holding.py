"""To hold a lease for as long as it is ours: who holds a line open must hear of it when the lease is lost."""

from __future__ import annotations

import asyncio

from core import work
from core.database import Database
from core.failures import StaleLease, Unavailable


async def until_lost(database: Database, lease: work.Lease) -> None:
    """Renew the lease; return once it is lost, or may be: nobody else can have it before."""
    loop = asyncio.get_running_loop()
    renewed = loop.time()
    every, longest = work.RENEW.total_seconds(), (work.LEASE - work.RENEW).total_seconds()
    while loop.time() - renewed < longest:
        await asyncio.sleep(every)
        asked = loop.time()
        try:
            async with asyncio.timeout(every):
                await work.renew(database, lease)
            renewed = asked
        except (Unavailable, TimeoutError):
            continue  # the database may be back before the lease expires
        except StaleLease:
            return
