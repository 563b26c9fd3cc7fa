"""Tickets go on elsewhere: in another queue, or in their queue's new triage channel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from core.jobs import Jobs
from core.moving import move_cards
from core.shapes import Visibility
from core.status import Status
from tests.core.commands import (
    ADA,
    DAN,
    dans_ticket,
    events_of,
    hang_card,
    lines,
    root_of,
    ticket_of,
    to_requesters,
    typed,
    whispers,
)
from tests.core.desk import TRIAGE, TestDesk, post
from tests.stores import Store

QUEUES: list[dict[str, Any]] = [
    {"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE},
    {"name": "billing", "addresses": ["billing@example.com"], "slack_channel": "C2"},
    {"name": "sales", "addresses": ["sales@example.com"], "slack_channel": TRIAGE},
    {"name": "post", "addresses": ["post@example.com"], "notify": ["email"]},
    {"name": "silent", "addresses": ["silent@example.com"], "notify": []},
]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """Queues with and without triage channels."""
    opened = await TestDesk.open(store, queue=QUEUES)
    yield opened
    await opened.close()


def desks(store: Store, ticket: int, since: int = 0) -> list[tuple[str, str, Any]]:
    """What the desk gets of a ticket: place, kind, and what a notice is."""
    sql = "SELECT * FROM deliveries WHERE ticket_id = :t AND desk = 1 AND id > :s ORDER BY seq, id"
    return [
        (row["place"], row["kind"], json.loads(row["data"]).get("what"))
        for row in store.rows(sql, t=ticket, s=since)
    ]


def last_id(store: Store) -> int:
    return int(store.value("SELECT MAX(id) FROM deliveries") or 0)


def sent(store: Store) -> None:
    """All that waited has gone."""
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL WHERE state = 'queued'")


# -- another queue --------------------------------------------------------------------------------------------------


async def test_to_a_queue_with_a_channel(desk: TestDesk, store: Store) -> None:
    """A card there with what was said, the old card updated with a pointer below it; the requester hears nothing."""
    ticket = await dans_ticket(desk)
    await desk.manager.exchange_messages(await desk.staff(), ticket, "hm", visibility=Visibility.NOTE)
    await desk.manager.exchange_messages(await desk.staff(), ticket, "Which one?")
    before = await ticket_of(desk, ticket)
    sent(store)
    mark = last_id(store)
    await typed(desk, ticket, "queue", "Billing")
    after = await ticket_of(desk, ticket)
    assert (after.queue, after.status, after.waiting_since) == (
        "billing",
        before.status,
        before.waiting_since,
    )
    assert desks(store, ticket, mark) == [
        ("C2", "card", None),
        ("C2", "notice", "line"),
        ("C2", "message", None),
        ("C2", "message", None),
        (TRIAGE, "card", None),
        (TRIAGE, "notice", "moved"),
        (f"T1/{TRIAGE}", "mark", None),
    ]
    pointer = json.loads(
        store.value("SELECT data FROM deliveries WHERE data LIKE '%moved%' AND data LIKE '%channel%'")
    )
    assert pointer == {"what": "moved", "channel": "C2", "queue": "billing"}
    assert lines(store, ticket, "C2") == ["Ada Lovelace moved this from support to billing."]
    assert store.count("deliveries", "desk = 0 AND id > :m", m=mark) == 0
    assert after.public_updated_at == before.public_updated_at


async def test_a_long_opening_is_shown_there(desk: TestDesk, store: Store) -> None:
    """What doesn't fit on the card comes below it, as with a new ticket."""
    ticket = await dans_ticket(desk, "word " * 200)
    mark = last_id(store)
    await typed(desk, ticket, "queue", "billing")
    assert desks(store, ticket, mark)[:2] == [("C2", "card", None), ("C2", "message", None)]


async def test_there_and_back(desk: TestDesk, store: Store) -> None:
    """Nothing is shown twice in a thread where it stands already: written there, or posted there before."""
    ticket = await dans_ticket(desk)
    await desk.manager.receive(post("7001.0", "Typed there", sender=ADA, root=root_of(ticket), desk=True))
    await desk.manager.exchange_messages(await desk.staff(), ticket, "From the page")
    await typed(desk, ticket, "queue", "billing")
    sent(store)
    mark = last_id(store)
    await typed(desk, ticket, "queue", "support")
    back = [(place, kind) for place, kind, _ in desks(store, ticket, mark)]
    assert (TRIAGE, "message") not in back
    assert back[:2] == [(TRIAGE, "card"), (TRIAGE, "notice")]
    assert ("C2", "notice") in back


async def test_to_the_same_queue_or_none(desk: TestDesk, store: Store) -> None:
    """The one it is in changes nothing; an unknown one is named with the nearest; without a name it says how."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "queue", "support")
    assert [kind for kind, _ in await events_of(desk, ticket)] == ["opened"]
    for words, says in (
        (("biling",), "did you mean billing?; there is: support, billing, sales, post, silent"),
        (("xyzzy",), "there is no queue 'xyzzy'; there is"),
        ((), "write it like"),
    ):
        await typed(desk, ticket, "queue", *words)
        assert says in whispers(store)[-1]
    assert (await ticket_of(desk, ticket)).queue == "support"


async def test_to_a_queue_that_is_told_by_mail(desk: TestDesk, store: Store) -> None:
    """Its people get the mail of a new ticket; the old thread says where it went."""
    ticket = await dans_ticket(desk)
    mark = last_id(store)
    await typed(desk, ticket, "queue", "post")
    told = desks(store, ticket, mark)
    assert ("grace@example.com", "notice", "staff_new") in told
    assert not [one for one in told if one[0] == "ada@example.com"], "she did it herself"
    assert lines(store, ticket) == ["Ada Lovelace moved this from support to post. It goes on there."]
    await typed(desk, ticket, "queue", "silent")
    assert (await ticket_of(desk, ticket)).queue == "silent"


async def test_to_a_queue_with_the_same_channel(desk: TestDesk, store: Store) -> None:
    """One thread stays one thread: the card shows it, a line says it."""
    ticket = await dans_ticket(desk)
    sent(store)
    mark = last_id(store)
    await typed(desk, ticket, "queue", "sales")
    told = desks(store, ticket, mark)
    assert [one for one in told if one[1] != "mark"] == [(TRIAGE, "card", None), (TRIAGE, "notice", "line")]


async def test_below_the_old_card(desk: TestDesk, store: Store) -> None:
    """What staff write there goes to the requester all the same, and is shown in the new thread."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "queue", "billing")
    mark = last_id(store)
    await desk.manager.receive(post("7001.0", "Try this", sender=ADA, root=root_of(ticket), desk=True))
    assert ("C2", "message", None) in desks(store, ticket, mark)
    assert "message" in to_requesters(store, ticket)
    await typed(desk, ticket, "priority", "high")
    assert lines(store, ticket, "C2")[-1] == "Ada Lovelace set the priority to high."


async def test_an_answer_finds_it_in_its_new_queue(desk: TestDesk, store: Store) -> None:
    """The requester's mail to the old address joins the ticket, and a mail to the new one does."""
    receipt = await desk.write(mail_id="one@client.example")
    ticket = receipt.ticket_id or 0
    await hang_card(desk, ticket)
    await typed(desk, ticket, "queue", "billing")
    for queue in ("support", "billing"):
        joined = await desk.write("More", queue=queue, tagged=ticket)
        assert (joined.outcome, joined.ticket_id) == ("joined", ticket)


async def test_one_that_has_ended(desk: TestDesk, store: Store) -> None:
    """Moves too, and counts in nobody's backlog; in a merged one's thread the other one is meant."""
    ticket, other = await dans_ticket(desk), await dans_ticket(desk)
    await typed(desk, ticket, "resolve")
    await typed(desk, ticket, "queue", "billing")
    assert [kind for kind, _ in await events_of(desk, ticket)][-2:] == ["moved", "moved"]
    await typed(desk, other, "merge", str(ticket))
    await typed(desk, other, "queue", "billing")
    assert f"on #{ticket}, into which this was merged" in whispers(store)[-1]


# -- another channel ------------------------------------------------------------------------------------------------


def settings(store: Store) -> dict[str, Any]:
    rows = store.rows("SELECT * FROM settings WHERE scope = 'slack.triage'")
    return {row["key"]: json.loads(row["value"]) for row in rows}


async def turns(desk: TestDesk) -> int:
    """Run the job until it says that there's no more; how many turns that took."""
    n = 1
    while await move_cards(Jobs(desk.desk, desk.database, desk.blobs)):
        n += 1
    return n


async def reopened(store: Store, channel: str, **more: Any) -> TestDesk:
    """The service starts again, its support queue with this channel."""
    queues = [{**QUEUES[0], "slack_channel": channel}]
    return await TestDesk.open(store, queue=queues, **more)


async def test_the_first_start_only_notes_it(store: Store) -> None:
    """No card is moved; a queue without a channel isn't noted."""
    desk = await TestDesk.open(store, queue=QUEUES)
    try:
        ticket = await dans_ticket(desk)
        mark = last_id(store)
        await turns(desk)
        await turns(desk)
        assert settings(store) == {"support": TRIAGE, "billing": "C2", "sales": TRIAGE}
        assert desks(store, ticket, mark) == []
    finally:
        await desk.close()


async def _before(store: Store, tickets: int) -> list[int]:
    """Tickets of the time when the channel was another one; the last of them is closed."""
    desk = await reopened(store, TRIAGE)
    try:
        await turns(desk)
        made = [await dans_ticket(desk, f"Ticket {i}") for i in range(tickets)]
        await typed(desk, made[-1], "close")
        sent(store)
        return made
    finally:
        await desk.close()


async def test_open_tickets_get_a_card_in_the_new_channel(store: Store) -> None:
    """Each open one a card there, and below the old one a line that points to it; in batches, once."""
    made = await _before(store, 6)
    desk = await reopened(store, "C9", scheduler={"batch": 2})
    try:
        mark = last_id(store)
        assert await turns(desk) == 3
        assert settings(store) == {"support": "C9"}
        for ticket in made[:-1]:
            assert desks(store, ticket, mark) == [
                ("C9", "card", None),
                (TRIAGE, "card", None),
                (TRIAGE, "notice", "moved"),
            ]
        assert desks(store, made[-1], mark) == [], "it is closed"
        assert store.count("deliveries", "desk = 0 AND id > :m", m=mark) == 0
        await turns(desk)
        assert store.count("deliveries", "id > :m", m=mark) == 15
    finally:
        await desk.close()


async def test_killed_in_the_middle_and_by_several_at_once(store: Store) -> None:
    """What the first did is found by whoever goes on; none is moved twice."""
    made = await _before(store, 6)
    desk = await reopened(store, "C9", scheduler={"batch": 2})
    try:
        mark = last_id(store)
        jobs = Jobs(desk.desk, desk.database, desk.blobs)
        await move_cards(jobs)
        cursor = store.value("SELECT value FROM settings WHERE scope = 'slack.moving'")
        assert json.loads(cursor)["after"] == made[1]
        assert settings(store) == {"support": TRIAGE}, "not before all have moved"
        back = {**json.loads(cursor), "after": 0}  # killed before the cursor was written
        store.execute("UPDATE settings SET value = :v WHERE scope = 'slack.moving'", v=json.dumps(back))
        await asyncio.gather(*(turns(desk) for _ in range(3)))
        for ticket in made[:-1]:
            assert len(desks(store, ticket, mark)) == 3
        assert settings(store) == {"support": "C9"}
    finally:
        await desk.close()


async def test_what_happened_before_the_job_came(store: Store) -> None:
    """A ticket whose card went to the new channel by itself still gets its pointer."""
    made = await _before(store, 2)
    desk = await reopened(store, "C9")
    try:
        mark = last_id(store)
        await desk.manager.set_priority(await desk.staff(), made[0], "high")  # type: ignore[arg-type]
        assert ("C9", "card", None) in desks(store, made[0], mark)
        await turns(desk)
        told = desks(store, made[0], mark)
        assert told.count(("C9", "card", None)) == 1
        assert told.count((TRIAGE, "notice", "moved")) == 1
    finally:
        await desk.close()


async def test_and_back_again(store: Store) -> None:
    """Back in the first channel: its card shows the present, the other one points back."""
    made = await _before(store, 2)
    for channel, left in (("C9", TRIAGE), (TRIAGE, "C9")):
        desk = await reopened(store, channel)
        try:
            mark = last_id(store)
            await turns(desk)
            sent(store)
            assert desks(store, made[0], mark) == [
                (channel, "card", None),
                (left, "card", None),
                (left, "notice", "moved"),
            ]
        finally:
            await desk.close()


async def test_an_instance_with_the_old_configuration_runs_on(store: Store) -> None:
    """It doesn't move the cards back, however often it looks."""
    made = await _before(store, 2)
    old = await reopened(store, TRIAGE)
    new = await reopened(store, "C9")
    try:
        await turns(old)
        await turns(new)
        mark = last_id(store)
        for _ in range(3):
            await turns(old)
            await turns(new)
        assert desks(store, made[0], mark) == []
        assert settings(store) == {"support": "C9"}
    finally:
        await old.close()
        await new.close()


async def test_a_ticket_of_another_state_is_left_alone(store: Store) -> None:
    """Resolved meanwhile, or moved to another queue."""
    made = await _before(store, 3)
    desk = await reopened(store, "C9")
    try:
        await desk.manager.assign_status(await desk.staff(), made[0], Status.RESOLVED)
        sent(store)
        mark = last_id(store)
        await turns(desk)
        assert desks(store, made[0], mark) == []
        assert len(desks(store, made[1], mark)) == 3
        assert desk.clock.began <= desk.clock.now() + timedelta(seconds=1)
    finally:
        await desk.close()


async def test_the_new_card_is_where_staff_write(store: Store) -> None:
    """The courier hangs it, and what is written below it goes to the requester."""
    made = await _before(store, 2)
    desk = await reopened(store, "C9")
    try:
        await turns(desk)
        await desk.courier.start()
        await desk.quiet(store)
        await desk.courier.stop(timedelta(seconds=2))
        remote = store.value("SELECT remote FROM links WHERE kind = 'card' AND remote LIKE 'T1/C9/%'")
        root = remote.rpartition("/")[2]
        answer = post("9001.0", "Here now", sender=ADA, root=root, desk=True, conversation="C9")
        receipt = await desk.manager.receive(answer)
        assert (receipt.outcome, receipt.ticket_id) == ("joined", made[0])
        assert "message" in to_requesters(store, made[0])
        assert DAN.address == "T1/UDAN"
    finally:
        await desk.close()
