"""The small values that all others are made of: who may see, who acts, how well known, what is called how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final


class Visibility(StrEnum):
    """Who may see a message: everybody who takes part, or staff only."""

    PUBLIC = "public"
    NOTE = "note"


class Role(StrEnum):
    """What a user may do. `SYSTEM` acts for nobody (timers, the terminal's operator)."""

    REQUESTER = "requester"
    AGENT = "agent"
    MANAGER = "manager"
    SYSTEM = "system"


class Priority(StrEnum):
    """How pressing a ticket is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Auth(StrEnum):
    """How well we know that the sender is who they say."""

    CLAIMED = "claimed"  # a From header, a form field
    LINKED = "linked"  # carries our signed address or a Message-ID that we sent
    VERIFIED = "verified"  # DMARC-like pass from a trusted hop, a Slack id, a token


def key_of(name: str) -> bytes:
    """Return the 32-byte key of a canonical name (`mail:support:<id>`, `slack:T1/C1/1.2`, `http:…`)."""
    return sha256(name.encode("utf-8", "surrogatepass")).digest()


def canonical_address(address: str) -> str:
    """Return the one form of a mail address that is compared: lower case, the domain as mail servers know it (its
    A-labels, RFC 5890), so that `ann@bücher.example` and `ann@xn--bcher-kva.example` are one mailbox."""
    address = address.strip().lower()
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}{at}{ascii_domain(domain)}"
    except UnicodeError:  # no domain that DNS knows
        return address


# IDNA 2003 made other letters of these (ß: ss), so that two domains with two owners would be one.
_DEVIATIONS: Final = frozenset("ßς\u200c\u200d")


def ascii_domain(domain: str) -> str:
    """Return a domain in A-labels, as DNS knows it: by IDNA 2008 (RFC 5891, UTS 46), and what that has no place for
    (emoji) by IDNA 2003. Raises `UnicodeError` for none."""
    if domain.isascii():
        return domain
    import idna  # its tables are large

    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        if _DEVIATIONS.intersection(domain.lower()):
            raise
        return domain.encode("idna").decode("ascii").lower()


@dataclass(frozen=True, slots=True)
class Ref:
    """An outside name of a message: `name` as a link is keyed, `ours` the name it has if *we* sent it.

    Mail: `Ref("mail:support:a@b", "mail:a@b")`. Slack: `Ref("slack:T1/C1/17.1", "slack:T1/C1/17.1")`.
    """

    name: str
    ours: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names to look up, in order."""
        return (self.name,) if self.ours in (None, self.name) else (self.name, str(self.ours))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody as a channel names them. `address`: a lower-case mail address as it was written, or `T1/U1`.

    `email`: a mail address that the channel vouches for (Slack: full members of our own team only).
    `place`: where an answer to them goes in the channel (a mail address, `T1/D1#17.1`).
    """

    kind: str
    address: str
    name: str = ""
    email: str | None = None
    team: str | None = None
    guest: bool = False
    place: str = ""

    @property
    def key(self) -> bytes:
        """The key of this identity: the same for every way to write it."""
        address = canonical_address(self.address) if self.kind == "email" else self.address
        return key_of(f"{self.kind}:{address}")
