"""Rating from the mail that says a request is resolved: by its link alone, once more until the ticket is opened again,
and by nobody else's link."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from core import rating_links
from core.rating_links import GOOD, Ended, RatingLinks
from core.shapes import key_of
from core.status import Status
from tests.interfaces.counter import ANN, BEN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.axe import check_page, chromium
from tests.web.browser import field
from tests.web.people import state_of

SECRET = "The cellar is flooded, call 5550100"
TITLE = 'Water <b>"everywhere"</b>'


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as desk:
        yield desk


async def resolved(desk: Counter, by: httpx.AsyncClient | None = None) -> int:
    """A ticket (of Ann's) that Ada resolved."""
    ticket = await desk.opened(by, title=TITLE, description=SECRET)
    await desk.parts.manager.assign_status(await desk.staff(), ticket["id"], Status.RESOLVED)
    return int(ticket["id"])


def paths(desk: Counter, place: str = ANN) -> list[str]:
    """The paths of the links that were mailed to somebody, oldest first."""
    sql = "SELECT data FROM deliveries WHERE place = :place AND kind = 'notice' ORDER BY id"
    told = [json.loads(row["data"]) for row in desk.store.rows(sql, place=place)]
    urls = [str(one.get("url", "")) for one in told if one["what"] == "resolved"]
    return [url.removeprefix(desk.parts.config.service.base_url) for url in urls]


async def rates(desk: Counter, path: str, **fields: str) -> httpx.Response:
    """Open the page and send its form."""
    shown = await desk.nobody.get(path)
    assert shown.status_code == 200, shown.text
    return await desk.nobody.post("/ui/rate", data={"token": field(shown, "token"), **fields})


def given(desk: Counter) -> list[tuple[int, str | None]]:
    """The ratings there are."""
    return [(row["score"], row["comment"]) for row in desk.store.rows("SELECT score, comment FROM ratings")]


async def test_they_rate_by_the_link_and_change_it(desk: Counter) -> None:
    """Without a session, with a comment or without; the second score replaces the first, staff see both."""
    number = await resolved(desk)
    (path,) = paths(desk)
    done = await rates(desk, path, score="4", comment="Quick\r\n& dry")
    assert (done.status_code, done.headers["location"]) == (303, path)
    assert "set-cookie" not in done.headers
    assert given(desk) == [(4, "Quick\n& dry")]
    assert "You rated this 4 of 5. Thank you!" in (await desk.nobody.get(path)).text
    await rates(desk, path, score="2")
    assert given(desk) == [(2, "Quick\n& dry")], "a comment stays until another is given"
    rated = [one for one in (await desk.shown(number))["events"] if one["kind"] == "rated"]
    assert [one["data"]["score"] for one in rated] == [4, 2]


async def test_opening_it_changes_nothing(desk: Counter) -> None:
    """Mail scanners open every link, some of them ask for the head alone, some press on."""
    await resolved(desk)
    (path,) = paths(desk)
    before = state_of(desk)
    for _ in range(3):
        assert (await desk.nobody.get(path)).status_code == 200
        assert (await desk.nobody.head(path)).status_code == 200
    assert (await desk.nobody.get(f"{path}?score=1")).status_code == 200
    assert (await desk.nobody.post(path, data={"score": "1"})).status_code == 405
    assert (await desk.nobody.get("/ui/rate")).status_code == 405
    assert state_of(desk) == before


async def test_it_shows_the_number_and_the_title_alone(desk: Counter) -> None:
    """Who was forwarded the mail reads nothing of what was written, nor the comment that was given."""
    number = await resolved(desk)
    await desk.parts.manager.exchange_messages(await desk.staff(), number, "The pump is on its way")
    (path,) = paths(desk)
    await rates(desk, path, score="4", comment="Dry again")
    shown = await desk.nobody.get(path)
    assert f"#{number} " in shown.text
    assert "Water &lt;b&gt;" in shown.text
    for hidden in (SECRET, "pump", "Dry again", ANN, "Ada", "<script", "My tickets"):
        assert hidden not in shown.text, hidden
    assert "script-src" not in shown.headers["content-security-policy"]
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert shown.headers["cache-control"] == "no-store"


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Choose a number from 1 to 5"),
        ({"score": "6"}, "A rating is a number from 1 to 5"),
        ({"score": "٤"}, "A rating is a number from 1 to 5"),
        ({"score": "5", "comment": "x" * 10_001}, "A comment has at most 10000 characters"),
    ],
)
async def test_what_is_no_rating_comes_back(desk: Counter, fields: dict[str, str], said: str) -> None:
    await resolved(desk)
    (path,) = paths(desk)
    answer = await rates(desk, path, **{"comment": "So-so <i>", **fields})
    assert answer.status_code == 422
    assert said in answer.text
    if "comment" not in fields:
        assert "So-so &lt;i&gt;</textarea>" in answer.text, "what was typed isn't lost"
    assert given(desk) == []


async def test_links_that_are_refused_look_alike(desk: Counter) -> None:
    """Forged, cut off, for another address or another ticket, of another key or purpose, expired: one answer to all,
    by GET and by POST."""
    mine = await resolved(desk)
    bens = await resolved(desk, desk.ben)
    (path,), (other,) = paths(desk), paths(desk, BEN)
    links = rating_links.links_of(desk.parts.config)
    good = links.read(path.removeprefix("/rate/"))
    assert good is not None
    assert good.ticket_id == mine
    ben = key_of(f"email:{BEN}")
    body, _, signature = path.removeprefix("/rate/").rpartition(".")
    bad = [
        "",
        "x",
        path.removeprefix("/rate/")[:-1],
        f"{body}.{other.rpartition('.')[2]}",
        RatingLinks(["another key"]).token(good),
        links.token(Ended(bens, good.key, good.at)),  # another's ticket
        links.token(Ended(mine, ben, good.at)),  # another's address
        links.token(Ended(mine, key_of("email:nobody@example.net"), good.at)),
        links.token(Ended(mine, good.key, good.at - 1)),  # another end of it
        links.token(Ended(999_999, good.key, good.at)),
        "y" * (rating_links.LONGEST + 1),
    ]
    assert signature
    before, said = state_of(desk), set()
    for token in bad:
        answers = [await desk.nobody.post("/ui/rate", data={"token": token, "score": "1"})]
        if token:
            answers.append(await desk.nobody.get(f"/rate/{token}"))
        assert [one.status_code for one in answers] == [404] * len(answers), token
        said |= {one.text for one in answers}
    said.add((await desk.nobody.post("/ui/rate", json={"token": path, "score": 1})).text)
    said.add((await desk.nobody.post("/ui/rate")).text)
    desk.parts.clock.offset = GOOD + timedelta(minutes=1)
    said.add((await desk.nobody.get(path)).text)
    assert len(said) == 1
    assert "This link doesn&#39;t work" in said.pop()
    assert state_of(desk) == before


async def test_it_serves_until_the_ticket_is_opened_again(desk: Counter) -> None:
    """So the answer that quotes the mail makes the quoted link worthless; the next end brings another one."""
    number = await resolved(desk)
    await rates(desk, paths(desk)[0], score="3")
    await desk.ann.post(f"/tickets/{number}/messages", json={"message": "Still wet"})
    assert (await desk.nobody.get(paths(desk)[0])).status_code == 404
    await desk.parts.manager.assign_status(await desk.staff(), number, Status.RESOLVED)
    old, new = paths(desk)
    assert (await desk.nobody.get(old)).status_code == 404
    assert "You rated this 3 of 5" in (await desk.nobody.get(new)).text
    await desk.parts.manager.assign_status(await desk.staff(), number, Status.CLOSED)
    await rates(desk, new, score="5")
    assert given(desk) == [(5, None)], "a resolved one that is closed is the same end"


async def test_not_of_what_was_merged(desk: Counter) -> None:
    """It goes on elsewhere, and the page doesn't say where."""
    number, into = await resolved(desk), await desk.opened()
    await desk.parts.manager.merge(await desk.staff(), number, into["id"])
    answer = await desk.nobody.get(paths(desk)[0])
    assert answer.status_code == 404
    assert answer.text == (await desk.nobody.get("/rate/forged")).text


async def test_who_presses_on_and_on(desk: Counter) -> None:
    """Scores are kept, comments without end aren't."""
    await resolved(desk)
    (path,) = paths(desk)
    answers = [await rates(desk, path, score=str(n % 5 + 1), comment=f"no. {n}") for n in range(7)]
    assert [one.status_code for one in answers] == [303] * 5 + [429] * 2
    assert desk.store.count("events", "kind = 'rated'") == 5


@on_sqlite
@pytest.mark.parametrize(
    "settings", [{"email": {"outbound": {"ask_rating": False}}}, {"http": {"enabled": False}}]
)
async def test_nobody_is_asked_where_there_is_no_page(store: Store, settings: dict[str, object]) -> None:
    async with counter_on(store, **settings) as desk:
        await resolved(desk)
        assert paths(desk) == [""]


@on_sqlite
async def test_in_a_real_browser_without_script(desk: Counter) -> None:
    """It's for everybody, in the dark and on a phone; the score is asked for, the rest is not."""
    await resolved(desk)
    (path,) = paths(desk)
    async with chromium() as engine:
        context = await engine.new_context(base_url=desk.url)
        page = await context.new_page()
        await page.goto(path)
        await check_page(page)
        context = await engine.new_context(base_url=desk.url, java_script_enabled=False)
        page = await context.new_page()
        await page.goto(path)
        await page.get_by_role("button", name="Rate").click()
        assert given(desk) == [], "the browser asks for a score first"
        await page.get_by_label("4 stars").check()
        await page.get_by_label("Comment (optional)").fill("Well done")
        await page.get_by_role("button", name="Rate").click()
        await page.get_by_text("You rated this 4 of 5").wait_for()
        assert await context.cookies() == []
        await page.goto("/rate/forged")
        await page.get_by_role("heading", name="This link doesn't work").wait_for()
    assert given(desk) == [(4, "Well done")]
