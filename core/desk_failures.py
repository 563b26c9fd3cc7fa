"""What didn't go out and what couldn't be read, as staff see it on a page, and what they do about it.

Nothing here parses what came in: of mail, a few lines of its head are read, whatever is wrong with the rest.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, func, select, update

from core import mailed_keys, units
from core.database import Tx
from core.desk_view import FAILED, Undelivered, undelivered
from core.failures import NotFound
from core.parts import Parts
from core.shapes import Actor
from core.tables import deliveries, inbox
from core.visibility import check_staff

PAGE: Final = 50
UNREAD: Final = ("unreadable", "held")
HEAD: Final = 8_192  # bytes of a mail that are looked at
_FIELD: Final = 500  # characters of a field that are read
_BREAK: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Something that came in and isn't read. `held`: it is taken for spam. `sender`, `subject`: as it says itself."""

    id: int
    channel: str
    held: bool
    received_at: datetime
    bytes: int
    reason: str
    ticket_id: int | None
    sender: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What came in, byte for byte: in a file, or at hand."""

    channel: str
    path: Path | None
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """A page of both, the newest first. `older_…`: where the next page begins, None on the last."""

    deliveries: tuple[Undelivered, ...]
    older_deliveries: int | None
    unread: tuple[Unread, ...]
    older_unread: int | None


async def troubles(
    parts: Parts, actor: Actor, *, deliveries_before: int | None = None, unread_before: int | None = None
) -> Troubles:
    """Return what didn't go out and what couldn't be read. Raises `NotAllowed` for who is no staff."""
    check_staff(actor, "see what failed")

    async def look(tx: Tx) -> tuple[list[Undelivered], Sequence[Row[Any]]]:
        return await undelivered(tx, before=deliveries_before, limit=PAGE + 1), await _unread(
            tx, unread_before
        )

    gone, rows = await parts.database.read(look)
    unread = [_shown(row, await _head(parts, row)) for row in rows[:PAGE]]
    return Troubles(
        deliveries=tuple(gone[:PAGE]),
        older_deliveries=gone[PAGE - 1].id if len(gone) > PAGE else None,
        unread=tuple(unread),
        older_unread=rows[PAGE - 1].id if len(rows) > PAGE else None,
    )


async def _unread(tx: Tx, before: int | None) -> Sequence[Row[Any]]:
    columns = [column for column in inbox.c if column.name != "raw"]
    older = [] if before is None else [inbox.c.id < before]
    return await tx.all(
        select(*columns, func.substr(inbox.c.raw, 1, HEAD).label("head"))
        .where(inbox.c.state.in_(UNREAD), *older)
        .order_by(inbox.c.id.desc())
        .limit(PAGE + 1)
    )


async def _head(parts: Parts, row: Row[Any]) -> bytes:
    if row.channel != "email":
        return b""
    if not row.blob:
        return bytes(row.head or b"")
    path = parts.blobs.path(row.blob)

    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(HEAD)

    try:
        return await asyncio.to_thread(read)
    except OSError:
        return b""


def _shown(row: Row[Any], head: bytes) -> Unread:
    fields = fields_of(head)
    return Unread(
        id=row.id,
        channel=row.channel,
        held=row.state == "held",
        received_at=row.received_at,
        bytes=row.bytes,
        reason=row.reason or "",
        ticket_id=row.ticket_id,
        sender=fields.get("from") or str(row.envelope.get("sender") or ""),
        subject=fields.get("subject", ""),
    )


def fields_of(head: bytes) -> dict[str, str]:
    """Return what a mail's first lines say of `from` and `subject`, as far as that can be read. Raises nothing."""
    found: dict[str, str] = {}
    name = ""
    for line in _BREAK.split(head, maxsplit=1)[0].splitlines():
        text = line.decode("utf-8", "replace")
        if text[:1] in (" ", "\t") and name:
            found[name] = f"{found[name]} {text.strip()}"[:_FIELD]
            continue
        word, colon, value = text.partition(":")
        name = word.strip().lower() if colon else ""
        if name not in ("from", "subject") or name in found:
            name = ""
            continue
        found[name] = value.strip()[:_FIELD]
    return {name: _decoded(value) for name, value in found.items()}


def _decoded(value: str) -> str:
    try:
        words = str(make_header(decode_header(value)))
    except (ValueError, LookupError, HeaderParseError):
        words = value
    return "".join(c if c.isprintable() else " " for c in words).strip()


# -- acts -----------------------------------------------------------------------------------------------------------


async def try_again(parts: Parts, actor: Actor, delivery_id: int) -> None:
    """Send a delivery that failed once more. Raises `Conflict`, `NotAllowed`, `NotFound`."""
    check_staff(actor, "try deliveries again")
    await parts.operations.retry_delivery(delivery_id, actor)


async def give_up(parts: Parts, actor: Actor, delivery_id: int) -> None:
    """Cancel a delivery that failed, or still waits. Raises `Conflict`, `NotAllowed`, `NotFound`."""
    check_staff(actor, "cancel deliveries")

    async def unit(tx: Tx) -> bool:
        row = await tx.first(select(deliveries).where(deliveries.c.id == delivery_id))
        if row is None:
            raise NotFound(f"there is no delivery {delivery_id}")
        reason = f"{row.last_error or row.state}; cancelled by {units.shown_name(actor)}"
        changed = await tx.changed(
            update(deliveries)
            .where(deliveries.c.id == delivery_id, deliveries.c.state.in_(FAILED))
            .values(state="cancelled", due_at=None, last_error=reason[:500])
        )
        await mailed_keys.forget(tx, row)
        return bool(changed)

    if not await parts.database.unit(unit):
        await parts.operations.cancel_delivery(delivery_id, actor)


async def read_again(parts: Parts, actor: Actor, item_id: int) -> None:
    """Read something again that couldn't be read; what is held as spam is none. Raises `Conflict`, `NotAllowed`,
    `NotFound`."""
    check_staff(actor, "have mail read again")
    await parts.operations.retry_inbox(item_id)


async def raw(parts: Parts, actor: Actor, item_id: int) -> Raw:
    """Return what came in and isn't read, as it came. Raises `NotAllowed`, `NotFound`."""
    check_staff(actor, "see what came in")
    row = await parts.database.read(
        lambda tx: tx.first(select(inbox).where(inbox.c.id == item_id, inbox.c.state.in_(UNREAD)))
    )
    if row is None:
        raise NotFound("there is nothing unread of that number")
    path = parts.blobs.path(row.blob) if row.blob else None
    return Raw(channel=row.channel, path=path, content=b"" if path else bytes(row.raw or b""))
