"""The reckoning: what happens to the desk's tickets is told to it, and it says what time should bring, and when."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.quarter.clocks import Hours, Shown
from tests.quarter.counts import Count, Counted, Happening
from tests.quarter.setting import DIGESTS, MINUTE, QUEUES, ZONE, DigestRules, Quarter, Rules
from tests.quarter.tickets import Coming, Ticket


@dataclass(frozen=True, order=True)
class Brought:
    """What time brought: what, to which ticket (or of which digest or queue), in which minute, and what else is to be
    the same."""

    minute: int
    kind: str
    what: str
    more: str = ""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A digest that should be there: its slot and period, when it is made, and what it should tell."""

    rules: DigestRules
    slot: int
    minute: int
    late: bool
    counted: Counted
    before: Counted


@dataclass
class Reckoning:
    """Everything that is known, up to `now`."""

    quarter: Quarter
    hours: Mapping[str, Hours]
    tickets: list[Ticket] = field(default_factory=list)
    log: list[Happening] = field(default_factory=list)
    brought: list[Brought] = field(default_factory=list)
    digests: list[Sent] = field(default_factory=list)
    minutes: set[int] = field(default_factory=set)  # in which something is due
    slots: set[int] = field(default_factory=set)  # of these, in which a cron fires
    reminders: set[int] = field(default_factory=set)
    closings: set[int] = field(default_factory=set)  # and in which something is closed
    crashed: dict[int, str] = field(default_factory=dict)  # by minute, what the instance did when it went
    tally: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._heap: list[tuple[int, int, int, int, Any]] = []
        self._versions: list[int] = []
        self._crashes = list(self.quarter.crashes)
        self._shown = Shown(ZONE, self.quarter)
        self._count = Count(self.tickets, self.log)
        self._last: dict[str, int] = {}
        for digest in DIGESTS:
            fires = self._shown.fires(digest.minute, digest.days, self.quarter.start, self.quarter.end)
            for at, day in fires:
                self._push(self.tick(at), 0, (digest, at, day))
        for rules in QUEUES:
            own = self.hours[rules.name].shown
            for at, day in own.fires(rules.list_at, rules.list_days, self.quarter.start, self.quarter.end):
                self._push(self.tick(at), 0, (rules, at, day))

    def tick(self, at: int) -> int:
        """Return the minute in which somebody looks first at what is due since then."""
        minute = -(-at // MINUTE) * MINUTE
        return next((end for start, end in self.quarter.away if start <= minute < end), minute)

    def _push(self, minute: int, rank: int, what: Any, number: int = -1) -> None:
        version = self._versions[number] if number >= 0 else 0
        heapq.heappush(self._heap, (minute, rank, number, version, _Any(what)))

    # -- time passes ----------------------------------------------------------------------------------------------

    def open(self, at: int, queue: str, priority: str, person: int) -> Ticket:
        """Somebody opens a ticket."""
        ticket = Ticket(len(self.tickets), queue, priority, person, at, self.hours)
        self.tickets.append(ticket)
        self._versions.append(0)
        self.note(ticket, at, "opened")
        self.changed(ticket, at)
        return ticket

    def note(self, ticket: Ticket, at: int, kind: str, **data: Any) -> None:
        """Something happened to a ticket that the figures count, in the queue that it is in."""
        if kind:
            self.log.append(Happening(at, kind, ticket.queue, ticket, data))

    def changed(self, ticket: Ticket, at: int) -> None:
        """Reckon anew what time will bring a ticket."""
        ticket.changed = at
        self._versions[ticket.number] += 1
        for coming in ticket.coming():
            minute = self.tick(coming.at)
            if minute < self.quarter.end:
                self._push(minute, 1, coming, ticket.number)

    def pass_until(self, at: int) -> None:
        """Time passes, and brings what it brings until then."""
        while self._heap and self._heap[0][0] <= at:
            minute, _, number, version, holder = heapq.heappop(self._heap)
            if number < 0:
                self._slot(minute, *holder.what)
            elif version == self._versions[number]:
                self._bring(self.tickets[number], minute)

    def _bring(self, ticket: Ticket, minute: int) -> None:
        """All that a look at a ticket in this minute finds."""
        found = [one for one in ticket.coming() if self.tick(one.at) <= minute]
        missed = {one.target for one in found if one.kind == "missed"}
        now = minute + self._crash(minute, "reminded") if any(o.kind == "reminded" for o in found) else minute
        self.minutes.add(minute)
        for one in sorted(found):
            if one.kind in ("near", "missed"):
                percent = 100 if one.kind == "missed" else 75
                ticket.told |= {(one.target, 75), (one.target, percent)}
                if one.kind == "near" and one.target in missed:
                    continue  # what is missed isn't near any more
            self._effect(ticket, one, now)
            more = f"{one.target} {one.due}" if one.target else ""
            self.brought.append(Brought(minute, one.kind, f"#{ticket.number}", more))
        self.changed(ticket, minute)

    def _effect(self, ticket: Ticket, one: Coming, now: int) -> None:
        if one.kind == "woke":
            ticket.snoozed = None
        elif one.kind == "reminded":
            ticket.reminded = now
            self.reminders.add(now // MINUTE * MINUTE)
        elif one.kind in ("auto_closed", "closed"):
            self.closings.add(now // MINUTE * MINUTE)
            self.note(ticket, now, ticket.become("closed", now))

    def _crash(self, minute: int, on: str) -> int:
        """How many seconds later it is done in this minute, because who did it first went down."""
        if self._crashes and minute >= self._crashes[0][0] and self._crashes[0][1] == on:
            self.crashed[minute] = self._crashes.pop(0)[1]
        return 5 if self.crashed.get(minute) == on else 0

    # -- slots ----------------------------------------------------------------------------------------------------

    def _slot(self, minute: int, rules: DigestRules | Rules, at: int, day: date) -> None:
        """A slot's time has come; the newest of those that were missed counts alone."""
        name = f"{type(rules).__name__}:{rules.name}"
        newer = any(
            h[0] == minute and h[4].what[0] is rules and h[4].what[1] > at for h in self._heap if h[2] < 0
        )
        late = rules.late if isinstance(rules, DigestRules) else 12 * 3_600
        self.minutes.add(minute)
        self.slots.add(minute)
        if newer or minute - at >= late or self._last.get(name, 0) >= at:
            return
        self._last[name] = at
        if isinstance(rules, DigestRules):
            self._digest(rules, minute, at, day)
        elif day in self.hours[rules.name].days and (count := self._unassigned(rules, minute)):
            self.brought.append(Brought(minute, "list", rules.name, f"{count}"))

    def _unassigned(self, rules: Rules, now: int) -> int:
        """How many tickets of a queue nobody has taken."""
        return sum(
            ticket.queue == rules.name
            and (since := ticket.untaken) is not None
            and since <= now - rules.list_after
            and (ticket.snoozed is None or ticket.snoozed <= now)
            for ticket in self.tickets
        )

    def _digest(self, rules: DigestRules, minute: int, at: int, day: date) -> None:
        ordinals = (day.toordinal() - rules.length, day.toordinal() - 2 * rules.length)
        since, before = (self._shown.moment(date.fromordinal(number), rules.minute) for number in ordinals)
        queues = rules.queues or tuple(one.name for one in QUEUES)
        counted = self._count.between(since, at, queues, minute)
        sent = Sent(
            rules=rules,
            slot=at,
            minute=minute,
            late=minute - at > 300,
            counted=counted,
            before=self._count.between(before, since, queues, minute),
        )
        if counted.empty and rules.skips:
            self.tally["digests skipped"] += 1
            return
        self._crash(minute, "reports")
        self.digests.append(sent)
        more = f"of {at} {'late' if sent.late else 'in time'}"
        self.brought.append(Brought(minute, "digest", rules.name, more))
        for place in (*rules.mails, *rules.slack):
            self.brought.append(Brought(minute, "digest to", place, f"{rules.name} of {at}"))


@dataclass(frozen=True)
class _Any:
    """Lets a heap hold what can't be compared."""

    what: Any

    def __lt__(self, other: object) -> bool:
        return False
