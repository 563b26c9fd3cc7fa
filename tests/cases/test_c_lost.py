"""Cases 8, 9 and 12: what didn't arrive is seen, what was deleted leaves nothing astray, what was edited is known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.figures import of
from core.views import Period
from sandbox import Message, Sandbox
from tests.cases.slack_service import SlackService, serving, words
from tests.stores import Store


async def not_delivered(desk: SlackService) -> int:
    """What the figures of the last hour say of that: the Home tab's and the digest's."""
    database = desk.service.parts.database

    async def read(tx):  # type: ignore[no-untyped-def]
        now = await tx.now()
        return await of(tx, Period(now - timedelta(hours=1), now + timedelta(minutes=1)), None)

    return int((await database.read(read)).deliveries_failed)


def button(message: Message, action_id: str) -> bool:
    return f"'action_id': '{action_id}'" in str(message.blocks)


async def test_C8_what_could_not_be_relayed_is_seen_and_tried_again(store: Store, box: Sandbox) -> None:
    """⚠️ at the words and the reason below them, with a button; it counts in the figures; the button sends it."""
    async with serving(store, box) as desk:
        card = await desk.asked_by_mail()
        box.mailbox.refuse_next(code=550, text="5.1.1 no such user here")
        ts = await desk.user("ada").post("triage", "Unplug it", thread_ts=card.ts)
        alert = await desk.posted("no such user here", card.ts)
        written = desk.space.channel("triage").state.messages[ts]
        await desk.sees(lambda: "warning" in written.reactions)
        assert "envelope" not in written.reactions
        assert await not_delivered(desk) == 1
        assert button(alert, "retry")
        await desk.user("grace").click("triage", alert.ts, "retry")
        await desk.mailed("Unplug it")
        await desk.sees(lambda: "envelope" in written.reactions and "warning" not in written.reactions)


async def test_C8_a_person_in_slack_who_cannot_be_reached(store: Store, box: Sandbox) -> None:
    """Slack refuses the answer: the thread says so as well."""
    async with serving(store, box) as desk:
        await desk.user("ann").dm("The printer burns")
        card = await desk.opened("The printer burns")
        await desk.rest()
        box.workspace.faults.fail("chat.postMessage", "restricted_action")
        await desk.user("ada").post("triage", "Unplug it", thread_ts=card.ts)
        await desk.sees(lambda: any(button(m, "retry") for m in desk.space.thread(card.ts)[1:]))
        assert await not_delivered(desk) == 1


async def test_C9_deleted_roots_leave_nothing_astray(store: Store, box: Sandbox) -> None:
    """A requester's before its card is there and after an answer; a card before something is posted below it."""
    async with serving(store, box, slack={"group_window": "0s"}) as desk:
        space, ann = desk.space, desk.user("ann")
        gone = await ann.dm("Never mind")
        await ann.delete("dm", gone)
        await desk.rest()

        root = await ann.dm("The printer burns")
        card = await desk.opened("The printer burns")
        await desk.user("ada").post("triage", "Unplug it", thread_ts=card.ts)
        await desk.posted("Unplug it", root)
        await ann.delete("dm", root)
        await ann.dm("It smokes", thread_ts=root)
        await desk.posted("It smokes", card.ts)
        await desk.user("ada").post("triage", "Run", thread_ts=card.ts)
        await desk.posted("Run", root)
        assert store.count("tickets", "status NOT IN ('closed', 'resolved', 'spam')") >= 1

        by_mail = await desk.asked_by_mail("Flood")
        await desk.rest()
        space.delete("triage", by_mail.ts)  # an admin; nothing is below it
        receipt = box.mailbox.to("cleo@customer.example")[-1].header("Message-ID")
        await desk.mail("Re: Flood", "Higher now", headers={"In-Reply-To": receipt})
        await desk.sees(lambda: any("Higher now" in words(m) for m in space.channel("triage").messages))
        await desk.rest()
        again = [m for m in desk.cards("Flood") if m.ts != by_mail.ts]
        assert len(again) == 1
        assert len(desk.replies("Higher now", again[0].ts)) == 1
        for message in space.channel("triage").top:
            assert message.subtype == "tombstone" or "ticket:" in str(message.blocks), words(message)


async def test_C12_an_edit_reaches_the_ticket_and_whoever_had_the_old_words(
    store: Store, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A requester's in the ticket and in the desk's thread; an answer's in the thread, and by mail as a correction."""
    monkeypatch.setattr("core.audience.CORRECTION_DELAY", timedelta(milliseconds=100))
    async with serving(store, box) as desk:
        ann, ada = desk.user("ann"), desk.user("ada")
        root = await ann.dm("Room 5")
        card = await desk.opened("Room 5")
        later = await ann.dm("It is on fier", thread_ts=root)
        await desk.posted("on fier", card.ts)
        await ann.edit("dm", later, "It is on fire")
        await desk.posted("on fire", card.ts)
        await desk.sees(lambda: not desk.replies("on fier", card.ts))
        await ann.edit("dm", root, "Room 6")
        await desk.opened("Room 6")
        assert "edited" in words(await desk.posted("on fire", card.ts))

        by_mail = await desk.asked_by_mail()
        answer = await ada.post("triage", "Call 112 at noon", thread_ts=by_mail.ts)
        await desk.mailed("Call 112 at noon")
        await ada.edit("triage", answer, "Call 112 at once")
        corrected = await desk.mailed("Call 112 at once")
        assert "orrect" in corrected.text
        texts = {row["text"] for row in store.rows("SELECT text FROM messages")}
        assert {"Room 6", "It is on fire", "Call 112 at once"} <= texts


async def test_C12_an_edit_before_it_went_goes_as_one(store: Store, box: Sandbox) -> None:
    """In the hold of an answer, and before the first relay of a question: the old words reach nobody."""
    async with serving(store, box, slack={"reply_hold": "2s"}) as desk:
        card = await desk.asked_by_mail()
        ts = await desk.user("ada").post("triage", "Call 112 at noon", thread_ts=card.ts)
        await desk.user("ada").edit("triage", ts, "Call 112 at once")
        await desk.mailed("Call 112 at once")
        await desk.rest()
        assert not desk.to_customer("at noon")
        assert len(desk.to_customer("Call 112")) == 1
