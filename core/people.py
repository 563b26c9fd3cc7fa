"""People: users, their identities, staff, and API tokens."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Row, and_, select, update

from core.config import Config
from core.database import Database, Tx
from core.failures import Conflict, Invalid, NotFound
from core.matching import Known as Known
from core.matching import address_of as address_of
from core.matching import ensure as ensure
from core.matching import find as find
from core.matching import identity_keys as identity_keys
from core.matching import joinable, one_account, unnamed
from core.matching import mail_address as mail_address
from core.matching import mail_person as mail_person
from core.shapes import Actor, Auth, Person, Role, canonical_address
from core.staff_sync import OPERATOR as OPERATOR
from core.staff_sync import SLACK, StaffChanges, bring_in_configured, bring_in_slack
from core.staffing import StaffMember, staff_members
from core.tables import identities, tokens, users


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


# What a token may be for: to see; to report issues; to change anything (and to report).
SCOPES: Final = ("read", "report", "write")

_USER = (users.c.id, users.c.name, users.c.username, users.c.role)


class People:
    """Staff and tokens, as the doors and the terminal need them."""

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._config = config
        self._slack_staff = {s.slack_user: canonical_address(s.email) for s in config.staff if s.slack_user}

    async def known(self, person: Person) -> Known:
        """Return the user behind this person, made where nobody knows them yet, in a unit of its own.

        Who is a guest or of another organisation now has no staff rights, whatever they were before.
        """
        person = self.pinned(person)

        async def settled(tx: Tx) -> Known | None:
            found = await find(tx, person.key)
            if found is None or (person.name and unnamed(person, found)) or await joinable(tx, person, found):
                return None
            return found

        found = await self._database.read(settled)
        if found is None:
            found = await self._database.unit(lambda tx: ensure(tx, person))
        if (person.guest or not _at_home(person)) and found.staff:
            return replace(found, role=Role.REQUESTER)
        return found

    async def met(self, person: Person) -> None:
        """Staff named somebody whom the desk may not have seen: a staff member's Slack id is pinned, and who has no
        address is known by their id from now on. Nobody else becomes known by that."""
        mailed = mail_person(person.email) if person.email else None
        if mailed is not None:
            owner = await self._database.read(lambda tx: find(tx, mailed.key))
            if owner is None or not owner.staff:
                return
        await self.known(person)

    def pinned(self, person: Person) -> Person:
        """Return the person with the address that the configuration gives to their Slack id, where they are a full
        member of our own team. The address of a staff member who is configured with another Slack id is not theirs."""
        if person.kind != "slack":
            return person
        if (email := self._configured(person)) is not None:
            return replace(person, email=email)
        if person.email and canonical_address(person.email) in self._slack_staff.values():
            return replace(person, email=None)
        return person

    def _configured(self, person: Person) -> str | None:
        """The address for their Slack id; an id alone doesn't say of whose team they are."""
        if person.kind != "slack" or person.guest or not _at_home(person):
            return None
        return self._slack_staff.get(person.address.rpartition("/")[2])

    async def sync(self, *, whole: bool = True) -> None:
        """Bring the configured staff and the operator into the database; who left the file is staff no longer. Without
        `whole` nobody leaves: a command may have been started with another file than the service."""
        await self._database.unit(lambda tx: bring_in_configured(tx, self._config, whole=whole))

    async def sync_slack_staff(
        self,
        persons: Iterable[Person],
        *,
        complete: bool = True,
        fence: Callable[[Tx], Awaitable[None]] | None = None,
    ) -> StaffChanges:
        """Make these people staff: they are it by Slack (a user group, a triage channel). With `complete` they are all,
        so who was staff by Slack and isn't among them is staff no longer. `fence` ends the unit.

        Staff of the configuration, and those an operator added, stay what they are. Raises `StaleLease`.
        """
        members = [(self.pinned(person), await self.known(person)) for person in persons]
        return await self._database.unit(
            lambda tx: bring_in_slack(tx, self._config, members, complete=complete, fence=fence)
        )

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
                select(*_USER, tokens.c.last_used_at, tokens.c.scopes)
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
        return Actor(
            user_id=row.id,
            role=Role(row.role),
            channel="web",
            name=row.name,
            email=email,
            scopes=tuple(row.scopes or ()),
        )

    async def create_token(self, email: str, expires: timedelta, scopes: Sequence[str] = ()) -> str:
        """Make an API token for an address (an unknown one becomes a requester) and return it. `scopes`: of `SCOPES`,
        none of them: whatever its owner may. Raises `Invalid`."""
        if expires <= timedelta():
            raise Invalid("a token must live for some time")
        if unknown := set(scopes) - set(SCOPES):
            raise Invalid(f"there is no scope '{min(unknown)}'; there are: {', '.join(SCOPES)}")
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
                    scopes=sorted(set(scopes)),
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
            named = await tx.first(
                select(users.c.id, users.c.role).where(
                    users.c.username == username, users.c.id != known.user_id
                )
            )
            if named is not None and named.role != Role.REQUESTER:
                raise Conflict(f"the username '{username}' is taken")
            if named is not None:  # somebody who was staff once
                await tx.run(update(users).where(users.c.id == named.id).values(username=None))
            values: dict[str, Any] = {"username": username, "role": role, "staff_source": "added"}
            if name:
                values["name"] = name
            await tx.run(update(users).where(users.c.id == known.user_id).values(**values))
            await one_account(tx, known.user_id)

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
            if gone:
                return
            by_slack = users.c.username == username, users.c.staff_source == SLACK
            if await tx.scalar(select(users.c.id).where(*by_slack)) is not None:
                raise Conflict(
                    f"'{username}' is staff by Slack; take them out of the user group or the channel"
                )
            raise NotFound(f"there is no staff member '{username}'")

        await self._database.unit(write)

    async def list_staff(self) -> list[StaffMember]:
        """Return the staff, by username."""
        return await self._database.read(staff_members)


def _at_home(person: Person) -> bool:
    """Are they of the team in which they are met, as far as that is known? Pure."""
    team, found, _ = person.place.partition("/")
    return not found or not person.team or person.team == team


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
