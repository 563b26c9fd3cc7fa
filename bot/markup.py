"""What people read of Slack's messages, and text that is safe to post. Pure.

docs.slack.dev/messaging/formatting-message-text: what comes in is escaped (`&amp;`, `&lt;`, `&gt;`) and has live
tokens in angle brackets; what goes out has those three escaped, so that nobody's text rings anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bot.mrkdwn import from_mrkdwn as from_mrkdwn
from bot.mrkdwn import unescape as unescape
from bot.mrkdwn import words
from bot.pieces import messages as messages
from bot.pieces import split as split
from core.rich import link_text

FALLBACK_LIMIT: Final = 3_900  # bytes of `text` beside blocks; chat.update refuses more than 4,000

Json = Mapping[str, Any]
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_LABELLED = re.compile(r"<(?:#|!subteam\^)([A-Z0-9]+)\|([^<>]+)>")


def escape(text: str) -> str:
    """Make a text safe to stand in mrkdwn: nothing in it is live."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mentioned(message: Json) -> frozenset[str]:
    """Return the ids of the users whom a message mentions, in its text or its blocks."""
    found = set(_MENTION.findall(str(message.get("text") or "")))
    found.update(str(e["user_id"]) for e in _elements(message.get("blocks")) if e.get("type") == "user")
    return frozenset(found)


def plain_text(message: Json, names: Mapping[str, str]) -> str:
    """Return what a person reads of a message: its rich text where it has one, else its mrkdwn.

    `names`: user id → name to show. Messages that were shared into it are quoted below.
    """
    labels = labelled(message, names)
    rich = [b for b in message.get("blocks") or () if b.get("type") == "rich_text"]
    shown = "\n".join(_rich(block, labels) for block in rich).strip("\n") if rich else ""
    if not shown.strip():
        shown = words(str(message.get("text") or ""), labels)
    return "\n\n".join(part for part in (shown.strip(), *_shared(message, labels)) if part)


def labelled(message: Json, names: Mapping[str, str]) -> dict[str, str]:
    """Return the names to show by id: those given, before those that the message's `text` has for channels and
    groups."""
    found = _LABELLED.findall(str(message.get("text") or ""))
    return {**{key: unescape(label).lstrip("@#") for key, label in found}, **names}


def shared(message: Json) -> Iterator[tuple[str, str]]:
    """Yield who wrote the messages that were forwarded in this one ("" unknown), and their `text`. They come as
    attachments; link previews do too, and are no words of the sender's."""
    for attachment in message.get("attachments") or ():
        if attachment.get("is_share") or attachment.get("is_msg_unfurl"):
            who = str(attachment.get("author_name") or attachment.get("author_subname") or "")
            yield who, str(attachment.get("text") or attachment.get("fallback") or "")


def _shared(message: Json, names: Mapping[str, str]) -> Iterator[str]:
    for who, text in shared(message):
        said = words(text, names).splitlines()
        yield "\n".join(f"> {line}" for line in ([f"{who}:"] if who else []) + said)


def _elements(blocks: Any) -> Iterator[Json]:
    stack = [b for b in blocks or () if isinstance(b, Mapping) and b.get("type") == "rich_text"]
    while stack:
        item = stack.pop()
        inner = item.get("elements")
        if isinstance(inner, Sequence):
            stack.extend(e for e in inner if isinstance(e, Mapping))
        else:
            yield item


def _rich(block: Json, names: Mapping[str, str]) -> str:
    out: list[str] = []
    for part in block.get("elements") or ():
        kind = part.get("type")
        listed = kind == "rich_text_list"
        lines = list(_list(part, names)) if listed else [run_text(part, names).removesuffix("\n")]
        if kind == "rich_text_quote" or part.get("border"):
            lines = ["> " + line for shown in lines for line in shown.splitlines() or [""]]
        out.extend(lines)
    return "\n".join(out)


def _list(part: Json, names: Mapping[str, str]) -> Iterator[str]:
    indent = "  " * int(part.get("indent") or 0)
    for number, item in enumerate(part.get("elements") or (), 1 + int(part.get("offset") or 0)):
        mark = f"{number}." if part.get("style") == "ordered" else "•"
        yield f"{indent}{mark} {run_text(item, names)}"


def run_text(section: Json, names: Mapping[str, str]) -> str:
    """Return the words of a section, a list's item, a quote."""
    return "".join(element_text(element, names) for element in section.get("elements") or ())


def element_text(element: Json, names: Mapping[str, str]) -> str:
    """Return what a person reads of one element of rich text."""
    match element.get("type"):
        case "text":
            return str(element.get("text") or "")
        case "link":
            return link_text(str(element.get("url") or ""), str(element.get("text") or ""))
        case "user":
            key = str(element.get("user_id") or "")
            return "@" + names.get(key, key)
        case "channel":
            key = str(element.get("channel_id") or "")
            return "#" + names.get(key, key)
        case "usergroup":
            key = str(element.get("usergroup_id") or "")
            return "@" + names.get(key, key)
        case "team":
            key = str(element.get("team_id") or "")
            return "@" + names.get(key, key)
        case "broadcast":
            return "@" + str(element.get("range") or "channel")
        case "emoji":
            return _emoji(element)
        case "date":
            return str(element.get("fallback") or element.get("timestamp") or "")
        case "color":
            return str(element.get("value") or "")
        case _:
            return str(element.get("text") or "")


def _emoji(element: Json) -> str:
    try:
        return "".join(chr(int(part, 16)) for part in str(element["unicode"]).split("-"))
    except (KeyError, ValueError, OverflowError):
        return f":{element.get('name') or ''}:"


def brief(text: str, limit: int) -> str:
    """Return the first words on one line, at most `limit` characters, with `…` where more followed."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    space = cut.rfind(" ", limit // 2)
    return (cut[:space] if space > 0 else cut).rstrip() + "…"


def fallback(text: str, limit: int = FALLBACK_LIMIT) -> str:
    """Return an escaped text of at most `limit` bytes, for notifications and screen readers beside blocks."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    cut = raw[: limit - 3].decode(errors="ignore")
    entity = cut.rfind("&", len(cut) - 4)
    return (cut[:entity] if entity >= 0 and ";" not in cut[entity:] else cut) + "…"
