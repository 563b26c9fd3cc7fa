"""Digests: of which period, once, to whom, and what is done when nothing happened."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from core import digests, figures, figures_standing, runs, unsubscribing
from core.config_time import Digest
from core.cron import latest_due
from core.failures import NotFound, PermanentFailure
from core.figures_shapes import Figures
from core.outgoing import load
from core.report import Report
from core.scheduler import Scheduler
from core.shapes import DeliveryReport, Evidence, Kind, Person, StaffCommand
from core.tables import deliveries
from tests.core.desk import TestDesk, slack_person
from tests.stores import Store

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EIGHT = datetime(2031, 6, 2, 6, 0, tzinfo=UTC)  # a Monday, 8:00 in Berlin
BOSS, CFO = "boss@example.com", "cfo@example.com"
DAILY = {
    "name": "daily",
    "cron": "0 8 * * *",
    "email_to": [BOSS, CFO, "Boss@Example.com"],
    "slack_to": ["C9", "U9"],
}


async def opened(store: Store, *digest: dict[str, Any], **more: Any) -> TestDesk:
    return await TestDesk.open(
        store,
        service={"name": "Acme", "timezone": "Europe/Berlin", "base_url": "https://desk.example"},
        digest=[DAILY | one for one in digest] or [DAILY],
        staff=[
            {"username": "ada", "email": "ada@example.com", "slack_user": "UADA"},
            {"username": "boss", "email": BOSS, "slack_user": "UBOSS", "role": "manager"},
        ],
        **more,
    )


def to(desk: TestDesk, moment: datetime) -> None:
    desk.clock.offset = moment - datetime.now(UTC)


async def fired(
    desk: TestDesk, at: datetime = EIGHT, after: timedelta = timedelta(seconds=1), n: int = 1
) -> None:
    """Let the digests' jobs be known an hour before a slot, and look again after it, in `n` instances."""
    jobs = digests.jobs_of(desk.config)
    to(desk, at - HOUR)
    await Scheduler(desk.desk, desk.database, desk.blobs, jobs).tick()
    to(desk, at + after)
    await asyncio.gather(*(Scheduler(desk.desk, desk.database, desk.blobs, jobs).tick() for _ in range(n)))


def sent(store: Store) -> list[tuple[str, str]]:
    rows = store.rows("SELECT channel, place FROM deliveries WHERE kind = 'digest' ORDER BY id")
    return [(row["channel"], row["place"]) for row in rows]


def kept(store: Store) -> list[Report]:
    rows = store.rows("SELECT series FROM reports ORDER BY id")
    return [
        Report.of_json(json.loads(row["series"]) if isinstance(row["series"], str) else row["series"])
        for row in rows
    ]


# -- the period -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Europe/Berlin", "UTC"])
@pytest.mark.parametrize("cron", ["0 8 * * *", "30 1 * * *", "30 2 * * *", "15 2 * * *"])
def test_daily_periods_join_without_a_gap_over_a_year(zone: str, cron: str) -> None:
    """Each begins when the one before it ended, also where the clocks jump over the hour or show it twice."""
    tz, now = ZoneInfo(zone), datetime(2026, 1, 1, 20, tzinfo=UTC)
    ended, lengths = None, set()
    for _ in range(370):
        now += DAY
        slot = latest_due(cron, tz, now - 2 * DAY, now)
        assert slot is not None
        period, before = digests.periods(DAY, tz, slot, digests.fired_at(cron, tz, slot))
        assert period.until == slot
        assert before.until == period.since
        assert ended in (None, period.since)
        ended = slot
        lengths.add(period.until - period.since)
    assert (len(lengths) > 1) is (zone != "UTC")


def test_a_week_is_local_and_hours_are_exact() -> None:
    until = datetime(
        2026, 3, 30, 6, 0, tzinfo=UTC
    )  # 8:00 in summer; the clocks were put forward the day before
    week, before = digests.periods(7 * DAY, BERLIN, until)
    assert week.since == datetime(2026, 3, 23, 7, 0, tzinfo=UTC)
    assert before.since == datetime(2026, 3, 16, 7, 0, tzinfo=UTC)
    exact, _ = digests.periods(36 * HOUR, BERLIN, until)
    assert exact.since == until - 36 * HOUR


# -- the job --------------------------------------------------------------------------------------------------------


async def test_it_goes_once_to_each_whoever_is_there(store: Store) -> None:
    """Five instances at the same time; each address and place once; all carry the one report."""
    desk = await opened(store)
    to(desk, EIGHT - 3 * HOUR)
    await desk.write("Help!")
    await fired(desk, n=5)
    await fired(desk)
    assert sent(store) == [("email", "Boss@Example.com"), ("email", CFO), ("slack", "C9"), ("slack", "U9")]
    (report,) = kept(store)
    assert (report.since, report.until, report.late, report.empty) == (EIGHT - DAY, EIGHT, False, False)
    assert "1 came in" in report.headline[0]
    assert (report.name, report.service, report.zone, report.queues) == ("daily", "Acme", "Europe/Berlin", ())
    (job,) = await runs.listed(desk.database, digests.jobs_of(desk.config))
    assert (job.name, job.result) == ("digest:daily", "sent to 4")
    rows = await desk.database.read(
        lambda tx: tx.all(select(deliveries).where(deliveries.c.kind == Kind.DIGEST))
    )
    for row in rows:
        outgoing = await desk.database.read(lambda tx, row=row: load(tx, row))
        assert Report.of_json(outgoing.data["report"]) == report
        assert (row.ticket_id, outgoing.desk) == (0, True)
        assert ("unsubscribe" in outgoing.data) is (row.channel == "email")
    assert len({row.lane for row in rows}) == 4  # who can't be reached holds up nobody else
    await desk.close()


async def test_who_dies_in_the_middle_leaves_nothing_half_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report and what was noted go with the claim; the next instance sends it."""
    desk = await opened(store)
    whole = digests.outbox.enqueue

    async def dies(*given: Any, **more: Any) -> Any:
        await whole(*given, **more)
        raise asyncio.CancelledError

    monkeypatch.setattr(digests.outbox, "enqueue", dies)
    with pytest.raises(asyncio.CancelledError):
        await fired(desk)
    assert (store.count("reports"), store.count("deliveries")) == (0, 0)
    monkeypatch.setattr(digests.outbox, "enqueue", whole)
    await Scheduler(desk.desk, desk.database, desk.blobs, digests.jobs_of(desk.config)).tick()
    assert (store.count("reports"), store.count("deliveries")) == (1, 4)
    await desk.close()


async def test_a_late_one_is_of_its_own_period(store: Store) -> None:
    """After downtime it ends when it was due, and says that it is late; one that is too late doesn't go."""
    desk = await opened(store, {"max_late": "6h"})
    await fired(desk, after=5 * HOUR)
    (report,) = kept(store)
    assert (report.until, report.late) == (EIGHT, True)
    assert "late" in report.late_words
    (job,) = await runs.listed(desk.database, digests.jobs_of(desk.config))
    assert job.result == "sent to 4, late: nothing happened"
    await fired(desk, at=EIGHT + DAY, after=7 * HOUR)
    assert len(kept(store)) == 1
    await desk.close()


async def test_nothing_goes_for_an_empty_period_that_is_skipped(store: Store) -> None:
    """The log says which; by default it goes and says so in a line."""
    desk = await opened(store, {"when_empty": "skip"}, {"name": "weekly", "period": "7d"})
    with capture_logs() as logs:
        await fired(desk)
    told = [(e["event"], e["digest"], e["empty"]) for e in logs if e["event"].startswith("digest_")]
    assert told == [("digest_skipped", "daily", True), ("digest_sent", "weekly", True)]
    (report,) = kept(store)
    assert (report.name, report.headline, report.tables) == ("weekly", ("Nothing happened.",), ())
    results = [job.result for job in await runs.listed(desk.database, digests.jobs_of(desk.config))]
    assert results == ["skipped: nothing happened", "sent to 4: nothing happened"]
    await desk.close()


async def test_it_tells_of_its_queues_alone_and_of_several_together(store: Store) -> None:
    names = ("support", "billing", "sales")
    queues = [{"name": name, "addresses": [f"{name}@example.com"]} for name in names]
    wanted = ({"queues": ["support"]}, {"name": "two", "queues": ["support", "billing"]}, {"name": "all"})
    desk = await opened(store, *wanted, queue=queues)
    to(desk, EIGHT - 3 * HOUR)
    for name in names:
        await desk.write(f"about {name}", queue=name)
    await fired(desk)
    came = {report.name: (report.queues, report.headline[0].split()[0]) for report in kept(store)}
    assert came == {"daily": (("support",), "1"), "two": (("support", "billing"), "2"), "all": ((), "3")}
    await desk.close()


# -- who gets it ----------------------------------------------------------------------------------------------------


async def test_an_address_that_wants_no_more_gets_no_more_of_this_one(store: Store) -> None:
    desk = await opened(store, {}, {"name": "weekly", "slack_to": []})
    links = unsubscribing.links_of(desk.config)
    url = unsubscribing.url_for(desk.config, "daily", BOSS)
    assert url.startswith("https://desk.example/unsubscribe/")
    assert BOSS not in url
    found = links.read(url.rpartition("/")[2])
    assert found is not None
    assert links.read(url.rpartition("/")[2][:-1] + "x") is None
    assert links.read(unsubscribing.UnsubscribeLinks(["another"]).token("daily", BOSS)) is None
    for _ in range(2):  # a second click changes nothing
        await desk.database.unit(lambda tx: unsubscribing.stop(tx, *found))
    await fired(desk)
    assert [place for channel, place in sent(store) if channel == "email"] == [CFO, "Boss@Example.com", CFO]
    await desk.database.unit(lambda tx: unsubscribing.resume(tx, found[1]))
    assert await desk.database.read(lambda tx: unsubscribing.stopped(tx, "daily", [BOSS])) == ()
    await desk.close()


async def test_without_a_site_there_is_no_link(store: Store) -> None:
    desk = await opened(store, http={"enabled": False})
    assert unsubscribing.url_for(desk.config, "daily", BOSS) == ""
    await desk.close()


async def test_a_bounce_is_told_where_deliveries_are_listed(store: Store) -> None:
    desk = await opened(store, {"slack_to": [], "email_to": [BOSS]})
    await fired(desk)
    await desk.courier.start()
    await desk.quiet(store)
    (row,) = store.rows("SELECT id FROM deliveries")
    report = DeliveryReport(
        channel="email",
        source_time=EIGHT,
        delivery_id=row["id"],
        ref=None,
        recipient=BOSS,
        permanent=True,
        action="failed",
        status="5.1.1",
        text="no such user",
    )
    with capture_logs() as logs:
        receipts = [await desk.manager.receive(report) for _ in range(2)]
    assert [receipt.outcome for receipt in receipts] == ["reported", "ignored"]
    assert [e["delivery"] for e in logs if e["event"] == "bounced"] == [row["id"]]
    listed = {one.id: one for one in await desk.operations.outbox(None, 10)}[row["id"]]
    assert (listed.state, listed.place, listed.last_error) == ("bounced", BOSS, "5.1.1 no such user")
    await desk.close()


async def test_a_report_that_is_gone_fails_its_delivery(store: Store) -> None:
    desk = await opened(store, {"slack_to": [], "email_to": [BOSS]})
    await fired(desk)
    store.execute("DELETE FROM reports")
    (row,) = await desk.database.read(lambda tx: tx.all(select(deliveries)))
    with pytest.raises(PermanentFailure, match="no longer kept"):
        await desk.database.read(lambda tx: load(tx, row))
    await desk.close()


# -- now ------------------------------------------------------------------------------------------------------------


def asks(who: Person, *words: str, root: str = "", **more: Any) -> StaffCommand:
    refs = more.pop("references", ())
    return StaffCommand(
        channel="slack",
        sender=who,
        source_time=EIGHT,
        verb="digest",
        words=words,
        evidence=Evidence(references=refs),
        place="T1/D1",
        **more,
    )


async def test_a_manager_asks_for_it_and_gets_it_by_direct_message(store: Store) -> None:
    """In a direct message, and in a ticket's thread; nobody else does."""
    desk = await opened(store)
    boss, ada = slack_person("boss", BOSS), slack_person("ada", "ada@example.com")
    receipt = await desk.manager.receive(asks(boss, "daily"))
    assert (receipt.outcome, receipt.ticket_id) == ("command", None)
    assert sent(store) == [("slack", "T1/UBOSS")]
    (report,) = kept(store)
    assert report.until - report.since == DAY
    opened_ticket = await desk.write("Help!")
    await desk.manager.receive(asks(boss, "daily", ticket_id=opened_ticket.ticket_id))
    assert sent(store) == [("slack", "T1/UBOSS")] * 2
    for who, words, why in (
        (ada, ("daily",), "only managers"),
        (slack_person("eve"), ("daily",), "staff"),
        (boss, ("dayly",), "there is: daily"),
        (boss, (), "write it like: !digest daily"),
    ):
        await desk.manager.receive(asks(who, *words))
        (newest,) = store.rows("SELECT kind, place, data FROM deliveries ORDER BY id DESC LIMIT 1")
        assert (newest["kind"], newest["place"]) == ("whisper", "T1/D1")
        assert why in str(newest["data"])
    assert len(sent(store)) == 2
    await desk.close()


async def test_what_is_asked_for_now_is_of_one_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes in while its figures are read is in none of them: they add up."""
    desk = await opened(store)
    standing, of = figures_standing.standing, figures._of
    coming, found = list[asyncio.Task[Any]](), list[Figures]()

    async def meanwhile(tx: Any, *more: Any) -> Any:
        coming.append(asyncio.create_task(desk.write("Meanwhile")))
        if not desk.database.sqlite:  # there nobody else writes until this is over
            await coming[-1]
        return await standing(tx, *more)

    async def noted(*given: Any, **more: Any) -> Figures:
        found.append(await of(*given, **more))
        return found[-1]

    await desk.write("Before")
    desk.clock.offset = timedelta(seconds=1)
    monkeypatch.setattr(figures_standing, "standing", meanwhile)
    monkeypatch.setattr(figures, "_of", noted)
    told = [digests.told_by_mail(BOSS)]
    assert await desk.database.unit(lambda tx: digests.send_now(tx, desk.desk, "daily", told)) == 1
    await asyncio.gather(*coming)
    assert (len(coming), store.count("tickets")) == (1, 2)
    assert [(one.backlog_start, one.came_in, one.backlog_end) for one in found] == [(0, 1, 1), (0, 0, 0)]
    await desk.close()


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    class Some:
        digest = (Digest(name="daily"), Digest(name="weekly"))

    assert digests.named(Some, "Daily ").name == "daily"  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="there is no digest 'hourly'; there is: daily, weekly"):
        digests.named(Some, "hourly")  # type: ignore[arg-type]
