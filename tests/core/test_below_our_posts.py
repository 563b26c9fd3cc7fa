"""What somebody writes below a post of ours that belongs to no ticket: news, a digest. It is a ticket of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core import actions, digests, threads, units
from core.shapes import NewMessage, Outgoing, Receipt, Ref
from core.threads import LinkFact
from tests.core.desk import TestDesk, post, slack_person
from tests.stores import Store

STAFF = [
    {"username": "ada", "email": "ada@example.com"},
    {"username": "ben", "email": "ben@example.com", "slack_user": "UBEN", "role": "manager"},
]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk whose loops run, with a manager whom Slack knows."""
    opened = await TestDesk.open(store, staff=STAFF, digest=[{"name": "daily", "cron": "0 8 * * *"}])
    await opened.courier.start()
    yield opened
    await opened.close()


async def news(desk: TestDesk, store: Store) -> Outgoing:
    """Ben hears that Ann's ticket is his."""
    ticket = (await desk.write("My screen is dark")).ticket_id
    assert ticket is not None
    await desk.manager.assign(await desk.staff(), ticket, "ben")
    await desk.quiet(store)
    [one] = [o for o in desk.slack.sent if o.data.get("what") == "staff_news"]
    return one


async def digest(desk: TestDesk, store: Store) -> Outgoing:
    """Ben gets the digest by direct message."""

    async def unit(tx: Any) -> None:
        await digests.send_now(tx, desk.desk, "daily", [digests.told_in_slack("UBEN")])

    await desk.database.unit(unit)
    await desk.quiet(store)
    return desk.slack.sent[-1]


def below(sent: Outgoing, ts: str, text: str, who: str = "ben") -> NewMessage:
    """Somebody's words in the thread of what was sent."""
    root = f"{1000 + sent.delivery_id}.0"
    sender = slack_person(who, f"{who}@example.com", place=f"T1/UBEN#{root}")
    return post(ts, text, sender=sender, root=root, conversation="UBEN")


async def known(desk: TestDesk, ref: Ref) -> LinkFact | None:
    """What the doors hear of an outside name."""
    return await desk.database.read(lambda tx: actions.linked(tx, ref))


async def words(desk: TestDesk, ticket: int | None) -> list[str]:
    detail = await desk.manager.view_ticket(await desk.staff(), ticket or 0)
    return [("?" if m.outsider else "") + m.text for m in detail.messages]


@pytest.mark.parametrize("sent", [news, digest])
async def test_it_is_a_ticket_of_theirs_and_goes_on_there(desk: TestDesk, store: Store, sent: Any) -> None:
    """All that they write in that thread is one ticket; Ann, whose ticket the news name, gets nothing of it."""
    one = await sent(desk, store)
    mailed, before = len(desk.mail.sent), store.count("tickets")
    receipts: list[Receipt] = [
        await desk.manager.receive(below(one, f"50{n}.0", text)) for n, text in enumerate(("Why?", "Hello?"))
    ]
    await desk.quiet(store)
    assert [r.outcome for r in receipts] == ["opened", "joined"]
    assert receipts[0].ticket_id == receipts[1].ticket_id
    assert store.count("tickets") == before + 1
    assert await words(desk, receipts[0].ticket_id) == ["Why?", "Hello?"]
    assert len(desk.mail.sent) == mailed
    acks = [o.place for o in desk.slack.sent if o.data.get("what") == "ack"]
    assert acks == [f"T1/UBEN#{1000 + one.delivery_id}.0"]


async def test_each_post_has_its_own(desk: TestDesk, store: Store) -> None:
    """What is written below another one is another ticket; somebody else below the first is an outsider there."""
    first, second = await digest(desk, store), await digest(desk, store)
    receipts = [
        await desk.manager.receive(one)
        for one in (
            below(first, "501.0", "Why?"),
            below(second, "502.0", "And this?"),
            below(first, "503.0", "Let me see", "eve"),
        )
    ]
    assert receipts[0].ticket_id != receipts[1].ticket_id
    assert receipts[2].ticket_id == receipts[0].ticket_id
    assert await words(desk, receipts[0].ticket_id) == ["Why?", "?Let me see"]


async def test_what_is_known_of_the_post_is_the_ticket_below_it(desk: TestDesk, store: Store) -> None:
    """The door asks by the post's name whose thread it is: nobody's until somebody has written there."""
    first, second = await digest(desk, store), await digest(desk, store)
    names = [Ref(name := f"slack:T1/UBEN/{1000 + one.delivery_id}.0", name) for one in (first, second)]
    assert [await known(desk, ref) for ref in names] == [None, None]
    receipt = await desk.manager.receive(below(first, "701.0", "Why?"))
    assert receipt.ticket_id is not None
    fact = LinkFact("referenced", receipt.ticket_id, None)
    assert [await known(desk, ref) for ref in names] == [fact, None]
    said = Ref("slack:T1/UBEN/701.0", "slack:T1/UBEN/701.0")
    answer = await known(desk, said)
    assert answer is not None
    assert (answer.kind, answer.ticket_id) == ("received", receipt.ticket_id)


async def test_a_card_is_its_own_tickets(desk: TestDesk, store: Store) -> None:
    """What has a ticket keeps it, whatever is said to be below."""
    ticket = (await desk.write("My screen is dark")).ticket_id
    await desk.quiet(store)
    [name] = [str(row["remote"]) for row in store.rows("SELECT remote FROM links WHERE kind = 'card'")]
    other = (await desk.write("My mouse is dead")).ticket_id
    assert ticket is not None
    assert other is not None

    async def unit(tx: Any) -> None:
        await units.add_links(tx, other, None, [(threads.below(f"slack:{name}"), "referenced", None)])

    await desk.database.unit(unit)
    fact = await known(desk, Ref(f"slack:{name}", f"slack:{name}"))
    assert fact is not None
    assert (fact.kind, fact.ticket_id) == ("card", ticket)


async def test_two_instances_at_once_open_one(desk: TestDesk, store: Store) -> None:
    """Whoever comes second looks again."""
    one = await digest(desk, store)
    receipts = await asyncio.gather(
        *(desk.manager.receive(below(one, f"60{n}.0", f"Line {n}")) for n in range(4))
    )
    assert sorted(r.outcome for r in receipts) == ["joined", "joined", "joined", "opened"]
    assert len({r.ticket_id for r in receipts}) == 1
