"""How conversations in Slack become tickets: with their thread, of somebody's message, from a form, grouped or not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.prepared import MOST_BROUGHT
from core.shapes import Evidence, File, Kind, NewMessage, Person, Receipt, Ref, StaffCommand, Visibility
from core.status import Status
from tests.core.commands import hang_card, root_of
from tests.core.desk import TestDesk, post, slack_person
from tests.core.received import ADA, deletion, edit, noted, parts, status, texts
from tests.stores import Store

ROOM = "C7"
T0 = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
PLACE = f"T1/{ROOM}#10.0"
ANN, BEN, CAM = (slack_person(name, place=PLACE) for name in ("ann", "ben", "cam"))
GRACE = slack_person("grace", "grace@example.com", place=PLACE)


def said(ts: int, text: str, sender: Person = ANN, **more: Any) -> NewMessage:
    """A message of a thread in a channel where people ask, so many seconds after its beginning."""
    root = None if ts == 10 else "10.0"
    more.setdefault("evidence", Evidence(references=_refs(root)))
    more.setdefault("source_time", T0 + timedelta(seconds=ts))
    return post(f"{ts}.0", text, sender=sender, root=root, conversation=ROOM, **more)


def _refs(ts: str | None) -> tuple[Ref, ...]:
    return (Ref(f"slack:T1/{ROOM}/{ts}", f"slack:T1/{ROOM}/{ts}"),) if ts else ()


def direct(seconds: float, text: str, **more: Any) -> NewMessage:
    """A top-level direct message of Dan's, so many seconds after the first."""
    ts = f"{100 + seconds:.6f}"
    dan = slack_person("dan", place=f"T1/D1#{ts}")
    return post(ts, text, sender=dan, conversation="D1", source_time=T0 + timedelta(seconds=seconds), **more)


def mention(text: str, *thread: NewMessage, sender: Person = CAM, **more: Any) -> NewMessage:
    return said(40, text, sender, thread=thread, **more)


async def receive(desk: TestDesk, new: Any) -> Receipt:
    return await desk.manager.receive(new)


async def lines(desk: TestDesk, ticket: int | None) -> list[tuple[int, str, str]]:
    detail = await desk.manager.view_ticket(await desk.staff(), ticket or 0)
    return [(m.seq, m.author.name, m.text) for m in detail.messages]


def whispers(store: Store) -> list[str]:
    rows = store.rows("SELECT data FROM deliveries WHERE kind = 'whisper' ORDER BY id")
    return [json.loads(row["data"])["text"] for row in rows]


def ack(store: Store, ticket: int | None) -> dict[str, Any]:
    """The data of a ticket's receipt."""
    rows = store.rows("SELECT data FROM deliveries WHERE ticket_id = :t AND desk = 0 ORDER BY id", t=ticket)
    found: dict[str, Any] = next(d for d in (json.loads(r["data"]) for r in rows) if d.get("what") == "ack")
    return found


# -- with its thread ----------------------------------------------------------------------------------------------


async def test_a_mention_brings_its_thread(desk: TestDesk, store: Store) -> None:
    """All of it, in the order in which it was written, each with its author, who takes part from now on."""
    thread = (said(20, "No idea", BEN), said(10, "The lift is stuck"), said(50, "Anybody?", BEN))
    opened = await receive(desk, mention("can you help?", *thread, subject="can you help?"))
    assert opened.outcome == "opened"
    assert await lines(desk, opened.ticket_id) == [
        (1, "Ann", "The lift is stuck"),
        (2, "Ben", "No idea"),
        (3, "Cam", "can you help?"),
        (4, "Ben", "Anybody?"),
    ]
    ticket = (await desk.manager.view_ticket(await desk.staff(), opened.ticket_id or 0)).ticket
    assert (ticket.title, ticket.description, ticket.requester_name) == (
        "can you help?",
        "can you help?",
        "Cam",
    )
    assert parts(store, opened.ticket_id) == {"T1/UCAM": "requester", "T1/UANN": "cc", "T1/UBEN": "cc"}
    assert store.count("participants", "place = :p", p=PLACE) == 3


async def test_the_desks_thread_shows_it_in_order_and_nobody_hears_it_again(
    desk: TestDesk, store: Store
) -> None:
    """Below the card, with the files; where it was written only the receipt comes."""
    file = File(name="lift.png", content_type="image/png", size=3, content=b"abc")
    thread = (said(10, "The lift is stuck", files=(file,)), said(20, "No idea", BEN))
    opened = await receive(desk, mention("can you help?", *thread))
    await desk.courier.start()
    await desk.quiet(store)
    shown = [(o.kind, o.message.text if o.message else "") for o in desk.slack.sent if o.desk]
    assert [one if one[0] is not Kind.CARD else (Kind.CARD, "") for one in shown] == [
        (Kind.CARD, ""),
        (Kind.MESSAGE, "The lift is stuck"),
        (Kind.FILE, "The lift is stuck"),
        (Kind.MESSAGE, "No idea"),
        (Kind.MESSAGE, "can you help?"),
    ]
    assert [o.data.get("what") for o in desk.slack.sent if not o.desk] == ["ack"]
    reply = post("90.0", "On it", sender=ADA, root="900.0", desk=True)
    card = store.value("SELECT remote FROM links WHERE kind = 'card'")
    reply = replace(reply, evidence=Evidence(references=(Ref(f"slack:{card}", f"slack:{card}"),)))
    assert (await receive(desk, reply)).ticket_id == opened.ticket_id
    await desk.quiet(store)
    out = [o for o in desk.slack.sent if not o.desk and o.kind is Kind.MESSAGE]
    assert [(o.place, o.message.text if o.message else "") for o in out] == [(PLACE, "On it")]


async def test_only_a_mention_takes_its_words_from_the_root(desk: TestDesk, store: Store) -> None:
    """It is no message itself; once it says something it is one."""
    thread = (said(10, "The lift is stuck", subject="The lift is stuck"), said(20, "No idea", BEN))
    opened = await receive(desk, mention("", *thread))
    assert await texts(desk, opened.ticket_id) == ["The lift is stuck", "No idea"]
    ticket = (await desk.manager.view_ticket(await desk.staff(), opened.ticket_id or 0)).ticket
    assert (ticket.title, ticket.description) == ("The lift is stuck", "The lift is stuck")
    assert ticket.requester_name == "Cam"
    again = await receive(desk, mention("", *thread))
    assert (again.outcome, again.ticket_id) == ("duplicate", opened.ticket_id)
    changed = edit("40.0", "since noon", CAM, ROOM, as_new=said(40, "since noon", CAM))
    assert (await receive(desk, changed)).ticket_id == opened.ticket_id
    assert await texts(desk, opened.ticket_id) == ["The lift is stuck", "No idea", "since noon"]
    await receive(desk, edit("40.0", "since one", CAM, ROOM, as_new=said(40, "since one", CAM)))
    assert (await texts(desk, opened.ticket_id))[2:] == ["since one"]
    assert store.count("tickets") == 1


async def test_what_came_with_the_thread_is_known(desk: TestDesk, store: Store) -> None:
    """Its events that come later are duplicates; edits and deletions find it; a new reply joins."""
    opened = await receive(desk, mention("help?", said(10, "The lift"), said(20, "No idea", BEN)))
    assert (await receive(desk, said(20, "No idea", BEN))).outcome == "duplicate"
    assert (await receive(desk, edit("10.0", "The big lift", ANN, ROOM))).outcome == "edited"
    assert (await receive(desk, deletion("20.0", ROOM))).outcome == "deleted"
    assert await texts(desk, opened.ticket_id) == ["The big lift", "", "help?"]
    ticket = (await desk.manager.view_ticket(await desk.staff(), opened.ticket_id or 0)).ticket
    assert ticket.description == "help?", "the root's words are not the ticket's own"
    joined = await receive(desk, said(60, "Thanks", BEN))
    assert (joined.outcome, joined.ticket_id) == ("joined", opened.ticket_id)
    await receive(desk, edit("40.0", "help us?", CAM, ROOM))
    ticket = (await desk.manager.view_ticket(await desk.staff(), opened.ticket_id or 0)).ticket
    assert (ticket.title, ticket.description) == ("help us?", "help us?")


async def test_what_is_known_already_stays_where_it_is(desk: TestDesk, store: Store) -> None:
    """And what was deleted doesn't come."""
    first = await receive(desk, replace(said(20, "No idea", BEN), evidence=Evidence()))
    await receive(desk, deletion("30.0", ROOM))
    opened = await receive(
        desk, mention("help?", said(10, "The lift"), said(20, "No idea", BEN), said(30, "Oops", BEN))
    )
    assert opened.ticket_id != first.ticket_id
    assert await texts(desk, opened.ticket_id) == ["The lift", "help?"]
    assert await texts(desk, first.ticket_id) == ["No idea"]


async def test_a_mention_in_a_tickets_thread_joins_it(desk: TestDesk, store: Store) -> None:
    """With its words; without any there is nothing to add."""
    opened = await receive(desk, mention("help?", said(10, "The lift"), said(20, "No idea", BEN)))
    again = said(70, "any news?", BEN, thread=(said(10, "The lift"), said(20, "No idea", BEN)))
    joined = await receive(desk, again)
    assert (joined.outcome, joined.ticket_id) == ("joined", opened.ticket_id)
    empty = await receive(desk, said(80, "", BEN, thread=(said(10, "The lift"),)))
    assert (empty.outcome, empty.ticket_id) == ("ignored", opened.ticket_id)
    assert await texts(desk, opened.ticket_id) == ["The lift", "No idea", "help?", "any news?"]


async def test_a_thread_is_bounded(desk: TestDesk, store: Store) -> None:
    """Of a very long one the root and the newest come, and all that comes after them goes out after them."""
    thread = [said(10 + n, f"{n}", BEN) for n in range(MOST_BROUGHT + 30)]
    file = File(name="a.txt", content_type="text/plain", size=1, blob="kept")
    thread = [replace(one, files=(file,) * 3) if n > 50 else one for n, one in enumerate(thread)]
    opened = await receive(desk, said(900, "help?", CAM, thread=tuple(thread)))
    found = await texts(desk, opened.ticket_id)
    assert len(found) == MOST_BROUGHT + 1
    assert (found[0], found[1], found[-1]) == ("0", "31", "help?")
    newest = store.value("SELECT MAX(seq) FROM deliveries WHERE ticket_id = :t", t=opened.ticket_id)
    assert newest % 1000 != newest, "it fills more than one unit's room"
    await receive(desk, said(950, "and now?", CAM))
    later = store.value(
        "SELECT MIN(d.seq) FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE m.text = 'and now?'"
    )
    assert later > newest


async def test_staff_in_the_thread_are_named_as_staff(desk: TestDesk, store: Store) -> None:
    """What one of them had said there is theirs; the one who asks is a requester like any other."""
    opened = await receive(
        desk, said(40, "help?", ADA_HERE, thread=(said(10, "The lift"), said(20, "?", GRACE)))
    )
    rows = store.rows("SELECT text, author_staff FROM messages ORDER BY seq")
    assert [(r["text"], bool(r["author_staff"])) for r in rows] == [
        ("The lift", False),
        ("?", True),
        ("help?", False),
    ]
    assert parts(store, opened.ticket_id)["T1/UADA"] == "requester"
    assert await status(desk, opened.ticket_id) is Status.NEW


ADA_HERE = replace(ADA, place=PLACE)


# -- of somebody else's message ------------------------------------------------------------------------------------


async def test_a_ticket_made_of_somebodys_message(desk: TestDesk, store: Store) -> None:
    """Is its author's; the history says who made it; the receipt shows it, in the thread."""
    opened = await receive(desk, said(10, "The lift", made_by=BEN))
    detail = await desk.manager.view_ticket(await desk.staff(), opened.ticket_id or 0)
    assert detail.ticket.requester_name == "Ann"
    event = detail.events[0]
    assert (event.kind, event.actor, event.data["made_for"]) == ("opened", "Ben", "Ann")
    assert ack(store, opened.ticket_id) == {"what": "ack", "shown": True, "automatic": True}
    assert whispers(store) == [f"This is ticket #{opened.ticket_id} now."]
    row = store.rows("SELECT place, data FROM deliveries WHERE kind = 'whisper'")[0]
    assert (row["place"], json.loads(row["data"])["user"]) == (PLACE, "UBEN")
    assert parts(store, opened.ticket_id) == {"T1/UANN": "requester"}


async def test_who_makes_it_twice_hears_which_it_is(desk: TestDesk, store: Store) -> None:
    """Alone, by its number; of a merged one, by that of the other."""
    opened = await receive(desk, said(10, "The lift", made_by=BEN))
    again = await receive(desk, said(10, "The lift", made_by=CAM))
    assert (again.outcome, again.ticket_id) == ("duplicate", opened.ticket_id)
    assert whispers(store)[1:] == [f"That is ticket #{opened.ticket_id} already."]
    row = store.rows("SELECT place, data FROM deliveries WHERE kind = 'whisper' ORDER BY id")[1]
    assert (row["place"], json.loads(row["data"])["user"]) == (PLACE, "UCAM")
    other = await desk.write("Other")
    await desk.manager.merge(await desk.staff(), opened.ticket_id or 0, other.ticket_id or 0)
    await desk.manager.assign_status(await desk.staff(), other.ticket_id or 0, Status.RESOLVED)
    await receive(desk, said(10, "The lift", made_by=CAM))
    assert whispers(store)[2:] == [f"That is ticket #{other.ticket_id} already (resolved)."]
    assert store.count("tickets") == 2


async def test_of_a_message_in_a_tickets_thread(desk: TestDesk, store: Store) -> None:
    """It joins that one, and whoever wanted a ticket of it hears so."""
    opened = await receive(desk, said(10, "The lift"))
    added = await receive(desk, said(20, "Mine too", ANN, made_by=BEN))
    assert added.ticket_id == opened.ticket_id
    assert whispers(store) == [
        f"That thread is ticket #{opened.ticket_id} already; the message was added to it."
    ]


async def test_staff_make_one_of_a_colleagues_message(desk: TestDesk, store: Store) -> None:
    """Its author is a requester like any other."""
    opened = await receive(desk, said(10, "My badge", GRACE, made_by=ADA_HERE))
    assert parts(store, opened.ticket_id) == {"T1/UGRACE": "requester"}
    assert store.count("messages", "author_staff = 0") == 1
    assert "out slack notice:ack" in noted(store)


# -- from a form --------------------------------------------------------------------------------------------------

FORM = Ref("slack:T1/view/V1", "slack:T1/view/V1")


def form(title: str = "Badge", ref: Ref = FORM) -> NewMessage:
    eve = slack_person("eve", place="T1/UEVE")
    return replace(said(10, "It broke.", eve, evidence=Evidence()), ref=ref, subject=title)


async def test_a_form_makes_a_ticket_with_its_own_thread(desk: TestDesk, store: Store) -> None:
    """The receipt shows the ticket and is the root of what follows; what is written below it joins."""
    opened = await receive(desk, form())
    assert ack(store, opened.ticket_id)["shown"] is True
    await desk.manager.exchange_messages(await desk.staff(), opened.ticket_id or 0, "A new one is ready")
    await desk.courier.start()
    await desk.quiet(store)
    first, answer = (o for o in desk.slack.sent if not o.desk)
    assert (first.data["what"], first.place, first.anchor) == ("ack", "T1/UEVE", None)
    root = desk.slack._answer(first).remote_id
    assert (answer.kind, answer.place, answer.anchor) == (Kind.MESSAGE, "T1/UEVE", root)
    conversation, ts = root.split("/")[1:]
    below = post("2000.0", "Thanks", sender=slack_person("eve", place=f"T1/{conversation}#{ts}"))
    below = replace(below, evidence=Evidence(references=(Ref(f"slack:{root}", f"slack:{root}"),)))
    joined = await receive(desk, below)
    assert (joined.outcome, joined.ticket_id) == ("joined", opened.ticket_id)


async def test_what_follows_waits_for_the_first_post(desk: TestDesk, store: Store) -> None:
    """While the receipt hasn't gone, nothing of that ticket goes there; another ticket's does."""
    opened = await receive(desk, form())
    await desk.manager.exchange_messages(await desk.staff(), opened.ticket_id or 0, "Ready")
    heads = store.rows("SELECT kind FROM deliveries WHERE desk = 0 AND due_at IS NOT NULL")
    assert [row["kind"] for row in heads] == ["notice"]
    other = await receive(desk, form("Two", Ref("slack:T1/view/V2", "slack:T1/view/V2")))
    heads = store.rows("SELECT ticket_id FROM deliveries WHERE desk = 0 AND due_at IS NOT NULL ORDER BY id")
    assert [row["ticket_id"] for row in heads] == [opened.ticket_id, other.ticket_id]


async def test_a_form_is_always_acknowledged(store: Store) -> None:
    """The brakes that spare a mailbox don't hide a ticket from the one who made it."""
    desk = await TestDesk.open(store, brakes={"acknowledgements_per_address": 1})
    try:
        for number in range(3):
            name = f"slack:T1/view/V{number}"
            await receive(desk, form(ref=Ref(name, name)))
        assert noted(store).count("out slack notice:ack") == 3
        await receive(desk, direct(0, "One"))
        await receive(desk, direct(200, "Two"))
        assert noted(store).count("out slack notice:ack") == 4
    finally:
        await desk.close()


async def test_a_merged_forms_thread_goes_on(desk: TestDesk, store: Store) -> None:
    """The other ticket's answers come below the receipt of the merged one."""
    opened = await receive(desk, form())
    await desk.courier.start()
    await desk.quiet(store)
    root = desk.slack._answer(next(o for o in desk.slack.sent if not o.desk)).remote_id
    other = await desk.write("Badges")
    await desk.manager.merge(await desk.staff(), opened.ticket_id or 0, other.ticket_id or 0)
    await desk.manager.exchange_messages(await desk.staff(), other.ticket_id or 0, "Ready")
    await desk.quiet(store)
    answers = [o for o in desk.slack.sent if not o.desk and o.kind is Kind.MESSAGE]
    assert [(o.place, o.anchor) for o in answers] == [("T1/UEVE", root)]


# -- what belongs together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "joins"), [(0.5, True), (90, True), (90.000001, False), (-90, True), (-90.000001, False)]
)
async def test_the_window_by_the_times_of_the_source(desk: TestDesk, seconds: float, joins: bool) -> None:
    """To the microsecond, whenever it comes in; one that comes late belongs there too."""
    first = await receive(desk, direct(0, "One"))
    second = await receive(desk, direct(seconds, "Two"))
    assert (second.ticket_id == first.ticket_id) is joins


async def test_the_window_goes_on_with_each_message(desk: TestDesk) -> None:
    """Who keeps writing writes about one thing."""
    found = [(await receive(desk, direct(80 * n, f"{n}"))).ticket_id for n in range(4)]
    assert len(set(found)) == 1
    assert (await receive(desk, direct(331, "new"))).ticket_id not in found


async def test_no_window(store: Store) -> None:
    """`0s`: each is a ticket, also two in one second."""
    desk = await TestDesk.open(
        store, slack={"enabled": True, "bot_token": "x", "app_token": "x", "group_window": "0s"}
    )
    try:
        found = {(await receive(desk, direct(n / 10, f"{n}"))).ticket_id for n in range(3)}
        assert len(found) == 3
    finally:
        await desk.close()


async def test_after_staff_answered_a_new_one_opens(desk: TestDesk) -> None:
    """By the times at which they were written: what was said before the answer belongs to what it answers."""
    first = await receive(desk, direct(0, "One"))
    await hang_card(desk, first.ticket_id or 0)
    root = root_of(first.ticket_id or 0)
    at = T0 + timedelta(seconds=30)
    await receive(desk, post("5.0", "Yes?", sender=ADA, root=root, desk=True, source_time=at))
    assert (await receive(desk, direct(40, "Three"))).ticket_id != first.ticket_id
    assert (await receive(desk, direct(20, "Two"))).ticket_id == first.ticket_id


@pytest.mark.parametrize("what", ["note", "resolved", "merged"])
async def test_what_ends_the_window(desk: TestDesk, what: str) -> None:
    """A note doesn't, as nobody was told; an ended ticket takes nothing in."""
    first = await receive(desk, direct(0, "One"))
    ticket, ada = first.ticket_id or 0, await desk.staff()
    if what == "note":
        await desk.manager.exchange_messages(ada, ticket, "hm", visibility=Visibility.NOTE)
    elif what == "resolved":
        await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    else:
        await desk.manager.merge(ada, ticket, (await desk.write("Other")).ticket_id or 0)
    second = await receive(desk, direct(10, "Two"))
    assert (second.ticket_id == ticket) is (what == "note")


async def test_the_receipt_offers_the_other_ticket(desk: TestDesk, store: Store) -> None:
    """Their latest that isn't done and that they opened in Slack; none where there is none."""
    ada = await desk.staff()
    first = await receive(desk, direct(0, "One"))
    assert "offer" not in ack(store, first.ticket_id)
    second = await receive(desk, direct(200, "Two", subject="Two"))
    assert ack(store, second.ticket_id)["offer"] == {"id": first.ticket_id, "title": "One"}
    third = await receive(desk, direct(400, "Three"))
    assert ack(store, third.ticket_id)["offer"]["id"] == second.ticket_id
    await desk.manager.assign_status(ada, second.ticket_id or 0, Status.CLOSED)
    await desk.manager.merge(ada, third.ticket_id or 0, (await desk.write("Mail")).ticket_id or 0)
    fourth = await receive(desk, direct(600, "Four"))
    assert ack(store, fourth.ticket_id)["offer"]["id"] == first.ticket_id
    await desk.manager.assign_status(ada, first.ticket_id or 0, Status.RESOLVED)
    await desk.manager.assign_status(ada, fourth.ticket_id or 0, Status.RESOLVED)
    fifth = await receive(desk, direct(800, "Five"))
    assert "offer" not in ack(store, fifth.ticket_id)


async def test_a_click_merges_what_the_receipt_offered(desk: TestDesk, store: Store) -> None:
    """`belongs`, by the requester."""
    first = await receive(desk, direct(0, "One"))
    second = await receive(desk, direct(200, "Two"))
    click = StaffCommand(
        channel="slack",
        sender=slack_person("dan", place="T1/D1#300.000000"),
        source_time=datetime.now(UTC),
        verb="belongs",
        words=(str(first.ticket_id),),
        ticket_id=second.ticket_id,
        place="T1/D1#300.000000",
    )
    await receive(desk, click)
    merged = store.value("SELECT merged_into FROM tickets WHERE id = :i", i=second.ticket_id)
    assert merged == first.ticket_id
