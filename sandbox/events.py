"""Telling the app: envelopes, their delivery over a socket or by HTTP, and the repeating of what got no answer.

docs.slack.dev/apis/events-api: three seconds for an answer, then three more tries, at once, after one minute and
after five. What isn't taken by then is lost.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Protocol

from sandbox.chaos import CALM, Chaos, Fate
from sandbox.faults import Faults
from sandbox.health import Health, Quota
from sandbox.install import scopes_of_event
from sandbox.shapes import APP, BOT_USER, TEAM, Answer, Json

if TYPE_CHECKING:
    from sandbox.workspace import Workspace

NOBODY = Answer(acked=False, reason="connection_failed")
PATIENCE = 1.0
"""Real seconds after which an overtaken event comes although nothing overtook it."""
_FAREWELL = ("app_uninstalled", "tokens_revoked")


class Carrier(Protocol):
    """A way to the app: Socket Mode or HTTP."""

    by_http: bool

    async def send(
        self, kind: str, payload: Json, *, attempt: int, reason: str, timeout: float, envelope_id: str = ""
    ) -> Answer:
        """Deliver once, and wait for the answer."""

    @property
    def reachable(self) -> bool:
        """Whether anybody would take it now."""

    def cut(self, how: str) -> None:
        """Break one connection."""


class Delivery:
    """The way of events and interactions to the app."""

    def __init__(self, space: Workspace, faults: Faults) -> None:
        self.carrier: Carrier | None = None
        self.ack_timeout = 3.0
        self.retry_delays: tuple[float, ...] = (0.0, 60.0, 300.0)
        self.retry_factor = 1 / 60
        """Scales the delays: by default they are 0, 1 and 5 seconds of the workspace's clock."""
        self.redeliver_after_reconnect = False
        """Keep what nobody took until somebody takes it, instead of losing it."""
        self.emitted: list[Json] = []
        self.lost: list[Json] = []
        self.interactions: list[tuple[str, Json]] = []
        self.chaos: Chaos | None = None
        self.health, self.quota = Health(space.clock.now), Quota(space.clock.now)
        self._space, self._faults, self._pulse = space, faults, space.pulse
        self._held: list[Json] = []
        self._overtaken: list[tuple[int, Json, Fate]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.in_flight = 0
        faults.on_release = self._release

    # -- events ----------------------------------------------------------------------------------------------

    def emit(self, event: Json, subscription: str) -> None:
        """An event of the workspace: to the app if it's subscribed and has the scope."""
        if subscription not in self._space.subscriptions:
            return
        scopes = scopes_of_event(subscription)
        if scopes and not self._space.scopes.intersection(scopes):
            return
        if self._space.revoked and subscription not in _FAREWELL:
            return
        if not self.quota.take():
            self._over_quota()
            return
        self.send_out(self.envelope(event))

    def send_out(self, body: Json) -> None:
        """Any body, as an event."""
        self.emitted.append(body)
        if self._faults.held:
            self._held.append(body)
        else:
            self._start(body)

    def _over_quota(self) -> None:
        if (minute := self.quota.minute_to_tell()) is not None:
            self.send_out(self.rate_limited(minute))

    def rate_limited(self, minute: int) -> Json:
        """What the app is sent instead of events once there were too many."""
        return {
            "token": "sandbox-verification-token",
            "type": "app_rate_limited",
            "team_id": TEAM,
            "minute_rate_limited": minute,
            "api_app_id": APP,
        }

    def envelope(self, event: Json) -> Json:
        ts = str(event.get("event_ts") or self._space.ids.ts())
        grant = {
            "enterprise_id": None,
            "team_id": TEAM,
            "user_id": BOT_USER,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        channel = self._space.channels.get(str(event.get("channel", "")))
        return {
            "token": "sandbox-verification-token",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": self._space.ids.make("Ev"),
            "event_time": int(float(ts)),
            "authorizations": [grant],
            "is_ext_shared_channel": bool(channel and channel.is_ext_shared),
            "event_context": self._space.ids.make("4-"),
        }

    def _release(self) -> None:
        held, self._held = self._held, []
        for body in held:
            self._start(body)

    # -- the way of one event --------------------------------------------------------------------------------

    def _start(self, body: Json) -> None:
        fate = self.chaos.of_event() if self.chaos else CALM
        if fate.behind:
            self._overtaken.append((fate.behind, body, fate))
            asyncio.get_running_loop().call_later(PATIENCE, self.calm)
            return
        self._go(body, fate)
        waiting, self._overtaken = self._overtaken, []
        for left, late, its_fate in waiting:  # one more event went past these
            if left > 1:
                self._overtaken.append((left - 1, late, its_fate))
            else:
                self._go(late, its_fate)

    def calm(self) -> None:
        """Send what is held back for others to overtake it."""
        waiting, self._overtaken = self._overtaken, []
        for _, body, fate in waiting:
            self._go(body, fate)

    def _go(self, body: Json, fate: Fate) -> None:
        self._faults.met["duplicate"] += self._faults.duplicate_events
        for _ in range(1 + self._faults.duplicate_events):
            task = asyncio.get_running_loop().create_task(self._deliver(body, fate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, body: Json, fate: Fate) -> None:
        """All tries of one event."""
        if fate.late:
            await asyncio.sleep(fate.late)
        if self.health.disabled:
            self._lose(body)
            return
        envelope_id = str(uuid.uuid4())
        answer = await self._first(body, envelope_id, fate)
        for attempt, delay in enumerate(self.retry_delays, 1):
            if answer.acked or answer.reason == "no_retry":
                break
            await self._space.clock.sleep(delay * self.retry_factor)
            answer = await self._send("events_api", body, attempt, answer.reason)
        if not answer.acked and self.redeliver_after_reconnect:
            answer = await self._insist(body, answer)
        if not answer.acked:
            self._lose(body)
        if fate.again:
            await self._once_more(body, envelope_id, fate)

    async def _first(self, body: Json, envelope_id: str, fate: Fate) -> Answer:
        """The first try, which a breaking connection may spoil."""
        if not fate.cut or self.carrier is None:
            return await self._send("events_api", body, envelope_id=envelope_id)
        if fate.cut == "before" or self.carrier.by_http:
            self.carrier.cut(fate.how)
        sent = asyncio.ensure_future(self._send("events_api", body, envelope_id=envelope_id))
        if fate.cut == "after" and not self.carrier.by_http:
            await asyncio.sleep(0.002)
            self.carrier.cut(fate.how)
        return await sent

    async def _insist(self, body: Json, answer: Answer) -> Answer:
        """Until it's taken: what repeats is an attempt after the last one that Slack makes."""
        pause = 0.05
        while not answer.acked:
            if not self.reachable:
                await self._pulse.next(1)
                continue
            answer = await self._send("events_api", body, 3, answer.reason)
            if not answer.acked:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2)
        return answer

    async def _once_more(self, body: Json, envelope_id: str, fate: Fate) -> None:
        """A redelivery of what was taken: seen with the very same envelope (bolt-js issue 2487), and as a retry."""
        await asyncio.sleep(fate.again_late)
        same = fate.again == "same envelope"
        attempt, reason = (0, "") if same else (1, "timeout")
        await self._send("events_api", body, attempt, reason, envelope_id if same else "")

    def _lose(self, body: Json) -> None:
        self.lost.append(body)
        self._pulse.beat()

    async def _send(
        self, kind: str, body: Json, attempt: int = 0, reason: str = "", envelope_id: str = ""
    ) -> Answer:
        carrier = self.carrier
        if carrier is None or not self.reachable:
            return NOBODY
        self.in_flight += 1
        try:
            answer = await carrier.send(
                kind,
                body,
                attempt=attempt,
                reason=reason,
                timeout=self.ack_timeout,
                envelope_id=envelope_id,
            )
        finally:
            self.in_flight -= 1
            self._pulse.beat()
        if kind == "events_api" and carrier.by_http:
            self.health.note(answer.acked)
        return answer

    @property
    def reachable(self) -> bool:
        """Whether somebody would take an event now."""
        return self.carrier is not None and self.carrier.reachable and not self._faults.is_down

    @property
    def busy(self) -> bool:
        """Whether something is on its way: under chaos also what waits for its next try."""
        return bool(self.in_flight or self._overtaken or (self.chaos and self._tasks))

    # -- interactions ----------------------------------------------------------------------------------------

    async def interact(self, kind: str, payload: Json) -> Answer:
        """A click, a command, a submission: one try, whose failure the person sees at once."""
        self.interactions.append((kind, payload))
        return await self._send(kind, payload)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
