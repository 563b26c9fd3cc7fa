"""Review: what the HTTP door and the desk behind it give away, and what they put up with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from core.database import Tx
from core.failures import Conflict
from core.shapes import Actor
from core.tables import settings, users
from core.views import TicketCriteria
from intake.web.site import WebDoor, build_site
from tests.core.desk import BOB, EVE, TestDesk
from tests.core.received import opened, parts
from tests.core.test_manager import as_person
from tests.interfaces.counter import ANN, REPORT, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import presses
from tests.web.stage import all_is_well, client, parts_with

SECRET = "words that nobody may log"

# -- who says nothing ----------------------------------------------------------------------------------------------


@pytest.fixture
async def door() -> AsyncIterator[WebDoor]:
    """A door that is impatient sooner."""
    door = WebDoor(build_site(parts_with(), readiness=all_is_well), "127.0.0.1", 0)
    door._server.config.timeout_keep_alive = 0.3  # type: ignore[assignment]
    await door.start()
    yield door
    await door.stop()


async def test_who_says_nothing_is_hung_up_on(door: WebDoor) -> None:
    """A connection that is opened and left idle costs one of the door's; it is closed after the keep-alive time."""
    connections = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(5)]
    began = time.monotonic()
    async with asyncio.timeout(5):
        assert [await reader.read() for reader, _ in connections] == [b""] * 5
    assert time.monotonic() - began > 0.1, "not at once"
    for _, writer in connections:
        writer.close()
    async with asyncio.timeout(5):
        while door._server.server_state.connections:
            await asyncio.sleep(0.01)


async def test_who_speaks_is_served(door: WebDoor) -> None:
    """Several requests on one connection are answered, also one that takes its time to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    async with asyncio.timeout(5):
        for pause in (0, 0.15, 0.15, 0.15):
            await asyncio.sleep(pause)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(b"\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.partition(b":")[2]))
        assert await reader.read() == b"", "and hung up on when it has no more to say"
    writer.close()


async def test_the_door_as_it_is_built_is_patient_for_seconds() -> None:
    """The time that is tested above is the one that is configured: fifteen seconds."""
    door = WebDoor(build_site(parts_with(), readiness=all_is_well), "127.0.0.1", 0)
    assert door._server.config.timeout_keep_alive == 15


# -- reports without a token ---------------------------------------------------------------------------------------


def through_proxy(counter: Counter, source: str, token: str | None) -> httpx.AsyncClient:
    """A client whom a proxy on loopback names."""
    named = client(counter.url, token)
    named.headers["X-Forwarded-For"] = source
    return named


async def test_reports_are_braked_with_a_problem(store: Store) -> None:
    """429 and when to come back, per network; loopback, another network and who has a token are served."""
    async with counter_on(store, brakes={"reports_per_source": 2}) as counter:
        report = {**REPORT, "email": ANN}
        token = counter.ann.headers["Authorization"].split()[1]

        async def status(source: str, token: str | None = None) -> httpx.Response:
            async with through_proxy(counter, source, token) as http:
                return await http.post("/report-issue", json=report)

        for source in ("2001:db8::1", "2001:db8::2"):
            assert (await status(source)).status_code == 201
        refused = await status("2001:db8::3")
        assert refused.status_code == 429
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.headers["Retry-After"] == "3600"
        body = refused.json()
        assert (body["status"], body["type"].rpartition(":")[2].rpartition("/")[2]) == (429, "too_many")
        assert "try again" in body["detail"]
        assert (await status("2001:db8:1::1")).status_code == 201
        assert (await status("2001:db8::3", token)).status_code == 201
        for _ in range(3):
            assert (await counter.nobody.post("/report-issue", json=report)).status_code == 201
        assert store.count("tickets") == 7
        document = (await counter.nobody.get("/openapi.json")).json()
        assert "429" in document["paths"]["/report-issue"]["post"]["responses"]


@on_sqlite
async def test_a_link_works_once_over_http(store: Store) -> None:
    """The second click is told so, without being told of a ticket."""
    async with counter_on(store) as counter:
        answer = await counter.nobody.post("/report-issue", json={**REPORT, "email": ANN})
        assert answer.status_code == 201
        told = store.value("SELECT data FROM deliveries WHERE data LIKE '%/confirm/%'")
        path = "/confirm/" + told.split("/confirm/")[1].split('"')[0]
        assert (await presses(counter.nobody, path)).status_code == 200
        again = await presses(counter.nobody, path)
        assert again.status_code == 404
        assert "no longer works" in again.text


# -- merged tickets, hidden addresses ------------------------------------------------------------------------------


async def test_nobody_is_admitted_to_a_merged_ticket(desk: TestDesk, store: Store) -> None:
    """They would take part in what nobody reads: it is a conflict that names the ticket to admit them to."""
    first, _ = await opened(desk)
    second = (await desk.write("Mine", sender=BOB)).ticket_id
    assert second is not None
    ada = await desk.staff()
    await desk.write("Your code is 1", sender=EVE, signed=(first,))
    await desk.manager.merge(ada, first, second)
    with pytest.raises(Conflict, match=f"merged into {second}"):
        await desk.manager.admit(ada, first, "eve@example.net")
    assert parts(store, first)["eve@example.net"] == "outsider"
    assert "eve@example.net" not in parts(store, second)
    await desk.manager.admit(ada, second, "eve@example.net")
    assert parts(store, second)["eve@example.net"] == "cc"


async def test_a_list_is_no_oracle_for_addresses(desk: TestDesk) -> None:
    """Who takes part doesn't see the requester's address; asking for guesses finds nothing that isn't their own."""
    ticket, _ = await opened(desk, to_others=(BOB,))
    own = (await desk.write("Mine", sender=BOB)).ticket_id
    ann, bob, ada = (
        await as_person(desk, "ann@example.com"),
        await as_person(desk, BOB.address),
        await desk.staff(),
    )

    async def found(actor: Actor, requester: str) -> list[int]:
        page = await desk.manager.view_tickets(actor, TicketCriteria(requester=requester))
        return [one.id for one in page.tickets]

    page = await desk.manager.view_tickets(bob, TicketCriteria())
    assert {one.id: one.requester_email for one in page.tickets} == {ticket: "", own: BOB.address}
    for guess in ("ann@example.com", " ANN@example.com", "anne@example.com"):
        assert await found(bob, guess) == []
    assert await found(bob, BOB.address) == [own]
    assert await found(ann, "ann@example.com") == [ticket]
    assert await found(ada, "ann@example.com") == [ticket]


# -- errors of the database ----------------------------------------------------------------------------------------


async def provoked(desk: TestDesk, how: str) -> DBAPIError:
    """An error of the database's over a statement that carries words."""

    async def unit(tx: Tx) -> None:
        if how == "duplicate":
            for _ in range(2):
                row = {"scope": "review", "key": "one", "value": {"words": SECRET}}
                await tx.run(insert(settings).values(**row))
        elif how == "missing":
            await tx.run(insert(users).values(name=SECRET, username=None, created_at=None))
        elif how == "many":
            rows = [{"scope": "review", "key": "one", "value": SECRET} for _ in range(2)]
            await tx.run(insert(settings), rows)
        else:
            await tx.run(text("SELECT * FROM nowhere WHERE words = :words"), {"words": SECRET})

    with pytest.raises(DBAPIError) as caught:
        await desk.database.unit(unit)
    return caught.value


@pytest.mark.parametrize("how", ["duplicate", "missing", "many", "text"])
async def test_errors_of_the_database_say_nothing_of_the_words(desk: TestDesk, how: str) -> None:
    """They are logged with what they say: never with what people wrote."""
    error = await provoked(desk, how)
    assert SECRET not in str(error)
    assert SECRET not in repr(error)
    assert "hidden" in str(error)
