"""Tags: put on and taken off by commands, shown on the card, counted by the figures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.database import Tx
from core.failures import Invalid
from core.outgoing import load
from core.shapes import Outgoing
from core.tables import deliveries
from core.tagging import MOST, tag_of
from core.views import Period
from tests.core.commands import DAN, dans_ticket, events_of, lines, pressed, to_requesters, typed, whispers
from tests.core.desk import TestDesk
from tests.stores import Store


def tags(store: Store, ticket: int) -> list[str]:
    """A ticket's tags."""
    return [
        row["tag"] for row in store.rows("SELECT tag FROM tags WHERE ticket_id = :t ORDER BY tag", t=ticket)
    ]


@pytest.mark.parametrize(
    ("word", "tag"), [("VPN", "vpn"), ("#on-call_2", "on-call_2"), ("Größe", "größe"), ("a" * 40, "a" * 40)]
)
def test_what_is_a_tag(word: str, tag: str) -> None:
    """Lower case, of any letters, with or without a #."""
    assert tag_of(word) == tag


@pytest.mark.parametrize("word", ["", "#", "a" * 41, "a,b", "a.b", "<@U1>", "##a", "a b"])
def test_what_is_none(word: str) -> None:
    """Anything else is refused."""
    with pytest.raises(Invalid):
        tag_of(word)


async def test_on_and_off(desk: TestDesk, store: Store) -> None:
    """Several at once; each is an event for staff alone and a line in the thread; the requester hears nothing."""
    ticket = await dans_ticket(desk)
    before = to_requesters(store, ticket)
    await typed(desk, ticket, "tag", "VPN", "hardware", "vpn")
    await typed(desk, ticket, "untag", "hardware")
    assert tags(store, ticket) == ["vpn"]
    assert (await events_of(desk, ticket))[-3:] == [
        ("tagged", {"tag": "vpn"}),
        ("tagged", {"tag": "hardware"}),
        ("untagged", {"tag": "hardware"}),
    ]
    assert store.count("events", "kind IN ('tagged', 'untagged') AND public = 1") == 0
    assert to_requesters(store, ticket) == before
    await pressed(desk, ticket, "tag", "spare", "new")
    assert lines(store, ticket)[-1] == "Ada Lovelace tagged this: spare, new"


async def test_what_changes_nothing(desk: TestDesk, store: Store) -> None:
    """A tag that is there, one that isn't, words that are none, and requesters."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "tag", "vpn")
    history = await events_of(desk, ticket)
    await typed(desk, ticket, "tag", "vpn")
    await typed(desk, ticket, "untag", "vnp")
    assert whispers(store)[-1] == "this ticket isn't tagged vnp; its tags: vpn"
    await typed(desk, ticket, "tag", "fine", "not,fine")
    assert "'not,fine' is none" in whispers(store)[-1]
    await pressed(desk, ticket, "untag", "vpn", sender=DAN)
    await typed(desk, ticket, "tag")
    assert whispers(store)[-1] == "Its tags: vpn"
    await typed(desk, ticket, "untag")
    assert whispers(store)[-1] == "write it like: !untag name"
    assert (tags(store, ticket), await events_of(desk, ticket)) == (["vpn"], history)


async def test_at_most_twenty(desk: TestDesk, store: Store) -> None:
    """The twentieth is taken, one more isn't."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "tag", *(f"t{n}" for n in range(MOST)))
    await typed(desk, ticket, "tag", "more")
    assert whispers(store)[-1] == "a ticket has at most 20 tags; this one has 20"
    assert len(tags(store, ticket)) == MOST


async def test_on_the_card(desk: TestDesk) -> None:
    """The card gets them as they are when it is sent."""
    ticket = await dans_ticket(desk)
    query = select(deliveries).where(deliveries.c.ticket_id == ticket, deliveries.c.kind == "card").limit(1)

    async def card(tx: Tx) -> Outgoing:
        row = await tx.first(query)
        assert row is not None
        return await load(tx, row)

    assert (await desk.database.read(card)).tags == ()
    await typed(desk, ticket, "tag", "vpn", "hardware")
    assert (await desk.database.read(card)).tags == ("hardware", "vpn")


async def test_in_the_figures(desk: TestDesk) -> None:
    """A ticket counts under each of its tags, whenever it got them."""
    one, other = await dans_ticket(desk), await dans_ticket(desk)
    await typed(desk, one, "resolve")
    await typed(desk, one, "tag", "vpn", "slow")
    await typed(desk, other, "tag", "vpn")
    now = desk.clock.now()
    figures = await desk.manager.analyze_data(
        await desk.staff(), Period(now - timedelta(hours=1), now + timedelta(minutes=1))
    )
    assert [(g.name, g.came_in, g.resolved) for g in figures.by_tag] == [("vpn", 2, 1), ("slow", 1, 1)]
