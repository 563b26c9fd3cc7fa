"""What all posts are made of: pieces of Block Kit, and people's words made safe to stand in them. Pure.

Limits of Block Kit (docs.slack.dev/reference/block-kit): 3,000 characters a text object, 2,000 a field, 150 a header,
75 a button. A single value of somebody's (a name, a title) ends its text object, or has one of its own as plain text:
nothing in it is live, and nothing of ours can be swallowed by formatting that it begins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bot.markup import brief, escape, fallback, messages
from bot.pieces import SECTIONS
from core.blank import is_blank
from core.shapes import Attachment
from core.status import Ticket

Json = dict[str, Any]

TITLE: Final = 140  # of a header's 150, with the number before it
NAME: Final = 80
FILE_NAME: Final = 120
FILE_NAMES: Final = 1_000  # characters of all names in one line
VIA: Final = {"email": "by mail", "slack": "in Slack", "web": "on the web", "cli": "from the terminal"}
_TOKEN = re.compile(r"<(?=[!@#])")
_PIECE: Final = 2_500  # characters of a plain text, with room for joiners
_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,}")


@dataclass(frozen=True, slots=True)
class Look:
    """What all posts share: where links lead, the service's name, our team; which channel serves which queue ("":
    none), in the order of the configuration; whether the app may upload files; the operator's own texts; the service's
    language, and that of each queue, "" where it has none."""

    base_url: str
    name: str
    team: str = ""
    triage: Mapping[str, str] = field(default_factory=dict)
    uploads: bool = True
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    language: str = "en"
    languages: Mapping[str, str] = field(default_factory=dict)

    def languages_for(self, queue: str, theirs: str) -> tuple[str, ...]:
        """Return in which languages a requester is spoken to, the first that there is: the queue's (of an unknown one
        the first queue's), theirs ("": not known), the service's."""
        own = self.languages.get(queue, next(iter(self.languages.values()), ""))
        return tuple(one for one in (own, theirs, self.language) if one)

    def channel_of(self, queue: str) -> str | None:
        """Return the triage channel of a queue, as the desk has it: an unknown queue's is the first one's. None where
        we don't know."""
        return self.triage.get(queue, next(iter(self.triage.values()), None))


@dataclass(frozen=True, slots=True)
class Post:
    """The text and blocks of one post. `whole`: all its words, where `text` had to be cut. `attached`: a text that goes
    below it as a file. `plainer`: the blocks to show where a workspace doesn't take these, () where there are none."""

    text: str
    blocks: tuple[Json, ...] = ()
    whole: str = ""
    attached: str = field(default="", repr=False)
    plainer: tuple[Json, ...] = ()


def mrkdwn(text: str) -> Json:
    """Return a text object with our formatting; people's words in it are escaped already."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def plain(text: str) -> Json:
    """Return a text object in which all is read as letters: what looks like a token isn't one here, and a joiner that
    nobody sees makes sure of it."""
    return {"type": "plain_text", "text": _TOKEN.sub("<\u2060", text) or " ", "emoji": False}


def section(text: str) -> Json:
    """Return a paragraph."""
    return {"type": "section", "text": mrkdwn(text)}


def context(*elements: Json | str) -> Json:
    """Return a small line; a string is mrkdwn of ours."""
    made = [mrkdwn(e) if isinstance(e, str) else e for e in elements if e]
    return {"type": "context", "elements": made[:10]}


def header(text: str) -> Json:
    """Return a headline: plain letters."""
    return {"type": "header", "text": plain(text)}


def actions(block_id: str, elements: Sequence[Json]) -> Json:
    """Return a row of controls."""
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def button(text: str, action: str, value: str, style: str | None = None) -> Json:
    """Return a button."""
    made: Json = {"type": "button", "text": _label(text), "action_id": action, "value": value}
    return {**made, "style": style} if style else made


def link_button(text: str, action: str, url: str) -> Json:
    """Return a button that opens a page."""
    return {"type": "button", "text": _label(text), "action_id": action, "url": url}


def select(action: str, placeholder: str, options: Sequence[tuple[str, str]], chosen: str = "") -> Json:
    """Return a menu of (value, label); `chosen`: the value that it shows."""
    made = [{"text": _label(label), "value": value} for value, label in options]
    menu: Json = {
        "type": "static_select",
        "action_id": action,
        "placeholder": _label(placeholder),
        "options": made,
    }
    initial = next((option for option in made if option["value"] == chosen), None)
    return {**menu, "initial_option": initial} if initial else menu


def people_select(action: str, placeholder: str, chosen: str = "") -> Json:
    """Return a menu of the workspace's people; `chosen`: the id of the one it shows."""
    menu: Json = {"type": "users_select", "action_id": action, "placeholder": _label(placeholder)}
    return {**menu, "initial_user": chosen} if chosen else menu


def _label(text: str) -> Json:
    return plain(text)


def texts_only(text: str) -> Post:
    """Return a text without a frame; one that is too long for `text` alone gets sections."""
    if len(text.encode()) <= 3_000:
        return Post(text)
    return Post(fallback(text), tuple(section(piece) for piece in messages(text)[0]))


def plainly(text: str) -> Post:
    """Return one line in which nobody's words are more than letters."""
    line = " ".join(text.split())
    pieces = [line[at : at + _PIECE] for at in range(0, len(line), _PIECE)][:SECTIONS]
    return Post(fallback(escape(line)), tuple({"type": "section", "text": plain(piece)} for piece in pieces))


def mention(channel: str) -> str:
    """Return a live mention of a channel of ours; what isn't an id is only shown."""
    return f"<#{channel}>" if _CHANNEL.fullmatch(channel) else escape(brief(channel, NAME))


def page_of(ticket: Ticket, look: Look) -> str:
    """Return the address of a ticket's page, "" where there is none."""
    return f"{look.base_url.rstrip('/')}/tickets/{ticket.id}" if look.base_url else ""


def titled(ticket: Ticket) -> str:
    """Return number and title on one line, not escaped."""
    return f"#{ticket.id} {'(no title)' if is_blank(ticket.title) else brief(ticket.title, TITLE - 12)}"


def first_words(ticket: Ticket, most: int) -> str:
    """Return how a ticket's words begin, escaped; "" where its title says them all."""
    words = brief(ticket.description, most)
    return "" if words == brief(ticket.title, most) else escape(words)


def moment(when: datetime, shape: str = "{date_short_pretty} {time}") -> str:
    """Return a moment as each reader's client shows it, in their own zone (docs.slack.dev, date formatting)."""
    return f"<!date^{int(when.timestamp())}^{shape}|{when.strftime('%Y-%m-%d %H:%M UTC')}>"


def age(when: datetime) -> str:
    """Return how long ago it was: each client counts that itself, whenever somebody looks."""
    return moment(when, "{ago}")


def via(channel: str) -> str:
    """Say how something came, escaped."""
    return VIA.get(channel) or escape(brief(channel, NAME))


def file_name(name: str) -> str:
    """Return a file's name as it may be shown and sent: no path, nothing invisible, not too long; its ending stays."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    seen = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp", "Cs"))
    seen = " ".join(seen.split()).lstrip(".") or "file"
    if len(seen) <= FILE_NAME:
        return seen
    stem, dot, ending = seen.rpartition(".")
    if not dot or len(ending) > 20:
        return seen[:FILE_NAME]
    return f"{stem[: FILE_NAME - len(ending) - 2]}….{ending}"[-FILE_NAME:]


def size_of(count: int) -> str:
    """Say how large something is."""
    if count < 1_000:
        return f"{count} bytes"
    value, unit = (count / 1_000, "kB") if count < 999_500 else (count / 1_000_000, "MB")
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def file_line(file: Attachment) -> str:
    """Name a file, its size, and whether it can't come; not escaped."""
    name = file_name(file.name)
    if file.state == "expired":
        return f"{name} (no longer kept)"
    if file.state != "stored" or (file.blob is None and file.size):
        return f"{name} (not available)"
    return f"{name} (an empty file)" if file.size == 0 else f"{name} ({size_of(file.size)})"


def comes(file: Attachment) -> bool:
    """Whether a file follows its message as an upload: Slack takes no empty ones."""
    return file.state == "stored" and file.blob is not None and file.size > 0


def file_list(files: Sequence[Attachment]) -> Json:
    """Return a line that names files; of very many the first."""
    shown: list[str] = []
    for file in files:
        line = file_line(file)
        if sum(map(len, shown)) + len(line) > FILE_NAMES:
            shown.append(f"and {len(files) - len(shown)} more")
            break
        shown.append(line)
    return context(":paperclip:", plain(", ".join(shown)))
