"""Signing in with Slack: who gets in, and everything that must not."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from core.config import ConfigError, parse
from core.shapes import Person
from intake.web.slack_oidc import LIVES, NotVouched, claims_of, offered, person_of, state_for, state_of
from sandbox import Sandbox
from tests.interfaces.counter import Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import browser, field, signs_in

ADA, GRACE, ANN = "U0ADA00001", "U0GRACE001", "U0ANN00001"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    """The sandbox's Slack."""
    made = Sandbox()
    await made.start()
    yield made
    await made.stop()


def slack_of(box: Sandbox) -> dict[str, Any]:
    return {
        "enabled": True,
        "bot_token": box.bot_token,
        "app_token": box.app_token,
        "api_url": box.api_url,
        "client_id": box.client_id,
        "client_secret": box.client_secret,
    }


@pytest.fixture
async def desk(store: Store, box: Sandbox) -> AsyncIterator[Counter]:
    """A served desk that knows that Slack."""
    async with counter_on(store, slack=slack_of(box)) as counter:
        yield counter


async def pressed(http: httpx.AsyncClient, goal: str = "/") -> str:
    """Press the button; where the browser is sent to."""
    form = await http.get("/sign-in", params={"next": goal})
    assert "Continue with Slack" in form.text
    fields = {"token": field(form, "token"), "next": field(form, "next")}
    answer = await http.post("/sign-in/slack", data=fields)
    assert answer.status_code == 200, answer.text
    seconds, _, url = answer.headers["refresh"].partition("; url=")
    assert seconds == "0"
    return url


async def chosen(desk: Counter, url: str, user: str) -> str:
    """Choose somebody on Slack's page; where Slack sends the browser back to, without our own address."""
    async with httpx.AsyncClient() as slack:
        assert (await slack.get(url)).status_code == 200
        went = await slack.get(f"{url.replace('/authorize?', '/allow?')}&user={user}")
    base = desk.parts.config.service.base_url
    assert went.headers["location"].startswith(f"{base}/sign-in/slack/back?code=")
    return went.headers["location"].removeprefix(base)


async def tried(desk: Counter, http: httpx.AsyncClient, user: str, goal: str = "/") -> httpx.Response:
    return await http.get(await chosen(desk, await pressed(http, goal), user))


def sessions(desk: Counter) -> int:
    return desk.store.count("tokens", "purpose = 'session'")


async def test_staff_get_in_and_where_they_wanted(desk: Counter) -> None:
    """By the address that Slack has verified, which pins the account; from then on by the account."""
    ticket = await desk.opened()
    goal = f"/tickets/{ticket['id']}"
    async with browser(desk) as http:
        answer = await tried(desk, http, ADA, goal)
        assert (answer.status_code, answer.headers["location"]) == (303, goal)
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert (await http.get(goal)).status_code == 200
        assert "/reports" in (await http.get("/")).text, "a manager's page"
    rows = desk.store.rows("SELECT address FROM identities WHERE kind = 'slack'")
    assert [row["address"] for row in rows] == [f"T0SANDBOX1/{ADA}"]
    async with browser(desk) as http:
        assert (await tried(desk, http, ADA, "//evil.example/x")).headers["location"] == "/"
    assert sessions(desk) == 2


@on_sqlite
async def test_what_is_asked_of_slack(desk: Counter, box: Sandbox) -> None:
    async with browser(desk) as http:
        url = urlsplit(await pressed(http))
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{box.url}openid/connect/authorize"
    assert asked["redirect_uri"] == f"{desk.parts.config.service.base_url}/sign-in/slack/back"
    assert (asked["response_type"], asked["scope"]) == ("code", "openid profile email")
    assert box.client_secret not in url.query
    assert len(asked["state"]) > 64
    assert len(asked["nonce"]) == 64


async def test_a_pinned_account_needs_no_address(desk: Counter, box: Sandbox) -> None:
    person = Person(kind="slack", address=f"T0SANDBOX1/{GRACE}", email="grace@example.com", team="T0SANDBOX1")
    await desk.parts.people.known(person)
    box.workspace.state.users[GRACE].email = None
    async with browser(desk) as http:
        assert (await tried(desk, http, GRACE)).status_code == 303


async def test_a_second_account_with_staffs_address_stays_out(desk: Counter, box: Sandbox) -> None:
    async with browser(desk) as http:
        assert (await tried(desk, http, ADA)).status_code == 303
    box.workspace.state.users["U0BOB00001"].email = "ada@example.com"
    async with browser(desk) as http:
        assert (await tried(desk, http, "U0BOB00001")).status_code == 403
    assert sessions(desk) == 1


@pytest.mark.parametrize("user", [ANN, "U0GIL00001", "U0EVE00001"])
async def test_nobody_else_gets_in(desk: Counter, box: Sandbox, user: str) -> None:
    """Not a colleague who isn't staff, a guest, somebody of another team; not with staff's address either."""
    for email in (box.workspace.state.users[user].email, "grace@example.com" if user != ANN else None):
        box.workspace.state.users[user].email = email
        async with browser(desk) as http:
            answer = await tried(desk, http, user)
            assert answer.status_code == 403
            assert "by mail" in answer.text
    assert sessions(desk) == 0
    assert desk.store.count("identities", "kind = 'slack'") == 0, "who is refused leaves nothing here"


@pytest.mark.parametrize(
    "forged",
    [
        {"nonce": "0" * 64},
        {"nonce": None},
        {"aud": "1.2"},
        {"aud": ["1000000000.2000000000", "1.2"]},
        {"iss": "https://slack.com.evil.example"},
        {"exp": int(time.time()) - 60, "iat": int(time.time()) - 360},
        {"exp": None},
        {"https://slack.com/team_id": "T0EXTERN01"},
        {"https://slack.com/team_id": None},
        {"https://slack.com/user_id": "U0GIL00001"},
        {"email_verified": False},
        {"email_verified": "true"},
    ],
)
@on_sqlite
async def test_tokens_that_say_something_else(desk: Counter, box: Sandbox, forged: dict[str, Any]) -> None:
    box.oidc.forge = forged
    async with browser(desk) as http:
        assert (await tried(desk, http, GRACE)).status_code == 403
        assert (await http.get("/")).status_code == 303
    assert sessions(desk) == 0


@on_sqlite
async def test_a_token_by_another_key(desk: Counter, box: Sandbox) -> None:
    from joserfc.jwk import RSAKey

    signed, shown = box.oidc._signed, box.oidc.key

    def by_the_thief(granted: Any) -> str:
        box.oidc._made = RSAKey.generate_key(2048, {"kid": shown.kid})
        try:
            return signed(granted)
        finally:
            box.oidc._made = shown

    box.oidc._signed = by_the_thief  # type: ignore[method-assign]
    async with browser(desk) as http:
        assert (await tried(desk, http, ADA)).status_code == 403
    assert sessions(desk) == 0


async def test_states_codes_and_browsers_that_dont_belong_together(desk: Counter) -> None:
    async with browser(desk) as http, browser(desk) as thief:
        path = await chosen(desk, await pressed(http), ADA)
        await pressed(thief)
        assert (await thief.get(path)).status_code == 403, "another browser's"
        async with browser(desk) as bare:
            assert (await bare.get(path)).status_code == 403, "a browser without cookies"
        query = parse_qs(urlsplit(path).query)
        stamp, dice, goal, mac = query["state"][0].split(".")
        for wrong in ("", "x", f"{stamp}.{dice}.{goal}x.{mac}", f"{stamp}.{dice}.{goal}.{mac[:-1]}", "..."):
            params = {"code": query["code"][0], "state": wrong}
            assert (await http.get("/sign-in/slack/back", params=params)).status_code == 403
        assert sessions(desk) == 0
        assert (await http.get(path)).status_code == 303
        assert (await http.get(path)).status_code == 403, "the state went with the cookie"
        http.cookies.delete("relaydesk_session")
        other = await pressed(http)
        state = parse_qs(urlsplit(other).query)["state"][0]
        again = {"code": query["code"][0], "state": state}
        assert (await http.get("/sign-in/slack/back", params=again)).status_code == 403, "a code works once"
        stolen = await chosen(desk, await pressed(thief), GRACE)
        planted = {"code": parse_qs(urlsplit(stolen).query)["code"][0], "state": state}
        answer = await http.get("/sign-in/slack/back", params=planted)
        assert answer.status_code == 403, "another's code in this browser: its token has another nonce"
        assert sessions(desk) == 1


@on_sqlite
async def test_buttons_forged_and_ways_back_refused(desk: Counter) -> None:
    async with browser(desk) as http:
        assert (await http.post("/sign-in/slack", data={"token": "0" * 64})).status_code == 403
        state = parse_qs(urlsplit(await pressed(http)).query)["state"][0]
        back = {"error": "access_denied", "state": state}
        answer = await http.get("/sign-in/slack/back", params=back)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@on_sqlite
async def test_a_session_is_new_and_the_older_one_ends(desk: Counter) -> None:
    async with browser(desk) as http:
        await signs_in(desk, http, "grace@example.com")
        first = http.cookies["relaydesk_session"]
        form = await http.get("/sign-in/unknown")
        assert form.status_code == 404
        cookie = "f" * 43
        http.cookies.set("relaydesk_form", cookie, domain="127.0.0.1")
        from intake.web.sessions import csrf_of

        answer = await http.post("/sign-in/slack", data={"token": csrf_of(cookie), "next": "/"})
        url = answer.headers["refresh"].partition("; url=")[2]
        assert (await http.get(await chosen(desk, url, ADA))).status_code == 303
    assert await desk.parts.sessions.actor(first) is None
    assert sessions(desk) == 1


@on_sqlite
async def test_slack_is_away(desk: Counter, box: Sandbox) -> None:
    async with browser(desk) as http:
        path = await chosen(desk, await pressed(http), ADA)
        box.workspace.faults.is_down = True
        assert (await http.get(path)).status_code == 503
        box.workspace.faults.is_down = False
        assert (await http.get(path)).status_code == 303, "nothing was used up"


@on_sqlite
async def test_it_is_off_without_credentials(store: Store, box: Sandbox) -> None:
    slack = {**slack_of(box), "client_id": "", "client_secret": ""}
    async with counter_on(store, slack=slack) as desk, browser(desk) as http:
        form = await http.get("/sign-in")
        assert "Slack" not in form.text
        assert (await http.post("/sign-in/slack", data={"token": field(form, "token")})).status_code == 404
        assert (await http.get("/sign-in/slack/back?code=x&state=y")).status_code == 404
    assert not offered(parse({"slack": {"client_id": "1.2", "client_secret": "x"}}))
    with pytest.raises(ConfigError, match="go together"):
        parse({"slack": {"client_id": "1.2"}})
    assert "s3cret" not in repr(parse({"slack": {"client_id": "1.2", "client_secret": "s3cret"}}))


def test_states_age() -> None:
    state = state_for("n" * 43, "dice", "/tickets/1", NOW)
    found = state_of("n" * 43, state, NOW + LIVES - timedelta(seconds=1))
    assert found is not None
    assert found.goal == "/tickets/1"
    for at in (NOW + LIVES, NOW - timedelta(seconds=1)):
        assert state_of("n" * 43, state, at) is None
    assert state_of("m" * 43, state, NOW) is None
    assert state_of("", state_for("", "dice", "/", NOW), NOW) is None


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0."])
@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": []}, {"keys": [{"kty": "oct", "k": "YQ"}]}])
def test_rubbish_is_refused(token: str, keys: dict[str, Any]) -> None:
    with pytest.raises(NotVouched):
        claims_of(token, keys, "x", "n", NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "U2"},
        {"team_id": "T2"},
        {"deleted": True},
        {"is_bot": True},
        {"is_stranger": True},
        {"is_restricted": True},
        {"is_ultra_restricted": True},
    ],
)
def test_who_is_no_full_member(change: dict[str, Any]) -> None:
    from intake.web.slack_oidc import Claims

    claims = Claims(team="T1", user="U1", name="Ada", email="ada@example.com")
    member = {"id": "U1", "team_id": "T1"}
    assert person_of(claims, "T1", member).address == "T1/U1"
    with pytest.raises(NotVouched):
        person_of(claims, "T1", {**member, **change})
