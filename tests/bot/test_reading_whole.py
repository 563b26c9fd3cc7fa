"""Through the service: a mention with its thread, the emoji, a command with its words."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox


def _posted(box: Sandbox, channel: str) -> str:
    return box.workspace.render(channel)


async def test_a_mention_in_a_thread_shows_the_desk_what_was_said(house: Any, box: Sandbox) -> None:
    space = box.workspace
    bob, ann = space.user("bob"), space.user("ann")
    root = await bob.post("general", "The printer burns")
    await ann.post("general", "@relaydesk please help", thread_ts=root)
    await space.wait_for(
        lambda: "please help" in _posted(box, "triage") and "The printer burns" in _posted(box, "triage"),
        timeout=15,
    )
    await space.settled()
    assert len(space.channel("triage").top) == 1
    assert (
        len([m for m in space.channel("general").thread(root) if m.bot_id]) == 1
    )  # the receipt, in that thread


async def test_an_emoji_makes_a_ticket_once(house: Any, box: Sandbox) -> None:
    space = box.workspace
    ts = await space.user("bob").post("general", "The printer burns")
    await space.user("ada").react("general", ts, "ticket")
    await space.user("grace").react("general", ts, "ticket")
    await space.wait_for(lambda: "The printer burns" in _posted(box, "triage"), timeout=15)
    await space.settled()
    assert len(space.channel("triage").top) == 1
    assert "Bob Requester" in _posted(box, "triage")


async def test_a_sentence_that_begins_with_the_mark_is_answered_or_sent(house: Any, box: Sandbox) -> None:
    """`!important` is no command: its author is told so; `! wow` goes to the requester."""
    space = box.workspace
    ann, ada = space.user("ann"), space.user("ada")
    root = await ann.dm("The printer burns")
    await space.wait_for(lambda: space.channel("triage").top, timeout=15)
    card = space.channel("triage").top[0].ts
    await ada.post("triage", "!important: unplug it", thread_ts=card)
    await space.wait_for(lambda: space.channel("triage").ephemerals, timeout=15)
    assert "no command !important" in str(space.channel("triage").ephemerals[-1].text)
    await ada.post("triage", "! wow, unplug it", thread_ts=card)
    await space.wait_for(
        lambda: any("! wow, unplug it" in m.text for m in space.dm_channel("ann").thread(root)), timeout=15
    )
    assert not any("important" in m.text for m in space.dm_channel("ann").thread(root))
