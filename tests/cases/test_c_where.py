"""C, where things are said and how a request is made: threads by their root, an emoji, a shortcut, an answer."""

from __future__ import annotations

from sandbox import Sandbox
from sandbox.shapes import Message
from tests.bot.test_asking import cards, modal, number, told
from tests.conftest import Houses
from tests.house import House


def said(messages: list[Message]) -> str:
    return "\n".join(f"{m.text} {m.blocks}" for m in messages)


async def test_C28_a_thread_is_always_named_by_its_root(house: House, box: Sandbox) -> None:
    """However many replies there are on both sides, each post's thread_ts is the root's, never the last message's."""
    space = box.workspace
    ann, ada = space.user("ann"), space.user("ada")
    root = await ann.dm("My printer burns")
    room = space.dm_channel("ann")
    await space.wait_for(lambda: cards(box, "My printer burns"), timeout=10)
    [card] = space.channel("triage").top
    for n in range(3):
        await ann.dm(f"more {n}", thread_ts=root)
        await space.wait_for(lambda n=n: f"more {n}" in said(space.thread(card.ts)), timeout=10)
        await ada.post("triage", f"answer {n}", thread_ts=card.ts)
        await space.wait_for(lambda n=n: f"answer {n}" in said(room.thread(root)), timeout=10)
    posts = [call.args for call in space.calls_of("chat.postMessage") if call.args.get("thread_ts")]
    assert len(posts) >= 6
    roots = {str(args["channel"]): str(args["thread_ts"]) for args in posts}
    assert {str(args["thread_ts"]) for args in posts} == {root, card.ts}
    assert roots == {room.id: root, space.channel("triage").id: card.ts}
    assert len(space.channel("triage").top) == len(room.top) == 1


async def test_C32_the_configured_emoji_makes_one_ticket(houses: Houses, box: Sandbox) -> None:
    """That emoji and no other, not where the bot isn't and not in the desk's own channel; the second who sets it hears
    which ticket it is; the requester's Home links to the message."""
    house = await houses(slack={"ticket_emoji": "sos"})
    space = box.workspace
    ann, bob, ada = space.user("ann"), space.user("bob"), space.user("ada")
    space.add_channel("elsewhere", members=("ann", "bob"))
    away = await bob.post("elsewhere", "Not for the desk")
    own = await ada.post("triage", "Lunch?")
    ts = await bob.post("general", "The printer burns")
    await ann.react("elsewhere", away, "sos")
    await ada.react("triage", own, "sos")
    await ann.react("general", ts, "ticket")
    await space.settled()
    assert house.store.count("tickets") == 0
    await ann.react("general", ts, "sos")
    await space.wait_for(lambda: cards(box, "The printer burns"), timeout=10)
    card = cards(box, "The printer burns")[0]
    assert "Bob Requester" in str(card.blocks)
    await ada.react("general", ts, "sos")

    def whispered() -> str:
        return said([m for m in space.channel("general").ephemerals if m.ephemeral_to == ada.id])

    await space.wait_for(lambda: f"#{number(card)} already" in whispered(), timeout=10)
    await bob.open_home()
    await space.wait_for(lambda: "The printer burns" in bob.render_home(), timeout=10)
    assert bob.home is not None
    assert f"p{ts.replace('.', '')}" in str(bob.home.body["blocks"])
    await space.settled()
    assert house.store.count("tickets") == 1


async def test_C33_a_message_becomes_a_ticket_that_is_answered_from_slack(house: House, box: Sandbox) -> None:
    """Why people leave for other desks: a message made a ticket in two clicks, staff's reply in the card's thread is
    the customer's answer, by Slack and (a customer by mail) by mail."""
    space = box.workspace
    ann, ada = space.user("ann"), space.user("ada")
    ts = await ann.post("general", "The printer burns")
    await ada.shortcut("make_ticket", "general", ts)
    await ada.submit(await modal(box, "ada", "The printer burns"), {"title": "Fire in room 5"})
    await space.wait_for(lambda: cards(box, "Fire in room 5"), timeout=10)
    card = cards(box, "Fire in room 5")[0]
    assert "Ann Requester" in str(card.blocks)
    await ada.post("triage", "Turn it off", thread_ts=card.ts)
    await space.wait_for(lambda: "Turn it off" in said(space.thread(ts)), timeout=10)
    assert told(box, "ann", "Turn it off") == []  # said once, below her message
    await ann.post("general", "It is off", thread_ts=ts)
    await space.wait_for(lambda: "It is off" in said(space.thread(card.ts)), timeout=10)
    await house.send_mail("Cleo <cleo@customer.example>", subject="An invoice")
    await space.wait_for(lambda: cards(box, "An invoice"), timeout=10)
    await ada.post("triage", "It is paid", thread_ts=cards(box, "An invoice")[0].ts)
    mail = await box.mailbox.wait_for(lambda m: "It is paid" in m.text)
    assert mail.recipients == ["cleo@customer.example"]
    assert house.store.count("tickets") == 2
