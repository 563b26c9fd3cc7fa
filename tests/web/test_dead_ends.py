"""Where a browser is told no, a way goes on: to sign in and come back, to the ticket, to the page with the form."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.shapes import File
from tests.interfaces.counter import ANN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML, asks, browser, field, signs_in

pytestmark = on_sqlite
JSON = {"Accept": "application/json"}
ACTS = ("reply", "status", "rate", "confirm", "canned", "desk/priority")


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def test_who_signs_in_for_the_first_time_may_report_instead(desk: Counter) -> None:
    async with browser(desk) as http:
        assert 'href="/report-issue"' in (await http.get("/sign-in")).text


async def test_a_file_is_given_after_signing_in(desk: Counter) -> None:
    """Whoever opens its address in a browser; programs and wrong tokens hear what they always heard."""
    number = (await desk.opened())["id"]
    file = File(name="a.txt", content_type="text/plain", size=1, content=b"x")
    said = await desk.parts.manager.exchange_messages(await desk.staff(), number, "See", files=[file])
    path = f"/attachments/{said.attachments[0].id}"
    async with browser(desk) as http:
        led = await http.get(path)
        assert (led.status_code, led.headers["location"]) == (303, f"/sign-in?next={path}")
        back = await signs_in(desk, http, ANN, path)
        assert back.headers["location"] == path
        assert (await http.get(path)).content == b"x"
    for headers in ({}, JSON, {**HTML, "Authorization": "Bearer wrong"}, {"Accept": "image/avif,*/*;q=0.8"}):
        assert (await desk.nobody.get(path, headers=headers)).status_code == 401
    assert (await desk.nobody.put(f"/tickets/{number}/status", headers=HTML)).status_code == 401


async def test_the_address_of_an_act_leads_to_its_ticket(desk: Counter) -> None:
    """Where it was refused, that address stands in the browser."""
    number = (await desk.opened())["id"]
    async with browser(desk) as http:
        for act in ACTS:
            answer = await http.get(f"/ui/tickets/{number}/{act}")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/tickets/{number}"), act
        assert (await http.get("/ui/tickets/none/reply")).status_code == 404


async def test_after_an_old_form_a_link_leads_back(desk: Counter) -> None:
    """To the page with a form that is new; no token of a link's address is repeated."""
    old = {"token": "0" * 64}
    async with browser(desk) as http:
        path = (await asks(desk, http, "ada@example.com"))["path"]
        for where in (path, "/confirm/some-key"):
            refused = await http.post(where, data=old)
            assert refused.status_code == 403
            assert '<a href="">' in refused.text
            assert where.rpartition("/")[2] not in refused.text
        await http.post(path, data={"token": field(await http.get(path), "token")})
        for where, back in (("/preferences", ""), ("/ui/sign-out", "/")):
            refused = await http.post(where, data=old)
            assert refused.status_code == 403
            assert f'<p><a href="{back}">' in refused.text
