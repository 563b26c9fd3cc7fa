"""Every notice of what becomes of a ticket, by mail and in Slack: who hears, by which channel, and who doesn't."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from core.jobs import Jobs
from core.preferences import OPTIONAL, choose
from core.shapes import Visibility
from core.status import Status
from core.target_watch import watch
from core.tell import tell_failure
from tests.core.commands import ticket_of
from tests.core.desk import TRIAGE, TestDesk
from tests.core.test_slack_opening import direct, receive
from tests.stores import Store

QUEUE: dict[str, Any] = {
    "name": "support",
    "addresses": ["support@example.com"],
    "slack_channel": TRIAGE,
    "first_response_target": "4h",
    "resolution_target": "0s",
    "escalate_to": ["mia"],
}
BOTH = pytest.mark.parametrize("channel", ["email", "slack"])


def staff(channel: str) -> list[dict[str, str]]:
    """Ada does things; Ben has the tickets, Mia is told of what was missed: both reached by this channel."""
    made = [
        {"username": name, "email": f"{name}@example.com", "name": name.title(), "role": role}
        for name, role in (("ada", "agent"), ("ben", "agent"), ("mia", "manager"))
    ]
    if channel == "slack":
        made = [made[0], *({**one, "slack_user": f"U0{one['username'].upper()}"} for one in made[1:])]
    return made


@pytest.fixture
async def desk(store: Store, channel: str) -> AsyncIterator[TestDesk]:
    """A desk with a triage channel, targets, and somebody above."""
    opened = await TestDesk.open(store, queue=[QUEUE], staff=staff(channel), notices={"bundle": "60s"})
    yield opened
    await opened.close()


async def opened(desk: TestDesk, channel: str, later: int = 0) -> int:
    """A requester's ticket: by mail, or by a direct message."""
    receipt = await (
        desk.write() if channel == "email" else receive(desk, direct(later, "My screen is dark"))
    )
    assert receipt.ticket_id is not None
    return receipt.ticket_id


# -- requesters -----------------------------------------------------------------------------------------------------


@BOTH
async def test_a_requester_hears_each_once_by_their_channel(
    desk: TestDesk, store: Store, channel: str
) -> None:
    """Received, answered, waiting for them, resolved (to be rated where there are buttons), reopened, merged."""
    ticket, ada = await opened(desk, channel), await desk.staff()
    await desk.manager.exchange_messages(ada, ticket, "Try again", visibility=Visibility.PUBLIC)
    other = await opened(desk, channel, 3600)
    for then in (Status.PENDING, Status.OPEN, Status.RESOLVED, Status.OPEN):
        await desk.manager.assign_status(ada, ticket, then)
    await desk.manager.exchange_messages(ada, ticket, "A note", visibility=Visibility.NOTE)
    await desk.manager.merge(ada, ticket, other)
    sql = "SELECT channel, kind, data FROM deliveries WHERE desk = 0 AND ticket_id = :t ORDER BY id"
    rows = [{**row, "data": json.loads(row["data"])} for row in store.rows(sql, t=ticket)]
    assert [row["data"].get("what", row["kind"]) for row in rows] == [
        "ack",
        "message",
        "waiting",
        "resolved",
        "reopened",
        "merged",
    ]
    assert {row["channel"] for row in rows} == {channel}
    assert bool(rows[3]["data"].get("rate")) is (channel == "slack")
    assert rows[5]["data"]["into"] == other


# -- staff and managers ---------------------------------------------------------------------------------------------


def news(store: Store) -> list[tuple[str, str, str]]:
    """Whom a piece of news goes to: their channel, who, and which it is."""
    rows = store.rows(
        "SELECT channel, place, data FROM deliveries WHERE data LIKE '%staff_news%' ORDER BY id"
    )
    found = []
    for row in rows:
        who = row["place"].lower().rpartition("/")[2].removeprefix("u0").partition("@")[0]
        found += [(row["channel"], who, str(line["news"])) for line in json.loads(row["data"])["lines"]]
    return found


async def everything(desk: TestDesk) -> None:
    """A ticket of Ben's: given to him, written on, its target near and missed, something undelivered."""
    ticket = (await desk.write("Help!", mail_id="a@x")).ticket_id
    assert ticket is not None
    await desk.manager.assign(await desk.staff(), ticket, "ben")
    await desk.write("More", to=["a@x"])
    for hours in (3, 4):
        desk.clock.offset = timedelta(hours=hours, seconds=5)
        await watch(Jobs(desk.desk, desk.database, desk.blobs))
    there = await ticket_of(desk, ticket)
    await desk.database.unit(
        lambda tx: tell_failure(tx, desk.desk, there, 1, "ann@example.com", "no such user")
    )


@BOTH
async def test_staff_and_managers_hear_each_once_by_their_channel(
    desk: TestDesk, store: Store, channel: str
) -> None:
    """The desk by its card and the failure in its thread; the assignee of all that is theirs; who is above of what
    was missed, no more."""
    await everything(desk)
    assert sorted(news(store)) == sorted(
        [
            *((channel, "ben", what) for what in ("assigned", "reply", "near", "missed", "failed")),
            (channel, "mia", "missed"),
        ]
    )
    assert store.count("deliveries", "kind = 'card' AND place = 'C1'") == 1
    assert store.count("deliveries", "kind = 'alert' AND place = 'C1'") == 1


@BOTH
async def test_who_turned_it_all_off_hears_what_did_not_arrive(
    desk: TestDesk, store: Store, channel: str
) -> None:
    """Each kind alone may be off; all of them leave the one that can't be."""
    for name in ("ben", "mia"):
        who = (await desk.staff(name)).user_id
        words = ["off", *map(str, OPTIONAL)]
        await desk.database.unit(lambda tx, w=who, o=words: choose(tx, w, o, quiet_hours="", zone="UTC"))  # type: ignore[misc]
    await everything(desk)
    assert news(store) == [(channel, "ben", "failed")]


@BOTH
async def test_the_channel_that_they_chose(desk: TestDesk, store: Store, channel: str) -> None:
    """By mail though Slack knows them; by Slack where it doesn't know them is by mail all the same."""
    ben = (await desk.staff("ben")).user_id
    chosen = "mail" if channel == "slack" else "slack"
    await desk.database.unit(lambda tx: choose(tx, ben, ["by", chosen], quiet_hours="", zone="UTC"))
    await everything(desk)
    assert {where for where, who, _ in news(store) if who == "ben"} == {"email"}


@BOTH
async def test_nobody_hears_of_what_they_did(desk: TestDesk, store: Store, channel: str) -> None:
    """Ben takes it, answers, sets it pending and notes something: he has no news of it."""
    ticket, ben = await opened(desk, channel), await desk.staff("ben")
    await desk.manager.assign(ben, ticket, "ben")
    await desk.manager.exchange_messages(ben, ticket, "Try again", visibility=Visibility.PUBLIC)
    await desk.manager.exchange_messages(ben, ticket, "A note", visibility=Visibility.NOTE)
    for then in (Status.PENDING, Status.RESOLVED):
        await desk.manager.assign_status(ben, ticket, then)
    assert news(store) == []
