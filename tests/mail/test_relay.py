"""Submission to the relay: what each answer and each silence means, and how connections are kept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from aiosmtplib import SMTPResponseException, SMTPServerDisconnected

from core.config import EmailOutbound, parse
from core.desk_texts import Phrase, in_words
from core.failures import Failure, PermanentFailure, Scope, TemporaryFailure, UnknownOutcome
from intake.email.composed import ComposedMail
from intake.email.relay import Relay
from intake.email.relay_answers import Step, check_addresses, failure_for, failure_for_code
from tests.mail.server_house import certificate_in

MAIL = ComposedMail(
    b"Subject: hello\r\n\r\n.one dot\r\n..two\r\nend\r\n", "support+b1-x@example.com", ("zoe@example.net",)
)


class FakeRelay:
    """A relay that answers from a script: `answers[verb]` is what it says (bytes, "drop" or "hang")."""

    def __init__(self, **answers: str) -> None:
        self.answers = {
            "GREETING": "220 relay.example ESMTP",
            "EHLO": "250-relay.example\r\n250 SIZE 1000000",
        }
        self.answers |= {"DATA": "354 go", "QUIT": "221 bye", "DOT": "250 2.0.0 queued as ABC"} | answers
        self.connections = 0
        self.commands: list[str] = []
        self.mails: list[bytes] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._say(writer, "GREETING"):
            return
        while line := (await reader.readline()).decode().strip():
            self.commands.append(line)
            verb = line.partition(" ")[0].upper()
            key = line if line in self.answers else verb
            if not await self._say(writer, key):
                return
            if verb == "DATA" and self.answers["DATA"].startswith("354"):
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                if not await self._say(writer, "DOT"):
                    return

    async def _say(self, writer: asyncio.StreamWriter, key: str) -> bool:
        answer = self.answers.get(key, "250 OK")
        if answer == "hang":
            await asyncio.sleep(30)
        if answer == "drop":
            return False
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return not answer.startswith("421")

    def drop_all(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def relayed(fake: FakeRelay, **settings: Any) -> AsyncIterator[Relay]:
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0, limit=2**24)
    fake.port = server.sockets[0].getsockname()[1]
    relay = Relay(
        EmailOutbound(
            **{"port": fake.port, "tls": "none", "timeout": "300ms", "answer_timeout": "300ms"} | settings
        )
    )
    try:
        yield relay
    finally:
        await relay.close()
        server.close()
        fake.drop_all()


T, P, U = TemporaryFailure, PermanentFailure, UnknownOutcome
TABLE = [
    (Step.CONNECT, 554, T, Scope.CHANNEL),
    (Step.CONNECT, 421, T, Scope.CHANNEL),
    (Step.TLS, 454, T, Scope.CHANNEL),
    (Step.LOGIN, 535, T, Scope.CHANNEL),
    (Step.LOGIN, 454, T, Scope.CHANNEL),
    (Step.SENDER, 530, T, Scope.CHANNEL),
    (Step.SENDER, 451, T, Scope.DELIVERY),
    (Step.SENDER, 421, T, Scope.CHANNEL),
    (Step.SENDER, 550, P, None),
    (Step.SENDER, 552, P, None),
    (Step.RECIPIENT, 450, T, Scope.DELIVERY),
    (Step.RECIPIENT, 452, T, Scope.DELIVERY),
    (Step.RECIPIENT, 552, T, Scope.DELIVERY),
    (Step.RECIPIENT, 550, P, None),
    (Step.RECIPIENT, 421, T, Scope.CHANNEL),
    (Step.DATA, 451, T, Scope.DELIVERY),
    (Step.DATA, 554, P, None),
    (Step.DATA, -1, T, Scope.CHANNEL),
    (Step.DOT, 451, T, Scope.DELIVERY),
    (Step.DOT, 421, T, Scope.CHANNEL),
    (Step.DOT, 554, P, None),
    (Step.DOT, 251, U, None),
    (Step.DOT, -1, U, None),
]


@pytest.mark.parametrize(("step", "code", "kind", "scope"), TABLE)
def test_what_an_answer_means(step: Step, code: int, kind: type[Failure], scope: Scope | None) -> None:
    failure = failure_for_code(step, code, "5.1.1 no\r\nsuch\x00 user " + "x" * 500)
    assert type(failure) is kind
    assert getattr(failure, "scope", None) == scope
    assert "\n" not in failure.reason
    assert len(failure.reason) < 400
    if kind is T and step is Step.LOGIN:
        assert "email.outbound.password" in failure.reason or "password" in failure.reason


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize(
    "exc",
    [ConnectionResetError(), TimeoutError(), SMTPServerDisconnected("x"), EOFError(), BrokenPipeError()],
)
def test_what_a_silence_means(step: Step, exc: Exception) -> None:
    failure = failure_for(step, exc)
    if step is Step.DOT:
        assert type(failure) is UnknownOutcome
    else:
        assert isinstance(failure, TemporaryFailure)
        assert failure.scope is Scope.CHANNEL


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_what_it_means_is_said_in_every_language(language: str) -> None:
    """All that a relay can do; what it said itself stays as it came."""
    config = parse({"service": {"language": language}}, environ={})
    found = [failure_for_code(step, code, "5.1.1 nope") for step, code, *_ in TABLE]
    troubles = (ConnectionResetError(), ssl.SSLCertVerificationError(), SMTPServerDisconnected("nope"))
    found += [failure_for(step, exc) for step in Step for exc in troubles]
    with pytest.raises(PermanentFailure) as refused:
        check_addresses(["a b@example.com"])
    for failure in (*found, refused.value):
        assert isinstance(failure.reason, Phrase)
        said = in_words(config, failure.reason)
        assert said != failure.reason
        assert ("nope" in said) is ("nope" in failure.reason)


def test_a_bug_of_ours_is_no_answer() -> None:
    with pytest.raises(KeyError):
        failure_for(Step.DATA, KeyError("x"))
    assert type(failure_for(Step.DOT, SMTPResponseException(250, ""))) is UnknownOutcome


async def test_a_mail_goes_with_its_dots_and_the_connection_is_kept() -> None:
    fake = FakeRelay()
    async with relayed(fake) as relay:
        for _ in range(3):
            accepted = await relay.submit(MAIL)
            assert accepted.answer == "2.0.0 queued as ABC"
            assert accepted.warning is None
    assert fake.connections == 1
    assert fake.mails == [b"Subject: hello\r\n\r\n..one dot\r\n...two\r\nend\r\n.\r\n"] * 3
    assert fake.commands[1:4] == [
        f"MAIL FROM:<support+b1-x@example.com> SIZE={len(MAIL.content)}",
        "RCPT TO:<zoe@example.net>",
        "DATA",
    ]
    assert fake.commands[4] == "RSET"


SCRIPT: list[tuple[dict[str, str], type[Failure], Scope | None]] = [
    ({"GREETING": "554 go away"}, T, Scope.CHANNEL),
    ({"GREETING": "drop"}, T, Scope.CHANNEL),
    ({"GREETING": "hang"}, T, Scope.CHANNEL),
    ({"EHLO": "drop"}, T, Scope.CHANNEL),
    ({"MAIL": "drop"}, T, Scope.CHANNEL),
    ({"MAIL": "hang"}, T, Scope.CHANNEL),
    ({"MAIL": "451 later"}, T, Scope.DELIVERY),
    ({"MAIL": "550 no"}, P, None),
    ({"MAIL": "530 5.7.0 Authentication required"}, T, Scope.CHANNEL),
    ({"RCPT": "550 5.1.1 unknown"}, P, None),
    ({"RCPT": "450 greylisted"}, T, Scope.DELIVERY),
    ({"RCPT": "421 closing"}, T, Scope.CHANNEL),
    ({"DATA": "554 no"}, P, None),
    ({"DATA": "drop"}, T, Scope.CHANNEL),
    ({"DATA": "hang"}, T, Scope.CHANNEL),
    ({"DOT": "drop"}, U, None),
    ({"DOT": "hang"}, U, None),
    ({"DOT": "451 later"}, T, Scope.DELIVERY),
    ({"DOT": "554 5.7.1 spam"}, P, None),
]


@pytest.mark.parametrize(
    ("script", "kind", "scope"), SCRIPT, ids=lambda v: str(v) if isinstance(v, dict) else ""
)
async def test_failures_on_the_wire(script: dict[str, str], kind: type[Failure], scope: Scope | None) -> None:
    async with relayed(FakeRelay(**script)) as relay:
        with pytest.raises(Failure) as caught:
            await relay.submit(MAIL)
    assert type(caught.value) is kind
    assert getattr(caught.value, "scope", None) == scope


async def test_a_relay_that_is_not_there() -> None:
    with pytest.raises(TemporaryFailure) as caught:
        await Relay(EmailOutbound(port=1, tls="none")).submit(MAIL)
    assert caught.value.scope is Scope.CHANNEL


async def test_a_refused_copy_is_a_warning_and_a_refused_recipient_stops_all() -> None:
    mail = ComposedMail(
        MAIL.content, "a@example.com", ("zoe@example.net", "kim@example.net", "lee@example.net")
    )
    fake = FakeRelay(**{"RCPT TO:<kim@example.net>": "550 5.1.1 gone"})
    async with relayed(fake) as relay:
        accepted = await relay.submit(mail)
        assert "kim@example.net (550 5.1.1 gone)" in str(accepted.warning)
        assert "lee" not in str(accepted.warning)
        assert len(fake.mails) == 1
        fake.answers["RCPT TO:<zoe@example.net>"] = "550 5.1.1 gone"
        with pytest.raises(PermanentFailure):
            await relay.submit(mail)
        del fake.answers["RCPT TO:<zoe@example.net>"]
        await relay.submit(mail)
    assert len(fake.mails) == 2
    assert fake.connections == 1


async def test_a_kept_connection_that_died_is_replaced_unseen() -> None:
    fake = FakeRelay()
    async with relayed(fake) as relay:
        await relay.submit(MAIL)
        fake.drop_all()
        await relay.submit(MAIL)
        fake.answers["RSET"] = "421 idle too long"
        await relay.submit(MAIL)
    assert fake.connections == 3
    assert len(fake.mails) == 3


async def test_no_more_connections_than_allowed_at_once() -> None:
    fake = FakeRelay()
    async with relayed(fake, connections=2, timeout="5s") as relay:
        await asyncio.gather(*(relay.submit(MAIL) for _ in range(12)))
    assert fake.connections == 2
    assert len(fake.mails) == 12


@pytest.mark.parametrize(
    "address", ["a@b\r\nRCPT TO:<x@y>", "a@b>", "a b@c", "a@b\x00", "nobody", "a@\ud800"]
)
async def test_addresses_that_end_a_command_never_reach_the_wire(address: str) -> None:
    fake = FakeRelay()
    async with relayed(fake) as relay:
        for mail in (
            ComposedMail(b"x", address, ("zoe@example.net",)),
            ComposedMail(b"x", "a@example.com", ("zoe@example.net", address)),
        ):
            with pytest.raises(PermanentFailure):
                await relay.submit(mail)
    assert fake.commands == []


async def test_utf8_addresses_need_a_relay_that_takes_them() -> None:
    mail = ComposedMail(MAIL.content, "a@example.com", ("zoë@example.net",), True)
    fake = FakeRelay()
    async with relayed(fake) as relay:
        with pytest.raises(PermanentFailure, match="SMTPUTF8"):
            await relay.submit(mail)
        fake.answers["EHLO"] = "250-relay.example\r\n250 SMTPUTF8"
        await relay.submit(mail)
    assert "MAIL FROM:<a@example.com> SMTPUTF8 BODY=8BITMIME" in fake.commands
    assert "RCPT TO:<zoë@example.net>" in fake.commands


class Sink:
    """Keeps what a real server took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        assert session.ssl is not None
        assert session.authenticated
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return certificate_in(tmp_path)


@asynccontextmanager
async def sink(certificate: tuple[Path, Path]) -> AsyncIterator[tuple[Sink, int]]:
    """A real server with STARTTLS and a login (ada, secret)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    kept = Sink()

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=tuple(data) == (b"ada", b"secret"), handled=False)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            kept, hostname="sink", tls_context=context, authenticator=login, auth_required=True, loop=loop
        ),
        "127.0.0.1",
        0,
    )
    try:
        yield kept, server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_starttls_and_login_are_real(certificate: tuple[Path, Path]) -> None:
    async with sink(certificate) as (kept, port):
        await _starttls_and_login(kept, port, certificate)


async def _starttls_and_login(kept: Sink, port: int, certificate: tuple[Path, Path]) -> None:
    settings: dict[str, Any] = {
        "host": "localhost",
        "port": port,
        "username": "ada",
        "password": "secret",
        "tls_ca_file": str(certificate[0]),
    }
    relay = Relay(EmailOutbound(**settings))
    big = ComposedMail(
        b"Subject: x\r\n\r\n" + b".12345678\r\n" * 400_000, "a@example.com", ("zoe@example.net",)
    )
    await relay.submit(MAIL)
    await relay.submit(big)
    assert await relay.probe()
    await relay.close()
    assert kept.taken[0][2] == MAIL.content
    assert kept.taken[1][2] == big.content
    wrong = {
        "password": ({"password": "wrong"}, "password"),
        "certificate": ({"tls_ca_file": ""}, "certificate"),
        "authorities": ({"tls_ca_file": "/nonexistent"}, "tls_ca_file"),
        "plain": ({"tls": "none"}, "log in"),
    }
    for change, said in wrong.values():
        with pytest.raises(TemporaryFailure, match=said) as caught:
            await Relay(EmailOutbound(**(settings | change))).submit(MAIL)
        assert caught.value.scope is Scope.CHANNEL
        assert "secret" not in caught.value.reason


async def test_a_relay_without_starttls_gets_no_mail() -> None:
    fake = FakeRelay()
    async with relayed(fake, tls="starttls") as relay:
        with pytest.raises(TemporaryFailure, match=r"email\.outbound\.tls"):
            await relay.submit(MAIL)
    assert fake.mails == []
