"""Slack's text to plain text and back, and long texts into pieces. Pure.

docs.slack.dev/messaging/formatting-message-text: what comes in is escaped (`&amp;`, `&lt;`, `&gt;`) and has live
tokens in angle brackets; what goes out has those three escaped, so that nobody's text rings anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

TEXT_LIMIT: Final = 3_000  # of a text object
SECTIONS: Final = 3  # of text in one message: with its frame below 12,000 characters over all blocks
FALLBACK_LIMIT: Final = 3_900  # bytes of `text` beside blocks; chat.update refuses more than 4,000

Json = Mapping[str, Any]
_TOKEN = re.compile(r"<([^<>]+)>")
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_LABELLED = re.compile(r"<(?:#|!subteam\^)([A-Z0-9]+)\|([^<>]+)>")


def escape(text: str) -> str:
    """Make a text safe to stand in mrkdwn: nothing in it is live."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """Undo Slack's escaping, once."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def mentioned(message: Json) -> frozenset[str]:
    """Return the ids of the users whom a message mentions, in its text or its blocks."""
    found = set(_MENTION.findall(str(message.get("text") or "")))
    found.update(str(e["user_id"]) for e in _elements(message.get("blocks")) if e.get("type") == "user")
    return frozenset(found)


def plain_text(message: Json, names: Mapping[str, str]) -> str:
    """Return what a person reads of a message: its rich text where it has one, else its mrkdwn.

    `names`: user id → name to show. Messages that were shared into it are quoted below.
    """
    text = str(message.get("text") or "")
    labels = {**{key: label.lstrip("@#") for key, label in _LABELLED.findall(text)}, **names}
    rich = [b for b in message.get("blocks") or () if b.get("type") == "rich_text"]
    shown = "\n".join(_rich(block, labels) for block in rich).strip("\n") if rich else ""
    if not shown.strip():
        shown = from_mrkdwn(text, labels)
    return "\n\n".join(part for part in (shown.strip(), *_shared(message, labels)) if part)


def from_mrkdwn(text: str, names: Mapping[str, str]) -> str:
    """Decode tokens and entities of a `text`."""
    return unescape(_TOKEN.sub(lambda match: _token(match[1], names), text))


def _token(token: str, names: Mapping[str, str]) -> str:
    target, _, label = token.partition("|")
    match target[:1]:
        case "@":
            return "@" + names.get(target[1:], label or target[1:])
        case "#":
            return "#" + (label or names.get(target[1:], target[1:]))
        case "!":
            if target.startswith("!date^"):
                return label or target.split("^")[2]
            if target.startswith("!subteam^"):
                return "@" + (label or target.split("^")[1]).lstrip("@")
            return "@" + target[1:]
        case _:
            return _link(target, label)


def _link(url: str, label: str) -> str:
    bare = url.removeprefix("mailto:").removeprefix("tel:")
    if not label or label in (url, bare) or bare.removeprefix("https://").removeprefix("http://") == label:
        return bare
    return f"{label} ({bare})"


def _shared(message: Json, names: Mapping[str, str]) -> Iterator[str]:
    """Forwarded messages come as attachments; link previews do too, and are no words of the sender's."""
    for attachment in message.get("attachments") or ():
        if attachment.get("is_share") or attachment.get("is_msg_unfurl"):
            said = from_mrkdwn(str(attachment.get("text") or attachment.get("fallback") or ""), names)
            who = str(attachment.get("author_name") or attachment.get("author_subname") or "")
            lines = ([f"{who}:"] if who else []) + said.splitlines()
            yield "\n".join(f"> {line}" for line in lines)


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
        match part.get("type"):
            case "rich_text_list":
                out.extend(_list(part, names))
            case "rich_text_quote":
                out.extend("> " + line for line in _run(part, names).splitlines() or [""])
            case _:
                out.append(_run(part, names).removesuffix("\n"))
    return "\n".join(out)


def _list(part: Json, names: Mapping[str, str]) -> Iterator[str]:
    indent = "  " * int(part.get("indent") or 0)
    for number, item in enumerate(part.get("elements") or (), 1 + int(part.get("offset") or 0)):
        mark = f"{number}." if part.get("style") == "ordered" else "•"
        yield f"{indent}{mark} {_run(item, names)}"


def _run(section: Json, names: Mapping[str, str]) -> str:
    return "".join(_inline(element, names) for element in section.get("elements") or ())


def _inline(element: Json, names: Mapping[str, str]) -> str:
    match element.get("type"):
        case "text":
            return str(element.get("text") or "")
        case "link":
            return _link(str(element.get("url") or ""), str(element.get("text") or ""))
        case "user":
            key = str(element.get("user_id") or "")
            return "@" + names.get(key, key)
        case "channel":
            key = str(element.get("channel_id") or "")
            return "#" + names.get(key, key)
        case "usergroup":
            key = str(element.get("usergroup_id") or "")
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


def split(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """Cut an escaped text into pieces of at most `limit` characters: between paragraphs, else lines, else words,
    never inside an entity. Joined by nothing but the white space at the cuts, they are the text."""
    pieces: list[str] = []
    rest = text.strip("\n")
    while len(rest) > limit:
        at = _cut(rest, limit)
        pieces.append(rest[:at].rstrip())
        rest = rest[at:].lstrip("\n") if rest[at : at + 1] == "\n" else rest[at:].removeprefix(" ")
    return [piece for piece in (*pieces, rest) if piece.strip()]


def _cut(text: str, limit: int) -> int:
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, limit // 2, limit + 1)
        if at > 0:
            return at
    at = text.rfind("&", limit - 4, limit)
    return at if at > 0 and ";" not in text[at:limit] else limit


def messages(text: str) -> list[list[str]]:
    """Cut an escaped text into messages, each a list of pieces for a text object."""
    pieces = split(text)
    return [pieces[at : at + SECTIONS] for at in range(0, len(pieces), SECTIONS)]


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
