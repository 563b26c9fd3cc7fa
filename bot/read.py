"""What Slack sent, to one `Inbound`. Pure: names and files that it needs were fetched before (`bot.channel:read`).

Three sides (`bot.sift:Side`): in a direct message, and in a thread that starts with a mention, the requester writes;
in the threads of a triage channel the staff do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from bot import bang, markup
from bot.home import Home, place_of, ref_of, time_of
from bot.sift import Found, Side, What, sift, without_leading_mention
from core.shapes import (
    Auth,
    Evidence,
    File,
    Ignored,
    Inbound,
    MessageDeleted,
    MessageEdited,
    NewMessage,
    Person,
    StaffCommand,
)
from core.visibility import intent as intent

SUBJECT_LIMIT: Final = 120
COMMAND: Final = Ignored(reason="a command that was edited isn't run again")


def read_event(
    payload: Mapping[str, Any],
    home: Home,
    people: Mapping[str, Person] | None = None,
    files: tuple[File, ...] = (),
) -> Inbound:
    """Read one payload (an Events API envelope, `block_actions`).

    `people`: who the users that `sift` found are; an unknown one counts as somebody of our team without a name.
    `files`: what was fetched of the message's files.
    """
    found = sift(payload, home)
    if isinstance(found, Ignored):
        return found
    people = people or {}
    match found.what:
        case What.NEW:
            return _new(found, home, people, files)
        case What.EDITED:
            return _edited(found, home, people, files)
        case What.DELETED:
            return MessageDeleted(ref=found.ref, channel="slack", source_time=time_of(found.at))
        case What.CLICKED:
            return _clicked(found, people)


def _new(found: Found, home: Home, people: Mapping[str, Person], files: tuple[File, ...]) -> Inbound:
    if found.side is Side.TRIAGE and (command := _command(found, home, people)) is not None:
        return StaffCommand(
            channel="slack",
            sender=_sender(found, people),
            source_time=time_of(found.at),
            verb=command.verb,
            words=command.words,
            evidence=_evidence(found),
            ref=found.ref,
            place=place_of(found.team, found.channel, found.root),
        )
    text = _text(found, home, people)
    if not text.strip() and not files:
        return Ignored(reason="only a mention of the bot" if found.mention else "an empty message")
    message = _message(found, home, people, text, files)
    return message if message.text or files else Ignored(reason="a note without words")


def _edited(found: Found, home: Home, people: Mapping[str, Person], files: tuple[File, ...]) -> Inbound:
    if found.side is Side.TRIAGE and _command(found, home, people) is not None:
        return COMMAND
    whole = _text(found, home, people)
    as_new = _message(found, home, people, whole, files) if whole.strip() or files else None
    return MessageEdited(
        ref=found.ref,
        channel="slack",
        sender=_sender(found, people),
        source_time=time_of(found.at),
        text=as_new.visible if as_new else "",
        as_new=as_new,
    )


def _message(
    found: Found, home: Home, people: Mapping[str, Person], text: str, files: tuple[File, ...]
) -> NewMessage:
    desk = found.side is Side.TRIAGE
    visibility, words = intent(text) if desk else (None, text)
    words = words.strip()
    return NewMessage(
        ref=found.ref,
        channel="slack",
        queue=home.triage.get(found.channel, home.dm_queue),
        sender=_sender(found, people),
        auth=Auth.VERIFIED,
        source_time=time_of(found.ts),
        subject="" if desk else subject_of(words, files),
        text=words,
        visible=words,
        evidence=_evidence(found),
        files=files,
        desk=desk,
        visibility=visibility,
    )


def subject_of(text: str, files: tuple[File, ...] = ()) -> str:
    """Make a title of the first line, or of the first file's name where there are no words."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return markup.brief(line or (files[0].name if files else ""), SUBJECT_LIMIT)


def _command(found: Found, home: Home, people: Mapping[str, Person]) -> bang.Bang | None:
    text = str(found.message.get("text") or "") or markup.escape(markup.plain_text(found.message, {}))
    raw = re.sub(rf"^(?:\s*<@{re.escape(home.bot_user)}(?:\|[^>]*)?>)+", "", text)
    return bang.parse(raw, {user: person.email for user, person in people.items() if person.email})


def _text(found: Found, home: Home, people: Mapping[str, Person]) -> str:
    """The words of a message, without a mention of the bot in front."""
    names = {user: person.name for user, person in people.items() if person.name}
    bot = names.setdefault(home.bot_user, "relaydesk")
    text = markup.plain_text(found.message, names)
    return without_leading_mention(text, f"@{bot}") if found.mention else text


def _evidence(found: Found) -> Evidence:
    if found.root is not None:
        return Evidence(references=(ref_of(found.team, found.channel, found.root),))
    if found.side is Side.DM:
        return Evidence(conversation=place_of(found.team, found.channel))
    return Evidence()


def _sender(found: Found, people: Mapping[str, Person]) -> Person:
    """The author, answered in the thread of what they wrote."""
    team = str(found.message.get("user_team") or found.message.get("source_team") or found.team)
    known = people.get(found.user) or Person(kind="slack", address=f"{team}/{found.user}", team=team)
    return replace(known, place=place_of(found.team, found.channel, found.root or found.ts))


def _clicked(found: Found, people: Mapping[str, Person]) -> Inbound:
    action = found.message["action"]
    name = str(action.get("action_id") or "")
    value = (action.get("selected_option") or {}).get("value") or action.get("value") or ""
    asked = {
        "take": ("take", ()),
        "resolve": ("status", ("resolved",)),
        "reopen": ("reopen", ()),
        "status": ("status", (str(value),)),
        "priority": ("priority", (str(value),)),
        "retry": ("retry", (str(value),)),
    }.get(name)
    if asked is None:
        return Ignored(reason=f"nothing to do for a click on {name or 'that'}")
    ticket = re.match(r"ticket:(\d+)", str(action.get("block_id") or ""))
    root = found.root or found.ts
    return StaffCommand(
        channel="slack",
        sender=_sender(found, people),
        source_time=_moment(found.at, found.ts),
        verb=asked[0],
        words=asked[1],
        evidence=Evidence(references=(ref_of(found.team, found.channel, root),)),
        ticket_id=int(ticket[1]) if ticket else None,
        place=place_of(found.team, found.channel, found.root),
    )


def _moment(at: str, otherwise: str) -> datetime:
    try:
        return time_of(at)
    except ValueError:
        return time_of(otherwise)
