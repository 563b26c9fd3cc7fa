"""What tickets look like in Slack: the triage card, messages of its thread, direct messages, notices. Pure.

Limits of Block Kit (docs.slack.dev/reference/block-kit): 3,000 characters a text object, 2,000 a field, 75 a button.
Every text of people's is escaped here and nowhere else; links and dates of ours are made here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.markup import brief, escape, fallback, messages
from core.shapes import Attachment, Message, Outgoing, Priority
from core.status import ACTIVE, MOVES, SETS, Status, Ticket

Json = dict[str, Any]

TITLE: Final = 150
FIRST_WORDS: Final = 300
NAME: Final = 80
ICONS: Final = {
    Status.NEW: ":large_blue_circle:",
    Status.OPEN: ":large_green_circle:",
    Status.PENDING: ":hourglass_flowing_sand:",
    Status.RESOLVED: ":white_check_mark:",
    Status.CLOSED: ":black_circle:",
}
PRESSING: Final = {Priority.HIGH: ":arrow_up: ", Priority.URGENT: ":rotating_light: "}
VIA: Final = {"email": "by mail", "slack": "in Slack", "web": "on the web", "cli": "from the terminal"}
MARKS: Final = {"sent": "envelope", "note": "lock", "failed": "warning", "done": "white_check_mark"}

# What requesters are told, by `data["what"]`.
TOLD: Final = {
    "ack": "Thank you, we have your message: it's ticket #{id}. Answers come here, in this thread.",
    "resolved": "Ticket #{id} is resolved. If something is still open, just write here.",
    "closed": "Ticket #{id} is closed. If you need us again, just write here.",
    "auto_closed": "We haven't heard from you, so ticket #{id} is closed. If you need us again, just write here.",
    "reopened": "Ticket #{id} is open again.",
    "reminder": "We're waiting for your answer in ticket #{id}. Without one it will be closed in a while.",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What all posts share: where links lead, and the service's name."""

    base_url: str
    name: str


@dataclass(frozen=True, slots=True)
class Post:
    """The text and blocks of one post."""

    text: str
    blocks: tuple[Json, ...] = ()


def ticket_card(outgoing: Outgoing, look: Look) -> Post:
    """The card of a ticket, as it stands now, with its controls."""
    ticket: Ticket = outgoing.ticket
    title = escape(brief(ticket.title, TITLE)) or "(no title)"
    head = f"{PRESSING.get(ticket.priority, '')}{ICONS[ticket.status]} *{_link(ticket, look, f'#{ticket.id} {title}')}*"
    blocks: list[Json] = [_section(head), {"type": "section", "fields": [_text(f) for f in _facts(outgoing)]}]
    if words := escape(brief(ticket.description, FIRST_WORDS)):
        blocks.append(_section(f">{words}"))
    if remarks := _remarks(ticket):
        blocks.append(_context(" · ".join(remarks)))
    blocks.append(
        {"type": "actions", "block_id": f"ticket:{ticket.id}:{ticket.version}", "elements": _controls(ticket)}
    )
    who = outgoing.assignee or ticket.assignee
    state = f"{ticket.status.value}, {'assigned to ' + who if who else 'unassigned'}"
    return Post(fallback(f"#{ticket.id} {title} ({escape(state)})"), tuple(blocks))


def _facts(outgoing: Outgoing) -> Iterator[str]:
    ticket: Ticket = outgoing.ticket
    requester = outgoing.requester
    name = requester.name if requester else ticket.requester_name
    email = requester.email if requester else ticket.requester_email
    shown = escape(brief(name or email or "somebody", NAME))
    if email and name and name.lower() != email.lower():
        shown += f" ({escape(brief(email, NAME))})"
    yield f"*Requester*\n{shown}"
    yield f"*Status*\n{ticket.status.value}"
    yield f"*Assignee*\n{escape(brief(outgoing.assignee or ticket.assignee or '', NAME)) or 'nobody'}"
    yield f"*Priority*\n{ticket.priority.value}"
    yield f"*Queue*\n{escape(ticket.queue)}"
    yield f"*Came in*\n{_date(ticket.created_at)} {VIA.get(ticket.channel, escape(ticket.channel))}"


def _remarks(ticket: Ticket) -> Iterator[str] | list[str]:
    remarks = []
    if ticket.unconfirmed:
        remarks.append(":grey_question: the requester hasn't confirmed the address yet")
    if ticket.spam:
        remarks.append(":no_entry: looks like spam")
    if ticket.merged_into:
        remarks.append(f":link: merged into #{ticket.merged_into}")
    return remarks


def _controls(ticket: Ticket) -> list[Json]:
    elements: list[Json] = []
    if ticket.status in ACTIVE or ticket.status is Status.RESOLVED:
        elements.append(
            _button("Take", "take", str(ticket.id), style="primary" if not ticket.assignee else None)
        )
    elements.append(
        {
            "type": "static_select",
            "action_id": "status",
            "placeholder": {"type": "plain_text", "text": "Status"},
            "initial_option": _option(ticket.status),
            "options": [_option(status) for status in settable(ticket.status)],
        }
    )
    if ticket.status in ACTIVE:
        elements.append(_button("Resolve", "resolve", str(ticket.id)))
    else:
        elements.append(_button("Reopen", "reopen", str(ticket.id)))
    return elements


def settable(status: Status) -> list[Status]:
    """The present status, and those that staff can set from it."""
    return [s for s in Status if s is status or status in MOVES[SETS[s]]]


def thread_messages(outgoing: Outgoing, look: Look) -> list[Post]:
    """A message of the ticket in the card's thread, for staff: who wrote it, how it came, what they wrote."""
    message = _message(outgoing)
    icon = ":lock: " if message.visibility == "note" else ""
    head = f"{icon}*{escape(brief(message.author.name or message.author.email or 'Somebody', NAME))}*"
    tags = ["staff" if message.author.staff else "", VIA.get(message.channel, escape(message.channel))]
    if claims := outgoing.data.get("claims"):
        tags.append(f":warning: says it is {escape(brief(str(claims), NAME))}, nothing proves that")
    if message.outsider:
        tags.append(":warning: takes no part in this ticket; `!admit` to let them in")
    head += " · " + " · ".join(tag for tag in tags if tag)
    return _posts(message, [_context(head)], look, outgoing)


def dm_messages(outgoing: Outgoing, look: Look) -> list[Post]:
    """A staff member's answer, for the requester: the words, and below them from whom they are."""
    message = _message(outgoing)
    name = escape(brief(message.author.name or look.name, NAME))
    ticket = f" · ticket #{outgoing.ticket.id}" if outgoing.ticket else ""
    return _posts(message, [], look, outgoing, tail=[_context(f"{name}{ticket}")])


def _posts(
    message: Message, head: list[Json], look: Look, outgoing: Outgoing, tail: Sequence[Json] = ()
) -> list[Post]:
    text = escape(message.text).strip("\n")
    if named := [line for file in message.attachments if (line := _missing(file))]:
        text = "\n".join([*([text] if text.strip() else []), *named])
    if not text.strip():
        text = _only_files(message)
    parts = messages(text)
    posts = []
    for number, pieces in enumerate(parts):
        blocks = [*(head if number == 0 else ()), *(_section(piece) for piece in pieces)]
        blocks += tail if number == len(parts) - 1 else ()
        posts.append(Post(fallback("\n".join(pieces)), tuple(blocks)))
    return posts


def _only_files(message: Message) -> str:
    names = ", ".join(escape(brief(f.name, NAME)) for f in message.attachments)
    return f":paperclip: {names}" if names else "(no text)"


def _missing(file: Attachment) -> str | None:
    """A line for a file that can't come by itself: Slack takes no empty ones."""
    name = escape(brief(file.name, NAME))
    if file.state != "stored" or (file.blob is None and file.size):
        return f":paperclip: {name} (not available)"
    return f":paperclip: {name} (an empty file)" if file.size == 0 else None


def notice(outgoing: Outgoing) -> Post:
    """A fixed text: to a requester in plain words, to staff one line in the card's thread."""
    data, what = outgoing.data, str(outgoing.data.get("what") or "")
    number = outgoing.ticket.id if outgoing.ticket else data.get("ticket_id", "")
    ready = data.get("text")
    if ready:
        text = escape(str(ready))
    elif what in TOLD and not outgoing.desk:
        text = TOLD[what].format(id=number)
    else:
        by = f" by {escape(str(data['by']))}" if data.get("by") else ""
        value = f": {escape(str(data['value']))}" if data.get("value") else ""
        text = f"{escape(what.replace('_', ' ')) or 'something changed'}{value}{by}"
        text = text[:1].upper() + text[1:]
    return _plain(text)


def alert(outgoing: Outgoing) -> Post:
    """Something of this ticket failed: what, why, and a button to try again (value: the delivery's number)."""
    data = outgoing.data
    reason = str(data.get("reason") or data.get("text") or "a message could not be delivered")
    to = str(data.get("to") or "")
    what = f"Not delivered to {escape(brief(to, NAME))}: " if "@" in to else ""
    text = f":warning: {what}{escape(reason)}"
    blocks = [_section(piece) for piece in messages(text)[0]]
    if delivery := data.get("delivery_id"):
        ticket = f"ticket:{outgoing.ticket.id}:" if outgoing.ticket else ""
        retry = _button("Try again", "retry", str(delivery))
        blocks.append({"type": "actions", "block_id": f"{ticket}delivery:{delivery}", "elements": [retry]})
    return Post(fallback(text), tuple(blocks))


def whisper(outgoing: Outgoing) -> Post:
    """What only one person is shown."""
    return _plain(escape(str(outgoing.data.get("text") or "")) or "Done.")


def orphan(post: Post, outgoing: Outgoing, look: Look) -> Post:
    """The same post where there is no thread to hold it: it says which ticket it belongs to."""
    if outgoing.ticket is None:
        return post
    title = escape(brief(outgoing.ticket.title, TITLE))
    head = _context(_link(outgoing.ticket, look, f"#{outgoing.ticket.id} {title}"))
    return Post(
        fallback(f"#{outgoing.ticket.id} {title}: {post.text}"),
        (head, *(post.blocks or (_section(post.text),))),
    )


def continued(post: Post, outgoing: Outgoing, look: Look) -> Post:
    """The first of several posts, where only one can be shown: it says where the whole text is."""
    if outgoing.ticket is None:
        return post
    rest = _context(f"the text goes on: {_link(outgoing.ticket, look, f'ticket #{outgoing.ticket.id}')}")
    return Post(post.text, (*post.blocks, rest))


def _plain(text: str) -> Post:
    """A text without a frame; one that is too long for `text` alone gets sections."""
    if len(text.encode()) <= 3_000:
        return Post(text)
    return Post(fallback(text), tuple(_section(piece) for piece in messages(text)[0]))


def _message(outgoing: Outgoing) -> Message:
    assert outgoing.message is not None, "a message delivery has its message"
    return outgoing.message


def _link(ticket: Ticket, look: Look, label: str) -> str:
    if not look.base_url:
        return label
    return f"<{look.base_url.rstrip('/')}/tickets/{ticket.id}|{label}>"


def _date(moment: datetime) -> str:
    """A moment as each reader's client shows it, in their own zone."""
    plain = moment.strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{plain}>"


def _text(text: str) -> Json:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: str) -> Json:
    return {"type": "section", "text": _text(text)}


def _context(text: str) -> Json:
    return {"type": "context", "elements": [_text(text)]}


def _option(status: Status) -> Json:
    return {"text": {"type": "plain_text", "text": status.value}, "value": status.value}


def _button(text: str, action: str, value: str, style: str | None = None) -> Json:
    button: Json = {
        "type": "button",
        "text": {"type": "plain_text", "text": text},
        "action_id": action,
        "value": value,
    }
    return {**button, "style": style} if style else button
