"""Reports over HTTP and the terminal: opened for a known actor, or for somebody who must confirm that it was them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from core import confirming, units, views
from core.audience import Happened, Told
from core.blank import is_blank
from core.brakes import allow, network_of
from core.database import Database, Tx
from core.failures import Invalid, TooMany
from core.matching import find
from core.once import as_opened, check_same
from core.outbox import Noted, enqueue
from core.people import Known, ensure, token_hash
from core.shapes import Actor, Auth, File, Kind, Person, Priority, Role, Visibility, key_of
from core.status import Ticket
from core.strangers_files import brake_files
from core.tables import links, tickets, tokens
from core.units import CARD_WORDS, Desk, Words

CONFIRMATION_LIVES = timedelta(days=7)
MOST_TEXT = 200_000


class Reports:
    """Opens tickets for who asks over HTTP or at the terminal."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk = desk
        self._database = database

    async def report(
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
        mark: str = "",
    ) -> Ticket:
        chosen = self._desk.queue if actor and actor.staff else self._desk.public_queue
        name = chosen(queue).name
        _check_words(title, "title", 255)
        _check_words(description, "description", MOST_TEXT)
        who = f"user:{actor.user_id}" if actor else "anybody"
        link = f"http:{who}:{key or secrets.token_hex(16)}"

        async def unit(tx: Tx) -> Ticket:
            known = await ensure(tx, await _as_told(tx, person, actor))
            earlier = await _by_key(tx, link, mark)
            if earlier is not None:
                shown = units.title_of(title, description)
                return as_opened(earlier, queue=name, title=shown, description=description, priority=priority)
            if actor is None:
                await self._brake_reports(tx, source)
                await brake_files(tx, self._desk.config.brakes, source, files)
            return await self._opened(
                tx, person, known, name, title, description, priority, files, (link, mark), actor, source
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
        named: tuple[str, str],
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
        await units.add_links(tx, ticket.id, message_id, [(named[0], "http", named[1])])
        await units.join(tx, ticket.id, person.key, "requester", person.place, 1)
        data = {"message": message_id, "channel": by.channel}
        await units.add_event(tx, ticket, "opened", by, public=True, data=data)
        long = len(description) > CARD_WORDS or bool(files)
        scene = await units.scene(tx, desk, ticket, by, long=long, acknowledge=True)
        await units.note(tx, desk, Happened.OPENED, scene, message_id)
        if actor is None:
            await self._ask_to_confirm(tx, ticket, person, known, source)
        return ticket

    async def _brake_reports(self, tx: Tx, source: str) -> None:
        """What anybody may report without a token costs staff's attention: so many an hour and source."""
        source = network_of(source)
        limit = self._desk.config.brakes.reports_per_source
        if source and not await allow(tx, f"report-from:{source}", limit, timedelta(hours=1)):
            raise TooMany("too many reports from your network; try again in an hour")

    async def _ask_to_confirm(
        self, tx: Tx, ticket: Ticket, person: Person, known: Known, source: str
    ) -> None:
        """Mail the one link, within the brakes; everything else that is automatic waits."""
        brakes, day = self._desk.config.brakes, timedelta(days=1)
        allowed = (
            not await _waits(tx, known)
            and await allow(tx, f"confirm:{person.address}", brakes.confirmations_per_address, day)
            and await allow(tx, f"confirm-from:{network_of(source)}", brakes.confirmations_per_source, day)
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
        """The mailed link was followed: that report is theirs, and what waited for it goes out. Works once."""
        return await self._database.unit(lambda tx: confirming.by_link(tx, self._desk, token))


async def _waits(tx: Tx, known: Known) -> bool:
    """Was a link mailed to them within a day whose report nobody confirmed yet? That one is enough."""
    rows = await tx.all(
        select(tokens.c.scopes).where(
            tokens.c.user_id == known.user_id,
            tokens.c.purpose == "confirm",
            tokens.c.used_at.is_(None),
            tokens.c.created_at > await tx.now() - timedelta(days=1),
        )
    )
    mailed_for = [int(row.scopes[0]) for row in rows]
    waiting = select(tickets.c.id).where(tickets.c.id.in_(mailed_for), tickets.c.unconfirmed.is_(True))
    return bool(mailed_for) and await tx.scalar(waiting.limit(1)) is not None


async def _as_told(tx: Tx, person: Person, actor: Actor | None) -> Person:
    """Whoever isn't signed in gives nobody a name who is known already."""
    stranger = actor is None and await find(tx, person.key) is not None
    return replace(person, name="") if stranger else person


async def _by_key(tx: Tx, link: str, mark: str) -> Ticket | None:
    """The ticket that this key made already. Raises `KeyUsed`."""
    row = await tx.first(select(links.c.ticket_id, links.c.remote).where(links.c.key == key_of(link)))
    if row is None:
        return None
    check_same(row.remote, mark)
    return await views.ticket(tx, row.ticket_id)


def _check_words(text: str, what: str, longest: int) -> None:
    if is_blank(text):
        raise Invalid(f"the {what} is empty")
    if len(text) > longest:
        raise Invalid(f"the {what} has at most {longest} characters")
