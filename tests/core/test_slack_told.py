"""What requesters in Slack are told of what became of their ticket, and what the desk sees where its threads moved."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core import exposure
from core.shapes import Evidence, File, Kind, Ref, StaffCommand
from core.status import Status
from core.tables import settings
from tests.core.commands import ADA, DAN, dans_ticket, hang_card, pressed, root_of, typed
from tests.core.desk import TRIAGE, TestDesk, post, slack_person
from tests.core.received import deletion, noted, status
from tests.core.test_slack_opening import direct, receive
from tests.stores import Store

SLACK = {"enabled": True, "bot_token": "x", "app_token": "x"}
OTHER = "C2"
QUEUES = [
    {"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE},
    {"name": "billing", "addresses": ["billing@example.com"], "slack_channel": OTHER},
]


@pytest.mark.parametrize("asks", [True, False])
async def test_what_was_decided_reaches_them_once(store: Store, asks: bool) -> None:
    """Opened, answered, resolved, reopened, closed, each once and in their thread; they may say how it was."""
    slack = {"enabled": True, "bot_token": "x", "app_token": "x", "ask_rating": asks}
    desk = await TestDesk.open(store, slack=slack)
    try:
        opened = await receive(desk, direct(0, "One"))
        ticket, ada = opened.ticket_id or 0, await desk.staff()
        await desk.manager.exchange_messages(ada, ticket, "Done")
        for then in (Status.RESOLVED, Status.OPEN, Status.CLOSED):
            await desk.manager.assign_status(ada, ticket, then)
        await desk.courier.start()
        await desk.quiet(store)
        out = [o for o in desk.slack.sent if not o.desk]
        assert [o.data.get("what", o.kind) for o in out] == [
            "ack",
            Kind.MESSAGE,
            "resolved",
            "reopened",
            "closed",
        ]
        assert {o.place for o in out} == {"T1/D1#100.000000"}
        assert [bool(o.data.get("rate")) for o in out] == [False, False, asks, False, False]
    finally:
        await desk.close()


async def test_who_is_reached_by_mail_is_asked_by_a_link(desk: TestDesk, store: Store) -> None:
    """A mail has no buttons: its page is `tests/web/test_rate.py`."""
    opened = await desk.write()
    await desk.manager.assign_status(await desk.staff(), opened.ticket_id or 0, Status.RESOLVED)
    rows = store.rows("SELECT data FROM deliveries WHERE desk = 0")
    told = [json.loads(row["data"]) for row in rows]
    assert not any("rate" in one for one in told)
    assert [("/rate/" in one.get("url", "")) for one in told if one.get("what")] == [False, True]


async def test_nobody_hears_of_what_they_did(desk: TestDesk, store: Store) -> None:
    """The requester resolves and reopens their own ticket: the thread shows nothing of it."""
    opened = await receive(desk, direct(0, "One"))
    for verb in ("resolve", "reopen"):
        click = StaffCommand(
            channel="slack",
            sender=slack_person("dan", place="T1/D1#100.000000"),
            source_time=datetime.now(UTC),
            verb=verb,
            ticket_id=opened.ticket_id,
            place="T1/D1#100.000000",
        )
        await receive(desk, click)
    assert await status(desk, opened.ticket_id) is Status.OPEN
    told = [line for line in noted(store) if line.startswith("out")]
    assert told == ["out slack notice:ack"]


# -- how it was ---------------------------------------------------------------------------------------------------


def rated(store: Store) -> list[tuple[str, int]]:
    """Where requesters saw which score counted."""
    rows = store.rows("SELECT place, data FROM deliveries WHERE kind = 'notice' AND desk = 0 ORDER BY id")
    found = [(row["place"], json.loads(row["data"])) for row in rows]
    return [(place, data["score"]) for place, data in found if data["what"] == "rated"]


async def test_who_rates_sees_it_counted(desk: TestDesk, store: Store) -> None:
    """In the ticket's thread, each score once; a comment to it says nothing again."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "resolve")
    place = store.value("SELECT place FROM participants WHERE ticket_id = :t", t=ticket)
    await pressed(desk, ticket, "rate", "4", sender=DAN)
    await pressed(desk, ticket, "rate", "4", sender=DAN)
    await pressed(desk, ticket, "rate", sender=DAN, text="Quick")
    assert rated(store) == [(place, 4)]
    await pressed(desk, ticket, "rate", "5", sender=DAN, text="And kind")
    assert rated(store) == [(place, 4), (place, 5)]


# -- files that are taken back ------------------------------------------------------------------------------------


async def test_a_deleted_answers_files_are_taken_back(desk: TestDesk, store: Store) -> None:
    """The requester keeps the words that reached them; the file goes, and its author hears both."""
    ticket = await dans_ticket(desk)
    file = File(name="a.txt", content_type="text/plain", size=3, content=b"abc")
    await receive(desk, post("70.0", "Oops", sender=ADA, root=root_of(ticket), desk=True, files=(file,)))
    await desk.courier.start()
    await desk.quiet(store)
    there = [desk.slack._answer(o).remote_id for o in desk.slack.sent if o.kind is Kind.FILE and not o.desk]
    await receive(desk, deletion("70.0"))
    await desk.quiet(store)
    taken = [o for o in desk.slack.sent if o.kind is Kind.EDIT]
    assert [(o.desk, o.data.get("file"), o.data["deleted"]) for o in taken] == [(False, there[0], True)]
    said = [
        json.loads(r["data"])["text"]
        for r in store.rows("SELECT data FROM deliveries WHERE kind = 'whisper'")
    ]
    assert said[-1].endswith("the requester has it, but for the files, which are taken back.")


# -- threads that were left behind --------------------------------------------------------------------------------


async def under(desk: TestDesk, channel: str, root: str, text: str, ts: str) -> Any:
    """Ada writes below a card."""
    ref = Ref(f"slack:T1/{channel}/{root}", f"slack:T1/{channel}/{root}")
    return await receive(
        desk,
        post(
            ts,
            text,
            sender=replace(ADA, place=f"T1/{channel}#{root}"),
            conversation=channel,
            desk=True,
            evidence=Evidence(references=(ref,)),
        ),
    )


async def test_words_in_an_old_thread_are_shown_in_the_new_one(store: Store) -> None:
    """The ticket moved to another queue's channel: what staff write below the old card goes out, and stands in the new
    thread too; what they write there isn't repeated."""
    desk = await TestDesk.open(store, queue=QUEUES)
    try:
        ticket = await dans_ticket(desk)
        await typed(desk, ticket, "queue", "billing")
        await hang_card(desk, ticket, OTHER)
        old = await under(desk, TRIAGE, root_of(ticket), "Old place", "71.0")
        new = await under(desk, OTHER, root_of(ticket), "New place", "72.0")
        assert (old.ticket_id, new.ticket_id) == (ticket, ticket)
        sql = (
            "SELECT m.text, d.desk, d.place FROM deliveries d JOIN messages m ON m.id = d.message_id"
            " WHERE d.kind = 'message' AND m.author_staff = 1 ORDER BY d.id"
        )
        found = [(row["text"], bool(row["desk"]), row["place"]) for row in store.rows(sql)]
        assert [(text, desk_side) for text, desk_side, _ in found] == [
            ("Old place", True),
            ("Old place", False),
            ("New place", False),
        ]
        assert found[0][2] == OTHER
    finally:
        await desk.close()


# -- where strangers would read -----------------------------------------------------------------------------------


async def expose(desk: TestDesk, channel: str = TRIAGE) -> None:
    row = {"scope": exposure.SCOPE, "key": channel, "value": {"why": "public", "since": "2026-01-01"}}
    await desk.database.unit(lambda tx: tx.run(settings.insert().values(**row)))


@pytest.mark.parametrize(
    ("channel", "allowed", "mailed"),
    [(TRIAGE, (), True), (OTHER, (), False), (TRIAGE, (TRIAGE,), False), ("", (), False)],
)
async def test_an_exposed_channels_staff_are_told_by_mail(
    store: Store, channel: str, allowed: tuple[str, ...], mailed: bool
) -> None:
    """Where the queue tells nobody by mail else; not for another channel, nor where an operator allows it."""
    queue = {
        "name": "support",
        "addresses": ["support@example.com"],
        "slack_channel": TRIAGE,
        "notify": ["slack"],
    }
    desk = await TestDesk.open(store, queue=[queue], slack={**SLACK, "exposed_channels": allowed})
    try:
        if channel:
            await expose(desk, channel)
        await receive(desk, direct(0, "One"))
        assert ("desk email notice:staff_new" in noted(store)) is mailed
    finally:
        await desk.close()
