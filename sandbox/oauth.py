"""Installing the app by OAuth: the page that asks, the code it gives, the token for the code.

docs.slack.dev/authentication/installing-with-oauth; PKCE as RFC 7636 has it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from sandbox.shapes import APP, BOT_USER, TEAM, Json, SlackError

if TYPE_CHECKING:
    from sandbox.workspace import Workspace

CODE_SECONDS = 600.0


@dataclass(frozen=True)
class Grant:
    """What somebody allowed; its code works once, within ten minutes."""

    scopes: frozenset[str]
    redirect_uri: str
    challenge: str
    until: float


class Grants:
    """The codes that were given and not exchanged yet."""

    def __init__(self, space: Workspace, tokens: dict[str, str], client_id: str, client_secret: str) -> None:
        self._space, self._tokens = space, tokens
        self._client_id, self._client_secret = client_id, client_secret
        self._codes: dict[str, Grant] = {}

    async def ask(self, request: web.Request) -> web.Response:
        """The page on which somebody allows it or doesn't."""
        query = dict(request.query)
        if not self._known(query):
            return web.Response(status=400, text="unknown client_id, or no redirect_uri")
        allow = f"/oauth/v2/allow?{urlencode(query)}"
        cancel = _with(query["redirect_uri"], {"error": "access_denied", "state": query.get("state", "")})
        scopes = "".join(f"<li>{escape(name)}</li>" for name in query.get("scope", "").split(",") if name)
        page = (
            "<!DOCTYPE html><html lang=en><title>Install relaydesk</title><h1>Install relaydesk?</h1>"
            f"<p>It asks for:</p><ul>{scopes}</ul>"
            f'<p><a href="{escape(allow)}">Allow</a> <a href="{escape(cancel)}">Cancel</a></p></html>'
        )
        return web.Response(text=page, content_type="text/html")

    async def allow(self, request: web.Request) -> web.Response:
        """Allowed: back to the app, with a code."""
        query = dict(request.query)
        if not self._known(query):
            return web.Response(status=400, text="unknown client_id, or no redirect_uri")
        code = secrets.token_hex(16)
        self._codes[code] = Grant(
            frozenset(name for name in query.get("scope", "").split(",") if name),
            query["redirect_uri"],
            query.get("code_challenge", ""),
            self._space.clock.now() + CODE_SECONDS,
        )
        back = _with(query["redirect_uri"], {"code": code, "state": query.get("state", "")})
        return web.Response(status=302, headers={"Location": back})

    def _known(self, query: dict[str, str]) -> bool:
        back = query.get("redirect_uri", "")
        return query.get("client_id") == self._client_id and back.startswith(("http://", "https://"))

    def exchange(self, args: Json, basic: tuple[str, str]) -> Json:
        """A token for a code; the scopes that were allowed are installed."""
        client_id = str(args.get("client_id") or basic[0])
        secret = str(args.get("client_secret") or basic[1])
        if client_id != self._client_id:
            raise SlackError("invalid_client_id")
        grant = self._codes.pop(str(args.get("code", "")), None)
        if grant is None or self._space.clock.now() > grant.until:
            raise SlackError("invalid_code")
        if grant.challenge:
            if _challenge(str(args.get("code_verifier", ""))) != grant.challenge:
                raise SlackError("invalid_code_verifier")
        elif secret != self._client_secret:
            raise SlackError("bad_client_secret")
        if str(args.get("redirect_uri") or grant.redirect_uri) != grant.redirect_uri:
            raise SlackError("bad_redirect_uri")
        token = f"xoxb-{secrets.token_hex(12)}"
        self._tokens[token] = "bot"
        self._space.scopes |= grant.scopes
        self._space.revoked = None
        return {
            "app_id": APP,
            "authed_user": {"id": "U0ADA00001"},
            "scope": ",".join(sorted(self._space.scopes)),
            "token_type": "bot",
            "access_token": token,
            "bot_user_id": BOT_USER,
            "team": {"id": TEAM, "name": "Sandbox"},
            "enterprise": None,
            "is_enterprise_install": False,
        }


def _with(url: str, more: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(more)}"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
