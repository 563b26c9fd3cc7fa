"""A ticket's page, as an act of it shows it again, too: with what was typed and why it wasn't done."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from starlette.responses import Response

from core.failures import NotFound
from core.parts import Parts
from core.ratings import MOST
from core.shapes import Actor, Event, Message
from intake.web import desk
from intake.web.render import head, page
from intake.web.uploads import EACH_BYTES, MOST_FILES

_SAID = ("reason", "place", "what", "into", "tag", "queue", "priority", "title")
_LONGEST = 300
NEWEST = 50  # messages that a page begins with
NEWEST_EVENTS = 200
LONG = 20_000  # characters: of a longer message the page has the beginning
TOGETHER = 60_000  # characters of all messages; what goes beyond it, from the newest on, is cut, too
BEGINNING = 3_000


async def ticket_page(
    request: Request,
    parts: Parts,
    actor: Actor,
    ticket_id: int,
    *,
    status: int = 200,
    problem: str = "",
    draft: str = "",
    note: bool = False,
    comment: str = "",
    desk_problem: str = "",
) -> Response:
    """Show a ticket with its conversation; to staff with its history and what they do with it. `problem`: why something
    wasn't done; `draft`, `note`, `comment`: what was typed; `desk_problem`: as `problem`, of staff's acts. Raises
    `NotFound`."""
    shown = await parts.manager.show_ticket(actor, ticket_id)
    whole = "all" in request.query_params
    said_lately = shown.detail.messages if whole else shown.detail.messages[-NEWEST:]
    happened = [(event, said(event)) for event in shown.detail.events] if actor.staff else []
    values: dict[str, Any] = {
        "ticket": shown.detail.ticket,
        "messages": said_lately,
        "cut": beginnings(said_lately),
        "earlier": len(shown.detail.messages) - len(said_lately),
        "events": happened if whole else happened[-NEWEST_EVENTS:],
        "events_before": 0 if whole else max(len(happened) - NEWEST_EVENTS, 0),
        "shown": shown,
        "problem": problem,
        "draft": draft,
        "note": note,
        "comment": comment,
        "key": secrets.token_urlsafe(12),
        "scores": range(1, MOST + 1),
        "most_files": MOST_FILES,
        "each": EACH_BYTES,
        "together": parts.config.http.max_body_bytes,
    }
    if actor.staff:
        values |= await desk.aside(request, actor, parts, shown.detail, desk_problem)
    return page(request, "ticket", status, **values, **head(request, actor))


async def message_page(
    request: Request, parts: Parts, actor: Actor, ticket_id: int, message_id: int
) -> Response:
    """Show one message of a ticket, whole, however long it is. Raises `NotFound`."""
    shown = await parts.manager.show_ticket(actor, ticket_id)
    message = next((one for one in shown.detail.messages if one.id == message_id), None)
    if message is None:
        raise NotFound("there is no such message")
    values: dict[str, Any] = {"ticket": shown.detail.ticket, "message": message, "shown": shown, "cut": {}}
    return page(request, "ticket_one", **values, **head(request, actor))


def beginnings(messages: Sequence[Message]) -> Mapping[int, str]:
    """Return, by their ids, how the messages begin that are too long to stand whole beside the others. Pure."""
    cut, room = {}, TOGETHER
    for message in reversed(messages):
        size = max(len(message.text), len(message.rich or ""))
        if size > BEGINNING and (size > LONG or size > room):
            cut[message.id] = message.text[:BEGINNING].rstrip()
            size = BEGINNING
        room -= size
    return cut


def said(event: Event) -> str:
    """Return in words what an entry of the history says beside its kind. Pure."""
    data = event.data
    words = []
    if "from" in data or "to" in data:
        before = f"{data['from'] or 'nobody'} " if "from" in data else ""  # older ones don't say from whom
        words.append(f"{before}→ {data.get('to') or 'nobody'}")
    words += [str(data[name]) for name in _SAID if data.get(name)]
    return ", ".join(words)[:_LONGEST]
