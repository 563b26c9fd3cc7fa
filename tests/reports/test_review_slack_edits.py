"""Review: what is edited or deleted in Slack is gone for the requester too, and costs the desk no more than a new
message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.sift import MOST_NAMES, Found, sift
from core.failures import PermanentFailure
from core.outgoing import load
from core.shapes import Kind, Receipt, Visibility, key_of
from core.tables import deliveries, links
from sandbox import Sandbox
from tests.bot.kit import HOME, Kit, message, outgoing
from tests.core.desk import TRIAGE, TestDesk, post
from tests.core.received import ADA, DAN, carded, deletion, edit, event_kinds, noted, opened, texts
from tests.core.test_courier import go
from tests.stores import Store

SLY = "sly words"


async def hung(desk: TestDesk, ticket: int) -> str:
    """Hang the ticket's card into the triage channel; its ts."""
    values = {"kind": "card", "ticket_id": ticket, "remote": f"T1/{TRIAGE}/100.1"}
    key = key_of(f"slack:T1/{TRIAGE}/100.1")
    await desk.database.unit(lambda tx: tx.run(links.insert().values(key=key, **values)))
    return "100.1"


async def asked_in_slack(desk: TestDesk) -> tuple[int, str]:
    """Dan asks by direct message; the ticket, and its card's ts."""
    receipt = await desk.manager.receive(post("1.0", "My screen", sender=DAN, conversation="D1"))
    assert receipt.ticket_id is not None
    return receipt.ticket_id, await hung(desk, receipt.ticket_id)


async def into_note(desk: TestDesk, root: str, text: str = SLY, ts: str = "101.0") -> Receipt:
    """Ada puts `note:` before the answer that she wrote."""
    new = post(ts, text, sender=ADA, root=root, desk=True, visibility=Visibility.NOTE)
    return await desk.manager.receive(edit(ts, text, ADA, as_new=new))


def went_out(desk: TestDesk) -> str:
    """Every word that left for a requester's side."""
    return " ".join(str(o) for o in (*desk.mail.sent, *desk.slack.sent) if not o.desk)


async def test_an_answer_that_became_a_note_before_it_went(desk: TestDesk, store: Store) -> None:
    """It doesn't go, staff alone see it, and nobody is whispered to: nothing had gone."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    receipt = await into_note(desk, root)
    assert (receipt.outcome, receipt.because) == ("edited", "became a note")
    message = (await desk.manager.view_ticket(await desk.staff(), ticket)).messages[-1]
    assert (message.text, message.visibility) == (SLY, Visibility.NOTE)
    assert store.value("SELECT state FROM deliveries WHERE kind = 'message' AND desk = 0") == "cancelled"
    assert "became_note" in await event_kinds(desk, ticket)
    assert "desk slack whisper" not in noted(store)
    assert noted(store)[-1] == "desk slack mark", "the author sees that it is a note"
    await go(desk, store)
    assert "message" not in desk.mail.kinds()
    assert SLY not in went_out(desk)


async def test_a_mail_that_had_gone_stays_and_its_author_hears(desk: TestDesk, store: Store) -> None:
    """No correction follows it (that would carry the note's words); the author alone is told that it was too late."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    await go(desk, store)
    await desk.manager.receive(edit("101.0", "Try again", ADA))
    assert store.count("deliveries", "data LIKE '%correction%' AND state = 'queued'") == 1
    assert (await into_note(desk, root)).outcome == "edited"
    assert store.count("deliveries", "data LIKE '%correction%' AND state <> 'cancelled'") == 0
    (whisper,) = store.rows("SELECT place, data FROM deliveries WHERE kind = 'whisper'")
    assert "had the answer already" in whisper["data"]
    assert whisper["place"].startswith(f"T1/{TRIAGE}")
    await desk.quiet(store)
    assert desk.mail.kinds() == ["notice:ack", "message"]
    assert (await desk.manager.view_ticket(await desk.staff(), ticket)).messages[-1].text == SLY
    assert SLY not in went_out(desk)


async def test_what_stands_in_slack_is_taken_back(desk: TestDesk, store: Store) -> None:
    """The requester's copy is changed into one that says nothing; that edit may go though its message is a note."""
    ticket, root = await asked_in_slack(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    await go(desk, store)
    (copy,) = [o for o in desk.slack.sent if o.kind is Kind.MESSAGE and not o.desk]
    await into_note(desk, root)
    await desk.quiet(store)
    (taken,) = [o for o in desk.slack.sent if o.kind is Kind.EDIT]
    assert (taken.desk, taken.place, taken.data["deleted"]) == (False, DAN.place, True)
    assert taken.target == f"T1/D1/{1000 + copy.delivery_id}.0"
    assert store.count("deliveries", "state = 'failed'") == 0
    assert store.count("deliveries", "kind = 'whisper'") == 1
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    assert detail.messages[-1].visibility is Visibility.NOTE


async def test_the_channel_shows_nothing_of_what_was_taken_back(box: Sandbox, tmp_path: Path) -> None:
    """What Slack shows in its place holds no word of the answer or the note."""
    kit = Kit(box.api_url, tmp_path)
    try:
        root = await box.workspace.user("ann").dm("help")
        dm = box.workspace.dm_channel("ann")
        place = f"T0SANDBOX1/{dm.id}#{root}"
        answer = message("Turn it off", staff=True)
        sent = await kit.channel.send(outgoing(Kind.MESSAGE, desk=False, place=place, message=answer))
        note = message(SLY, staff=True, visibility=Visibility.NOTE)
        data = {"deleted": True, "target": sent.remote_id}
        await kit.channel.send(
            outgoing(Kind.EDIT, desk=False, place=place, message=note, data=data, target=sent.remote_id)
        )
        shown = dm.thread(root)[1]
        assert "deleted" in shown.text
        assert SLY not in shown.text + str(shown.blocks)
        assert "Turn it off" not in shown.text + str(shown.blocks)
    finally:
        await kit.close()


async def test_a_note_that_was_an_answer_is_edited_at_the_desk_alone(desk: TestDesk, store: Store) -> None:
    """Its further edits and its deletion go nowhere near the requester, and fail nowhere."""
    _, root = await asked_in_slack(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    await go(desk, store)
    await into_note(desk, root)
    await desk.quiet(store)
    before = len(desk.slack.sent)
    await into_note(desk, root, "slyer words")
    await desk.manager.receive(deletion("101.0"))
    await desk.quiet(store)
    assert all(o.desk for o in desk.slack.sent[before:])
    assert store.count("deliveries", "state = 'failed'") == 0
    assert "sly" not in went_out(desk)


async def test_an_answer_that_is_being_posted_is_taken_back_too(desk: TestDesk, store: Store) -> None:
    """Its name in Slack isn't known yet when it becomes a note; it is when the taking back goes."""
    _, root = await asked_in_slack(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    mine = (deliveries.c.kind == "message") & deliveries.c.desk.is_(False)
    now = desk.clock.now()
    sending = update(deliveries).where(mine).values(state="sending", due_at=None, sending_at=now)
    await desk.database.unit(lambda tx: tx.run(sending))
    await into_note(desk, root)
    edits = select(deliveries).where(deliveries.c.kind == "edit")
    row = await desk.database.read(lambda tx: tx.first(edits))
    assert row is not None
    with pytest.raises(PermanentFailure, match="never posted"):
        await desk.database.read(lambda tx: load(tx, row))
    settled = update(deliveries).where(mine).values(state="sent", remote_id="T1/D1/55.0")
    await desk.database.unit(lambda tx: tx.run(settled))
    assert (await desk.database.read(lambda tx: load(tx, row))).target == "T1/D1/55.0"


@pytest.mark.parametrize(
    ("kind", "data"),
    [("message", {}), ("edit", {"deleted": False}), ("edit", {}), ("notice", {"what": "correction"})],
)
async def test_of_a_note_only_its_taking_back_may_go(
    desk: TestDesk, store: Store, kind: str, data: Mapping[str, Any]
) -> None:
    """Whatever is noted by mistake: a note's words aren't loaded for the requester's side."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    note = await desk.manager.exchange_messages(ada, ticket, SLY, visibility=Visibility.NOTE)
    await desk.manager.exchange_messages(ada, ticket, "Try again")
    mine = (deliveries.c.kind == "message") & deliveries.c.desk.is_(False)
    wrong = update(deliveries).where(mine).values(message_id=note.id, kind=kind, data=dict(data))
    await desk.database.unit(lambda tx: tx.run(wrong))
    rows = select(deliveries).where(deliveries.c.message_id == note.id, deliveries.c.desk.is_(False))
    row = await desk.database.read(lambda tx: tx.first(rows))
    assert row is not None
    with pytest.raises(PermanentFailure, match="note"):
        await desk.database.read(lambda tx: load(tx, row))


async def test_somebody_elses_edit_makes_no_note(desk: TestDesk, store: Store) -> None:
    """Only its author takes an answer back."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try again", sender=ADA, root=root, desk=True))
    new = post("101.0", SLY, sender=DAN, root=root, desk=True, visibility=Visibility.NOTE)
    assert (await desk.manager.receive(edit("101.0", SLY, DAN, as_new=new))).outcome == "ignored"
    assert await texts(desk, ticket) == ["Help!", "Try again"]
    assert store.value("SELECT state FROM deliveries WHERE kind = 'message' AND desk = 0") == "queued"


# -- the opening message, and whom it mentions -----------------------------------------------------------------------


async def test_a_deleted_opening_leaves_no_words(desk: TestDesk, store: Store) -> None:
    """The ticket's title and description were made of it: nothing of them stays, for staff or in what goes out."""
    ticket, _ = await asked_in_slack(desk)
    assert (await desk.manager.receive(deletion("1.0", "D1"))).outcome == "deleted"
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    assert (detail.ticket.title, detail.ticket.description) == ("(deleted)", "")
    assert detail.messages[0].text == ""
    await go(desk, store)
    assert not any("screen" in str(o) for o in desk.slack.sent if o.kind is not Kind.WHISPER)


async def test_an_edited_opening_titles_the_ticket_anew(desk: TestDesk) -> None:
    """So that a slip in it (a password) doesn't stay in the title; a mail's subject is no part of its words."""
    ticket, _ = await asked_in_slack(desk)
    await desk.manager.receive(edit("1.0", "My mouse", DAN, "D1"))
    assert (await desk.manager.view_ticket(await desk.staff(), ticket)).ticket.title == "My mouse"


def mentioning(count: int, *, blocks: bool) -> dict[str, Any]:
    """An event that mentions so many people."""
    users = [f"U{number:08d}" for number in range(count)]
    elements = [{"type": "user", "user_id": user} for user in users]
    rich = [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}]
    event = {
        "type": "message",
        "channel": "D1",
        "channel_type": "im",
        "user": "UANN",
        "ts": "1700000000.000100",
        "text": "many" if blocks else " ".join(f"<@{user}>" for user in users),
        **({"blocks": rich} if blocks else {}),
    }
    return {"type": "event_callback", "event": event}


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize(("count", "looked_up"), [(3, 3), (MOST_NAMES, MOST_NAMES), (500, MOST_NAMES)])
def test_a_message_costs_few_look_ups(count: int, looked_up: int, blocks: bool) -> None:
    """Each name is a call of Slack's; whoever mentions hundreds doesn't keep everybody's messages waiting."""
    assert MOST_NAMES == 20
    found = sift(mentioning(count, blocks=blocks), HOME)
    assert isinstance(found, Found)
    assert "UANN" in found.users, "the author is always known"
    assert len(found.users) == looked_up + 1
