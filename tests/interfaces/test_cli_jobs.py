"""`relaydesk jobs list`: what runs by the clock, its last run and its next."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from app import build_parts
from core.jobs import jobs_of
from core.scheduler import Scheduler
from tests.interfaces.test_cli import Cli, cli
from tests.stores import Store

__all__ = ["cli"]


def ran(store: Store) -> None:
    """Let the service's jobs run once."""

    async def go() -> None:
        parts = build_parts(store.config())
        await Scheduler(parts.desk, parts.database, parts.blobs).tick()
        await parts.database.close()

    asyncio.run(go())


def test_jobs_are_listed_with_their_last_and_next_runs(cli: Cli) -> None:
    """As a table, and as JSON; one that failed says so."""
    names = [job.name for job in jobs_of(cli.store.config())]
    before = cli.done("jobs", "list", "--json").json()
    assert [row["name"] for row in before] == names
    assert {row["result"] for row in before} == {None}
    ran(cli.store)
    cli.store.execute("UPDATE job_runs SET result = 'failed: OSError' WHERE job = 'wake'")
    rows = {row["name"]: row for row in cli.done("jobs", "list", "--json").json()}
    wake, closing = rows["wake"], rows["close_resolved"]
    assert (wake["result"], wake["last_success"]) == ("failed: OSError", None)
    assert (closing["result"], closing["schedule"], closing["zone"]) == ("done", "every 2.5 s", None)
    moments = ("last_slot", "started", "finished", "next_slot")
    slot, started, finished, following = (datetime.fromisoformat(closing[name]) for name in moments)
    assert slot <= started <= finished
    assert following - slot >= timedelta(seconds=2.5)
    assert closing["last_success"] == closing["finished"]
    head, *lines = cli.done("jobs", "list").out.splitlines()
    assert head.split()[:3] == ["NAME", "SCHEDULE", "ZONE"]
    assert len(lines) == len(names)
    (line,) = [line for line in lines if line.startswith("wake ")]
    assert "every 2.5 s" in line
    assert "failed: OSError" in line
