"""The values that pass between rooms: what comes in (`Inbound`), what goes out (`Outgoing`), who acts (`Actor`).

Everything here is frozen and free of I/O. Times are aware UTC `datetime`s, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from core.shapes_base import Auth as Auth
from core.shapes_base import Person as Person
from core.shapes_base import Priority as Priority
from core.shapes_base import Ref as Ref
from core.shapes_base import Role as Role
from core.shapes_base import Visibility as Visibility
from core.shapes_base import canonical_address as canonical_address
from core.shapes_base import key_of as key_of
from core.shapes_out import Attachment as Attachment
from core.shapes_out import Author as Author
from core.shapes_out import Event as Event
from core.shapes_out import Finding as Finding
from core.shapes_out import Kind as Kind
from core.shapes_out import Message as Message
from core.shapes_out import Outgoing as Outgoing
from core.shapes_out import Seen as Seen
from core.shapes_out import Sent as Sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something: a user (or the system), through which channel, how well authenticated."""

    user_id: int | None
    role: Role
    channel: str
    name: str = ""
    email: str = ""
    auth: Auth = Auth.VERIFIED
    scopes: tuple[str, ...] = ()  # what their token is for (`people.SCOPES`); empty: all that the role may

    @property
    def staff(self) -> bool:
        """May act on tickets and see notes."""
        return self.role in (Role.AGENT, Role.MANAGER, Role.SYSTEM) and self.auth is Auth.VERIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a message: its bytes (`content`), or the blob that holds them already, or neither when it
    could not be had (`unavailable` says why)."""

    name: str
    content_type: str
    size: int
    content: bytes | None = field(default=None, repr=False)
    blob: str | None = None
    sha256: bytes = b""
    inline_cid: str | None = None
    unavailable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a message says about where it belongs. Says *which ticket*, never *who*.

    `signed`: ticket numbers of our signed reply addresses that it was sent to. `references`: messages it
    answers, nearest first. `tagged`: the number in a `[#123]` of the subject. `conversation`: a place whose
    further messages may belong together (a DM with the bot). `delivery`: the delivery of ours to whose envelope
    sender it was sent (a vacation program answers there).
    """

    signed: tuple[int, ...] = ()
    references: tuple[Ref, ...] = ()
    tagged: int | None = None
    conversation: str | None = None
    delivery: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """A mail that was forwarded: who had written it (None: nobody is named beyond doubt; `why` is the key of the text
    of `core.desk_texts` that says so), its words, and what was written above it. `whole`: it came along as a file, with
    all that was in it. `mail_id`: its own."""

    sender: Person | None
    text: str
    comment: str = ""
    mail_id: str | None = None
    whole: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """Something that somebody wrote: it opens a ticket or joins one.

    `ref` is its own outside name. `text` is all readable text, `visible` the sender's own words. `desk`: it
    was written on the staff's side (a triage thread), where it can only join the thread's ticket.
    `automatic`: None, "bounce", "auto-reply", "auto-generated" or "list". `to_others`: further recipients
    (To and Cc that are not ours). `visibility`: what the door found it to be (a sign in front, the address that it
    was sent to). `forwarded`: it forwards another mail. `auth_results`: what a hop that we trust said of the sender.
    `rich`: the visible words with their formatting (`core.rich`), None where they have none. `thread`: the other
    messages of the thread in which it stands, oldest first, where they come into the ticket with it (each has its
    `ref`; all are written in the order of their `source_time`s). `made_by`: who made a ticket of somebody else's
    message, or (`on_behalf`, which is for staff alone) one for somebody else. `language`: of its words or its writer
    ("de"), "" where unknown. `source`: the network address that brakes count.
    """

    ref: Ref
    channel: str
    queue: str
    sender: Person
    auth: Auth
    source_time: datetime
    subject: str
    text: str
    visible: str
    evidence: Evidence = Evidence()
    html: str | None = field(default=None, repr=False)
    files: tuple[File, ...] = ()
    automatic: str | None = None
    to_others: tuple[Person, ...] = ()
    desk: bool = False
    visibility: Visibility | None = None
    priority: Priority | None = None
    mail_id: str | None = None
    thread_index: str | None = None  # Outlook's name of the conversation, which our answers carry on
    forwarded: Forwarded | None = None
    rich: str | None = field(default=None, repr=False)
    thread: tuple[NewMessage, ...] = ()
    made_by: Person | None = None
    on_behalf: bool = False
    edited_at: datetime | None = (
        None  # when these words were put in place of others, where it comes by an edit
    )
    auth_results: Mapping[str, Any] | None = None
    language: str = ""
    source: str = ""
    remarks: tuple[str, ...] = ()  # what the reader wants staff to know ("cut after 200 parts")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited:
    """The message `ref` has a new text. Where it is unknown so far, `as_new` creates it. `command`: the verb, where the
    new text is a command; an edit runs none."""

    ref: Ref
    channel: str
    sender: Person
    source_time: datetime
    text: str
    as_new: NewMessage | None = None
    rich: str | None = field(default=None, repr=False)
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeleted:
    """The message `ref` was deleted where it was written."""

    ref: Ref
    channel: str
    source_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffCommand:
    """A verb of `core.verbs` with its words, on the ticket that `evidence` (or `ticket_id`) names. `text`: what was
    written for it in a form (a note, a title, a comment), as it is.

    `ref` is the outside name of the message that carried it (for the receipt), None for a click.
    `place`: where an answer that only the sender sees goes.
    """

    channel: str
    sender: Person
    source_time: datetime
    verb: str
    words: tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    ticket_id: int | None = None
    ref: Ref | None = None
    place: str = ""
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """A bounce of something that we sent: by its delivery (VERP) or by our Message-ID inside."""

    channel: str
    source_time: datetime
    delivery_id: int | None
    ref: Ref | None
    recipient: str | None
    status: str | None
    action: str | None
    permanent: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """There is nothing to do; `reason` is kept with the inbox row. `private`: what came in, others' talk, isn't."""

    reason: str
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A filter we trust calls it spam: kept in the inbox, no ticket. `about`: whose it is and its subject, for who
    looks through what is held; never logged."""

    reason: str
    about: str = ""


Inbound = NewMessage | MessageEdited | MessageDeleted | StaffCommand | DeliveryReport | Ignored | Held


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """A row of the inbox as a door's reader gets it. `raw` is what the wire brought, `envelope` what the door
    knows beside it (mail: sender, recipients, queue; Slack: how it came). `path`: the file that holds the bytes
    where they are many; then `raw` is empty."""

    id: int
    key: bytes
    channel: str
    envelope: Mapping[str, Any]
    raw: bytes = field(repr=False)
    received_at: datetime
    path: str | None = None

    def content(self) -> bytes:
        """Return the bytes, wherever they are. Raises `OSError`."""
        return self.raw if self.path is None else Path(self.path).read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What `receive` made of an `Inbound`.

    `outcome`: "opened", "joined", "outsider", "edited", "deleted", "command", "reported", "ignored", "held",
    "duplicate". `because`: the rule that decided. `about`: more for the operator, never logged.
    """

    outcome: str
    ticket_id: int | None = None
    message_id: int | None = None
    because: str = ""
    about: str = ""
