"""Is it alive, is it ready, how busy is it: three requests that nobody signs in for. And for staff: how the jobs do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from core.failures import Unavailable
from core.jobs import jobs_of
from core.parts import Parts
from core.runs import JobRow, listed
from core.visibility import check_staff
from intake.web.auth import Somebody
from intake.web.metrics import CONTENT_TYPE, Metrics
from intake.web.parts import House
from intake.web.problems import documented

router = APIRouter(tags=["health"])
PATIENCE: Final = 5.0  # seconds for a look at the neighbours


class State(StrEnum):
    """How a part is. `degraded`: it is away, but nothing is refused or lost meanwhile."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class PartState:
    """One part (`database`, `smtp`, `slack`, …). `text` is public: no addresses, no secrets."""

    name: str
    state: State
    text: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether every enabled part accepts work."""

    parts: tuple[PartState, ...]

    @property
    def state(self) -> State:
        """The worst of the parts."""
        states = {part.state for part in self.parts}
        return next((state for state in (State.DOWN, State.DEGRADED) if state in states), State.OK)


Look = Callable[[], Awaitable[Readiness]]


async def state_of(name: str, part: Any) -> PartState | None:
    """Return how a running part is: it accepts work, or what keeps it from that; None where nobody waits for it."""
    if name == "clock":
        return PartState(name, State.DOWN if part.trouble else State.OK, part.trouble)
    if name == "email":
        short = await part.short_of()
        state = State.DEGRADED if short else State.OK
        return PartState("smtp", state if part.ready else State.DOWN, short)
    if name == "slack":
        standby = "standby" if part.state == "standby" else ""
        return PartState(name, State.DEGRADED if part.trouble else State.OK, part.trouble or standby)
    if name.startswith("imap:"):
        away = "" if part.ready else part.trouble
        return PartState(name, State.DEGRADED if away else State.OK, away)
    return None


class LiveOut(BaseModel):
    """The process answers."""

    status: str


class ReadyOut(BaseModel):
    """How the parts are; `details` for those that have something to say."""

    status: State
    parts: dict[str, State]
    details: dict[str, str]


class JobOut(BaseModel):
    """A job: its schedule, its last slot and how that went, the next one; `failures` in a row, since when."""

    name: str
    schedule: str
    zone: str | None
    last_slot: datetime | None
    started: datetime | None
    finished: datetime | None
    result: str | None
    next_slot: datetime
    failures: int
    failing_since: datetime | None
    retry_at: datetime | None
    failures_total: int
    last_success: datetime | None


class StatusOut(ReadyOut):
    """How the parts and the jobs are. `jobs`: none where the database is away; `failing`: the names of those that
    failed last."""

    jobs: list[JobOut]
    failing: list[str]


@router.get("/healthz")
async def healthz() -> LiveOut:
    """Say that the process lives. Asks no neighbour."""
    return LiveOut(status="ok")


@router.get("/readyz", response_model=ReadyOut, responses={503: {"model": ReadyOut}})
async def readyz(request: Request) -> JSONResponse:
    """Say whether it accepts work: 503 without the database or a listener of its own, else 200."""
    readiness = await _readiness(request)
    body = ReadyOut(**_told(readiness))
    return JSONResponse(body.model_dump(mode="json"), 503 if readiness.state is State.DOWN else 200)


@router.get("/status", responses=documented(401, 403))
async def status(request: Request, actor: Somebody, parts: House) -> StatusOut:
    """Tell staff how the parts are, and the jobs: when each ran last, with which result, what fails since when."""
    check_staff(actor, "see how the jobs do")
    readiness = await _readiness(request)
    try:
        async with asyncio.timeout(PATIENCE):
            rows = await _jobs(parts)
    except (Unavailable, TimeoutError):
        rows = []
    jobs = [JobOut.model_validate(row, from_attributes=True) for row in rows]
    failing = [job.name for job in jobs if job.failures]
    part = PartState("jobs", State.DEGRADED if failing else State.OK, _failures(jobs))
    return StatusOut(**_told(Readiness((*readiness.parts, part))), jobs=jobs, failing=failing)


def _failures(jobs: Sequence[JobOut]) -> str:
    """Say which jobs fail, and how often in a row."""
    return ", ".join(f"{job.name} failed {job.failures} in a row" for job in jobs if job.failures)


async def _readiness(request: Request) -> Readiness:
    look: Look = request.app.state.readiness
    try:
        async with asyncio.timeout(PATIENCE):
            return await look()
    except TimeoutError:
        text = f"no answer within {PATIENCE:g} s"
        return Readiness((PartState("database", State.DOWN, text),))


def _told(readiness: Readiness) -> dict[str, Any]:
    return {
        "status": readiness.state,
        "parts": {part.name: part.state for part in readiness.parts},
        "details": {part.name: part.text for part in readiness.parts if part.text},
    }


async def _jobs(parts: Parts) -> list[JobRow]:
    return await listed(parts.database, jobs_of(parts.config))


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}, "description": "OK"}}
)
async def metrics(request: Request, parts: House) -> Response:
    """Return the measurements as Prometheus text."""
    measured: Metrics = request.app.state.metrics
    return Response(
        await measured.render(parts.operations.counts, partial(_jobs, parts)), media_type=CONTENT_TYPE
    )
