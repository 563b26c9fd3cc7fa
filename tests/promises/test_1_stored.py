"""Promise 1. Accepted is stored: `250` only after a durable commit, whatever is killed; what is unread is shown."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.conftest import Houses
from tests.house import House
from tests.mariadb import MariaDbServer
from tests.stores import Store
from tests.waiting import until_true
from tests.writing import mail

ROUNDS = 3


class Client(threading.Thread):
    """A mail client that writes as fast as it can and remembers what it was told: accepted, or not known."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(daemon=True)
        self.port, self.label = port, name
        self.accepted: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=5) as smtp:
                    while not self.stopping.is_set():
                        number += 1
                        sender = f"{self.label}-{number}@customer.example"
                        message = mail(
                            sender, ["support@example.com"], f"Question {self.label} {number}", "Help."
                        )
                        smtp.sendmail(sender, ["support@example.com"], message.as_bytes())
                        self.accepted.append(str(message["Subject"]))
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)


@pytest.mark.slow
async def test_kill_9_under_load_loses_nothing_that_was_accepted(
    store: Store, box: Sandbox, tmp_path: Path
) -> None:
    """Three times: write from three clients at once, SIGKILL in the middle, start again."""
    house = House(store, tmp_path / "house", box, slack=False, queue=[_QUIET])
    clients: list[Client] = []
    try:
        for number in range(ROUNDS):
            await house.start()
            await house.ready()
            batch = [Client(house.smtp_port, f"r{number}c{i}") for i in range(3)]
            for client in batch:
                client.start()
            # The first dies at once, the last in the middle of working off what came.
            enough = 4 + number * 15
            await asyncio.to_thread(
                until_true, lambda b=batch, n=enough: sum(len(c.accepted) for c in b) >= n, timeout=20
            )
            await house.kill9()
            for client in batch:
                client.stopping.set()
            clients += batch
        await asyncio.gather(*(asyncio.to_thread(client.join, 10) for client in clients))
        await house.restart()
        accepted = [subject for client in clients for subject in client.accepted]
        async with asyncio.timeout(60):
            while store.count("inbox", "state = 'new'"):
                await asyncio.sleep(0.1)
        await house.terminate()
    finally:
        await house.close()
    titles = [row["title"] for row in store.rows("SELECT title FROM tickets")]
    assert len(accepted) > ROUNDS * 5
    assert set(accepted) - set(titles) == set(), "accepted and lost"
    assert len(titles) == len(set(titles)), "accepted once, opened twice"
    assert store.count("inbox", "state <> 'done'") == 0


_QUIET = {"name": "support", "addresses": ["support@example.com"], "notify": []}


@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_a_database_that_is_away_is_a_temporary_failure(
    mariadb_server: MariaDbServer, box: Sandbox, tmp_path: Path, store_name: str
) -> None:
    """451 and 503 while it is away; nothing lost; back by itself, and what waited goes out."""
    with closing(mariadb_server.connect()) as connection:
        connection.cursor().execute("CREATE DATABASE relaydesk")
    folder = tmp_path / "var"
    folder.mkdir()
    store = Store("mariadb", mariadb_server.url("relaydesk"), folder, mariadb_server, "relaydesk")
    house = House(store, tmp_path / "house", box, database={"auto_migrate": True})
    try:
        await house.start()
        await house.ready()
        assert (await house.send_mail("a@customer.example", subject="Before")).accepted
        await house.logged("delivered", kind="card")
        await asyncio.to_thread(mariadb_server.kill)
        refused = await house.send_mail("b@customer.example", subject="Meanwhile")
        assert refused.code == 451
        assert "pymysql" not in refused.text.lower()
        async with house.client() as http:
            ready, live = await http.get("/readyz"), await http.get("/healthz")
            report = {"title": "t", "description": "d", "email": "c@customer.example"}
            reported = await http.post("/report-issue", json=report)
        assert (ready.status_code, live.status_code, reported.status_code) == (503, 200, 503)
        await box.workspace.user("bob").dm("While it is away")
        await asyncio.to_thread(mariadb_server.start)
        async with asyncio.timeout(30):
            while not (await house.send_mail("b@customer.example", subject="After")).accepted:
                await asyncio.sleep(0.2)
        wanted = {"Before", "After", "While it is away"}
        async with asyncio.timeout(40):
            while {r["title"] for r in store.rows("SELECT title FROM tickets")} != wanted:
                await asyncio.sleep(0.2)
        await house.terminate()
    finally:
        await house.close()


@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_a_database_that_says_nothing_holds_nobody(
    mariadb_server: MariaDbServer, box: Sandbox, tmp_path: Path, store_name: str
) -> None:
    """A server that hangs without hanging up: 451 after `database.timeout`, on again when it answers, and SIGTERM
    ends the service in time all the same."""
    with closing(mariadb_server.connect()) as connection:
        connection.cursor().execute("CREATE DATABASE relaydesk")
    folder = tmp_path / "var"
    folder.mkdir()
    store = Store("mariadb", mariadb_server.url("relaydesk"), folder, mariadb_server, "relaydesk")
    database = {"auto_migrate": True, "timeout": "1s"}
    house = House(store, tmp_path / "house", box, slack=False, database=database)
    try:
        await house.start()
        await house.ready()
        assert (await house.send_mail("a@customer.example", subject="Before")).accepted
        await house.logged("work_one", outcome="opened")
        mariadb_server.freeze()
        assert (await house.send_mail("b@customer.example", subject="Meanwhile")).code == 451
        mariadb_server.thaw()
        async with asyncio.timeout(30):
            while not (await house.send_mail("c@customer.example", subject="After")).accepted:
                await asyncio.sleep(0.2)
        await house.logged("work_one", outcome="opened", times=2, timeout=30)
        mariadb_server.freeze()
        await house.terminate()
    finally:
        mariadb_server.thaw()
        await house.close()


async def test_a_mail_that_nobody_can_read_is_shown_and_holds_nothing_up(houses: Houses) -> None:
    """Its reading dies three times; staff get a ticket with the original; what came after it went on meanwhile."""
    bomb = (
        b"From: mallory@customer.example\r\nTo: support@example.com\r\nSubject: bomb\r\n"
        b"Message-ID: <bomb@customer.example>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
        b"X-Relaydesk-Test: none\r\n\r\nboom\r\n"
    )
    # No known bytes kill the reader, so its limit is set where even an ordinary mail can't meet it.
    house = await houses(worker={"reading_timeout": "1ms", "retry_after": ["100ms", "100ms"]})
    assert (await house.send_mail("mallory@customer.example", raw=bomb)).accepted
    unreadable = await house.logged("unreadable", timeout=20)
    # Slack's echo of our own card may be waiting to be read beside it.
    listed = [r for r in (await house.run("inbox", "list", "--json")).json() if r["channel"] == "email"]
    assert [row["state"] for row in listed] == ["unreadable"]
    raw = await house.run("inbox", "raw", str(listed[0]["id"]))
    assert raw.out.replace("\r\n", "\n") == bomb.decode().replace("\r\n", "\n")
    box = house.box
    assert box is not None
    await box.workspace.wait_for(lambda: box.workspace.channel("triage").top, timeout=10)
    await house.terminate()
    house.write_config(worker={"reading_timeout": "10s"})
    await house.restart()
    assert (await house.run("inbox", "retry", str(listed[0]["id"]))).status == 0
    await house.logged("work_one", outcome="opened", ticket=unreadable["ticket"], timeout=10)
    shown = await house.run("tickets", "show", str(unreadable["ticket"]))
    assert "boom" in shown.out
    assert house.store.count("tickets") == 1


async def test_half_a_mail_is_no_mail(house: House) -> None:
    """A connection that breaks inside DATA leaves nothing behind."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.smtp_port)
    for line in ("EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<support@example.com>", "DATA"):
        await reader.readline() if line == "EHLO x" else None
        writer.write(f"{line}\r\n".encode())
        await writer.drain()
        while (await reader.readline())[3:4] == b"-":
            pass
    writer.write(b"Subject: half\r\n\r\nno end")
    await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    assert (await house.send_mail(subject="whole")).accepted
    await house.logged("work_one", outcome="opened")
    assert house.store.count("inbox") == 1
