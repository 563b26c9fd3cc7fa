"""Triage channels in which strangers would read every ticket: noted in `settings`, told once to everybody concerned.

A channel stays noted until it is private again or an operator allows it (`slack.exposed_channels`). Where instances
differ in that, the word of the one that began last counts: the others have an older configuration.

Channels in which nothing can be posted are noted too, and told to the managers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update

from core.audience import Told
from core.database import Tx
from core.desk import Desk
from core.desk_texts import said
from core.outbox import URGENT, Noted, enqueue, on_hold, wake
from core.shapes import Kind, Person, Role, canonical_address
from core.staffing import MEMBER, StaffMember, staff_members
from core.tables import settings

SCOPE: Final = "slack.exposed"
SHUT: Final = "slack.shut"
HELD_BACK: Final = "slack.held_back"
RECENT: Final = timedelta(days=1)


async def noted(tx: Tx) -> dict[str, Mapping[str, Any]]:
    """Return channel id → `{"why": …, "since": …, "began": …}` of the channels that are exposed."""
    rows = await tx.all(select(settings.c.key, settings.c.value).where(settings.c.scope == SCOPE))
    return {row.key: row.value for row in rows if (row.value or {}).get("why")}


def newer(began: datetime, value: Mapping[str, Any]) -> bool:
    """Whether a process that began then may overrule what is noted. Pure."""
    return "began" not in value or began >= datetime.fromisoformat(value["began"])


async def note(tx: Tx, desk: Desk, place: str, why: str, words: str, began: datetime) -> bool:
    """Note that a channel (`T1/C1`) is exposed, and tell whom it concerns; False where that is known already, or
    allowed by an instance that began after this one."""
    channel = place.rpartition("/")[2]
    value = await _mine(tx, SCOPE, channel)
    if value.get("why"):
        if value["why"] != why:
            await _write(tx, SCOPE, channel, {**value, "why": why})
        return False
    if not newer(began, value):
        return False
    since = (await tx.now()).isoformat()
    await _write(tx, SCOPE, channel, {"why": why, "since": since, "began": began.isoformat()})
    await _tell(tx, desk, place, words)
    return True


async def allow(tx: Tx, desk: Desk, place: str, words: str, began: datetime) -> bool:
    """Note that an operator allows what a channel is, and say so where it was noted; False where it wasn't, or where
    an instance that began after this one doesn't allow it."""
    channel = place.rpartition("/")[2]
    value = await _mine(tx, SCOPE, channel)
    if not newer(began, value):
        return False
    await _write(tx, SCOPE, channel, {"why": "", "began": began.isoformat()})
    if not value.get("why"):
        return False
    await _tell(tx, desk, place, words)
    return True


async def clear(tx: Tx, desk: Desk, place: str, words: str) -> bool:
    """Forget that a channel was exposed, and say so (not with empty words); False where it isn't noted."""
    channel = place.rpartition("/")[2]
    if channel not in await noted(tx):
        return False
    if not await tx.changed(delete(settings).where(settings.c.scope == SCOPE, settings.c.key == channel)):
        return False
    if words:
        await _tell(tx, desk, place, words)
    return True


async def told_shut(tx: Tx) -> dict[str, datetime]:
    """Return channel id → when the managers were told that nothing can be posted there."""
    rows = await tx.all(select(settings.c.key, settings.c.value).where(settings.c.scope == SHUT))
    return {
        row.key: datetime.fromisoformat(row.value["told"]) for row in rows if (row.value or {}).get("told")
    }


async def shut(tx: Tx, desk: Desk, channel: str, words: str) -> bool:
    """Note that nothing can be posted in a channel, and tell the managers (where there are none, all staff), once a
    day; False where they were told."""
    value = await _mine(tx, SHUT, channel)
    now = await tx.now()
    if value.get("told") and datetime.fromisoformat(value["told"]) > now - RECENT:
        return False
    await _write(tx, SHUT, channel, {"told": now.isoformat()})
    await send(tx, desk, await to_managers(tx, desk, words))
    return True


async def usable(tx: Tx, channel: str) -> bool:
    """Forget that nothing could be posted in a channel; False where that isn't noted."""
    gone = delete(settings).where(settings.c.scope == SHUT, settings.c.key == channel)
    return await tx.changed(gone) == 1


async def go_on(tx: Tx, desk: Desk, place: str) -> None:
    """Let what waits for a channel go at once, instead of after its pause."""
    await wake(tx, desk.specs["slack"].lane(place, None))
    tx.after_commit.append(desk.signals.outbox.set)


async def _mine(tx: Tx, scope: str, channel: str) -> dict[str, Any]:
    """Return a row's value, {} where there was none; nobody else writes it before this transaction ends."""
    where = (settings.c.scope == scope, settings.c.key == channel)
    await tx.run(tx.insert_missing(settings).values(scope=scope, key=channel, value={}))
    await tx.run(update(settings).where(*where).values(key=settings.c.key))
    return dict(await tx.scalar(select(settings.c.value).where(*where)) or {})


async def _write(tx: Tx, scope: str, channel: str, value: Mapping[str, Any]) -> None:
    where = (settings.c.scope == scope, settings.c.key == channel)
    await tx.run(update(settings).where(*where).values(value=dict(value)))


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


def _anywhere(_: Told) -> bool:
    return True


async def to_managers(
    tx: Tx,
    desk: Desk,
    words: str,
    subject: str = "",
    *,
    may: Callable[[Told], bool] = _anywhere,
    **data: Any,
) -> list[Told]:
    """Return what tells the managers something that belongs to no ticket, by each way that they have; all staff where
    no manager can be reached. `subject`: of mails, "" where it is about a triage channel. `may`: which deliveries make
    sense. `data`: what they carry beside the words."""
    members = await staff_there(tx, desk)
    subject = subject or said(desk.config, "exposed_subject")
    managers = [member for member in members if member.role is Role.MANAGER]
    alive = [replace(m, email="" if m.suppressed else m.email) for m in members]
    # Nobody is reached: better a dead address than no notice at all.
    for group in ([m for m in alive if m.role is Role.MANAGER], alive, managers, members):
        ways = [one for member in group for one in _to(member, words, subject, data)]
        if told := [one for one in ways if one.channel in desk.specs and may(one)]:
            return told
    return []


async def for_members(tx: Tx, desk: Desk, told: Iterable[Told]) -> list[Told]:
    """Return deliveries to members of the staff so that they don't go any more once those have left."""
    places = {}
    for member in await staff_there(tx, desk):
        places["email", canonical_address(member.email)] = member.user_id
        places["slack", member.slack_user.rpartition("/")[2]] = member.user_id
    found = []
    for one in told:
        place = canonical_address(one.place) if one.channel == "email" else one.place.rpartition("/")[2]
        user = places.get((one.channel, place)) if place else None
        found.append(one if user is None else replace(one, data={**one.data, MEMBER: user}))
    return found


async def _tell(tx: Tx, desk: Desk, place: str, words: str) -> None:
    """One post in the channel, a direct message to each of the staff, a mail to managers and whom Slack can't tell."""
    # Whatever else waits in that lane fails because of the very thing that is told here.
    channel_post = Told(
        channel="slack", place=place, kind=Kind.NOTICE, desk=False, priority=URGENT, data={"text": words}
    )
    subject = said(desk.config, "exposed_subject")
    ways = [one for member in await staff_there(tx, desk) for one in _to(member, words, subject)]
    await send(tx, desk, [channel_post, *ways])


async def send(tx: Tx, desk: Desk, told: Sequence[Told]) -> None:
    """Note deliveries that belong to no ticket. Call last in the unit."""
    if desk.quiet:
        return
    noted = Noted(
        ticket_id=0,
        version=int((await tx.now()).timestamp() * 1000),
        message_id=None,
        domain=desk.domain(desk.config.queue[0].name),
        on_hold=await on_hold(tx, desk.config.service.outbound),
    )
    if await enqueue(tx, desk.specs, noted, told):
        tx.after_commit.append(desk.signals.outbox.set)


async def staff_there(tx: Tx, desk: Desk) -> list[StaffMember]:
    """Return the staff; who hasn't written in Slack yet is there by what the configuration says. Nobody is where it
    is off."""
    members = await staff_members(tx)
    if "slack" not in desk.specs:
        return [replace(member, slack_user="") for member in members]
    configured = {one.username: one.slack_user for one in desk.config.staff if one.slack_user}
    return [m if m.slack_user else replace(m, slack_user=configured.get(m.username, "")) for m in members]


def _to(member: StaffMember, words: str, subject: str, more: Mapping[str, Any] | None = None) -> list[Told]:
    found = []
    data = {"text": words, MEMBER: member.user_id, **(more or {})}
    if member.slack_user:
        found.append(Told(channel="slack", place=member.slack_user, kind=Kind.NOTICE, desk=False, data=data))
    both = member.role is Role.MANAGER and not member.suppressed
    if member.email and (both or not member.slack_user):
        found.append(
            Told(
                channel="email",
                place=member.email,
                kind=Kind.NOTICE,
                desk=True,
                automatic=True,
                to_key=Person(kind="email", address=member.email).key,
                data={**data, "what": "staff_told", "subject": subject},
            )
        )
    return found
