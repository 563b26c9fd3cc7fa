"""A channel as plain text, for golden files and for reading: no ids, no times, names for mentions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sandbox.markup import unescape
from sandbox.shapes import Channel, Json, Message

if TYPE_CHECKING:
    from sandbox.workspace import Workspace


def transcript(space: Workspace, channel: Channel) -> str:
    """All messages of a channel, each followed by its thread, indented."""
    lines: list[str] = []
    for message in channel.messages.values():
        if not message.is_reply:
            lines += _message(space, message, "")
            for reply in channel.replies(message.ts):
                lines += _message(space, reply, "    ")
    return "\n".join(lines)


def thread(space: Workspace, channel: Channel, root_ts: str) -> str:
    """One thread: its root, and its replies indented."""
    root = channel.messages.get(root_ts)
    lines = list(_message(space, root, "")) if root else []
    for reply in channel.replies(root_ts):
        lines += _message(space, reply, "    ")
    return "\n".join(lines)


def view(space: Workspace, body: Json) -> str:
    """A modal or a home tab: its title, its blocks, what's to be filled in, and the button that sends it."""
    lines = [f"== {body['title']['text']} =="] if body.get("title") else []
    for block in body["blocks"]:
        lines += _block(space, block)
    if body.get("submit"):
        lines.append(f"[{body['submit']['text']}]")
    return "\n".join(lines)


def author(space: Workspace, message: Message) -> str:
    user = space.users.get(message.user or "")
    return message.username or (user.name if user else "relaydesk")


def _message(space: Workspace, message: Message, indent: str) -> Iterator[str]:
    body = list(_body(space, message))
    tail = " (edited)" if message.edited else ""
    head, *rest = body or [""]
    yield f"{indent}{author(space, message)}: {head}{tail}".rstrip()
    yield from (f"{indent}  {line}".rstrip() for line in rest)
    for file in message.files:
        yield f"{indent}  [file {file.name}, {len(file.content)} bytes]"
    for name, users in message.reactions.items():
        yield f"{indent}  :{name}: {', '.join(space.users[u].name for u in users)}"


def _body(space: Workspace, message: Message) -> Iterator[str]:
    structured = [block for block in message.blocks if block["type"] != "rich_text"]
    if structured:
        for block in message.blocks:
            yield from _block(space, block)
    elif message.text:
        yield from plain(space, message.text).split("\n")


def plain(space: Workspace, text: str) -> str:
    """mrkdwn without its tokens: names for people and channels, labels for links."""

    def token(match: re.Match[str]) -> str:
        target, _, label = match[1].partition("|")
        if target.startswith("@"):
            user = space.users.get(target[1:])
            return f"@{user.name if user else target[1:]}"
        if target.startswith("#"):
            channel = space.channels.get(target[1:])
            return f"#{channel.name if channel else target[1:]}"
        if target.startswith("!date"):
            return label
        if target.startswith("!"):
            return label or f"@{target[1:]}"
        return f"{label} <{target}>" if label and target != f"mailto:{label}" else label or target

    return unescape(re.sub(r"<([^<>]+)>", token, text))


def _block(space: Workspace, block: Json) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield f"# {block['text']['text']}"
        case "divider":
            yield "---"
        case "section":
            yield from _section(space, block)
        case "context":
            texts = (
                plain(space, e["text"]) if "text" in e else f"[{e['alt_text']}]" for e in block["elements"]
            )
            yield f"~ {' '.join(texts)}"
        case "actions":
            yield " ".join(element(e) for e in block["elements"])
        case "input":
            optional = " (optional)" if block.get("optional") else ""
            yield f"{block['label']['text']}{optional}: {field(block['element'])}"
        case "image":
            yield f"[image {block['alt_text']}]"
        case "markdown":
            yield from block["text"].split("\n")
        case "rich_text":
            yield from rich(space, block).split("\n")
        case other:
            yield f"[{other}]"


def _section(space: Workspace, block: Json) -> Iterator[str]:
    lines = plain(space, block["text"]["text"]).split("\n") if "text" in block else []
    lines += [plain(space, field["text"]).replace("\n", " ") for field in block.get("fields", [])]
    if "accessory" in block:
        lines[0] = f"{lines[0]}  {element(block['accessory'])}"
    yield from lines


def element(item: Json) -> str:
    """A button as `[Label]`, a select as `[Label ▾]` with its initial option."""
    if item["type"] == "button":
        return f"[{item['text']['text']}]"
    if item["type"] == "image":
        return f"[image {item['alt_text']}]"
    chosen = item.get("initial_option") or {}
    label = chosen.get("text", {}).get("text") or item.get("placeholder", {}).get("text") or "…"
    return f"[{label} ▾]"


def field(item: Json) -> str:
    """A field of a form: a text as `[…]` with what stands in it, else as `element` shows it."""
    if item["type"].endswith("_input"):
        return f"[{item.get('initial_value') or '…'}]"
    return element(item)


def rich(space: Workspace, block: Json) -> str:
    """A rich_text block's words."""
    out: list[str] = []
    for part in block["elements"]:
        inner = part.get("elements", [])
        if part["type"] == "rich_text_list":
            out += [f"• {_inline(space, item.get('elements', []))}" for item in inner]
        elif part["type"] == "rich_text_quote":
            out += [f"> {line}" for line in _inline(space, inner).split("\n")]
        else:
            out.append(_inline(space, inner))
    return "\n".join(out)


def _inline(space: Workspace, items: list[Json]) -> str:
    def word(item: Json) -> str:
        match item["type"]:
            case "user":
                user = space.users.get(item["user_id"])
                return f"@{user.name if user else item['user_id']}"
            case "channel":
                channel = space.channels.get(item["channel_id"])
                return f"#{channel.name if channel else item['channel_id']}"
            case "emoji":
                return f":{item['name']}:"
            case "broadcast":
                return f"@{item['range']}"
            case "link":
                return str(item.get("text") or item["url"])
        return str(item.get("text", ""))

    return "".join(map(word, items))
