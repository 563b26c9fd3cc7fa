"""What people do in the quarter, by seeded dice, each act one that its ticket allows when it is done."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.quarter.reckoning import Reckoning
from tests.quarter.setting import DAY, HOUR, MINUTE, PRIORITIES, QUEUES, RULES, STAFF
from tests.quarter.tickets import Ticket

PEOPLE: Final = 300
REOPENS: Final = 13 * DAY  # a closed ticket is written to for so long; its queues reopen for 14 days


@dataclass(frozen=True)
class Act:
    """Somebody does something to a ticket (by its number); `words`: to what, into what, for whom."""

    at: int
    verb: str
    number: int
    words: dict[str, Any] = field(default_factory=dict)


# How likely each act is, by what the ticket is. "" leaves it alone for good.
_ACTS: Final[dict[str, dict[str, int]]] = {
    "new": {
        "reply": 30,
        "resolved": 12,
        "pending": 16,
        "write": 9,
        "priority": 5,
        "assign": 9,
        "move": 5,
        "snooze": 4,
        "merge": 2,
        "spam": 3,
        "closed": 2,
        "note": 2,
        "": 6,
    },
    "pending": {
        "write": 36,
        "automatic": 14,
        "reply": 10,
        "resolved": 8,
        "open": 4,
        "priority": 3,
        "move": 4,
        "snooze": 3,
        "spam": 2,
        "merge": 1,
        "": 24,
    },
    "resolved": {"write": 26, "open": 5, "pending": 4, "closed": 8, "automatic": 8, "move": 2, "": 46},
    "closed": {"write": 26, "open": 5, "automatic": 6, "": 60},
    "spam": {"restore": 50, "automatic": 10, "": 40},
}
_ACTS["open"] = _ACTS["new"]
_PAUSES: Final = (4 * MINUTE, 40 * MINUTE, 5 * HOUR, 30 * HOUR, 5 * DAY)


class Plan:
    """Makes the acts, and tells the reckoning of each."""

    def __init__(self, reckoning: Reckoning, tickets: int, seed: int) -> None:
        self._reckoning, self._dice = reckoning, random.Random(seed)
        self._quarter, self._count = reckoning.quarter, tickets
        self.acts: list[Act] = []
        self.tally: Counter[str] = Counter()

    def make(self) -> list[Act]:
        """Return all acts of the quarter, in order; each at a second of its own minute, none while nobody is there."""
        heap: list[tuple[int, int, int]] = [(at, -1, n) for n, at in enumerate(self._openings())]
        heapq.heapify(heap)
        while heap:
            at, number, serial = heapq.heappop(heap)
            if at >= self._quarter.end - HOUR:
                break
            self._reckoning.pass_until(at)
            if number < 0:
                number = self._begin(at)
            elif not self._act(self._reckoning.tickets[number], at):
                continue
            later = self._settled(at + round(self._dice.choice(_PAUSES) * self._dice.uniform(0.3, 2)))
            heapq.heappush(heap, (later, number, serial))
        self._reckoning.pass_until(self._quarter.end - MINUTE)
        return self.acts

    def _openings(self) -> Iterator[int]:
        for _ in range(self._count):
            yield self._settled(self._dice.randrange(self._quarter.start + HOUR, self._quarter.end - HOUR))

    def _settled(self, at: int) -> int:
        """Not in the moment of a look, and not while nobody is there."""
        for start, end in self._quarter.away:
            if start <= at <= end:
                at = end + self._dice.randrange(MINUTE, HOUR)
        return at // MINUTE * MINUTE + self._dice.randrange(20, 58)

    def _did(self, at: int, verb: str, number: int, **words: Any) -> None:
        self.acts.append(Act(at, verb, number, words))
        self.tally[verb] += 1

    def _begin(self, at: int) -> int:
        queue = self._dice.choice(QUEUES).name
        priority = self._dice.choices(PRIORITIES, (15, 60, 15, 10))[0]
        person = self._dice.randrange(PEOPLE)
        ticket = self._reckoning.open(at, queue, priority, person)
        self._did(at, "opened", ticket.number, queue=queue, priority=priority, person=person)
        return ticket.number

    def _act(self, ticket: Ticket, at: int) -> bool:
        """Something is done to a ticket; False where it is left alone from now on."""
        if ticket.merged:
            return False
        chances = _ACTS["spam" if ticket.spam else ticket.status]
        verb = self._dice.choices(list(chances), list(chances.values()))[0]
        if ticket.status == "closed" and not ticket.spam and at - (ticket.closed or 0) > REOPENS:
            verb = ""
        if not verb:
            return False
        words = getattr(self, f"_{verb}", self._status)(ticket, at, verb)
        if words is not None:
            self._did(at, verb, ticket.number, **words)
            self._reckoning.changed(ticket, at)
        return True

    # -- each act: the reckoning hears of it, and what it is said to the desk with is returned -----------------------

    def _status(self, ticket: Ticket, at: int, verb: str) -> dict[str, Any]:
        """It gets another status by staff."""
        met = self._resolution(ticket, at) if verb == "resolved" else {}
        self._reckoning.note(ticket, at, ticket.become(verb, at), **met)
        return {}

    def _resolution(self, ticket: Ticket, at: int) -> dict[str, Any]:
        worked, goal = ticket.worked(at), ticket.goals[2]
        taken = {"wall": at - ticket.created, "business": worked}
        if not goal:
            return taken
        due = next((due for target, _, due in ticket.dues() if target == "resolve"), None)
        return taken | {"met": worked <= goal if due is None else at <= due}

    def _reply(self, ticket: Ticket, at: int, _: str) -> dict[str, Any]:
        goals = ticket.goals
        dues = {target: due for target, _, due in ticket.dues()}
        data: dict[str, Any] = {"first": not ticket.answered or ticket.again}
        if not ticket.answered and not ticket.again:
            data |= {"wall": at - ticket.created, "business": ticket.worked(at)}
            goal, target = goals[0], "first"
        else:
            goal, target = goals[1], "next"
            if ticket.wait is not None:
                data |= {"wall": at - ticket.wait.since, "business": ticket.waited(at)}
        if goal and "wall" in data:
            data["met"] = at <= dues[target] if target in dues else data["business"] <= goal
        if ticket.status in ("new", "open"):
            self._reckoning.note(
                ticket, at, ticket.become("pending" if ticket.rules.reply_waits else "open", at)
            )
        ticket.answer()
        self._reckoning.note(ticket, at, "answered", **data)
        return {}

    def _write(self, ticket: Ticket, at: int, _: str) -> dict[str, Any]:
        if ticket.status != "new":
            self._reckoning.note(ticket, at, ticket.become("open", at))
        ticket.begin_wait(at)
        ticket.snoozed = None
        self._reckoning.note(ticket, at, "message")
        return {"person": ticket.person, "queue": ticket.queue}

    def _automatic(self, ticket: Ticket, at: int, _: str) -> dict[str, Any]:
        self._reckoning.note(ticket, at, "message")
        return {"person": ticket.person, "queue": ticket.queue}

    def _note(self, ticket: Ticket, at: int, _: str) -> dict[str, Any]:
        return {}

    def _priority(self, ticket: Ticket, at: int, _: str) -> dict[str, Any] | None:
        priority = self._dice.choice([one for one in PRIORITIES if one != ticket.priority])
        if _more_than_noted(ticket, ticket.queue, priority):
            return None
        ticket.prioritise(priority, at)
        return {"priority": priority}

    def _assign(self, ticket: Ticket, at: int, _: str) -> dict[str, Any] | None:
        who = self._dice.choice([one for one in (*STAFF, None) if one != ticket.assignee])
        ticket.assignee = who
        if who and ticket.status == "new":
            ticket.become("open", at)
        return {"to": who}

    def _move(self, ticket: Ticket, at: int, _: str) -> dict[str, Any] | None:
        queue = self._dice.choice([one.name for one in QUEUES if one.name != ticket.queue])
        if _more_than_noted(ticket, queue, ticket.priority):
            return None
        active = ticket.active
        if active:
            self._reckoning.note(ticket, at, "moved_out")
        ticket.move(queue, at)
        if active:
            self._reckoning.note(ticket, at, "moved_in")
        return {"queue": queue}

    def _snooze(self, ticket: Ticket, at: int, _: str) -> dict[str, Any]:
        ticket.snoozed = at + self._dice.randrange(10 * MINUTE, 4 * DAY)
        return {"seconds": ticket.snoozed - at}

    def _merge(self, ticket: Ticket, at: int, _: str) -> dict[str, Any] | None:
        recent = self._reckoning.tickets[-60:]
        targets = [one for one in recent if one.active and not one.out and one is not ticket]
        if not targets:
            return None
        if ticket.merge(at):
            self._reckoning.note(ticket, at, "merged_active")
        return {"into": self._dice.choice(targets).number}

    def _spam(self, ticket: Ticket, at: int, _: str) -> dict[str, Any] | None:
        if ticket.moves:  # of such a wait the desk can't tell in which queue it ran, once it is restored
            return None
        if ticket.call_spam(at):
            self._reckoning.note(ticket, at, "spam")
        return {}

    def _restore(self, ticket: Ticket, at: int, _: str) -> dict[str, Any]:
        if ticket.no_spam(at):
            self._reckoning.note(ticket, at, "restored")
        return {}


def _more_than_noted(ticket: Ticket, queue: str, priority: str) -> bool:
    """Would the desk not know how long the requester has waited for the next response, once this is so?

    It notes when that is due, and nothing of the hours of another queue where there is no such target.
    """
    if ticket.wait is None or not (ticket.answered or ticket.again):
        return False
    goal = RULES[queue].goals[priority][1]
    return goal is None and (len(ticket.wait.stretches) > 1 or queue != ticket.queue)
