"""Until when staff should have answered and resolved a ticket, by its queue's targets and hours. Pure.

The clock of the first response and of the resolution runs from the opening, within the queue's hours, while it is up to
staff (`new`, `open`); it stops in `pending`, goes on where the ticket is reopened, and goes on when somebody puts the
ticket aside (snooze): whoever waits goes on waiting. The clock of the next response runs from when the requester began
to wait (`waiting_since`), after reopening too. What passed in one queue stays passed by that queue's hours when the
ticket moves. Spam, merged and unconfirmed tickets have no targets; one from an archive gets its first when its
requester writes anew.

`targets_told` holds what was told and what else must be known of the clocks: "on" (counted), "imported", "again"
(reopened, and not answered since), "moved" (to other hours while its requester waits), "first:75", "first:100",
"next:75"… A new clock of a response forgets its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from core.config import Config, Queue
from core.hours import Schedule, schedule_of
from core.shapes import Priority
from core.status import ACTIVE, Status, Ticket

NEAR, MISSED = 75, 100  # percent of a target's time
NAMES: Final = ("first", "next", "resolve")
_NOTHING, _STEP = timedelta(), timedelta(microseconds=1)
# A change of anything else leaves the clocks alone.
_COUNTS: Final = (
    "status",
    "priority",
    "queue",
    "waiting_since",
    "first_response_at",
    "spam",
    "unconfirmed",
    "merged_into",
    "targets_told",
)
COLUMNS: Final = (
    "clock_since",
    "clock_used",
    "first_due_at",
    "next_due_at",
    "resolve_due_at",
    "targets_at",
    "targets_told",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """How long each may take within the queue's hours; None: no target."""

    first: timedelta | None
    next: timedelta | None
    resolve: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell of a target: which one, 75 or 100 percent, from when on, and when it is due."""

    target: str
    percent: int
    at: datetime
    due: datetime

    @property
    def mark(self) -> str:
        """How it stands in `targets_told` once it was told."""
        return f"{self.target}:{self.percent}"


def goals_of(queue: Queue, priority: Priority) -> Goals:
    """Return the targets of a queue's tickets of a priority; "0s" is none."""
    own = queue.targets.get(Priority(priority).value, {})
    first = own.get("first_response", queue.first_response_target)
    following = own.get("next_response", queue.next_response_target)
    return Goals(
        first=first or None,
        next=(first if following is None else following) or None,
        resolve=own.get("resolution", queue.resolution_target) or None,
    )


def due_of(ticket: Ticket) -> Iterator[tuple[str, datetime]]:
    """Yield which targets of a ticket are due, and when, the soonest first."""
    dues = zip(NAMES, (ticket.first_due_at, ticket.next_due_at, ticket.resolve_due_at), strict=True)
    yield from sorted(((name, due) for name, due in dues if due is not None), key=lambda one: one[1])


def told(ticket: Ticket, marks: Iterable[str]) -> Ticket:
    """Return the ticket with these marks added."""
    return _marked(ticket, {*_marks(ticket), *marks})


def answered(ticket: Ticket) -> Ticket:
    """Return the ticket as one that was answered since it was opened again."""
    return _marked(ticket, _marks(ticket) - {"again"})


def columns(ticket: Ticket) -> dict[str, Any]:
    """Return what its row holds of this."""
    values = {name: getattr(ticket, name) for name in COLUMNS}
    return {**values, "clock_used": int(ticket.clock_used.total_seconds())}


def _marks(ticket: Ticket) -> set[str]:
    return set(ticket.targets_told.split())


def _marked(ticket: Ticket, marks: Iterable[str]) -> Ticket:
    return replace(ticket, targets_told=" ".join(sorted(marks)))


def _runs(ticket: Ticket) -> bool:
    """Is it up to staff, and are there targets for it?"""
    counts = not (ticket.spam or ticket.unconfirmed or ticket.merged_into)
    return counts and ticket.status in (Status.NEW, Status.OPEN)


def _whole(span: timedelta) -> timedelta:
    """In whole seconds, as the row holds it."""
    return timedelta(seconds=span // timedelta(seconds=1))


class Targets:
    """The targets of a configuration. `quiet`: an archive is read in, whose tickets get none."""

    def __init__(self, config: Config, *, quiet: bool = False) -> None:
        self._config, self._quiet = config, quiet

    @property
    def quiet(self) -> bool:
        """Is an archive read in?"""
        return self._quiet

    def imported(self) -> Targets:
        """Return the targets of what comes out of an archive: none."""
        return Targets(self._config, quiet=True)

    def schedule(self, ticket: Ticket) -> Schedule:
        """Return the hours of a ticket's queue."""
        return schedule_of(self._config, ticket.queue)

    def goals(self, ticket: Ticket) -> Goals:
        """Return the targets for a ticket, of its queue and priority."""
        queue = self._config.queue_named(ticket.queue) or self._config.queue[0]
        return goals_of(queue, ticket.priority)

    # -- the dues ------------------------------------------------------------------------------------------------

    def recount(self, before: Ticket | None, after: Ticket, now: datetime) -> Ticket:
        """Return a changed ticket (`before`: as its row has it, None for a new one) with its clocks and dues."""
        if self._quiet and (before is None or not before.targets_told or "imported" in _marks(before)):
            return after if before is not None else _marked(after, {"imported"})
        late = before is not None and not before.targets_told  # of before there were targets
        if before is not None and late:
            before = self._begun(before)
        elif before is not None and all(getattr(before, f) == getattr(after, f) for f in _COUNTS):
            return after
        counted = self._counted(before, after, now)
        if late:  # nobody hears of what had passed by then
            counted = told(counted, [one.mark for one in self.notices(counted, now) if one.at <= now])
        return self.looked_at(counted, now)

    def again(self, ticket: Ticket, now: datetime) -> Ticket:
        """Return a ticket that didn't change with its dues as the configuration has them now."""
        if not ticket.targets_told:
            return self.recount(ticket, ticket, now)
        return self.looked_at(self._counted(ticket, ticket, now), now)

    def looked_at(self, ticket: Ticket, now: datetime) -> Ticket:
        """Return the ticket with the moment from which on there is something new to tell of it."""
        return replace(ticket, targets_at=min((n.at for n in self.notices(ticket, now)), default=None))

    def _counted(self, before: Ticket | None, after: Ticket, now: datetime) -> Ticket:
        marks = _marks_after(before, after)
        if (
            before is not None
            and before.waiting_since is not None
            and before.waiting_since == after.waiting_since
        ):
            marks |= {"moved"} if self.schedule(before) is not self.schedule(after) else set()
        counted = self._with_clock(before, _marked(after, marks), now)
        counted = replace(counted, next_due_at=self._next_due(before, counted, now))
        return counted if before is None else _promised_anew(before, counted, now)

    def notices(self, ticket: Ticket, now: datetime) -> list[Notice]:
        """Return what wasn't told yet of a ticket's targets, now or later."""
        marks, goals, found = _marks(ticket), self.goals(ticket), []
        for name, due in due_of(ticket):
            if f"{name}:{MISSED}" in marks:
                continue
            found.append(Notice(target=name, percent=MISSED, at=due, due=due))
            goal = getattr(goals, name)
            if goal is not None and f"{name}:{NEAR}" not in marks:
                near = self._near(ticket, due, goal, now)
                found.append(Notice(target=name, percent=NEAR, at=near, due=due))
        return found

    def _near(self, ticket: Ticket, due: datetime, goal: timedelta, now: datetime) -> datetime:
        """When no more than a quarter of the time is left; now where that has been so for a while."""
        hours, quarter = self.schedule(ticket), goal * (MISSED - NEAR) / MISSED
        left = hours.between(now, due)
        return now if left <= quarter else hours.add(now, left - quarter)

    def _begun(self, ticket: Ticket) -> Ticket:
        """A ticket of before there were targets, with its clocks as they'd be: how long it was pending nobody noted."""
        begun = _marked(ticket, {"on"})
        if _runs(ticket):
            begun = replace(begun, clock_since=ticket.created_at)
        elif not (ticket.spam or ticket.unconfirmed or ticket.merged_into):
            ended = ticket.pending_since or ticket.resolved_at or ticket.closed_at or ticket.updated_at
            begun = replace(begun, clock_used=_whole(self.schedule(ticket).between(ticket.created_at, ended)))
        return replace(begun, next_due_at=self._next_due(None, begun, ticket.created_at))

    def _with_clock(self, before: Ticket | None, after: Ticket, now: datetime) -> Ticket:
        """The clock since the opening, and what hangs on it."""
        since, used = (before.clock_since, before.clock_used) if before else (None, _NOTHING)
        hours, runs = self.schedule(after), _runs(after) and "imported" not in _marks(after)
        if before is not None and since is not None and (not runs or self.schedule(before) is not hours):
            used, since = _whole(used + self.schedule(before).between(since, now)), None
        if runs and since is None:
            since = now
        first = resolve = None
        if since is not None:
            goals = self.goals(after)
            unanswered = after.first_response_at is None and "again" not in _marks(after)
            first = _due(hours, since, used, goals.first if unanswered else None)
            resolve = _due(hours, since, used, goals.resolve)
        return replace(after, clock_since=since, clock_used=used, first_due_at=first, resolve_due_at=resolve)

    def _next_due(self, before: Ticket | None, after: Ticket, now: datetime) -> datetime | None:
        """When a requester who waits for more than the first response should have it."""
        waiting, goal, marks = after.waiting_since, self.goals(after).next, _marks(after)
        if waiting is None or goal is None or not _runs(after):
            return None
        same = before is not None and before.waiting_since == waiting
        if "imported" in marks:
            if before is None or (same and before.next_due_at is None):
                return None
        elif after.first_response_at is None and "again" not in marks:
            return None  # they wait for the first one
        hours = self.schedule(after)
        stays = before is not None and self.schedule(before) is hours
        if before is None or not same or (stays and (before.next_due_at is None or "moved" not in marks)):
            return hours.add(waiting, goal)
        if stays and self.goals(before).next == goal:
            return before.next_due_at
        left = goal - self._waited(before, now)
        return hours.add(now, left) if left > _NOTHING else _ago(hours, -left, now)

    def _waited(self, ticket: Ticket, now: datetime) -> timedelta:
        """How long its requester has waited for the next response, within the hours of the queues that it was in."""
        assert ticket.waiting_since is not None
        hours, goal, due = self.schedule(ticket), self.goals(ticket).next, ticket.next_due_at
        if goal is None or due is None or "moved" not in _marks(ticket):
            return hours.between(ticket.waiting_since, now)
        waited = goal - hours.between(now, due) + hours.between(due, now)
        return min(max(waited, _NOTHING), now - ticket.waiting_since)

    # -- for the figures ------------------------------------------------------------------------------------------

    def answered(self, ticket: Ticket, now: datetime, *, overtaken: bool = False) -> dict[str, Any]:
        """Return what the event of an answer says of the wait that it ended; `ticket`: as it stood before. `overtaken`:
        the requester wrote again before, and waits on."""
        marks = _marks(ticket)
        if self._quiet:
            return {}
        if ticket.first_response_at is None and not marks & {"again", "imported"}:
            taken = self._worked(ticket, now)
            met = _met(taken, self.goals(ticket).first, now, ticket.first_due_at)
            return {
                "first": True,
                **_taken(now - ticket.created_at, taken, met if _has_targets(ticket) else None),
            }
        first = "again" in marks and not overtaken
        counted = "imported" not in marks or ticket.next_due_at is not None
        if ticket.waiting_since is None or overtaken or not counted:
            return {"first": first}
        taken = self._waited(ticket, now)
        met = _met(taken, self.goals(ticket).next, now, self._next_due(ticket, ticket, now))
        return {
            "first": first,
            **_taken(now - ticket.waiting_since, taken, met if _has_targets(ticket) else None),
        }

    def resolved(self, ticket: Ticket, now: datetime) -> dict[str, Any]:
        """Return what the event of a resolution says of how long it took; `ticket`: as it stood before."""
        if self._quiet or "imported" in _marks(ticket):
            return {}
        taken = self._worked(ticket, now)
        met = _met(taken, self.goals(ticket).resolve, now, ticket.resolve_due_at)
        return _taken(now - ticket.created_at, taken, met if _has_targets(ticket) else None)

    def _worked(self, ticket: Ticket, now: datetime) -> timedelta:
        """How long the clock has run since the opening."""
        if ticket.unconfirmed or ticket.spam:
            return self.schedule(ticket).between(ticket.created_at, now)
        ticket = ticket if ticket.targets_told else self._begun(ticket)
        if ticket.clock_since is None:
            return ticket.clock_used
        return ticket.clock_used + self.schedule(ticket).between(ticket.clock_since, now)


def _marks_after(before: Ticket | None, after: Ticket) -> set[str]:
    """What is known of a ticket's clocks after a change, without what was told of those that began anew."""
    marks = {"on", *_marks(after)} if "imported" not in after.targets_told else _marks(after)
    gone: set[str] = set()
    if before is not None and before.status not in ACTIVE and after.status in ACTIVE and not before.spam:
        marks.add("again")
        gone |= {"first", "next"}
    if before is not None and before.waiting_since != after.waiting_since and not (before.spam or after.spam):
        gone |= {"next", "moved"}  # what was called spam by mistake is the same wait afterwards
    if after.first_response_at is not None:
        gone.add("first")
    return {mark for mark in marks if mark.partition(":")[0] not in gone}


def _promised_anew(before: Ticket, counted: Ticket, now: datetime) -> Ticket:
    """Another priority or queue promises another time: where that is to come, what was told of the old one is over."""
    if (before.priority, before.queue) == (counted.priority, counted.queue):
        return counted
    was = dict(due_of(before))
    anew = {name for name, due in due_of(counted) if due > now and due != was.get(name)}
    return _marked(counted, {mark for mark in _marks(counted) if mark.partition(":")[0] not in anew})


def _due(hours: Schedule, since: datetime, used: timedelta, goal: timedelta | None) -> datetime | None:
    return None if goal is None else hours.add(since, max(goal - used, _NOTHING))


def _ago(hours: Schedule, work: timedelta, now: datetime) -> datetime:
    """The last moment since which so much of the hours has passed: what is overdue stays so by as much."""
    step = max(work, _STEP)
    while hours.between(now - step, now) < work:
        step *= 2
    early, late = now - step, now
    while late - early > _STEP:
        middle = early + (late - early) // 2
        early, late = (middle, late) if hours.between(middle, now) >= work else (early, middle)
    return early if work else now


def _has_targets(ticket: Ticket) -> bool:
    """Are there targets for it at all?"""
    return not (ticket.spam or ticket.unconfirmed or ticket.merged_into)


def _met(taken: timedelta, goal: timedelta | None, now: datetime, due: datetime | None) -> bool | None:
    """Was it on time? Where the clock runs, the due time says so."""
    if goal is None:
        return None
    return taken <= goal if due is None else now <= due


def _taken(wall: timedelta, business: timedelta, met: bool | None) -> dict[str, Any]:
    """Seconds by the wall clock and within the hours, and whether that was within the target."""
    return {
        "wall": round(wall.total_seconds(), 3),
        "business": round(business.total_seconds(), 3),
        "met": met,
    }
