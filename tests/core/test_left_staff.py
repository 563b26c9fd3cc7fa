"""Who left the staff gets nothing more of what is for the staff alone: what still waits is cancelled, and says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import digests, exposure
from core.config import Config
from core.failures import TemporaryFailure, UnknownOutcome
from core.jobs import Jobs, Slot
from core.people import People
from core.preferences import Preferences, keep
from core.shapes import Person
from core.unassigned import jobs_of
from tests.core.desk import TestDesk, slack_person
from tests.stores import Store
from tests.waiting import until

LEFT = "they are no longer on the staff"
ADA = {"username": "ada", "email": "ada@example.com", "name": "Ada"}
BEN = {"username": "ben", "email": "ben@example.com", "name": "Ben"}
DAILY = {"name": "daily", "cron": "0 8 * * *", "email_to": ["cfo@example.com"]}
CHANNELS = pytest.mark.parametrize("channel", ["email", "slack"])


async def opened(store: Store, channel: str, **more: Any) -> TestDesk:
    """A desk on which Ben is reached by this channel; in Slack by an id alone, as long as he hasn't written there."""
    ben = BEN | ({"slack_user": "U0BEN"} if channel == "slack" else {})
    more.setdefault("notices", {"bundle": "60s"})
    return await TestDesk.open(store, staff=[ADA, ben], digest=[DAILY], **more)


async def removed(desk: TestDesk) -> None:
    """The configuration names Ben no more."""
    values = desk.config.model_dump()
    values["staff"] = [one for one in values["staff"] if one["username"] != "ben"]
    await People(desk.database, Config.model_validate(values)).sync()


async def test_a_command_with_another_configuration_takes_nobody_out(store: Store) -> None:
    """Only the service, when it starts, says that these are all; whom it names a command brings in."""
    desk = await opened(store, "email")
    try:
        values = desk.config.model_dump()
        values["staff"] = [{"username": "cleo", "email": "cleo@example.com"}]
        others = People(desk.database, Config.model_validate(values))
        await others.sync(whole=False)
        assert {one.username for one in await desk.people.list_staff()} >= {"ada", "ben", "cleo"}
        await others.sync()
        assert {one.username for one in await desk.people.list_staff()} & {"ada", "ben", "cleo"} == {"cleo"}
    finally:
        await desk.database.close()


async def assigned(desk: TestDesk) -> int:
    ticket = (await desk.write("My screen is dark")).ticket_id
    assert ticket is not None
    await desk.manager.assign(await desk.staff(), ticket, "ben")
    return ticket


def for_ben(store: Store, what: str = "staff_news") -> list[tuple[str, str, str | None]]:
    """What was noted for Ben: where, and what became of it."""
    rows = store.rows("SELECT place, state, last_error, data FROM deliveries ORDER BY id")
    return [
        (row["place"], row["state"], row["last_error"])
        for row in rows
        if what in row["data"] and "ben" in row["place"].lower()
    ]


async def gone(desk: TestDesk, store: Store) -> None:
    """Time passes until everything that waited is due, and settled."""
    desk.clock.offset += timedelta(hours=12)
    desk.desk.signals.outbox.set()
    await desk.quiet(store)


def heard(desk: TestDesk, what: str = "staff_news") -> list[str]:
    return [o.place for o in (*desk.mail.sent, *desk.slack.sent) if o.data.get("what") == what]


# -- news -----------------------------------------------------------------------------------------------------------


@CHANNELS
@pytest.mark.parametrize("stays", [True, False])
async def test_news_that_wait(store: Store, channel: str, stays: bool) -> None:
    """They go to who is still there; who left while they waited gets none."""
    desk = await opened(store, channel)
    await assigned(desk)
    if not stays:
        await removed(desk)
    await desk.courier.start()
    await gone(desk, store)
    place = "U0BEN" if channel == "slack" else "ben@example.com"
    assert for_ben(store) == [(place, "sent", None) if stays else (place, "cancelled", LEFT)]
    assert heard(desk) == ([place] if stays else [])
    await desk.close()


@CHANNELS
@pytest.mark.parametrize(
    "trouble", [TemporaryFailure("later", retry_after=timedelta(hours=1)), UnknownOutcome("cut off")]
)
async def test_news_whose_sending_began(store: Store, channel: str, trouble: Exception) -> None:
    """A first try failed, or nobody knows what came of it: there is no second one."""
    desk = await opened(store, channel, courier={"retry_after": ["1h"], "poll": "20ms"})
    await assigned(desk)
    await desk.courier.start()
    await until(lambda: store.count("deliveries", "state IN ('queued', 'sending')") == 1, timeout=15)
    at = desk.mail if channel == "email" else desk.slack
    at.script = [trouble]
    tries = at.tries
    looked_up = at.look_up

    async def look_up(outgoing: Any) -> Any:
        await removed(desk)
        return await looked_up(outgoing)

    at.look_up = look_up  # type: ignore[method-assign]
    desk.clock.offset += timedelta(seconds=61)
    desk.desk.signals.outbox.set()
    await until(lambda: at.tries == tries + 1, timeout=15)
    if isinstance(trouble, TemporaryFailure):
        await until(lambda: store.count("deliveries", "last_error = 'later'") == 1, timeout=15)
        await removed(desk)
    await gone(desk, store)
    ((_, state, why),) = for_ben(store)
    assert (state, why) == ("cancelled", LEFT)
    assert at.tries == tries + 1
    assert heard(desk) == []
    await desk.close()


async def test_who_wrote_in_slack_is_known_there_by_their_team(store: Store) -> None:
    """The same where the place names it: `T1/U0BEN`."""
    desk = await opened(store, "slack")
    await desk.people.known(slack_person("0ben", "ben@example.com"))
    await assigned(desk)
    await removed(desk)
    await desk.courier.start()
    await gone(desk, store)
    assert for_ben(store) == [("T1/U0BEN", "cancelled", LEFT)]
    await desk.close()


async def test_who_was_staff_by_slack_and_is_no_more(store: Store) -> None:
    """They left the group, or were deactivated: Slack names them no longer."""
    slack = {"enabled": True, "bot_token": "x", "app_token": "x", "staff_usergroup": "S1"}
    desk = await TestDesk.open(store, staff=[ADA], slack=slack, notices={"bundle": "60s"})
    ben = slack_person("0ben", "ben@example.com")
    assert (await desk.people.sync_slack_staff([ben])).added == ("ben",)
    await assigned(desk)
    assert (await desk.people.sync_slack_staff([])).revoked == ("ben",)
    await desk.courier.start()
    await gone(desk, store)
    assert for_ben(store) == [("T1/U0BEN", "cancelled", LEFT)]
    await desk.close()


async def test_news_of_before_say_nothing_of_whose_they_are(store: Store) -> None:
    """They were noted by an older version: where the place tells, it decides, else they go."""
    desk = await opened(store, "slack")
    await assigned(desk)
    (row,) = store.rows("SELECT id, data FROM deliveries WHERE data LIKE '%staff_news%'")
    data = json.loads(row["data"])
    del data["member"]
    store.execute("UPDATE deliveries SET data = :d WHERE id = :i", d=json.dumps(data), i=row["id"])
    await removed(desk)
    await desk.courier.start()
    await gone(desk, store)
    assert for_ben(store) == [("U0BEN", "sent", None)]
    await desk.close()


@CHANNELS
async def test_nobody_writes_news_for_who_has_left(store: Store, channel: str) -> None:
    """A ticket may still be theirs: what happens to it later is not theirs to know."""
    desk = await opened(store, channel)
    ticket = (await desk.write("My screen is dark", mail_id="a@x")).ticket_id
    assert ticket is not None
    await desk.manager.assign(await desk.staff("ben"), ticket, "ben")
    await removed(desk)
    await desk.write("More", to=["a@x"])
    await desk.courier.start()
    await gone(desk, store)
    assert for_ben(store) == []
    await desk.close()


# -- what else is for the staff -------------------------------------------------------------------------------------


async def test_a_list_that_waits_for_the_end_of_quiet_hours(store: Store) -> None:
    """It goes to Ada alone; so do the queue's new tickets."""
    queue = [{"name": "support", "addresses": ["support@example.com"], "unassigned_after": "8h"}]
    desk = await opened(store, "email", queue=queue, slack={"enabled": False})
    await desk.write("Help!")
    desk.clock.offset = timedelta(hours=9)
    now, ben = desk.clock.now(), (await desk.staff("ben")).user_id
    assert ben is not None
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    await desk.database.unit(lambda tx: keep(tx, ben, Preferences(quiet_hours=hours)))
    effect = await jobs_of(desk.config)[0].run(
        Jobs(desk.desk, desk.database, desk.blobs), Slot(now, late=False)
    )
    assert await desk.database.unit(effect) == "listed 1 to 2 agents by mail"
    await desk.write("Help me too!")
    store.execute("DELETE FROM deliveries WHERE data LIKE '%staff_new\"%' AND wait_until IS NULL")
    await removed(desk)
    await desk.courier.start()
    await gone(desk, store)
    assert for_ben(store, "staff_told") == [("ben@example.com", "cancelled", LEFT)]
    assert [state for _, state, _ in for_ben(store, 'staff_new"')] == ["cancelled"]
    assert "ada@example.com" in heard(desk, "staff_told")
    await desk.close()


@CHANNELS
async def test_what_managers_are_told_waits_for_nobody_who_left(store: Store, channel: str) -> None:
    """A notice about no ticket, in Slack by an id alone too."""
    desk = await opened(store, channel)

    async def unit(tx: Any) -> None:
        told = await exposure.to_managers(tx, desk.desk, "The channel is public")
        await exposure.send(tx, desk.desk, told)

    await desk.database.unit(unit)
    await removed(desk)
    await desk.courier.start()
    await gone(desk, store)
    assert {state for _, state, _ in for_ben(store, "is public")} == {"cancelled"}
    assert {one.place for one in (*desk.mail.sent, *desk.slack.sent)} == {"ada@example.com"}
    await desk.close()


@CHANNELS
@pytest.mark.parametrize("left", [True, False])
async def test_a_digest_that_they_asked_for(store: Store, channel: str, left: bool) -> None:
    """It isn't sent to them any more. One that the configuration sends goes to whom it names, staff or not."""
    desk = await opened(store, channel)
    place = "T9/U0BEN" if channel == "slack" else "ben@example.com"
    told = digests.told_in_slack(place) if channel == "slack" else digests.told_by_mail(place)
    digest = desk.config.digest[0]
    await desk.database.unit(lambda tx: digests.send_now(tx, desk.desk, "daily", [told]))

    async def by_itself(tx: Any) -> None:
        report = await digests.report_of(tx, desk.config, digest, datetime.now(UTC))
        await digests.send(tx, desk.desk, report, await digests.recipients(tx, desk.config, digest))

    await desk.database.unit(by_itself)
    if left:
        await removed(desk)
    await desk.courier.start()
    await gone(desk, store)
    rows = store.rows("SELECT place, state, last_error FROM deliveries WHERE kind = 'digest' ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        (place, "cancelled", LEFT) if left else (place, "sent", None),
        ("cfo@example.com", "sent", None),
    ]
    await desk.close()


async def test_what_they_ask_for_themselves_is_answered(store: Store) -> None:
    """Who has left may still be somebody's customer: their own ticket goes on."""
    desk = await opened(store, "email")
    await removed(desk)
    ben = Person(kind="email", address="ben@example.com", name="Ben", place="ben@example.com")
    await desk.write("I need help now", sender=ben)
    await desk.courier.start()
    await gone(desk, store)
    assert [state for _, state, _ in for_ben(store, '"ack"')] == ["sent"]
    await desk.close()
