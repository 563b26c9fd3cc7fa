"""Cases 1 and 10: what staff write for each other stays with them, and everybody can see which is which."""

from __future__ import annotations

import pytest

from sandbox import Sandbox
from tests.cases.slack_service import SUPPORT, SlackService, serving, words
from tests.stores import Store

NOTES = ("note: alpha", "NOTE :alpha", "  Note:\nalpha", "🔒 alpha", ":lock: alpha", ":Lock:alpha")


def marks(desk: SlackService, ts: str) -> set[str]:
    """The bot's signs on a message in the triage channel."""
    message = desk.space.channel("triage").state.messages[ts]
    return {name for name, users in message.reactions.items() if users}


async def test_C1_a_sign_in_front_keeps_it_with_the_desk(store: Store, box: Sandbox) -> None:
    """However it's typed; ✉️ shows what has gone out, 🔒 what hasn't."""
    async with serving(store, box) as desk:
        card = await desk.asked_by_mail()
        notes = [await desk.user("ada").post("triage", note, thread_ts=card.ts) for note in NOTES]
        answer = await desk.user("ada").post("triage", "noted: unplug it", thread_ts=card.ts)
        await desk.mailed("unplug it")
        await desk.sees(lambda: "envelope" in marks(desk, answer))
        await desk.sees(lambda: all("lock" in marks(desk, ts) for ts in notes))
        await desk.rest()
        assert marks(desk, answer) == {"envelope"}
        assert [marks(desk, ts) for ts in notes] == [{"lock"}] * len(NOTES)
        assert not any("alpha" in m.raw.decode() for m in box.mailbox.mails)


async def test_C1_a_channel_may_keep_everything_but_replies(store: Store, box: Sandbox) -> None:
    """With `default_visibility = "note"` a forgotten sign costs nothing; `reply:` goes out."""
    async with serving(store, box, queue=[{**SUPPORT, "default_visibility": "note"}]) as desk:
        card = await desk.asked_by_mail()
        plain = await desk.user("ada").post("triage", "alpha, the poor man", thread_ts=card.ts)
        answer = await desk.user("grace").post("triage", "Reply : unplug it", thread_ts=card.ts)
        sent = await desk.mailed("unplug it")
        await desk.sees(lambda: marks(desk, answer) == {"envelope"} and marks(desk, plain) == {"lock"})
        assert "eply" not in sent.text.partition("unplug it")[0]
        await desk.rest()
        assert not any("alpha" in m.raw.decode() for m in box.mailbox.mails)


async def test_C10_notes_from_slack_in_every_way(store: Store, box: Sandbox) -> None:
    """In the thread, as a command, in the card's form, edited; a mention of the bot alone is nothing."""
    async with serving(store, box) as desk:
        ada, grace = desk.user("ada"), desk.user("grace")
        root = await desk.user("ann").dm("The printer burns")
        card = await desk.opened("The printer burns")
        first = await ada.post("triage", "note: alpha one", thread_ts=card.ts)
        await ada.post("triage", "!note alpha two", thread_ts=card.ts)
        await grace.select("triage", card.ts, "menu", "note")
        await desk.sees(lambda: grace.modal is not None)
        assert grace.modal is not None
        await grace.submit(grace.modal.id, {"note": "alpha three"})
        await desk.posted("alpha three", card.ts)
        await ada.edit("triage", first, "note: alpha one, again")
        await ada.post("triage", "@relaydesk", thread_ts=card.ts)
        await ada.post("triage", "Unplug it", thread_ts=card.ts)
        await desk.posted("Unplug it", root)
        await desk.rest()
        notes = {row["text"] for row in store.rows("SELECT text FROM messages WHERE visibility = 'note'")}
        assert notes == {"alpha one, again", "alpha two", "alpha three"}
        shown = [words(m) for m in desk.space.dm_channel("ann").messages]
        assert not any("alpha" in text for text in shown)
        assert len([m for m in desk.space.thread(root) if m.bot_id]) == 2, "the receipt, and the answer"
        assert store.count("messages") == 5


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_C10_an_answer_that_becomes_a_note_is_taken_back(store: Store, box: Sandbox) -> None:
    """Who notices in time that they forgot the sign puts it in front: what stands in Slack goes."""
    async with serving(store, box) as desk:
        root = await desk.user("ann").dm("The printer burns")
        card = await desk.opened("The printer burns")
        ts = await desk.user("ada").post("triage", "alpha", thread_ts=card.ts)
        await desk.posted("alpha", root)
        await desk.user("ada").edit("triage", ts, "🔒 alpha")
        await desk.sees(lambda: not desk.replies("alpha", root))
