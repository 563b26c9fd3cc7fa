"""Options and argument types that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

LARGEST_ID: Final = 2**63 - 1
NUMBER: Final = click.IntRange(1, LARGEST_ID)
OPERATOR: Final = "operator"
_ACTING: Final = "relaydesk.as"

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
limit = click.option(
    "--limit", metavar="N", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most."
)


def _remember(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        ctx.meta[_ACTING] = value


def acting(function: F) -> F:
    """Add `--as USERNAME`, on a group or on its commands; the innermost one counts."""
    option = click.option(
        "--as",
        "acting_as",
        metavar="USERNAME",
        callback=_remember,
        expose_value=False,
        help=f"The staff member who acts. Default: {OPERATOR}.",
    )
    return option(function)


def username() -> str:
    """Return who acts in the running command."""
    return str(click.get_current_context().meta.get(_ACTING, OPERATOR))


class DurationType(click.ParamType[timedelta]):
    """A duration like `30s`, `8h`, `90d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it as the configuration does."""
        from core.config import parse_duration

        try:
            duration = parse_duration(value)
        except (ValueError, OverflowError):
            self.fail(f"'{value}' is no duration; write it like 8h or 90d", param, ctx)
        assert isinstance(duration, timedelta)
        if duration <= timedelta():
            self.fail("must be longer than nothing", param, ctx)
        return duration
