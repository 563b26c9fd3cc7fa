"""`relaydesk staff`: who works at the help desk."""

from __future__ import annotations

import click

from core.shapes import Role
from intake.cli.options import as_json
from intake.cli.out import line, print_json, print_table
from intake.cli.terminal import Terminal, at_the_desk


@click.group()
def staff() -> None:
    """Add, list and remove staff."""


@staff.command()
@click.argument("username", metavar="USERNAME")
@click.option("--email", required=True, metavar="ADDRESS")
@click.option(
    "--role",
    type=click.Choice([Role.AGENT.value, Role.MANAGER.value]),
    default=Role.AGENT.value,
    show_default=True,
)
@click.option("--name", default="", help="As requesters see it.")
@click.pass_obj
def add(terminal: Terminal, username: str, email: str, role: str, name: str) -> None:
    """Make somebody staff, or change them."""
    member = at_the_desk(terminal, lambda parts: parts.people.add_staff(username, email, Role(role), name))
    click.echo(f"{line(member.username)} <{line(member.email)}> is {member.role}")


@staff.command("list")
@as_json
@click.pass_obj
def list_staff(terminal: Terminal, as_json: bool) -> None:
    """List the staff."""
    members = at_the_desk(terminal, lambda parts: parts.people.list_staff())
    if as_json:
        keys = ("username", "name", "email", "slack_user", "role", "source")
        print_json([{key: getattr(member, key) for key in keys} for member in members])
        return
    rows = [(m.username, m.name, m.email, m.slack_user, m.role, m.source) for m in members]
    print_table(("username", "name", "email", "slack", "role", "from"), rows, empty="there is no staff yet")


@staff.command()
@click.argument("username", metavar="USERNAME")
@click.pass_obj
def remove(terminal: Terminal, username: str) -> None:
    """Take somebody's rights away; what they wrote stays."""
    at_the_desk(terminal, lambda parts: parts.people.remove_staff(username))
    click.echo(f"{line(username)} is staff no longer")
