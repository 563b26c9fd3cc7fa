"""Takes away what lies in the folder of blobs and belongs to nobody: blobs that no row names, parts that nobody writes.

A blob is on the disk before a row names it, so one whose row never came (the commit failed, the process died) stays.
A turn looks at one of the 256 folders, in chunks; which one is next is remembered in the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Final

import structlog
from sqlalchemy import Column, select, union_all

from core import outbox, work
from core.blobs import Blobs
from core.database import Database, Tx
from core.tables import attachments, deliveries, inbox, messages

log = structlog.get_logger(__name__)

# A unit names its blobs within seconds; so long also covers a disk whose clock isn't ours, and an operator who looks.
UNNAMED: Final = timedelta(hours=24)
FOLDERS: Final = 256
FOLDERS_A_SLOT: Final = 16  # so each folder is looked at every 16 hours
CHUNK: Final = 200  # keys asked for together
_NAMES: Final[tuple[Column[str], ...]] = (
    inbox.c.blob,
    attachments.c.blob,
    messages.c.html_blob,
    deliveries.c.rendered,
)
_PLACE: Final = "sweep:blobs"


async def sweep_folder(database: Database, blobs: Blobs) -> bool:
    """Look at the next folder. Returns whether this hour's share has more. Raises `Unavailable`, `OSError`.

    While outgoing is on hold no blob is removed: the database may be an old backup, soon to be replaced by one that
    names more.
    """
    number = int((await work.remembered(database, _PLACE)).get("next", 0)) % FOLDERS
    await work.remember(database, _PLACE, "cursor", {"next": (number + 1) % FOLDERS})
    if number % FOLDERS_A_SLOT == 0 and (parts := await blobs.in_thread(blobs.sweep_parts)):
        log.info("parts_swept", files=parts)
    if await database.read(outbox.on_hold):
        return False
    folder, removed = f"{number:02x}", 0
    old = await blobs.in_thread(partial(blobs.older_than, UNNAMED, folder))
    while keys := await blobs.in_thread(partial(_some, old)):
        named = await database.read(partial(_named, keys=keys))
        unnamed = [key for key in keys if key not in named]
        removed += await blobs.in_thread(partial(blobs.remove_old, unnamed, UNNAMED))
    if removed:
        log.warning("blobs_swept", folder=folder, blobs=removed)
    return (number + 1) % FOLDERS_A_SLOT != 0


def _some(keys: Iterator[str]) -> list[str]:
    return list(islice(keys, CHUNK))


async def _named(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Those that a row names. One statement, so that a key that goes from one row to another is seen in either."""
    asked = [select(column.label("key")).where(column.in_(keys)) for column in _NAMES]
    return {row.key for row in await tx.all(union_all(*asked))}
