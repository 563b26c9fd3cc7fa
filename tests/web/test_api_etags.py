"""Two who change one ticket, and one who has it already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from core.failures import Invalid
from core.shapes import Visibility
from intake.web.etags import check_of, is_known
from tests.interfaces.counter import Counter, counter_on, on_sqlite
from tests.stores import Store


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


async def _tag(http: httpx.AsyncClient, ticket: dict[str, Any]) -> str:
    answer = await http.get(f"/tickets/{ticket['id']}")
    return answer.headers["etag"]


async def _set(
    http: httpx.AsyncClient, ticket: dict[str, Any], status: str, tag: str | None
) -> httpx.Response:
    headers = {} if tag is None else {"If-Match": tag}
    return await http.put(f"/tickets/{ticket['id']}/status", json={"status": status}, headers=headers)


async def test_the_second_of_two_editors_hears_of_the_first(desk: Counter) -> None:
    ticket = await desk.opened()
    seen = await _tag(desk.ada, ticket)
    first = await _set(desk.grace, ticket, "pending", seen)
    assert first.status_code == 200
    second = await _set(desk.ada, ticket, "resolved", seen)
    assert second.status_code == 412
    assert second.json()["type"] == "urn:relaydesk:problem:stale"
    assert (await desk.shown(ticket["id"]))["status"] == "pending"
    now = await _tag(desk.ada, ticket)
    assert first.headers["etag"] == now
    assert second.headers["etag"].strip('"') == now.strip('"').partition(".")[0]
    for tag in (
        second.headers["etag"],
        now,
        f'"other", {now}',
        "*",
        None,
        now,
    ):  # the same again changes nothing
        answer = await _set(desk.ada, ticket, "pending", tag)
        assert answer.status_code == 200, tag
    path = f"/tickets/{ticket['id']}/assignee"
    stale = await desk.ada.put(path, json={"username": "ada"}, headers={"If-Match": seen})
    assert stale.status_code == 412
    taken = await desk.ada.put(path, json={"username": "ada"}, headers={"If-Match": now})
    assert taken.status_code == 200
    assert taken.headers["etag"] == await _tag(desk.grace, ticket)


async def test_of_many_at_once_one_wins(desk: Counter) -> None:
    ticket = await desk.opened()
    seen = await _tag(desk.ada, ticket)
    answers = await asyncio.gather(
        *(
            desk.ada.put(
                f"/tickets/{ticket['id']}/assignee", json={"username": name}, headers={"If-Match": seen}
            )
            for name in ("ada", "grace") * 3
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 5]


@on_sqlite
async def test_who_has_it_is_not_sent_it_again(desk: Counter) -> None:
    ticket = await desk.opened()
    path = f"/tickets/{ticket['id']}"
    seen = await _tag(desk.ann, ticket)
    for header in (seen, f"W/{seen}", f'"x", {seen}', "*"):
        again = await desk.ann.get(path, headers={"If-None-Match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", seen)
    for header in ('"x"', "", "nonsense", seen.strip('"')):
        assert (await desk.ann.get(path, headers={"If-None-Match": header})).status_code == 200
    assert (await desk.ben.get(path, headers={"If-None-Match": seen})).status_code == 404
    await desk.ann.post(f"{path}/messages", json={"message": "More."})
    assert (await desk.ann.get(path, headers={"If-None-Match": seen})).status_code == 200


@on_sqlite
async def test_a_tag_says_nothing_of_notes(desk: Counter) -> None:
    ticket = await desk.opened()
    ada = await desk.staff()
    theirs, staffs = await _tag(desk.ann, ticket), await _tag(desk.ada, ticket)
    note = Visibility.NOTE
    await desk.parts.manager.exchange_messages(ada, ticket["id"], "only for us", visibility=note)
    assert await _tag(desk.ann, ticket) == theirs
    assert await _tag(desk.ada, ticket) != staffs
    assert (await _set(desk.ann, ticket, "resolved", theirs)).status_code == 200
    assert (await _set(desk.ann, ticket, "open", theirs)).status_code == 412


@on_sqlite
async def test_tags_that_are_none(desk: Counter) -> None:
    """A weak one matches nothing, a missing ticket is missing, and what isn't a tag is told."""
    ticket = await desk.opened()
    seen = await _tag(desk.ada, ticket)
    assert (await _set(desk.ada, ticket, "open", f"W/{seen}")).status_code == 412
    assert (await _set(desk.ada, ticket, "open", '""')).status_code == 412
    assert (await _set(desk.ada, {"id": ticket["id"] + 99}, "open", seen)).status_code == 404
    assert (await _set(desk.ben, ticket, "resolved", '"x"')).status_code == 404
    for header in ("abc", seen.strip('"'), '"open', ","):
        assert (await _set(desk.ada, ticket, "open", header)).status_code == 422


def test_headers_are_read_as_the_rfc_says() -> None:
    assert is_known('"a", W/"b" ,"c"', '"b"')
    assert not is_known('"a,b"', '"a"')
    assert not is_known(None, '"a"')
    assert check_of(None) is None
    assert check_of(" * ") is None
    with pytest.raises(Invalid):
        check_of('"a" "b"')
