"""Signing in at a page: a link that is mailed to an address, good once and for minutes, becomes a session.

Nothing that is kept lets anybody in: links, codes and sessions are kept as hashes. The link alone isn't enough either:
who follows it uses the browser that asked (its nonce), or types the code that stands in the mail. Scanners of mail
have neither.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Row, delete, select, update

from core.audience import Told
from core.brakes import allow, network_of
from core.database import Database, Tx
from core.desk import Desk
from core.failures import Invalid
from core.mailed_keys import SIGN_IN
from core.matching import Known, address_of, find, mail_person
from core.outbox import URGENT, Noted, enqueue, on_hold
from core.people import token_hash
from core.shapes import Actor, Kind, Person, Role
from core.suppression import TRIED, lift
from core.tables import participants, tickets, tokens, users

LINK_LIVES: Final = timedelta(minutes=10)
SESSION_LIVES: Final = timedelta(days=14)
ASKS_PER_SOURCE: Final = 30  # a minute
MAILS_PER_ASKER: Final = 10  # to an address, an hour, that one network asks for
MAILS_PER_ADDRESS: Final = 30  # an hour, whoever asks
CODES_PER_LINK: Final = 5
TRIES_OF_SUPPRESSED: Final = 3  # a day: links to an address whose mail bounced, which may work again
LINK, SESSION = "sign-in", "session"
_KEPT: Final = timedelta(days=1)  # that a link or session is remembered after its end
_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,300}")


class Refusal(Enum):
    """Why nobody was signed in."""

    GONE = "used, expired, unknown, or too many wrong codes"
    CODE = "another browser asked: the code of the mail is needed, or was wrong"


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody is in. `token`: the session's, for their cookie. `goal`: the path that they wanted."""

    token: str
    goal: str


def safe_path(path: str) -> str:
    """Return a path of our own site, "/" for anything else: no host, scheme, backslash or control character. Pure."""
    return path if _PATH.fullmatch(path) and "//" not in path else "/"


class _Undone(Exception):
    """What a unit wrote is to be undone."""


class Sessions:
    """Links by mail, and the sessions that they become."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk, self._database = desk, database

    async def may_ask(self, source: str) -> bool:
        """Count an ask from this network address; False where there were too many within a minute."""
        network = network_of(source)
        if not network:
            return True
        name = f"sign-in-from:{network}"
        minute = timedelta(minutes=1)
        return await self._database.unit(lambda tx: allow(tx, name, ASKS_PER_SOURCE, minute))

    async def ask(self, address: str, nonce: str, goal: str, source: str = "") -> bool:
        """Mail a link to the address where it is somebody's; `source`: the network address of whoever asks. Nobody
        outside may be told what this returns, nor how long it took."""
        try:
            person = mail_person(address)
        except Invalid:
            return False
        token, code = secrets.token_urlsafe(32), f"{secrets.randbelow(1_000_000):06}"
        kept = {"nonce": _mark(nonce), "code": _code(token, code), "next": safe_path(goal)}

        async def unit(tx: Tx) -> bool:
            known = await find(tx, person.key)
            if known is None or not await _expected(tx, known):
                return await self._as_if(tx, person, (token, code), kept)
            hour = timedelta(hours=1)
            # Nobody keeps somebody else out by asking for them.
            asked = f"sign-in:{person.key.hex()}"
            if not await allow(tx, f"{asked}:{network_of(source)}", MAILS_PER_ASKER, hour):
                return False
            if not await allow(tx, asked, MAILS_PER_ADDRESS, hour):
                return False
            bounced = f"sign-in-bounced:{person.key.hex()}"
            if known.suppressed and not await allow(tx, bounced, TRIES_OF_SUPPRESSED, timedelta(days=1)):
                return False
            await _forget_old(tx, known.user_id)
            told = {**kept, "to": person.key.hex()}
            await _keep(tx, known.user_id, token, LINK, LINK_LIVES, told)
            # To where we know them, not to how it was typed: two ways to write it may be two mailboxes elsewhere.
            await self._mail(tx, person, known.email or person.place, (token, code), bounced=known.suppressed)
            return True

        try:
            return await self._database.unit(unit)
        except _Undone:
            return False

    async def _as_if(self, tx: Tx, person: Person, keys: tuple[str, str], kept: dict[str, Any]) -> bool:
        """Write what is written for somebody, and undo it: whoever's request waits for this one learns nothing from how
        long that takes. Raises `_Undone`."""
        nobody = int(await tx.scalar(select(users.c.id).where(users.c.role == Role.SYSTEM).limit(1)) or 0)
        for name in ("from", "asked"):
            await allow(tx, f"sign-in:{person.key.hex()}:{name}", MAILS_PER_ADDRESS, timedelta(hours=1))
        await _forget_old(tx, nobody)
        await _keep(tx, nobody, keys[0], LINK, LINK_LIVES, {**kept, "to": person.key.hex()})
        await self._mail(tx, person, person.place, keys, bounced=False)
        raise _Undone

    async def _mail(
        self, tx: Tx, person: Person, place: str, keys: tuple[str, str], *, bounced: bool
    ) -> None:
        config, (token, code) = self._desk.config, keys
        url = f"{config.service.base_url.rstrip('/')}/sign-in/{token}"
        data = {"what": SIGN_IN, "url": url, "code": code, "automatic": True}
        if bounced:
            data[TRIED] = True
        told = Told(
            channel="email",
            place=place,
            kind=Kind.NOTICE,
            desk=False,
            priority=URGENT,
            to_key=person.key,
            data=data,
        )
        noted = Noted(
            ticket_id=0,
            version=int((await tx.now()).timestamp() * 1000),
            message_id=None,
            domain=self._desk.domain(config.queue[0].name),
            on_hold=await on_hold(tx, config.service.outbound),
        )
        if await enqueue(tx, self._desk.specs, noted, [told]):
            tx.after_commit.append(self._desk.signals.outbox.set)

    async def look_at(self, token: str, nonce: str) -> Refusal | None:
        """Say what a link needs before it lets this browser in: nothing (None), the code, or it is gone. Changes
        nothing."""
        row = await self._database.read(lambda tx: _link(tx, token))
        if row is None:
            return Refusal.GONE
        return None if _same(row.scopes["nonce"], _mark(nonce)) else Refusal.CODE

    async def sign_in(self, token: str, nonce: str, code: str) -> Entered | Refusal:
        """Begin a session where the link is good and the browser asked for it, or the code is right. Works once."""
        session = secrets.token_urlsafe(32)

        async def unit(tx: Tx) -> Entered | Refusal:
            row = await _link(tx, token)
            began = select(tokens.c.scopes).where(tokens.c.hash == token_hash(session))
            if row is None:
                mine = await tx.first(began)  # an earlier run of this unit was committed after all
                return Refusal.GONE if mine is None else Entered(session, str(mine.scopes["next"]))
            if not _same(row.scopes["nonce"], _mark(nonce)):
                if not code:
                    return Refusal.CODE
                tries = f"sign-in-code:{row.hash.hex()}"
                if not await allow(tx, tries, CODES_PER_LINK, timedelta(days=1)):
                    return Refusal.GONE
                if not _same(row.scopes["code"], _code(token, code)):
                    return Refusal.CODE
            unused = update(tokens).where(tokens.c.hash == row.hash, tokens.c.used_at.is_(None))
            if not await tx.changed(unused.values(used_at=await tx.now())):
                return Refusal.GONE
            if to := row.scopes.get("to"):  # they read it there, so mail arrives again
                await lift(tx, bytes.fromhex(to))
            goal = safe_path(str(row.scopes["next"]))
            await _keep(tx, row.user_id, session, SESSION, SESSION_LIVES, {"next": goal})
            return Entered(session, goal)

        return await self._database.unit(unit)

    async def enter_staff(self, identity: bytes, goal: str) -> Entered | None:
        """Begin a session for the staff member behind an identity that its channel has proven; None for anybody
        else."""
        session = secrets.token_urlsafe(32)

        async def unit(tx: Tx) -> Entered | None:
            known = await find(tx, identity)
            if known is None or known.role not in (Role.AGENT, Role.MANAGER):
                return None
            await _forget_old(tx, known.user_id)
            await _keep(tx, known.user_id, session, SESSION, SESSION_LIVES, {"next": safe_path(goal)})
            return Entered(session, safe_path(goal))

        return await self._database.unit(unit)

    async def actor(self, session: str) -> Actor | None:
        """Return whose session it is, with the rights that they have now; None where it has ended."""

        async def look(tx: Tx) -> Actor | None:
            row = await tx.first(
                select(users.c.id, users.c.name, users.c.role)
                .join(tokens, tokens.c.user_id == users.c.id)
                .where(
                    tokens.c.hash == token_hash(session),
                    tokens.c.purpose == SESSION,
                    tokens.c.expires_at > await tx.now(),
                )
            )
            if row is None:
                return None
            email = await address_of(tx, row.id)
            return Actor(user_id=row.id, role=Role(row.role), channel="web", name=row.name, email=email)

        return await self._database.read(look)

    async def end(self, session: str) -> None:
        """End a session: its token is worth nothing from now on."""
        ended = delete(tokens).where(tokens.c.hash == token_hash(session), tokens.c.purpose == SESSION)
        await self._database.unit(lambda tx: tx.run(ended))


async def _expected(tx: Tx, known: Known) -> bool:
    """Whether they may get such a mail: not the system's user, and not somebody in whose name there are only reports
    that they never confirmed; those get the one link that confirms."""
    if known.role is not Role.REQUESTER:
        return known.role is not Role.SYSTEM
    theirs = (
        select(tickets.c.id)
        .join(participants, participants.c.ticket_id == tickets.c.id)
        .where(participants.c.identity_key == known.identity)
        .limit(1)
    )
    confirmed = await tx.scalar(theirs.where(tickets.c.unconfirmed.is_(False)))
    return confirmed is not None or await tx.scalar(theirs) is None


async def _forget_old(tx: Tx, user_id: int) -> None:
    over = tokens.c.expires_at < await tx.now() - _KEPT
    await tx.run(
        delete(tokens).where(tokens.c.user_id == user_id, tokens.c.purpose.in_((LINK, SESSION)), over)
    )


async def _keep(
    tx: Tx, user_id: int, token: str, purpose: str, lives: timedelta, kept: dict[str, Any]
) -> None:
    now = await tx.now()
    values = {
        "hash": token_hash(token),
        "user_id": user_id,
        "purpose": purpose,
        "scopes": kept,
        "created_at": now,
        "expires_at": now + lives,
    }
    await tx.run(tx.insert_missing(tokens).values(**values))


async def _link(tx: Tx, token: str) -> Row[Any] | None:
    """A link's row while it is good."""
    return await tx.first(
        select(tokens.c.hash, tokens.c.user_id, tokens.c.scopes).where(
            tokens.c.hash == token_hash(token),
            tokens.c.purpose == LINK,
            tokens.c.used_at.is_(None),
            tokens.c.expires_at > await tx.now(),
        )
    )


def _mark(nonce: str) -> str:
    return sha256(b"relaydesk nonce\0" + nonce.encode("utf-8", "surrogatepass")).hexdigest()


def _code(token: str, code: str) -> str:
    """A code is six digits: only with its link's token can anybody try them out."""
    return sha256(f"relaydesk code\0{token}\0{code}".encode("utf-8", "surrogatepass")).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one, other)
