"""The cookies of a browser: who is signed in, and which browser sent a form.

A form carries a token made of the cookie that it belongs to; nobody who can't read that cookie can make one.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from core.config import Config
from core.sessions import SESSION_LIVES
from core.shapes import Actor
from intake.web.parts import parts_of

CSRF_HEADER: Final = "X-CSRF-Token"
_FORM_LIVES: Final = 86_400  # seconds
_LONGEST: Final = 200
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_of(cookie: str) -> str:
    """Return the token that a form of this cookie's browser carries. Pure."""
    return sha256(b"relaydesk csrf\0" + cookie.encode("utf-8", "surrogatepass")).hexdigest()


def is_csrf_of(cookie: str, given: str) -> bool:
    """Whether a form's token belongs to this cookie; never where there is no cookie. Pure."""
    expected, got = csrf_of(cookie).encode(), given.encode("utf-8", "surrogatepass")
    return bool(cookie) and hmac.compare_digest(expected, got)


class Cookies:
    """The names and manners of our two cookies. Over https they are this host's alone and never leave it in clear."""

    def __init__(self, config: Config) -> None:
        self._secure = config.service.base_url.lower().startswith("https:")
        prefix = "__Host-" if self._secure else ""
        self.session, self.form = f"{prefix}relaydesk_session", f"{prefix}relaydesk_form"

    def read(self, request: Request, name: str) -> str:
        """Return a cookie's value, "" where there is none that could be ours."""
        value = request.cookies.get(name, "")
        return value if len(value) <= _LONGEST else ""

    def form_nonce(self, request: Request, response_cookies: dict[str, str]) -> str:
        """Return the browser's nonce; a new one, noted to be set, where it has none."""
        nonce = self.read(request, self.form)
        if len(nonce) < 32:
            nonce = response_cookies[self.form] = secrets.token_urlsafe(32)
        return nonce

    def put(self, response: Response, values: Mapping[str, str]) -> None:
        """Set these cookies."""
        for name, value in values.items():
            lives = _FORM_LIVES if name == self.form else int(SESSION_LIVES.total_seconds())
            response.set_cookie(
                name, value, max_age=lives, path="/", secure=self._secure, httponly=True, samesite="lax"
            )

    def drop(self, response: Response, *names: str) -> None:
        """Have the browser forget these cookies."""
        for name in names:
            response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")


def cookies_of(request: Request) -> Cookies:
    """Return the manners of this site's cookies."""
    return Cookies(parts_of(request).config)


async def session_actor(request: Request) -> Actor | None:
    """Return who is signed in with this browser, None where nobody is."""
    cookies = cookies_of(request)
    session = cookies.read(request, cookies.session)
    return await parts_of(request).sessions.actor(session) if session else None


def from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site's page sent this. Programs say neither. Pure."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")


def may_change(request: Request) -> bool:
    """Whether a request that a session speaks for may change anything: its sender could read our page, so it isn't
    another site's doing."""
    if request.method in _SAFE_METHODS:
        return True
    cookies = cookies_of(request)
    return is_csrf_of(cookies.read(request, cookies.session), request.headers.get(CSRF_HEADER, ""))
