"""Events by HTTP: signed as the SDK verifies it, repeated as documented."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.signature import SignatureVerifier

from sandbox import Sandbox


class Receiver:
    """An app's request URL."""

    def __init__(self, box: Sandbox) -> None:
        self._verifier = SignatureVerifier(box.signing_secret)
        self.heard: list[tuple[dict[str, str], str]] = []
        self.answers: list[web.Response] = []

    async def serve(self, request: web.Request) -> web.Response:
        body = await request.text()
        headers = {key.lower(): value for key, value in request.headers.items()}
        assert self._verifier.is_valid_request(body, headers)
        self.heard.append((headers, body))
        if "challenge" in body:
            return web.json_response({"challenge": json.loads(body)["challenge"]})
        return self.answers.pop(0) if self.answers else web.Response()


@pytest.fixture
async def receiver(box: Sandbox) -> AsyncIterator[Receiver]:
    made = Receiver(box)
    app = web.Application()
    app.router.add_post("/slack/events", made.serve)
    server = TestServer(app)
    await server.start_server()
    box.events_url = str(server.make_url("/slack/events"))
    yield made
    await server.close()


async def test_an_event_is_signed_json(box: Sandbox, receiver: Receiver) -> None:
    await box.workspace.user("ann").dm("help")
    await box.workspace.settled(quiet=0.1)
    headers, body = receiver.heard[0]
    assert json.loads(body)["event"]["text"] == "help"
    assert "x-slack-retry-num" not in headers


async def test_failures_are_repeated_with_their_reason(box: Sandbox, receiver: Receiver) -> None:
    receiver.answers = [web.Response(status=500), web.Response(status=500)]
    await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: len(receiver.heard) == 3)
    nums = [headers.get("x-slack-retry-num") for headers, _ in receiver.heard]
    reasons = {headers.get("x-slack-retry-reason") for headers, _ in receiver.heard[1:]}
    assert (nums, reasons) == ([None, "1", "2"], {"http_error"})
    assert len({json.loads(body)["event_id"] for _, body in receiver.heard}) == 1


async def test_an_app_may_ask_for_no_more(box: Sandbox, receiver: Receiver) -> None:
    receiver.answers = [web.Response(status=500, headers={"x-slack-no-retry": "1"})]
    await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: box.workspace.delivery.lost)
    assert len(receiver.heard) == 1


async def test_interactions_are_forms(box: Sandbox, receiver: Receiver) -> None:
    receiver.answers = [web.json_response({"text": "hi"}), web.Response()]
    ann = box.workspace.user("ann")
    assert (await ann.command("/ticket", "a b")).acked
    flat: dict[str, Any] = parse_qs(receiver.heard[0][1])
    assert (flat["command"], flat["text"]) == (["/ticket"], ["a b"])
    assert box.workspace.dm_channel("ann").ephemerals[0].text == "hi"
    await ann.shortcut("anything")
    assert json.loads(parse_qs(receiver.heard[1][1])["payload"][0])["callback_id"] == "anything"


async def test_the_handshake(box: Sandbox, receiver: Receiver) -> None:
    from sandbox.http_events import HttpCarrier

    carrier = HttpCarrier(str(box.events_url), box.signing_secret)
    assert await carrier.verify()
    await carrier.close()


async def test_back_to_socket_mode(box: Sandbox, receiver: Receiver) -> None:
    box.events_url = None
    assert box.events_url is None
    assert not box.workspace.delivery.reachable


async def test_an_answer_that_is_lost_is_repeated(box: Sandbox, receiver: Receiver) -> None:
    box.chaos(1, duplicates=0, reorder=0, delay=0, drop_sockets=1)
    await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: len(receiver.heard) == 2)
    headers, _ = receiver.heard[1]
    assert (headers["x-slack-retry-num"], headers["x-slack-retry-reason"]) == ("1", "http_timeout")
    await box.workspace.settled(quiet=0.1)
    assert len(receiver.heard) == 2


async def test_under_chaos_each_event_is_taken(box: Sandbox, receiver: Receiver) -> None:
    box.chaos(2, duplicates=0.5, reorder=0.5, delay=0.05)
    receiver.answers = [web.Response(status=500) for _ in range(6)]
    for number in range(20):
        await box.workspace.user("ann").dm(str(number))

    def texts() -> set[str]:
        return {json.loads(body)["event"]["text"] for _, body in receiver.heard}

    await box.workspace.wait_for(lambda: texts() == {str(number) for number in range(20)})
    await box.workspace.settled(quiet=0.1)
    assert box.workspace.delivery.lost == []
    assert len(receiver.heard) > 20


async def test_too_many_redirects_are_a_reason(box: Sandbox, receiver: Receiver) -> None:
    onward = {"Location": str(box.events_url)}
    receiver.answers = [web.Response(status=307, headers=onward) for _ in range(3)]
    await box.workspace.user("ann").dm("help")
    await box.workspace.wait_for(lambda: any("x-slack-retry-num" in headers for headers, _ in receiver.heard))
    assert receiver.heard[-1][0]["x-slack-retry-reason"] == "too_many_redirects"
