"""Reading a mail that is a file, so that neither it nor its attachments pass through the service's memory.

The child reads the file, leaves the attachments as parts in the folder of blobs, and names them; the service makes
them blobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.blobs import INLINE_BYTES, Blobs, loose_part
from core.shapes import File, Inbound, NewMessage

if TYPE_CHECKING:
    from intake.email.read import ReadContext

_WORTH_A_PART: Final = INLINE_BYTES


def read_large(
    raw: bytes, envelope: Mapping[str, Any], context: ReadContext, received_at: datetime | None, folder: str
) -> Inbound:
    """As `read_mail`, for the child; files of some size come as the names of parts in `folder`. Raises `OSError`."""
    from intake.email.read import read_mail

    inbound = read_mail(raw, envelope, context, received_at)
    del raw
    if not isinstance(inbound, NewMessage):
        return inbound
    return replace(inbound, files=tuple(_left(file, Path(folder)) for file in inbound.files))


def _left(file: File, folder: Path) -> File:
    if file.content is None or len(file.content) <= _WORTH_A_PART:
        return file
    return replace(file, content=None, blob=loose_part(folder, file.content))


async def with_files_taken_over(inbound: Inbound, blobs: Blobs) -> Inbound:
    """Make blobs of the parts that the child left. Raises `OSError`."""
    if not isinstance(inbound, NewMessage):
        return inbound
    files = [
        replace(file, blob=await blobs.adopt(file.blob)) if file.blob is not None else file
        for file in inbound.files
    ]
    return replace(inbound, files=tuple(files))
