"""Files on their way out, over the wire: byte for byte, once, in their thread; and long texts as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.channel import SlackChannel
from core.failures import PermanentFailure, TemporaryFailure, UnknownOutcome
from core.shapes import Attachment, Kind, Outgoing, Seen
from sandbox import Sandbox
from sandbox.shapes import File, Message
from tests.bot.kit import Kit, message, outgoing
from tests.bot.test_changing import edit
from tests.bot.test_posting import dm_place, ts_of

LONG = "\n\n".join(f"paragraph {n}: " + "wörd & " * 60 for n in range(90))


async def attached(kit: Kit, name: str, content: bytes, n: int = 3, **more: Any) -> Attachment:
    blob = await kit.blobs.put(content) if content else None
    return Attachment(id=n, name=name, content_type="x/y", size=len(content), blob=blob, **more)


def up(files: list[Attachment], which: int = 0, **more: Any) -> Outgoing:
    data = {"attachment_id": files[which].id}
    return outgoing(Kind.FILE, message=message(files=files), data=data, **more)


async def card_of(kit: Kit) -> str:
    return (await kit.channel.send(outgoing(Kind.CARD))).remote_id


def files_of(messages: list[Message]) -> list[File]:
    return [file for m in messages for file in m.files]


@pytest.mark.parametrize("words", ["see these", ""])
async def test_several_files_travel_byte_for_byte_and_in_order(box: Sandbox, kit: Kit, words: str) -> None:
    """Case 2: with and without words, whatever their type; an image from within a mail is a file like any other."""
    contents = [bytes(range(256)) * 100, b"heic" * 999, b"x"]
    names = ["scan.bin", "IMG_0001.HEIC", "logo.png"]
    files = [
        await attached(kit, name, content, n, inline_cid="logo@x" if name == "logo.png" else None)
        for n, (name, content) in enumerate(zip(names, contents, strict=True), 1)
    ]
    files.append(await attached(kit, "empty.txt", b"", 4))
    card = await card_of(kit)
    await kit.channel.send(outgoing(Kind.MESSAGE, message=message(words, files=files), anchor=card))
    for n in range(3):
        sent = await kit.channel.send(up(files, n, anchor=card))
        assert sent.warning is None
    await box.workspace.settled()
    thread = box.workspace.thread(ts_of(card))
    assert [(f.name, f.content) for f in files_of(thread)] == list(zip(names, contents, strict=True))
    assert "empty.txt (an empty file)" in str(thread[1].blocks)
    assert len(box.workspace.channel("triage").top) == 1


async def test_twenty_megabytes(box: Sandbox, kit: Kit) -> None:
    content = bytes(range(256)) * 4_096 * 20
    card = await card_of(kit)
    files = [await attached(kit, "film.mov", content)]
    await kit.channel.send(up(files, anchor=card))
    await box.workspace.settled()
    [file] = files_of(box.workspace.thread(ts_of(card)))
    assert file.content == content


async def test_the_message_of_an_upload_is_known_when_slack_has_made_it(box: Sandbox, kit: Kit) -> None:
    """Case 22: the answer names no message, `files.info` does a moment later."""
    card = await card_of(kit)
    sent = await kit.channel.send(up([await attached(kit, "a.txt", b"abcd")], anchor=card))
    [reply] = box.workspace.thread(ts_of(card))[1:]
    assert sent.links == (f"slack:{card.rpartition('/')[0]}/{reply.ts}",)
    assert sent.remote_id.endswith(reply.files[0].id)


async def test_a_scan_that_takes_long_holds_nothing_up(box: Sandbox, kit: Kit, monkeypatch: Any) -> None:
    monkeypatch.setattr("bot.uploads.SHARED", (0.0,))
    box.workspace.state.files.scan_delay = 0.5
    card = await card_of(kit)
    given = up([await attached(kit, "a.txt", b"abcd")], anchor=card)
    sent = await kit.channel.send(given)
    assert sent.links == ()
    assert (await kit.channel.look_up(given))[0] is Seen.NOT_THERE
    await box.workspace.settled()
    assert (await kit.channel.look_up(given))[0] is Seen.SENT


async def test_a_file_whose_answer_was_lost_is_found_and_not_sent_again(
    box: Sandbox, kit: Kit, tmp_path: Path
) -> None:
    _, place = await dm_place(box)
    given = up([await attached(kit, "scan.bin", b"abcd")], desk=False, place=place)
    box.workspace.faults.drop_answer("files.completeUploadExternal")
    with pytest.raises(UnknownOutcome):
        await kit.channel.send(given)
    await box.workspace.settled()
    assert (await kit.channel.look_up(given))[0] is Seen.SENT
    after_a_crash = Kit(box.api_url, tmp_path)
    seen, sent = await after_a_crash.channel.look_up(given)
    assert seen is Seen.SENT
    assert sent is not None
    assert sent.remote_id.endswith(files_of(box.workspace.dm_channel("ann").messages)[0].id)
    await after_a_crash.close()


async def test_another_deliverys_file_of_the_same_name_is_not_taken_for_it(box: Sandbox, kit: Kit) -> None:
    card = await card_of(kit)
    files = [await attached(kit, "image.png", b"abcd", n) for n in (1, 2)]
    await kit.channel.send(up(files, 0, anchor=card))
    await box.workspace.settled()
    assert (await kit.channel.look_up(up(files, 1, anchor=card)))[0] is Seen.NOT_THERE


async def test_nor_after_a_crash(box: Sandbox, kit: Kit, tmp_path: Path) -> None:
    """Nobody remembers what it sent up then: the database knows. A signature's pictures are often of one size."""
    card = await card_of(kit)
    files = [await attached(kit, "image.png", b"abcd", n) for n in (1, 2)]
    first = await kit.channel.send(up(files, 0, anchor=card))
    await box.workspace.settled()
    other, second = Kit(box.api_url, tmp_path), up(files, 1, anchor=card)
    known: set[str] = set()
    asked: list[tuple[int, list[str]]] = []

    async def taken(given: Outgoing, remotes: Sequence[str]) -> set[str]:
        asked.append((given.delivery_id, list(remotes)))
        return known

    channel = SlackChannel(other.api, other.blobs, taken=taken)
    assert (await channel.look_up(second))[0] is Seen.SENT, "the only one that it could be"
    known.add(first.remote_id)
    assert (await channel.look_up(second))[0] is Seen.NOT_THERE
    assert asked[-1] == (second.delivery_id, [first.remote_id])
    await other.close()


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "upload"])
async def test_an_upload_that_broke_off_is_tried_again(box: Sandbox, kit: Kit, method: str) -> None:
    card = await card_of(kit)
    given = up([await attached(kit, "scan.bin", b"abcd")], anchor=card)
    box.workspace.faults.drop_answer(method)
    with pytest.raises(TemporaryFailure):
        await kit.channel.send(given)
    await kit.channel.send(given)
    await box.workspace.settled()
    assert len(files_of(box.workspace.thread(ts_of(card)))) == 1


@pytest.mark.parametrize(
    ("name", "sent_as"),
    [
        ("../../etc/passwd", "passwd"),
        ("in\x00voice\u202efdp.exe", "invoicefdp.exe"),
        ("<!channel> *b* `c`.txt", "<!channel> *b* `c`.txt"),
    ],
)
async def test_a_name_is_sent_without_what_hides_in_it(
    box: Sandbox, kit: Kit, name: str, sent_as: str
) -> None:
    card = await card_of(kit)
    files = [await attached(kit, name, b"abcd")]
    given = up(files, anchor=card)
    await kit.channel.send(outgoing(Kind.MESSAGE, message=message("", files=files), anchor=card))
    await kit.channel.send(given)
    await box.workspace.settled()
    thread = box.workspace.thread(ts_of(card))
    assert [f.name for f in files_of(thread)] == [sent_as]
    assert "<!channel>" not in str(thread[1].blocks) + thread[1].text
    assert (await kit.channel.look_up(given))[0] is Seen.SENT


# -- what can't go up --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
async def test_without_the_scope_a_file_is_named_with_the_reason(box: Sandbox, kit: Kit, known: bool) -> None:
    if not known:
        await kit.api.home()
    box.workspace.state.scopes = box.workspace.state.scopes - {"files:write"}
    card = await card_of(kit)
    await kit.channel.send(up([await attached(kit, "<!here>.pdf", b"abcd" * 300)], anchor=card))
    [reply] = box.workspace.thread(ts_of(card))[1:]
    assert "&lt;!here&gt;.pdf (1.2 kB)" in reply.text
    assert "files:write" in reply.text


async def test_a_file_that_is_gone_is_a_failure(box: Sandbox, kit: Kit) -> None:
    card = await card_of(kit)
    file = Attachment(id=3, name="lost.bin", content_type="x/y", size=4, blob="ab" * 16)
    with pytest.raises(PermanentFailure):
        await kit.channel.send(up([file], anchor=card))
    with pytest.raises(PermanentFailure):
        await kit.channel.send(outgoing(Kind.FILE, message=message(), data={"attachment_id": 3}, anchor=card))
    assert len(box.workspace.channel("triage").messages) == 1


async def test_a_file_below_a_deleted_card_stands_below_a_new_one(box: Sandbox, kit: Kit) -> None:
    """Case 9: an upload into a thread that is gone lands at top level, too; it doesn't stay there."""
    card = await card_of(kit)
    box.workspace.delete("triage", ts_of(card))
    sent = await kit.channel.send(up([await attached(kit, "a.txt", b"abcd")], anchor=card))
    await box.workspace.settled()
    [top] = box.workspace.channel("triage").top
    assert "The printer burns" in top.text
    assert [f.content for f in files_of(box.workspace.thread(top.ts)[1:])] == [b"abcd"]
    assert sent.card is not None
    assert ts_of(sent.card) == top.ts


async def test_a_file_for_a_public_thread_that_is_gone_is_taken_back(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("ann").post("general", "@relaydesk help")
    await box.workspace.user("ann").delete("general", root)
    place = f"T0SANDBOX1/{box.workspace.channel('general').id}#{root}"
    with pytest.raises(PermanentFailure):
        await kit.channel.send(up([await attached(kit, "a.txt", b"abcd")], desk=False, place=place))
    assert box.workspace.channel("general").messages == []


async def test_a_file_that_was_taken_back_goes(box: Sandbox, kit: Kit) -> None:
    card = await card_of(kit)
    sent = await kit.channel.send(up([await attached(kit, "a.txt", b"abcd")], anchor=card))
    gone = outgoing(
        Kind.EDIT, anchor=card, target=sent.remote_id, data={"file": sent.remote_id, "deleted": True}
    )
    for _ in range(2):
        await kit.channel.send(gone)
    assert [f.deleted for f in box.workspace.state.files.all.values()] == [True]


async def test_a_file_that_was_only_named_goes_as_well(box: Sandbox, kit: Kit) -> None:
    box.workspace.state.scopes = box.workspace.state.scopes - {"files:write"}
    card = await card_of(kit)
    sent = await kit.channel.send(up([await attached(kit, "a.txt", b"abcd")], anchor=card))
    await kit.channel.send(outgoing(Kind.EDIT, anchor=card, data={"file": sent.remote_id, "deleted": True}))
    assert len(box.workspace.thread(ts_of(card))) == 1


async def test_a_file_that_never_went_has_nothing_to_take_away(box: Sandbox, kit: Kit) -> None:
    """Least of all the message that it belonged to."""
    card = await card_of(kit)
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message("see"), anchor=card))
    gone = outgoing(Kind.EDIT, anchor=card, target=sent.remote_id, data={"file": "", "deleted": True})
    assert (await kit.channel.send(gone)).warning is not None
    assert len(box.workspace.thread(ts_of(card))) == 2


# -- texts that are too long for posts ---------------------------------------------------------------------------


async def test_a_text_beyond_three_parts_is_a_file_below_its_first_words(box: Sandbox, kit: Kit) -> None:
    card = await card_of(kit)
    given = outgoing(Kind.MESSAGE, message=message(LONG), anchor=card)
    sent = await kit.channel.send(given)
    again = await kit.channel.send(given)
    await box.workspace.settled()
    first, with_file = box.workspace.thread(ts_of(card))[1:]
    assert "paragraph 0: wörd &amp;" in str(first.blocks)
    assert [(f.name, f.content.decode()) for f in with_file.files] == [("message.txt", LONG)]
    assert sent.links == again.links
    assert (await kit.channel.look_up(given))[0] is Seen.SENT


async def test_a_long_text_whose_file_was_cut_off_is_finished(box: Sandbox, kit: Kit, tmp_path: Path) -> None:
    card = await card_of(kit)
    given = outgoing(Kind.MESSAGE, message=message(LONG), anchor=card)
    box.workspace.faults.drop_request("files.completeUploadExternal")
    with pytest.raises(UnknownOutcome):
        await kit.channel.send(given)
    after_a_crash = Kit(box.api_url, tmp_path)
    assert (await after_a_crash.channel.look_up(given))[0] is Seen.NOT_THERE
    await after_a_crash.channel.send(given)
    await box.workspace.settled()
    assert len(box.workspace.thread(ts_of(card))) == 3
    assert len(files_of(box.workspace.thread(ts_of(card)))) == 1
    await after_a_crash.close()


async def test_where_the_file_is_refused_the_text_comes_in_parts(box: Sandbox, kit: Kit) -> None:
    card = await card_of(kit)
    box.workspace.faults.fail("files.getUploadURLExternal", "storage_limit_reached")
    await kit.channel.send(outgoing(Kind.MESSAGE, message=message(LONG), anchor=card))
    replies = box.workspace.thread(ts_of(card))[1:]
    shown = " ".join(b["text"]["text"] for m in replies for b in m.blocks if b["type"] == "section")
    assert shown.replace("&amp;", "&").split() == LONG.split()
    assert "message.txt" not in str([m.blocks for m in replies])


async def test_an_edit_replaces_the_file_or_takes_it_away(box: Sandbox, kit: Kit) -> None:
    card = await card_of(kit)
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message(LONG), anchor=card))
    longer = await kit.channel.send(edit(card, sent, LONG + " the end"))
    await box.workspace.settled()
    alive = [f for f in box.workspace.state.files.all.values() if not f.deleted]
    assert [f.content.decode() for f in alive] == [LONG + " the end"]
    await kit.channel.send(edit(card, longer, "short"))
    assert [f for f in box.workspace.state.files.all.values() if not f.deleted] == []
    assert box.workspace.thread(ts_of(card))[1].text == "short"


async def test_a_deletion_takes_the_file_along(box: Sandbox, kit: Kit) -> None:
    card = await card_of(kit)
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message(LONG), anchor=card))
    await kit.channel.send(replace(edit(card, sent, LONG), message=None, data={"deleted": True}))
    assert [f.deleted for f in box.workspace.state.files.all.values()] == [True]
