"""Bolt's app, and the proof that an HTTP request is Slack's.

Bolt checks signatures and knows the kinds of requests. Its habits that lose events are off: it acknowledges after
our storing, not before; it asks nobody who we are for each event; our own messages are sifted by us.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from bot.api import Api
from bot.home import Home

if TYPE_CHECKING:
    from slack_bolt.async_app import AsyncApp
    from slack_bolt.request.async_request import AsyncBoltRequest
    from slack_bolt.response import BoltResponse

MOST_BODY: Final = 1_048_576  # bytes of an HTTP request
SKEW: Final = 300  # seconds that a signature may be old or early
NO_RETRY: Final = {"x-slack-no-retry": "1"}  # the same bytes again would fare no better
Answer = tuple[int, dict[str, str], bytes]
Took = tuple[int, Mapping[str, Any] | None]
Next = Callable[[], Awaitable["BoltResponse"]]
Take = Callable[[Mapping[str, Any], str], Awaitable[Took]]


def build_app(api: Api, home: Home, store: Take) -> AsyncApp:
    """Build Bolt's app. `store(body, via)` returns the status and the payload to answer with."""
    import logging

    from slack_bolt.async_app import AsyncApp
    from slack_bolt.authorization import AuthorizeResult
    from slack_bolt.middleware.async_middleware import AsyncMiddleware
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

    class StoreFirst(AsyncMiddleware):
        """As a class: for a function Bolt looks into payloads, and fails on those that it doesn't expect."""

        async def async_process(
            self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Next
        ) -> BoltResponse | None:
            status, said = await store(req.body, "socket" if req.mode == "socket_mode" else "http")
            return BoltResponse(status=status, body=dict(said) if said else "")

    app.use(StoreFirst())
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


def challenged(body: bytes, headers: Mapping[str, str]) -> Answer | None:
    """Return the answer to `url_verification`, by which Slack asks whether an address takes its events; None for all
    else (docs.slack.dev/reference/events/url_verification)."""
    if b"url_verification" not in body or not headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        asked = json.loads(body)
    except ValueError:
        return None
    if not isinstance(asked, dict) or asked.get("type") != "url_verification":
        return None
    said = json.dumps({"challenge": str(asked.get("challenge") or "")}).encode()
    return 200, {"content-type": "application/json;charset=utf-8"}, said


def happened(body: Mapping[str, Any], now: datetime) -> datetime:
    """Return when Slack first had this to send: for what it sends again, some minutes ago. Pure."""
    at = body.get("event_time")
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int) and 0 < at < now.timestamp() else now


def http_answer(response: BoltResponse) -> Answer:
    """Return Bolt's response as (status, headers, body)."""
    shown = {key: str(value) for key, value in response.first_headers_without_set_cookie().items()}
    return response.status, shown, (response.body or "").encode()


def payload_of(response: BoltResponse) -> dict[str, Any] | None:
    """Return what an acknowledgement over a socket carries, None for nothing."""
    if not response.body:
        return None
    kind = str(response.headers.get("content-type", [""])[0])
    if kind.startswith("application/json"):
        loaded: dict[str, Any] = json.loads(response.body)
        return loaded
    return {"text": response.body}
