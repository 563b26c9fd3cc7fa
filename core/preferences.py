"""What each of the staff wants to be told of personally, by which channel, and when not: kept in `settings`, chosen by
`!notify` or on the page `/preferences`. Requesters choose nothing: what they are told belongs to their tickets.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select

from core.database import Tx
from core.failures import Conflict, Invalid
from core.hearing import News
from core.quiet import read_hours
from core.staffing import staff_members
from core.tables import settings
from core.unsubscribing import key_for, resume, stopped

SCOPE: Final = "prefs"
LIST: Final = "news of your tickets"  # what the link in a mail with news ends; no digest can be called that
# A failed delivery is nobody's to overlook: it can wait for the morning, but not be turned off.
OPTIONAL: Final = tuple(news for news in News if news is not News.FAILED)
CHANNELS: Final = {"slack": "slack", "mail": "email", "email": "email"}
WORDS: Final = {
    News.NEW: "a new ticket in a queue that tells by mail",
    News.ASSIGNED: "a ticket is assigned to you",
    News.REPLY: "an answer on your ticket",
    News.NEAR: "a target is near",
    News.MISSED: "a target was missed",
    News.FAILED: "a message didn't arrive",
}
USAGE: Final = (
    "!notify off assigned, !notify on assigned, !notify quiet 22:00-07:00 (or: off, default), "
    "!notify by slack (or: mail, default)"
)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What somebody chose. `quiet_hours`: "22:00-07:00", "" for none at all, None for the service's; in `zone`, ""
    for the service's. `off`: the news that they don't want. `channel`: "slack", "email" or "" for whichever reaches
    them, Slack first."""

    quiet_hours: str | None = None
    off: frozenset[str] = frozenset()
    channel: str = ""
    zone: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what is kept."""
        return {
            "quiet_hours": self.quiet_hours,
            "off": sorted(self.off),
            "channel": self.channel,
            "zone": self.zone,
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Preferences:
        """Read what is kept; what nobody knows any more is left out."""
        quiet = value.get("quiet_hours")
        return cls(
            quiet_hours=None if quiet is None else str(quiet),
            off=frozenset(map(str, value.get("off") or ())) & frozenset(OPTIONAL),
            channel=str(value.get("channel") or ""),
            zone=str(value.get("zone") or ""),
        )


NOTHING: Final = Preferences()


# -- by command -----------------------------------------------------------------------------------------------------


def changed(before: Preferences, words: Sequence[str]) -> Preferences:
    """Return the preferences after `off assigned reply`, `on all`, `quiet 22:00-07:00 Europe/Paris`, `by mail`.
    Raises `Invalid`."""
    verb, rest = words[0].lower(), [word for word in words[1:] if word]
    if not rest:
        raise Invalid(f"write it like: {USAGE}")
    match verb:
        case "off":
            return replace(before, off=before.off | _named(rest))
        case "on":
            return replace(before, off=before.off - _named(rest))
        case "quiet":
            return _quiet(before, rest)
        case "by" if len(rest) == 1:
            return replace(before, channel=_channel(rest[0].lower()))
        case _:
            raise Invalid(f"write it like: {USAGE}")


def _named(words: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for word in (one.strip(",").lower() for one in words):
        if word == "all":
            found.update(OPTIONAL)
        elif word == News.FAILED:
            raise Invalid(
                "what couldn't be delivered is always told; it can wait for your quiet hours to end"
            )
        elif word in OPTIONAL:
            found.add(word)
        else:
            near = difflib.get_close_matches(word, OPTIONAL, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise Invalid(f"'{word[:40]}' is none of: {', '.join(OPTIONAL)}, all{hint}")
    return frozenset(found)


def _quiet(before: Preferences, words: Sequence[str]) -> Preferences:
    word = words[0].lower()
    if word in ("off", "none", "default") and len(words) == 1:
        return replace(before, quiet_hours=None if word == "default" else "", zone="")
    zone = words[-1] if "/" in words[-1] or words[-1].upper() == "UTC" else ""
    return _within(before, "".join(words[:-1] if zone else words), zone)


def _within(before: Preferences, written: str, zone: str) -> Preferences:
    """The preferences with these quiet hours of their own, in a zone ("": the service's). Raises `Invalid`."""
    try:
        hours = read_hours(written)
    except ValueError as exc:
        raise Invalid(str(exc)) from None
    try:
        ZoneInfo(zone or "UTC")
    except (ValueError, KeyError, OSError):
        raise Invalid(f"there is no time zone '{zone[:40]}'; write it like Europe/Paris") from None
    return replace(before, quiet_hours=str(hours or ""), zone=zone if hours else "")


def _channel(word: str) -> str:
    if word in ("default", "either"):
        return ""
    if word not in CHANNELS:
        raise Invalid(f"'{word[:40]}' is none of: slack, mail, default")
    return CHANNELS[word]


def shown(preferences: Preferences, quiet_hours: str, zone: str) -> str:
    """Say what somebody is told of, and how to change it; `quiet_hours` and `zone` are the service's."""
    lines = ["What you are told of personally:"]
    for news, words in WORDS.items():
        state = "always" if news not in OPTIONAL else "off" if news in preferences.off else "on"
        lines.append(f"• {news}: {state} ({words})")
    quiet = quiet_hours if preferences.quiet_hours is None else preferences.quiet_hours
    theirs = "" if preferences.quiet_hours is not None or not quiet else ", as everybody's"
    lines.append(
        f"Quiet hours: {quiet} ({preferences.zone or zone}{theirs})" if quiet else "Quiet hours: none"
    )
    by = {"slack": "Slack", "email": "mail"}.get(preferences.channel, "Slack where it knows you, else mail")
    lines += [f"By: {by}", f"To change it: {USAGE}"]
    return "\n".join(lines)


# -- by page --------------------------------------------------------------------------------------------------------


def ticked(wanted: Collection[str], channel: str, quiet: str, hours: str, zone: str) -> Preferences:
    """Return the preferences that a form says: the news `wanted`, by which channel ("default" for whichever), `quiet`:
    "default", "off" or "own", then with hours and zone. Raises `Invalid`."""
    off = frozenset(news for news in OPTIONAL if news not in wanted)
    chosen = Preferences(off=frozenset(map(str, off)), channel=_channel(channel or "default"))
    if quiet != "own":
        return _quiet(chosen, ["off" if quiet == "off" else "default"])
    if not hours.strip():
        raise Invalid("write your quiet hours like 22:00-07:00, or choose none")
    return _within(chosen, hours, zone.strip())


# -- kept -----------------------------------------------------------------------------------------------------------


async def of_people(tx: Tx, user_ids: Iterable[int]) -> dict[int, Preferences]:
    """Return the preferences of those who chose some."""
    keys = [str(one) for one in user_ids]
    if not keys:
        return {}
    rows = await tx.all(
        select(settings.c.key, settings.c.value).where(settings.c.scope == SCOPE, settings.c.key.in_(keys))
    )
    return {int(row.key): Preferences.of_json(row.value or {}) for row in rows}


async def keep(tx: Tx, user_id: int, preferences: Preferences) -> None:
    """Keep what somebody chose from now on."""
    if preferences == NOTHING:
        await tx.run(delete(settings).where(settings.c.scope == SCOPE, settings.c.key == str(user_id)))
        return
    value = preferences.as_json()
    row = {"scope": SCOPE, "key": str(user_id), "value": value}
    await tx.run(tx.upsert(settings, row, {"value": value}))


async def of_one(tx: Tx, user_id: int) -> tuple[Preferences, bool]:
    """Return what somebody chose, and whether they ended the mails with news by the link in one."""
    chosen = (await of_people(tx, [user_id])).get(user_id, NOTHING)
    return chosen, bool(await stopped(tx, LIST, await _emails(tx, user_id)))


async def mail_again(tx: Tx, user_id: int) -> None:
    """Send somebody mails with news again, though they ended them."""
    for email in await _emails(tx, user_id):
        await resume(tx, key_for(LIST, email))


async def _emails(tx: Tx, user_id: int) -> list[str]:
    return [member.email for member in await staff_members(tx, [user_id]) if member.email]


async def choose(tx: Tx, user_id: int | None, words: Sequence[str], *, quiet_hours: str, zone: str) -> str:
    """Change what somebody is told of as their words say, and return how it is then; no words change nothing.
    Raises `Conflict`, `Invalid`."""
    if user_id is None:
        raise Conflict("nobody is named whose choice that would be")
    if words:
        before, _ = await of_one(tx, user_id)
        await keep(tx, user_id, changed(before, words))
        if words[0].lower() in ("on", "by"):  # they want them again
            await mail_again(tx, user_id)
    chosen, ended = await of_one(tx, user_id)
    said = shown(chosen, quiet_hours, zone)
    if ended:
        said += "\nYou unsubscribed from the mails with news; !notify by mail brings them back."
    return said
