"""Slack's users, remembered for a while: who somebody is. Nobody is looked up by a mail address: the address that a
profile has is what they are matched by.

Only the id of a user is unique; names aren't. A mail address is vouched for by the workspace's administrators for
full members alone: guests and people of other organisations (Slack Connect) come without one.
"""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from bot.api import Api
from core.failures import PermanentFailure, TemporaryFailure, Unavailable
from core.shapes import Person

log = structlog.get_logger(__name__)

KEEP: Final = 600.0  # seconds
KEEP_MEMBER: Final = (
    6 * 3_600.0
)  # of who may be staff: there are many, and `user_change` tells of most changes
KEEP_MISSING: Final = 60.0
MOST: Final = 5_000
NOBODY: Final = ("user_not_found", "user_not_visible")


@dataclass(frozen=True, slots=True)
class _Who:
    """Somebody, and whether they are a full member of our own team: no guest, no bot, not deactivated. `refused`: why
    Slack didn't say who it is."""

    person: Person
    member: bool
    refused: str = ""


class _Shelf:
    """At most `MOST` people, the longest unused thrown out first, each until their time is over: `seconds`, or for who
    asks for somebody `old` too, `longest`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._kept: OrderedDict[str, tuple[_Who, float, float]] = OrderedDict()
        self._now = now

    def get(self, user: str, *, old: bool = False) -> _Who | None:
        who, until, longest = self._kept.get(user, (None, 0.0, 0.0))
        if who is None or (longest if old else until) < self._now():
            return None
        self._kept.move_to_end(user)
        return who

    def put(self, user: str, who: _Who, seconds: float, longest: float) -> _Who:
        now = self._now()
        self._kept[user] = (who, now + seconds, now + longest)
        self._kept.move_to_end(user)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return who

    def drop(self, user: str) -> None:
        self._kept.pop(user, None)


class Directory:
    """Looks people up by id."""

    def __init__(self, api: Api, now: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._people = _Shelf(now)

    async def people(self, users: Iterable[str]) -> dict[str, Person]:
        """Return who these users are. Raises `Unavailable` where Slack can't be asked now."""
        return {user: await self.person(user) for user in sorted(users)}

    async def person(self, user: str) -> Person:
        """Return who a user is; one that Slack doesn't show is known by the id alone. Raises `Unavailable`."""
        return (await self._who(user)).person

    async def member(self, user: str) -> Person | None:
        """Return a full member of our own team, None for everybody else, as of some hours ago at the longest. Waits as
        long as rate limits ask. Raises `Unavailable`, and `PermanentFailure` where Slack doesn't say who it is."""
        who = await self._who(user, patient=True, old=True)
        if who.refused:
            raise PermanentFailure(who.refused)
        return who.person if who.member else None

    async def _who(self, user: str, *, patient: bool = False, old: bool = False) -> _Who:
        if known := self._people.get(user, old=old):
            return known
        home = await self._home_team()
        ask = self._api.patiently if patient else self._api.call
        try:
            answer = await ask("users.info", user=user)
        except PermanentFailure as exc:
            log.info("person", user=user, unknown=exc.reason)
            alone = Person(kind="slack", address=f"{home}/{user}", team=home)
            refused = "" if exc.reason.endswith(NOBODY) else exc.reason
            return self._people.put(user, _Who(alone, False, refused), KEEP_MISSING, KEEP_MISSING)
        except TemporaryFailure as exc:
            raise Unavailable(exc.reason) from exc
        found = answer.get("user") or {}
        who = _Who(person_of(found, home), full_member(found, home))
        spread = KEEP_MEMBER * (0.5 + random.random() / 2)  # who is asked for together isn't again
        return self._people.put(user, who, KEEP, spread)

    def forget(self, user: str) -> None:
        """Ask again about this user the next time."""
        self._people.drop(user)

    async def _home_team(self) -> str:
        try:
            return (await self._api.home()).team
        except (TemporaryFailure, PermanentFailure) as exc:
            raise Unavailable(exc.reason) from exc


def full_member(user: Mapping[str, Any], home_team: str) -> bool:
    """Whether a user object of Slack's is a full member of our own team. Pure."""
    others = ("is_restricted", "is_ultra_restricted", "is_stranger", "is_bot", "is_workflow_bot", "deleted")
    return _team_of(user, home_team) == home_team and not any(user.get(key) for key in others)


def _team_of(user: Mapping[str, Any], home_team: str) -> str:
    return str(user.get("team_id") or (user.get("profile") or {}).get("team") or home_team)


def person_of(user: dict[str, Any], home_team: str) -> Person:
    """Read a user object of Slack's (`users.info`). Pure."""
    profile = user.get("profile") or {}
    team = _team_of(user, home_team)
    guest = bool(user.get("is_restricted") or user.get("is_ultra_restricted") or user.get("is_stranger"))
    names = (profile.get("real_name"), user.get("real_name"), profile.get("display_name"), user.get("name"))
    email = str(profile.get("email") or "").strip().lower()
    vouched = full_member(user, home_team) and email and user.get("is_email_confirmed", True)
    return Person(
        kind="slack",
        address=f"{team}/{user.get('id')}",
        name=next((str(name) for name in names if name), ""),
        email=email if vouched else None,
        team=team,
        guest=guest or team != home_team,
    )
