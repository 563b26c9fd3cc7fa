"""Which ticket a mail answers, from its head alone: asked before it is read, so that the reading child can be told
what the mail may quote. Pure, linear, raises for nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.shapes import Ref
from intake.email.addresses import Signer
from intake.email.arrival import HEADER_BYTES, scan_head, split_head
from intake.email.evidence import ref_of

_NEAREST: Final = 10  # references that are looked up
_ID = re.compile(r"<([^<>\s]{1,900})>")


@dataclass(frozen=True, slots=True)
class Answered:
    """Tickets of signed addresses it was sent to, and Message-IDs it answers, nearest first."""

    signed: tuple[int, ...] = ()
    references: tuple[Ref, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.signed or self.references)


def answered(head: bytes, envelope: Mapping[str, Any], signer: Signer) -> Answered:
    """Say what the mail answers. `head`: its first bytes; `envelope` as the inbox keeps it."""
    fields = scan_head(split_head(head)[0])
    replied = _ID.findall(fields.get(b"in-reply-to", b"")[:HEADER_BYTES].decode("utf-8", "replace"))
    earlier = _ID.findall(fields.get(b"references", b"")[-8_192:].decode("utf-8", "replace"))
    nearest = list(dict.fromkeys([*replied[:3], *reversed(earlier)]))[:_NEAREST]
    found = (signer.check(str(address)) for address in list(envelope.get("recipients") or ())[:20])
    return Answered(
        signed=tuple(address.id for address in found if address is not None and address.kind == "ticket"),
        references=tuple(ref_of(str(envelope.get("queue") or ""), name) for name in nearest),
    )


def head_of(path: str) -> bytes:
    """Return the first bytes of a mail that is a file. Raises `OSError`."""
    with Path(path).open("rb") as file:
        return file.read(HEADER_BYTES)
