"""What this door needs of the house; `app.Parts` fits."""

from __future__ import annotations

from typing import Annotated, Protocol

from core.manager import TicketManager
from core.operate import Operations
from fastapi import Depends, Request

from core.blobs import Blobs
from core.clock import Clock
from core.config import Config
from core.people import People


class WebParts(Protocol):
    """The parts of the running service that HTTP requests are answered from."""

    @property
    def config(self) -> Config: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def blobs(self) -> Blobs: ...
    @property
    def people(self) -> People: ...
    @property
    def manager(self) -> TicketManager: ...
    @property
    def operations(self) -> Operations: ...


def parts_of(request: Request) -> WebParts:
    """Return the parts that `build_site` was given."""
    parts: WebParts = request.app.state.parts
    return parts


House = Annotated[WebParts, Depends(parts_of)]
