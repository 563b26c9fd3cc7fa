"""Which user somebody is: found by one of their identities, made where nobody knows them yet, joined where two turn out
to be one.

Only ids and addresses are keys, never names. A Slack person is the user of their mail address where Slack vouches for
it (full members of our own team); everybody else there is themselves. The Slack id of a staff member is pinned when it
is first seen: a second Slack account with the same address is nobody's but its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core import searching
from core.database import Rerun, Tx
from core.failures import Invalid
from core.shapes import Person, Role
from core.tables import events, identities, messages, participants, ratings, tickets, tokens, users

log = structlog.get_logger(__name__)

MOST_MOVED: Final = 200  # tickets that change hands when two users turn out to be one


def mail_person(address: str, name: str = "") -> Person:
    """Return the mail identity of an address. Raises `Invalid` for what can't be one."""
    canonical = address.strip().lower()
    local, _, domain = canonical.rpartition("@")
    if not local or not domain or len(canonical) > 320 or any(c.isspace() or ord(c) < 32 for c in canonical):
        raise Invalid(f"'{address[:80]}' is no mail address")
    return Person(kind="email", address=canonical, name=name.strip()[:200], place=canonical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A user as the desk knows them, found by one of their identities."""

    user_id: int
    name: str
    username: str | None
    role: Role
    identity: bytes
    email: str = ""
    locale: str = ""  # in which language they write, "" where we don't know
    suppressed: bool = False  # mail to this identity bounced for good

    @property
    def staff(self) -> bool:
        return self.role in (Role.AGENT, Role.MANAGER, Role.SYSTEM)


async def find(tx: Tx, key: bytes) -> Known | None:
    """Return the user behind an identity, or None."""
    row = await tx.first(
        select(
            users.c.id,
            users.c.name,
            users.c.username,
            users.c.role,
            users.c.locale,
            identities.c.address,
            identities.c.kind,
            identities.c.suppressed_at,
        )
        .join(identities, identities.c.user_id == users.c.id)
        .where(identities.c.key == key)
    )
    if row is None:
        return None
    return Known(
        user_id=row.id,
        name=row.name,
        username=row.username,
        role=Role(row.role),
        identity=key,
        email=row.address if row.kind == "email" else "",
        locale=row.locale or "",
        suppressed=row.suppressed_at is not None,
    )


async def identity_keys(tx: Tx, user_id: int) -> set[bytes]:
    """Return the keys of all identities of a user."""
    rows = await tx.all(select(identities.c.key).where(identities.c.user_id == user_id))
    return {row.key for row in rows}


async def address_of(tx: Tx, user_id: int, kind: str = "email") -> str:
    """Return a user's address of this kind, "" where they have none."""
    found = await tx.scalar(
        select(identities.c.address)
        .where(identities.c.user_id == user_id, identities.c.kind == kind)
        .order_by(identities.c.key)
        .limit(1)
    )
    return str(found or "")


async def mail_address(tx: Tx, person: Person, known: Known) -> str:
    """Return the address that a message's author is shown with: theirs if they mailed, else what the desk knows.

    An address that Slack tells of somebody who isn't its user here (a second account) is shown as nobody's.
    """
    if person.kind == "email":
        return person.address
    mailed = _mailed(person)
    owner = await find(tx, mailed.key) if mailed else None
    if mailed and (owner is None or owner.user_id == known.user_id):
        return mailed.address
    return await address_of(tx, known.user_id)


def _mailed(person: Person) -> Person | None:
    """The mail identity that a channel vouches for, None where there is none."""
    if not person.email or person.kind == "email":
        return None
    try:
        return mail_person(person.email, person.name)
    except Invalid:
        return None


async def ensure(tx: Tx, person: Person) -> Known:
    """Return the user behind this person, made where nobody knows them yet.

    A Slack person whose mail address the channel vouches for is the user of that address, from the first time on
    that it does so (`joinable`).
    """
    known = await find(tx, person.key)
    if known is None:
        return await _made(tx, person)
    if person.name and unnamed(person, known):
        await tx.run(update(users).where(users.c.id == known.user_id).values(name=person.name[:200]))
    if await joinable(tx, person, known):
        known = await _joined(tx, person, known)
    return known


def unnamed(person: Person, known: Known) -> bool:
    """Has nobody told yet what they are called? Whom a channel shows without a name is called by their id until then.
    Pure."""
    return known.name in ("", _id_of(person))


def _id_of(person: Person) -> str:
    return "" if person.kind == "email" else person.address.rpartition("/")[2]


async def _made(tx: Tx, person: Person) -> Known:
    now = await tx.now()
    try:
        mailed = _mailed(person)
        same = await ensure(tx, mailed) if mailed else None
        if same is not None and same.staff:
            await _lock(tx, same.user_id)
            if await _pinned_to_another(tx, same, person):
                log.warning("second_account", account=person.address, user=same.user_id)
                same = None
        user_id = same.user_id if same else await new_user(tx, person.name or _id_of(person), now)
        await _add_identity(tx, person, user_id)
    except IntegrityError as exc:  # somebody else made them meanwhile
        raise Rerun from exc
    found = await find(tx, person.key)
    assert found is not None
    return found


async def _lock(tx: Tx, user_id: int) -> None:
    """Two accounts that come at once are looked at one after the other."""
    await tx.run(update(users).where(users.c.id == user_id).values(version=users.c.version + 1))


async def _pinned_to_another(tx: Tx, staff: Known, person: Person) -> bool:
    """Is another account of this channel pinned to the staff member?"""
    other = await tx.scalar(
        select(identities.c.key)
        .where(
            identities.c.user_id == staff.user_id,
            identities.c.kind == person.kind,
            identities.c.key != person.key,
        )
        .limit(1)
    )
    return other is not None


async def one_account(tx: Tx, user_id: int, keep: bytes | None = None, kind: str = "slack") -> None:
    """Who becomes staff has one account in a channel: `keep`, or where several were theirs as a requester the first
    that is seen from now on. The others are users of their own."""
    rows = await tx.all(
        select(identities.c.key).where(identities.c.user_id == user_id, identities.c.kind == kind)
    )
    for row in rows if len(rows) > 1 else ():
        if row.key != keep:
            stranger = await new_user(tx, "", await tx.now())
            await tx.run(update(identities).where(identities.c.key == row.key).values(user_id=stranger))


async def _add_identity(tx: Tx, person: Person, user_id: int) -> None:
    await tx.run(
        insert(identities).values(
            key=person.key,
            user_id=user_id,
            kind=person.kind,
            address=person.address[:320],
            team_id=person.team,
            guest=person.guest,
        )
    )


async def new_user(tx: Tx, name: str, now: datetime) -> int:
    """Insert a requester and return their id."""
    return await tx.new_id(
        insert(users).values(name=name[:200], role=Role.REQUESTER, created_at=now, version=0)
    )


# -- two users that are one ---------------------------------------------------------------------------------------


async def joinable(tx: Tx, person: Person, known: Known) -> bool:
    """Was somebody known by their Slack id alone, who is vouched for with a mail address now, and is it safe to join
    them with that address?

    Not where they have an address already, are or were staff by themselves, or have more tickets than one unit should
    move; nor where the address is a staff member's to whom another account is pinned.
    """
    mailed = _mailed(person)
    if mailed is None or await address_of(tx, known.user_id):
        return False
    owner = await find(tx, mailed.key)
    if owner is None:
        return True
    if known.role is not Role.REQUESTER or known.username is not None:
        return False
    if owner.staff and await _pinned_to_another(tx, owner, person):
        return False
    alone = await tx.scalar(
        select(func.count()).select_from(identities).where(identities.c.user_id == known.user_id)
    )
    assigned = await tx.scalar(select(tickets.c.id).where(tickets.c.assignee_id == known.user_id).limit(1))
    return alone == 1 and assigned is None and len(await _tickets_of(tx, known)) <= MOST_MOVED


async def _joined(tx: Tx, person: Person, known: Known) -> Known:
    mailed = _mailed(person)
    assert mailed is not None
    owner = await find(tx, mailed.key)
    if owner is None:  # nobody has mailed from it: one more identity of theirs
        try:
            await _add_identity(tx, mailed, known.user_id)
        except IntegrityError as exc:
            raise Rerun from exc
        return known
    if owner.staff:
        await _lock(tx, owner.user_id)
        if await _pinned_to_another(tx, owner, person):
            return known
    await take_over(tx, known, owner.user_id, mailed.address)
    log.info("joined", account=person.address, user=owner.user_id, was=known.user_id)
    return replace(owner, identity=known.identity, email="")


async def take_over(tx: Tx, known: Known, user_id: int, address: str) -> None:
    """Make an identity that has been a user of its own another user's, with its tickets and what it wrote there.

    Of somebody with very many tickets the tickets stay: they take part in them by their identity all the same.
    """
    numbers = await _tickets_of(tx, known)
    if len(numbers) <= MOST_MOVED:
        await _hand_over(tx, sorted(numbers), known.user_id, user_id, address)
        await tx.run(update(tokens).where(tokens.c.user_id == known.user_id).values(user_id=user_id))
    await tx.run(update(identities).where(identities.c.key == known.identity).values(user_id=user_id))


async def _hand_over(tx: Tx, numbers: Sequence[int], was: int, user_id: int, address: str) -> None:
    asked = (tickets.c.id.in_(numbers), tickets.c.requester_id == was)
    nameless = (*asked, tickets.c.requester_address == "")
    await tx.run(update(tickets).where(*nameless).values(requester_address=address))
    await tx.run(update(tickets).where(*asked).values(requester_id=user_id, version=tickets.c.version + 1))
    wrote = (messages.c.ticket_id.in_(numbers), messages.c.author_id == was)
    bare = (*wrote, messages.c.author_address == "")
    await tx.run(update(messages).where(*bare).values(author_address=address))
    await tx.run(update(messages).where(*wrote).values(author_id=user_id))
    await searching.changed(tx, *numbers)
    for table, column in ((events, events.c.actor_id), (ratings, ratings.c.user_id)):
        theirs = (table.c.ticket_id.in_(numbers), column == was)
        await tx.run(update(table).where(*theirs).values({column: user_id}))


async def _tickets_of(tx: Tx, known: Known) -> set[int]:
    """The tickets that they asked for or take part in; one more than may be moved tells that there are too many."""
    most = MOST_MOVED + 1
    part = await tx.all(
        select(participants.c.ticket_id).where(participants.c.identity_key == known.identity).limit(most)
    )
    asked = await tx.all(select(tickets.c.id).where(tickets.c.requester_id == known.user_id).limit(most))
    return {row[0] for row in (*part, *asked)}
