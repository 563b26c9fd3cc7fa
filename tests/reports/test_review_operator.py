"""What an operator's reading found: floods, stuck shards, lost places, memory, clocks."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from core.children import Children
from core.clock import Clock
from core.config import ConfigError, load, parse
from core.database import Database
from core.failures import UnknownOutcome
from core.tables import inbox
from intake.email.room import MOST_HELD, STEP, Budget
from tests.core.desk import TestDesk, mail
from tests.stores import Store


async def test_a_relay_that_answers_too_late_gets_no_flood_of_copies(desk: TestDesk, store: Store) -> None:
    """The first repeat is at once, the next ones wait as after a failure, longer each time."""
    desk.mail.script = [UnknownOutcome("no answer to the dot")] * 6
    desk.mail.lost = [True] * 6
    settings = desk.config.courier.model_copy(
        update={"retry_after": (timedelta(seconds=0.4), timedelta(minutes=5))}
    )
    desk.courier._settling._config = desk.config.model_copy(update={"courier": settings})
    await desk.write("Slow")
    await desk.courier.start()
    async with asyncio.timeout(15):
        while desk.mail.tries < 3:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    assert desk.mail.tries == 3
    due = store.value("SELECT due_at FROM deliveries WHERE channel = 'email'")
    due = datetime.fromisoformat(due) if isinstance(due, str) else due
    assert due - datetime.now(UTC).replace(tzinfo=None) > timedelta(minutes=3)


async def test_bytes_that_cannot_be_read_now_hold_up_only_their_row(desk: TestDesk, store: Store) -> None:
    """A disk's trouble with one mail: it waits, without an attempt counted, and those behind it are read."""
    await desk.take_in(mail("first"), shard="s")
    await desk.take_in(mail("second"), shard="s")
    folder = desk.blobs.folder / "ab"
    folder.mkdir(parents=True)
    key = "ab" + "0" * 30
    (folder / key).mkdir()  # reading it is EISDIR
    first = store.value("SELECT MIN(id) FROM inbox")
    await desk.database.unit(
        lambda tx: tx.run(update(inbox).where(inbox.c.id == first).values(blob=key, raw=None))
    )
    await desk.worker.start()
    async with asyncio.timeout(15):
        while store.count("inbox", "state = 'done'") < 1:
            await asyncio.sleep(0.05)
    [row] = store.rows("SELECT state, attempts, reason FROM inbox WHERE id = :id", id=first)
    assert (row["state"], row["attempts"]) == ("new", 0)
    assert row["reason"].startswith("disk:")


async def test_a_slow_relay_holds_up_no_slack(desk: TestDesk, store: Store) -> None:
    """Each channel has slots of its own: with every mail lane busy, cards go on."""
    let_go = asyncio.Event()
    send = desk.mail.send

    async def slow(*args: object) -> object:
        await let_go.wait()
        return await send(*args)

    desk.mail.send = slow  # type: ignore[method-assign, assignment]
    for number in range(desk.config.courier.lanes + 3):
        await desk.write(f"mail {number}")
    await desk.courier.start()
    async with asyncio.timeout(15):
        while len(desk.slack.sent) < desk.config.courier.lanes + 3:
            await asyncio.sleep(0.05)
    let_go.set()
    await desk.quiet(store)


async def test_a_service_managers_sigterm_costs_no_mail_its_try() -> None:
    """SIGTERM to every process of the service: a reading child goes on, its end is the pipe's."""
    children = Children(1)
    pid = await children.call("os:getpid")
    os.kill(pid, signal.SIGTERM)
    assert await children.call("os:getpid") == pid
    await children.close()


@pytest.mark.parametrize("store_name", ["mariadb"], indirect=True)
async def test_a_clock_that_is_wrong_follows_the_databases(store: Store, store_name: str) -> None:
    """Leases and due times are compared in the database; a process whose clock is off reckons with its time."""
    clock = Clock()
    database = Database(store.config().database, clock)
    try:
        clock.skew = timedelta(minutes=5)
        await database.read(lambda tx: tx.now())
        assert abs(clock.skew) < timedelta(seconds=2)
    finally:
        await database.close()


def test_relative_places_are_the_configuration_files_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail system runs its pipe in a folder of its own: the desk is where its configuration is."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "spool").mkdir()
    file = tmp_path / "etc" / "relaydesk.toml"
    file.write_text('[service]\nname = "Acme"\n')
    monkeypatch.chdir(tmp_path / "spool")
    config = load(file, environ={})
    assert config.service.data_dir == tmp_path / "etc" / "var"
    assert config.database.url == f"sqlite+aiosqlite:///{tmp_path}/etc/var/relaydesk.db"
    file.write_text(
        '[service]\ndata_dir = "/srv/desk"\n[database]\nurl = "sqlite+aiosqlite:////srv/desk/x.db"\n'
    )
    config = load(file, environ={})
    assert (str(config.service.data_dir), config.database.url[-15:]) == ("/srv/desk", "//srv/desk/x.db")


@pytest.mark.parametrize(
    "data",
    [
        {"worker": {"poll": "0s"}},
        {"scheduler": {"tick": "0s"}},
        {"courier": {"retry_after": []}},
        {"worker": {"retry_after": []}},
        {"slack": {"ask_timeout": "0s"}},
        {"courier": {"give_up_after": "99999999999999d"}},
    ],
)
def test_values_that_would_break_a_loop_are_refused(data: dict[str, object]) -> None:
    """One line that names the key."""
    section, values = next(iter(data.items()))
    with pytest.raises(ConfigError, match=rf"{section}\.{next(iter(values))}") as refused:  # type: ignore[call-overload]
        parse(data)
    assert "\n" not in str(refused.value)


def test_mails_that_come_in_share_a_budget() -> None:
    """All of them together hold so much, each at most half a MiB however large it is; given back at the end."""
    budget = Budget(MOST_HELD + 2 * STEP)
    large, small = budget.hold(100 * MOST_HELD), budget.hold()
    assert large is not None
    assert small is not None
    assert budget.left == STEP
    assert small.grow(2 * STEP)
    assert not small.grow(2 * STEP + 1)
    assert budget.hold() is None
    assert large.grow(1000 * MOST_HELD)
    large.release()
    large.release()
    assert small.grow(3 * STEP)
    small.release()
    assert budget.left == MOST_HELD + 2 * STEP
