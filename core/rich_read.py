"""HTML of whatever kind to lines of words with their formatting. Linear, without recursion, never raises.

What a program marks with styles counts as what its elements mean; all that isn't words, a look, a list, a quote or
text shown as it is, is left out. Who knows more about the HTML (a mail's) says what quotes: `Reader.quotes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from core.rich_blocks import BUDGET, Line, Run, Step, Style, safe_href

_DEEPEST: Final = 250  # open elements: parsers take quadratic time with depth
_SKIPPED: Final = frozenset({"script", "style", "head", "title", "template", "noscript", "object", "svg", "select",
                             "-comment", "_comment", "!doctype", "-doctype", "math", "iframe", "canvas"})  # fmt: skip
_BLOCKS: Final = frozenset({"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dir",
                            "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3",
                            "h4", "h5", "h6", "header", "hr", "html", "li", "main", "menu", "nav", "ol", "p",
                            "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
                            "caption"})  # fmt: skip
_SPACED: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "blockquote"})
_LOOKS: Final = {
    **dict.fromkeys(("b", "strong", "h1", "h2", "h3", "h4", "h5", "h6"), "bold"),
    **dict.fromkeys(("i", "em", "cite", "var"), "italic"),
    **dict.fromkeys(("s", "strike", "del"), "strike"),
    **dict.fromkeys(("code", "tt", "kbd", "samp"), "code"),
}
_SPACES = re.compile(r"[ \t\n\r\f]+")
_WEIGHT = re.compile(r"font-weight\s*:\s*(bold|normal|[1-9]00)", re.IGNORECASE)
_SLANT = re.compile(r"font-style\s*:\s*(italic|oblique|normal)", re.IGNORECASE)
_THROUGH = re.compile(r"text-decoration[^;]{0,40}line-through", re.IGNORECASE)
_OPENING = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,40})")
_TAG = re.compile(r"<[/!?a-zA-Z][^>]*>?")


def lines(markup: str) -> list[Line]:
    """Return the lines of a piece of HTML, of its first `BUDGET` characters."""
    from selectolax.lexbor import LexborHTMLParser

    markup = markup[:BUDGET].encode("utf-8", "ignore").decode().replace("\0", "")
    if _too_deep(markup):
        markup = _TAG.sub(" ", markup)
    tree = LexborHTMLParser(markup or "<p></p>")
    body = tree.body or tree.root
    return list(Reader().read(body)) if body is not None else []


def _too_deep(markup: str) -> bool:
    """Count by name what is open; stray closing tags don't count, so nothing hides depth."""
    if markup.count("<") <= _DEEPEST:
        return False
    opened: dict[str, int] = {}
    depth = 0
    for closing, name in _OPENING.findall(markup):
        name = name.lower()
        if name in ("br", "img", "hr", "p", "li"):  # end by themselves
            continue
        number = opened.get(name, 0)
        if not closing:
            opened[name] = number + 1
            depth += 1
        elif number:
            opened[name] = number - 1
            depth -= 1
        if depth > _DEEPEST:
            return True
    return False


class _List:
    """A list that is open: its items so far, and whether one is open."""

    def __init__(self, key: int, number: int | None) -> None:
        self.key, self.number, self.count = key, number, 0
        self.last: Step | None = None
        self.lent = False  # it lies in its parent between two items, so the parent's last one holds it

    def next(self) -> Step:
        self.count += 1
        number = None if self.number is None else self.number + self.count - 1
        self.last = Step("list", self.key, self.count, number)
        return self.last


class Reader:
    """Walks a tree and gives its lines."""

    def __init__(self) -> None:
        self._path: list[Step] = []
        self._lists: list[_List] = []
        self._styles: list[Style] = [Style()]
        self._runs: list[Run] = []
        self._ready: list[Line] = []
        self._keys = self._pre = 0
        self._fresh, self._spaced = True, True

    def quotes(self, node: Any, tag: str) -> bool:
        """Say whether a block quotes somebody."""
        return bool(tag == "blockquote")

    def read(self, root: Any) -> Iterator[Line]:
        """Yield the lines below a node, each when it is complete."""
        node = root.child
        opened: list[tuple[Any, str, int, int]] = []
        while node is not None or opened:
            if node is None:
                node, tag, steps, styles = opened.pop()
                self._leave(tag, steps, styles)
                node = node.next
            else:
                tag = node.tag or ""
                before = len(self._path), len(self._styles)
                if self._enter(node, tag):
                    opened.append((node, tag, *before))
                    node = node.child
                else:
                    node = node.next
            if self._ready:
                yield from self._ready
                self._ready.clear()
        self._end_line()
        yield from self._ready

    def _enter(self, node: Any, tag: str) -> bool:
        if tag == "-text":
            self._add(node.text_content or "")
            return False
        if tag in _SKIPPED:
            return False
        if tag == "br":
            self._break()
            return False
        attributes = node.attributes
        if tag == "img":
            if alt := _SPACES.sub(" ", attributes.get("alt") or "").strip():
                self._say(f"[{alt[:200]}]")
            return False
        if tag in _BLOCKS:
            self._open(node, tag, attributes)
        elif tag in ("td", "th") and self._runs:
            self._add(" ")
        style = self._styles[-1]
        if tag in _LOOKS:
            style = style.also(_LOOKS[tag])
        if tag == "a":
            style = style._replace(href=safe_href(attributes.get("href") or ""))
        if css := attributes.get("style"):
            style = _styled(style, css[:1_000])
        self._styles.append(style)
        return True

    def _leave(self, tag: str, steps: int, styles: int) -> None:
        if tag in _BLOCKS:
            self._end_line()
            if tag == "pre":
                self._pre -= 1
            elif tag in ("ul", "ol"):
                self._lists.pop()
            self._fresh = self._fresh or tag in _SPACED
        del self._path[steps:]
        del self._styles[styles:]

    def _open(self, node: Any, tag: str, attributes: Any) -> None:
        self._end_line()
        self._fresh = self._fresh or tag in _SPACED
        self._keys += 1
        if tag == "pre":
            self._pre += 1
        elif tag == "hr":
            self._say("---")
            self._end_line()
        elif tag in ("ul", "ol"):
            self._open_list(tag, attributes)
        elif tag == "li" and self._lists:
            self._path.append(self._lists[-1].next())
        elif self.quotes(node, tag):
            self._path.append(Step("quote", self._keys))
            self._fresh = True

    def _open_list(self, tag: str, attributes: Any) -> None:
        parent = self._lists[-1] if self._lists else None
        if parent is not None and parent.last is not None and parent.last not in self._path:
            self._path.append(parent.last)
        number = None
        if tag == "ol":
            given = (attributes.get("start") or "").strip()
            number = int(given) if given.isascii() and given.isdigit() and len(given) <= 7 else 1
        self._lists.append(_List(self._keys, number))

    def _add(self, text: str) -> None:
        if self._pre:
            first, *rest = text.split("\n")
            self._say(first)
            for line in rest:
                self._break()
                self._say(line)
            return
        text = _SPACES.sub(" ", text)
        if self._spaced:
            text = text.removeprefix(" ")
        if text:
            self._runs.append(Run(text, self._styles[-1]))
            self._spaced = text[-1] == " "

    def _say(self, text: str) -> None:
        if text:
            self._runs.append(Run(text, self._styles[-1]))
            self._spaced = False

    def _break(self) -> None:
        if self._runs or self._pre:
            self._emit()
        else:
            self._fresh = True

    def _end_line(self) -> None:
        if self._runs:
            self._emit()

    def _emit(self) -> None:
        self._ready.append(Line(tuple(self._runs), tuple(self._path), self._fresh, bool(self._pre)))
        self._runs.clear()
        self._fresh, self._spaced = False, True


def _styled(style: Style, css: str) -> Style:
    if weight := _WEIGHT.search(css):
        style = style._replace(bold=weight[1].lower() in ("bold", "600", "700", "800", "900"))
    if slant := _SLANT.search(css):
        style = style._replace(italic=slant[1].lower() != "normal")
    return style._replace(strike=True) if _THROUGH.search(css) else style
