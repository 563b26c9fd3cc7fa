"""Trouble by a seed: the same in each run, nothing lost for good, over at once when it's stopped."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import TRIAGE, Sandbox
from sandbox.chaos import Chaos, Rates
from tests.sandbox.conftest import App

CALLS = ("auth.", "apps.")  # what the client needs to listen at all
WILD = Rates(duplicates=0.3, reorder=0.3, ratelimit=0.2, drop_answer=0.2, drop_request=0.2, drop_sockets=0.2)


def fates(seed: int) -> list[object]:
    chaos = Chaos(seed, WILD, lambda: 0.0)
    return [chaos.of_event() for _ in range(50)]


def test_a_seed_is_a_run() -> None:
    assert fates(7) == fates(7)
    assert fates(7) != fates(8)


def test_what_else_happens_changes_no_call() -> None:
    alone, among = (Chaos(1, WILD, itertools.count().__next__) for _ in range(2))
    first = [alone.of_call("chat.update", {}) for _ in range(30)]
    second = []
    for _ in range(30):
        among.of_event()
        among.of_call("users.info", {})
        second.append(among.of_call("chat.update", {}))
    assert first == second
    assert {fault.kind for fault in first if fault} >= {"ratelimit", "drop_request"}


def test_no_rate_no_trouble() -> None:
    chaos = Chaos(1, Rates(0, 0, 0, 0, 0, 0, 0), lambda: 0.0)
    assert all(chaos.of_call("chat.update", {}) is None for _ in range(200))
    assert not chaos.counts


def test_a_refused_method_stays_refused_for_that_long() -> None:
    now = [0.0]
    chaos = Chaos(1, Rates(ratelimit=1, drop_answer=0, drop_request=0), lambda: now[0])
    assert chaos.of_call("chat.postMessage", {"channel": "C1"})
    assert chaos.of_call("chat.postMessage", {"channel": "C1"})
    assert chaos.impatient == Counter({"chat.postMessage": 1})
    now[0] = 1.0
    assert chaos.of_call("chat.postMessage", {"channel": "C1"})
    assert chaos.counts["ratelimit"] == 2


async def test_each_event_arrives_in_the_end(box: Sandbox, app: App) -> None:
    trouble = box.chaos(3, spare=CALLS, duplicates=0.4, reorder=0.4, delay=0.05, drop_sockets=0.1)
    other = App(box)
    await other.connect()
    said = [str(number) for number in range(60)]
    for text in said:
        await box.workspace.user("ann").dm(text)
        await asyncio.sleep(0.005)
    await box.workspace.wait_for(lambda: {*app.texts, *other.texts} == set(said), 20)
    trouble.stop()
    await box.workspace.settled(quiet=0.1)
    assert box.workspace.delivery.lost == []
    heard = [body["event_id"] for body in (*app.bodies, *other.bodies)]
    assert len(heard) > len(set(heard)) == 60
    assert {"duplicates", "reorder", "delay", "drop_sockets"} <= trouble.counts.keys()
    await other.close()


async def test_events_are_overtaken(box: Sandbox, app: App) -> None:
    box.chaos(1, spare=CALLS, duplicates=0, reorder=0.5, delay=0, drop_sockets=0)
    for number in range(20):
        await box.workspace.user("ann").dm(str(number))
    await box.workspace.wait_for(lambda: len(app.texts) == 20)
    assert app.texts != sorted(app.texts, key=int)


async def test_a_redelivery_has_the_same_envelope_or_says_that_it_is_one(box: Sandbox, app: App) -> None:
    frames: list[tuple[str, int]] = []

    async def note(client: object, message: dict[str, object], raw: str | None) -> None:
        if message.get("type") == "events_api":
            frames.append((str(message["envelope_id"]), int(str(message["retry_attempt"]))))

    app.handler.client.message_listeners.append(note)
    box.chaos(1, spare=CALLS, duplicates=1, reorder=0, delay=0, drop_sockets=0)
    for number in range(8):
        await box.workspace.user("ann").dm(str(number))
    await box.workspace.wait_for(lambda: len(app.bodies) == 16)
    await box.workspace.settled(quiet=0.1)
    same = [count for count in Counter(envelope for envelope, _ in frames).values() if count == 2]
    again = [attempt for _, attempt in frames if attempt == 1]
    assert same
    assert again
    assert len(same) + len(again) == 8


async def test_calls_meet_it_and_spared_ones_do_not(box: Sandbox, client: AsyncWebClient) -> None:
    trouble = box.chaos(1, ratelimit=1, spare=("users.",))
    await client.users_info(user="U0ANN00001")
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=TRIAGE, text="x")
    assert (raised.value.response.status_code, raised.value.response.headers["Retry-After"]) == (429, "1")
    trouble.stop()
    await client.chat_postMessage(channel=TRIAGE, text="calm")


async def test_losing_is_only_for_those_who_ask(box: Sandbox) -> None:
    box.chaos(1, lose=True, reorder=0)
    await box.workspace.user("ann").dm("nobody listens")
    await box.workspace.wait_for(lambda: box.workspace.delivery.lost)
    box.chaos(1, spare=CALLS, reorder=0)
    await box.workspace.user("ann").dm("kept")
    app = App(box)
    await app.connect()
    await box.workspace.wait_for(lambda: "kept" in app.texts)
    await app.close()


async def test_a_socket_falls_silent(box: Sandbox, app: App) -> None:
    box.workspace.delivery.ack_timeout = 0.2
    trouble = box.chaos(1, spare=CALLS, silence=1, duplicates=0, reorder=0, delay=0, drop_sockets=0)
    first = box.sockets.sockets[0]
    await box.workspace.user("ann").dm("one")
    await box.workspace.wait_for(lambda: first.silent)
    trouble.stop()
    await box.workspace.user("ann").dm("two")
    await box.workspace.wait_for(lambda: {"one", "two"} <= set(app.texts), 10)
    assert first not in box.sockets.sockets
