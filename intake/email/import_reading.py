"""An archive's mails to `Inbound`s, several in one call of a child process. Pure, never raises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.shapes import Evidence, Inbound, NewMessage
from intake.email.evidence import ref_of
from intake.email.headers import read_head
from intake.email.mailboxes import read_mailboxes
from intake.email.read import ReadContext, queue_of, read_mail

_DELIVERED = ("x-original-to", "delivered-to", "envelope-to", "to", "cc", "bcc", "from", "sender")
_LONGEST = 65_536  # characters of address fields that are looked at


@dataclass(frozen=True, slots=True)
class ReadArchived:
    """A mail that was read. `queue`: the likeliest one. `sure`: an address of ours in it says so."""

    inbound: Inbound
    queue: str
    sure: bool


def read_archived(mails: Sequence[bytes], queue: str | None, context: ReadContext) -> list[ReadArchived]:
    """Read mails as if they came in now. `queue`: where they belong; None where each has to say.

    No time of arrival is given, so that what is made of a mail is the same whenever it is read.
    """
    return [_read(raw, queue, context) for raw in mails]


def _read(raw: bytes, given: str | None, context: ReadContext) -> ReadArchived:
    found = given or next(_queues(raw, context), None)
    queue = found or next(iter(context.queues), "")
    # An archive is vouched for: a filter's verdict in it counts.
    envelope = {"queue": queue, "recipients": (), "trusted": True}
    return ReadArchived(read_mail(raw, envelope, context), queue, found is not None)


def _queues(raw: bytes, context: ReadContext) -> Iterator[str]:
    """The queues whose addresses it names: as recipients, else (mails of ours) as its sender."""
    headers, _ = read_head(raw)
    for name in _DELIVERED:
        for value in headers.all(name)[:20]:
            for box in read_mailboxes(value[:_LONGEST]):
                if (queue := queue_of(box.address, context)) is not None:
                    yield queue


def named_in(new: NewMessage, queue: str) -> NewMessage:
    """Return the message under the names that it and those it answers have in another queue."""
    evidence: Evidence = replace(
        new.evidence,
        references=tuple(ref_of(queue, _id(ref.name)) for ref in new.evidence.references),
    )
    return replace(new, queue=queue, ref=ref_of(queue, _id(new.ref.name)), evidence=evidence)


def _id(name: str) -> str:
    """The Message-ID in `mail:<queue>:<id>`; a queue's name has no colon."""
    return name.split(":", 2)[2]
