"""The page of what staff are told of personally: their own alone, the same as `!notify`, and safe."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from core import unsubscribing
from core.preferences import LIST, NOTHING, OPTIONAL, Preferences, choose, of_people, ticked
from tests.evil import XSS
from tests.interfaces.counter import ANN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import browser, field, signs_in
from tests.web.test_pages import headers_are_right

PATH = "/preferences"
ADA, GRACE = "ada@example.com", "grace@example.com"
ALL = {f"on_{news}": "1" for news in OPTIONAL}


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk with quiet hours."""
    async with counter_on(store, notices={"quiet_hours": "22:00-07:00"}) as counter:
        yield counter


async def kept(desk: Counter, username: str = "grace") -> Preferences:
    user_id = (await desk.staff(username)).user_id
    assert user_id is not None
    found = await desk.parts.database.read(lambda tx: of_people(tx, [user_id]))
    return found.get(user_id, NOTHING)


async def sends(http: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """Fill the form that is shown and press its button."""
    token = field(await http.get(PATH), "token")
    given = {"token": token, "channel": "default", "quiet": "default", "hours": "", "zone": "", **fields}
    return await http.post(PATH, data=given)


def chosen(page: httpx.Response) -> set[str]:
    """What is ticked or chosen: name, or name=value."""
    found = re.findall(r'<input type="(\w+)" name="(\w+)" value="(\w+)" checked', page.text)
    return {name if kind == "checkbox" else f"{name}={value}" for kind, name, value in found}


async def test_what_is_chosen_is_kept_and_shown(desk: Counter) -> None:
    """The whole way in a browser without scripts; what the page says, `!notify` says."""
    async with browser(desk) as http:
        await signs_in(desk, http, GRACE)
        assert f'href="{PATH}"' in (await http.get("/")).text
        first = await http.get(PATH)
        headers_are_right(first)
        assert chosen(first) == {*ALL, "on_failed", "channel=default", "quiet=default"}
        assert "22:00-07:00 (UTC)" in first.text
        sent = await sends(
            http,
            on_reply="1",
            on_missed="1",
            channel="mail",
            quiet="own",
            hours=" 9:30 - 17:00",
            zone="Europe/Paris",
        )
        assert (sent.status_code, sent.headers["location"]) == (303, f"{PATH}?saved")
        off = frozenset({"new", "assigned", "near"})
        assert await kept(desk) == Preferences("09:30-17:00", off, "email", "Europe/Paris")
        after = await http.get(sent.headers["location"])
        assert "Saved." in after.text
        assert chosen(after) == {"on_reply", "on_missed", "on_failed", "channel=mail", "quiet=own"}
        assert 'value="09:30-17:00"' in after.text
        assert 'value="Europe/Paris"' in after.text
        grace = (await desk.staff("grace")).user_id
        said = await desk.parts.database.unit(
            lambda tx: choose(tx, grace, ["off", "missed"], quiet_hours="", zone="UTC")
        )
        assert "Quiet hours: 09:30-17:00 (Europe/Paris)" in said
        assert "on_missed" not in chosen(await http.get(PATH))
        assert (await sends(http, **ALL)).status_code == 303
        assert desk.store.count("settings", "scope = 'prefs'") == 0, "as at the beginning"


async def test_everybody_has_their_own(desk: Counter) -> None:
    """One's choices are nobody else's; requesters have no such page, nor a link to it."""
    async with browser(desk) as grace, browser(desk) as ada, browser(desk) as ann:
        await signs_in(desk, grace, GRACE)
        await signs_in(desk, ada, ADA)
        await signs_in(desk, ann, ANN)
        mine = (await desk.staff("ada")).user_id
        await sends(grace, on_new="1", quiet="off", user_id=str(mine), username="ada")
        assert await kept(desk, "ada") == NOTHING
        assert chosen(await ada.get(PATH)) == {*ALL, "on_failed", "channel=default", "quiet=default"}
        home = await ann.get("/")
        assert home.status_code == 200
        assert PATH not in home.text
        assert (await ann.get(PATH)).status_code == 404
        assert (await ann.post(PATH, data={"token": field(home, "token"), "quiet": "off"})).status_code == 404
        assert desk.store.count("settings", "scope = 'prefs'") == 1


@on_sqlite
async def test_only_its_own_form_counts(desk: Counter) -> None:
    """Nobody without a session, no other site's form, no other browser's token."""
    async with browser(desk) as grace, browser(desk) as ada, browser(desk) as nobody:
        answer = await nobody.get(PATH)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={PATH}")
        answer = await nobody.post(PATH, data={"quiet": "off", "token": "x"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        await signs_in(desk, grace, GRACE)
        await signs_in(desk, ada, ADA)
        foreign = field(await ada.get(PATH), "token")
        for fields in ({"quiet": "off"}, {"quiet": "off", "token": foreign}, {"quiet": "off", "token": ""}):
            assert (await grace.post(PATH, data=fields)).status_code == 403
        own = field(await grace.get(PATH), "token")
        assert (await grace.post(PATH, json={"quiet": "off", "token": own})).status_code == 403
        assert desk.store.count("settings", "scope = 'prefs'") == 0
        desk.store.execute("UPDATE users SET role = 'requester' WHERE username = 'grace'")
        assert (await grace.post(PATH, data={"quiet": "off", "token": own})).status_code == 404
        assert desk.store.count("settings", "scope = 'prefs'") == 0


@on_sqlite
@pytest.mark.parametrize("evil", XSS)
async def test_what_is_typed_is_shown_as_text(desk: Counter, evil: str) -> None:
    """A refusal shows it again, and changes nothing."""
    async with browser(desk) as http:
        await signs_in(desk, http, GRACE)
        for more in ({"hours": evil}, {"hours": "22:00-07:00", "zone": evil}, {"channel": evil}):
            answer = await sends(http, on_new="1", **{"quiet": "own", **more})
            assert answer.status_code == 422, more
            headers_are_right(answer)
            assert "Nothing was changed" in answer.text
            assert chosen(answer) >= {"on_new", "quiet=own"}
            for bad in ("<script", "<img", "<svg"):
                assert bad not in answer.text
        assert await kept(desk) == NOTHING
        desk.store.execute("UPDATE users SET name = :name", name=f"N {evil}")
        headers_are_right(await http.get(PATH))


@on_sqlite
async def test_ended_mails_are_begun_again(desk: Counter) -> None:
    """Who ended them by the link in one is told so, and may have them again."""
    key = unsubscribing.key_for(LIST, GRACE)
    await desk.parts.database.unit(lambda tx: unsubscribing.stop(tx, LIST, key))
    async with browser(desk) as http:
        await signs_in(desk, http, GRACE)
        assert 'name="again"' in (await http.get(PATH)).text
        await sends(http, **ALL)
        assert await desk.parts.database.read(lambda tx: unsubscribing.is_stopped(tx, key))
        await sends(http, **ALL, again="1")
        assert not await desk.parts.database.read(lambda tx: unsubscribing.is_stopped(tx, key))
        assert 'name="again"' not in (await http.get(PATH)).text


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ((ALL, "", "default", "1:00-2:00", "Mars/X"), NOTHING),
        ((ALL, "slack", "off", "", ""), Preferences(quiet_hours="", channel="slack")),
        ((ALL, "default", "own", "22:00-07:00", ""), Preferences(quiet_hours="22:00-07:00")),
        (((), "default", "default", "", ""), Preferences(off=frozenset(map(str, OPTIONAL)))),
    ],
)
def test_what_a_form_says(given: Any, then: Preferences) -> None:
    wanted, *rest = given
    assert ticked([name.removeprefix("on_") for name in wanted], *rest) == then
