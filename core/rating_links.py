"""The link by which a requester whom mail reaches says how it went, without signing in.

Signed, for one ticket, the address that it was mailed to and the moment at which the ticket was resolved: it serves
while that address is the requester's and the ticket hasn't been opened again, at most `GOOD`. So an answer that quotes
the mail and opens the ticket hands nobody a link that works; one that doesn't open it (a vacation note, the sixth
within an hour) shows it to whoever takes part. What it shows is the ticket's number and title.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sqlalchemy import select

from core import views
from core.audience import Listener
from core.config import Config, secret_keys
from core.config_url import only_here
from core.database import Tx
from core.shapes import Actor, Role
from core.status import Status, Ticket
from core.tables import identities, ratings, users

if TYPE_CHECKING:
    from itsdangerous import URLSafeSerializer

GOOD: Final = timedelta(days=30)  # from when the ticket was resolved
LONGEST: Final = 300  # characters of a token
_PURPOSE: Final = "relaydesk rating link"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a token stands for: a ticket as it was resolved at `at` (microseconds of the epoch), and the key of an
    address."""

    ticket_id: int
    key: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Rateable:
    """A ticket that may be rated by the link: whose it is, and the score that they gave, None where they gave none."""

    ticket_id: int
    title: str
    actor: Actor
    score: int | None


class RatingLinks:
    """Makes and checks tokens; the first of `keys` signs, all of them verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        from itsdangerous import URLSafeSerializer  # 30 ms that most commands don't need

        oldest_first = [key for key in reversed(keys) if key]
        self._serializer: URLSafeSerializer = URLSafeSerializer(
            oldest_first, salt=_PURPOSE, signer_kwargs={"key_derivation": "hmac", "digest_method": sha256}
        )

    def token(self, ended: Ended) -> str:
        """Return the token that stands for it."""
        return str(self._serializer.dumps([ended.ticket_id, urlsafe_b64encode(ended.key).decode(), ended.at]))

    def read(self, token: str) -> Ended | None:
        """Return what a token stands for, None for what isn't ours."""
        from itsdangerous import BadData

        if len(token) > LONGEST:
            return None
        try:
            ticket_id, key, at = self._serializer.loads(token)
            return Ended(int(ticket_id), urlsafe_b64decode(key), int(at))
        except (BadData, TypeError, ValueError):
            return None


@lru_cache(maxsize=4)
def _links(keys: tuple[str, ...]) -> RatingLinks:
    return RatingLinks(keys)


def links_of(config: Config) -> RatingLinks:
    """Return the links of a service."""
    return _links(secret_keys(config))


def url_for(config: Config, ticket: Ticket, listeners: Iterable[Listener]) -> str:
    """Return the page on which a resolved ticket's requester says how it went; "" where mail doesn't reach them, nobody
    is to be asked, or there is no site that they can open."""
    base = config.service.base_url.rstrip("/")
    if not (config.email.outbound.ask_rating and config.http.enabled and base):
        return ""
    if only_here(urlsplit(base).hostname or "") and not only_here(config.email.outbound.host):
        return ""
    asked = next((one for one in listeners if one.role == "requester" and one.channel == "email"), None)
    if asked is None or ticket.status is not Status.RESOLVED or ticket.resolved_at is None:
        return ""
    ended = Ended(ticket.id, asked.key, _micros(ticket.resolved_at))
    return f"{base}/rate/{links_of(config).token(ended)}"


async def found(tx: Tx, config: Config, token: str) -> Rateable | None:
    """Return what may be rated by a token; None for forged and expired ones, for a ticket that was opened again, merged
    or taken for spam since, and where the address isn't its requester's any more."""
    ended = links_of(config).read(token)
    ticket = await views.ticket(tx, ended.ticket_id) if ended is not None else None
    if ended is None or ticket is None or not _serves(ended, ticket, await tx.now()):
        return None
    whose = select(users.c.id, users.c.name, identities.c.address).join(
        identities, identities.c.user_id == users.c.id
    )
    person = await tx.first(whose.where(identities.c.key == ended.key, users.c.erased_at.is_(None)))
    if person is None or person.id != ticket.requester_id:
        return None
    score = await tx.scalar(select(ratings.c.score).where(ratings.c.ticket_id == ticket.id))
    # No more than a requester's rights, whoever they are otherwise.
    actor = Actor(
        user_id=person.id, role=Role.REQUESTER, channel="email", name=person.name, email=person.address
    )
    return Rateable(ticket.id, ticket.title, actor, score)


def _serves(ended: Ended, ticket: Ticket, now: datetime) -> bool:
    """Is the ticket still what it was when the link was made, and the link young enough?"""
    at = ticket.resolved_at
    if at is None or ticket.merged_into is not None or ticket.spam:
        return False
    return _micros(at) == ended.at and now < at + GOOD


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond
