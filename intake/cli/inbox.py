"""`relaydesk inbox`: what came in and was not (yet) read."""

from __future__ import annotations

import click

from intake.cli.options import NUMBER, as_json, limit
from intake.cli.out import cell, print_json, print_table
from intake.cli.terminal import Terminal, at_the_desk

_STATES = ("new", "unreadable", "held", "ignored", "done")
_HEAD = ("id", "channel", "state", "received", "attempts", "ticket", "reason")
_NAMES = ("id", "channel", "state", "received_at", "attempts", "ticket_id", "reason")
item_id = click.argument("item_id", metavar="ID", type=NUMBER)


@click.group()
def inbox() -> None:
    """See what came in, and have it read again."""


@inbox.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Default: what waits, is unreadable or held.")
@limit
@as_json
@click.pass_obj
def list_items(terminal: Terminal, state: str | None, limit: int, as_json: bool) -> None:
    """List what waits, could not be read, or is held."""
    found = at_the_desk(terminal, lambda parts: parts.operations.inbox(state, limit))
    if as_json:
        print_json([row.as_json() for row in found])
        return
    rows = [[getattr(row, name) for name in _NAMES] for row in found]
    print_table(_HEAD, rows, empty="nothing waits, all was read")


@inbox.command()
@item_id
@as_json
@click.pass_obj
def show(terminal: Terminal, item_id: int, as_json: bool) -> None:
    """Show what is known of one thing that came in."""
    row = at_the_desk(terminal, lambda parts: parts.operations.inbox_item(item_id))
    data = row.as_json()
    if as_json:
        print_json(data)
        return
    width = max(len(key) for key in data)
    click.echo("\n".join(f"{key:<{width}}  {cell(value)}" for key, value in data.items()))


@inbox.command()
@item_id
@click.pass_obj
def raw(terminal: Terminal, item_id: int) -> None:
    """Print it byte for byte as it came."""
    click.echo(at_the_desk(terminal, lambda parts: parts.operations.inbox_raw(item_id)), nl=False)


@inbox.command()
@item_id
@click.pass_obj
def retry(terminal: Terminal, item_id: int) -> None:
    """Have it read again: an unreadable one into its same ticket, a held one as no spam."""
    at_the_desk(terminal, lambda parts: parts.operations.retry_inbox(item_id))
    click.echo(f"{item_id} is read again")
