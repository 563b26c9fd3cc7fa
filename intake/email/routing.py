"""Which queue a recipient belongs to. Pure; both the doors and the pipe ask here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from core.config import Config
from intake.email.addresses import domain_of, plain_of, without_detail


class Routes:
    """The recipients that are ours: queues' addresses, their signed forms, and postmaster.

    `plain`: takes our tag off an address (`Signer.plain_of`). Routing needs no key: a signature says which ticket,
    not whether the mail is ours.
    """

    def __init__(self, config: Config, plain: Callable[[str], str] = plain_of) -> None:
        self._plain = plain
        self._queues = {address.lower(): q.name for q in config.queue for address in q.addresses}
        self._first = config.queue[0].name
        self._domains = {domain_of(address) for address in self._queues}

    def queue_of(self, address: str) -> str | None:
        """Return the name of the queue that takes mail for `address`, or None where it isn't ours.

        A signed address counts as its plain one whether the signature is right or not, and so does any other
        `local+detail@domain` (RFC 5233): a signature that a client mangled must not bounce an answer.
        postmaster is the first queue's, with a domain of ours or with none (RFC 5321 4.5.1).
        """
        plain = self._plain(address)
        found = self._queues.get(plain)
        if found is not None:
            return found
        local, _, domain = plain.rpartition("@") if "@" in plain else (plain, "", "")
        local = local.strip('"')
        if local == "postmaster" and (not domain or domain in self._domains):
            return self._first
        return self._queues.get(without_detail(plain))

    def sort(self, recipients: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the queues with their recipients, in order; recipients that aren't ours are left out."""
        sorted_: dict[str, list[str]] = {}
        for address in recipients:
            queue = self.queue_of(address)
            if queue is not None:
                sorted_.setdefault(queue, []).append(address)
        return {queue: tuple(addresses) for queue, addresses in sorted_.items()}
