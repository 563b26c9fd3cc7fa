"""OAuth 2: access tokens out of refresh tokens, against a token endpoint on loopback."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from core.config import Server
from core.failures import Scope, TemporaryFailure
from intake.email import oauth
from intake.email.oauth import TokenRefused, TokenSource, read_answer, usable, xoauth2
from tests.mail.server_house import certificate_in
from tests.waiting import free_port


class Endpoint:
    """A token endpoint. `answers`: what it says next, the last again and again; `asked`: the forms it got."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.url = ""
        self.hang = asyncio.Event()
        self.hang.set()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.asked.append(dict(await request.post()))
        await self.hang.wait()
        if self.answers:
            status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        else:
            status, body = 200, {"access_token": f"access-{len(self.asked)}", "expires_in": 3600}
        if status in (301, 302, 307):
            raise web.HTTPTemporaryRedirect(body)
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json")


@asynccontextmanager
async def serving(endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """Let it listen on loopback."""
    app = web.Application()
    app.router.add_post("/token", endpoint.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    endpoint.url = f"https://localhost:{port}/token" if tls else f"http://127.0.0.1:{port}/token"
    try:
        yield endpoint
    finally:
        endpoint.hang.set()
        await runner.cleanup()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """A token endpoint."""
    async with serving(Endpoint()) as made:
        yield made


def server(endpoint: Endpoint, **more: Any) -> Server:
    """The configuration of a login there."""
    return Server(
        username="support@example.com",
        oauth2_token_url=endpoint.url,
        oauth2_client_id="client-1",
        oauth2_client_secret="secret-1",
        oauth2_refresh_token="refresh-1",
        **more,
    )


class Watch:
    """A clock that goes when it's told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def test_the_refresh_token_is_exchanged(endpoint: Endpoint) -> None:
    """RFC 6749 section 6, the client's name and secret in the form."""
    assert await TokenSource(server(endpoint, oauth2_scope="mail offline")).token() == "access-1"
    assert endpoint.asked == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "refresh-1",
            "client_id": "client-1",
            "client_secret": "secret-1",
            "scope": "mail offline",
        }
    ]


async def test_a_token_is_kept_until_shortly_before_its_end(endpoint: Endpoint) -> None:
    """Or until a mail server has refused it."""
    watch = Watch()
    source = TokenSource(server(endpoint), now=watch)
    assert await source.token() == "access-1"
    watch.seconds += 3600 - 121
    assert await source.token() == "access-1"
    watch.seconds += 2
    assert await source.token() == "access-2"
    source.invalidate("access-1")  # an old one, says somebody late
    assert await source.token() == "access-2"
    source.invalidate("access-2")
    assert await source.token() == "access-3"
    source.invalidate()
    assert await source.token() == "access-4"


async def test_many_who_ask_at_once_ask_the_endpoint_once(endpoint: Endpoint) -> None:
    """Also where one of them gives up."""
    endpoint.hang.clear()
    source = TokenSource(server(endpoint))
    asking = [asyncio.create_task(source.token()) for _ in range(10)]
    while not endpoint.asked:
        await asyncio.sleep(0.01)
    asking[0].cancel()
    endpoint.hang.set()
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert done[1:] == ["access-1"] * 9
    assert len(endpoint.asked) == 1


async def test_a_new_refresh_token_is_used_and_outlives_a_restart(endpoint: Endpoint, tmp_path: Path) -> None:
    """Microsoft gives one with each answer. The file is its owner's alone."""
    endpoint.answers = [
        (200, {"access_token": "a", "expires_in": 0, "refresh_token": "refresh-2"}),
        (200, {"access_token": "b", "expires_in": 0, "refresh_token": "refresh-3"}),
        (200, {"access_token": "c", "expires_in": 0}),
    ]
    source = TokenSource(server(endpoint), tmp_path)
    await source.token()
    await source.token()
    again = TokenSource(server(endpoint), tmp_path)
    await again.token()
    assert [form["refresh_token"] for form in endpoint.asked] == ["refresh-1", "refresh-2", "refresh-3"]
    (kept,) = (tmp_path / "oauth2").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    new = server(endpoint).model_copy(update={"oauth2_refresh_token": "refresh-from-the-operator"})
    await TokenSource(new, tmp_path).token()
    assert endpoint.asked[-1]["refresh_token"] == "refresh-from-the-operator"


async def test_without_a_folder_that_can_be_written_it_goes_on(endpoint: Endpoint, tmp_path: Path) -> None:
    """The new one is in memory then."""
    (tmp_path / "oauth2").write_text("no folder")
    endpoint.answers = [(200, {"access_token": "a", "expires_in": 0, "refresh_token": "refresh-2"})]
    source = TokenSource(server(endpoint), tmp_path)
    await source.token()
    await source.token()
    assert [form["refresh_token"] for form in endpoint.asked] == ["refresh-1", "refresh-2"]


async def test_a_kept_refresh_token_that_is_refused_gives_way_to_the_configured(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    """It may be from a data folder of last year."""
    endpoint.answers = [
        (200, {"access_token": "a", "expires_in": 0, "refresh_token": "refresh-2"}),
        (400, {"error": "invalid_grant"}),
        (200, {"access_token": "b", "expires_in": 3600}),
    ]
    source = TokenSource(server(endpoint), tmp_path)
    await source.token()
    assert await source.token() == "b"
    assert [form["refresh_token"] for form in endpoint.asked] == ["refresh-1", "refresh-2", "refresh-1"]


async def test_a_refused_grant_is_told_with_how_to_mend_it(endpoint: Endpoint) -> None:
    """Nothing is lost meanwhile: whoever sends tries again later."""
    endpoint.answers = [(400, {"error": "invalid_grant", "error_description": "Token has been\r\nrevoked."})]
    with capture_logs() as logs, pytest.raises(TokenRefused) as told:
        await TokenSource(server(endpoint)).token()
    assert told.value.error == "invalid_grant"
    assert told.value.scope is Scope.CHANNEL
    assert "invalid_grant: Token has been revoked." in told.value.reason
    assert "set oauth2_refresh_token" in told.value.reason
    for secret in ("refresh-1", "secret-1"):
        assert secret not in told.value.reason + str(logs)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, "<html>down</html>", "is in trouble (HTTP 503)"),
        (429, {"error": "slow_down"}, "is in trouble (HTTP 429 slow_down)"),
        (400, {"error": "temporarily_unavailable"}, "is in trouble"),
        (200, "no json", "without an access token"),
        (200, {"access_token": "a\x01b"}, "without an access token"),
        (200, [1], "without an access token"),
        (200, "[" * 60_000, "without an access token"),
    ],
)
async def test_trouble_of_the_endpoint_is_temporary(
    endpoint: Endpoint, status: int, body: Any, words: str
) -> None:
    """It's asked again later."""
    endpoint.answers = [(status, body)]
    with pytest.raises(TemporaryFailure) as told:
        await TokenSource(server(endpoint)).token()
    assert words in told.value.reason
    assert not isinstance(told.value, TokenRefused)


async def test_an_endpoint_that_is_away_or_hangs_is_temporary(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request has its time, all in all."""
    away = server(endpoint).model_copy(update={"oauth2_token_url": f"http://127.0.0.1:{free_port()}/token"})
    with pytest.raises(TemporaryFailure, match="can't be reached"):
        await TokenSource(away).token()
    monkeypatch.setattr(oauth, "TIMEOUT", oauth.TIMEOUT / 100)
    endpoint.hang.clear()
    source = TokenSource(server(endpoint))
    with pytest.raises(TemporaryFailure, match="didn't answer in time"):
        await source.token()
    endpoint.hang.set()
    assert await source.token() == "access-2"


async def test_secrets_follow_no_redirect(endpoint: Endpoint) -> None:
    """They are for the configured address alone."""
    async with serving(Endpoint()) as elsewhere:
        endpoint.answers = [(307, elsewhere.url)]
        with pytest.raises(TokenRefused, match="check oauth2_token_url"):
            await TokenSource(server(endpoint)).token()
        assert elsewhere.asked == []


async def test_the_endpoints_certificate_is_verified(tmp_path: Path) -> None:
    """By the system's authorities, and those of tls_ca_file."""
    certificate, key = certificate_in(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with serving(Endpoint(), context) as endpoint:
        with pytest.raises(TemporaryFailure, match="can't be verified; check tls_ca_file"):
            await TokenSource(server(endpoint)).token()
        assert endpoint.asked == []
        assert await TokenSource(server(endpoint, tls_ca_file=str(certificate))).token() == "access-1"
        with pytest.raises(TemporaryFailure, match=r"tls_ca_file .* can't be used"):
            await TokenSource(server(endpoint, tls_ca_file=str(tmp_path / "none.pem"))).token()


def test_the_sasl_string() -> None:
    """As Google and Microsoft document it; a control character would end a field early."""
    assert xoauth2("ann@example.com", "tok") == "user=ann@example.com\x01auth=Bearer tok\x01\x01"
    for user, token in (("a\x01b", "tok"), ("ann", "t\r\nok")):
        with pytest.raises(ValueError, match="control character"):
            xoauth2(user, token)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [(3600, 3480), ("3599", 3479), (100, 50), (0, 0), (-5, 0), (None, 180), ("soon", 180), (True, 180),
     (float("nan"), 0), (1e300, 86_280), ("Infinity", 86_280)],
)  # fmt: skip
def test_how_long_a_token_is_used(told: object, seconds: float) -> None:
    """Until two minutes, or half its life, before its end."""
    assert usable(told) == seconds


def test_what_is_no_token_is_never_used() -> None:
    """An answer is read by what it must hold."""
    assert (
        read_answer(200, b'{"access_token": "a", "token_type": "Bearer"}', "idp.example").access_token == "a"
    )
    with pytest.raises(TokenRefused, match="HTTP 404; check oauth2_token_url"):
        read_answer(404, b"", "idp.example")
    with pytest.raises(TokenRefused, match="check oauth2_client_id"):
        read_answer(401, b'{"error": "invalid_client"}', "idp.example")
