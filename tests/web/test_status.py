"""`/status`, and what `/metrics` says of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from app import build_parts
from core.failures import Unavailable
from core.jobs import Job, Jobs
from core.scheduler import Scheduler
from core.shapes import Actor, Role
from intake.web import health
from tests.stores import Store
from tests.web.stage import STAFF, client, parts_with, serving

CUSTOMER = Actor(user_id=2, role=Role.REQUESTER, channel="web", name="Ann", email="ann@example.com")


async def fine(jobs: Jobs) -> bool:
    return False


async def broken(jobs: Jobs) -> bool:
    raise OSError("secret words")


JOBS = (Job("fine", timedelta(hours=1), fine), Job("broken", timedelta(hours=1), broken))


@pytest.fixture
async def parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Parts of which the jobs have run once."""
    built = build_parts(store.config())
    monkeypatch.setattr(health, "jobs_of", lambda config: JOBS)
    await Scheduler(built.desk, built.database, built.blobs, JOBS).tick()

    async def by_token(token: str) -> Actor | None:
        return {"right": STAFF, "customer": CUSTOMER}.get(token)

    yield SimpleNamespace(
        **{
            name: getattr(built, name)
            for name in ("config", "clock", "blobs", "intake", "manager", "operations")
        },
        database=built.database,
        people=SimpleNamespace(by_token=by_token),
    )
    await built.database.close()


async def test_staff_see_how_the_jobs_do(parts: Any) -> None:
    """Each with its last result; what fails is named."""
    async with serving(parts) as url, client(url, "right") as http:
        answer = await http.get("/status")
    said = answer.json()
    assert answer.status_code == 200
    assert (said["status"], said["failing"]) == ("degraded", ["broken"])
    assert said["parts"] == {"database": "ok", "jobs": "degraded"}
    assert said["details"] == {"jobs": "broken failed 1 in a row"}
    told = {job["name"]: (job["result"], job["failures"], job["schedule"]) for job in said["jobs"]}
    assert told == {"fine": ("done", 0, "every 1 h"), "broken": ("failed: OSError", 1, "every 1 h")}
    assert "secret words" not in answer.text


async def test_nobody_else_does(parts: Any) -> None:
    """Strangers are asked who they are, customers are refused."""
    async with serving(parts) as url, client(url) as http:
        assert (await http.get("/status")).status_code == 401
    async with serving(parts) as url, client(url, "customer") as http:
        assert (await http.get("/status")).status_code == 403


async def test_it_is_told_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it says that of the parts, and nothing of the jobs."""

    async def away(*_: Any) -> Any:
        raise Unavailable

    monkeypatch.setattr(health, "_jobs", away)
    async with serving(parts_with()) as url, client(url, "right") as http:
        answer = await http.get("/status")
    assert (answer.status_code, answer.json()["jobs"]) == (200, [])


async def test_metrics_count_failures_and_tell_the_last_success(parts: Any, store: Store) -> None:
    """By job, the same from every instance."""
    async with serving(parts) as url, client(url) as http:
        text = (await http.get("/metrics")).text
    assert 'relaydesk_job_failures_total{job="broken"} 1.0' in text
    assert 'relaydesk_job_failures_total{job="fine"} 0.0' in text
    assert 'relaydesk_job_last_success_timestamp_seconds{job="fine"} ' in text
    assert 'relaydesk_job_last_success_timestamp_seconds{job="broken"}' not in text
