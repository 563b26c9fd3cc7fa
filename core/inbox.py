"""The inbox: what came in, raw, before anybody has read it. Doors insert here and then say yes.

Only this insert is batched, across connections: what waits is committed as soon as the last commit has returned.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Row, and_, bindparam, or_, select, text, update

from core.blobs import INLINE_BYTES, Blobs
from core.clock import Clock
from core.database import Database, SQLAlchemyError, Tx
from core.failures import Unavailable
from core.shapes import InboxItem
from core.signals import Signal
from core.tables import inbox, links

log = structlog.get_logger(__name__)

SHARDS: Final = 16
BATCH_ROWS: Final = 100
BATCH_BYTES: Final = 4_000_000
TOMBSTONE: Final = "tombstone"  # the kind of a link under the key of a mail whose row was deleted
YOUNG: Final = timedelta(seconds=1)  # for so long an SMTP transaction goes first
SETTLE: Final = timedelta(
    milliseconds=300
)  # how long what comes from a source without order waits for its elders


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a door takes in. `shard_by` names what must stay in order, `source_order` sorts inside it ("" is the
    order of arrival; at most 32 ASCII characters). `settle`: how long it waits for what belongs before it."""

    key: bytes
    channel: str
    shard_by: str
    source_order: str = ""
    envelope: Mapping[str, Any]
    raw: bytes = field(repr=False)
    received_at: datetime | None = None
    blob: str | None = None  # set where the door has spooled the bytes already; then `raw` is empty and
    size: int | None = None  # so many bytes they are
    settle: timedelta = timedelta()


def shard_of(shard_by: str) -> int:
    """Return the shard (0 to 15) in which things named alike stay in order."""
    return sha256(shard_by.encode("utf-8", "surrogatepass")).digest()[0] % SHARDS


async def row_of(arrival: Arrival, blobs: Blobs, clock: Clock) -> dict[str, Any]:
    """Return the row to insert; large bytes go to a blob first. Raises `Unavailable`."""
    blob = arrival.blob
    if blob is None and len(arrival.raw) > INLINE_BYTES:
        try:
            blob = await blobs.put(arrival.raw)
        except OSError as exc:
            raise Unavailable(f"disk: {exc.strerror}") from exc
    return {
        "key": arrival.key,
        "channel": arrival.channel,
        "shard": shard_of(arrival.shard_by),
        "state": "new",
        "not_before": clock.now() + arrival.settle if arrival.settle else None,
        "received_at": arrival.received_at or clock.now(),
        "source_order": arrival.source_order[:32],
        "envelope": dict(arrival.envelope),
        "raw": None if blob else arrival.raw,
        "blob": blob,
        "bytes": len(arrival.raw) if arrival.size is None else arrival.size,
        "attempts": 0,
    }


async def _insert(database: Database, blobs: Blobs, rows: list[dict[str, Any]]) -> None:
    ordered = sorted(rows, key=lambda row: row["key"])  # in key order, so that batches never deadlock
    large = {row["blob"]: row["key"] for row in rows if row["blob"]}

    async def write(tx: Tx) -> set[str]:
        await tx.run(tx.insert_missing(inbox), ordered)
        if not large:
            return set()
        kept = await tx.all(select(inbox.c.blob).where(inbox.c.key.in_(list(large.values()))))
        return {row.blob for row in kept}

    kept = await database.unit(write, tries=4)
    for blob in large.keys() - kept:  # the mail was there already
        try:
            await blobs.remove(blob)
        except OSError as exc:  # the sweeper will
            log.info("blob_stays", error=exc.strerror)


async def store_once(database: Database, blobs: Blobs, arrivals: Sequence[Arrival]) -> int:
    """Store without batching, in one transaction; returns how many were taken. Raises `Unavailable`."""
    rows = [await row_of(arrival, blobs, database.clock) for arrival in arrivals]
    try:
        await _insert(database, blobs, rows)
    except SQLAlchemyError as exc:
        raise Unavailable(f"database: {type(exc).__name__}") from exc
    return len(rows)


@dataclass(eq=False)
class _Waiting:
    rows: list[dict[str, Any]]
    done: asyncio.Future[None]

    @property
    def size(self) -> int:
        return sum(len(row["raw"] or b"") + 500 for row in self.rows)


class Intake:
    """The doors' way in. One per process."""

    def __init__(self, database: Database, blobs: Blobs, signal: Signal) -> None:
        self._database = database
        self._blobs = blobs
        self._signal = signal
        self._waiting: list[_Waiting] = []
        self._flusher: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._turnstile = asyncio.Lock()
        # What the doors said no to since the start: ("put_off", of what there was too little) and ("refused", the
        # answer's code), from fixed sets.
        self.turned_away: Counter[tuple[str, str]] = Counter()

    async def store(self, arrivals: Sequence[Arrival]) -> int:
        """Store all of them in one transaction and return how many after a durable commit. Safe to repeat.

        Raises `Unavailable` on any trouble of ours.
        """
        rows = [await row_of(arrival, self._blobs, self._database.clock) for arrival in arrivals]
        waiting = _Waiting(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="inbox-flush")
        await asyncio.shield(waiting.done)
        if settle := max((arrival.settle for arrival in arrivals), default=None):
            asyncio.get_running_loop().call_later(settle.total_seconds(), self._signal.set)
        return len(rows)

    @property
    def blobs(self) -> Blobs:
        """Where a door spools what is too large to be kept in memory."""
        return self._blobs

    async def waiting(self, channel: str) -> timedelta | None:
        """See `oldest_waiting`. Raises `Unavailable`."""
        return await self._database.read(lambda tx: oldest_waiting(tx, channel))

    @property
    def in_flight(self) -> int:
        """SMTP transactions between MAIL and the answer to DATA."""
        return self._in_flight

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Wrap an SMTP transaction in flight, so that the worker lets it go first."""
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._in_flight -= 1
                if not self._in_flight:
                    self._quiet.set()

        self._in_flight += 1
        self._quiet.clear()
        # Who stalls isn't let go first any longer: else one idle client slows the whole desk.
        late = asyncio.get_running_loop().call_later(YOUNG.total_seconds(), end)
        try:
            yield
        finally:
            late.cancel()
            end()

    async def quiet(self, longest: timedelta = timedelta(milliseconds=100)) -> None:
        """Return when no SMTP transaction is in flight, after `longest` at the latest; one caller after the other, so
        that under a flood of mail all the work together gets one turn per `longest`."""
        if not self._in_flight:
            return
        async with self._turnstile:
            if self._in_flight:
                try:
                    async with asyncio.timeout(longest.total_seconds()):
                        await self._quiet.wait()
                except TimeoutError:
                    pass

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch = self._take()
                try:
                    await self._write(batch)
                finally:
                    # Whatever happened (a cancelled task too), nobody is left waiting.
                    for waiting in batch:
                        if not waiting.done.done():
                            waiting.done.set_exception(Unavailable("shutting down"))
                            waiting.done.exception()
                self._signal.set()
        finally:
            self._flusher = None

    def _take(self) -> list[_Waiting]:
        rows = size = 0
        count = 0
        for waiting in self._waiting:
            rows += len(waiting.rows)
            size += waiting.size
            if count and (rows > BATCH_ROWS or size > BATCH_BYTES):
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        try:
            await _insert(self._database, self._blobs, [row for waiting in batch for row in waiting.rows])
        except Unavailable as exc:
            _settle(batch, exc)
        except Exception as exc:
            log.warning("batch_failed", rows=len(batch), error=type(exc).__name__)
            for waiting in batch:  # one arrival's trouble is only its own
                try:
                    await _insert(self._database, self._blobs, waiting.rows)
                except Exception as one:
                    _settle([waiting], Unavailable(f"not stored: {type(one).__name__}"))
                else:
                    _settle([waiting], None)
        else:
            _settle(batch, None)


def _settle(batch: list[_Waiting], exc: Unavailable | None) -> None:
    for waiting in batch:
        if waiting.done.done():
            continue
        if exc is None:
            waiting.done.set_result(None)
        else:
            waiting.done.set_exception(exc)
            waiting.done.exception()  # the caller may be gone; then nobody asks for it


async def item_of(row: Row[Any], blobs: Blobs) -> InboxItem:
    """Return a row as a door's reader gets it. Raises `OSError` where its blob can't be opened."""
    path = blobs.path(row.blob) if row.blob else None
    if path is not None:
        await asyncio.to_thread(_open_once, path)
    return InboxItem(
        id=row.id,
        key=row.key,
        channel=row.channel,
        envelope=row.envelope,
        raw=b"" if row.blob else bytes(row.raw or b""),
        received_at=row.received_at,
        path=None if path is None else str(path),
    )


def _open_once(path: Path) -> None:
    with path.open("rb") as file:
        file.read(1)


async def raw_of(row: Row[Any], blobs: Blobs) -> bytes:
    """Return a row's bytes. Raises `OSError` where the blob is gone."""
    return await blobs.get(row.blob) if row.blob else bytes(row.raw or b"")


async def shards_with_work(tx: Tx, channels: Iterable[str]) -> list[int]:
    """Return the shards in which something of these channels can be read now. It asks for the head of each shard alone,
    so it costs the same whatever the backlog."""
    return [row.shard for row in await _heads(tx, channels)]


async def oldest_waiting(tx: Tx, channel: str) -> timedelta | None:
    """Return how long the oldest row that could be read now has waited, None where none waits."""
    rows = await _heads(tx, (channel,))
    now = await tx.now()
    # What is read again (by an operator, after a crash) waits since then.
    return max((now - (row.not_before or row.received_at) for row in rows), default=None)


async def _heads(tx: Tx, channels: Iterable[str]) -> Sequence[Row[Any]]:
    """Return the first row of each shard that could be read now: `shard`, `received_at`, `not_before`."""
    return (await tx.run(_HEADS, {"now": await tx.now(), "channels": list(channels)})).all()


def _head(shard: int) -> str:
    return (
        "SELECT * FROM (SELECT shard, received_at, not_before FROM inbox "  # noqa: S608 - a number of ours
        f"WHERE state = 'new' AND shard = {shard} AND channel IN :channels "
        "AND (not_before IS NULL OR not_before <= :now) "
        f"ORDER BY source_order, id LIMIT 1) AS shard_{shard}"
    )


# As text: to put it together from sixteen selects costs more than to run it.
_HEADS: Final = (
    text(" UNION ALL ".join(map(_head, range(SHARDS))))
    .bindparams(
        bindparam("channels", type_=inbox.c.channel.type, expanding=True),
        bindparam("now", type_=inbox.c.not_before.type),
    )
    .columns(inbox.c.shard, inbox.c.received_at, inbox.c.not_before)
)


async def window(tx: Tx, shard: int, limit: int, channels: Iterable[str]) -> Sequence[Row[Any]]:
    """Return the next rows of a shard, in order, without their bytes. Those of a channel that isn't mounted here
    wait without holding up the others. What settles waits no longer than what belongs after it."""
    now = await tx.now()
    settling = and_(inbox.c.not_before <= now + SETTLE, inbox.c.attempts == 0)
    rows = await tx.all(
        select(inbox.c.id, inbox.c.attempts, inbox.c.channel, inbox.c.not_before)
        .where(
            inbox.c.state == "new",
            inbox.c.shard == shard,
            inbox.c.channel.in_(list(channels)),
            or_(inbox.c.not_before.is_(None), inbox.c.not_before <= now, settling),
        )
        .order_by(inbox.c.source_order, inbox.c.id)
        .limit(limit)
    )
    due = [n for n, row in enumerate(rows, 1) if row.not_before is None or row.not_before <= now]
    return rows[: max(due, default=limit if len(rows) == limit else 0)]


async def count_attempt(tx: Tx, ids: Sequence[int], by: int = 1) -> None:
    """Note that these rows are about to be read (or, with -1, that they weren't after all)."""
    await tx.run(
        update(inbox)
        .where(inbox.c.id.in_(ids), inbox.c.state == "new")
        .values(attempts=inbox.c.attempts + by)
    )


async def take(tx: Tx, item_id: int) -> bool:
    """Claim a row for the unit that reads it: False where it is done already (a rerun, another holder)."""
    return (
        await tx.changed(
            update(inbox).where(inbox.c.id == item_id, inbox.c.state == "new").values(state="done")
        )
        == 1
    )


async def came_before(tx: Tx, item_id: int) -> bool:
    """Did the same come in before, and was its row deleted since (`core.retention`)?"""
    left = select(links.c.key).join(inbox, inbox.c.key == links.c.key)
    return await tx.scalar(left.where(inbox.c.id == item_id, links.c.kind == TOMBSTONE)) is not None


async def deleted_keys(tx: Tx, keys: Iterable[bytes]) -> set[bytes]:
    """Return which of these keys were those of rows that were deleted since."""
    rows = await tx.all(select(links.c.key).where(links.c.key.in_(list(keys)), links.c.kind == TOMBSTONE))
    return {bytes(row.key) for row in rows}


async def note(
    tx: Tx,
    item_id: int,
    *,
    state: str,
    reason: str | None = None,
    ticket_id: int | None = None,
    message_id: int | None = None,
) -> None:
    """Write what became of a row."""
    values: dict[str, Any] = {"state": state, "reason": (reason or "")[:500] or None}
    if ticket_id is not None:
        values["ticket_id"] = ticket_id
    if message_id is not None:
        values["message_id"] = message_id
    await tx.run(update(inbox).where(inbox.c.id == item_id).values(**values))
