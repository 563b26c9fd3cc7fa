"""The courier: a delivery's life line by line, with channels that fail as they are told to."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from core import outbox, settling, work
from core.failures import (
    PermanentFailure,
    Scope,
    TemporaryFailure,
    Unavailable,
    UnknownOutcome,
)
from core.outgoing import load
from core.shapes import Auth, File, Kind, Outgoing, Person, Seen, Sent, Visibility
from core.status import Status
from core.tables import deliveries
from tests.core.desk import BOB, EVE, SLACK, Noting, TestDesk, slack_person
from tests.core.test_outbox import note, told
from tests.core.test_receive import ADA, carded, edit, event_kinds, opened, post
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


async def test_a_temporary_failure_waits_and_keeps_the_order(desk: TestDesk, store: Store) -> None:
    """Later ones of its ticket in that lane wait behind it; another ticket's mail doesn't."""
    desk.mail.script = [TemporaryFailure("busy"), TemporaryFailure("busy")]
    ticket = await replied(desk)
    await desk.write(sender=BOB)
    await go(desk, store)
    assert desk.mail.tries == 5
    assert [o.kind for o in desk.mail.sent if o.ticket.id == ticket] == [Kind.NOTICE, Kind.MESSAGE]
    assert store.count("deliveries", "attempts = 3 OR attempts = 2") >= 1
    assert store.count("deliveries", "state <> 'sent'") == 0


async def test_a_rate_limit_rests_its_lane_alone(desk: TestDesk, store: Store) -> None:
    """A 429 with its time: nothing goes to that place before, whatever is noted; other lanes go on."""
    desk.slack.script = [TemporaryFailure("429", timedelta(seconds=2), Scope.LANE)]
    await note(desk, told("C1"))
    await desk.courier.start()
    await until(lambda: desk.slack.tries == 1)
    lane = SLACK.lane("C1", None)
    await until(lambda: store.value("SELECT not_before FROM work WHERE name = :n", n=lane))
    await note(desk, told("C1"), ticket=2)
    await note(desk, told("C2"), ticket=3)
    await until(lambda: len(desk.slack.sent) == 1)
    assert desk.slack.sent[0].place == "C2"
    await desk.quiet(store)
    assert [o.place for o in desk.slack.sent] == ["C2", "C1", "C1"]


async def test_a_channel_that_is_down_pauses_all_of_it(desk: TestDesk, store: Store) -> None:
    """One try finds out for all; the other channel goes on; it counts as nobody's try."""
    desk.mail.script = [TemporaryFailure("relay down", timedelta(seconds=2), Scope.CHANNEL)]
    await note(desk, told("a@b.c", channel="email"))
    await desk.courier.start()
    await until(lambda: store.count("work", "name = 'channel:email' AND not_before IS NOT NULL"))
    for number in range(4):
        await note(desk, told(f"p{number}@b.c", channel="email"), ticket=10 + number)
    await note(desk, told("C1"), ticket=3)
    await until(lambda: desk.slack.sent)
    assert (desk.mail.tries, desk.mail.sent) == (1, [])
    await desk.quiet(store)
    assert len(desk.mail.sent) == 5
    assert store.value("SELECT MAX(attempts) FROM deliveries") == 1


async def test_permanent_is_told_once(desk: TestDesk, store: Store) -> None:
    """It failed: an event, an alert in the thread with a way to retry, and the next one goes."""
    ticket = await replied(desk)
    await desk.manager.exchange_messages(await desk.staff(), ticket, "Second")
    desk.mail.script = [None, PermanentFailure("no such user")]
    await go(desk, store)
    assert store.count("deliveries", "state = 'failed'") == 1
    assert desk.mail.kinds() == ["notice:ack", "message"]
    assert (await event_kinds(desk, ticket)).count("delivery_failed") == 1
    alerts = [o for o in desk.slack.sent if o.kind is Kind.ALERT]
    failed = store.value("SELECT id FROM deliveries WHERE state = 'failed'")
    assert [(a.data["delivery_id"], a.data["reason"], a.data["to"]) for a in alerts] == [
        (failed, "no such user", "ann@example.com")
    ]
    await desk.operations.retry_delivery(failed, await desk.staff())
    await desk.quiet(store)
    assert store.count("deliveries", "state = 'failed'") == 0


async def test_no_alert_about_an_alert(store: Store) -> None:
    """Where the desk's own side is what fails, it ends there."""
    desk = await TestDesk.open(store, slack={"enabled": False})
    try:
        desk.mail.script = [PermanentFailure("no")] * 50
        await replied(desk)
        await go(desk, store)
        kinds = [row["kind"] for row in store.rows("SELECT kind FROM deliveries WHERE state = 'failed'")]
        assert "alert" in kinds
        assert len(kinds) == store.count("deliveries") < 20
        assert desk.mail.sent == []
    finally:
        await desk.close()


async def test_too_old_is_given_up(desk: TestDesk, store: Store) -> None:
    """A failure past `give_up_after` ends it and staff hear how long was tried."""
    await replied(desk)
    store.execute(
        "UPDATE deliveries SET created_at = '2020-01-01 00:00:00.000000' WHERE kind = 'message' AND desk = 0"
    )
    desk.mail.script = [None, TemporaryFailure("busy")]
    await go(desk, store)
    assert state(store) == "failed"
    assert "given up after 2 days: busy" in store.value(
        "SELECT last_error FROM deliveries WHERE state = 'failed'"
    )


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize(
    ("kind", "channel", "sent_when_accepted"),
    [
        (Kind.MESSAGE, "slack", 1),  # looked up
        (Kind.CARD, "slack", 1),
        (Kind.EDIT, "slack", 2),  # repeated, harms nobody
        (Kind.MARK, "slack", 2),
        (Kind.MESSAGE, "email", 2),  # the same bytes and Message-ID again
    ],
)
async def test_an_unknown_outcome_is_settled_by_kind(
    desk: TestDesk, store: Store, kind: Kind, channel: str, sent_when_accepted: int, lost: bool
) -> None:
    """Accepted or not, in the end it is there; what could double visibly is looked up first."""
    one = desk.mail if channel == "email" else desk.slack
    one.script, one.lost = [UnknownOutcome("connection lost")], [lost]
    await note(desk, told("a@b.c" if channel == "email" else "C1", kind, channel=channel))
    await go(desk, store)
    assert state(store, "1 = 1") == "sent"
    assert len(one.sent) == (sent_when_accepted if lost else 1)


async def test_a_whisper_is_never_repeated(desk: TestDesk, store: Store) -> None:
    """At most once: of unknown outcome, it is let be."""
    desk.slack.script, desk.slack.lost = [UnknownOutcome("lost")], [False]
    await note(desk, told(kind=Kind.WHISPER), told())
    await go(desk, store)
    assert state(store, "kind = 'whisper'") == "cancelled"
    assert desk.slack.kinds() == ["message"]


class Blind(Noting):
    """A channel that at first can't even be asked."""

    blind = 2

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        if self.blind:
            self.blind -= 1
            raise TemporaryFailure("can't look")
        return await super().look_up(outgoing)


async def test_what_can_not_be_looked_up_is_not_repeated(desk: TestDesk, store: Store) -> None:
    """It is neither sent again nor lost: it is looked for until somebody can say; another ticket's post goes on."""
    blind = Blind(SLACK)
    desk.courier._channels = {"slack": blind}
    blind.blind = 7
    blind.script, blind.lost = [UnknownOutcome("lost")], [True]
    first = (await note(desk, told(), told()))[0]
    await note(desk, told(), ticket=2)
    await go(desk, store)
    assert blind.blind == 0
    assert [o.delivery_id for o in blind.sent].count(first) == 1
    assert len(blind.sent) == 3
    assert store.count("deliveries", "state = 'sent'") == 3


async def test_a_bug_while_sending_may_have_sent(desk: TestDesk, store: Store) -> None:
    """An exception that nobody expected fails nobody's mail."""
    desk.slack.script, desk.slack.lost = [KeyError("ann@example.com")], [True]
    await note(desk, told())
    await go(desk, store)
    assert len(desk.slack.sent) == 1
    assert "ann" not in (store.value("SELECT last_error FROM deliveries") or "")


async def test_what_a_dead_holder_was_sending_is_verified(desk: TestDesk, store: Store) -> None:
    """Found `sending` by the next holder: looked up, then noted as sent or sent."""
    gone, there = (await note(desk, told("C1"))), (await note(desk, told("C2"), ticket=2))
    store.execute(
        "UPDATE deliveries SET state = 'sending', attempts = 1, sending_at = created_at, due_at = NULL"
    )
    desk.slack.sent = [await _outgoing(desk, there[0])]
    await go(desk, store)
    assert sorted(o.delivery_id for o in desk.slack.sent) == sorted(gone + there)
    assert sorted(desk.slack.seen_at_look_up) == sorted([*gone, *gone, *there])
    assert store.count("deliveries", "state = 'sent'") == 2


async def _outgoing(desk: TestDesk, delivery_id: int) -> Outgoing:
    async def look(tx: outbox.Tx) -> Outgoing:
        row = await tx.first(deliveries.select().where(deliveries.c.id == delivery_id))
        assert row is not None
        return await load(tx, row)

    return await desk.database.read(look)


async def test_who_lost_the_lane_writes_nothing(desk: TestDesk, store: Store) -> None:
    """The answer comes after the lease went: it stays `sending`, the new holder looks and finds it once."""

    class Slow(Noting):
        async def send(self, outgoing: Outgoing, rendered: bytes | None) -> Sent:
            sent = await super().send(outgoing, rendered)
            if self.tries == 1:
                await asyncio.to_thread(store.execute, "UPDATE work SET token = NULL, expires_at = NULL")
            return sent

    slow = Slow(SLACK)
    desk.courier._channels = {"slack": slow}
    await note(desk, told())
    await go(desk, store)
    assert (slow.tries, len(slow.sent), len(slow.seen_at_look_up)) == (1, 1, 1)
    assert state(store, "1 = 1") == "sent"


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


async def test_the_databases_absence_sends_nothing_twice(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes away right after a post was accepted: when it is back, the post is found."""
    monkeypatch.setattr(work, "LEASE", timedelta(milliseconds=200))
    unit = desk.database.unit
    away = 0

    async def flaky(work_unit: Any, **more: Any) -> Any:
        nonlocal away
        if desk.slack.sent and away < 2:
            away += 1
            raise Unavailable("database: away")
        return await unit(work_unit, **more)

    monkeypatch.setattr(desk.database, "unit", flaky)
    await note(desk, told())
    await go(desk, store)
    assert away == 2
    assert len(desk.slack.sent) == 1
    assert json.loads(store.value("SELECT data FROM deliveries")) == {}
