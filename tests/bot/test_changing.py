"""Changing posts, over the wire: edits of several parts, deletions, signs, whispers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.failures import PermanentFailure, TemporaryFailure
from core.shapes import Kind, Outgoing, Sent
from sandbox import Sandbox
from tests.bot.kit import TRIAGE, Kit, message, outgoing
from tests.bot.test_posting import dm_place, shown, ts_of

LONG = "\n\n".join(f"paragraph {n}: " + "word " * 80 for n in range(58))  # three posts
SHORT = "in a word: no"


def remotes(sent: Sent) -> tuple[str, ...]:
    return tuple(name.removeprefix("slack:") for name in sent.links)


async def posted(box: Sandbox, kit: Kit, text: str) -> tuple[str, Sent]:
    """A card, and a message below it."""
    card = await kit.channel.send(outgoing(Kind.CARD))
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message(text), anchor=card.remote_id))
    return card.remote_id, sent


def edit(card: str, sent: Sent, text: str, **more: object) -> Outgoing:
    return outgoing(
        Kind.EDIT,
        message=message(text),
        anchor=card,
        target=sent.remote_id,
        targets=remotes(sent),
        **more,
    )


@pytest.mark.parametrize(
    ("before", "after"), [(LONG, SHORT), (SHORT, LONG), (SHORT, "yes"), (LONG, LONG + " end")]
)
async def test_an_edit_has_as_many_posts_as_it_needs(box: Sandbox, kit: Kit, before: str, after: str) -> None:
    card, sent = await posted(box, kit, before)
    later = await kit.channel.send(edit(card, sent, after))
    replies = box.workspace.thread(ts_of(card))[1:]
    assert shown(replies).split() == after.split()
    assert replies[0].ts == ts_of(sent.remote_id)
    assert [ts_of(name) for name in later.links] == [m.ts for m in replies]


async def test_an_edit_that_is_repeated_adds_nothing(box: Sandbox, kit: Kit) -> None:
    card, sent = await posted(box, kit, SHORT)
    given = edit(card, sent, LONG)
    box.workspace.faults.http_error("chat.postMessage", 503)
    with pytest.raises(TemporaryFailure):
        await kit.channel.send(given)
    first = await kit.channel.send(replace(given, attempts=2))
    again = await kit.channel.send(replace(given, attempts=3))
    assert first.links == again.links
    assert shown(box.workspace.thread(ts_of(card))[1:]).split() == LONG.split()


async def test_an_edit_repeated_with_fewer_words_leaves_nothing_over(box: Sandbox, kit: Kit) -> None:
    """It was posted, the answer was lost, and the text is a shorter one by now: each try shows the present state."""
    card, sent = await posted(box, kit, SHORT)
    given = edit(card, sent, LONG)
    await kit.channel.send(given)
    await kit.channel.send(replace(given, message=message("yes"), attempts=2))
    assert shown(box.workspace.thread(ts_of(card))[1:]) == "yes"


async def test_an_edit_below_a_card_that_was_deleted_is_in_the_new_thread(box: Sandbox, kit: Kit) -> None:
    card, sent = await posted(box, kit, SHORT)
    thread = box.workspace.thread(ts_of(card))
    box.workspace.delete("triage", thread[1].ts)
    box.workspace.delete("triage", ts_of(card))
    later = await kit.channel.send(edit(card, sent, LONG))
    assert later.warning is not None
    [top] = box.workspace.channel("triage").top
    assert top.subtype is None
    assert later.card == f"slack:T0SANDBOX1/{TRIAGE}/{top.ts}"


async def test_a_deletion_takes_all_parts(box: Sandbox, kit: Kit) -> None:
    card, sent = await posted(box, kit, LONG)
    gone = replace(edit(card, sent, LONG), message=None, data={"deleted": True})
    await kit.channel.send(gone)
    await kit.channel.send(gone)
    [left] = box.workspace.thread(ts_of(card))[1:]
    assert "deleted by its author" in left.text
    assert "word" not in str(left.blocks)


async def test_an_answer_that_is_taken_back_says_so(box: Sandbox, kit: Kit) -> None:
    root, place = await dm_place(box)
    sent = await kit.channel.send(
        outgoing(Kind.MESSAGE, desk=False, place=place, message=message("Turn it off", staff=True))
    )
    back = outgoing(Kind.EDIT, desk=False, place=place, target=sent.remote_id, data={"deleted": True})
    await kit.channel.send(back)
    assert "message was deleted._" in box.workspace.dm_channel("ann").thread(root)[1].text


async def test_one_target_alone_is_enough(box: Sandbox, kit: Kit) -> None:
    card, sent = await posted(box, kit, "old")
    await kit.channel.send(replace(edit(card, sent, "new"), targets=()))
    assert shown(box.workspace.thread(ts_of(card))[1:]) == "new"


async def test_a_copy_that_an_admin_deleted_needs_no_change(box: Sandbox, kit: Kit) -> None:
    card, sent = await posted(box, kit, "old")
    box.workspace.delete("triage", ts_of(sent.remote_id))
    later = await kit.channel.send(edit(card, sent, "new"))
    assert later.warning is not None
    assert "gone" in later.warning


async def test_what_was_never_posted_cannot_be_changed(box: Sandbox, kit: Kit) -> None:
    with pytest.raises(PermanentFailure):
        await kit.channel.send(outgoing(Kind.EDIT, message=message("new")))


# -- signs -------------------------------------------------------------------------------------------------------


async def test_a_sign_comes_and_goes_however_often(box: Sandbox, kit: Kit) -> None:
    ts = await box.workspace.user("ada").post("triage", "note: psst")
    mark = outgoing(Kind.MARK, target=f"T0SANDBOX1/{TRIAGE}/{ts}", data={"mark": "note"})
    [written] = box.workspace.channel("triage").messages
    for _ in range(2):
        await kit.channel.send(mark)
    assert "lock" in written.reactions
    for _ in range(2):
        sent = await kit.channel.send(replace(mark, data={"mark": "note", "remove": True}))
        assert sent.warning is None
    assert "lock" not in written.reactions


async def test_without_the_scope_there_are_no_signs_and_no_noise(box: Sandbox, kit: Kit) -> None:
    box.workspace.state.scopes = box.workspace.state.scopes - {"reactions:write"}
    mark = outgoing(Kind.MARK, target=f"T0SANDBOX1/{TRIAGE}/1.1", data={"mark": "sent"})
    assert (await kit.channel.send(mark)).warning is None
    assert box.workspace.calls_of("reactions.add") == []


async def test_a_scope_that_went_meanwhile_makes_no_noise_either(box: Sandbox, kit: Kit) -> None:
    await kit.api.home()
    box.workspace.state.scopes = box.workspace.state.scopes - {"reactions:write"}
    mark = outgoing(Kind.MARK, target=f"T0SANDBOX1/{TRIAGE}/1.1", data={"mark": "sent"})
    assert (await kit.channel.send(mark)).warning is None
    assert len(box.workspace.calls_of("reactions.add")) == 1


async def test_a_sign_on_a_message_that_is_gone_alarms_nobody(box: Sandbox, kit: Kit) -> None:
    mark = outgoing(Kind.MARK, target=f"T0SANDBOX1/{TRIAGE}/1700000000.000100", data={"mark": "sent"})
    assert (await kit.channel.send(mark)).warning is not None


# -- for one person's eyes ---------------------------------------------------------------------------------------


async def test_a_whisper_is_for_one_person(box: Sandbox, kit: Kit) -> None:
    ada = box.workspace.user("ada")
    await kit.channel.send(outgoing(Kind.WHISPER, data={"user": f"T0SANDBOX1/{ada.id}", "text": "psst"}))
    assert [m.text for m in box.workspace.channel("triage").ephemerals] == ["psst"]
    assert box.workspace.channel("triage").messages == []


async def test_a_whisper_to_a_person_is_in_their_direct_messages(box: Sandbox, kit: Kit) -> None:
    ann = box.workspace.user("ann")
    await kit.channel.send(
        outgoing(Kind.WHISPER, desk=False, place=f"T0SANDBOX1/{ann.id}", data={"text": "psst"})
    )
    dm = box.workspace.dm_channel("ann")
    assert [m.text for m in dm.ephemerals] == ["psst"]
    assert dm.messages == []


async def test_what_cannot_be_whispered_there_is_said(box: Sandbox, kit: Kit) -> None:
    ann = box.workspace.user("ann")
    box.workspace.faults.fail("chat.postEphemeral", "user_not_in_channel")
    await kit.channel.send(
        outgoing(Kind.WHISPER, desk=False, place=f"T0SANDBOX1/{ann.id}", data={"text": "psst"})
    )
    assert [m.text for m in box.workspace.dm_channel("ann").messages] == ["psst"]


async def test_a_whisper_to_who_left_the_channel_is_never_said_aloud(box: Sandbox, kit: Kit) -> None:
    ann = box.workspace.user("ann")
    with pytest.raises(PermanentFailure):
        await kit.channel.send(outgoing(Kind.WHISPER, data={"user": ann.id, "text": "psst"}))
    assert box.workspace.channel("triage").messages == []
