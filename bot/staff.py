"""Who is staff by Slack: the members of the configured user group, and full members of private triage channels.

One instance asks at a time (a lease), at the start, every ten minutes, and when somebody comes into a triage channel or
leaves it. What Slack can't be asked about revokes nothing; a channel that is public or shared makes nobody staff.
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
EVERY: Final = timedelta(minutes=10)
SOON: Final = timedelta(minutes=1)  # after trouble
LOOK: Final = 60.0  # seconds between looks whether it's time
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
        self._began: datetime | None = None  # when the last reading that was complete began
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

    async def changed(self, channel: str, at: datetime | None = None) -> None:
        """Somebody came into a channel or left it (`at`): who is staff by a triage channel is read again, before what
        they write there. Raises `Unavailable` where that must wait."""
        if not (self._slack.staff_from_channel and channel in self._channels):
            return
        if at is not None and self._began is not None and self._began > at:
            return
        try:
            await self.read()
        except StaleLease as exc:
            raise Unavailable("another instance reads who is staff") from exc

    async def _keep(self) -> None:
        due = False
        while True:
            try:
                await self.read(due=due)
                due = True
            except (Failure, Unavailable, StaleLease) as exc:
                log.warning("staff_sync_failed", reason=str(exc))
            except Exception:
                log.exception("staff_sync_failed")
            await asyncio.sleep(LOOK)

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
        self._began = began
        return changes

    async def _turn(self, *, due: bool) -> work.Lease | None:
        """The lease. With `due` None where another instance has it or it isn't time; else its end is waited for."""
        await self._database.unit(lambda tx: work.ensure(tx, {NAME: KIND}))
        clock = asyncio.get_running_loop()
        until = clock.time() + TURN
        while (lease := await work.claim_named(self._database, NAME, KIND, due=due)) is None and not due:
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
