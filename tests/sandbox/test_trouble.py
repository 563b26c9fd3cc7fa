"""The switches and the ticket's way, by the page's own requests."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import TRIAGE, Sandbox, page_way
from sandbox.trouble import SWITCHES
from tests.sandbox.conftest import App
from tests.sandbox.test_mailbox import send


@pytest.fixture
async def http(box: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=box.url) as session:
        yield session


async def turn(http: aiohttp.ClientSession, name: str, on: bool) -> int:
    async with http.post(f"/sandbox/break/{name}", json={"on": on}) as answer:
        return answer.status


async def shown(http: aiohttp.ClientSession) -> dict[str, tuple[bool, int]]:
    async with http.get("/sandbox/state") as answer:
        return {s["name"]: (s["on"], s["met"]) for s in (await answer.json())["trouble"]}


async def mended(http: aiohttp.ClientSession) -> None:
    async with http.post("/sandbox/mend", json={}) as answer:
        assert answer.status == 200


async def test_each_is_turned_on_alone_and_off_again(http: aiohttp.ClientSession) -> None:
    assert all(state == (False, 0) for state in (await shown(http)).values())
    for name in SWITCHES:
        assert await turn(http, name, True) == 200
        assert [other for other, (on, _) in (await shown(http)).items() if on] == [name]
        await turn(http, name, False)
    for name in SWITCHES:
        await turn(http, name, True)
    await mended(http)
    assert not any(on for on, _ in (await shown(http)).values())
    assert await turn(http, "nonsense", True) == 404


async def test_slack_is_down_and_up(http: aiohttp.ClientSession, client: AsyncWebClient) -> None:
    await turn(http, "slack_down", True)
    for _ in range(2):
        with pytest.raises(SlackApiError):
            await client.auth_test()
    assert (await shown(http))["slack_down"] == (True, 2)
    await mended(http)
    assert (await client.auth_test())["ok"]
    await turn(http, "slack_down", True)
    assert (await shown(http))["slack_down"] == (True, 0)  # counts anew


async def test_the_relay_refuses(box: Sandbox, http: aiohttp.ClientSession) -> None:
    """4xx or 5xx: the later switch counts; turning off the one that isn't on changes nothing."""
    for name, code in (("relay_later", 451), ("relay_never", 554)):
        await turn(http, name, True)
        with pytest.raises(smtplib.SMTPDataError) as raised:
            await send(box, b"Subject: 1\r\n\r\n")
        assert raised.value.smtp_code == code
    await turn(http, "relay_later", False)
    states = await shown(http)
    assert (states["relay_later"][0], states["relay_never"]) == (False, (True, 1))
    await mended(http)
    await send(box, b"Subject: 2\r\n\r\n")
    assert [mail.subject for mail in box.mailbox.mails] == ["2"]


async def test_one_answer_is_lost(box: Sandbox, http: aiohttp.ClientSession, client: AsyncWebClient) -> None:
    await turn(http, "lose_answer", True)
    await client.auth_test()  # only posts are met
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await client.chat_postMessage(channel=TRIAGE, text="one")
    assert (await shown(http))["lose_answer"] == (False, 1)
    await client.chat_postMessage(channel=TRIAGE, text="two")
    posts = box.workspace.state.channels[TRIAGE].messages.values()
    assert [m.text for m in posts] == ["one", "two"]


async def test_events_come_twice(box: Sandbox, app: App, http: aiohttp.ClientSession) -> None:
    ada = box.workspace.user("ada")
    await turn(http, "duplicate", True)
    await ada.post("triage", "echo")
    await box.workspace.wait_for(lambda: app.texts.count("echo") == 2)
    assert len({body["event_id"] for body in app.bodies}) == 1
    assert (await shown(http))["duplicate"] == (True, 1)
    await mended(http)
    await ada.post("triage", "once")
    await box.workspace.wait_for(lambda: "once" in app.texts)
    await box.workspace.wait_for(lambda: not box.workspace.delivery.busy)
    assert app.texts.count("once") == 1


# -- the ticket's way ------------------------------------------------------------------------------------------------


async def way(http: aiohttp.ClientSession, ticket: str = "") -> Any:
    async with http.get("/sandbox/way", params={"ticket": ticket} if ticket else {}) as answer:
        return await answer.json()


async def test_nobody_watches(http: aiohttp.ClientSession) -> None:
    assert await way(http) == {"watched": False}


async def test_a_way_is_read_for_all_together(
    box: Sandbox, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages ask at once, the desk is read once; for another ticket anew."""
    monkeypatch.setattr(page_way, "FRESH", 60)
    asked: list[int | None] = []

    async def provider(ticket: int | None) -> dict[str, Any]:
        asked.append(ticket)
        return {"ticket": ticket}

    box.watch(provider)
    answers = await asyncio.gather(*(way(http) for _ in range(5)))
    assert answers == [{"watched": True, "ticket": None}] * 5
    assert await way(http, "7") == {"watched": True, "ticket": 7}
    for nonsense in ("x", "-1", "9" * 40):
        assert (await way(http, nonsense))["ticket"] is None
    assert asked == [None, 7, None]


async def test_a_desk_that_cant_be_read(
    box: Sandbox, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails or hangs: the page is told, and nothing of what went wrong but its kind."""
    monkeypatch.setattr(page_way, "PATIENCE", 0.05)
    monkeypatch.setattr(page_way, "FRESH", 0)

    async def fails(ticket: int | None) -> dict[str, Any]:
        raise ConnectionError("secret")

    async def hangs(ticket: int | None) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    for provider, error in ((fails, "ConnectionError"), (hangs, "TimeoutError")):
        box.watch(provider)
        assert await way(http) == {"watched": True, "error": error}


async def test_an_unknown_mail_program(box: Sandbox, http: aiohttp.ClientSession) -> None:
    letter = {"from": "c@x.example", "to": "s@y.example", "subject": "s", "text": "t", "client": "pigeon"}
    async with http.post("/sandbox/mail", data=letter) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "unknown mail program"})
