"""Cases 11, 13 and 16: a thread's past comes along once, only what people write acts, and repeats change nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.cases.slack_service import SlackService, serving, words
from tests.stores import Store

CONTENT = {
    "MessagePayload",
    "MessageFileSharePayload",
    "MessageMePayload",
    "MessageThreadBroadcastPayload",
}
NOT_OURS = (
    "bot_id",
    "bot_profile",
    "app_id",
    "thread_ts",
    "edited",
    "username",
    "blocks",
    "attachments",
    "files",
)


@pytest.mark.parametrize("by", ["emoji", "mention"])
async def test_C11_what_was_said_before_comes_along_once_and_in_order(
    store: Store, box: Sandbox, by: str
) -> None:
    """By two people's emoji at the same moment, or by a mention; every event delivered three times."""
    said = [f"word {n} of it" for n in range(6)]
    async with serving(store, box) as desk:
        box.workspace.faults.duplicate_events = 2
        bob, ann, ada = desk.user("bob"), desk.user("ann"), desk.user("ada")
        root = await bob.post("general", "The printer burns")
        for n, text in enumerate(said):
            await (ann if n % 2 else bob).post("general", text, thread_ts=root)
        if by == "emoji":
            await asyncio.gather(ann.react("general", root, "ticket"), ada.react("general", root, "ticket"))
        else:
            await bob.post("general", "@relaydesk can you help?", thread_ts=root)
        await desk.sees(lambda: said[-1] in desk.space.render("triage"))
        await bob.post("general", "It got worse", thread_ts=root)
        await desk.sees(lambda: "It got worse" in desk.space.render("triage"))
        await desk.rest()
        [card] = desk.cards()
        shown = "".join(words(m) for m in desk.space.thread(card.ts)[1:])
        order = [shown.index(text) for text in (*said, "It got worse")]
        assert order == sorted(order)
        for text in said:
            assert len(desk.replies(text, card.ts)) == 1
            assert store.count("messages", "text = :t", t=text) == 1
        assert store.count("tickets") == 1


def samples(folder: Path) -> list[Path]:
    return sorted((folder / "slack/contract/events").glob("Message*.json"))


async def test_C13_only_what_people_write_acts(store: Store, box: Sandbox, shared_folder: Path) -> None:
    """Every kind of message event that is known is delivered; the four kinds of content are tickets, others nothing."""
    given = samples(shared_folder)
    assert len(given) > 15
    async with serving(store, box, slack={"group_window": "0s"}) as desk:
        space = desk.space
        for sample in given:
            inner: dict[str, Any] = json.loads(sample.read_text("utf-8"))["event"]
            inner = {key: value for key, value in inner.items() if key not in NOT_OURS}
            ts = space.state.ids.ts()
            inner |= {"channel": space.dm_channel("ann").id, "user": desk.user("ann").id}
            inner |= {"ts": ts, "event_ts": ts, "channel_type": "im", "text": sample.stem}
            space.delivery.send_out(space.delivery.envelope(inner))
        await desk.user("gil").join("triage")
        await desk.user("gil").leave("triage")
        await desk.sees(lambda: len(desk.cards()) >= len(CONTENT))
        await desk.rest()
        assert {row["description"] for row in store.rows("SELECT description FROM tickets")} == CONTENT
        assert store.count("messages") == len(CONTENT)


async def _once(desk: SlackService) -> None:
    """A question by direct message, one by mention (two events for it), an answer to either; each is there once."""
    root = await desk.user("ann").dm("The printer burns")
    asked = await desk.user("bob").post("general", "@relaydesk the lift is stuck")
    for said, thread in (("The printer burns", root), ("the lift is stuck", asked)):
        card = await desk.opened(said)
        await desk.user("ada").post("triage", f"Seen: {said}", thread_ts=card.ts)
        await desk.posted(f"Seen: {said}", thread)
    await desk.rest()
    for said, thread in (("The printer burns", root), ("the lift is stuck", asked)):
        assert len(desk.cards(said)) == 1
        assert len([m for m in desk.space.thread(thread) if m.bot_id]) == 2, "the receipt and the answer"
        assert len(desk.replies(f"Seen: {said}", thread)) == 1
    assert (desk.store.count("tickets"), desk.store.count("messages")) == (2, 4)


async def test_C16_each_event_four_times_is_one(store: Store, box: Sandbox) -> None:
    """Slack delivers again what it thinks wasn't acknowledged, and a mention is two events of one message."""
    async with serving(store, box) as desk:
        box.workspace.faults.duplicate_events = 3
        await _once(desk)
        kinds = [e["event"]["type"] for e in desk.space.events if "lift" in e["event"].get("text", "")]
        assert {"app_mention", "message"} <= set(kinds)


async def test_C16_the_same_envelope_twice_and_late_is_one(store: Store, box: Sandbox) -> None:
    """The very same envelope again, as a retry or not, before or after what followed it."""
    async with serving(store, box) as desk:
        trouble = box.chaos(16, duplicates=1.0)
        await _once(desk)
        trouble.stop()
        assert trouble.counts["duplicates"] >= 4
