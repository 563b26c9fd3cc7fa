"""Words that very many old tickets have are found without asking InnoDB for all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from core import sampling, searching
from core.database import Database, Tx
from core.folding import entry
from core.shapes import Actor
from core.tables import search
from tests.core.desk import TestDesk
from tests.core.test_searching import found, indexed, wrote
from tests.stores import Store

COUNT = 4_000
LONG = timedelta(seconds=30)


def _words(number: int) -> str:
    said = ["always", *(["bygone"] * (number <= COUNT // 2)), *(["thin"] * (number % 5 == 0))]
    said += ["between"] * (1_010 <= number < 1_990) + ["needle"] * (number == 700)
    said += ["few"] * (201 <= number <= 203)
    return entry([" ".join(said)], [])


@pytest.fixture
async def database(store: Store, monkeypatch: pytest.MonkeyPatch):
    """Entries of 4,000 tickets; what is looked at is a twentieth of what it is elsewhere."""
    monkeypatch.setattr(sampling, "RUN", 10)
    monkeypatch.setattr(sampling, "OFTEN", 300)
    monkeypatch.setattr(sampling, "AT_ONCE", 100)
    opened = Database(store.config().database)
    rows: list[dict[str, Any]] = [{"ticket_id": n, "words": _words(n)} for n in range(1, COUNT + 1)]
    await opened.unit(lambda tx: tx.run(insert(search), rows))
    yield opened
    await opened.close()


def _likes(*words: str) -> dict[str, Any]:
    return {word: search.c.words.like(f"% qp{word}%") for word in words}


async def test_what_is_frequent_is_told_from_a_part(database: Database) -> None:
    """Also what is in a part of the tickets alone; what a few have isn't, although it's seen."""
    words = ("always", "bygone", "thin", "between", "few", "needle", "nothing")

    async def look(tx: Tx) -> list[str]:
        sample = await sampling.sampled(tx, _likes(*words), *await sampling.ends(tx))
        return [word for word in words if sample.often(word)]

    assert await database.read(look) == ["always", "bygone", "thin", "between"]


@pytest.mark.parametrize(
    ("words", "newest"),
    [
        (("always",), range(COUNT - 99, COUNT + 1)),
        (("bygone",), range(COUNT // 2 - 99, COUNT // 2 + 1)),
        (("thin",), range(COUNT - 495, COUNT + 1, 5)),
        (("between",), range(1_890, 1_990)),
        (("bygone", "thin"), range(COUNT // 2 - 495, COUNT // 2 + 1, 5)),
        (("between", "thin", "always"), range(1_490, 1_990, 5)),
    ],
)
async def test_the_latest_that_have_them_all(
    database: Database, words: tuple[str, ...], newest: range
) -> None:
    """None that is newer is left out, and it ends soon after there are enough."""

    async def look(tx: Tx) -> set[int]:
        likes = _likes(*words)
        sample = await sampling.sampled(tx, likes, *await sampling.ends(tx))
        return await sampling.walk(tx, likes, sample, LONG, 100)

    got = await database.read(look)
    assert set(newest) <= got
    assert len(got) < 300
    assert all(all(word in _words(number) for word in words) for number in got)


async def test_time_ends_it(database: Database) -> None:
    """Words that stand together nowhere are looked for no longer than that."""

    async def look(tx: Tx) -> set[int]:
        likes = {**_likes("bygone"), "other": ~search.c.words.like("% qpalways%")}
        sample = await sampling.sampled(tx, _likes("bygone", "always"), *await sampling.ends(tx))
        return await sampling.walk(tx, likes, sample, timedelta(), 100)

    assert await database.read(look) == set()


async def test_a_frequent_word_of_old_tickets_is_found(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever asks; InnoDB hears of rare words alone."""
    for where, name, value in (
        *((searching, "LATEST", 2), (searching, "COMMON", 3)),
        *((sampling, "RUNS", 4), (sampling, "RUN", 2), (sampling, "OFTEN", 4), (sampling, "AT_ONCE", 4)),
    ):
        monkeypatch.setattr(where, name, value)
    heard: list[str] = []
    asked = searching._asked

    async def listening(tx: Tx, wanted: Any, often: Any) -> set[int]:
        heard.extend(wanted)
        return await asked(tx, wanted, often)

    monkeypatch.setattr(searching, "_asked", listening)
    ada: Actor = await desk.staff()
    old = [await wrote(desk, "bygone" + " needle" * (n == 1), mail_id=f"o{n}@x") for n in range(12)]
    for n in range(8):
        await wrote(desk, "recent", mail_id=f"n{n}@x")
    await indexed(desk)
    assert (await found(desk, ada, "bygone"))[-3:] == old[-3:]
    assert await found(desk, ada, "bygone needle") == [old[1]]
    assert await found(desk, ada, "needle") == [old[1]]
    assert await found(desk, ada, "bygone recent") == []
    assert ("bygone" in heard) is store.sqlite
    assert "needle" in heard
