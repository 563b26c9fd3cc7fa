"""Tickets of different people are merged: who learns what of whose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.interfaces.counter import Counter, counter_on
from tests.stores import Store
from tests.web.browser import HTML
from tests.web.people import CARL

HERS, HIS = "Her lamp is dark", "His door is shut"


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def _merged(desk: Counter) -> tuple[int, int]:
    """Ann's ticket goes on in Ben's."""
    await desk.opened(desk.ada, title="Of Carl", email=CARL)
    gone = (await desk.opened(desk.ann, title=HERS))["id"]
    into = (await desk.opened(desk.ben, title=HIS))["id"]
    ada = await desk.staff()
    await desk.parts.manager.merge(ada, gone, into)
    await desk.parts.manager.exchange_messages(ada, into, "We look after both.")
    return gone, into


async def _all_of(by: httpx.AsyncClient, number: int) -> str:
    page, json = await by.get(f"/tickets/{number}", headers=HTML), await by.get(f"/tickets/{number}")
    lists = await by.get("/view-tickets"), await by.get("/", headers=HTML)
    assert (page.status_code, json.status_code) == (200, 200)
    return "\n".join(one.text for one in (page, json, *lists))


async def test_whose_ticket_it_goes_on_in_learns_nothing_of_the_other(desk: Counter) -> None:
    """Ben sees neither Ann's ticket nor that there is one: no event, title, number, list or name of hers."""
    gone, into = await _merged(desk)
    assert (await desk.ben.get(f"/tickets/{gone}")).status_code == 404
    assert (await desk.ben.get(f"/tickets/{gone}", headers=HTML)).status_code == 404
    seen = await _all_of(desk.ben, into)
    assert HIS in seen
    for hers in (HERS, "ann@", "merged", f"#{gone}<", f'"ticket":{gone}', f'/tickets/{gone}"'):
        assert hers not in seen, hers


async def test_whose_ticket_was_merged_goes_on_in_what_she_may_see(desk: Counter) -> None:
    """The number that her history and page name leads to a ticket in which she takes part, nowhere else."""
    gone, into = await _merged(desk)
    shown: dict[str, Any] = (await desk.ann.get(f"/tickets/{gone}")).json()
    named = [event["data"]["into"] for event in shown["events"] if event["kind"].startswith("merged")]
    assert named == [into]
    assert f'href="/tickets/{into}"' in (await desk.ann.get(f"/tickets/{gone}", headers=HTML)).text
    assert (await desk.ann.get(f"/tickets/{into}")).status_code == 200
    assert "ben@" not in await _all_of(desk.ann, into), "nor is his address hers to see"


async def test_no_third_one_learns_of_either(desk: Counter) -> None:
    gone, into = await _merged(desk)
    token = await desk.parts.people.create_token(CARL, desk.parts.config.courier.give_up_after)
    async with httpx.AsyncClient(base_url=desk.url, headers={"Authorization": f"Bearer {token}"}) as carl:
        for number in (gone, into):
            assert (await carl.get(f"/tickets/{number}")).status_code == 404
        assert not {HERS, HIS} & {one["title"] for one in (await carl.get("/view-tickets")).json()}


async def test_nobody_is_mailed_about_it(desk: Counter) -> None:
    """Where two requesters' tickets become one, neither is mailed about it: what Ann sees is on her page."""
    await _merged(desk)
    rows = desk.store.rows("SELECT place, data FROM deliveries WHERE desk = 0 AND kind = 'notice'")
    assert rows, "they were told that their tickets came in"
    assert not [row for row in rows if "merge" in str(row["data"])]
    assert not [row for row in rows if row["place"] == "ann@customer.example" and HIS in str(row["data"])]
