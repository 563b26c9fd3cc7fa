"""What comes in by mail becomes tickets and messages: who joins, who doesn't, and once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.receive import Claim
from core.shapes import (
    Auth,
    Evidence,
    Ref,
    Visibility,
)
from core.status import Status
from tests.core.desk import ANN, BOB, EVE, TestDesk, mail
from tests.core.received import (
    ADA_MAIL,
    answered,
    event_kinds,
    noted,
    opened,
    parts,
    status,
    texts,
)
from tests.stores import Store

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
