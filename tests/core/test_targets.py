"""Until when staff should have answered and resolved: each change of a ticket against a count minute by minute."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import targets
from core.config import Config, parse
from core.hours import schedule_of
from core.shapes import Priority
from core.status import SETS, Did, Status, Ticket
from core.targets import MISSED, NEAR, Targets, goals_of

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FRIDAY = datetime(2026, 3, 6, 15, tzinfo=UTC)  # before a night of change in New York
CONFIG = parse(
    {
        "queue": [
            {
                "name": "support",
                "business_hours": "mon-fri 09:00-17:00",
                "timezone": "America/New_York",
                "first_response_target": "4h",
                "resolution_target": "20h",
                "targets": {
                    "urgent": {"first_response": "30m", "next_response": "1h", "resolution": "5h"},
                    "low": {"resolution": "0s"},
                },
            },
            {
                "name": "night",
                "business_hours": "22:00-06:00",
                "timezone": "Europe/Berlin",
                "first_response_target": "2h",
                "next_response_target": "3h",
                "resolution_target": "12h",
            },
            {"name": "always", "first_response_target": "1h", "resolution_target": "2d"},
        ]
    },
    environ={},
)
RULES = Targets(CONFIG)


def fresh(at: datetime = FRIDAY, **more: Any) -> Ticket:
    """A ticket as it was just opened."""
    values: dict[str, Any] = {
        "id": 1,
        "queue": "support",
        "title": "t",
        "description": "d",
        "status": Status.NEW,
        "priority": Priority.NORMAL,
        "channel": "email",
        "requester_id": 2,
        "requester_name": "Ann",
        "requester_email": "ann@example.com",
        "assignee_id": None,
        "assignee": None,
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "public_updated_at": at,
        "waiting_since": at,
    }
    return RULES.recount(None, Ticket(**{**values, **more}), at)


def answer(ticket: Ticket, at: datetime, rules: Targets = RULES) -> Ticket:
    moved = ticket.update_status(Did.STAFF_REPLIED, at)
    moved = replace(moved, first_response_at=ticket.first_response_at or at, waiting_since=None)
    return rules.recount(ticket, targets.answered(moved), at)


def write(ticket: Ticket, at: datetime, rules: Targets = RULES) -> Ticket:
    moved = ticket.update_status(Did.PARTICIPANT_WROTE, at)
    return rules.recount(ticket, replace(moved, waiting_since=ticket.waiting_since or at), at)


def put(ticket: Ticket, status: Status, at: datetime) -> Ticket:
    return RULES.recount(ticket, ticket.update_status(SETS[status], at), at)


def changed(ticket: Ticket, at: datetime, **more: Any) -> Ticket:
    return RULES.recount(ticket, replace(ticket, **more), at)


@pytest.mark.parametrize(
    ("queue", "priority", "hours"),
    [
        ("support", Priority.NORMAL, (4, 4, 20)),
        ("support", Priority.URGENT, (0.5, 1, 5)),
        ("support", Priority.LOW, (4, 4, None)),
        ("night", Priority.HIGH, (2, 3, 12)),
        ("always", Priority.NORMAL, (1, 1, 48)),
    ],
)
def test_goals(queue: str, priority: Priority, hours: tuple[float | None, ...]) -> None:
    """The priority's own, else the queue's; the next response's is the first one's where it isn't named; 0s is none."""
    goals = goals_of(CONFIG.queue_named(queue) or CONFIG.queue[0], priority)
    wanted = tuple(None if h is None else h * HOUR for h in hours)
    assert (goals.first, goals.next, goals.resolve) == wanted


# -- minute by minute -------------------------------------------------------------------------------------------


@dataclass
class Count:
    """What somebody with a stopwatch notes, a minute at a time."""

    used: int = 0
    waited: int = 0
    minutes: list[datetime] = field(default_factory=list)

    def pass_time(self, ticket: Ticket, start: datetime, minutes: int) -> None:
        hours = schedule_of(CONFIG, ticket.queue)
        running = ticket.status in (Status.NEW, Status.OPEN)
        for n in range(minutes):
            if running and hours.is_open(start + n * MINUTE):
                self.used += 1
                self.waited += ticket.waiting_since is not None

    def due(self, ticket: Ticket, spent: int, goal: timedelta, now: datetime) -> datetime:
        """When a clock that shows so many minutes will show the goal, if nothing changes."""
        hours, at = schedule_of(CONFIG, ticket.queue), now
        while spent < goal / MINUTE:
            spent += hours.is_open(at)
            at += MINUTE
        return at

    def check(self, ticket: Ticket, now: datetime, *, reopened: bool) -> None:
        goals = RULES.goals(ticket)
        runs = ticket.status in (Status.NEW, Status.OPEN)
        first = goals.first if runs and ticket.first_response_at is None and not reopened else None
        waits = ticket.waiting_since is not None and (ticket.first_response_at is not None or reopened)
        following = goals.next if runs and waits else None
        for due, goal, spent in (
            (ticket.first_due_at, first, self.used),
            (ticket.next_due_at, following, self.waited),
            (ticket.resolve_due_at, goals.resolve if runs else None, self.used),
        ):
            assert (due is None) == (goal is None)
            if due is not None and goal is not None:
                if spent < goal / MINUTE:
                    assert due == self.due(ticket, spent, goal, now)
                else:
                    assert due <= now


ACTS = st.sampled_from(
    [
        "answer",
        "write",
        "pending",
        "open",
        "resolved",
        "urgent",
        "normal",
        "low",
        "support",
        "night",
        "always",
    ]
)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 4000), st.lists(st.tuples(ACTS, st.integers(0, 900)), max_size=10))
def test_as_somebody_with_a_stopwatch_has_it(start: int, acts: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order: the clock stops in pending, takes along what passed, begins anew."""
    now = FRIDAY + start * MINUTE
    ticket, count, reopened = fresh(now), Count(), False
    count.check(ticket, now, reopened=False)
    for act, minutes in acts:
        count.pass_time(ticket, now, minutes)
        now += minutes * MINUTE
        before = ticket
        if act == "answer":
            ticket = answer(ticket, now)
        elif act == "write":
            ticket = write(ticket, now)
        elif act in ("pending", "open", "resolved"):
            if before.status is Status.RESOLVED and act == "pending":
                continue
            ticket = put(ticket, Status(act), now)
        elif act in ("urgent", "normal", "low"):
            ticket = changed(ticket, now, priority=Priority(act))
        else:
            ticket = changed(ticket, now, queue=act)
        reopened = reopened or (before.status is Status.RESOLVED and ticket.status is Status.OPEN)
        if ticket.waiting_since != before.waiting_since:
            count.waited = 0
        count.check(ticket, now, reopened=reopened)
        assert RULES.recount(ticket, ticket, now) == ticket, "nothing changed"


# -- what is told -----------------------------------------------------------------------------------------------


def test_near_and_missed_each_once() -> None:
    """Three quarters of the hours, then all; what was told isn't told again by a change of something else."""
    ticket = fresh(queue="always")
    assert ticket.targets_at == FRIDAY + 45 * MINUTE
    notices = [n for n in RULES.notices(ticket, ticket.targets_at) if n.at <= ticket.targets_at]
    assert [(n.target, n.percent, n.due) for n in notices] == [("first", NEAR, FRIDAY + HOUR)]
    ticket = RULES.looked_at(targets.told(ticket, [notices[0].mark]), FRIDAY + 45 * MINUTE)
    assert ticket.targets_at == FRIDAY + HOUR
    ticket = changed(ticket, FRIDAY + 50 * MINUTE, priority=Priority.HIGH)
    assert ticket.targets_at == FRIDAY + HOUR
    assert "first:75" in ticket.targets_told
    ticket = RULES.looked_at(targets.told(ticket, [f"first:{MISSED}"]), FRIDAY + HOUR)
    assert ticket.targets_at == FRIDAY + 36 * HOUR, "then the resolution's"
    assert answer(ticket, FRIDAY + 2 * HOUR).targets_told == "on"


def test_another_priority_is_another_promise() -> None:
    """Missed as urgent, and due later as normal: then what was told is over. What stays in the past stays told."""
    ticket = targets.told(fresh(priority=Priority.URGENT), [f"first:{NEAR}", f"first:{MISSED}"])
    assert ticket.first_due_at is not None
    later = ticket.first_due_at + MINUTE
    normal = changed(ticket, later, priority=Priority.NORMAL)
    assert normal.first_due_at is not None
    assert normal.first_due_at > later
    assert "first" not in normal.targets_told
    assert normal.targets_at is not None
    assert later < normal.targets_at < normal.first_due_at
    missed = targets.told(normal, [f"first:{NEAR}", f"first:{MISSED}"])
    back = changed(missed, normal.first_due_at + MINUTE, priority=Priority.URGENT)
    assert f"first:{MISSED}" in back.targets_told


def test_three_quarters_are_of_the_hours() -> None:
    """Opened on a Friday two hours before the end: three of four hours are over on Monday (an hour less of UTC)."""
    ticket = fresh(datetime(2026, 3, 6, 20, tzinfo=UTC))
    assert ticket.targets_at == datetime(2026, 3, 9, 14, tzinfo=UTC)
    assert ticket.first_due_at == datetime(2026, 3, 9, 15, tzinfo=UTC)


def test_a_new_wait_is_a_new_clock() -> None:
    """Each further message after an answer is told of anew; the resolution's clock is one."""
    ticket = answer(fresh(queue="always"), FRIDAY + MINUTE)
    assert (ticket.first_due_at, ticket.next_due_at) == (None, None)
    ticket = write(ticket, FRIDAY + 2 * HOUR)
    assert ticket.next_due_at == FRIDAY + 3 * HOUR
    ticket = targets.told(ticket, ["next:75", "next:100", "resolve:75"])
    again = write(ticket, FRIDAY + 3 * HOUR)
    assert again.next_due_at == FRIDAY + 3 * HOUR, "they wait since the first of them"
    ticket = write(answer(again, FRIDAY + 4 * HOUR), FRIDAY + 5 * HOUR)
    assert ticket.targets_told == "on resolve:75"
    assert ticket.next_due_at == FRIDAY + 6 * HOUR


def test_reopening_begins_a_clock_of_the_response_and_goes_on_with_the_other() -> None:
    """Also where nobody ever answered; who is asked again by staff waits for nothing."""
    ticket = put(fresh(queue="always"), Status.RESOLVED, FRIDAY + 2 * HOUR)
    assert (ticket.first_due_at, ticket.resolve_due_at, ticket.targets_at) == (None, None, None)
    ticket = write(ticket, FRIDAY + 100 * HOUR)
    assert (ticket.first_due_at, ticket.next_due_at) == (None, FRIDAY + 101 * HOUR)
    assert ticket.resolve_due_at == FRIDAY + (100 + 46) * HOUR
    staff = put(put(fresh(queue="always"), Status.RESOLVED, FRIDAY + HOUR), Status.OPEN, FRIDAY + 9 * HOUR)
    assert (staff.first_due_at, staff.next_due_at) == (None, None)
    assert staff.resolve_due_at == FRIDAY + (9 + 47) * HOUR


@pytest.mark.parametrize("what", ["spam", "unconfirmed", "merged_into"])
def test_tickets_without_targets(what: str) -> None:
    """Spam, unconfirmed and merged ones have none, until that is over."""
    ticket = changed(fresh(queue="always"), FRIDAY + 10 * MINUTE, **{what: True})
    dues = (ticket.first_due_at, ticket.next_due_at, ticket.resolve_due_at, ticket.targets_at)
    assert dues == (None, None, None, None)
    back = changed(ticket, FRIDAY + HOUR, **{what: None if what == "merged_into" else False})
    assert back.first_due_at == FRIDAY + HOUR + 50 * MINUTE


def test_what_was_called_spam_by_mistake_is_told_of_once() -> None:
    """Its requester waits as before, and what was told stays told."""
    waiting = targets.told(write(answer(fresh(queue="always"), FRIDAY), FRIDAY), ["next:75"])
    gone = changed(waiting, FRIDAY + HOUR, status=Status.CLOSED, waiting_since=None, spam=True)
    assert (gone.next_due_at, gone.targets_at) == (None, None)
    more = {"status": Status.OPEN, "waiting_since": FRIDAY, "spam": False}
    back = changed(gone, FRIDAY + 2 * HOUR, **more)
    assert (back.targets_told, back.next_due_at) == ("next:75 on", FRIDAY + HOUR)


def test_an_unconfirmed_report_counts_from_its_confirmation() -> None:
    """Nobody waits before."""
    ticket = fresh(queue="always", unconfirmed=True)
    assert ticket.targets_at is None
    assert changed(ticket, FRIDAY + 5 * HOUR, unconfirmed=False).first_due_at == FRIDAY + 6 * HOUR


def test_what_comes_out_of_an_archive_has_none_until_somebody_writes_anew() -> None:
    """Neither then nor by a later change of staff's; a new message has its response's target."""
    quiet = RULES.imported()
    ticket = quiet.recount(None, replace(fresh(queue="always"), targets_told="", clock_since=None), FRIDAY)
    ticket = replace(ticket, first_due_at=None, resolve_due_at=None, targets_at=None)
    ticket = quiet.recount(None, ticket, FRIDAY)
    ticket = changed(ticket, FRIDAY + HOUR, priority=Priority.HIGH)
    assert (ticket.targets_told, ticket.targets_at) == ("imported", None)
    assert quiet.answered(ticket, FRIDAY) == {}
    assert RULES.resolved(ticket, FRIDAY) == {}
    assert "wall" not in RULES.answered(ticket, FRIDAY + HOUR)
    ticket = write(answer(ticket, FRIDAY + HOUR), FRIDAY + 2 * HOUR)
    assert (ticket.first_due_at, ticket.next_due_at, ticket.resolve_due_at) == (None, FRIDAY + 3 * HOUR, None)
    event = RULES.answered(ticket, FRIDAY + 3 * HOUR)
    assert event == {"first": False, "wall": 3600.0, "business": 3600.0, "met": True}


def test_a_ticket_of_before_there_were_targets() -> None:
    """It has its dues with its next change, by when it came; nobody hears of what it missed by then."""
    old = replace(
        fresh(queue="always"), targets_told="", clock_since=None, first_due_at=None, resolve_due_at=None
    )
    old = replace(old, targets_at=None)
    ticket = changed(old, FRIDAY + 10 * HOUR, priority=Priority.HIGH)
    assert (ticket.first_due_at, ticket.resolve_due_at) == (FRIDAY + HOUR, FRIDAY + 48 * HOUR)
    assert ticket.targets_told == "first:100 first:75 on"
    assert ticket.targets_at == FRIDAY + 36 * HOUR
    waiting = replace(old, status=Status.PENDING, pending_since=FRIDAY + 3 * HOUR, waiting_since=None)
    assert write(waiting, FRIDAY + 50 * HOUR).resolve_due_at == FRIDAY + (50 + 45) * HOUR


def test_a_longer_target_counts_from_the_next_look() -> None:
    """What the configuration has now, where nothing changed but that."""
    ticket = fresh(queue="always")
    longer = Targets(parse({"queue": [{"name": "always", "first_response_target": "5h"}]}, environ={}))
    assert longer.again(ticket, FRIDAY + HOUR).first_due_at == FRIDAY + 5 * HOUR
    assert RULES.again(ticket, FRIDAY + HOUR / 2) == ticket


@pytest.mark.parametrize(("was", "then", "hours"), [("2h", "24h", 24), ("24h", "2h", 2)])
def test_another_target_of_the_configuration(was: str, then: str, hours: int) -> None:
    """Who waits for a further answer: it's due by the new target from when they began, and what they waited is that."""
    old, new = (
        Targets(parse({"queue": [{"name": "always", "next_response_target": goal}]}, environ={}))
        for goal in (was, then)
    )
    ticket = write(answer(fresh(queue="always"), FRIDAY, old), FRIDAY + HOUR, old)
    now = FRIDAY + HOUR + HOUR / 2
    assert new.again(ticket, now).next_due_at == FRIDAY + (1 + hours) * HOUR
    taken = {"first": False, "wall": 1800.0, "business": 1800.0, "met": True}
    assert new.answered(ticket, now) == taken
    assert new.answered(ticket, FRIDAY + 4 * HOUR)["met"] is (hours == 24)


def test_a_due_in_years_is_no_trouble() -> None:
    """The longest that the configuration takes."""
    config: Config = parse(
        {"queue": [{"name": "q", "business_hours": "mon 09:00-09:30", "resolution_target": "10d"}]},
        environ={},
    )
    ticket = Targets(config).recount(None, replace(fresh(), queue="q", targets_told=""), FRIDAY)
    assert ticket.resolve_due_at is not None
    assert ticket.resolve_due_at.year == 2035


# -- for the figures --------------------------------------------------------------------------------------------


def test_what_an_answer_says_of_the_wait_that_it_ended() -> None:
    """The first, one while nobody waits, a further one, and the first after reopening."""
    at = datetime(2026, 3, 6, 20, tzinfo=UTC)
    ticket, days = fresh(at), timedelta(days=2, hours=18)
    first = RULES.answered(ticket, at + days)
    assert first == {"first": True, "wall": 237_600.0, "business": 3 * 3600.0, "met": True}
    assert RULES.answered(ticket, at + days + 2 * HOUR)["met"] is False
    ticket = answer(ticket, at + days)
    assert RULES.answered(ticket, at + days) == {"first": False}
    ticket = write(ticket, at + days + HOUR)
    assert RULES.answered(ticket, at + days + HOUR, overtaken=True) == {"first": False}
    further = RULES.answered(ticket, at + days + 3 * HOUR)
    assert further == {"first": False, "wall": 7200.0, "business": 7200.0, "met": True}
    ended = put(answer(ticket, at + days + 3 * HOUR), Status.RESOLVED, at + days + 3 * HOUR)
    again = write(ended, at + 8 * days)
    told = RULES.answered(again, at + 8 * days + MINUTE)
    assert (told["first"], told["wall"]) == (True, 60.0)
    assert RULES.answered(answer(again, at + 9 * days), at + 9 * days)["first"] is False


def test_what_a_resolution_says_of_its_time() -> None:
    """From the opening, without what it was pending; no share where there is no target."""
    ticket = put(answer(fresh(queue="always"), FRIDAY + HOUR), Status.PENDING, FRIDAY + HOUR)
    ticket = write(ticket, FRIDAY + 41 * HOUR)
    told = RULES.resolved(ticket, FRIDAY + 42 * HOUR)
    assert told == {"wall": 42 * 3600.0, "business": 2 * 3600.0, "met": True}
    assert RULES.resolved(ticket, FRIDAY + 88 * HOUR + MINUTE)["met"] is False
    assert RULES.resolved(fresh(priority=Priority.LOW), FRIDAY + HOUR)["met"] is None


def test_what_passed_in_one_queue_stays_passed() -> None:
    """Moved to where others work at night: an hour that was over by day is over."""
    ticket = write(answer(fresh(), FRIDAY), FRIDAY)  # ten in the morning there
    moved = changed(ticket, FRIDAY + HOUR, queue="night")
    assert moved.next_due_at == datetime(2026, 3, 6, 23, tzinfo=UTC), "two of three hours from ten at night"
    assert moved.clock_used == HOUR
    again = changed(moved, FRIDAY + 2 * HOUR, title="another")
    assert again.next_due_at == moved.next_due_at
    assert RULES.answered(moved, datetime(2026, 3, 6, 22, tzinfo=UTC))["business"] == 2 * 3600.0


def test_what_was_told_fits_its_column() -> None:
    """60 characters."""
    for has in ("first", "next"):
        marks = ["on", "imported"][:1] + [f"{t}:{p}" for t in (has, "resolve") for p in (75, 100)]
        assert len(" ".join([*marks, "again", "imported"])) <= 60
