"""The body of `TicketManager.receive`: one `Inbound` becomes rows, in one transaction that may run twice.

The unit first claims its inbox row, then decides (pure: `threads`), writes (`units`, `actions`), and last notes what
came of the row and fences the shard's lease.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import update

from core import actions, changes, inbox, units, views
from core.blobs import Blobs
from core.brought import spoken
from core.database import Database, Tx
from core.decide import MENTION, decide, forwards_for_desk, known_already
from core.desk_texts import said
from core.evidence import beside, heir_name, look_up, names_of, settled_root
from core.failures import Unavailable
from core.joining import joined
from core.opening import opened, refilled
from core.people import Known, People, note_language
from core.prepared import MOST_JOINING, Prepared, bounded
from core.shapes import (
    Auth,
    DeliveryReport,
    File,
    Held,
    Ignored,
    Inbound,
    MessageDeleted,
    MessageEdited,
    NewMessage,
    Person,
    Receipt,
    Ref,
    StaffCommand,
)
from core.status import ACTIVE
from core.suppression import lift
from core.tables import inbox as inbox_rows
from core.tell import whisper
from core.threads import Admission
from core.units import Desk

log = structlog.get_logger(__name__)

Fence = Callable[[Tx], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Claim:
    """The inbox row behind an `Inbound`, and the fence of the lease under which it is worked off."""

    item_id: int
    fence: Fence | None = None
    refill: int | None = None  # the bare ticket that an unreadable row made; a new reading fills it
    quiet: bool = False  # it came out of an archive, so nothing goes out because of it


class Receiver:
    """Turns `Inbound`s into rows."""

    def __init__(self, desk: Desk, database: Database, blobs: Blobs, people: People) -> None:
        self._desk = desk
        self._database = database
        self._blobs = blobs
        self._people = people

    async def receive(self, inbound: Inbound, claim: Claim | None = None) -> Receipt:
        """Take one `Inbound` in. Idempotent: a second call finds the first one's work.

        Raises `Unavailable`, `StaleLease`; a refusal of the desk's is a receipt, not an exception.
        """
        if isinstance(inbound, NewMessage):
            prepared = await self.prepare(inbound)
            refill = claim.refill if claim is not None else None
            step: Callable[[Tx], Awaitable[Receipt]] = lambda tx: self.new_message(tx, prepared, refill)  # noqa: E731
        elif isinstance(inbound, MessageEdited):
            if await self._unknown(inbound.ref) and inbound.as_new is not None:
                return await self.receive(inbound.as_new, claim)
            sender = await self._people.known(inbound.sender)
            step = lambda tx: changes.edited(tx, self._desk, inbound, sender)  # noqa: E731
        elif isinstance(inbound, MessageDeleted):
            step = lambda tx: changes.deleted(tx, self._desk, inbound)  # noqa: E731
        elif isinstance(inbound, StaffCommand):
            sender = await self._people.known(inbound.sender)
            step = lambda tx: changes.commanded(tx, self._desk, inbound, sender)  # noqa: E731
        elif isinstance(inbound, DeliveryReport):
            step = lambda tx: changes.reported(tx, self._desk, inbound)  # noqa: E731
        else:
            step = lambda tx: _nothing(inbound)  # noqa: E731
        return await self._unit(step, claim, forget=isinstance(inbound, Ignored) and inbound.private)

    async def _unit(
        self, step: Callable[[Tx], Awaitable[Receipt]], claim: Claim | None, *, forget: bool
    ) -> Receipt:
        async def unit(tx: Tx) -> Receipt:
            if self._desk.quiet and tx.targets is not None:
                tx.targets = tx.targets.imported()
            if claim is not None and not await inbox.take(tx, claim.item_id):
                return Receipt(outcome="duplicate", because="the inbox row is done")
            if claim is not None and claim.refill is None and await inbox.came_before(tx, claim.item_id):
                receipt = Receipt(outcome="ignored", because="it came in before")
            else:
                receipt = await step(tx)
            if claim is not None:
                state = receipt.outcome if receipt.outcome in ("ignored", "held") else "done"
                await inbox.note(
                    tx,
                    claim.item_id,
                    state=state,
                    reason=": ".join(filter(None, (receipt.because, receipt.about))),
                    ticket_id=receipt.ticket_id,
                    message_id=receipt.message_id,
                )
                if forget:
                    empty = update(inbox_rows).where(inbox_rows.c.id == claim.item_id)
                    await tx.run(empty.values(raw=None, blob=None))
                if claim.fence is not None:
                    await claim.fence(tx)
            return receipt

        return await self._database.unit(unit)

    async def _unknown(self, ref: Ref) -> bool:
        link = await self._database.read(lambda tx: actions.linked(tx, ref))
        return link is None or link.kind == MENTION

    # -- new messages -----------------------------------------------------------------------------------------

    async def prepare(self, new: NewMessage) -> Prepared:
        """Everything that needn't be in the transaction: files to blobs, people that nobody knew yet."""
        files = [await self._stored(file) for file in new.files]
        html = None
        if new.html:
            html = await self._blob(new.html.encode("utf-8", "replace"))
        new = await self._allowed(new)
        sender = await self._people.known(new.sender)
        others = [await self._people.known(p) for p in new.to_others[:MOST_JOINING]]
        new, customer = await self._customer(new, sender)
        maker = await self._people.known(new.made_by) if new.made_by is not None else None
        return Prepared(
            new=new,
            files=files,
            html_blob=html,
            sender=sender,
            others=others,
            customer=customer,
            thread=await self._thread(new),
            maker=maker,
        )

    async def _allowed(self, new: NewMessage) -> NewMessage:
        """What somebody asks for in another's name is their own request, unless they are staff (still)."""
        if not new.on_behalf or new.made_by is None or (await self._people.known(new.made_by)).staff:
            return new
        return replace(new, sender=new.made_by, made_by=None)

    async def _thread(self, new: NewMessage) -> list[Prepared]:
        """The other messages of its thread, prepared as it is."""
        people: dict[bytes, Known] = {}
        thread = []
        for one in bounded(new.thread):
            key = one.sender.key
            if key not in people:
                people[key] = await self._people.known(one.sender)
            files = [await self._stored(file) for file in one.files]
            thread.append(Prepared(new=one, files=files, html_blob=None, sender=people[key], others=()))
        return thread

    async def _customer(self, new: NewMessage, sender: Known) -> tuple[NewMessage, Known | None]:
        """Whose mail it is that staff forward. Nobody else's forward says who wrote what is in it."""
        forwarded = new.forwarded
        if forwarded is None or not forwards_for_desk(new, sender):
            return new, None
        if forwarded.sender is None:
            return new, None
        customer = await self._people.known(forwarded.sender)
        if customer.user_id == sender.user_id:
            return replace(new, forwarded=replace(forwarded, sender=None, why="forward_own")), None
        if forwarded.mail_id:  # their next mail may answer this one
            ref = Ref(f"mail:{new.queue}:{forwarded.mail_id}", f"mail:{forwarded.mail_id}")
            evidence = replace(new.evidence, references=(*new.evidence.references, ref))
            new = replace(new, evidence=evidence)
        return new, customer

    async def _stored(self, file: File) -> File:
        if file.content is None:
            return file
        return replace(file, blob=await self._blob(file.content), content=None)

    async def _blob(self, content: bytes) -> str:
        try:
            return await self._blobs.put(content)
        except OSError as exc:
            raise Unavailable(f"disk: {exc.strerror}") from exc

    async def new_message(self, tx: Tx, prepared: Prepared, refill: int | None = None) -> Receipt:
        """Write what somebody wrote: it opens a ticket, joins one, or there is nothing to do."""
        new, sender = prepared.new, prepared.sender
        person = new.automatic is None
        # Who writes (now) and proves it to be them can be reached again.
        alive = (
            sender.suppressed
            and person
            and not self._desk.quiet
            and new.auth is Auth.VERIFIED
            and await lift(tx, new.sender.key)
        )
        receipt = await self._written(tx, prepared, refill)
        if receipt.outcome in ("opened", "joined") and person:
            writer = prepared.customer or sender
            # An archive says how they wrote once, and what proves nothing may be anybody's.
            proven = new.auth is Auth.VERIFIED or (new.auth is Auth.LINKED and receipt.outcome == "joined")
            if not writer.locale or (proven and not self._desk.quiet):
                await note_language(tx, writer, new.language)
        if alive and receipt.ticket_id is not None:
            ticket = await views.ticket(tx, receipt.ticket_id)
            assert ticket is not None
            data = {"address": new.sender.address}
            await units.add_event(tx, ticket, "unsuppressed", None, public=False, data=data)
        return receipt

    async def _written(self, tx: Tx, prepared: Prepared, refill: int | None) -> Receipt:
        new, sender = prepared.new, prepared.sender
        if new.automatic == "bounce" and refill is None:
            return Receipt(outcome="ignored", because="a bounce of nothing that we sent")
        known = await look_up(tx, self._desk, new, sender)
        if (receipt := known_already(new, known)) is not None:
            return await self._said_already(tx, new, receipt)
        own = known.links.get(new.ref.name)
        if refill is not None:
            names = names_of(new, known, twice=own is not None)
            return await refilled(tx, self._desk, prepared, refill, names)
        decided = await decide(tx, self._desk, new, sender, known)
        found, ticket, decision = decided.found, decided.ticket, decided.admission
        joins = ticket is not None and decision.how != "new"
        names = names_of(new, known, twice=own is not None and own.kind == "received", joins=joins)
        if decision.how == "ignore" and new.desk and new.channel in self._desk.specs:
            await settled_root(tx, self._desk, new.channel, new.evidence.references)
        if decision.how in ("ignore", "refuse"):
            return await self._turned_away(tx, prepared, decision)
        if decision.too_old and found is not None:
            names = [*names, (heir_name(found.ticket_id, sender), "heir", None)]
        if ticket is not None and prepared.empty and new.thread and decision.how != "new":
            because = f"{decision.because}; only a mention"
            return Receipt(outcome="ignored", ticket_id=ticket.id, because=because)
        if decision.how == "new" or ticket is None:
            return await self._made(tx, new, await opened(tx, self._desk, prepared, decision, names))
        if (same := await beside(tx, self._desk, new, sender, ticket.id)) is not None:
            await units.lock(tx, ticket.id)
            await units.add_links(tx, ticket.id, same, names)
            because = f"{decision.because}; it stands there by another queue"
            return Receipt(outcome="duplicate", ticket_id=ticket.id, message_id=same, because=because)
        receipt = await joined(tx, self._desk, prepared, found, ticket, decision, names)
        if own is not None and own.kind == MENTION and receipt.message_id is not None:
            await spoken(tx, new, receipt.message_id)
        return await self._said_already(tx, new, receipt, added=True)

    async def _made(self, tx: Tx, new: NewMessage, receipt: Receipt) -> Receipt:
        """Who made a ticket of somebody else's message hears its number: the receipt goes to the other one."""
        if new.made_by is not None and receipt.ticket_id is not None:
            text = said(self._desk.config, "told_made", id=receipt.ticket_id)
            await self._tell_maker(tx, new.made_by, new, receipt.ticket_id, text)
        return receipt

    async def _tell_maker(self, tx: Tx, maker: Person, new: NewMessage, ticket_id: int, text: str) -> None:
        await whisper(tx, self._desk, ticket_id, maker, text, place=maker.place or new.sender.place)

    async def _said_already(
        self, tx: Tx, new: NewMessage, receipt: Receipt, *, added: bool = False
    ) -> Receipt:
        """Who wants to make a ticket of what is one already hears which."""
        if new.made_by is None or receipt.ticket_id is None:
            return receipt
        ticket = await actions.target(tx, receipt.ticket_id)
        state = "" if ticket.status in ACTIVE else f" ({ticket.status})"
        key = "told_already_added" if added else "told_already"
        text = said(self._desk.config, key, id=ticket.id, state=state)
        await self._tell_maker(tx, new.made_by, new, ticket.id, text)
        return receipt

    async def _turned_away(self, tx: Tx, prepared: Prepared, decision: Admission) -> Receipt:
        """Somebody who isn't staff wrote in a triage thread: they alone are told, nothing is sent."""
        new = prepared.new
        if decision.how == "refuse" and decision.ticket_id is not None:
            text = said(self._desk.config, "told_refused")
            await whisper(tx, self._desk, decision.ticket_id, new.sender, text)
        return Receipt(outcome="ignored", ticket_id=decision.ticket_id, because=decision.because)


async def _nothing(inbound: Ignored | Held) -> Receipt:
    if isinstance(inbound, Held):
        return Receipt(outcome="held", because=inbound.reason, about=inbound.about)
    return Receipt(outcome="ignored", because=inbound.reason)
