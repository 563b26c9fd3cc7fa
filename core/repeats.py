"""Pictures that a ticket has already: a signature's logo comes with every mail, a quote brings its images again.

Only what a mail shows within its text is taken for a repeat, by its bytes. A file that somebody attached is a file,
however often it comes.

Staff's mails quote what only staff have seen, with the pictures in it: of theirs every picture counts as a repeat that
the ticket holds anywhere, so that an outsider's never goes out below an answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from core.database import Tx
from core.shapes import File, Visibility
from core.tables import attachments, messages


async def without_repeats(
    tx: Tx, ticket_id: int, files: Sequence[File], *, anywhere: bool = False
) -> list[File]:
    """Return the files without inline images that the ticket holds already: in public, or `anywhere`. The ticket's
    row is locked."""
    shown = {file.sha256 for file in files if _logo(file)}
    if not shown:
        return list(files)
    public = (
        ()
        if anywhere
        else (
            messages.c.deleted_at.is_(None),
            messages.c.outsider.is_(False),
            messages.c.visibility == Visibility.PUBLIC,
        )
    )
    rows = await tx.all(
        select(attachments.c.sha256)
        .join(messages, messages.c.id == attachments.c.message_id)
        .where(
            messages.c.ticket_id == ticket_id,
            *public,
            attachments.c.state == "stored",
            attachments.c.sha256.in_(sorted(shown)),
        )
    )
    held = {bytes(row.sha256) for row in rows}
    return [file for file in files if not (_logo(file) and file.sha256 in held)]


def _logo(file: File) -> bool:
    return bool(file.inline_cid and file.sha256 and file.content_type.startswith("image/"))
