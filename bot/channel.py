"""Slack as a channel of the desk: what came in is read (`bot.reader`), what must go out is shown and sent
(`bot.sender`)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from bot.api import Api
from bot.probe import findings
from bot.reader import Hears, IsStaff, Linked, Reader
from bot.sender import Sender, WhyClosed
from bot.sift import sift
from bot.spec import SPEC
from bot.uploads import Taken
from core.blobs import Blobs
from core.channel import ChannelSpec
from core.clock import Clock
from core.shapes import Finding, Ignored, Inbound, InboxItem, Outgoing, Person, Seen, Sent, StaffCommand

log = structlog.get_logger(__name__)

NAMING: Final = ("assign", "cc", "admit")  # commands that name somebody


class SlackChannel:
    """`core.channel.Channel` for Slack.

    `linked`: what is known of an outside name, `is_staff`: whether somebody is staff, `hears`: who wants to know of
    news (all `bot.reader`). `why_closed`: says why a triage channel must be shown nothing now. `taken`: which files
    other deliveries brought (`bot.uploads`). `met`: who wants to know whom staff name (`core.people`).
    """

    spec: ChannelSpec = SPEC

    def __init__(
        self,
        api: Api,
        blobs: Blobs,
        clock: Clock | None = None,
        *,
        linked: Linked | None = None,
        is_staff: IsStaff | None = None,
        hears: Hears | None = None,
        why_closed: WhyClosed | None = None,
        taken: Taken | None = None,
        met: Callable[[Person], Awaitable[None]] | None = None,
    ) -> None:
        self.api, self.directory = api, api.directory
        self.reader = Reader(api, blobs, clock, linked=linked, is_staff=is_staff, hears=hears)
        self.sender = Sender(api, blobs, why_closed, taken)
        self._met = met

    # -- in ------------------------------------------------------------------------------------------------------

    async def read(self, item: InboxItem) -> Inbound:
        """Read one row of the inbox (`bot.reader`). Raises `Unavailable`."""
        inbound = await self.reader.read(item)
        if isinstance(inbound, StaffCommand) and inbound.verb in NAMING and self._met is not None:
            for person in await self._named(inbound, item):
                await self._met(person)
        return inbound

    async def _named(self, command: StaffCommand, item: InboxItem) -> list[Person]:
        """Whom a command names by a mention or a choice, as far as Slack says who they are."""
        found = sift(json.loads(item.content()), await self.api.home())
        if isinstance(found, Ignored):
            return []
        people = (await self.directory.people(found.users - {found.user})).values()
        words = set(command.words)
        return [p for p in people if p.name and {p.email, p.address.rpartition("/")[2]} & words]

    # -- out -----------------------------------------------------------------------------------------------------

    async def render(self, outgoing: Outgoing) -> bytes | None:
        """Nothing is kept: the present state is shown at each try."""
        return None

    async def send(self, outgoing: Outgoing, rendered: bytes | None = None) -> Sent:
        """Deliver. Raises a `Failure`."""
        sent = await self.sender.send(outgoing)
        log.info("send", delivery=outgoing.delivery_id, kind=outgoing.kind, remote=sent.remote_id)
        if sent.warning:
            log.warning("send_warned", delivery=outgoing.delivery_id, warning=sent.warning)
        return sent

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        """Look once for a delivery whose answer was lost (`bot.sender`). Raises a `Failure`."""
        seen, sent = await self.sender.look_up(outgoing)
        log.info("look_up", delivery=outgoing.delivery_id, seen=seen)
        return seen, sent

    async def probe(self) -> Sequence[Finding]:
        """Check token, scopes and channels (`bot.probe`)."""
        return await findings(self.api)
