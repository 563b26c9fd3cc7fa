"""Ratings: by the requester alone, of a ticket that has ended; one row, one line for each that changes it."""

from __future__ import annotations

import pytest

from core.ratings import MOST_TOLD
from tests.core.commands import (
    ADA,
    DAN,
    dans_ticket,
    events_of,
    lines,
    pressed,
    ticket_of,
    to_requesters,
    typed,
    whispers,
)
from tests.core.desk import TestDesk
from tests.stores import Store


async def resolved(desk: TestDesk, **more: object) -> int:
    """A ticket of Dan's that Ada has resolved."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "resolve")
    return ticket


def rating(store: Store) -> tuple[int, str | None]:
    """The one rating there is."""
    (row,) = store.rows("SELECT score, comment FROM ratings")
    return row["score"], row["comment"]


@pytest.mark.parametrize("end", ["resolve", "close"])
async def test_a_rating(desk: TestDesk, store: Store, end: str) -> None:
    """Of a resolved or a closed one: kept, in the history for staff alone, a line in the thread, a thank-you."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, end)
    await pressed(desk, ticket, "rate", "4", sender=DAN, text="Quick & kind")
    assert rating(store) == (4, "Quick & kind")
    assert (await events_of(desk, ticket))[-1] == ("rated", {"score": 4, "comment": "Quick & kind"})
    assert store.value("SELECT public FROM events WHERE kind = 'rated'") == 0
    assert lines(store, ticket)[-1] == "Dan rated this 4 of 5: Quick & kind"
    assert to_requesters(store, ticket)[-1] == "notice:rated"
    assert whispers(store) == [], "they are thanked once"
    assert "message" not in to_requesters(store, ticket)


async def test_who_gets_no_notice_is_thanked_all_the_same(desk: TestDesk, store: Store) -> None:
    """For a comment that comes later, and for the same score again."""
    ticket = await resolved(desk)
    await pressed(desk, ticket, "rate", "2", sender=DAN)
    await pressed(desk, ticket, "rate", sender=DAN, text="Slow")
    await pressed(desk, ticket, "rate", "2", sender=DAN)
    assert whispers(store) == ["Thank you, your rating is noted: 2 of 5."] * 2
    assert to_requesters(store, ticket).count("notice:rated") == 1


async def test_they_are_thanked_in_their_language(desk: TestDesk, store: Store) -> None:
    """The desk's line is in the service's."""
    ticket = await resolved(desk)
    store.execute("UPDATE users SET locale = 'de-AT' WHERE name = 'Dan'")
    await pressed(desk, ticket, "rate", "2", sender=DAN)
    await pressed(desk, ticket, "rate", "2", sender=DAN)
    assert whispers(store) == ["Danke, Ihre Bewertung ist notiert: 2 von 5."]
    assert lines(store, ticket)[-1] == "Dan rated this 2 of 5."


async def test_another_one_and_a_comment_later(desk: TestDesk, store: Store) -> None:
    """A second score replaces the first, a comment joins it; the same again changes nothing."""
    ticket = await resolved(desk)
    await pressed(desk, ticket, "rate", "2", sender=DAN)
    await pressed(desk, ticket, "rate", sender=DAN, text="Slow")
    assert rating(store) == (2, "Slow")
    await pressed(desk, ticket, "rate", "5", sender=DAN)
    assert rating(store) == (5, "Slow")
    await pressed(desk, ticket, "rate", "5", sender=DAN)
    await pressed(desk, ticket, "rate", "5", sender=DAN, text="Slow")
    assert lines(store, ticket)[-3:] == [
        "Dan rated this 2 of 5.",
        "Dan rated this 2 of 5: Slow",
        "Dan rated this 5 of 5.",
    ]
    assert store.count("events", "kind = 'rated'") == 3


@pytest.mark.parametrize("score", ["0", "6", "-1", "4.5", "", "five", "٤", "55"])
async def test_scores_that_are_none(desk: TestDesk, store: Store, score: str) -> None:
    """One to five, in plain digits."""
    ticket = await resolved(desk)
    await pressed(desk, ticket, "rate", score, sender=DAN)
    assert whispers(store)[-1] == "a rating is a number from 1 to 5"
    assert store.count("ratings") == 0


async def test_a_comment_alone(desk: TestDesk, store: Store) -> None:
    """Has nothing to join yet; one without end is refused."""
    ticket = await resolved(desk)
    await pressed(desk, ticket, "rate", sender=DAN, text="Fine")
    assert "choose a number" in whispers(store)[-1]
    await pressed(desk, ticket, "rate", "3", sender=DAN, text="x" * 10_001)
    assert "at most" in whispers(store)[-1]
    assert store.count("ratings") == 0


async def test_only_after_the_end(desk: TestDesk, store: Store) -> None:
    """Not while it's worked on; a rating that was given can be changed after the ticket was opened again."""
    ticket = await dans_ticket(desk)
    await pressed(desk, ticket, "rate", "1", sender=DAN)
    assert "still being worked on" in whispers(store)[-1]
    assert store.count("ratings") == 0
    await typed(desk, ticket, "resolve")
    await pressed(desk, ticket, "rate", "1", sender=DAN)
    await pressed(desk, ticket, "reopen", sender=DAN)
    await pressed(desk, ticket, "rate", "3", sender=DAN)
    assert rating(store) == (3, None)
    assert (await ticket_of(desk, ticket)).status == "open"


async def test_staff_rate_their_own_ticket(desk: TestDesk, store: Store) -> None:
    """Who asked may say how it went, whoever they are."""
    ticket = await dans_ticket(desk, sender=ADA)
    await typed(desk, ticket, "resolve")
    await pressed(desk, ticket, "rate", "5", sender=ADA)
    assert rating(store) == (5, None)
    assert lines(store, ticket)[-1] == "Ada Lovelace rated this 5 of 5."


async def test_a_merged_one_is_rated_elsewhere(desk: TestDesk, store: Store) -> None:
    """Its buttons may still hang in the old thread."""
    ticket = await resolved(desk)
    other = await dans_ticket(desk)
    await typed(desk, ticket, "merge", str(other))
    await pressed(desk, ticket, "rate", "5", sender=DAN)
    assert f"a part of ticket {other}" in whispers(store)[-1]
    assert store.count("ratings") == 0


async def test_who_presses_on_and_on_counts_once_in_the_figures(desk: TestDesk, store: Store) -> None:
    """The last score is kept, where the figures find it; what changes nothing is no event. The desk hears of some."""
    ticket = await resolved(desk)
    for score in "123451222":
        await pressed(desk, ticket, "rate", score, sender=DAN)
    assert rating(store) == (2, None)
    assert store.count("events", "kind = 'rated'") == 7
    rated = "desk = 1 AND kind = 'notice' AND data LIKE '%rated this%'"
    assert store.count("deliveries", rated) == MOST_TOLD
    joined = (
        "SELECT count(*) FROM ratings JOIN events ON ratings.rated_at = events.at AND events.kind = 'rated'"
    )
    assert store.value(joined) == 1
