"""The IMAP door against a real Dovecot: each mail is stored once, and marked only then."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.dovecot import Dovecot, new_user
from tests.mail.imap_kit import DELETED, FLAGGED, SEEN, Post, connected, letter
from tests.stores import Store
from tests.waiting import until

on_sqlite = pytest.mark.parametrize("store_name", ["sqlite"])


async def test_unread_mail_is_stored_and_then_marked_as_read(post: Post) -> None:
    """The envelope is what the mail servers on the way noted; the queue is the account's."""
    post.put(letter(1), letter(2))
    async with post.fetching():
        await post.stored(2)
        await post.marked()
    assert post.inbox() == ["Mail 1", "Mail 2"]
    rows = post.store.rows("SELECT envelope FROM inbox ORDER BY id")
    for row in rows:
        envelope = json.loads(row["envelope"])
        assert envelope | {"peer": "", "helo": "", "source": ""} == {
            "sender": "zoe@example.net",
            "recipients": ["support@example.com"],
            "queue": "support",
            "protocol": "imap",
            "trusted": True,
            "peer": "",
            "helo": "",
            "source": "",
        }


async def test_a_second_start_fetches_nothing_twice(post: Post) -> None:
    """How far we were is kept with the lease."""
    post.put(letter(1))
    async with post.fetching():
        await post.stored(1)
        await post.marked()
    post.put(letter(2))
    async with post.fetching():
        await post.stored(2)
        await post.marked()
    assert post.inbox() == ["Mail 1", "Mail 2"]


@on_sqlite
@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_tls_is_verified_with_the_configured_authority(post: Post, tls: str) -> None:
    """The certificate signs itself: with tls_ca_file it counts."""
    post.put(letter(1))
    async with post.fetching(tls=tls, tls_ca_file=str(post.server.certificate)):
        await post.stored(1)


@on_sqlite
@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_a_certificate_nobody_vouches_for_is_refused(post: Post, tls: str) -> None:
    """No login is said over such a line."""
    async with post.fetching(tls=tls) as door:
        await until(lambda: door.state == "away" and door.trouble)
    assert f"user=<{post.user}>, method" not in post.server.log()


@on_sqlite
async def test_idle_brings_a_mail_within_two_seconds(post: Post) -> None:
    """The poll's minute has nothing to do with it."""
    async with post.fetching(poll="60s") as door:
        await connected(door)
        for number in range(5):
            await asyncio.sleep(0.05 * number)  # at another moment of the cycle each time
            begun = time.monotonic()
            post.put(letter(number))
            await post.stored(number + 1, timeout=5)
            assert time.monotonic() - begun < 2


@on_sqlite
async def test_without_idle_the_mailbox_is_looked_through(
    own_dovecot: Callable[..., Dovecot], store: Store
) -> None:
    """Polling, for servers that offer no IDLE."""
    server = own_dovecot("imap_capability = IMAP4rev1 LITERAL+ UIDPLUS MOVE")
    post = Post(server, store, new_user())
    with capture_logs() as logs:
        async with post.fetching(poll="300ms") as door:
            await connected(door)
            for number in (1, 2):
                post.put(letter(number))
                await post.stored(number)
            await post.marked()
    assert [entry["idle"] for entry in logs if entry["event"] == "imap_connected"] == [False]


@on_sqlite
async def test_idle_is_begun_anew_now_and_then(post: Post) -> None:
    """So a connection that says nothing any more is noticed, and a router on the way sees that it lives."""
    async with post.fetching(poll="200ms") as door:
        await connected(door)
        await asyncio.sleep(1.0)  # several rounds, all quiet
        assert door.state == "connected"
        post.put(letter(1))
        await post.stored(1)


@on_sqlite
@pytest.mark.parametrize(
    "capability",
    ["", "imap_capability = IMAP4rev1 LITERAL+ UIDPLUS IDLE", "imap_capability = IMAP4rev1 LITERAL+ IDLE"],
    ids=["MOVE", "UIDPLUS", "neither"],
)
async def test_stored_mail_is_moved(
    own_dovecot: Callable[..., Dovecot], dovecot: Dovecot, store: Store, capability: str
) -> None:
    """By MOVE, else by COPY and an EXPUNGE of just these mails."""
    post = Post(own_dovecot(capability) if capability else dovecot, store, new_user())
    with post.server.client(post.user) as client:
        client.create_folder("Done & gone")
    post.put(letter(1), letter(2))
    async with post.fetching(after="move:Done & gone"):
        await post.stored(2)
        await until(lambda: post.flags() == [])
    assert len(post.flags("Done & gone")) == 2


@on_sqlite
async def test_stored_mail_is_deleted_and_nobody_elses(post: Post) -> None:
    """A mail that somebody flagged as deleted stays until they expunge it."""
    post.put(letter("theirs"), flags=(DELETED,))
    post.put(letter(1))
    async with post.fetching(after="delete"):
        await post.stored(1)
        await until(lambda: len(post.flags()) == 1)
    assert post.flags() == [{DELETED}]
    assert post.inbox() == ["Mail 1"]


@on_sqlite
async def test_without_uidplus_nobody_elses_mail_is_expunged(
    own_dovecot: Callable[..., Dovecot], store: Store
) -> None:
    """A plain EXPUNGE would take what others flagged: ours then stay flagged, until all flagged ones are ours."""
    post = Post(own_dovecot("imap_capability = IMAP4rev1 LITERAL+ IDLE"), store, new_user())
    post.put(letter("theirs"), flags=(DELETED,))
    async with post.fetching(after="delete"):
        post.put(letter(1))
        await post.stored(1)
        await until(lambda: post.flags() == [{DELETED}, {DELETED}])
        with post.server.client(post.user) as client:
            client.set_flags(client.search()[:1], [SEEN])
        post.put(letter(2))
        await post.stored(2)
        await until(lambda: post.flags() == [{SEEN}])


@on_sqlite
async def test_old_read_mail_is_no_ticket_and_new_read_mail_is(post: Post) -> None:
    """Somebody opened it in webmail before we looked: it isn't lost."""
    post.put(letter("old"), flags=(SEEN,))
    post.put(letter("unread"))
    async with post.fetching():
        await post.stored(1)
        await post.marked()
    post.put(letter("opened"), flags=(SEEN,))
    async with post.fetching():
        await post.stored(2)
    assert post.inbox() == ["Mail unread", "Mail opened"]


@on_sqlite
async def test_a_mail_that_a_person_marks_as_unread_stays_so(post: Post) -> None:
    """We had it; their mark is theirs."""
    post.put(letter(1))
    async with post.fetching(poll="200ms"):
        await post.stored(1)
        await post.marked()
        with post.server.client(post.user) as client:
            client.remove_flags([1], [SEEN])
        post.put(letter(2))
        await post.stored(2)
        await until(lambda: SEEN in post.flags()[1])
    assert post.flags()[0] == set()
    assert post.inbox() == ["Mail 1", "Mail 2"]


async def test_uids_that_are_given_anew_lose_and_repeat_nothing(post: Post) -> None:
    """The mailbox is deleted and made again (UIDVALIDITY changes) with a mail that we had, one we hadn't, and an old
    one that was read."""
    with post.server.client(post.user, None) as client:
        client.create_folder("Tickets")
    post.put(letter(1), letter(2), mailbox="Tickets")
    async with post.fetching(mailbox="Tickets"):
        await post.stored(2)
        await until(lambda: all(SEEN in flags for flags in post.flags("Tickets")))
    before = post.store.value("SELECT data FROM work WHERE kind = 'imap'")
    with post.server.client(post.user, None) as client:
        client.delete_folder("Tickets")
        await asyncio.sleep(1.1)  # UIDVALIDITY is a time in seconds
        client.create_folder("Tickets")
    post.put(letter("read long ago"), flags=(SEEN,), mailbox="Tickets")
    post.put(letter(2), letter(3), mailbox="Tickets")
    async with post.fetching(mailbox="Tickets"):
        await post.stored(3)
        await until(lambda: all(SEEN in flags for flags in post.flags("Tickets")))
    assert post.inbox() == ["Mail 1", "Mail 2", "Mail 3"]
    assert post.store.value("SELECT data FROM work WHERE kind = 'imap'") != before


@on_sqlite
async def test_uids_that_are_given_anew_while_connected(post: Post) -> None:
    """The server ends the connection or says no; either way the new mailbox is fetched."""
    with post.server.client(post.user, None) as client:
        client.create_folder("Tickets")
    async with post.fetching(mailbox="Tickets", poll="300ms") as door:
        await connected(door)
        post.put(letter(1), mailbox="Tickets")
        await post.stored(1)
        with post.server.client(post.user, None) as client:
            client.delete_folder("Tickets")
            await asyncio.sleep(1.1)
            client.create_folder("Tickets")
        post.put(letter(2), mailbox="Tickets")
        await post.stored(2, timeout=20)
    assert post.inbox() == ["Mail 1", "Mail 2"]


@on_sqlite
async def test_a_mail_over_the_limit_is_told_and_holds_up_none(post: Post) -> None:
    """Its header becomes a ticket that says where it is; the mail stays, flagged, and is listed once."""
    post.put(letter(1, text="x" * 5000), letter(2))
    config = post.config(inbound={"max_message_bytes": 2000}, after="delete")
    async with post.fetching(config):
        await post.stored(2)
        await until(lambda: post.flags() == [{SEEN, FLAGGED}])
    async with post.fetching(config):
        post.put(letter(3))
        await post.stored(3)
    assert post.inbox() == ["Mail 1", "Mail 2", "Mail 3"]
    raw = bytes(post.store.value("SELECT raw FROM inbox ORDER BY id LIMIT 1"))
    assert b"Message-ID: <1@example.net>" in raw
    assert b"more than the 2000" in raw
    assert len(raw) < 2000


async def test_a_large_mail_comes_byte_for_byte(post: Post) -> None:
    """Any bytes, also those that are no text."""
    body = bytes(range(14, 256)) * 12_000
    mail = letter(1) + body + b"\r\n"
    post.put(mail)
    async with post.fetching() as door:
        await post.stored(1)
        await connected(door)
    row = post.store.rows("SELECT * FROM inbox")[0]
    assert row["bytes"] == len(mail)
    kept = next((post.store.folder / "blobs").rglob(f"*{row['blob'][-20:]}*"))
    assert kept.read_bytes() == mail


@on_sqlite
async def test_a_mail_without_a_name_that_is_fetched_twice_is_one(post: Post) -> None:
    """No Message-ID, no Date: the server's time of arrival tells it from others, not the time of fetching."""
    post.put(b"From: zoe@example.net\r\nSubject: Nameless\r\n\r\nHello\r\n")
    async with post.fetching():
        await post.stored(1)
        await post.marked()
    post.store.execute("UPDATE work SET data = NULL WHERE kind = 'imap'")
    with post.server.client(post.user) as client:
        client.remove_flags([1], [SEEN])
    async with post.fetching() as door:
        door._fetcher._clock.offset = timedelta(minutes=7)
        await post.marked()
    assert post.store.count("inbox") == 1
