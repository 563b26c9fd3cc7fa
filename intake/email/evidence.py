"""What a mail says about the ticket it belongs to: signed addresses, references, the number in its subject. Pure.

None of it says *who* writes; `core.threads` decides by the order of its rules, `core.rights` who may join.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from core.shapes import Evidence, Ref
from intake.email.addresses import Signed, Signer
from intake.email.charsets import one_line
from intake.email.parse import ParsedMail

MOST_REFERENCES: Final = 100
_MOST_SIGNED: Final = 10
_DELIVERED: Final = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-forwarded-to",
    "to",
    "cc",
)
_ID = re.compile(r"<([^<>\s]{1,900})>")
# Message-IDs of ours: `ticket.{ticket}.{message}.{random}@domain`, `notice.{ticket}.{random}@domain`.
OUR_ID: Final = re.compile(r"(?:ticket|notice|digest)(?:\.[A-Za-z0-9_-]{1,64}){1,4}@")
_TAG = re.compile(r"\[#([1-9][0-9]{0,17})\]")


def read_evidence(
    mail: ParsedMail,
    recipients: Iterable[str],
    queue: str,
    signer: Signer,
    here: Callable[[str], bool] = lambda plain: True,
) -> Evidence:
    """Return what the mail says. `recipients`: the envelope's, which count before the fields. `here`: is this plain
    address the queue's? A mail to two queues answers a ticket in the one whose signed address it has."""
    found = signed_addresses(mail, recipients, signer)
    kinds = ("ticket", "note")
    tickets = tuple(signed.id for signed in found if signed.kind in kinds and here(signed.plain))
    tag = _TAG.search(mail.subject)
    return Evidence(
        signed=tuple(dict.fromkeys(tickets)),
        references=tuple(ref_of(queue, name) for name in referenced_ids(mail)),
        tagged=int(tag[1]) if tag else None,
    )


def ref_of(queue: str, message_id: str) -> Ref:
    """Return the name of a received mail, and the one it has if we sent it."""
    return Ref(f"mail:{queue}:{message_id}", f"mail:{message_id}")


def signed_addresses(mail: ParsedMail, recipients: Iterable[str], signer: Signer) -> tuple[Signed, ...]:
    """Return our signed addresses among the recipients, envelope first, each once."""
    found: dict[tuple[str, int], Signed] = {}
    for address in _addressed(mail, recipients):
        signed = signer.check(address)
        if signed is not None:
            found.setdefault((signed.kind, signed.id), signed)
        if len(found) == _MOST_SIGNED:
            break
    return tuple(found.values())


def _addressed(mail: ParsedMail, recipients: Iterable[str]) -> Iterator[str]:
    yield from recipients
    for name in _DELIVERED:
        yield from (box.address for box in mail.mailboxes(name))


def referenced_ids(mail: ParsedMail) -> tuple[str, ...]:
    """Return the Message-IDs that the mail answers, nearest first: In-Reply-To, then References from its end.

    Bounded: of more than 100, the far ones are left out.
    """
    nearest = [name for value in mail.headers.all("in-reply-to")[:5] for name in _ids(value)]
    earlier = [name for value in mail.headers.all("references")[:5] for name in _ids(value)]
    names = dict.fromkeys([*nearest, *reversed(earlier)])
    names.pop(mail.message_id, None)
    return tuple(names)[:MOST_REFERENCES]


def _ids(text: str) -> list[str]:
    found = [one_line(name) for name in _ID.findall(text)]
    if not found:  # some programs leave the brackets out
        found = [word.strip("<>,;") for word in text.split()[:200] if "@" in word and len(word) <= 900]
    return [name for name in found if name]
