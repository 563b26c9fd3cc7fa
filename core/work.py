"""The one lease: a `work` row is claimed, fenced, renewed and finished; many processes share work by it.

Lanes, channels, jobs, inbox shards and sockets are rows here. Claiming is one guarded UPDATE by primary key among
candidates read before; every transaction of the work ends with `fence`, and a fence that matches no row means that
somebody else took over. Lock order in every unit: tickets, links, own rows, then work rows by name.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, delete, func, or_, select, update

from core.database import Database, Tx
from core.failures import StaleLease
from core.tables import deliveries, work

LEASE: Final = timedelta(seconds=20)
RENEW: Final = timedelta(seconds=5)
WINDOW: Final = 16  # candidates looked at per claim


@dataclass(frozen=True, slots=True)
class Lease:
    """A held piece of work."""

    name: str
    kind: str
    token: str


async def enqueue(tx: Tx, names: Mapping[str, str], due: datetime) -> None:
    """Make the named work (name → kind) due at `due`, or leave it due earlier. Call last in the unit."""
    for name in sorted(names):
        if tx.sqlite:
            earlier: Any = func.min(func.coalesce(work.c.due_at, due), due)
        else:
            earlier = func.least(func.coalesce(work.c.due_at, due), due)
        await tx.run(
            tx.upsert(
                work, {"name": name, "kind": names[name], "due_at": due, "beat": 0}, {"due_at": earlier}
            )
        )


async def ensure(tx: Tx, names: Mapping[str, str]) -> None:
    """Make sure that rows of these names exist, idle."""
    for name in sorted(names):
        await tx.run(tx.insert_missing(work).values(name=name, kind=names[name], beat=0))


def _free(now: datetime) -> Any:
    return and_(
        or_(work.c.not_before.is_(None), work.c.not_before <= now),
        or_(work.c.token.is_(None), work.c.expires_at < now),
    )


async def claim(database: Database, kind: str, *, skip: Iterable[str] = ()) -> Lease | None:
    """Claim one piece of due work of this kind, or return None. The claim commits by itself."""
    skipped = set(skip)

    async def candidates(tx: Tx) -> list[str]:
        now = await tx.now()
        rows = await tx.all(
            select(work.c.name)
            .where(work.c.kind == kind, work.c.due_at <= now, _free(now))
            .order_by(work.c.due_at)
            .limit(WINDOW)
        )
        return [row.name for row in rows if row.name not in skipped]

    names = await database.read(candidates)
    random.shuffle(names)
    for name in names:
        lease = await claim_named(database, name, kind)
        if lease is not None:
            return lease
    return None


async def claim_named(database: Database, name: str, kind: str, *, due: bool = True) -> Lease | None:
    """Claim this very piece of work, or return None where it is held, waits or (with `due`) isn't due."""
    token = database.instance + secrets.token_hex(12)

    async def take(tx: Tx) -> int:
        now = await tx.now()
        conditions = [work.c.name == name, _free(now)]
        if due:
            conditions.append(work.c.due_at <= now)
        return await tx.changed(
            update(work).where(*conditions).values(token=token, expires_at=now + LEASE, beat=work.c.beat + 1)
        )

    # A rerun after an unknown COMMIT finds its own token in the way and reports None: the lease then expires.
    return Lease(name, kind, token) if await database.unit(take) == 1 else None


async def fence(tx: Tx, lease: Lease) -> None:
    """End a transaction of the work: renew the lease. Raises `StaleLease` where it is no longer ours."""
    now = await tx.now()
    held = await tx.changed(
        update(work)
        .where(work.c.name == lease.name, work.c.token == lease.token)
        .values(expires_at=now + LEASE, beat=work.c.beat + 1)
    )
    if held != 1:
        raise StaleLease(lease.name)


async def renew(database: Database, lease: Lease) -> None:
    """Renew the lease by itself. Raises `StaleLease`."""
    await database.unit(lambda tx: fence(tx, lease))


async def finish_lane(database: Database, lease: Lease, not_before: datetime | None = None) -> None:
    """Give a lane of deliveries back: due when its earliest head is. Raises `StaleLease`.

    The release locks the row first, so that an enqueuer's wake-up is either seen by the MIN or comes after.
    """

    async def finish(tx: Tx) -> None:
        await _release(tx, lease, {"not_before": not_before})
        earliest = await tx.scalar(
            select(func.min(deliveries.c.due_at)).where(deliveries.c.lane == lease.name)
        )
        await tx.run(update(work).where(work.c.name == lease.name).values(due_at=earliest))

    await database.unit(finish)


async def finish(
    database: Database, lease: Lease, *, due: datetime | None, not_before: datetime | None
) -> None:
    """Give other work back, due at `due` (None: idle). Raises `StaleLease`."""
    await database.unit(lambda tx: _release(tx, lease, {"due_at": due, "not_before": not_before}))


async def _release(tx: Tx, lease: Lease, values: Mapping[str, Any]) -> None:
    held = await tx.changed(
        update(work)
        .where(work.c.name == lease.name, work.c.token == lease.token)
        .values(token=None, expires_at=None, beat=work.c.beat + 1, **values)
    )
    if held != 1:
        raise StaleLease(lease.name)


async def paused(tx: Tx, names: Iterable[str]) -> set[str]:
    """Return those of the named pieces of work that are paused now."""
    now = await tx.now()
    rows = await tx.all(select(work.c.name).where(work.c.name.in_(list(names)), work.c.not_before > now))
    return {row.name for row in rows}


async def remember(database: Database, name: str, kind: str, data: dict[str, Any]) -> None:
    """Keep data with a piece of work (cursors), in place of what was there."""

    async def write(tx: Tx) -> None:
        await ensure(tx, {name: kind})
        await tx.run(update(work).where(work.c.name == name).values(data=data, beat=work.c.beat + 1))

    await database.unit(write)


async def note(database: Database, lease: Lease, data: dict[str, Any]) -> None:
    """Keep data with work that is held, and renew the lease. Raises `StaleLease`: then nothing is written."""

    async def write(tx: Tx) -> None:
        await fence(tx, lease)
        await tx.run(update(work).where(work.c.name == lease.name).values(data=data))

    await database.unit(write)


async def remembered(database: Database, name: str) -> dict[str, Any]:
    """Return the data kept with a piece of work."""
    found = await database.read(lambda tx: tx.scalar(select(work.c.data).where(work.c.name == name)))
    return dict(found or {})


async def drop_idle(database: Database, kinds: Iterable[str], before: datetime) -> int:
    """Delete idle lanes that have nothing to send; a guarded DELETE each. Returns how many."""
    wanted = list(kinds)

    async def names(tx: Tx) -> list[str]:
        rows = await tx.all(
            select(work.c.name)
            .where(work.c.kind.in_(wanted), work.c.due_at.is_(None), work.c.token.is_(None))
            .limit(500)
        )
        return [row.name for row in rows]

    dropped = 0
    for name in await database.read(names):

        async def drop(tx: Tx, name: str = name) -> int:
            # Lock the row first: an enqueuer that comes later makes it anew.
            held = await tx.changed(
                update(work)
                .where(
                    work.c.name == name,
                    work.c.due_at.is_(None),
                    work.c.token.is_(None),
                    or_(work.c.not_before.is_(None), work.c.not_before < before),
                )
                .values(beat=work.c.beat + 1)
            )
            if not held:
                return 0
            alive = await tx.scalar(
                select(deliveries.c.id)
                .where(
                    deliveries.c.lane == name,
                    or_(deliveries.c.state.in_(("queued", "sending")), deliveries.c.created_at > before),
                )
                .limit(1)
            )
            if alive is not None:
                return 0
            return await tx.changed(delete(work).where(work.c.name == name))

        dropped += await database.unit(drop)
    return dropped
