"""Slack's users, remembered for a while: who somebody is, and who has a mail address.

Only the id of a user is unique; names aren't. A mail address is vouched for by the workspace's administrators for
full members alone: guests and people of other organisations (Slack Connect) come without one.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import structlog

from bot.api import Api
from core.failures import PermanentFailure, TemporaryFailure, Unavailable
from core.shapes import Person

log = structlog.get_logger(__name__)

KEEP: Final = 600.0  # seconds
KEEP_MISSING: Final = 60.0
MOST: Final = 5_000
NOBODY: Final = ("user_not_found", "user_not_visible")
T = TypeVar("T")


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    until: float


class _Shelf(Generic[T]):
    """At most `MOST` things, the longest unused thrown out first, each until its time is over."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self._now = now

    def get(self, key: str) -> _Kept[T] | None:
        kept = self._kept.get(key)
        if kept is None or kept.until < self._now():
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: str, value: T, seconds: float) -> T:
        self._kept[key] = _Kept(value, self._now() + seconds)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return value

    def drop(self, key: str) -> None:
        self._kept.pop(key, None)

    def drop_where(self, true: Callable[[T], bool]) -> None:
        for key in [key for key, kept in self._kept.items() if true(kept.value)]:
            del self._kept[key]


@dataclass(frozen=True, slots=True)
class _Who:
    """Somebody, and whether they are a full member of our own team: no guest, no bot, not deactivated. `refused`: why
    Slack didn't say who it is."""

    person: Person
    member: bool
    refused: str = ""


class Directory:
    """Looks people up by id and by mail address."""

    def __init__(self, api: Api, now: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._people: _Shelf[_Who] = _Shelf(now)
        self._ids: _Shelf[str | None] = _Shelf(now)

    async def people(self, users: Iterable[str]) -> dict[str, Person]:
        """Return who these users are. Raises `Unavailable` where Slack can't be asked now."""
        return {user: await self.person(user) for user in sorted(users)}

    async def person(self, user: str) -> Person:
        """Return who a user is; one that Slack doesn't show is known by the id alone. Raises `Unavailable`."""
        return (await self._who(user)).person

    async def member(self, user: str) -> Person | None:
        """Return a full member of our own team, None for everybody else. Waits as long as rate limits ask. Raises
        `Unavailable`, and `PermanentFailure` where Slack doesn't say who it is."""
        who = await self._who(user, patient=True)
        if who.refused:
            raise PermanentFailure(who.refused)
        return who.person if who.member else None

    async def _who(self, user: str, *, patient: bool = False) -> _Who:
        if kept := self._people.get(user):
            return kept.value
        home = await self._home_team()
        ask = self._api.patiently if patient else self._api.call
        try:
            answer = await ask("users.info", user=user)
        except PermanentFailure as exc:
            log.info("person", user=user, unknown=exc.reason)
            alone = Person(kind="slack", address=f"{home}/{user}", team=home)
            refused = "" if exc.reason.endswith(NOBODY) else exc.reason
            return self._people.put(user, _Who(alone, False, refused), KEEP_MISSING)
        except TemporaryFailure as exc:
            raise Unavailable(exc.reason) from exc
        found = answer.get("user") or {}
        return self._people.put(user, _Who(person_of(found, home), full_member(found, home)), KEEP)

    async def user_by_email(self, email: str) -> str | None:
        """Return the id of the member with this mail address (`users.lookupByEmail`), or None; that nobody has
        it is remembered for a minute only. Raises `Unavailable`."""
        key = email.lower()
        if kept := self._ids.get(key):
            return kept.value
        try:
            answer = await self._api.call("users.lookupByEmail", email=email)
        except PermanentFailure:
            return self._ids.put(key, None, KEEP_MISSING)
        except TemporaryFailure as exc:
            raise Unavailable(exc.reason) from exc
        return self._ids.put(key, str((answer.get("user") or {}).get("id") or "") or None, KEEP)

    def forget(self, user: str) -> None:
        """Ask again about this user the next time."""
        self._people.drop(user)
        self._ids.drop_where(lambda known: known == user)

    def changed(self, user: Mapping[str, Any]) -> None:
        """A `user_change` or `team_join` came with this user object: what was known of them, or of their address
        (that nobody had it), is asked again."""
        self.forget(str(user.get("id") or ""))
        if email := str((user.get("profile") or {}).get("email") or ""):
            self._ids.drop(email.lower())

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
