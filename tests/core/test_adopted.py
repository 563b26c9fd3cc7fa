"""What comes before what it belongs to: an answer before its message, a newer edit before an older one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.shapes import MessageEdited
from tests.core.desk import ANN, TestDesk, mail, post, slack_person
from tests.stores import Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JIM = slack_person("jim", place="T1/D1")


def said(ts: str, text: str, root: str | None = None) -> Any:
    return post(ts, text, sender=JIM, root=root, conversation="D1")


async def test_a_late_root_is_a_message_like_any_other(desk: TestDesk, store: Store) -> None:
    """Read again (by the catch-up) it isn't doubled, and an edit of it is found."""
    answer = await desk.manager.receive(said("17.2", "and it smokes", root="17.1"))
    root = await desk.manager.receive(said("17.1", "It burns"))
    assert (root.outcome, root.ticket_id) == ("joined", answer.ticket_id)
    link = store.rows("SELECT kind, remote, message_id FROM links WHERE remote = 'T1/D1/17.1'")
    assert link == [{"kind": "received", "remote": "T1/D1/17.1", "message_id": root.message_id}]
    again = await desk.manager.receive(said("17.1", "It burns"))
    assert (again.outcome, again.message_id) == ("duplicate", root.message_id)
    new = said("17.1", "It burnt")
    edit = MessageEdited(
        ref=new.ref, channel="slack", sender=JIM, source_time=new.source_time, text=new.text, as_new=new
    )
    await desk.manager.receive(edit)
    assert sorted(row["text"] for row in store.rows("SELECT text FROM messages")) == [
        "It burnt",
        "and it smokes",
    ]


async def test_so_is_a_late_mail(desk: TestDesk, store: Store) -> None:
    answer = await desk.manager.receive(mail("and it smokes", mail_id="b@x.example", to=["a@x.example"]))
    first = await desk.manager.receive(mail("It burns", mail_id="a@x.example", sender=ANN))
    assert (first.outcome, first.ticket_id) == ("joined", answer.ticket_id)
    link = store.rows("SELECT kind, message_id FROM links WHERE remote = 'a@x.example'")
    assert link == [{"kind": "received", "message_id": first.message_id}]


def retyped(at: int, text: str) -> MessageEdited:
    """An edit of 17.1, so many seconds after it was written."""
    new = replace(said("17.1", text), source_time=NOON, edited_at=NOON + timedelta(seconds=at))
    return MessageEdited(
        ref=new.ref,
        channel="slack",
        sender=JIM,
        source_time=NOON + timedelta(seconds=at),
        text=text,
        as_new=new,
    )


@pytest.mark.parametrize("first", [True, False])
async def test_the_newest_edit_stays_whenever_the_others_come(
    desk: TestDesk, store: Store, first: bool
) -> None:
    """Also where an edit came before its message and made it."""
    if first:
        await desk.manager.receive(replace(said("17.1", "It burns"), source_time=NOON))
    await desk.manager.receive(retyped(9, "It smokes"))
    late = await desk.manager.receive(retyped(4, "It burnt"))
    assert (late.outcome, store.value("SELECT text FROM messages")) == ("ignored", "It smokes")
    await desk.manager.receive(retyped(11, "It's out"))
    assert store.value("SELECT text FROM messages") == "It's out"
