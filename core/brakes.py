"""Brakes: how often something may happen in a window of time, counted in the database."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from sqlalchemy import func, select, update

from core.database import Tx
from core.shapes import key_of
from core.tables import counters

_SPREAD = 16  # rows that a counter of everybody is spread over, so that it isn't what all wait for


def window_of(now: datetime, length: timedelta) -> int:
    """Return the number of the window that `now` is in."""
    return int(now.timestamp() // max(length.total_seconds(), 1))


def network_of(source: str) -> str:
    """Return what a source is counted as: an IPv4 address, the /64 of an IPv6 one, "" for loopback (spared)."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if address.version == 6 and address.ipv4_mapped is not None:  # a socket for both kinds shows IPv4 so
        return network_of(str(address.ipv4_mapped))
    if address.is_loopback:
        return ""
    return source if address.version == 4 else str(ip_network(f"{source}/64", strict=False))


async def allow(
    tx: Tx, name: str, limit: int, length: timedelta, *, spread: bool = False, amount: int = 1
) -> bool:
    """Count one more of `name` (or `amount`, never spread) and say whether it is within `limit` for this window."""
    now = await tx.now()
    window = window_of(now, length)
    if spread:
        keys = [key_of(f"{name}:{i}") for i in range(_SPREAD)]
        total = await tx.scalar(
            select(func.sum(counters.c.n)).where(counters.c.key.in_(keys), counters.c.window == window)
        )
        if int(total or 0) >= limit:
            return False
        key = random.choice(keys)
    else:
        return await _count(tx, key_of(name), window, limit, amount)
    await tx.run(tx.upsert(counters, {"key": key, "window": window, "n": 1}, {"n": counters.c.n + 1}))
    return True


async def _count(tx: Tx, key: bytes, window: int, limit: int, amount: int) -> bool:
    """Count exactly, also where several do at once: the guard is part of the UPDATE."""
    if limit < amount:
        return False
    here = (counters.c.key == key, counters.c.window == window)
    one_more = update(counters).where(*here, counters.c.n <= limit - amount).values(n=counters.c.n + amount)
    if await tx.changed(one_more):
        return True
    if await tx.scalar(select(counters.c.n).where(*here)) is not None:
        return False
    await tx.run(tx.insert_missing(counters).values(key=key, window=window, n=0))
    return await tx.changed(one_more) == 1
