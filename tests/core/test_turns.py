"""Whose turn it is in a lane that everybody shares: talk goes first, and nobody waits for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from core import outbox
from core.shapes import Kind, Outgoing, Sent
from core.tables import deliveries, work
from tests.core.desk import SLACK, Noting, TestDesk
from tests.core.test_outbox import note, told
from tests.stores import Store

LANE = SLACK.lane("C1", None)


async def next_of(desk: TestDesk, *, by_age: bool) -> int | None:
    row = await desk.database.read(lambda tx: outbox.next_head(tx, LANE, by_age=by_age))
    return None if row is None else int(row.id)


async def waited(desk: TestDesk, delivery: int, seconds: float) -> None:
    due = desk.clock.now() - timedelta(seconds=seconds)
    await desk.database.unit(
        lambda tx: tx.run(update(deliveries).where(deliveries.c.id == delivery).values(due_at=due))
    )


async def test_what_has_waited_longest_has_every_other_turn(desk: TestDesk) -> None:
    assert await next_of(desk, by_age=True) is None
    (card,) = await note(desk, told("C1", Kind.CARD, priority=5))
    (line,) = await note(desk, told("C1", priority=7), ticket=2)
    (talk,) = await note(desk, told("C1", priority=3), ticket=3)
    assert [await next_of(desk, by_age=age) for age in (False, True)] == [talk, talk]
    await waited(desk, card, 6)
    await waited(desk, line, 9)
    assert [await next_of(desk, by_age=age) for age in (False, True)] == [talk, line]
    (alert,) = await note(desk, told("C1", Kind.ALERT, priority=1), ticket=4)
    assert [await next_of(desk, by_age=age) for age in (False, True)] == [alert, alert]


class Talkative(Noting):
    """Ticket 2's requester has written on before its last message is posted."""

    def __init__(self, desk: TestDesk) -> None:
        super().__init__(SLACK)
        self.desk, self.left = desk, 40

    async def send(self, outgoing: Outgoing, rendered: bytes | None) -> Sent:
        if outgoing.ticket is not None and outgoing.ticket.id == 2 and self.left:
            self.left -= 1
            await note(self.desk, told("C1", priority=3), ticket=2)
        return await super().send(outgoing, rendered)


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_a_talkative_requester_keeps_nobodys_card_waiting(desk: TestDesk, store: Store) -> None:
    talkative = Talkative(desk)
    desk.courier._channels = {"slack": talkative}
    (card,) = await note(desk, told("C1", Kind.CARD, priority=5))
    await note(desk, told("C1", priority=3), ticket=2)
    await waited(desk, card, 6)
    await desk.courier.start()
    await desk.quiet(store)
    order = [o.delivery_id for o in talkative.sent]
    assert len(order) == 42
    assert order.index(card) < 35
    assert [n for n in order if n != card] == sorted(n for n in order if n != card)


async def test_a_lane_is_woken_unless_somebody_works_it_off(desk: TestDesk) -> None:
    await note(desk, told("C1"))
    later = desk.clock.now() + timedelta(hours=1)

    async def rests_still(token: str | None) -> bool:
        values = {"not_before": later, "token": token, "expires_at": later}
        await desk.database.unit(lambda tx: tx.run(update(work).where(work.c.name == LANE).values(**values)))
        await desk.database.unit(lambda tx: outbox.wake(tx, LANE))
        found = await desk.database.read(lambda tx: tx.first(work.select().where(work.c.name == LANE)))
        return found is not None and found.not_before is not None

    assert await rests_still("held")
    assert not await rests_still(None)
