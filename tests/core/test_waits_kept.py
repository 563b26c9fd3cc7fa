"""What was waited stays waited: over a move to another queue, and when spam turns out to be none."""

from __future__ import annotations

from datetime import timedelta

from core.jobs import Jobs
from core.reminding import remind
from core.status import Status
from tests.core.commands import events_of, hang_card, ticket_of, typed
from tests.core.desk import TestDesk
from tests.core.test_targets import FRIDAY, HOUR, MINUTE, RULES, answer, changed, fresh, write

DAY = timedelta(days=1)


def test_a_wait_that_is_overdue_stays_so_by_as_much() -> None:
    """Four hours of support, missed after the three that the night shift has; back there none are left."""
    ticket = write(answer(fresh(), FRIDAY), FRIDAY)
    assert ticket.next_due_at == FRIDAY + 4 * HOUR
    night = changed(ticket, FRIDAY + 4 * HOUR, queue="night")
    assert night.next_due_at is not None
    assert night.next_due_at < FRIDAY + 4 * HOUR
    assert RULES.schedule(night).between(night.next_due_at, FRIDAY + 4 * HOUR) == HOUR
    back = changed(night, FRIDAY + 4 * HOUR, queue="support")
    assert back.next_due_at == FRIDAY + 4 * HOUR
    taken = RULES.answered(back, FRIDAY + 4 * HOUR + MINUTE)
    assert (taken["business"], taken["met"]) == (4 * 3600 + 60, False)


async def test_who_was_waited_for_when_it_was_called_spam_is_reminded(desk: TestDesk) -> None:
    """From when it is none any more; as long as it's spam nobody is."""
    ticket = (await desk.write("Buy now")).ticket_id or 0
    await hang_card(desk, ticket)
    await desk.manager.assign_status(await desk.staff(), ticket, Status.PENDING)
    await typed(desk, ticket, "spam")
    jobs = Jobs(desk.desk, desk.database, desk.blobs)
    desk.clock.offset = 4 * DAY
    await remind(jobs)
    await typed(desk, ticket, "spam", "off")
    back = await ticket_of(desk, ticket)
    assert back.pending_since is not None
    for offset, reminders in ((7 * DAY - MINUTE, 0), (7 * DAY + MINUTE, 1)):
        desk.clock.offset = offset
        await remind(jobs)
        told = [kind for kind, _ in await events_of(desk, ticket) if kind == "reminded"]
        assert len(told) == reminders
