"""The values that pass between rooms: what comes in (`Inbound`), what goes out (`Outgoing`), who acts (`Actor`).

Everything here is frozen and free of I/O. Times are aware UTC `datetime`s, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any


class Visibility(StrEnum):
    """Who may see a message: everybody who takes part, or staff only."""

    PUBLIC = "public"
    NOTE = "note"


class Role(StrEnum):
    """What a user may do. `SYSTEM` acts for nobody (timers, the terminal's operator)."""

    REQUESTER = "requester"
    AGENT = "agent"
    MANAGER = "manager"
    SYSTEM = "system"


class Priority(StrEnum):
    """How pressing a ticket is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Auth(StrEnum):
    """How well we know that the sender is who they say."""

    CLAIMED = "claimed"  # a From header, a form field
    LINKED = "linked"  # carries our signed address or a Message-ID that we sent
    VERIFIED = "verified"  # DMARC-like pass from a trusted hop, a Slack id, a token


def key_of(name: str) -> bytes:
    """Return the 32-byte key of a canonical name (`mail:support:<id>`, `slack:T1/C1/1.2`, `http:…`)."""
    return sha256(name.encode("utf-8", "surrogatepass")).digest()


def canonical_address(address: str) -> str:
    """Return the one form of a mail address that is compared: lower case, the domain as mail servers know it (its
    A-labels, RFC 5890), so that `ann@bücher.example` and `ann@xn--bcher-kva.example` are one mailbox."""
    address = address.strip().lower()
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}{at}{domain.encode('idna').decode('ascii').lower()}"
    except UnicodeError:  # no domain that DNS knows
        return address


@dataclass(frozen=True, slots=True)
class Ref:
    """An outside name of a message: `name` as a link is keyed, `ours` the name it has if *we* sent it.

    Mail: `Ref("mail:support:a@b", "mail:a@b")`. Slack: `Ref("slack:T1/C1/17.1", "slack:T1/C1/17.1")`.
    """

    name: str
    ours: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names to look up, in order."""
        return (self.name,) if self.ours in (None, self.name) else (self.name, str(self.ours))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody as a channel names them. `address`: a lower-case mail address as it was written, or `T1/U1`.

    `email`: a mail address that the channel vouches for (Slack: full members of our own team only).
    `place`: where an answer to them goes in the channel (a mail address, `T1/D1#17.1`).
    """

    kind: str
    address: str
    name: str = ""
    email: str | None = None
    team: str | None = None
    guest: bool = False
    place: str = ""

    @property
    def key(self) -> bytes:
        """The key of this identity: the same for every way to write it."""
        address = canonical_address(self.address) if self.kind == "email" else self.address
        return key_of(f"{self.kind}:{address}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something: a user (or the system), through which channel, how well authenticated."""

    user_id: int | None
    role: Role
    channel: str
    name: str = ""
    email: str = ""
    auth: Auth = Auth.VERIFIED

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
    """A mail that was forwarded: who had written it (None: nobody is named beyond doubt, `why` says so), its words,
    and what was written above it. `whole`: it came along as a file, with all that was in it. `mail_id`: its own."""

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
    `language`: of its words or its writer ("de"), "" where unknown. `source`: the network address that brakes count.
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
    auth_results: Mapping[str, Any] | None = None
    language: str = ""
    source: str = ""
    remarks: tuple[str, ...] = ()  # what the reader wants staff to know ("cut after 200 parts")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited:
    """The message `ref` has a new text. Where it is unknown so far, `as_new` creates it."""

    ref: Ref
    channel: str
    sender: Person
    source_time: datetime
    text: str
    as_new: NewMessage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeleted:
    """The message `ref` was deleted where it was written."""

    ref: Ref
    channel: str
    source_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffCommand:
    """A verb of `core.verbs` with its words, on the ticket that `evidence` (or `ticket_id`) names.

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
    """There is nothing to do; `reason` is kept with the inbox row."""

    reason: str


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
    state: str = "stored"  # stored, unavailable


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
