"""Telling the app: envelopes, their delivery over a socket or by HTTP, and the repeating of what got no answer.

docs.slack.dev/apis/events-api: three seconds for an answer, then three more tries, at once, after one minute and
after five. What isn't taken by then is lost.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from sandbox.faults import Faults
from sandbox.pulse import Pulse
from sandbox.shapes import APP, BOT_USER, TEAM, Answer, Ids, Json

NOBODY = Answer(acked=False, reason="connection_failed")


class Carrier(Protocol):
    """A way to the app: Socket Mode or HTTP."""

    async def send(self, kind: str, payload: Json, *, attempt: int, reason: str, timeout: float) -> Answer:
        """Deliver once, and wait for the answer."""

    @property
    def reachable(self) -> bool:
        """Whether anybody would take it now."""


class Delivery:
    """The way of events and interactions to the app."""

    def __init__(self, ids: Ids, faults: Faults, pulse: Pulse, subscriptions: set[str]) -> None:
        self.carrier: Carrier | None = None
        self.ack_timeout = 3.0
        self.retry_delays: tuple[float, ...] = (0.0, 60.0, 300.0)
        self.retry_factor = 1 / 60
        """Scales the delays: by default they are 0, 1 and 5 seconds."""
        self.redeliver_after_reconnect = False
        """Keep what nobody took until somebody connects, instead of losing it."""
        self.emitted: list[Json] = []
        self.lost: list[Json] = []
        self.interactions: list[tuple[str, Json]] = []
        self._ids, self._faults, self._pulse, self._subscriptions = ids, faults, pulse, subscriptions
        self._held: list[Json] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.in_flight = 0
        faults.on_release = self._release

    # -- events ----------------------------------------------------------------------------------------------

    def emit(self, event: Json, subscription: str) -> None:
        """An event of the workspace: to the app if it's subscribed."""
        if subscription not in self._subscriptions:
            return
        body = self.envelope(event)
        self.emitted.append(body)
        if self._faults.held:
            self._held.append(body)
        else:
            self._start(body)

    def envelope(self, event: Json) -> Json:
        ts = str(event.get("event_ts") or self._ids.ts())
        grant = {
            "enterprise_id": None,
            "team_id": TEAM,
            "user_id": BOT_USER,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": "sandbox-verification-token",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": self._ids.make("Ev"),
            "event_time": int(float(ts)),
            "authorizations": [grant],
            "is_ext_shared_channel": False,
            "event_context": self._ids.make("4-"),
        }

    def _release(self) -> None:
        held, self._held = self._held, []
        for body in held:
            self._start(body)

    def _start(self, body: Json) -> None:
        for _ in range(1 + self._faults.duplicate_events):
            task = asyncio.get_running_loop().create_task(self._deliver(body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, body: Json) -> None:
        """All tries of one event."""
        answer = NOBODY
        for attempt in range(len(self.retry_delays) + 1):
            if attempt:
                await asyncio.sleep(self.retry_delays[attempt - 1] * self.retry_factor)
            answer = await self._send("events_api", body, attempt, answer.reason)
            if answer.acked or answer.reason == "no_retry":
                break
        while self.redeliver_after_reconnect and not answer.acked:
            await self._pulse.next(60)
            if self.reachable:
                answer = await self._send("events_api", body, 3, answer.reason)
        if not answer.acked:
            self.lost.append(body)
            self._pulse.beat()

    async def _send(self, kind: str, body: Json, attempt: int = 0, reason: str = "") -> Answer:
        if self.carrier is None or not self.reachable:
            return NOBODY
        self.in_flight += 1
        try:
            return await self.carrier.send(
                kind, body, attempt=attempt, reason=reason, timeout=self.ack_timeout
            )
        finally:
            self.in_flight -= 1
            self._pulse.beat()

    @property
    def reachable(self) -> bool:
        """Whether somebody would take an event now."""
        return self.carrier is not None and self.carrier.reachable and not self._faults.is_down

    # -- interactions ----------------------------------------------------------------------------------------

    async def interact(self, kind: str, payload: Json) -> Answer:
        """A click, a command, a submission: one try, whose failure the person sees at once."""
        self.interactions.append((kind, payload))
        return await self._send(kind, payload)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
