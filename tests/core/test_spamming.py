"""Spam: it closes, nobody outside hears of it; back again it stands as before."""

from __future__ import annotations

import pytest

from core import units
from core.audience import Happened
from core.database import Tx
from core.failures import Conflict
from core.status import Status
from tests.core.commands import (
    DAN,
    dans_ticket,
    events_of,
    hang_card,
    lines,
    ticket_of,
    to_requesters,
    typed,
    whispers,
)
from tests.core.desk import BOB, TestDesk
from tests.core.test_manager import as_person
from tests.stores import Store


async def test_spam_and_back(desk: TestDesk, store: Store) -> None:
    """Closed without a word to the requester; `off` gives back status and waiting time; each once."""
    ticket = (await desk.write("Buy now", sender=BOB)).ticket_id or 0
    before = await ticket_of(desk, ticket)
    await hang_card(desk, ticket)
    for _ in range(2):
        await typed(desk, ticket, "spam")
    gone = await ticket_of(desk, ticket)
    assert (gone.status, gone.spam, gone.waiting_since) == (Status.CLOSED, True, None)
    assert gone.public_updated_at == before.public_updated_at
    for _ in range(2):
        await typed(desk, ticket, "spam", "off")
    back = await ticket_of(desk, ticket)
    assert (back.status, back.spam, back.closed_at) == (Status.NEW, False, None)
    assert back.waiting_since == before.waiting_since
    assert [kind for kind, _ in await events_of(desk, ticket)] == ["opened", "spam", "restored"]
    assert len(lines(store, ticket)) == 2
    assert to_requesters(store, ticket) == [], "the acknowledgement that waited is cancelled too"
    assert store.value("SELECT last_error FROM deliveries WHERE state = 'cancelled'") == "its ticket is spam"


async def test_what_waits_behind_goes_on(desk: TestDesk, store: Store) -> None:
    """Only what we send by ourselves is cancelled; a staff member's answer behind it goes."""
    ticket = await dans_ticket(desk)
    await desk.manager.exchange_messages(await desk.staff(), ticket, "Who are you?")
    await typed(desk, ticket, "spam")
    assert to_requesters(store, ticket) == ["message"]
    assert to_requesters(store, ticket, "cancelled") == ["notice:ack"]
    sql = "SELECT due_at FROM deliveries WHERE ticket_id = :t AND desk = 0 AND kind = 'message'"
    assert store.value(sql, t=ticket) is not None, "it heads its lane now"


@pytest.mark.parametrize("end", ["resolve", "close"])
async def test_one_that_had_ended(desk: TestDesk, store: Store, end: str) -> None:
    """Is in nobody's backlog, so the figures don't count it; it comes back as it was."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, end)
    before = await ticket_of(desk, ticket)
    await typed(desk, ticket, "spam")
    await typed(desk, ticket, "spam", "off")
    back = await ticket_of(desk, ticket)
    assert (back.status, back.resolved_at, back.closed_at) == (
        before.status,
        before.resolved_at,
        before.closed_at,
    )
    kinds = [kind for kind, _ in await events_of(desk, ticket)]
    assert kinds[-2:] == ["spam_ended", "not_spam"]


async def test_it_stays_closed(desk: TestDesk, store: Store) -> None:
    """Its sender's further words are shown to staff and reopen nothing; nobody is told of a status."""
    ticket = (await desk.write("Buy now", sender=BOB)).ticket_id or 0
    await hang_card(desk, ticket)
    await typed(desk, ticket, "spam")
    assert (await desk.write("Buy more", sender=BOB, signed=(ticket,))).outcome == "joined"
    assert (await ticket_of(desk, ticket)).status is Status.CLOSED
    assert store.count("deliveries", "kind = 'message' AND desk = 1") == 1
    await typed(desk, ticket, "reopen")
    assert "!spam off" in whispers(store)[-1]
    with pytest.raises(Conflict, match="new message"):
        await desk.manager.assign_status(await as_person(desk, "bob@example.org"), ticket, Status.OPEN)
    assert to_requesters(store, ticket) == []


async def test_nothing_automatic_goes_for_it(desk: TestDesk, store: Store) -> None:
    """Whatever happens to it while it is spam: its requester hears nothing that we send by ourselves."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "resolve")
    await typed(desk, ticket, "spam")
    assert "notice:resolved" in to_requesters(store, ticket, "cancelled")

    async def told(tx: Tx) -> None:
        locked = await units.lock(tx, ticket)
        for happened, was in ((Happened.OPENED, None), (Happened.STATUS_SET, Status.OPEN)):
            scene = await units.scene(tx, desk.desk, locked, None, was=was)
            await units.note(tx, desk.desk, happened, scene)

    await desk.database.unit(told)
    assert to_requesters(store, ticket) == []
    await typed(desk, ticket, "spam", "off")
    await desk.database.unit(told)
    assert to_requesters(store, ticket) == ["notice:ack", "notice:resolved"]


async def test_words_that_are_none(desk: TestDesk, store: Store) -> None:
    """`!spam maybe` says how; a merged ticket's spam is the target's."""
    ticket, other = await dans_ticket(desk), await dans_ticket(desk, sender=DAN)
    await typed(desk, ticket, "spam", "maybe")
    assert "write it like: !spam" in whispers(store)[-1]
    assert not (await ticket_of(desk, ticket)).spam
    await typed(desk, ticket, "merge", str(other))
    await typed(desk, ticket, "spam")
    assert f"merged into {other}" in whispers(store)[-1]
