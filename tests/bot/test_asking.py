"""People ask in Slack in every way there is, through the real service: forms, shortcuts, an emoji, a mention."""

from __future__ import annotations

import re
from typing import Any

from sandbox import Sandbox
from sandbox.shapes import Message


def told(box: Sandbox, name: str, words: str) -> list[Message]:
    """What the bot told somebody in their direct messages."""
    return [m for m in box.workspace.dm_channel(name).messages if m.bot_id and words in f"{m.text}{m.blocks}"]


def cards(box: Sandbox, words: str) -> list[Message]:
    return [m for m in box.workspace.channel("triage").top if words in str(m.blocks)]


def number(card: Message) -> int:
    """The ticket of a card."""
    found = re.search(r"#(\d+) ", str(card.blocks))
    assert found is not None
    return int(found[1])


async def modal(box: Sandbox, name: str, words: str = "") -> str:
    """Wait for somebody's form that shows these words; its id."""
    person = box.workspace.user(name)
    await box.workspace.wait_for(lambda: person.modal and words in str(person.modal.body), timeout=10)
    assert person.modal is not None
    return person.modal.id


async def test_a_form_becomes_a_ticket_with_a_receipt(house: Any, box: Sandbox) -> None:
    """`/ticket` opens the form with its words as the title; what was filled in is in the thread of the receipt."""
    space = box.workspace
    ann, ada = space.user("ann"), space.user("ada")
    await ann.command("/ticket", "The printer burns", channel="general")
    view = await modal(box, "ann", "The printer burns")
    answer = await ann.submit(view, {"title": " "})
    assert answer.payload["response_action"] == "errors"
    values = {"title": "The printer burns", "description": "All *night* long", "priority": "urgent"}
    await ann.submit(view, {**values, "files": [("fire.txt", b"hot")]})
    assert ann.modal is None
    await space.wait_for(lambda: told(box, "ann", "All *night* long"), timeout=10)
    await space.wait_for(lambda: cards(box, "The printer burns"), timeout=10)
    card, receipt = (
        cards(box, "The printer burns")[0],
        told(box, "ann", f"#{number(cards(box, 'The printer burns')[0])}")[0],
    )
    assert "urgent" in str(card.blocks)
    await space.wait_for(lambda: any(m.files for m in space.thread(card.ts)), timeout=10)
    await ada.post("triage", "Turn it off", thread_ts=card.ts)
    await space.wait_for(lambda: told(box, "ann", "Turn it off"), timeout=10)
    assert told(box, "ann", "Turn it off")[0].thread_ts == receipt.ts
    await ann.dm("It is off", thread_ts=receipt.ts)
    await space.wait_for(
        lambda: any("It is off" in f"{m.text}{m.blocks}" for m in space.thread(card.ts)), timeout=10
    )
    assert len(space.channel("triage").top) == 1


async def test_the_same_form_twice_is_one_ticket(house: Any, box: Sandbox) -> None:
    """Its answer was lost, so it is sent off again."""
    space = box.workspace
    ann = space.user("ann")
    await ann.shortcut("new_ticket")
    view = space.views.find(await modal(box, "ann"))
    view.values["title"]["title"]["value"] = "Once"
    for _ in range(2):
        payload = space.interactions.view_submission(ann.state, view)
        assert (await space.delivery.interact("interactive", payload)).acked
    await space.wait_for(lambda: told(box, "ann", "Once"), timeout=10)
    await space.settled()
    assert len(cards(box, "Once")) == len(told(box, "ann", "Once")) == 1


async def test_a_shortcut_makes_a_ticket_of_somebodys_message(house: Any, box: Sandbox) -> None:
    """The ticket is its author's, answered below the message; the second time the form says that there is one."""
    space = box.workspace
    bob, ann, ada = space.user("bob"), space.user("ann"), space.user("ada")
    ts = await bob.post("general", "The printer burns")
    await ann.shortcut("make_ticket", "general", ts)
    view = await modal(box, "ann", "The printer burns")
    await ann.submit(view, {"title": "Fire", "priority": "high"})
    await space.wait_for(lambda: cards(box, "Bob Requester") and cards(box, "Fire"), timeout=10)
    await ada.post("triage", "Turn it off", thread_ts=cards(box, "Fire")[0].ts)
    await space.wait_for(
        lambda: any("Turn it off" in f"{m.text}{m.blocks}" for m in space.thread(ts)), timeout=10
    )
    await ada.shortcut("make_ticket", "general", ts)
    await modal(box, "ada", f"#{number(cards(box, 'Fire')[0])} already")


async def test_a_shortcut_where_the_bot_is_not(house: Any, box: Sandbox) -> None:
    """The ticket is the asker's own, with the author's words as theirs to pass on."""
    space = box.workspace
    space.add_channel("secret", members=("ann", "bob"))
    ts = await space.user("bob").post("secret", "The printer burns")
    ann = space.user("ann")
    await ann.shortcut("make_ticket", "secret", ts)
    view = await modal(box, "ann", "Bob Requester wrote:")
    await ann.submit(view, {"title": "Fire"})
    await space.wait_for(lambda: told(box, "ann", "Fire"), timeout=10)
    await space.wait_for(lambda: cards(box, "Ann Requester"), timeout=10)
    assert "The printer burns" in str(cards(box, "Fire")[0].blocks)


async def test_an_emoji_makes_a_ticket_with_its_thread(house: Any, box: Sandbox) -> None:
    """PLATFORM cases 11 and 32: what was said below it comes along once, in order; a second emoji is answered."""
    space = box.workspace
    bob, ann, ada = space.user("bob"), space.user("ann"), space.user("ada")
    ts = await bob.post("general", "The printer burns")
    for words in ("Since today", "In room 5"):
        await bob.post("general", words, thread_ts=ts)
    await ann.react("general", ts, "ticket")
    await space.wait_for(lambda: cards(box, "The printer burns"), timeout=10)
    thread = cards(box, "The printer burns")[0].ts

    def shown() -> str:
        return "".join(f"{m.text}{m.blocks}" for m in space.thread(thread))

    await space.wait_for(lambda: "In room 5" in shown(), timeout=10)
    assert shown().index("Since today") < shown().index("In room 5")
    await ada.react("general", ts, "ticket")
    await space.wait_for(
        lambda: [m.text for m in space.channel("general").ephemerals if m.ephemeral_to == ada.id], timeout=10
    )
    assert (
        f"#{number(space.channel('triage').top[0])} already" in space.channel("general").ephemerals[-1].text
    )
    await space.settled()
    assert len(space.channel("triage").top) == 1
    assert sum("Since today" in f"{m.text}{m.blocks}" for m in space.thread(thread)) == 1


async def test_a_mention_brings_what_was_said_before(house: Any, box: Sandbox) -> None:
    """PLATFORM case 16: the pair of events is one ticket, answered in that thread; what comes later belongs to it."""
    space = box.workspace
    bob, ann, ada = space.user("bob"), space.user("ann"), space.user("ada")
    ts = await bob.post("general", "The printer burns")
    await bob.post("general", "Since today", thread_ts=ts)
    await ann.post("general", "@relaydesk please help", thread_ts=ts)
    await space.wait_for(lambda: cards(box, "Ann Requester"), timeout=10)
    thread = space.channel("triage").top[0].ts

    def shown() -> str:
        return "".join(f"{m.text}{m.blocks}" for m in space.thread(thread))

    await space.wait_for(lambda: "please help" in shown(), timeout=10)
    await ann.post("general", "It got worse", thread_ts=ts)
    await space.wait_for(lambda: "It got worse" in shown(), timeout=10)
    assert shown().index("The printer burns") < shown().rindex("Since today") < shown().rindex("It got worse")
    await ada.post("triage", "Turn it off", thread_ts=thread)
    await space.wait_for(
        lambda: any("Turn it off" in f"{m.text}{m.blocks}" for m in space.thread(ts)), timeout=10
    )
    assert len(space.channel("triage").top) == 1


async def test_staff_fill_in_forms_of_a_card(house: Any, box: Sandbox) -> None:
    """Its menu: a title that shows the present one, a note, the ticket into which it is merged by its title."""
    space = box.workspace
    ann, bob, ada = space.user("ann"), space.user("bob"), space.user("ada")
    await bob.dm("The printer burns")
    await space.wait_for(lambda: cards(box, "printer"), timeout=10)
    await ann.dm("Smoke in room 5")
    await space.wait_for(lambda: cards(box, "Smoke"), timeout=10)
    card, into = cards(box, "Smoke")[0].ts, number(cards(box, "printer")[0])
    await ada.select("triage", card, "menu", "title")
    await ada.submit(await modal(box, "ada", "Smoke in room 5"), {"title": "Smoke, no fire"})
    await space.wait_for(lambda: cards(box, "Smoke, no fire"), timeout=10)
    await ada.select("triage", card, "menu", "note")
    await ada.submit(await modal(box, "ada", "Only staff see it"), {"note": "It is the toaster"})
    await space.wait_for(lambda: "It is the toaster" in space.render(), timeout=10)
    await ada.select("triage", card, "menu", "merge")
    await ada.submit(await modal(box, "ada", "The printer burns"), {"which": str(into)})
    await space.wait_for(lambda: f"merged into #{into}" in space.render(), timeout=10)
    await space.settled()
    assert not [m for m in space.dm_channel("ann").messages if "toaster" in f"{m.text}{m.blocks}"]
