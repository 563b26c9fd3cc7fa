"""Promise 2. Once: the same thing twice is one, two different things are never one, and nothing goes out twice."""

from __future__ import annotations

import asyncio

from tests.conftest import Houses
from tests.house import House
from tests.writing import mail


async def test_the_same_mail_at_once_at_two_instances_is_one(houses: Houses) -> None:
    """A sender that got no answer repeats; here both copies arrive together, at two instances."""
    first = await houses()
    second = await houses(slack=False, queue=first._settings["queue"])
    raw = mail("Ann <ann@customer.example>", ["support@example.com"], "Once", "Please.").as_bytes()
    answers = await asyncio.gather(
        *(h.send_mail("ann@customer.example", raw=raw) for h in (first, second, first, second))
    )
    assert all(answer.accepted for answer in answers)
    await first.send_mail("bob@customer.example", subject="Another")
    async with asyncio.timeout(20):
        while first.store.count("inbox", "state = 'new'") or first.store.count("tickets") < 2:
            await asyncio.sleep(0.05)
    assert first.store.count("inbox", "channel = 'email'") == 2
    assert sorted(r["title"] for r in first.store.rows("SELECT title FROM tickets")) == ["Another", "Once"]


async def test_different_mails_under_one_message_id_are_both_kept(house: House) -> None:
    """Some senders use one Message-ID for different mails; each is its own ticket."""
    for text in ("Your parcel 1", "Your parcel 2"):
        headers = {"Message-ID": "<same@shop.example>", "Date": "Tue, 24 Nov 2026 10:00:00 +0000"}
        sent = await house.send_mail("shop@shop.example", subject="Parcel", text=text, headers=headers)
        assert sent.accepted
    await house.logged("work_one", outcome="opened", times=2)
    texts = {row["description"].strip() for row in house.store.rows("SELECT description FROM tickets")}
    assert texts == {"Your parcel 1", "Your parcel 2"}


async def test_slack_repeats_its_events(house: House) -> None:
    """Each event is delivered four times; every message is there once."""
    box = house.box
    assert box is not None
    box.workspace.faults.duplicate_events = 3
    root = await box.workspace.user("bob").dm("Once, please")
    await box.workspace.user("bob").dm("and this", thread_ts=root)
    await house.logged("work_one", outcome="joined", timeout=15)
    await house.logged("delivered", kind="card")
    await box.workspace.settled()
    assert house.store.count("tickets") == 1
    assert house.store.count("messages") == 2
    assert len(box.workspace.channel("triage").top) == 1


async def test_a_lost_answer_of_slack_posts_once(house: House) -> None:
    """Slack took the card and the connection broke before it said so: it is looked up, not posted again."""
    box = house.box
    assert box is not None
    box.workspace.faults.drop_answer("chat.postMessage", times=1)
    await house.send_mail(subject="Lost answer")
    await house.logged("delivered", kind="card", timeout=40)
    assert (
        len([m for m in box.workspace.channel("triage").top if "Lost answer" in str(m.blocks) + m.text]) == 1
    )


async def test_a_lost_answer_of_the_relay_repeats_the_same_mail(house: House) -> None:
    """The relay took the mail and hung up: it is sent again byte for byte, under the same Message-ID."""
    box = house.box
    assert box is not None
    box.mailbox.drop_after_accept(times=1)
    await house.send_mail("Ann <ann@customer.example>", subject="Hung up")
    await box.mailbox.wait_for(lambda _: len(box.mailbox.to("ann@customer.example")) >= 2, timeout=30)
    first, second = box.mailbox.to("ann@customer.example")[:2]
    assert first.raw == second.raw
    await house.logged("delivered", kind="notice")
    assert house.store.count("deliveries", "channel = 'email' AND state = 'sent'") == 1
