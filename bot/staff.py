"""Who is staff by Slack: the members of the configured user group, and full members of private triage channels.

One instance asks at a time (a lease), at the start, every ten minutes, and soon after somebody came into a triage
channel or left it. Who comes is looked at alone and at once, so that they are staff before they write. What Slack can't
be asked about revokes nothing; a channel that is public or shared makes nobody staff.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from bot.api import Api
from bot.directory import Directory
from bot.home import triage_of
from core import work
from core.database import Database
from core.failures import Failure, PermanentFailure, StaleLease, TemporaryFailure, Unavailable
from core.people import People
from core.shapes import Person
from core.staff_sync import StaffChanges, from_slack
from core.tasks import kept

log = structlog.get_logger(__name__)

NAME, KIND = "slack:staff", "staff"
ASKED, ASKED_KIND = "slack:staff:asked", "staff.asked"  # due: somebody came or went
EVERY: Final = timedelta(minutes=10)
SOON: Final = timedelta(minutes=1)  # after trouble
LOOK: Final = 5.0  # seconds between looks whether it's time
PATIENCE: Final = 3.0  # seconds in which it is to be found out who came
TURN: Final = 10.0  # seconds to wait for another instance that is at it
PAGES, PAGE = 5, 1_000  # of a channel's members
MOST: Final = 2_000  # a channel or group with more is no help desk


class StaffSync:
    """Keeps the staff as Slack has them. `start` it, `stop` it; `changed` when somebody came or went."""

    def __init__(self, people: People, database: Database, api: Api, directory: Directory) -> None:
        self._people, self._database = people, database
        self._api, self._directory = api, directory
        self._slack = api.config.slack
        self._channels = frozenset(triage_of(api.config))
        self._lists: dict[
            str, tuple[datetime, set[str]]
        ] = {}  # who was in a channel, and when that was asked
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the first reading follows at once. Nothing where Slack doesn't say who is staff."""
        if from_slack(self._api.config):
            self._task = asyncio.create_task(self._keep(), name="slack-staff")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def changed(self, channel: str, at: datetime | None = None, user: str = "") -> None:
        """Somebody came into a channel or left it (`at`). By a triage channel who came is staff before they write
        there, if Slack can be asked now; all else follows. Raises `Unavailable`, but not for trouble of Slack's:
        nobody else waits for this."""
        if not (self._slack.staff_from_channel and channel in self._channels):
            return
        person = None
        try:
            async with asyncio.timeout(PATIENCE):
                person = await self._comer(channel, at, user)
        except (Failure, Unavailable, TimeoutError) as exc:
            log.warning("staff_unknown", source=channel, reason=str(exc))
        if person is not None:
            changes = await self._people.sync_slack_staff([person], complete=False)
            log.info("staff_came", added=len(changes.added))
        now = self._database.clock.now()
        await self._database.unit(lambda tx: work.enqueue(tx, {ASKED: ASKED_KIND}, now))

    async def _comer(self, channel: str, at: datetime | None, user: str) -> Person | None:
        """Who came, if they may be staff by that channel; None also for who left."""
        if user in ("", await self._home()):
            return None
        asked, members = self._lists.get(channel, (None, set()))
        if asked is None or at is None or asked <= at:
            now = self._database.clock.now()
            members = await self._of_channel(channel)
            self._lists[channel] = now, members
        return await self._directory.member(user) if user in members else None

    async def _keep(self) -> None:
        wanted = True
        while True:
            pause = LOOK
            try:
                wanted = await self._asked() or wanted
                await self.read(due=not wanted)
                wanted = False
            except (Failure, Unavailable, StaleLease) as exc:
                log.warning("staff_sync_failed", reason=str(exc))
                pause = SOON.total_seconds()
            except Exception:
                log.exception("staff_sync_failed")
                pause = SOON.total_seconds()
            await asyncio.sleep(pause)

    async def _asked(self) -> bool:
        """Whether somebody came or went since the last reading began."""
        lease = await work.claim(self._database, ASKED_KIND)
        if lease is None:
            return False
        await work.finish(self._database, lease, due=None, not_before=None)
        return True

    async def read(self, *, due: bool = False) -> StaffChanges:
        """Ask Slack and write who is staff by it; with `due` only where it is time. Raises `Unavailable`,
        `StaleLease`."""
        lease = await self._turn(due=due)
        if lease is None:
            return StaffChanges()
        began, again = self._database.clock.now(), SOON
        try:
            async with kept(self._database, lease):
                persons, trouble = await self._members()
                changes = await self._people.sync_slack_staff(
                    persons, complete=trouble is None, fence=lambda tx: work.fence(tx, lease)
                )
            again = SOON if isinstance(trouble, TemporaryFailure) else EVERY
        finally:
            with suppress(StaleLease):
                await work.finish(self._database, lease, due=began + again, not_before=None)
        log.info("staff_sync", staff=len(persons), added=len(changes.added), revoked=len(changes.revoked))
        if isinstance(trouble, TemporaryFailure):
            raise Unavailable(trouble.reason)
        return changes

    async def _turn(self, *, due: bool) -> work.Lease | None:
        """The lease. With `due` None where another instance has it or it isn't time; else its end is waited for."""
        if due:
            return await work.claim(self._database, KIND)
        await self._database.unit(lambda tx: work.ensure(tx, {NAME: KIND}))
        clock = asyncio.get_running_loop()
        until = clock.time() + TURN
        while (lease := await work.claim_named(self._database, NAME, KIND, due=False)) is None:
            if clock.time() > until:
                raise Unavailable("another instance reads who is staff")
            await asyncio.sleep(0.1)
        return lease

    # -- asking Slack --------------------------------------------------------------------------------------------

    async def _members(self) -> tuple[list[Person], Failure | None]:
        """Who is staff by Slack, and why that may not be all."""
        trouble: Failure | None = None
        users: set[str] = set()
        sources = [("group", self._slack.staff_usergroup)] if self._slack.staff_usergroup else []
        if self._slack.staff_from_channel:
            sources += [("channel", channel) for channel in sorted(self._channels)]
        for kind, name in sources:
            try:
                users |= await (self._of_group(name) if kind == "group" else self._of_channel(name))
            except Failure as exc:
                log.warning("staff_unknown", source=name, reason=exc.reason)
                trouble = exc
        home = await self._home()
        persons = []
        for user in sorted(users - {home}):
            try:
                person = await self._directory.member(user)
            except PermanentFailure as exc:
                trouble = trouble or exc
                continue
            if person is not None:
                persons.append(person)
        return persons, trouble

    async def _home(self) -> str:
        try:
            return (await self._api.home()).bot_user
        except Failure as exc:
            raise Unavailable(exc.reason) from exc

    async def _of_group(self, group: str) -> set[str]:
        answer = await self._api.patiently("usergroups.users.list", usergroup=group)
        return _bounded(group, {str(user) for user in answer.get("users") or ()})

    async def _of_channel(self, channel: str) -> set[str]:
        answer = await self._api.patiently("conversations.info", channel=channel)
        if not is_closed(answer.get("channel") or {}):
            log.warning("staff_channel_open", channel=channel)
            return set()
        found: set[str] = set()
        pages = self._api.pages("conversations.members", "members", most=PAGES, channel=channel, limit=PAGE)
        async for page in pages:
            found |= {str(user) for user in page}
        return _bounded(channel, found)


def is_closed(channel: Mapping[str, Any]) -> bool:
    """Whether a channel is private and no other organisation's or workspace's too. Pure."""
    shared = ("is_shared", "is_ext_shared", "is_org_shared", "is_pending_ext_shared", "is_global_shared")
    private = bool(channel.get("is_private") or channel.get("is_group"))
    return private and not any(channel.get(key) for key in shared)


def _bounded(source: str, users: set[str]) -> set[str]:
    if len(users) > MOST:
        raise PermanentFailure(
            f"{source} has more than {MOST} members; who of them is staff is left as it is"
        )
    return users
