"""`TicketManager`: the one writer of tickets. Every call takes the actor and checks their rights."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy import select, update

from core import actions, figures, units, views
from core.actions import Written
from core.audience import Happened, Told
from core.blobs import Blobs
from core.brakes import allow
from core.database import Database, Rerun, Tx
from core.failures import Invalid, NotFound, Unavailable
from core.figures import Figures
from core.outbox import Noted, enqueue, new_mail_id, release_held
from core.people import Known, People, ensure, mail_person, token_hash
from core.receive import Claim, Receiver
from core.shapes import (
    Actor,
    Attachment,
    Auth,
    File,
    Inbound,
    Kind,
    Message,
    Person,
    Priority,
    Receipt,
    Role,
    Visibility,
    key_of,
)
from core.status import Status, Ticket
from core.tables import attachments, links, tickets, tokens
from core.units import CARD_WORDS, Desk, Words
from core.views import Period, TicketCriteria, TicketDetail, TicketPage, Update
from core.visibility import check_sees, check_staff, sees_message

log = structlog.get_logger(__name__)
T = TypeVar("T")
CONFIRMATION_LIVES = timedelta(days=7)
MOST_TEXT = 200_000


class TicketManager:
    """Creates tickets, exchanges their messages, moves their status; used by every door."""

    def __init__(self, desk: Desk, database: Database, blobs: Blobs, people: People) -> None:
        self.desk = self._desk = desk
        self._database = database
        self._blobs = blobs
        self._people = people
        self._receiver = Receiver(desk, database, blobs, people)

    async def receive(self, inbound: Inbound, claim: Claim | None = None) -> Receipt:
        """Take in what a door's reader made of an inbox row; idempotent. Raises `Unavailable`, `StaleLease`."""
        receipt = await self._receiver.receive(inbound, claim)
        log.info("receive", outcome=receipt.outcome, ticket=receipt.ticket_id, message=receipt.message_id)
        return receipt

    async def create_ticket(
        self,
        actor: Actor,
        title: str,
        description: str,
        *,
        queue: str | None = None,
        priority: Priority = Priority.NORMAL,
        requester: Person | None = None,
        files: Sequence[File] = (),
        key: str | None = None,
    ) -> Ticket:
        """Open a ticket for the actor, or (staff) for somebody else.

        `key` is the client's idempotency key: the same one again gives the same ticket. Raises `Invalid`,
        `NotAllowed`, `Unavailable`.
        """
        if requester is not None and requester.address != actor.email:
            check_staff(actor, "report for somebody else")
        person = requester or mail_person(actor.email or "", actor.name)
        return await self._report(person, title, description, queue, priority, files, key, actor=actor)

    async def report(
        self,
        reporter: Person,
        title: str,
        description: str,
        *,
        queue: str | None = None,
        priority: Priority = Priority.NORMAL,
        files: Sequence[File] = (),
        source: str = "",
        key: str | None = None,
    ) -> Ticket:
        """Open a ticket for somebody who isn't signed in: unconfirmed until they follow the link mailed to them.

        The mail repeats nothing of what they wrote and is capped per address, per `source` and in all.
        """
        scoped = f"{reporter.address}:{key}" if key else None
        return await self._report(
            reporter, title, description, queue, priority, files, scoped, actor=None, source=source
        )

    async def _report(
        self,
        person: Person,
        title: str,
        description: str,
        queue: str | None,
        priority: Priority,
        files: Sequence[File],
        key: str | None,
        *,
        actor: Actor | None,
        source: str = "",
    ) -> Ticket:
        name = self._desk.queue(queue).name
        _check_words(title, "title", 255)
        _check_words(description, "description", MOST_TEXT)
        stored = await self._store(files)
        who = f"user:{actor.user_id}" if actor else "anybody"
        link = f"http:{who}:{key or secrets.token_hex(16)}"

        async def unit(tx: Tx) -> Ticket:
            known = await ensure(tx, person)
            earlier = await _by_key(tx, link)
            if earlier is not None:
                return earlier
            return await self._opened(
                tx, person, known, name, title, description, priority, stored, link, actor, source
            )

        return await self._database.unit(unit)

    async def _opened(
        self,
        tx: Tx,
        person: Person,
        known: Known,
        queue: str,
        title: str,
        description: str,
        priority: Priority,
        files: Sequence[File],
        link: str,
        actor: Actor | None,
        source: str,
    ) -> Ticket:
        desk = self._desk
        claimed = Actor(
            user_id=known.user_id,
            role=Role.REQUESTER,
            channel="web",
            name=person.name or known.name,
            email=person.address,
            auth=Auth.CLAIMED,
        )
        by = actor or claimed
        ticket = await units.open_ticket(
            tx,
            queue=queue,
            title=units.title_of(title, description),
            description=description,
            priority=priority,
            channel=by.channel,
            requester=known,
            address=person.address,
            unconfirmed=actor is None,
        )
        words = Words(
            author=known,
            address=person.address,
            staff=False,
            visibility=Visibility.PUBLIC,
            channel=by.channel,
            source_time=await tx.now(),
            text=description,
            auth=by.auth,
            files=files,
        )
        message_id = await units.add_message(tx, desk, ticket, 1, words)
        await units.add_links(tx, ticket.id, message_id, [(link, "http", None)])
        await units.join(tx, ticket.id, person.key, "requester", person.place, 1)
        data = {"message": message_id, "channel": by.channel}
        await units.add_event(tx, ticket, "opened", by, public=True, data=data)
        long = len(description) > CARD_WORDS or bool(files)
        scene = await units.scene(tx, desk, ticket, by, long=long, acknowledge=True)
        await units.note(tx, desk, Happened.OPENED, scene, message_id)
        if actor is None:
            await self._ask_to_confirm(tx, ticket, person, known, source)
        return ticket

    async def _ask_to_confirm(
        self, tx: Tx, ticket: Ticket, person: Person, known: Known, source: str
    ) -> None:
        """Mail the one link, within the brakes; everything else that is automatic waits."""
        brakes, day = self._desk.config.brakes, timedelta(days=1)
        allowed = (
            await allow(tx, f"confirm:{person.address}", brakes.confirmations_per_address, day)
            and await allow(tx, f"confirm-from:{source}", brakes.confirmations_per_source, day)
            and await allow(tx, "confirm:all", brakes.confirmations_in_all, day, spread=True)
        )
        if not allowed:
            return
        token = secrets.token_urlsafe(32)
        now = await tx.now()
        await tx.run(
            tx.insert_missing(tokens).values(
                hash=token_hash(token),
                user_id=known.user_id,
                purpose="confirm",
                scopes=[ticket.id],
                created_at=now,
                expires_at=now + CONFIRMATION_LIVES,
            )
        )
        url = f"{self._desk.config.service.base_url.rstrip('/')}/confirm/{token}"
        told = Told(
            channel="email",
            place=person.place,
            kind=Kind.NOTICE,
            desk=False,
            priority=1,
            to_key=person.key,
            data={"what": "confirm", "url": url, "automatic": True},
        )
        noted = Noted(ticket_id=ticket.id, version=1, message_id=None, domain=self._desk.domain(ticket.queue))
        if await enqueue(tx, self._desk.specs, noted, [told], first=900):
            tx.after_commit.append(self._desk.signals.outbox.set)

    async def confirm(self, token: str) -> Ticket | None:
        """The mailed link was followed: the person is who they say, and what waited goes out."""
        wanted = token_hash(token)

        async def unit(tx: Tx) -> Ticket | None:
            now = await tx.now()
            row = await tx.first(
                select(tokens).where(
                    tokens.c.hash == wanted, tokens.c.purpose == "confirm", tokens.c.expires_at > now
                )
            )
            if row is None:
                return None
            unconfirmed = await tx.all(
                select(tickets.c.id)
                .where(tickets.c.requester_id == row.user_id, tickets.c.unconfirmed.is_(True))
                .order_by(tickets.c.id)
                .limit(100)
            )
            first: Ticket | None = await views.ticket(tx, int(row.scopes[0]))
            for one in unconfirmed:
                ticket = await units.lock(tx, one.id)
                confirmed = await units.save(tx, ticket, replace(ticket, unconfirmed=False), public=False)
                await units.add_event(tx, ticket, "confirmed", None, public=False)
                await release_held(tx, ticket.id)
                scene = await units.scene(tx, self._desk, confirmed, None)
                await units.note(tx, self._desk, Happened.CHANGED, scene)
                first = confirmed if first is not None and ticket.id == first.id else first
            await tx.run(update(tokens).where(tokens.c.hash == wanted).values(used_at=now))
            tx.after_commit.append(self._desk.signals.outbox.set)
            return first

        return await self._database.unit(unit)

    async def view_tickets(self, actor: Actor, criteria: TicketCriteria) -> TicketPage:
        """Return a page of the tickets that the actor may see, newest activity first. Raises `Invalid`."""
        return await self._database.read(lambda tx: views.list_tickets(tx, actor, criteria))

    async def view_ticket(self, actor: Actor, ticket_id: int) -> TicketDetail:
        """Return a ticket with what the actor may see of it. Raises `NotFound`."""

        async def look(tx: Tx) -> TicketDetail:
            ticket = await self._seen(tx, actor, ticket_id)
            messages = await views.thread(tx, ticket.id, actor)
            return TicketDetail(
                ticket=views.ticket_for(actor, ticket),
                messages=messages,
                events=await views.history(tx, ticket.id, actor),
            )

        return await self._database.read(look)

    async def _seen(self, tx: Tx, actor: Actor, ticket_id: int) -> Ticket:
        ticket = await views.ticket(tx, ticket_id)
        part = ticket is not None and await views.takes_part(tx, ticket.id, actor.user_id)
        check_sees(actor, ticket_id, takes_part=part)
        if ticket is None:
            raise NotFound(f"there is no ticket {ticket_id}")
        return ticket

    async def exchange_messages(
        self,
        actor: Actor,
        ticket_id: int,
        message: str,
        *,
        visibility: Visibility = Visibility.PUBLIC,
        files: Sequence[File] = (),
        key: str | None = None,
    ) -> Message:
        """Write a message on a ticket: it goes to whoever should hear it. Raises `NotAllowed`, `NotFound`,
        `Invalid`."""
        if len(message) > MOST_TEXT:
            raise Invalid(f"a message has at most {MOST_TEXT} characters")
        stored = await self._store(files)
        link = f"http:user:{actor.user_id}:{key or secrets.token_hex(16)}"
        written = Written(
            text=message,
            visibility=visibility,
            channel=actor.channel,
            files=stored,
            names=[(link, "http", None)],
        )

        async def unit(tx: Tx) -> Message:
            row = await tx.first(select(links.c.message_id).where(links.c.key == key_of(link)))
            if row is None:
                _, message_id = await actions.write(tx, self._desk, actor, ticket_id, written)
            else:
                message_id = int(row.message_id)
            found = await views.message(tx, message_id)
            assert found is not None
            return views.message_for(actor, found)

        return await self._database.unit(unit)

    async def assign_status(self, actor: Actor, ticket_id: int, status: Status) -> Ticket:
        """Set a ticket's status. Raises `ForbiddenMove`, `NotAllowed`, `NotFound`."""
        ticket = await self._unit(lambda tx: actions.set_status(tx, self._desk, actor, ticket_id, status))
        return views.ticket_for(actor, ticket)

    async def assign(self, actor: Actor, ticket_id: int, username: str | None) -> Ticket:
        """Give a ticket to a staff member (None: to nobody). Raises as `assign_status`."""
        return await self._unit(lambda tx: actions.assign(tx, self._desk, actor, ticket_id, username))

    async def set_priority(self, actor: Actor, ticket_id: int, priority: Priority) -> Ticket:
        """Set how pressing a ticket is. Raises `NotAllowed`, `NotFound`."""
        return await self._unit(lambda tx: actions.set_priority(tx, self._desk, actor, ticket_id, priority))

    async def merge(self, actor: Actor, ticket_id: int, into: int) -> Ticket:
        """Merge a ticket into another one. Raises `Conflict`, `NotAllowed`, `NotFound`."""
        return await self._unit(lambda tx: actions.merge(tx, self._desk, actor, ticket_id, into))

    async def admit(self, actor: Actor, ticket_id: int, address: str) -> Ticket:
        """Let somebody take part in a ticket. Raises `Invalid`, `NotAllowed`, `NotFound`."""
        return await self._unit(lambda tx: actions.admit(tx, self._desk, actor, ticket_id, address))

    async def notify_user(self, actor: Actor, ticket_id: int, update: Update) -> None:
        """Tell the requester something about their ticket, by the ticket's channels, through the outbox."""
        check_staff(actor, "notify people")

        async def unit(tx: Tx) -> None:
            ticket = await units.lock(tx, ticket_id)
            people = await units.listeners(tx, ticket_id)
            told = [
                Told(
                    channel=one.channel,
                    place=one.place,
                    kind=Kind.NOTICE,
                    desk=False,
                    automatic=True,
                    to_key=one.key,
                    data={"what": update.what, "text": update.text},
                )
                for one in people
                if one.role == "requester"
            ]
            await units.add_event(tx, ticket, "notified", actor, public=True, data={"what": update.what})
            domain = self._desk.domain(ticket.queue)
            held = ticket.unconfirmed
            noted = Noted(
                ticket_id=ticket_id, version=ticket.version, message_id=None, domain=domain, held=held
            )
            if await enqueue(tx, self._desk.specs, noted, told):
                tx.after_commit.append(self._desk.signals.outbox.set)

        await self._unit(unit)

    async def analyze_data(self, actor: Actor, period: Period, queue: str | None = None) -> Figures:
        """Return a period's figures. Raises `NotAllowed` for who is no staff, `Invalid`."""
        check_staff(actor, "see figures")
        if period.until <= period.since:
            raise Invalid("until must come after since")
        if queue is not None:
            self._desk.queue(queue)
        return await self._database.read(lambda tx: figures.of(tx, period, queue))

    async def attachment(self, actor: Actor, attachment_id: int) -> Attachment:
        """Return a file that the actor may have. Raises `NotFound`: missing and forbidden look alike."""

        async def look(tx: Tx) -> Attachment:
            row = await tx.first(select(attachments).where(attachments.c.id == attachment_id))
            message = await views.message(tx, row.message_id) if row is not None else None
            missing = NotFound("there is no such file")
            if row is None or message is None or message.deleted_at is not None:
                raise missing
            part = await views.takes_part(tx, message.ticket_id, actor.user_id)
            seen = sees_message(actor, visibility=message.visibility, outsider=message.outsider)
            if not seen or not (actor.staff or part) or row.blob is None:
                raise missing
            return views.attachment_of(row)

        return await self._database.read(look)

    async def _unit(self, unit: Callable[[Tx], Awaitable[T]]) -> T:
        return await self._database.unit(unit)

    async def _store(self, files: Sequence[File]) -> list[File]:
        stored = []
        for file in files:
            if file.content is None:
                stored.append(file)
                continue
            try:
                blob = await self._blobs.put(file.content)
            except OSError as exc:
                raise Unavailable(f"disk: {exc.strerror}") from exc
            stored.append(replace(file, blob=blob, content=None))
        return stored


async def _by_key(tx: Tx, link: str) -> Ticket | None:
    """The ticket that this key made already."""
    row = await tx.first(select(links.c.ticket_id).where(links.c.key == key_of(link)))
    return None if row is None else await views.ticket(tx, row.ticket_id)


def _check_words(text: str, what: str, longest: int) -> None:
    if not text.strip():
        raise Invalid(f"the {what} is empty")
    if len(text) > longest:
        raise Invalid(f"the {what} has at most {longest} characters")


__all__ = ["Claim", "Rerun", "TicketManager", "new_mail_id"]
