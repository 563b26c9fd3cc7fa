"""A ticket's states: the whole table of moves, and the times that hang on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.failures import Conflict
from core.shapes import Priority
from core.status import MOVES, SETS, Did, ForbiddenMove, Status, Ticket, moved

NEW, OPEN, PENDING, RESOLVED, CLOSED = Status
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(days=2)

# What the table of the design says, written out by hand; None is refused.
TABLE: dict[Did, tuple[Status | None, ...]] = {
    Did.PARTICIPANT_WROTE: (NEW, OPEN, OPEN, OPEN, OPEN),
    Did.OTHER_WROTE: (NEW, OPEN, PENDING, RESOLVED, CLOSED),
    Did.STAFF_REPLIED: (OPEN, OPEN, PENDING, RESOLVED, CLOSED),
    Did.ASSIGNED: (OPEN, OPEN, PENDING, RESOLVED, None),
    Did.SET_NEW: (NEW, None, None, None, None),
    Did.SET_OPEN: (OPEN, OPEN, OPEN, OPEN, OPEN),
    Did.SET_PENDING: (PENDING, PENDING, PENDING, PENDING, None),
    Did.SET_RESOLVED: (RESOLVED, RESOLVED, RESOLVED, RESOLVED, None),
    Did.SET_CLOSED: (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED),
    Did.TIMED_OUT: (None, None, CLOSED, CLOSED, None),
    Did.MERGED: (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED),
}
CELLS = [(did, was, then) for did, row in TABLE.items() for was, then in zip(Status, row, strict=True)]


def ticket(status: Status, **more: object) -> Ticket:
    values = {
        "id": 7,
        "queue": "support",
        "title": "t",
        "description": "d",
        "status": status,
        "priority": Priority.NORMAL,
        "channel": "email",
        "requester_id": 1,
        "requester_name": "Ann",
        "requester_email": "ann@example.com",
        "assignee_id": None,
        "assignee": None,
        "version": 1,
        "created_at": EARLIER,
        "updated_at": EARLIER,
        "public_updated_at": EARLIER,
    }
    return Ticket(**{**values, **more})  # type: ignore[arg-type]


def test_the_table_names_everything_that_can_happen() -> None:
    """No row of the code is left out here."""
    assert set(TABLE) == set(Did) == set(MOVES)


@pytest.mark.parametrize(("did", "was", "then"), CELLS)
def test_every_cell(did: Did, was: Status, then: Status | None) -> None:
    """Each move is as the table says; a missing one is a conflict."""
    if then is not None:
        assert moved(was, did) is then
        return
    with pytest.raises(ForbiddenMove):
        moved(was, did)


@pytest.mark.parametrize("was", list(Status))
def test_a_staff_reply_may_make_it_pending(was: Status) -> None:
    """Only a new or open ticket becomes pending by `after_staff_reply`; the others stay what they are."""
    then = moved(was, Did.STAFF_REPLIED, after_staff_reply=PENDING)
    assert then is (PENDING if was in (NEW, OPEN) else was)


@pytest.mark.parametrize("was", list(Status))
def test_what_is_allowed_is_said(was: Status) -> None:
    """A refusal is a conflict that lists exactly the statuses that can be set from here."""
    refused = ForbiddenMove(was, Did.ASSIGNED)
    assert isinstance(refused, Conflict)
    assert set(refused.allowed) == {s for s, did in SETS.items() if TABLE[did][list(Status).index(was)]}
    assert was.value in refused.message


def test_times_follow_the_status() -> None:
    """Resolving and closing note when; closing keeps when it was resolved; reopening forgets both."""
    resolved = ticket(OPEN).update_status(Did.SET_RESOLVED, EARLIER)
    assert (resolved.resolved_at, resolved.closed_at) == (EARLIER, None)
    closed = resolved.update_status(Did.TIMED_OUT, NOW)
    assert (closed.resolved_at, closed.closed_at) == (EARLIER, NOW)
    again = closed.update_status(Did.PARTICIPANT_WROTE, NOW)
    assert (again.status, again.resolved_at, again.closed_at) == (OPEN, None, None)
    unresolved = ticket(OPEN).update_status(Did.SET_CLOSED, NOW)
    assert (unresolved.resolved_at, unresolved.closed_at) == (None, NOW)


@pytest.mark.parametrize("did", [Did.SET_PENDING, Did.SET_RESOLVED, Did.SET_CLOSED, Did.MERGED])
def test_nobody_waits_for_staff_once_they_decided(did: Did) -> None:
    """Pending, resolved and closed tickets wait for no staff, so a reopened one waits from then on."""
    waiting = ticket(OPEN, waiting_since=EARLIER)
    assert waiting.update_status(did, NOW).waiting_since is None
    assert ticket(NEW, waiting_since=EARLIER).update_status(Did.ASSIGNED, NOW).waiting_since == EARLIER


def test_the_same_status_changes_nothing() -> None:
    """The very same ticket comes back, with its old times."""
    before = replace(ticket(RESOLVED), resolved_at=EARLIER)
    assert before.update_status(Did.SET_RESOLVED, NOW) is before
