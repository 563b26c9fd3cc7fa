"""Sign in with Slack: the provider's side. A page on which one chooses who one is, a code, a signed token for it.

docs.slack.dev/authentication/sign-in-with-slack; reference/methods/openid.connect.token and .userInfo.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from sandbox.shapes import TEAM, Json, SlackError, User
from sandbox.web_api import read_args

if TYPE_CHECKING:
    from sandbox.box import Sandbox

ISSUER = "https://slack.com"
CODE_SECONDS = 600.0
TOKEN_SECONDS = 300
_NAMES = {"openid.connect.token", "openid.connect.userInfo"}


@dataclass(frozen=True)
class Granted:
    """Who somebody chose to be; its code works once, within ten minutes."""

    user: User
    redirect_uri: str
    nonce: str
    scopes: frozenset[str]
    until: float


class Provider:
    """Codes that weren't exchanged yet, and the key that signs. Tests lay wrong claims over the next tokens'."""

    def __init__(self, box: Sandbox) -> None:
        self._box, self._space = box, box.workspace.state
        self._codes: dict[str, Granted] = {}
        self._access: dict[str, User] = {}
        self._made: Any = None
        self.forge: Json = {}
        """Claims of the next tokens, instead of the true ones; None takes one out."""

    @property
    def key(self) -> Any:
        """The key that signs, made when it's first needed."""
        if self._made is None:
            from joserfc.jwk import RSAKey

            self._made = RSAKey.generate_key(2048, auto_kid=True)
        return self._made

    # -- the browser's part ----------------------------------------------------------------------------------

    async def ask(self, request: web.Request) -> web.Response:
        """The page on which one says who one is."""
        query = dict(request.query)
        if (wrong := self._wrong(query)) is not None:
            return web.Response(status=400, text=wrong)
        people = [user for user in self._space.users.values() if not (user.is_bot or user.deleted)]
        choices = "".join(
            f'<li><a href="{escape("/openid/connect/allow?" + urlencode({**query, "user": user.id}))}">'
            f"{escape(user.real_name)}</a>{_what(user)}</li>"
            for user in people
            if user.name != "slackbot"
        )
        back = {"error": "access_denied", "state": query.get("state", "")}
        cancel = _with(query["redirect_uri"], back)
        page = (
            '<!DOCTYPE html><html lang="en"><meta name="viewport" content="width=device-width">'
            "<title>Sign in with Slack</title><h1>Sign in with Slack</h1>"
            "<p>This is the sandbox's Slack. Who are you?</p>"
            f'<ul>{choices}</ul><p><a href="{escape(cancel)}">Cancel</a></p></html>'
        )
        return web.Response(text=page, content_type="text/html")

    async def allow(self, request: web.Request) -> web.Response:
        """Chosen: back to the app, with a code."""
        query = dict(request.query)
        if (wrong := self._wrong(query)) is not None:
            return web.Response(status=400, text=wrong)
        code = secrets.token_hex(16)
        self._codes[code] = Granted(
            self._space.user(query.get("user", "")),
            query["redirect_uri"],
            query.get("nonce", ""),
            frozenset(query.get("scope", "").replace(",", " ").split()),
            self._space.clock.now() + CODE_SECONDS,
        )
        back = _with(query["redirect_uri"], {"code": code, "state": query.get("state", "")})
        return web.Response(status=302, headers={"Location": back})

    def _wrong(self, query: dict[str, str]) -> str | None:
        if query.get("client_id") != self._box.client_id:
            return "unknown client_id"
        if not query.get("redirect_uri", "").startswith(("http://", "https://")):
            return "no redirect_uri"
        if query.get("response_type") != "code" or "openid" not in query.get("scope", ""):
            return "response_type=code and the scope openid are needed"
        return None

    # -- the app's part --------------------------------------------------------------------------------------

    async def keys(self, request: web.Request) -> web.Response:
        """The public key, as a set."""
        public = {**self.key.as_dict(private=False), "alg": "RS256", "use": "sig"}
        return web.json_response({"keys": [public]})

    async def call(self, request: web.Request) -> web.StreamResponse:
        """The two methods, behind the faults of all others."""
        name = request.path.rpartition("/")[2]

        async def answer() -> web.Response:
            args, token = await read_args(request)
            try:
                told = self._exchanged(args) if name == "openid.connect.token" else self._info(token)
            except SlackError as refused:
                return web.json_response({"ok": False, "error": refused.error})
            return web.json_response({"ok": True, **told})

        return await self._box.api.behind_faults(name, request, answer)

    def _exchanged(self, args: Json) -> Json:
        if args.get("client_id") != self._box.client_id:
            raise SlackError("invalid_client_id")
        if args.get("client_secret") != self._box.client_secret:
            raise SlackError("bad_client_secret")
        granted = self._codes.pop(str(args.get("code", "")), None)
        if granted is None or self._space.clock.now() > granted.until:
            raise SlackError("invalid_code")
        if args.get("redirect_uri") != granted.redirect_uri:
            raise SlackError("bad_redirect_uri")
        token = f"xoxp-{secrets.token_hex(12)}"
        self._access[token] = granted.user
        return {"access_token": token, "token_type": "Bearer", "id_token": self._signed(granted)}

    def _signed(self, granted: Granted) -> str:
        from joserfc import jwt

        now = int(self._space.clock.now())
        claims: Json = {
            "iss": ISSUER,
            "sub": granted.user.id,
            "aud": self._box.client_id,
            "exp": now + TOKEN_SECONDS,
            "iat": now,
            "auth_time": now,
            "nonce": granted.nonce,
            **_profile(granted.user, granted.scopes),
            **self.forge,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid, "typ": "JWT"}, claims, self.key)

    def _info(self, token: str) -> Json:
        user = self._access.get(token)
        if user is None:
            raise SlackError("invalid_auth" if token else "not_authed")
        return {"sub": user.id, **_profile(user, frozenset(("profile", "email")))}


def _profile(user: User, scopes: frozenset[str]) -> Json:
    claims: Json = {"https://slack.com/team_id": user.team_id, "https://slack.com/user_id": user.id}
    if "email" in scopes and user.email:
        claims |= {"email": user.email, "email_verified": True}
    if "profile" in scopes:
        first, _, last = user.real_name.partition(" ")
        claims |= {"name": user.real_name, "given_name": first, "family_name": last, "locale": "en-US"}
    return claims


def _what(user: User) -> str:
    if user.team_id != TEAM:
        return " (of another organisation)"
    return " (guest)" if user.is_restricted or user.is_ultra_restricted else ""


def _with(url: str, more: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(more)}"


def mount(app: web.Application, box: Sandbox) -> Provider:
    """Add the routes, before the one of all other methods."""
    provider = Provider(box)
    app.router.add_get("/openid/connect/authorize", provider.ask)
    app.router.add_get("/openid/connect/allow", provider.allow)
    app.router.add_get("/openid/connect/keys", provider.keys)
    for name in sorted(_NAMES):
        app.router.add_route("*", f"/api/{name}", provider.call)
    return provider
