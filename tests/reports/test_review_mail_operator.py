"""What an operator's reading of the mail part found: our own trouble, what stops all mail, a backlog."""

from __future__ import annotations

import asyncio
import os
import resource
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, text

from core import inbox
from core.check import probe_database
from core.children import Children
from core.database import Tx
from core.failures import Unavailable
from core.inbox import oldest_waiting, shards_with_work
from core.shapes import Held, Inbound, NewMessage, key_of
from core.tables import inbox as inbox_rows
from intake.email.context import context_of
from intake.email.read import read_mail
from intake.web.metrics import Metrics
from tests.core.desk import TestDesk, mail
from tests.mail.server_house import Shelf, Wire, open_door
from tests.stores import Store
from tests.waiting import until

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
