"""The steps of a unit of work on a ticket: lock it, write messages and events, note what goes out.

Lock order (DATA.md): the ticket's row first, links by key, own rows, `work` rows last. So a unit calls `lock` or
`open_ticket` first and `note` last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from core import bundling, searching, targets, views
from core.audience import Happened, Scene, personal, told, with_files
from core.config import Queue
from core.database import Rerun, Tx
from core.desk import TITLE
from core.desk import Desk as Desk
from core.desk import title_of as title_of
from core.failures import NotFound
from core.outbox import Noted, enqueue, new_mail_id, on_hold
from core.people import Known
from core.repeats import without_repeats
from core.scenes import listeners as listeners
from core.scenes import scene as scene
from core.shapes import Actor, Auth, File, Kind, Priority, Ref, Role, Visibility, key_of
from core.status import Did, Status, Ticket
from core.tables import attachments, events, links, messages, participants, tickets

ADOPTED: Final = "adopted"  # asks for a name that an answer made known already
CARD_WORDS: Final = 280  # so many characters of the opening message stand on its card


async def lock(tx: Tx, ticket_id: int, *, adds: int = 0) -> Ticket:
    """Lock a ticket's row and return it as it stands; `adds` messages will get the seqs up to its last_seq.

    Raises `NotFound`.
    """
    found = await tx.changed(
        update(tickets)
        .where(tickets.c.id == ticket_id)
        .values(version=tickets.c.version + 1, last_seq=tickets.c.last_seq + adds)
    )
    ticket = await views.ticket(tx, ticket_id) if found else None
    if ticket is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return ticket


async def open_ticket(
    tx: Tx,
    *,
    queue: str,
    title: str,
    description: str,
    priority: Priority,
    channel: str,
    requester: Known,
    address: str,
    unconfirmed: bool = False,
    room: int = 1,
) -> Ticket:
    """Insert a ticket with room for so many first messages and return it."""
    now = await tx.now()
    values: dict[str, Any] = {
        "queue": queue,
        "title": title[:TITLE],
        "description": description,
        "status": Status.NEW,
        "priority": priority,
        "channel": channel,
        "requester_id": requester.user_id,
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "public_updated_at": now,
        "waiting_since": now,
        "unconfirmed": unconfirmed,
    }
    nobody: dict[str, Any] = {
        "requester_name": "",
        "requester_email": "",
        "assignee_id": None,
        "assignee": None,
    }
    fresh = _recounted(tx, None, Ticket(id=0, **values, **nobody), now)
    values |= targets.columns(fresh)
    ticket_id = await tx.new_id(
        insert(tickets).values(**values, requester_address=address[:320], last_seq=room)
    )
    ticket = await views.ticket(tx, ticket_id)
    assert ticket is not None
    return ticket


async def save(tx: Tx, before: Ticket, after: Ticket, *, public: bool) -> Ticket:
    """Write what changed of a locked ticket; its activity moves to now, publicly where `public`. Its targets are
    counted anew."""
    now = max(await tx.now(), before.updated_at)  # what an archive tells of was before
    after = _recounted(tx, before, after, now)
    after = replace(after, updated_at=now, public_updated_at=now if public else before.public_updated_at)
    fields = (
        "queue",
        "title",
        "status",
        "priority",
        "assignee_id",
        "waiting_since",
        "first_response_at",
        "resolved_at",
        "closed_at",
        "merged_into",
        "snoozed_until",
        "pending_since",
        "reminded_at",
        "unconfirmed",
        "spam",
        "updated_at",
        "public_updated_at",
    )
    values = {f: getattr(after, f) for f in fields if getattr(after, f) != getattr(before, f)}
    was, counted = targets.columns(before), targets.columns(after)
    values |= {name: counted[name] for name in counted if counted[name] != was[name]}
    if values:
        await tx.run(update(tickets).where(tickets.c.id == before.id).values(**values))
    if after.title != before.title:
        await searching.changed(tx, after.id)
    return after


def _recounted(tx: Tx, before: Ticket | None, after: Ticket, now: datetime) -> Ticket:
    return after if tx.targets is None else tx.targets.recount(before, after, now)


async def join(tx: Tx, ticket_id: int, identity: bytes, role: str, place: str, seq: int) -> bool:
    """Make somebody take part (or be proposed, or an outsider). False where they had that role or a better one."""
    rank = {"outsider": 0, "proposed": 1, "cc": 2, "requester": 3}
    has = await tx.scalar(
        select(participants.c.role).where(
            participants.c.ticket_id == ticket_id, participants.c.identity_key == identity
        )
    )
    if has is None:
        await tx.run(
            insert(participants).values(
                ticket_id=ticket_id, identity_key=identity, role=role, place=place[:320], since_seq=seq
            )
        )
        return True
    if rank[has] >= rank[role]:
        return False
    await tx.run(
        update(participants)
        .where(participants.c.ticket_id == ticket_id, participants.c.identity_key == identity)
        .values(role=role, place=place[:320])
    )
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A message to write."""

    author: Known
    address: str
    staff: bool
    visibility: Visibility
    channel: str
    source_time: datetime
    text: str
    full_text: str | None = None
    html_blob: str | None = None
    auth: Auth = Auth.VERIFIED
    automatic: str | None = None
    outsider: bool = False
    mail_id: str | None = None
    thread_index: str | None = None
    edited_at: datetime | None = None
    rich: str | None = None
    auth_results: Mapping[str, Any] | None = None
    files: Sequence[File] = ()


async def add_message(tx: Tx, desk: Desk, ticket: Ticket, seq: int, words: Words) -> int:
    """Insert a message (its ticket is locked) with its files; what we may send gets its Message-ID and Date."""
    now = await tx.now()
    full = words.full_text if words.full_text != words.text else None
    message_id = await tx.new_id(
        insert(messages).values(
            ticket_id=ticket.id,
            seq=seq,
            author_id=words.author.user_id,
            author_address=words.address[:320],
            author_staff=words.staff,
            visibility=words.visibility,
            outsider=words.outsider,
            channel=words.channel,
            source_time=words.source_time,
            created_at=now,
            text=words.text,
            full_text=full,
            html_blob=words.html_blob,
            auth=words.auth,
            auth_results=dict(words.auth_results) if words.auth_results else None,
            automatic=words.automatic,
            mail_id=(words.mail_id or "")[:500] or None,
            thread_index=words.thread_index,
            edited_at=words.edited_at,
            rich=words.rich,
        )
    )
    quoting = words.staff and words.channel == "email"
    files = await without_repeats(tx, ticket.id, words.files, anywhere=quoting)
    if files:
        await tx.run(insert(attachments), [_attachment(message_id, file) for file in files])
    if words.mail_id is None and words.visibility is Visibility.PUBLIC and not words.outsider:
        mail_id = new_mail_id(desk.domain(ticket.queue), "ticket", ticket.id, message_id)
        await tx.run(
            update(messages).where(messages.c.id == message_id).values(mail_id=mail_id, mail_date=now)
        )
        await add_links(tx, ticket.id, message_id, [(f"mail:{mail_id}", "sent", mail_id)])
    await searching.changed(tx, ticket.id)
    return message_id


def _attachment(message_id: int, file: File) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "name": file.name[:255] or "file",
        "type": _ascii(file.content_type, 120),
        "bytes": file.size,
        "sha256": file.sha256 or bytes(32),
        "blob": file.blob,
        "state": "stored" if file.blob else "unavailable",
        "reason": (file.unavailable or "")[:255] or None,
        "inline_cid": (file.inline_cid or "")[:255] or None,
    }


def _ascii(text: str, length: int) -> str:
    return text.encode("ascii", "replace").decode()[:length] or "application/octet-stream"


async def add_links(
    tx: Tx, ticket_id: int, message_id: int | None, names: Sequence[tuple[str, str, str | None]]
) -> None:
    """Claim outside names (name, kind, remote) for a ticket, in key order. A name taken meanwhile: `Rerun`."""
    await add_all_links(tx, ticket_id, [(message_id, *name) for name in names])


async def add_all_links(
    tx: Tx, ticket_id: int, names: Sequence[tuple[int | None, str, str, str | None]]
) -> None:
    """Claim the outside names of several messages (the message's id first), as `add_links` does."""
    rows = sorted((key_of(name), kind, remote, message_id) for message_id, name, kind, remote in names)
    for key, kind, remote, message_id in rows:
        if kind == ADOPTED:
            if not await adopt(tx, key, ticket_id, message_id, remote):
                raise Rerun
            continue
        try:
            await tx.run(
                insert(links).values(
                    key=key,
                    kind=kind,
                    ticket_id=ticket_id,
                    message_id=None if kind == "referenced" else message_id,
                    remote=(remote or "")[:500] or None,
                )
            )
        except IntegrityError as exc:
            raise Rerun from exc


async def adopt(tx: Tx, key: bytes, ticket_id: int, message_id: int | None, remote: str | None) -> bool:
    """Let a name that was only referenced so far be the message's. False where it is nothing of that."""
    found = update(links).where(links.c.key == key, links.c.kind == "referenced")
    where = (remote or "")[:500] or None
    values = {"kind": "received", "ticket_id": ticket_id, "message_id": message_id, "remote": where}
    return bool(await tx.changed(found.values(**values)))


def remote_of(ref: Ref) -> str:
    """Return the channel's own name in a reference (`slack:T1/C1/1.2` → `T1/C1/1.2`)."""
    return ref.name.partition(":")[2]


async def add_event(
    tx: Tx,
    ticket: Ticket,
    kind: str,
    actor: Actor | None,
    *,
    public: bool,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Append to a ticket's history."""
    await tx.run(
        insert(events).values(
            ticket_id=ticket.id,
            at=await tx.now(),
            kind=kind,
            actor_id=actor.user_id if actor else None,
            actor_name=(shown_name(actor) if actor else "relaydesk")[:200],
            public=public,
            queue=ticket.queue,
            data=dict(data or {}),
        )
    )


def shown_name(actor: Actor) -> str:
    """Return an actor's name: never an address where they have none (others may see it)."""
    return actor.name or ("somebody" if actor.role is Role.REQUESTER else "staff")


async def note(
    tx: Tx, desk: Desk, happened: Happened, scene: Scene, message_id: int | None = None, *, first: int = 0
) -> None:
    """Note what must go out because of what happened. Call last."""
    if desk.quiet:
        return
    ticket = scene.ticket
    version = await tx.scalar(select(tickets.c.version).where(tickets.c.id == ticket.id))
    noted = Noted(
        ticket_id=ticket.id,
        version=int(version),
        message_id=message_id,
        domain=desk.domain(ticket.queue),
        held=ticket.unconfirmed,
        on_hold=await on_hold(tx, desk.config.service.outbound),
    )
    all_told = told(happened, scene)
    if ticket.spam:  # what we send by ourselves would answer it
        all_told = tuple(one for one in all_told if one.desk or not one.automatic)
    if message_id is not None and any(one.kind is Kind.MESSAGE for one in all_told):
        rows = await tx.all(
            select(attachments.c.id)
            .where(
                attachments.c.message_id == message_id,
                attachments.c.state == "stored",
                attachments.c.bytes > 0,
            )
            .order_by(attachments.c.id)
        )
        carriers = frozenset(name for name, spec in desk.specs.items() if spec.carries_files)
        all_told = with_files(all_told, [row.id for row in rows], carriers)
    if await enqueue(tx, desk.specs, noted, all_told, first):
        tx.after_commit.append(desk.signals.outbox.set)
    await bundling.tell(tx, desk, personal(happened, scene, desk.specs))


# -- status -----------------------------------------------------------------------------------------------------


def event_of(was: Status, now: Status) -> str:
    """Return the kind of event that a move is: the figures count these."""
    active = (Status.NEW, Status.OPEN, Status.PENDING)
    if was in active and now is Status.RESOLVED:
        return "resolved"
    if was in active and now is Status.CLOSED:
        return "closed_unresolved"
    if was not in active and now in active:
        return "reopened"
    return "closed" if now is Status.CLOSED else "status"


async def move(
    tx: Tx, ticket: Ticket, did: Did, actor: Actor | None, *, after: Status = Status.OPEN
) -> Ticket:
    """Apply what happened to a locked ticket's status, with its event. Raises `ForbiddenMove`."""
    now = await tx.now()
    then = ticket.update_status(did, now, after_staff_reply=after)
    if then.status is not ticket.status:
        kind = event_of(ticket.status, then.status)
        data: dict[str, Any] = {"from": ticket.status, "to": then.status}
        if kind == "resolved" and tx.targets is not None:
            data |= tx.targets.resolved(ticket, now)
        if kind == "closed_unresolved" and did is Did.TIMED_OUT:
            data["auto"] = True
        if tx.targets is not None and tx.targets.quiet:
            then = replace(then, pending_since=None)  # who waits in an archive is never reminded
        await add_event(tx, ticket, kind, actor, public=True, data=data)
    return then


def closed_too_long(ticket: Ticket, queue: Queue, now: datetime) -> bool:
    """Was it closed longer ago than its queue reopens?"""
    if ticket.status is not Status.CLOSED or ticket.closed_at is None:
        return False
    return now - ticket.closed_at > queue.reopen_within


def hold_of(desk: Desk, channel: str) -> timedelta:
    """Return how long a staff's reply written in this channel is held for edits."""
    return desk.config.slack.reply_hold if channel == "slack" else timedelta()
