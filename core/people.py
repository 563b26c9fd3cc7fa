"""People: users, their identities, staff, and API tokens."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.config import Config
from core.database import Database, Rerun, Tx
from core.failures import Conflict, Invalid, NotFound
from core.shapes import Actor, Auth, Person, Role
from core.staffing import StaffMember, staff_members
from core.tables import identities, tokens, users

OPERATOR = "operator"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """An API token as it is listed: never the token itself. `id`: the start of its hash."""

    id: str
    email: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    scopes: tuple[str, ...] = field(default=())


def token_hash(token: str) -> bytes:
    """Return the 32 bytes under which a token is kept."""
    return sha256(b"relaydesk token\0" + token.encode("utf-8", "surrogatepass")).digest()


_USER = (users.c.id, users.c.name, users.c.username, users.c.role)


async def find(tx: Tx, key: bytes) -> Known | None:
    """Return the user behind an identity, or None."""
    row = await tx.first(
        select(*_USER, users.c.locale, identities.c.address, identities.c.kind, identities.c.suppressed_at)
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


async def ensure(tx: Tx, person: Person) -> Known:
    """Return the user behind this person, made where nobody knows them yet.

    A Slack person whose mail address the channel vouches for is the user of that address.
    """
    known = await find(tx, person.key)
    if known is not None:
        if person.name and not known.name:
            await tx.run(update(users).where(users.c.id == known.user_id).values(name=person.name[:200]))
        return known
    now = await tx.now()
    try:
        same = None
        if person.email and person.kind != "email":
            same = await ensure(tx, mail_person(person.email, person.name))
        user_id = same.user_id if same else await _new_user(tx, person, now)
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
    except IntegrityError as exc:  # somebody else made them meanwhile
        raise Rerun from exc
    found = await find(tx, person.key)
    assert found is not None
    return found


async def _new_user(tx: Tx, person: Person, now: datetime) -> int:
    return await tx.new_id(
        insert(users).values(name=person.name[:200], role=Role.REQUESTER, created_at=now, version=0)
    )


class People:
    """Staff and tokens, as the doors and the terminal need them."""

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._config = config
        self._slack_staff = {s.slack_user: s.email.lower() for s in config.staff if s.slack_user}

    async def known(self, person: Person) -> Known:
        """Return the user behind this person, made where nobody knows them yet, in a unit of its own."""
        person = self.pinned(person)
        found = await self._database.read(lambda tx: find(tx, person.key))
        if found is not None and (found.name or not person.name):
            return found
        return await self._database.unit(lambda tx: ensure(tx, person))

    def pinned(self, person: Person) -> Person:
        """Return the person with the address that the configuration gives to their Slack id."""
        email = self._slack_staff.get(person.address.rpartition("/")[2]) if person.kind == "slack" else None
        if email is None:
            return person
        return Person(
            kind=person.kind,
            address=person.address,
            name=person.name,
            email=email,
            team=person.team,
            place=person.place,
        )

    async def sync(self) -> None:
        """Bring the configured staff and the operator into the database; who left the file is staff no longer."""

        async def write(tx: Tx) -> None:
            await self._ensure_operator(tx)
            kept = []
            for member in self._config.staff:
                known = await ensure(tx, mail_person(member.email, member.name or member.username.title()))
                kept.append(known.user_id)
                await tx.run(
                    update(users)
                    .where(users.c.username == member.username, users.c.id != known.user_id)
                    .values(username=None, role=Role.REQUESTER, staff_source=None)
                )
                values: dict[str, Any] = {
                    "username": member.username,
                    "role": member.role,
                    "staff_source": "config",
                }
                if member.name:
                    values["name"] = member.name
                await tx.run(update(users).where(users.c.id == known.user_id).values(**values))
            await self._claim_slack_ids(tx, kept)
            await tx.run(
                update(users)
                .where(users.c.staff_source == "config", users.c.id.not_in(kept))
                .values(role=Role.REQUESTER, staff_source=None, username=None)
            )

        await self._database.unit(write)

    async def _claim_slack_ids(self, tx: Tx, user_ids: Sequence[int]) -> None:
        """Who wrote in Slack before the configuration named them is that staff member from now on."""
        for member, user_id in zip(self._config.staff, user_ids, strict=True):
            if member.slack_user:
                await tx.run(
                    update(identities)
                    .where(
                        identities.c.kind == "slack",
                        identities.c.address.endswith(f"/{member.slack_user}", autoescape=True),
                        identities.c.user_id != user_id,
                    )
                    .values(user_id=user_id)
                )

    async def _ensure_operator(self, tx: Tx) -> None:
        if await tx.scalar(select(users.c.id).where(users.c.username == OPERATOR)) is None:
            now = await tx.now()
            try:
                await tx.run(
                    insert(users).values(
                        name=self._config.service.name, username=OPERATOR, role=Role.SYSTEM, created_at=now
                    )
                )
            except IntegrityError as exc:
                raise Rerun from exc

    async def staff_actor(self, username: str, channel: str = "cli") -> Actor:
        """Return the actor of a staff member (or of the system user `operator`). Raises `NotFound`."""

        async def look(tx: Tx) -> Row[Any] | None:
            return await tx.first(select(*_USER).where(users.c.username == username))

        row = await self._database.read(look)
        if row is None or row.role == Role.REQUESTER:
            raise NotFound(f"there is no staff member '{username}'; see: relaydesk staff list")
        email = await self._database.read(lambda tx: address_of(tx, row.id))
        return Actor(user_id=row.id, role=Role(row.role), channel=channel, name=row.name, email=email)

    async def by_token(self, token: str) -> Actor | None:
        """Return who an API token speaks for, or None where it is unknown, used up or expired."""
        wanted = token_hash(token)

        async def look(tx: Tx) -> tuple[Row[Any], str, datetime] | None:
            now = await tx.now()
            row = await tx.first(
                select(*_USER, tokens.c.last_used_at)
                .join(tokens, tokens.c.user_id == users.c.id)
                .where(tokens.c.hash == wanted, tokens.c.purpose == "api", tokens.c.expires_at > now)
            )
            return None if row is None else (row, await address_of(tx, row.id), now)

        found = await self._database.read(look)
        if found is None:
            return None
        row, email, now = found
        if row.last_used_at is None or now - row.last_used_at > timedelta(minutes=1):
            await self._database.unit(
                lambda tx: tx.run(update(tokens).where(tokens.c.hash == wanted).values(last_used_at=now))
            )
        return Actor(user_id=row.id, role=Role(row.role), channel="web", name=row.name, email=email)

    async def create_token(self, email: str, expires: timedelta) -> str:
        """Make an API token for an address (an unknown one becomes a requester) and return it."""
        if expires <= timedelta():
            raise Invalid("a token must live for some time")
        person = mail_person(email)
        token = f"rd_{secrets.token_urlsafe(32)}"

        async def write(tx: Tx) -> None:
            known = await ensure(tx, person)
            now = await tx.now()
            await tx.run(
                tx.insert_missing(tokens).values(
                    hash=token_hash(token),
                    user_id=known.user_id,
                    purpose="api",
                    scopes=[],
                    created_at=now,
                    expires_at=now + expires,
                )
            )

        await self._database.unit(write)
        return token

    async def list_tokens(self) -> list[TokenInfo]:
        """Return the API tokens that are in force, the newest first."""

        async def look(tx: Tx) -> Sequence[Row[Any]]:
            now = await tx.now()
            return await tx.all(
                select(tokens, identities.c.address)
                .outerjoin(
                    identities, and_(identities.c.user_id == tokens.c.user_id, identities.c.kind == "email")
                )
                .where(tokens.c.purpose == "api", tokens.c.expires_at > now)
                .order_by(tokens.c.created_at.desc())
            )

        rows = await self._database.read(look)
        infos: dict[str, TokenInfo] = {}
        for row in rows:
            info = TokenInfo(
                id=row.hash.hex()[:12],
                email=row.address or "",
                created_at=row.created_at,
                expires_at=row.expires_at,
                last_used_at=row.last_used_at,
                scopes=tuple(row.scopes or ()),
            )
            infos.setdefault(info.id, info)
        return list(infos.values())

    async def revoke_token(self, name: str) -> None:
        """End a token, named by its listed id or by itself. Raises `NotFound`."""

        async def write(tx: Tx) -> None:
            now = await tx.now()
            rows = await tx.all(select(tokens.c.hash).where(tokens.c.expires_at > now))
            exact = token_hash(name)
            matching = [
                r.hash for r in rows if r.hash == exact or (len(name) >= 6 and r.hash.hex().startswith(name))
            ]
            if len(matching) != 1:
                raise NotFound(f"no token '{name[:12]}'; see: relaydesk token list")
            await tx.run(update(tokens).where(tokens.c.hash == matching[0]).values(expires_at=now))

        await self._database.unit(write)

    async def add_staff(self, username: str, email: str, role: Role, name: str = "") -> StaffMember:
        """Make somebody staff. Raises `Conflict` where the configuration names them, `Invalid`."""
        if role not in (Role.AGENT, Role.MANAGER):
            raise Invalid("a staff member's role is agent or manager")
        if any(s.username == username or s.email.lower() == email.lower() for s in self._config.staff):
            raise Conflict(f"'{username}' is named in the configuration, which wins; change it there")
        if username == OPERATOR:
            raise Conflict("'operator' is the system's own user")
        person = mail_person(email, name or username.title())

        async def write(tx: Tx) -> None:
            known = await ensure(tx, person)
            taken = await tx.scalar(
                select(users.c.id).where(users.c.username == username, users.c.id != known.user_id)
            )
            if taken is not None:
                raise Conflict(f"the username '{username}' is taken")
            values: dict[str, Any] = {"username": username, "role": role, "staff_source": "added"}
            if name:
                values["name"] = name
            await tx.run(update(users).where(users.c.id == known.user_id).values(**values))

        await self._database.unit(write)
        return next(m for m in await self.list_staff() if m.username == username)

    async def remove_staff(self, username: str) -> None:
        """Make somebody a requester again. Raises `NotFound`, `Conflict`."""
        if any(s.username == username for s in self._config.staff):
            raise Conflict(f"'{username}' is named in the configuration; take them out there")

        async def write(tx: Tx) -> None:
            gone = await tx.changed(
                update(users)
                .where(users.c.username == username, users.c.staff_source == "added")
                .values(role=Role.REQUESTER, staff_source=None, username=None)
            )
            if not gone:
                raise NotFound(f"there is no staff member '{username}'")

        await self._database.unit(write)

    async def list_staff(self) -> list[StaffMember]:
        """Return the staff, by username."""
        return await self._database.read(staff_members)


async def note_language(tx: Tx, known: Known, language: str) -> None:
    """Remember in which language somebody writes, where that is new."""
    if language and language != known.locale:
        await tx.run(update(users).where(users.c.id == known.user_id).values(locale=language[:20]))


def actor_of(known: Known, channel: str, auth: Auth) -> Actor:
    """Return the actor that a sender is: staff rights only where they are authenticated."""
    role = known.role if auth is Auth.VERIFIED else Role.REQUESTER
    return Actor(
        user_id=known.user_id, role=role, channel=channel, name=known.name, email=known.email, auth=auth
    )


async def mail_address(tx: Tx, person: Person, known: Known) -> str:
    """Return the address that a message's author is shown with: theirs if they mailed, else what the desk knows."""
    if person.kind == "email":
        return person.address
    return person.email or await address_of(tx, known.user_id)
