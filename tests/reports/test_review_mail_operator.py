"""What an operator's reading of the mail part found: upgrades, blobs of nobody's, our own trouble, full disks."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from core import inbox, schema, sweeping
from core.blobs import INLINE_BYTES, LEFT_BEHIND, Blobs
from core.check import probe_database
from core.children import Children
from core.database import Database, Tx
from core.failures import Unavailable
from core.inbox import Arrival, oldest_waiting, shards_with_work
from core.jobs import JOBS
from core.scheduler import Scheduler
from core.schema import SchemaProblem
from core.shapes import Held, Inbound, NewMessage, key_of
from core.tables import attachments, deliveries, messages
from core.tables import inbox as inbox_rows
from intake.email.context import context_of
from intake.email.read import read_mail
from intake.web.metrics import Metrics
from tests.core.desk import TestDesk, mail
from tests.mail.server_house import Shelf, Wire, open_door
from tests.stores import Store
from tests.waiting import until

INDEXES = {
    "ix_inbox_blob": "inbox",
    "ix_messages_html_blob": "messages",
    "ix_attachments_blob": "attachments",
    "ix_deliveries_rendered": "deliveries",
}


# -- the schema --


@pytest.fixture
async def database(store: Store) -> Any:
    opened = Database(store.config().database)
    yield opened
    await opened.close()


def as_released(store: Store) -> None:
    """Make the schema what the release before had."""
    for name, table in INDEXES.items():
        store.execute(f"DROP INDEX {name}" + ("" if store.sqlite else f" ON {table}"))
    for column in ("thread_index", "auth_results"):
        store.execute(f"ALTER TABLE messages DROP COLUMN {column}")
    store.execute("UPDATE alembic_version SET version_num = '0001'")
    store.execute("UPDATE schema_state SET oldest_code = 1")


async def test_the_release_before_refuses_the_migrated_database(
    database: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would post to the customer what staff mail to the note address."""
    as_released(store)
    await schema.migrate(database)
    assert store.value("SELECT oldest_code FROM schema_state") == schema.CODE == 3
    monkeypatch.setattr(schema, "CODE", 1)
    monkeypatch.setattr(schema, "HEAD", "0001")
    for start in (schema.check, schema.migrate):
        with pytest.raises(SchemaProblem, match="newer relaydesk"):
            await start(database)


async def test_a_migration_that_died_before_its_last_word_says_it_when_run_again(
    database: Database, store: Store
) -> None:
    """All columns are there, but the release before isn't shut out yet."""
    store.execute("UPDATE schema_state SET oldest_code = 1")
    with pytest.raises(SchemaProblem, match="run: relaydesk migrate"):
        await schema.check(database)
    await schema.migrate(database)
    await schema.check(database)
    assert store.value("SELECT oldest_code FROM schema_state") == schema.OLDEST


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
async def test_a_migration_that_was_killed_between_its_steps_can_be_finished(
    database: Database, store: Store, steps: int
) -> None:
    """MySQL has committed the first ones by then."""
    as_released(store)
    done = [
        "ALTER TABLE messages ADD COLUMN thread_index VARCHAR(400)",
        "ALTER TABLE messages ADD COLUMN auth_results TEXT",
        *(f"CREATE INDEX {name} ON {table} (`{name.split('_', 2)[2]}`)" for name, table in INDEXES.items()),
    ]
    for sql in done[:steps]:
        store.execute(sql)
    assert schema.HEAD in await schema.migrate(database)
    await schema.check(database)
    found = await database.read(lambda tx: tx.connection.run_sync(_indexes))
    assert set(INDEXES) <= found


def _indexes(connection: Connection) -> set[str]:
    from sqlalchemy import inspect

    inspector = inspect(connection)
    return {str(index["name"]) for table in INDEXES.values() for index in inspector.get_indexes(table)}


async def test_a_migration_that_cannot_go_on_names_the_error(
    database: Database, store: Store, tmp_path: Path
) -> None:
    """By the server's number; it is no trouble that waiting mends. Mended, it's run again."""
    as_released(store)
    store.execute("ALTER TABLE inbox RENAME COLUMN `blob` TO other")
    with pytest.raises(SchemaProblem, match="OperationalError" if store.sqlite else "1072") as caught:
        await schema.migrate(database)
    assert "relaydesk migrate" in str(caught.value)
    store.execute("ALTER TABLE inbox RENAME COLUMN other TO `blob`")
    await schema.migrate(database)
    await schema.check(database)


async def test_a_newer_schema_that_this_code_may_run_on_is_left_alone(
    database: Database, store: Store
) -> None:
    store.execute("UPDATE alembic_version SET version_num = '0009'")
    assert "0009" in await schema.migrate(database)
    assert store.value("SELECT version_num FROM alembic_version") == "0009"
    (told,) = [one for one in await probe_database(database, store.config()) if one.part == "schema"]
    assert told.problem is None
    assert "newer" in told.text


async def test_a_newer_schema_that_this_code_may_not_run_on_says_what_to_do(
    database: Database, store: Store
) -> None:
    store.execute("UPDATE alembic_version SET version_num = '0009'")
    store.execute("UPDATE schema_state SET oldest_code = 99")
    with pytest.raises(SchemaProblem, match="start that one"):
        await schema.migrate(database)
    (told,) = [one for one in await probe_database(database, store.config()) if one.part == "schema"]
    assert told.problem is not None
    assert "start that one" in told.problem
    assert "relaydesk migrate" not in told.problem, "which would be refused"


# -- our own trouble --


async def _without_files(work: Any) -> Any:
    """Do it while this process can open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        return await work()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_no_process_to_be_had_is_our_trouble() -> None:
    """Files, processes, memory that this machine is out of say nothing about the mail."""
    children = Children()
    with pytest.raises(Unavailable, match="can't start a reading process"):
        await _without_files(lambda: children.call("os:getpid"))
    assert await children.call("os:getpid")
    await children.close()


async def test_no_process_to_be_had_counts_against_no_mail(desk: TestDesk, store: Store) -> None:
    """However long it lasts: no attempt is kept, the shard rests, the mail is read afterwards."""
    children = Children()
    started, short = 0, True

    async def read(item: Any) -> Inbound:
        nonlocal started
        started += 1
        if short:
            await _without_files(lambda: children.call("os:getpid"))
        await children.call("os:getpid")
        return mail("Help")

    desk.mail.read = read  # type: ignore[method-assign]
    await desk.take_in(mail("unused"))
    await desk.worker.start()
    for turn in range(1, 5):
        await until(lambda n=turn: started >= n, timeout=15)
        await until(lambda: store.count("work", "kind = 'inbox' AND not_before IS NOT NULL") == 1)
        assert store.count("inbox", "state = 'new' AND attempts = 0") == 1
        await asyncio.to_thread(store.execute, "UPDATE work SET not_before = NULL WHERE kind = 'inbox'")
    short = False
    await until(lambda: store.count("inbox", "state = 'done'") == 1, timeout=15)
    await children.close()


# -- blobs of nobody's --


def files(blobs: Blobs) -> set[str]:
    """The blobs there are."""
    return {path.name for path in blobs.folder.glob("??/*")}


async def whole_round(desk: TestDesk) -> None:
    for _ in range(sweeping.FOLDERS):
        await sweeping.sweep_folder(desk.database, desk.blobs)


@pytest.fixture
def everything_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's time of change can't be set, so the age is."""
    monkeypatch.setattr(sweeping, "UNNAMED", timedelta(hours=-1))


async def named_everywhere(desk: TestDesk) -> set[str]:
    """Blobs that each kind of row names."""
    receipt = await desk.write()
    keys = [await desk.blobs.put(b"named %d" % n) for n in range(4)]
    arrival = Arrival(key=key_of("large"), channel="slack", shard_by="x", envelope={}, raw=b"", blob=keys[0])
    await desk.intake.store([arrival])

    async def name(tx: Tx) -> None:
        await tx.run(messages.update().values(html_blob=keys[1]))
        await tx.run(
            insert(attachments).values(
                message_id=receipt.message_id,
                name="a",
                type="text/plain",
                bytes=1,
                sha256=key_of("a"),
                blob=keys[2],
                state="stored",
            )
        )
        await tx.run(deliveries.update().values(rendered=keys[3]))

    await desk.database.unit(name)
    return set(keys)


async def test_what_no_row_names_is_swept_and_nothing_else(
    desk: TestDesk, store: Store, everything_is_old: None
) -> None:
    """Whichever of the four kinds of rows names it."""
    kept = await named_everywhere(desk)
    orphans = {await desk.blobs.put(b"nobody's %d" % n) for n in range(5)}
    assert files(desk.blobs) == kept | orphans
    await whole_round(desk)
    assert files(desk.blobs) == kept


async def test_young_blobs_stay(desk: TestDesk) -> None:
    """A unit may be about to name them, by another name of theirs too (whose time of writing is old)."""
    young = await desk.blobs.put(b"young")
    old = await desk.blobs.put(b"old by its clock")
    past = time.time() - timedelta(days=3).total_seconds()
    os.utime(desk.blobs.path(old), (past, past))
    twin = await desk.blobs.twin(old)
    await whole_round(desk)
    assert files(desk.blobs) == {young, old, twin}


async def test_one_that_got_another_name_meanwhile_stays(desk: TestDesk) -> None:
    """Between being asked for and being removed."""
    age = timedelta(seconds=0.3)
    key = await desk.blobs.put(b"x")
    await until(lambda: list(desk.blobs.older_than(age, key[:2])) == [key])
    twin = await desk.blobs.twin(key)
    assert desk.blobs.remove_old([key], age) == 0
    assert files(desk.blobs) == {key, twin}


async def test_one_that_was_named_meanwhile_stays(
    desk: TestDesk, everything_is_old: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the folder was listed, before the rows are asked."""
    key = await desk.blobs.put(b"x")
    listed = sweeping._some
    loop = asyncio.get_running_loop()
    arrival = Arrival(key=key_of("late"), channel="email", shard_by="x", envelope={}, raw=b"", blob=key)

    def then_named(keys: Any) -> list[str]:
        found = listed(keys)
        if key in found:
            asyncio.run_coroutine_threadsafe(desk.intake.store([arrival]), loop).result(10)
        return found

    monkeypatch.setattr(sweeping, "_some", then_named)
    await whole_round(desk)
    assert files(desk.blobs) == {key}


async def test_a_restored_backup_costs_no_blob(desk: TestDesk, everything_is_old: None) -> None:
    """While it holds what goes out, a database that names more may yet be put in its place."""
    key = await desk.blobs.put(b"named by the database of today")
    await desk.operations.pause()
    await whole_round(desk)
    assert files(desk.blobs) == {key}
    await desk.operations.resume()
    await whole_round(desk)
    assert files(desk.blobs) == set()


async def test_the_sweep_goes_a_share_of_the_folders_an_hour_in_chunks(
    desk: TestDesk, everything_is_old: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever instance has the hour, and on from where the last one was; however many blobs a folder has."""
    monkeypatch.setattr(sweeping, "CHUNK", 3)
    for folder in ("00", "0f", "10"):
        (desk.blobs.folder / folder).mkdir(exist_ok=True)
        for n in range(10):
            (desk.blobs.folder / folder / f"{folder}{n:030x}").write_bytes(b"x")
    both = [Scheduler(desk.desk, desk.database, desk.blobs, JOBS) for _ in range(2)]
    await asyncio.gather(*(one.tick() for one in both))
    assert {name[:2] for name in files(desk.blobs)} == {"10"}
    desk.clock.offset = timedelta(hours=1, minutes=1)
    await asyncio.gather(*(one.tick() for one in both))
    assert files(desk.blobs) == set()


async def test_parts_are_swept_without_a_mail_door(desk: TestDesk) -> None:
    """An installation that only fetches mail has none; what is being written stays."""
    left, kept = desk.blobs.writer(), desk.blobs.writer()
    past = time.time() - LEFT_BEHIND.total_seconds() - 1
    for writer in (left, kept):
        writer.write(b"half")
        os.utime(writer._path, (past, past))
    left._file.close()  # its process has ended
    await Scheduler(desk.desk, desk.database, desk.blobs, JOBS).tick()
    assert files(desk.blobs) == {kept._path.name}
    kept.abort()


async def test_a_large_mail_that_came_before_leaves_no_second_blob(desk: TestDesk, store: Store) -> None:
    """Spooled by a door or put down at storing, in one batch or later: the row's own stays."""

    def again(**more: Any) -> Arrival:
        raw = b"" if "blob" in more else b"x" * (INLINE_BYTES + 1)
        return Arrival(key=key_of("same"), channel="email", shard_by="s", envelope={}, raw=raw, **more)

    await asyncio.gather(*(desk.intake.store([again()]) for _ in range(3)))
    await desk.intake.store([again(blob=await desk.blobs.put(b"spooled"), size=7)])
    await inbox.store_once(desk.database, desk.blobs, [again()])
    assert files(desk.blobs) == {store.value("SELECT `blob` FROM inbox")}
    row = again(blob=store.value("SELECT `blob` FROM inbox"), size=7)
    await desk.intake.store([row])  # the very same once more, as after an unknown commit
    assert files(desk.blobs) == {row.blob}


# -- what stops all mail --


async def test_reading_an_old_mail_again_stops_no_other(desk: TestDesk, store: Store) -> None:
    """Its age counts from now, not from when it came."""
    await desk.take_in(Held(reason="spam"))
    (row,) = await desk.operations.inbox()
    long_ago = (datetime.now(UTC) - timedelta(days=40)).replace(tzinfo=None).isoformat(" ")
    store.execute("UPDATE inbox SET state = 'held', received_at = :at", at=long_ago)
    await desk.operations.retry_inbox(row.id)

    async def looked(tx: Tx) -> tuple[timedelta | None, list[int]]:
        return await oldest_waiting(tx, "email"), await shards_with_work(tx, ["email"])

    age, shards = await desk.database.read(looked)
    assert age is not None
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert len(shards) == 1, "it can be read at once"


async def test_why_mail_is_put_off_is_told_and_counted() -> None:
    """`/readyz` and `/metrics` say so, while `check` says how to mend it."""
    shelf = Shelf()
    async with open_door(shelf, disk_left_bytes=1 << 60) as door:
        door._room.disk._folder = shelf.blobs.folder  # where mails are stored
        assert await door.short_of() == "mail is put off (452): disk"
        wire = await Wire.to(door)
        await wire.hello()
        assert (await wire.say("MAIL FROM:<a@example.net>"))[0].startswith("452")
    async with open_door(shelf, backlog_age="1h") as door:
        assert await door.short_of() == ""
        shelf.age = timedelta(hours=2)
        door._room.backlog._asked = float("-inf")  # as seconds later
        assert await door.short_of() == "mail is put off (452): backlog"
        wire = await Wire.to(door)
        await wire.hello()
        assert (await wire.say("MAIL FROM:<a@example.net>"))[0].startswith("452")
        shelf.age = None
        door._room.backlog._asked = float("-inf")
        assert await door.short_of() == ""
        assert (await wire.say("MAIL FROM:<a@example.net>"))[0].startswith("250")
        assert (await wire.say("RCPT TO:<nobody@example.com>"))[0].startswith("550")
    async with open_door(shelf, max_connections=1) as door:
        wire, second = await Wire.to(door), None
        await wire.hello()
        second = await Wire.to(door)
        assert (await second.answer()).startswith("421")

    async def counts() -> dict[str, dict[str, int]]:
        return {}

    told = (await Metrics(shelf.turned_away).render(counts)).decode()
    for line in (
        'relaydesk_mail_put_off_total{reason="disk"} 1.0',
        'relaydesk_mail_put_off_total{reason="backlog"} 1.0',
        'relaydesk_mail_refused_total{answer="452 4.3.1"} 2.0',
        'relaydesk_mail_refused_total{answer="550 5.1.1"} 1.0',
        'relaydesk_mail_refused_total{answer="421 4.7.0"} 1.0',
    ):
        assert line in told


async def test_readyz_names_what_is_short(houses: Any) -> None:
    """Degraded, for the senders keep their mails; no longer once there is room."""
    house = await houses(slack=False, email={"inbound": {"disk_left_bytes": 1 << 60}})
    async with house.client() as http:
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["parts"]["smtp"]) == (200, "degraded")
        assert "disk" in answer.json()["details"]["smtp"]
        assert "relaydesk_mail_refused" in (await http.get("/metrics")).text
    ran = await house.run("check")
    assert ran.status != 0
    assert "disk_left_bytes" in ran.out + ran.err


async def test_check_tells_of_a_backlog(desk: TestDesk, store: Store) -> None:
    async def told() -> Any:
        found = await probe_database(desk.database, desk.config)
        return {one.part: one for one in found}["backlog"]

    assert (await told()).problem is None
    await desk.take_in(mail("waits"))
    long_ago = (datetime.now(UTC) - timedelta(days=40)).replace(tzinfo=None).isoformat(" ")
    store.execute("UPDATE inbox SET received_at = :at", at=long_ago)
    assert "backlog_age" in ((await told()).problem or "")


# -- rows from before --


@pytest.mark.parametrize(
    ("peer", "protocol", "held"),
    [
        ("", "pipe", True),
        ("unix", "lmtp", True),
        ("127.0.0.1", "smtp", True),
        ("::1", "smtp", True),
        ("192.0.2.7", "smtp", False),
        ("", "smtp", False),
    ],
)
def test_a_filters_word_counts_in_rows_of_the_release_before(
    store_free_config: Any, peer: str, protocol: str, held: bool
) -> None:
    """They don't say `trusted`; where they came from they do."""
    message = EmailMessage()
    message["From"], message["To"] = "zoe@example.net", "support@example.com"
    message["Subject"], message["X-Spam-Flag"] = "You won", "YES"
    message.set_content("Click here")
    envelope = {
        "sender": "zoe@example.net",
        "recipients": ["support@example.com"],
        "queue": "support",
        "peer": peer,
        "protocol": protocol,
    }
    read = partial(read_mail, message.as_bytes(), context=context_of(store_free_config, ["key"]))
    assert isinstance(read(envelope=envelope), Held if held else NewMessage)
    assert isinstance(read(envelope={**envelope, "trusted": False}), NewMessage)


@pytest.fixture
def store_free_config() -> Any:
    from tests.mail.server_house import config_with

    return config_with()


# -- a backlog --


async def test_looking_for_work_costs_the_same_whatever_waits(desk: TestDesk, store: Store) -> None:
    """The head of each shard is read from the index; nothing is counted through or sorted."""
    row = {
        "channel": "email",
        "state": "new",
        "received_at": datetime.now(UTC),
        "source_order": "",
        "envelope": {},
        "raw": b"x",
        "bytes": 1,
    }
    rows = [{**row, "key": key_of(f"row {n}"), "shard": n % inbox.SHARDS} for n in range(8000)]
    await desk.database.unit(lambda tx: tx.run(insert(inbox_rows), rows))

    async def cost(tx: Tx) -> int:
        if tx.sqlite:
            return 0
        found = await tx.all(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(one[1]) for one in found)

    async def looked(tx: Tx) -> tuple[int, int]:
        before = await cost(tx)
        assert sorted(await shards_with_work(tx, ["email", "slack"])) == list(range(inbox.SHARDS))
        assert await oldest_waiting(tx, "email") is not None
        return before, await cost(tx)

    before, after = await desk.database.read(looked)
    assert after - before < 500
    if store.sqlite:
        plan = "\n".join(one["detail"] for one in await _plan(desk))
        assert plan.count("USING INDEX ix_inbox_state (state=? AND shard=?)") == inbox.SHARDS
        assert "B-TREE" not in plan
        assert "SCAN inbox" not in plan


async def _plan(desk: TestDesk) -> list[Any]:
    now = desk.clock.now().replace(tzinfo=None)

    async def look(tx: Tx) -> list[Any]:
        sql = str(inbox._HEADS.compile()).replace(":now", f"'{now}'")
        sql = sql.replace("(__[POSTCOMPILE_channels])", "('email', 'slack')").replace(":", r"\:")
        return [dict(one._mapping) for one in await tx.all(text(f"EXPLAIN QUERY PLAN {sql}"))]

    return await desk.database.read(look)
