"""Answers that are changed, taken back or turned into notes, held or gone; and the signs on them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.failures import PermanentFailure
from core.membership import let_in
from core.shapes import File, Kind, NewMessage, Outgoing, Receipt, Sent, Visibility
from core.signs import FAILED, SENT, Sign, changes, sign_of
from core.status import Status
from tests.core.commands import DAN, KIM, dans_ticket, hang_card, lines, root_of
from tests.core.desk import TRIAGE, Noting, TestDesk, post
from tests.core.received import ADA, deletion, edit, texts
from tests.stores import Store
from tests.waiting import until

SLACK = {"enabled": True, "bot_token": "x", "app_token": "x"}
FILE = File(name="a.txt", content_type="text/plain", size=3, content=b"abc")


@pytest.fixture
async def held(store: Store) -> AsyncIterator[TestDesk]:
    """A desk whose staff have half a minute to think again."""
    opened = await TestDesk.open(store, slack={**SLACK, "reply_hold": "30s"})
    yield opened
    await opened.close()


@pytest.fixture(params=["email", "slack"])
def side(request: pytest.FixtureRequest) -> str:
    """Where the requester is reached."""
    return str(request.param)


async def asked(desk: TestDesk, side: str) -> int:
    """A requester's ticket, with a card."""
    if side == "slack":
        return await dans_ticket(desk)
    ticket = (await desk.write()).ticket_id or 0
    await hang_card(desk, ticket)
    return ticket


def dms(store: Store, ticket: int) -> str:
    """The conversation in which the requester writes."""
    place = store.value("SELECT place FROM participants WHERE ticket_id = :t", t=ticket)
    return str(place).partition("#")[0].rpartition("/")[2]


def reply(ticket: int, text: str, ts: str = "7000.0", **more: Any) -> NewMessage:
    return post(ts, text, sender=ADA, root=root_of(ticket), desk=True, **more)


async def say(desk: TestDesk, ticket: int, text: str, ts: str = "7000.0", **more: Any) -> Receipt:
    return await desk.manager.receive(reply(ticket, text, ts, **more))


async def change(desk: TestDesk, ticket: int, text: str, ts: str = "7000.0", **more: Any) -> Receipt:
    """The author edits it. `visibility=NOTE`: the sign in front makes it a note."""
    return await desk.manager.receive(edit(ts, text, ADA, as_new=reply(ticket, text, ts, **more)))


async def later(desk: TestDesk, store: Store, seconds: float = 31) -> None:
    """The hold passes, and whatever waits goes."""
    desk.clock.offset = timedelta(seconds=seconds)
    await desk.courier.start()
    await desk.quiet(store)


def out(desk: TestDesk, side: str) -> list[Outgoing]:
    """What the requester got of answers and of what became of them."""
    channel = desk.mail if side == "email" else desk.slack
    return [o for o in channel.sent if not o.desk and o.data.get("what") != "ack"]


def words(found: list[Outgoing]) -> list[tuple[str, str]]:
    return [(o.kind, o.message.text if o.message else "") for o in found]


def marks(desk: TestDesk) -> list[tuple[str, bool]]:
    """The signs that were put and taken off."""
    return [(o.data["mark"], bool(o.data.get("remove"))) for o in desk.slack.sent if o.kind is Kind.MARK]


def whispers(store: Store) -> list[dict[str, Any]]:
    rows = store.rows("SELECT place, data FROM deliveries WHERE kind = 'whisper' ORDER BY id")
    return [{"place": row["place"], **json.loads(row["data"])} for row in rows]


# -- inside the hold ----------------------------------------------------------------------------------------------


async def test_an_edit_in_time_changes_what_goes(held: TestDesk, store: Store, side: str) -> None:
    """Nothing goes before the hold is over, and then only the new words."""
    ticket = await asked(held, side)
    await say(held, ticket, "Try agian", files=(FILE,))
    await held.courier.start()
    await until(lambda: not store.count("deliveries", "state = 'queued' AND wait_until IS NULL"))
    assert out(held, side) == []
    await change(held, ticket, "Try again")
    held.clock.offset = timedelta(seconds=31)
    await held.quiet(store)
    found = out(held, side)
    assert words(found)[0] == (Kind.MESSAGE, "Try again")
    assert [o.kind for o in found[1:]] == ([Kind.FILE] if side == "slack" else [])
    await until(lambda: marks(held) == [("sent", False)])


async def test_a_deletion_in_time_stops_it(held: TestDesk, store: Store, side: str) -> None:
    """Neither the words nor the file go; its author alone hears so, in the thread."""
    ticket = await asked(held, side)
    await say(held, ticket, "Oops", files=(FILE,))
    await held.manager.receive(deletion("7000.0"))
    (told,) = whispers(store)
    assert told["user"] == "UADA"
    assert "nobody was sent it" in told["text"]
    assert lines(store, ticket) == []
    assert told["place"].partition("#")[0] == f"T1/{TRIAGE}"
    await later(held, store)
    assert out(held, side) == []
    assert marks(held) == []


async def test_a_note_in_time_stops_it(held: TestDesk, store: Store, side: str) -> None:
    """It stays at the desk, with the sign of a note, and isn't said to have gone."""
    ticket = await asked(held, side)
    await say(held, ticket, "He is odd", files=(FILE,))
    await change(held, ticket, "He is odd", visibility=Visibility.NOTE)
    await later(held, store)
    assert out(held, side) == []
    assert marks(held) == [("note", False)]
    assert whispers(store) == []
    detail = await held.manager.view_ticket(await held.staff(), ticket)
    assert detail.messages[-1].visibility is Visibility.NOTE


async def test_held_answers_keep_their_order(held: TestDesk, store: Store, side: str) -> None:
    """Also before what was decided after them."""
    ticket = await asked(held, side)
    await say(held, ticket, "One", "7000.0")
    await say(held, ticket, "Two", "7001.0")
    await held.manager.assign_status(await held.staff(), ticket, Status.RESOLVED)
    await later(held, store)
    assert [o.message.text if o.message else o.data["what"] for o in out(held, side)][:2] == ["One", "Two"]
    assert out(held, side)[-1].data["what"] == "resolved"


async def test_the_card_says_who_is_answering(held: TestDesk, store: Store, side: str) -> None:
    """While an answer is held, and no longer once it went."""
    ticket = await asked(held, side)
    await say(held, ticket, "One", "7000.0")
    await say(held, ticket, "Two", "7001.0")
    await held.courier.start()
    await until(lambda: cards(held))
    assert cards(held)[-1].answering == ("Ada Lovelace",)
    held.clock.offset = timedelta(seconds=31)
    await held.quiet(store)
    assert cards(held)[-1].answering == ()


@pytest.mark.parametrize("how", ["deleted", "note", "cancelled", "hurried", "failed"])
async def test_the_card_says_so_no_longer(held: TestDesk, store: Store, how: str) -> None:
    """Once the answer was stopped or sent at once (by its author, by an operator), or failed either."""
    ticket = await asked(held, "email")
    await say(held, ticket, "One")
    await held.courier.start()
    await until(lambda: cards(held))
    before = len(cards(held))
    assert cards(held)[-1].answering
    if how == "deleted":
        await held.manager.receive(deletion("7000.0"))
    elif how == "note":
        await change(held, ticket, "One", visibility=Visibility.NOTE)
    elif how in ("cancelled", "hurried"):
        answer = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
        settle = held.operations.cancel_delivery if how == "cancelled" else held.operations.retry_delivery
        await settle(answer, await held.staff())
    else:
        held.mail.script = [PermanentFailure("no")]
        held.clock.offset = timedelta(seconds=31)
    await held.quiet(store)
    assert len(cards(held)) > before
    assert cards(held)[-1].answering == ()


def cards(desk: TestDesk) -> list[Outgoing]:
    return [o for o in desk.slack.sent if o.kind is Kind.CARD]


# -- after it went ------------------------------------------------------------------------------------------------


async def test_who_deletes_too_late_hears_so(desk: TestDesk, store: Store, side: str) -> None:
    """The requester keeps it; its author knows, and so does who reads the thread, where it stands no more."""
    ticket = await asked(desk, side)
    await say(desk, ticket, "Oops")
    await later(desk, store, 0)
    before = len(out(desk, side))
    await desk.manager.receive(deletion("7000.0"))
    await desk.quiet(store)
    assert len(out(desk, side)) == before
    assert "had gone out already" in whispers(store)[-1]["text"]
    assert lines(store, ticket) == ["Ada Lovelace deleted an answer that had gone out: the requester has it."]


async def test_a_late_note_takes_words_and_files_back(desk: TestDesk, store: Store) -> None:
    """From Slack, where that can be."""
    ticket = await asked(desk, "slack")
    await say(desk, ticket, "He is odd", files=(FILE, replace(FILE, name="b.txt")))
    await later(desk, store, 0)
    posted = [desk.slack._answer(o).remote_id for o in out(desk, "slack")]
    await change(desk, ticket, "He is odd", visibility=Visibility.NOTE)
    await desk.quiet(store)
    taken = [o for o in desk.slack.sent if o.kind is Kind.EDIT]
    assert all(o.data["deleted"] and o.message is None and not o.desk for o in taken)
    assert [o.data.get("file") or o.target for o in taken] == posted
    assert [o.targets for o in taken] == [(posted[0],), (), ()]


async def test_a_requesters_deletion_takes_the_desks_copies_back(desk: TestDesk, store: Store) -> None:
    """Their words go from the thread, and their files."""
    ticket = await asked(desk, "slack")
    conversation = dms(store, ticket)
    new = post("9.0", "secret", sender=DAN, conversation=conversation, root="1.0", files=(FILE,))
    assert (await desk.manager.receive(new)).ticket_id == ticket
    await later(desk, store, 0)
    there = [desk.slack._answer(o).remote_id for o in desk.slack.sent if o.kind in (Kind.MESSAGE, Kind.FILE)]
    await desk.manager.receive(deletion("9.0", conversation))
    await desk.quiet(store)
    taken = [o for o in desk.slack.sent if o.kind is Kind.EDIT]
    assert [o.data.get("file") or o.target for o in taken] == there
    assert all(o.desk for o in taken)


async def test_a_file_that_was_on_its_way_is_taken_back(desk: TestDesk, store: Store) -> None:
    """Its name is known when that goes; of one that never got there nothing is taken, and nobody is alarmed."""
    ticket = await asked(desk, "slack")
    await say(desk, ticket, "He is odd", files=(FILE, replace(FILE, name="b.txt")))
    files = [r["id"] for r in store.rows("SELECT id FROM deliveries WHERE kind = 'file' ORDER BY id")]
    store.execute("UPDATE deliveries SET state = 'sending', due_at = NULL WHERE kind IN ('file', 'message')")
    await change(desk, ticket, "He is odd", visibility=Visibility.NOTE)
    for number, delivery in enumerate(files):
        name = f"T1/D1/F{number}" if not number else None
        sql = "UPDATE deliveries SET state = 'sent', remote_id = :r WHERE id = :i"
        store.execute(sql, r=name, i=delivery)
    store.execute("UPDATE deliveries SET state = 'sent', remote_id = 'T1/D1/7.0' WHERE kind = 'message'")
    await later(desk, store, 0)
    taken = [o.data.get("file") or o.target for o in desk.slack.sent if o.kind is Kind.EDIT]
    assert taken == ["T1/D1/7.0", "T1/D1/F0"]
    assert store.count("deliveries", "kind = 'alert'") == 0


PARTS = ("T1/D1/900.000002", "T1/D1/900.000009", "T1/D1/90000.0")
WHOLE = "T1/D1/F1"  # the text as a file


class Long(Noting):
    """Slack, where an answer needs several posts; an edit adds one, the next takes two back."""

    edits = 0

    def _answer(self, outgoing: Outgoing) -> Sent:
        sent = super()._answer(outgoing)
        if outgoing.kind is Kind.MESSAGE and not outgoing.desk:
            names = (*reversed(PARTS), WHOLE)
            return replace(sent, remote_id=PARTS[0], links=tuple(f"slack:{name}" for name in names))
        if outgoing.kind is Kind.EDIT:
            self.edits += 1
            names = (*PARTS, "T1/D1/90001.5", WHOLE) if self.edits == 1 else PARTS[:2]
            return replace(sent, remote_id=PARTS[0], links=tuple(f"slack:{name}" for name in names))
        return sent


async def test_an_edit_knows_all_parts(desk: TestDesk, store: Store) -> None:
    """In the order of their times, with what earlier edits had to add and without what they took back."""
    slack = Long(desk.slack.spec)
    desk.courier._channels = {"slack": slack}
    ticket = await asked(desk, "slack")
    await say(desk, ticket, "Long")
    await later(desk, store, 0)
    for text in ("Longer", "Long", "Longest"):
        await change(desk, ticket, text)
        await desk.quiet(store)
    first, second, third = (o for o in slack.sent if o.kind is Kind.EDIT)
    assert first.target == PARTS[0]
    assert first.targets == (*PARTS, WHOLE)
    assert second.targets == (*PARTS, "T1/D1/90001.5", WHOLE)
    assert third.targets == PARTS[:2]


async def test_another_look_is_an_edit(desk: TestDesk, store: Store) -> None:
    """The same words in bold reach the requester; the same edit again doesn't."""
    ticket = await asked(desk, "slack")
    await say(desk, ticket, "Now")
    await later(desk, store, 0)
    bold = replace(edit("7000.0", "Now", ADA, as_new=reply(ticket, "Now")), rich="<p><b>Now</b></p>")
    for _ in range(2):
        await desk.manager.receive(bold)
    await desk.quiet(store)
    edits = [o for o in desk.slack.sent if o.kind is Kind.EDIT]
    assert [o.message.rich if o.message else None for o in edits] == ["<p><b>Now</b></p>"]


async def test_a_title_of_its_own_stays(desk: TestDesk, store: Store) -> None:
    """An edit of the words changes a title that was made of them, not one that staff gave."""
    ticket = await dans_ticket(desk, "My scren is dark")
    conversation = dms(store, ticket)
    await desk.manager.receive(edit("1.0", "My screen is dark", DAN, conversation))
    assert store.value("SELECT title FROM tickets WHERE id = :i", i=ticket) == "My screen is dark"
    store.execute("UPDATE tickets SET title = 'Screen 12' WHERE id = :i", i=ticket)
    await desk.manager.receive(edit("1.0", "My left screen is dark", DAN, conversation))
    row = store.rows("SELECT title, description FROM tickets WHERE id = :i", i=ticket)[0]
    assert (row["title"], row["description"]) == ("Screen 12", "My left screen is dark")


# -- in order -----------------------------------------------------------------------------------------------------


async def test_a_conversation_is_read_in_the_order_of_its_times(desk: TestDesk, store: Store) -> None:
    """Whatever order its events came in, answers go out as they were written."""
    ticket = await asked(desk, "email")
    for ts in ("7003.000000", "7001.000000", "7002.000000"):
        at = datetime.now(UTC) + timedelta(seconds=float(ts) - 7003)
        await desk.take_in(
            reply(ticket, ts, ts, source_time=at), shard="T1/C1", channel="slack", source_order=ts
        )
    await desk.worker.start()
    await until(lambda: not store.count("inbox", "state = 'new'"))
    assert (await texts(desk, ticket))[1:] == ["7001.000000", "7002.000000", "7003.000000"]


async def test_an_answers_edit_or_deletion_that_comes_first(desk: TestDesk, store: Store, side: str) -> None:
    """The edit makes it, once, with its words; after a deletion there is nothing."""
    ticket = await asked(desk, side)
    assert (await change(desk, ticket, "Try again")).outcome == "joined"
    assert (await say(desk, ticket, "Try agian")).outcome == "duplicate"
    await desk.manager.receive(deletion("7001.0"))
    assert (await say(desk, ticket, "Oops", "7001.0")).outcome == "ignored"
    assert (await change(desk, ticket, "Oops!", "7001.0")).outcome == "ignored"
    await later(desk, store, 0)
    assert words(out(desk, side)) == [(Kind.MESSAGE, "Try again")]


# -- signs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "sign"),
    [
        ([], None),
        (["cancelled"], None),
        (["sent"], SENT),
        (["sent", "cancelled"], SENT),
        (["sent", "queued"], None),
        (["sent", "held"], None),
        (["sent", "sending"], None),
        (["failed", "queued"], FAILED),
        (["sent", "failed"], FAILED),
        (["sent", "bounced"], FAILED),
    ],
)
def test_what_an_answers_deliveries_come_to(states: list[str], sign: str | None) -> None:
    """Gone once it has gone to everybody; failed as soon as it did for somebody."""
    assert sign_of(states) == sign


@pytest.mark.parametrize(
    ("wanted", "shown", "then"),
    [
        (None, {FAILED}, ()),
        (SENT, set(), (Sign(SENT),)),
        (SENT, {SENT}, ()),
        (SENT, {FAILED}, (Sign(FAILED, remove=True), Sign(SENT))),
        (FAILED, {SENT}, (Sign(FAILED),)),
        (FAILED, {FAILED}, ()),
        (SENT, {"note"}, (Sign(SENT),)),
    ],
)
def test_what_changes_of_the_signs(wanted: str | None, shown: set[str], then: tuple[Sign, ...]) -> None:
    """A failure's sign goes once all has gone; no sign is put twice."""
    assert changes(wanted, frozenset(shown)) == then


async def test_an_answer_to_several_is_marked_once(desk: TestDesk, store: Store) -> None:
    """By mail and in Slack: only when both have it."""
    ticket = await asked(desk, "email")
    ada = await desk.staff()
    await desk.database.unit(lambda tx: let_in(tx, desk.desk, ada, ticket, KIM, kind="participant"))
    await say(desk, ticket, "Both", files=(FILE,))
    await later(desk, store, 0)
    assert len(out(desk, "email")) == 1
    assert [o.kind for o in out(desk, "slack")] == [Kind.MESSAGE, Kind.FILE]
    await until(lambda: marks(desk) == [("sent", False)])


async def test_a_failure_is_marked_until_it_went(desk: TestDesk, store: Store) -> None:
    """For one of two: failed; after a retry that sign is taken off and the other put."""
    ticket = await asked(desk, "slack")
    await say(desk, ticket, "Try")
    failing = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")

    class Failing(Noting):
        refused = False

        async def send(self, outgoing: Outgoing, rendered: bytes | None) -> Sent:
            if outgoing.delivery_id == failing and not self.refused:
                self.refused = True
                raise PermanentFailure("no such channel")
            return await super().send(outgoing, rendered)

    slack = Failing(desk.slack.spec)
    desk.slack = slack
    desk.courier._channels = {**desk.courier._channels, "slack": slack}
    await later(desk, store, 0)
    await until(lambda: marks(desk) == [("failed", False)])
    await desk.operations.retry_delivery(failing, await desk.staff())
    await desk.quiet(store)
    await until(lambda: marks(desk) == [("failed", False), ("failed", True), ("sent", False)])
