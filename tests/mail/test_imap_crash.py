"""The IMAP door across instances and deaths: each mail once, whoever fetches it and however they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from core import work
from intake.email import imap as imap_door
from tests.conftest import Houses
from tests.dovecot import Dovecot, new_user
from tests.mail.imap_kit import Post, connected, letter
from tests.waiting import until


class Gate:
    """Stands between a client and the server; while `shut`, commands that mark a mail don't pass."""

    def __init__(self, port: int) -> None:
        self._to, self.port, self.shut = port, 0, True
        self.held = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        there, over = await asyncio.open_connection("127.0.0.1", self._to)
        back = asyncio.create_task(self._copy(there, writer))
        with suppress(ConnectionError):
            while line := await reader.readline():
                if self.shut and b"STORE" in line:
                    self.held.set()
                    continue
                over.write(line)
        over.close()
        back.cancel()
        writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                writer.write(piece)
            writer.close()


@asynccontextmanager
async def gate_to(server: Dovecot) -> AsyncIterator[Gate]:
    """A gate in front of the server."""
    gate = Gate(server.port)
    listening = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
    gate.port = listening.sockets[0].getsockname()[1]
    try:
        yield gate
    finally:
        listening.close()


async def test_killed_between_storing_and_marking_makes_one_ticket(houses: Houses, post: Post) -> None:
    """`kill -9` of the real service after the commit, before the mark has reached the server."""
    post.put(letter(1), letter(2))
    async with gate_to(post.server) as gate:
        house = houses.make(slack=False, email={"imap": [post.settings(port=gate.port, timeout="60s")]})
        await house.start()
        await house.ready()
        await house.logged("imap_stored", times=2)
        await asyncio.wait_for(gate.held.wait(), 10)
        await until(lambda: post.store.count("tickets") == 2)
        assert post.flags() == [set(), set()]
        await house.kill9()
        gate.shut = False
        since = house.mark()
        await house.restart()
        await house.logged(
            "imap_stored", times=2, since=since
        )  # fetched again, for nothing says that they were
        await post.marked()
        await house.send_mail("ann@customer.example")  # whatever was stored before is read by then
        await until(lambda: post.store.count("tickets") == 3)
    assert post.store.count("inbox") == 3
    assert post.store.count("tickets", "title LIKE 'Mail%'") == 2


async def test_readyz_names_an_account_that_is_away(houses: Houses, post: Post) -> None:
    """It's degraded, not down: what comes waits at the mail server."""
    house = houses.make(
        slack=False, email={"imap": [post.settings(password="wrong"), post.settings(username=new_user())]}
    )
    await house.start()
    await house.ready()
    await house.logged("imap_login_refused")
    await house.logged("imap_connected")
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{house.url}/readyz")
    told = answer.json()
    assert answer.status_code == 200
    assert told["status"] == "degraded"
    assert told["parts"]["imap:support"] == "degraded"
    assert told["parts"]["imap:support-2"] == "ok"
    assert told["details"] == {"imap:support": "the login is refused"}
    assert "wrong" not in house.tail(1000)
    await house.terminate()


async def test_two_instances_on_one_account_fetch_each_mail_once(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One holds the account, the other stands by and takes over when the first has gone."""
    monkeypatch.setattr(imap_door, "STANDBY", timedelta(milliseconds=200))
    with capture_logs() as logs:
        async with post.fetching() as first, post.fetching() as second:
            await until(lambda: {first.state, second.state} == {"connected", "standby"})
            assert first.ready
            assert second.ready
            for number in range(0, 20, 4):
                post.put(*(letter(n) for n in range(number, number + 4)))
            await post.stored(20)
            await post.marked()
            holder, other = (first, second) if first.state == "connected" else (second, first)
            await holder.stop()
            await connected(other)
            post.put(letter(20))
            await post.stored(21)
            await post.marked()
    assert len([entry for entry in logs if entry["event"] == "imap_stored"]) == 21
    assert post.store.count("inbox") == 21
    assert post.store.value("SELECT token FROM work WHERE kind = 'imap'") is None


async def test_a_lost_lease_stops_the_fetcher(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody took over (we were frozen for too long): we let the account alone."""
    monkeypatch.setattr(work, "RENEW", timedelta(milliseconds=200))
    with capture_logs() as logs:
        async with post.fetching() as door:
            await connected(door)
            # In a thread: the door's own transaction may be open, and it ends in this loop.
            await asyncio.to_thread(
                post.store.execute, "UPDATE work SET token = 'somebody else' WHERE kind = 'imap'"
            )
            await until(lambda: door.state == "standby")
            post.put(letter(1))
            await asyncio.sleep(0.5)
            assert post.store.count("inbox") == 0
    assert "imap_lease_lost" in [entry["event"] for entry in logs]
    assert post.store.value("SELECT token FROM work WHERE kind = 'imap'") == "somebody else"


@pytest.mark.slow
@pytest.mark.parametrize("store_name", ["sqlite"])
async def test_a_thousand_mails(dovecot: Dovecot, store: Any) -> None:
    """All of them once, in their order, with flat memory."""
    post = Post(dovecot, store, new_user())
    post.put(*(letter(number, text="x" * 3000) for number in range(1000)))
    begun = time.monotonic()
    async with post.fetching():
        await post.stored(1000, timeout=60)
        took = time.monotonic() - begun
        await until(lambda: post.unread() == 0, 20)
    print(f"1,000 mails in {took:.1f} s")
    assert post.inbox() == [f"Mail {number}" for number in range(1000)]
    assert post.store.value("SELECT data FROM work WHERE kind = 'imap'") is not None
