"""The Slack door: who we are, and the two ways in (Socket Mode, HTTP), behind which everything is stored first and
acknowledged then."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from bot.api import Api
from bot.bolt import (
    MOST_BODY,
    NO_RETRY,
    Answer,
    build_app,
    challenged,
    happened,
    http_answer,
    payload_of,
    signed,
)
from bot.catchup import CatchUp, Load, Save, Threads
from bot.events import Store, held_back_at, on_message
from bot.front import Front
from bot.home import Home
from bot.keep_up import KeepUp, Turn, always
from bot.order import Order
from bot.seats import OneSeat, Seated, Seats
from bot.socket_mode import Envelope, SocketMode, Taken
from bot.watch import Watch
from core.clock import Clock
from core.failures import Failure, TemporaryFailure, Unavailable

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.request.async_request import AsyncBoltRequest
    from slack_bolt.response import BoltResponse

log = structlog.get_logger(__name__)

ABSENCE: Final = 3.0  # seconds without a connection after which something may have been missed


class Beside(Protocol):
    """What runs for as long as the door is open."""

    async def start(self) -> None:
        """Begin; returns at once."""

    async def stop(self) -> None:
        """End."""


class SlackDoor:
    """Takes in what Slack sends. `start` it in the running loop, `stop` it to drain.

    `load_cursors` and `save_cursors` keep the catch-up's cursors, `turn` gives one instance at a time the right to
    them; `threads` names roots of open tickets. `seats`: which instances hold a socket. `watch`: what is to be known
    of the app and its channels beside the tickets; `beside`: what else runs with the door.
    """

    def __init__(
        self,
        api: Api,
        intake: Store,
        load_cursors: Load,
        save_cursors: Save,
        *,
        threads: Threads | None = None,
        clock: Clock | None = None,
        heartbeat: float | None = None,
        front: Front | None = None,
        seats: Seats | None = None,
        turn: Turn = always,
        watch: Watch | None = None,
        beside: Sequence[Beside] = (),
    ) -> None:
        self._api, self._intake = api, intake
        self._front = front or Front()
        self._watch = watch or Watch()
        self._beside = tuple(beside)
        self._following: set[asyncio.Task[None]] = set()
        self._slack = api.config.slack
        self._clock = clock or Clock()
        self._opened = asyncio.Event()  # payloads reach this instance
        self._up = asyncio.Event()  # they do, or another instance takes them
        catch_up = CatchUp(api, intake, load_cursors, save_cursors, self._clock, threads)
        self._keep_up = KeepUp(catch_up, load_cursors, self._opened, self._clock.now, turn)
        self._order = Order()
        self._more = {} if heartbeat is None else {"heartbeat": heartbeat}
        self._seated = Seated(seats or OneSeat(), self._dial, self._changed)
        self._home: Home | None = None
        self._app: AsyncApp | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._away_since: tuple[float, datetime] | None = None
        self._stood_by = False  # others took everything since, and have noted how far
        self._heard = self._clock.now()  # over HTTP: when Slack reached us last at its first try
        self._unknown = ""  # why we don't know who we are
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    # -- life ----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether payloads are taken, here or (where we stand by) by other instances, as far as we know."""
        return self._up.is_set() and not self._stopping

    @property
    def state(self) -> str:
        """For `/readyz`: "connected", "standby" or "away"."""
        if not self.ready:
            return "away"
        return "connected" if self._opened.is_set() else "standby"

    @property
    def trouble(self) -> str:
        """What somebody should see to, in public words; "" where all is well."""
        if not self.ready:
            socket = self._seated.socket
            return self._unknown or (socket.trouble if socket is not None else "") or "away"
        return self._watch.trouble

    async def until_ready(self, seconds: float) -> bool:
        """Wait for `ready`; False where it isn't in time."""
        try:
            await asyncio.wait_for(self._up.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def start(self) -> None:
        """Begin: find out who we are (again and again where Slack is away), connect, catch up. Returns at once."""
        self._spawn(self._run(), "slack-door")
        self._spawn(self._keep_up.run(), "slack-catch-up")
        for one in self._beside:
            await one.start()

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_ended)
        self._tasks.append(task)

    async def _run(self) -> None:
        home = await self._identity()
        self._home, self._app = home, build_app(self._api, home, self._store)
        self._spawn(self._watch.run(home), "slack-watch")
        if self._slack.app_token:
            await self._seated.run()
        self._opened.set()
        self._changed()

    async def _identity(self) -> Home:
        failed = 0
        while True:
            try:
                home = await self._api.home()
            except Exception as exc:
                failed += 1
                asked = exc.retry_after if isinstance(exc, TemporaryFailure) else None
                wait = asked.total_seconds() if asked else min(0.5 * 2.0 ** min(failed - 1, 6), 30.0)
                if not isinstance(exc, Failure):
                    log.exception("identity_trouble")
                self._unknown = exc.reason if isinstance(exc, Failure) else "away"
                log.warning("identity_failed", reason=self._unknown, wait=wait)
                await asyncio.sleep(wait * (0.75 + random.random() / 4))
            else:
                self._unknown = ""
                log.info("identity", team=home.team, bot=home.bot_user)
                return home

    def _dial(self) -> SocketMode:
        # One more than there are seats, for a moment, when a line replaces another.
        return SocketMode(self._api, self._take, self._line, expected=self._slack.sockets + 1, **self._more)

    def _line(self, up: bool) -> None:
        """A connection of ours came, or the last one went."""
        now = time.monotonic()
        if not up:
            self._away_since = (now, self._clock.now())
            self._opened.clear()
        else:
            if self._stood_by:
                self._keep_up.missed()
            elif self._away_since is not None and now - self._away_since[0] > ABSENCE:
                self._keep_up.missed(self._away_since[1])
            self._away_since, self._stood_by = None, False
            self._opened.set()
        self._changed()

    def _changed(self) -> None:
        if self._seated.standby:
            self._away_since, self._stood_by = None, True
        if self._opened.is_set() or self._seated.standby:
            self._up.set()
        else:
            self._up.clear()

    async def stop(self) -> None:
        """Take nothing new, finish what is being stored, close. Within about 7 s."""
        self._stopping = True
        for one in self._beside:
            await one.stop()
        await self._seated.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), 3)
        if self._following:
            await asyncio.wait(self._following, timeout=2)
        for task in (*self._tasks, *self._following):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._following, return_exceptions=True)

    # -- ways in -------------------------------------------------------------------------------------------------

    async def _take(self, envelope: Envelope) -> Taken:
        """A payload that came over a socket."""
        from slack_bolt.request.async_request import AsyncBoltRequest

        headers: dict[str, Any] = {
            "x-slack-retry-num": str(envelope.retries),
            "x-slack-retry-reason": envelope.retry_reason,
        }
        request = AsyncBoltRequest(mode="socket_mode", body=envelope.payload, headers=headers)
        response = await self._dispatch(request)
        return Taken(response.status == 200, payload_of(response))

    async def handle_http(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A POST to `/slack/events`: return (status, headers, body). Every false request is a 4xx."""
        from slack_bolt.request.async_request import AsyncBoltRequest

        if not self._slack.signing_secret:
            return 404, {}, b""
        if len(body) > MOST_BODY:
            return 413, dict(NO_RETRY), b""
        given = {key.lower(): value for key, value in headers.items()}
        if not signed(self._slack.signing_secret, body, given, time.time()):
            log.info("signature_refused")
            return 401, {}, b""
        if (challenge := challenged(body, given)) is not None:
            return challenge  # whoever sets the app up asks before all else is right
        if self._app is None or self._stopping:
            return 503, {"Retry-After": "5"}, b""
        try:
            request = AsyncBoltRequest(body=body.decode(), headers=dict(given))
        except ValueError:
            return 400, dict(NO_RETRY), b""
        now = self._clock.now()
        response = await self._dispatch(request)
        if given.get("x-slack-retry-num", "0") != "0":
            self._keep_up.repeated(happened(request.body, now), self._heard)
        elif response.status == 200:
            self._heard = now
        return http_answer(response)

    async def _dispatch(self, request: AsyncBoltRequest) -> BoltResponse:
        assert self._app is not None, "the app is built before a way in opens"
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._app.async_dispatch(request)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    # -- storing, answering --------------------------------------------------------------------------------------

    async def _store(self, body: Mapping[str, Any], via: str) -> tuple[int, Mapping[str, Any] | None]:
        """Return what to answer with, the HTTP status and the payload: 200 only after what must be stored is."""
        assert self._home is not None, "the identity is known before a way in opens"
        answer, now = self._front.look(body), self._clock.now()
        if answer is None or answer.store:
            try:
                await on_message(
                    self._intake, body, self._home, via=via, order=self._order, behind=self._keep_up.behind
                )
            except Unavailable as exc:
                log.warning("on_message_failed", reason=str(exc))
                self._keep_up.missed(happened(body, now))
                return (503, None) if answer is None or answer.sorry is None else (200, answer.sorry)
        if (held_back := held_back_at(body)) is not None:
            self._keep_up.missed(held_back)
        if (noticed := self._watch.look(body)) is not None:
            self._follow(noticed)
        if answer is not None and answer.after is not None:
            self._follow(answer.after)
        return 200, answer.say if answer is not None else None

    def _follow(self, after: Callable[[], Any]) -> None:
        """Do what follows the acknowledgement, beside all else."""

        async def follow() -> None:
            try:
                await after()
            except (Failure, Unavailable) as exc:
                log.warning("front_failed", reason=str(exc))
            except Exception:
                log.exception("front_failed")

        task = asyncio.create_task(follow(), name="slack-front")
        self._following.add(task)
        task.add_done_callback(self._following.discard)


def _ended(task: asyncio.Task[None]) -> None:
    """What runs with the door ends with it, or never; else somebody should know."""
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.error("door_task_failed", task=task.get_name(), exc_info=exc)
