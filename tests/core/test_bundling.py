"""Personal news: who gets which, gathered into messages, each piece in exactly one."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import unsubscribing
from core.audience import Agent, Happened, News, personal
from core.bundling import MOST_LINES, joined, tell
from core.database import Database
from core.hearing import newsworthy
from core.preferences import LIST, Preferences, choose, keep
from core.shapes import Visibility
from core.status import Status
from core.targets import Targets
from core.tell import tell_failure
from tests.core.commands import ticket_of, to_requesters
from tests.core.desk import BOB, TRIAGE, TestDesk
from tests.core.test_audience import scene
from tests.stores import Store

ADA = Agent(user_id=11, email="ada@example.com", key=b"1" * 32)
BEN = Agent(user_id=12, email="ben@example.com", key=b"2" * 32, slack_user="T1/UBEN")
STAFF = [
    {"username": "ada", "email": "ada@example.com", "name": "Ada"},
    {"username": "ben", "email": "ben@example.com", "name": "Ben"},
]
BOTH = ("email", "slack")
MINUTE = {"bundle": "60s"}


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk with a triage channel."""
    opened = await TestDesk.open(store, staff=STAFF, notices=MINUTE)
    yield opened
    await opened.close()


# -- who gets what --------------------------------------------------------------------------------------------------


def heard(happened: Happened, of: dict[str, Any] | None = None, **more: Any) -> list[tuple[str, str, str]]:
    more = {"assignee": BEN, "actor_id": 1, **more}
    made = scene(of={"assignee_id": 12, **(of or {})}, **more)
    return [(str(one.news), one.channel, one.place) for one in personal(happened, made, BOTH)]


@pytest.mark.parametrize(
    ("happened", "more", "expected"),
    [
        (Happened.ASSIGNED, {"actor_id": 11}, ["assigned"]),
        (Happened.ASSIGNED, {"actor_id": 12}, []),
        (Happened.ASSIGNED, {"assignee": None}, []),
        (Happened.WROTE, {}, ["reply"]),
        (Happened.WROTE, {"automatic": True}, []),
        (Happened.WROTE, {"agents": [BEN]}, []),
        (Happened.WROTE, {"agents": [ADA]}, []),
        (Happened.WROTE, {"of": {"spam": True}}, []),
        (Happened.FAILED, {"actor_id": None}, ["failed"]),
        (Happened.FAILED, {"actor_id": None, "agents": [BEN]}, []),
        (Happened.OUTSIDER_WROTE, {}, []),
        (Happened.STAFF_REPLIED, {"actor_id": 11}, []),
        (Happened.STATUS_SET, {"actor_id": 11}, []),
        (Happened.OPENED, {}, []),
    ],
)
def test_what_the_assignee_hears(happened: Happened, more: dict[str, Any], expected: list[str]) -> None:
    """What concerns them, unless they did it, or have it by the desk's own mail."""
    if more.get("agents") == [ADA]:  # a mail to somebody else is none to them
        expected = ["reply"]
    assert [one[0] for one in heard(happened, **more)] == expected


def test_by_which_channel() -> None:
    """Slack where it knows them, else mail; as they chose where that can be; nothing that they turned off."""
    assert heard(Happened.WROTE)[0][1:] == ("slack", "T1/UBEN")
    assert heard(Happened.WROTE, assignee=replace(BEN, channel="email"))[0][1:] == ("email", BEN.email)
    assert heard(Happened.WROTE, assignee=replace(BEN, slack_user=""))[0][1:] == ("email", BEN.email)
    assert heard(Happened.WROTE, assignee=replace(BEN, slack_user="", channel="slack"))[0][1] == "email"
    assert heard(Happened.WROTE, assignee=replace(BEN, slack_user="", email="")) == []
    assert heard(Happened.WROTE, assignee=replace(BEN, off=frozenset({"reply"}))) == []
    unmailed = replace(BEN, slack_user="", unmailed=True)
    assert heard(Happened.WROTE, assignee=unmailed) == []
    assert heard(Happened.FAILED, actor_id=None, assignee=unmailed)[0][1] == "email"
    assert heard(Happened.WROTE, assignee=replace(BEN, unmailed=True))[0][1] == "slack"


def test_lines_are_joined() -> None:
    """The same of the same ticket counts; beyond the most there is only a number."""

    def line(ticket: int, news: str = "reply") -> dict[str, Any]:
        return {"news": news, "ticket": ticket, "title": "x"}

    twice = joined({"what": "staff_news"}, [line(1), line(1), line(1, "assigned")])
    assert [(one["news"], one.get("times")) for one in twice["lines"]] == [("reply", 2), ("assigned", None)]
    many = joined(twice, [line(n) for n in range(2, 30)])
    assert len(many["lines"]) == MOST_LINES
    assert many["more"] == 28 + 2 - MOST_LINES
    assert joined(many, [line(1)])["lines"][0]["times"] == 3


# -- on a desk ------------------------------------------------------------------------------------------------------


def news_rows(store: Store) -> list[dict[str, Any]]:
    """The messages with news, and what stands in them."""
    rows = store.rows(
        "SELECT id, lane, channel, place, ticket_id, state, wait_until, data FROM deliveries "
        "WHERE data LIKE '%staff_news%' ORDER BY id"
    )
    return [{**row, "data": json.loads(row["data"])} for row in rows]


def told(store: Store) -> list[list[tuple[str, int]]]:
    return [[(x["news"], x["ticket"]) for x in row["data"]["lines"]] for row in news_rows(store)]


async def opened(desk: TestDesk, **more: Any) -> int:
    ticket = (await desk.write("My screen is dark", **more)).ticket_id
    assert ticket is not None
    return ticket


async def test_news_within_a_minute_are_one_message(desk: TestDesk, store: Store) -> None:
    """Assigned, answered, undelivered: one mail about two tickets, which belongs to neither; then another one."""
    first, second = await opened(desk, mail_id="a@x"), await opened(desk)
    ada = await desk.staff()
    await desk.manager.assign(ada, first, "ben")
    await desk.manager.assign(ada, second, "ben")
    await desk.write("More", to=["a@x"])
    await desk.write("And more", to=["a@x"])
    assert told(store) == [[("assigned", first), ("assigned", second), ("reply", first)]]
    (row,) = news_rows(store)
    assert (row["channel"], row["place"], row["ticket_id"]) == ("email", "ben@example.com", 0)
    assert row["data"]["lines"][2]["times"] == 2
    assert row["data"]["lines"][0]["by"] == "Ada"
    desk.clock.offset = timedelta(seconds=61)
    ticket = await ticket_of(desk, first)
    await desk.database.unit(
        lambda tx: tell_failure(tx, desk.desk, ticket, 1, "ann@example.com", "no such user")
    )
    assert told(store)[1:] == [[("failed", first)]]


async def test_nobody_hears_of_what_they_did(desk: TestDesk, store: Store) -> None:
    """Nor of anything that the desk's own mail tells them, nor of what an archive brings."""
    ticket = await opened(desk, mail_id="a@x")
    await desk.manager.assign(await desk.staff("ben"), ticket, "ben")
    assert told(store) == []
    await desk.write("I'm away", to=["a@x"], automatic="auto-replied")
    assert told(store) == []


async def test_quiet_hours_hold_it_back_and_nothing_else(store: Store) -> None:
    """News wait until the hours end, in lanes of their own; the thread and the requester are told at once."""
    now = datetime.now(UTC)
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    end = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    queue = [
        {
            "name": "support",
            "addresses": ["support@example.com"],
            "slack_channel": TRIAGE,
            "notify": ["slack", "email"],
        }
    ]
    desk = await TestDesk.open(store, staff=STAFF, queue=queue, notices={**MINUTE, "quiet_hours": hours})
    try:
        ben = (await desk.staff("ben")).user_id
        assert ben is not None
        await desk.database.unit(lambda tx: keep(tx, ben, Preferences(quiet_hours="")))
        ticket = await opened(desk)
        await desk.manager.assign(await desk.staff("ben"), ticket, "ada")
        (row,) = news_rows(store)
        assert _utc(row["wait_until"]) == end
        rows = store.rows("SELECT place, wait_until, lane FROM deliveries WHERE data LIKE '%staff_new\"%'")
        waits = {one["place"]: (one["wait_until"], one["lane"]) for one in rows}
        assert _utc(waits["ada@example.com"][0]) == end
        assert waits["ada@example.com"][1].endswith(":later")
        assert waits["ben@example.com"][0] is None, "Ben has none"
        await desk.courier.start()
        await _until(lambda: store.count("deliveries", "state = 'queued'") == 2)
        assert sorted(desk.mail.kinds()) == ["notice:ack", "notice:staff_new"]
        await desk.manager.exchange_messages(
            await desk.staff("ada"), ticket, "Try again", visibility=Visibility.PUBLIC
        )
        await _until(lambda: "message" in desk.mail.kinds())
    finally:
        await desk.close()


def _utc(value: Any) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at if at.tzinfo else at.replace(tzinfo=UTC)


async def _until(true: Any, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


async def test_the_link_in_a_mail_ends_them(desk: TestDesk, store: Store) -> None:
    """Until they want them again; what couldn't be delivered comes all the same."""
    ticket = await opened(desk)
    ada, ben = await desk.staff(), await desk.staff("ben")
    await desk.manager.assign(ada, ticket, "ben")
    url = news_rows(store)[0]["data"]["unsubscribe"]
    found = unsubscribing.links_of(desk.config).read(url.rpartition("/")[2])
    assert found == (LIST, unsubscribing.key_for(LIST, "ben@example.com"))
    await desk.database.unit(lambda tx: unsubscribing.stop(tx, *found))
    desk.clock.offset = timedelta(minutes=2)
    await desk.manager.assign(ada, await opened(desk), "ben")
    assert len(told(store)) == 1
    assert ben.user_id is not None
    said = await desk.database.unit(
        lambda tx: choose(tx, ben.user_id, ["off", "near"], quiet_hours="", zone="UTC")
    )
    assert "unsubscribed" in said
    await desk.database.unit(lambda tx: choose(tx, ben.user_id, ["by", "mail"], quiet_hours="", zone="UTC"))
    await desk.manager.assign(ada, await opened(desk), "ben")
    assert len(told(store)) == 2


async def test_three_instances_and_a_courier_lose_and_repeat_nothing(store: Store) -> None:
    """Pieces of news from three instances at once while messages go out: each stands in exactly one that was sent."""
    desk = await TestDesk.open(store, staff=STAFF, notices={"bundle": "120ms"})
    others = [Database(desk.config.database, desk.clock, Targets(desk.config)) for _ in range(2)]
    base = await ticket_of(desk, await opened(desk))
    pieces = 60

    async def happen(number: int) -> None:
        at = [desk.database, *others][number % 3]
        one = replace(base, id=1000 + number)
        agents = [ADA] if number % 2 else [BEN]
        news = newsworthy(News.ASSIGNED, one, agents, BOTH, {"by": "Ada"})
        await asyncio.sleep(number * 0.02)
        await at.unit(lambda tx: tell(tx, desk.desk, news))

    try:
        await desk.courier.start()
        await asyncio.gather(*(happen(n) for n in range(pieces)))
        await desk.quiet(store)
        rows = news_rows(store)
        assert {row["state"] for row in rows} == {"sent"}
        sent = [o for o in (*desk.mail.sent, *desk.slack.sent) if o.data.get("what") == "staff_news"]
        assert len({o.delivery_id for o in sent}) == len(sent) == len(rows) < pieces
        seen = Counter(line["ticket"] for o in sent for line in o.data["lines"])
        assert seen == {1000 + n: 1 for n in range(pieces)}
    finally:
        for one in others:
            await one.close()
        await desk.close()


async def test_what_was_loaded_before_further_news_is_loaded_again(desk: TestDesk, store: Store) -> None:
    """The courier has it in its hands, not yet noted as being sent, when a further piece is added."""
    ada, first, second = await desk.staff(), await opened(desk), await opened(desk)
    await desk.manager.assign(ada, first, "ben")
    rendered = desk.mail.render
    added = False

    async def slowly(outgoing: Any) -> bytes | None:
        nonlocal added
        if outgoing.data.get("what") == "staff_news" and not added:
            added = True
            desk.clock.offset = timedelta(seconds=30)  # another instance's clock
            await desk.manager.assign(ada, second, "ben")
            desk.clock.offset = timedelta(seconds=61)
        return await rendered(outgoing)

    desk.mail.render = slowly  # type: ignore[method-assign]
    desk.clock.offset = timedelta(seconds=61)
    await desk.courier.start()
    await desk.quiet(store)
    (sent,) = [o for o in desk.mail.sent if o.data.get("what") == "staff_news"]
    assert [line["ticket"] for line in sent.data["lines"]] == [first, second]


# -- requesters -----------------------------------------------------------------------------------------------------


async def test_pending_without_an_answer_is_told_once(desk: TestDesk, store: Store) -> None:
    """One short notice; none where the answer itself made it pending, or where it was so already."""
    ticket = await opened(desk)
    ada = await desk.staff()
    await desk.manager.assign_status(ada, ticket, Status.PENDING)
    await desk.manager.assign_status(ada, ticket, Status.PENDING)
    assert to_requesters(store, ticket) == ["notice:ack", "notice:waiting"]


async def test_merged_into_one_of_theirs(desk: TestDesk, store: Store) -> None:
    """Told once, in the old ticket; where the other is somebody else's they learn no number."""
    first, second = await opened(desk), await opened(desk)
    third = await opened(desk, sender=BOB)
    ada = await desk.staff()
    await desk.manager.merge(ada, first, second)
    await desk.manager.merge(ada, second, third)
    assert to_requesters(store, first) == ["notice:ack", "notice:merged"]
    assert to_requesters(store, second) == ["notice:ack"]
    row = store.rows("SELECT data FROM deliveries WHERE data LIKE '%merged%' AND desk = 0")[0]
    assert json.loads(row["data"])["into"] == second


async def test_after_staff_reply_pending_says_nothing_more(store: Store) -> None:
    """The answer is enough."""
    queue = [{"name": "support", "addresses": ["support@example.com"], "after_staff_reply": "pending"}]
    desk = await TestDesk.open(store, staff=STAFF, queue=queue)
    try:
        ticket = await opened(desk)
        await desk.manager.exchange_messages(
            await desk.staff(), ticket, "Try again", visibility=Visibility.PUBLIC
        )
        assert (await ticket_of(desk, ticket)).status is Status.PENDING
        assert to_requesters(store, ticket) == ["notice:ack", "message"]
    finally:
        await desk.close()
