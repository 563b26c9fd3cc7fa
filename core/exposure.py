"""Triage channels in which strangers would read every ticket: noted in `settings`, told once to everybody concerned.

A channel stays noted until it is private again or an operator allows it (`slack.exposed_channels`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update

from core.audience import Told
from core.database import Tx
from core.desk import Desk
from core.outbox import Noted, enqueue, on_hold
from core.shapes import Kind, Person, Role
from core.staffing import StaffMember, staff_members
from core.tables import settings

SCOPE: Final = "slack.exposed"
HELD_BACK: Final = "slack.held_back"
RECENT: Final = timedelta(days=1)


async def noted(tx: Tx) -> dict[str, Mapping[str, Any]]:
    """Return channel id → `{"why": …, "since": …}` of the channels that are noted."""
    rows = await tx.all(select(settings.c.key, settings.c.value).where(settings.c.scope == SCOPE))
    return {row.key: row.value or {} for row in rows}


async def note(tx: Tx, desk: Desk, place: str, why: str, words: str) -> bool:
    """Note that a channel (`T1/C1`) is exposed, and tell whom it concerns; False where that is known already."""
    channel = place.rpartition("/")[2]
    now = await tx.now()
    value = {"why": why, "since": now.isoformat()}
    await tx.run(tx.insert_missing(settings).values(scope=SCOPE, key=channel, value=value))
    if (await noted(tx)).get(channel, {}).get("since") != value["since"]:
        return False
    await _tell(tx, desk, place, words)
    return True


async def reword(tx: Tx, channel: str, value: Mapping[str, Any]) -> None:
    """Note another reason for the same."""
    where = (settings.c.scope == SCOPE, settings.c.key == channel)
    await tx.run(update(settings).where(*where).values(value=dict(value)))


async def clear(tx: Tx, desk: Desk, place: str, words: str) -> bool:
    """Forget that a channel was exposed, and say so (not with empty words); False where it isn't noted."""
    channel = place.rpartition("/")[2]
    gone = await tx.changed(delete(settings).where(settings.c.scope == SCOPE, settings.c.key == channel))
    if not gone:
        return False
    if words:
        await _tell(tx, desk, place, words)
    return True


async def held_back(tx: Tx, team: str, minute: str) -> None:
    """Note that Slack has held events back (its limit for an hour), in that minute."""
    value = {"minute": minute, "told": (await tx.now()).isoformat()}
    await tx.run(tx.upsert(settings, {"scope": HELD_BACK, "key": team, "value": value}, {"value": value}))


async def last_held_back(tx: Tx) -> datetime | None:
    """Return the last minute in which Slack held events back, None where that is more than a day ago."""
    values = await tx.all(select(settings.c.value).where(settings.c.scope == HELD_BACK))
    minutes = [datetime.fromisoformat(row.value["minute"]) for row in values]
    recent = await tx.now() - RECENT
    return max((minute for minute in minutes if minute > recent), default=None)


async def _tell(tx: Tx, desk: Desk, place: str, words: str) -> None:
    """One post in the channel, a direct message to each of the staff, a mail to managers and whom Slack can't tell."""
    if desk.quiet:
        return
    channel_post = Told(channel="slack", place=place, kind=Kind.NOTICE, desk=False, data={"text": words})
    told = [channel_post, *(one for member in await _members(tx, desk) for one in _to(member, words))]
    noted = Noted(
        ticket_id=0,
        version=int((await tx.now()).timestamp() * 1000),
        message_id=None,
        domain=desk.domain(desk.config.queue[0].name),
        on_hold=await on_hold(tx, desk.config.service.outbound),
    )
    if await enqueue(tx, desk.specs, noted, told):
        tx.after_commit.append(desk.signals.outbox.set)


async def _members(tx: Tx, desk: Desk) -> list[StaffMember]:
    """The staff; who hasn't written in Slack yet is there by what the configuration says."""
    configured = {one.username: one.slack_user for one in desk.config.staff if one.slack_user}
    members = await staff_members(tx)
    return [m if m.slack_user else replace(m, slack_user=configured.get(m.username, "")) for m in members]


def _to(member: StaffMember, words: str) -> list[Told]:
    found = []
    if member.slack_user:
        data = {"text": words}
        found.append(Told(channel="slack", place=member.slack_user, kind=Kind.NOTICE, desk=False, data=data))
    if member.email and (member.role is Role.MANAGER or not member.slack_user):
        found.append(
            Told(
                channel="email",
                place=member.email,
                kind=Kind.NOTICE,
                desk=True,
                automatic=True,
                to_key=Person(kind="email", address=member.email).key,
                data={"what": "staff_told", "text": words, "subject": "A triage channel in Slack"},
            )
        )
    return found
