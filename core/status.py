"""A ticket's states and the moves between them: a table, and the pure functions that read it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.failures import Conflict
from core.shapes import Priority


class Status(StrEnum):
    """Where a ticket stands. `pending` waits for the requester."""

    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Did(StrEnum):
    """What happened to a ticket, as far as its status cares."""

    PARTICIPANT_WROTE = "participant_wrote"  # the requester or somebody who takes part
    OTHER_WROTE = "other_wrote"  # an outsider, automatic mail, a bounce, a note
    STAFF_REPLIED = "staff_replied"
    ASSIGNED = "assigned"
    SET_NEW = "set_new"
    SET_OPEN = "set_open"
    SET_PENDING = "set_pending"
    SET_RESOLVED = "set_resolved"
    SET_CLOSED = "set_closed"
    TIMED_OUT = "timed_out"
    MERGED = "merged"


N, O, P, R, C = Status.NEW, Status.OPEN, Status.PENDING, Status.RESOLVED, Status.CLOSED  # noqa: E741

# Rows are what happened, columns the status before; a missing cell is refused. `STAFF_REPLIED` may become
# `pending` by the queue's `after_staff_reply`, see `moved`.
MOVES: Final[dict[Did, dict[Status, Status]]] = {
    Did.PARTICIPANT_WROTE: {N: N, O: O, P: O, R: O, C: O},
    Did.OTHER_WROTE: {N: N, O: O, P: P, R: R, C: C},
    Did.STAFF_REPLIED: {N: O, O: O, P: P, R: R, C: C},
    Did.ASSIGNED: {N: O, O: O, P: P, R: R},
    Did.SET_NEW: {N: N},
    Did.SET_OPEN: {N: O, O: O, P: O, R: O, C: O},
    Did.SET_PENDING: {N: P, O: P, P: P, R: P},
    Did.SET_RESOLVED: {N: R, O: R, P: R, R: R},
    Did.SET_CLOSED: {N: C, O: C, P: C, R: C, C: C},
    Did.TIMED_OUT: {P: C, R: C},
    Did.MERGED: {N: C, O: C, P: C, R: C, C: C},
}

SETS: Final[dict[Status, Did]] = {
    N: Did.SET_NEW,
    O: Did.SET_OPEN,
    P: Did.SET_PENDING,
    R: Did.SET_RESOLVED,
    C: Did.SET_CLOSED,
}

# The active ones: somebody still has to do something.
ACTIVE: Final = (N, O, P)


class ForbiddenMove(Conflict):
    """The state machine has no such move; `allowed` are the statuses that can be set from here."""

    def __init__(self, status: Status, did: Did) -> None:
        self.status, self.did = status, did
        self.allowed = tuple(s for s, d in SETS.items() if status in MOVES[d])
        allowed = ", ".join(s.value for s in self.allowed)
        super().__init__(f"a {status} ticket can't be {_WORDS[did]}; it can become: {allowed}")


_WORDS: Final = {
    Did.SET_NEW: "set to new",
    Did.SET_OPEN: "set to open",
    Did.SET_PENDING: "set to pending",
    Did.SET_RESOLVED: "set to resolved",
    Did.SET_CLOSED: "set to closed",
    Did.ASSIGNED: "assigned",
    Did.TIMED_OUT: "closed by a timer",
}


def moved(status: Status, did: Did, *, after_staff_reply: Status = Status.OPEN) -> Status:
    """Return the status after `did`. Raises `ForbiddenMove`."""
    then = MOVES[did].get(status)
    if then is None:
        raise ForbiddenMove(status, did)
    if did is Did.STAFF_REPLIED and status in (N, O) and after_staff_reply is P:
        return P
    return then


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket as it stands in its row. `version` counts every change."""

    id: int
    queue: str
    title: str
    description: str
    status: Status
    priority: Priority
    channel: str
    requester_id: int
    requester_name: str
    requester_email: str
    assignee_id: int | None
    assignee: str | None  # username
    version: int
    created_at: datetime
    updated_at: datetime
    public_updated_at: datetime
    waiting_since: datetime | None = None
    first_response_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    snoozed_until: datetime | None = None
    pending_since: datetime | None = None
    reminded_at: datetime | None = None
    clock_since: datetime | None = None  # since when the targets' clock runs, None while it's stopped
    clock_used: timedelta = timedelta()  # of its schedule, before
    first_due_at: datetime | None = None
    next_due_at: datetime | None = None
    resolve_due_at: datetime | None = None
    targets_at: datetime | None = None  # when a target is to be looked at next
    targets_told: str = ""
    merged_into: int | None = None
    unconfirmed: bool = False
    spam: bool = False

    def update_status(self, did: Did, now: datetime, *, after_staff_reply: Status = Status.OPEN) -> Ticket:
        """Return this ticket after `did`, with the times that hang on its status. Raises `ForbiddenMove`."""
        then = moved(self.status, did, after_staff_reply=after_staff_reply)
        if then is self.status:
            return self
        resolved = now if then is R else (self.resolved_at if then is C else None)
        return replace(
            self,
            status=then,
            resolved_at=resolved,
            closed_at=now if then is C else None,
            snoozed_until=self.snoozed_until if then in ACTIVE else None,
            pending_since=now if then is P else None,
            reminded_at=None,
            waiting_since=self.waiting_since if then in (N, O) else None,  # nobody waits for staff any more
        )
