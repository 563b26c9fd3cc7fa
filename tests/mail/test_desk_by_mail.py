"""The desk's rules for mail, from the bytes that come to the bytes that go: staff by mail, notes, forwards, whose word
counts, who is told of what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.blobs import Blobs
from core.children import Children
from core.failures import Conflict
from core.shapes import Kind
from core.status import Status
from intake.email.channel import EmailChannel
from tests.cases.letters import Client, Letter, bounce_of
from tests.cases.postbox import SUPPORT, Postbox, open_postbox, vouched
from tests.core.desk import TRIAGE
from tests.mail.test_channel import config
from tests.mail.test_relay import FakeRelay, relayed
from tests.stores import Store

ANN = Client("Ann Ivory", "ann@customer.example", "gmail")
BOB = Client("Bob Ivory", "bob@partner.example", "outlook")
EVE = Client("Eve", "eve@elsewhere.example")
ADA = Client("Ada", "ada@example.com", "outlook")
MAILED = [
    {
        "name": "support",
        "addresses": [SUPPORT],
        "slack_channel": TRIAGE,
        "notify": ["slack", "email"],
    },
    {"name": "billing", "addresses": ["billing@example.com"], "slack_channel": "C2"},
]


@pytest.fixture
async def post(store: Store) -> AsyncIterator[Postbox]:
    """A running desk whose staff are told by mail as well as in Slack."""
    async with open_postbox(store, queue=MAILED) as opened:
        yield opened


async def opened(post: Postbox, **more: object) -> tuple[int, Letter]:
    """Ann's ticket, and the mail that told Ada of it."""
    ticket = (await post.arrives(ANN.writes("It hums.", **more))).ticket  # type: ignore[arg-type]
    return ticket, post.to("ada@example.com")[-1]


def note_address(notice: Letter) -> str:
    """The note address that a notice to staff names."""
    return next(word for word in notice.text.split() if "+n" in word)


# -- staff by mail -------------------------------------------------------------------------------------------------


async def test_staff_answer_the_notice_and_the_requester_has_it(post: Postbox) -> None:
    """Ada answers the mail that told her: it's her public reply, without what she quotes of the notice."""
    ticket, notice = await opened(post)
    await post.arrives(vouched(ADA.answers(notice, "Switch it off and on.")))
    assert (await post.words(ticket))[-1] == "ada@example.com: Switch it off and on."
    mail = post.to(ANN.address)[-1]
    assert not mail.automatic
    assert "Switch it off" in mail.text
    assert "+n" not in mail.text, "no note address leaves the desk"
    assert post.desk.slack.kinds().count("message") == 1, "the thread shows it"


@pytest.mark.parametrize("sign", ["note: ", "Note : ", "[internal] ", "\N{LOCK} ", ":lock: ", "Private:\n"])
async def test_a_first_line_makes_it_a_note(post: Postbox, sign: str) -> None:
    """By whatever sign, as in Slack."""
    ticket, notice = await opened(post)
    await post.arrives(vouched(ADA.answers(notice, f"{sign}She is always like that.")))
    assert (await post.words(ticket))[-1] == "#ada@example.com: She is always like that."
    assert [mail for mail in post.to(ANN.address) if not mail.automatic] == []


async def test_reply_in_front_is_taken_off(post: Postbox) -> None:
    """Where a thread's default is a note, staff are used to write it; a mail is an answer anyway."""
    ticket, notice = await opened(post)
    await post.arrives(vouched(ADA.answers(notice, "Reply: Switch it off.")))
    assert (await post.words(ticket))[-1] == "ada@example.com: Switch it off."


async def test_the_note_address_takes_notes(post: Postbox) -> None:
    """The notice names it; what staff send there stays at the desk."""
    ticket, notice = await opened(post)
    address = note_address(notice)
    await post.arrives(vouched(ADA.writes("Always like that.", address, subject="whatever")))
    assert (await post.words(ticket))[-1] == "#ada@example.com: Always like that."
    assert [mail for mail in post.to(ANN.address) if not mail.automatic] == []


@pytest.mark.parametrize("who", ["stranger", "requester", "claims"])
async def test_nobody_else_gets_in_by_the_note_address(post: Postbox, who: str) -> None:
    """A stranger, the requester, and who only says they're staff: marked for staff, never public, nothing goes back."""
    ticket, notice = await opened(post)
    client = {"stranger": EVE, "requester": ANN, "claims": ADA}[who]
    post.news()
    await post.arrives(client.writes("Let me in.", note_address(notice)))
    assert (await post.words(ticket))[-1].startswith(f"?{client.address}")
    assert {to for mail in post.news() for to in mail.recipients} <= {"ada@example.com", "grace@example.com"}


async def test_an_empty_mail_is_kept(post: Postbox) -> None:
    """Nothing in it to read: a message that says so, not an unreadable row."""
    ticket, _ = await opened(post)
    taken = await post.arrives(ANN.answers(post.to(ANN.address)[-1], "").with_fields({"X-A": "b"}))
    assert (taken.state, taken.ticket) == ("done", ticket)


# -- forwards ------------------------------------------------------------------------------------------------------


async def test_staff_forward_a_customers_mail(post: Postbox) -> None:
    """The ticket is the customer's, with their words; the comment is a note; the customer hears that it came."""
    letter = BOB.writes("My lamp flickers.\nSince Monday.", "ada@example.com", subject="Lamp")
    ticket = (await post.arrives(vouched(ADA.forwards(letter, SUPPORT, "Careful, he is touchy.")))).ticket
    detail = await post.ticket(ticket)
    assert (detail.ticket.requester_email, detail.ticket.title) == (BOB.address, "Lamp")
    assert await post.words(ticket) == [
        f"{BOB.address}: My lamp flickers.\nSince Monday.",
        "#ada@example.com: Careful, he is touchy.",
    ]
    assert post.people(ticket) == {BOB.address: "requester"}
    assert detail.messages[0].auth == "claimed"
    assert (await post.event(ticket, "forwarded"))["address"] == BOB.address
    [ack] = post.to(BOB.address)
    assert ack.automatic
    assert "touchy" not in ack.text
    # His next mail, which answers his own, joins.
    again = await post.arrives(BOB.answers(letter, "And now it smells.", to=[SUPPORT]))
    assert again.ticket == ticket


async def test_a_forward_as_a_file_and_by_command(post: Postbox) -> None:
    """An attached mail names its writer itself; `#fwd` does where the subject doesn't."""
    letter = BOB.writes("My lamp flickers.", "ada@example.com", subject="Lamp")
    raw = (
        "From: Ada <ada@example.com>\r\nTo: support@example.com\r\nSubject: have a look\r\n"
        "Message-ID: <f1@example.com>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="=_f"\r\n\r\n--=_f\r\nContent-Type: text/plain\r\n\r\n'
        "#fwd please, eve@elsewhere.example knows more\r\n--=_f\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    whole = Letter(raw.encode() + letter.raw + b"\r\n--=_f--\r\n")
    ticket = (await post.arrives(vouched(whole))).ticket
    assert post.people(ticket) == {BOB.address: "requester"}
    assert await post.words(ticket) == [
        f"{BOB.address}: My lamp flickers.",
        "#ada@example.com: please, eve@elsewhere.example knows more",
    ]
    await post.says(ticket, "Which lamp?")
    assert post.to(BOB.address)[-1].references[0] == letter.id, "the answer threads with what he wrote"


@pytest.mark.parametrize("who", ["claims", "customer"])
async def test_who_isnt_proved_staff_forwards_for_nobody(post: Postbox, who: str) -> None:
    """A forged forward of staff's, and a customer who forwards somebody's mail: the ticket is the forwarder's, and the
    one named in it hears nothing."""
    client = ADA if who == "claims" else ANN
    letter = BOB.writes("My lamp flickers.", client.address, subject="Lamp")
    mail = client.forwards(letter, SUPPORT, "See below.")
    ticket = (await post.arrives(mail if who == "claims" else vouched(mail))).ticket
    assert post.people(ticket) == {client.address: "requester"}
    assert post.to(BOB.address) == []


async def test_a_forward_that_names_nobody_is_the_forwarders(post: Postbox) -> None:
    """Exchange shows names without addresses: an ordinary ticket, with a word on why; no other address is taken."""
    head = "Von: Bob Ivory\nGesendet: Montag, 2. November 2026 09:01\nAn: Ada\nBetreff: Lampe"
    text = f"Fyi\n\n{head}\n\nMail eve@x.example"
    ticket = (await post.arrives(vouched(ADA.writes(text, subject="WG: Lampe")))).ticket
    assert post.people(ticket) == {"ada@example.com": "requester"}
    assert "its From line has no address" in (await post.event(ticket, "remark"))["text"]
    assert any("forwarder's own" in line for line in post.thread(Kind.NOTICE))


async def test_a_forward_of_a_tickets_mail_is_no_answer(post: Postbox) -> None:
    """Ada forwards Ann's mail, which the desk has, to the desk: not a reply that Ann gets, but a related ticket."""
    first = ANN.writes("It hums.", cc=["ada@example.com"])
    ticket = (await post.arrives(first)).ticket
    post.news()
    other = (await post.arrives(vouched(ADA.forwards(first, SUPPORT, "What a fuss.")))).ticket
    assert other != ticket
    assert await post.words(ticket) == [f"{ANN.address}: It hums."]
    assert (await post.event(other, "related"))["ticket"] == ticket
    assert all(mail.automatic for mail in post.to(ANN.address))


# -- whose word counts ---------------------------------------------------------------------------------------------


async def test_staff_are_told_of_who_only_says_so(post: Postbox) -> None:
    """P6, both ways in: an answer is an outsider's, a new mail a stranger's; thread, mail and history say it."""
    ticket, notice = await opened(post)
    post.news()
    await post.arrives(ADA.answers(notice, "Pay here."))
    new = (await post.arrives(ADA.writes("I need your password.", subject="Hi"))).ticket
    assert (await post.words(ticket))[-1].startswith("?ada@example.com")
    lines = [
        line for line in post.thread(Kind.NOTICE) if "ada@example.com" in line and "nothing proves" in line
    ]
    assert len(lines) == 2
    told = [mail.recipients[0] for mail in post.news() if "nothing proves that" in mail.text]
    assert sorted(told) == ["ada@example.com"] * 2 + ["grace@example.com"] * 2
    assert (await post.event(ticket, "outsider_message"))["claims"] == "ada@example.com"
    assert (await post.event(new, "claims_staff"))["address"] == "ada@example.com"


async def test_the_results_are_kept_for_staff(post: Postbox) -> None:
    """Of a trusted hop, per message; others see nothing of it, and a hop that nobody named says nothing."""
    ticket = (await post.arrives(vouched(ANN.writes("It hums.")))).ticket
    await post.arrives(vouched(ANN.answers(post.to(ANN.address)[-1], "Still."), by="mx.evil.example"))
    first, second = (await post.ticket(ticket)).messages
    assert first.auth_results is not None
    assert (first.auth, first.auth_results["dmarc"]) == ("verified", "pass")
    assert first.auth_results["authserv_id"] == "mx.example.com"
    assert (second.auth, second.auth_results) == ("linked", None)
    token = await post.desk.people.create_token(ANN.address, timedelta(days=1))
    viewer = await post.desk.people.by_token(token)
    assert viewer is not None
    seen = await post.desk.manager.view_ticket(viewer, ticket)
    assert [message.auth_results for message in seen.messages] == [None, None]


async def test_what_staffs_mail_quotes_is_staffs(post: Postbox) -> None:
    """The notice that Ada quotes names the note address: requesters see her words alone, on every way out."""
    ticket, notice = await opened(post)
    await post.arrives(vouched(ADA.answers(notice, "Switch it off.")))
    token = await post.desk.people.create_token(ANN.address, timedelta(days=1))
    viewer = await post.desk.people.by_token(token)
    assert viewer is not None
    answer = (await post.desk.manager.view_ticket(viewer, ticket)).messages[-1]
    assert answer.full_text == answer.text == "Switch it off."
    assert "+n" in (await post.ticket(ticket)).messages[-1].full_text


async def test_the_ticket_trick(post: Postbox) -> None:
    """Ann registers her reply address at another service, whose verification mail is for staff's eyes alone."""
    ticket, _ = await opened(post)
    await post.says(ticket, "Hello Ann.")
    reply_to = post.to(ANN.address)[-1].reply_to
    service = Client("Chat", "no-reply@chat.example")
    post.news()
    await post.arrives(
        service.writes(
            "Your code: 4711", reply_to, subject="Confirm", fields={"Auto-Submitted": "auto-generated"}
        )
    )
    assert (await post.words(ticket))[-1].startswith("?!no-reply@chat.example")
    assert {to for mail in post.news() for to in mail.recipients} <= {"ada@example.com", "grace@example.com"}
    await post.arrives(ANN.answers(post.to(ANN.address)[-1], "Any news?"))
    await post.says(ticket, "Soon.")
    assert all("4711" not in mail.text for mail in post.to(ANN.address))
    token = await post.desk.people.create_token(ANN.address, timedelta(days=1))
    viewer = await post.desk.people.by_token(token)
    assert viewer is not None
    seen = await post.desk.manager.view_ticket(viewer, ticket)
    assert all("4711" not in message.full_text for message in seen.messages)


@pytest.mark.parametrize(("address", "said"), [("s@example.com", True), ("s@help.example.com", False)])
async def test_check_recommends_a_domain_of_its_own(tmp_path: Path, address: str, said: bool) -> None:
    """Where reply addresses look like the staff's own, `relaydesk check` says so; it is no problem, only said."""
    async with relayed(FakeRelay()) as relay:
        given = config(
            tmp_path,
            queue=[{"name": "s", "addresses": [address], "slack_channel": "C0TRIAGE01"}],
            staff=[{"username": "ada", "email": "ada@example.com", "name": "Ada", "role": "agent"}],
        )
        findings = await EmailChannel(given, Blobs(tmp_path), Children(), relay=relay).probe()
    about = [finding for finding in findings if finding.part == "reply domain"]
    assert bool(about) is said
    assert all("example.com" in finding.text and finding.problem is None for finding in about)


# -- participants --------------------------------------------------------------------------------------------------


async def test_participants_hear_of_what_they_were_not_on(post: Postbox) -> None:
    """P2: Ann answers without Bob, who had written too: he gets her words from us, and his answer finds the ticket."""
    ticket, _ = await opened(post, cc=[BOB.address])
    await post.says(ticket, "Switch it off.")
    answer = post.to(ANN.address)[-1]
    await post.arrives(BOB.answers(answer, "Which one?", everybody=True))
    post.news()
    await post.arrives(ANN.answers(answer, "It still hums."))
    [copy] = [mail for mail in post.news() if not mail.automatic]
    assert copy.recipients == (BOB.address,)
    assert copy.header("From").startswith("Ann Ivory via")
    assert copy.addresses("From") == [SUPPORT]
    assert "It still hums." in copy.text
    assert copy.id.endswith("@example.com"), "an id of ours: it is our mail"
    assert copy.references[-1] != copy.id
    await post.arrives(BOB.answers(copy, "Same here."))
    assert (await post.words(ticket))[-1] == f"{BOB.address}: Same here."
    [back] = [mail for mail in post.news() if not mail.automatic]
    assert back.recipients == (ANN.address,), "and she hears of him"


async def test_nobody_gets_a_copy_of_what_they_had(post: Postbox) -> None:
    """A reply to all reached Bob by itself; automatic mail is never passed on."""
    ticket, _ = await opened(post, cc=[BOB.address])
    await post.says(ticket, "Switch it off.")
    answer = post.to(ANN.address)[-1]
    await post.arrives(BOB.answers(answer, "Which one?", everybody=True))
    post.news()
    await post.arrives(ANN.answers(answer, "It still hums.", everybody=True))
    await post.arrives(ANN.is_away(answer, answer.reply_to))
    assert [mail for mail in post.news() if not mail.automatic] == []


async def test_nobody_writes_to_others_through_us(store: Store) -> None:
    """Before staff have answered, and for a mail that proves nothing, no copy goes; and only so many an hour."""
    async with open_postbox(store, queue=MAILED, brakes={"copies_per_address": 3}) as post:
        first = EVE.writes("Buy!", cc=[BOB.address, ANN.address])
        ticket = (await post.arrives(first)).ticket
        await post.arrives(BOB.answers(first, "No.", to=[SUPPORT]))
        await post.arrives(EVE.answers(first, "Buy soon!", to=[SUPPORT]))
        assert post.to(BOB.address) == post.to(ANN.address) == []
        await post.says(ticket, "No, thanks.")
        answer = post.to(EVE.address)[-1]
        post.news()
        await post.arrives(EVE.answers(first, "By my own id alone!", to=[SUPPORT]))
        assert [mail for mail in post.news() if not mail.automatic] == []
        for number in range(5):
            await post.drops(EVE.answers(answer, f"Buy {number}!"))
        await post.quiet()
        fresh = post.news()
        assert len([mail for mail in fresh if BOB.address in mail.recipients]) == 3
        assert not [mail for mail in fresh if ANN.address in mail.recipients], "she was only named"


# -- dead addresses ------------------------------------------------------------------------------------------------


async def test_a_dead_address_is_left_alone_until_staff_say_so(post: Postbox) -> None:
    """Ann's address bounces for good: the next answer doesn't go, the thread says so, `unsuppress` lets it go again."""
    ticket, _ = await opened(post)
    await post.says(ticket, "Switch it off.")
    mail = post.to(ANN.address)[-1]
    await post.arrives(bounce_of(mail, mail.sender, ANN.address), sender="")
    assert (await post.event(ticket, "suppressed"))["address"] == ANN.address
    assert f"!unsuppress {ANN.address}" in post.thread(Kind.ALERT)[-1]
    before = len(post.to(ANN.address))
    await post.says(ticket, "Did it help?")
    await post.sets(ticket, "resolved")
    assert len(post.to(ANN.address)) == before
    [failed] = post.deliveries(ticket, "failed")
    assert "bounced" in failed["last_error"]
    assert len(post.thread(Kind.ALERT)) == 2, "the answer is told, the notice isn't"
    ada = await post.staff()
    await post.desk.manager.unsuppress(ada, ticket, ANN.address)
    with pytest.raises(Conflict):
        await post.desk.manager.unsuppress(ada, ticket, ANN.address)
    await post.desk.operations.retry_delivery(failed["id"], ada)
    await post.quiet()
    assert "Did it help?" in post.to(ANN.address)[-1].text
    assert (await post.happened(ticket)).count("unsuppressed") == 1


@pytest.mark.parametrize(
    ("status", "action"),
    [("4.2.2", "delayed"), ("4.4.1", "failed"), ("5.2.2", "failed"), ("5.7.1", "failed")],
)
async def test_what_blames_no_address_suppresses_none(post: Postbox, status: str, action: str) -> None:
    """Delays, full boxes and policies: the next answer goes."""
    ticket, _ = await opened(post)
    await post.says(ticket, "Switch it off.")
    mail = post.to(ANN.address)[-1]
    said = f"smtp; {status[0]}50 {status} not now"
    await post.arrives(
        bounce_of(mail, mail.sender, ANN.address, status=status, action=action, said=said), sender=""
    )
    assert "suppressed" not in await post.happened(ticket)
    await post.says(ticket, "Did it help?")
    assert "Did it help?" in post.to(ANN.address)[-1].text


async def test_a_dead_copy_is_left_out_and_the_others_go_on(post: Postbox) -> None:
    """Bob, in Cc, bounces: only he is left out. Then Ann does too: the answer goes to nobody, and staff hear of it."""
    ticket, _ = await opened(post, cc=[BOB.address])
    await post.says(ticket, "Switch it off.")
    mail = post.to(BOB.address)[-1]
    await post.arrives(bounce_of(mail, mail.sender, BOB.address), sender="")
    assert (await post.event(ticket, "suppressed"))["address"] == BOB.address
    await post.says(ticket, "Again.")
    assert post.to(ANN.address)[-1].recipients == (ANN.address,)
    await post.arrives(
        bounce_of(mail, mail.sender, ANN.address), sender=""
    )  # the same delivery's other recipient
    before = len(post.sent)
    await post.says(ticket, "And again.")
    assert [mail for mail in post.sent[before:] if not mail.automatic] == []
    assert len(post.deliveries(ticket, "failed")) == 1


async def test_whoever_proves_to_write_is_alive(post: Postbox) -> None:
    """An authenticated mail of the address lifts it; one that only claims to be theirs doesn't."""
    ticket, _ = await opened(post)
    await post.says(ticket, "Switch it off.")
    mail = post.to(ANN.address)[-1]
    await post.arrives(bounce_of(mail, mail.sender, ANN.address), sender="")
    await post.arrives(ANN.answers(mail, "Hello?"))
    assert "unsuppressed" not in await post.happened(ticket)
    await post.arrives(vouched(ANN.answers(mail, "I'm back.")))
    assert "unsuppressed" in await post.happened(ticket)
    await post.says(ticket, "Good.")
    assert "Good." in post.to(ANN.address)[-1].text


# -- language ------------------------------------------------------------------------------------------------------


async def test_the_answer_speaks_the_requesters_language(post: Postbox) -> None:
    """By their words; a later mail in another language changes it; staff read the service's."""
    german = ANN.writes("Guten Tag, der Drucker ist kaputt und ich kann nicht mehr drucken. Vielen Dank!")
    ticket = (await post.arrives(german)).ticket
    assert "Vielen Dank" in post.to(ANN.address)[-1].text
    assert "New ticket" in post.to("ada@example.com")[-1].text
    await post.arrives(
        ANN.answers(post.to(ANN.address)[-1], "Bonjour, merci pour votre réponse, je suis en vacances.")
    )
    await post.sets(ticket, Status.RESOLVED)
    assert "Votre demande" in post.to(ANN.address)[-1].text
