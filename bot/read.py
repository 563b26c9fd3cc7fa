"""What Slack sent, to one `Inbound`. Pure: names and files that it needs were fetched before (`bot.reader`).

Three sides (`bot.found:Side`): in a direct message, and in a thread that starts with a mention, the requester writes;
in the threads of a triage channel the staff do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from bot import bang, form_reading, markup, rich_in
from bot.calls import behind
from bot.form_reading import subject_of
from bot.found import Found, Side, What
from bot.home import EPOCH, Home, place_of, ref_of, time_of
from bot.sift import sift
from core.blank import is_blank
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
    Visibility,
)
from core.verbs import needs_no_ticket
from core.visibility import intent as intent

ONLY_MENTION: Final = Ignored(reason="only a mention of the bot")
NOBODY: Final = "nobody"
_CLICKS: Final[Mapping[str, tuple[str, str | None]]] = {
    "take": ("take", None),
    "resolve": ("resolve", None),
    "reopen": ("reopen", None),
    "status": ("status", ""),
    "priority": ("priority", ""),
    "retry": ("retry", ""),
    "belongs": ("belongs", ""),
    "assign": ("assign", ""),
}
"""Action → verb, and its word: None for none, "" for what was chosen."""


def read_event(
    payload: Mapping[str, Any],
    home: Home,
    people: Mapping[str, Person] | None = None,
    files: tuple[File, ...] = (),
) -> Inbound:
    """Read one payload (an Events API envelope, `block_actions`, `view_submission`) that needs nothing else."""
    found = sift(payload, home)
    return found if isinstance(found, Ignored) else read_found(found, home, people, files)


def read_found(
    found: Found,
    home: Home,
    people: Mapping[str, Person] | None = None,
    files: tuple[File, ...] = (),
    received: datetime = EPOCH,
    *,
    staff: bool = False,
) -> Inbound:
    """Read what was found.

    `people`: who the users that `found` names are; an unknown one counts as somebody of our team without a name.
    `files`: what was fetched of its files. `received`: when it came, for what doesn't say when it happened. `staff`:
    staff sent off the form (`bot.form_reading`).
    """
    people = people or {}
    match found.what:
        case What.NEW:
            return _new(found, home, people, files)
        case What.EDITED:
            return _edited(found, home, people, files)
        case What.DELETED:
            return MessageDeleted(ref=found.ref, channel="slack", source_time=time_of(found.at))
        case What.CLICKED:
            return _clicked(found, people, received)
        case What.SUBMITTED:
            view = found.message["view"]
            return form_reading.read_form(view, found.user, home, people, files, received, staff=staff)
        case What.POINTED:
            return Ignored(reason="the message that is meant is gone")
        case _:
            return Ignored(reason=f"noted: {found.what}")


def _new(found: Found, home: Home, people: Mapping[str, Person], files: tuple[File, ...]) -> Inbound:
    text = _text(found, home, people)
    command = _command(found, home, people)
    if command is not None and (found.side is Side.TRIAGE or _alone(found, command)):
        return StaffCommand(
            channel="slack",
            sender=_sender(found, people),
            source_time=time_of(found.at),
            verb=command.verb,
            words=command.words,
            text=bang.rest_of(text, _names(home, people).values()),
            evidence=_evidence(found),
            ref=found.ref,
            place=place_of(found.team, found.channel, found.root),
        )
    if is_blank(text) and not files:
        return ONLY_MENTION if found.mention else Ignored(reason="an empty message")
    message = _message(found, home, people, text, files)
    return message if files or not is_blank(message.text) else Ignored(reason="a note without words")


def _alone(found: Found, command: bang.Bang) -> bool:
    """Is it a command that is about no ticket, in a direct message that belongs to none?"""
    return found.side is Side.DM and found.root is None and needs_no_ticket(command.verb)


def _edited(found: Found, home: Home, people: Mapping[str, Person], files: tuple[File, ...]) -> Inbound:
    whole = _text(found, home, people)
    command = _command(found, home, people) if found.side is Side.TRIAGE else None
    if command is not None:
        rest = bang.rest_of(whole, _names(home, people).values())
        if command.verb != "note" or not rest:
            return replace(_as_edited(found, people, None), text=whole, command=command.verb)
        whole = f"note: {rest}"
    as_new = _message(found, home, people, whole, files) if files or not is_blank(whole) else None
    if as_new is not None:
        as_new = replace(as_new, edited_at=time_of(found.at))
    return _as_edited(found, people, as_new)


def _as_edited(found: Found, people: Mapping[str, Person], as_new: NewMessage | None) -> MessageEdited:
    return MessageEdited(
        ref=found.ref,
        channel="slack",
        sender=_sender(found, people),
        source_time=time_of(found.at),
        text=as_new.visible if as_new else "",
        rich=as_new.rich if as_new else None,
        as_new=as_new,
    )


def _message(
    found: Found, home: Home, people: Mapping[str, Person], text: str, files: tuple[File, ...]
) -> NewMessage:
    desk = found.side is Side.TRIAGE
    names = _names(home, people)
    visibility, words = _intent(found, text, names) if desk else (None, text)
    words = words.strip()
    rich = rich_in.html_for(found.message, names, words) if words else None
    queue = home.triage.get(found.channel) or home.requests.get(found.channel) or home.dm_queue
    return NewMessage(
        ref=found.ref,
        channel="slack",
        queue=queue,
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
        rich=rich,
    )


def _intent(found: Found, text: str, names: Mapping[str, str]) -> tuple[Visibility | None, str]:
    """For whose eyes it is. A note may call colleagues before it says that it is one; it keeps their names."""
    visibility, words = intent(text)
    if visibility is not None:
        return visibility, words
    shown = markup.labelled(found.message, names).values()
    for said in (text, str(found.message.get("text") or "")):
        for at in behind(said, shown):
            if intent(said[at:].lstrip("!！"))[0] is Visibility.NOTE:
                return Visibility.NOTE, text
    return None, text


def wordless(
    found: Found, home: Home, people: Mapping[str, Person], thread: Sequence[NewMessage]
) -> NewMessage:
    """A mention that says nothing, in a thread that says enough: the ticket is the thread's."""
    return replace(_message(found, home, people, "", ()), thread=tuple(thread))


def as_ticket(
    new: NewMessage,
    found: Found,
    home: Home,
    people: Mapping[str, Person],
    thread: Sequence[NewMessage],
    *,
    staff: bool = False,
) -> NewMessage:
    """Make a ticket of somebody's message: `found` says who does it, and how where that was a form; `staff`: it was
    staff. Their own is no other's."""
    who = people.get(found.user) or Person(kind="slack", address=f"{home.team}/{found.user}", team=home.team)
    made_by = replace(who, place=new.sender.place) if who.address != new.sender.address else None
    view = found.message.get("view")
    new = replace(new, thread=tuple(thread), made_by=made_by)
    if view is None:
        return new
    return replace(
        new,
        subject=form_reading.text_of(view, "title") or new.subject,
        queue=form_reading.queue_of(view, home, staff=staff),
        priority=form_reading.priority_of(view),
    )


def _command(found: Found, home: Home, people: Mapping[str, Person]) -> bang.Bang | None:
    text = str(found.message.get("text") or "") or markup.escape(markup.plain_text(found.message, {}))
    raw = re.sub(rf"^(?:\s*<@{re.escape(home.bot_user)}(?:\|[^>]*)?>[\s,:]*)+", "", text)
    emails = {user: person.email for user, person in people.items() if person.email}
    return bang.parse(raw, emails) or bang.parse_called(raw, emails)


def _text(found: Found, home: Home, people: Mapping[str, Person]) -> str:
    """The words of a message, without a mention of the bot around them."""
    names = _names(home, people)
    text = markup.plain_text(found.message, names)
    return without_mention(text, f"@{names[home.bot_user]}") if found.mention else text


def _names(home: Home, people: Mapping[str, Person]) -> dict[str, str]:
    names = {user: person.name for user, person in people.items() if person.name}
    names.setdefault(home.bot_user, "relaydesk")
    return names


def without_mention(text: str, *mentions: str) -> str:
    """Take a mention of the bot (`@relaydesk`) off a text, as often as it stands at the front or at the end."""
    names = "|".join(rf"{re.escape(m)}(?!\w)" for m in mentions)
    text = re.sub(rf"^(?:\s*(?:{names})[\s,:]*)+", "", text)
    while (bare := text.rstrip()).endswith(mentions):
        shorter = bare[: -max(len(m) for m in mentions if bare.endswith(m))]
        if not shorter[-1:].isspace():
            break
        text = shorter.rstrip().removesuffix(",")
    return text


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
    root = found.root or found.ts or None
    return replace(known, place=place_of(found.team, found.channel, root))


# -- clicks ------------------------------------------------------------------------------------------------------


def _clicked(found: Found, people: Mapping[str, Person], received: datetime) -> Inbound:
    action = found.message["action"]
    name, _, score = str(action.get("action_id") or "").partition(":")
    ticket = re.fullmatch(r"ticket:(\d{1,18})(?::.*)?", str(action.get("block_id") or ""))
    words: tuple[str, ...]
    if name == "rate":
        verb, words = name, (_chosen(action, people) or score,)
    elif name in _CLICKS:
        verb, word = _CLICKS[name]
        words = () if word is None else (word or _chosen(action, people),)
    else:
        return Ignored(reason=f"nothing to do for a click on {name or 'that'}")
    if words == ("",):
        return Ignored(reason=f"nothing was chosen in {name}")
    references = (found.thread,) if found.ts else ()
    if not (references or ticket):
        return Ignored(reason="a click that names no ticket")
    return StaffCommand(
        channel="slack",
        sender=_sender(found, people),
        source_time=_moment(found, received),
        verb=verb,
        words=words,
        evidence=Evidence(references=references),
        ticket_id=int(ticket[1]) if ticket else None,
        place=place_of(found.team, found.channel, found.root),
    )


def _chosen(action: Mapping[str, Any], people: Mapping[str, Person]) -> str:
    """What was chosen or pressed: of people the mail address that the workspace vouches for, else the id; nobody where
    the choice was taken back."""
    if action.get("type") == "users_select" or "selected_user" in action:
        user = str(action.get("selected_user") or "")
        known = people.get(user)
        return (known.email if known and known.email else user) or NOBODY
    chosen = action.get("selected_option") or {}
    return str(chosen.get("value") or action.get("value") or "")


def _moment(found: Found, received: datetime) -> datetime:
    for ts in (found.at, found.ts):
        try:
            return time_of(ts)
        except ValueError:
            continue
    return received
