"""The way in, over the wire: stored first, then acknowledged; both ways in; lines that break in every way."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from bot.front import Answer, Front
from core.shapes import Kind
from sandbox import Sandbox
from tests.bot.kit import Kit, outgoing, until


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    box = Sandbox()
    await box.start()
    yield box
    await box.stop()


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    assert await kit.door.until_ready(5)
    yield kit
    await kit.close()


async def test_an_event_is_stored_and_then_acknowledged(box: Sandbox, kit: Kit) -> None:
    await box.workspace.user("ann").dm("help me")
    await until(lambda: kit.shelf.texts == ["help me"])
    await box.workspace.settled()
    assert box.workspace.delivery.lost == []


async def test_what_cannot_be_stored_is_not_acknowledged(box: Sandbox, kit: Kit) -> None:
    kit.shelf.broken = True
    box.workspace.delivery.ack_timeout = 0.2
    await box.workspace.user("ann").dm("help me")
    await until(lambda: kit.shelf.calls > 0)
    kit.shelf.broken = False
    await until(lambda: kit.shelf.texts == ["help me"])  # Slack sent it again


async def test_the_same_event_four_times_is_one_row(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.duplicate_events = 3
    await box.workspace.user("ann").dm("help me")
    await box.workspace.settled()
    assert kit.shelf.calls == 4
    assert len(kit.shelf.arrivals) == 1


async def test_a_click_is_stored_once(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    await box.workspace.settled()
    kit.shelf.arrivals.clear()
    answer = await box.workspace.user("ada").click("triage", card.remote_id.rpartition("/")[2], "take")
    assert answer.acked
    assert [body["actions"][0]["action_id"] for body in kit.shelf.bodies] == ["take"]
    assert "response_url" not in kit.shelf.bodies[0]


async def test_talk_in_other_channels_is_not_kept(box: Sandbox, kit: Kit) -> None:
    await box.workspace.user("ann").post("general", "lunch?")
    await box.workspace.settled()
    assert kit.shelf.arrivals == {}
    assert box.workspace.delivery.lost == []


@pytest.mark.parametrize("how", ["drop", "silence", "refresh", "warning"])
async def test_a_line_that_breaks_is_replaced(box: Sandbox, kit: Kit, how: str) -> None:
    first = box.sockets.sockets[0]
    faults = box.workspace.faults
    {
        "drop": faults.drop_sockets,
        "silence": faults.silence_sockets,
        "refresh": faults.disconnect,
        "warning": lambda: faults.disconnect("warning"),
    }[how]()
    await until(lambda: any(s is not first for s in box.sockets.sockets))
    await until(lambda: kit.door.ready)
    if how == "silence":
        await until(lambda: first not in box.sockets.sockets)
    await box.workspace.user("ann").dm("still there?")
    await until(lambda: kit.shelf.texts == ["still there?"])


async def test_slack_away_is_seen_and_ends(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.down()
    await until(lambda: kit.door.state == "away")
    box.workspace.faults.up()
    await until(lambda: kit.door.state == "connected")


async def test_an_opening_that_fails_once_is_tried_again(box: Sandbox, tmp_path: Path) -> None:
    kit = Kit(box.api_url, tmp_path)
    box.workspace.faults.http_error("auth.test", 503)
    box.workspace.faults.http_error("apps.connections.open", 503)
    await kit.door.start()
    assert await kit.door.until_ready(8)
    await kit.close()


async def test_stopping_lets_what_is_being_stored_be_acknowledged(box: Sandbox, kit: Kit) -> None:
    kit.shelf.pause = 0.3
    await box.workspace.user("ann").dm("just in time")
    await until(lambda: kit.shelf.calls == 1)
    begun = time.monotonic()
    await kit.door.stop()
    assert time.monotonic() - begun < 5
    await box.workspace.settled()
    assert kit.shelf.texts == ["just in time"]
    assert box.workspace.delivery.lost == []


async def test_stopping_is_bounded_when_slack_is_silent(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.silence_sockets()
    begun = time.monotonic()
    await kit.door.stop()
    assert time.monotonic() - begun < 8


# -- HTTP --------------------------------------------------------------------------------------------------------


def sign(body: bytes, timestamp: str | None = None, secret: str = Sandbox.signing_secret) -> dict[str, str]:
    stamp = timestamp or str(int(time.time()))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
        "Content-Type": "application/json",
    }


@pytest.fixture
async def http(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path, app_token="")
    await kit.door.start()
    assert await kit.door.until_ready(5)
    yield kit
    await kit.close()


EVENT = {
    "type": "event_callback",
    "team_id": "T0SANDBOX1",
    "event_id": "Ev1",
    "event": {
        "type": "message",
        "channel": "D1",
        "user": "U1",
        "text": "grüße",
        "ts": "1.000001",
        "event_ts": "1.000001",
    },
}


async def test_a_signed_event_is_stored(http: Kit) -> None:
    body = json.dumps(EVENT, ensure_ascii=False).encode()
    assert (await http.door.handle_http(body, sign(body)))[0] == 200
    retried = sign(body) | {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    assert (await http.door.handle_http(body, retried))[0] == 200
    assert http.shelf.texts == ["grüße"]


async def test_url_verification_is_answered(http: Kit) -> None:
    body = json.dumps({"type": "url_verification", "token": "x", "challenge": "abc"}).encode()
    status, _, answer = await http.door.handle_http(body, sign(body))
    assert status == 200
    assert b"abc" in answer
    assert http.shelf.arrivals == {}


async def test_a_click_by_http_is_stored(http: Kit) -> None:
    payload = {
        "type": "block_actions",
        "team": {"id": "T0SANDBOX1"},
        "user": {"id": "U1"},
        "trigger_id": "1.2.x",
        "container": {"channel_id": "C0TRIAGE01", "message_ts": "1.000001"},
        "actions": [{"action_id": "take", "block_id": "ticket:12:1", "value": "12", "action_ts": "2.000001"}],
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    headers = sign(body) | {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await http.door.handle_http(body, headers))[0] == 200
    assert len(http.shelf.arrivals) == 1


BODY = json.dumps(EVENT).encode()


@pytest.mark.parametrize(
    ("signed", "body", "status"),  # signed when it's sent: a signature is good for five minutes
    [
        (dict, BODY, 401),
        (lambda: sign(BODY, secret="another"), BODY, 401),
        (lambda: sign(BODY, "soon"), BODY, 401),
        (lambda: sign(BODY, "١٢٣"), BODY, 401),
        (lambda: sign(BODY, str(int(time.time()) - 400)), BODY, 401),
        (lambda: sign(BODY) | {"X-Slack-Signature": "v0=ü"}, BODY, 401),
        (lambda: sign(BODY), BODY + b" ", 401),
        (lambda: sign(b"\xff\xfe"), b"\xff\xfe", 400),
        (lambda: sign(b"{"), b"{", 400),
        (lambda: sign(BODY), b"x" * 1_048_577, 413),
    ],
)
async def test_false_requests_are_refused(
    http: Kit, signed: Callable[[], dict[str, str]], body: bytes, status: int
) -> None:
    assert (await http.door.handle_http(body, signed()))[0] == status
    assert http.shelf.arrivals == {}


async def test_what_would_fail_again_is_not_asked_for_again(http: Kit) -> None:
    for body in (b"\xff\xfe", b"x" * 1_048_577):
        assert (await http.door.handle_http(body, sign(body)))[1] == {"x-slack-no-retry": "1"}
    for headers in ({}, sign(BODY, secret="another")):  # a mended secret takes it the next time
        assert "x-slack-no-retry" not in (await http.door.handle_http(BODY, headers))[1]


async def test_storing_that_fails_is_an_error_so_that_slack_repeats(http: Kit) -> None:
    http.shelf.broken = True
    assert (await http.door.handle_http(BODY, sign(BODY)))[0] == 503


async def test_events_of_the_workspace_come_by_http(box: Sandbox, http: Kit) -> None:
    async def events(request: web.Request) -> web.Response:
        status, headers, body = await http.door.handle_http(await request.read(), request.headers)
        return web.Response(status=status, headers=headers, body=body)

    app = web.Application()
    app.router.add_post("/slack/events", events)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    box.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    await box.workspace.user("ann").dm("by http")
    await until(lambda: http.shelf.texts == ["by http"])
    await runner.cleanup()


# -- answers of the counters, both ways ----------------------------------------------------------------------------

ERRORS = {"response_action": "errors", "errors": {"title": "Please say what it is about"}}


class Desk:
    """A counter that refuses every form and answers every command, and then is busy for a while."""

    def __init__(self) -> None:
        self.after: list[str] = []

    def look(self, body: Mapping[str, Any]) -> Answer | None:
        async def follow() -> None:
            self.after.append("begun")
            await asyncio.sleep(1.2)
            self.after.append("done")

        if body.get("type") == "view_submission":
            return Answer(say=ERRORS)
        if body.get("command") == "/ticket":
            return Answer(say={"response_type": "ephemeral", "text": body["text"]}, after=follow)
        return None


def counting(kit: Kit) -> Desk:
    desk = Desk()
    kit.door._front = Front([desk])
    return desk


FORM = {"type": "view_submission", "user": {"id": "U1"}, "view": {"callback_id": "new_ticket", "id": "V1"}}
COMMAND = {"command": "/ticket", "text": "grüße & more", "user_id": "U1", "trigger_id": "1.2.x"}


@pytest.mark.parametrize("flat", [True, False])
async def test_forms_and_commands_are_answered_by_http(http: Kit, flat: bool) -> None:
    desk = counting(http)
    body = urlencode(COMMAND if flat else {"payload": json.dumps(FORM)}).encode()
    headers = sign(body) | {"Content-Type": "application/x-www-form-urlencoded"}
    begun = time.monotonic()
    status, shown, answer = await http.door.handle_http(body, headers)
    assert time.monotonic() - begun < 1
    assert status == 200
    assert shown["content-type"].startswith("application/json")
    wanted = {"response_type": "ephemeral", "text": "grüße & more"} if flat else ERRORS
    assert json.loads(answer) == wanted
    if flat:
        await until(lambda: desk.after == ["begun", "done"])
    assert http.shelf.arrivals == {}


@pytest.mark.parametrize(("kind", "payload"), [("slash_commands", COMMAND), ("interactive", FORM)])
async def test_forms_and_commands_are_answered_by_socket(
    box: Sandbox, kit: Kit, kind: str, payload: dict[str, Any]
) -> None:
    counting(kit)
    begun = time.monotonic()
    answer = await box.sockets.send(kind, payload, attempt=0, reason="", timeout=3)
    assert time.monotonic() - begun < 1
    assert answer.acked
    assert answer.payload == (
        ERRORS if payload is FORM else {"response_type": "ephemeral", "text": "grüße & more"}
    )


async def test_being_held_back_is_stored_and_read_up_on(box: Sandbox, kit: Kit) -> None:
    await until(lambda: "*" in kit.cursors)
    box.workspace.faults.hold_events()  # and never released: Slack drops them
    await box.workspace.user("ann").dm("dropped")
    told = {"type": "app_rate_limited", "team_id": box.team_id, "minute_rate_limited": int(time.time()) - 1}
    assert (await box.sockets.send("events_api", told, attempt=0, reason="", timeout=3)).acked
    await until(lambda: "dropped" in kit.shelf.texts)
    assert "app_rate_limited" in [body.get("type") for body in kit.shelf.bodies]


# -- catching up ---------------------------------------------------------------------------------------------------


async def away(box: Sandbox, tmp_path: Path) -> Kit:
    """A desk that was here until now, and is away."""
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    assert await kit.door.until_ready(5)
    await until(lambda: "*" in kit.cursors)
    await kit.door.stop()
    box.workspace.delivery.retry_delays = ()
    kit.cursors = {"*": f"{time.time():.6f}"}
    await asyncio.sleep(0.01)
    return kit


async def back(kit: Kit, box: Sandbox, count: int) -> Kit:
    again = Kit(box.api_url, kit.blobs.folder.parent)
    again.cursors = kit.cursors
    await again.door.start()
    await until(lambda: len(again.shelf.arrivals) >= count and again.cursors != kit.cursors)
    return again


async def test_what_was_written_meanwhile_is_read(box: Sandbox, tmp_path: Path) -> None:
    seed = Kit(box.api_url, tmp_path)
    card = await seed.channel.send(outgoing(Kind.CARD))
    root = card.remote_id.rpartition("/")[2]
    early = await box.workspace.user("ann").dm("early")
    kit = await away(box, tmp_path)
    ann, ada = box.workspace.user("ann"), box.workspace.user("ada")
    dm = await ann.dm("meanwhile")
    await ann.dm("and more", thread_ts=dm)
    await ann.edit("dm", early, "early, mended")
    await ada.post("triage", "an answer", thread_ts=root)
    await ada.post("triage", "talk")
    again = await back(kit, box, 4)
    said = [b["event"].get("text") or b["event"]["message"]["text"] for b in again.shelf.bodies]
    assert sorted(said) == ["an answer", "and more", "early, mended", "meanwhile"]
    orders = [a.source_order for a in again.shelf.arrivals.values()]
    assert all(orders)
    for one in (seed, kit, again):
        await one.close()


async def test_a_mention_in_a_thread_of_another_channel_is_read(box: Sandbox, tmp_path: Path) -> None:
    """And talk there isn't."""
    ann = box.workspace.user("ann")
    root = await ann.post("general", "The printer burns")
    kit = await away(box, tmp_path)
    await ann.post("general", "lunch?")
    await ann.post("general", f"<@{box.bot_user_id}> help", thread_ts=root)
    top = await ann.post("general", f"<@{box.bot_user_id}> and me")
    again = await back(kit, box, 2)
    await until(lambda: "*" in again.cursors and len(again.cursors) == 1)
    texts = [b["event"]["text"] for b in again.shelf.bodies]
    assert texts == [f"<@{box.bot_user_id}> help", f"<@{box.bot_user_id}> and me"]
    assert top in [b["event"]["ts"] for b in again.shelf.bodies]
    for one in (kit, again):
        await one.close()


async def test_what_comes_live_waits_for_what_was_missed_there(box: Sandbox, tmp_path: Path) -> None:
    kit = await away(box, tmp_path)
    ann = box.workspace.user("ann")
    await ann.dm("first")
    box.workspace.faults.slow("conversations.list", 0.5)
    again = Kit(box.api_url, kit.blobs.folder.parent)
    again.cursors = kit.cursors
    await again.door.start()
    assert await again.door.until_ready(5)
    await until(lambda: any(c.method == "conversations.list" for c in box.workspace.calls))
    await ann.dm("second")
    await until(lambda: {"first", "second"} <= set(again.shelf.texts))
    settles = {
        json.loads(a.raw)["event"]["text"]: a.settle for a in again.shelf.arrivals.values() if a.settle
    }
    assert set(settles) == {"second"}
    for one in (kit, again):
        await one.close()


async def test_the_first_start_reads_nothing_old(box: Sandbox, tmp_path: Path) -> None:
    await box.workspace.user("ann").dm("before there was a desk")
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    await until(lambda: "*" in kit.cursors)
    assert kit.shelf.arrivals == {}
    await kit.close()


async def test_catching_up_waits_for_a_rate_limit_and_goes_on(box: Sandbox, tmp_path: Path) -> None:
    kit = await away(box, tmp_path)
    await box.workspace.user("ann").dm("meanwhile")
    box.workspace.faults.ratelimit("conversations.history", retry_after=1)
    again = await back(kit, box, 1)
    assert again.shelf.texts == ["meanwhile"]
    await again.close()
    await kit.close()
