"""Events and interactions as signed HTTP POSTs.

docs.slack.dev/apis/events-api and docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from urllib.parse import urlencode

import aiohttp

from sandbox.shapes import Answer, Json

MOST_REDIRECTS = 2


class HttpCarrier:
    """The carrier that posts to the app's request URL."""

    by_http = True

    def __init__(self, url: str, signing_secret: str) -> None:
        self.url = url
        self._secret = signing_secret
        self._session: aiohttp.ClientSession | None = None
        self._cuts = 0

    @property
    def reachable(self) -> bool:
        return True

    def signed(self, body: str) -> dict[str, str]:
        """The headers that prove where a body comes from."""
        now = str(int(time.time()))
        base = f"v0:{now}:{body}".encode()
        digest = hmac.new(self._secret.encode(), base, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": f"v0={digest}"}

    def cut(self, how: str) -> None:
        """The answer to the next POST of an event doesn't arrive: Slack will repeat it."""
        self._cuts += 1

    async def send(
        self, kind: str, payload: Json, *, attempt: int, reason: str, timeout: float, envelope_id: str = ""
    ) -> Answer:
        """One POST; any 2xx in time is an ack, with what its JSON says."""
        answer = await self._post(kind, payload, attempt, reason, timeout)
        if self._cuts and kind == "events_api":
            self._cuts -= 1
            return Answer(False, reason="http_timeout")
        return answer

    async def _post(self, kind: str, payload: Json, attempt: int, reason: str, timeout: float) -> Answer:
        body, content_type = encoded(kind, payload)
        headers = self.signed(body) | {"Content-Type": content_type}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason or "unknown_error"}
        if self._session is None:
            self._session = aiohttp.ClientSession()
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._session.post(
                self.url, data=body, headers=headers, timeout=limit, max_redirects=MOST_REDIRECTS
            ) as answer:
                text = await answer.text()
                if not 200 <= answer.status < 300:
                    stop = answer.headers.get("x-slack-no-retry") == "1"
                    return Answer(False, reason="no_retry" if stop else "http_error")
        except TimeoutError:
            return Answer(False, reason="http_timeout")
        except aiohttp.TooManyRedirects:
            return Answer(False, reason="too_many_redirects")
        except aiohttp.ClientSSLError:
            return Answer(False, reason="ssl_error")
        except aiohttp.ClientError:
            return Answer(False, reason="connection_failed")
        return Answer(True, _payload(text))

    async def verify(self) -> bool:
        """The `url_verification` handshake of the settings page."""
        challenge = hashlib.sha256(self.url.encode()).hexdigest()
        payload = {"token": "sandbox", "challenge": challenge, "type": "url_verification"}
        answer = await self.send("events_api", payload, attempt=0, reason="", timeout=3)
        return challenge in (answer.payload.get("challenge"), answer.payload.get("text"))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def encoded(kind: str, payload: Json) -> tuple[str, str]:
    """Events are JSON, interactions a form with `payload`, commands a flat form."""
    if kind == "events_api":
        return json.dumps(payload), "application/json"
    flat = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return urlencode(flat), "application/x-www-form-urlencoded"


def _payload(text: str) -> Json:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {"text": text} if text.strip() else {}
    return found if isinstance(found, dict) else {}
