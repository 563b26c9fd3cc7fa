"""Text as people type it, to what Slack stores of it: escaped text and a `rich_text` block.

Escapes and tokens: docs.slack.dev/messaging/formatting-message-text; rich text elements: the Block Kit reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sandbox.shapes import Json

_TOKEN = re.compile(
    r"<@(?P<user>[UW][A-Z0-9]+)>|<#(?P<channel>[CG][A-Z0-9]+)(?:\|[^>]*)?>|<!(?P<range>here|channel|everyone)>"
    r"|:(?P<emoji>[a-z+][a-z0-9_+'-]*):|(?P<url>https?://[^\s<>|]+[^\s<>|.,;:!?)])|(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|`(?P<code>[^`\n]+)`|\*(?P<bold>[^*\n]+)\*"
)
_FENCE = re.compile(r"```\n?(.*?)\n?```", re.DOTALL)
_LIVE = re.compile(r"<(?:[@#!][^<>]+)>")


def escape(text: str) -> str:
    """The three characters that Slack's text escapes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def with_mentions(text: str, user_id: Callable[[str], str | None]) -> str:
    """`@ada` as the client turns it into a mention; an unknown name stays as it is."""

    def mention(match: re.Match[str]) -> str:
        found = user_id(match[1])
        return f"<@{found}>" if found else match[0]

    return re.sub(r"(?<![\w@<])@([a-z][a-z0-9._-]*[a-z0-9])", mention, text)


def typed_text(text: str) -> str:
    """The `text` of a message that a person typed: escaped, with live mentions and links in angle brackets."""
    out: list[str] = []
    at = 0
    for match in _LIVE.finditer(text):
        out += [_linked(text[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*out, _linked(text[at:])])


def _linked(text: str) -> str:
    out: list[str] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match.lastgroup not in ("url", "mail"):
            continue
        out.append(escape(text[at : match.start()]))
        found = escape(match[0])
        out.append(f"<{found}>" if match.lastgroup == "url" else f"<mailto:{found}|{found}>")
        at = match.end()
    return "".join([*out, escape(text[at:])])


def rich_text(text: str, block_id: str) -> list[Json]:
    """The `rich_text` block that a client sends along with what was typed."""
    if not text:
        return []
    elements: list[Json] = []
    for is_code, part in _fenced(text):
        if is_code:
            inner = [{"type": "text", "text": part}]
            elements.append({"type": "rich_text_preformatted", "elements": inner})
        else:
            elements += _sections(part)
    return [{"type": "rich_text", "block_id": block_id, "elements": elements}]


def _fenced(text: str) -> Iterator[tuple[bool, str]]:
    at = 0
    for match in _FENCE.finditer(text):
        if text[at : match.start()].strip("\n"):
            yield False, text[at : match.start()].strip("\n")
        yield True, match[1]
        at = match.end()
    if text[at:].strip("\n") or at == 0:
        yield False, text[at:].strip("\n") if at else text


def _sections(text: str) -> list[Json]:
    """Paragraphs, quotes (`> `) and bullets (`• ` or `- `) of a text without code fences."""
    out: list[Json] = []
    for kind, lines in _runs(text.split("\n")):
        if kind == "list":
            items = [{"type": "rich_text_section", "elements": _inline(line)} for line in lines]
            out.append(
                {"type": "rich_text_list", "style": "bullet", "indent": 0, "border": 0, "elements": items}
            )
        else:
            name = "rich_text_quote" if kind == "quote" else "rich_text_section"
            out.append({"type": name, "elements": _inline("\n".join(lines))})
    return out


def _runs(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    run: list[str] = []
    kind = ""
    for line in lines:
        now = "quote" if line.startswith("> ") else "list" if line.startswith(("• ", "- ")) else "text"
        if now != kind and run:
            yield kind, run
            run = []
        kind = now
        run.append(line if now == "text" else line[2:])
    if run:
        yield kind, run


def _inline(text: str) -> list[Json]:
    out: list[Json] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match.start() > at:
            out.append({"type": "text", "text": text[at : match.start()]})
        out.append(_element(match))
        at = match.end()
    if at < len(text):
        out.append({"type": "text", "text": text[at:]})
    return out


def _element(match: re.Match[str]) -> Json:
    value = match[match.lastgroup or 0]
    made: dict[str, Json] = {
        "user": {"type": "user", "user_id": value},
        "channel": {"type": "channel", "channel_id": value},
        "range": {"type": "broadcast", "range": value},
        "emoji": {"type": "emoji", "name": value},
        "url": {"type": "link", "url": value},
        "mail": {"type": "link", "url": f"mailto:{value}", "text": value},
        "code": {"type": "text", "text": value, "style": {"code": True}},
        "bold": {"type": "text", "text": value, "style": {"bold": True}},
    }
    return made[match.lastgroup or "code"]
