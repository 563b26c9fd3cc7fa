"""The workspace's clock, and what goes by it: stamps, triggers, retries, limits, schedules."""

from __future__ import annotations

import asyncio
import time

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import TRIAGE, Sandbox
from sandbox.clock import Clock
from sandbox.health import Health, Quota
from tests.sandbox.conftest import App


async def test_time_leaps_and_runs() -> None:
    clock = Clock()
    assert abs(clock.now() - time.time()) < 0.5
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    clock.advance(1800)
    await asyncio.sleep(0.01)
    assert not sleeper.done()
    clock.advance(1801)
    await asyncio.wait_for(sleeper, 1)
    clock.speed = 3600
    began = clock.now()
    await asyncio.wait_for(clock.sleep(60), 1)
    assert clock.now() - began >= 60


async def test_messages_have_the_clocks_time(box: Sandbox) -> None:
    bob = box.workspace.user("bob")
    first = await bob.post("general", "now")
    box.clock.advance(86_400)
    assert float(await bob.post("general", "tomorrow")) - float(first) >= 86_400


async def test_retries_come_after_nothing_a_minute_and_five(box: Sandbox, app: App) -> None:
    async def fail(body: object) -> None:
        raise RuntimeError("the database is away")

    app.on_event = fail
    delivery = box.workspace.delivery
    delivery.ack_timeout, delivery.retry_factor = 0.1, 1
    await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: len(app.bodies) == 2)
    await box.workspace.settled(quiet=0.2)
    assert len(app.bodies) == 2
    for seconds, heard in ((61, 3), (301, 4)):
        box.clock.advance(seconds)
        await box.workspace.wait_for(lambda heard=heard: len(app.bodies) == heard)
        await box.workspace.settled(quiet=0.15)
    await box.workspace.wait_for(lambda: delivery.lost)


async def test_triggers_last_three_seconds_and_are_refused_in_two_forms(
    box: Sandbox, client: AsyncWebClient
) -> None:
    made = box.workspace.interactions
    view = {
        "type": "modal",
        "title": {"type": "plain_text", "text": "t"},
        "blocks": [{"type": "divider"}],
    }
    for older, refusal in ((False, "expired_trigger_id"), (True, "invalid_arguments")):
        made.older_refusals = older
        trigger = made.trigger(box.workspace.user("ann").state)
        box.clock.advance(3.1)
        with pytest.raises(SlackApiError) as raised:
            await client.views_open(trigger_id=trigger, view=view)
        assert raised.value.response["error"] == refusal
    said = raised.value.response["response_metadata"]["messages"]
    assert said == ["[ERROR] `trigger_id` expired [json-pointer:/trigger_id]"]


async def test_limits_are_refilled_by_the_clock(box: Sandbox, client: AsyncWebClient) -> None:
    box.workspace.faults.strict_rates = True
    for number in range(5):
        await client.chat_postMessage(channel=TRIAGE, text=str(number))
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=TRIAGE, text="too much")
    box.clock.advance(1)
    await client.chat_postMessage(channel=TRIAGE, text="5")
    for _ in range(20):  # Tier 2
        await client.users_list(limit=1)
    with pytest.raises(SlackApiError) as raised:
        await client.users_list(limit=1)
    assert raised.value.response.headers["Retry-After"] == "3"
    box.clock.advance(60)
    await client.users_list(limit=1)


async def test_what_is_scheduled_comes_at_its_time(box: Sandbox, client: AsyncWebClient) -> None:
    root = await box.workspace.user("ada").post("triage", "root")
    at = int(box.clock.now()) + 3600
    done = await client.chat_scheduleMessage(channel=TRIAGE, text="later", post_at=at, thread_ts=root)
    assert (done["post_at"], "ts" in done["message"]) == (at, False)
    await asyncio.sleep(0)
    box.clock.advance(3601)
    await box.workspace.wait_for(lambda: len(box.workspace.thread(root)) == 2)
    for when, refusal in ((at - 7200, "time_in_past"), (at + 200 * 86_400, "time_too_far")):
        with pytest.raises(SlackApiError) as raised:
            await client.chat_scheduleMessage(channel=TRIAGE, text="x", post_at=when)
        assert raised.value.response["error"] == refusal


async def test_a_response_url_ends_after_half_an_hour(box: Sandbox) -> None:
    made, space = box.workspace.interactions, box.workspace.state
    url = made.response_url(space.user("ada"), space.channel("triage"))
    box.clock.advance(1799)
    made.use_url(url.rpartition("/")[2])
    box.clock.advance(2)
    with pytest.raises(Exception, match="expired_url"):
        made.use_url(url.rpartition("/")[2])


def test_deliveries_are_turned_off_where_nearly_all_fail() -> None:
    now = [0.0]
    health = Health(lambda: now[0])
    for _ in range(999):
        health.note(False)
    assert not health.disabled  # never below 1,000 an hour
    health.note(False)
    assert health.disabled
    health.enable()
    for number in range(2000):
        health.note(number % 10 == 0)
    assert not health.disabled  # a tenth succeeds
    now[0] = 3601.0
    for _ in range(999):
        health.note(False)
    assert not health.disabled  # what was before is forgotten


async def test_a_disabled_app_hears_nothing_until_its_owner_acts(box: Sandbox) -> None:
    box.events_url = "http://127.0.0.1:1/nobody"
    delivery = box.workspace.delivery
    delivery.health.least = 4
    await box.workspace.user("ann").dm("one")
    await box.workspace.wait_for(lambda: delivery.health.disabled)
    await box.workspace.user("ann").dm("two")
    await box.workspace.wait_for(lambda: len(delivery.lost) == 2)
    delivery.health.enable()
    assert not delivery.health.disabled


def test_a_quota_frees_itself_within_an_hour() -> None:
    now = [0.0]
    quota = Quota(lambda: now[0])
    quota.an_hour = 2
    assert [quota.take() for _ in range(3)] == [True, True, False]
    now[0] = 3600.0
    assert quota.take()


async def test_beyond_the_quota_the_app_is_told_once_a_minute(box: Sandbox) -> None:
    box.workspace.delivery.quota.an_hour = 1
    for text in ("one", "two", "three"):
        await box.workspace.user("ann").dm(text)
    kinds = [body["type"] for body in box.workspace.events]
    assert kinds == ["event_callback", "app_rate_limited"]
    box.workspace.too_many_events()
    assert box.workspace.events[-1]["minute_rate_limited"] % 60 == 0
