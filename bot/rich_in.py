"""What somebody wrote in Slack as `core.rich` HTML: of the message's `rich_text`, else of its mrkdwn. Pure.

Mentions, channels, emoji are text in it, as they are in `bot.markup:plain_text`, with which it always agrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

from bot import markup, mrkdwn
from core import rich
from core.rich_blocks import Line, Run, Step, Style, lines_of

Json = Mapping[str, Any]
BUDGET: Final = 3_000  # runs and lines of a message whose formatting is kept
PLACED: Final = 3  # lines that a line in a list or a quote costs, or a fence
_LOOKS: Final = ("bold", "italic", "strike", "code")


def html_of(message: Json, names: Mapping[str, str]) -> str | None:
    """Return a message's words with their formatting, None where they need none (or have none that is sure).

    `names`: user id → name to show, as for `plain_text`.
    """
    return html_for(message, names, markup.plain_text(message, names))


def html_for(message: Json, names: Mapping[str, str], words: str) -> str | None:
    """As `html_of`, of the words that a message ends with: what stood in front (a mention of the bot, `note:`) was
    taken off its plain text."""
    labels = markup.labelled(message, names)
    try:
        lines = _affordable(_lines(message, labels))
        more = _affordable(_shared(message, labels))
    except (
        AttributeError,
        TypeError,
        ValueError,
    ):  # no block of Slack's, or a vast one: the plain text is read with more patience
        return None
    return None if lines is None or more is None else rich.ending_of([*lines, *more], words)


def _affordable(lines: Iterator[Line]) -> list[Line] | None:
    """The lines, None where there is so much formatting that others would wait for it: the words are enough then."""
    made, cost = [], 0
    for line in lines:
        made.append(line)
        cost += len(line.runs) + (PLACED if line.path or (line.pre and line.fresh) else 1)
        if cost > BUDGET:
            return None
    return made


def _lines(message: Json, names: Mapping[str, str]) -> Iterator[Line]:
    blocks = [b for b in message.get("blocks") or () if b.get("type") == "rich_text"]
    blank: list[Line] = []
    said = False
    for line in (line for block in blocks for line in _block(block, names)):
        if said := said or bool(line.text.strip()):
            yield from (*blank, line)
            blank = []
        else:
            blank.append(line)
    text = str(message.get("text") or "")
    if not said and not mrkdwn.is_crowded(text):
        yield from mrkdwn.lines(text, names)


def _block(block: Json, names: Mapping[str, str]) -> Iterator[Line]:
    keys = count(1)
    held: tuple[Step, ...] = ()  # of the list that goes on
    for part in block.get("elements") or ():
        kind = part.get("type")
        around = (Step("quote", next(keys)),) if part.get("border") or kind == "rich_text_quote" else ()
        if kind == "rich_text_list":
            for item, step in _items(part, held, keys):
                held = step
                runs = _runs(item, names)
                yield from lines_of(runs, (*around, *step), fresh=False)
            continue
        held = ()
        pre = kind == "rich_text_preformatted"
        runs = [Run(markup.run_text(part, names))] if pre else _runs(part, names)
        yield from lines_of(runs, around, pre=pre)


def _items(
    part: Json, before: tuple[Step, ...], keys: Iterator[int]
) -> Iterator[tuple[Json, tuple[Step, ...]]]:
    """The items of one of Slack's flat lists, each with its place: a deeper one lies in the last item before it."""
    level = min(int(part.get("indent") or 0), len(before))
    first = 1 + int(part.get("offset") or 0)
    ordered = part.get("style") == "ordered"
    outer, last = before[:level], before[level] if len(before) > level else None
    follows = last is not None and (last.number == first - 1 if ordered else last.number is None)
    step = (
        last if last is not None and follows else Step("list", next(keys), 0, first - 1 if ordered else None)
    )
    for item in part.get("elements") or ():
        number = None if step.number is None else step.number + 1
        step = step._replace(item=step.item + 1, number=number)
        yield item, (*outer, step)


def _runs(section: Json, names: Mapping[str, str]) -> list[Run]:
    elements = section.get("elements") or ()
    if len(elements) > BUDGET:
        raise ValueError("more than is read")
    return [_run(element, names) for element in elements]


def _run(element: Json, names: Mapping[str, str]) -> Run:
    style, marks = Style(), element.get("style")
    if isinstance(marks, Mapping):
        for look in _LOOKS:
            style = style.also(look, bool(marks.get(look)))
    if element.get("type") == "link":
        return mrkdwn.link_run(str(element.get("url") or ""), str(element.get("text") or ""), style)
    return Run(markup.element_text(element, names), style)


def _shared(message: Json, names: Mapping[str, str]) -> Iterator[Line]:
    """Forwarded messages, quoted below."""
    for number, (who, text) in enumerate(markup.shared(message)):
        path = (Step("quote", -1 - number),)
        if who:
            yield Line((Run(f"{who}:"),), path, fresh=True)
        for line in mrkdwn.lines(text, names, path):
            yield Line(line.runs, line.path, line.fresh and not who, line.pre)
