"""What each error of Slack's does to a delivery: the whole table."""

from __future__ import annotations

import json
import os
from pathlib import Path

import aiohttp
import pytest

from bot import failures
from bot.failures import Ailing, from_answer, from_exception
from core.failures import PermanentFailure, Scope, TemporaryFailure, UnknownOutcome

POST, UPDATE = "chat.postMessage", "chat.update"


def test_a_rate_limit_holds_the_lane_as_long_as_slack_says() -> None:
    for failure in (
        from_answer(POST, 429, None, retry_after=9),
        from_answer(POST, 200, "ratelimited", retry_after=9),
    ):
        assert isinstance(failure, TemporaryFailure)
        assert failure.scope is Scope.LANE
        assert failure.retry_after is not None
        assert failure.retry_after.total_seconds() == 9
    silent = from_answer(POST, 429, None)
    assert isinstance(silent, TemporaryFailure)
    assert silent.retry_after == failures.DEFAULT_WAIT


@pytest.mark.parametrize("status", [500, 503, 599])
def test_an_answer_of_5xx_holds_its_delivery_alone(status: int) -> None:
    """It may be the fault of that one call: `bot.sender` sees whether others meet it."""
    failure = from_answer(POST, status, None)
    assert isinstance(failure, Ailing)
    assert failure.scope is Scope.DELIVERY
    assert failure.retry_after is None


@pytest.mark.parametrize("error", failures.DENIED)
def test_what_the_app_may_not_touch_holds_its_delivery_alone(error: str) -> None:
    failure = from_answer(POST, 200, error)
    assert isinstance(failure, Ailing)
    assert failure.scope is Scope.DELIVERY


@pytest.mark.parametrize("error", failures.APP_TOKEN)
def test_the_token_that_was_refused_is_named(error: str) -> None:
    opening = from_answer("apps.connections.open", 200, error).reason
    assert "app token" in opening
    assert "slack.app_token" in opening
    assert "slack.bot_token" not in opening
    assert "slack.bot_token" in from_answer("auth.test", 200, error).reason


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_gave_up_may_have_passed_it_on(status: int) -> None:
    assert isinstance(from_answer(POST, status, None), UnknownOutcome)
    assert isinstance(from_answer(UPDATE, status, None), TemporaryFailure)


def test_an_answer_that_is_no_json() -> None:
    failure = from_answer(POST, 200, None)
    assert isinstance(failure, TemporaryFailure)
    assert failure.scope is Scope.CHANNEL


@pytest.mark.parametrize("error", [*failures.TOKEN, *failures.BUSY])
def test_a_refused_token_holds_the_channel(error: str) -> None:
    failure = from_answer(POST, 200, error)
    assert isinstance(failure, TemporaryFailure)
    assert failure.scope is Scope.CHANNEL
    assert failure.reason


@pytest.mark.parametrize("error", failures.PERHAPS)
def test_what_may_have_been_done_is_unknown_unless_it_may_be_repeated(error: str) -> None:
    assert isinstance(from_answer(POST, 200, error), UnknownOutcome)
    assert isinstance(from_answer("chat.postEphemeral", 200, error), UnknownOutcome)
    assert isinstance(from_answer(UPDATE, 200, error), TemporaryFailure)


@pytest.mark.parametrize("error", [*failures.NEVER, "something_new", "missing_scope"])
def test_what_will_never_work_says_why(error: str) -> None:
    failure = from_answer(POST, 200, error, detail="needed: chat:write")
    assert isinstance(failure, PermanentFailure)
    assert "needed: chat:write" in failure.reason


NOT_SENT = aiohttp.ClientConnectorError(
    aiohttp.client_reqrep.ConnectionKey("h", 1, False, True, None, None, None), OSError()
)


@pytest.mark.parametrize("exc", [NOT_SENT, aiohttp.ConnectionTimeoutError()])
def test_what_never_left_us_holds_the_channel(exc: Exception) -> None:
    failure = from_exception(POST, exc)
    assert isinstance(failure, TemporaryFailure)
    assert failure.scope is Scope.CHANNEL


@pytest.mark.parametrize(
    "exc",
    [aiohttp.ServerDisconnectedError(), TimeoutError(), aiohttp.ClientPayloadError(), ConnectionResetError()],
)
def test_a_lost_answer_is_unknown_unless_it_may_be_repeated(exc: Exception) -> None:
    assert isinstance(from_exception(POST, exc), UnknownOutcome)
    assert isinstance(from_exception("files.completeUploadExternal", exc), UnknownOutcome)
    assert isinstance(from_exception(UPDATE, exc), TemporaryFailure)


SHARED = Path(os.environ.get("RELAYDESK_SHARED") or Path(__file__).parents[3] / "shared")
PAGES = SHARED / "slack/contract/methods"


@pytest.mark.skipif(not PAGES.is_dir(), reason="the contract's methods aren't here")
def test_every_error_on_the_pages_of_what_we_call_is_classified() -> None:
    for method in (
        "chat.postMessage",
        "chat.update",
        "chat.postEphemeral",
        "conversations.open",
        "reactions.add",
    ):
        for error in json.loads((PAGES / f"{method}.json").read_text("utf-8"))["errors"]:
            assert from_answer(method, 200, error).reason
