"""C, what goes up to Slack: uploads that say too little, texts beyond every limit, files that are a sign-in page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.api import Api
from bot.blocks import Look, Post
from bot.posting import Poster
from core.failures import PermanentFailure
from core.shapes import Kind, NewMessage, Outgoing
from sandbox import Sandbox
from tests.bot.kit import Kit, message, outgoing, ticket, until
from tests.bot.posts import BUDGET, walk
from tests.bot.test_changing import edit
from tests.bot.test_posting import ts_of
from tests.house import House
from tests.stores import Store
from tests.waiting import until as wait_until

WIDE = "\U0001f9ef\u00e4<&>*_`\u4e16 "  # several bytes, escaped characters, formatting
HUGE = {
    "plain": "word " * 12_000,
    "wide": WIDE * 2_500,
    "one word": "x" * 30_000,
    "lines": "a\n" * 9_000,
}


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path)
    yield kit
    await kit.close()


def writes(box: Sandbox) -> list[Any]:
    return [*box.workspace.calls_of("chat.postMessage"), *box.workspace.calls_of("chat.update")]


def blocks_of(call: Any) -> list[dict[str, Any]]:
    given = call.args.get("blocks") or []
    found: list[dict[str, Any]] = json.loads(given) if isinstance(given, str) else list(given)
    return found


def words_in(messages: list[Any]) -> str:
    """What can be read of posts, their files included, unescaped and without spaces."""
    said = "".join(b["text"]["text"] for m in messages for b in m.blocks if b["type"] == "section")
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        said = said.replace(entity, letter)
    said += "".join(file.content.decode() for m in messages for file in m.files)
    return "".join(said.split())


# -- 22 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["slow scan", "lost answer"])
async def test_C22_a_mails_file_is_in_the_thread_once(
    house: House, box: Sandbox, store: Store, fault: str
) -> None:
    """Though the upload's answer names no message, or never arrives; its own echo makes nothing."""
    space = box.workspace
    space.state.files.scan_delay = 0.5
    if fault == "lost answer":
        space.faults.drop_answer("files.completeUploadExternal")
    await house.send_mail(files=[("scan.bin", b"abcd" * 99)])
    sent = "kind = 'file' AND state = 'sent'"
    await wait_until(lambda: store.count("deliveries", sent), 20)
    await space.settled()
    [card] = space.channel("triage").top
    assert [f.content for m in space.thread(card.ts) for f in m.files] == [b"abcd" * 99]
    assert len(space.calls_of("files.completeUploadExternal")) == 1
    assert (store.count("tickets"), store.count("messages")) == (1, 1)


# -- 23, 24 -----------------------------------------------------------------------------------------------------------


def monster(text: str, **more: Any) -> Outgoing:
    """A card of the longest that each of its parts can be."""
    names = {
        "requester_name": text[:200],
        "requester_email": "a" * 240 + "@example.com",
        "assignee": text[:60],
    }
    given = ticket(title=text[:255], description=text, assignee_id=2, **names)
    return outgoing(Kind.CARD, ticket=given, answering=(text[:200],) * 9, **more)


@pytest.mark.parametrize("text", HUGE.values(), ids=list(HUGE))
async def test_C23_nothing_is_refused_as_too_long_and_nothing_is_cut(
    box: Sandbox, kit: Kit, text: str
) -> None:
    """A card is posted and changed, its messages too; what is long goes on below it, or is a file."""
    card = (await kit.channel.send(monster(text))).remote_id
    await kit.channel.send(monster(text + " more", earlier=card))
    sent = await kit.channel.send(outgoing(Kind.MESSAGE, message=message(text), anchor=card))
    await box.workspace.settled()
    everything = words_in(box.workspace.thread(ts_of(card))[1:])
    assert "".join(text.split()) in everything
    await kit.channel.send(edit(card, sent, text + " the very end"))
    await box.workspace.settled()
    assert words_in(box.workspace.thread(ts_of(card))[1:]).endswith("theveryend")
    calls = writes(box)
    assert len(calls) >= 4
    assert [call.answer.get("error") for call in calls if not call.answer["ok"]] == []
    warned = [w for c in calls for w in (c.answer.get("response_metadata") or {}).get("warnings", ())]
    assert "message_truncated" not in warned


async def test_C23_what_slack_cut_is_no_success(box: Sandbox, kit: Kit) -> None:
    """Were a text of ours too long all the same, it is taken back and the delivery fails where staff see it."""
    poster = Poster(Api(kit.api.config), Look("", "Acme"), kit.api.config.slack.pace)
    with pytest.raises(PermanentFailure, match="cut"):
        await poster.post_all(outgoing(Kind.CARD), [Post("word " * 9_000)])
    assert box.workspace.channel("triage").messages == []
    await poster.api.close()


@pytest.mark.parametrize("text", HUGE.values(), ids=list(HUGE))
async def test_C24_all_blocks_together_stay_below_the_budget(box: Sandbox, kit: Kit, text: str) -> None:
    """Slack refuses about 13,200 characters in all; what is posted has fewer than 12,000."""
    card = (await kit.channel.send(monster(text))).remote_id
    await kit.channel.send(outgoing(Kind.MESSAGE, message=message(text, staff=True), anchor=card))
    data = {"what": "failed", "delivery_id": 9, "to": text[:300], "reason": text}
    await kit.channel.send(outgoing(Kind.ALERT, data=data, anchor=card))
    totals = [
        sum(len(part["text"]) for part in walk(blocks_of(call)) if isinstance(part.get("text"), str))
        for call in writes(box)
    ]
    assert len(totals) >= 3
    assert max(totals) > 1_000
    assert max(totals) < BUDGET


# -- 29 ---------------------------------------------------------------------------------------------------------------


async def test_C29_a_sign_in_page_is_never_the_customers_file(box: Sandbox, kit: Kit) -> None:
    """Where the token isn't taken Slack sends a page with 200: the file is named as unavailable; a real one is kept."""
    await kit.door.start()
    assert await kit.door.until_ready(5)
    page = b"<!DOCTYPE html><html><body>our report</body></html>"
    await box.workspace.user("ann").dm("see", files=[("scan.pdf", b"%PDF-1.4"), ("report.html", page)])
    await until(lambda: kit.shelf.arrivals)
    [item] = kit.shelf.items()
    good = await kit.channel.read(item)
    kit.api._token = "xoxb-false"
    bad = await kit.channel.read(item)
    assert isinstance(good, NewMessage)
    assert isinstance(bad, NewMessage)
    assert [file.size for file in good.files] == [8, len(page)]
    assert all(file.blob for file in good.files)
    assert [(file.name, file.blob) for file in bad.files] == [("scan.pdf", None), ("report.html", None)]
    assert all("sign-in page" in str(file.unavailable) for file in bad.files)
