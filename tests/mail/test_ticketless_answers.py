"""Answers to what belongs to no ticket: a digest, news for staff, a link to sign in. What machines answer opens
nothing; what a person answers isn't lost, and goes to nobody's customer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core import digests, exposure
from core.sessions import Sessions
from core.shapes import Kind
from sandbox.shapes import TRIAGE as TRIAGE_THERE
from tests.cases.letters import Client, Letter, bounce_of
from tests.cases.postbox import SUPPORT, Outward, Postbox, open_postbox, vouched
from tests.conftest import Houses
from tests.stores import QUEUE, Store
from tests.waiting import until

BOSS = Client("The Boss", "boss@example.com", "outlook")
BEN = Client("Ben", "ben@example.com")
ANN = Client("Ann Ivory", "ann@customer.example")
DAILY = {"name": "daily", "cron": "0 8 * * *", "email_to": [BOSS.address]}
STAFF = [
    {"username": "ada", "email": "ada@example.com", "slack_user": "U0ADA"},
    {"username": "ben", "email": BEN.address},
    {"username": "boss", "email": BOSS.address, "role": "manager"},
]
ABOUT = "automatic mail about what belongs to no ticket"
AT = "mail to the bounce address of what belongs to no ticket"


@pytest.fixture
async def post(store: Store) -> AsyncIterator[Postbox]:
    """A postbox with staff and a digest."""
    async with open_postbox(store, staff=STAFF, digest=[DAILY]) as box:
        yield box


# -- mails of ours that belong to no ticket -------------------------------------------------------------------------


async def digest(post: Postbox) -> Outward:
    """The digest that the boss gets."""
    config = post.desk.config

    async def unit(tx: Any) -> None:
        report = await digests.report_of(tx, config, config.digest[0], await tx.now())
        await digests.send(tx, post.desk.desk, report, await digests.recipients(tx, config, config.digest[0]))

    return await one_mail(post, unit)


async def news(post: Postbox) -> Outward:
    """News for Ben: a ticket of Ann's is his now."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    post.news()
    await post.desk.manager.assign(await post.staff(), ticket, "ben")
    await post.quiet()
    [mail] = post.news()
    return mail


async def notice(post: Postbox) -> Outward:
    """A notice to managers."""

    async def unit(tx: Any) -> None:
        told = await exposure.to_managers(tx, post.desk.desk, "The channel is public")
        await exposure.send(tx, post.desk.desk, told)

    return await one_mail(post, unit)


async def sign_in(post: Postbox) -> Outward:
    """A link by which Ben signs in."""
    desk = post.desk
    assert await Sessions(desk.desk, desk.database).ask(BEN.address, "nonce", "/")
    await post.quiet()
    [mail] = post.news()
    return mail


async def one_mail(post: Postbox, unit: Any) -> Outward:
    await post.desk.database.unit(unit)
    post.desk.desk.signals.outbox.set()
    await post.quiet()
    [mail] = post.news()
    return mail


# -- machines -------------------------------------------------------------------------------------------------------


def _vacation(mail: Outward, who: Client) -> Letter:
    return who.is_away(mail, mail.sender)


def _exchange(mail: Outward, who: Client) -> Letter:
    """To From, from the person, marked as generated."""
    marks = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    return who.answers(mail, "I'm away.", subject=f"Automatic reply: {mail.subject}", fields=marks)


def _by_subject_alone(mail: Outward, who: Client) -> Letter:
    return who.answers(mail, "Ich bin nicht da.", subject=f"Automatische Antwort: {mail.subject}", fields={})


def _unmarked(mail: Outward, who: Client) -> Letter:
    """A program that says nowhere that it is one; it answers the envelope's sender."""
    return who.writes("Ik ben er niet", mail.sender, subject="Ik ben er niet")


def _moderated(mail: Outward, who: Client) -> Letter:
    """The robot of a mailing list at which the address is."""
    robot = Client("", f"list-bounces@{who.address.partition('@')[2]}")
    fields = {"Precedence": "bulk", "X-List-Administrivia": "yes", "List-Id": "<list.example.com>"}
    words = "Your mail awaits moderation."
    return robot.writes(words, mail.sender, subject="Your message awaits moderation", fields=fields)


def _ticketing(mail: Outward, who: Client) -> Letter:
    """Another help desk says that it has got it."""
    fields = {"Auto-Submitted": "auto-replied", "Precedence": "bulk"}
    return who.answers(mail, "We have received your request.", subject="[REQ-77] Received", fields=fields)


MACHINES = [
    pytest.param(_vacation, "", ABOUT, id="rfc3834-to-envelope-sender"),
    pytest.param(_vacation, None, ABOUT, id="with-a-sender"),
    pytest.param(_exchange, None, ABOUT, id="exchange-to-from"),
    pytest.param(_by_subject_alone, None, ABOUT, id="subject-alone"),
    pytest.param(_unmarked, None, AT, id="unmarked"),
    pytest.param(_moderated, "", ABOUT, id="list-robot"),
    pytest.param(_ticketing, None, ABOUT, id="another-desk"),
]


@pytest.mark.parametrize(("answer", "sender", "why"), MACHINES)
@pytest.mark.parametrize("sent", [digest, news])
async def test_what_machines_answer_is_ignored_and_says_why(
    post: Postbox,
    sent: Callable[[Postbox], Any],
    answer: Callable[[Outward, Client], Letter],
    sender: str | None,
    why: str,
) -> None:
    """No ticket, no card, no answer; the mail stays in the inbox with its reason."""
    mail = await sent(post)
    tickets, cards = post.tickets(), len(post.desk.slack.sent)
    reply = answer(mail, BOSS if sent is digest else BEN)
    taken = await post.arrives(reply, to=reply.addresses("To"), sender=sender)
    assert (taken.state, taken.row["reason"], taken.row["ticket_id"]) == ("ignored", why, None)
    assert post.tickets() == tickets
    assert post.news() == []
    assert len(post.desk.slack.sent) == cards


@pytest.mark.parametrize("sent", [notice, sign_in])
async def test_so_are_answers_to_other_mails_without_a_ticket(
    post: Postbox, sent: Callable[[Postbox], Any]
) -> None:
    """To the envelope's sender and to From."""
    mail = await sent(post)
    for reply in (_vacation(mail, BEN), _exchange(mail, BEN)):
        taken = await post.arrives(reply, to=reply.addresses("To"))
        assert (taken.state, taken.row["reason"]) == ("ignored", ABOUT)
    assert post.tickets() == []
    assert post.news() == []


async def test_its_row_may_be_gone(post: Postbox) -> None:
    """A vacation program answers what was cleared away meanwhile."""
    mail = await digest(post)
    # Not in the loop: what goes on there may hold SQLite's lock, and would wait for this in turn.
    await asyncio.to_thread(post.store.execute, "DELETE FROM deliveries")
    for reply in (_vacation(mail, BOSS), _unmarked(mail, BOSS)):
        assert (await post.arrives(reply, to=[mail.sender], sender="")).state == "ignored"
    assert post.tickets() == []


async def test_what_names_a_ticket_still_goes_there(post: Postbox) -> None:
    """A machine's mail that answers a ticket's mail, too, joins the ticket."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [ack] = post.news()
    mail = await digest(post)
    both = {"References": f"<{ack.id}> <{mail.id}>"}
    reply = ANN.is_away(mail, SUPPORT, **both)
    assert (await post.arrives(reply)).ticket == ticket


async def test_somebody_elses_ids_are_none_of_ours(post: Postbox) -> None:
    """Machines write to a desk on their own: that is a ticket, unanswered."""
    fields = {
        "Auto-Submitted": "auto-generated",
        "In-Reply-To": "<notice.0.0123456789abcdef@monitor.example>",
    }
    taken = await post.arrives(ANN.writes("Disk full", fields=fields))
    assert (taken.state, post.tickets()) == ("done", [taken.ticket])
    assert post.news() == []


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers", ""])
@pytest.mark.parametrize("to_from", [True, False])
async def test_bounces_of_odd_forms(post: Postbox, returned: str, to_from: bool) -> None:
    """To the envelope's sender or to From, with the mail or its head or nothing of it: told once where it says which
    mail it is about, and never a ticket."""
    mail = await digest(post)
    bounce = bounce_of(mail, SUPPORT if to_from else mail.sender, BOSS.address, returned=returned)
    knows = bool(returned) or not to_from
    taken = [await post.arrives(bounce, to=bounce.addresses("To"), sender="") for _ in range(2)]
    assert post.tickets() == []
    assert taken[0].state == ("done" if knows else "ignored")
    told = [o for o in (*post.desk.slack.sent,) if "didn't reach" in str(o.data.get("text"))]
    assert [o.place for o in told] == (["U0ADA"] if knows else []), "the boss has but that address"
    assert post.store.count("deliveries", "state = 'bounced'") == int(knows)


# -- people ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proved", [True, False])
async def test_a_managers_own_answer_to_a_digest_is_a_ticket_of_theirs(post: Postbox, proved: bool) -> None:
    """Staff see their words without the digest below them; they hear that it came; nobody else gets anything."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    post.news()
    mail = await digest(post)
    reply = BOSS.answers(mail, "Why so many on Monday?")
    taken = await post.arrives(vouched(reply) if proved else reply)
    assert post.tickets() == [ticket, taken.ticket]
    assert (await post.words(taken.ticket)) == [f"{BOSS.address}: Why so many on Monday?"]
    assert post.people(taken.ticket) == {BOSS.address: "requester"}
    assert {address for out in post.news() for address in out.recipients} == {BOSS.address}
    assert len(await post.words(ticket)) == 1
    assert any(o.kind is Kind.CARD and o.ticket.id == taken.ticket for o in post.desk.slack.sent if o.ticket)
    again = BOSS.answers(mail, "And on Tuesday?")
    assert (await post.arrives(vouched(again) if proved else again)).ticket == taken.ticket


@pytest.mark.parametrize("proved", [True, False])
async def test_an_answer_to_news_goes_to_nobodys_customer(post: Postbox, proved: bool) -> None:
    """Though its subject names Ann's ticket by number: it is a ticket of his own, of which she learns nothing."""
    mail = await news(post)
    [hers] = post.tickets()
    assert f"#{hers}" in mail.subject
    reply = BEN.answers(mail, "I'm on it, she is always like that", everybody=True)
    taken = await post.arrives(vouched(reply) if proved else reply)
    assert taken.ticket != hers
    assert post.people(taken.ticket) == {BEN.address: "requester"}
    assert len(await post.words(hers)) == 1
    await post.says(taken.ticket, "Then please answer her there.")
    assert {address for out in post.news() for address in out.recipients} == {BEN.address}
    assert post.to(ANN.address)[1:] == []


async def test_an_answer_that_came_through_a_list_is_a_persons(post: Postbox) -> None:
    """The desk's own address may be a group: all mail there has a list's marks."""
    mail = await digest(post)
    fields = {"List-Id": "<support.example.com>", "Precedence": "list"}
    taken = await post.arrives(BOSS.answers(mail, "Why so many?", fields=fields))
    assert taken.state == "done"
    assert post.tickets() == [taken.ticket]


# -- through the real service ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("store_name", ["mariadb"])
async def test_by_smtp(houses: Houses, store: Store) -> None:
    """A digest goes out; a vacation program answers its envelope's sender, Exchange its From: nothing comes of that.
    The manager answers: that is a ticket, with a card, and they hear of it."""
    house = await houses(digest=[DAILY], queue=[{**QUEUE, "slack_channel": TRIAGE_THERE}])
    box = house.box
    assert box is not None
    assert (await house.run("digest", "daily", "--send")).status == 0
    mail = await box.mailbox.wait_for(lambda m: BOSS.address in m.recipients, timeout=30)
    seen = Outward(mail.raw, mail.sender, tuple(mail.recipients))
    for reply, to in ((_vacation(seen, BOSS), seen.sender), (_exchange(seen, BOSS), SUPPORT)):
        assert (await house.send_mail(BOSS.address, to, raw=reply.raw)).accepted
    await house.logged("work_one", outcome="ignored", times=2)
    ran = await house.run("inbox", "list", "--state", "ignored")
    assert ran.out.count(ABOUT) == 2
    assert store.count("tickets") == 0
    assert len(box.mailbox.to(BOSS.address)) == 1
    answer = BOSS.answers(seen, "Why so many on Monday?")
    assert (await house.send_mail(BOSS.address, SUPPORT, raw=answer.raw)).accepted
    triage = box.workspace.channel("triage")
    await box.workspace.wait_for(
        lambda: any("Why so many on Monday?" in str(m.blocks) for m in triage.top), timeout=20
    )
    await until(lambda: len(box.mailbox.to(BOSS.address)) == 2, timeout=15)
    assert store.count("tickets") == 1
