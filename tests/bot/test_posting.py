"""Posting, over the wire: what stands where, once, in its thread. The sandbox refuses what Slack would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.api import Api
from bot.blocks import Look, Post
from bot.posting import PLAIN, Poster
from core.failures import PermanentFailure, TemporaryFailure, UnknownOutcome
from core.shapes import Kind, Outgoing, Person, Seen
from sandbox import Sandbox
from sandbox.shapes import Message
from tests.bot.kit import TRIAGE, Kit, message, outgoing, ticket

LONG = "\n\n".join(f"paragraph {n}: " + "word & " * 60 for n in range(22))  # two posts


def ts_of(remote: str) -> str:
    return remote.rpartition("/")[2]


def shown(messages: list[Message]) -> str:
    """The words of posts, unescaped."""
    return "\n".join(
        block["text"]["text"] for m in messages for block in m.blocks if block["type"] == "section"
    ).replace("&amp;", "&")


async def dm_place(box: Sandbox) -> tuple[str, str]:
    """Ann's thread with the bot: its root's ts, and its place."""
    root = await box.workspace.user("ann").dm("help")
    return root, f"T0SANDBOX1/{box.workspace.dm_channel('ann').id}#{root}"


def answer(place: str, text: str = "Turn it off", **more: str) -> Outgoing:
    return outgoing(Kind.MESSAGE, desk=False, place=place, message=message(text, staff=True), **more)


# -- the card ----------------------------------------------------------------------------------------------------


async def test_a_card_is_posted_once_and_then_changed(box: Sandbox, kit: Kit) -> None:
    first = await kit.channel.send(outgoing(Kind.CARD))
    changed = outgoing(
        Kind.CARD, earlier=first.remote_id, ticket=ticket(assignee="ada", assignee_id=2, version=4)
    )
    second = await kit.channel.send(changed)
    cards = box.workspace.channel("triage").top
    assert second.remote_id == first.remote_id
    assert first.links == (f"slack:{first.remote_id}",)
    assert len(cards) == 1
    assert "ada" in str(cards[0].blocks)


async def test_the_menu_of_people_shows_the_assignee(box: Sandbox, kit: Kit) -> None:
    ada = box.workspace.user("ada")
    given = outgoing(
        Kind.CARD, ticket=ticket(assignee="ada", assignee_id=2), assignee_slack=f"T0SANDBOX1/{ada.id}"
    )
    await kit.channel.send(given)
    assert f"'initial_user': '{ada.id}'" in str(box.workspace.channel("triage").top[0].blocks)


async def test_a_card_that_was_deleted_is_posted_anew(box: Sandbox, kit: Kit) -> None:
    first = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.delete("triage", ts_of(first.remote_id))
    second = await kit.channel.send(outgoing(Kind.CARD, earlier=first.remote_id))
    assert second.remote_id != first.remote_id
    assert len(box.workspace.channel("triage").top) == 1


# -- threads -----------------------------------------------------------------------------------------------------


async def test_a_message_stands_in_its_cards_thread(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message("It burns"), anchor=card.remote_id))
    thread = box.workspace.thread(ts_of(card.remote_id))
    assert [m.ts for m in thread] == [ts_of(card.remote_id), ts_of(sent.remote_id)]
    assert "It burns" in thread[1].text


async def test_a_line_that_says_where_the_ticket_went(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    data = {"what": "moved", "channel": "C0GENERAL1"}
    await kit.channel.send(outgoing(Kind.NOTICE, anchor=card.remote_id, data=data))
    assert "<#C0GENERAL1>" in box.workspace.thread(ts_of(card.remote_id))[1].text


async def test_an_answer_reaches_the_thread_of_the_direct_message(box: Sandbox, kit: Kit) -> None:
    root, place = await dm_place(box)
    await kit.channel.send(answer(place))
    await kit.channel.send(outgoing(Kind.NOTICE, desk=False, place=place, data={"what": "resolved"}))
    thread = box.workspace.dm_channel("ann").thread(root)
    assert "Turn it off" in thread[1].text
    assert "Ada" in str(thread[1].blocks)
    assert "#12 is resolved" in thread[2].text


async def test_an_answer_to_a_mention_comes_into_that_thread(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("ann").post("general", "@relaydesk help")
    place = f"T0SANDBOX1/{box.workspace.channel('general').id}#{root}"
    sent = await kit.channel.send(answer(place))
    assert [m.ts for m in box.workspace.thread(root)] == [root, ts_of(sent.remote_id)]


async def test_a_place_that_names_a_person_is_their_direct_message(box: Sandbox, kit: Kit) -> None:
    ann = box.workspace.user("ann")
    notice = outgoing(Kind.NOTICE, desk=False, place=f"T0SANDBOX1/{ann.id}", data={"text": "the figures"})
    await kit.channel.send(notice)
    await kit.channel.send(notice)
    assert [m.text for m in box.workspace.dm_channel("ann").messages] == ["the figures"] * 2
    assert len(box.workspace.calls_of("conversations.open")) == 1


async def test_the_first_post_to_a_person_is_the_root_of_what_follows(box: Sandbox, kit: Kit) -> None:
    place = f"T0SANDBOX1/{box.workspace.user('ann').id}"
    first = await kit.channel.send(
        outgoing(Kind.NOTICE, desk=False, place=place, data={"what": "ack", "shown": True})
    )
    later = await kit.channel.send(answer(place, anchor=first.remote_id))
    dm = box.workspace.dm_channel("ann")
    assert [m.ts for m in dm.thread(ts_of(first.remote_id))][1:] == [ts_of(later.remote_id)]
    assert "The printer burns" in str(dm.top[0].blocks)


async def test_a_long_first_post_to_a_person_is_one_thread(box: Sandbox, kit: Kit) -> None:
    given = answer(f"T0SANDBOX1/{box.workspace.user('ann').id}", LONG)
    sent = await kit.channel.send(given)
    dm = box.workspace.dm_channel("ann")
    assert [m.ts for m in dm.top] == [ts_of(sent.remote_id)]
    assert shown(dm.thread(ts_of(sent.remote_id))).split() == LONG.split()
    again = await kit.channel.send(given)
    assert (again.remote_id, again.links) == (sent.remote_id, sent.links)
    assert len(dm.messages) == 2


# -- what was deleted (case 9) -----------------------------------------------------------------------------------


async def test_a_reply_under_a_deleted_card_brings_the_card_back(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.delete("triage", ts_of(card.remote_id))
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message("more"), anchor=card.remote_id))
    top = box.workspace.channel("triage").top
    assert len(top) == 1
    assert "The printer burns" in top[0].text
    assert [m.ts for m in box.workspace.thread(top[0].ts)][1:] == [ts_of(sent.remote_id)]
    assert sent.links == (f"slack:{sent.remote_id}", sent.card)
    later = await kit.channel.send(outgoing(Kind.CARD, earlier=card.remote_id))
    assert ts_of(later.remote_id) == top[0].ts
    assert len(box.workspace.channel("triage").top) == 1


def after_each(kit: Kit, method: str, do: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Let something happen right after Slack has answered: `do` gets what was asked and the answer."""
    made = kit.api.call

    async def call(name: str, **arguments: Any) -> dict[str, Any]:
        done = await made(name, **arguments)
        if name == method:
            do(arguments, done)
        return done

    kit.api.call = call  # type: ignore[method-assign]


@pytest.mark.parametrize("part", ["card", "0"])
async def test_who_was_killed_after_bringing_the_card_back_finds_it(
    box: Sandbox, kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """There is one card, and one message below it, whatever was posted last."""
    card = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.delete("triage", ts_of(card.remote_id))
    reply = outgoing(Kind.MESSAGE, message=message("More"), anchor=card.remote_id)
    post = Poster._post

    async def killed(self: Poster, *given: Any) -> tuple[str, str | None, str | None]:
        posted = await post(self, *given)
        if given[4] == part and given[1] != ts_of(card.remote_id):
            raise UnknownOutcome("killed")
        return posted

    with monkeypatch.context() as patch:
        patch.setattr(Poster, "_post", killed)
        with pytest.raises(UnknownOutcome):
            await kit.channel.send(reply)
    other = Kit(box.api_url, tmp_path)
    seen, sent = await other.channel.look_up(reply)
    assert seen is (Seen.SENT if part == "0" else Seen.NOT_THERE)
    if sent is None:
        sent = await other.channel.send(reply)
    [top] = box.workspace.channel("triage").top
    assert sent.card == f"slack:T0SANDBOX1/{TRIAGE}/{top.ts}"
    [_, below] = box.workspace.thread(top.ts)
    assert ts_of(sent.remote_id) == below.ts
    await other.close()


async def test_a_card_deleted_between_two_parts(box: Sandbox, kit: Kit) -> None:
    """An admin clears the thread away while a message comes: the rest of it stands below a new card."""
    card = await kit.channel.send(outgoing(Kind.CARD))
    cleared: list[str] = []

    def clear(asked: dict[str, Any], answer: dict[str, Any]) -> None:
        if asked.get("thread_ts") and not cleared:
            cleared.append(str(answer["ts"]))
            box.workspace.delete("triage", cleared[0])
            box.workspace.delete("triage", ts_of(card.remote_id))

    after_each(kit, "chat.postMessage", clear)
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message(LONG), anchor=card.remote_id))
    [top] = box.workspace.channel("triage").top
    [rest] = box.workspace.thread(top.ts)[1:]
    assert LONG.endswith(shown([rest])[-200:].rstrip() + " ")
    assert sent.card == f"slack:T0SANDBOX1/{TRIAGE}/{top.ts}"


async def test_a_card_that_is_gone_as_soon_as_it_is_there_leaves_nothing_astray(
    box: Sandbox, kit: Kit
) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.delete("triage", ts_of(card.remote_id))

    def gone(asked: dict[str, Any], answer: dict[str, Any]) -> None:
        if not asked.get("thread_ts"):
            box.workspace.delete("triage", str(answer["ts"]))

    after_each(kit, "chat.postMessage", gone)
    with pytest.raises(TemporaryFailure):
        await kit.channel.send(outgoing(Kind.MESSAGE, message=message("more"), anchor=card.remote_id))
    assert box.workspace.channel("triage").messages == []


async def test_an_answer_whose_root_was_deleted_still_reaches_the_person(box: Sandbox, kit: Kit) -> None:
    root, place = await dm_place(box)
    await box.workspace.user("ann").delete("dm", root)
    sent = await kit.channel.send(answer(place))
    assert sent.warning is not None
    assert "Turn it off" in box.workspace.dm_channel("ann").messages[-1].text


async def test_a_reply_in_a_public_thread_that_is_gone_is_taken_back(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("ann").post("general", "@relaydesk help")
    await box.workspace.user("ann").delete("general", root)
    place = f"T0SANDBOX1/{box.workspace.channel('general').id}#{root}"
    with pytest.raises(PermanentFailure):
        await kit.channel.send(answer(place))
    assert box.workspace.channel("general").messages == []


async def test_whose_thread_in_a_channel_is_gone_has_the_answer_by_direct_message(
    box: Sandbox, kit: Kit
) -> None:
    ann = box.workspace.user("ann")
    root = await ann.post("general", "@relaydesk help")
    await ann.delete("general", root)
    place = f"T0SANDBOX1/{box.workspace.channel('general').id}#{root}"
    one = replace(answer(place), to=Person(kind="slack", address=f"T0SANDBOX1/{ann.id}"))
    sent = await kit.channel.send(one)
    again = await kit.channel.send(one)
    [post] = box.workspace.dm_channel("ann").messages
    assert "Turn it off" in str(post.blocks)
    assert "#12" in str(post.blocks)
    assert sent.remote_id == again.remote_id
    assert sent.warning is not None
    assert box.workspace.channel("general").messages == []


# -- several parts -----------------------------------------------------------------------------------------------


async def test_a_long_text_comes_whole_and_in_order(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message(LONG), anchor=card.remote_id))
    replies = box.workspace.thread(ts_of(card.remote_id))[1:]
    assert len(replies) == 2
    assert shown(replies).split() == LONG.split()
    assert [ts_of(name) for name in sent.links] == [m.ts for m in replies]


async def test_a_part_that_stands_there_is_not_posted_again(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    long = outgoing(Kind.MESSAGE, message=message(LONG), anchor=card.remote_id)
    first = await kit.channel.send(long)
    again = await kit.channel.send(long)
    assert len(box.workspace.thread(ts_of(card.remote_id))) == 3
    assert (again.remote_id, again.links) == (first.remote_id, first.links)
    assert (await kit.channel.look_up(long))[1] == replace(first, pace_ms=again.pace_ms)


# -- lost answers ------------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_unknown_and_found_again(box: Sandbox, kit: Kit) -> None:
    card = outgoing(Kind.CARD)
    box.workspace.faults.drop_answer("chat.postMessage")
    with pytest.raises(UnknownOutcome):
        await kit.channel.send(card)
    seen, sent = await kit.channel.look_up(card)
    assert seen is Seen.SENT
    assert sent is not None
    assert ts_of(sent.remote_id) == box.workspace.channel("triage").top[0].ts


async def test_a_lost_request_is_not_there(box: Sandbox, kit: Kit) -> None:
    _, place = await dm_place(box)
    given = answer(place)
    box.workspace.faults.drop_request("chat.postMessage")
    with pytest.raises(UnknownOutcome):
        await kit.channel.send(given)
    assert await kit.channel.look_up(given) == (Seen.NOT_THERE, None)


async def test_a_lost_change_may_simply_be_repeated(box: Sandbox, kit: Kit) -> None:
    first = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.faults.drop_answer("chat.update")
    with pytest.raises(TemporaryFailure):
        await kit.channel.send(outgoing(Kind.CARD, earlier=first.remote_id))


# -- what Slack doesn't take -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", ["invalid_blocks", "msg_blocks_too_long", "msg_too_long", "invalid_blocks_format"]
)
async def test_a_layout_that_is_refused_goes_as_plain_words(box: Sandbox, kit: Kit, error: str) -> None:
    """Case 23 and 24: a message is never lost for its looks."""
    _, place = await dm_place(box)
    box.workspace.faults.fail("chat.postMessage", error)
    sent = await kit.channel.send(answer(place, "word & " * 600))
    assert sent.warning == PLAIN
    last = box.workspace.dm_channel("ann").messages[-1]
    assert last.text.count("&amp;") == 600
    assert last.metadata is not None


async def test_a_change_whose_layout_is_refused_goes_as_plain_words(box: Sandbox, kit: Kit) -> None:
    first = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.faults.fail("chat.update", "msg_too_long")
    sent = await kit.channel.send(
        outgoing(Kind.CARD, earlier=first.remote_id, ticket=ticket(title="x" * 9_000))
    )
    assert sent.warning == PLAIN
    [card] = box.workspace.channel("triage").top
    assert "#12 xxx" in card.text
    assert card.blocks == []


async def test_other_refusals_stay_refusals(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.fail("chat.postMessage", "restricted_action")
    with pytest.raises(PermanentFailure, match="workspace preference"):
        await kit.channel.send(outgoing(Kind.CARD))


async def test_a_text_that_slack_cuts_does_not_stay(box: Sandbox, tmp_path: Path, kit: Kit) -> None:
    """Case 23: `message_truncated` is no success."""
    poster = Poster(Api(kit.api.config), Look("", "Acme"), kit.api.config.slack.pace)
    with pytest.raises(PermanentFailure, match="cut"):
        await poster.post_all(outgoing(Kind.CARD), [Post("word " * 9_000)])
    assert box.workspace.channel("triage").messages == []
    await poster.api.close()


# -- the rest ----------------------------------------------------------------------------------------------------


async def test_an_alert_has_a_button_that_names_the_delivery(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    data = {"what": "failed", "delivery_id": 99, "to": "bob@example.com", "reason": "mailbox full"}
    await kit.channel.send(outgoing(Kind.ALERT, data=data, anchor=card.remote_id))
    alert = box.workspace.thread(ts_of(card.remote_id))[1]
    assert "mailbox full" in alert.text
    assert "bob@example.com" in alert.text
    assert "'value': '99'" in str(alert.blocks)


async def test_a_notice_without_a_thread_says_which_ticket(box: Sandbox, kit: Kit) -> None:
    await kit.channel.send(outgoing(Kind.NOTICE, data={"text": "somebody left"}))
    [post] = box.workspace.channel("triage").top
    assert post.text == "#12 The printer burns: somebody left"
