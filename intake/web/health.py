"""Is it alive, is it ready, how busy is it: three requests that nobody signs in for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from intake.web.metrics import CONTENT_TYPE, Metrics
from intake.web.parts import House

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


class LiveOut(BaseModel):
    """The process answers."""

    status: str


class ReadyOut(BaseModel):
    """How the parts are; `details` for those that have something to say."""

    status: State
    parts: dict[str, State]
    details: dict[str, str]


@router.get("/healthz")
async def healthz() -> LiveOut:
    """Say that the process lives. Asks no neighbour."""
    return LiveOut(status="ok")


@router.get("/readyz", response_model=ReadyOut, responses={503: {"model": ReadyOut}})
async def readyz(request: Request) -> JSONResponse:
    """Say whether it accepts work: 503 without the database or a listener of its own, else 200."""
    look: Look = request.app.state.readiness
    try:
        async with asyncio.timeout(PATIENCE):
            readiness = await look()
    except TimeoutError:
        text = f"no answer within {PATIENCE:g} s"
        readiness = Readiness((PartState("database", State.DOWN, text),))
    body = ReadyOut(
        status=readiness.state,
        parts={part.name: part.state for part in readiness.parts},
        details={part.name: part.text for part in readiness.parts if part.text},
    )
    return JSONResponse(body.model_dump(mode="json"), 503 if readiness.state is State.DOWN else 200)


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}, "description": "OK"}}
)
async def metrics(request: Request, parts: House) -> Response:
    """Return the measurements as Prometheus text."""
    measured: Metrics = request.app.state.metrics
    return Response(await measured.render(parts.operations.counts), media_type=CONTENT_TYPE)
