"""The courier where channels or the database fail: waits, pauses, reports, and outcomes that nobody knows."""

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
from core.shapes import Kind, Outgoing, Seen, Sent
from core.tables import deliveries
from tests.core.desk import BOB, SLACK, Noting, TestDesk
from tests.core.received import event_kinds
from tests.core.test_courier import go, replied, state
from tests.core.test_outbox import note, told
from tests.stores import Store
from tests.waiting import until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "LOOKS", (0.0, 0.01))
    monkeypatch.setattr(settling, "LOOK_AGAIN", timedelta(milliseconds=50))


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


# -- unknown outcomes --


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
