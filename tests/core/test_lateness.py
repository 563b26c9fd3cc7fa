"""Messages that come after younger ones: where they stand, and what their copies say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.lateness import as_written
from core.shapes import Author, Kind, Message, NewMessage, Person, Visibility
from tests.core.desk import TestDesk, mail, post, slack_person
from tests.stores import Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JIM = slack_person("jim", place="T1/D1")


def message(seq: int, second: int, channel: str = "slack") -> Message:
    return Message(
        id=seq,
        ticket_id=1,
        seq=seq,
        author=Author(name="Jim", email="", staff=False),
        author_id=1,
        visibility=Visibility.PUBLIC,
        channel=channel,
        text="",
        full_text="",
        source_time=NOON + timedelta(seconds=second),
        created_at=NOON,
    )


def test_late_ones_stand_where_they_were_written() -> None:
    came = [message(1, 0), message(2, 7), message(3, 9), message(4, 5)]
    assert [one.seq for one in as_written(came)] == [1, 4, 2, 3]


def test_a_mails_own_date_moves_nothing() -> None:
    came = [message(1, 5), message(2, 1, "email"), message(3, 0, "email"), message(4, 3)]
    assert [one.seq for one in as_written(came)] == [1, 2, 3, 4]


@given(st.lists(st.integers(0, 30), max_size=12))
def test_what_slack_alone_brought_is_in_the_order_of_writing(seconds: list[int]) -> None:
    came = [message(seq, second) for seq, second in enumerate(seconds, 1)]
    assert as_written(came) == sorted(came, key=lambda one: (one.source_time, one.seq))


def said(second: int, text: str, sender: Person = JIM) -> NewMessage:
    root = None if second == 0 else "17.000000"
    one = post(f"17.{second:06d}", text, sender=sender, root=root, conversation="D1")
    return replace(one, source_time=NOON + timedelta(seconds=second))


async def test_a_late_copy_says_so_and_the_desk_has_it_in_its_place(desk: TestDesk, store: Store) -> None:
    opened = await desk.manager.receive(said(0, "It burns"))
    for second, text in ((2, "second"), (1, "first"), (3, "third")):
        await desk.manager.receive(said(second, text))
    assert opened.ticket_id is not None
    view = await desk.manager.view_ticket(await desk.staff(), opened.ticket_id)
    assert [one.text for one in view.messages] == ["It burns", "first", "second", "third"]
    await desk.courier.start()
    await desk.quiet(store)
    copies = {one.message.text: one.overtaken for one in desk.slack.sent if one.message and one.desk}
    assert {text: copies.get(text) for text in ("first", "second", "third")} == {
        "first": True,
        "second": False,
        "third": False,
    }


async def test_a_note_that_came_first_is_nothing_that_the_requester_sees(
    desk: TestDesk, store: Store
) -> None:
    await desk.manager.receive(said(0, "It burns"))
    await desk.courier.start()
    await desk.quiet(store)
    card = next(one for one in desk.slack.sent if one.kind == Kind.CARD)
    root = f"{1000 + card.delivery_id}.0"
    ada = slack_person("ada", "ada@example.com")
    for second, text in ((2, "note: she is a pest"), (1, "Turn it off")):
        visibility = Visibility.NOTE if text.startswith("note:") else None
        one = post(f"18.{second:06d}", text, sender=ada, root=root, desk=True, visibility=visibility)
        await desk.manager.receive(replace(one, source_time=NOON + timedelta(seconds=second)))
    await desk.quiet(store)
    [copy] = [one for one in desk.slack.sent if one.kind == Kind.MESSAGE]
    assert copy.message is not None
    assert (copy.message.text, copy.desk, copy.overtaken) == ("Turn it off", False, False)


async def test_a_mail_is_never_late(desk: TestDesk, store: Store) -> None:
    await desk.manager.receive(mail("Help!", mail_id="a@x.example", source_time=NOON))
    await desk.manager.receive(mail("more", to=["a@x.example"], source_time=NOON - timedelta(days=1)))
    await desk.courier.start()
    await desk.quiet(store)
    assert not any(one.overtaken for one in desk.slack.sent if one.kind == Kind.MESSAGE)
