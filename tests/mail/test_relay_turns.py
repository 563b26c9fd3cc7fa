"""Several relays in turn, logins by OAuth 2, and what only one of two relays can: all against real servers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, auth_mechanism

from core.config import EmailOutbound
from core.failures import PermanentFailure, Scope, TemporaryFailure, UnknownOutcome
from intake.email.composed import ComposedMail
from intake.email.relay import Relay
from tests.mail.server_house import certificate_in
from tests.mail.test_relay import MAIL, FakeRelay


@asynccontextmanager
async def two(first: FakeRelay, second: FakeRelay, **settings: Any) -> AsyncIterator[Relay]:
    """A relay and one to fall back on."""
    servers = [await asyncio.start_server(one.serve, "127.0.0.1", 0, limit=2**24) for one in (first, second)]
    for one, server in zip((first, second), servers, strict=True):
        one.port = server.sockets[0].getsockname()[1]
    relay = Relay(
        EmailOutbound(
            **{
                "port": first.port,
                "tls": "none",
                "timeout": "300ms",
                "answer_timeout": "300ms",
                "fallback": [{"port": second.port, "tls": "none"}],
            }
            | settings
        )
    )
    try:
        yield relay
    finally:
        await relay.close()
        for one, server in zip((first, second), servers, strict=True):
            server.close()
            one.drop_all()


@pytest.mark.parametrize(
    "script",
    [
        {"GREETING": "421 too busy"},
        {"GREETING": "554 no service"},
        {"GREETING": "hang"},
        {"GREETING": "drop"},
        {"EHLO": "drop"},
        {"EHLO": "421 go away"},
        {"MAIL": "421 closing"},
        {"MAIL": "530 5.7.0 log in first"},
        {"RCPT": "drop"},
        {"DATA": "drop"},
        {"DOT": "421 closing, not taken"},
    ],
    ids=str,
)
async def test_a_relay_that_surely_did_not_take_it_is_passed_over(script: dict[str, str]) -> None:
    """At once, and for a while after: the next mail doesn't wait for it again."""
    first, second = FakeRelay(**script), FakeRelay()
    async with two(first, second) as relay:
        accepted = await relay.submit(MAIL)
        tried = first.connections
        await relay.submit(MAIL)
    assert accepted.answer == "2.0.0 queued as ABC"
    assert len(second.mails) == 2
    assert second.mails[0] == b"Subject: hello\r\n\r\n..one dot\r\n...two\r\nend\r\n.\r\n"
    assert second.connections == 1, "kept"
    assert tried >= 1
    assert first.connections == tried


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ({"RCPT": "550 5.1.1 unknown"}, PermanentFailure),
        ({"RCPT": "450 greylisted"}, TemporaryFailure),
        ({"MAIL": "451 later"}, TemporaryFailure),
        ({"MAIL": "550 sender refused"}, PermanentFailure),
        ({"DATA": "554 no"}, PermanentFailure),
        ({"DOT": "554 5.7.1 spam"}, PermanentFailure),
        ({"DOT": "451 later"}, TemporaryFailure),
        ({"DOT": "drop"}, UnknownOutcome),
        ({"DOT": "hang"}, UnknownOutcome),
        ({"DOT": "251 what?"}, UnknownOutcome),
    ],
    ids=str,
)
async def test_what_a_relay_says_of_a_mail_counts(script: dict[str, str], kind: type[Exception]) -> None:
    """And a mail that it may have taken goes to no other blindly."""
    first, second = FakeRelay(**script), FakeRelay()
    async with two(first, second) as relay:
        with pytest.raises(kind):
            await relay.submit(MAIL)
    assert second.connections == 0


async def test_the_first_is_used_again_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intake.email.relay.AWAY_SECONDS", 0.05)
    first, second = FakeRelay(GREETING="421 busy"), FakeRelay()
    async with two(first, second) as relay:
        await relay.submit(MAIL)
        first.answers["GREETING"] = "220 relay.example ESMTP"
        await asyncio.sleep(0.06)
        await relay.submit(MAIL)
    assert (len(first.mails), len(second.mails)) == (1, 1)


async def test_one_that_was_away_is_tried_after_the_others() -> None:
    first, second = FakeRelay(GREETING="421 busy"), FakeRelay()
    async with two(first, second) as relay:
        await relay.submit(MAIL)
        first.answers["GREETING"] = "220 relay.example ESMTP"
        second.answers["RSET"] = second.answers["GREETING"] = "421 busy too"
        await relay.submit(MAIL)
    assert (len(first.mails), len(second.mails)) == (1, 1)


async def test_all_away_pauses_the_channel_and_says_why() -> None:
    first, second = FakeRelay(GREETING="421 busy"), FakeRelay(EHLO="drop")
    async with two(first, second) as relay:
        with pytest.raises(TemporaryFailure) as caught:
            await relay.submit(MAIL)
    assert caught.value.scope is Scope.CHANNEL
    assert "421 busy" in caught.value.reason
    assert "no relay" in caught.value.reason


async def test_addresses_beyond_ascii_go_to_the_relay_that_takes_them() -> None:
    mail = ComposedMail(MAIL.content, "a@example.com", ("zoë@example.net",), True)
    first, second = FakeRelay(), FakeRelay(EHLO="250-relay.example\r\n250 SMTPUTF8")
    async with two(first, second) as relay:
        await relay.submit(mail)
        await relay.submit(MAIL)
    assert (len(first.mails), len(second.mails)) == (1, 1)
    async with two(FakeRelay(), FakeRelay()) as relay:
        with pytest.raises(PermanentFailure, match="SMTPUTF8"):
            await relay.submit(mail)
    async with two(FakeRelay(), FakeRelay(GREETING="421 busy")) as relay:
        with pytest.raises(TemporaryFailure):  # who knows what that one can
            await relay.submit(mail)


async def test_probe_looks_at_each() -> None:
    first, second = FakeRelay(), FakeRelay(GREETING="421 busy")
    async with two(first, second) as relay:
        fine, away = await relay.probe()
    assert (fine.problem, fine.greeting) == (None, "relay.example")
    assert "421 busy" in str(away.problem)
    assert away.where == f"127.0.0.1:{second.port}"


# -- XOAUTH2, against aiosmtpd with TLS and a token endpoint on loopback --


class TokenHouse:
    """A token endpoint: gives `tokens` in turn, the last one again and again."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append({k: str(v) for k, v in (await request.post()).items()})
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return web.json_response({"access_token": token, "expires_in": 3600})


class Xoauth2(SMTP):
    """A server that takes XOAUTH2 as Google and Microsoft do: 334 with details, then 535."""

    right = "good token"

    @auth_mechanism("XOAUTH2")
    async def auth_XOAUTH2(self, _: SMTP, args: list[str]) -> AuthResult:
        told = b64decode(args[1]).decode()
        self.event_handler.logins.append(told)
        if told == f"user=ada@example.com\x01auth=Bearer {self.right}\x01\x01":
            return AuthResult(success=True, auth_data=told)
        await self.push("334 eyJzdGF0dXMiOiI0MDEifQ==")
        assert (await self._reader.readline()).strip() == b""
        return AuthResult(success=False, handled=False)


class Kept:
    """What the server took."""

    def __init__(self) -> None:
        self.logins: list[str] = []
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        assert session.authenticated
        self.mails.append(envelope.content)
        return "250 taken"


@asynccontextmanager
async def oauth_relay(folder: Path, house: TokenHouse) -> AsyncIterator[tuple[Relay, Kept]]:
    certificate = certificate_in(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    kept, loop = Kept(), asyncio.get_running_loop()
    app = web.Application()
    app.router.add_post("/token", house.answer)
    runner = web.AppRunner(app)
    async with AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = await loop.create_server(
            lambda: Xoauth2(kept, hostname="sink", tls_context=context, auth_required=True, loop=loop),
            "127.0.0.1",
            0,
        )
        stack.callback(server.close)
        relay = Relay(
            EmailOutbound(
                host="localhost",
                port=server.sockets[0].getsockname()[1],
                username="ada@example.com",
                tls_ca_file=str(certificate[0]),
                oauth2_token_url=f"http://127.0.0.1:{runner.addresses[0][1]}/token",
                oauth2_client_id="client",
                oauth2_client_secret="client secret",
                oauth2_refresh_token="refresh secret",
                timeout="3s",
            ),
            data_dir=folder,
        )
        stack.push_async_callback(relay.close)
        yield relay, kept


async def test_login_by_token_which_is_kept(tmp_path: Path) -> None:
    house = TokenHouse("good token")
    async with oauth_relay(tmp_path, house) as (relay, kept):
        await relay.submit(MAIL)
        await relay.submit(MAIL)
        [found] = await relay.probe()
    assert found.problem is None
    assert len(kept.mails) == 2
    assert len(house.asked) == 1
    assert house.asked[0]["grant_type"] == "refresh_token"
    assert len(kept.logins) == 2, "the connection was kept for the second mail; the probe opens its own"


async def test_a_token_that_is_refused_is_got_anew_once(tmp_path: Path) -> None:
    house = TokenHouse("revoked", "good token")
    async with oauth_relay(tmp_path, house) as (relay, kept):
        await relay.submit(MAIL)
    assert len(kept.mails) == 1
    assert len(house.asked) == 2


async def test_refused_twice_waits_for_an_operator_and_tells_no_secret(tmp_path: Path) -> None:
    house = TokenHouse("revoked")
    with structlog.testing.capture_logs() as log:
        async with oauth_relay(tmp_path, house) as (relay, kept):
            with pytest.raises(TemporaryFailure) as caught:
                await relay.submit(MAIL)
    assert caught.value.scope is Scope.CHANNEL
    assert "email.outbound" in caught.value.reason
    assert len(house.asked) == 2
    assert len(kept.logins) == 2
    assert not kept.mails
    for secret in ("revoked", "client secret", "refresh secret"):
        assert secret not in caught.value.reason + str(log)


# -- a relay that gives mails another Message-ID (FACTS T6) --


@pytest.fixture
def everywhere_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host name leads to loopback."""
    real = socket.getaddrinfo

    def here(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)


async def test_the_relay_that_took_it_is_named(everywhere_is_here: None) -> None:
    ses = FakeRelay(DOT="250 Ok 0102018f3c5a1b2c-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000")
    async with two(FakeRelay(GREETING="421 busy"), ses) as _:
        relay = Relay(
            EmailOutbound(host="email-smtp.eu-west-1.amazonaws.com", port=ses.port, tls="none", timeout="1s")
        )
        accepted = await relay.submit(MAIL)
        await relay.close()
    assert accepted.host == "email-smtp.eu-west-1.amazonaws.com"
    assert accepted.answer == "Ok 0102018f3c5a1b2c-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000"
