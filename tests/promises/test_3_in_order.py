"""Promise 3. In order: a lane is worked off as it was written, and one that waits holds up no other."""

from __future__ import annotations

from tests.conftest import Houses
from tests.house import House


async def _ticket(house: House, sender: str, subject: str) -> str:
    """Open a ticket by mail; return its card's ts."""
    box = house.box
    assert box is not None
    await house.send_mail(sender, subject=subject)
    await box.workspace.wait_for(
        lambda: [c for c in box.workspace.channel("triage").top if subject in _shown(c)]
    )
    return next(c.ts for c in box.workspace.channel("triage").top if subject in _shown(c))


def _shown(message) -> str:
    return message.text + str(message.blocks)


async def test_answers_go_in_order_although_the_relay_stumbles(houses: Houses) -> None:
    """The first answer is refused for now; the second waits for it, another customer's doesn't."""
    house = await houses(courier={"retry_after": ["300ms"], "poll": "50ms"})
    box = house.box
    assert box is not None
    ann = await _ticket(house, "ann@customer.example", "Anns question")
    bob = await _ticket(house, "bob@customer.example", "Bobs question")
    await box.mailbox.wait_for(lambda m: "bob@customer.example" in m.recipients)
    await box.mailbox.wait_for(lambda m: "ann@customer.example" in m.recipients)
    box.mailbox.refuse_next(451, "later", times=1)
    ada = box.workspace.user("ada")
    await ada.post("triage", "first answer", thread_ts=ann)
    await house.logged("delivery_failed")
    await ada.post("triage", "second answer", thread_ts=ann)
    await ada.post("triage", "for bob", thread_ts=bob)
    await box.mailbox.wait_for(lambda m: "for bob" in m.text, timeout=15)
    await box.mailbox.wait_for(lambda m: "second answer" in m.text, timeout=15)
    texts = [m.text for m in box.mailbox.mails]
    order = [
        next(i for i, t in enumerate(texts) if words in t) for words in ("first answer", "second answer")
    ]
    assert order == sorted(order)


async def test_messages_of_a_conversation_stay_in_order(house: House) -> None:
    """Ten messages typed in one direct message thread are in the ticket in that order."""
    box = house.box
    assert box is not None
    bob = box.workspace.user("bob")
    root = await bob.dm("message 0")
    for number in range(1, 10):
        await bob.dm(f"message {number}", thread_ts=root)
    await house.logged("work_one", outcome="joined", times=9, timeout=20)
    rows = house.store.rows("SELECT text FROM messages ORDER BY seq")
    assert [row["text"] for row in rows] == [f"message {n}" for n in range(10)]


async def test_a_relay_that_is_down_holds_up_mail_alone(houses: Houses) -> None:
    """Slack goes on; when the relay is back, the mails go out in the order in which they were written."""
    house = await houses(courier={"channel_pause": "300ms", "poll": "50ms", "retry_after": ["300ms"]})
    box = house.box
    assert box is not None
    await box.mailbox.down()
    card = await _ticket(house, "ann@customer.example", "No relay")
    ada = box.workspace.user("ada")
    await ada.post("triage", "one", thread_ts=card)
    await ada.post("triage", "two", thread_ts=card)
    await house.logged("channel_away", channel="email")
    await house.logged("work_one", outcome="joined", times=2)
    await box.mailbox.up()
    await box.mailbox.wait_for(3, timeout=20)
    last = [m.text for m in box.mailbox.to("ann@customer.example")][1:]
    assert "one" in last[0]
    assert "two" in last[1]
