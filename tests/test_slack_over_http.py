"""Slack's events over signed HTTP instead of a socket: the same inbox behind both."""

from __future__ import annotations

import time

from tests.conftest import Houses


async def test_the_loop_over_signed_http(houses: Houses) -> None:
    """A direct message, an answer in the thread, a button: all arrive as signed POSTs; unsigned ones are refused."""
    house = houses.make(slack={"app_token": "", "signing_secret": "sandbox-signing-secret"})
    box = house.box
    assert box is not None
    box.events_url = f"{house.url}/slack/events"
    await house.start()
    await house.ready()
    root = await box.workspace.user("bob").dm("Over HTTP")
    await box.workspace.wait_for(lambda: box.workspace.channel("triage").top, timeout=10)
    [card] = box.workspace.channel("triage").top
    await box.workspace.user("ada").post("triage", "Heard you", thread_ts=card.ts)
    room = box.workspace.dm_channel("bob")
    await box.workspace.wait_for(lambda: any("Heard you" in m.text for m in room.thread(root)), timeout=10)
    since = house.mark()
    await box.workspace.user("ada").click("triage", card.ts, "take")
    await house.logged("work_one", outcome="command", since=since)
    async with house.client() as http:
        stamp = str(int(time.time()))
        for headers in (
            {},
            {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": "v0=" + "0" * 64},
            {"X-Slack-Request-Timestamp": "x", "X-Slack-Signature": "v0=0"},
        ):
            refused = await http.post("/slack/events", json={"type": "event_callback"}, headers=headers)
            assert refused.status_code == 401
    assert house.store.count("tickets") == 1
