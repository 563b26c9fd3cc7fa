"""What comes in becomes tickets and messages: who joins, who doesn't, once, and what the desk is told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from core.failures import NotYet
from core.receive import Claim
from core.shapes import (
    Auth,
    DeliveryReport,
    Evidence,
    File,
    Ignored,
    MessageDeleted,
    MessageEdited,
    NewMessage,
    Person,
    Receipt,
    Ref,
    StaffCommand,
    Visibility,
    key_of,
)
from core.status import Status
from core.tables import deliveries, links
from tests.core.desk import ANN, BOB, EVE, TRIAGE, TestDesk, mail, post, slack_person
from tests.stores import Store

ADA = slack_person("ada", "ada@example.com", place=f"T1/{TRIAGE}")
ADA_MAIL = Person(kind="email", address="ada@example.com", name="Ada", place="ada@example.com")
DAN = slack_person("dan", place="T1/D1#1.0")


def noted(store: Store) -> list[str]:
    """What is noted to go out, in order: side, channel, kind, notice."""
    found = []
    for row in store.rows("SELECT * FROM deliveries ORDER BY id"):
        what = json.loads(row["data"]).get("what")
        side = "desk" if row["desk"] else "out"
        found.append(f"{side} {row['channel']} {row['kind']}" + (f":{what}" if what else ""))
    return found


def parts(store: Store, ticket: int | None) -> dict[str, str]:
    """Who has which role in a ticket."""
    sql = (
        "SELECT i.address, p.role FROM participants p JOIN identities i ON i.key = p.identity_key"
        " WHERE p.ticket_id = :t"
    )
    sql = sql.replace("i.key", "i.`key`") if not store.sqlite else sql
    return {row["address"]: row["role"] for row in store.rows(sql, t=ticket)}


async def status(desk: TestDesk, ticket: int | None) -> Status:
    assert ticket is not None
    return (await desk.manager.view_ticket(await desk.staff(), ticket)).ticket.status


async def texts(desk: TestDesk, ticket: int | None) -> list[str]:
    assert ticket is not None
    return [m.text for m in (await desk.manager.view_ticket(await desk.staff(), ticket)).messages]


async def event_kinds(desk: TestDesk, ticket: int | None) -> list[str]:
    assert ticket is not None
    return [e.kind for e in (await desk.manager.view_ticket(await desk.staff(), ticket)).events]


async def opened(desk: TestDesk, **more: Any) -> tuple[int, str]:
    """A ticket by mail, and the Message-ID of that mail."""
    receipt = await desk.write(mail_id="first@client.example", **more)
    assert receipt.outcome == "opened"
    assert receipt.ticket_id is not None
    return receipt.ticket_id, "first@client.example"


async def answered(desk: TestDesk, ticket: int) -> str:
    """Ada answers; the Message-ID under which that goes out."""
    message = await desk.manager.exchange_messages(await desk.staff(), ticket, "Try again.")
    assert message.mail_id is not None
    return message.mail_id


# -- mail: which ticket, and who -----------------------------------------------------------------------------------


async def test_a_mail_opens_a_ticket(desk: TestDesk, store: Store) -> None:
    """With its sender as requester, those it copies as participants, a card and an acknowledgement."""
    receipt = await desk.write("Help!\nPlease.", subject="Re: Printer", to_others=(BOB,))
    detail = await desk.manager.view_ticket(await desk.staff(), receipt.ticket_id or 0)
    assert (detail.ticket.title, detail.ticket.status) == ("Printer", Status.NEW)
    assert (detail.ticket.requester_email, detail.ticket.channel) == ("ann@example.com", "email")
    assert parts(store, receipt.ticket_id) == {"ann@example.com": "requester", "bob@example.org": "cc"}
    assert noted(store) == ["desk slack card", "out email notice:ack"]
    assert [e.kind for e in detail.events] == ["opened"]


@pytest.mark.parametrize("by", ["reference", "signed", "tag"])
async def test_the_requester_joins_by_each_rule(desk: TestDesk, by: str) -> None:
    """The signed address, a reference to theirs, and the tag of the subject all name the ticket."""
    ticket, mail_id = await opened(desk)
    more: dict[str, Any] = {"reference": {"to": (mail_id,)}, "signed": {"signed": (ticket,)}}.get(
        by, {"tagged": ticket}
    )
    receipt = await desk.write("More.", **more)
    assert (receipt.outcome, receipt.ticket_id) == ("joined", ticket)
    assert await texts(desk, ticket) == ["Help!", "More."]


async def test_an_answer_to_ours_joins(desk: TestDesk) -> None:
    """Our Message-ID is known in every queue."""
    ticket, _ = await opened(desk)
    ours = await answered(desk, ticket)
    reference = Ref(f"mail:billing:{ours}", f"mail:{ours}")
    receipt = await desk.write("Thanks", evidence=Evidence(references=(reference,)))
    assert receipt.ticket_id == ticket


async def test_a_stranger_on_the_signed_address_is_an_outsider(desk: TestDesk, store: Store) -> None:
    """Staff see it marked; nobody else does, nothing goes back, the status stays, and they take no part."""
    ticket, _ = await opened(desk)
    await desk.manager.assign_status(await desk.staff(), ticket, Status.RESOLVED)
    before = store.count("deliveries")
    receipt = await desk.write("Your code is 1234", sender=EVE, signed=(ticket,), to_others=(BOB,))
    assert (receipt.outcome, receipt.ticket_id) == ("outsider", ticket)
    assert parts(store, ticket) == {"ann@example.com": "requester", "eve@example.net": "outsider"}
    assert all(line.startswith("desk") for line in noted(store)[before:])
    assert "desk slack message" in noted(store)[before:]
    assert await status(desk, ticket) is Status.RESOLVED
    ann = await desk.people.create_token("ann@example.com", timedelta(days=1))
    viewer = await desk.people.by_token(ann)
    assert viewer is not None
    detail = await desk.manager.view_ticket(viewer, ticket)
    assert [m.text for m in detail.messages] == ["Help!"]
    assert "outsider_message" not in [e.kind for e in detail.events]


@pytest.mark.parametrize("by", ["reference", "tag"])
async def test_a_stranger_by_the_other_rules_opens_their_own(desk: TestDesk, store: Store, by: str) -> None:
    """Knowing a number or a Message-ID makes nobody part of a ticket; staff see how they are related."""
    ticket, mail_id = await opened(desk)
    more: dict[str, Any] = {"to": (mail_id,)} if by == "reference" else {"tagged": ticket}
    receipt = await desk.write("Me too", sender=EVE, **more)
    assert receipt.outcome == "opened"
    assert receipt.ticket_id != ticket
    assert parts(store, ticket) == {"ann@example.com": "requester"}
    assert "related" in await event_kinds(desk, receipt.ticket_id)


async def test_staff_by_mail_need_authentication(desk: TestDesk, store: Store) -> None:
    """Claimed: an outsider, and staff are told that it claims to be one of them. Verified: staff's answer."""
    ticket, _ = await opened(desk)
    forged = await desk.write("Pay here", sender=ADA_MAIL, signed=(ticket,))
    assert forged.outcome == "outsider"
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    assert [e.data["claims_staff"] for e in detail.events if e.kind == "outsider_message"] == [True]
    assert not [line for line in noted(store) if line == "out email message"]
    real = await desk.write("Try again", sender=ADA_MAIL, signed=(ticket,), auth=Auth.VERIFIED)
    assert real.outcome == "joined"
    assert noted(store)[-1] == "out email message"
    note = await desk.write("Note: odd one", sender=ADA_MAIL, signed=(ticket,), auth=Auth.VERIFIED)
    assert note.outcome == "joined"
    seen = (await desk.manager.view_ticket(await desk.staff(), ticket)).messages
    assert [(m.text, m.visibility) for m in seen[-2:]] == [
        ("Try again", Visibility.PUBLIC),
        ("odd one", Visibility.NOTE),
    ]


async def test_an_absence_note_of_staff_is_no_answer(desk: TestDesk, store: Store) -> None:
    """It stays at the desk as a note: the requester gets no vacation text, and nobody has answered."""
    ticket, _ = await opened(desk)
    away = mail("I'm away", sender=ADA_MAIL, signed=(ticket,), auth=Auth.VERIFIED, automatic="auto-reply")
    await desk.manager.receive(away)
    assert "out email message" not in noted(store)
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    assert (detail.messages[-1].visibility, detail.ticket.first_response_at) == (Visibility.NOTE, None)


async def test_a_staff_member_who_asks_is_a_requester(desk: TestDesk, store: Store) -> None:
    """Their own ticket's further mails are a requester's words, not the desk's answer to themselves."""
    first = await desk.write("My screen", sender=ADA_MAIL, auth=Auth.VERIFIED)
    more = await desk.write("is dark", sender=ADA_MAIL, signed=(first.ticket_id,), auth=Auth.VERIFIED)
    assert more.outcome == "joined"
    detail = await desk.manager.view_ticket(await desk.staff("grace"), first.ticket_id or 0)
    assert [m.author.staff for m in detail.messages] == [False, False]
    assert detail.ticket.first_response_at is None
    assert "out email message" not in noted(store)


@pytest.mark.parametrize(
    ("how", "joins"),
    [
        ("signed", "cc"),
        ("our id", "cc"),
        ("verified", "cc"),
        ("their id", "proposed"),
        ("tag", "proposed"),
        ("tag by a stranger", None),
        ("verified tag", "proposed"),
    ],
)
async def test_who_joins_by_cc(desk: TestDesk, store: Store, how: str, joins: str | None) -> None:
    """Only a mail that proves itself adds people to a ticket; others propose them; a forged `[#id]` adds nobody."""
    ticket, mail_id = await opened(desk)
    more: dict[str, Any] = {
        "signed": {"signed": (ticket,)},
        "our id": {"to": (await answered(desk, ticket),)},
        "verified": {"to": (mail_id,), "auth": Auth.VERIFIED},
        "their id": {"to": (mail_id,)},
        "tag": {"tagged": ticket},
        "tag by a stranger": {"tagged": ticket, "sender": EVE},
        "verified tag": {"tagged": ticket, "auth": Auth.VERIFIED},
    }[how]
    await desk.write("With Bob", to_others=(BOB,), **more)
    assert parts(store, ticket).get("bob@example.org") == joins


async def test_a_merged_tickets_mail_goes_to_the_target(desk: TestDesk, store: Store) -> None:
    """By every rule, also after the target was merged again; its requester takes part there."""
    first, mail_id = await opened(desk)
    second = (await desk.write("Other", sender=BOB)).ticket_id or 0
    third = (await desk.write("Third", sender=BOB)).ticket_id or 0
    ada = await desk.staff()
    await desk.manager.merge(ada, first, second)
    await desk.manager.merge(ada, second, third)
    for more in ({"to": (mail_id,)}, {"signed": (first,)}, {"tagged": first}, {"tagged": second}):
        receipt = await desk.write("More", **more)
        assert (receipt.outcome, receipt.ticket_id) == ("joined", third)
    assert await status(desk, first) is Status.CLOSED
    assert parts(store, third)["ann@example.com"] == "cc"


async def test_closed_long_ago_goes_on_in_a_new_ticket(desk: TestDesk) -> None:
    """A reply after `reopen_within` opens one that names the old; the next replies to the old join that."""
    ticket, mail_id = await opened(desk)
    ada = await desk.staff()
    await desk.manager.assign_status(ada, ticket, Status.CLOSED)
    within = await desk.write("Soon", to=(mail_id,))
    assert within.ticket_id == ticket
    assert await status(desk, ticket) is Status.OPEN
    await desk.manager.assign_status(ada, ticket, Status.CLOSED)
    desk.clock.offset = timedelta(days=14, minutes=1)
    late = await desk.write("Late", to=(mail_id,))
    assert late.outcome == "opened"
    assert "closed too long ago" in late.because
    assert "related" in await event_kinds(desk, late.ticket_id)
    assert await status(desk, ticket) is Status.CLOSED
    later = await desk.write("Later", signed=(ticket,))
    assert (later.outcome, later.ticket_id) == ("joined", late.ticket_id)
    stranger = await desk.write("Hm", signed=(ticket,), sender=EVE)
    assert (stranger.outcome, stranger.ticket_id) == ("outsider", ticket)


async def test_the_reopen_brake(desk: TestDesk) -> None:
    """A sender's sixth reopening in an hour is only a message."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    for number in range(6):
        await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
        receipt = await desk.write(f"Still {number}", signed=(ticket,))
        assert receipt.outcome == "joined"
        assert await status(desk, ticket) is (Status.OPEN if number < 5 else Status.RESOLVED)


async def test_a_bounce_of_nothing_of_ours_opens_nothing(desk: TestDesk, store: Store) -> None:
    """Forged or strayed: it stays in the inbox with its reason, nobody is told."""
    receipt = await desk.write("Undelivered", automatic="bounce")
    assert (receipt.outcome, receipt.ticket_id) == ("ignored", None)
    assert store.count("tickets") == store.count("deliveries") == 0


async def test_what_answers_at_our_envelope_sender_joins(desk: TestDesk, store: Store) -> None:
    """A vacation program mails the address that told the delivery apart: a message, unanswered; a stranger there is
    an outsider."""
    ticket, _ = await opened(desk)
    delivery = store.value("SELECT id FROM deliveries WHERE kind = 'notice'")
    evidence = Evidence(delivery=delivery)
    away = await desk.write("Away", automatic="auto-reply", evidence=evidence)
    assert (away.outcome, away.ticket_id) == ("joined", ticket)
    stranger = await desk.write("Hi", sender=EVE, evidence=evidence)
    assert (stranger.outcome, stranger.ticket_id) == ("outsider", ticket)
    assert noted(store).count("out email notice:ack") == 1


@pytest.mark.parametrize("automatic", ["auto-reply", "auto-generated", "list"])
async def test_automatic_mail_is_kept_and_never_answered(
    desk: TestDesk, store: Store, automatic: str
) -> None:
    """It opens or joins like any other, gets nothing back, adds nobody and reopens nothing."""
    receipt = await desk.write("Out of office", automatic=automatic, to_others=(BOB,))
    assert receipt.outcome == "opened"
    assert parts(store, receipt.ticket_id) == {"ann@example.com": "requester"}
    ticket = (await desk.write("Help")).ticket_id or 0
    await desk.manager.assign_status(await desk.staff(), ticket, Status.RESOLVED)
    joined = await desk.write("Away", automatic=automatic, signed=(ticket,))
    assert joined.outcome == "joined"
    assert await status(desk, ticket) is Status.RESOLVED
    assert noted(store).count("out email notice:ack") == 1


async def test_acknowledgements_are_braked(desk: TestDesk, store: Store) -> None:
    """Ten an hour to one address; others have their own."""
    for _ in range(12):
        await desk.write()
    await desk.write(sender=BOB)
    assert noted(store).count("out email notice:ack") == 11


# -- once ---------------------------------------------------------------------------------------------------------


async def test_the_same_row_twice_at_once_is_one_ticket(desk: TestDesk, store: Store) -> None:
    """A mail taken in twice is one row; two holders of that row make one ticket."""
    one = mail()
    await asyncio.gather(*(desk.take_in(one) for _ in range(2)))
    rows = store.rows("SELECT id FROM inbox ORDER BY id")
    claim = Claim(item_id=rows[0]["id"])
    receipts = await asyncio.gather(*(desk.manager.receive(one, claim) for _ in range(4)))
    assert sorted(r.outcome for r in receipts) == ["duplicate"] * 3 + ["opened"]
    assert store.count("tickets") == 1
    row = store.rows("SELECT state, ticket_id FROM inbox WHERE id = :i", i=rows[0]["id"])[0]
    assert row == {"state": "done", "ticket_id": receipts[0].ticket_id or row["ticket_id"]}


async def test_different_mails_with_one_message_id_are_all_kept(desk: TestDesk, store: Store) -> None:
    """At once or one after the other; none is lost, none is mixed up with another."""
    receipts = await asyncio.gather(
        *(desk.write(f"Body {i}", mail_id="same@client.example") for i in range(3))
    )
    receipts.append(await desk.write("Body 3", mail_id="same@client.example"))
    assert [r.outcome for r in receipts] == ["opened"] * 4
    assert len({r.ticket_id for r in receipts}) == 4
    assert store.count("links", "kind = 'received'") == 1


async def test_an_answer_that_comes_before_its_question(desk: TestDesk, store: Store) -> None:
    """The question joins the ticket that its answer opened, if its sender was named there; else it opens its own."""
    answer = await desk.write("No!", to=("question@client.example",), sender=BOB, to_others=(ANN,))
    question = await desk.write("Can we?", mail_id="question@client.example")
    assert (question.outcome, question.ticket_id) == ("joined", answer.ticket_id)
    other = await desk.write("No!", to=("other@client.example",), sender=BOB)
    asked = await desk.write("Can we?", mail_id="other@client.example", sender=EVE)
    assert asked.outcome == "opened"
    assert asked.ticket_id != other.ticket_id


async def test_five_at_once_that_name_the_same_unknown_mail(desk: TestDesk, store: Store) -> None:
    """Answers to one mail that we don't know yet find each other through its name."""
    receipts = await asyncio.gather(
        *(desk.write(f"Answer {i}", to=("lost@client.example",)) for i in range(5))
    )
    assert len({r.ticket_id for r in receipts}) == 1
    assert sorted(r.outcome for r in receipts) == ["joined"] * 4 + ["opened"]
    assert store.count("messages") == 5


async def test_both_sides_answer_at_once(desk: TestDesk, store: Store) -> None:
    """Messages of one ticket that come at the same moment have seqs without a gap or a pair."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    await asyncio.gather(
        *(desk.write(f"m{i}", signed=(ticket,)) for i in range(4)),
        *(desk.manager.exchange_messages(ada, ticket, f"a{i}") for i in range(4)),
    )
    rows = store.rows("SELECT seq FROM messages WHERE ticket_id = :t ORDER BY seq", t=ticket)
    assert [row["seq"] for row in rows] == list(range(1, 10))


# -- Slack --------------------------------------------------------------------------------------------------------


async def carded(desk: TestDesk, **more: Any) -> tuple[int, str]:
    """A mail's ticket whose card hangs; its ts."""
    ticket, _ = await opened(desk, **more)
    card = {"kind": "card", "ticket_id": ticket, "remote": f"T1/{TRIAGE}/100.1"}
    key = key_of(f"slack:T1/{TRIAGE}/100.1")
    await desk.database.unit(lambda tx: tx.run(links.insert().values(key=key, **card)))
    return ticket, "100.1"


async def test_a_direct_message_opens_and_what_follows_joins(desk: TestDesk, store: Store) -> None:
    """Within the window, until staff answered; the same ts twice is one message."""
    first = await desk.manager.receive(post("1.0", "My screen", sender=DAN, conversation="D1"))
    assert first.outcome == "opened"
    again = await desk.manager.receive(post("1.0", "My screen", sender=DAN, conversation="D1"))
    assert (again.outcome, again.ticket_id) == ("duplicate", first.ticket_id)
    second = await desk.manager.receive(
        post("2.0", "is dark", sender=replace(DAN, place="T1/D1#2.0"), conversation="D1")
    )
    assert (second.outcome, second.ticket_id) == ("joined", first.ticket_id)
    threaded = await desk.manager.receive(post("2.5", "very", sender=DAN, conversation="D1", root="2.0"))
    assert threaded.ticket_id == first.ticket_id
    elsewhere = replace(DAN, place="T1/D9#3.0")
    other = await desk.manager.receive(post("3.0", "Hi", sender=elsewhere, conversation="D9"))
    assert other.outcome == "opened", "another conversation is another matter"
    await desk.manager.exchange_messages(await desk.staff(), first.ticket_id or 0, "On it")
    late = await desk.manager.receive(
        post("4.0", "And the mouse", sender=replace(DAN, place="T1/D1#4.0"), conversation="D1")
    )
    assert late.outcome == "opened"
    assert store.count("participants", "place LIKE 'T1/D1#1.0'") == 1


async def test_the_window_ends(desk: TestDesk) -> None:
    """A direct message after it is a ticket of its own."""
    now = datetime.now(UTC)
    first = await desk.manager.receive(post("1.0", "One", sender=DAN, conversation="D1", source_time=now))
    late = now + timedelta(seconds=91)
    second = await desk.manager.receive(post("2.0", "Two", sender=DAN, conversation="D1", source_time=late))
    assert second.outcome == "opened"
    assert second.ticket_id != first.ticket_id


async def test_staff_in_the_thread(desk: TestDesk, store: Store) -> None:
    """Plain words go to the requester; a note stays, with a sign on it."""
    ticket, root = await carded(desk)
    before = store.count("deliveries")
    await desk.manager.receive(post("101.0", "Try again", sender=ADA, root=root, desk=True))
    assert "out email message" in noted(store)[before:]
    assert "desk slack message" not in noted(store)[before:], "the thread shows it already"
    before = store.count("deliveries")
    note = post("102.0", "odd", sender=ADA, root=root, desk=True, visibility=Visibility.NOTE)
    await desk.manager.receive(note)
    assert noted(store)[before:] == ["desk slack mark"]
    assert await status(desk, ticket) is Status.OPEN


async def test_a_note_first_queue_keeps_what_is_not_asked_to_go(store: Store) -> None:
    """`default_visibility = "note"`: only `reply:` goes out."""
    queue = {
        "name": "support",
        "addresses": ["support@example.com"],
        "slack_channel": TRIAGE,
        "default_visibility": "note",
    }
    desk = await TestDesk.open(store, queue=[queue])
    try:
        _, root = await carded(desk)
        await desk.manager.receive(post("101.0", "hm", sender=ADA, root=root, desk=True))
        assert "out email message" not in noted(store)
        reply = post("102.0", "Try", sender=ADA, root=root, desk=True, visibility=Visibility.PUBLIC)
        await desk.manager.receive(reply)
        assert noted(store).count("out email message") == 1
    finally:
        await desk.close()


async def test_somebody_else_in_the_triage_thread(desk: TestDesk, store: Store) -> None:
    """Is told so, alone; nothing is sent or kept. Without a ticket's thread there's nothing at all."""
    ticket, root = await carded(desk)
    receipt = await desk.manager.receive(post("101.0", "I know!", sender=DAN, root=root, desk=True))
    assert receipt.outcome == "ignored"
    assert noted(store)[-1] == "desk slack whisper"
    assert await texts(desk, ticket) == ["Help!"]
    before = store.count("deliveries")
    chatter = await desk.manager.receive(post("103.0", "Lunch?", sender=ADA, root="102.9", desk=True))
    assert chatter.outcome == "ignored"
    assert store.count("deliveries") == before


async def test_an_answer_in_the_thread_of_a_merged_ticket(desk: TestDesk, store: Store) -> None:
    """Goes on in the target, whose thread shows it."""
    ticket, root = await carded(desk)
    target = (await desk.write("Other", sender=BOB)).ticket_id or 0
    await desk.manager.merge(await desk.staff(), ticket, target)
    before = store.count("deliveries")
    receipt = await desk.manager.receive(post("101.0", "Try", sender=ADA, root=root, desk=True))
    assert receipt.ticket_id == target
    assert "desk slack message" in noted(store)[before:]
    assert "out email message" in noted(store)[before:]


async def test_an_answer_overtaken_by_the_requester(desk: TestDesk, store: Store) -> None:
    """Written before their newest message: it goes, the ticket stays open, and the thread says so."""
    ticket, root = await carded(desk)
    now = datetime.now(UTC)
    await desk.write("Wait", signed=(ticket,), source_time=now)
    early = post("101.0", "Try", sender=ADA, root=root, desk=True, source_time=now - timedelta(seconds=9))
    await desk.manager.receive(early)
    assert noted(store)[-2:] == ["out email message", "desk slack notice:line"]
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    assert (detail.ticket.status, detail.ticket.waiting_since is not None) == (Status.OPEN, True)


def command(
    verb: str, *words: str, sender: Person = ADA, ts: str | None = "200.1", root: str = "100.1"
) -> StaffCommand:
    return StaffCommand(
        channel="slack",
        sender=sender,
        source_time=datetime.now(UTC),
        verb=verb,
        words=words,
        evidence=Evidence(references=(Ref(f"slack:T1/{TRIAGE}/{root}"),)),
        ref=Ref(f"slack:T1/{TRIAGE}/{ts}", f"slack:T1/{TRIAGE}/{ts}") if ts else None,
        place=f"T1/{TRIAGE}#{root}",
    )


@pytest.mark.parametrize(
    ("verb", "words", "shows"),
    [
        ("take", (), "assignee_id IS NOT NULL AND status = 'open'"),
        ("assign", ("@grace",), "assignee_id IS NOT NULL"),
        ("status", ("pending",), "status = 'pending'"),
        ("resolve", (), "status = 'resolved'"),
        ("close", (), "status = 'closed'"),
        ("priority", ("urgent",), "priority = 'urgent'"),
    ],
)
async def test_commands(desk: TestDesk, store: Store, verb: str, words: tuple[str, ...], shows: str) -> None:
    """Carried out once, with a sign on them."""
    await carded(desk)
    receipt = await desk.manager.receive(command(verb, *words))
    assert receipt.outcome == "command"
    assert store.count("tickets", shows) == 1
    assert "desk slack mark" in noted(store)
    again = await desk.manager.receive(command(verb, *words))
    assert again.outcome == "duplicate"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (command("asign", "@ada"), "did you mean !assign?"),
        (command("xyzzy"), "!help"),
        (command("assign", "@nobody-of-ours"), "no staff member"),
        (command("assign"), "write it like"),
        (command("status", "gone"), "none of"),
        (command("status", "new"), "new"),
        (command("merge", "#99999"), "no ticket"),
        (command("admit", "what"), "no mail address"),
        (command("retry", "99999"), "no delivery"),
        (command("help"), "!priority"),
        (command("close", sender=DAN), "aren't on the help desk's staff"),
    ],
)
async def test_commands_that_say_something(
    desk: TestDesk, store: Store, asked: StaffCommand, says: str
) -> None:
    """What can't be done is told to the one who asked, and nothing else happens."""
    await carded(desk)
    await desk.manager.receive(command("resolve", ts="199.0"))
    await desk.manager.receive(command("reopen", ts="199.1"))
    receipt = await desk.manager.receive(asked)
    assert receipt.outcome == "command"
    rows = store.rows("SELECT data FROM deliveries WHERE kind = 'whisper'")
    assert len(rows) == 1
    assert says in rows[0]["data"]
    assert store.value("SELECT status FROM tickets") == "open"


async def test_a_click_is_taken_once_by_its_row(desk: TestDesk) -> None:
    """A click has no name of its own; its inbox row is its key."""
    await carded(desk)
    click = command("take", ts=None)
    await desk.take_in(click, channel="slack")
    row = (await desk.operations.inbox())[0]
    outcomes = [(await desk.manager.receive(click, Claim(item_id=row.id))).outcome for _ in range(2)]
    assert outcomes == ["command", "duplicate"]


# -- edits and deletions ------------------------------------------------------------------------------------------


def edit(
    ts: str, text: str, sender: Person, conversation: str = TRIAGE, as_new: NewMessage | None = None
) -> MessageEdited:
    return MessageEdited(
        ref=Ref(f"slack:T1/{conversation}/{ts}", f"slack:T1/{conversation}/{ts}"),
        channel="slack",
        sender=sender,
        source_time=datetime.now(UTC),
        text=text,
        as_new=as_new,
    )


def deletion(ts: str, conversation: str = TRIAGE) -> MessageDeleted:
    ref = Ref(f"slack:T1/{conversation}/{ts}", f"slack:T1/{conversation}/{ts}")
    return MessageDeleted(ref=ref, channel="slack", source_time=datetime.now(UTC))


async def test_an_answer_edited_before_it_went(desk: TestDesk, store: Store) -> None:
    """Goes as it now is; no correction follows."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    before = store.count("deliveries")
    receipt = await desk.manager.receive(edit("101.0", "Try again", ADA))
    assert receipt.outcome == "edited"
    assert await texts(desk, ticket) == ["Help!", "Try again"]
    assert "correction" not in " ".join(noted(store)[before:])


async def test_an_answer_edited_after_it_went(desk: TestDesk, store: Store) -> None:
    """One correction a minute later; a second edit meanwhile replaces it; deleting it takes that back too."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
    for text in ("Try again", "Try again."):
        await desk.manager.receive(edit("101.0", text, ADA))
    waiting = [line for line in noted(store) if line.endswith("correction")]
    assert waiting == ["out email notice:correction"] * 2
    assert (
        store.count("deliveries", "state = 'queued' AND data LIKE '%correction%' AND wait_until IS NOT NULL")
        == 1
    )
    assert store.count("deliveries", "state = 'cancelled' AND data LIKE '%correction%'") == 1
    assert (await desk.manager.receive(deletion("101.0"))).outcome == "deleted"
    assert store.count("deliveries", "state = 'queued' AND data LIKE '%correction%'") == 0
    assert await texts(desk, ticket) == ["Help!", ""]


@pytest.mark.parametrize("kept", ["rendered", "rendered_raw"])
async def test_what_was_rendered_once_is_corrected(desk: TestDesk, store: Store, kept: str) -> None:
    """A mail that waits for its next try goes byte for byte as at the first; so the new text follows it."""
    _, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    store.execute(f"UPDATE deliveries SET {kept} = 'x' WHERE kind = 'message'")
    await desk.manager.receive(edit("101.0", "Try again", ADA))
    assert noted(store)[-1] == "out email notice:correction"


async def test_an_answer_deleted_before_it_went(desk: TestDesk, store: Store) -> None:
    """Doesn't go."""
    _, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Oops", sender=ADA, root=root, desk=True))
    await desk.manager.receive(deletion("101.0"))
    assert store.count("deliveries", "kind = 'message' AND state = 'cancelled'") == 1
    assert store.count("deliveries", "kind = 'message' AND state = 'queued'") == 0


async def test_only_the_author_edits(desk: TestDesk) -> None:
    """Somebody else's edit of a message changes nothing."""
    ticket, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try again", sender=ADA, root=root, desk=True))
    receipt = await desk.manager.receive(edit("101.0", "Never mind", DAN))
    assert receipt.outcome == "ignored"
    assert await texts(desk, ticket) == ["Help!", "Try again"]


async def test_the_opening_message_edited(desk: TestDesk) -> None:
    """The ticket and its card show the new text."""
    first = await desk.manager.receive(post("1.0", "My scren", sender=DAN, conversation="D1"))
    await desk.manager.receive(edit("1.0", "My screen", DAN, "D1"))
    detail = await desk.manager.view_ticket(await desk.staff(), first.ticket_id or 0)
    assert detail.ticket.description == detail.messages[0].text == "My screen"


async def test_an_edit_of_something_unknown_creates_it_once(desk: TestDesk, store: Store) -> None:
    """Catching up may see the edit before the message; the message that comes after is known already."""
    new = post("1.0", "My screen", sender=DAN, conversation="D1")
    receipt = await desk.manager.receive(edit("1.0", "My screen", DAN, "D1", as_new=new))
    assert receipt.outcome == "opened"
    assert (await desk.manager.receive(new)).outcome == "duplicate"
    assert (await desk.manager.receive(edit("9.9", "?", DAN, "D1"))).outcome == "ignored"
    assert store.count("tickets") == 1


async def test_a_deletion_that_comes_first(desk: TestDesk, store: Store) -> None:
    """Leaves a stone: the message that comes after it, edited or not, isn't taken."""
    assert (await desk.manager.receive(deletion("1.0", "D1"))).outcome == "ignored"
    await desk.manager.receive(deletion("1.0", "D1"))
    new = post("1.0", "Oops", sender=DAN, conversation="D1")
    assert (await desk.manager.receive(new)).outcome == "ignored"
    assert (await desk.manager.receive(edit("1.0", "Oops!", DAN, "D1", as_new=new))).outcome == "ignored"
    assert store.count("tickets") == 0


# -- reports and the rest -----------------------------------------------------------------------------------------


def bounce(**more: Any) -> DeliveryReport:
    values: dict[str, Any] = {
        "channel": "email",
        "source_time": datetime.now(UTC),
        "delivery_id": None,
        "ref": None,
        "recipient": "ann@example.com",
        "status": "5.1.1",
        "action": "failed",
        "permanent": True,
        "text": "no such user",
    }
    return DeliveryReport(**{**values, **more})


@pytest.mark.parametrize("by", ["delivery", "id"])
async def test_a_bounce_marks_its_delivery(desk: TestDesk, store: Store, by: str) -> None:
    """By the envelope's address or by our Message-ID; staff are told, once, and the ticket stays as it is."""
    ticket, _ = await opened(desk)
    mail_id = await answered(desk, ticket)
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
    delivery = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
    more = (
        {"delivery_id": delivery}
        if by == "delivery"
        else {"ref": Ref(f"mail:support:{mail_id}", f"mail:{mail_id}")}
    )
    assert (await desk.manager.receive(bounce(**more))).outcome == "reported"
    assert store.value("SELECT state FROM deliveries WHERE id = :i", i=delivery) == "bounced"
    assert noted(store)[-1] == "desk slack alert:failed"
    detail = await desk.manager.view_ticket(await desk.staff(), ticket)
    event = next(e for e in detail.events if e.kind == "delivery_bounced")
    assert event.data["reason"] == "5.1.1 no such user"
    count = store.count("deliveries")
    assert (await desk.manager.receive(bounce(**more))).outcome == "ignored"
    assert store.count("deliveries") == count


async def test_reports_of_nothing(desk: TestDesk, store: Store) -> None:
    """A delay, and a bounce of what we never sent, change nothing."""
    ticket, _ = await opened(desk)
    await answered(desk, ticket)
    store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
    count = store.count("deliveries")
    delivery = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
    for report in (bounce(delivery_id=999_999), bounce(), bounce(delivery_id=delivery, action="delayed")):
        assert (await desk.manager.receive(report)).outcome == "ignored"
    assert store.count("deliveries", "state = 'sent'") == count == store.count("deliveries")


async def test_a_bounced_alert_ends_there(store: Store) -> None:
    """An agent whose address is dead gets no alert about the alert."""
    desk = await TestDesk.open(store, slack={"enabled": False})
    try:
        ticket, _ = await opened(desk)
        await answered(desk, ticket)
        store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
        delivery = store.value("SELECT id FROM deliveries WHERE kind = 'message' AND desk = 0")
        await desk.manager.receive(bounce(delivery_id=delivery))
        alerts = store.rows("SELECT id FROM deliveries WHERE kind = 'alert'")
        assert len(alerts) == 2, "both agents"
        store.execute("UPDATE deliveries SET state = 'sent', due_at = NULL")
        count = store.count("deliveries")
        assert (await desk.manager.receive(bounce(delivery_id=alerts[0]["id"]))).outcome == "reported"
        assert store.count("deliveries") == count
    finally:
        await desk.close()


async def test_nothing_to_do_is_noted_with_its_row(desk: TestDesk) -> None:
    """The reason stays with the raw."""
    await desk.take_in(Ignored(reason="our own echo"))
    row = (await desk.operations.inbox())[0]
    receipt = await desk.manager.receive(Ignored(reason="our own echo"), Claim(item_id=row.id))
    assert receipt == Receipt(outcome="ignored", because="our own echo")
    after = await desk.operations.inbox_item(row.id)
    assert (after.state, after.reason) == ("ignored", "our own echo")


async def test_files_and_whatever_letters(desk: TestDesk, store: Store) -> None:
    """Bytes are stored, what could not be had is named; half a surrogate pair or a zero breaks nothing."""
    files = (
        File(name="a\ud800.txt", content_type="text/plain; x=é", size=3, content=b"abc"),
        File(name="gone", content_type="", size=9, unavailable="too large"),
    )
    receipt = await desk.write("x\ud800\x00😀", subject="s\udfff", files=files)
    (message,) = (await desk.manager.view_ticket(await desk.staff(), receipt.ticket_id or 0)).messages
    assert message.text == "x?\x00😀"
    assert [(a.state, a.size) for a in message.attachments] == [("stored", 3), ("unavailable", 9)]
    assert await desk.blobs.get(message.attachments[0].blob or "") == b"abc"


async def test_an_answer_under_a_card_that_is_being_posted_waits_for_it(desk: TestDesk, store: Store) -> None:
    """Slack shows a card before we have noted its name: what is written under it meanwhile isn't dropped."""
    await desk.write("Quick")
    ada = slack_person("ada", email="ada@example.com", place=f"T1/{TRIAGE}#1700.1")
    card = store.value("SELECT id FROM deliveries WHERE kind = 'card'")
    being_sent = update(deliveries).where(deliveries.c.id == card)
    being_sent = being_sent.values(state="sending", due_at=None, sending_at=desk.clock.now())
    await desk.database.unit(lambda tx: tx.run(being_sent))
    early = post("1700.2", "On it", sender=ada, root="1700.1", desk=True)
    with pytest.raises(NotYet):
        await desk.manager.receive(early)
    command = StaffCommand(
        channel="slack",
        sender=ada,
        source_time=early.source_time,
        verb="take",
        evidence=early.evidence,
        ref=Ref(f"slack:T1/{TRIAGE}/1700.3", f"slack:T1/{TRIAGE}/1700.3"),
    )
    with pytest.raises(NotYet):
        await desk.manager.receive(command)
    store.execute("UPDATE deliveries SET state = 'sent' WHERE id = :id", id=card)
    assert (await desk.manager.receive(early)).because == "no ticket's thread"
