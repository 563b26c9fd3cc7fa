"""The desk of the quarter: three queues in three time zones, its digests, and when nobody was there.

What a queue's rules are stands here twice, once as the configuration has it and once as plain numbers: the reckoning
reads the numbers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

MINUTE, HOUR, DAY = 60, 3_600, 86_400
PRIORITIES: Final = ("low", "normal", "high", "urgent")
STAFF: Final = ("ada", "grace", "mo")
ZONE: Final = "Europe/Berlin"  # the service's
Goals = tuple[int | None, int | None, int | None]  # seconds: first response, next response, resolution


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A queue's, in seconds and minutes. `week`: from Monday, the minutes of the day between which it works."""

    name: str
    zone: str
    week: Mapping[int, tuple[tuple[int, int], ...]]
    country: str
    part: str | None
    own: tuple[str, ...]
    goals: Mapping[str, Goals]
    remind: int
    close_pending: int
    close_resolved: int
    reply_waits: bool  # an answer makes it pending
    list_at: int  # minute of the day
    list_days: tuple[int, ...]  # of these days those on which it works
    list_after: int


def _days(first: int, last: int, *spans: tuple[int, int]) -> dict[int, tuple[tuple[int, int], ...]]:
    return dict.fromkeys(range(first, last + 1), spans)


_BERLIN_GOALS: Final[Goals] = (4 * HOUR, 3 * HOUR, 24 * HOUR)
_HOWE_GOALS: Final[Goals] = (90 * MINUTE, None, 20 * HOUR)
QUEUES: Final = (
    Rules(
        name="berlin",
        zone="Europe/Berlin",
        week=_days(0, 3, (510, 1020)) | {4: ((510, 900),)},
        country="DE",
        part="BY",
        own=("2026-10-30", "2027-04-30"),
        goals=dict.fromkeys(PRIORITIES, _BERLIN_GOALS)
        | {"urgent": (30 * MINUTE, 3 * HOUR, 8 * HOUR), "high": (4 * HOUR, 2 * HOUR, 16 * HOUR)},
        remind=3 * DAY,
        close_pending=4 * DAY,
        close_resolved=7 * DAY,
        reply_waits=False,
        list_at=9 * 60,
        list_days=(0, 4),
        list_after=8 * HOUR,
    ),
    Rules(
        name="york",
        zone="America/New_York",
        week=_days(0, 6, (0, 1440)),  # round the clock, but for holidays
        country="US",
        part=None,
        own=("2026-11-27",),
        goals=dict.fromkeys(PRIORITIES, (2 * HOUR, 5 * HOUR, 3 * DAY)) | {"low": (8 * HOUR, 5 * HOUR, None)},
        remind=50 * HOUR,
        close_pending=3 * DAY,
        close_resolved=5 * DAY,
        reply_waits=True,
        list_at=60 + 30,  # the clocks show it twice in autumn
        list_days=(2, 6),
        list_after=6 * HOUR,
    ),
    Rules(
        name="howe",
        zone="Australia/Lord_Howe",
        # Nights from Friday to Tuesday: the clocks change in the one to Sunday, by half an hour.
        week=_days(4, 6, (1320, 1800)) | _days(0, 1, (1320, 1800)),
        country="AU",
        part="NSW",
        own=(),
        goals=dict.fromkeys(PRIORITIES, _HOWE_GOALS) | {"urgent": (15 * MINUTE, 45 * MINUTE, 20 * HOUR)},
        remind=2 * DAY,
        close_pending=2 * DAY,
        close_resolved=3 * DAY,
        reply_waits=False,
        list_at=2 * 60 + 10,  # the clocks jump over it in October
        list_days=(3, 6),
        list_after=4 * HOUR,
    ),
)
RULES: Final = {rules.name: rules for rules in QUEUES}
_HOURS: Final = {
    "berlin": "mon-thu 08:30-17:00, fri 08:30-15:00",
    "york": "",
    "howe": "fri-tue 22:00-06:00",
}
# The next response of a queue that names none is as its first.
_TARGETS: Final[dict[str, dict[str, Any]]] = {
    "berlin": {
        "first_response_target": "4h",
        "next_response_target": "3h",
        "resolution_target": "24h",
        "targets": {
            "urgent": {"first_response": "30m", "resolution": "8h"},
            "high": {"next_response": "2h", "resolution": "16h"},
        },
    },
    "york": {
        "first_response_target": "2h",
        "next_response_target": "5h",
        "resolution_target": "3d",
        "targets": {"low": {"first_response": "8h", "resolution": "0s"}},
    },
    "howe": {
        "first_response_target": "90m",
        "next_response_target": "0s",
        "resolution_target": "20h",
        "targets": {"urgent": {"first_response": "15m", "next_response": "45m"}},
    },
}
_TIMERS: Final[dict[str, dict[str, Any]]] = {
    "berlin": {"remind_after": "3d", "close_pending_after": "4d", "close_resolved_after": "7d"},
    "york": {"remind_after": "50h", "close_pending_after": "3d", "close_resolved_after": "5d"},
    "howe": {"remind_after": "2d", "close_pending_after": "2d", "close_resolved_after": "3d"},
}
_LISTS: Final[dict[str, dict[str, Any]]] = {
    "berlin": {"unassigned_at": "0 9 * * mon,fri", "unassigned_after": "8h"},
    "york": {"unassigned_at": "30 1 * * wed,sun", "unassigned_after": "6h", "after_staff_reply": "pending"},
    "howe": {"unassigned_at": "10 2 * * thu,sun", "unassigned_after": "4h"},
}


@dataclass(frozen=True, kw_only=True)
class DigestRules:
    """A digest: at which minute of which days, of how many days, of which queues (none: all), to how many."""

    name: str
    minute: int
    days: tuple[int, ...]
    length: int
    queues: tuple[str, ...] = ()
    skips: bool = False
    late: int = DAY
    mails: tuple[str, ...] = ("boss@example.com",)
    slack: tuple[str, ...] = ()


DIGESTS: Final = (
    DigestRules(
        name="daily",
        minute=480,
        days=(0, 1, 2, 3, 4),
        length=1,
        mails=("boss@example.com", "cfo@example.com"),
    ),
    DigestRules(name="night", minute=150, days=(0, 2, 6), length=1, queues=("york", "howe"), slack=("C7",)),
    DigestRules(name="howe", minute=1290, days=(3, 6), length=1, queues=("howe",), skips=True, late=6 * HOUR),
    DigestRules(name="weekly", minute=420, days=(0,), length=7, slack=("C8", "C9")),
)
_CRONS: Final = {
    "daily": "0 8 * * mon-fri",
    "night": "30 2 * * sun,mon,wed",
    "howe": "30 21 * * thu,sun",
    "weekly": "0 7 * * 1",
}


@dataclass(frozen=True, kw_only=True)
class Quarter:
    """When it begins and ends, when no instance was there, and from when on the next digest or reminder brings one
    down; seconds since 1970. `gone`: how long that one is away."""

    name: str
    start: int
    end: int
    away: tuple[tuple[int, int], ...]
    crashes: tuple[tuple[int, str], ...]
    gone: int = 6 * HOUR


def at(text: str) -> int:
    """Return the seconds of a moment of UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


AUTUMN: Final = Quarter(
    name="autumn",
    start=at("2026-09-15 00:00"),
    end=at("2026-12-15 00:00"),
    # In the night in which Berlin's clocks go back; and over two mornings, so that the first one's digest never goes.
    away=((at("2026-10-25 00:10"), at("2026-10-25 01:05")), (at("2026-10-27 04:00"), at("2026-10-28 07:47"))),
    crashes=((at("2026-10-23 03:00"), "reports"), (at("2026-11-02 00:00"), "reminded")),
)
SPRING: Final = Quarter(
    name="spring",
    start=at("2027-02-15 00:00"),
    end=at("2027-05-17 00:00"),
    away=((at("2027-03-28 00:30"), at("2027-03-28 02:11")), (at("2027-04-06 05:30"), at("2027-04-07 13:13"))),
    crashes=((at("2027-03-30 03:00"), "reminded"), (at("2027-04-09 03:00"), "reports")),
)
# The weeks of each in which most happens: two changes of the clocks, holidays, and all that happens to instances.
AUTUMN_WEEKS: Final = replace(AUTUMN, start=at("2026-10-20 00:00"), end=at("2026-11-14 00:00"))
SPRING_WEEKS: Final = replace(SPRING, start=at("2027-03-25 00:00"), end=at("2027-04-12 00:00"))


def settings() -> dict[str, Any]:
    """Return the configuration of the desk, as `Store.config` takes it."""
    queues = [
        {
            "name": rules.name,
            "addresses": [f"{rules.name}@example.com"],
            "slack_channel": f"C{number}",
            "timezone": rules.zone,
            "business_hours": _HOURS[rules.name],
            "holidays": rules.country + (f"-{rules.part}" if rules.part else ""),
            "extra_holidays": list(rules.own),
            **_TARGETS[rules.name],
            **_TIMERS[rules.name],
            **_LISTS[rules.name],
        }
        for number, rules in enumerate(QUEUES, 1)
    ]
    digests = [
        {
            "name": one.name,
            "cron": _CRONS[one.name],
            "period": f"{one.length}d",
            "queues": list(one.queues),
            "when_empty": "skip" if one.skips else "send",
            "max_late": f"{one.late}s",
            "email_to": list(one.mails),
            "slack_to": list(one.slack),
        }
        for one in DIGESTS
    ]
    return {
        "service": {"timezone": ZONE},
        "slack": {"enabled": True, "bot_token": "x", "app_token": "x"},
        "notices": {"bundle": "0s"},
        "brakes": {"reopens_per_hour": 10_000},
        "retention": {"deliveries": "0s", "inbox": "0s", "reports": "0s"},
        "queue": queues,
        "digest": digests,
        "staff": [{"username": name, "email": f"{name}@example.com", "name": name.title()} for name in STAFF],
    }
