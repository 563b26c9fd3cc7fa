"""Commands in the thread of a ticket that was merged away: they are meant for the one in which it goes on, or are
refused with its number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core.shapes import Kind
from core.status import Status
from core.verbs import VERBS
from tests.core.commands import (
    DAN,
    KIM,
    dans_ticket,
    events_of,
    lines,
    pressed,
    root_of,
    ticket_of,
    to_requesters,
    typed,
    whispers,
)
from tests.core.desk import TRIAGE, TestDesk
from tests.stores import Store

QUEUES = [
    {"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE},
    {"name": "billing", "addresses": ["billing@example.com"], "slack_channel": "C2"},
]
# Verb → its words, and what the ticket shows then.
SET: dict[str, tuple[tuple[str, ...], str, Any]] = {
    "take": ((), "assignee", "ada"),
    "assign": (("@grace",), "assignee", "grace"),
    "status": (("pending",), "status", "pending"),
    "resolve": ((), "status", "resolved"),
    "close": ((), "status", "closed"),
    "priority": (("high",), "priority", "high"),
    "title": (("The", "left", "one"), "title", "The left one"),
    "queue": (("billing",), "queue", "billing"),
}
# Verb → its words, and the event that tells of it.
DONE = {
    "snooze": (("2d",), "snoozed"),
    "cc": (("zoe@example.com",), "participant"),
    "admit": (("max@example.com",), "admitted"),
    "note": (("psst",), "note"),
    "reply": (("hours",), "answered"),
    "link": (("{other}",), "related"),
    "tag": (("vpn",), "tagged"),
    "untag": (("vpn",), "untagged"),
}
REFUSED = {"merge": ("{other}",), "spam": ()}
ELSEWHERE = {"reopen", "unsuppress", "retry"}  # with tests of their own
NOT_ABOUT_STAFF = {"belongs", "rate", "help"}
OF_NO_TICKET = {"digest", "notify"}


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """Two queues, and a canned answer."""
    opened = await TestDesk.open(store, queue=QUEUES, canned=[{"name": "hours", "text": "We're here"}])
    yield opened
    await opened.close()


async def merged(desk: TestDesk, *, sender: Any = KIM) -> tuple[int, int, int]:
    """A ticket that was merged away, the one (of Kim's) in which it goes on, and another one."""
    away, into, other = (
        await dans_ticket(desk),
        await dans_ticket(desk, sender=sender),
        await dans_ticket(desk),
    )
    await typed(desk, away, "merge", str(into))
    return away, into, other


def on(ticket: int) -> str:
    return f"on #{ticket}, into which this was merged"


def test_each_verb_is_looked_at() -> None:
    """A new one says what it does there."""
    assert (
        VERBS.keys() == SET.keys() | DONE.keys() | REFUSED.keys() | ELSEWHERE | NOT_ABOUT_STAFF | OF_NO_TICKET
    )


@pytest.mark.parametrize("by", [typed, pressed])
@pytest.mark.parametrize("verb", SET)
async def test_what_is_set_is_set_where_it_goes_on(
    desk: TestDesk, store: Store, verb: str, by: Callable[..., Any]
) -> None:
    """The merged one stays as it is; its sender hears which was meant, its people's threads hear nothing."""
    words, field, value = SET[verb]
    away, into, _ = await merged(desk)
    before = await ticket_of(desk, away)
    await by(desk, away, verb, *words)
    assert getattr(await ticket_of(desk, into), field) == value
    after = await ticket_of(desk, away)
    assert getattr(after, field) == getattr(before, field)
    assert whispers(store) == [f"Done {on(into)}."]
    assert store.count("deliveries", "kind = 'mark'") == 1 + (by is typed), "as wherever else"
    if verb != "queue":  # what was done there is told there
        assert "Ada Lovelace" in lines(store, into)[-1]


async def test_each_other_one_is_done_there(desk: TestDesk, store: Store) -> None:
    """One after the other; what was written in the old thread is shown in the one where it goes on."""
    away, into, other = await merged(desk)
    for verb, (words, kind) in DONE.items():
        had = len(await events_of(desk, away))
        await typed(desk, away, verb, *(word.format(other=other) for word in words))
        assert kind in [event for event, _ in await events_of(desk, into)], verb
        assert len(await events_of(desk, away)) == had, verb
        assert whispers(store)[-1] == f"Done {on(into)}.", verb
    shown = "SELECT COUNT(*) FROM deliveries WHERE ticket_id = :t AND kind = 'message' AND desk = 1"
    assert store.value(shown, t=into) == 2, "the note and the answer"


@pytest.mark.parametrize("verb", REFUSED)
async def test_what_would_end_the_other_one_is_refused(desk: TestDesk, store: Store, verb: str) -> None:
    """It names where it went; nothing is done to either."""
    away, into, other = await merged(desk)
    before = await ticket_of(desk, into)
    await typed(desk, away, verb, *(word.format(other=other) for word in REFUSED[verb]))
    assert f"ticket {away} is merged into {into}" in whispers(store)[-1]
    assert await ticket_of(desk, into) == before


async def test_reopen_reopens_that_one(desk: TestDesk, store: Store) -> None:
    away, into, _ = await merged(desk)
    await typed(desk, into, "close")
    await typed(desk, away, "reopen")
    assert (await ticket_of(desk, into)).status is Status.OPEN
    assert (await ticket_of(desk, away)).status is Status.CLOSED
    assert whispers(store) == [f"Done {on(into)}."]


async def test_a_refusal_says_of_which_one(desk: TestDesk, store: Store) -> None:
    away, into, _ = await merged(desk)
    await typed(desk, away, "unsuppress", "zoe@example.com")
    assert whispers(store) == [f"O{on(into)[1:]}: mail to zoe@example.com isn't suppressed"]


async def test_a_requester_sets_only_what_is_theirs(desk: TestDesk, store: Store) -> None:
    """Theirs was merged into somebody else's: they are told which; into one of theirs: that one is meant."""
    away, into, _ = await merged(desk)
    await pressed(desk, away, "resolve", sender=DAN)
    assert (await ticket_of(desk, into)).status is Status.NEW
    assert whispers(store)[-1] == f"ticket {away} is merged into {into}; set that one's status"
    away, into, _ = await merged(desk, sender=DAN)
    await pressed(desk, away, "resolve", sender=DAN)
    assert (await ticket_of(desk, into)).status is Status.RESOLVED
    assert whispers(store)[-1] == f"Done {on(into)}."


async def test_a_failed_answer_is_tried_again_from_either_thread(desk: TestDesk, store: Store) -> None:
    """What was typed below the old card went out from the ticket in which it goes on."""
    away, into, other = await merged(desk)
    await typed(desk, away, "reply", "hours")
    assert to_requesters(store, into)[-1] == Kind.MESSAGE
    failed = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
    store.execute("UPDATE deliveries SET state = 'failed', due_at = NULL WHERE id = :i", i=failed)
    await typed(desk, other, "retry", str(failed))
    assert whispers(store)[-1] == f"delivery {failed} isn't this ticket's"
    await typed(desk, away, "retry", str(failed))
    assert store.value("SELECT state FROM deliveries WHERE id = :i", i=failed) == "queued"


async def test_signs_stay_where_it_was_typed(desk: TestDesk, store: Store) -> None:
    """The note's sign is on the message below the old card."""
    away, _, _ = await merged(desk)
    await typed(desk, away, "note", "psst", ts="9000.0")
    (place,) = store.rows("SELECT place FROM deliveries WHERE kind = 'whisper'")
    assert place["place"] == f"T1/{TRIAGE}#{root_of(away)}"
    marks = store.rows("SELECT data FROM deliveries WHERE kind = 'mark' ORDER BY id")
    assert '"note"' in marks[-1]["data"]
    assert "9000.0" in marks[-1]["data"]
