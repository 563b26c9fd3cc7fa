"""A period's figures as values, and as the API shows them: counts, spreads with their n, shares only where they tell
something."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from core.views import Period

LEAST_SHARE: Final = 5  # a percentage of fewer says more than is known

# What each kind of event does to the number of tickets that somebody still has to do something about.
EFFECT: Final[Mapping[str, int]] = {
    "opened": +1,
    "reopened": +1,
    "moved_in": +1,
    "restored": +1,
    "resolved": -1,
    "closed_unresolved": -1,
    "moved_out": -1,
    "merged_active": -1,
    "spam": -1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A duration's distribution: seconds, None where n is 0."""

    n: int
    median: float | None
    p90: float | None

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {"n": self.n, "median_seconds": self.median, "p90_seconds": self.p90}


NO_SPREAD: Final = Spread(n=0, median=None, p90=None)


def rank_of_p90(n: int) -> int:
    """Return which of `n` values in order, counted from 0, is the ninetieth in a hundred."""
    return min(n - 1, n * 9 // 10)


def spread(durations: Sequence[timedelta | float]) -> Spread:
    """Return the exact distribution of durations, given as such or in seconds."""
    seconds = sorted(d.total_seconds() if isinstance(d, timedelta) else d for d in durations)
    if not seconds:
        return NO_SPREAD
    return Spread(n=len(seconds), median=statistics.median(seconds), p90=seconds[rank_of_p90(len(seconds))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """Tickets that aren't done, at this moment."""

    active: int
    unassigned: int
    waiting_for_staff: int
    waiting_for_customer: int


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many: of what had a target, what met it."""

    met: int = 0
    of: int = 0

    @property
    def percent(self) -> float | None:
        """The share in percent, None where it would be one of fewer than five."""
        return round(100 * self.met / self.of, 1) if self.of >= LEAST_SHARE else None

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {"met": self.met, "of": self.of, "percent": self.percent}


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """How many answers and resolutions came in time, of those that had a target."""

    first_response: Share = Share()
    next_response: Share = Share()
    resolution: Share = Share()

    def as_json(self) -> dict[str, Any]:
        """Return them as the API shows them."""
        return {name: getattr(self, name).as_json() for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The figures of one queue, channel, priority, assignee or tag. The last three are told of queues alone.

    `name`: of an assignee the username, "" for nobody. Priority, assignee and tags are those that a ticket has now.
    """

    name: str
    came_in: int = 0
    answered: int = 0
    resolved: int = 0
    reopened: int = 0
    first_response_target: Share = Share()
    resolution_target: Share = Share()
    backlog_end: int | None = None
    first_response: Spread | None = None
    resolution: Spread | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        shown: dict[str, Any] = {
            "name": self.name,
            "came_in": self.came_in,
            "answered": self.answered,
            "resolved": self.resolved,
            "reopened": self.reopened,
            "first_response_target": self.first_response_target.as_json(),
            "resolution_target": self.resolution_target.as_json(),
        }
        if self.backlog_end is not None:
            shown["backlog_end"] = self.backlog_end
        for name in ("first_response", "resolution"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name).as_json()
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A ticket whose requester waits for staff. `assignee`: the username, None for nobody."""

    ticket_id: int
    title: str
    queue: str
    since: datetime
    assignee: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "ticket": self.ticket_id,
            "title": self.title,
            "queue": self.queue,
            "since": rfc3339(self.since),
            "assignee": self.assignee,
        }


@dataclass(frozen=True, slots=True)
class Rating:
    """How requesters rated: how many gave 1, 2, 3, 4 and 5."""

    distribution: tuple[int, ...] = (0, 0, 0, 0, 0)

    @property
    def n(self) -> int:
        """How many there are."""
        return sum(self.distribution)

    @property
    def average(self) -> float | None:
        """The mean, None where there is none."""
        total = sum(score * count for score, count in enumerate(self.distribution, 1))
        return round(total / self.n, 2) if self.n else None

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        each = {str(score): count for score, count in enumerate(self.distribution, 1)}
        return {"n": self.n, "average": self.average, "distribution": each}


NO_HOURS: Final = ((0,) * 24,) * 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A period's figures, of one queue, several or all.

    Counts are of the period; `unassigned`, `waiting_for_staff`, `waiting_for_customer`, `oldest_waiting` and `unread`
    (mails that came in the period) are as things stand now; `unassigned_aside` and `waiting_aside` say how many of
    these are put aside until later or a stranger's that isn't confirmed (`oldest_waiting` has none of them),
    `past_target` how many open tickets are past a target. `answered`: tickets that got their first answer since they
    were opened or reopened. Durations are in seconds; where `within` isn't 0, medians and ninetieth percentiles are
    off by at most that share. `busiest_hours`: what came in, by weekday (Monday first) and hour of `zone`.
    """

    period: Period
    queue: str | None
    queues: tuple[str, ...] = ()  # () are all
    backlog_start: int
    came_in: int
    reopened: int
    moved_in: int
    restored: int
    resolved: int
    closed_unresolved: int
    moved_out: int
    spam_or_merged: int
    backlog_end: int
    answered: int
    unassigned: int
    waiting_for_staff: int
    waiting_for_customer: int
    unassigned_aside: int = 0
    waiting_aside: int = 0
    past_target: int = 0
    deliveries_failed: int
    unread: int = 0
    messages: int
    first_response: Spread
    first_response_business: Spread = NO_SPREAD
    resolution: Spread
    resolution_business: Spread = NO_SPREAD
    within: float = 0.0
    targets: Targets = Targets()
    by_queue: tuple[Group, ...] = ()
    by_channel: tuple[Group, ...] = ()
    by_priority: tuple[Group, ...] = ()
    by_assignee: tuple[Group, ...] = ()
    by_tag: tuple[Group, ...] = ()
    zone: str = "UTC"
    busiest_hours: tuple[tuple[int, ...], ...] = NO_HOURS
    oldest_waiting: tuple[Waiting, ...] = ()
    rating: Rating = Rating()

    @property
    def balance(self) -> int:
        """What is left over of `backlog_start` + what came - what went - `backlog_end`: 0, or events are missing."""
        came = self.came_in + self.reopened + self.moved_in + self.restored
        went = self.resolved + self.closed_unresolved + self.moved_out + self.spam_or_merged
        return self.backlog_start + came - went - self.backlog_end

    def as_json(self) -> dict[str, Any]:
        """Return them as the API shows them; times RFC 3339 in UTC."""
        shown: dict[str, Any] = {"since": rfc3339(self.period.since), "until": rfc3339(self.period.until)}
        for name in self.__slots__:
            if name != "period":
                shown[name] = _shown(getattr(self, name))
        return shown


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_shown(one) for one in value]
    return value.as_json() if hasattr(value, "as_json") else value


def rfc3339(moment: datetime) -> str:
    """Return a time of UTC as the API writes it."""
    return moment.isoformat().replace("+00:00", "Z")
