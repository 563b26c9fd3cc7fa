"""A client's key for a request: sent twice, it is one request, and both get the same answer. Another request under a
key that was used is refused, so that nobody takes the first one's answer for theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from core.failures import KeyUsed
from core.shapes import File, Priority
from core.status import Status, Ticket


def mark_of(*words: str, files: Sequence[File] = ()) -> str:
    """Return what tells a request from others: a digest in hex, of no use to who reads it. Pure."""
    digest = sha256()
    contents = [file.sha256 or sha256(file.content or b"").digest() for file in files]
    named = [word.encode("utf-8", "surrogatepass") for word in (*words, *(file.name for file in files))]
    for piece in (*named, *contents):
        digest.update(len(piece).to_bytes(8))
        digest.update(piece)
    return digest.hexdigest()


def check_same(kept: str | None, mark: str) -> None:
    """Raise `KeyUsed` where the key stands for another request. What an older version kept has no mark. Pure."""
    if kept and kept != mark:
        raise KeyUsed(
            "this was sent already, with other words; send it again if you mean both (a program: with a new "
            "Idempotency-Key)"
        )


def as_opened(ticket: Ticket, *, queue: str, title: str, description: str, priority: Priority) -> Ticket:
    """Return a ticket as it was when it was opened, whatever became of it. Pure."""
    return replace(
        ticket,
        queue=queue,
        title=title,
        description=description,
        priority=priority,
        status=Status.NEW,
        assignee_id=None,
        assignee=None,
        updated_at=ticket.created_at,
        public_updated_at=ticket.created_at,
        first_response_at=None,
        resolved_at=None,
        closed_at=None,
    )
