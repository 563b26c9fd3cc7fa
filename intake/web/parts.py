"""The parts of the house, as a route asks for them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from core.parts import Parts


def parts_of(request: Request) -> Parts:
    """Return the parts that `build_site` was given."""
    parts: Parts = request.app.state.parts
    return parts


House = Annotated[Parts, Depends(parts_of)]
