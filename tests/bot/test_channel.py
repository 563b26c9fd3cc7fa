"""The way out, over the wire: the sandbox is a workspace that refuses what Slack would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.failures import PermanentFailure, Scope, TemporaryFailure, UnknownOutcome
from core.shapes import Attachment, Kind, Seen
from sandbox import Sandbox
from tests.bot.kit import TRIAGE, Kit, message, outgoing, ticket


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    box = Sandbox()
    await box.start()
    yield box
    await box.stop()


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path)
    yield kit
    await kit.close()


def ts_of(remote: str) -> str:
    return remote.rpartition("/")[2]


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


async def test_a_card_that_was_deleted_is_posted_anew(box: Sandbox, kit: Kit) -> None:
    first = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.delete("triage", ts_of(first.remote_id))
    second = await kit.channel.send(outgoing(Kind.CARD, earlier=first.remote_id))
    assert second.remote_id != first.remote_id
    assert len(box.workspace.channel("triage").top) == 1


async def test_a_message_stands_in_its_cards_thread(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message("It burns"), anchor=card.remote_id))
    thread = box.workspace.thread(ts_of(card.remote_id))
    assert [m.ts for m in thread] == [ts_of(card.remote_id), ts_of(sent.remote_id)]
    assert "It burns" in thread[1].text


async def test_nobodys_text_rings_anybody(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD, ticket=ticket(title="<!channel> & <@U0ADA00001>")))
    words = message("<!here> <@U0ADA00001> <https://x|y> a & b")
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=words, anchor=card.remote_id))
    posted = next(m for m in box.workspace.channel("triage").messages if m.ts == ts_of(sent.remote_id))
    shown = str(posted.blocks) + posted.text + str(box.workspace.channel("triage").top[0].blocks)
    assert "<!here>" not in shown
    assert "<!channel>" not in shown
    assert "<@U0ADA00001>" not in shown
    assert "&lt;!here&gt;" in posted.text


async def test_a_long_text_comes_whole_and_in_order(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    text = "\n\n".join(f"paragraph {n}: " + "word & " * 60 for n in range(60))
    await kit.channel.send(outgoing(Kind.MESSAGE, message=message(text), anchor=card.remote_id))
    replies = box.workspace.thread(ts_of(card.remote_id))[1:]
    shown = "\n".join(
        block["text"]["text"] for m in replies for block in m.blocks if block["type"] == "section"
    ).replace("&amp;", "&")
    assert len(replies) > 1
    assert shown.split() == text.split()


async def test_a_part_that_stands_there_is_not_posted_again(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    text = "\n\n".join(f"paragraph {n}: " + "word " * 100 for n in range(40))
    long = outgoing(Kind.MESSAGE, delivery_id=8, message=message(text), anchor=card.remote_id)
    box.workspace.faults.slow("conversations.replies", 0)
    await kit.channel.send(long)
    count = len(box.workspace.thread(ts_of(card.remote_id)))
    again = await kit.channel.send(long)
    assert len(box.workspace.thread(ts_of(card.remote_id))) == count
    assert ts_of(again.remote_id) == box.workspace.thread(ts_of(card.remote_id))[1].ts


async def test_an_answer_reaches_the_thread_of_the_direct_message(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("ann").dm("help")
    dm = box.workspace.dm_channel("ann")
    place = f"T0SANDBOX1/{dm.id}#{root}"
    answer = outgoing(Kind.MESSAGE, desk=False, place=place, message=message("Turn it off", staff=True))
    await kit.channel.send(answer)
    await kit.channel.send(outgoing(Kind.NOTICE, desk=False, place=place, data={"what": "resolved"}))
    thread = dm.thread(root)
    assert "Turn it off" in thread[1].text
    assert "Ada" in str(thread[1].blocks)
    assert "#12 is resolved" in thread[2].text


async def test_an_answer_whose_root_was_deleted_still_reaches_the_person(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("ann").dm("help")
    dm = box.workspace.dm_channel("ann")
    await box.workspace.user("ann").delete("dm", root)
    place = f"T0SANDBOX1/{dm.id}#{root}"
    sent = await kit.channel.send(
        outgoing(Kind.MESSAGE, desk=False, place=place, message=message("Turn it off", staff=True))
    )
    assert sent.warning is not None
    assert "Turn it off" in dm.messages[-1].text


async def test_a_reply_under_a_deleted_card_brings_the_card_back(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.delete("triage", ts_of(card.remote_id))
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message("more"), anchor=card.remote_id))
    top = box.workspace.channel("triage").top
    assert len(top) == 1
    assert "The printer burns" in top[0].text
    assert [m.ts for m in box.workspace.thread(top[0].ts)][1:] == [ts_of(sent.remote_id)]
    assert len(sent.links) == 2
    later = await kit.channel.send(outgoing(Kind.CARD, earlier=card.remote_id))
    assert ts_of(later.remote_id) == top[0].ts
    assert len(box.workspace.channel("triage").top) == 1


async def test_a_reply_in_a_public_thread_that_is_gone_is_taken_back(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("ann").post("general", "@relaydesk help")
    await box.workspace.user("ann").delete("general", root)
    place = f"T0SANDBOX1/{box.workspace.channel('general').id}#{root}"
    with pytest.raises(PermanentFailure):
        await kit.channel.send(
            outgoing(Kind.MESSAGE, desk=False, place=place, message=message("x", staff=True))
        )
    assert box.workspace.channel("general").messages == []


async def test_a_place_that_names_a_person_is_their_direct_message(box: Sandbox, kit: Kit) -> None:
    ann = box.workspace.user("ann")
    notice = outgoing(Kind.NOTICE, desk=False, place=f"T0SANDBOX1/{ann.id}", data={"text": "the figures"})
    await kit.channel.send(notice)
    await kit.channel.send(notice)
    assert [m.text for m in box.workspace.dm_channel("ann").messages] == ["the figures"] * 2
    assert len(box.workspace.calls_of("conversations.open")) == 1


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
    root = await box.workspace.user("ann").dm("help")
    place = f"T0SANDBOX1/{box.workspace.dm_channel('ann').id}#{root}"
    answer = outgoing(Kind.MESSAGE, desk=False, place=place, message=message("x", staff=True))
    box.workspace.faults.drop_request("chat.postMessage")
    with pytest.raises(UnknownOutcome):
        await kit.channel.send(answer)
    seen, sent = await kit.channel.look_up(answer)
    assert (seen, sent) == (Seen.NOT_THERE, None)


async def test_a_lost_change_may_simply_be_repeated(box: Sandbox, kit: Kit) -> None:
    first = await kit.channel.send(outgoing(Kind.CARD))
    box.workspace.faults.drop_answer("chat.update")
    with pytest.raises(TemporaryFailure):
        await kit.channel.send(outgoing(Kind.CARD, earlier=first.remote_id))


async def test_a_rate_limit_holds_the_lane(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.ratelimit("chat.postMessage", retry_after=7)
    with pytest.raises(TemporaryFailure) as caught:
        await kit.channel.send(outgoing(Kind.CARD))
    assert caught.value.scope is Scope.LANE
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 7


@pytest.mark.parametrize("status", [500, 503])
async def test_slack_in_trouble_holds_the_channel(box: Sandbox, kit: Kit, status: int) -> None:
    box.workspace.faults.http_error("chat.postMessage", status)
    with pytest.raises(TemporaryFailure) as caught:
        await kit.channel.send(outgoing(Kind.CARD))
    assert caught.value.scope is Scope.CHANNEL


async def test_slack_away_holds_the_channel(tmp_path: Path) -> None:
    kit = Kit("http://127.0.0.1:9/api/", tmp_path)
    with pytest.raises(TemporaryFailure) as caught:
        await kit.channel.send(outgoing(Kind.CARD))
    assert caught.value.scope is Scope.CHANNEL
    await kit.close()


async def test_a_mark_may_be_there_already(box: Sandbox, kit: Kit) -> None:
    ts = await box.workspace.user("ada").post("triage", "note: psst")
    mark = outgoing(Kind.MARK, target=f"T0SANDBOX1/{TRIAGE}/{ts}", data={"mark": "note"})
    await kit.channel.send(mark)
    await kit.channel.send(mark)
    assert "lock" in str(box.workspace.channel("triage").messages[0].reactions)


async def test_an_edit_and_a_deletion_reach_the_copy(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message("old"), anchor=card.remote_id))
    edit = outgoing(Kind.EDIT, message=message("new"), target=sent.remote_id)
    await kit.channel.send(edit)
    assert "new" in box.workspace.thread(ts_of(card.remote_id))[1].text
    await kit.channel.send(replace(edit, data={"deleted": True}))
    shown = box.workspace.thread(ts_of(card.remote_id))[1]
    assert "new" not in str(shown.blocks) + shown.text


async def test_a_whisper_is_for_one_person(box: Sandbox, kit: Kit) -> None:
    ada = box.workspace.user("ada")
    await kit.channel.send(outgoing(Kind.WHISPER, data={"user": f"T0SANDBOX1/{ada.id}", "text": "psst"}))
    assert [m.text for m in box.workspace.channel("triage").ephemerals] == ["psst"]
    assert box.workspace.channel("triage").messages == []


async def test_an_alert_has_a_button_that_names_the_delivery(box: Sandbox, kit: Kit) -> None:
    card = await kit.channel.send(outgoing(Kind.CARD))
    data = {"what": "failed", "delivery_id": 99, "to": "bob@example.com", "reason": "mailbox full"}
    await kit.channel.send(outgoing(Kind.ALERT, data=data, anchor=card.remote_id))
    alert = box.workspace.thread(ts_of(card.remote_id))[1]
    assert "mailbox full" in alert.text
    assert "bob@example.com" in alert.text
    assert "'value': '99'" in str(alert.blocks)


async def test_a_file_travels_byte_for_byte(box: Sandbox, kit: Kit) -> None:
    content = bytes(range(256)) * 1000
    file = Attachment(
        id=3, name="scan.bin", content_type="x/y", size=len(content), blob=await kit.blobs.put(content)
    )
    card = await kit.channel.send(outgoing(Kind.CARD))
    up = outgoing(Kind.FILE, message=message(files=[file]), anchor=card.remote_id, data={"attachment_id": 3})
    await kit.channel.send(up)
    await box.workspace.settled()
    stored = [m for m in box.workspace.thread(ts_of(card.remote_id)) if m.files]
    assert [f.content for m in stored for f in m.files] == [content]
    assert (await kit.channel.look_up(up))[0] is Seen.SENT


async def test_a_file_whose_answer_was_lost_is_found_by_name(box: Sandbox, kit: Kit) -> None:
    file = Attachment(id=3, name="scan.bin", content_type="x/y", size=4, blob=await kit.blobs.put(b"abcd"))
    root = await box.workspace.user("ann").dm("help")
    place = f"T0SANDBOX1/{box.workspace.dm_channel('ann').id}#{root}"
    up = outgoing(
        Kind.FILE, desk=False, place=place, message=message(files=[file]), data={"attachment_id": 3}
    )
    box.workspace.faults.drop_answer("files.completeUploadExternal")
    with pytest.raises(UnknownOutcome):
        await kit.channel.send(up)
    await box.workspace.settled()
    assert (await kit.channel.look_up(up))[0] is Seen.SENT
    kit.channel._uploader._ids.clear()  # as after a crash
    assert (await kit.channel.look_up(up))[0] is Seen.SENT


async def test_probe_names_what_is_wrong(box: Sandbox, kit: Kit) -> None:
    findings = await kit.channel.probe()
    assert [f.problem for f in findings] == [None] * len(findings)
    box.workspace.archive("triage")
    problems = [f.problem for f in await kit.channel.probe() if f.problem]
    assert len(problems) == 1
    assert "archived" in problems[0]


async def test_probe_of_a_false_token_is_one_problem(box: Sandbox, tmp_path: Path) -> None:
    kit = Kit(box.api_url, tmp_path, bot_token="xoxb-false")
    findings = await kit.channel.probe()
    assert len(findings) == 1
    assert findings[0].problem is not None
    await kit.close()


async def test_one_connection_serves_many_calls(box: Sandbox, kit: Kit) -> None:
    session = kit.api.session
    await asyncio.gather(*(kit.channel.send(outgoing(Kind.CARD, delivery_id=n)) for n in range(5)))
    assert kit.api.session is session
    assert len(box.workspace.channel("triage").top) == 5
