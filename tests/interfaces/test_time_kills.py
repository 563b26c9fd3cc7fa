"""What the clock makes happen, by real processes: once with five at it, once where one is killed, and told where it
fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import runs
from core.clock import Clock
from core.database import Database
from core.digests import jobs_of
from sandbox import Sandbox
from tests.conftest import Houses
from tests.core.desk import TestDesk
from tests.house import House
from tests.rolled import rolled_up
from tests.stores import Store

RECIPIENTS = ["boss@example.com", "cfo@example.com", "ceo@example.com"]
SERVICE = {"timezone": "UTC"}


def fired(ago: timedelta, name: str = "daily", **more: Any) -> tuple[dict[str, Any], datetime]:
    """A digest that fires once a day and did so a while ago, and when that was."""
    slot = (datetime.now(UTC) - ago).replace(second=0, microsecond=0)
    cron = f"{slot.minute} {slot.hour} * * *"
    return {"name": name, "cron": cron, "email_to": RECIPIENTS, **more}, slot


async def known(store: Store, *digest: dict[str, Any]) -> None:
    """These digests have been there for hours, so that what they missed is due."""
    config = store.config(service=SERVICE, digest=list(digest))
    database = Database(config.database, Clock(offset=-timedelta(hours=3)))
    for job in jobs_of(config):
        await database.unit(lambda tx, job=job: runs.first_seen(tx, job))  # type: ignore[misc]
    await database.close()


async def lived(store: Store, at: datetime) -> None:
    """A ticket came in at a time of a digest's period; all that was to be said of it has been."""
    desk = await TestDesk.open(store, slack={"enabled": False})
    await desk.write("My screen is dark")
    await desk.close()
    store.execute("UPDATE events SET at = :at", at=f"{at:%Y-%m-%d %H:%M:%S}")
    for table in ("deliveries", "work"):
        store.execute(f"DELETE FROM {table}")


def machine(store: Store, folder: Path) -> dict[str, Any]:
    """The settings of a service on a machine of its own, which shares the blobs with the others."""
    folder.mkdir()
    blobs = store.folder / "blobs"
    blobs.mkdir(exist_ok=True)
    (folder / "blobs").symlink_to(blobs)
    return {**SERVICE, "data_dir": str(folder)}


async def all_sent(store: Store, count: int, timeout: float = 40) -> None:
    """Wait until so many digests were sent, and none is left over."""
    async with asyncio.timeout(timeout):
        while store.count("deliveries", "kind = 'digest' AND state = 'sent'") < count:
            await asyncio.sleep(0.05)
    assert store.count("deliveries", "kind = 'digest'") == count


# -- five at it ----------------------------------------------------------------------------------------------------


@contextmanager
def claimed(store: Store, slot: datetime) -> Iterator[None]:
    """Somebody has the slot, and gives it back: until then, everybody who wants it waits for its row."""
    assert store.server is not None
    with closing(store.server.connect(store.database)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        row = ("digest:daily", slot.replace(tzinfo=None), slot.replace(tzinfo=None))
        cursor.execute("INSERT INTO job_runs (job, slot, started) VALUES (%s, %s, %s)", row)
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


LOOK = 0.25
"""Seconds between two looks at who waits: the server shows the same again to who asks within 0.1 s of the last asking
(MariaDB, "INNODB_TRX": the information is cached)."""


def waiting(store: Store) -> int:
    """How many wait for a row; not to be asked more often than every `LOOK`."""
    return int(
        store.value(
            "SELECT COUNT(*) FROM information_schema.INNODB_TRX AS t"
            " JOIN information_schema.PROCESSLIST AS p ON p.ID = t.trx_mysql_thread_id"
            " WHERE t.trx_state = 'LOCK WAIT' AND p.DB = :name",
            name=store.database,
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_five_instances_send_a_digest_once(
    houses: Houses, store: Store, box: Sandbox, tmp_path: Path, store_name: str
) -> None:
    """All five have made the report and want the slot in the same moment: one gets it."""
    digest, slot = fired(timedelta(minutes=2))
    await known(store, digest)
    await lived(store, slot - timedelta(hours=1))
    five = [
        houses.make(slack=False, digest=[digest], service=machine(store, tmp_path / f"machine{n}"))
        for n in range(5)
    ]
    with claimed(store, slot):
        await asyncio.gather(*(house.start() for house in five))
        await asyncio.gather(*(house.ready() for house in five))
        async with asyncio.timeout(40):
            while waiting(store) < len(five):
                await asyncio.sleep(LOOK)
    await all_sent(store, len(RECIPIENTS))
    async with asyncio.timeout(10):
        while waiting(store):
            await asyncio.sleep(LOOK)
    assert sum(len(house.entries("job_done", job="digest:daily")) for house in five) == 1
    assert store.count("reports") == store.count("job_runs", "job = 'digest:daily'") == 1
    assert store.value("SELECT result FROM job_runs WHERE job = 'digest:daily'") == "sent to 3"
    assert store.count("deliveries", "kind = 'digest'") == len(RECIPIENTS)
    assert sorted(r for mail in box.mailbox.mails for r in mail.recipients) == sorted(RECIPIENTS)
    assert all(house.running for house in five)
    assert not [entry for house in five for entry in house.entries("job_failed")]


# -- killed in the middle ------------------------------------------------------------------------------------------


class Silent:
    """The box's mail server answers nobody any more, once it was given the whole mail; it keeps it, or not."""

    def __init__(self, box: Sandbox, monkeypatch: pytest.MonkeyPatch, *, keeps: bool) -> None:
        self.asked = asyncio.Event()
        self._over = asyncio.Event()
        answer = box.mailbox.handle_DATA

        async def handle_data(server: Any, session: Any, envelope: Any) -> str:
            if self._over.is_set():
                return await answer(server, session, envelope)
            if keeps:
                await answer(server, session, envelope)
            self.asked.set()
            await self._over.wait()
            return "451 4.3.0 Too late"

        monkeypatch.setattr(box.mailbox, "handle_DATA", handle_data)

    def ends(self) -> None:
        """It answers again."""
        self._over.set()


async def taken_over(first: House, houses: Houses, **settings: Any) -> House:
    """Somebody goes on where the dead one was: on MariaDB another machine, on SQLite itself, started again."""
    if first.store.sqlite:
        await first.restart()
        return first
    return await houses(**{**settings, "service": machine(first.store, first.folder / "other")})


@pytest.mark.slow
@pytest.mark.parametrize("keeps", [False, True], ids=["not_taken", "taken"])
async def test_killed_while_it_sends_a_digest(
    houses: Houses, store: Store, box: Sandbox, monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    """Who was given nothing gets one mail. Who was given it, but whose server hadn't answered, may get the same again:
    byte for byte, under its Message-ID."""
    digest, slot = fired(timedelta(minutes=20))
    await known(store, digest)
    await lived(store, slot - timedelta(hours=1))
    silent = Silent(box, monkeypatch, keeps=keeps)
    settings: dict[str, Any] = {"slack": False, "digest": [digest], "service": SERVICE, "lease": 3}
    first = await houses(**settings)
    async with asyncio.timeout(40):
        await silent.asked.wait()
    assert store.count("deliveries", "kind = 'digest' AND state = 'sent'") == 0
    await first.kill9()
    given = Counter(r for mail in box.mailbox.mails for r in mail.recipients)
    silent.ends()
    await taken_over(first, houses, **settings)
    await all_sent(store, len(RECIPIENTS))
    mails = box.mailbox.mails
    assert {mail.recipients[0]: mail.raw for mail in mails}.keys() == set(RECIPIENTS)
    assert len({(mail.recipients[0], mail.header("Message-ID"), mail.raw) for mail in mails}) == len(
        RECIPIENTS
    )
    copies = Counter(r for mail in mails for r in mail.recipients)
    assert all(copies[one] <= 1 + given[one] for one in RECIPIENTS)
    assert bool(given) == keeps
    assert store.count("reports") == store.count("job_runs", "job = 'digest:daily'") == 1
    result, at = store.rows("SELECT result, slot FROM job_runs WHERE job = 'digest:daily'")[0].values()
    assert result == "sent to 3, late"
    assert str(at)[:16] == f"{slot:%Y-%m-%d %H:%M}"
    assert "1 came in" in mails[0].text


# -- one that fails ------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_job_that_fails_is_told_and_stops_no_other(
    houses: Houses, store: Store, box: Sandbox
) -> None:
    """A damaged row makes the digest of a week fail. The log, the metrics, the status and the list of jobs say so; that
    of a day, which doesn't read it, is sent, and timers go on."""
    weekly, _ = fired(timedelta(minutes=2), "weekly", period="7d")
    hourly, _ = fired(timedelta(minutes=2), "hourly", period="1h")
    await known(store, weekly, hourly)
    damaged = (datetime.now(UTC) - timedelta(days=3)).date()
    rolled_up(store, damaged, damaged + timedelta(days=2), hours=True)
    day = damaged.isoformat()
    for queue, series in (("", '{"effect": {}}'), ("support", '{"counts": {"opened"')):
        store.execute(
            "INSERT INTO rollups (day, queue, series, made_at) VALUES (:day, :queue, :series, :at)",
            day=day,
            queue=queue,
            series=series,
            at=f"{day} 00:00:00",
        )
    house = await houses(slack=False, digest=[weekly, hourly], service=SERVICE)
    failed = await house.logged("job_failed")
    assert failed["job"] == "digest:weekly"
    await house.logged("job_done", job="digest:hourly")
    token = await house.token("ada@example.com")
    async with house.client(token) as http:
        status = (await http.get("/status")).json()
        metrics = (await http.get("/metrics")).text
    assert status["failing"] == ["digest:weekly"]
    assert "digest:weekly failed 1 in a row" in str(status)
    assert 'relaydesk_job_failures_total{job="digest:weekly"} 1.0' in metrics
    assert 'relaydesk_job_failures_total{job="digest:hourly"} 0.0' in metrics
    listed = {row["name"]: row for row in (await house.run("jobs", "list", "--json")).json()}
    assert listed["digest:weekly"]["result"].startswith("failed: ")
    assert (listed["digest:weekly"]["failures"], listed["digest:weekly"]["last_success"]) == (1, None)
    assert listed["digest:hourly"]["result"].startswith("sent to 3")
    await all_sent(store, len(RECIPIENTS))
    assert (await house.send_mail()).accepted
    await house.logged("work_one", channel="email")
    after = house.mark()
    before = datetime.now(UTC).replace(tzinfo=None)
    async with asyncio.timeout(10):
        while not store.count(
            "job_runs", "job = 'wake' AND result = 'done' AND slot > :before", before=before
        ):
            await asyncio.sleep(0.05)
    assert not house.entries("job_failed", since=after), "it isn't tried again at once"
    assert store.count("job_runs", "job = 'digest:weekly'") == 1
