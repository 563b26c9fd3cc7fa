"""What nobody could read is shown to staff all the same: a bare ticket with the original attached.

Nothing here parses anything: whatever broke the reader can't break this.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from core import inbox, units
from core.audience import Happened
from core.blobs import Blobs
from core.database import Database, Tx
from core.desk_texts import said
from core.failures import Unavailable
from core.people import ensure
from core.shapes import Auth, File, Person, Priority, Visibility
from core.units import Desk, Words

_NOBODY = Person(kind="unknown", address="unreadable", name="Unknown sender", place="")


async def bare_ticket(
    desk: Desk,
    database: Database,
    blobs: Blobs,
    row: Row[Any],
    reason: str,
    fence: Callable[[Tx], Awaitable[None]],
) -> int | None:
    """Set a row aside as `unreadable` and open a ticket that holds its bytes. Returns the ticket's id.

    A row that has one already (it was retried and failed again) keeps it. Raises `Unavailable`, `StaleLease`.
    """
    blob: str | None
    try:
        blob = await (blobs.twin(row.blob) if row.blob else blobs.put(bytes(row.raw or b"")))
        size, digest = await _sum_of(blobs.path(blob))
    except FileNotFoundError:
        blob, size, digest = None, 0, sha256().digest()
    except OSError as exc:
        raise Unavailable(f"disk: {exc.strerror}") from exc
    name = "original.eml" if row.channel == "email" else "original.json"
    kind = "message/rfc822" if row.channel == "email" else "application/json"
    file = File(
        name=name,
        content_type=kind,
        size=size,
        blob=blob,
        sha256=digest,
        unavailable=None if blob else "its bytes are gone from the data folder",
    )

    async def unit(tx: Tx) -> int | None:
        if not await inbox.take(tx, row.id):
            return None
        ticket_id, message_id = row.ticket_id, row.message_id
        if ticket_id is None:
            ticket_id, message_id = await _open(tx, desk, row, reason, file)
        await inbox.note(
            tx, row.id, state="unreadable", reason=reason, ticket_id=ticket_id, message_id=message_id
        )
        await fence(tx)
        return int(ticket_id)

    return await database.unit(unit)


async def _sum_of(path: Path) -> tuple[int, bytes]:
    """Size and SHA-256 of a file, which is never whole in memory."""

    def read() -> tuple[int, bytes]:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size, file_digest(file, "sha256").digest()

    return await asyncio.to_thread(read)


async def _open(tx: Tx, desk: Desk, row: Row[Any], reason: str, file: File) -> tuple[int, int]:
    nobody = await ensure(tx, _NOBODY)
    queue = desk.queue_or_first(str(row.envelope.get("queue", "")))
    text = said(desk.config, "unreadable", channel=row.channel, reason=reason, id=row.id)
    ticket = await units.open_ticket(
        tx,
        queue=queue.name,
        title=said(desk.config, "unreadable_title", id=row.id),
        description=text,
        priority=Priority.NORMAL,
        channel=row.channel,
        requester=nobody,
        address="",
    )
    words = Words(
        author=nobody,
        address="",
        staff=False,
        visibility=Visibility.NOTE,
        channel=row.channel,
        source_time=row.received_at,
        text=text,
        auth=Auth.CLAIMED,
        files=[file],
    )
    message_id = await units.add_message(tx, desk, ticket, 1, words)
    await units.add_event(tx, ticket, "opened", None, public=False, data={"unreadable": row.id})
    scene = await units.scene(tx, desk, ticket, None, automatic=True, long=True)
    await units.note(tx, desk, Happened.OPENED, scene, message_id)
    return ticket.id, message_id
