"""What somebody chose to be told of, how it is written, and when their quiet hours end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from core.failures import Invalid
from core.preferences import NOTHING, Preferences, changed, of_people, shown
from core.quiet import quiet_for, read_hours
from tests.core.commands import ADA, dans_ticket, typed, whispers
from tests.core.desk import TestDesk
from tests.stores import Store


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk with quiet hours of its own."""
    staff = [{"username": "ada", "email": "ada@example.com"}]
    opened = await TestDesk.open(store, staff=staff, notices={"quiet_hours": "22:00-07:00"})
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("words", "then"),
    [
        ("off assigned", Preferences(off=frozenset({"assigned"}))),
        ("OFF reply, near", Preferences(off=frozenset({"reply", "near"}))),
        ("off all", Preferences(off=frozenset({"new", "assigned", "reply", "near", "missed"}))),
        ("quiet 22:00-07:00", Preferences(quiet_hours="22:00-07:00")),
        ("quiet 9:30 - 17:00 Europe/Paris", Preferences(quiet_hours="09:30-17:00", zone="Europe/Paris")),
        ("quiet off", Preferences(quiet_hours="")),
        ("quiet default", NOTHING),
        ("by mail", Preferences(channel="email")),
        ("by slack", Preferences(channel="slack")),
        ("by default", NOTHING),
    ],
)
def test_what_is_written(words: str, then: Preferences) -> None:
    """Each way to write it; what is kept reads back as it was."""
    assert changed(NOTHING, words.split()) == then
    assert Preferences.of_json(then.as_json()) == then


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("off", "write it like"),
        ("sometimes assigned", "write it like"),
        ("by mail slack", "write it like"),
        ("off asigned", "did you mean assigned"),
        ("off failed", "always told"),
        ("by pigeon", "none of: slack, mail"),
        ("quiet 22-7", "write them like 22:00-07:00"),
        ("quiet 25:00-07:00", "write them like 22:00-07:00"),
        ("quiet 07:00-07:00", "never end"),
        ("quiet 22:00-07:00 Europe/Pariss", "no time zone"),
    ],
)
def test_what_cannot_be_meant(words: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        changed(NOTHING, words.split())


def test_on_takes_off_away() -> None:
    off = changed(NOTHING, ["off", "all"])
    assert changed(off, ["on", "reply"]).off == off.off - {"reply"}
    assert changed(off, ["on", "all"]) == NOTHING


def test_it_says_what_counts() -> None:
    """Their own quiet hours, else the service's; what is off."""
    said = shown(Preferences(off=frozenset({"near"})), "22:00-07:00", "UTC")
    assert "• near: off" in said
    assert "• failed: always" in said
    assert "Quiet hours: 22:00-07:00 (UTC, as everybody's)" in said
    own = shown(Preferences(quiet_hours="20:00-06:00", zone="Europe/Paris"), "22:00-07:00", "UTC")
    assert "Quiet hours: 20:00-06:00 (Europe/Paris)" in own
    assert "Quiet hours: none" in shown(Preferences(quiet_hours=""), "22:00-07:00", "UTC")


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Europe/Berlin", "UTC"])
@pytest.mark.parametrize("hours", ["22:00-07:00", "01:30-02:30", "02:15-03:45", "12:00-13:00", "23:30-01:45"])
def test_quiet_hours_over_both_changes(zone: str, hours: str) -> None:
    """Minute by minute over a year's changes of the clocks: each night once, from the first time that the clocks show
    its beginning (or jump over it) to the first time that they show, or jump over, its end."""
    there, span = ZoneInfo(zone), read_hours(hours)
    assert span is not None
    first, minute = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)
    offsets = [(first + timedelta(days=n)).astimezone(there).utcoffset() for n in range(366)]
    changes = [n for n, (a, b) in enumerate(pairwise(offsets)) if a != b] or [100]
    for day in changes:
        reached: set[tuple[str, object]] = set()
        until: datetime | None = None
        for step in range(-2 * 1440, 3 * 1440):
            now = first + timedelta(days=day) + step * minute
            local, before = now.astimezone(there), (now - minute).astimezone(there)
            for name, at in (("begin", span.start), ("end", span.end)):
                for date in {local.date(), before.date()}:
                    wall = datetime.combine(date, at)
                    if before.replace(tzinfo=None) < wall <= local.replace(tzinfo=None) and (
                        (name, date) not in reached
                    ):
                        reached.add((name, date))
                        until = now if name == "begin" else None
            if step > -1440:  # the first day only tells in which state we begin
                over = span.over(there, now)
                assert (over is not None) == (until is not None), (now, local)
                assert over is None or over > now


def test_how_long_they_last() -> None:
    night = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)  # 23:00 in Berlin; the clocks jump over 02:00-03:00
    assert quiet_for("22:00-07:00", "Europe/Berlin", night) == timedelta(hours=7)
    assert quiet_for("22:00-07:00", "UTC", night) == timedelta(hours=9)
    assert quiet_for("22:00-07:00", "UTC", night - timedelta(seconds=1)) == timedelta()
    assert quiet_for("", "UTC", night) == timedelta()


async def test_by_command(desk: TestDesk, store: Store) -> None:
    """It is kept for who wrote it, and shown; a refusal changes nothing."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "notify")
    assert "Quiet hours: 22:00-07:00 (UTC, as everybody's)" in whispers(store)[-1]
    await typed(desk, ticket, "notify", "off", "reply", "near")
    await typed(desk, ticket, "notify", "quiet", "off")
    await typed(desk, ticket, "notify", "off", "nonsense")
    assert "none of" in whispers(store)[-1]
    me = (await desk.staff()).user_id
    assert me is not None
    kept = await desk.database.read(lambda tx: of_people(tx, [me, 99]))
    assert kept == {me: Preferences(quiet_hours="", off=frozenset({"reply", "near"}))}
    await typed(desk, ticket, "notify", "on", "all", sender=ADA)
    await typed(desk, ticket, "notify", "quiet", "default")
    assert store.count("settings", "scope = 'prefs'") == 0, "nothing is chosen"
