"""The Slack door: who we are, Bolt's app that stores and acknowledges, and the two ways in (Socket Mode, HTTP).

Bolt checks signatures and knows the kinds of requests. Its habits that lose events are off: it acknowledges after
our storing, not before; it asks nobody who we are for each event; our own messages are sifted by us.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import structlog

from bot.api import Api
from bot.catchup import CatchUp, Load, Save, Threads
from bot.events import Store, on_message
from bot.front import Answer as Answered
from bot.front import Front
from bot.home import Home
from bot.socket_mode import Envelope, SocketMode, Taken
from core.clock import Clock
from core.failures import Failure, TemporaryFailure, Unavailable

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.request.async_request import AsyncBoltRequest
    from slack_bolt.response import BoltResponse

log = structlog.get_logger(__name__)

MOST_BODY: Final = 1_048_576  # bytes of an HTTP event
SKEW: Final = 300  # seconds that a signature may be old or early
ABSENCE: Final = 3.0  # seconds without a connection after which something may have been missed
NOTE_EVERY: Final = 30.0
MARGIN: Final = timedelta(seconds=60)  # an event may come that late
Answer = tuple[int, dict[str, str], bytes]


class SlackDoor:
    """Takes in what Slack sends. `start` it in the running loop, `stop` it to drain.

    `load_cursors` and `save_cursors` keep the catch-up's cursors; `threads` names roots of open tickets.
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
    ) -> None:
        self._api, self._intake = api, intake
        self._front = front or Front()
        self._following: set[asyncio.Task[None]] = set()
        self._slack = api.config.slack
        self._catch_up = CatchUp(api, intake, load_cursors, save_cursors, clock or Clock(), threads)
        self._heartbeat = heartbeat
        self._home: Home | None = None
        self._app: AsyncApp | None = None
        self._socket: SocketMode | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._connected = asyncio.Event()
        self._missed = asyncio.Event()  # something may have been missed
        self._missed.set()
        self._away_since: float | None = None
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    # -- life ----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether payloads are taken: we know who we are, and Slack can reach us as far as we know."""
        return self._connected.is_set() and not self._stopping

    @property
    def state(self) -> str:
        """For `/readyz`: "connected" or "away"."""
        return "connected" if self.ready else "away"

    async def until_ready(self, seconds: float) -> bool:
        """Wait for `ready`; False where it isn't in time."""
        try:
            await asyncio.wait_for(self._connected.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def start(self) -> None:
        """Begin: find out who we are (again and again where Slack is away), connect, catch up. Returns at once."""
        self._spawn(self._run(), "slack-door")
        self._spawn(self._keep_up(), "slack-catch-up")

    def _spawn(self, work: Any, name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _run(self) -> None:
        home = await self._identity()
        self._home, self._app = home, build_app(self._api, home, self._store)
        if not self._slack.app_token:
            self._changed(True)
            return
        more = {} if self._heartbeat is None else {"heartbeat": self._heartbeat}
        self._socket = SocketMode(self._api, self._take, self._changed, **more)
        await self._socket.run()

    async def _identity(self) -> Home:
        failed = 0
        while True:
            try:
                home = await self._api.home()
            except Failure as exc:
                failed += 1
                asked = exc.retry_after if isinstance(exc, TemporaryFailure) else None
                wait = asked.total_seconds() if asked else min(0.5 * 2.0 ** min(failed - 1, 6), 30.0)
                log.warning("identity_failed", reason=exc.reason, wait=wait)
                await asyncio.sleep(wait * (0.75 + random.random() / 4))
            else:
                log.info("identity", team=home.team, bot=home.bot_user)
                return home

    def _changed(self, up: bool) -> None:
        """A connection came (or went altogether)."""
        now = asyncio.get_running_loop().time()
        if not up:
            self._away_since = now
            self._connected.clear()
            return
        if self._away_since is not None and now - self._away_since > ABSENCE:
            self._missed.set()
        self._away_since = None
        self._connected.set()

    async def stop(self) -> None:
        """Take nothing new, finish what is being stored, close. Within about 7 s."""
        self._stopping = True
        if self._socket is not None:
            await self._socket.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), 3)
        if self._following:
            await asyncio.wait(self._following, timeout=2)
        for task in (*self._tasks, *self._following):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._following, return_exceptions=True)

    # -- catching up ---------------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        """Catch up whenever something may have been missed; else note now and then that all has come."""
        while True:
            await self._connected.wait()
            try:
                if self._missed.is_set():
                    self._missed.clear()
                    await self._catch_up.run()
                else:
                    await self._catch_up.note(MARGIN)
            except (Failure, Unavailable) as exc:
                self._missed.set()
                log.warning("catch_up_failed", reason=str(exc))
                await asyncio.sleep(5)
                continue
            except Exception:
                log.exception("catch_up_failed")
                self._missed.set()
                await asyncio.sleep(60)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._missed.wait(), NOTE_EVERY)

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
        return Taken(response.status == 200, _json(response))

    async def handle_http(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A POST to `/slack/events`: return (status, headers, body). Every false request is a 4xx."""
        from slack_bolt.request.async_request import AsyncBoltRequest

        if not self._slack.signing_secret:
            return 404, {}, b""
        if len(body) > MOST_BODY:
            return 413, {}, b""
        given = {key.lower(): value for key, value in headers.items()}
        if not signed(self._slack.signing_secret, body, given, time.time()):
            log.info("signature_refused")
            return 401, {}, b""
        if self._app is None or self._stopping:
            return 503, {"Retry-After": "5"}, b""
        try:
            request = AsyncBoltRequest(body=body.decode(), headers=dict(given))
        except ValueError:
            return 400, {}, b""
        response = await self._dispatch(request)
        shown = {key: str(value) for key, value in response.first_headers_without_set_cookie().items()}
        return response.status, shown, (response.body or "").encode()

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

    async def _store(self, body: Mapping[str, Any], via: str) -> tuple[int, Mapping[str, Any] | None]:
        """Return what to answer with, the HTTP status and the payload: 200 only after what must be stored is."""
        assert self._home is not None, "the identity is known before a way in opens"
        answer = self._front.look(body)
        if answer is None or answer.store:
            try:
                await on_message(self._intake, body, self._home, via=via)
            except Unavailable as exc:
                log.warning("on_message_failed", reason=str(exc))
                return (503, None) if answer is None or answer.sorry is None else (200, answer.sorry)
        if body.get("type") == "app_rate_limited":
            self._missed.set()
        if answer is not None and answer.after is not None:
            self._follow(answer)
        return 200, answer.say if answer is not None else None

    def _follow(self, answer: Answered) -> None:
        """Do what follows the acknowledgement, beside all else."""

        async def follow() -> None:
            assert answer.after is not None
            try:
                await answer.after()
            except (Failure, Unavailable) as exc:
                log.warning("front_failed", reason=str(exc))
            except Exception:
                log.exception("front_failed")

        task = asyncio.create_task(follow(), name="slack-front")
        self._following.add(task)
        task.add_done_callback(self._following.discard)


def build_app(api: Api, home: Home, store: Any) -> AsyncApp:
    """Build Bolt's app. `store(body, via)` returns the status and the payload to answer with."""
    import logging

    from slack_bolt.async_app import AsyncApp
    from slack_bolt.authorization import AuthorizeResult
    from slack_bolt.response import BoltResponse

    slack = api.config.slack
    installed = AuthorizeResult(
        enterprise_id=None,
        team_id=home.team,
        bot_id=home.bot_id,
        bot_user_id=home.bot_user,
        bot_token=slack.bot_token,
    )

    async def authorize(**_: Any) -> AuthorizeResult:
        return installed

    quiet = logging.getLogger("relaydesk.bolt")
    quiet.setLevel(logging.ERROR)
    app = AsyncApp(
        logger=quiet,
        client=api.client,
        authorize=authorize,
        signing_secret=slack.signing_secret or None,
        process_before_response=True,
        ignoring_self_events_enabled=False,
        request_verification_enabled=bool(slack.signing_secret),
    )

    @app.middleware
    async def store_first(request: AsyncBoltRequest) -> BoltResponse:
        status, said = await store(request.body, "socket" if request.mode == "socket_mode" else "http")
        return BoltResponse(status=status, body=dict(said) if said else "")

    return app


def signed(secret: str, body: bytes, headers: Mapping[str, str], now: float) -> bool:
    """Whether the signature is right, over the bytes as they came, at most five minutes old or early.

    `headers` with lower-case names, `now` in seconds. docs.slack.dev/authentication/verifying-requests-from-slack;
    Bolt checks too, but answers 500 to a timestamp that is no number.
    """
    timestamp = headers.get("x-slack-request-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        return False
    if abs(now - int(timestamp)) > SKEW:
        return False
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, sha256).hexdigest()
    return hmac.compare_digest(f"v0={digest}".encode(), headers.get("x-slack-signature", "").encode())


def _json(response: BoltResponse) -> dict[str, Any] | None:
    if not response.body:
        return None
    kind = str(response.headers.get("content-type", [""])[0])
    if kind.startswith("application/json"):
        loaded: dict[str, Any] = json.loads(response.body)
        return loaded
    return {"text": response.body}
