"""What reading a mail depends on besides the mail. Light: who only starts a reading process needs no reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from intake.email.addresses import domain_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContext:
    """What reading depends on besides the mail.

    `keys`: signing keys, the first signs. `queues`: name to addresses, lower case. `authserv_ids`: whose
    Authentication-Results are believed. `domains`: further domains of ours. `spam_fields`: fields in which a
    filter before us says "yes".
    """

    keys: tuple[str, ...] = field(repr=False)
    queues: Mapping[str, tuple[str, ...]]
    authserv_ids: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    delimiter: str = "+"
    spam_fields: tuple[str, ...] = ("x-spam-flag",)
    spam_level: int = 5

    @property
    def ours(self) -> frozenset[str]:
        """All plain addresses of queues, lower case."""
        return frozenset(address.lower() for addresses in self.queues.values() for address in addresses)

    @property
    def our_domains(self) -> frozenset[str]:
        """The domains that our Message-IDs may have."""
        return frozenset(domain_of(address) for address in self.ours) | {d.lower() for d in self.domains}
