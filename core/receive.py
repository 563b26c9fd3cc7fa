"""The body of `TicketManager.receive`: one `Inbound` becomes rows, in one transaction that may run twice.

The unit first claims its inbox row, then decides (pure: `threads`), writes (`units`, `actions`), and last notes what
came of the row and fences the shard's lease.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy import select, update

from core import actions, changes, inbox, units, views
from core.actions import Written
from core.audience import Happened
from core.blobs import Blobs
from core.brakes import allow
from core.database import Database, Rerun, Tx
from core.evidence import heir_name, heir_of, look_up, names_of, settled_root, target
from core.failures import Unavailable
from core.people import Known, People, actor_of, mail_address
from core.shapes import (
    Actor,
    Auth,
    DeliveryReport,
    File,
    Held,
    Ignored,
    Inbound,
    MessageDeleted,
    MessageEdited,
    NewMessage,
    Priority,
    Receipt,
    Ref,
    Role,
    StaffCommand,
    Visibility,
)
from core.status import Status, Ticket
from core.tables import tickets
from core.tell import mark, whisper
from core.threads import Admission, Found, admission, which_ticket
from core.units import CARD_WORDS, Desk, Words
from core.visibility import asked_visibility

log = structlog.get_logger(__name__)

Fence = Callable[[Tx], Awaitable[None]]
MOST_JOINING = 20


@dataclass(frozen=True, slots=True)
class Claim:
    """The inbox row behind an `Inbound`, and the fence of the lease under which it is worked off."""

    item_id: int
    fence: Fence | None = None
    refill: int | None = None  # the bare ticket that an unreadable row made; a new reading fills it


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
            prepared = await self._prepare(inbound)
            refill = claim.refill if claim is not None else None
            step: Callable[[Tx], Awaitable[Receipt]] = lambda tx: self._new_message(tx, prepared, refill)  # noqa: E731
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
        return await self._unit(step, claim)

    async def _unit(self, step: Callable[[Tx], Awaitable[Receipt]], claim: Claim | None) -> Receipt:
        async def unit(tx: Tx) -> Receipt:
            if claim is not None and not await inbox.take(tx, claim.item_id):
                return Receipt(outcome="duplicate", because="the inbox row is done")
            receipt = await step(tx)
            if claim is not None:
                state = receipt.outcome if receipt.outcome in ("ignored", "held") else "done"
                await inbox.note(
                    tx,
                    claim.item_id,
                    state=state,
                    reason=receipt.because,
                    ticket_id=receipt.ticket_id,
                    message_id=receipt.message_id,
                )
                if claim.fence is not None:
                    await claim.fence(tx)
            return receipt

        return await self._database.unit(unit)

    async def _unknown(self, ref: Ref) -> bool:
        return await self._database.read(lambda tx: actions.linked(tx, ref)) is None

    # -- new messages -----------------------------------------------------------------------------------------

    async def _prepare(self, new: NewMessage) -> _Prepared:
        """Everything that needn't be in the transaction: files to blobs, people that nobody knew yet."""
        files = [await self._stored(file) for file in new.files]
        html = None
        if new.html:
            html = await self._blob(new.html.encode("utf-8", "replace"))
        sender = await self._people.known(new.sender)
        others = [await self._people.known(p) for p in new.to_others[:MOST_JOINING]]
        return _Prepared(new=new, files=files, html_blob=html, sender=sender, others=others)

    async def _stored(self, file: File) -> File:
        if file.content is None:
            return file
        return replace(file, blob=await self._blob(file.content), content=None)

    async def _blob(self, content: bytes) -> str:
        try:
            return await self._blobs.put(content)
        except OSError as exc:
            raise Unavailable(f"disk: {exc.strerror}") from exc

    async def _new_message(self, tx: Tx, prepared: _Prepared, refill: int | None) -> Receipt:
        new, sender = prepared.new, prepared.sender
        if new.automatic == "bounce" and refill is None:
            return Receipt(outcome="ignored", because="a bounce of nothing that we sent")
        known = await look_up(tx, self._desk, new, sender)
        own = known.links.get(new.ref.name)
        unique = new.ref.ours in (None, new.ref.name)
        if own is not None and (own.kind in ("sent", "card") or (unique and own.kind != "referenced")):
            return Receipt(
                outcome="duplicate" if own.kind == "received" else "ignored",
                ticket_id=own.ticket_id,
                message_id=own.message_id,
                because=f"known already ({own.kind})",
            )
        if refill is not None:
            return await self._refill(tx, prepared, refill, names_of(new, known, twice=own is not None))
        found = which_ticket(new.evidence, known)
        if found is None and own is not None and own.kind == "referenced" and own.ticket_id:
            found = Found(ticket_id=own.ticket_id, because="an answer to it came before it", proof=False)
        ticket = await target(tx, found)
        if ticket is None:
            found = None
        decision = await self._decide(tx, prepared, found, ticket)
        while found is not None and decision.too_old:
            # Their thread goes on in the ticket that an earlier message of theirs opened instead.
            heir = await heir_of(tx, found.ticket_id, sender)
            if heir is None:
                break
            found = replace(found, ticket_id=heir)
            ticket = await target(tx, found)
            decision = await self._decide(tx, prepared, found, ticket)
        names = names_of(new, known, twice=own is not None and own.kind == "received")
        if decision.how == "ignore" and new.desk and new.channel in self._desk.specs:
            await settled_root(tx, self._desk, new.channel, new.evidence.references)
        if decision.how in ("ignore", "refuse"):
            return await self._turned_away(tx, prepared, decision)
        if decision.too_old and found is not None:
            names = [*names, (heir_name(found.ticket_id, sender), "heir", None)]
        if decision.how == "new" or ticket is None:
            return await self._open(tx, prepared, decision, names)
        return await self._add(tx, prepared, found, ticket, decision, names)

    async def _decide(
        self, tx: Tx, prepared: _Prepared, found: Found | None, ticket: Ticket | None
    ) -> Admission:
        new, sender = prepared.new, prepared.sender
        part = too_old = False
        if ticket is not None:
            part = await views.takes_part(tx, ticket.id, sender.user_id)
            queue = self._desk.queue_or_first(ticket.queue)
            too_old = units.closed_too_long(ticket, queue, await tx.now())
        return admission(
            found,
            takes_part=part,
            staff=sender.staff and new.auth is Auth.VERIFIED,
            own=ticket is not None and ticket.requester_id == sender.user_id,
            claims_staff=sender.staff,
            desk=new.desk,
            in_place=new.ref.ours in (None, new.ref.name),
            too_old=too_old,
            automatic=new.automatic is not None,
        )

    async def _turned_away(self, tx: Tx, prepared: _Prepared, decision: Admission) -> Receipt:
        """Somebody who isn't staff wrote in a triage thread: they alone are told, nothing is sent."""
        new = prepared.new
        if decision.how == "refuse" and decision.ticket_id is not None:
            text = "You aren't on the help desk's staff, so this wasn't sent. Ask an operator to add you."
            await whisper(tx, self._desk, decision.ticket_id, new.sender, text)
        return Receipt(outcome="ignored", ticket_id=decision.ticket_id, because=decision.because)

    async def _open(
        self, tx: Tx, prepared: _Prepared, decision: Admission, names: list[tuple[str, str, str | None]]
    ) -> Receipt:
        new, sender, desk = prepared.new, prepared.sender, self._desk
        queue = desk.queue_or_first(new.queue)
        actor = actor_of(sender, new.channel, new.auth)
        address = await mail_address(tx, new.sender, sender)
        ticket = await units.open_ticket(
            tx,
            queue=queue.name,
            title=units.title_of(new.subject, new.visible or new.text),
            description=new.visible or new.text,
            priority=new.priority or Priority.NORMAL,
            channel=new.channel,
            requester=sender,
            address=address,
        )
        words = _words(prepared, address, staff=False, visibility=Visibility.PUBLIC, outsider=False)
        message_id = await units.add_message(tx, desk, ticket, 1, words)
        await units.add_links(tx, ticket.id, message_id, names)
        await units.join(tx, ticket.id, new.sender.key, "requester", new.sender.place, 1)
        for person in new.to_others[:MOST_JOINING] if new.automatic is None else ():
            await units.join(tx, ticket.id, person.key, "cc", person.place, 1)
        await units.add_event(
            tx, ticket, "opened", actor, public=True, data={"message": message_id, "channel": new.channel}
        )
        await self._remarks(tx, ticket, new, decision)
        scene = await units.scene(
            tx,
            desk,
            ticket,
            actor,
            automatic=new.automatic is not None,
            acknowledge=await self._may_acknowledge(tx, new),
            long=len(words.text) > CARD_WORDS or bool(words.files),
        )
        await units.note(tx, desk, Happened.OPENED, scene, message_id)
        return Receipt(outcome="opened", ticket_id=ticket.id, message_id=message_id, because=decision.because)

    async def _refill(
        self, tx: Tx, prepared: _Prepared, ticket_id: int, names: list[tuple[str, str, str | None]]
    ) -> Receipt:
        """What could not be read before is read now: it fills the bare ticket that was made for it."""
        new, sender, desk = prepared.new, prepared.sender, self._desk
        ticket = await units.lock(tx, ticket_id, adds=1)
        seq = await tx.scalar(select(tickets.c.last_seq).where(tickets.c.id == ticket_id))
        address = await mail_address(tx, new.sender, sender)
        words = _words(prepared, address, staff=False, visibility=Visibility.PUBLIC, outsider=False)
        message_id = await units.add_message(tx, desk, ticket, int(seq), words)
        await units.add_links(tx, ticket_id, message_id, names)
        await units.join(tx, ticket_id, new.sender.key, "requester", new.sender.place, int(seq))
        for person in new.to_others[:MOST_JOINING] if new.automatic is None else ():
            await units.join(tx, ticket_id, person.key, "cc", person.place, int(seq))
        await tx.run(
            update(tickets)
            .where(tickets.c.id == ticket_id)
            .values(
                requester_id=sender.user_id,
                requester_address=address[:320],
                description=words.text,
                title=units.title_of(new.subject, words.text),
            )
        )
        actor = actor_of(sender, new.channel, new.auth)
        await units.add_event(tx, ticket, "read_again", actor, public=False, data={"message": message_id})
        await self._remarks(tx, ticket, new, None)
        await units.save(tx, ticket, ticket, public=True)
        after = await views.ticket(tx, ticket_id)
        assert after is not None
        automatic = new.automatic is not None
        allowed = await self._may_acknowledge(tx, new)
        scene = await units.scene(tx, desk, after, actor, automatic=automatic, acknowledge=allowed, long=True)
        await units.note(tx, desk, Happened.OPENED, scene, message_id)
        return Receipt(outcome="opened", ticket_id=ticket_id, message_id=message_id, because="read again")

    async def _remarks(self, tx: Tx, ticket: Ticket, new: NewMessage, decision: Admission | None) -> None:
        """What the reader, or the way here, has to tell staff beside the words."""
        for remark in new.remarks:
            await units.add_event(tx, ticket, "remark", None, public=False, data={"text": remark})
        if decision is not None and decision.ticket_id is not None:
            data = {"ticket": decision.ticket_id, "because": decision.because}
            await units.add_event(tx, ticket, "related", None, public=False, data=data)

    async def _may_acknowledge(self, tx: Tx, new: NewMessage) -> bool:
        """The brakes on acknowledgements: per address and in all."""
        if new.automatic is not None:
            return False
        brakes, config = self._desk.config.brakes, self._desk.config
        if new.channel == "email" and config.email.outbound.acknowledge == "none":
            return False
        window = brakes.acknowledgement_window
        name = f"ack:{new.sender.kind}:{new.sender.address}"
        if not await allow(tx, name, brakes.acknowledgements_per_address, window):
            return False
        return await allow(tx, "ack:all", brakes.acknowledgements_in_all, window, spread=True)

    async def _add(
        self,
        tx: Tx,
        prepared: _Prepared,
        found: Found | None,
        ticket: Ticket,
        decision: Admission,
        names: list[tuple[str, str, str | None]],
    ) -> Receipt:
        new, sender, desk = prepared.new, prepared.sender, self._desk
        if decision.how == "outsider":
            return await self._outsider(tx, prepared, ticket, decision, names)
        actor = actor_of(sender, new.channel, new.auth)
        address = await mail_address(tx, new.sender, sender)
        actor = replace(actor, email=address)
        visibility, text = asked_visibility(new, desk.queue_or_first(ticket.queue).default_visibility)
        if decision.how != "staff":
            actor = replace(actor, role=actor.role if not sender.staff else Role.REQUESTER)
            visibility = Visibility.PUBLIC
            text = new.visible or new.text
        written = Written(
            text=text,
            visibility=visibility,
            channel=new.channel,
            source_time=new.source_time,
            files=prepared.files,
            full_text=new.text,
            html_blob=prepared.html_blob,
            mail_id=new.mail_id,
            names=names,
            from_thread=new.desk
            and found is not None
            and found.ticket_id == ticket.id,  # not the merged one's
            place=new.sender.place,
            had=frozenset(person.key for person in new.to_others),
            automatic=new.automatic,
        )
        if decision.how == "join" and not await self._may_reopen(tx, ticket, sender):
            written = replace(written, automatic=written.automatic or "braked")
        after, message_id = await actions.write(tx, desk, actor, ticket.id, written)
        if found is not None and new.automatic is None and new.to_others:
            await self._copied(tx, new, after, found, actor)
        if new.desk and visibility is Visibility.NOTE:
            await mark(tx, desk, after, units.remote_of(new.ref), "note")
        return Receipt(outcome="joined", ticket_id=after.id, message_id=message_id, because=decision.because)

    async def _may_reopen(self, tx: Tx, ticket: Ticket, sender: Known) -> bool:
        """Reopens by one sender are braked: then it's only a message."""
        if ticket.status not in (Status.RESOLVED, Status.CLOSED):
            return True
        limit = self._desk.config.brakes.reopens_per_hour
        return await allow(tx, f"reopen:{sender.user_id}", limit, timedelta(hours=1))

    async def _copied(self, tx: Tx, new: NewMessage, ticket: Ticket, found: Found, actor: Actor) -> None:
        """Whom the mail copies: they join where it proves itself, else they are proposed to staff."""
        proven = found.proof or new.auth is not Auth.CLAIMED
        if found.because == "subject tag":
            proven = False
        role = "cc" if proven else "proposed"
        seq = await tx.scalar(select(tickets.c.last_seq).where(tickets.c.id == ticket.id))
        for person in new.to_others[:MOST_JOINING]:
            if await units.join(tx, ticket.id, person.key, role, person.place, int(seq)):
                await units.add_event(
                    tx, ticket, "participant" if proven else "proposed", actor, public=False,
                    data={"address": person.address},
                )  # fmt: skip

    async def _outsider(
        self,
        tx: Tx,
        prepared: _Prepared,
        ticket: Ticket,
        decision: Admission,
        names: list[tuple[str, str, str | None]],
    ) -> Receipt:
        """Somebody who takes no part wrote into a ticket: staff see it, marked; nobody else, and nothing goes
        back."""
        new, sender, desk = prepared.new, prepared.sender, self._desk
        locked = await units.lock(tx, ticket.id, adds=1)
        if locked.merged_into is not None:  # merged away since we looked
            raise Rerun
        seq = await tx.scalar(select(tickets.c.last_seq).where(tickets.c.id == ticket.id))
        address = await mail_address(tx, new.sender, sender)
        words = _words(prepared, address, staff=False, visibility=Visibility.PUBLIC, outsider=True)
        message_id = await units.add_message(tx, desk, locked, int(seq), words)
        await units.add_links(tx, locked.id, message_id, names)
        await units.join(tx, locked.id, new.sender.key, "outsider", new.sender.place, int(seq))
        actor = actor_of(sender, new.channel, new.auth)
        data = {"message": message_id, "claims_staff": sender.staff}
        await units.add_event(tx, locked, "outsider_message", actor, public=False, data=data)
        after = await units.save(tx, locked, locked, public=False)
        # Whoever the address belongs to hears of it too, when it claims to be staff.
        teller = None if sender.staff else actor
        scene = await units.scene(tx, desk, after, teller, automatic=True)
        await units.note(tx, desk, Happened.OUTSIDER_WROTE, scene, message_id)
        return Receipt(
            outcome="outsider", ticket_id=after.id, message_id=message_id, because=decision.because
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    new: NewMessage
    files: Sequence[File]
    html_blob: str | None
    sender: Known
    others: Sequence[Known]


async def _nothing(inbound: Ignored | Held) -> Receipt:
    return Receipt(outcome="held" if isinstance(inbound, Held) else "ignored", because=inbound.reason)


def _words(
    prepared: _Prepared, address: str, *, staff: bool, visibility: Visibility, outsider: bool
) -> Words:
    new = prepared.new
    return Words(
        author=prepared.sender,
        address=address,
        staff=staff,
        visibility=visibility,
        channel=new.channel,
        source_time=new.source_time,
        text=new.visible or new.text,
        full_text=new.text,
        html_blob=prepared.html_blob,
        auth=new.auth,
        automatic=new.automatic,
        outsider=outsider,
        mail_id=new.mail_id,
        files=prepared.files,
    )
