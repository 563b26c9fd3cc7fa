"""Which form somebody asks for, and what it is about: from a command, a shortcut, a menu, a button. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bot import markup
from bot.blocks import actions, button
from bot.form_reading import FORMS, NEW, STAFF, About, subject_of, unpacked
from bot.form_reading import TITLE as TITLE
from bot.found import Side, side_of
from bot.home import Home, place_of
from bot.sift import is_ours

Json = Mapping[str, Any]

OPEN: Final = "open_form"  # the action of a button that opens a form
TRIAGE: Final = "What is said here stays with the help desk. For a new ticket there is /ticket."
VALUE: Final = 2_000  # characters of a button's value


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A form that somebody wants. `words`: a message's, those behind a command; `chosen`: what is chosen in it.
    `channel` and `url`: where they asked, and the address that Slack gave for an answer. `asked_by_button`: that
    button's message is theirs alone and has done its work then. `why_not`: there is nothing to open it for."""

    form: str
    user: str
    trigger: str
    about: About = field(default_factory=About)
    words: str = ""
    chosen: str = ""
    channel: str = ""
    url: str = ""
    asked_by_button: bool = False
    why_not: str = ""

    @property
    def title(self) -> str:
        """What is put into a new ticket's title."""
        return subject_of(re.sub(r"@(?=\W|$)", "", self.words), limit=TITLE)


def form_of(body: Json) -> str | None:
    """Return the form that a payload asks for, "" for one that we don't have, None where it asks for none."""
    kind = body.get("type")
    if kind is None and body.get("command"):
        return "new_ticket"
    if kind in ("shortcut", "message_action"):
        callback = str(body.get("callback_id") or "")
        return callback if callback == ("new_ticket" if kind == "shortcut" else "make_ticket") else ""
    if kind != "block_actions":
        return None
    action = _action(body)
    match action.get("action_id"):
        case "menu":
            form = str((action.get("selected_option") or {}).get("value") or "")
            return form if form in STAFF else ""
        case "home_new":
            return "new_ticket"
        case "rate_comment":
            return "rate"
        case name if name == OPEN:
            form = str(_given(action).get("form") or "")
            return form if form in FORMS else ""
        case _:
            return None


def from_card(body: Json) -> bool:
    """Was it chosen in the menu of a ticket's card?"""
    return body.get("type") == "block_actions" and _action(body).get("action_id") == "menu"


def wish_of(body: Json, home: Home) -> Wish:
    """Return what a payload asks for, whose `form_of` is a form."""
    form = form_of(body) or ""
    user = body.get("user")
    given: dict[str, Any] = {
        "form": form,
        "user": str((user.get("id") if isinstance(user, Mapping) else body.get("user_id")) or ""),
        "trigger": str(body.get("trigger_id") or ""),
        "channel": _channel(body),
        "url": str(body.get("response_url") or ""),
    }
    if body.get("command"):
        return Wish(**given, words=str(body.get("text") or "").strip())
    if body.get("type") == "message_action":
        return _of_message(body, home, given)
    if body.get("type") != "block_actions":
        return Wish(**given)
    action = _action(body)
    if action.get("action_id") == OPEN:
        value = _given(action)
        return Wish(
            **given,
            about=unpacked(value.get("about")),
            words=str(value.get("words") or ""),
            chosen=str(value.get("chosen") or ""),
            asked_by_button=(body.get("container") or {}).get("is_ephemeral") is True,
        )
    if form in NEW:
        return Wish(**given)
    return _of_ticket(body, action, home, given)


def _of_ticket(body: Json, action: Json, home: Home, given: dict[str, Any]) -> Wish:
    container, message = body.get("container") or {}, body.get("message") or {}
    found = re.fullmatch(r"ticket:(\d{1,18})(?::.*)?", str(action.get("block_id") or ""))
    if found is None:
        return Wish(**given, why_not="That belongs to no ticket.")
    place = place_of(home.team, given["user"])
    if channel := given["channel"]:
        ts = str(container.get("message_ts") or message.get("ts") or "")
        root = str(container.get("thread_ts") or message.get("thread_ts") or ts)
        place = place_of(home.team, channel, root or None)
    score = str(action.get("value") or "")
    chosen = score if given["form"] == "rate" and score in ("1", "2", "3", "4", "5") else ""
    return Wish(**given, about=About(ticket=int(found[1]), place=place), chosen=chosen)


def _of_message(body: Json, home: Home, given: dict[str, Any]) -> Wish:
    message = body.get("message") or {}
    ts = str(message.get("ts") or body.get("message_ts") or "")
    author = str(message.get("user") or "")
    names = dict.fromkeys(
        markup.mentioned(message), ""
    )  # who they are isn't known before the form must be open
    words = markup.plain_text(message, names)
    if is_ours(message, home, ""):
        return Wish(**given, why_not="That was written by me: a ticket is made of somebody's words.")
    channel = given["channel"]
    if side_of(channel, home) is Side.TRIAGE:
        return Wish(**given, why_not=TRIAGE)
    person = bool(author) and not message.get("bot_id") and author != "USLACKBOT"
    about = About(channel=channel, ts=ts, author=author if person else "", own=not person)
    return Wish(**given, about=about, words=words)


def again(wish: Wish) -> Json:
    """Return the button that opens the same form once more; of long words as many as it can hold."""
    words = wish.words
    while True:
        value = {"form": wish.form, "about": json.loads(wish.about.packed())}
        value |= {"words": words} if words else {}
        value |= {"chosen": wish.chosen} if wish.chosen else {}
        packed = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if len(packed) <= VALUE:
            return actions("form", [button("Open the form", OPEN, packed, "primary")])
        words = words[: len(words) - max(1, (len(packed) - VALUE) // 2)]


def _action(body: Json) -> Json:
    found: Json = next(iter(body.get("actions") or ()), {})
    return found


def _given(action: Json) -> dict[str, Any]:
    try:
        given = json.loads(str(action.get("value") or "{}"))
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _channel(body: Json) -> str:
    container, channel = body.get("container") or {}, body.get("channel") or {}
    named = channel.get("id") if isinstance(channel, Mapping) else channel
    return str(container.get("channel_id") or named or body.get("channel_id") or "")
