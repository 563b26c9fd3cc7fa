"""Mail addresses: reading lists of them, our signed ones, and showing them in logs.

`local+t{ticket}-{signature}@domain` is where an answer to a ticket goes, `local+n…` where staff's note goes;
`local+b{delivery}-{signature}@domain` is the envelope sender of one delivery (VERP). The signature says that *we* named
the number, never who writes.
Everything here is pure and linear in the length of what it reads.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["ticket", "delivery", "note"]

# 64 octets (RFC 5321 4.5.3.1.1) less "+t", ten digits, "-" and the signature.
LONGEST_LOCAL_PART: Final = 35
SIGNATURE_BYTES: Final = 10  # 80 bits, 16 characters of base32
_LETTER: Final[dict[str, Kind]] = {"t": "ticket", "b": "delivery", "n": "note"}
_TAG = re.compile(r"([tbn])([1-9][0-9]{0,18})-([a-z2-7]{16})")


@dataclass(frozen=True, slots=True)
class Signed:
    """An address of ours whose signature is right. `plain` is the queue's address without the tag."""

    kind: Kind
    id: int
    plain: str


@dataclass(frozen=True, slots=True)
class _Tagged:
    letter: str
    number: int
    signature: str
    plain: str


class Signer:
    """Makes and checks signed addresses; the first of `keys` signs, all of them verify.

    Raises `ValueError` without a key, or where the delimiter is no single character of an address.
    """

    def __init__(self, keys: Sequence[str], delimiter: str = "+") -> None:
        if not any(keys):
            raise ValueError("a signing key is needed")
        if len(delimiter) != 1 or delimiter not in "+-=_~.":
            raise ValueError(f"'{delimiter}' can't part an address; use '+' or '-'")
        self._delimiter = delimiter
        self._keys = {
            letter: tuple(_derive(key, kind) for key in keys if key) for letter, kind in _LETTER.items()
        }

    def reply_address(self, queue_address: str, ticket_id: int) -> str:
        """Return where answers to the ticket go. Raises `ValueError` for a local part over 35 octets."""
        return self._sign("t", queue_address, ticket_id)

    def note_address(self, queue_address: str, ticket_id: int) -> str:
        """Return where staff's notes on the ticket go. Raises `ValueError` for a local part over 35 octets."""
        return self._sign("n", queue_address, ticket_id)

    def bounce_address(self, queue_address: str, delivery_id: int) -> str:
        """Return the envelope sender of the delivery. Raises `ValueError` for a local part over 35 octets."""
        return self._sign("b", queue_address, delivery_id)

    def check(self, address: str) -> Signed | None:
        """Return what the address names, or None where it isn't signed by us (it counts as the plain one)."""
        tagged = _tagged(address, self._delimiter)
        if tagged is None:
            return None
        given = tagged.signature.encode("ascii")
        right = False
        for key in self._keys[tagged.letter]:  # no early end: how long it takes tells nothing
            right |= hmac.compare_digest(given, _signature(key, tagged.letter, tagged.number))
        return Signed(_LETTER[tagged.letter], tagged.number, tagged.plain) if right else None

    def plain_of(self, address: str) -> str:
        """Return the lower-case address without our tag, whether its signature is right or not."""
        return plain_of(address, self._delimiter)

    def _sign(self, letter: str, address: str, number: int) -> str:
        local, at, domain = address.rpartition("@")
        if not at or not local or not domain:
            raise ValueError(f"'{address}' is no mail address")
        if len(local.encode()) > LONGEST_LOCAL_PART:
            raise ValueError(f"the part of '{address}' before the @ is over {LONGEST_LOCAL_PART} octets long")
        if number < 1:
            raise ValueError(f"{number} is no number to sign")
        signature = _signature(self._keys[letter][0], letter, number).decode("ascii")
        return f"{local}{self._delimiter}{letter}{number}-{signature}@{domain}"


def plain_of(address: str, delimiter: str = "+") -> str:
    """Return the lower-case address without our tag, whether its signature is right or not."""
    tagged = _tagged(address, delimiter)
    return tagged.plain if tagged else address.strip().strip("<>").lower()


def without_detail(plain: str) -> str:
    """Return a plain address without any other `local+detail` (RFC 5233): where such mail goes, too."""
    local, at, domain = plain.rpartition("@")
    bare = local.strip('"').partition("+")[0]
    return f"{bare}{at}{domain}"


def _derive(secret: str, purpose: str) -> bytes:
    """One key for each purpose, so that a signature for one is worth nothing for another."""
    return hmac.digest(secret.encode(), f"relaydesk mail address: {purpose}".encode(), hashlib.sha256)


def _signature(key: bytes, letter: str, number: int) -> bytes:
    digest = hmac.digest(key, f"{letter}{number}".encode(), hashlib.sha256)
    return b32encode(digest[:SIGNATURE_BYTES]).lower()


def _tagged(address: str, delimiter: str) -> _Tagged | None:
    """Part `local+t12-signature@domain`; only ASCII counts (a Kelvin sign lowers to k)."""
    if len(address) > 320 or not address.isascii():
        return None
    local, at, domain = address.strip().strip("<>").lower().rpartition("@")
    plain, found, tag = local.strip('"').rpartition(delimiter)
    if delimiter == "-":  # the tag holds one of its own
        plain, found, tag = _split_at_dashes(local.strip('"'))
    match = _TAG.fullmatch(tag)
    if not at or not found or not plain or match is None:
        return None
    return _Tagged(match[1], int(match[2]), match[3], f"{plain}@{domain}")


def _split_at_dashes(local: str) -> tuple[str, str, str]:
    parts = local.rsplit("-", 2)
    return (parts[0], "-", f"{parts[1]}-{parts[2]}") if len(parts) == 3 else ("", "", "")


def domain_of(address: str) -> str:
    """Return the lower-case domain, or ''."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def redact(address: str) -> str:
    """Return the address as a log may show it: a signed one is a key to its ticket, so its signature goes."""
    local, at, domain = address.rpartition("@")
    if not at:
        return address[:64]
    start = re.sub(r"(?i)([+=_~.-][tbn]\d{1,19})-[a-z2-7]{16}$", r"\1-…", local.strip('"'))
    return f"{start[:64]}@{domain[:255]}"
