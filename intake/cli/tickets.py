"""`relaydesk tickets`: the manager's calls from a terminal."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from core.blank import is_blank
from core.status import Status
from intake.cli.options import NUMBER, acting, as_json, username
from intake.cli.out import (
    event_json,
    line,
    message_json,
    moment,
    plain,
    print_json,
    print_table,
    ticket_json,
)
from intake.cli.terminal import Terminal, at_the_desk

if TYPE_CHECKING:
    from core.parts import Parts
    from core.shapes import Actor, Attachment, Message, Visibility
    from core.status import Ticket
    from core.views import TicketCriteria, TicketDetail

_PAGE = 200
ticket_id = click.argument("ticket_id", metavar="ID", type=NUMBER)
text = click.argument("text", metavar="TEXT")


@click.group()
@acting
def tickets() -> None:
    """List, show and work on tickets."""


def _act(terminal: Terminal, work: Callable[[Parts, Actor], Awaitable[Any]]) -> Any:
    """Do something as the staff member that `--as` names."""
    name = username()

    async def acted(parts: Parts) -> Any:
        return await work(parts, await parts.people.staff_actor(name))

    return at_the_desk(terminal, acted)


@tickets.command("list")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([s.value for s in Status]),
    help="May be repeated.",
)
@click.option("--queue")
@click.option("--assignee", metavar="USERNAME", help="'-': nobody.")
@click.option("--requester", metavar="ADDRESS")
@click.option("-q", "--search", metavar="WORDS", help="What the tickets must hold.")
@click.option("--limit", metavar="N", type=click.IntRange(1), default=50, show_default=True, help="At most.")
@acting
@as_json
@click.pass_obj
def list_tickets(
    terminal: Terminal,
    statuses: tuple[str, ...],
    queue: str | None,
    assignee: str | None,
    requester: str | None,
    search: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List tickets, newest activity first."""
    from core.views import TicketCriteria

    criteria = TicketCriteria(
        status=tuple(Status(status) for status in statuses),
        queue=queue,
        assignee="" if assignee == "-" else assignee,
        requester=requester,
        q=search,
        limit=min(limit, _PAGE),
    )
    found, more = _act(terminal, lambda parts, actor: _pages(parts, actor, criteria, limit))
    if as_json:
        print_json([ticket_json(ticket) for ticket in found])
    else:
        head = ("id", "status", "priority", "queue", "requester", "assignee", "updated", "title")
        print_table(head, [_row(ticket) for ticket in found], empty="no such tickets")
    if more:
        click.echo(f"there are more than {limit}; see --limit", err=True)


async def _pages(
    parts: Parts, actor: Actor, criteria: TicketCriteria, limit: int
) -> tuple[list[Ticket], bool]:
    """Follow the cursor until `limit` tickets are there."""
    from dataclasses import replace

    found: list[Ticket] = []
    while True:
        page = await parts.manager.view_tickets(actor, criteria)
        found += page.tickets
        if page.cursor is None or len(found) >= limit:
            return found[:limit], page.cursor is not None or len(found) > limit
        criteria = replace(criteria, cursor=page.cursor)


def _row(ticket: Ticket) -> tuple[object, ...]:
    status = f"{ticket.status} (unconfirmed)" if ticket.unconfirmed else ticket.status
    requester = ticket.requester_email or ticket.requester_name
    return (
        ticket.id,
        status,
        ticket.priority,
        ticket.queue,
        requester,
        ticket.assignee,
        ticket.updated_at,
        ticket.title,
    )


@tickets.command()
@ticket_id
@acting
@as_json
@click.pass_obj
def show(terminal: Terminal, ticket_id: int, as_json: bool) -> None:
    """Show a ticket with its messages and its history."""
    detail: TicketDetail = _act(terminal, lambda parts, actor: parts.manager.view_ticket(actor, ticket_id))
    if as_json:
        data = ticket_json(detail.ticket)
        data["messages"] = [message_json(message) for message in detail.messages]
        data["events"] = [event_json(event) for event in detail.events]
        print_json(data)
        return
    lines = _heading(detail.ticket)
    for message in detail.messages:
        lines += _written(message)
    lines += ["", "History"]
    for event in detail.events:
        data_words = ", ".join(f"{key}={value}" for key, value in event.data.items())
        lines.append(
            f"  {moment(event.at)}  {line(event.kind)}  {line(event.actor)}  {line(data_words, 100)}".rstrip()
        )
    click.echo("\n".join(lines))


def _heading(ticket: Ticket) -> list[str]:
    marks = [
        word
        for word, holds in (
            ("unconfirmed", ticket.unconfirmed),
            ("spam", ticket.spam),
            (f"merged into #{ticket.merged_into}", ticket.merged_into is not None),
        )
        if holds
    ]
    return [
        f"#{ticket.id}  {line(ticket.title, 200)}",
        f"  {ticket.status}, {ticket.priority}, queue {line(ticket.queue)}, by {line(ticket.channel)}"
        + "".join(f", {mark}" for mark in marks),
        f"  requester {line(ticket.requester_name or '-')} <{line(ticket.requester_email or '-')}>, "
        f"assignee {line(ticket.assignee or '-')}",
        f"  created {moment(ticket.created_at)}, updated {moment(ticket.updated_at)}, "
        f"first response {moment(ticket.first_response_at)}, resolved {moment(ticket.resolved_at)}",
    ]


def _written(message: Message) -> list[str]:
    marks = [
        str(message.visibility),
        message.channel,
        *(["outsider"] if message.outsider else []),
        *(["edited"] if message.edited_at else []),
        *(["deleted"] if message.deleted_at else []),
    ]
    who = line(message.author.name or message.author.email or "-")
    lines = ["", f"-- {moment(message.created_at)}  {who}  ({', '.join(line(mark) for mark in marks)})"]
    lines += [f"   {row}" for row in plain(message.text).split("\n")]
    lines += [
        f"   [{file.id}] {line(file.name)} ({line(file.content_type)}, {file.size} bytes{_kept(file)})"
        for file in message.attachments
    ]
    return lines


def _kept(attachment: Attachment) -> str:
    """Whether a file is there."""
    words = {"expired": ", no longer kept", "unavailable": ", not available"}
    return words.get(attachment.state, "")


def _print_ticket(ticket: Ticket, as_json: bool, words: str) -> None:
    if as_json:
        print_json(ticket_json(ticket))
    else:
        click.echo(f"#{ticket.id} {line(words)}")


@tickets.command("status")
@ticket_id
@click.argument("status", metavar="STATUS", type=click.Choice([s.value for s in Status]))
@acting
@as_json
@click.pass_obj
def set_status(terminal: Terminal, ticket_id: int, status: str, as_json: bool) -> None:
    """Set the status: new, open, pending, resolved or closed."""
    wanted = Status(status)
    ticket = _act(terminal, lambda parts, actor: parts.manager.assign_status(actor, ticket_id, wanted))
    _print_ticket(ticket, as_json, f"is {ticket.status}")


@tickets.command()
@ticket_id
@click.argument("user", metavar="USER")
@acting
@as_json
@click.pass_obj
def assign(terminal: Terminal, ticket_id: int, user: str, as_json: bool) -> None:
    """Assign a staff member; '-' takes the assignee away."""
    wanted = None if user == "-" else user
    ticket = _act(terminal, lambda parts, actor: parts.manager.assign(actor, ticket_id, wanted))
    _print_ticket(ticket, as_json, f"is assigned to {ticket.assignee or 'nobody'}")


@tickets.command()
@ticket_id
@text
@acting
@as_json
@click.pass_obj
def reply(terminal: Terminal, ticket_id: int, text: str, as_json: bool) -> None:
    """Answer the requester; TEXT '-' is read from stdin."""
    from core.shapes import Visibility

    _write(terminal, ticket_id, text, Visibility.PUBLIC, as_json)


@tickets.command()
@ticket_id
@text
@acting
@as_json
@click.pass_obj
def note(terminal: Terminal, ticket_id: int, text: str, as_json: bool) -> None:
    """Write a note, which staff alone see; TEXT '-' is read from stdin."""
    from core.shapes import Visibility

    _write(terminal, ticket_id, text, Visibility.NOTE, as_json)


def _write(terminal: Terminal, ticket_id: int, text: str, visibility: Visibility, as_json: bool) -> None:
    words = sys.stdin.read() if text == "-" else text
    if is_blank(words):
        raise click.UsageError("TEXT is empty", click.get_current_context())
    if any(0xD800 <= ord(char) <= 0xDFFF for char in words):
        raise click.UsageError("TEXT is not UTF-8", click.get_current_context())
    message: Message = _act(
        terminal,
        lambda parts, actor: parts.manager.exchange_messages(actor, ticket_id, words, visibility=visibility),
    )
    if as_json:
        print_json(message_json(message))
    else:
        click.echo(f"#{ticket_id} has a new {'note' if visibility == 'note' else 'reply'}")


@tickets.command()
@ticket_id
@click.argument("into", metavar="INTO", type=NUMBER)
@acting
@as_json
@click.pass_obj
def merge(terminal: Terminal, ticket_id: int, into: int, as_json: bool) -> None:
    """Close a ticket in favour of another, to which later mail goes."""
    ticket = _act(terminal, lambda parts, actor: parts.manager.merge(actor, ticket_id, into))
    _print_ticket(ticket, as_json, f"is merged into #{ticket.merged_into}")


@tickets.command()
@ticket_id
@click.argument("address", metavar="ADDRESS")
@acting
@as_json
@click.pass_obj
def admit(terminal: Terminal, ticket_id: int, address: str, as_json: bool) -> None:
    """Let an outsider take part in the ticket."""
    ticket = _act(terminal, lambda parts, actor: parts.manager.admit(actor, ticket_id, address))
    _print_ticket(ticket, as_json, f"has {address} taking part")


@tickets.command()
@ticket_id
@click.argument("address", metavar="ADDRESS")
@acting
@as_json
@click.pass_obj
def unsuppress(terminal: Terminal, ticket_id: int, address: str, as_json: bool) -> None:
    """Let mail go again to an address that bounced for good."""
    ticket = _act(terminal, lambda parts, actor: parts.manager.unsuppress(actor, ticket_id, address))
    _print_ticket(ticket, as_json, f"mails {address} again")
