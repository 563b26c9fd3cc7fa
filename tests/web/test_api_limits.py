"""How often one may ask: so many a minute by token and by network address, and what is answered to more."""

from __future__ import annotations

import httpx

from core.config import parse
from intake.web.limits import Meter
from tests.interfaces.counter import ANN, REPORT, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML
from tests.web.stage import client, parts_with, serving

ELSEWHERE = {"X-Forwarded-For": "203.0.113.9"}  # as a proxy on this machine says it


def test_all_of_a_minute_may_be_used_at_once_and_comes_back_evenly() -> None:
    meter = Meter(60)
    assert [meter.take("a", 100.0) for _ in range(60)] == [0.0] * 60
    assert meter.take("a", 100.0) == 1.0
    assert meter.take("a", 100.5) == 0.5, "what is refused isn't counted"
    assert meter.take("b", 100.5) == 0.0
    assert meter.take("a", 101.0) == 0.0
    assert meter.take("a", 101.0) == 1.0
    assert [meter.take("a", 1000.0) for _ in range(61)] == [*[0.0] * 60, 1.0]


def test_one_a_minute_is_one_a_minute() -> None:
    meter = Meter(1)
    assert [meter.take("a", at) for at in (0.0, 0.0, 59.0, 60.0, 61.0)] == [0.0, 60.0, 1.0, 0.0, 59.0]


def test_who_was_quiet_for_longest_is_forgotten() -> None:
    meter = Meter(1, most_keys=2)
    for key in ("a", "b", "a", "c"):  # b goes
        meter.take(key, 0.0)
    assert meter.take("a", 0.0) > 0
    assert meter.take("b", 0.0) == 0


def test_the_defaults_let_a_busy_program_be() -> None:
    http = parse({}).http
    assert min(http.requests_per_token, http.requests_per_address) >= 1200
    assert http.posts_per_address >= 60


@on_sqlite
async def test_a_token_that_asks_too_often_waits(store: Store) -> None:
    """Its neighbours don't; nor is it let off for another spelling."""
    async with counter_on(store, http={"requests_per_token": 3}) as desk:
        for _ in range(3):
            assert (await desk.ann.get("/view-tickets")).status_code == 200
        for answer in (
            await desk.ann.post("/report-issue", json=REPORT),
            await desk.ann.get("/view-tickets", headers=_again(desk.ann)),
        ):
            assert answer.status_code == 429
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "urn:relaydesk:problem:too_many"
            assert 1 <= int(answer.headers["retry-after"]) <= 20
            assert answer.json()["id"] == answer.headers["x-request-id"]
        assert (await desk.ben.get("/view-tickets")).status_code == 200
        assert desk.store.count("tickets") == 0


def _again(http: httpx.AsyncClient) -> dict[str, str]:
    return {"Authorization": http.headers["authorization"].replace("Bearer ", "bEARER   ")}


async def test_an_address_that_asks_too_often_waits() -> None:
    """Loopback is spared, and so are monitors and Slack; people get a page."""
    parts = parts_with(http={"requests_per_address": 2})
    async with serving(parts) as url, client(url) as http:
        for _ in range(4):
            assert (await http.get("/view-tickets")).status_code == 401
        for _ in range(2):
            assert (await http.get("/view-tickets", headers=ELSEWHERE)).status_code == 401
        answer = await http.get("/view-tickets", headers=ELSEWHERE)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
        page = await http.get("/", headers={**HTML, **ELSEWHERE})
        assert (page.status_code, page.headers["content-type"]) == (429, "text/html; charset=utf-8")
        assert page.headers["retry-after"] == "30"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert (await http.get("/healthz", headers=ELSEWHERE)).status_code == 200
        assert (await http.get("/", headers={"X-Forwarded-For": "203.0.113.10"})).status_code != 429


async def test_who_writes_without_a_token_is_braked_sooner() -> None:
    parts = parts_with(http={"posts_per_address": 1})
    async with serving(parts) as url, client(url) as http, client(url, "right") as program:
        assert (await http.post("/sign-in", headers=ELSEWHERE)).status_code == 403
        assert (await http.post("/sign-in", headers=ELSEWHERE)).status_code == 429
        assert (await http.get("/sign-in", headers=ELSEWHERE)).status_code == 200
        for _ in range(2):
            body = {"username": 1}
            answer = await program.put("/tickets/1/assignee", json=body, headers=ELSEWHERE)
            assert answer.status_code == 422


@on_sqlite
async def test_ten_asks_to_sign_in_a_minute_are_fine(store: Store) -> None:
    async with counter_on(store) as desk, client(desk.url) as http:
        form = await http.get("/sign-in", headers=HTML)
        token = form.text.partition('name="token" value="')[2].partition('"')[0]
        for n in range(80):  # a minute may end among them, and another begin
            fields = {"email": f"{n}{ANN}", "token": token, "next": "/"}
            answer = await http.post("/sign-in", data=fields, headers=ELSEWHERE)
            assert answer.status_code == 200 or (n >= 10 and answer.status_code == 429)
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "60"
