"""The table of verbs: who may use which, what each does once, and what is said where one can't be meant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.shapes import MessageDeleted, Person, Ref, Visibility
from core.status import Status
from core.verbs import NEITHER, NOT_STAFF, REQUESTER_ONLY, STAFF_ONLY, VERBS, Who, help_text, may
from tests.core.commands import (
    ADA,
    DAN,
    EVE,
    KIM,
    dans_ticket,
    events_of,
    lines,
    pressed,
    ticket_of,
    to_requesters,
    typed,
    whispers,
)
from tests.core.desk import TRIAGE, TestDesk, post, slack_person
from tests.core.received import noted, parts
from tests.stores import Store

QUEUES = [
    {"name": "support", "addresses": ["support@example.com"], "slack_channel": TRIAGE},
    {"name": "billing", "addresses": ["billing@example.com"], "slack_channel": "C2"},
]
CANNED = [
    {
        "name": "hours",
        "text": "Hello {requester}, we're here 9-17. #{ticket} {agent} {queue} {title} {else} {",
    },
    {"name": "vat", "text": "Our VAT number", "queues": ["billing"]},
]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """Two queues with triage channels of their own, and two canned answers."""
    opened = await TestDesk.open(store, queue=QUEUES, canned=CANNED)
    yield opened
    await opened.close()


# -- who may use which ----------------------------------------------------------------------------------------------

# What each verb needs to do something on a fresh ticket of its own; `other` is another ticket of Dan's.
WORDS = {
    "assign": ("@grace",),
    "status": ("pending",),
    "priority": ("high",),
    "reply": ("hours",),
    "note": ("mark", "this"),
    "title": ("A", "better", "title"),
    "tag": ("vpn",),
    "untag": ("vpn",),
    "queue": ("billing",),
    "merge": ("{other}",),
    "link": ("{other}",),
    "belongs": ("{other}",),
    "snooze": ("2d",),
    "cc": ("zoe@example.com",),
    "admit": ("zoe@example.com",),
    "retry": ("{delivery}",),
    "unsuppress": ("zoe@example.com",),
    "rate": ("4",),
}
ACTORS = ("staff", "requester", "participant", "stranger", "staff on their own")


def allowed(verb: str, who: str) -> bool:
    """The rights as the docs tell them."""
    only_requester = verb in ("belongs", "rate")
    if who == "staff":
        return not only_requester
    if who == "staff on their own":
        return True
    return who == "requester" and (only_requester or verb in ("resolve", "reopen", "help"))


async def _scene(desk: TestDesk, store: Store, verb: str, who: str) -> tuple[int, int, Person]:
    """A ticket on which the verb would do something, another one of the same requester, and who asks."""
    own = who == "staff on their own"
    requester = ADA if own else DAN
    ticket = await dans_ticket(desk, sender=requester)
    other = await dans_ticket(desk, "Another thing", sender=requester)
    await desk.people.known(KIM)
    await pressed(desk, ticket, "cc", "UKIM")
    if verb in ("rate", "reopen"):
        await typed(desk, ticket, "resolve")
    if verb == "untag":
        await typed(desk, ticket, "tag", "vpn")
    if verb == "unsuppress":
        await typed(desk, ticket, "cc", "zoe@example.com")
        store.execute(
            "UPDATE identities SET suppressed_at = :now WHERE address = 'zoe@example.com'", now="2026-01-01"
        )
    if verb == "retry":
        store.execute("UPDATE deliveries SET state = 'failed' WHERE ticket_id = :t AND desk = 0", t=ticket)
    person = {"requester": DAN, "participant": KIM, "stranger": EVE}.get(who, ADA)
    return ticket, other, person


@pytest.mark.parametrize("who", ACTORS)
@pytest.mark.parametrize("verb", VERBS)
async def test_rights(desk: TestDesk, store: Store, verb: str, who: str) -> None:
    """Whoever may use a verb does something by it; anybody else changes nothing and is told why, where they are."""
    ticket, other, person = await _scene(desk, store, verb, who)
    delivery = store.value(
        "SELECT MIN(id) FROM deliveries WHERE ticket_id = :t AND state = 'failed'", t=ticket
    )
    words = [w.format(other=other, delivery=delivery) for w in WORDS.get(verb, ())]
    history = len(await events_of(desk, ticket))
    told = len(whispers(store))
    receipt = await pressed(desk, ticket, verb, *words, sender=person, place=person.address)
    assert receipt.outcome == "command"
    said = whispers(store)[told:]
    if allowed(verb, who):
        refusals = {NOT_STAFF, STAFF_ONLY, NEITHER, *REQUESTER_ONLY.values()}
        assert not refusals & set(said)
        did = len(await events_of(desk, ticket)) > history
        assert did or verb in ("help", "retry", "notify", "digest")
        return
    assert len(await events_of(desk, ticket)) == history
    assert len(said) == 1
    assert said[0].endswith("so nothing was done.")
    place = store.value("SELECT place FROM deliveries WHERE kind = 'whisper' ORDER BY id DESC LIMIT 1")
    assert place == person.address, "told where they asked, which may be a person without a thread"


def test_who_is_told_what() -> None:
    """Rights by the table alone; each refusal fits who asks."""
    for verb in VERBS.values():
        assert may(verb, staff=True, own=False) is (verb.who is not Who.REQUESTER)
        assert may(verb, staff=False, own=True) is (verb.who is not Who.STAFF)
        assert not may(verb, staff=False, own=False)


async def test_a_click_on_another_persons_rating(desk: TestDesk, store: Store) -> None:
    """Only the requester can rate: staff and participants are told so."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "resolve")
    for person in (ADA, KIM, EVE):
        await pressed(desk, ticket, "rate", "1", sender=person)
        assert whispers(store)[-1] == "Only the requester can rate this ticket, so nothing was done."
    assert store.count("ratings") == 0


async def test_a_requesters_unknown_verb(desk: TestDesk, store: Store) -> None:
    """Is answered with theirs, not with staff's."""
    ticket = await dans_ticket(desk)
    await pressed(desk, ticket, "reslove", sender=DAN)
    assert whispers(store)[-1] == "there is no command !reslove; did you mean !resolve?"
    await pressed(desk, ticket, "prioritty", sender=DAN)
    assert "did you mean" not in whispers(store)[-1]


async def test_words_that_nobody_would_get_are_not_dropped(desk: TestDesk, store: Store) -> None:
    """`!resolve We fixed it`: the words belong to no command, so it says that they went nowhere."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "resolve", "We", "fixed", "it")
    assert "'We fixed it' wasn't sent to anybody" in whispers(store)[-1]
    assert store.value("SELECT status FROM tickets WHERE id = :id", id=ticket) == "new"


async def test_a_ticket_that_is_not_there(desk: TestDesk, store: Store) -> None:
    """A click on an old button of a ticket that was erased is no trouble."""
    receipt = await pressed(desk, 4711, "take")
    assert (receipt.outcome, whispers(store)) == ("ignored", [])


# -- help -----------------------------------------------------------------------------------------------------------


def test_help_is_a_table_of_what_one_may_use() -> None:
    """Two columns; staff see theirs, a requester theirs; it fits one post."""
    whole = help_text()
    table = whole.split("```")[1].strip("\n").split("\n")
    assert [line.split()[0] for line in table] == [f"!{n}" for n in VERBS if n not in ("belongs", "rate")]
    assert len({line.index(VERBS[line.split()[0][1:]].help) for line in table}) == 1
    assert len(whole.encode()) < 3_000
    own = help_text(staff=False, own=True)
    assert "rate 5" in own
    assert "!" not in own
    assert "merge" not in own


def test_the_operators_page_has_every_verb() -> None:
    """`docs/operators/commands.md` has a row of each, as `!help` writes it."""
    page = (Path(__file__).parents[2] / "docs/operators/commands.md").read_text("utf-8")
    for name, verb in VERBS.items():
        if verb.who is not Who.REQUESTER:
            assert f"`{verb.usage.split()[0]}" in page, name
        else:
            assert f"`{name}" in page, name


# -- canned answers -------------------------------------------------------------------------------------------------


async def test_a_canned_answer_goes_out_as_theirs(desk: TestDesk, store: Store) -> None:
    """Variables filled in, once; the requester gets it, the thread shows it, the ticket was answered."""
    ticket = await dans_ticket(desk, "Hours of {agent}?")
    before = store.count("deliveries")
    await typed(desk, ticket, "reply", "hours")
    message = (await desk.manager.view_ticket(await desk.staff(), ticket)).messages[-1]
    wanted = f"Hello Dan, we're here 9-17. #{ticket} Ada Lovelace support Hours of {{agent}}? {{else}} {{"
    assert (message.text, message.author.staff, message.visibility) == (wanted, True, Visibility.PUBLIC)
    assert {"out slack message", "desk slack message", "desk slack mark"} <= set(noted(store)[before:])
    assert (await ticket_of(desk, ticket)).first_response_at is not None


async def test_a_canned_answer_is_sent_once(desk: TestDesk, store: Store) -> None:
    """The same command twice; and deleting it before it went stops it."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "reply", "hours", ts="9000.1")
    assert (await typed(desk, ticket, "reply", "hours", ts="9000.1")).outcome == "duplicate"
    assert to_requesters(store, ticket).count("message") == 1
    name = f"slack:T1/{TRIAGE}/9000.1"
    gone = MessageDeleted(ref=Ref(name, name), channel="slack", source_time=datetime.now(UTC))
    assert (await desk.manager.receive(gone)).outcome == "deleted"
    assert "message" not in to_requesters(store, ticket)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Write !reply and one of:"),
        (("huors",), "did you mean !reply hours?"),
        (("xyzzy",), "there is no answer 'xyzzy'; there is: hours"),
        (("vat",), "the answer 'vat' is for billing, this ticket is in support"),
    ],
)
async def test_canned_answers_that_are_not_sent(
    desk: TestDesk, store: Store, words: tuple[str, ...], says: str
) -> None:
    """Without a name, with a wrong one, with one of another queue: a text to who asked, and nothing goes out."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "reply", *words)
    assert says in whispers(store)[-1]
    assert to_requesters(store, ticket) == ["notice:ack"]
    assert "vat  " not in whispers(store)[-1], "another queue's isn't offered"


async def test_canned_answers_of_another_queue(desk: TestDesk, store: Store) -> None:
    """What is refused here is sent there."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "queue", "billing")
    await typed(desk, ticket, "reply", "VAT")
    assert to_requesters(store, ticket).count("message") == 1


# -- notes, titles, people ------------------------------------------------------------------------------------------


async def test_a_note_of_a_form(desk: TestDesk, store: Store) -> None:
    """Its words as they are, in the thread and nowhere else; one that is typed stands there already."""
    ticket = await dans_ticket(desk)
    before = store.count("deliveries")
    await pressed(desk, ticket, "note", text="line one\n  line two")
    assert noted(store)[before:] == ["desk slack message"]  # the card waits already
    message = (await desk.manager.view_ticket(await desk.staff(), ticket)).messages[-1]
    assert (message.text, message.visibility) == ("line one\n  line two", Visibility.NOTE)
    before = store.count("deliveries")
    await typed(desk, ticket, "note", "typed", "here")
    assert noted(store)[before:] == ["desk slack mark"]
    assert '"note"' in store.value("SELECT data FROM deliveries ORDER BY id DESC LIMIT 1")
    await typed(desk, ticket, "note")
    assert "write it like" in whispers(store)[-1]


async def test_a_title(desk: TestDesk, store: Store) -> None:
    """By a form or typed; once; a line where the thread doesn't show it; nothing to the requester."""
    ticket = await dans_ticket(desk)
    await pressed(desk, ticket, "title", text="  The  screen\nis dark ")
    assert (await ticket_of(desk, ticket)).title == "The screen is dark"
    assert lines(store, ticket) == ["Ada Lovelace changed the title to: The screen is dark"]
    before = len(await events_of(desk, ticket))
    await typed(desk, ticket, "title", "The", "screen", "is", "dark")
    assert len(await events_of(desk, ticket)) == before
    await typed(desk, ticket, "title", "Dark")
    assert (await ticket_of(desk, ticket)).title == "Dark"
    assert len(lines(store, ticket)) == 1, "typed, the thread shows it"
    for words, says in (((), "write it like"), (("x" * 256,), "1 to 255")):
        await typed(desk, ticket, "title", *words)
        assert says in whispers(store)[-1]
    assert to_requesters(store, ticket) == ["notice:ack"]


async def test_cc_by_address_and_by_mention(desk: TestDesk, store: Store) -> None:
    """They take part from now on, each where they are reached; twice is once."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "cc", "Zoe@example.com")
    await desk.people.known(KIM)
    await typed(desk, ticket, "cc", "UKIM")
    assert parts(store, ticket) == {"T1/UDAN": "requester", "zoe@example.com": "cc", "T1/UKIM": "cc"}
    assert store.value("SELECT place FROM participants WHERE place LIKE '%UKIM%'") == "T1/UKIM"
    before = len(await events_of(desk, ticket))
    await typed(desk, ticket, "cc", "<@UKIM>")
    assert len(await events_of(desk, ticket)) == before
    await typed(desk, ticket, "reply", "hours")
    places = store.rows("SELECT place FROM deliveries WHERE kind = 'message' AND desk = 0 ORDER BY place")
    assert {row["place"] for row in places} >= {"T1/UKIM", "zoe@example.com"}


async def test_admit_by_mention(desk: TestDesk, store: Store) -> None:
    """Somebody who wrote into the ticket's thread as an outsider is let in by their Slack id."""
    ticket = await dans_ticket(desk)
    place = store.value("SELECT place FROM participants WHERE ticket_id = :t", t=ticket)
    conversation = place.partition("#")[0].rpartition("/")[2]
    zoe = slack_person("zoe", place=place)
    receipt = await desk.manager.receive(
        post("2.0", "Me too", sender=zoe, root="1.0", conversation=conversation)
    )
    assert receipt.outcome == "outsider"
    await typed(desk, ticket, "admit", "UZOE")
    assert parts(store, ticket)["T1/UZOE"] == "cc"
    assert store.count("messages", "outsider = 1") == 0


@pytest.mark.parametrize("word", ["", "zoe", "@zoe", "<@", "zoe@", "U", "U1 2"])
async def test_people_that_nobody_can_be(desk: TestDesk, store: Store, word: str) -> None:
    """Refused, and nobody is made of it."""
    ticket = await dans_ticket(desk)
    people = store.count("users")
    await typed(desk, ticket, "cc", word)
    assert "mail address" in whispers(store)[-1] or "write it like" in whispers(store)[-1]
    assert store.count("users") == people


# -- where it is told -----------------------------------------------------------------------------------------------


async def test_what_the_thread_does_not_show_is_told_there(desk: TestDesk, store: Store) -> None:
    """Pressed on the card or typed below it: the card shows it. From somewhere else: a line says who did it."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "priority", "high")
    await pressed(desk, ticket, "priority", "low", place=f"T1/{TRIAGE}#1000.1")
    assert lines(store, ticket) == []
    await pressed(desk, ticket, "priority", "urgent", place="T1/UADA")
    assert lines(store, ticket) == ["Ada Lovelace set the priority to urgent."]


async def test_a_requester_resolves_and_reopens(desk: TestDesk, store: Store) -> None:
    """The desk reads it in the thread; they themselves are told nothing."""
    ticket = await dans_ticket(desk)
    await pressed(desk, ticket, "resolve", sender=DAN)
    assert (await ticket_of(desk, ticket)).status is Status.RESOLVED
    await pressed(desk, ticket, "reopen", sender=DAN)
    assert (await ticket_of(desk, ticket)).status is Status.OPEN
    assert lines(store, ticket) == ["Dan set the status to resolved.", "Dan set the status to open."]
    assert to_requesters(store, ticket) == ["notice:ack"]
