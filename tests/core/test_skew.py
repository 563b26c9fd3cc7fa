"""How far a machine's clock is off: measured against the database's, told once, a reason not to take work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app import Service, build_parts, probe
from core import skew as module
from core.check import probe_database
from core.skew import Skew, SkewWatch, measure
from intake.web.health import State
from tests.core.desk import TestDesk
from tests.stores import Store

LIMIT = timedelta(seconds=5)


def off(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """This machine's clock is ahead by so many seconds."""
    monkeypatch.setattr(module, "wall", lambda: datetime.now(UTC) + timedelta(seconds=seconds))


@pytest.mark.parametrize("store_name", ["mariadb"])
@pytest.mark.parametrize("seconds", [0, 7, -300])
async def test_it_is_measured(desk: TestDesk, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """To half the round trip."""
    off(monkeypatch, seconds)
    found = await measure(desk.database)
    assert abs(found.ahead.total_seconds() - seconds) <= found.doubt.total_seconds() + 0.05
    assert found.beyond(LIMIT) is (seconds != 0)


async def test_a_slow_answer_accuses_nobody() -> None:
    """Six seconds may be the network's; words tell the direction."""
    assert not Skew(timedelta(seconds=6), timedelta(seconds=2)).beyond(LIMIT)
    assert Skew(timedelta(seconds=-6), timedelta(seconds=0.5)).beyond(LIMIT)
    assert Skew(timedelta(seconds=7.25)).text == "the clock is 7.2 s ahead of the database's"
    assert Skew(timedelta(seconds=-300)).text == "the clock is 300.0 s behind the database's"


async def test_it_is_told_once_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with each look."""
    now = [0.0]

    async def measured(database: Any) -> Skew:
        return Skew(timedelta(seconds=now[0]))

    monkeypatch.setattr(module, "measure", measured)
    watch = SkewWatch(SimpleNamespace(), LIMIT)  # type: ignore[arg-type]
    assert (watch.seconds, watch.trouble) == (None, "")
    with capture_logs() as logs:
        for now[0] in (0, 1, 6, 7, 8, 2, 0, -9):
            await watch.look()
    told = [(line["event"], line["ahead_seconds"]) for line in logs]
    assert told == [("clock_skewed", 6), ("clock_fits", 2), ("clock_skewed", -9)]
    assert watch.trouble == "the clock is 9.0 s behind the database's, scheduler.max_skew is 5 s"


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_an_instance_whose_clock_is_off_is_not_ready(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and `relaydesk check` names it with what to do; it is ready once the clock fits."""
    config = store.config(scheduler={"max_skew": "3s"})
    parts = build_parts(config)
    service = Service(parts, frozenset({"scheduler"}))
    try:
        await service.start()
        assert (await service.readiness()).state is State.OK
        off(monkeypatch, 4)
        ready = await service.readiness()
        (clock,) = [part for part in ready.parts if part.name == "clock"]
        assert (ready.state, clock.state) == (State.DOWN, State.DOWN)
        assert clock.text == "the clock is 4.0 s ahead of the database's, scheduler.max_skew is 3 s"
        (problem,) = [f.problem for f in await probe(config) if f.part == "clock"]
        assert problem == f"{clock.text}: set this machine's clock (NTP)"
        off(monkeypatch, 0)
        assert (await service.readiness()).state is State.OK
        assert [f.problem for f in await probe_database(parts.database, config) if f.part == "clock"] == [
            None
        ]
    finally:
        await service.stop()
        await parts.database.close()


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_it_is_measured_again_and_again(desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody asks whether it is ready."""
    from tests.waiting import until

    monkeypatch.setattr(module, "EVERY", 0.02)
    watch = SkewWatch(desk.database, LIMIT)
    await watch.start()
    try:
        await until(lambda: watch.seconds is not None)
        off(monkeypatch, 60)
        await until(lambda: bool(watch.trouble))
    finally:
        await watch.stop()
