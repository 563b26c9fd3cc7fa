"""What waits for a whole lane doesn't age; and who goes on looking for what may have gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from core import settling
from core.failures import Scope, TemporaryFailure
from core.rests import AGAIN, Rest, age, longer, of, pause
from core.retry import Requeue
from core.shapes import Kind, Outgoing, Seen, Sent
from core.tables import deliveries, work
from core.work import paused
from tests.core.desk import SLACK, Noting, TestDesk
from tests.core.test_outbox import note, told
from tests.core.test_retry import decide
from tests.stores import Store
from tests.waiting import until

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("rest", "counts"),
    [
        (None, 3 * DAY),
        (Rest(NOW - 2 * DAY, NOW - DAY), 2 * DAY),  # within its life
        (Rest(NOW - 9 * DAY, NOW - 2 * DAY), 2 * DAY),  # began before it was noted
        (Rest(NOW - DAY, NOW + MINUTE), 2 * DAY),  # goes on
        (Rest(NOW - 9 * DAY, NOW - 8 * DAY), 3 * DAY),  # was over before
    ],
)
def test_age_is_the_time_in_which_it_could_have_gone(rest: Rest | None, counts: timedelta) -> None:
    """Of three days since it was noted, those in which its lane rested don't count."""
    assert age(NOW - 3 * DAY, NOW, rest) == counts


def test_what_rests_at_the_same_time_counts_once() -> None:
    """A lane that was closed while the whole channel was away."""
    made = NOW - 9 * DAY
    lane, channel = Rest(NOW - 5 * DAY, NOW - 3 * DAY), Rest(NOW - 4 * DAY, NOW - 2 * DAY)
    assert age(made, NOW, lane, channel) == age(made, NOW, channel, None, lane) == 6 * DAY
    assert age(made, NOW, Rest(NOW - 5 * DAY, NOW - 2 * DAY), Rest(NOW - 4 * DAY, NOW - 3 * DAY)) == 6 * DAY


def test_rests_close_to_each_other_are_one() -> None:
    """Each try finds the channel still closed; long after, it is another rest."""
    rest = Rest(NOW - HOUR, NOW - MINUTE)
    assert longer(None, NOW, NOW + MINUTE) == Rest(NOW, NOW + MINUTE)
    assert longer(rest, NOW, NOW + MINUTE) == Rest(NOW - HOUR, NOW + MINUTE)
    assert longer(Rest(NOW, NOW + HOUR), NOW, NOW + MINUTE) == Rest(NOW, NOW + HOUR)
    later = rest.until + AGAIN + MINUTE
    assert longer(rest, later, later + MINUTE) == Rest(later, later + MINUTE)


def test_a_lane_that_rests_gives_nothing_up() -> None:
    """However old: the channel is what is wrong, not this delivery."""
    failure = TemporaryFailure("it is public", MINUTE, Scope.LANE)
    assert isinstance(decide(failure, attempts=9, age=30 * DAY), Requeue)


class Closed(Noting):
    """A channel that may be shown nothing, and after that is busy once for each delivery."""

    def __init__(self) -> None:
        super().__init__(SLACK)
        self.closed = True
        self.stumbles: set[int] = set()

    async def send(self, outgoing: Outgoing, rendered: bytes | None) -> Sent:
        self.tries += 1
        if self.closed:
            raise TemporaryFailure("it is public", timedelta(milliseconds=50), Scope.LANE)
        if outgoing.delivery_id not in self.stumbles:
            self.stumbles.add(outgoing.delivery_id)
            raise TemporaryFailure("busy")
        return await super().send(outgoing, rendered)


async def test_what_an_exposed_channel_held_back_goes_once_it_may(desk: TestDesk, store: Store) -> None:
    """Also after longer than anything is tried for, also what was never tried meanwhile, also if it then stumbles."""
    channel = Closed()
    desk.courier._channels = {"slack": channel}
    await note(desk, told(), told())
    await note(desk, told(), ticket=2)
    began = desk.clock.now() - 3 * DAY
    rested = {"rested": [began.isoformat(), desk.clock.now().isoformat()]}
    await desk.database.unit(lambda tx: tx.run(update(deliveries).values(created_at=began)))
    await desk.database.unit(lambda tx: tx.run(update(work).values(data=rested)))
    await desk.courier.start()
    await until(lambda: channel.tries >= 4)
    assert store.value("SELECT MAX(attempts) FROM deliveries") <= 2, "no tries of theirs"
    channel.closed = False
    await desk.quiet(store)
    assert store.count("deliveries", "state = 'sent'") == 3
    assert [o.delivery_id for o in channel.sent if o.ticket.id == 1] == sorted(
        o.delivery_id for o in channel.sent if o.ticket.id == 1
    )


@pytest.mark.parametrize(("channel", "state"), [("slack", "sent"), ("email", "failed")])
async def test_what_waited_for_the_whole_channel(
    desk: TestDesk, store: Store, channel: str, state: str
) -> None:
    """The app was away over a long weekend: no post is given up for that. A mail is: somebody waits for it."""
    noting = desk.slack if channel == "slack" else desk.mail
    place = "C1" if channel == "slack" else "a@b.c"
    noting.script = [
        TemporaryFailure("away", timedelta(milliseconds=50), Scope.CHANNEL),
        TemporaryFailure("busy"),
    ]
    await note(desk, told(place, channel=channel))
    began = desk.clock.now() - 3 * DAY
    await desk.database.unit(lambda tx: tx.run(update(deliveries).values(created_at=began)))
    rested = {"rested": [began.isoformat(), desk.clock.now().isoformat()]}
    name = f"channel:{channel}"
    await desk.database.unit(
        lambda tx: tx.run(insert(work).values(name=name, kind="channel", beat=0, data=rested))
    )
    await desk.courier.start()
    await desk.quiet(store)
    assert store.value("SELECT state FROM deliveries WHERE kind = 'message'") == state


async def test_a_channel_that_is_paused_notes_that_it_rests(desk: TestDesk) -> None:
    """From the first pause to the end of the last."""
    now = desk.clock.now()
    for seconds in (30, 90):
        until_then = now + timedelta(seconds=seconds)
        await desk.database.unit(lambda tx, end=until_then: pause(tx, "slack", end))  # type: ignore[misc]
    rest = await desk.database.read(lambda tx: of(tx, "channel:slack"))
    assert rest is not None
    assert rest.since <= desk.clock.now() < rest.until == now + timedelta(seconds=90)
    assert await desk.database.read(lambda tx: paused(tx, ["channel:slack"])) == {"channel:slack"}


class Blind(Noting):
    """A channel that never shows what it took."""

    async def look_up(self, outgoing: Outgoing) -> tuple[Seen, Sent | None]:
        await super().look_up(outgoing)
        return Seen.NOT_THERE, None


async def test_the_next_holder_goes_on_looking(
    desk: TestDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks that were made count, whoever made them; what somebody marked and left is looked for from the start."""
    monkeypatch.setattr(settling, "LOOKS", (0.0, 0.01, 0.01, 0.01))
    slack = Blind(SLACK)
    desk.courier._channels = {"slack": slack}
    (known,) = await note(desk, told("C1", Kind.NOTICE))
    (left,) = await note(desk, told("C2", Kind.NOTICE), ticket=2)
    store.execute(
        "UPDATE deliveries SET state = 'sending', attempts = 1, sending_at = created_at, due_at = NULL"
    )
    store.execute("UPDATE deliveries SET data = '{\"looks\": 3}' WHERE id = :i", i=known)
    await desk.courier.start()
    await desk.quiet(store)
    assert slack.seen_at_look_up.count(known) == 1
    assert slack.seen_at_look_up.count(left) == 4
    assert sorted(o.delivery_id for o in slack.sent) == [known, left]
    assert not store.count("deliveries", "data LIKE '%looks%'")
