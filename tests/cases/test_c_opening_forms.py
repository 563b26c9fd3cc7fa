"""C, forms: a trigger that went stale, and a form that its person closed."""

from __future__ import annotations

import pytest

from sandbox import Sandbox
from sandbox.shapes import Message
from tests.bot.test_asking import cards, modal
from tests.house import House


def whispers(box: Sandbox, channel: str, name: str) -> list[Message]:
    """What one person alone is shown in a channel."""
    user = box.workspace.user(name).id
    return [m for m in box.workspace.channel(channel).ephemerals if m.ephemeral_to == user]


@pytest.mark.parametrize("store_name", ["sqlite"])
@pytest.mark.parametrize("older", [False, True])
async def test_C20_a_stale_trigger_gives_a_button_for_another_try(
    house: House, box: Sandbox, older: bool
) -> None:
    """Opening is the first call after the acknowledgement; too late says so to its person, and the button opens it."""
    space = box.workspace
    ann = space.user("ann")
    before = len(space.calls)
    await ann.command("/ticket", "The printer burns", channel="general")
    await ann.close_modal(await modal(box, "ann"))
    assert space.calls[before].method == "views.open"
    space.interactions.trigger_seconds = -1.0
    space.interactions.older_refusals = older
    await ann.command("/ticket", "The fax burns", channel="general")
    await space.wait_for(lambda: whispers(box, "general", "ann"), timeout=10)
    [told] = whispers(box, "general", "ann")
    assert "didn't open in time" in f"{told.text}{told.blocks}"
    assert ann.modal is None
    space.interactions.trigger_seconds = 3.0
    [again] = [e for block in told.blocks for e in block.get("elements", ()) if e["type"] == "button"]
    await ann.click("general", told.ts, again["action_id"])
    await ann.submit(await modal(box, "ann", "The fax burns"), {"title": "The fax burns"})
    await space.wait_for(lambda: cards(box, "The fax burns"), timeout=10)
    assert len(space.channel("triage").top) == 1


async def test_C21_a_form_that_was_closed_is_no_trouble(house: House, box: Sandbox) -> None:
    """Ada closes hers before it is filled up: no noise in the log or in Slack, and the next one works. Whoever has
    sent theirs off gets the ticket although the form is gone."""
    space = box.workspace
    ada, ann = space.user("ada"), space.user("ann")
    space.faults.slow("users.info", 0.6)
    since = house.mark()
    await ada.command("/ticket", "A new mouse", channel="general")
    await ada.close_modal(await modal(box, "ada", "A new mouse"))
    await space.wait_for(lambda: space.calls_of("views.update"), timeout=10)
    await space.settled()
    assert [call.answer.get("error") for call in space.calls_of("views.update")] == ["not_found"]
    loud = [entry for entry in house.log[since:] if entry.get("level") in ("warning", "error", "critical")]
    assert loud == []
    assert whispers(box, "general", "ada") == []
    await ann.command("/ticket", "The printer burns", channel="general")
    await ann.submit(await modal(box, "ann", "The printer burns"), {"title": "The printer burns"})
    assert ann.modal is None
    await space.wait_for(lambda: cards(box, "The printer burns"), timeout=10)
    assert house.store.count("tickets") == 1
