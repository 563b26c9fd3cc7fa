"""What the desk holds and sends, as channels and doors get it: messages, events, deliveries and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.shapes_base import Auth, Person, Visibility


class Kind(StrEnum):
    """What a delivery is. How an unknown outcome is settled hangs on it (`core.outbox.SETTLE`)."""

    CARD = "card"  # a ticket's present state in a triage place; posted once, then updated
    MESSAGE = "message"  # a message of the ticket
    FILE = "file"  # one attachment, where a channel can't carry it with its message
    NOTICE = "notice"  # a fixed text about the ticket; data["what"] names the template
    ALERT = "alert"  # something failed: for staff, with a way to retry
    MARK = "mark"  # a small sign on a message: data["mark"] is sent, note, failed, done
    EDIT = "edit"  # the new text of a message that went out before
    WHISPER = "whisper"  # for one person's eyes, at most once
    DIGEST = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A stored file of a message."""

    id: int
    name: str
    content_type: str
    size: int
    blob: str | None
    inline_cid: str | None = None
    state: str = "stored"  # stored, unavailable, expired (its time to be kept is over)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote a message, as shown: never an address to somebody who may not see it."""

    name: str
    email: str
    staff: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a ticket."""

    id: int
    ticket_id: int
    seq: int
    author: Author
    author_id: int | None
    visibility: Visibility
    channel: str
    text: str  # the sender's own words
    full_text: str  # with quoted history and signature
    source_time: datetime
    created_at: datetime
    attachments: tuple[Attachment, ...] = ()
    mail_id: str | None = None
    mail_date: datetime | None = None
    outsider: bool = False
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    auth: Auth = Auth.VERIFIED
    auth_results: Mapping[str, Any] | None = None  # for staff: what a hop that we trust said of the sender
    rich: str | None = None  # `text` with its formatting (`core.rich`), None where it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of a ticket's history."""

    id: int
    ticket_id: int
    at: datetime
    kind: str
    actor: str
    public: bool
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One delivery as its channel gets it, loaded when it is sent, so that it shows the present state.

    `desk`: it goes to the staff's side. `anchor`: the remote id of the ticket's card in this place. `target`:
    the remote id of the message that this one changes or marks. `mail_ids`: Message-IDs of the ticket's public
    messages so far, oldest first (for In-Reply-To and References). `cc`: participants to copy.
    `assignee_slack`: the assignee's Slack identity (`T1/U1`), "" where none is known. `answering`: names of the staff
    whose answers are still held (`slack.reply_hold`). `targets`: for an edit, the remote ids of all parts of the post
    that it changes, in their order. For a requester's place that names no thread (`T1/U1`), `anchor` is the first post
    of this ticket there: what follows goes into its thread.
    `tags`: the ticket's, for its card.
    `overtaken`: a younger message of the ticket came before this one.
    `earlier`: the remote id that this very delivery got before (an update). `language`: the requester's, as far as
    their mails tell it ("de"). `thread_index`: the newest that a mail of the requester's side brought.
    """

    delivery_id: int
    kind: Kind
    place: str
    desk: bool
    attempts: int
    sending_at: datetime
    created_at: datetime
    queue: str
    ticket: Any = None  # core.status.Ticket
    requester: Author | None = None
    assignee: str | None = None
    message: Message | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    to: Person | None = None
    cc: tuple[Person, ...] = ()
    mail_ids: tuple[str, ...] = ()
    anchor: str | None = None
    target: str | None = None
    earlier: str | None = None
    language: str = ""
    thread_index: str = ""
    assignee_slack: str = ""
    answering: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    overtaken: bool = False


class Seen(StrEnum):
    """What a channel found when it looked for a delivery of unknown outcome."""

    SENT = "sent"
    NOT_THERE = "not_there"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A delivery was accepted. `remote_id`: its outside name (`T1/C1/17.1`, the relay's answer). `links`: names
    under which answers to it will come. `pace`: how long its lane should wait before the next one."""

    remote_id: str
    links: tuple[str, ...] = ()
    pace_ms: int = 0
    warning: str | None = None
    card: str | None = None  # the name in `links` of a card that had to be posted anew on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `relaydesk check`: `problem` is None where all is well, else it says how to mend it."""

    part: str
    text: str
    problem: str | None = None
