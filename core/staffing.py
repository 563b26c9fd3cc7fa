"""The help desk's staff, read from the rows of people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from core.database import Tx
from core.failures import NotFound
from core.shapes import Role
from core.tables import identities, users

# In the data of what is for one of the staff alone: their user id. Once they have left, it doesn't go.
MEMBER: Final = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffMember:
    """Somebody of the help desk's staff. `source`: "config", "added" or "slack"."""

    user_id: int
    username: str
    name: str
    email: str
    slack_user: str
    role: Role
    source: str
    suppressed: bool = False  # mail to them bounced for good


async def staff_members(tx: Tx, only: Collection[int] | None = None) -> list[StaffMember]:
    """Return the staff, by username: those with these ids, or all."""
    chosen = [] if only is None else [users.c.id.in_(list(only))]
    rows = await tx.all(
        select(
            users.c.id,
            users.c.name,
            users.c.username,
            users.c.role,
            users.c.staff_source,
            identities.c.kind,
            identities.c.address,
            identities.c.suppressed_at,
        )
        .outerjoin(identities, identities.c.user_id == users.c.id)
        .where(users.c.role.in_((Role.AGENT, Role.MANAGER)), *chosen)
        .order_by(users.c.username)
    )
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        member = found.setdefault(
            row.id,
            {
                "user_id": row.id,
                "username": row.username or "",
                "name": row.name,
                "email": "",
                "slack_user": "",
                "role": Role(row.role),
                "source": row.staff_source or "",
            },
        )
        if row.kind == "email" and not member["email"]:
            member.update(email=row.address, suppressed=row.suppressed_at is not None)
        elif row.kind == "slack":
            member["slack_user"] = row.address
    return [StaffMember(**member) for member in found.values()]


async def staff_named(tx: Tx, name: str) -> StaffMember:
    """Return the staff member by username, Slack id or mail address. Raises `NotFound`."""
    wanted = name.strip().lstrip("@").lower()
    for member in await staff_members(tx):
        names = {member.username.lower(), member.email.lower(), member.slack_user.rpartition("/")[2].lower()}
        if wanted in names - {""}:
            return member
    raise NotFound(f"there is no staff member '{name}'")
