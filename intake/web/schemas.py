"""The JSON that comes in (strict: unknown keys are refused) and the JSON that goes out, as INTERFACES.md says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from core.desk import TITLE
from core.shapes import Attachment, Event, Message, Person, Priority, Visibility
from core.status import Status, Ticket
from core.views import TicketDetail
from intake.web.file_types import served_as

LARGEST_ID: Final = 2**63 - 1
_ADDRESS: Final = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+@[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_LONGEST_MOMENT: Final = 64  # characters
# An offset's `+` that was not escaped in a query arrives as a space.
_LOST_PLUS: Final = re.compile(r"(T\d{2}:\d{2}\S*) (\d{2}:?\d{2})$")


def _text(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("holds half a character (a lone surrogate)") from None
    if "\x00" in value:
        raise ValueError("holds a NUL character")
    return value


def _line(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must be one line without control characters")
    return value


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise ValueError("is no mail address")
    return value.lower()


def _empty_is_absent(value: object) -> object:
    return None if value == "" else value


def _statuses(value: object) -> object:
    """Take `status=new&status=open` as well as `status=new,open`; an empty one is absent."""
    values = value if isinstance(value, list) else [value]
    return [part.strip() for one in values for part in str(one).split(",") if part.strip()]


def _moment(value: object) -> object:
    if isinstance(value, str) and len(value) <= _LONGEST_MOMENT:
        return _LOST_PLUS.sub(r"\1+\2", value) or None
    return value


def _utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Text = Annotated[str, AfterValidator(_text)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_text)]
Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_text), AfterValidator(_line)]
Address = Annotated[Line, Field(max_length=254), AfterValidator(_address)]
Filter = Annotated[Annotated[Line, Field(max_length=254)] | None, BeforeValidator(_empty_is_absent)]
Moment = Annotated[datetime | None, BeforeValidator(_moment), AfterValidator(_utc)]


class In(BaseModel):
    """What comes in."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReportIn(In):
    """A new issue. `email` is needed without a token; with a staff member's it names whom they report for."""

    title: Annotated[Line, Field(min_length=1, max_length=TITLE)]
    description: Text
    email: Address | None = None
    name: Annotated[Line, Field(max_length=200)] = ""
    priority: Priority = Priority.NORMAL
    queue: Annotated[Line, Field(max_length=40)] | None = None

    def person(self) -> Person | None:
        """Return whom `email` and `name` name."""
        if self.email is None:
            return None
        return Person(kind="email", address=self.email, name=self.name, place=self.email)


class MessageIn(In):
    """A message for a ticket."""

    message: Words
    visibility: Visibility = Visibility.PUBLIC


class StatusIn(In):
    """The status to set."""

    status: Status


class AssigneeIn(In):
    """The staff member to assign, or null for nobody."""

    username: Annotated[Line, Field(min_length=1, max_length=40)] | None


class TicketsQuery(In):
    """The criteria of a list of tickets."""

    status: Annotated[list[Status], BeforeValidator(_statuses), Field(max_length=20)] = []
    queue: Filter = None
    assignee: Filter = None
    requester: Filter = None
    q: Filter = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[Annotated[Line, Field(max_length=1000)] | None, BeforeValidator(_empty_is_absent)] = (
        None
    )


class PeriodQuery(In):
    """A period; the last 24 h by default. A time without an offset is UTC."""

    since: Moment = None
    until: Moment = None
    queue: Filter = None


class PersonOut(BaseModel):
    """Whose ticket it is."""

    name: str
    email: str


class TicketOut(BaseModel):
    """A ticket."""

    id: int
    title: str
    description: str
    status: Status
    priority: Priority
    queue: str
    channel: str
    requester: PersonOut
    assignee: str | None
    created_at: datetime
    updated_at: datetime
    first_response_at: datetime | None
    resolved_at: datetime | None

    @classmethod
    def of(cls, ticket: Ticket, requester: PersonOut | None = None) -> TicketOut:
        """Show the ticket; `requester` in place of what we know of them."""
        return cls.model_validate(_ticket_fields(ticket, requester))


def _ticket_fields(ticket: Ticket, requester: PersonOut | None = None) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "title": ticket.title,
        "description": ticket.description,
        "status": ticket.status,
        "priority": ticket.priority,
        "queue": ticket.queue,
        "channel": ticket.channel,
        "requester": requester or PersonOut(name=ticket.requester_name, email=ticket.requester_email),
        "assignee": ticket.assignee,
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
        "first_response_at": ticket.first_response_at,
        "resolved_at": ticket.resolved_at,
    }


class AuthorOut(BaseModel):
    """Who wrote a message."""

    name: str
    email: str
    staff: bool


class AttachmentOut(BaseModel):
    """A file of a message; of the type that it is served as."""

    filename: str
    content_type: str
    size: int
    url: str

    @classmethod
    def of(cls, attachment: Attachment) -> AttachmentOut:
        """Show the attachment; its `url` asks for the same rights as its message."""
        return cls(
            filename=attachment.name,
            content_type=served_as(attachment.name),
            size=attachment.size,
            url=f"/attachments/{attachment.id}",
        )


class MessageOut(BaseModel):
    """A message of a ticket."""

    id: int
    author: AuthorOut
    visibility: Visibility
    channel: str
    text: str
    attachments: list[AttachmentOut]
    created_at: datetime
    # For staff: what a mail server that we trust said of the sender.
    authentication: Mapping[str, Any] | None = Field(default=None, exclude_if=lambda value: value is None)

    @classmethod
    def of(cls, message: Message) -> MessageOut:
        """Show the message."""
        author = message.author
        return cls(
            id=message.id,
            author=AuthorOut(name=author.name, email=author.email, staff=author.staff),
            visibility=message.visibility,
            channel=message.channel,
            text=message.text,
            attachments=[AttachmentOut.of(attachment) for attachment in message.attachments],
            created_at=message.created_at,
            authentication=message.auth_results,
        )


class EventOut(BaseModel):
    """An entry of a ticket's history."""

    id: int
    at: datetime
    kind: str
    actor: str
    data: Mapping[str, Any]

    @classmethod
    def of(cls, event: Event) -> EventOut:
        """Show the event."""
        return cls(id=event.id, at=event.at, kind=event.kind, actor=event.actor, data=event.data)


class TicketDetailOut(TicketOut):
    """A ticket with what was written and what happened, as far as the asker may see it."""

    messages: list[MessageOut]
    events: list[EventOut]

    @classmethod
    def of_detail(cls, detail: TicketDetail) -> TicketDetailOut:
        """Show the ticket whole."""
        return cls.model_validate(
            {
                **_ticket_fields(detail.ticket),
                "messages": [MessageOut.of(message) for message in detail.messages],
                "events": [EventOut.of(event) for event in detail.events],
            }
        )
