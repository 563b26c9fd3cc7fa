"""The IMAP door with OAuth 2, against Dovecot's own passdb for it: it asks the endpoint whose a token is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from intake.email import imap_rules
from tests.dovecot import Dovecot, new_user
from tests.mail.imap_kit import Post, connected, letter
from tests.stores import Store
from tests.waiting import until

pytestmark = pytest.mark.parametrize("store_name", ["sqlite"])


class Provider:
    """Gives tokens, and tells the mail server whose they are."""

    def __init__(self, user: str) -> None:
        self.user, self.port = user, 0
        self.valid: set[str] = set()
        self.given = 0
        self.refused: str | None = None
        self.lifetime = 3600

    async def token(self, request: web.Request) -> web.Response:
        """Exchange a refresh token."""
        form = await request.post()
        if self.refused or form["refresh_token"] != "refresh-1":
            return web.json_response({"error": self.refused or "invalid_grant"}, status=400)
        self.given += 1
        made = f"access-{self.given}"
        self.valid.add(made)
        return web.json_response({"access_token": made, "expires_in": self.lifetime, "token_type": "Bearer"})

    async def introspect(self, request: web.Request) -> web.Response:
        """Say of a token whose it is (RFC 7662)."""
        form = await request.post()
        active = form.get("token") in self.valid
        return web.Response(
            text=json.dumps({"active": active, "username": self.user} if active else {"active": False}),
            content_type="application/json",
        )

    def settings(self) -> dict[str, Any]:
        """Return the account's keys."""
        return {
            "password": "",
            "oauth2_token_url": f"http://127.0.0.1:{self.port}/token",
            "oauth2_client_id": "client-1",
            "oauth2_refresh_token": "refresh-1",
        }


@asynccontextmanager
async def serving(provider: Provider) -> AsyncIterator[Provider]:
    """Let it listen on loopback."""
    app = web.Application()
    app.router.add_post("/token", provider.token)
    app.router.add_post("/introspect", provider.introspect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.port = runner.addresses[0][1]
    try:
        yield provider
    finally:
        await runner.cleanup()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A provider that knows one user."""
    async with serving(Provider(new_user())) as made:
        yield made


@pytest.fixture
def post(provider: Provider, own_dovecot: Callable[..., Dovecot], store: Store) -> Post:
    """That user's mailbox."""
    server = own_dovecot(introspection=f"http://127.0.0.1:{provider.port}/introspect")
    return Post(server, store, provider.user)


async def test_mail_is_fetched_with_a_token(post: Post, provider: Provider) -> None:
    """XOAUTH2; the token's own time is what counts."""
    post.put(letter(1))
    async with post.fetching(**provider.settings()):
        await post.stored(1)
    assert "method=XOAUTH2" in post.server.log()
    assert provider.given == 1


async def test_a_token_that_has_expired_is_renewed_on_the_way(post: Post, provider: Provider) -> None:
    """The server ends the connection; the token that it refuses then is replaced at once, without a word to staff."""
    with capture_logs() as logs:
        async with post.fetching(**provider.settings()) as door:
            post.put(letter(1))
            await post.stored(1)
            provider.valid.clear()
            with capture_logs():
                post.server.kill()
                post.server.start()
            await until(lambda: provider.given == 2, timeout=15)
            await connected(door)
            post.put(letter(2))
            await post.stored(2)
    assert not [entry for entry in logs if entry["event"] == "imap_login_refused"]
    assert post.inbox() == ["Mail 1", "Mail 2"]


async def test_a_revoked_grant_is_told_with_how_to_mend_it(
    post: Post, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And fetching goes on by itself once it's mended at the provider."""
    monkeypatch.setattr(imap_rules, "RETRY_REFUSED", (timedelta(milliseconds=100),))
    provider.refused = "invalid_grant"
    post.put(letter(1))
    with capture_logs() as logs:
        async with post.fetching(**provider.settings()) as door:
            await until(lambda: any(entry["event"] == "imap_login_refused" for entry in logs))
            assert door.trouble == "the login is refused"
            provider.refused = None
            await post.stored(1)
    told = next(entry for entry in logs if entry["event"] == "imap_login_refused")
    assert "set oauth2_refresh_token" in told["reason"]
    assert "refresh-1" not in str(logs)


async def test_a_login_that_no_token_helps_is_told(post: Post, provider: Provider) -> None:
    """The provider gives tokens that the mail server doesn't take: rights at the provider, most likely."""
    provider.user = "somebody@else.example"
    with capture_logs() as logs:
        async with post.fetching(**provider.settings()):
            await until(lambda: any(entry["event"] == "imap_login_refused" for entry in logs), timeout=15)
    told = next(entry for entry in logs if entry["event"] == "imap_login_refused")
    assert "check oauth2_scope and the mailbox's rights" in told["reason"]
    assert provider.given == 2
    assert "access-" not in str(logs)
