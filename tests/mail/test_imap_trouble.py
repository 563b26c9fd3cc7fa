"""The IMAP door in trouble: servers that go, hang, drip, lie or say no, and mails that can't be had."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.failures import Unavailable
from intake.email import imap_rules
from tests.dovecot import Dovecot, new_user
from tests.mail.imap_fake import FakeImap, serving
from tests.mail.imap_kit import SEEN, Post, connected, letter
from tests.mail.server_house import certificate_in
from tests.stores import Store
from tests.waiting import until

pytestmark = pytest.mark.parametrize("store_name", ["sqlite"])


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come soon."""
    monkeypatch.setattr(imap_rules, "RETRY", (timedelta(milliseconds=50),))
    monkeypatch.setattr(imap_rules, "RETRY_REFUSED", (timedelta(milliseconds=50),))


@pytest.fixture
def fake_post(store: Store) -> Callable[[FakeImap], Post]:
    """A mailbox at a fake server."""

    def made(fake: FakeImap) -> Post:
        server: Any = fake
        return Post(server, store, "box@example.com")

    return made


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_server_that_goes_and_comes_back(
    own_dovecot: Callable[..., Dovecot], store: Store, how: str
) -> None:
    """Whether it says BYE or not."""
    post = Post(own_dovecot(), store, new_user())
    async with post.fetching() as door:
        post.put(letter(1))
        await post.stored(1)
        await asyncio.to_thread(getattr(post.server, how))
        await until(lambda: door.state == "away")
        assert not door.ready
        assert door.trouble == "away"
        post.server.start()
        await connected(door)
        post.put(letter(2))
        await post.stored(2)
    assert post.inbox() == ["Mail 1", "Mail 2"]


async def test_a_wrong_password_is_told_once_with_what_to_mend(post: Post) -> None:
    """And tried again, slowly; /readyz names the account."""
    with capture_logs() as logs:
        async with post.fetching(password="wrong") as door:
            await until(lambda: len([e for e in logs if e["event"] == "imap_login_refused"]) >= 3)
            assert door.trouble == "the login is refused"
    told = [entry for entry in logs if entry["event"] == "imap_login_refused"]
    assert [entry["log_level"] for entry in told[:3]] == ["warning", "info", "info"]
    assert "check username and password" in told[0]["reason"]
    assert "wrong" not in str(logs)


async def test_a_mailbox_that_isnt_there_is_told(post: Post) -> None:
    """With its name and the server's words."""
    with capture_logs() as logs:
        async with post.fetching(mailbox="Tickets"):
            await until(lambda: any(entry["event"] == "imap_away" for entry in logs))
    reason = next(entry["reason"] for entry in logs if entry["event"] == "imap_away")
    assert reason.startswith("the mailbox Tickets can't be opened (")


async def test_nothing_is_marked_before_it_is_stored(post: Post) -> None:
    """While our database has trouble the mail stays unread, and comes in afterwards."""

    class Gated:
        def __init__(self, intake: Any) -> None:
            self.intake, self.tries, self.trouble = intake, 0, True

        async def store(self, arrivals: Any) -> int:
            self.tries += 1
            if self.trouble:
                raise Unavailable("database: away")
            return int(await self.intake.store(arrivals))

    post.put(letter(1))
    async with post.fetching() as door:
        gate = door._fetcher.intake = Gated(door._fetcher.intake)
        await until(lambda: gate.tries >= 2)
        assert post.flags() == [set()]
        await until(lambda: door.state == "away")
        gate.trouble = False
        await post.stored(1)
        await post.marked()


async def test_a_server_that_drips_is_left(fake_post: Callable[[FakeImap], Post]) -> None:
    """A byte now and then is no sign of life: a greeting has its time, all in all."""
    async with serving(FakeImap(drip=0.1, greeting=b"* OK " + b"x" * 1000 + b"\r\n")) as fake:
        begun = time.monotonic()
        async with fake_post(fake).fetching(timeout="200ms") as door:
            await until(lambda: door.state == "away" and fake.connections >= 2)
        assert time.monotonic() - begun < 5


async def test_a_server_that_hangs_is_left(fake_post: Callable[[FakeImap], Post]) -> None:
    """A half-open connection: nothing comes any more, and nothing says so."""
    async with serving(FakeImap(answers={"NOOP": b""})) as fake, fake_post(fake).fetching(timeout="200ms"):
        await until(lambda: fake.connections >= 2)


async def test_an_answer_that_promises_gigabytes_costs_a_connection(
    fake_post: Callable[[FakeImap], Post],
) -> None:
    """Nothing of the kind is allocated, and the mails after it come."""
    fake = FakeImap(
        mails={1: letter(1), 2: letter(2)},
        answers={"UID FETCH 1 (BODY": b"* 1 FETCH (UID 1 BODY[] {9000000000}\r\nxx"},
    )
    async with serving(fake):
        post = fake_post(fake)
        async with post.fetching():
            await post.stored(1)
    assert post.inbox() == ["Mail 2"]


@pytest.mark.parametrize(
    "answer",
    [
        b"{tag} NO [SERVERBUG] can't read it\r\n",
        b"{tag} BAD what\r\n",
        b"* 2 FETCH (UID 2 BODY[] NIL)\r\n{tag} OK\r\n",
        b"* 2 FETCH (UID 2 BODY[] (((\r\n{tag} OK\r\n",
        None,
    ],
    ids=["NO", "BAD", "NIL", "nonsense", "hangs up"],
)
async def test_one_bad_mail_stops_none_after_it(
    fake_post: Callable[[FakeImap], Post], answer: bytes | None
) -> None:
    """It's told and left; the others are stored and marked. A later start tries it again."""
    fake = FakeImap(mails={n: letter(n) for n in (1, 2, 3)}, answers={"UID FETCH 2 (BODY": answer})
    async with serving(fake):
        post = fake_post(fake)
        with capture_logs() as logs:
            async with post.fetching():
                await post.stored(2)
                await until(lambda: fake.seen == {1, 3})
        assert [e["uid"] for e in logs if e["event"] == "imap_mail_left"] == [2]
        assert post.inbox() == ["Mail 1", "Mail 3"]
        fake.answers.clear()
        fake.seen.add(2)  # somebody opened it meanwhile
        async with post.fetching():
            await post.stored(3)


@pytest.mark.parametrize("idle", [b"+ idling\r\n* 1 EXISTS\r\n", b"* 1 EXISTS\r\n+ idling\r\n"])
async def test_mail_that_came_together_with_the_answer_to_idle_isnt_missed(
    fake_post: Callable[[FakeImap], Post], idle: bytes
) -> None:
    """What was read ahead shows on no socket; and some say it before the answer."""
    async with serving(FakeImap(idle=idle)) as fake, fake_post(fake).fetching(poll="60s") as door:
        await connected(door)
        await until(lambda: fake.commands["IDLE"] >= 3, timeout=5)


async def test_idle_that_is_refused_is_polled(fake_post: Callable[[FakeImap], Post]) -> None:
    """It was offered, and doesn't work."""
    async with serving(FakeImap(answers={"IDLE": b"{tag} BAD not here\r\n"})) as fake:
        post = fake_post(fake)
        async with post.fetching(poll="100ms"):
            await until(lambda: fake.commands["NOOP"] >= 3)
            fake.mails[1] = letter(1)
            await post.stored(1)
        assert fake.connections == 1


async def test_idle_that_says_nothing_is_looked_after(fake_post: Callable[[FakeImap], Post]) -> None:
    """It was accepted, and no news ever comes."""
    async with serving(FakeImap()) as fake:
        post = fake_post(fake)
        async with post.fetching(poll="200ms") as door:
            await connected(door)
            fake.mails[1] = letter(1)
            await post.stored(1, timeout=5)


@pytest.mark.parametrize(
    ("tls", "words"),
    [("none", "the server takes no login without TLS"), ("starttls", "the server offers no STARTTLS")],
)
async def test_without_tls_no_password_is_said_where_it_is_forbidden(
    fake_post: Callable[[FakeImap], Post], tls: str, words: str
) -> None:
    """LOGINDISABLED (RFC 9051 6.2.3); and STARTTLS that isn't offered is no reason to go on without."""
    fake = FakeImap(capabilities="IMAP4rev1 LOGINDISABLED")
    with capture_logs() as logs:
        async with serving(fake), fake_post(fake).fetching(tls=tls, host="127.0.0.1"):
            await until(lambda: any(entry["event"] == "imap_away" for entry in logs))
    assert words in next(entry["reason"] for entry in logs if entry["event"] == "imap_away")
    assert set(fake.commands) <= {"CAPABILITY", "LOGOUT"}


async def test_what_is_said_before_tls_counts_for_nothing_after_it(
    fake_post: Callable[[FakeImap], Post], tmp_path: Path
) -> None:
    """Words put in behind the answer to STARTTLS, by whoever sits on the line, in time to be taken for the server's."""
    certificate, key = certificate_in(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    injected = "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{next} OK done\r\n"
    fake = FakeImap(capabilities="IMAP4rev1 AUTH=PLAIN STARTTLS", tls=tls, injected=injected)
    async with serving(fake), fake_post(fake).fetching(tls="starttls", tls_ca_file=str(certificate)) as door:
        await connected(door)
    assert fake.commands["CAPABILITY"] >= 2
    assert fake.commands["AUTHENTICATE PLAIN"] == 1


async def test_login_is_quoted_where_plain_isnt_offered(fake_post: Callable[[FakeImap], Post]) -> None:
    """A user name is no place for a second command."""
    fake = FakeImap(capabilities="IMAP4rev1 IDLE")
    async with serving(fake), fake_post(fake).fetching(username='b"o x', password='p"w') as door:
        await connected(door)
    assert fake.commands['LOGIN "b\\"o x" "p\\"w"'] == 1


async def test_a_move_that_is_refused_is_told_once_and_tried_again(post: Post) -> None:
    """The mail is stored, once; the mailbox keeps it until there is the folder."""
    post.put(letter(1))
    with capture_logs() as logs:
        async with post.fetching(after="move:Done", poll="100ms"):
            await until(lambda: len([e for e in logs if e["event"] == "imap_mark_failed"]) >= 3)
            with post.server.client(post.user) as client:
                client.create_folder("Done")
            await until(lambda: post.flags() == [])
    told = [entry["log_level"] for entry in logs if entry["event"] == "imap_mark_failed"]
    assert told[:3] == ["warning", "info", "info"]
    assert len([entry for entry in logs if entry["event"] == "imap_stored"]) == 1
    assert len(post.flags("Done")) == 1


async def test_a_full_disk_leaves_mail_at_the_server(post: Post) -> None:
    """It waits there, unread."""
    post.put(letter(1))
    config = post.config(inbound={"disk_left_bytes": 2**60}, poll="100ms")
    with capture_logs() as logs:
        async with post.fetching(config):
            await until(lambda: len([e for e in logs if e["event"] == "imap_disk_full"]) >= 2)
    assert post.flags() == [set()]
    assert post.store.count("inbox") == 0


@pytest.mark.parametrize(
    ("fake", "longest"), [(FakeImap(), 1.5), (FakeImap(answers={"NOOP": b""}), 6.0)], ids=["idle", "hangs"]
)
async def test_stopping_takes_no_time_whatever_the_server_does(
    fake_post: Callable[[FakeImap], Post], fake: FakeImap, longest: float
) -> None:
    """In IDLE at once; with a server that hangs within the grace."""
    async with serving(fake), fake_post(fake).fetching(timeout="60s") as door:
        await until(lambda: fake.commands["IDLE"] or ("NOOP" in fake.answers and fake.commands["NOOP"]))
        begun = time.monotonic()
        await door.stop()
        assert time.monotonic() - begun < longest


async def test_seen_by_nobody_but_us(post: Post) -> None:
    """Fetching itself marks nothing (BODY.PEEK)."""
    post.put(letter(1))
    async with post.fetching() as door:
        held = asyncio.Event()
        intake = door._fetcher.intake

        class Held:
            async def store(self, arrivals: Any) -> int:
                await held.wait()
                return int(await intake.store(arrivals))

        door._fetcher.intake = Held()
        await connected(door)
        assert post.flags() == [set()]
        held.set()
        await post.marked(SEEN)
