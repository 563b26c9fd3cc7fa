"""`relaydesk token`: API tokens."""

from __future__ import annotations

from datetime import timedelta

import click

from core.people import SCOPES
from intake.cli.options import DurationType, as_json
from intake.cli.out import print_json, print_table
from intake.cli.terminal import Terminal, at_the_desk


@click.group()
def token() -> None:
    """Make, list and revoke API tokens."""


@token.command()
@click.option(
    "--for", "email", required=True, metavar="EMAIL", help="Whose; an unknown one becomes a requester."
)
@click.option("--expires", type=DurationType(), default="90d", show_default=True, metavar="DURATION")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    help="What it is for: read, report (open tickets), write (all changes). May be given several times; without it the "
    "token may whatever its owner may.",
)
@click.pass_obj
def create(terminal: Terminal, email: str, expires: timedelta, scopes: tuple[str, ...]) -> None:
    """Make a token and print it; it can't be shown again."""
    click.echo(at_the_desk(terminal, lambda parts: parts.people.create_token(email, expires, scopes)))


@token.command("list")
@as_json
@click.pass_obj
def list_tokens(terminal: Terminal, as_json: bool) -> None:
    """List the tokens that are in force, by the id under which one can be revoked."""
    tokens = at_the_desk(terminal, lambda parts: parts.people.list_tokens())
    keys = ("id", "email", "created_at", "expires_at", "last_used_at")
    if as_json:
        print_json([{**{key: getattr(info, key) for key in keys}, "scopes": info.scopes} for info in tokens])
        return
    rows = [[*(getattr(info, key) for key in keys), ", ".join(info.scopes) or "all"] for info in tokens]
    print_table(
        ("id", "for", "created", "expires", "last used", "scopes"), rows, empty="no token is in force"
    )


@token.command()
@click.argument("token_id", metavar="ID")
@click.pass_obj
def revoke(terminal: Terminal, token_id: str) -> None:
    """End a token, named by its listed id or by itself."""
    at_the_desk(terminal, lambda parts: parts.people.revoke_token(token_id))
    click.echo("the token is revoked")
