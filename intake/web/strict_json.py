"""JSON that means one thing: no key twice, no number that isn't one, nested no deeper than anybody needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

TWICE: Final = "a key is there twice"
NUMBER: Final = "a number is none"
DEEP: Final = "is nested too deep"
LETTERS: Final = "is no UTF-8"
WORDS: Final = frozenset({TWICE, NUMBER, DEEP, LETTERS})


def loads(body: bytes) -> Any:
    """Return what the JSON says. Raises `json.JSONDecodeError`; its `msg` is one of ours, or the parser's."""
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise json.JSONDecodeError(LETTERS, "", 0) from None
    except RecursionError:
        raise json.JSONDecodeError(DEEP, "", 0) from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # thousands of digits
        raise json.JSONDecodeError(NUMBER, "", 0) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise json.JSONDecodeError(TWICE, "", 0)
    return found


def _no_number(_: str) -> Any:
    raise json.JSONDecodeError(NUMBER, "", 0)


class _StrictRequest(Request):
    async def json(self) -> Any:
        """See Starlette."""
        return loads(await self.body())


class JsonRoute(APIRoute):
    """A route whose JSON is read by `loads`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return answer
