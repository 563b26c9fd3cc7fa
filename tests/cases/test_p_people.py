"""P: who wrote, who takes part, who is told; and what is never shown to whom."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from core.shapes import Kind
from tests.cases.letters import Client, Letter
from tests.cases.postbox import SUPPORT, Outward, Postbox, open_postbox, vouched
from tests.conftest import Houses
from tests.stores import QUEUE, Store

ANN = Client("Ann Ivory", "ann@customer.example", "gmail")
BOB = Client("Bob Ivory", "bob@customer.example", "outlook")
CARL = Client("Carl", "carl@partner.example", "phone")
EVE = Client("Eve", "eve@elsewhere.example")
ADA = Client("Ada Lovelace", "ada@example.com", "outlook")
GRACE = Client("Grace Hopper", "grace@example.com", "gmail")
BY_MAIL = [{**QUEUE, "notify": ["email"]}]


async def answered(
    post: Postbox, first: Letter, text: str = "Please switch it off and on."
) -> tuple[int, Outward]:
    """Somebody's first mail came and staff answered."""
    ticket = (await post.arrives(first)).ticket
    await post.says(ticket, text)
    return ticket, post.news()[-1]


# -- P1, P2: who takes part and hears of what -------------------------------------------------------------------------


async def test_P1_all_recipients_of_the_first_mail_take_part(post: Postbox) -> None:
    """To and Cc beside us, each once, in any case; staff's answer goes to Ann with them in Cc; reply-all works."""
    first = ANN.writes(
        "The invoice is wrong.", to=[SUPPORT, BOB.shown], cc=["Carl@Partner.example", ANN.address]
    )
    ticket, answer = await answered(post, first)
    assert post.people(ticket) == {ANN.address: "requester", BOB.address: "cc", CARL.address: "cc"}
    assert answer.addresses("To") == [ANN.address]
    assert sorted(answer.addresses("Cc")) == sorted([BOB.address, CARL.address])
    assert sorted(answer.recipients) == sorted([ANN.address, BOB.address, CARL.address])
    reply = CARL.answers(answer, "I agree.", everybody=True)
    assert sorted(reply.addresses("To", "Cc")) == sorted([answer.reply_to, ANN.address, BOB.address])
    assert (await post.arrives(reply)).ticket == ticket
    assert (await post.words(ticket))[-1] == f"{CARL.address}: I agree."
    assert post.news() == []  # all of them had Carl's mail already
    await post.says(ticket, "Corrected.")
    [mail] = post.news()
    assert (mail.addresses("To"), len(mail.recipients)) == ([ANN.address], 3)


async def test_P1_twenty_take_part_and_no_more(post: Postbox) -> None:
    """Everybody's address in To makes nobody's mailbox ours to fill."""
    crowd = [f"person{n:02}@crowd.example" for n in range(60)]
    ticket, answer = await answered(post, ANN.writes("Hello all.", to=[SUPPORT, *crowd[:30]], cc=crowd[30:]))
    assert list(post.people(ticket).values()).count("cc") == 20
    assert len(answer.recipients) == 21


async def test_P1_who_joins_a_running_ticket_by_cc(post: Postbox) -> None:
    """Ann copies Carl in her reply to our signed address: he joins, gets what comes next, and may write."""
    ticket, answer = await answered(post, ANN.writes("It hums."))
    reply = ANN.answers(answer, "Carl knows more.", cc=[CARL.address])
    await post.arrives(reply)
    assert post.people(ticket) == {ANN.address: "requester", CARL.address: "cc"}
    assert (await post.event(ticket, "participant"))["address"] == CARL.address
    assert post.news() == []
    assert (await post.arrives(CARL.answers(reply, "It's the fan.", everybody=True))).ticket == ticket
    assert (await post.words(ticket))[-1] == f"{CARL.address}: It's the fan."
    await post.says(ticket, "We send one.")
    [mail] = post.news()
    assert (mail.addresses("To"), mail.addresses("Cc")) == ([ANN.address], [CARL.address])


@pytest.mark.parametrize("how", ["tag", "received-id"])
async def test_P6_a_forged_mail_from_the_requester_with_a_cc_adds_nobody(post: Postbox, how: str) -> None:
    """From says Ann, the subject has her number (or a reference that anybody on her thread knows): Cc is proposed."""
    first = ANN.writes("My contract is 4711.")
    ticket, answer = await answered(post, first)
    forged = {
        "tag": ANN.writes("What was it again?", subject=f"Re: [#{ticket}]", cc=[EVE.address]),
        "received-id": ANN.answers(first, "What was it again?", cc=[EVE.address]),
    }[how]
    await post.arrives(forged)
    assert post.people(ticket) == {ANN.address: "requester", EVE.address: "proposed"}
    assert (await post.event(ticket, "proposed"))["address"] == EVE.address
    await post.says(ticket, "It's 4711.")
    mails = post.news()
    assert {a for mail in mails for a in mail.recipients} == {ANN.address}
    # A proposed person is nobody: their mail to the ticket's address is an outsider's.
    await post.arrives(EVE.writes("Please tell me.", to=answer.reply_to))
    assert (await post.words(ticket))[-1] == f"?{EVE.address}: Please tell me."
    # Staff admit her: now she takes part, and what she wrote shows.
    await post.admits(ticket, EVE.address)
    assert post.people(ticket)[EVE.address] == "cc"
    assert (await post.words(ticket))[-1] == f"{EVE.address}: Please tell me."
    post.news()
    await post.says(ticket, "Welcome.")
    [mail] = post.news()
    assert sorted(mail.recipients) == sorted([ANN.address, EVE.address])


async def test_P1_an_authenticated_mail_adds_by_cc_without_our_address(post: Postbox) -> None:
    """Our server vouches for Ann: a reference to her own mail is enough for her Cc to join; a tag alone isn't."""
    first = ANN.writes("It hums.")
    ticket, _ = await answered(post, first)
    await post.arrives(vouched(ANN.answers(first, "Carl, please look.", cc=[CARL.address])))
    assert post.people(ticket)[CARL.address] == "cc"
    await post.arrives(vouched(ANN.writes("And Eve.", subject=f"[#{ticket}]", cc=[EVE.address])))
    assert post.people(ticket)[EVE.address] == "proposed"


async def test_P2_the_others_hear_of_a_customers_mail(post: Postbox) -> None:
    """Ann answers us alone; Bob, who wrote before, gets her words from us, in the thread; who had the mail gets none,
    nor does Dan, whom she only copied."""
    first = ANN.writes("The invoice is wrong.", cc=[BOB.address, CARL.address, "dan@partner.example"])
    ticket, answer = await answered(post, first)
    for writer, words in ((BOB, "Mine too."), (CARL, "And mine.")):
        await post.arrives(writer.answers(answer, words, everybody=True))
    assert post.news() == []
    await post.arrives(ANN.answers(answer, "It should be 20 euros less.", cc=[CARL.address]))
    [copy] = post.news()
    assert copy.recipients == (BOB.address,)
    assert "It should be 20 euros less." in copy.text
    assert "Ann Ivory" in copy.header("From")
    assert copy.addresses("From") == [SUPPORT]
    assert copy.reply_to == answer.reply_to
    assert answer.id in copy.references
    # Bob answers the copy: it's in the ticket, and Ann and Carl hear of it in turn.
    assert (await post.arrives(BOB.answers(copy, "Right."))).ticket == ticket
    [again] = post.news()
    assert sorted(again.recipients) == sorted([ANN.address, CARL.address])
    assert await post.words(ticket) == [
        f"{ANN.address}: The invoice is wrong.",
        "ada@example.com: Please switch it off and on.",
        f"{BOB.address}: Mine too.",
        f"{CARL.address}: And mine.",
        f"{ANN.address}: It should be 20 euros less.",
        f"{BOB.address}: Right.",
    ]


@pytest.mark.parametrize("what", ["automatic", "outsider", "tag", "unanswered"])
async def test_P2_what_is_not_passed_on(post: Postbox, what: str) -> None:
    """Machines' and strangers' words, what proves nothing, and a talk that staff haven't joined: nobody is mailed."""
    first = ANN.writes("The invoice is wrong.", cc=[BOB.address])
    ticket = (await post.arrives(first)).ticket
    [ack] = post.news()
    await post.arrives(BOB.answers(first, "I see that too.", everybody=True))
    if what != "unanswered":
        await post.says(ticket, "Which one?")
        post.news()
    letter = {
        "automatic": ANN.is_away(ack, ack.reply_to),
        "outsider": EVE.writes("Words of Eve", to=ack.reply_to),
        "tag": ANN.writes("Words by tag", subject=f"[#{ticket}]"),
        "unanswered": ANN.answers(ack, "Number 12."),
    }[what]
    await post.arrives(letter)
    assert len(await post.words(ticket)) == (3 if what == "unanswered" else 4)
    assert post.news() == []


# -- P3, P4: whose words they are -----------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["X-Original-From", "X-Original-Sender"])
async def test_P3_a_google_group_rewrites_the_sender(post: Postbox, field: str) -> None:
    """ "'Ann' via Help" is Ann: she is the requester, the group's address is not, and answers go to her."""
    group = Client("'Ann Ivory' via Help", "help@group.example")
    letter = group.writes(
        "It hums.",
        fields={field: ANN.shown if field == "X-Original-From" else ANN.address, "List-Id": "<help.group.example>",
                "X-Google-Group-Id": "1", "Reply-To": ANN.shown, "Precedence": "list"},
    )  # fmt: skip
    taken = await post.arrives(letter, sender="help+bncBC@group.example")
    detail = await post.ticket(taken.ticket)
    assert (detail.ticket.requester_email, detail.ticket.requester_name) == (ANN.address, "Ann Ivory")
    assert await post.words(taken.ticket) == [f"{ANN.address}: It hums."]  # a person's, no list's
    [ack] = post.news()
    assert ack.recipients == (ANN.address,)
    assert (await post.arrives(ANN.answers(ack, "Still."))).ticket == taken.ticket


async def test_P3_a_strangers_mail_with_those_fields_is_the_strangers(post: Postbox) -> None:
    """Without a group's marks the fields are anybody's claim."""
    taken = await post.arrives(EVE.writes("I am Ann.", fields={"X-Original-From": ANN.shown}))
    assert (await post.ticket(taken.ticket)).ticket.requester_email == EVE.address


async def test_P4_a_contact_form_names_the_customer_in_reply_to(post: Postbox) -> None:
    """The program's address wrote; the customer is the requester, and staff see how that was found."""
    form = Client("Web form", "no-reply@www.example.com")
    taken = await post.arrives(form.writes("Please call.", fields={"Reply-To": ANN.shown}))
    assert (await post.ticket(taken.ticket)).ticket.requester_email == ANN.address
    assert "Reply-To" in (await post.event(taken.ticket, "remark"))["text"]
    [ack] = post.news()
    assert ack.recipients == (ANN.address,)


@pytest.mark.parametrize(
    "fields",
    [
        {"Auto-Submitted": "auto-generated"},
        {"Precedence": "bulk"},
        {"Auto-Submitted": "auto-replied"},
    ],
)
async def test_P4_automatic_mail_with_a_hostile_reply_to(post: Postbox, fields: dict[str, str]) -> None:
    """A machine's Reply-To may be anybody's address: it becomes no requester and gets no mail."""
    machine = Client("Monitor", "no-reply@machines.example")
    taken = await post.arrives(
        machine.writes("Disk full.", fields={**fields, "Reply-To": "victim@elsewhere.example"})
    )
    assert (await post.ticket(taken.ticket)).ticket.requester_email == "no-reply@machines.example"
    assert "victim@elsewhere.example" not in post.people(taken.ticket)
    assert post.news() == []


async def test_P4_a_person_with_another_reply_to_is_who_from_says(post: Postbox) -> None:
    """Reply-To of an ordinary mail is no identity: rights hang on From."""
    ticket, answer = await answered(post, ANN.writes("It hums."))
    taken = await post.arrives(EVE.writes("I'm Ann.", to=answer.reply_to, fields={"Reply-To": ANN.address}))
    assert taken.ticket == ticket
    assert (await post.words(ticket))[-1].startswith(f"?{EVE.address}")


# -- P5, P6: staff by mail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["Fwd:", "FW:", "WG:", "#fwd"])
async def test_P5_staff_forward_a_customers_mail(post: Postbox, word: str) -> None:
    """It's the customer's ticket: by the forwarded head's address, not one in the text; staff's words are a note."""
    mail = ANN.writes("Call me, or my boss (boss@customer.example).", to=ADA.address, subject="Offer")
    forwarded = (
        ADA.forwards(mail, SUPPORT, "#fwd\nPlease take this one.", word="").with_fields({"Subject": "Offer"})
        if word == "#fwd"
        else ADA.forwards(mail, SUPPORT, "Please take this one.", word=word)
    )
    taken = await post.arrives(vouched(forwarded))
    detail = await post.ticket(taken.ticket)
    assert (detail.ticket.requester_email, detail.ticket.requester_name) == (ANN.address, "Ann Ivory")
    assert detail.ticket.title == "Offer"
    words = await post.words(taken.ticket)
    assert words[0] == f"{ANN.address}: Call me, or my boss (boss@customer.example)."
    assert words[1].startswith("#ada@example.com: ")
    assert "take this one" in words[1]
    assert "boss@customer.example" not in post.people(taken.ticket)
    assert ADA.address not in post.people(taken.ticket)
    news = post.news()
    assert {a for mail in news for a in mail.recipients} <= {ANN.address}
    assert not any("take this one" in mail.text for mail in news)
    await post.says(taken.ticket, "We call you.")
    [answer] = post.news()
    assert answer.recipients == (ANN.address,)
    assert (await post.arrives(ANN.answers(answer, "Thanks."))).ticket == taken.ticket


async def test_P5_a_customer_who_forwards_somebody_elses_mail_stays_the_requester(post: Postbox) -> None:
    """Only staff may open tickets for others."""
    mail = CARL.writes("Special price for you.", to=ANN.address, subject="Price")
    taken = await post.arrives(vouched(ANN.forwards(mail, SUPPORT, "Is this from you?")))
    assert (await post.ticket(taken.ticket)).ticket.requester_email == ANN.address
    words = await post.words(taken.ticket)
    assert "Is this from you?" in words[0]
    assert "Special price" in words[0]  # a forward is shown whole
    assert post.people(taken.ticket) == {ANN.address: "requester"}
    assert [m.recipients for m in post.news()] == [(ANN.address,)]


async def test_P5_who_only_claims_to_be_staff_forwards_for_nobody(post: Postbox) -> None:
    """The same mail without proof: no ticket in Ann's name, nothing is sent to her."""
    mail = ANN.writes("Call me.", to=ADA.address, subject="Offer")
    taken = await post.arrives(ADA.forwards(mail, SUPPORT, "Please take this one."))
    assert (await post.ticket(taken.ticket)).ticket.requester_email != ANN.address
    assert ANN.address not in post.people(taken.ticket)
    assert ANN.address not in {a for m in post.news() for a in m.recipients}


async def test_P5_staff_answer_a_notification_by_mail(store: Store) -> None:
    """Ada answers what she was told by mail: it's her public reply, from the desk's address, and counts as one."""
    async with open_postbox(store, queue=BY_MAIL) as post:
        ticket = (await post.arrives(ANN.writes("It hums."))).ticket
        [notice] = [mail for mail in post.news() if mail.recipients == (ADA.address,)]
        await post.arrives(vouched(ADA.answers(notice, "Off and on, please.")))
        assert await post.words(ticket) == [
            f"{ANN.address}: It hums.",
            "ada@example.com: Off and on, please.",
        ]
        mails = [mail for mail in post.news() if ANN.address in mail.recipients]
        assert [mail.recipients for mail in mails] == [(ANN.address,)]
        [mail] = mails
        assert not mail.automatic
        assert mail.addresses("From") == [SUPPORT]
        assert ADA.address not in mail.raw.decode()
        assert await post.status(ticket) == "open"
        await post.arrives(vouched(ADA.answers(notice, "note: she is new here")))
        assert (await post.words(ticket))[-1] == "#ada@example.com: she is new here"
        assert ANN.address not in {a for mail in post.news() for a in mail.recipients}
        # To all, with Ann in Cc herself: she has it, so we send no copy.
        await post.arrives(vouched(ADA.answers(notice, "Ann, hello.", cc=[ANN.address])))
        assert (await post.words(ticket))[-1] == "ada@example.com: Ann, hello."
        assert ANN.address not in {a for mail in post.news() for a in mail.recipients}


@pytest.mark.parametrize("proof", ["none", "foreign-hop", "fail", "lower-field", "two-froms"])
@pytest.mark.parametrize("to", ["reply-address", "plain"])
async def test_P6_a_spoofed_staff_sender(store: Store, proof: str, to: str) -> None:
    """Who says they are Ada without proof is a stranger: no reply goes to Ann, no command works, staff are told."""
    async with open_postbox(store, queue=BY_MAIL) as post:
        ticket = (await post.arrives(ANN.writes("My contract is 4711."))).ticket
        [notice] = [mail for mail in post.news() if mail.recipients == (ADA.address,)]
        words = "Please pay to this account instead."
        letter = ADA.answers(notice, words)
        if to == "plain":
            letter = letter.with_fields({"To": SUPPORT})
        passing = "dmarc=pass header.from=example.com"
        head = {
            "none": "",
            "foreign-hop": f"Authentication-Results: mx.elsewhere.example; {passing}\r\n",
            "fail": "Authentication-Results: mx.example.com; dmarc=fail header.from=example.com\r\n",
            "lower-field": f"Authentication-Results: mx.example.com; dmarc=none\r\n"
            f"Authentication-Results: mx.example.com; {passing}\r\n",
            "two-froms": f"Authentication-Results: mx.example.com; {passing}\r\nFrom: eve@elsewhere.example\r\n",
        }[proof]
        taken = await post.arrives(Letter(head.encode() + letter.raw), sender=ADA.address)
        assert not any(words in mail.text for mail in post.sent if ANN.address in mail.recipients)
        assert ANN.address not in {a for mail in post.news() for a in mail.recipients}
        detail = await post.ticket(ticket)
        assert (str(detail.ticket.status), detail.ticket.first_response_at) == ("new", None)
        assert not any(m.author.staff for m in detail.messages)
        assert set(post.people(ticket)) - {ANN.address} <= {ADA.address, EVE.address}
        assert all(role == "outsider" for a, role in post.people(ticket).items() if a != ANN.address)
        if proof != "two-froms":  # there the first From is somebody else's
            told = post.store.rows("SELECT kind, data FROM events WHERE ticket_id = :id", id=taken.ticket)
            assert any("claims" in str(row["kind"]) or "claims" in str(row["data"]) for row in told)


async def test_P6_proven_staff_are_staff_and_on_a_ticket_of_their_own_a_requester(post: Postbox) -> None:
    """Ada asks the desk herself: her mails there are a requester's words, whatever proves them."""
    ticket = (await post.arrives(vouched(ADA.writes("My chair broke.")))).ticket
    [ack] = post.news()
    await post.arrives(vouched(ADA.answers(ack, "Both arms, too.")))
    detail = await post.ticket(ticket)
    assert [m.author.staff for m in detail.messages] == [False, False]
    assert (str(detail.ticket.status), detail.ticket.first_response_at) == ("new", None)


# -- nothing to the wrong eyes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("marked", [True, False])
async def test_P6_the_ticket_trick(post: Postbox, marked: bool) -> None:
    """Eve registers her ticket's reply address at a chat service that trusts the desk's domain: the service's
    verification mail (automatic, unknown sender) is for staff's eyes alone. Nothing of it reaches Eve by any way."""
    ticket, answer = await answered(post, EVE.writes("A question.", cc=["friend@elsewhere.example"]))
    service = Client("Chat", "verify@chat.example" if not marked else "no-reply@chat.example")
    fields = {"Auto-Submitted": "auto-generated"} if marked else {}
    secret = "Your code is 998877"
    letter = service.writes(secret, to=answer.reply_to, subject="998877 is your code", fields=fields)
    taken = await post.arrives(letter, sender="bounces@chat.example")
    assert taken.ticket == ticket
    assert (await post.words(ticket))[-1].startswith("?")
    assert post.people(ticket)[service.address] == "outsider"
    assert post.news() == []
    # What comes after it quotes nothing of it either.
    await post.says(ticket, "Anything else?")
    more = post.news()[-1]
    await post.arrives(EVE.answers(more, "Yes, the code, please.", everybody=True))
    await post.sets(ticket, "resolved")
    await post.sets(ticket, "open")
    for mail in post.sent:
        assert "998877" not in mail.raw.decode("utf-8", "replace")
    token = await post.desk.people.create_token(EVE.address, timedelta(hours=1))
    eve: Any = await post.desk.people.by_token(token)
    seen = await post.desk.manager.view_ticket(eve, ticket)
    assert not any("998877" in m.text + m.full_text for m in seen.messages)
    assert "998877" not in repr(seen.events)
    # Nor after a merge into another ticket of hers.
    other = (await post.arrives(EVE.writes("Another one."))).ticket
    await post.merges(ticket, other)
    await post.says(other, "Merged.")
    assert not any("998877" in mail.raw.decode("utf-8", "replace") for mail in post.sent)


async def test_P6_notes_and_outsiders_stay_inside(post: Postbox) -> None:
    """A whole ticket's life: no mail to anybody but staff has the note's or the outsider's words, or their ids."""
    ticket, answer = await answered(post, ANN.writes("It hums.", cc=[BOB.address]))
    await post.says(ticket, "note-words: she is difficult", note=True)
    outsider = EVE.writes("outsider-words", to=answer.reply_to)
    await post.arrives(outsider)
    await post.arrives(ANN.answers(answer, "Still.", everybody=True))
    await post.says(ticket, "We send a new one.")
    await post.sets(ticket, "resolved")
    await post.sets(ticket, "closed")
    for mail in post.sent:
        text = mail.raw.decode("utf-8", "replace")
        assert "note-words" not in text
        assert "outsider-words" not in text
        assert outsider.id not in text
        assert EVE.address not in text
        assert set(mail.recipients) <= {ANN.address, BOB.address}
    staff_see = post.thread(Kind.MESSAGE)
    assert any("outsider-words" in text for text in staff_see)
    assert any("note-words" in text for text in staff_see)


async def test_P6_signed_addresses_are_redacted_in_logs(houses: Houses) -> None:
    """A reply address is a key to its ticket: over a whole journey of the real service at its most talkative, no log
    line has one, nor anybody's words."""
    house = await houses(slack=False, service={"log_level": "debug"})
    assert house.box is not None
    mailbox = house.box.mailbox
    await house.send_mail(ANN.address, subject="sekrit-title", text="sekrit-words")
    ack = await mailbox.wait_for(lambda m: ANN.address in m.recipients and m.header("Auto-Submitted"))
    reply_to = str(ack.header("Reply-To")).partition("<")[2].rstrip("> ")
    await house.send_mail(ANN.address, reply_to, subject="sekrit", text="sekrit-again")
    await house.logged("work_one", outcome="joined")
    await house.send_mail(EVE.address, reply_to, subject="sekrit", text="sekrit-outsider")
    await house.logged("work_one", outcome="outsider")
    away = {"Auto-Submitted": "auto-replied"}
    await house.send_mail(ANN.address, ack.sender, subject="sekrit", text="sekrit-away", headers=away)
    await house.logged("work_one", outcome="joined", times=2)
    number = reply_to.partition("+t")[2].partition("-")[0]
    assert (await house.run("tickets", "reply", number, "sekrit-answer")).status == 0
    answer = await mailbox.wait_for(lambda m: "sekrit-answer" in m.text)
    await house.send_mail(
        ANN.address, reply_to.replace(f"+t{number}-", "+t99999-"), subject="sekrit", text="sekrit-wrong"
    )
    await house.logged("work_one", outcome="opened", times=2)
    await house.logged("delivered", kind="message")
    await house.terminate()
    said = "\n".join([*map(json.dumps, house.log), *house.output])
    assert house.entries("deliver_one")
    for key in (reply_to, ack.sender, answer.sender):
        signature = key.partition("@")[0].rpartition("-")[2]
        assert len(signature) == 16
        assert signature not in said
    assert "sekrit" not in said
