"""An archive is read in: mails sent long ago become tickets, and nothing goes out because of it.

An operator vouches for an archive, so what staff and our own addresses wrote in it counts as staff's. Each mail leaves
a row of the inbox, written in the transaction that makes its ticket: a second run finds it there, and no worker ever
sees it waiting.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import insert, select

from core import inbox, units
from core.blobs import Blobs
from core.config import Config
from core.database import Database, Tx
from core.decide import decide
from core.evidence import look_up, names_of
from core.failures import Unavailable
from core.inbox import Arrival
from core.people import OPERATOR, Known, People, actor_of, ensure, mail_address
from core.prepared import MOST_JOINING, Prepared, words_of
from core.receive import Receiver
from core.shapes import Auth, Held, NewMessage, Person, Priority, Receipt, Role, Visibility, key_of
from core.status import Did, Status
from core.tables import inbox as inbox_rows
from core.tables import links, messages, users
from core.units import Desk

log = structlog.get_logger(__name__)

KEPT_PEOPLE: Final = 5_000  # people kept at hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A mail of an archive, read.

    `arrivals`: its row of the inbox in each queue that it may belong to. `inbound`: what it says, in the likeliest
    one. `named_in`: gives it the names that it has in another queue. `as_of`: when what comes of it happened; None is
    now.
    """

    arrivals: Mapping[str, Arrival]
    queue: str
    inbound: NewMessage | Held
    named_in: Callable[[NewMessage, str], NewMessage]
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A mail that our code failed on; `reason` quotes nothing of it."""

    reason: str


class _Vouched(People):
    """People as an archive shows them: our own addresses are the desk's. Who was found is kept at hand."""

    def __init__(self, database: Database, config: Config) -> None:
        super().__init__(database, config)
        self._ours = frozenset(a.lower() for queue in config.queue for a in queue.addresses)
        self._kept: dict[bytes, Known] = {}

    async def known(self, person: Person) -> Known:
        """Return the user behind this person; behind an address of ours the system's own."""
        found = self._kept.get(person.key)
        if found is None:
            if person.kind == "email" and person.address in self._ours:
                found = await self._desk_itself(person)
            else:
                found = await super().known(person)
            if len(self._kept) >= KEPT_PEOPLE:
                self._kept.clear()
            self._kept[person.key] = found
        return found

    async def learn(self, people: Iterable[Person]) -> None:
        """Have these at hand, those whom nobody knew yet made in one unit: one each is a commit each."""
        new = {
            p.key: self.pinned(p) for p in people if p.key not in self._kept and p.address not in self._ours
        }
        if not new:
            return

        async def unit(tx: Tx) -> dict[bytes, Known]:
            return {key: await ensure(tx, person) for key, person in new.items()}

        found = await self._database.unit(unit)
        if len(self._kept) + len(found) > KEPT_PEOPLE:
            self._kept.clear()
        self._kept.update(found)

    async def _desk_itself(self, person: Person) -> Known:
        row = await self._database.read(
            lambda tx: tx.first(select(users.c.id, users.c.name).where(users.c.username == OPERATOR))
        )
        if row is None:
            raise Unavailable("the database has no operator; run: relaydesk migrate")
        return Known(
            user_id=row.id,
            name=row.name,
            username=OPERATOR,
            role=Role.SYSTEM,
            identity=person.key,
            email=person.address,
        )


class Importer:
    """Takes an archive's mails in, one unit each, or several in one."""

    def __init__(self, desk: Desk, database: Database, blobs: Blobs) -> None:
        self._desk = replace(desk, quiet=True)
        self._database = database
        self._blobs = blobs
        self._people = _Vouched(database, desk.config)
        self._receiver = Receiver(self._desk, database, blobs, self._people)

    async def there(self, keys: Collection[bytes]) -> set[bytes]:
        """Return which of these keys the inbox has."""

        async def look(tx: Tx) -> set[bytes]:
            rows = await tx.all(select(inbox_rows.c.key).where(inbox_rows.c.key.in_(list(keys))))
            return {bytes(row.key) for row in rows}

        return await self._database.read(look) if keys else set()

    async def take_in(self, mails: Sequence[Archived]) -> list[Receipt | Failed]:
        """Take mails in, in order. Raises `Unavailable`: then any first ones of them may be in.

        All in one unit; where that fails, each alone, so that one mail's trouble is only its own.
        """
        await self._people.learn(_people_of(mails))
        ready = [await self._prepared(mail) for mail in mails]

        async def together(tx: Tx) -> list[Receipt | Failed]:
            seen = await _seen(tx, mails)
            return [await self._one(tx, mail, done, seen) for mail, done in zip(mails, ready, strict=True)]

        if len(mails) > 1:
            try:
                return await self._database.unit(together, tries=3)
            except Exception as exc:
                log.info("import_one_by_one", error=type(exc).__name__)
        return [await self._alone(mail, done) for mail, done in zip(mails, ready, strict=True)]

    async def _alone(self, mail: Archived, prepared: Prepared | None) -> Receipt | Failed:
        async def unit(tx: Tx) -> Receipt:
            return await self._one(tx, mail, prepared, await _seen(tx, [mail]))

        try:
            return await self._database.unit(unit)
        except Unavailable:
            raise
        except Exception as exc:
            frames = traceback.extract_tb(exc.__traceback__)
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
            return Failed(f"a bug of ours: {type(exc).__name__} at {place}")

    async def _prepared(self, mail: Archived) -> Prepared | None:
        if isinstance(mail.inbound, Held):
            return None
        new = mail.inbound
        if (await self._people.known(new.sender)).staff:
            new = replace(new, auth=Auth.VERIFIED)
        return await self._receiver.prepare(new)

    async def _one(self, tx: Tx, mail: Archived, prepared: Prepared | None, seen: _Seen) -> Receipt:
        """One mail, idempotent: its row of the inbox says that it is in."""
        tx.as_of = mail.as_of
        tx.targets = tx.targets and tx.targets.imported()
        if any(arrival.key in seen.rows for arrival in mail.arrivals.values()):
            return Receipt(outcome="duplicate", because="it came in before")
        queue = mail.queue
        if prepared is not None and len(mail.arrivals) > 1:
            queue = await self._home(tx, mail, prepared.new)
            if queue != mail.queue:
                prepared = replace(
                    prepared, new=replace(mail.named_in(prepared.new, queue), auth=prepared.new.auth)
                )
        arrival = mail.arrivals[queue]
        seen.rows.add(arrival.key)
        values = await inbox.row_of(arrival, self._blobs, self._database.clock)
        item_id = await tx.new_id(insert(inbox_rows).values(**{**values, "state": "done"}))
        receipt = await self._become(tx, mail, prepared, seen)
        await inbox.note(
            tx,
            item_id,
            state=receipt.outcome if receipt.outcome in ("ignored", "held") else "done",
            reason=receipt.because,
            ticket_id=receipt.ticket_id,
            message_id=receipt.message_id,
        )
        return receipt

    async def _home(self, tx: Tx, mail: Archived, new: NewMessage) -> str:
        """The queue whose mails it answers or was answered by; the likeliest one where it names none."""
        queue_of: dict[bytes, str] = {}
        for queue in mail.arrivals:
            named = new if queue == mail.queue else mail.named_in(new, queue)
            for ref in (*named.evidence.references, named.ref):
                queue_of[key_of(ref.name)] = queue
        rows = await tx.all(select(links.c.key).where(links.c.key.in_(list(queue_of))))
        known = {bytes(row.key) for row in rows}
        return next((queue for key, queue in queue_of.items() if key in known), mail.queue)

    async def _become(self, tx: Tx, mail: Archived, prepared: Prepared | None, seen: _Seen) -> Receipt:
        if prepared is None:
            assert isinstance(mail.inbound, Held)
            return Receipt(outcome="held", because=mail.inbound.reason)
        name = key_of(prepared.new.ref.name)
        if name in seen.names and (same := await self._same(tx, prepared)) is not None:
            return same
        seen.names.add(name)
        if prepared.sender.staff:
            new, sender = prepared.new, prepared.sender
            known = await look_up(tx, self._desk, new, sender)
            customer = _written_to(prepared)
            if customer is not None and new.ref.name not in known.links:
                decided = await decide(tx, self._desk, new, sender, known)
                if decided.ticket is None:
                    names = names_of(new, known, twice=False)
                    return await self._staff_wrote_first(tx, prepared, customer, names)
        return await self._receiver.new_message(tx, prepared)

    async def _same(self, tx: Tx, prepared: Prepared) -> Receipt | None:
        """A copy whose bytes changed on the way (another encoding, a line that a list put below) is no second
        message: the same Message-ID, writer, time and words are."""
        new = prepared.new
        row = await tx.first(
            select(messages.c.id, messages.c.ticket_id, messages.c.text)
            .join(links, links.c.message_id == messages.c.id)
            .where(
                links.c.key == key_of(new.ref.name),
                links.c.kind == "received",
                messages.c.author_id == prepared.sender.user_id,
                messages.c.source_time == new.source_time,
            )
        )
        if row is None or row.text.split() != (new.visible or new.text).split():
            return None
        return Receipt(
            outcome="duplicate", ticket_id=row.ticket_id, message_id=row.id, because="it came in before"
        )

    async def _staff_wrote_first(
        self,
        tx: Tx,
        prepared: Prepared,
        customer: tuple[Person, Known],
        names: Sequence[tuple[str, str, str | None]],
    ) -> Receipt:
        """The archive's thread begins with staff's words: the ticket is whom they wrote to's, and answered."""
        new, sender, desk = prepared.new, prepared.sender, self._desk
        person, requester = customer
        queue = desk.queue_or_first(new.queue)
        ticket = await units.open_ticket(
            tx,
            queue=queue.name,
            title=units.title_of(new.subject, new.visible or new.text),
            description=new.visible or new.text,
            priority=new.priority or Priority.NORMAL,
            channel=new.channel,
            requester=requester,
            address=person.address,
        )
        address = await mail_address(tx, new.sender, sender)
        words = words_of(prepared, address, staff=True, visibility=Visibility.PUBLIC, outsider=False)
        message_id = await units.add_message(tx, desk, ticket, 1, words)
        await units.add_links(tx, ticket.id, message_id, names)
        for other in (person, *new.to_others[:MOST_JOINING]):
            role = "requester" if other.key == person.key else "cc"
            await units.join(tx, ticket.id, other.key, role, other.place, 1)
        actor = replace(actor_of(sender, new.channel, Auth.VERIFIED), email=address)
        data: dict[str, Any] = {"message": message_id, "channel": new.channel}
        await units.add_event(tx, ticket, "opened", actor, public=True, data=data)
        moved = await units.move(tx, ticket, Did.STAFF_REPLIED, actor, after=Status(queue.after_staff_reply))
        moved = replace(moved, first_response_at=await tx.now(), waiting_since=None)
        await units.add_event(tx, ticket, "answered", actor, public=True, data={"message": message_id})
        await units.save(tx, ticket, moved, public=True)
        return Receipt(
            outcome="opened", ticket_id=ticket.id, message_id=message_id, because="staff wrote first"
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is in already, of some mails: keys of rows of the inbox, and of the mails' names."""

    rows: set[bytes]
    names: set[bytes]


def _people_of(mails: Iterable[Archived]) -> Iterator[Person]:
    """Everybody whom the mails name and who would be made a user."""
    for mail in mails:
        if isinstance(mail.inbound, NewMessage):
            yield mail.inbound.sender
            yield from mail.inbound.to_others[:MOST_JOINING]


async def _seen(tx: Tx, mails: Sequence[Archived]) -> _Seen:
    rows = [arrival.key for mail in mails for arrival in mail.arrivals.values()]
    named = [
        named.ref.name
        for mail in mails
        if isinstance(mail.inbound, NewMessage)
        for named in (mail.inbound, *(mail.named_in(mail.inbound, queue) for queue in mail.arrivals))
    ]
    there = await tx.all(select(inbox_rows.c.key).where(inbox_rows.c.key.in_(rows)))
    known = await tx.all(select(links.c.key).where(links.c.key.in_(list({key_of(name) for name in named}))))
    came = {bytes(row.key) for row in there} | await inbox.deleted_keys(tx, rows)
    return _Seen(came, {bytes(row.key) for row in known})


def _written_to(prepared: Prepared) -> tuple[Person, Known] | None:
    """The first recipient who isn't staff."""
    people = zip(prepared.new.to_others[:MOST_JOINING], prepared.others, strict=False)
    return next(((person, known) for person, known in people if not known.staff), None)
