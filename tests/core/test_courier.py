"""The courier: a delivery's life line by line."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from core import settling
from core.failures import (
    PermanentFailure,
    TemporaryFailure,
)
from core.shapes import Auth, File, Kind, Outgoing, Person, Sent, Visibility
from core.status import Status
from tests.core.desk import BOB, EVE, Noting, TestDesk, post, slack_person
from tests.core.received import ADA, carded, edit, opened
from tests.core.test_outbox import note, told
from tests.stores import Store
from tests.waiting import until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "LOOKS", (0.0, 0.01))
    monkeypatch.setattr(settling, "LOOK_AGAIN", timedelta(milliseconds=50))


def state(store: Store, where: str = "kind = 'message' AND desk = 0") -> str:
    return str(store.value(f"SELECT state FROM deliveries WHERE {where} ORDER BY id DESC"))


async def go(desk: TestDesk, store: Store) -> None:
    """Send until nothing waits."""
    await desk.courier.start()
    await desk.quiet(store)


async def replied(desk: TestDesk) -> int:
    ticket, _ = await opened(desk)
    await desk.manager.exchange_messages(await desk.staff(), ticket, "Try again")
    return ticket


async def test_everything_goes_in_order(desk: TestDesk, store: Store) -> None:
    """Card before thread, acknowledgement before answer; each is sent once, and its outside names are kept."""
    ticket = await replied(desk)
    await desk.manager.exchange_messages(await desk.staff(), ticket, "And again")
    await go(desk, store)
    assert desk.mail.kinds() == ["notice:ack", "message", "message"]
    assert [o.message.text for o in desk.mail.sent if o.message and o.kind is Kind.MESSAGE] == [
        "Try again",
        "And again",
    ]
    assert desk.slack.kinds()[:2] == ["card", "message"]
    assert store.count("deliveries", "state <> 'sent'") == 0
    assert store.count("links", "kind = 'card'") == 1
    last = desk.slack.sent[-1]
    assert last.anchor is not None, "the thread hangs on the card"
    joined = await desk.manager.receive(
        post("900.0", "More", sender=ADA, root=last.anchor.rpartition("/")[2], desk=True)
    )
    assert joined.ticket_id == ticket


async def test_a_mail_knows_its_thread_and_its_people(desk: TestDesk, store: Store) -> None:
    """Earlier public Message-IDs, the requester as addressee, participants copied; no note, no outsider among them."""
    ticket, mail_id = await opened(desk, to_others=(BOB,))
    ada = await desk.staff()
    await desk.manager.exchange_messages(ada, ticket, "sly", visibility=Visibility.NOTE)
    await desk.write("code", sender=EVE, signed=(ticket,), mail_id="eve@client.example")
    await desk.manager.exchange_messages(ada, ticket, "Try again")
    await go(desk, store)
    answer = desk.mail.sent[-1]
    assert answer.to is not None
    assert answer.to.address == "ann@example.com"
    assert [p.address for p in answer.cc] == ["bob@example.org"]
    assert answer.mail_ids == (mail_id,)
    ack = desk.mail.sent[0]
    assert ack.cc == ()
    assert not any(o.message and o.message.text in ("sly", "code") for o in desk.mail.sent)
    assert {"sly", "code"} <= {o.message.text for o in desk.slack.sent if o.message}


async def test_our_copy_leaves_out_who_had_the_mail(desk: TestDesk, store: Store) -> None:
    """Staff's mail went to Bob and to somebody new: ours goes to the requester, with neither of them in Cc."""
    ticket, _ = await opened(desk, to_others=(BOB,))
    ada = Person(kind="email", address="ada@example.com", place="ada@example.com")
    await desk.write("Try", sender=ada, auth=Auth.VERIFIED, signed=(ticket,), to_others=(BOB, EVE))
    await go(desk, store)
    answer = desk.mail.sent[-1]
    assert (answer.kind, answer.place, answer.cc) == (Kind.MESSAGE, "ann@example.com", ())
    await desk.manager.exchange_messages(await desk.staff(), ticket, "And?")
    await desk.quiet(store)
    assert {p.address for p in desk.mail.sent[-1].cc} == {"bob@example.org", "eve@example.net"}


async def test_bytes_are_rendered_once(desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every try repeats those of the first, whatever the ticket has become."""
    bodies: list[bytes | None] = []
    renders: list[int] = []

    class Bytes(Noting):
        async def render(self, outgoing: Outgoing) -> bytes | None:
            renders.append(outgoing.delivery_id)
            return f"{outgoing.ticket.status} {len(renders)}".encode()

        async def send(self, outgoing: Outgoing, rendered: bytes | None) -> Sent:
            if outgoing.kind is Kind.MESSAGE:
                bodies.append(rendered)
            return await super().send(outgoing, rendered)

    mail = Bytes(desk.mail.spec)
    desk.courier._channels = {"email": mail}
    mail.script = [None, TemporaryFailure("busy", timedelta(seconds=0.3))]
    ticket = await replied(desk)
    await desk.courier.start()
    await until(lambda: len(bodies) == 1)
    await desk.manager.assign_status(await desk.staff(), ticket, Status.PENDING)
    await until(lambda: len(bodies) == 2)
    assert bodies[0] == bodies[1]
    assert bodies[0] is not None


@pytest.mark.parametrize(
    ("trouble", "becomes", "alerted"),
    [
        (KeyError("x"), "failed", True),
        (PermanentFailure("no usable address"), "failed", True),
        (FileNotFoundError("blob"), "failed", True),
    ],
)
async def test_what_can_not_be_rendered(
    desk: TestDesk, store: Store, trouble: Exception, becomes: str, alerted: bool
) -> None:
    """Is failed and told, not tried for ever; what comes after it goes."""

    async def render(outgoing: Outgoing) -> bytes | None:
        if outgoing.kind is Kind.MESSAGE:
            raise trouble
        return b"x"

    desk.mail.render = render  # type: ignore[method-assign]
    ticket = await replied(desk)
    await desk.manager.assign_status(await desk.staff(), ticket, Status.RESOLVED)
    await go(desk, store)
    assert state(store) == becomes
    assert any(o.kind is Kind.ALERT for o in desk.slack.sent) == alerted
    assert desk.mail.kinds() == ["notice:ack", "notice:resolved"]


async def test_a_change_between_loading_and_marking(desk: TestDesk, store: Store) -> None:
    """What goes shows the newest state: an edit that comes while it is rendered isn't missed."""
    _, root = await carded(desk)
    await desk.manager.receive(post("101.0", "Try agian", sender=ADA, root=root, desk=True))
    texts: list[str] = []

    async def render(outgoing: Outgoing) -> bytes | None:
        if outgoing.kind is Kind.MESSAGE and outgoing.message is not None:
            texts.append(outgoing.message.text)
            if len(texts) == 1:
                await desk.manager.receive(edit("101.0", "Try again", ADA))
        return (outgoing.message.text if outgoing.message else "").encode()

    bodies: list[bytes | None] = []
    send = desk.mail.send

    async def keep(outgoing: Outgoing, rendered: bytes | None) -> Sent:
        bodies.append(rendered)
        return await send(outgoing, rendered)

    desk.mail.render, desk.mail.send = render, keep  # type: ignore[method-assign]
    await go(desk, store)
    assert texts == ["Try agian", "Try again"]
    assert bodies[-1] == b"Try again"
    assert not [o for o in desk.mail.sent if o.data.get("what") == "correction"]


async def test_cards_that_wait_are_one(desk: TestDesk, store: Store) -> None:
    """Ten changes at once are one card with the last state; later ones change that card."""
    ticket, _ = await opened(desk)
    ada = await desk.staff()
    for status in (Status.OPEN, Status.PENDING, Status.OPEN, Status.PENDING):
        await desk.manager.assign_status(ada, ticket, status)
    await go(desk, store)
    cards = [o for o in desk.slack.sent if o.kind is Kind.CARD]
    assert [(c.ticket.status, c.earlier) for c in cards] == [(Status.PENDING, None)]
    await desk.manager.assign_status(ada, ticket, Status.RESOLVED)
    await desk.quiet(store)
    again = [o for o in desk.slack.sent if o.kind is Kind.CARD][-1]
    assert again.ticket.status is Status.RESOLVED
    assert again.earlier is not None


async def test_staff_see_that_their_answer_went(desk: TestDesk, store: Store) -> None:
    """A sign on their message in the thread: sent, or failed."""
    _, root = await carded(desk)
    desk.mail.script = [None, None, PermanentFailure("no")]
    for ts, text in (("101.0", "One"), ("102.0", "Two")):
        await desk.manager.receive(post(ts, text, sender=ADA, root=root, desk=True))
    await go(desk, store)
    marks = [(o.data["mark"], o.target) for o in desk.slack.sent if o.kind is Kind.MARK]
    assert marks == [("sent", "T1/C1/101.0"), ("failed", "T1/C1/102.0")]


async def test_nothing_goes_while_on_hold(desk: TestDesk, store: Store) -> None:
    """Neither what waited already nor what comes; after resume all of it, once."""
    await replied(desk)
    await desk.operations.pause()
    await desk.write(sender=BOB)
    assert await desk.courier._claim_all() == 0
    await desk.courier.start()
    await desk.operations.resume()
    await desk.quiet(store)
    assert sorted(desk.mail.kinds()) == ["message", "notice:ack", "notice:ack"]


async def test_a_pause_stops_a_lane_in_work(desk: TestDesk, store: Store) -> None:
    """What is being sent is finished, nothing after it begins."""
    send = desk.slack.send

    async def pausing(outgoing: Outgoing, rendered: bytes | None) -> Sent:
        await desk.operations.pause()
        return await send(outgoing, rendered)

    desk.slack.send = pausing  # type: ignore[method-assign]
    await note(desk, told(), told(), told())
    await desk.courier.start()
    await until(lambda: store.count("deliveries", "state = 'sent'"))
    await until(lambda: store.count("work", "token IS NOT NULL") == 0)
    assert (len(desk.slack.sent), store.count("deliveries", "state = 'queued'")) == (1, 2)


async def test_notes_never_leave_even_if_asked(desk: TestDesk, store: Store) -> None:
    """A delivery to the requester's side that names a note or an outsider's words is cancelled."""
    ticket, _ = await opened(desk)
    hidden = await desk.manager.exchange_messages(
        await desk.staff(), ticket, "sly", visibility=Visibility.NOTE
    )
    await note(desk, told("C9"), ticket=ticket, version=50)
    store.execute("UPDATE deliveries SET desk = 0, message_id = :m WHERE place = 'C9'", m=hidden.id)
    await go(desk, store)
    assert state(store, "place = 'C9'") == "cancelled"
    assert not [o for o in desk.slack.sent if o.place == "C9"]


async def test_a_slack_requester_is_answered_in_their_thread(desk: TestDesk, store: Store) -> None:
    """With a post to the place where they asked; files follow their message."""
    dan = slack_person("dan", place="T1/D1#1.0")
    first = await desk.manager.receive(post("1.0", "My screen", sender=dan, conversation="D1"))
    file = File(name="f", content_type="text/plain", size=1, content=b"x")
    await desk.manager.exchange_messages(await desk.staff(), first.ticket_id or 0, "This?", files=[file])
    await go(desk, store)
    out = [(o.kind, o.place) for o in desk.slack.sent if not o.desk]
    assert out == [(Kind.NOTICE, "T1/D1#1.0"), (Kind.MESSAGE, "T1/D1#1.0"), (Kind.FILE, "T1/D1#1.0")]
    assert desk.mail.sent == []


async def test_stopping_finishes_what_is_being_sent(desk: TestDesk, store: Store) -> None:
    """It is settled, the lane is given back, the rest waits for the next start."""
    gate, entered = asyncio.Event(), asyncio.Event()
    send = desk.slack.send

    async def slow(outgoing: Outgoing, rendered: bytes | None) -> Sent:
        entered.set()
        await gate.wait()
        return await send(outgoing, rendered)

    desk.slack.send = slow  # type: ignore[method-assign]
    await note(desk, told(), told())
    await desk.courier.start()
    await entered.wait()
    stopping = asyncio.create_task(desk.courier.stop(timedelta(seconds=5)))
    await asyncio.sleep(0)
    gate.set()
    await stopping
    assert [row["state"] for row in store.rows("SELECT state FROM deliveries ORDER BY id")] == [
        "sent",
        "queued",
    ]
    assert store.count("work", "token IS NOT NULL") == 0
    assert store.count("work", "due_at IS NOT NULL") == 1
