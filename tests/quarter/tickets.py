"""A ticket as the reckoning has it: what happens to it, how long its clocks have run, and what time will bring it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.quarter.clocks import Hours
from tests.quarter.setting import RULES, Goals, Rules

Stretch = tuple[str, int]  # a queue, and since when
RUNS, ACTIVE = ("new", "open"), ("new", "open", "pending")


@dataclass(frozen=True, order=True)
class Coming:
    """Something that time brings: not before `at`. `due`: of a target, when it is over."""

    at: int
    kind: str  # near, missed, reminded, auto_closed, closed, woke
    target: str = ""
    due: int = 0


@dataclass
class Wait:
    """A requester's wait for the next response, by the queues in which it ran. `floor`: the last time that what is
    allowed changed."""

    since: int
    stretches: list[Stretch]
    floor: int


@dataclass
class Ticket:
    """`spans`: from when to when it was to be done, in which queue. `ran`: stretches of the clock that ended."""

    number: int
    queue: str
    priority: str
    person: int
    created: int
    hours: Mapping[str, Hours] = field(repr=False)
    status: str = "new"
    assignee: str | None = None
    answered: bool = False
    again: bool = False  # opened again, and not answered since
    wait: Wait | None = None
    begun: int | None = (
        None  # when its status last changed without ending it, where nobody has answered since
    )
    since: int | None = None  # since when its clock runs
    ran: int = 0
    pending: int | None = None
    reminded: int | None = None
    resolved: int | None = None
    closed: int | None = None
    snoozed: int | None = None
    spam: bool = False
    merged: bool = False
    was: tuple[str, Wait | None] = ("", None)  # before it was called spam
    told: set[tuple[str, int]] = field(default_factory=set)
    moves: int = 0
    changed: int = 0
    spans: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.since = self.changed = self.created
        self.wait = Wait(self.created, [(self.queue, self.created)], self.created)
        self.spans = [[self.created, None, self.queue]]

    @property
    def rules(self) -> Rules:
        return RULES[self.queue]

    @property
    def goals(self) -> Goals:
        return self.rules.goals[self.priority]

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def out(self) -> bool:
        """Are its durations left out?"""
        return self.spam or self.merged

    # -- its clocks -----------------------------------------------------------------------------------------------

    def worked(self, now: int) -> int:
        """How long its clock has run."""
        running = 0 if self.since is None else self.hours[self.queue].between(self.since, now)
        return self.ran + running

    def waited(self, now: int) -> int:
        """How long its requester has waited, within the hours of the queues."""
        assert self.wait is not None
        ends = [start for _, start in self.wait.stretches[1:]] + [now]
        return sum(
            self.hours[queue].between(start, end)
            for (queue, start), end in zip(self.wait.stretches, ends, strict=True)
        )

    def _when_worked(self, seconds: int) -> int:
        assert self.since is not None
        return self.hours[self.queue].after(self.since, seconds - self.ran)

    def _when_waited(self, seconds: int) -> int:
        assert self.wait is not None
        queue, start = self.wait.stretches[-1]
        over = self.waited(self.wait.floor) - seconds
        if over >= 0:  # what is overdue stays so by as much
            return self.hours[queue].before(self.wait.floor, over)
        return self.hours[queue].after(start, seconds - self.waited(start))

    def dues(self) -> Iterator[tuple[str, int, int]]:
        """Yield its targets: when three quarters have passed, and when all has."""
        if self.status not in RUNS or self.out:
            return
        first, following, resolve = self.goals
        if first and not self.answered and not self.again:
            yield "first", self._when_worked(first * 3 // 4), self._when_worked(first)
        if following and self.wait is not None and (self.answered or self.again):
            yield "next", self._when_waited(following * 3 // 4), self._when_waited(following)
        if resolve:
            yield "resolve", self._when_worked(resolve * 3 // 4), self._when_worked(resolve)

    def coming(self) -> Iterator[Coming]:
        """Yield what time will bring if nothing else happens."""
        for target, near, due in self.dues():
            if (target, 100) not in self.told:
                yield Coming(max(due, self.changed), "missed", target, due)
                if (target, 75) not in self.told:
                    yield Coming(max(near, self.changed), "near", target, due)
        if self.snoozed is not None:
            yield Coming(max(self.snoozed, self.changed), "woke")
        if self.out:
            return
        if self.status == "pending" and self.pending is not None:
            if self.reminded is None:
                yield Coming(max(self.pending + self.rules.remind, self.changed), "reminded")
            else:
                yield Coming(max(self.reminded + self.rules.close_pending, self.changed), "auto_closed")
        if self.status == "resolved" and self.resolved is not None:
            yield Coming(max(self.resolved + self.rules.close_resolved, self.changed), "closed")

    # -- what happens to it ---------------------------------------------------------------------------------------

    def become(self, status: str, now: int) -> str:
        """It gets another status; return the kind of event that this is."""
        was, self.status = self.status, status
        if status == was:
            return ""
        self._run(now)
        self.pending = now if status == "pending" else None
        self.reminded = None
        if status not in RUNS:
            self.wait = None
        if status not in ACTIVE:
            self.snoozed = None
        self.resolved = now if status == "resolved" else (self.resolved if status == "closed" else None)
        self.closed = now if status == "closed" else None
        if was in ACTIVE and status not in ACTIVE:
            self.spans[-1][1] = now
            return "resolved" if status == "resolved" else "closed_unresolved"
        if was not in ACTIVE and status in ACTIVE:
            self.spans.append([now, None, self.queue])
            self.again, self.begun = True, now
            self._forget("first", "next")
            return "reopened"
        if status == "closed":
            return "closed"
        self.begun = now
        return "status"

    def _run(self, now: int) -> None:
        """Stop the clock or let it go on, as its status is now."""
        runs = self.status in RUNS and not self.out
        if self.since is not None and not runs:
            self.ran, self.since = self.worked(now), None
        elif self.since is None and runs:
            self.since = now

    @property
    def untaken(self) -> int | None:
        """Since when it waits for somebody of the staff to take it: its requester does, or staff opened it again."""
        if self.status not in RUNS or self.out or self.assignee is not None:
            return None
        if self.wait is not None:
            return self.wait.since
        return self.begun if self.status == "open" else None

    def _forget(self, *targets: str) -> None:
        self.told = {one for one in self.told if one[0] not in targets}

    def begin_wait(self, now: int) -> None:
        """Its requester waits for staff, from now on where they don't yet."""
        if self.wait is None:
            self.wait = Wait(now, [(self.queue, now)], now)
            self._forget("next")

    def answer(self) -> None:
        """Nobody waits any more."""
        self.wait, self.begun, self.answered, self.again = None, None, True, False
        self._forget("first", "next")

    def move(self, queue: str, now: int) -> None:
        """It goes on in another queue; what passed in this one stays passed."""
        was = self._promised()
        if self.since is not None:
            self.ran, self.since = self.worked(now), now
        if self.wait is not None:
            self.wait.stretches.append((queue, now))
            self.wait.floor = now
        if self.active:
            self.spans[-1][1] = now
            self.spans.append([now, None, queue])
        self.queue, self.moves = queue, self.moves + 1
        self._promise_anew(was, now)

    def prioritise(self, priority: str, now: int) -> None:
        """Other goals count from now on."""
        was, had = self._promised(), self.goals[1]
        self.priority = priority
        self._reconsider(had, now)
        self._promise_anew(was, now)

    def _reconsider(self, had: int | None, now: int) -> None:
        """There may be another goal for the wait."""
        if self.wait is not None and had != self.goals[1]:
            self.wait.floor = self.wait.since if had is None or self.goals[1] is None else now

    def _promised(self) -> dict[str, int]:
        return {target: due for target, _, due in self.dues()}

    def _promise_anew(self, was: Mapping[str, int], now: int) -> None:
        """What was told of a target counts no more where there is another time for it, that is to come."""
        self._forget(*(name for name, due in self._promised().items() if due > now and due != was.get(name)))

    def call_spam(self, now: int) -> bool:
        """It is closed as spam; was it to be done?"""
        active, self.was = self.active, (self.status, self.wait)
        if self.status != "closed":
            self.become("closed", now)
        self.spam = True
        self._run(now)
        return active

    def no_spam(self, now: int) -> bool:
        """It stands where it stood before; is it to be done? Whom we waited for has all the time again."""
        self.spam = False
        self.status, self.wait = self.was
        if self.wait is not None:
            self.wait.floor = self.wait.since
        self.closed = self.closed if self.status == "closed" else None
        self.pending = now if self.status == "pending" else None
        self._run(now)
        if self.active:
            self.spans.append([now, None, self.queue])
        return self.active

    def merge(self, now: int) -> bool:
        """It is merged away; was it to be done?"""
        active = self.active
        self.become("closed", now)
        self.merged = True
        self._run(now)
        return active
