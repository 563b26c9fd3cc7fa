"""Who is staff, brought in from outside: the configuration's list, and Slack's user group and triage channels.

The configuration wins over what an operator added, and that over Slack. Who is staff no longer keeps their tickets.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.config import Config
from core.database import Rerun, Tx
from core.matching import Known, ensure, find, mail_person, new_user, one_account, take_over
from core.shapes import Person, Role
from core.tables import identities, users

OPERATOR: Final = "operator"
SLACK: Final = "slack"
LONGEST: Final = 40  # characters of a username
NO_STAFF: Final[dict[str, Any]] = {"role": Role.REQUESTER, "staff_source": None}


@dataclass(frozen=True, slots=True)
class StaffChanges:
    """Who became staff and who is staff no longer, by username."""

    added: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()


# -- the configuration ----------------------------------------------------------------------------------------------


async def bring_in_configured(tx: Tx, config: Config, *, whole: bool) -> None:
    """Write the configured staff and the operator. With `whole` these are all: who isn't among them is staff no
    longer."""
    await _ensure_operator(tx, config)
    kept = []
    for member in config.staff:
        known = await ensure(tx, mail_person(member.email, member.name or member.username.title()))
        kept.append(known.user_id)
        await tx.run(
            update(users)
            .where(users.c.username == member.username, users.c.id != known.user_id)
            .values(username=None, **NO_STAFF)
        )
        values: dict[str, Any] = {"username": member.username, "role": member.role, "staff_source": "config"}
        if member.name:
            values["name"] = member.name
        await tx.run(update(users).where(users.c.id == known.user_id).values(**values))
        if member.slack_user:
            await _pin(tx, known.user_id, member.slack_user, member.email.lower())
        else:
            await one_account(tx, known.user_id)
    if not whole:
        return
    await tx.run(
        update(users)
        .where(users.c.staff_source == "config", users.c.id.not_in(kept))
        .values(username=None, **NO_STAFF)
    )
    if not from_slack(config):
        await tx.run(update(users).where(users.c.staff_source == SLACK).values(**NO_STAFF))


def from_slack(config: Config) -> bool:
    """Does Slack say who is staff?"""
    slack = config.slack
    return slack.enabled and bool(slack.staff_usergroup or slack.staff_from_channel)


async def _ensure_operator(tx: Tx, config: Config) -> None:
    if await tx.scalar(select(users.c.id).where(users.c.username == OPERATOR)) is None:
        now = await tx.now()
        try:
            await tx.run(
                insert(users).values(
                    name=config.service.name, username=OPERATOR, role=Role.SYSTEM, created_at=now
                )
            )
        except IntegrityError as exc:
            raise Rerun from exc


async def _pin(tx: Tx, user_id: int, slack_user: str, email: str) -> None:
    """The named Slack account is that staff member, also where it wrote before (but as a guest); no other one is."""
    its = identities.c.address.endswith(f"/{slack_user}", autoescape=True)
    slack = identities.c.kind == "slack"
    full = identities.c.guest.is_(False)
    for row in await tx.all(
        select(identities.c.key).where(slack, its, full, identities.c.user_id != user_id)
    ):
        known = await find(tx, row.key)
        assert known is not None
        await take_over(tx, known, user_id, email)
    others = await tx.all(select(identities.c.key).where(slack, identities.c.user_id == user_id, ~its))
    for row in others:
        stranger = await new_user(tx, "", await tx.now())
        await tx.run(update(identities).where(identities.c.key == row.key).values(user_id=stranger))


# -- Slack ----------------------------------------------------------------------------------------------------------


async def bring_in_slack(
    tx: Tx,
    config: Config,
    members: Sequence[tuple[Person, Known]],
    *,
    complete: bool,
    fence: Callable[[Tx], Awaitable[None]] | None = None,
) -> StaffChanges:
    """Make these people agents where nothing else says what they are; with `complete`, who is staff by Slack and not
    among them is no longer. Raises `StaleLease` of the fence."""
    by_id = {known.user_id: person for person, known in members}
    rows = {row.id: row for row in await _rows(tx, list(by_id))}
    added = [await _promote(tx, config, by_id[i], rows[i]) for i in by_id if rows[i].role == Role.REQUESTER]
    revoked: list[str] = []
    if complete:
        staff = await tx.all(select(users.c.id, users.c.username).where(users.c.staff_source == SLACK))
        for row in staff:
            if row.id not in by_id:
                # The username stays theirs: their tickets still show whose they are.
                await tx.run(
                    update(users)
                    .where(users.c.id == row.id, users.c.staff_source == SLACK)
                    .values(**NO_STAFF)
                )
                revoked.append(row.username or "")
    if fence is not None:
        await fence(tx)
    return StaffChanges(tuple(added), tuple(revoked))


async def _rows(tx: Tx, ids: Sequence[int]) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for at in range(0, len(ids), 500):
        chosen = users.c.id.in_(ids[at : at + 500])
        found += await tx.all(select(users.c.id, users.c.username, users.c.role).where(chosen))
    return found


async def _promote(tx: Tx, config: Config, person: Person, row: Row[Any]) -> str:
    username = row.username or await _free_username(tx, config, person)
    await one_account(tx, row.id, keep=person.key)
    try:
        await tx.run(
            update(users)
            .where(users.c.id == row.id, users.c.role == Role.REQUESTER)
            .values(username=username, role=Role.AGENT, staff_source=SLACK)
        )
    except IntegrityError as exc:  # somebody else took the name meanwhile
        raise Rerun from exc
    return str(username)


async def _free_username(tx: Tx, config: Config, person: Person) -> str:
    """A username of theirs that nobody has and the configuration doesn't name."""
    wanted = plain_name(person)
    taken = {OPERATOR, *(member.username for member in config.staff)}
    for name in _numbered(wanted):
        if name in taken:
            continue
        if await tx.scalar(select(users.c.id).where(users.c.username == name)) is None:
            return name
    raise AssertionError("unreachable")


def plain_name(person: Person) -> str:
    """The username that somebody would have: of their address or their name. Pure."""
    source = (person.email or "").partition("@")[0] or person.name
    plain = re.sub(r"[^a-z0-9._-]+", ".", source.lower()).strip("._-")
    return plain[:LONGEST].rstrip("._-") or "agent"


def _numbered(name: str) -> Iterable[str]:
    yield name
    number = 2
    while True:
        yield f"{name[: LONGEST - len(str(number))]}{number}"
        number += 1
