"""What an operator's reading of the mail part found: blobs of nobody's are swept, and no others."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from core import inbox, sweeping
from core.blobs import INLINE_BYTES, LEFT_BEHIND, Blobs
from core.database import Tx
from core.inbox import Arrival
from core.jobs import JOBS
from core.scheduler import Scheduler
from core.shapes import key_of
from core.tables import attachments, deliveries, messages
from tests.core.desk import TestDesk
from tests.stores import Store
from tests.waiting import until


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
