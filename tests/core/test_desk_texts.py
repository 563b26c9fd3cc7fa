"""What the desk is told where the service speaks German: the situations of each text, and the operator's own words."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.config import parse
from core.desk_texts import TEXTS, counted
from core.jobs import Jobs, close_resolved
from core.membership import let_in
from core.merging import merge
from core.shapes import Evidence, MessageEdited, Visibility
from core.status import Status
from tests.core.commands import ADA, DAN, dans_ticket, lines, root_of, whispers
from tests.core.desk import BOB, EVE, TRIAGE, TestDesk, post, slack_person
from tests.core.filling import fill
from tests.core.received import deletion, edit
from tests.core.test_reminding import at, pending, sent
from tests.core.test_unassigned import listed, lists
from tests.stores import Store

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
GERMAN: dict[str, Any] = {"language": "de"}
SLACK: dict[str, Any] = {"enabled": True, "bot_token": "x", "app_token": "x"}
QUEUE: dict[str, Any] = {"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE}
STAFF: list[dict[str, str]] = [
    {"username": "ada", "email": "ada@example.com", "name": "Ada Lovelace"},
    {"username": "boss", "email": "boss@example.com", "slack_user": "UBOSS", "role": "manager"},
]


@asynccontextmanager
async def german(store: Store, *, queue: dict[str, Any] | None = None, **settings: Any) -> Any:
    """A desk whose service speaks German. `queue`: what of its one queue is otherwise."""
    settings.setdefault("service", GERMAN)
    settings.setdefault("staff", STAFF)
    desk = await TestDesk.open(store, queue=[QUEUE | (queue or {})], **settings)
    try:
        yield desk
    finally:
        await desk.close()


def told(key: str, *, speaks: str = "de", **gaps: Any) -> str:
    """A text of ours with its gaps filled. Raises `KeyError` for a gap that isn't given."""
    return TEXTS[speaks][key].format_map(gaps)


# -- what the clock does --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "failed", "line"),
    [
        ("4d", False, told("line_closed_unanswered", days=4)),
        ("1d", False, told("line_closed_unanswered_while")),
        ("1d", True, told("line_closed_unreminded")),
    ],
)
async def test_what_nobody_answered_is_closed(store: Store, after: str, failed: bool, line: str) -> None:
    async with german(store, queue={"remind_after": "3d", "close_pending_after": after}) as desk:
        ticket = await pending(desk)
        await at(desk, 3 * DAY + MINUTE)
        await sent(desk, "failed" if failed else "sent")
        await at(desk, (3 + int(after[0])) * DAY + 2 * MINUTE)
        assert lines(store, ticket)[-1] == line


@pytest.mark.parametrize(
    ("after", "line"),
    [
        ("3d", told("line_closed_resolved", days=3)),
        ("1d", told("line_closed_resolved_while")),
    ],
)
async def test_what_was_resolved_is_closed(store: Store, after: str, line: str) -> None:
    async with german(store, queue={"close_resolved_after": after}) as desk:
        ticket = (await desk.write()).ticket_id or 0
        await desk.manager.assign_status(await desk.staff(), ticket, Status.RESOLVED)
        desk.clock.offset = 3 * DAY + MINUTE
        await close_resolved(Jobs(desk.desk, desk.database, desk.blobs))
        assert lines(store, ticket)[-1] == line


@pytest.mark.parametrize("closes", [True, False])
async def test_a_reminder_that_cannot_go(store: Store, closes: bool) -> None:
    """With why, and how to mend it; and when the ticket is closed, where it is."""
    queue = {"remind_after": "3d", "close_pending_after": "4d" if closes else "0s"}
    async with german(store, queue=queue) as desk:
        ticket = await pending(desk)
        store.execute("UPDATE identities SET suppressed_at = '2026-01-01' WHERE address = 'ann@example.com'")
        await at(desk, 3 * DAY + MINUTE)
        shell = f"relaydesk tickets unsuppress {ticket} ann@example.com"
        lift = told("lift_here", command="!unsuppress ann@example.com", shell=shell)
        why = told("reason_mail_bounced", address="ann@example.com", lift=lift)
        line = lines(store, ticket)[-1]
        if closes:
            head, _, tail = line.partition(" Ohne Antwort wird dieses Ticket am ")
            assert head == told("line_reminder_unsent", why=why)
            assert tail.endswith(" (UTC) geschlossen.")
        else:
            assert line == told("line_reminder_unsent", why=why)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("nobody", told("reason_nobody_left")),
        ("off", told("reason_channel_off", channel="slack")),
    ],
)
async def test_who_cannot_be_reminded_at_all(store: Store, how: str, why: str) -> None:
    async with german(store, queue={"remind_after": "3d", "close_pending_after": "0s"}) as desk:
        ticket = await dans_ticket(desk)
        await desk.manager.assign_status(await desk.staff(), ticket, Status.PENDING)
        await sent(desk)
        if how == "nobody":
            store.execute("DELETE FROM participants WHERE ticket_id = :t", t=ticket)
        else:
            desk.desk.specs.pop("slack")
        await at(desk, 3 * DAY + MINUTE)
        found = store.value("SELECT data FROM events WHERE kind = 'remark' ORDER BY id DESC")
        assert json.loads(found)["text"] == told("line_reminder_unsent", why=why)


async def test_the_list_of_what_nobody_has_taken(store: Store) -> None:
    """Numbers and durations as the language writes them; in the operator's own words where there are some."""
    own = {"de": {"list_more_other": "… und noch {n}", "list_subject": "Offen: {queue}"}}
    async with german(store, queue={"unassigned_after": "4h"}, slack={**SLACK, "texts": own}) as desk:
        receipt = await desk.write(subject="Frage")
        ticket = (await desk.manager.view_ticket(await desk.staff(), receipt.ticket_id or 0)).ticket
        desk.clock.offset = 5 * HOUR
        await listed(desk)
        head = told("list_head_one", n=1, queue="support")
        waits = told("list_waits", time="5 Std.")
        assert lists(store)[0]["text"] == f"{head}\n#{ticket.id} Frage ({waits})"
        old = desk.clock.now() - 99 * HOUR
        await fill(desk, 1230, ticket.requester_id, lambda n: {"status": "open", "waiting_since": old})
        await desk.manager.assign_status(await desk.staff(), ticket.id, Status.RESOLVED)
        await desk.manager.assign_status(await desk.staff(), ticket.id, Status.OPEN)
        await listed(desk, 2)
        found = lists(store)[1]["text"].split("\n")
        assert found[0] == told("list_head_other", n="1.230", queue="support")
        assert found[1].endswith("(wartet schon 4 Tage 3 Std.)")
        assert found[-1] == "… und noch 1.210"
        store.execute("UPDATE tickets SET waiting_since = NULL WHERE id <> :t", t=ticket.id)
        desk.clock.offset = 10 * HOUR
        await listed(desk, 3)
        assert lists(store)[2]["text"].endswith(f"({told('list_again', time='5 Std.')})")


async def test_the_list_by_mail(store: Store) -> None:
    """Also there the operator's words come first: its subject."""
    own = {"de": {"list_subject": "Offen: {queue}"}}
    queue = {"unassigned_after": "4h", "slack_channel": ""}
    async with german(store, queue=queue, slack={"enabled": False, "texts": own}) as desk:
        await desk.write()
        desk.clock.offset = 5 * HOUR
        await listed(desk)
        assert {one["subject"] for one in lists(store)} == {"Offen: support"}
    assert counted(parse({"service": GERMAN}, environ={}), "list_more", 1) == told("list_more_one", n=1)


# -- who takes part -------------------------------------------------------------------------------------------------


async def test_who_takes_part(store: Store) -> None:
    """Let in by staff, or brought in by them; with what they wrote before; a dead address tried again."""
    async with german(store) as desk:
        ada = await desk.staff()
        ticket = (await desk.write()).ticket_id or 0
        who: dict[str, Any] = {"who": "Ada Lovelace", "name": "bob@example.org"}
        await desk.manager.admit(ada, ticket, BOB.address)
        assert lines(store, ticket)[-1] == told("line_admitted", **who)

        async def brought(person: Any) -> None:
            await desk.database.unit(
                lambda tx: let_in(tx, desk.desk, ada, ticket, person, kind="participant")
            )

        await brought(slack_person("kim"))
        assert lines(store, ticket)[-1] == told("line_added", **who | {"name": "Kim"})
        for key, again in (("line_admitted_shown", True), ("line_added_shown", False)):
            await desk.write("Me too", sender=EVE, signed=(ticket,))
            store.execute("UPDATE messages SET outsider = 1 WHERE text = 'Me too'")
            store.execute("UPDATE participants SET role = 'cc' WHERE place = 'eve@example.net'")
            await (desk.manager.admit(ada, ticket, EVE.address) if again else brought(EVE))
            assert lines(store, ticket)[-1] == told(key, **who | {"name": "eve@example.net"})
        store.execute("UPDATE identities SET suppressed_at = '2026-01-01' WHERE address = 'bob@example.org'")
        await desk.manager.unsuppress(ada, ticket, BOB.address)
        assert lines(store, ticket)[-1] == told("line_unsuppressed", who=who["who"], address=BOB.address)


@pytest.mark.parametrize("others", [False, True])
async def test_a_merge_that_changes_where_answers_go(store: Store, others: bool) -> None:
    """Who takes part without a name is somebody, in German too."""
    async with german(store) as desk:
        private = await dans_ticket(desk)
        there = replace(DAN, place="T1/CPUB#2.0")
        asked = post("2.0", "printer", sender=there, conversation="CPUB", evidence=Evidence())
        public = (await desk.manager.receive(asked)).ticket_id or 0
        if others:
            kim = replace(slack_person("kim"), place="T1/CPUB#2.0")
            await desk.manager.receive(post("3.0", "mine too", sender=kim, conversation="CPUB", root="2.0"))
            await desk.manager.admit(await desk.staff(), public, BOB.address)
            store.execute("UPDATE participants SET place = 'T1/CPUB#2.0' WHERE ticket_id = :t", t=public)
        store.execute("UPDATE users SET name = '' WHERE name = 'Dan'")
        ada = await desk.staff()
        await desk.database.unit(lambda tx: merge(tx, desk.desk, ada, private, public))
        key = "line_brought_also" if others else "line_brought_not"
        assert lines(store, public)[-1].endswith(told(key, name="jemand"))


# -- what is written ------------------------------------------------------------------------------------------------


def from_ada(ticket: int, text: str, **more: Any) -> Any:
    return post("7001.0", text, sender=ADA, root=root_of(ticket), desk=True, **more)


async def answered(desk: TestDesk, ticket: int, **more: Any) -> None:
    await desk.manager.receive(from_ada(ticket, "Turn it off", **more))


async def changed(desk: TestDesk, ticket: int, text: str, visibility: Visibility | None = None) -> None:
    new = from_ada(ticket, text, visibility=visibility)
    await desk.manager.receive(edit("7001.0", text, ADA, as_new=new))


async def into_command(desk: TestDesk) -> None:
    made = edit("7001.0", "!close", ADA)
    assert isinstance(made, MessageEdited)
    await desk.manager.receive(replace(made, command="close"))


def went(store: Store) -> None:
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL, remote_id = 'T1/D1/9.0'")


async def _stopped(desk: TestDesk, store: Store, ticket: int) -> None:
    await answered(desk, ticket)
    await desk.manager.receive(deletion("7001.0"))


async def _too_late(desk: TestDesk, store: Store, ticket: int) -> None:
    await answered(desk, ticket)
    went(store)
    await desk.manager.receive(deletion("7001.0"))
    assert lines(store, ticket)[-1] == told("line_deleted_late", who="Ada Lovelace")


async def _not_staff(desk: TestDesk, store: Store, ticket: int) -> None:
    await answered(desk, ticket)
    store.execute("UPDATE users SET role = 'requester', staff_source = NULL WHERE username = 'ada'")
    await changed(desk, ticket, "Turn it on")


async def _no_words(desk: TestDesk, store: Store, ticket: int) -> None:
    await answered(desk, ticket)
    await desk.manager.receive(edit("7001.0", "", ADA))


async def _still_note(desk: TestDesk, store: Store, ticket: int) -> None:
    await answered(desk, ticket, visibility=Visibility.NOTE)
    await changed(desk, ticket, "Turn it on", Visibility.PUBLIC)


async def _no_command(desk: TestDesk, store: Store, ticket: int) -> None:
    await answered(desk, ticket)
    went(store)
    await into_command(desk)


async def _stopped_command(desk: TestDesk, store: Store, ticket: int) -> None:
    await answered(desk, ticket)
    await into_command(desk)


async def _note_late(desk: TestDesk, store: Store, ticket: int) -> None:
    await answered(desk, ticket)
    went(store)
    await changed(desk, ticket, "Odd", Visibility.NOTE)


async def _refused(desk: TestDesk, store: Store, ticket: int) -> None:
    await desk.manager.receive(
        post("7009.0", "Me!", sender=slack_person("eve"), root=root_of(ticket), desk=True)
    )


Does = Callable[[TestDesk, Store, int], Awaitable[None]]


@pytest.mark.parametrize(
    ("does", "key", "gaps"),
    [
        (_stopped, "told_stopped", {}),
        (_too_late, "told_too_late", {}),
        (_not_staff, "told_not_staff", {}),
        (_no_words, "told_no_words", {}),
        (_still_note, "told_still_note", {}),
        (_no_command, "told_no_command", {}),
        (_stopped_command, "told_stopped_command", {"command": "close"}),
        (_note_late, "told_note_late", {}),
        (_refused, "told_refused", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_one_person_alone_is_told(
    store: Store, does: Does, key: str, gaps: dict[str, str]
) -> None:
    async with german(store, slack={**SLACK, "reply_hold": "30s"}) as desk:
        ticket = await dans_ticket(desk)
        await does(desk, store, ticket)
        assert whispers(store)[-1] == told(key, **gaps)
