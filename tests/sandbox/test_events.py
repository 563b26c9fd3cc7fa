"""Socket Mode with the real client: what's delivered, again, late, twice, or never."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import TRIAGE, Sandbox
from tests.sandbox.conftest import App


async def test_a_direct_message_arrives(box: Sandbox, app: App) -> None:
    ts = await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: app.events)
    event = app.events[0]
    assert (event["channel_type"], event["ts"], event["user"]) == ("im", ts, "U0ANN00001")
    assert event["blocks"][0]["type"] == "rich_text"


async def test_a_mention_is_two_events_of_one_message(box: Sandbox, app: App) -> None:
    ts = await box.workspace.user("bob").post("general", "@relaydesk help")
    await box.workspace.wait_for(lambda: len(app.events) == 2)
    assert {event["type"] for event in app.events} == {"message", "app_mention"}
    assert {event["ts"] for event in app.events} == {ts}
    assert len({body["event_id"] for body in app.bodies}) == 2


async def test_edits_deletions_and_reactions_arrive(box: Sandbox, app: App) -> None:
    ada = box.workspace.user("ada")
    ts = await ada.post("triage", "one")
    await ada.edit("triage", ts, "two")
    await ada.react("triage", ts, "eyes")
    await ada.delete("triage", ts)
    await box.workspace.wait_for(lambda: len(app.events) == 4)
    changed, reacted, deleted = app.events[1:]
    assert (changed["subtype"], changed["message"]["edited"]["user"]) == ("message_changed", ada.id)
    assert (changed["message"]["text"], changed["previous_message"]["text"]) == ("two", "one")
    assert (reacted["reaction"], reacted["item"]["ts"]) == ("eyes", ts)
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)


async def test_the_app_hears_its_own_posts(box: Sandbox, app: App, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel=TRIAGE, text="plain")
    await client.chat_postMessage(channel=TRIAGE, text="named", username="Ann")
    await box.workspace.wait_for(lambda: len(app.events) == 2)
    plain, named = app.events
    assert (plain["user"], plain["bot_id"], "subtype" in plain) == (box.bot_user_id, box.bot_id, False)
    assert (named["subtype"], named["username"], "user" in named) == ("bot_message", "Ann", False)


async def test_the_app_hears_only_of_where_it_is(box: Sandbox, app: App) -> None:
    secret = box.workspace.add_channel("secret", members=["ada"])
    await box.workspace.user("ada").post("secret", "unheard")
    await box.workspace.user("ada").invite("secret")
    await box.workspace.user("ada").post("secret", "heard")
    await box.workspace.wait_for(lambda: "heard" in app.texts)
    assert [event["type"] for event in app.events] == ["member_joined_channel", "message", "message"]
    assert app.events[0]["inviter"] == "U0ADA00001"
    assert app.events[1]["subtype"] == "channel_join"
    assert all(event["channel"] == secret.id for event in app.events)


async def test_a_broadcast_reply_carries_its_root(box: Sandbox, app: App) -> None:
    ada = box.workspace.user("ada")
    root = await ada.post("triage", "root")
    await ada.post("triage", "to all", thread_ts=root, broadcast=True)
    await box.workspace.wait_for(lambda: len(app.events) == 2)
    event = app.events[1]
    assert (event["subtype"], event["root"]["ts"], event["thread_ts"]) == ("thread_broadcast", root, root)


async def test_the_poster_of_a_me_message(box: Sandbox, app: App) -> None:
    await box.workspace.user("ada").post("triage", "waves", subtype="me_message")
    await box.workspace.wait_for(lambda: app.events)
    assert app.events[0]["subtype"] == "me_message"


async def test_profile_changes_arrive(box: Sandbox, app: App) -> None:
    box.workspace.change_user("bob", deleted=True)
    await box.workspace.wait_for(lambda: app.events)
    assert (app.events[0]["type"], app.events[0]["user"]["deleted"]) == ("user_change", True)


async def test_what_isnt_acked_comes_again(box: Sandbox, app: App) -> None:
    failures = [True, True]

    async def fail_twice(body: object) -> None:
        if failures:
            failures.pop()
            raise RuntimeError("the database is away")

    app.on_event = fail_twice
    box.workspace.delivery.ack_timeout = 0.1
    await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: len(app.bodies) == 3)
    assert len({body["event_id"] for body in app.bodies}) == 1
    await box.workspace.settled(quiet=0.15)
    assert box.workspace.delivery.lost == []


async def test_after_three_more_tries_it_is_lost(box: Sandbox, app: App, client: AsyncWebClient) -> None:
    async def fail(body: object) -> None:
        raise RuntimeError("a bug")

    app.on_event = fail
    box.workspace.delivery.ack_timeout = 0.05
    await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: box.workspace.delivery.lost)
    assert len(app.bodies) == 4
    history = await client.conversations_history(channel=box.workspace.dm_channel("ann").id)
    assert history["messages"][0]["text"] == "help"


async def test_duplicates_have_one_event_id(box: Sandbox, app: App) -> None:
    box.workspace.faults.duplicate_events = 2
    await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: len(app.bodies) == 3)
    assert len({body["event_id"] for body in app.bodies}) == 1


async def test_held_events_come_in_their_order(box: Sandbox, app: App) -> None:
    box.workspace.faults.hold_events()
    for text in ("one", "two"):
        await box.workspace.user("ann").dm(text)
    await box.workspace.settled(quiet=0.1)
    assert app.events == []
    box.workspace.faults.release_events()
    await box.workspace.wait_for(lambda: len(app.events) == 2)
    assert app.texts == ["one", "two"]


async def test_while_nobody_listens_events_are_lost(box: Sandbox) -> None:
    await box.workspace.user("ann").dm("into the void")
    await box.workspace.wait_for(lambda: box.workspace.delivery.lost)


async def test_or_kept_when_so_configured(box: Sandbox) -> None:
    box.workspace.delivery.redeliver_after_reconnect = True
    await box.workspace.user("ann").dm("kept")
    await asyncio.sleep(0.4)
    app = App(box)
    await app.connect()
    await box.workspace.wait_for(lambda: app.texts == ["kept"])
    await app.close()


@pytest.mark.parametrize("trouble", ["refresh", "reset", "silence", "down"])
async def test_the_client_comes_back(box: Sandbox, app: App, trouble: str) -> None:
    faults = box.workspace.faults
    first = box.sockets.sockets[0]
    match trouble:
        case "refresh":
            faults.disconnect("refresh_requested")
        case "reset":
            faults.drop_sockets()
        case "silence":
            faults.silence_sockets()
        case "down":
            faults.down()
            faults.up()
    await box.workspace.wait_for(lambda: any(s is not first for s in box.sockets.sockets), timeout=8)
    if trouble == "silence":  # the old socket stays until its owner goes
        await box.workspace.wait_for(lambda: first not in box.sockets.sockets, timeout=8)
    await box.workspace.user("ann").dm("still there?")
    await box.workspace.wait_for(lambda: "still there?" in app.texts)


async def test_a_warning_closes_nothing(box: Sandbox, app: App) -> None:
    first = box.sockets.sockets[0]
    box.workspace.faults.disconnect("warning")
    await box.workspace.user("ann").dm("hello")
    await box.workspace.wait_for(lambda: app.texts == ["hello"])
    assert box.sockets.sockets[0] is first or len(box.sockets.sockets) == 2


async def test_a_ticket_works_once(box: Sandbox, client: AsyncWebClient) -> None:
    import aiohttp

    url = (await client.apps_connections_open(app_token=box.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(url)
        hello = await socket.receive_json()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        await socket.close()


async def test_each_event_goes_to_one_of_two_sockets(box: Sandbox, app: App) -> None:
    other = App(box)
    await other.connect()
    await box.workspace.wait_for(lambda: len(box.sockets.sockets) == 2)
    for number in range(6):
        await box.workspace.user("ann").dm(str(number))
    await box.workspace.wait_for(lambda: len(app.texts) + len(other.texts) == 6)
    assert sorted(app.texts + other.texts) == list("012345")
    assert app.texts
    assert other.texts
    await other.close()


async def test_an_eleventh_socket_is_sent_away(box: Sandbox, app: App) -> None:
    url = f"{box.api_url.replace('http', 'ws', 1).removesuffix('/api/')}/link"
    async with aiohttp.ClientSession() as session:
        open_ones = []
        for _ in range(9):
            wire = await session.ws_connect(url, params={"ticket": box.sockets.ticket()})
            open_ones.append(wire)
            assert (await wire.receive_json())["type"] == "hello"
        one_more = await session.ws_connect(url, params={"ticket": box.sockets.ticket()})
        said = await one_more.receive_json()
        assert (said["type"], said["reason"]) == ("disconnect", "too_many_websockets")
        assert len(box.sockets.sockets) == 10
        for wire in open_ones:
            await wire.close()


async def test_one_socket_of_several_goes(box: Sandbox, app: App) -> None:
    other = App(box)
    await other.connect()
    first = list(box.sockets.sockets)
    box.sockets.cut("refresh_requested")
    await box.workspace.wait_for(lambda: len(set(first) & set(box.sockets.sockets)) == 1)
    await box.workspace.wait_for(lambda: len(box.sockets.sockets) == 2)
    await box.workspace.user("ann").dm("still here")
    await box.workspace.wait_for(lambda: "still here" in (*app.texts, *other.texts))
    await other.close()
