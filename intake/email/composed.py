"""A mail ready to go: what composing hands to the relay, and what is kept of it for every further try."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ComposedMail:
    """A mail with its envelope. `content` has CRLF line ends; the first of `rcpt_tos` is whom it is for, the others
    get copies. `utf8`: its header or envelope goes beyond ASCII, so it needs SMTPUTF8 (RFC 6531)."""

    content: bytes = field(repr=False)
    mail_from: str
    rcpt_tos: tuple[str, ...]
    utf8: bool = False

    def pack(self) -> bytes:
        """One line of JSON with the envelope, then the mail."""
        told = {"mail_from": self.mail_from, "rcpt_tos": self.rcpt_tos, "utf8": self.utf8}
        return json.dumps(told).encode() + b"\n" + self.content

    @classmethod
    def unpack(cls, packed: bytes) -> ComposedMail:
        """Read what `pack` made. Raises `ValueError`, `KeyError`."""
        head, _, content = packed.partition(b"\n")
        told = json.loads(head)
        return cls(content, told["mail_from"], tuple(told["rcpt_tos"]), bool(told["utf8"]))
