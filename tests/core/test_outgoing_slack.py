"""What each delivery to Slack carries: the assignee, the thread that it goes into; and where the desk's threads are."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

from core import settling
from core.exposure import SCOPE
from core.failures import UnknownOutcome
from core.shapes import Evidence, Kind, NewMessage, Outgoing, Ref, Seen, Sent, Visibility
from core.tables import settings
from tests.core.commands import dans_ticket, hang_card, root_of
from tests.core.desk import TRIAGE, Noting, TestDesk, post
from tests.core.received import ADA, edit, noted
from tests.core.test_outbox import note, told
from tests.stores import Store
from tests.waiting import until

OLD, NEW = "C5", TRIAGE


async def sent(desk: TestDesk, store: Store) -> list[Outgoing]:
    await desk.courier.start()
    await desk.quiet(store)
    return desk.slack.sent


async def test_the_card_names_the_assignee_in_slack(desk: TestDesk, store: Store) -> None:
    """By their identity there, once they have one."""
    ticket = (await desk.write()).ticket_id or 0
    await desk.manager.assign(await desk.staff(), ticket, "ada")
    found = await sent(desk, store)
    assert [o.assignee_slack for o in found if o.kind is Kind.CARD][-1] == ""
    await desk.people.known(ADA)
    await desk.manager.assign(await desk.staff(), ticket, "grace")
    await desk.manager.assign(await desk.staff(), ticket, "ada")
    await desk.quiet(store)
    assert [o.assignee_slack for o in found if o.kind is Kind.CARD][-1] == "T1/UADA"


# -- which thread is the ticket's ---------------------------------------------------------------------------------


def below(ticket: int, channel: str, ts: str = "8000.0", **more: Any) -> NewMessage:
    """Ada writes below the card in this channel."""
    root = Ref(f"slack:T1/{channel}/{root_of(ticket)}", f"slack:T1/{channel}/{root_of(ticket)}")
    ada = replace(ADA, place=f"T1/{channel}#{root_of(ticket)}")
    evidence = Evidence(references=(root,))
    return post(ts, "Try", sender=ada, conversation=channel, desk=True, evidence=evidence, **more)


@pytest.mark.parametrize("visibility", [None, Visibility.NOTE])
async def test_words_below_an_old_card_are_shown_below_the_new_one(
    desk: TestDesk, store: Store, visibility: Visibility | None
) -> None:
    """In the channel that the queue had before, answers and notes alike; in the present one they stand already."""
    ticket = await dans_ticket(desk)
    await hang_card(desk, ticket, OLD)
    before = len(noted(store))
    joined = await desk.manager.receive(below(ticket, NEW, visibility=visibility))
    assert joined.ticket_id == ticket
    assert "desk slack message" not in noted(store)[before:]
    before = len(noted(store))
    joined = await desk.manager.receive(below(ticket, OLD, "8001.0", visibility=visibility))
    assert joined.ticket_id == ticket
    assert noted(store)[before:].count("desk slack message") == 1
    assert noted(store)[before:].count("out slack message") == (0 if visibility else 1)
    before = len(noted(store))
    changed = replace(edit("8001.0", "Try again", ADA, OLD), as_new=below(ticket, OLD, "8001.0"))
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL, remote_id = 'T1/C1/1.5'")
    await desk.manager.receive(changed if visibility is None else edit("8001.0", "Try again", ADA, OLD))
    edits = store.rows("SELECT place FROM deliveries WHERE kind = 'edit' AND desk = 1")
    assert [row["place"] for row in edits] == [NEW], "its copy is changed with it"


async def test_words_below_a_card_that_was_posted_anew(desk: TestDesk, store: Store) -> None:
    """The first card was deleted, another hangs in the same channel: what is written below the old one is shown
    there."""
    ticket = (await desk.write()).ticket_id or 0
    await sent(desk, store)
    card = store.rows("SELECT remote, delivery_id FROM links WHERE kind = 'card'")[0]
    await hang_card(desk, ticket, NEW)  # an older one: no delivery of ours is behind it any more
    before = len(noted(store))
    await desk.manager.receive(below(ticket, NEW))
    assert noted(store)[before:].count("desk slack message") == 1
    before = len(noted(store))
    ref = Ref(f"slack:{card['remote']}", f"slack:{card['remote']}")
    here = replace(below(ticket, NEW, "8002.0"), evidence=Evidence(references=(ref,)))
    await desk.manager.receive(here)
    assert noted(store)[before:].count("desk slack message") == 0


# -- a channel that strangers read --------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [False, True])
async def test_an_exposed_channels_staff_are_told_by_mail(store: Store, allowed: bool) -> None:
    """While it may be shown nothing; what is for it is noted all the same, and waits there."""
    slack = {"enabled": True, "bot_token": "x", "app_token": "x", "exposed_channels": [TRIAGE] * allowed}
    desk = await TestDesk.open(store, slack=slack)
    try:
        await desk.write("before")
        assert "desk email notice:staff_new" not in noted(store)
        row = {"scope": SCOPE, "key": TRIAGE, "value": {"why": "it is public", "since": "2026-11-27"}}
        await desk.database.unit(lambda tx: tx.run(insert(settings).values(**row)))
        before = len(noted(store))
        ticket = (await desk.write("Help!", mail_id="m@x.example")).ticket_id
        await desk.write("More", to=("m@x.example",))
        found = noted(store)[before:]
        assert found.count("desk email notice:staff_new") == (0 if allowed else 2)
        assert found.count("desk email notice:staff_reply") == (0 if allowed else 2)
        assert found.count("desk slack card") == 1
        assert ticket
    finally:
        await desk.close()


# -- a lost answer ------------------------------------------------------------------------------------------------


class Late(Noting):
    """What was accepted shows only at the third look."""

    hidden = 2

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        self.hidden -= 1
        seen = await super().look_up(outgoing)
        return (Seen.NOT_THERE, None) if self.hidden >= 0 else seen


@pytest.mark.parametrize("lost", [True, False])
async def test_a_lost_answer_holds_up_its_ticket_alone(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """Two looks at once; while it is looked for again later, another ticket's posts go, its own wait."""
    monkeypatch.setattr(settling, "LOOKS", (0.0, 0.01, 600.0, 600.0))
    late = Late(desk.slack.spec)
    late.script, late.lost = [UnknownOutcome("lost")], [lost]
    desk.courier._channels = {"slack": late}
    (first, second) = await note(desk, told(), told())
    (other,) = await note(desk, told(), ticket=2)
    await desk.courier.start()
    await until(lambda: store.count("deliveries", "id = :i AND state = 'sent'", i=other))
    assert len(late.seen_at_look_up) == 2
    assert store.value("SELECT state FROM deliveries WHERE id = :i", i=first) == "sending"
    assert store.value("SELECT state FROM deliveries WHERE id = :i", i=second) == "queued"
    monkeypatch.setattr(settling, "LOOKS", (0.0, 0.01, 0.01, 0.01))
    await asyncio.to_thread(
        store.execute, "UPDATE deliveries SET due_at = created_at WHERE state = 'sending'"
    )
    now_due = "UPDATE work SET due_at = '2020-01-01 00:00:00.000000' WHERE kind = 'lane.slack'"
    await asyncio.to_thread(store.execute, now_due)
    await desk.quiet(store)
    assert [o.delivery_id for o in late.sent].count(first) == 1
    assert [o.delivery_id for o in late.sent if o.delivery_id != other] == [first, second]
    assert len(late.seen_at_look_up) == (3 if lost else 4)
    assert "looks" not in json.loads(store.value("SELECT data FROM deliveries WHERE id = :i", i=second))
