"""Edits that change for whose eyes a message is, or that can't: nothing for staff goes out, and authors hear of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.membership import let_in
from core.shapes import Kind, MessageEdited, NewMessage, Receipt, Visibility
from tests.core.commands import ADA, DAN, KIM, dans_ticket, root_of, typed, whispers
from tests.core.desk import TRIAGE, TestDesk, post
from tests.core.received import edit
from tests.stores import Store

SLACK = {"enabled": True, "bot_token": "x", "app_token": "x", "reply_hold": "30s"}
NOTE, PUBLIC = Visibility.NOTE, Visibility.PUBLIC
NO_LONGER = "You aren't on the help desk's staff any more, so this edit did nothing."
NO_WORDS = "This edit did nothing: it left no words. To take a message back, delete it."
STILL_NOTE = (
    "It's still a note, which only staff see. To send it, write a new message that starts with reply:"
)
RUNS_NONE = (
    "This edit did nothing: the message stays as it was for everybody else. "
    "A command is carried out where a new message begins with it."
)


def queue(name: str, default: str, channel: str) -> dict[str, Any]:
    address = f"{name}@example.com"
    return {
        "name": name,
        "addresses": [address],
        "slack_channel": channel,
        "default_visibility": default,
    }


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """Answers are held for half a minute."""
    opened = await TestDesk.open(store, slack=SLACK)
    yield opened
    await opened.close()


@pytest.fixture
async def shy(store: Store) -> AsyncIterator[TestDesk]:
    """What staff write in threads stays at the desk unless they say otherwise."""
    queues = [queue("support", "note", TRIAGE), queue("billing", "public", "C2")]
    opened = await TestDesk.open(store, slack=SLACK, queue=queues)
    yield opened
    await opened.close()


def said(ticket: int, text: str, visibility: Visibility | None = None) -> NewMessage:
    return post("7001.0", text, sender=ADA, root=root_of(ticket), desk=True, visibility=visibility)


async def say(desk: TestDesk, ticket: int, text: str, visibility: Visibility | None = None) -> Receipt:
    return await desk.manager.receive(said(ticket, text, visibility))


async def change(desk: TestDesk, ticket: int, text: str, visibility: Visibility | None = None) -> Receipt:
    """The author edits it; the reader has taken the sign off."""
    return await desk.manager.receive(edit("7001.0", text, ADA, as_new=said(ticket, text, visibility)))


async def into_command(desk: TestDesk, text: str) -> Receipt:
    made = edit("7001.0", text, ADA)
    assert isinstance(made, MessageEdited)
    return await desk.manager.receive(replace(made, command=text.removeprefix("!")))


def kept(store: Store, ticket: int) -> tuple[str, str]:
    """The ticket's newest message."""
    sql = "SELECT text, visibility FROM messages WHERE ticket_id = :t ORDER BY seq DESC LIMIT 1"
    row = store.rows(sql, t=ticket)[0]
    return row["text"], row["visibility"]


def went(store: Store) -> None:
    """Every answer has gone out."""
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL, remote_id = 'T1/D1/9.0'")


async def later(desk: TestDesk, store: Store) -> list[str]:
    """The hold passes. Returns what the requester's side got of words."""
    desk.clock.offset = timedelta(seconds=31)
    await desk.courier.start()
    await desk.quiet(store)
    return [o.message.text for o in desk.slack.sent if o.kind is Kind.MESSAGE and not o.desk and o.message]


# -- into a command --------------------------------------------------------------------------------------------------


async def test_a_held_answer_that_becomes_a_command_stops(desk: TestDesk, store: Store) -> None:
    ticket = await dans_ticket(desk)
    await say(desk, ticket, "Done, closing")
    await into_command(desk, "!close")
    assert kept(store, ticket) == ("!close", "note")
    assert "stopped" in whispers(store)[-1]
    assert "Done, closing" not in await later(desk, store)
    assert store.value("SELECT status FROM tickets") != "closed"


async def test_one_that_has_gone_stays_as_it_was(desk: TestDesk, store: Store) -> None:
    ticket = await dans_ticket(desk)
    await say(desk, ticket, "Done, closing")
    went(store)
    before = store.count("deliveries", "kind <> 'whisper'")
    await into_command(desk, "!close")
    assert kept(store, ticket) == ("Done, closing", "public")
    assert whispers(store)[-1] == RUNS_NONE
    assert store.count("deliveries", "kind <> 'whisper'") == before


# -- notes and answers -----------------------------------------------------------------------------------------------


async def test_a_note_never_becomes_an_answer_and_its_author_hears_so(desk: TestDesk, store: Store) -> None:
    ticket = await dans_ticket(desk)
    await say(desk, ticket, "psst", NOTE)
    await change(desk, ticket, "psst!", NOTE)
    assert whispers(store) == []
    for text, visibility in (("Turn it off", PUBLIC), ("Turn it off, please", None)):
        await change(desk, ticket, text, visibility)
        assert kept(store, ticket) == (text, "note")
        assert whispers(store).pop() == STILL_NOTE
    assert await later(desk, store) == []


async def test_without_reply_in_front_it_is_a_note_where_notes_are_the_rule(
    shy: TestDesk, store: Store
) -> None:
    ticket = await dans_ticket(shy)
    await say(shy, ticket, "Turn it off", PUBLIC)
    await change(shy, ticket, "Turn it off now", PUBLIC)
    assert kept(store, ticket) == ("Turn it off now", "public")
    await change(shy, ticket, "He never turns it off")
    assert kept(store, ticket) == ("He never turns it off", "note")
    assert await later(shy, store) == []


async def test_what_had_gone_is_taken_back_and_its_author_hears_of_it(shy: TestDesk, store: Store) -> None:
    ticket = await dans_ticket(shy)
    await say(shy, ticket, "Turn it off", PUBLIC)
    went(store)
    await change(shy, ticket, "He never turns it off")
    assert kept(store, ticket) == ("He never turns it off", "note")
    assert "had the answer already" in whispers(store)[-1]
    assert store.count("deliveries", "kind = 'edit' AND desk = 0") == 1


async def test_a_plain_answer_stays_one_where_the_ticket_moved(shy: TestDesk, store: Store) -> None:
    """It had no sign in a queue that needed none."""
    ticket = await dans_ticket(shy)
    await typed(shy, ticket, "queue", "billing")
    answer = replace(said(ticket, "Turn it of"), queue="billing")
    await shy.manager.receive(answer)
    assert kept(store, ticket) == ("Turn it of", "public")
    await typed(shy, ticket, "queue", "support")
    better = replace(answer, text="Turn it off", visible="Turn it off")
    await shy.manager.receive(edit("7001.0", "Turn it off", ADA, as_new=better))
    assert kept(store, ticket) == ("Turn it off", "public")


async def test_an_edit_that_leaves_no_words_does_nothing(desk: TestDesk, store: Store) -> None:
    ticket = await dans_ticket(desk)
    await say(desk, ticket, "Turn it off")
    await desk.manager.receive(edit("7001.0", "", ADA))
    assert kept(store, ticket) == ("Turn it off", "public")
    assert whispers(store) == [NO_WORDS]


# -- who edits -------------------------------------------------------------------------------------------------------


async def test_who_is_no_longer_staff_changes_nothing(desk: TestDesk, store: Store) -> None:
    ticket = await dans_ticket(desk)
    await say(desk, ticket, "Turn it off")
    went(store)
    store.execute("UPDATE users SET role = 'requester', staff_source = NULL WHERE username = 'ada'")
    before = store.count("deliveries", "kind <> 'whisper'")
    for visibility in (None, NOTE):
        assert (await change(desk, ticket, "You idiot", visibility)).outcome == "ignored"
    assert kept(store, ticket) == ("Turn it off", "public")
    assert set(whispers(store)) == {NO_LONGER}
    assert store.count("deliveries", "kind <> 'whisper'") == before


async def test_a_requester_edits_their_own_words(desk: TestDesk, store: Store) -> None:
    ticket = await dans_ticket(desk)
    where = store.value("SELECT remote FROM links WHERE kind = 'received'")
    channel, ts = str(where).split("/")[1:]
    own = post(ts, "It burns", sender=DAN, conversation=channel)
    await desk.manager.receive(edit(ts, "It burns", DAN, channel, as_new=own))
    assert kept(store, ticket) == ("It burns", "public")
    assert whispers(store) == []


async def test_staffs_note_in_a_ticket_of_their_own_stays_at_the_desk(desk: TestDesk, store: Store) -> None:
    ticket = await dans_ticket(desk, sender=ADA)
    actor = await desk.staff()
    await desk.database.unit(lambda tx: let_in(tx, desk.desk, actor, ticket, KIM, kind="participant"))
    await say(desk, ticket, "I wait")
    went(store)
    last = store.value("SELECT max(id) FROM deliveries")
    await change(desk, ticket, "Kim is a pest", NOTE)
    assert kept(store, ticket) == ("Kim is a pest", "note")
    out = store.rows("SELECT kind, data FROM deliveries WHERE id > :m AND desk = 0", m=last)
    assert [row["kind"] for row in out] == ["edit"]
    assert '"deleted": true' in out[0]["data"].replace('":true', '": true')
