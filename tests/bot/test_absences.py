"""What may have been missed is known: a store that failed, what Slack tries again, an outage, a seat that others had;
and nothing unexpected closes the door for good."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.bolt import challenged, happened
from bot.catchup import ALL, CatchUp
from bot.connect import SlackDoor
from bot.home import time_of, ts_of
from bot.keep_up import MARGIN, KeepUp
from bot.seats import OneSeat
from core import work
from core.failures import Unavailable
from sandbox import Sandbox
from tests.bot.kit import Kit, Shelf, until
from tests.bot.test_connect import EVENT, sign

BODY = json.dumps(EVENT).encode()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Since when was read, at each run of the catch-up."""
    found: list[str | None] = []
    real = CatchUp.run

    async def run(self: CatchUp, missed: str | None = None) -> int:
        found.append(missed)
        return await real(self, missed)

    monkeypatch.setattr(CatchUp, "run", run)
    return found


@pytest.fixture
async def http(box: Sandbox, tmp_path: Path, ran: list[str | None]) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path, app_token="")
    await kit.door.start()
    assert await kit.door.until_ready(5)
    await until(lambda: ALL in kit.cursors)
    ran.clear()
    yield kit
    await kit.close()


# -- over HTTP -----------------------------------------------------------------------------------------------------


async def test_what_could_not_be_stored_is_read_up_on(http: Kit, ran: list[str | None]) -> None:
    http.shelf.broken = True
    began = datetime.now(UTC)
    assert (await http.door.handle_http(BODY, sign(BODY)))[0] == 503
    http.shelf.broken = False
    await until(lambda: ran)
    assert ran[0] is not None
    assert began - MARGIN <= time_of(ran[0]) <= datetime.now(UTC) - MARGIN


async def test_what_slack_tries_again_tells_of_what_it_gave_up(http: Kit, ran: list[str | None]) -> None:
    """Read is since we heard of it last at a first try; once, however much is tried again of that time."""
    assert (await http.door.handle_http(BODY, sign(BODY)))[0] == 200
    heard = datetime.now(UTC)
    for n in range(4):
        body = json.dumps(EVENT | {"event_id": f"Ev{n}", "event_time": int(time.time()) + 1 - n}).encode()
        retried = sign(body) | {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_error"}
        assert (await http.door.handle_http(body, retried))[0] == 200
        await until(lambda: ran and not http.door._keep_up._missed)
    assert len(ran) == 1
    assert ran[0] is not None
    assert time_of(ran[0]) <= heard - MARGIN


async def test_an_address_is_verified_before_we_know_who_we_are(tmp_path: Path) -> None:
    """Slack isn't there, no token works: who sets the app up has only the signing secret right."""
    kit = Kit("http://127.0.0.1:1/api/", tmp_path, app_token="")
    await kit.door.start()
    body = json.dumps({"type": "url_verification", "token": "x", "challenge": "abc"}).encode()
    status, _, said = await kit.door.handle_http(body, sign(body))
    assert (status, json.loads(said)) == (200, {"challenge": "abc"})
    assert (await kit.door.handle_http(body, sign(body, secret="another")))[0] == 401
    assert (await kit.door.handle_http(BODY, sign(BODY)))[0] == 503
    await kit.close()


@pytest.mark.parametrize(
    "body", [b'{"url_verification"', b'["url_verification"]', BODY, b'{"x": "url_verification"}']
)
def test_what_is_no_verification(body: bytes) -> None:
    assert challenged(body, {"content-type": "application/json"}) is None


@pytest.mark.parametrize("at", [None, "1", -5, 10**18, True])
def test_an_event_without_a_time_happened_now(at: Any) -> None:
    now = datetime.now(UTC)
    assert happened({"event_time": at}, now) == (now if at is not True else datetime.fromtimestamp(1, UTC))


# -- an outage of ours ---------------------------------------------------------------------------------------------


async def test_who_could_not_look_for_a_while_was_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database was away for an hour, and nobody asked us anything."""
    monkeypatch.setattr("bot.keep_up.NOTE_EVERY", 0.01)
    now = [datetime(2026, 11, 1, 12, tzinfo=UTC)]
    since: list[str | None] = []
    notes = [0]

    class Reads:
        def hurry(self, channel: str) -> bool:
            return False

        async def run(self, missed: str | None) -> int:
            since.append(missed)
            return 0

        async def note(self, margin: timedelta) -> None:
            notes[0] += 1
            if notes[0] == 3:
                now[0] += timedelta(hours=1)
                raise Unavailable("database: away")

    async def load() -> dict[str, str]:
        return {}

    opened = asyncio.Event()
    opened.set()
    keep_up = KeepUp(Reads(), load, opened, lambda: now[0])  # type: ignore[arg-type]
    task = asyncio.create_task(keep_up.run())
    await until(lambda: notes[0] == 3)
    keep_up._wake.set()
    await until(lambda: len(since) == 2)
    assert since == [None, ts_of(now[0] - timedelta(hours=1) - MARGIN)]
    await until(lambda: notes[0] > 6)
    assert len(since) == 2
    task.cancel()


# -- seats ---------------------------------------------------------------------------------------------------------


async def test_who_stood_by_reads_since_the_cursor(box: Sandbox, kit: Kit, ran: list[str | None]) -> None:
    """Not since its own line went, hours ago: others noted all the while that all has come."""
    await kit.door.start()
    assert await kit.door.until_ready(5)
    await until(lambda: ALL in kit.cursors)
    ran.clear()
    door = kit.door
    door._line(False)
    door._away_since = (time.monotonic() - 5 * 3600, datetime.now(UTC) - timedelta(hours=5))
    door._seated._stand_by(True)
    door._seated._stand_by(False)
    door._line(True)
    await until(lambda: ran)
    assert ran == [None]


class Surprising(OneSeat):
    """Fails in a way that nobody thought of, the first time."""

    def __init__(self) -> None:
        self.asked = 0

    async def take(self) -> work.Lease | None:
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("nobody thought of that")
        return await super().take()


async def _nothing() -> dict[str, str]:
    return {}


async def _forgotten(cursors: dict[str, str]) -> None:
    pass


async def test_a_surprise_closes_the_door_for_a_moment(
    box: Sandbox, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.seats.STANDBY", 0.05)
    door = SlackDoor(kit.api, Shelf(), _nothing, _forgotten, heartbeat=0.6, seats=Surprising())
    with capture_logs() as logs:
        await door.start()
        assert await door.until_ready(5)
    assert [e["event"] for e in logs if e["log_level"] == "error"] == ["seat_trouble"]
    await door.stop()


async def test_what_ends_beside_the_door_is_told(kit: Kit) -> None:
    async def ends() -> None:
        raise RuntimeError("nobody thought of that")

    with capture_logs() as logs:
        kit.door._spawn(ends(), "a-task")
        await until(lambda: logs)
    assert (logs[0]["event"], logs[0]["task"]) == ("door_task_failed", "a-task")
