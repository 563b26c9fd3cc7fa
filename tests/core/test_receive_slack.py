"""What comes in from Slack: direct messages, words in a triage thread, commands, clicks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from core.failures import NotYet
from core.receive import Claim
from core.shapes import (
    Evidence,
    Person,
    Ref,
    StaffCommand,
    Visibility,
)
from core.status import Status
from core.tables import deliveries
from tests.core.desk import BOB, TRIAGE, TestDesk, post, slack_person
from tests.core.received import (
    ADA,
    DAN,
    carded,
    noted,
    status,
    texts,
)
from tests.stores import Store


async def test_a_direct_message_opens_and_what_follows_joins(desk: TestDesk, store: Store) -> None:
    """Within the window, until staff answered; the same ts twice is one message."""
    first = await desk.manager.receive(post("1.0", "My screen", sender=DAN, conversation="D1"))
    assert first.outcome == "opened"
    again = await desk.manager.receive(post("1.0", "My screen", sender=DAN, conversation="D1"))
    assert (again.outcome, again.ticket_id) == ("duplicate", first.ticket_id)
    second = await desk.manager.receive(
        post("2.0", "is dark", sender=replace(DAN, place="T1/D1#2.0"), conversation="D1")
    )
    assert (second.outcome, second.ticket_id) == ("joined", first.ticket_id)
    threaded = await desk.manager.receive(post("2.5", "very", sender=DAN, conversation="D1", root="2.0"))
    assert threaded.ticket_id == first.ticket_id
    elsewhere = replace(DAN, place="T1/D9#3.0")
    other = await desk.manager.receive(post("3.0", "Hi", sender=elsewhere, conversation="D9"))
    assert other.outcome == "opened", "another conversation is another matter"
    await desk.manager.exchange_messages(await desk.staff(), first.ticket_id or 0, "On it")
    late = await desk.manager.receive(
        post("4.0", "And the mouse", sender=replace(DAN, place="T1/D1#4.0"), conversation="D1")
    )
    assert late.outcome == "opened"
    assert store.count("participants", "place LIKE 'T1/D1#1.0'") == 1


async def test_the_window_ends(desk: TestDesk) -> None:
    """A direct message after it is a ticket of its own."""
    now = datetime.now(UTC)
    first = await desk.manager.receive(post("1.0", "One", sender=DAN, conversation="D1", source_time=now))
    late = now + timedelta(seconds=91)
    second = await desk.manager.receive(post("2.0", "Two", sender=DAN, conversation="D1", source_time=late))
    assert second.outcome == "opened"
    assert second.ticket_id != first.ticket_id


async def test_staff_in_the_thread(desk: TestDesk, store: Store) -> None:
    """Plain words go to the requester; a note stays, with a sign on it."""
    ticket, root = await carded(desk)
    before = store.count("deliveries")
    await desk.manager.receive(post("101.0", "Try again", sender=ADA, root=root, desk=True))
    assert "out email message" in noted(store)[before:]
    assert "desk slack message" not in noted(store)[before:], "the thread shows it already"
    before = store.count("deliveries")
    note = post("102.0", "odd", sender=ADA, root=root, desk=True, visibility=Visibility.NOTE)
    await desk.manager.receive(note)
    assert noted(store)[before:] == ["desk slack mark"]
    assert await status(desk, ticket) is Status.OPEN


async def test_a_note_first_queue_keeps_what_is_not_asked_to_go(store: Store) -> None:
    """`default_visibility = "note"`: only `reply:` goes out."""
    queue = {
        "name": "support",
        "addresses": ["support@example.com"],
        "slack_channel": TRIAGE,
        "default_visibility": "note",
    }
    desk = await TestDesk.open(store, queue=[queue])
    try:
        _, root = await carded(desk)
        await desk.manager.receive(post("101.0", "hm", sender=ADA, root=root, desk=True))
        assert "out email message" not in noted(store)
        reply = post("102.0", "Try", sender=ADA, root=root, desk=True, visibility=Visibility.PUBLIC)
        await desk.manager.receive(reply)
        assert noted(store).count("out email message") == 1
    finally:
        await desk.close()


async def test_somebody_else_in_the_triage_thread(desk: TestDesk, store: Store) -> None:
    """Is told so, alone; nothing is sent or kept. Without a ticket's thread there's nothing at all."""
    ticket, root = await carded(desk)
    receipt = await desk.manager.receive(post("101.0", "I know!", sender=DAN, root=root, desk=True))
    assert receipt.outcome == "ignored"
    assert noted(store)[-1] == "desk slack whisper"
    assert await texts(desk, ticket) == ["Help!"]
    before = store.count("deliveries")
    chatter = await desk.manager.receive(post("103.0", "Lunch?", sender=ADA, root="102.9", desk=True))
    assert chatter.outcome == "ignored"
    assert store.count("deliveries") == before


async def test_an_answer_in_the_thread_of_a_merged_ticket(desk: TestDesk, store: Store) -> None:
    """Goes on in the target, whose thread shows it."""
    ticket, root = await carded(desk)
    target = (await desk.write("Other", sender=BOB)).ticket_id or 0
    await desk.manager.merge(await desk.staff(), ticket, target)
    before = store.count("deliveries")
    receipt = await desk.manager.receive(post("101.0", "Try", sender=ADA, root=root, desk=True))
    assert receipt.ticket_id == target
    assert "desk slack message" in noted(store)[before:]
    assert "out email message" in noted(store)[before:]


async def test_an_answer_overtaken_by_the_requester(desk: TestDesk, store: Store) -> None:
    """Written before their newest message: it goes, the ticket stays open, and the thread says so."""
    ticket, root = await carded(desk)
    now = datetime.now(UTC)
    await desk.write("Wait", signed=(ticket,), source_time=now)
    early = post("101.0", "Try", sender=ADA, root=root, desk=True, source_time=now - timedelta(seconds=9))
    await desk.manager.receive(early)
    assert noted(store)[-2:] == ["out email message", "desk slack notice:line"]
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    assert (detail.ticket.status, detail.ticket.waiting_since is not None) == (Status.OPEN, True)


def command(
    verb: str, *words: str, sender: Person = ADA, ts: str | None = "200.1", root: str = "100.1"
) -> StaffCommand:
    return StaffCommand(
        channel="slack",
        sender=sender,
        source_time=datetime.now(UTC),
        verb=verb,
        words=words,
        evidence=Evidence(references=(Ref(f"slack:T1/{TRIAGE}/{root}"),)),
        ref=Ref(f"slack:T1/{TRIAGE}/{ts}", f"slack:T1/{TRIAGE}/{ts}") if ts else None,
        place=f"T1/{TRIAGE}#{root}",
    )


@pytest.mark.parametrize(
    ("verb", "words", "shows"),
    [
        ("take", (), "assignee_id IS NOT NULL AND status = 'open'"),
        ("assign", ("@grace",), "assignee_id IS NOT NULL"),
        ("status", ("pending",), "status = 'pending'"),
        ("resolve", (), "status = 'resolved'"),
        ("close", (), "status = 'closed'"),
        ("priority", ("urgent",), "priority = 'urgent'"),
    ],
)
async def test_commands(desk: TestDesk, store: Store, verb: str, words: tuple[str, ...], shows: str) -> None:
    """Carried out once, with a sign on them."""
    await carded(desk)
    receipt = await desk.manager.receive(command(verb, *words))
    assert receipt.outcome == "command"
    assert store.count("tickets", shows) == 1
    assert "desk slack mark" in noted(store)
    again = await desk.manager.receive(command(verb, *words))
    assert again.outcome == "duplicate"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (command("asign", "@ada"), "did you mean !assign?"),
        (command("xyzzy"), "!help"),
        (command("assign", "@nobody-of-ours"), "no staff member"),
        (command("assign"), "write it like"),
        (command("status", "gone"), "none of"),
        (command("status", "new"), "new"),
        (command("merge", "#99999"), "no ticket"),
        (command("admit", "what"), "no mail address"),
        (command("retry", "99999"), "no delivery"),
        (command("help"), "!priority"),
        (command("close", sender=DAN), "aren't on the help desk's staff"),
    ],
)
async def test_commands_that_say_something(
    desk: TestDesk, store: Store, asked: StaffCommand, says: str
) -> None:
    """What can't be done is told to the one who asked, and nothing else happens."""
    await carded(desk)
    await desk.manager.receive(command("resolve", ts="199.0"))
    await desk.manager.receive(command("reopen", ts="199.1"))
    receipt = await desk.manager.receive(asked)
    assert receipt.outcome == "command"
    rows = store.rows("SELECT data FROM deliveries WHERE kind = 'whisper'")
    assert len(rows) == 1
    assert says in rows[0]["data"]
    assert store.value("SELECT status FROM tickets") == "open"


async def test_a_click_is_taken_once_by_its_row(desk: TestDesk) -> None:
    """A click has no name of its own; its inbox row is its key."""
    await carded(desk)
    click = command("take", ts=None)
    await desk.take_in(click, channel="slack")
    row = (await desk.operations.inbox())[0]
    outcomes = [(await desk.manager.receive(click, Claim(item_id=row.id))).outcome for _ in range(2)]
    assert outcomes == ["command", "duplicate"]


async def test_an_answer_under_a_card_that_is_being_posted_waits_for_it(desk: TestDesk, store: Store) -> None:
    """Slack shows a card before we have noted its name: what is written under it meanwhile isn't dropped."""
    await desk.write("Quick")
    ada = slack_person("ada", email="ada@example.com", place=f"T1/{TRIAGE}#1700.1")
    card = store.value("SELECT id FROM deliveries WHERE kind = 'card'")
    being_sent = update(deliveries).where(deliveries.c.id == card)
    being_sent = being_sent.values(state="sending", due_at=None, sending_at=desk.clock.now())
    await desk.database.unit(lambda tx: tx.run(being_sent))
    early = post("1700.2", "On it", sender=ada, root="1700.1", desk=True)
    with pytest.raises(NotYet):
        await desk.manager.receive(early)
    command = StaffCommand(
        channel="slack",
        sender=ada,
        source_time=early.source_time,
        verb="take",
        evidence=early.evidence,
        ref=Ref(f"slack:T1/{TRIAGE}/1700.3", f"slack:T1/{TRIAGE}/1700.3"),
    )
    with pytest.raises(NotYet):
        await desk.manager.receive(command)
    store.execute("UPDATE deliveries SET state = 'sent' WHERE id = :id", id=card)
    assert (await desk.manager.receive(early)).because == "no ticket's thread"
