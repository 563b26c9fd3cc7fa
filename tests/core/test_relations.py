"""Tickets that are linked, merged, or said to belong together by their requester."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from core.shapes import File, Visibility
from core.status import Status
from tests.core.commands import (
    ADA,
    DAN,
    EVE,
    KIM,
    dans_ticket,
    events_of,
    lines,
    pressed,
    ticket_of,
    to_requesters,
    typed,
    whispers,
)
from tests.core.desk import TestDesk, post
from tests.core.received import texts
from tests.stores import Store

# -- links ----------------------------------------------------------------------------------------------------------


async def test_a_link_both_ways_once(desk: TestDesk, store: Store) -> None:
    """An event and a line in both; again, or from the other side, is nothing more."""
    one, other = await dans_ticket(desk, "One"), await dans_ticket(desk, "Other")
    await typed(desk, one, "link", f"#{other}")
    await typed(desk, one, "link", str(other))
    await typed(desk, other, "link", str(one))
    for this, that, title in ((one, other, "Other"), (other, one, "One")):
        related = [data["ticket"] for kind, data in await events_of(desk, this) if kind == "related"]
        assert related == [that]
        assert lines(store, this) == [f"Ada Lovelace linked this with #{that}: {title}"]
        assert to_requesters(store, this) == ["notice:ack"]


async def test_links_by_two_at_once(desk: TestDesk, store: Store) -> None:
    """From both sides at the same moment: no deadlock, one link."""
    one, other = await dans_ticket(desk), await dans_ticket(desk)
    pairs = [(one, other), (other, one)] * 3
    await asyncio.gather(*(typed(desk, a, "link", str(b)) for a, b in pairs))
    assert store.count("events", "kind = 'related'") == 2


@pytest.mark.parametrize(
    ("word", "says"), [("", "write it like"), ("4711", "no ticket 4711"), ("x", "write it like")]
)
async def test_links_to_nothing(desk: TestDesk, store: Store, word: str, says: str) -> None:
    """Refused; so is a ticket with itself."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "link", word)
    assert says in whispers(store)[-1]
    await typed(desk, ticket, "link", str(ticket))
    assert "with itself" in whispers(store)[-1]
    assert store.count("events", "kind = 'related'") == 0


# -- belongs --------------------------------------------------------------------------------------------------------


def carried(store: Store, ticket: int) -> list[tuple[str, int]]:
    """What of other tickets is shown in a ticket's thread: kind and message."""
    sql = (
        "SELECT d.kind, d.message_id FROM deliveries d JOIN messages m ON m.id = d.message_id"
        " WHERE d.ticket_id = :t AND m.ticket_id <> :t AND d.desk = 1 ORDER BY d.seq, d.id"
    )
    return [(row["kind"], row["message_id"]) for row in store.rows(sql, t=ticket)]


async def test_it_belongs_to_another(desk: TestDesk, store: Store) -> None:
    """Merged; its requester's words and files are shown in the other's thread, in order, once."""
    old = await dans_ticket(desk, "My screen is dark")
    new = await dans_ticket(desk, "And the keyboard too")
    conversation = store.value("SELECT place FROM participants WHERE ticket_id = :t", t=new)
    channel = conversation.partition("#")[0].rpartition("/")[2]
    file = File(name="dark.png", content_type="image/png", size=3, content=b"abc")
    await desk.manager.receive(
        post("3.0", "see", sender=DAN, root="1.0", conversation=channel, files=(file,))
    )
    await desk.manager.exchange_messages(await desk.staff(), new, "Hm", visibility=Visibility.NOTE)
    await desk.manager.exchange_messages(await desk.staff(), new, "Which one?")
    for _ in range(2):
        await pressed(desk, new, "belongs", str(old), sender=DAN)
    merged = await ticket_of(desk, new)
    assert (merged.status, merged.merged_into) == (Status.CLOSED, old)
    theirs = [
        row["id"]
        for row in store.rows(
            "SELECT id FROM messages WHERE ticket_id = :t AND author_staff = 0 ORDER BY seq", t=new
        )
    ]
    assert carried(store, old) == [("message", theirs[0]), ("message", theirs[1]), ("file", theirs[1])]
    assert lines(store, old) == [f"Dan: #{new} was merged into this one."]
    assert whispers(store)[-2] == whispers(store)[-1]
    assert whispers(store)[-1].startswith(f"This is a part of #{old} now: My screen is dark.")
    assert to_requesters(store, old) == ["notice:ack"]


async def test_what_follows_joins_the_other(desk: TestDesk, store: Store) -> None:
    """Written in the new one's thread afterwards: a message of the old one, shown in its thread."""
    old, new = await dans_ticket(desk), await dans_ticket(desk)
    await pressed(desk, new, "belongs", str(old), sender=DAN)
    place = store.value("SELECT place FROM participants WHERE ticket_id = :t", t=new)
    channel = place.partition("#")[0].rpartition("/")[2]
    receipt = await desk.manager.receive(
        post("5.0", "Still dark", sender=DAN, root="1.0", conversation=channel)
    )
    assert (receipt.outcome, receipt.ticket_id) == ("joined", old)
    assert (await texts(desk, old))[-1] == "Still dark"


@pytest.mark.parametrize("state", ["pending", "resolved", "closed"])
async def test_it_counts_as_written_there(desk: TestDesk, store: Store, state: str) -> None:
    """The other one waits for staff again, whatever it was; a snooze of it is over."""
    old, new = await dans_ticket(desk), await dans_ticket(desk)
    await typed(desk, old, "status", state)
    if state == "pending":
        await typed(desk, old, "snooze", "2d")
    await pressed(desk, new, "belongs", str(old), sender=DAN)
    after = await ticket_of(desk, old)
    assert (after.status, after.snoozed_until) == (Status.OPEN, None)
    assert after.waiting_since is not None
    assert ("Dan wrote, so the snooze is over." in lines(store, old)) is (state == "pending")


async def test_what_cannot_belong(desk: TestDesk, store: Store) -> None:
    """Somebody else's, itself, none at all, one that was closed too long ago: it stays a ticket of its own."""
    kims = await dans_ticket(desk, "Mine", sender=KIM)
    old, new = await dans_ticket(desk), await dans_ticket(desk)
    await typed(desk, old, "close")
    desk.clock.offset = timedelta(days=15)
    for into, says in (
        (str(kims), "isn't a ticket of yours"),
        ("4711", "isn't a ticket of yours"),
        (str(new), "part of itself"),
        ("", "write it like"),
        (str(old), "stays a ticket of its own"),
    ):
        await pressed(desk, new, "belongs", into, sender=DAN)
        assert says in whispers(store)[-1]
    for person in (ADA, KIM, EVE):
        await pressed(desk, new, "belongs", str(old), sender=person)
        assert "Only the requester" in whispers(store)[-1]
    assert (await ticket_of(desk, new)).merged_into is None
    assert carried(store, old) == []


async def test_the_other_was_merged_itself(desk: TestDesk, store: Store) -> None:
    """It belongs to what that one is a part of; one that went elsewhere already stays there."""
    first, second, third = [await dans_ticket(desk) for _ in range(3)]
    await typed(desk, second, "merge", str(first))
    await pressed(desk, third, "belongs", str(second), sender=DAN)
    assert (await ticket_of(desk, third)).merged_into == first
    await pressed(desk, first, "belongs", str(second), sender=DAN)
    assert whispers(store)[-1] == "they are one ticket already"
    assert (await ticket_of(desk, first)).merged_into is None
    fourth = await dans_ticket(desk)
    await pressed(desk, third, "belongs", str(fourth), sender=DAN)
    assert "is merged into" in whispers(store)[-1]


async def test_it_belongs_only_once_whoever_clicks_how_often(desk: TestDesk, store: Store) -> None:
    """Impatient clicks at the same moment: one merge, each word shown once."""
    old, new = await dans_ticket(desk), await dans_ticket(desk)
    await asyncio.gather(*(pressed(desk, new, "belongs", str(old), sender=DAN) for _ in range(5)))
    assert store.count("events", "kind = 'merged_active'") == 1
    assert len(carried(store, old)) == 1
