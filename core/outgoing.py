"""A delivery as its channel gets it: loaded from the rows when it is sent, so that it shows the present state."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, or_, select

from core import tagging, views
from core.database import Tx
from core.desk_texts import Phrase, phrase
from core.failures import PermanentFailure, Suppressed
from core.lateness import overtaken
from core.mailed_keys import FORGOTTEN, GONE
from core.places import same_conversation
from core.posted import anchor, file_posted, parts_posted, posted
from core.shapes import Author, Kind, Outgoing, Person, Role
from core.staffing import MEMBER
from core.status import Ticket
from core.suppression import TRIED, how_to_lift, is_suppressed
from core.tables import deliveries, identities, links, messages, participants, reports, users
from core.visibility import goes_out

MOST_COPIED = 20
MOST_REFERENCES = 100


async def load(tx: Tx, row: Row[Any]) -> Outgoing:
    """Return the delivery of this row. Raises `PermanentFailure` where it must not go (any more)."""
    ticket = await views.ticket(tx, row.ticket_id) if row.ticket_id else None
    message_id = row.message_id
    message = await views.message(tx, message_id) if message_id else None
    if row.kind == Kind.EDIT and row.data.get("deleted"):
        message = None  # taken back: nothing of it is shown
    if message is not None:
        if not goes_out(desk=bool(row.desk), visibility=message.visibility, outsider=message.outsider):
            raise PermanentFailure("a note or an outsider's words: not for this side")
        if message.deleted_at is not None and row.kind in (Kind.MESSAGE, Kind.FILE) and not row.desk:
            raise PermanentFailure("deleted before it went")
    if row.data.get(FORGOTTEN):
        raise PermanentFailure(GONE)
    public = not row.desk
    # Whom of the desk to tell was decided when it was noted: where nobody else is left, also at a dead address.
    if public and row.channel == "email" and not row.data.get(TRIED) and await is_suppressed(tx, row.to_key):
        raise (Suppressed if row.kind == Kind.MESSAGE else PermanentFailure)(_bounced(row, row.ticket_id))
    told_again = row.kind == Kind.DIGEST or row.data.get("what") == "staff_news"
    if told_again and row.channel == "email" and await is_suppressed(tx, row.to_key):
        raise PermanentFailure(_bounced(row, 0))
    if await _left(tx, row):
        raise PermanentFailure("they are no longer on the staff")
    card = await card_in(tx, row.ticket_id, row.place) if row.desk and ticket is not None else None
    target, targets, data = await _changes(tx, row)
    return Outgoing(
        delivery_id=row.id,
        kind=Kind(row.kind),
        place=row.place,
        desk=bool(row.desk),
        attempts=row.attempts,
        sending_at=row.sending_at or await tx.now(),
        created_at=row.created_at,
        queue=ticket.queue if ticket else "",
        ticket=ticket,
        requester=_requester(ticket),
        assignee=await _assignee(tx, ticket),
        assignee_slack=await _assignee_slack(tx, ticket) if row.kind == Kind.CARD else "",
        answering=await _answering(tx, row.ticket_id) if row.kind == Kind.CARD else (),
        tags=await tagging.of(tx, row.ticket_id) if row.kind == Kind.CARD else (),
        message=message,
        data=data,
        to=await _person(tx, row.to_key),
        cc=await _copied(tx, row) if row.channel == "email" and public and row.kind == Kind.MESSAGE else (),
        mail_ids=await _mail_ids(tx, row.ticket_id, message.seq if message else None)
        if row.channel == "email" and ticket is not None
        else (),
        anchor=card if row.desk else await anchor(tx, row),
        target=target,
        targets=targets,
        earlier=card if row.kind == Kind.CARD else None,
        overtaken=message is not None
        and row.kind in (Kind.MESSAGE, Kind.EDIT)
        and await overtaken(tx, message, desk=bool(row.desk)),
        language=await _language(tx, row.to_key, ticket) if public else "",
        thread_index=await _thread_index(tx, row.ticket_id, message.seq if message else None)
        if row.channel == "email" and public and ticket is not None
        else "",
    )


def _bounced(row: Row[Any], ticket_id: int) -> Phrase:
    lift = how_to_lift(ticket_id, row.place)
    return phrase("reason_bounced_before", address=row.place, lift=lift)


async def _left(tx: Tx, row: Row[Any]) -> bool:
    """Is it for one of the staff who is none any more? It may have waited for their quiet hours to end."""
    key = None
    if row.channel == "email" and row.desk and row.kind in (Kind.NOTICE, Kind.ALERT):
        key = row.to_key
    elif row.channel != "email" and row.data.get("what") == "staff_news":
        key = Person(kind=row.channel, address=row.place).key
    roles = set()
    if key is not None:
        theirs = select(users.c.role).join(identities, identities.c.user_id == users.c.id)
        roles.add(await tx.scalar(theirs.where(identities.c.key == key)))
    if MEMBER in row.data:  # a place may be an id without its team, by which nobody is known: `U1`
        roles.add(await tx.scalar(select(users.c.role).where(users.c.id == row.data[MEMBER])))
    return roles - {None} == {Role.REQUESTER}


def _requester(ticket: Ticket | None) -> Author | None:
    if ticket is None:
        return None
    return Author(name=ticket.requester_name, email=ticket.requester_email, staff=False)


async def _assignee(tx: Tx, ticket: Ticket | None) -> str | None:
    if ticket is None or ticket.assignee_id is None:
        return None
    name = await tx.scalar(select(users.c.name).where(users.c.id == ticket.assignee_id))
    return str(name or ticket.assignee or "")


async def _assignee_slack(tx: Tx, ticket: Ticket | None) -> str:
    """The assignee's Slack identity, "" where none is known."""
    if ticket is None or ticket.assignee_id is None:
        return ""
    found = await tx.scalar(
        select(identities.c.address)
        .where(identities.c.user_id == ticket.assignee_id, identities.c.kind == "slack")
        .order_by(identities.c.key)
        .limit(1)
    )
    return str(found or "")


async def _answering(tx: Tx, ticket_id: int) -> tuple[str, ...]:
    """Whose answers are held for a moment, so that they may still be changed."""
    rows = await tx.all(
        select(users.c.name)
        .join(messages, messages.c.author_id == users.c.id)
        .join(deliveries, deliveries.c.message_id == messages.c.id)
        .where(
            deliveries.c.ticket_id == ticket_id,
            deliveries.c.kind == Kind.MESSAGE,
            deliveries.c.desk.is_(False),
            deliveries.c.state.in_(("queued", "held")),
            deliveries.c.wait_until > await tx.now(),
        )
        .order_by(messages.c.seq)
    )
    return tuple(dict.fromkeys(row.name or "somebody" for row in rows))


async def _person(tx: Tx, key: bytes | None) -> Person | None:
    if key is None:
        return None
    row = await tx.first(
        select(identities.c.kind, identities.c.address, users.c.name)
        .join(users, users.c.id == identities.c.user_id)
        .where(identities.c.key == key)
    )
    return None if row is None else Person(kind=row.kind, address=row.address, name=row.name)


async def _language(tx: Tx, key: bytes | None, ticket: Ticket | None) -> str:
    """In which language the recipient writes, else the requester; "" where we know neither."""
    found = None
    if key is not None:
        found = await tx.scalar(
            select(users.c.locale)
            .join(identities, identities.c.user_id == users.c.id)
            .where(identities.c.key == key)
        )
    if not found and ticket is not None:
        found = await tx.scalar(select(users.c.locale).where(users.c.id == ticket.requester_id))
    return str(found or "")


async def _copied(tx: Tx, row: Row[Any]) -> tuple[Person, ...]:
    """The mail participants beside the one it is addressed to."""
    rows = await tx.all(
        select(identities.c.kind, identities.c.address, users.c.name)
        .join(participants, participants.c.identity_key == identities.c.key)
        .join(users, users.c.id == identities.c.user_id)
        .where(
            participants.c.ticket_id == row.ticket_id,
            participants.c.role.in_(("requester", "cc")),
            identities.c.kind == "email",
            identities.c.key.not_in([row.to_key or b"", *map(bytes.fromhex, row.data.get("had", ()))]),
            identities.c.suppressed_at.is_(None),
        )
        .order_by(participants.c.since_seq, identities.c.address)
        .limit(MOST_COPIED)
    )
    return tuple(Person(kind=r.kind, address=r.address, name=r.name) for r in rows)


async def _mail_ids(tx: Tx, ticket_id: int, before: int | None) -> tuple[str, ...]:
    """Message-IDs of the ticket's public messages before this one, oldest first."""
    conditions = [
        messages.c.ticket_id == ticket_id,
        messages.c.visibility == "public",
        messages.c.outsider.is_(False),
        messages.c.mail_id.is_not(None),
    ]
    if before is not None:
        conditions.append(messages.c.seq < before)
    rows = await tx.all(
        select(messages.c.mail_id).where(*conditions).order_by(messages.c.seq.desc()).limit(MOST_REFERENCES)
    )
    return tuple(str(row.mail_id) for row in reversed(rows))


async def _thread_index(tx: Tx, ticket_id: int, before: int | None) -> str:
    """The newest thread index that a public message up to this one brought."""
    conditions = [
        messages.c.ticket_id == ticket_id,
        messages.c.visibility == "public",
        messages.c.outsider.is_(False),
        messages.c.thread_index.is_not(None),
    ]
    if before is not None:
        conditions.append(messages.c.seq <= before)
    found = await tx.scalar(
        select(messages.c.thread_index).where(*conditions).order_by(messages.c.seq.desc()).limit(1)
    )
    return str(found or "")


async def card_in(tx: Tx, ticket_id: int, place: str) -> str | None:
    """The remote id of the ticket's card in this place, where one hangs."""
    rows = await tx.all(
        select(links.c.remote)
        .join(deliveries, deliveries.c.id == links.c.delivery_id)
        .where(links.c.ticket_id == ticket_id, links.c.kind == "card", links.c.remote.is_not(None))
        .order_by(deliveries.c.id.desc())
    )
    remotes = (str(row.remote) for row in rows)
    return next((one for one in remotes if same_conversation(one.rpartition("/")[0], place)), None)


async def _changes(tx: Tx, row: Row[Any]) -> tuple[str | None, tuple[str, ...], dict[str, Any]]:
    """What a delivery changes: the remote id of it, those of all its parts, and the delivery's data with the file's.
    It was known when this was noted, or is by now, as it was being sent then. Raises `PermanentFailure` where it never
    got there."""
    data, target = dict(row.data), row.data.get("target")
    if row.kind == Kind.DIGEST and "report" in data:
        data["report"] = await _report(tx, data["report"])
    if row.kind != Kind.EDIT or row.message_id is None:
        return target, (), data
    if "file" in data:
        data["file"] = data["file"] or await file_posted(tx, row)
    else:
        target = target or await posted(tx, row)
    if not target and not data.get("file"):
        raise PermanentFailure(phrase("reason_never_posted"))
    return target, await parts_posted(tx, row, str(target)) if target else (), data


async def _report(tx: Tx, report_id: int) -> Any:
    """What a digest tells. Raises `PermanentFailure` where it isn't kept any more."""
    found = await tx.scalar(select(reports.c.series).where(reports.c.id == report_id))
    if found is None:
        raise PermanentFailure("its report is no longer kept")
    return found


async def written_at_desk(tx: Tx, message_id: int) -> str | None:
    """The remote id of a message that staff wrote in a triage thread, None where it came another way."""
    remote: str | None = await tx.scalar(
        select(links.c.remote)
        .join(messages, messages.c.id == links.c.message_id)
        .where(
            links.c.message_id == message_id,
            links.c.kind == "received",
            messages.c.channel == "slack",
            or_(messages.c.author_staff.is_(True), messages.c.visibility == "note"),
        )
        .limit(1)
    )
    return remote
