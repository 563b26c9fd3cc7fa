"""How data is printed: aligned text for people, JSON for programs. What strangers wrote can't steer the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from core.widths import cut, width

if TYPE_CHECKING:
    from core.shapes import Event, Message
    from core.status import Ticket

# Control characters (but not line feed and tab), and what turns the direction of writing around.
_STEERING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
_RAW_IN_JSON: Final = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
WIDEST: Final = 60


def plain(value: object) -> str:
    """Return text that is safe on a terminal; it may have several lines."""
    return _STEERING.sub("\ufffd", str(value).replace("\r\n", "\n"))


def line(value: object, widest: int = WIDEST) -> str:
    """Return one line, cut to `widest` columns."""
    return cut(plain(value), widest)


def moment(value: datetime | None) -> str:
    """Return a time in UTC, to the minute."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%MZ}" if value else "-"


def cell(value: object) -> str:
    """Return one value as a table shows it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Mapping):
        return line(", ".join(f"{key}={item}" for key, item in value.items()))
    return line(value)


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print aligned columns, or the line `empty`."""
    cells = [[cell(value) for value in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    whole = [[name.upper() for name in head], *cells]
    widths = [max(width(row[i]) for row in whole) for i in range(len(head))]
    lines = (
        "  ".join(text + " " * (widths[i] - width(text)) for i, text in enumerate(row)).rstrip()
        for row in whole
    )
    click.echo("\n".join(lines))


def print_json(data: object) -> None:
    """Print JSON."""
    text = json.dumps(data, indent=2, ensure_ascii=False, default=_json_value)
    click.echo(_RAW_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    """Return a ticket as INTERFACES.md has it."""
    return {
        "id": ticket.id,
        "title": ticket.title,
        "description": ticket.description,
        "status": ticket.status,
        "priority": ticket.priority,
        "queue": ticket.queue,
        "channel": ticket.channel,
        "requester": {"name": ticket.requester_name, "email": ticket.requester_email},
        "assignee": ticket.assignee,
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
        "first_response_at": ticket.first_response_at,
        "resolved_at": ticket.resolved_at,
    }


def message_json(message: Message) -> dict[str, Any]:
    """Return a message as INTERFACES.md has it."""
    author = message.author
    proof = {"authentication": dict(message.auth_results)} if message.auth_results else {}
    return {
        "id": message.id,
        "author": {"name": author.name, "email": author.email, "staff": author.staff},
        "visibility": message.visibility,
        "channel": message.channel,
        "text": message.text,
        "attachments": [
            {
                "filename": attachment.name,
                "content_type": attachment.content_type,
                "size": attachment.size,
                "url": f"/attachments/{attachment.id}",
            }
            for attachment in message.attachments
        ],
        "created_at": message.created_at,
        **proof,  # what a mail server that we trust said of the sender
    }


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as INTERFACES.md has it."""
    return {
        "id": event.id,
        "at": event.at,
        "kind": event.kind,
        "actor": event.actor,
        "data": dict(event.data),
    }
