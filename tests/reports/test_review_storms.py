"""Review: neither one stalled client nor one busy network holds the desk up or spends its staff's attention."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import inbox
from core.brakes import network_of
from core.evidence import POSTING
from core.failures import NotYet, TooMany
from core.people import mail_person
from core.shapes import NewMessage
from core.status import Ticket
from core.tables import deliveries
from tests.core.desk import ANN, TRIAGE, TestDesk, post, slack_person
from tests.core.received import event_kinds, opened
from tests.interfaces.counter import on_sqlite
from tests.stores import Store

# -- SMTP in flight ------------------------------------------------------------------------------------------------


@on_sqlite
async def test_a_stalled_transaction_holds_nothing_up(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SMTP transaction goes first while it is young; one that stalls doesn't slow every step of the desk's work."""
    monkeypatch.setattr(inbox, "YOUNG", timedelta(milliseconds=80))
    with desk.intake.transaction():
        assert desk.intake.in_flight == 1
        began = time.monotonic()
        async with asyncio.timeout(5):
            await desk.intake.quiet(timedelta(seconds=30))
        assert time.monotonic() - began >= 0.05, "the young one went first"
        assert desk.intake.in_flight == 0
        began = time.monotonic()
        for _ in range(100):
            await desk.intake.quiet(timedelta(seconds=30))
        assert time.monotonic() - began < 1
        with desk.intake.transaction():
            assert desk.intake.in_flight == 1, "a new one goes first again"
        assert desk.intake.in_flight == 0
    assert desk.intake.in_flight == 0, "the stalled one isn't counted down twice"


@on_sqlite
async def test_a_quick_transaction_leaves_no_alarm_behind(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended by itself ends nobody else's turn later."""
    monkeypatch.setattr(inbox, "YOUNG", timedelta(milliseconds=60))
    with desk.intake.transaction():
        pass
    await asyncio.sleep(0.03)
    with desk.intake.transaction():
        await asyncio.sleep(0.04)  # the first one's time is over by now
        assert desk.intake.in_flight == 1


# -- a card that is being posted -----------------------------------------------------------------------------------


async def under_a_card(desk: TestDesk, store: Store, *, seconds: float | None) -> NewMessage:
    """What ada writes under a card whose sending began so long ago (None: nobody noted when)."""
    await opened(desk)
    began = None if seconds is None else desk.clock.now() - timedelta(seconds=seconds)
    card = update(deliveries).where(deliveries.c.kind == "card")
    card = card.values(state="sending", due_at=None, sending_at=began)
    await desk.database.unit(lambda tx: tx.run(card))
    ada = slack_person("ada", "ada@example.com", place=f"T1/{TRIAGE}#1700.1")
    return post("1700.2", "On it", sender=ada, root="1700.1", desk=True)


async def test_what_is_written_under_a_fresh_card_waits(desk: TestDesk, store: Store) -> None:
    """The card's name comes in a moment: what answers it is kept until then."""
    early = await under_a_card(desk, store, seconds=2)
    with pytest.raises(NotYet):
        await desk.manager.receive(early)
    assert timedelta(seconds=10) == POSTING


@pytest.mark.parametrize("seconds", [11, 3600, None])
async def test_a_card_that_hangs_keeps_nobody_waiting(
    desk: TestDesk, store: Store, seconds: float | None
) -> None:
    """Slack doesn't answer for minutes: talk in the triage channel isn't held up, conversation by conversation."""
    late = await under_a_card(desk, store, seconds=seconds)
    receipt = await desk.manager.receive(late)
    assert (receipt.outcome, receipt.because) == ("ignored", "no ticket's thread")


async def test_another_conversations_card_is_no_reason(desk: TestDesk, store: Store) -> None:
    """Only what is posted into the same conversation may be what is answered."""
    fresh = await under_a_card(desk, store, seconds=2)
    elsewhere = post("1700.2", "Lunch?", sender=fresh.sender, root="1700.1", desk=True, conversation="C2")
    assert (await desk.manager.receive(elsewhere)).outcome == "ignored"


# -- reports without a token ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),  # IPv4 at a socket for both kinds
        ("::ffff:203.0.113.10", "203.0.113.10"),
        ("::ffff:127.0.0.1", ""),
        ("127.0.0.1", ""),
        ("127.8.9.10", ""),
        ("::1", ""),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_networks(source: str, network: str) -> None:
    """IPv4 by address, IPv6 by the /64 that one customer has, loopback not at all."""
    assert network_of(source) == network


async def test_reports_are_braked_by_network(store: Store) -> None:
    """So many an hour and network; another network, an earlier report's key and loopback go on; nothing half done
    stays of one that was refused."""
    desk = await TestDesk.open(store, brakes={"reports_per_source": 2})
    try:

        async def report(source: str, key: str | None = None) -> Ticket:
            return await desk.manager.report(ANN, "Printer", "It burns.", source=source, key=key)

        first = await report("2001:db8::1", key="k")
        await report("2001:db8::2")
        for source in ("2001:db8::1", "2001:db8::ffff"):
            with pytest.raises(TooMany, match="too many reports"):
                await report(source)
        assert store.count("tickets") == 2
        assert (await report("2001:db8::1", key="k")).id == first.id, "a repeated request finds its report"
        await report("2001:db8:0:1::1")
        for _ in range(4):
            await report("127.0.0.1")
        assert store.count("tickets") == 7
        desk.clock.offset += timedelta(hours=1)
        await report("2001:db8::1")
        assert store.count("tickets") == 8
    finally:
        await desk.close()


async def test_the_brake_is_for_strangers_alone(store: Store) -> None:
    """Who shows a token isn't braked by the network they share."""
    desk = await TestDesk.open(store, brakes={"reports_per_source": 0})
    try:
        with pytest.raises(TooMany):
            await desk.manager.report(ANN, "t", "d", source="203.0.113.9")
        ada = await desk.staff()
        assert (await desk.manager.create_ticket(ada, "t", "d", requester=ANN)).id
    finally:
        await desk.close()


# -- confirmations -------------------------------------------------------------------------------------------------


def mailed(store: Store) -> list[str]:
    """The tokens that were mailed, in order."""
    rows = store.rows("SELECT data FROM deliveries WHERE data LIKE '%/confirm/%' ORDER BY id")
    return [row["data"].split("/confirm/")[1].split('"')[0] for row in rows]


async def test_a_confirmation_works_once_and_for_its_report_alone(desk: TestDesk, store: Store) -> None:
    """Anybody can report under an address: following one link vouches for that report, not for others' words."""
    mine = await desk.manager.report(ANN, "Mine", "d")
    foreign = await desk.manager.report(ANN, "Somebody else's", "d")
    (token,) = mailed(store)
    confirmed = await desk.manager.confirm(token)
    assert confirmed is not None
    assert (confirmed.id, confirmed.unconfirmed) == (mine.id, False)
    assert store.rows("SELECT id FROM tickets WHERE unconfirmed = 1") == [{"id": foreign.id}]
    assert store.count("deliveries", "state = 'held' AND ticket_id = :t", t=mine.id) == 0
    assert store.count("deliveries", "state = 'held' AND ticket_id = :t", t=foreign.id) == 1
    assert await desk.manager.confirm(token) is None
    assert (await event_kinds(desk, mine.id)).count("confirmed") == 1
    assert "confirmed" not in await event_kinds(desk, foreign.id)


async def test_two_clicks_at_once_confirm_once(desk: TestDesk, store: Store) -> None:
    """A double click is one confirmation."""
    ticket = await desk.manager.report(ANN, "Mine", "d")
    (token,) = mailed(store)
    answers = await asyncio.gather(*(desk.manager.confirm(token) for _ in range(4)))
    assert sum(answer is not None for answer in answers) == 1
    assert (await event_kinds(desk, ticket.id)).count("confirmed") == 1


async def test_one_link_at_a_time(desk: TestDesk, store: Store) -> None:
    """No second mail while one waits to be followed, from whatever network; a new one after it was followed, or a
    day later; somebody else's waits for nothing."""
    await desk.manager.report(ANN, "t1", "d", source="203.0.113.1")
    await desk.manager.report(ANN, "t2", "d", source="203.0.113.2")
    assert len(mailed(store)) == 1
    await desk.manager.report(mail_person("bob@example.org"), "t", "d", source="203.0.113.2")
    assert len(mailed(store)) == 2
    await desk.manager.confirm(mailed(store)[0])
    third = await desk.manager.report(ANN, "t3", "d", source="203.0.113.1")
    assert len(mailed(store)) == 3
    confirmed = await desk.manager.confirm(mailed(store)[2])
    assert confirmed is not None
    assert confirmed.id == third.id
    await desk.manager.report(ANN, "t4", "d")
    await desk.manager.report(ANN, "t5", "d")
    assert len(mailed(store)) == 4
    desk.clock.offset += timedelta(days=1, minutes=1)
    await desk.manager.report(ANN, "t6", "d")
    assert len(mailed(store)) == 5


async def test_following_links_asks_for_no_more_than_a_few(store: Store) -> None:
    """Followed or not, an address gets only so many of these mails a day."""
    desk = await TestDesk.open(store, brakes={"confirmations_per_address": 2})
    try:
        for number in range(4):
            await desk.manager.report(ANN, f"t{number}", "d")
            await desk.manager.confirm(mailed(store)[-1])
        assert len(mailed(store)) == 2
    finally:
        await desk.close()
