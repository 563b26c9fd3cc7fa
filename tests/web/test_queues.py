"""Staff's lists as a page: tabs, filters, search, pages; who sees them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from core.home_lists import Tab
from core.queue_lists import COUNTED, Sort
from core.status import Status
from intake.web.queues import Asked, age, asked_of, count_of
from tests.interfaces.counter import ANN, BEN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML, browser, signs_in

QUEUES = [
    {"name": "support", "addresses": ["support@example.com"]},
    {"name": "billing", "addresses": ["billing@example.com"]},
]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk with two queues."""
    async with counter_on(store, queue=QUEUES) as counter:
        yield counter


def titles(answer: httpx.Response) -> list[str]:
    """The tickets that a page lists, by title."""
    assert answer.status_code == 200, answer.text
    return re.findall(r'<td class="title"><a href="/tickets/\d+" dir="auto">([^<]*)</a>', answer.text)


async def lists(desk: Counter, query: str = "", by: httpx.AsyncClient | None = None) -> list[str]:
    return titles(await (by or desk.grace).get(f"/{query}", headers=HTML))


async def test_tabs_filters_and_search(desk: Counter) -> None:
    one = await desk.opened(title="One", priority="urgent")
    await desk.opened(desk.ben, title="Two", queue="billing")
    done = await desk.opened(title="Three")
    await desk.ada.put(f"/tickets/{one['id']}/assignee", json={"username": "grace"})
    await desk.ada.put(f"/tickets/{done['id']}/status", json={"status": "closed"})
    assert await lists(desk) == ["One", "Two"]
    assert await lists(desk, "?tab=mine") == ["One"]
    assert await lists(desk, "?tab=mine", desk.ada) == []
    assert await lists(desk, "?tab=unassigned") == ["Two"]
    assert await lists(desk, "?tab=waiting") == ["One", "Two"]
    assert await lists(desk, "?queue=billing") == ["Two"]
    assert await lists(desk, "?status=closed") == ["Three"]
    assert set(await lists(desk, "?status=any")) == {"One", "Two", "Three"}
    assert await lists(desk, f"?requester={BEN}") == ["Two"]
    assert await lists(desk, "?assignee=grace") == ["One"]
    assert await lists(desk, "?assignee=nobody") == ["Two"]
    assert await lists(desk, "?sort=oldest") == ["Two", "One"]
    assert await lists(desk, "?q=Three") == ["Three"]
    assert await lists(desk, f"?q=%23{one['id']}") == ["One"]
    assert await lists(desk, "?q=T&status=closed&queue=billing") == []
    assert await lists(desk, "?q=Two&assignee=nobody&status=any") == ["Two"]
    assert await lists(desk, "?tab=x&sort=y&status=z&colour=red") == ["One", "Two"]
    shown = (await desk.grace.get("/", headers=HTML)).text
    for words in ("urgent", "grace", "nobody", "billing", "Waits", 'aria-current="page"'):
        assert words in shown


@on_sqlite
async def test_a_page_after_the_other(desk: Counter) -> None:
    for number in range(3):
        await desk.opened(title=f"T{number}")
    desk.store.execute("UPDATE tickets SET assignee_id = NULL")
    sql = (
        "INSERT INTO tickets (queue, title, description, status, priority, channel, requester_id, requester_address,"
        " created_at, updated_at, public_updated_at) SELECT queue, 'F', description, status, priority, channel,"
        " requester_id, requester_address, created_at, updated_at, public_updated_at FROM tickets"
    )
    for _ in range(5):
        desk.store.execute(sql)
    first = await desk.grace.get("/?sort=oldest", headers=HTML)
    assert len(titles(first)) == 50
    path = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert path is not None
    second = await desk.grace.get(path[1].replace("&amp;", "&"), headers=HTML)
    assert len(titles(second)) == 46
    assert "Back to the start" in second.text
    assert 'rel="next"' not in second.text
    wrong = await desk.grace.get("/?cursor=x", headers=HTML)
    assert wrong.status_code == 422
    assert "Cursor: not one of ours" in wrong.text


@on_sqlite
async def test_requesters_have_no_queues(desk: Counter) -> None:
    await desk.opened(desk.ben, title="Ben's own")
    for path in ("/", "/?tab=unassigned", "/?q=Ben", "/?requester=" + BEN):
        async with browser(desk) as http:
            await signs_in(desk, http, ANN)
            answer = await http.get(path)
            assert answer.status_code == 200
            assert 'href="/tickets/' not in answer.text
            assert "Unassigned" not in answer.text


@on_sqlite
async def test_what_people_write_is_text_in_lists(desk: Counter) -> None:
    evil = "<script>alert(1)</script>"
    await desk.opened(title=f"T {evil}")
    desk.store.execute("UPDATE users SET name = :name WHERE username IS NULL", name=f"N {evil}")
    answer = await desk.grace.get("/", params={"q": "", "requester": "", "sort": evil}, headers=HTML)
    shown = [answer, await desk.grace.get("/", params={"q": f'"{evil}', "queue": f'"{evil}'}, headers=HTML)]
    for one in shown:
        assert "<script>" not in one.text
        assert "alert(1)&lt;/script" in one.text
        policy = one.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert len(one.content) < 100_000


def test_addresses() -> None:
    assert asked_of({}) == Asked()
    asked = asked_of(
        {"tab": "waiting", "status": "open", "q": " x ", "requester": "A@B.example", "cursor": "c"}
    )
    assert asked == Asked(tab=Tab.WAITING, status="open", q="x", requester="a@b.example", cursor="c")
    assert asked.path(cursor="d") == "/?tab=waiting&status=open&requester=a%40b.example&q=x&cursor=d"
    assert asked.wanted().order is Sort.WAITING
    assert Asked().path() == "/"
    assert Asked(status="any").statuses() == tuple(Status)
    assert Asked(status="any", q="x").statuses() == ()


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=-5), "now"),
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
    ],
)
def test_ages(ago: timedelta, words: str) -> None:
    now = datetime.now(UTC)
    assert age(now - ago, now) == words


def test_counts() -> None:
    assert [count_of(n) for n in (0, COUNTED - 1, COUNTED)] == ["0", "99", "99+"]
