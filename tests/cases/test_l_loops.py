"""L: machines that answer machines, and what comes back of what we sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.shapes import Kind
from tests.cases.letters import Client, Letter, bounce_of
from tests.cases.postbox import SUPPORT, Outward, Postbox, open_postbox
from tests.stores import QUEUE, Store

ANN = Client("Ann Ivory", "ann@customer.example", "outlook")
BOB = Client("Bob Ivory", "bob@customer.example")
DAEMON = Client("", "MAILER-DAEMON@mx.client.example")


def _vacation(ack: Outward) -> Letter:
    return ANN.is_away(ack, ack.sender)


def _exchange(ack: Outward) -> Letter:
    """Exchange answers to Reply-To, from the person, marked as generated."""
    marks = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    return ANN.answers(ack, "I'm away.", subject=f"Automatic reply: {ack.subject}", fields=marks)


def _by_subject_alone(ack: Outward) -> Letter:
    return ANN.answers(ack, "Ich bin nicht da.", subject=f"Automatische Antwort: {ack.subject}", fields={})


def _old_header(ack: Outward) -> Letter:
    return ANN.answers(ack, "Away.", subject="Away", fields={"X-Autoreply": "yes", "Precedence": "junk"})


AWAY = [
    pytest.param(_vacation, "", id="rfc3834-to-envelope-sender"),
    pytest.param(_vacation, None, id="with-a-sender"),
    pytest.param(_exchange, None, id="exchange-to-reply-to"),
    pytest.param(_by_subject_alone, None, id="subject-alone"),
    pytest.param(_old_header, "", id="x-autoreply"),
]


@pytest.mark.parametrize(("away", "sender"), AWAY)
async def test_L1_out_of_office_answers_our_acknowledgement(
    post: Postbox, away: Callable[[Outward], Letter], sender: str | None
) -> None:
    """It joins the ticket, marked as a machine's; nothing goes out, the ticket stays as it is."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [ack] = post.news()
    reply = away(ack)
    taken = await post.arrives(reply, to=reply.addresses("To"), sender=sender)
    assert (taken.state, taken.ticket) == ("done", ticket)
    words = await post.words(ticket)
    assert len(words) == 2
    assert words[1].startswith(f"!{ANN.address}: ")
    assert post.news() == []
    assert await post.status(ticket) == "new"
    assert post.tickets() == [ticket]
    assert post.people(ticket) == {ANN.address: "requester"}
    assert any(word in post.thread(Kind.MESSAGE)[-1] for word in ("away", "Away", "nicht da"))  # staff see it


async def test_L1_the_vacation_of_somebody_who_takes_no_part(post: Postbox) -> None:
    """A forwarding or shared mailbox answers our mail from another address: staff see it, it's no participant."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [ack] = post.news()
    deputy = Client("Deputy", "deputy@customer.example")
    taken = await post.arrives(deputy.is_away(ack, ack.sender), to=[ack.sender], sender="")
    assert taken.ticket == ticket
    assert (await post.words(ticket))[1] == "?!deputy@customer.example: I am away until Monday."
    assert post.people(ticket) == {ANN.address: "requester", "deputy@customer.example": "outsider"}
    assert post.news() == []
    await post.says(ticket, "Off and on.")
    [mail] = post.news()
    assert mail.recipients == (ANN.address,)


BACK = ["verp", "message-id", "headers-only"]


async def _bounced(post: Postbox, mail: Outward, how: str, **more: Any) -> Any:
    """The mail comes back, to its envelope sender or (other systems) to From with the mail inside."""
    returned = {"verp": "", "message-id": "message/rfc822", "headers-only": "text/rfc822-headers"}[how]
    to = mail.sender if how == "verp" else SUPPORT
    recipient = more.pop("recipient", ANN.address)
    return await post.arrives(bounce_of(mail, to, recipient, returned=returned, **more), to=[to], sender="")


@pytest.mark.parametrize("how", BACK)
async def test_L2_a_bounce_of_our_acknowledgement(post: Postbox, how: str) -> None:
    """No ticket, no acknowledgement, no message: that delivery is marked, with the server's words."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [ack] = post.news()
    before = await post.words(ticket)
    taken = await _bounced(post, ack, how)
    assert taken.state == "done"
    assert post.news() == []
    assert post.tickets() == [ticket]
    assert await post.words(ticket) == before
    assert await post.status(ticket) == "new"
    assert post.people(ticket) == {ANN.address: "requester"}
    [delivery] = post.deliveries(ticket, "bounced")
    assert delivery["place"] == ANN.address
    assert "5.1.1" in delivery["last_error"]
    assert "User unknown" in delivery["last_error"]
    # Again, by another server on the way: it's told once.
    await _bounced(post, ack, how)
    assert (await post.happened(ticket)).count("delivery_bounced") == 1


@pytest.mark.parametrize(
    ("status", "action", "said", "permanent"),
    [
        ("5.1.1", "failed", "smtp; 550 5.1.1 <ann@customer.example>: User unknown", True),
        ("5.2.2", "failed", "smtp; 552 5.2.2 Mailbox full, quota exceeded", False),
        ("4.4.7", "failed", "smtp; 451 4.4.7 Delivery time expired, try again later", False),
        ("5.7.1", "failed", "smtp; 550 5.7.1 Message rejected as spam by policy", False),
    ],
)
@pytest.mark.parametrize("how", BACK)
async def test_L9_a_bounce_is_seen_on_the_ticket(
    post: Postbox, how: str, status: str, action: str, said: str, permanent: bool
) -> None:
    """Staff read in the ticket and in its thread whom it didn't reach and why; the requester's side has nothing."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    await post.says(ticket, "Off and on.")
    answer = post.news()[-1]
    await _bounced(post, answer, how, status=status, action=action, said=said)
    event = await post.event(ticket, "delivery_bounced")
    assert event["recipient"] == ANN.address
    assert event["permanent"] is permanent
    assert status in event["reason"]
    [delivery] = post.deliveries(ticket, "bounced")
    assert (delivery["id"], delivery["kind"]) == (event["delivery"], "message")
    [alert] = post.thread(Kind.ALERT)
    words = said.partition("; ")[2].rpartition(" ")[2]
    assert words in alert
    assert post.news() == []
    ann = await _actor_of(post, ANN.address)
    seen = await post.desk.manager.view_ticket(ann, ticket)
    assert "delivery_bounced" not in [e.kind for e in seen.events]
    assert [m.text for m in seen.messages] == ["It hums.", "Off and on."]


async def _actor_of(post: Postbox, address: str) -> Any:
    token = await post.desk.people.create_token(address, timedelta(hours=1))
    return await post.desk.people.by_token(token)


@pytest.mark.parametrize("how", BACK)
@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered"])
async def test_L9_a_delay_or_a_receipt_is_no_failure(post: Postbox, how: str, action: str) -> None:
    """ "Delayed, will keep trying": nothing is marked failed, nobody is alarmed; the bounce after it counts."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [ack] = post.news()
    delay = {
        "status": "4.4.1" if action == "delayed" else "2.0.0",
        "action": action,
        "said": "smtp; no connection yet",
    }
    assert (await _bounced(post, ack, how, **delay)).state in ("ignored", "done")
    assert post.deliveries(ticket, "bounced") == []
    assert post.thread(Kind.ALERT) == []
    assert "delivery_bounced" not in await post.happened(ticket)
    assert (post.news(), post.tickets()) == ([], [ticket])
    await _bounced(post, ack, how)
    assert len(post.deliveries(ticket, "bounced")) == 1


async def test_L9_only_the_copy_that_bounced_is_named(post: Postbox) -> None:
    """One mail to Ann with Bob in Cc: Bob's copy bounces, and it's Bob who is named."""
    ticket = (await post.arrives(ANN.writes("It hums.", cc=[BOB.address]))).ticket
    await post.says(ticket, "Off and on.")
    answer = post.news()[-1]
    assert answer.recipients == (ANN.address, BOB.address)
    await _bounced(post, answer, "verp", recipient=BOB.address)
    assert (await post.event(ticket, "delivery_bounced"))["recipient"] == BOB.address
    assert BOB.address in [o.data["to"] for o in post.desk.slack.sent if o.kind is Kind.ALERT]


async def test_L2_a_bounce_of_nothing_of_ours(post: Postbox) -> None:
    """Somebody forged our address: the bounce opens nothing, joins nothing, gets no answer."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [ack] = post.news()
    forged = Client("Mallory", SUPPORT).writes("Buy!", to="x@elsewhere.example")
    taken = await post.arrives(bounce_of(forged, SUPPORT, "x@elsewhere.example"), to=[SUPPORT], sender="")
    assert taken.state == "ignored"
    # A bounce address whose signature is wrong names nothing either.
    local, _, domain = ack.sender.partition("@")
    wrong = f"{local[:-2]}{'aa' if local[-2:] != 'aa' else 'bb'}@{domain}"
    assert (
        await post.arrives(bounce_of(ack, wrong, ANN.address, returned=""), to=[wrong], sender="")
    ).state == "ignored"
    assert (post.tickets(), post.news()) == ([ticket], [])
    assert post.deliveries(ticket, "bounced") == []


@pytest.mark.parametrize("what", ["ack", "answer"])
async def test_L3_our_own_mail_arrives_at_our_address(post: Postbox, what: str) -> None:
    """A forwarding rule or an alias brings it back: dropped, and the inbox row says why."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    if what == "answer":
        await post.says(ticket, "Off and on.")
    mail = post.news()[-1]
    before = await post.words(ticket), await post.happened(ticket)
    trace = Letter(b"Received: from forwarder.customer.example by mx.example.com; x\r\n" + mail.raw)
    taken = await post.arrives(trace, to=[SUPPORT], sender=mail.sender)
    assert taken.state == "ignored"
    assert "own mail" in taken.row["reason"]
    assert post.tickets() == [ticket]
    assert (await post.words(ticket), await post.happened(ticket)) == before
    assert post.news() == []


async def test_L3_our_own_mail_with_its_id_rewritten_ends_there(post: Postbox) -> None:
    """The relay gave it another Message-ID: it may show, but nothing is answered, and the ticket is left alone."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [ack] = post.news()
    rewritten = ack.with_fields({"Message-ID": "<0102019a-77@eu-west-1.amazonses.com>"})
    for _ in range(3):
        await post.arrives(rewritten, to=[SUPPORT], sender=ack.sender)
    assert post.news() == []
    assert await post.words(ticket) == [f"{ANN.address}: It hums."]
    assert post.people(ticket) == {ANN.address: "requester"}


@pytest.mark.parametrize(
    "address", ["no-reply@shop.example", "donotreply@shop.example", "noreply+4711@shop.example"]
)
async def test_L4_a_no_reply_sender_gets_no_acknowledgement(post: Postbox, address: str) -> None:
    """A ticket like any other, but nobody reads an answer there."""
    shop = Client("Shop", address)
    taken = await post.arrives(shop.writes("Your parcel left.", subject="Parcel"))
    assert taken.state == "done"
    assert await post.words(taken.ticket) == [f"!{address}: Your parcel left."]
    assert post.news() == []
    assert post.desk.slack.kinds()[0] == "card"  # staff see it
    await post.says(taken.ticket, "Thank you.")  # people may still try
    assert [mail.recipients for mail in post.news()] == [(address,)]


async def test_L5_another_help_desk_answers_each_acknowledgement_of_ours(store: Store) -> None:
    """No header says that it's a machine, each answer has a new number, no ids: a counter ends it. All are kept."""
    async with open_postbox(store, brakes={"acknowledgements_per_address": 4}) as post:
        other = Client("Their desk", "help@partner.example")
        await post.arrives(other.writes("Your request was received.", subject="[Case 1000] Received"))
        turns = 0
        while acks := post.news():
            assert [ack.recipients for ack in acks] == [("help@partner.example",)]
            turns += 1
            assert turns < 20
            text, subject = f"Your request {turns} was received.", f"[Case {1000 + turns}] Received"
            await post.arrives(other.writes(text, subject=subject))  # to the plain address
        assert turns == 4
        assert len(post.tickets()) == 5
        # Others still get theirs, and theirs again after the window.
        await post.arrives(BOB.writes("Hello?"))
        assert [ack.recipients for ack in post.news()] == [(BOB.address,)]
        post.later(timedelta(hours=2))
        await post.arrives(other.writes("A person now.", subject="Hello"))
        assert len(post.news()) == 1


async def test_L5_an_answering_machine_that_answers_properly_ends_after_one_turn(post: Postbox) -> None:
    """Their acknowledgement goes to our reply address: it joins, and a joined mail is never acknowledged."""
    other = Client("Their desk", "help@partner.example")
    ticket = (await post.arrives(other.writes("We have a question.", subject="Question"))).ticket
    [ack] = post.news()
    await post.arrives(other.answers(ack, "Received, your number is 1001.", subject="[Case 1001] Received"))
    assert post.news() == []
    assert (len(await post.words(ticket)), post.tickets()) == (2, [ticket])


async def test_L5_nobody_can_bomb_a_mailbox_by_our_acknowledgements(store: Store) -> None:
    """A forged sender, two hundred times from anywhere: a handful of acknowledgements, every mail kept."""
    async with open_postbox(store, brakes={"acknowledgements_per_address": 3}) as post:
        for number in range(40):
            victim = Client("", "victim@elsewhere.example" if number % 2 else "Victim@Elsewhere.example")
            await post.drops(victim.writes(f"Bomb {number}", subject=f"Bomb {number}"))
        await post.quiet()
        assert len(post.tickets()) == 40
        assert len(post.sent) == 3
        assert {mail.recipients for mail in post.sent} == {("victim@elsewhere.example",)}
        assert not any("Bomb" in mail.text for mail in post.sent)


@pytest.mark.parametrize("status", ["closed", "resolved"])
async def test_L6_out_of_office_reopens_nothing(post: Postbox, status: str) -> None:
    """The notice that it was closed is answered by a vacation program, again and again."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    await post.sets(ticket, status)
    notice = post.news()[-1]
    assert notice.automatic
    for number in range(4):
        away = ANN.is_away(notice, notice.sender, Subject=f"Out of office ({number}): {notice.subject}")
        await post.arrives(away, to=[notice.sender], sender="")
        post.later(timedelta(hours=20))
    assert await post.status(ticket) == status
    assert post.news() == []
    assert "reopened" not in await post.happened(ticket)
    assert len(await post.words(ticket)) == 5
    post.later(timedelta(days=20))  # longer than `reopen_within`: still no ticket of its own
    await post.arrives(ANN.is_away(notice, notice.sender), to=[notice.sender], sender="")
    assert post.tickets() == [ticket]
    assert post.news() == []


async def test_L6_a_robot_without_headers_reopens_a_few_times_at_most(post: Postbox) -> None:
    """Nothing shows that it's a machine: its mails reopen, but five times an hour at most."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    reopened = 0
    for number in range(8):
        await post.sets(ticket, "resolved")
        notice = [mail for mail in post.sent if mail.automatic][-1]
        await post.arrives(ANN.answers(notice, f"Thank you for your mail ({number})."))
        reopened += await post.status(ticket) == "open"
    assert reopened == 5
    assert len(await post.words(ticket)) == 9  # all are kept


@pytest.mark.parametrize("sender", ["", "<>", "MAILER-DAEMON@mx.client.example", "MAILER-DAEMON"])
async def test_L7_a_bounce_of_a_staff_notification(store: Store, sender: str) -> None:
    """Staff are told by mail and one mailbox is full: that delivery is marked, the customer hears nothing."""
    queue = [{**QUEUE, "notify": ["email"]}]
    async with open_postbox(store, queue=queue) as post:
        ticket = (await post.arrives(ANN.writes("It hums."))).ticket
        told = {mail.recipients[0]: mail for mail in post.news()}
        assert set(told) == {ANN.address, "ada@example.com", "grace@example.com"}
        notice = told["grace@example.com"]
        back = bounce_of(
            notice, notice.sender, "grace@example.com", status="5.2.2", said="smtp; 552 5.2.2 Mailbox full"
        )
        back = back.with_fields({"Return-Path": "<MAILER-DAEMON>"})
        await post.arrives(back, to=[notice.sender], sender=sender)
        assert await post.words(ticket) == [f"{ANN.address}: It hums."]
        assert await post.status(ticket) == "new"
        [delivery] = post.deliveries(ticket, "bounced")
        assert delivery["place"] == "grace@example.com"
        assert (await post.event(ticket, "delivery_bounced"))["recipient"] == "grace@example.com"
        alerts = post.news()
        assert ANN.address not in {a for mail in alerts for a in mail.recipients}
        assert all(mail.automatic for mail in alerts)
        # The alert to the full mailbox bounces too: that is the end of it.
        for mail in alerts:
            await post.arrives(
                bounce_of(mail, mail.sender, mail.recipients[0], said="smtp; 552 5.2.2 Mailbox full"),
                to=[mail.sender],
                sender=sender,
            )
        assert post.news() == []


MACHINES = {
    "Auto-Submitted": ["auto-generated", "auto-replied", "auto-replied; owner-email=ann@customer.example",
                       "(by cron) auto-notified"],
    "Precedence": ["bulk", "junk", "list", "auto_reply"],
    "List-Id": ["<news.customer.example>"],
    "List-Unsubscribe": ["<mailto:off@customer.example>"],
    "X-Autoreply": ["yes"],
    "X-Autorespond": ["away"],
    "X-Loop": ["yes"],
    "X-FC-MachineGenerated": ["true"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in MACHINES.items() for value in values]
)
@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_L8_standard_headers_are_honoured(post: Postbox, field: str, value: str) -> None:
    """A ticket, but no acknowledgement."""
    taken = await post.arrives(ANN.writes("Nightly report", fields={field: value}))
    assert taken.state == "done"
    assert (await post.words(taken.ticket)) == [f"!{ANN.address}: Nightly report"]
    assert post.sent == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Auto-Submitted": "no"},
        {"X-Auto-Response-Suppress": "All"},
        {"X-Autoreply": "no"},
        {"Precedence": "normal"},
    ],
)
async def test_L8_a_person_is_a_person(post: Postbox, fields: dict[str, str]) -> None:
    """`no` means a person (RFC 3834 5), and Exchange puts its suppression on people's mail: a ticket, none is lost."""
    taken = await post.arrives(ANN.writes("It hums.", fields=fields))
    assert await post.words(taken.ticket) == [f"{ANN.address}: It hums."]
    assert [mail.recipients for mail in post.sent] == [(ANN.address,)]


async def test_L8_what_we_send_by_ourselves_is_marked_and_what_people_write_isnt(post: Postbox) -> None:
    """RFC 3834 5: acknowledgement and notices carry the marks; a person's answer carries none of them."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    await post.says(ticket, "Off and on.")
    await post.sets(ticket, "resolved")
    ack, answer, notice = post.news()
    assert ack.header("Auto-Submitted") == "auto-replied"
    assert notice.header("Auto-Submitted") == "auto-generated"
    for mail in (ack, notice):
        assert mail.header("X-Auto-Response-Suppress") == "All"
        assert mail.header("Precedence") == "bulk"
    for field in ("Auto-Submitted", "X-Auto-Response-Suppress", "Precedence", "List-Id"):
        assert field not in answer.parsed
    senders = {mail.sender for mail in (ack, answer, notice)}
    assert len(senders) == 3  # VERP tells the deliveries apart
    assert all(re.fullmatch(r"support\+b\d+-[a-z2-7]{16}@example\.com", sender) for sender in senders)
