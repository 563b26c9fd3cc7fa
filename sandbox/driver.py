"""The workspace as tests and the page have it in hand: its people, its channels, and waiting for what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sandbox import render
from sandbox.admin import Admin
from sandbox.events import Delivery
from sandbox.faults import Faults
from sandbox.interactions import Interactions
from sandbox.person import Person
from sandbox.shapes import TRIAGE, Call, Channel, Json, Message
from sandbox.views import Views
from sandbox.workspace import Workspace


class Driver(Admin):
    """`box.workspace`: the workspace as its people see it, and what tests want to know."""

    TRIAGE = TRIAGE

    def __init__(
        self,
        space: Workspace,
        delivery: Delivery,
        interactions: Interactions,
        views: Views,
        faults: Faults,
        busy: Callable[[], bool],
    ) -> None:
        super().__init__(space)
        self.delivery, self.interactions = delivery, interactions
        self.views, self.faults = views, faults
        self._busy = busy

    @property
    def calls(self) -> list[Call]:
        """Every Web API call so far, with its answer."""
        return self.state.calls

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.state.calls if call.method == method]

    @property
    def events(self) -> list[Json]:
        """The envelope of every event that was emitted."""
        return self.delivery.emitted

    def user(self, name: str) -> Person:
        """Somebody by name or id."""
        return Person(self, self.state.user(name))

    def channel(self, name: str) -> Room:
        return Room(self, self.state.channel(name))

    def dm_channel(self, name: str) -> Room:
        """The direct messages between the bot and that person."""
        return Room(self, self.state.dm(self.state.user(name)))

    def thread(self, root_ts: str) -> list[Message]:
        """The thread of a root, whichever channel it's in: the root first."""
        for channel in self.state.channels.values():
            if root_ts in channel.messages:
                return [channel.messages[root_ts], *channel.replies(root_ts)]
        return []

    def render(self, name: str = "triage") -> str:
        return self.channel(name).render()

    def too_many_events(self) -> None:
        """Tell the app that events of this minute were held back for good, as after 30,000 in an hour."""
        minute = self.state.now() // 60 * 60
        self.delivery.send_out(self.delivery.rate_limited(minute))

    async def settled(self, quiet: float = 0.25, timeout: float = 15.0) -> None:
        """Wait until nothing happens: no event waits for its ack, no call is made, for `quiet` seconds."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timeout
        while await self.state.pulse.next(quiet) or self._busy():
            if clock.time() > deadline:
                raise TimeoutError("the workspace didn't come to rest")

    async def wait_for(self, predicate: Callable[[], object], timeout: float = 5.0) -> None:
        """Wait until the predicate holds, looking again whenever something changes."""
        await self.state.pulse.wait_for(predicate, timeout, self._told)

    def _told(self) -> str:
        shown = "\n\n".join(
            f"#{c.name}\n{render.transcript(self.state, c)}" for c in self.state.channels.values()
        )
        return f"it didn't come true; the workspace:\n{shown}"


class Room:
    """A channel or direct messages, as tests look at it."""

    def __init__(self, driver: Driver, channel: Channel) -> None:
        self._driver, self.state = driver, channel

    @property
    def id(self) -> str:
        return self.state.id

    @property
    def messages(self) -> list[Message]:
        """All messages, replies too, the oldest first."""
        return list(self.state.messages.values())

    @property
    def top(self) -> list[Message]:
        return [message for message in self.messages if not message.is_reply]

    @property
    def ephemerals(self) -> list[Message]:
        return self.state.ephemerals

    def thread(self, root_ts: str) -> list[Message]:
        root = self.state.messages.get(root_ts)
        return ([root] if root else []) + self.state.replies(root_ts)

    def render(self) -> str:
        """The channel as text; see `render.py`."""
        return render.transcript(self._driver.state, self.state)
