"""Calls that Slack puts off, and those that fail for a while."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from types import SimpleNamespace

import pytest

from bot import api as api_module
from bot.api import _failure
from core.failures import Scope, TemporaryFailure
from sandbox import Sandbox
from tests.bot.kit import TRIAGE, Kit


async def test_what_slack_put_off_is_not_asked_before(box: Sandbox, kit: Kit) -> None:
    """By nobody in this process, for that method alone; the answer says how long is left."""
    box.workspace.faults.ratelimit("users.info", retry_after=30)
    for _ in range(5):
        with pytest.raises(TemporaryFailure) as failed:
            await kit.api.call("users.info", user="U0BOB00001")
        assert failed.value.scope is Scope.LANE
        assert timedelta(seconds=29) < (failed.value.retry_after or timedelta()) <= timedelta(seconds=30)
    assert len(box.workspace.calls_of("users.info")) == 1
    assert await kit.api.call("conversations.info", channel=TRIAGE)


async def test_after_that_it_is_asked_again(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.ratelimit("users.info", retry_after=1)
    async with asyncio.timeout(5):
        assert (await kit.api.patiently("users.info", user="U0BOB00001"))["user"]
    assert len(box.workspace.calls_of("users.info")) == 2


async def test_a_channels_own_limit_is_no_other_channels(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.ratelimit("chat.postMessage", retry_after=30)
    with pytest.raises(TemporaryFailure):
        await kit.api.call("chat.postMessage", channel=TRIAGE, text="one")
    assert await kit.api.call("chat.postMessage", channel="C0GENERAL1", text="two")


async def test_patience_with_slacks_own_trouble_ends(
    box: Sandbox, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few tries; a rate limit isn't counted."""
    monkeypatch.setattr("bot.failures.SOON", timedelta(milliseconds=1))
    box.workspace.faults.ratelimit("conversations.info", retry_after=1)
    box.workspace.faults.fail("conversations.info", "internal_error", times=100)
    async with asyncio.timeout(10):
        with pytest.raises(TemporaryFailure, match="internal_error"):
            await kit.api.patiently("conversations.info", channel=TRIAGE)
    assert len(box.workspace.calls_of("conversations.info")) == 1 + api_module.TRIES


@pytest.mark.parametrize(
    ("said", "waits"), [("5", 5.0), ("inf", api_module.LONGEST), ("nan", 30.0), ("-1", 30.0), ("soon", 30.0)]
)
def test_what_may_stand_in_retry_after(said: str, waits: float) -> None:
    failure = _failure("users.info", SimpleNamespace(status_code=429, data={}, headers={"Retry-After": said}))
    assert isinstance(failure, TemporaryFailure)
    assert math.isclose((failure.retry_after or timedelta()).total_seconds(), waits)
