"""`relaydesk outbox`: what waits to go out, or failed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from intake.cli.options import NUMBER, acting, as_json, limit, username
from intake.cli.out import print_json, print_table
from intake.cli.terminal import Terminal, at_the_desk

if TYPE_CHECKING:
    from core.parts import Parts

_STATES = ("queued", "held", "sending", "sent", "failed", "bounced", "cancelled")
_HEAD = ("id", "ticket", "channel", "kind", "place", "state", "due", "attempts", "last error")
_NAMES = ("id", "ticket_id", "channel", "kind", "place", "state", "due_at", "attempts", "last_error")
delivery_id = click.argument("delivery_id", metavar="ID", type=NUMBER)


@click.group()
@acting
def outbox() -> None:
    """See and settle what goes out."""


@outbox.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Default: what isn't settled or went wrong.")
@limit
@as_json
@click.pass_obj
def list_deliveries(terminal: Terminal, state: str | None, limit: int, as_json: bool) -> None:
    """List the deliveries that wait or failed."""
    found = at_the_desk(terminal, lambda parts: parts.operations.outbox(state, limit))
    if as_json:
        print_json([row.as_json() for row in found])
        return
    rows = [[getattr(row, name) for name in _NAMES] for row in found]
    print_table(_HEAD, rows, empty="nothing waits, nothing failed")


@outbox.command()
@delivery_id
@acting
@click.pass_obj
def retry(terminal: Terminal, delivery_id: int) -> None:
    """Try a delivery again at once."""
    name = username()

    async def work(parts: Parts) -> None:
        await parts.operations.retry_delivery(delivery_id, await parts.people.staff_actor(name))

    at_the_desk(terminal, work)
    click.echo(f"delivery {delivery_id} is tried again")


@outbox.command()
@delivery_id
@acting
@click.pass_obj
def cancel(terminal: Terminal, delivery_id: int) -> None:
    """Never send a delivery that waits."""
    name = username()

    async def work(parts: Parts) -> None:
        await parts.operations.cancel_delivery(delivery_id, await parts.people.staff_actor(name))

    at_the_desk(terminal, work)
    click.echo(f"delivery {delivery_id} is cancelled")


@outbox.command()
@click.pass_obj
def pause(terminal: Terminal) -> None:
    """Hold everything that would go out."""
    at_the_desk(terminal, lambda parts: parts.operations.pause())
    click.echo("nothing goes out until: relaydesk outbox resume")


@outbox.command()
@click.pass_obj
def resume(terminal: Terminal) -> None:
    """Let go out what is held."""
    released = at_the_desk(terminal, lambda parts: parts.operations.resume())
    click.echo(f"mail and messages go out again; {released} had been held")
