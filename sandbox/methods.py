"""The table of Web API methods: what each needs and accepts, and who answers it.

Arguments, scopes and tiers: the methods' pages on docs.slack.dev/reference/methods.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sandbox.shapes import Json, SlackError

if TYPE_CHECKING:
    from sandbox.interactions import Interactions
    from sandbox.views import Views
    from sandbox.workspace import Workspace

TokenKind = Literal["bot", "app", "none"]


@dataclass
class Asked:
    """One call, as its method sees it."""

    space: Workspace
    interactions: Interactions
    views: Views
    api: Any  # the WebApi that asks: for sockets and upload urls
    args: Json
    basic: tuple[str, str] = ("", "")
    """Name and password of HTTP's basic authentication, where a call has them."""

    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name)
        return default if value is None else str(value)

    def flag(self, name: str) -> bool:
        return str(self.args.get(name, "")).lower() in ("1", "true")

    def number(self, name: str, default: int, error: str = "invalid_arguments") -> int:
        try:
            return int(self.args.get(name) or default)
        except ValueError:
            raise SlackError(error) from None

    def json(self, name: str, error: str) -> Any:
        """A structured argument: as JSON text (in a form) or as it is (in a JSON body)."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            raise SlackError(error) from None

    def need(self, *scopes: str) -> None:
        """One of these scopes must be installed."""
        if scopes and not self.space.scopes.intersection(scopes):
            raise SlackError(
                "missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.space.scopes))
            )


Handler = Callable[[Asked], Awaitable[Json]]


@dataclass(frozen=True)
class Method:
    """One method of the Web API."""

    name: str
    handler: Handler
    required: tuple[str, ...]
    optional: tuple[str, ...]
    scopes: tuple[str, ...]
    per_minute: int
    by: TokenKind


METHODS: dict[str, Method] = {}

TIER_1, TIER_2, TIER_3, TIER_4, SPECIAL = 1, 20, 50, 100, 600


def method(
    name: str,
    *,
    required: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
    scopes: tuple[str, ...] = (),
    tier: int = TIER_3,
    by: TokenKind = "bot",
) -> Callable[[Handler], Handler]:
    """Put a handler into the table."""

    def enter(handler: Handler) -> Handler:
        METHODS[name] = Method(name, handler, required, optional, scopes, tier, by)
        return handler

    return enter


def paged(
    items: list[Any], asked: Asked, *, default: int, most: int, error: str = "invalid_limit"
) -> tuple[list[Any], str]:
    """A page of a list, and the cursor of the next one."""
    limit = asked.number("limit", default, error)
    if not 0 < limit <= most:
        raise SlackError(error)
    start = cursor_value(asked.text("cursor"))
    page = items[start : start + limit]
    more = start + limit < len(items)
    return page, make_cursor(start + limit) if more else ""


def make_cursor(position: int) -> str:
    return f"bmV4dDo{position * 7919:x}="


def cursor_value(cursor: str) -> int:
    if not cursor:
        return 0
    if not cursor.startswith("bmV4dDo"):
        raise SlackError("invalid_cursor")
    try:
        value = int(cursor.removeprefix("bmV4dDo").rstrip("="), 16)
    except ValueError:
        raise SlackError("invalid_cursor") from None
    if value % 7919:
        raise SlackError("invalid_cursor")
    return value // 7919
