"""`TicketManager` as HTTP and the terminal call it: rights, states, lists."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.failures import Conflict, Invalid, NotAllowed, NotFound
from core.shapes import Actor, Auth, File, Priority, Role, Visibility
from core.status import ForbiddenMove, Status
from core.tables import tickets as tickets_table
from core.views import Period, TicketCriteria, Update
from tests.core.desk import BOB, EVE, TestDesk, mail
from tests.core.received import event_kinds, noted, opened, parts
from tests.stores import Store

NOTE = Visibility.NOTE


async def as_person(desk: TestDesk, address: str) -> Actor:
    """Somebody who signed in."""
    actor = await desk.people.by_token(await desk.people.create_token(address, timedelta(days=1)))
    assert actor is not None
    return actor


# -- messages and rights ------------------------------------------------------------------------------------------


async def test_requesters_see_nothing_of_the_desks(desk: TestDesk, store: Store) -> None:
    """No notes, no outsiders' words, no staff's events or files, in a ticket, a list's order or a search."""
    ticket, _ = await opened(desk)
    other = await desk.manager.create_ticket(await as_person(desk, "ann@example.com"), "Second", "d")
    ada = await desk.staff()
    file = File(name="f", content_type="text/plain", size=1, content=b"x")
    await desk.write("Your code is 1", sender=EVE, signed=(ticket,))
    note = await desk.manager.exchange_messages(ada, ticket, "sly note", visibility=NOTE, files=[file])
    await desk.manager.set_priority(ada, ticket, Priority.LOW)
    ann = await as_person(desk, "ann@example.com")
    detail = await desk.manager.view_ticket(ann, ticket)
    assert [m.text for m in detail.messages] == ["Help!"]
    assert [e.kind for e in detail.events] == ["opened"]
    page = await desk.manager.view_tickets(ann, TicketCriteria())
    assert [t.id for t in page.tickets] == [other.id, ticket], "a note moves nothing up"
    staffs = await desk.manager.view_tickets(ada, TicketCriteria())
    assert [t.id for t in staffs.tickets] == [ticket, other.id]
    for q in ("sly", "code"):
        assert not (await desk.manager.view_tickets(ann, TicketCriteria(q=q))).tickets
    with pytest.raises(NotFound):
        await desk.manager.attachment(ann, note.attachments[0].id)
    assert (await desk.manager.attachment(ada, note.attachments[0].id)).name == "f"


async def test_strangers_find_nothing(desk: TestDesk) -> None:
    """A ticket of somebody else's is missing: to see, to write, to set, to list; and so is one that isn't."""
    ticket, _ = await opened(desk, files=(File(name="f", content_type="t", size=1, content=b"x"),))
    attachment = (await desk.manager.view_ticket(await desk.staff(), ticket)).messages[0].attachments[0]
    for actor in (
        await as_person(desk, "eve@example.net"),
        Actor(user_id=None, role=Role.REQUESTER, channel="web"),
        Actor(user_id=(await desk.staff()).user_id, role=Role.MANAGER, channel="email", auth=Auth.CLAIMED),
    ):
        for wanted in (ticket, 999_999):
            with pytest.raises(NotFound):
                await desk.manager.view_ticket(actor, wanted)
            with pytest.raises(NotFound):
                await desk.manager.exchange_messages(actor, wanted, "hi")
            with pytest.raises(NotFound):
                await desk.manager.assign_status(actor, wanted, Status.OPEN)
        with pytest.raises(NotFound):
            await desk.manager.attachment(actor, attachment.id)
        assert not (await desk.manager.view_tickets(actor, TicketCriteria(q="A question"))).tickets


async def test_what_requesters_may_do(desk: TestDesk) -> None:
    """Write, resolve and reopen; the rest is staff's, and tried rights change nothing."""
    ticket, _ = await opened(desk)
    ann = await as_person(desk, "ann@example.com")
    manager = desk.manager
    refused: list[Any] = [
        manager.exchange_messages(ann, ticket, "x", visibility=NOTE),
        manager.assign_status(ann, ticket, Status.CLOSED),
        manager.assign_status(ann, ticket, Status.PENDING),
        manager.assign(ann, ticket, "ada"),
        manager.set_priority(ann, ticket, Priority.URGENT),
        manager.merge(ann, ticket, ticket),
        manager.admit(ann, ticket, "eve@example.net"),
        manager.notify_user(ann, ticket, Update("x")),
        manager.analyze_data(ann, Period(desk.clock.now() - timedelta(days=1), desk.clock.now())),
    ]
    for call in refused:
        with pytest.raises(NotAllowed):
            await call
    assert await event_kinds(desk, ticket) == ["opened"]
    assert (await manager.assign_status(ann, ticket, Status.RESOLVED)).status is Status.RESOLVED
    reopened = await manager.assign_status(ann, ticket, Status.OPEN)
    assert (reopened.status, reopened.waiting_since is not None) == (Status.OPEN, True)


async def test_answers_and_notes(desk: TestDesk, store: Store) -> None:
    """A reply opens a new ticket, counts as the first response and goes out; a note does none of that."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    await desk.manager.exchange_messages(ada, ticket, "hm", visibility=NOTE)
    detail = await desk.manager.view_ticket(ada, ticket)
    assert (detail.ticket.status, detail.ticket.first_response_at) == (Status.NEW, None)
    assert detail.ticket.waiting_since is not None
    message = await desk.manager.exchange_messages(ada, ticket, "Try again")
    assert (message.author.staff, message.author.name) == (True, "Ada Lovelace")
    detail = await desk.manager.view_ticket(ada, ticket)
    assert detail.ticket.status is Status.OPEN
    assert detail.ticket.first_response_at is not None
    assert detail.ticket.waiting_since is None
    assert noted(store).count("out email message") == 1
    for empty in ("", "  \n"):
        with pytest.raises(Invalid):
            await desk.manager.exchange_messages(ada, ticket, empty)
    with pytest.raises(Invalid):
        await desk.manager.exchange_messages(ada, ticket, "x" * 200_001)


async def test_pending_by_setting(store: Store) -> None:
    """`after_staff_reply = "pending"`; the requester's words open it again."""
    queue = {"name": "support", "addresses": ["support@example.com"], "after_staff_reply": "pending"}
    desk = await TestDesk.open(store, queue=[queue])
    try:
        ticket, _ = await opened(desk)
        ada = await desk.staff()
        await desk.manager.exchange_messages(ada, ticket, "Try again")
        assert (await desk.manager.view_ticket(ada, ticket)).ticket.status is Status.PENDING
        await desk.write("Still", signed=(ticket,))
        after = (await desk.manager.view_ticket(ada, ticket)).ticket
        assert (after.status, after.waiting_since is not None) == (Status.OPEN, True)
        assert "reopened" not in await event_kinds(desk, ticket), "pending → open is no reopening"
    finally:
        await desk.close()


async def test_the_operator_answers_as_staff(desk: TestDesk, store: Store) -> None:
    """From the terminal, as the system's own user."""
    ticket, _ = await opened(desk)
    message = await desk.manager.exchange_messages(await desk.staff("operator"), ticket, "Hello")
    assert message.author.staff
    assert "out email message" in noted(store)


# -- status, assignee, merge, admit -------------------------------------------------------------------------------


async def test_the_same_status_is_no_event(desk: TestDesk, store: Store) -> None:
    """Nothing is written, nobody is told."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    before = await event_kinds(desk, ticket), store.count("deliveries")
    again = await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    assert again.status is Status.RESOLVED
    assert (await event_kinds(desk, ticket), store.count("deliveries")) == before


async def test_forbidden_moves_are_conflicts(desk: TestDesk) -> None:
    """With what is allowed instead; the ticket stays as it is."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    await desk.manager.assign_status(ada, ticket, Status.CLOSED)
    for status in (Status.NEW, Status.PENDING, Status.RESOLVED):
        with pytest.raises(ForbiddenMove, match="can become: open, closed"):
            await desk.manager.assign_status(ada, ticket, status)
    with pytest.raises(Conflict):
        await desk.manager.assign(ada, ticket, "ada")
    with pytest.raises(NotFound):
        await desk.manager.assign_status(ada, 999_999, Status.OPEN)
    detail = await desk.manager.view_ticket(ada, ticket)
    assert (detail.ticket.status, detail.ticket.assignee) == (Status.CLOSED, None)


async def test_a_reopened_ticket_waits_from_then_on(desk: TestDesk) -> None:
    """What was waited for before it was resolved doesn't count again."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    first = (await desk.manager.view_ticket(ada, ticket)).ticket.waiting_since
    resolved = await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    assert resolved.waiting_since is None
    await desk.write("Still broken", signed=(ticket,))
    again = (await desk.manager.view_ticket(ada, ticket)).ticket
    assert first is not None
    assert again.waiting_since is not None
    assert again.waiting_since > first


async def test_assign(desk: TestDesk, store: Store) -> None:
    """To staff alone; the same one again, or nobody, is told as it is."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    given = await desk.manager.assign(ada, ticket, "grace")
    assert (given.assignee, given.status) == ("grace", Status.OPEN)
    count = store.count("events")
    assert (await desk.manager.assign(ada, ticket, "grace")).assignee == "grace"
    assert store.count("events") == count
    for nobody in ("nobody", "operator", "é"):
        with pytest.raises(NotFound):
            await desk.manager.assign(ada, ticket, nobody)
    assert (await desk.manager.assign(ada, ticket, None)).assignee is None


async def test_merge(desk: TestDesk) -> None:
    """It closes and stays closed; a merged one is merged no further and takes no status; chains are flattened."""
    first, _ = await opened(desk)
    second = (await desk.write("b")).ticket_id or 0
    third = (await desk.write("c")).ticket_id or 0
    ada, ann = await desk.staff(), await as_person(desk, "ann@example.com")
    merged = await desk.manager.merge(ada, first, second)
    assert (merged.status, merged.merged_into) == (Status.CLOSED, second)
    await desk.manager.merge(ada, second, third)
    assert (await desk.manager.view_ticket(ada, first)).ticket.merged_into == third
    for ticket_id, into, refusal in (
        (first, third, Conflict),
        (third, first, Conflict),
        (third, third, Invalid),
        (third, 999_999, NotFound),
    ):
        with pytest.raises(refusal):
            await desk.manager.merge(ada, ticket_id, into)
    for actor in (ada, ann):
        with pytest.raises(Conflict):
            await desk.manager.assign_status(actor, first, Status.OPEN)
    message = await desk.manager.exchange_messages(ann, first, "More")
    assert message.ticket_id == third


async def test_two_merges_at_once_leave_no_circle(desk: TestDesk) -> None:
    """One of them wins, the other is a conflict."""
    first, _ = await opened(desk)
    second = (await desk.write("b")).ticket_id or 0
    ada = await desk.staff()
    results = await asyncio.gather(
        desk.manager.merge(ada, first, second),
        desk.manager.merge(ada, second, first),
        return_exceptions=True,
    )
    assert sorted(type(r).__name__ for r in results) == ["Conflict", "Ticket"]


async def test_words_and_a_merge_at_once(desk: TestDesk, store: Store) -> None:
    """Whatever comes first, the words are in a ticket that isn't merged away, or closed with them in it."""
    ada = await desk.staff()
    for _ in range(3):
        first = (await desk.write("a")).ticket_id or 0
        second = (await desk.write("b", sender=BOB)).ticket_id or 0
        message, _ = await asyncio.gather(
            desk.manager.exchange_messages(ada, first, "answer"), desk.manager.merge(ada, first, second)
        )
        assert message.ticket_id in (first, second)
        assert (await desk.manager.view_ticket(ada, first)).ticket.status is Status.CLOSED


async def test_admit(desk: TestDesk, store: Store) -> None:
    """An outsider's words become visible, they take part from then on; a second time changes nothing."""
    ticket, _ = await opened(desk)
    await desk.write("I'm Ann's boss", sender=EVE, signed=(ticket,))
    ada, eve = await desk.staff(), await as_person(desk, "eve@example.net")
    with pytest.raises(NotFound):
        await desk.manager.view_ticket(eve, ticket)
    await desk.manager.admit(ada, ticket, "Eve@Example.net")
    assert parts(store, ticket)["eve@example.net"] == "cc"
    seen = await desk.manager.view_ticket(eve, ticket)
    assert [m.text for m in seen.messages] == ["Help!", "I'm Ann's boss"]
    assert (await desk.write("Thanks", sender=EVE, signed=(ticket,))).outcome == "joined"
    count = store.count("events")
    await desk.manager.admit(ada, ticket, "eve@example.net")
    assert store.count("events") == count
    with pytest.raises(Invalid):
        await desk.manager.admit(ada, ticket, "nonsense")


async def test_many_at_once_on_one_ticket(desk: TestDesk, store: Store) -> None:
    """Writing, assigning, setting and answering at the same moment: each is done once, none is lost."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    version = store.value("SELECT version FROM tickets WHERE id = :t", t=ticket)
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(desk.manager.exchange_messages(ada, ticket, f"a{i}") for i in range(3)),
            *(desk.manager.receive(mail(f"m{i}", signed=(ticket,))) for i in range(3)),
            desk.manager.assign(ada, ticket, "grace"),
            desk.manager.set_priority(ada, ticket, Priority.HIGH),
        )
    assert store.count("messages", "ticket_id = :t", t=ticket) == 7
    assert store.value("SELECT version FROM tickets WHERE id = :t", t=ticket) == version + 8
    assert store.count("deliveries", "kind = 'message' AND desk = 0") == 3
    heads = store.rows(
        "SELECT lane, ticket_id, COUNT(*) AS n FROM deliveries WHERE due_at IS NOT NULL GROUP BY lane, ticket_id"
    )
    assert {row["n"] for row in heads} == {1}, "one head a lane and ticket"


# -- lists --------------------------------------------------------------------------------------------------------


async def test_lists_go_on_where_they_ended(desk: TestDesk) -> None:
    """Newest activity first, page by page, all of them once, also when several have one moment."""
    ada = await desk.staff()
    ids = [(await desk.write(f"m{i}")).ticket_id for i in range(7)]
    await desk.manager.assign_status(ada, ids[2] or 0, Status.RESOLVED)
    await desk.database.unit(
        lambda tx: tx.run(
            tickets_table.update().where(tickets_table.c.id.in_(ids[3:6])).values(updated_at=desk.clock.now())
        )
    )
    seen: list[int] = []
    cursor = None
    while True:
        page = await desk.manager.view_tickets(ada, TicketCriteria(limit=2, cursor=cursor))
        seen += [t.id for t in page.tickets]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [ids[5], ids[4], ids[3], ids[2], ids[6], ids[1], ids[0]]
    for wrong in ("x", "e30", "AAAA", "é"):
        with pytest.raises(Invalid):
            await desk.manager.view_tickets(ada, TicketCriteria(cursor=wrong))


async def test_the_history_says_from_whom_it_was_taken(desk: TestDesk) -> None:
    ada = await desk.staff()
    ticket = (await desk.write()).ticket_id or 0
    for name in ("ada", "grace", None):
        await desk.manager.assign(ada, ticket, name)
    told = [
        event.data
        for event in (await desk.manager.view_ticket(ada, ticket)).events
        if event.kind == "assigned"
    ]
    assert told == [
        {"from": None, "to": "ada"},
        {"from": "ada", "to": "grace"},
        {"from": "grace", "to": None},
    ]


async def test_lists_by_what_is_asked(desk: TestDesk) -> None:
    """Status, queue, assignee or nobody, requester, number and words; signs of LIKE are plain signs."""
    ada = await desk.staff()
    first = (await desk.write(subject="100% sure")).ticket_id or 0
    second = (await desk.write(subject="Über_Druck", sender=BOB)).ticket_id or 0
    await desk.manager.assign(ada, first, "grace")
    for criteria, expected in (
        (TicketCriteria(status=(Status.NEW,)), [second]),
        (TicketCriteria(status=(Status.NEW, Status.OPEN)), [first, second]),
        (TicketCriteria(queue="support"), [first, second]),
        (TicketCriteria(queue="other"), []),
        (TicketCriteria(assignee="grace"), [first]),
        (TicketCriteria(assignee=""), [second]),
        (TicketCriteria(assignee="nobody-of-ours"), []),
        (TicketCriteria(requester="BOB@example.org"), [second]),
        (TicketCriteria(q="100%"), [first]),
        (TicketCriteria(q="%"), []),
        (TicketCriteria(q="_"), []),
        (TicketCriteria(q=f"#{second}"), [second]),
        (TicketCriteria(q="bob@"), [second]),
        (TicketCriteria(q="\ud800"), []),
        (TicketCriteria(limit=1), [first]),
        (TicketCriteria(limit=-5), [first]),
    ):
        found = await desk.manager.view_tickets(ada, criteria)
        assert [t.id for t in found.tickets] == expected, criteria
