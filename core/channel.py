"""What a channel is: a thin adapter that reads its wire into `Inbound`s and renders `Outgoing`s into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.shapes import Finding, Inbound, InboxItem, Outgoing, Seen, Sent, key_of


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """What the desk must know of a channel without loading it.

    `lane_per_ticket`: what is worked off in order is a ticket's traffic with one place (mail), not all of the
    place's (a Slack channel). `carries_files`: files travel with their message. `edits`: it can change what it
    posted.
    """

    name: str
    lane_per_ticket: bool
    carries_files: bool
    edits: bool

    def lane(self, place: str, ticket_id: int | None) -> str:
        """Return the lane's name: at most 120 ASCII characters, no address in it.

        A place is `[team/]conversation[#thread]`; neither the team nor the thread parts lanes.
        """
        conversation = key_of(place.partition("#")[0].rpartition("/")[2]).hex()[:40]
        suffix = f":{ticket_id or 0}" if self.lane_per_ticket else ""
        return f"{self.name}:{conversation}{suffix}"


class Channel(Protocol):
    """One way in and out. Adding one is a new folder and a line in `app.py`."""

    spec: ChannelSpec

    async def read(self, item: InboxItem) -> Inbound:
        """Turn what the wire brought into one `Inbound`.

        Raises `Unavailable` where the network is in the way (the row waits); anything else counts as a crash
        of the reader (three tries, then `unreadable`).
        """

    async def render(self, outgoing: Outgoing) -> bytes | None:
        """Return the bytes to keep and repeat on every try, or None where the channel renders while sending."""

    async def send(self, outgoing: Outgoing, rendered: bytes | None) -> Sent:
        """Deliver. Raises `TemporaryFailure`, `PermanentFailure`, `UnknownOutcome`; all else is our bug."""

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        """After an unknown outcome: was it delivered?"""

    async def probe(self) -> Sequence[Finding]:
        """Check what the channel depends on, for `relaydesk check`."""
