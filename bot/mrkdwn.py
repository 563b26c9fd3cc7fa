"""Slack's `text` (mrkdwn) as lines of words with their formatting: tokens, entities, marks, fences, quotes. Pure.

docs.slack.dev/messaging/formatting-message-text: it comes escaped (`&amp;`, `&lt;`, `&gt;`) and has live tokens in
angle brackets. People's messages have a `rich_text` block beside it (`bot.rich_in`); apps' and old ones don't.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Final

from core.rich import link_text
from core.rich_blocks import Line, Run, Step, Style, lines_of, safe_href

_TOKEN = re.compile(r"<([^<>]+)>")
_FENCE = re.compile(r"```\n?(.*?)\n?```", re.DOTALL)
_QUOTE = re.compile(r"(?:&gt;|>)[ \t]?")
_REST: Final = ("&gt;&gt;&gt;", ">>>")  # all that follows is quoted
_ITEM = re.compile(r"([ \t]*)(?:•|(\d{1,6})\.)[ \t]+(?=\S)")
_PLAIN: Final = Style()
_DEEPEST: Final = 3  # marks in marks
MOST_MARKS: Final = 2_000
_MARKS: Final = {"*": "bold", "_": "italic", "~": "strike"}
_SPAN = re.compile(
    r"<(?P<token>[^<>]+)>|(?<![\w`])`(?P<code>[^`\n]+)`(?![\w`])|"
    + "|".join(
        rf"(?<![\w{re.escape(m)}]){re.escape(m)}(?=[^\s{re.escape(m)}])(?P<{name}>[^{re.escape(m)}\n]*[^\s{re.escape(m)}])"
        rf"{re.escape(m)}(?![\w{re.escape(m)}])"
        for m, name in _MARKS.items()
    )
)


def unescape(text: str) -> str:
    """Undo Slack's escaping, once."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def from_mrkdwn(text: str, names: Mapping[str, str]) -> str:
    """Decode tokens and entities of a `text`; marks stay."""
    return unescape(_TOKEN.sub(lambda match: token_text(match[1], names), text))


def token_text(token: str, names: Mapping[str, str]) -> str:
    """Return what a token (without its brackets) shows; its entities stay."""
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
            return link_text(target, label)


def is_crowded(text: str) -> bool:
    """Say whether there are so many marks in a `text` that to read them takes long."""
    return len(text) > MOST_MARKS and sum(map(text.count, "*_~`")) > MOST_MARKS


def words(text: str, names: Mapping[str, str]) -> str:
    """Return what a person reads of a `text`: decoded, without the marks that only give it a look. In one of marks upon
    marks they stay."""
    if is_crowded(text):
        return from_mrkdwn(text, names)
    out, at = [], 0
    for fence in _FENCE.finditer(text):
        out += [_unmarked(text[at : fence.start()], names), from_mrkdwn(fence[1], names)]
        at = fence.end()
    return "".join([*out, _unmarked(text[at:], names)])


def _unmarked(text: str, names: Mapping[str, str]) -> str:
    """The words of runs; a link's label and target."""
    return "".join(
        link_text(style.href, shown) if style.href else shown for shown, style in runs(text, names)
    )


def lines(text: str, names: Mapping[str, str], path: tuple[Step, ...] = ()) -> Iterator[Line]:
    """Return a `text` as lines. `path`: what holds all of it."""
    keys, at = count(1), 0
    for fence in _FENCE.finditer(text):
        yield from _prose(text[at : fence.start()], names, path, keys)
        yield from lines_of([Run(from_mrkdwn(fence[1], names))], path, pre=True)
        at = fence.end()
    yield from _prose(text[at:], names, path, keys)


def _prose(
    text: str, names: Mapping[str, str], path: tuple[Step, ...], keys: Iterator[int]
) -> Iterator[Line]:
    held: tuple[Step, ...] = ()
    quoting = False
    for number, line in enumerate(text.split("\n")):
        if line.startswith(_REST):
            quoting, line = True, line.removeprefix(_REST[0]).removeprefix(_REST[1]).removeprefix(" ")
            held = (Step("quote", next(keys)),)
        mark = _QUOTE.match(line)
        item = _ITEM.match(line)
        if not quoting:
            if mark:
                line = line[mark.end() :]
                held = held if held and held[0].kind == "quote" else (Step("quote", next(keys)),)
            elif item:
                line = line[item.end() :]
                held = _held(held, item, keys)
            else:
                held = ()
        yield Line(tuple(runs(line, names)), (*path, *held), fresh=not number)


def _held(before: tuple[Step, ...], item: re.Match[str], keys: Iterator[int]) -> tuple[Step, ...]:
    """The place of a list's item: two spaces in front of it are a level."""
    outer = before if before and before[0].kind == "list" else ()
    level = min(len(item[1].expandtabs(4)) // 2, len(outer))
    number = int(item[2]) if item[2] else None
    if len(outer) > level:
        last = outer[level]
        follows = number is None if last.number is None else number == last.number + 1
        if follows:
            return (*outer[:level], last._replace(item=last.item + 1, number=number))
    return (*outer[:level], Step("list", next(keys), 1, number))


def runs(text: str, names: Mapping[str, str], style: Style = _PLAIN, depth: int = 0) -> Iterator[Run]:
    """Return one line of a `text`, or several, as runs."""
    at = 0
    for span in _SPAN.finditer(text):
        kind = span.lastgroup or ""
        inner = span[kind]
        if kind not in ("token", "code") and depth >= _DEEPEST:
            continue
        if span.start() > at:
            yield Run(unescape(text[at : span.start()]), style)
        at = span.end()
        if kind == "token":
            yield _token_run(inner, names, style)
        elif kind == "code":
            yield Run(from_mrkdwn(inner, names), style._replace(code=True))
        else:
            yield from runs(inner, names, style.also(kind), depth + 1)
    if at < len(text):
        yield Run(unescape(text[at:]), style)


def _token_run(token: str, names: Mapping[str, str], style: Style) -> Run:
    target, _, label = token.partition("|")
    if target[:1] in ("@", "#", "!"):
        return Run(unescape(token_text(token, names)), style)
    return link_run(unescape(target), unescape(label), style)


def link_run(url: str, label: str, style: Style) -> Run:
    """Return a link; one that may not be followed as text."""
    href = safe_href(url)
    if not href:
        return Run(link_text(url, label), style)
    shown = label.strip() or link_text(url, "")
    return Run(shown, style._replace(href=href))
