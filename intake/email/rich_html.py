"""`core.rich` HTML as the HTML of our mails: styles in each element, since mail programs drop the others. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from markupsafe import Markup

from core import rich
from core.rich_blocks import Block, Items, Para, Pre, Quote, inline

_CODE: Final = "font-family:Menlo,Consolas,'Courier New',monospace;font-size:13px;"
_BOX: Final = "background-color:rgba(128,140,155,0.15);"  # reads on light and dark pages
_LINK: Final = 'class="link" style="color:#2457d6;"'
_HREF = re.compile(r'<a (href="[^"]*")>')


def styled(html: str) -> Markup:
    """Return the words of a message as they stand in a mail."""
    return Markup(_blocks(rich.blocks_of(html)))  # noqa: S704  # made of blocks, which escape all text


def _blocks(blocks: Sequence[Block], gap: str = "12px") -> str:
    last = len(blocks) - 1
    return "\n".join(_block(block, gap if at < last else "0") for at, block in enumerate(blocks))


def _block(block: Block, below: str) -> str:
    """One block. `below`: the room under it."""
    match block:
        case Para(lines):
            return f'<p dir="auto" style="margin:0 0 {below};">{_dressed(inline(lines))}</p>'
        case Pre(text):
            style = f"{_CODE}{_BOX}line-height:19px;white-space:pre-wrap;padding:8px 12px;border-radius:4px;"
            return f'<pre style="margin:0 0 {below};{style}">{escape(text, quote=False)}</pre>'
        case Quote(blocks):
            style = "padding:0 0 0 12px;border-left:3px solid #b9c2cc;"
            return f'<blockquote style="margin:0 0 {below};{style}">{_blocks(blocks)}</blockquote>'
        case Items(start, items):
            tag = "ul" if start is None else "ol"
            number = f' start="{start}"' if start not in (None, 1) else ""
            held = "".join(f'<li dir="auto" style="margin:0 0 4px;">{_item(item)}</li>' for item in items)
            return f'<{tag}{number} style="margin:0 0 {below};padding:0 0 0 24px;">{held}</{tag}>'


def _item(blocks: Sequence[Block]) -> str:
    first, *rest = blocks
    words = _dressed(inline(first.lines)) if isinstance(first, Para) else _block(first, "4px")
    return words + _blocks(rest, "4px")


def _dressed(words: str) -> str:
    """Give links and code their looks."""
    words = _HREF.sub(rf"<a \1 {_LINK}>", words)
    return words.replace("<code>", f'<code style="{_CODE}{_BOX}padding:1px 4px;border-radius:3px;">')
