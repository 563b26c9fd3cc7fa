"""Reports of people who aren't signed in: in which types they are taken, from which pages, into which queues, and how
much of the disk they may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from core.config import Brakes
from core.database import Tx
from core.failures import TooMany
from core.shapes import File
from core.strangers_files import brake_files
from intake.web.bodies import Places
from tests.interfaces.counter import ANN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.waiting import until
from tests.web.browser import HTML, browser, field, signs_in
from tests.web.people import browser_of, session_of
from tests.web.stage import client

REPORT = {"title": "No light", "description": "It is dark."}
STRANGER = {**REPORT, "email": "zoe@customer.example"}
FILE: list[Any] = [("files", ("a.txt", b"abc"))]
OURS, ELSEWHERE = {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "cross-site"}
QUEUES = [
    {"name": "staff-room", "addresses": ["room@example.com"], "public": False},
    {"name": "support", "addresses": ["support@example.com"]},
    {"name": "sales", "addresses": ["sales@example.com"]},
]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


def _blobs(desk: Counter) -> int:
    return sum(1 for path in desk.parts.blobs.folder.glob("??/*") if path.is_file())


# -- types and pages ----------------------------------------------------------------------------------------------


def _bodies(report: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {"json": {"json": report}, "form": {"data": report}, "multipart": {"data": report, "files": FILE}}


# By type: a program without anything, then with a token; a browser with a session, whose page sends no form token.
TAKEN = {"json": "201 201 403", "form": "403 422 403", "multipart": "201 201 403"}


@on_sqlite
async def test_every_type_from_every_side(desk: Counter) -> None:
    """Where another site's page could have sent it, a session counts for nothing without our token, and a stranger's
    multipart, which needs none, isn't taken; a token of a program is its own proof. JSON can't be sent from there."""
    session = await session_of(desk, ANN)
    async with browser_of(desk, session) as http:
        del http.headers["X-CSRF-Token"]
        for kind, expected in TAKEN.items():
            for said in ({}, OURS, {"Origin": desk.url}, ELSEWHERE, {"Origin": "https://evil.example"}):
                foreign = said in (ELSEWHERE, {"Origin": "https://evil.example"})
                nobody, token, signed_in = map(int, expected.split())
                if foreign and kind == "multipart":
                    nobody = 403
                assert await _status(desk.nobody, _bodies(STRANGER)[kind], said) == nobody, (kind, said)
                for program in (desk.ann, desk.grace):
                    assert await _status(program, _bodies(REPORT)[kind], said) == token, (kind, said)
                assert await _status(http, _bodies(REPORT)[kind], said) == signed_in, (kind, said)


async def _status(http: httpx.AsyncClient, body: dict[str, Any], said: dict[str, str]) -> int:
    return (await http.post("/report-issue", **body, headers=said)).status_code


@on_sqlite
@pytest.mark.parametrize("odd", [{"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": ""}])
async def test_pages_without_a_name_are_other_sites(desk: Counter, odd: dict[str, str]) -> None:
    assert await _status(desk.nobody, _bodies(STRANGER)["multipart"], odd) == 403
    assert (desk.store.count("tickets"), _blobs(desk)) == (0, 0)


@on_sqlite
async def test_a_program_without_a_token_sends_files(desk: Counter) -> None:
    """As by JSON: unconfirmed, one mail, once for a key."""
    key = {"Idempotency-Key": "once"}
    answers = [
        await desk.nobody.post("/report-issue", data=STRANGER, files=FILE, headers=key) for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    shown = await desk.shown(answers[0].json()["id"])
    assert [one["filename"] for one in shown["messages"][0]["attachments"]] == ["a.txt"]
    assert desk.store.count("tickets", "unconfirmed = 1") == 1
    assert desk.store.count("deliveries", "data LIKE '%/confirm/%'") == 1
    without = await desk.nobody.post("/report-issue", data=REPORT, files=FILE)
    assert without.status_code == 422
    assert "email" in without.json()["detail"]


@on_sqlite
async def test_a_browser_needs_its_form_whatever_it_accepts(desk: Counter) -> None:
    """Who was given the form has its cookie; who wants a page is a browser."""
    async with client(desk.url) as http:
        await http.get("/report-issue")
        assert await _status(http, _bodies(STRANGER)["multipart"], {"Accept": "*/*"}) == 403
    assert await _status(desk.nobody, _bodies(STRANGER)["multipart"], HTML) == 403
    assert (desk.store.count("tickets"), _blobs(desk)) == (0, 0)


# -- queues -------------------------------------------------------------------------------------------------------


@on_sqlite
async def test_a_queue_that_isn_t_public_is_the_staff_s(store: Store) -> None:
    """Nobody else learns its name or reports into it; without a name theirs is the first that is public."""
    async with counter_on(store, queue=QUEUES) as desk, browser(desk) as http:
        for by, report in ((desk.nobody, STRANGER), (desk.ann, REPORT)):
            assert (await by.post("/report-issue", json=report)).json()["queue"] == "support"
            assert (await by.post("/report-issue", json={**report, "queue": "sales"})).status_code == 201
            refused = await by.post("/report-issue", json={**report, "queue": "staff-room"})
            missing = await by.post("/report-issue", json={**report, "queue": "staff-rooms"})
            assert (refused.status_code, missing.status_code) == (422, 422)
            said, other = refused.json()["detail"], missing.json()["detail"]
            assert other.replace("'staff-rooms'", "'staff-room'") == said, "not there, or not yours: alike"
        assert "staff-room" not in (await http.get("/report-issue")).text
        assert "support" not in (await http.get("/report-issue")).text, "strangers choose none on the page"
        await signs_in(desk, http, ANN)
        form = (await http.get("/report-issue")).text
        assert "sales" in form
        assert "staff-room" not in form
        assert (
            await desk.grace.post("/report-issue", json={**REPORT, "queue": "staff-room"})
        ).status_code == 201


@on_sqlite
async def test_where_no_queue_is_public_strangers_are_told(store: Store) -> None:
    async with counter_on(store, queue=[{**QUEUES[0], "name": "inner"}]) as desk:
        answer = await desk.nobody.post("/report-issue", json=STRANGER)
        assert answer.status_code == 422
        assert "inner" not in answer.text
        assert (await desk.grace.post("/report-issue", json=REPORT)).status_code == 201


# -- the disk -----------------------------------------------------------------------------------------------------


@on_sqlite
async def test_strangers_fill_no_disk(store: Store) -> None:
    """What is over the day's limit is refused with when to try again, and nothing of it stays; words go on, and so do
    the files of who is known."""
    brakes = {"strangers_bytes_in_all": 1000}
    async with counter_on(store, brakes=brakes) as desk:
        files: list[Any] = [("files", ("a.bin", b"x" * 400))]
        answers = [await desk.nobody.post("/report-issue", data=STRANGER, files=files) for _ in range(3)]
        assert [one.status_code for one in answers] == [201, 201, 429]
        assert 0 < int(answers[2].headers["retry-after"]) <= 86_400
        async with browser(desk) as http:
            token = field(await http.get("/report-issue"), "token")
            page = await http.post("/report-issue", data={**STRANGER, "token": token}, files=files)
            assert page.status_code == 429
            assert "Too many files" in page.text
            assert "It is dark." in page.text
        assert (desk.store.count("tickets"), _blobs(desk)) == (2, 2)
        assert (await desk.nobody.post("/report-issue", json=STRANGER)).status_code == 201
        assert (await desk.ann.post("/report-issue", data=REPORT, files=files)).status_code == 201


async def test_one_network_has_its_share(desk: Counter) -> None:
    """By the hour; what was refused isn't counted; loopback is spared."""
    brakes = Brakes(strangers_bytes_per_source=1000)

    async def sends(size: int, source: str) -> bool:
        files = [File(name="a", content_type="", size=size)]

        async def unit(tx: Tx) -> None:
            await brake_files(tx, brakes, source, files)

        try:
            await desk.parts.database.unit(unit)
        except TooMany:
            return False
        return True

    assert [await sends(size, "203.0.113.7") for size in (900, 200, 100, 1)] == [True, False, True, False]
    assert await sends(1000, "2001:db8::1")
    assert not await sends(1, "2001:db8::2"), "the same network"
    assert await sends(5000, "127.0.0.1")


@on_sqlite
async def test_without_room_no_file_is_taken(store: Store) -> None:
    """As mail: what is left on the disk is for what was taken already."""
    async with counter_on(store, email={"inbound": {"disk_left_bytes": 1 << 60}}) as desk:
        for by, report in ((desk.nobody, STRANGER), (desk.ann, REPORT)):
            answer = await by.post("/report-issue", data=report, files=FILE)
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:relaydesk:problem:unavailable")
        assert (desk.store.count("tickets"), _blobs(desk)) == (0, 0)
        assert (await desk.nobody.post("/report-issue", json=STRANGER)).status_code == 201


async def test_one_network_doesn_t_take_all_places() -> None:
    """Who waits for a place counts, too; others get theirs; what ends makes room."""
    places, go = Places(in_all=2, each=2), asyncio.Event()
    held = 0

    async def upload(network: str) -> None:
        nonlocal held
        async with places.one(network):
            held += 1
            await go.wait()

    async with asyncio.TaskGroup() as group:
        for network in ("203.0.113.7", "203.0.113.7", "198.51.100.1"):
            group.create_task(upload(network))
        await until(lambda: held == 2)
        with pytest.raises(TooMany):
            await upload("203.0.113.7")
        go.set()
    assert held == 3
    async with places.one("203.0.113.7"), places.one("203.0.113.7"):
        pass
