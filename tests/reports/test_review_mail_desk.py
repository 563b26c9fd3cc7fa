"""Review: what a stranger, a forged mail or a robot may make the desk do by mail, and what staff's mails give away."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from core.shapes import Kind, Person, Role, Visibility
from core.visibility import as_queue_is_set, intent
from tests.cases.letters import Client, Letter, bounce_of
from tests.cases.postbox import SUPPORT, Outward, Postbox, open_postbox, vouched
from tests.stores import QUEUE, Store

ANN = Client("Ann Ivory", "ann@customer.example")
BOB = Client("Bob Ivory", "bob@customer.example")
EVE = Client("Eve", "eve@elsewhere.example")
ADA = Client("Ada Lovelace", "ada@example.com")
GRACE = Client("Grace Hopper", "grace@example.com")
BY_MAIL = [{**QUEUE, "notify": ["email"]}]
ALONE = [{"username": "ada", "email": ADA.address, "name": "Ada Lovelace"}]


@pytest.fixture
async def post(store: Store) -> AsyncIterator[Postbox]:
    """A desk whose staff work by mail alone."""
    async with open_postbox(store, queue=BY_MAIL) as opened:
        yield opened


async def answered(post: Postbox, first: Letter, by: str = "ada") -> tuple[int, Outward]:
    """The ticket that a mail opened, and staff's answer to its writer."""
    ticket = (await post.arrives(first)).ticket
    await post.says(ticket, "Please switch it off and on.", by=by)
    writer = first.addresses("From")[0]
    answer = [mail for mail in post.news() if writer in mail.recipients and not mail.automatic][-1]
    return ticket, answer


def reply(client: Client, mail: Outward, text: str, cc: tuple[str, ...] = ()) -> Letter:
    """An answer without a quote, to our signed address."""
    return client.writes(text, mail.reply_to, cc=cc, subject=f"Re: {mail.subject}")


def told(mails: list[Outward]) -> list[str]:
    """Whom these mails went to."""
    return sorted(address for mail in mails for address in mail.recipients)


def suppressed(post: Postbox) -> set[str]:
    rows = post.store.rows("SELECT address FROM identities WHERE suppressed_at IS NOT NULL")
    return {row["address"] for row in rows}


# -- bounces ---------------------------------------------------------------------------------------------------------


async def test_a_forged_bounce_silences_no_staff(post: Postbox) -> None:
    """A stranger copies the staff, has one answer, and forges bounces of it that name them: they hear all the same."""
    _, answer = await answered(post, EVE.writes("Hello", cc=[ADA.address, GRACE.address]))
    for victim in (ADA, GRACE):
        await post.arrives(bounce_of(answer, answer.sender, victim.address), to=[answer.sender], sender="")
    assert suppressed(post) == set()
    assert told(post.news()) == [ADA.address, GRACE.address], "and of the bounce, once"
    await post.arrives(ANN.writes("It burns!"))
    assert told(post.news()) == [ADA.address, ANN.address, GRACE.address]


async def test_a_bounce_of_who_had_no_such_mail_suppresses_nobody(post: Postbox) -> None:
    """Bob was brought in after that answer went, Ann never had to do with it: a bounce of it says nothing of them."""
    await post.arrives(ANN.writes("Another matter."))
    ticket, answer = await answered(post, EVE.writes("Hello"))
    await post.admits(ticket, BOB.address)
    for victim in (BOB, ANN):
        await post.arrives(bounce_of(answer, answer.sender, victim.address), to=[answer.sender], sender="")
    assert suppressed(post) == set()
    await post.arrives(bounce_of(answer, answer.sender, EVE.address), to=[answer.sender], sender="")
    assert suppressed(post) == {EVE.address}


async def test_somebody_is_always_told(store: Store) -> None:
    """The only agent's own notice bounces for good: there is nobody else, so notices go to her still."""
    async with open_postbox(store, queue=BY_MAIL, staff=ALONE) as post:
        await post.arrives(ANN.writes("It hums."))
        [notice] = [mail for mail in post.news() if ADA.address in mail.recipients]
        await post.arrives(bounce_of(notice, notice.sender, ADA.address), to=[notice.sender], sender="")
        assert suppressed(post) == {ADA.address}
        assert told(post.news()) == [ADA.address], "who is taken to be dead hears of that"
        await post.arrives(BOB.writes("It burns!"))
        assert ADA.address in told(post.news())


async def test_who_reads_mail_is_told_how_it_is_lifted(post: Postbox) -> None:
    """Mail has no commands: the alert names the terminal's too, and so does the answer that couldn't go."""
    ticket, answer = await answered(post, ANN.writes("It hums."))
    await post.arrives(bounce_of(answer, answer.sender, ANN.address), sender="")
    [alert, *_] = [mail for mail in post.news() if ADA.address in mail.recipients]
    command = f"relaydesk tickets unsuppress {ticket} {ANN.address}"
    assert command in " ".join(alert.text.split())
    await post.says(ticket, "Did it help?")
    [failed] = post.deliveries(ticket, "failed")
    assert command in failed["last_error"]


# -- staff forward ---------------------------------------------------------------------------------------------------

HEAD = (
    "\n\n-------- Forwarded Message --------\nSubject: Problem\nDate: Mon, 2 Nov 2026 09:01:00 +0000\n"
    "From: Ann Ivory <ann@customer.example>\nTo: ada@example.com\n\nPlease help me.\n"
)


def forwarded(text: str, *parts: str) -> Letter:
    """What Ada forwards: a text and files, each with its own head."""
    lines = [
        "From: Ada Lovelace <ada@example.com>", "To: support@example.com", "Subject: Fwd: Problem",
        "Date: Mon, 2 Nov 2026 10:00:00 +0000", "Message-ID: <f1@example.com>", "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=b", "",
    ]  # fmt: skip
    for part in (f"Content-Type: text/plain; charset=utf-8\n\n{text}", *parts):
        lines += ["--b", part]
    return vouched(Letter("\n".join([*lines, "--b--", ""]).replace("\n", "\r\n").encode()))


def whole(writer: str) -> str:
    return (
        "Content-Type: message/rfc822\nContent-Disposition: attachment; filename=x.eml\n\n"
        f"From: {writer}\nTo: ann@customer.example\nSubject: hi\nMessage-ID: <in@customer.example>\n\nInner words\n"
    )


INTERNAL = "Content-Type: text/csv\nContent-Disposition: attachment; filename=internal.csv\n\nann,bad payer\n"


async def test_a_forward_that_names_two_people_is_nobodys(post: Postbox) -> None:
    """Ann had attached somebody's mail, Ada forwards hers in the text: that somebody gets nothing of it."""
    taken = await post.arrives(forwarded(f"Please handle.{HEAD}", whole("ceo@victim.example")))
    assert post.people(taken.ticket) == {ADA.address: "requester"}
    assert "one person's" in (await post.event(taken.ticket, "remark"))["text"]
    assert set(told(post.news())) == {ADA.address, GRACE.address}


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        (f"Please handle.{HEAD}", whole("ann@customer.example"), "Please help me."),
        ("Please handle.", whole("ann@customer.example"), "Inner words"),
    ],
)
async def test_a_forward_that_names_one_is_theirs(post: Postbox, text: str, part: str, words: str) -> None:
    """The same writer in both, or only an attached mail."""
    taken = await post.arrives(forwarded(text, part))
    assert (await post.words(taken.ticket)) == [f"{ANN.address}: {words}", f"#{ADA.address}: Please handle."]


@pytest.mark.parametrize("comment", ["Only for us.", ""])
async def test_files_of_a_forward_are_staffs(post: Postbox, comment: str) -> None:
    """What Ada adds to a forward goes with her note; the requester sees neither, nor is it on any mail to her."""
    taken = await post.arrives(forwarded(f"{comment}{HEAD}", INTERNAL))
    first, note = (await post.ticket(taken.ticket)).messages
    assert (first.author.email, first.visibility, first.attachments) == (ANN.address, Visibility.PUBLIC, ())
    assert (note.visibility, [file.name for file in note.attachments]) == (Visibility.NOTE, ["internal.csv"])
    asker = post.store.value("SELECT user_id FROM identities WHERE address = 'ann@customer.example'")
    actor = await post.staff()
    ann = type(actor)(user_id=int(asker), role=Role.REQUESTER, channel="web", email=ANN.address)
    seen = await post.desk.manager.view_ticket(ann, taken.ticket)
    assert [len(message.attachments) for message in seen.messages] == [0]


async def test_a_whole_mail_stays_with_its_writer(post: Postbox) -> None:
    """The mail that came along as a file is the customer's; what Ada put beside it is not."""
    taken = await post.arrives(forwarded("Please handle.", whole("ann@customer.example"), INTERNAL))
    first, note = (await post.ticket(taken.ticket)).messages
    assert [file.content_type for file in first.attachments] == ["message/rfc822"]
    assert [file.name for file in note.attachments] == ["internal.csv"]


# -- copies ----------------------------------------------------------------------------------------------------------


async def test_who_was_only_named_gets_no_copies(post: Postbox) -> None:
    """A stranger names people in Cc: staff's answer goes to them, the stranger's mails never."""
    crowd = [f"v{number}@victim.example" for number in range(20)]
    _, answer = await answered(post, EVE.writes("Hello", cc=crowd))
    assert len(answer.recipients) == 21
    for number in range(3):
        await post.arrives(reply(EVE, answer, f"Buy {number}"))
    assert set(told(post.news())) == {ADA.address, GRACE.address}


async def test_whom_staff_brought_in_gets_copies(post: Postbox) -> None:
    """Admitted, or copied by staff's own mail: they are in the talk although they have said nothing yet."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [notice] = [mail for mail in post.news() if ADA.address in mail.recipients]
    await post.arrives(vouched(reply(ADA, notice, "Carl knows.", cc=("carl@partner.example",))))
    await post.admits(ticket, BOB.address)
    answer = [mail for mail in post.news() if ANN.address in mail.recipients][-1]
    await post.arrives(reply(ANN, answer, "It still hums."))
    copies = [mail for mail in post.news() if not mail.automatic]
    assert told(copies) == [BOB.address, "carl@partner.example"]


@pytest.mark.parametrize(
    ("brake", "copies"),
    [("copies_per_address", 4), ("copies_per_writer", 2), ("copies_per_source", 2), ("copies_in_all", 2)],
)
async def test_copies_have_brakes(store: Store, brake: str, copies: int) -> None:
    """By reader, by writer, by source, and in all: each of them stops a flood by itself."""
    brakes = {
        "copies_per_address": 100, "copies_per_writer": 100, "copies_per_source": 100, "copies_in_all": 100
    }  # fmt: skip
    async with open_postbox(store, queue=BY_MAIL, brakes={**brakes, brake: 2}) as post:
        first = EVE.writes("Hello", cc=[ANN.address, BOB.address])
        _, answer = await answered(post, first)
        for friend in (ANN, BOB):
            await post.arrives(friend.answers(answer, "Who is this?", everybody=True))
        post.news()
        for number in range(4):
            await post.arrives(reply(EVE, answer, f"Buy {number}"))
        sent = Counter(told([mail for mail in post.news() if not mail.automatic]))
        assert sent.total() == copies


async def test_a_ticket_has_room_for_twenty(post: Postbox) -> None:
    """Mail after mail with a forged From adds people: from the 21st on they are proposed. Staff make more."""
    ticket, answer = await answered(post, EVE.writes("Hello"))
    for wave in range(3):
        crowd = tuple(f"v{wave}-{number}@victim.example" for number in range(9))
        await post.arrives(reply(EVE, answer, f"Wave {wave}", cc=crowd))
    roles = Counter(post.people(ticket).values())
    assert roles == {"requester": 1, "cc": 20, "proposed": 7}
    await post.admits(ticket, "v2-8@victim.example")
    await post.arrives(vouched(reply(ADA, answer, "Bob knows.", cc=(BOB.address,))))
    roles = Counter(post.people(ticket).values())
    assert roles == {"requester": 1, "cc": 22, "proposed": 6}


async def test_a_copied_staff_member_hears_of_a_colleagues_ticket(post: Postbox) -> None:
    """Ada is in Cc, the ticket is Grace's, whom alone the desk tells: Ada hears as one who takes part."""
    ticket, answer = await answered(post, ANN.writes("It hums.", cc=[ADA.address]), by="grace")
    await post.desk.manager.assign(await post.staff("grace"), ticket, "grace")
    await post.quiet()
    post.news()
    await post.arrives(reply(ANN, answer, "It still hums."))
    assert told(post.news()) == [ADA.address, GRACE.address]


# -- loops -----------------------------------------------------------------------------------------------------------


async def test_two_robots_end(store: Store) -> None:
    """Neither Ann's nor Ada's program says that it is one. They stop after so many mails; all words stand in the
    ticket, staff are told once, and what staff write at the desk goes on."""
    async with open_postbox(store, queue=BY_MAIL, staff=ALONE, brakes={"mails_per_ticket": 4}) as post:
        ticket = (await post.arrives(ANN.writes("It hums."))).ticket
        rounds = 0
        while (todo := post.news()) and rounds < 30:
            rounds += 1
            for mail in todo:
                robot = ANN if ANN.address in mail.recipients else ADA
                words = reply(robot, mail, f"I am away ({rounds}).")
                await post.arrives(words if robot is ANN else vouched(words))
        assert rounds < 30
        answers = [mail for mail in post.to(ANN.address) if not mail.automatic]
        assert len(answers) == 4
        remarks = [
            event.data["text"] for event in (await post.ticket(ticket)).events if event.kind == "remark"
        ]
        assert len([text for text in remarks if "programs" in text]) == 1
        assert len([mail for mail in post.to(ADA.address) if "programs may be" in mail.text]) == 1
        kept = [line for line in await post.words(ticket) if line.startswith(ADA.address)]
        assert len(kept) > 4, "what isn't sent is kept"
        await post.says(ticket, "By hand.")
        assert "By hand." in post.to(ANN.address)[-1].text


# -- signs, languages, addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["Notiz: x", "Interne Notiz: x", "Nota: x", "Nota interna: x", "Note interne : x", "NOTIZ : x", "*Notiz:* x",
     "[Notiz] x", "[nota interna] x", "Note privée : x", "Intern: x"],
)  # fmt: skip
def test_a_note_in_the_languages_that_we_speak(text: str) -> None:
    """What says "note" in German, French, Spanish stays at the desk."""
    found, words = intent(text)
    assert (found, words.strip()) == (Visibility.NOTE, "x")


@pytest.mark.parametrize("text", ["Notizen: x", "Eine Notiz: x", "Notar: x", "Internet: x", "Noten : x"])
def test_words_like_it_are_words(text: str) -> None:
    assert intent(text) == (None, text)


@pytest.mark.parametrize("text", ["Antwort: x", "Réponse : x", "Respuesta: x", "Öffentliche Antwort: x"])
def test_an_answer_in_the_languages_that_we_speak(text: str) -> None:
    """Only where words stay at the desk by default: elsewhere they are words."""
    assert intent(text) == (None, text)
    assert as_queue_is_set(text, "note") == (Visibility.PUBLIC, "x")
    assert as_queue_is_set(text, "public") == (Visibility.PUBLIC, text)


async def test_a_localised_note_by_mail_stays(post: Postbox) -> None:
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [notice] = [mail for mail in post.news() if ADA.address in mail.recipients]
    await post.arrives(vouched(reply(ADA, notice, "Interne Notiz: ein Lügner")))
    assert (await post.words(ticket))[-1] == f"#{ADA.address}: ein Lügner"
    assert ANN.address not in told(post.news())


async def test_a_forged_mail_changes_no_language(post: Postbox) -> None:
    """Ann's first mail tells; a later one does where it is hers beyond doubt."""
    spanish = "Hola, necesito ayuda porque la impresora no funciona. Muchas gracias por su ayuda."
    locale = "SELECT u.locale FROM users u JOIN identities i ON i.user_id = u.id WHERE i.address = :a"
    await post.arrives(ANN.writes("Please help me with the printer that is not working."))
    await post.arrives(ANN.writes(spanish))
    assert post.store.value(locale, a=ANN.address) == "en"
    await post.arrives(vouched(ANN.writes(spanish, subject="Hola")))
    assert post.store.value(locale, a=ANN.address) == "es"


async def test_an_address_has_one_form(post: Postbox) -> None:
    """A domain with its own letters and the same domain as DNS knows it are one mailbox; each is shown as given."""
    written = Client("Ann", "ann@bücher.example")
    wire = Client("Ann", "ann@XN--BCHER-KVA.example")
    ticket = (await post.arrives(written.writes("It hums.", cc=[BOB.address]))).ticket
    await post.says(ticket, "Please switch it off and on.")
    answer = post.to("ann@xn--bcher-kva.example")[-1]
    await post.arrives(reply(wire, answer, "It still hums."))
    assert post.people(ticket) == {written.address: "requester", BOB.address: "cc"}
    assert (await post.words(ticket))[-1] == "ann@xn--bcher-kva.example: It still hums."
    assert post.store.value("SELECT COUNT(*) FROM identities WHERE address LIKE 'ann@%'") == 1
    await post.arrives(
        bounce_of(answer, answer.sender, "ann@xn--bcher-kva.example"), to=[answer.sender], sender=""
    )
    assert suppressed(post) == {written.address}


def test_an_identity_is_one_for_all_ways_to_write_it() -> None:
    forms = ("ann@bücher.example", "Ann@Bücher.Example", "ann@xn--bcher-kva.example")
    assert len({Person(kind="email", address=form).key for form in forms}) == 1
    assert Person(kind="email", address="a@..ü").key != Person(kind="email", address="a@ü").key


# -- the desk's thread -----------------------------------------------------------------------------------------------


async def test_the_thread_hears_that_an_answer_was_kept(store: Store) -> None:
    """Where staff read in Slack, the line stands there."""
    async with open_postbox(store) as post:
        ticket, answer = await answered(post, ANN.writes("It hums."))
        await post.arrives(EVE.writes("I am the former husband.", answer.reply_to))
        await post.arrives(vouched(reply(ADA, answer, "> I am the former husband.")))
        assert (await post.words(ticket))[-1].startswith(f"#{ADA.address}: ")
        assert any("nothing was sent" in line for line in post.thread(Kind.NOTICE))
        assert SUPPORT not in told(post.news())
