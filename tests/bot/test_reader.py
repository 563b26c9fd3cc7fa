"""Threads and messages that are fetched to be read: mentions with what was said before, the emoji, old cards, news."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bot.channel import SlackChannel
from bot.home import time_of
from bot.reader import TOO_MUCH, WORDLESS, Hears
from core.shapes import Ignored, Inbound, NewMessage, StaffCommand, Visibility
from sandbox import Sandbox
from tests.bot.kit import Kit, until

TEAM = "T0SANDBOX1"


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    assert await kit.door.until_ready(5)
    yield kit
    await kit.close()


async def last(kit: Kit, true: Any) -> list[Inbound]:
    """What those rows say whose event is meant, in order; waits for the first."""
    await until(lambda: any(true(body) for body in kit.shelf.bodies))
    rows = zip(kit.shelf.items(), kit.shelf.bodies, strict=True)
    return [await kit.channel.read(item) for item, body in rows if true(body)]


async def written(kit: Kit, ts: str) -> NewMessage:
    """What the message with that ts says, whichever of its events tells of it."""
    made = await last(kit, lambda body: body["event"].get("ts") == ts)
    assert isinstance(made[0], NewMessage)
    assert all(isinstance(one, NewMessage) and one.ref == made[0].ref for one in made)
    return made[0]


async def ignored(kit: Kit, ts: str) -> str:
    made = (await last(kit, lambda body: body["event"].get("ts") == ts))[0]
    assert isinstance(made, Ignored)
    return made.reason


async def pointed(kit: Kit) -> Inbound:
    return (await last(kit, lambda body: body["event"]["type"] == "reaction_added"))[-1]


def named(box: Sandbox, channel: str, ts: str) -> str:
    return f"slack:{TEAM}/{box.workspace.channel(channel).id}/{ts}"


# -- mentions ------------------------------------------------------------------------------------------------------


async def test_a_mention_brings_what_was_said_before(box: Sandbox, kit: Kit) -> None:
    bob, ann = box.workspace.user("bob"), box.workspace.user("ann")
    root = await bob.post("general", "The printer burns", files=[("fire.txt", b"hot")])
    await ann.post("general", "Here too, @ada", thread_ts=root)
    asked = await ann.post("general", "@relaydesk please help", thread_ts=root)
    await bob.post("general", "after it", thread_ts=root)
    new = await written(kit, asked)
    assert new.text == "please help"
    assert [one.text for one in new.thread] == ["The printer burns", "Here too, @Ada Lovelace"]
    assert [one.sender.name for one in new.thread] == ["Bob Requester", "Ann Requester"]
    assert [one.sender.place for one in new.thread] == [new.sender.place] * 2
    assert new.thread[0].ref.name == named(box, "general", root)
    file = new.thread[0].files[0]
    assert (file.name, await kit.blobs.get(str(file.blob))) == ("fire.txt", b"hot")


async def test_only_a_mention_makes_the_thread_a_ticket(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("bob").post("general", "The printer burns")
    asked = await box.workspace.user("ann").post("general", "@relaydesk", thread_ts=root)
    new = await written(kit, asked)
    assert new.text == ""
    assert [one.text for one in new.thread] == ["The printer burns"]
    assert new.evidence.references[0].name == named(box, "general", root)


async def test_only_a_mention_at_top_level_is_nothing(box: Sandbox, kit: Kit) -> None:
    asked = await box.workspace.user("ann").post("general", "@relaydesk")
    assert "only a mention" in await ignored(kit, asked)


async def test_only_a_mention_below_apps_messages_is_hinted_at_once(box: Sandbox, kit: Kit) -> None:
    """It comes as two events, the hint comes with one of them: there is nothing to make a ticket of."""
    space = box.workspace
    where = space.channel("general").id
    root = str((await kit.api.call("chat.postMessage", channel=where, text="Build failed"))["ts"])
    asked = await space.user("ann").post("general", "@relaydesk", thread_ts=root)

    def of_it(body: Any) -> bool:
        return bool(body["event"].get("ts") == asked)

    await until(lambda: len([body for body in kit.shelf.bodies if of_it(body)]) == 2)
    assert all(isinstance(one, Ignored) for one in await last(kit, of_it))
    assert len([m for m in space.channel("general").ephemerals if m.text == WORDLESS]) == 1


async def test_a_thread_that_is_a_ticket_isnt_fetched_again(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("bob").post("general", "The printer burns")
    kit.known.add(named(box, "general", root))
    asked = await box.workspace.user("ann").post("general", "@relaydesk and mine", thread_ts=root)
    new = await written(kit, asked)
    assert (new.text, new.thread) == ("and mine", ())
    again = await box.workspace.user("ann").post("general", "@relaydesk", thread_ts=root)
    assert "only a mention" in await ignored(kit, again)
    assert box.workspace.calls_of("conversations.replies") == []


async def test_files_and_a_thread_are_fetched_once(box: Sandbox, kit: Kit) -> None:
    """A mention is two events: the second finds what the first brought."""
    bob = box.workspace.user("bob")
    root = await bob.post("general", "The printer burns", files=[("a.txt", b"a")])
    asked = await bob.post("general", "@relaydesk help", thread_ts=root, files=[("b.txt", b"b")])
    first = await written(kit, asked)
    assert [file.blob is not None for file in (*first.files, *first.thread[0].files)] == [True, True]
    box.workspace.calls.clear()
    kit.known.update({named(box, "general", root), named(box, "general", asked)})
    [*again] = await last(kit, lambda body: body["event"].get("ts") == asked)
    assert all(isinstance(one, NewMessage) for one in again)
    assert [file.blob for one in again if isinstance(one, NewMessage) for file in one.files] == [None]
    assert box.workspace.calls_of("conversations.replies") == []


async def test_a_thread_brings_only_so_many_files(
    box: Sandbox, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.reader.MOST_FILES", 3)
    bob = box.workspace.user("bob")
    root = await bob.post("general", "one", files=[("a.txt", b"a"), ("b.txt", b"b")])
    await bob.post("general", "two", thread_ts=root, files=[("c.txt", b"c"), ("d.txt", b"d")])
    asked = await bob.post("general", "@relaydesk help", thread_ts=root)
    files = [file for one in (await written(kit, asked)).thread for file in one.files]
    assert [file.blob is not None for file in files] == [True, True, True, False]
    assert (files[3].name, str(files[3].unavailable).partition(":")[0]) == ("d.txt", TOO_MUCH)


async def test_a_thread_brings_only_so_many_bytes(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.reader.MOST_TIMES", 1)
    kit = Kit(box.api_url, tmp_path, max_file_bytes=1_024)
    await kit.door.start()
    try:
        bob = box.workspace.user("bob")
        root = await bob.post("general", "one", files=[("a.txt", b"a" * 600)])
        asked = await bob.post("general", "@relaydesk help", thread_ts=root, files=[("b.txt", b"b" * 600)])
        new = await written(kit, asked)
        assert [file.blob is not None for file in (*new.files, *new.thread[0].files)] == [True, False]
    finally:
        await kit.close()


async def test_our_own_words_and_other_apps_stay_out_of_the_thread(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("bob").post("general", "The printer burns")
    where = box.workspace.channel("general").id
    await kit.api.call("chat.postMessage", channel=where, text="ours", thread_ts=root)
    asked = await box.workspace.user("ann").post("general", "@relaydesk help", thread_ts=root)
    assert [one.text for one in (await written(kit, asked)).thread] == ["The printer burns"]


async def test_formatting_comes_along_without_the_mention(box: Sandbox, kit: Kit) -> None:
    asked = await box.workspace.user("ann").post("general", "@relaydesk it *burns*")
    new = await written(kit, asked)
    assert (new.text, new.rich) == ("it burns", "<p>it <b>burns</b></p>")
    plain = await box.workspace.user("ann").dm("it burns")
    assert (await written(kit, plain)).rich is None


# -- the emoji -----------------------------------------------------------------------------------------------------


async def test_the_emoji_makes_a_ticket_of_somebodys_message(box: Sandbox, kit: Kit) -> None:
    bob, ada = box.workspace.user("bob"), box.workspace.user("ada")
    root = await bob.post("general", "The printer burns")
    await ada.post("general", "Since when?", thread_ts=root)
    await bob.post("general", "Since noon", thread_ts=root)
    await ada.react("general", root, "ticket")
    new = await pointed(kit)
    assert isinstance(new, NewMessage)
    assert (new.text, new.sender.name, new.ref.name) == (
        "The printer burns",
        "Bob Requester",
        named(box, "general", root),
    )
    assert new.made_by is not None
    assert (new.made_by.name, new.made_by.place) == ("Ada Lovelace", new.sender.place)
    assert [one.text for one in new.thread] == ["Since when?", "Since noon"]


async def test_the_emoji_on_a_reply_brings_the_whole_thread(box: Sandbox, kit: Kit) -> None:
    bob, ann = box.workspace.user("bob"), box.workspace.user("ann")
    root = await bob.post("general", "Lunch?")
    reply = await ann.post("general", "No: the printer burns", thread_ts=root)
    await ann.react("general", reply, "ticket")
    new = await pointed(kit)
    assert isinstance(new, NewMessage)
    assert (new.text, new.made_by) == ("No: the printer burns", None)  # her own words
    assert [one.text for one in new.thread] == ["Lunch?"]


async def test_the_emoji_on_what_is_a_ticket_already_fetches_no_files(box: Sandbox, kit: Kit) -> None:
    bob = box.workspace.user("bob")
    root = await bob.post("general", "", files=[("a.txt", b"a"), ("b.txt", b"b")])
    kit.known.add(named(box, "general", root))
    await bob.react("general", root, "ticket")
    new = await pointed(kit)
    assert isinstance(new, NewMessage)  # whoever asks hears which ticket it is
    assert [file.blob for file in new.files] == [None, None]


async def test_the_emoji_at_the_desk_opens_nothing(box: Sandbox, kit: Kit) -> None:
    """Below a card in a channel that isn't the desk's any more, too."""
    ada = box.workspace.user("ada")
    card = await ada.post("general", "as if it were a card")
    kit.cards.add(named(box, "general", card))
    reply = await ada.post("general", "Turn it off", thread_ts=card)
    await ada.react("general", reply, "ticket")
    assert isinstance(await pointed(kit), Ignored)


async def test_the_emoji_on_a_message_that_is_gone_opens_nothing(box: Sandbox, kit: Kit) -> None:
    bob = box.workspace.user("bob")
    ts = await bob.post("general", "The printer burns")
    await bob.react("general", ts, "ticket")
    await bob.delete("general", ts)
    assert isinstance(await pointed(kit), Ignored)


# -- old cards -----------------------------------------------------------------------------------------------------


async def test_below_an_old_card_the_desk_speaks(box: Sandbox, kit: Kit) -> None:
    ada = box.workspace.user("ada")
    card = await ada.post("general", "as if it were a card")
    kit.cards.add(named(box, "general", card))
    answer = await written(kit, await ada.post("general", "@relaydesk Turn it off", thread_ts=card))
    assert (answer.desk, answer.text, answer.thread) == (True, "Turn it off", ())
    note = await written(kit, await ada.post("general", ":lock: psst", thread_ts=card))
    assert (note.desk, note.visibility, note.text) == (True, Visibility.NOTE, "psst")
    typed = await ada.post("general", "!close", thread_ts=card)
    command = (await last(kit, lambda body: body["event"].get("ts") == typed))[0]
    assert isinstance(command, StaffCommand)
    assert "only a mention" in await ignored(kit, await ada.post("general", "@relaydesk", thread_ts=card))


async def test_a_note_with_only_a_file(box: Sandbox, kit: Kit) -> None:
    ada = box.workspace.user("ada")
    card = await ada.post("triage", "as if it were a card")
    sent = await ada.post("triage", "🔒", thread_ts=card, files=[("a.txt", b"abc"), ("b.heic", b"x" * 9)])
    note = await written(kit, sent)
    assert (note.visibility, note.text, len(note.files)) == (Visibility.NOTE, "", 2)


# -- news ----------------------------------------------------------------------------------------------------------


async def test_who_joins_or_leaves_the_desk_is_told_to_the_staff_list(box: Sandbox, kit: Kit) -> None:
    told: list[tuple[str, datetime | None, str]] = []

    async def changed(channel: str, at: datetime | None, user: str) -> None:
        told.append((channel, at, user))

    kit.channel = SlackChannel(kit.api, kit.blobs, hears=Hears(staff_changed=changed))
    await box.workspace.user("ada").invite("triage", "bob")
    made = await last(kit, lambda body: body["event"]["type"] == "member_joined_channel")
    assert all(isinstance(one, Ignored) for one in made)
    event = next(b["event"] for b in kit.shelf.bodies if b["event"]["type"] == "member_joined_channel")
    bob = box.workspace.user("bob").id
    assert told == [(box.workspace.channel("triage").id, time_of(event["event_ts"]), bob)]
