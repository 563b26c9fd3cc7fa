"""What the catch-up reads, how far back, and what it leaves behind."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from bot.catchup import ALL, CatchUp, left_behind, worth_more
from core.clock import Clock
from core.failures import PermanentFailure, TemporaryFailure
from tests.bot.kit import TRIAGE, Kit, Shelf

Json = dict[str, Any]
DAY = 86_400
NOW = 1_700_000_000
_MARGIN = timedelta(seconds=60)
SINCE = f"{NOW - DAY}.000000"


def ts(at: float) -> str:
    return f"{at:.6f}"


class Slack:
    """A workspace of a few conversations, in memory. `broken`: what reading one of them raises."""

    def __init__(self, kit: Kit) -> None:
        self.said: dict[str, dict[str, list[Json]]] = {}  # channel → root → the message and its replies
        self.broken: dict[str, Exception] = {}
        self.calls: list[str] = []
        self._real = kit.api.call
        kit.api.call = self.call  # type: ignore[method-assign]

    def say(self, channel: str, at: float, text: str, root: float | None = None) -> None:
        message = {"type": "message", "user": "U0ADA00001", "text": text, "ts": ts(at)}
        if root is not None:
            message["thread_ts"] = ts(root)
        self.said.setdefault(channel, {}).setdefault(ts(root or at), []).append(message)

    async def call(self, method: str, *, token: str | None = None, **given: Any) -> Json:
        if method == "conversations.list":
            return {"channels": [{"id": channel} for channel in self.said]}
        if method == "users.conversations":
            return {"channels": []}
        if method not in ("conversations.history", "conversations.replies"):
            return await self._real(method, token=token, **given)
        self.calls.append(method)
        channel = given["channel"]
        if channel in self.broken:
            raise self.broken[channel]
        threads = self.said.get(channel, {})
        if method == "conversations.replies":
            if given["ts"] not in threads:
                raise PermanentFailure("thread_not_found")
            found = [m for m in threads[given["ts"]] if m["ts"] > given["oldest"]]
            return {"messages": [threads[given["ts"]][0], *found]}
        tops = sorted((_top(thread) for thread in threads.values()), key=lambda m: m["ts"], reverse=True)
        tops = [top for top in tops if top["ts"] >= given["oldest"]]
        begin = int(given.get("cursor") or 0)
        more = str(begin + given["limit"]) if begin + given["limit"] < len(tops) else ""
        page = tops[begin : begin + given["limit"]]
        return {"messages": page, "response_metadata": {"next_cursor": more}}


def _top(thread: list[Json]) -> Json:
    root, *replies = thread
    return root | ({"reply_count": len(replies), "latest_reply": replies[-1]["ts"]} if replies else {})


class Reading:
    """A catch-up over a workspace in memory, from a cursor that stands a day back."""

    def __init__(self, kit: Kit) -> None:
        self.slack, self.shelf, self.threads = Slack(kit), Shelf(), set[str]()
        self.cursors = {ALL: SINCE}
        self.catch_up = CatchUp(kit.api, self.shelf, self._load, self._save, Clock(), self._threads)

    async def _load(self) -> dict[str, str]:
        return dict(self.cursors)

    async def _save(self, cursors: dict[str, str]) -> None:
        self.cursors = dict(cursors)

    async def _threads(self) -> set[str]:
        return self.threads

    def card(self, at: float) -> None:
        """An open ticket's, by us."""
        self.slack.say(TRIAGE, at, "card")
        self.slack.said[TRIAGE][ts(at)][0] |= {"user": "U0RELAYBOT", "bot_id": "B0RELAYBOT"}
        self.threads.add(f"T0SANDBOX1/{TRIAGE}/{ts(at)}")


@pytest.fixture
def reading(kit: Kit) -> Reading:
    return Reading(kit)


async def test_threads_with_new_replies_are_never_cut(reading: Reading) -> None:
    """However many old cards there are, and many threads with answers: each answer arrives, and few calls are made."""
    for n in range(150):
        reading.card(NOW - 60 * DAY + n)
    for n in range(120):
        reading.card(NOW - 5 * DAY + n)
        reading.slack.say(TRIAGE, NOW - n, f"answer {n}", root=NOW - 5 * DAY + n)
    reading.slack.say(TRIAGE, NOW - 500, "to an old one", root=NOW - 60 * DAY + 7)
    await reading.catch_up.run()
    assert set(reading.shelf.texts) == {*(f"answer {n}" for n in range(120)), "to an old one"}
    assert reading.slack.calls.count("conversations.history") == 2
    assert reading.slack.calls.count("conversations.replies") == 121


async def test_an_old_thread_far_back_is_asked_for_itself(reading: Reading) -> None:
    """A page for each of many messages since would cost more."""
    for n in range(3_000):
        reading.slack.say(TRIAGE, NOW - 20 * DAY - n * 60, "talk")
    reading.card(NOW - 200 * DAY)
    reading.slack.say(TRIAGE, NOW - 10, "at last", root=NOW - 200 * DAY)
    await reading.catch_up.run()
    assert reading.shelf.texts == ["at last"]
    assert len(reading.slack.calls) <= 3


async def test_what_was_missed_is_read_however_much_it_is(reading: Reading) -> None:
    for n in range(2_500):
        reading.slack.say("D0BOB00001", NOW - 2_500 + n, f"help {n}")
    await reading.catch_up.run()
    assert len(reading.shelf.texts) == 2_500


@pytest.mark.parametrize("earlier", [False, True])
async def test_a_conversation_that_fails_is_left_behind_alone(reading: Reading, earlier: bool) -> None:
    """All others are read, its cursor stands, noting doesn't pass over it, and it is read once it can be."""
    reading.slack.say("D0ANN00001", NOW - 50, "before")
    reading.slack.say("D0BOB00001", NOW - 50, "in the bad one")
    reading.slack.say("D0CID00001", NOW - 50, "after")
    reading.slack.broken["D0BOB00001"] = TemporaryFailure("Slack answered 500")
    await reading.catch_up.run()
    assert sorted(reading.shelf.texts) == ["after", "before"]
    assert left_behind(reading.cursors) == {"T0SANDBOX1/D0BOB00001": SINCE}
    await reading.catch_up.note(_MARGIN)
    assert left_behind(reading.cursors) == {"T0SANDBOX1/D0BOB00001": SINCE}
    assert float(reading.cursors[ALL]) > time.time() - 90
    if earlier:  # something older was missed too
        await reading.catch_up.run(ts(NOW - 2 * DAY))
        assert left_behind(reading.cursors) == {"T0SANDBOX1/D0BOB00001": ts(NOW - 2 * DAY)}
    reading.slack.broken.clear()
    calls = len(reading.slack.calls)
    await reading.catch_up.note(_MARGIN)
    assert "in the bad one" in reading.shelf.texts
    assert left_behind(reading.cursors) == {}
    assert len(reading.slack.calls) == calls + 1, "the others aren't read again"


async def test_slack_away_moves_no_cursor(reading: Reading) -> None:
    for n in range(9):
        reading.slack.say(f"D{n:09}", NOW - 50, "x")
        reading.slack.broken[f"D{n:09}"] = TemporaryFailure("Slack can't be reached")
    with pytest.raises(TemporaryFailure):
        await reading.catch_up.run()
    assert reading.cursors == {ALL: SINCE}


@pytest.mark.parametrize(
    ("older", "unknown", "missed", "reached", "more"),
    [
        (0, 0, True, False, True),
        (9, 0, False, False, True),
        (10, 0, False, False, False),
        (10, 11, False, False, True),
        (1, 0, False, True, False),
        (1, 2, False, True, True),
        (2, 2, False, True, False),
    ],
)
def test_how_far_back(older: int, unknown: int, missed: bool, reached: bool, more: bool) -> None:
    assert worth_more(older, unknown, missed=missed, reached=reached) is more
