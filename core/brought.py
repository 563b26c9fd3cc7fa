"""The thread in which a ticket is opened: its other messages come in too, each once, in the order of their times.

What is known already stays where it is. The desk's thread shows them below the card; nothing is said again where it was
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import select, update

from core import units
from core.audience import thread_of
from core.blank import is_blank
from core.database import Tx
from core.decide import MENTION
from core.outbox import PER_UNIT, Noted, enqueue, on_hold
from core.people import mail_address
from core.prepared import NO_TEXT, Prepared, words_of
from core.shapes import NewMessage, Visibility, key_of
from core.status import Ticket
from core.tables import attachments, links, tickets
from core.units import Desk

Name = tuple[str, str, str | None]
_FIRST: Final = 300  # among the deliveries of their unit: after the card


async def unknown(tx: Tx, prepared: Prepared) -> list[Prepared]:
    """Return those of the thread's messages that no ticket has and that weren't deleted."""
    by_key = {key_of(one.new.ref.name): one for one in prepared.thread}
    by_key.pop(key_of(prepared.new.ref.name), None)
    rows = await tx.all(
        select(links.c.key).where(links.c.key.in_(list(by_key)), links.c.kind != "referenced")
    )
    for row in rows:
        by_key.pop(bytes(row.key), None)
    return list(by_key.values())


def in_order(prepared: Prepared, brought: Sequence[Prepared]) -> list[Prepared]:
    """Return the messages to write. A mention alone is none where it brings others."""
    whole = [*brought] if brought and prepared.empty else [prepared, *brought]
    return sorted(whole, key=lambda one: one.new.source_time)


def titling(prepared: Prepared, lines: Sequence[Prepared]) -> Prepared:
    """Return whose words the ticket shows as its own: the opening message's, else those of the thread's root."""
    return lines[0] if is_blank(prepared.new.visible or prepared.new.text) else prepared


async def written(
    tx: Tx, desk: Desk, ticket: Ticket, prepared: Prepared, lines: Sequence[Prepared], names: Sequence[Name]
) -> list[int]:
    """Write the first messages of a ticket, claim their names, let their authors take part. Returns their ids."""
    ids: list[int] = []
    addresses: dict[bytes, str] = {}
    requester = prepared.sender.user_id
    for seq, one in enumerate(lines, 1):
        key = one.new.sender.key
        if key not in addresses:
            addresses[key] = await mail_address(tx, one.new.sender, one.sender)
            if one.sender.user_id != requester:
                await units.join(tx, ticket.id, key, "cc", one.new.sender.place, seq)
        staff = one.sender.staff and one.sender.user_id != requester
        words = words_of(one, addresses[key], staff=staff, visibility=Visibility.PUBLIC, outsider=False)
        ids.append(
            await units.add_message(tx, desk, ticket, seq, _silent(words) if is_blank(words.text) else words)
        )
    await _claim(tx, ticket, prepared, lines, ids, names)
    return ids


def _silent(words: units.Words) -> units.Words:
    return words if words.files else replace(words, text=NO_TEXT)


async def _claim(
    tx: Tx,
    ticket: Ticket,
    prepared: Prepared,
    lines: Sequence[Prepared],
    ids: Sequence[int],
    names: Sequence[Name],
) -> None:
    own = {one.new.ref.name: message_id for one, message_id in zip(lines, ids, strict=True)}
    claims: list[tuple[int | None, str, str, str | None]] = []
    for name, kind, remote in names:
        if kind == units.ADOPTED and name not in own:
            continue  # a mention without a word
        if name == prepared.new.ref.name:
            claims.append((own.get(name), name, kind if name in own else MENTION, remote))
        elif name not in own:
            claims.append((None, name, kind, remote))
    brought = {name: found for name, found in own.items() if name != prepared.new.ref.name}
    # An answer that came before made some of these names known.
    for key, name in sorted((key_of(name), name) for name in brought):
        if not await units.adopt(tx, key, ticket.id, brought[name], _remote(name)):
            claims.append((brought[name], name, "received", _remote(name)))
    await units.add_all_links(tx, ticket.id, claims)


def _remote(name: str) -> str:
    return name.partition(":")[2]


async def note(tx: Tx, desk: Desk, ticket: Ticket, ids: Sequence[int]) -> None:
    """Let the desk's thread show the messages below the card, in order."""
    triage = desk.triage(ticket.queue)
    if desk.quiet or triage is None:
        return
    version = await tx.scalar(select(tickets.c.version).where(tickets.c.id == ticket.id))
    files = await _files(tx, ids)
    told = thread_of(triage, [(one, files[one]) for one in ids])
    noted = Noted(
        ticket_id=ticket.id,
        version=int(version),
        message_id=None,
        domain=desk.domain(ticket.queue),
        on_hold=await on_hold(tx, desk.config.service.outbound),
    )
    # What is noted later comes after all of these, however many they are.
    more = (_FIRST + len(told)) // PER_UNIT
    if more:
        await tx.run(
            update(tickets).where(tickets.c.id == ticket.id).values(version=tickets.c.version + more)
        )
    if await enqueue(tx, desk.specs, noted, told, _FIRST):
        tx.after_commit.append(desk.signals.outbox.set)


async def _files(tx: Tx, ids: Sequence[int]) -> dict[int, list[int]]:
    """The files of each of these messages that can be shown."""
    rows = await tx.all(
        select(attachments.c.id, attachments.c.message_id)
        .where(
            attachments.c.message_id.in_(ids),
            attachments.c.state == "stored",
            attachments.c.bytes > 0,
        )
        .order_by(attachments.c.id)
    )
    found: dict[int, list[int]] = {one: [] for one in ids}
    for row in rows:
        found[row.message_id].append(row.id)
    return found


async def spoken(tx: Tx, new: NewMessage, message_id: int) -> None:
    """A mention that says something by now is a message like any other."""
    await tx.run(
        update(links)
        .where(links.c.key == key_of(new.ref.name), links.c.kind == MENTION)
        .values(kind="received", message_id=message_id)
    )
