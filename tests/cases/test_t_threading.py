"""T: which ticket a mail belongs to, and what our own mails carry so that theirs find back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.cases.letters import Client, Letter
from tests.cases.postbox import SUPPORT, Outward, Postbox, open_postbox
from tests.stores import Store

ANN = Client("Ann Ivory", "ann@customer.example", "gmail")
BOB = Client("Bob Ivory", "bob@customer.example", "outlook")
EVE = Client("Eve", "eve@elsewhere.example")
HABITS = ["gmail", "outlook", "thunderbird", "phone"]


async def answered(
    post: Postbox, first: Letter, text: str = "Please switch it off and on."
) -> tuple[int, Outward]:
    """Somebody's first mail came and staff answered: the ticket, and their answer as it went out."""
    ticket = (await post.arrives(first)).ticket
    await post.says(ticket, text)
    mail = post.news()[-1]
    assert not mail.automatic
    return ticket, mail


def plainly(letter: Letter, to: str = SUPPORT) -> Letter:
    """The letter sent to the plain address: only its headers and subject say where it belongs."""
    return letter.with_fields({"To": to})


# -- T1 to T5: the ids that clients give ---------------------------------------------------------------------------


@pytest.mark.parametrize("habit", HABITS)
async def test_T1_second_reply_to_the_same_agent_mail(post: Postbox, habit: str) -> None:
    """The second reply names a draft or relay id that nobody knows in In-Reply-To; References still have ours."""
    ann = Client("Ann Ivory", "ann@customer.example", habit)
    ticket, answer = await answered(post, ann.writes("It hums."))
    for text in ("It still hums.", "And now it smokes."):
        again = plainly(ann.answers(answer, text, subject="Re: something else altogether"))
        again = again.with_fields({"In-Reply-To": f"<draft-{len(text)}@somewhere.invalid>"})
        assert (await post.arrives(again)).ticket == ticket
    assert await post.words(ticket) == [
        "ann@customer.example: It hums.",
        "ada@example.com: Please switch it off and on.",
        "ann@customer.example: It still hums.",
        "ann@customer.example: And now it smokes.",
    ]
    assert post.tickets() == [ticket]
    assert post.news() == []  # no second acknowledgement
    assert post.people(ticket) == {"ann@customer.example": "requester"}


async def test_T2_a_copied_colleague_answers_the_customers_first_mail(post: Postbox) -> None:
    """Bob, in Cc of Ann's mail, replies to all: In-Reply-To is Ann's id, which we only received."""
    first = ANN.writes("The invoice is wrong.", cc=[BOB.address])
    ticket, _ = await answered(post, first)
    taken = await post.arrives(BOB.answers(first, "By 20 euros.", everybody=True, subject="AW: odd subject"))
    assert taken.ticket == ticket
    assert (await post.words(ticket))[-1] == "bob@customer.example: By 20 euros."
    assert post.people(ticket) == {ANN.address: "requester", BOB.address: "cc"}
    post.news()
    await post.says(ticket, "Corrected.")
    [mail] = post.news()
    assert (mail.addresses("To"), mail.addresses("Cc")) == ([ANN.address], [BOB.address])


async def test_T2_the_colleagues_answer_comes_before_the_mail_that_it_answers(post: Postbox) -> None:
    """Overtaken on the way: the first mail joins the ticket that its answer opened, since Ann takes part there."""
    first = ANN.writes("The invoice is wrong.", cc=[BOB.address])
    ticket = (await post.arrives(BOB.answers(first, "By 20 euros.", everybody=True))).ticket
    assert (await post.arrives(first)).ticket == ticket
    assert await post.words(ticket) == [
        "bob@customer.example: By 20 euros.",
        "ann@customer.example: The invoice is wrong.",
    ]
    assert post.people(ticket) == {BOB.address: "requester", ANN.address: "cc"}


async def test_T2_somebody_who_was_never_copied_opens_a_ticket_of_their_own(post: Postbox) -> None:
    """Eve got Ann's mail from elsewhere: her answer to it isn't Ann's business; staff get the link."""
    first = ANN.writes("The invoice is wrong.")
    ticket, _ = await answered(post, first)
    other = (await post.arrives(EVE.answers(first, "Mine too.", everybody=True))).ticket
    assert other != ticket
    assert len(await post.words(ticket)) == 2
    assert (await post.event(other, "related"))["ticket"] == ticket
    assert EVE.address not in post.people(ticket)
    # Ann is in To of Eve's mail, so she takes part in Eve's ticket; what Eve did doesn't show in Ann's.
    assert post.people(other) == {EVE.address: "requester", ANN.address: "cc"}


async def test_T3_the_customer_answers_their_own_sent_mail(post: Postbox) -> None:
    """ "Reply" on a mail in Sent goes to us again and names the customer's own id."""
    first = ANN.writes("It hums.")
    ticket = (await post.arrives(first)).ticket
    more = ANN.answers(first, "I forgot: it's the blue one.")
    assert more.addresses("To") == [SUPPORT]
    assert (await post.arrives(more)).ticket == ticket
    assert await post.words(ticket) == [
        "ann@customer.example: It hums.",
        "ann@customer.example: I forgot: it's the blue one.",
    ]
    assert len(post.news()) == 1  # one acknowledgement for both


@pytest.mark.parametrize(
    "only",
    [
        pytest.param(lambda m: m.without("References"), id="in-reply-to"),
        pytest.param(lambda m: m.without("In-Reply-To"), id="references"),
        pytest.param(lambda m: _bare(m), id="without-brackets"),
        pytest.param(lambda m: _wordy(m), id="rfc822-phrase"),
    ],
)
async def test_T4_only_one_of_the_two_fields(post: Postbox, only: Callable[[Letter], Letter]) -> None:
    """Many programs write one of In-Reply-To and References, or write it oddly."""
    ticket, answer = await answered(post, ANN.writes("It hums."))
    reply = only(plainly(ANN.answers(answer, "It still does.", subject="(no subject)")))
    assert (await post.arrives(reply)).ticket == ticket
    assert (await post.words(ticket))[-1] == "ann@customer.example: It still does."


def _bare(letter: Letter) -> Letter:
    return letter.without("References").with_fields({"In-Reply-To": letter.header("In-Reply-To").strip("<>")})


def _wordy(letter: Letter) -> Letter:
    said = f"Your message of Mon, 2 Nov 2026 {letter.header('In-Reply-To')}"
    return letter.without("References").with_fields({"In-Reply-To": said})


async def test_T5_two_mails_share_an_ancestor_that_we_never_saw(post: Postbox) -> None:
    """Ann and Bob wrote to each other first; each then writes to us on that thread."""
    between = ANN.writes("What shall we ask them?", to=BOB.address)
    ticket = (
        await post.arrives(ANN.answers(between, "Where is our order?", to=[SUPPORT], cc=[BOB.address]))
    ).ticket
    second = BOB.answers(between, "And its invoice?", to=[SUPPORT], cc=[ANN.address])
    assert (await post.arrives(second)).ticket == ticket
    assert len(await post.words(ticket)) == 2
    # An id that nobody had proof of leads no stranger in.
    stranger = (await post.arrives(EVE.answers(between, "Me too.", to=[SUPPORT]))).ticket
    assert stranger != ticket
    assert len(await post.words(ticket)) == 2


# -- T7 to T10: what leads elsewhere --------------------------------------------------------------------------------


async def test_T7_references_lost_but_the_address_is_ours(post: Postbox) -> None:
    """A program that drops all ids and rewrites the subject: the signed address is enough."""
    ticket, answer = await answered(post, ANN.writes("It hums."))
    reply = ANN.answers(answer, "It still does.", subject="Hello again").without("References", "In-Reply-To")
    assert reply.addresses("To") == [answer.reply_to]
    assert (await post.arrives(reply)).ticket == ticket
    assert (
        await post.arrives(Letter(reply.raw.replace(b"It still does.", b"No, it's fine.")))
    ).ticket == ticket


async def test_T7_references_and_address_lost_opens_a_new_ticket(post: Postbox) -> None:
    """Nothing names the ticket: not the same subject, not the same sender."""
    first = ANN.writes("It hums.", subject="Printer")
    ticket, answer = await answered(post, first)
    lost = plainly(ANN.answers(answer, "It still does.", subject="Re: Printer")).without(
        "References", "In-Reply-To"
    )
    other = (await post.arrives(lost)).ticket
    assert other != ticket
    assert len(await post.words(ticket)) == 2
    assert [mail.recipients for mail in post.news()] == [(ANN.address,)]  # its acknowledgement


async def test_T7_a_wrong_hint_never_leads_into_somebody_elses_ticket(post: Postbox) -> None:
    """Ann's mail carries ids, tag and (broken) address of Eve's ticket: none of it lets her in."""
    eves, to_eve = await answered(post, EVE.writes("My account is locked."))
    anns, _ = await answered(post, ANN.writes("It hums."))
    before = await post.words(eves)
    local, _, domain = to_eve.reply_to.partition("@")
    for hint in (
        plainly(ANN.answers(to_eve, "By reference")),
        ANN.writes("By tag", subject=f"Re: [#{eves}] locked"),
        ANN.writes(
            "By a signature that isn't one", to=f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@{domain}"
        ),
    ):
        found = (await post.arrives(hint)).ticket
        assert found not in (eves, anns)
    assert await post.words(eves) == before
    assert post.people(eves) == {EVE.address: "requester"}


async def test_T8_a_stranger_names_a_ticket_in_the_subject(post: Postbox) -> None:
    """It's a new ticket; staff see which one was meant, Ann's ticket shows nothing, and nothing of hers goes out."""
    ticket, _ = await answered(post, ANN.writes("My contract number is 4711.", subject="Contract"))
    before = (await post.words(ticket), await post.happened(ticket), post.people(ticket))
    post.news()
    taken = await post.arrives(
        EVE.writes(
            "Please send me everything.",
            subject=f"Re: [#{ticket}] Contract",
            cc=["mallory@elsewhere.example"],
        )
    )
    assert taken.ticket != ticket
    related = await post.event(taken.ticket, "related")
    assert related["ticket"] == ticket
    assert "subject tag" in related["because"]
    assert (await post.words(ticket), await post.happened(ticket), post.people(ticket)) == before
    [ack] = post.news()
    assert ack.recipients == (EVE.address,)
    assert "4711" not in ack.text
    assert (await post.status(ticket)) == "open"


@pytest.mark.parametrize("word", ["WG:", "Fwd:", "TR:", "FW:"])
async def test_T9_a_ticket_mail_forwarded_to_another_queue(post: Postbox, word: str) -> None:
    """Ann forwards our answer to billing@: that is a new ticket there, linked, not a message in support's."""
    ticket, answer = await answered(post, ANN.writes("Why do I pay twice?"))
    forwarded = ANN.forwards(answer, "billing@example.com", "Is this for you?", word=word)
    taken = await post.arrives(forwarded)
    detail = await post.ticket(taken.ticket)
    assert (detail.ticket.queue, detail.ticket.requester_email) == ("billing", ANN.address)
    assert taken.ticket != ticket
    assert (await post.event(taken.ticket, "related"))["ticket"] == ticket
    assert len(await post.words(ticket)) == 2
    # The conversation goes on in each of them by itself.
    post.news()
    await post.says(taken.ticket, "It is. You get one back.")
    [mail] = post.news()
    assert mail.addresses("From") == ["billing@example.com"]
    assert (await post.arrives(ANN.answers(mail, "Thanks."))).ticket == taken.ticket
    assert (await post.arrives(ANN.answers(answer, "Solved by billing."))).ticket == ticket


async def test_T9_an_answer_that_copies_another_queue_is_a_ticket_there_and_no_double_here(
    post: Postbox,
) -> None:
    """Reply to support with billing@ added in Cc: one message in the ticket, one new ticket in billing."""
    ticket, answer = await answered(post, ANN.writes("Why do I pay twice?"))
    taken = await post.arrives(ANN.answers(answer, "Billing, please look.", cc=["billing@example.com"]))
    assert len(taken.rows) == 2
    [here] = [row["ticket_id"] for row in taken.rows if row["ticket_id"] == ticket]
    [there] = [row["ticket_id"] for row in taken.rows if row["ticket_id"] != ticket]
    assert [w for w in await post.words(here) if "please look" in w] == [
        f"{ANN.address}: Billing, please look."
    ]
    assert (await post.ticket(there)).ticket.queue == "billing"
    assert len(await post.words(there)) == 1


async def test_T9_a_forward_within_its_own_queue_is_an_answer(post: Postbox) -> None:
    """Ann presses "forward" instead of "reply" and sends it back to where it came from."""
    ticket, answer = await answered(post, ANN.writes("It hums."))
    assert (await post.arrives(ANN.forwards(answer, SUPPORT, "Still so."))).ticket == ticket


@pytest.mark.parametrize("by", ["address", "reference", "tag"])
async def test_T10_a_reply_to_a_merged_ticket(post: Postbox, by: str) -> None:
    """It lands in the target, also where that was merged on; the requester of the merged one goes on taking part."""
    first, answer = await answered(post, BOB.writes("It hums."))
    second = (await post.arrives(ANN.writes("The same scanner."))).ticket
    third = (await post.arrives(EVE.writes("Mine hums too."))).ticket
    await post.merges(first, second)
    await post.merges(second, third)
    post.news()
    reply = {
        "address": BOB.answers(answer, "Any news?", subject="x").without("References", "In-Reply-To"),
        "reference": plainly(BOB.answers(answer, "Any news?", subject="x")),
        "tag": BOB.writes("Any news?", subject=f"AW: [#{first}] The scanner"),
    }[by]
    assert (await post.arrives(reply)).ticket == third
    assert (await post.words(third))[-1] == f"{BOB.address}: Any news?"
    assert await post.status(first) == await post.status(second) == "closed"
    post.news()
    await post.says(third, "It's known.")
    [mail] = post.news()
    assert sorted(mail.recipients) == sorted([EVE.address, ANN.address, BOB.address])
    assert mail.addresses("To") == [EVE.address]
    # Merged away again into something else: later mail follows there too.
    assert (await post.arrives(BOB.answers(mail, "Good."))).ticket == third


# -- T11 to T14: what ours carry ------------------------------------------------------------------------------------


@pytest.mark.parametrize("habit", HABITS)
async def test_T11_staffs_answer_threads_in_the_customers_client(post: Postbox, habit: str) -> None:
    """In-Reply-To is the mail it answers, References the whole chain: real ids, in order, as RFC 5322 3.6.4 says."""
    ann = Client("Ann Ivory", "ann@customer.example", habit)
    first = ann.writes("It hums.", subject="The scanner")
    ticket, answer = await answered(post, first)
    assert answer.header("In-Reply-To") == f"<{first.id}>"
    assert answer.references == [first.id]
    second = ann.answers(answer, "Still.")
    await post.arrives(second)
    post.news()
    await post.says(ticket, "Then we send a new one.")
    [later] = post.news()
    assert later.header("In-Reply-To") == f"<{second.id}>"
    assert later.references == [first.id, answer.id, second.id]
    assert len({first.id, answer.id, second.id, later.id}) == 4
    assert re.fullmatch(rf"ticket\.{ticket}\.\d+\.[0-9a-f]{{16}}@example\.com", later.id)
    assert re.fullmatch(rf"Re: (\[#{ticket}\] )?The scanner", later.subject)
    assert "Auto-Submitted" not in later.parsed
    assert later.addresses("From") == [SUPPORT]
    assert later.addresses("To") == [ann.address]


async def test_T11_every_recipient_gets_the_same_id_and_a_retry_too(post: Postbox) -> None:
    """So that what they answer to each other threads, and a repeated mail is known as the same."""
    first = ANN.writes("It hums.", cc=[BOB.address])
    ticket = (await post.arrives(first)).ticket
    post.news()
    post.shelf.script.append(
        ConnectionResetError("after the dot")
    )  # unknown whether it was taken: it goes again
    await post.says(ticket, "Please switch it off.")
    [mail] = post.news()
    assert mail.recipients == (ANN.address, BOB.address)
    bobs = BOB.answers(mail, "Done.", everybody=True)
    assert (await post.arrives(bobs)).ticket == ticket
    anns = ANN.answers(bobs, "Thanks, Bob.", everybody=True)
    assert (await post.arrives(anns)).ticket == ticket
    assert len(await post.words(ticket)) == 4


async def test_T12_the_requester_is_answered_whoever_wrote_last(post: Postbox) -> None:
    """Bob (in Cc) wrote last, an outsider wrote after him: the answer is to Ann, Bob in Cc, nobody else."""
    first = ANN.writes("The invoice is wrong.", cc=[BOB.address])
    ticket, answer = await answered(post, first)
    await post.arrives(BOB.answers(answer, "By 20 euros.", everybody=True))
    await post.arrives(EVE.writes("Let me in.", to=answer.reply_to))
    post.news()
    await post.says(ticket, "Corrected.")
    [mail] = post.news()
    assert mail.recipients == (ANN.address, BOB.address)
    assert (mail.addresses("To"), mail.addresses("Cc")) == ([ANN.address], [BOB.address])
    assert (await post.ticket(ticket)).ticket.requester_email == ANN.address


@pytest.mark.parametrize(
    "subject",
    [
        "[JIRA-1423] Export fails",
        "Export fails (INC0012345)",
        "[Ticket#2026110210000017] Export",
        "[#98765] Export fails",
        "RFQ [ref:_00D0.5000:ref] Export",
    ],
)
async def test_T13_the_other_sides_reference_in_the_subject_is_kept(post: Postbox, subject: str) -> None:
    """Their system finds its own ticket again by what stands in the subject."""
    desk = Client("Other desk", "desk@partner.example")
    ticket, answer = await answered(post, desk.writes("It fails since today.", subject=subject))
    assert subject in answer.subject.replace(f"[#{ticket}] ", "")
    again = desk.answers(answer, "Any news?", subject=f"RE: {answer.subject}")
    assert (await post.arrives(again)).ticket == ticket
    post.news()
    await post.says(ticket, "Mended.")
    [later] = post.news()
    assert subject in later.subject.replace(f"[#{ticket}] ", "")
    assert later.subject.count(f"[#{ticket}]") <= 1


async def test_T14_a_long_thread_has_bounded_references(post: Postbox) -> None:
    """After 25 mails References still have the first and the last, and no more than 1,500 octets."""
    ann = Client("Ann Ivory", "ann@customer.example", "outlook")
    first = ann.writes("It hums.")
    ticket, mail = await answered(post, first)
    for turn in range(12):
        reply = ann.answers(mail, f"Turn {turn}")
        await post.arrives(reply)
        post.news()
        await post.says(ticket, f"Answer {turn}")
        [mail] = post.news()
    field = re.search(rb"^References:(.*(?:\r\n[ \t].*)*)", mail.raw, re.MULTILINE)
    assert field is not None
    assert len(field[1]) <= 1_500
    assert max(map(len, mail.raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 998
    assert mail.references[0] == first.id
    assert mail.references[-1] == reply.id
    assert mail.header("In-Reply-To") == f"<{reply.id}>"
    assert (await post.arrives(plainly(ann.answers(mail, "The end.", subject="x")))).ticket == ticket
    assert len(await post.words(ticket)) == 27


# -- closed tickets, other tickets' keys ------------------------------------------------------------------------------


async def test_T7_a_reply_to_a_closed_ticket_reopens_it_or_opens_one_that_links_it(store: Store) -> None:
    """Within `reopen_within` it reopens; later a new ticket is opened that names the old, and goes on as one."""
    async with open_postbox(store) as post:
        ticket, answer = await answered(post, ANN.writes("It hums.", cc=[BOB.address]))
        await post.sets(ticket, "closed")
        post.later(timedelta(days=13, hours=23))
        assert (await post.arrives(ANN.answers(answer, "Again!"))).ticket == ticket
        assert await post.status(ticket) == "open"
        await post.sets(ticket, "closed")
        post.later(timedelta(days=15))
        late = await post.arrives(ANN.answers(answer, "And again!"))
        assert late.ticket != ticket
        assert await post.status(ticket) == "closed"
        assert (await post.event(late.ticket, "related"))["ticket"] == ticket
        assert (await post.ticket(late.ticket)).ticket.title == "The scanner"
        more = await post.arrives(ANN.answers(answer, "One more thing."))  # to the old address still
        assert more.ticket == late.ticket


async def test_T7_rotated_keys_keep_old_reply_addresses(store: Store) -> None:
    """What was signed with yesterday's key still names its ticket; a key that was never ours doesn't."""
    old, new = "a-key-of-the-tests-" + "0" * 24, "another-key-of-the-tests-" + "1" * 24
    async with open_postbox(store) as post:
        ticket, answer = await answered(post, ANN.writes("It hums."))
    bare = ANN.answers(answer, "Still.", subject="x").without("References", "In-Reply-To")
    async with open_postbox(store, service={"secret_key": new, "previous_secret_keys": [old]}) as post:
        assert (await post.arrives(bare)).ticket == ticket
        await post.says(ticket, "A new one is on its way.")
        [later] = post.news()
        assert later.reply_to != answer.reply_to  # the new key signs
    async with open_postbox(store, service={"secret_key": new}) as post:
        lost = ANN.answers(answer, "Once more.", subject="y").without("References", "In-Reply-To")
        assert (await post.arrives(lost)).ticket != ticket  # retired for good
        fresh = ANN.answers(later, "It came.", subject="z").without("References", "In-Reply-To")
        assert (await post.arrives(fresh)).ticket == ticket
