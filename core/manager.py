"""`TicketManager`: the one writer of tickets. Every call takes the actor and checks their rights."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select

from core import actions, confirming, figures, membership, merging, ratings, shown, units, views
from core.actions import Written
from core.audience import Told
from core.blobs import Blobs
from core.brakes import allow, network_of
from core.database import Database, Rerun, Tx
from core.failures import Invalid, NotFound, TooMany, Unavailable
from core.figures import Figures
from core.file_links import public_file
from core.once import check_same, mark_of
from core.outbox import Noted, enqueue, new_mail_id
from core.people import People, mail_person
from core.receive import Claim, Receiver
from core.reports import MOST_TEXT, Reports
from core.shapes import (
    Actor,
    Attachment,
    File,
    Inbound,
    Kind,
    Message,
    Person,
    Priority,
    Receipt,
    Visibility,
    key_of,
)
from core.shown import Mail, Shown
from core.status import ACTIVE, Status, Ticket
from core.tables import attachments, links
from core.units import Desk
from core.utc_days import FIRST_YEAR, LAST_YEAR, in_reach
from core.views import Period, TicketCriteria, TicketDetail, TicketPage, Update
from core.visibility import check_sees, check_staff, sees_message

log = structlog.get_logger(__name__)
T = TypeVar("T")
Check = Callable[[Ticket], None]


class TicketManager:
    """Creates tickets, exchanges their messages, moves their status; used by every door."""

    def __init__(self, desk: Desk, database: Database, blobs: Blobs, people: People) -> None:
        self.desk = self._desk = desk
        self._database = database
        self._blobs = blobs
        self._people = people
        self._reports = Reports(desk, database)
        self._receiver = Receiver(desk, database, blobs, people)
        self._archivist = Receiver(replace(desk, quiet=True), database, blobs, people)

    async def receive(self, inbound: Inbound, claim: Claim | None = None) -> Receipt:
        """Take in what a door's reader made of an inbox row; idempotent. Raises `Unavailable`, `StaleLease`."""
        receiver = self._archivist if claim is not None and claim.quiet else self._receiver
        receipt = await receiver.receive(inbound, claim)
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

        `key` is the client's idempotency key: the same one again gives the same ticket. Raises `Invalid`, `KeyUsed`,
        `NotAllowed`, `Unavailable`.
        """
        if requester is not None and requester.address != actor.email:
            check_staff(actor, "report for somebody else")
        person = requester or mail_person(actor.email or "", actor.name)
        mark = mark_of(person.address, title, description, queue or "", priority, files=files)
        stored = await self._store(files)
        return await self._reports.report(
            person, title, description, queue, priority, stored, key, actor=actor, mark=mark
        )

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
        mark = mark_of(reporter.name, title, description, queue or "", priority, files=files)
        stored = await self._store(files)
        return await self._reports.report(
            reporter,
            title,
            description,
            queue,
            priority,
            stored,
            scoped,
            actor=None,
            source=source,
            mark=mark,
        )

    async def confirm(self, token: str) -> Ticket | None:
        """The mailed link was followed: that report is theirs, and what waited for it goes out. Works once."""
        return await self._reports.confirm(token)

    async def confirm_own(self, actor: Actor, ticket_id: int) -> Ticket:
        """Who is signed in says of a report under their name that it was them, as the mailed link would. Raises
        `NotAllowed` for anybody but its requester, `NotFound`."""

        async def unit(tx: Tx) -> Ticket:
            ticket = await self._seen(tx, actor, ticket_id)
            return await confirming.by_requester(tx, self._desk, actor, ticket)

        return views.ticket_for(actor, await self._unit(unit))

    async def view_tickets(self, actor: Actor, criteria: TicketCriteria) -> TicketPage:
        """Return a page of the tickets that the actor may see, newest activity first. Raises `Invalid`."""
        return await self._database.read(lambda tx: views.list_tickets(tx, actor, criteria))

    async def view_ticket(self, actor: Actor, ticket_id: int) -> TicketDetail:
        """Return a ticket with what the actor may see of it. Raises `NotFound`."""
        return await self._database.read(lambda tx: self._detail(tx, actor, ticket_id))

    async def show_ticket(self, actor: Actor, ticket_id: int) -> Shown:
        """Return a ticket as its page shows it to the actor, with what they may do. Raises `NotFound`."""

        async def look(tx: Tx) -> Shown:
            return await shown.shown(tx, self._desk, actor, await self._detail(tx, actor, ticket_id))

        return await self._database.read(look)

    async def mail_of(self, actor: Actor, ticket_id: int, message_id: int) -> tuple[Mail, str]:
        """Return a message's mail and its HTML as it came: nothing of it is safe to show. Raises `NotFound`."""

        async def look(tx: Tx) -> Mail:
            await self._seen(tx, actor, ticket_id)
            return await shown.mail(tx, actor, ticket_id, message_id)

        mail = await self._database.read(look)
        try:
            return mail, (await self._blobs.get(mail.blob)).decode("utf-8", "replace")
        except OSError:
            raise NotFound("this mail is no longer kept") from None

    async def _detail(self, tx: Tx, actor: Actor, ticket_id: int) -> TicketDetail:
        ticket = await self._seen(tx, actor, ticket_id)
        messages = await views.thread(tx, ticket.id, actor)
        return TicketDetail(
            ticket=views.ticket_for(actor, ticket),
            messages=messages,
            events=await views.history(tx, ticket.id, actor),
        )

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
        """Write a message on a ticket: it goes to whoever should hear it; `key` as in `create_ticket`. Raises
        `NotAllowed`, `NotFound`, `Invalid`, `KeyUsed`."""
        if len(message) > MOST_TEXT:
            raise Invalid(f"a message has at most {MOST_TEXT} characters")
        mark = mark_of(message, visibility, files=files)
        stored = await self._store(files)
        link = f"http:user:{actor.user_id}:{key or secrets.token_hex(16)}"
        written = Written(
            text=message,
            visibility=visibility,
            channel=actor.channel,
            files=stored,
            names=[(link, "http", mark)],
        )

        async def unit(tx: Tx) -> Message:
            row = await tx.first(
                select(links.c.message_id, links.c.remote).where(links.c.key == key_of(link))
            )
            if row is None:
                await shown.check_goes_on(tx, self._desk, actor, ticket_id)
                ticket, message_id = await actions.write(tx, self._desk, actor, ticket_id, written)
                if visibility is Visibility.PUBLIC:
                    await confirming.by_act(tx, self._desk, actor, ticket)
            else:
                check_same(row.remote, mark)
                message_id = int(row.message_id)
            found = await views.message(tx, message_id)
            assert found is not None
            return views.message_for(actor, found)

        return await self._database.unit(unit)

    async def assign_status(
        self, actor: Actor, ticket_id: int, status: Status, *, check: Check | None = None
    ) -> Ticket:
        """Set a ticket's status. `check` sees the locked ticket as the actor may see it, and raises where it isn't what
        they think it is. Raises `ForbiddenMove`, `Conflict`, `NotAllowed`, `NotFound`."""

        async def unit(tx: Tx) -> Ticket:
            await self._check(tx, actor, ticket_id, check)
            if status in ACTIVE:
                await shown.check_goes_on(tx, self._desk, actor, ticket_id)
            ticket = await actions.set_status(tx, self._desk, actor, ticket_id, status)
            if actor.staff:  # which they do to anybody's
                return ticket
            return await confirming.by_act(tx, self._desk, actor, ticket)

        return views.ticket_for(actor, await self._unit(unit))

    async def rate(self, actor: Actor, ticket_id: int, score: int | None, comment: str = "") -> None:
        """Rate one's own ticket, 1 to 5; None: the comment alone. Raises `Conflict`, `Invalid`, `NotAllowed`,
        `NotFound`, `TooMany`."""

        async def unit(tx: Tx) -> None:
            ticket = await self._seen(tx, actor, ticket_id)
            await ratings.rate(tx, self._desk, actor, ticket_id, score, comment)
            await confirming.by_act(tx, self._desk, actor, ticket)

        await self._unit(unit)

    async def assign(
        self, actor: Actor, ticket_id: int, username: str | None, *, check: Check | None = None
    ) -> Ticket:
        """Give a ticket to a staff member (None: to nobody). `check` and what is raised: as `assign_status`."""

        async def unit(tx: Tx) -> Ticket:
            await self._check(tx, actor, ticket_id, check)
            return await actions.assign(tx, self._desk, actor, ticket_id, username)

        return await self._unit(unit)

    async def _check(self, tx: Tx, actor: Actor, ticket_id: int, check: Check | None) -> None:
        if check is not None:
            locked, _ = await actions.locked(tx, actor, ticket_id)
            check(views.ticket_for(actor, locked))

    async def set_priority(self, actor: Actor, ticket_id: int, priority: Priority) -> Ticket:
        """Set how pressing a ticket is. Raises `NotAllowed`, `NotFound`."""
        return await self._unit(lambda tx: actions.set_priority(tx, self._desk, actor, ticket_id, priority))

    async def merge(self, actor: Actor, ticket_id: int, into: int) -> Ticket:
        """Merge a ticket into another one. Raises `Conflict`, `NotAllowed`, `NotFound`."""
        return await self._unit(lambda tx: merging.merge(tx, self._desk, actor, ticket_id, into))

    async def admit(self, actor: Actor, ticket_id: int, address: str) -> Ticket:
        """Let somebody take part in a ticket. Raises `Invalid`, `NotAllowed`, `NotFound`."""
        return await self._unit(lambda tx: membership.admit(tx, self._desk, actor, ticket_id, address))

    async def unsuppress(self, actor: Actor, ticket_id: int, address: str) -> Ticket:
        """Let mail go to an address again that bounced for good. Raises `Conflict`, `Invalid`, `NotAllowed`."""
        return await self._unit(lambda tx: membership.unsuppress(tx, self._desk, actor, ticket_id, address))

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
        """Return a period's figures; of people, an agent sees their own. Raises `NotAllowed` for who is no staff,
        `Invalid`, `Unavailable`."""
        check_staff(actor, "see figures")
        if period.until <= period.since:
            raise Invalid("until must come after since")
        for name, moment in (("since", period.since), ("until", period.until)):
            if not in_reach(moment):
                raise Invalid(f"{name}: must be in the years {FIRST_YEAR} to {LAST_YEAR}")
        if queue is not None:
            self._desk.queue(queue)
        zone = ZoneInfo(self._desk.config.service.timezone)

        async def look(tx: Tx) -> Figures:
            found = await figures.of(tx, period, queue, zone=zone)
            return await figures.seen_by(tx, actor, found)

        return await self._database.read(look, snapshot=True)

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
            if not seen or not (actor.staff or part):
                raise missing
            return views.attachment_of(row)

        return await self._database.read(look)

    async def linked_file(self, attachment_id: int, source: str) -> Attachment | None:
        """Return the file of a signed link, None where it may not leave the desk (any more). `source`: the network
        address that asks. Raises `TooMany`."""
        network = network_of(source)
        if network:
            limit = self._desk.config.brakes.file_links_per_source
            name = f"files:{network}"
            if not await self._unit(lambda tx: allow(tx, name, limit, timedelta(hours=1))):
                raise TooMany("too many files from here; please wait a while")
        return await self._database.read(lambda tx: public_file(tx, attachment_id))

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


__all__ = ["Claim", "Rerun", "TicketManager", "new_mail_id"]
