"""HTML to readable text, and to HTML that is safe to show. Linear, without recursion, capped in size and depth.

What a reader of the mail wouldn't see (scripts, styles, comments) isn't text. Quotes are a matter of `quotes.py`,
which takes nodes out of the tree before it becomes text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from core.shapes import File
from intake.email import quotes
from intake.email.charsets import clean

LARGEST: Final = 2_000_000  # characters that are looked at; the whole stays attached
_SAFE_TO_SANITISE: Final = 500_000
_SAFE_TO_KEEP: Final = 1_000_000  # characters
_DEEPEST: Final = 250  # open elements while parsing
_HEADS: Final = 100  # nodes that are looked at for a quoted head
_LONGEST_LINK: Final = 2_000
_MOST_EMPTY: Final = 3  # lines in a row; more are hardly meant
_INDENT: Final = 20  # quote levels shown

_SKIPPED: Final = frozenset({"script", "style", "head", "title", "template", "noscript", "object", "svg", "select",
                             "-comment", "_comment", "!doctype", "-doctype", "math", "iframe", "canvas"})  # fmt: skip
_BLOCKS: Final = frozenset({"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dir",
                            "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3",
                            "h4", "h5", "h6", "header", "hr", "html", "li", "main", "menu", "nav", "ol", "p",
                            "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
                            "caption"})  # fmt: skip
_SPACED: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "blockquote"})
_MARKED_TAGS: Final = frozenset({"includetail"})  # QQ Mail
_RULES: Final = frozenset({"stopSpelling", "zwchr"})  # Hotmail, Zimbra
# Entourage's history is in an inline element.
_SECTION = re.compile(r"<span\s{1,9}id=[\"']?(?=OLK_SRC_BODY_SECTION)", re.IGNORECASE)
HISTORY: Final = "\ue000"  # of the private use area: `clean`ed input may hold it, and then only shows more
_SPACES = re.compile(r"[ \t\n\r\f]+")


def parse_tree(markup: str) -> Any:
    """Return the parsed document (a selectolax Lexbor tree). What can't be parsed gives an empty one."""
    from selectolax.lexbor import LexborHTMLParser

    return LexborHTMLParser(flattened(markup[:LARGEST]) or "<p></p>")


# Elements that can't hold themselves, or end by themselves: they don't add to the depth.
_SHALLOW: Final = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source",
                             "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot",
                             "option", "html", "head", "body", "param"})  # fmt: skip
_OPENING = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,40})")
_ITEMS = re.compile(r"<(?:li|dt|dd|p)(?=[\s/>])", re.IGNORECASE)
_QUOTED: Final = "\"[^\"]{0,500}+\"|'[^']{0,500}+'"
_DEEP = re.compile(
    rf"<(?!(?:{'|'.join(sorted(_SHALLOW))})[\s/>])[a-zA-Z][^\s/>]{{0,40}}"
    rf"(?P<rest>[^>\"']{{0,200}}+(?:(?:{_QUOTED})[^>\"']{{0,200}}+){{0,20}}+>)?",
    re.IGNORECASE,
)


def flattened(markup: str) -> str:
    """Return the HTML with elements that lie too deep turned into breaks: parsers take quadratic time with depth.

    Counts by name what is open; stray closing tags don't count, so nothing hides depth.
    """
    if markup.count("<") <= _DEEPEST:
        return markup
    opened: dict[str, int] = {}
    depth, at, last_closing = 0, 0, markup.rfind("</")
    out: list[str] = []
    for match in _OPENING.finditer(markup):
        name = match[2].lower()
        if name in _SHALLOW:
            continue
        number = opened.get(name, 0)
        if match[1]:
            if number:
                opened[name] = number - 1
                depth -= 1
        else:
            opened[name] = number + 1
            depth += 1
            if depth > _DEEPEST:
                if (
                    match.start() > last_closing
                ):  # nothing is closed any more: the rest at once, as breaks and spaces
                    last = max(markup.rfind(">") + 1, match.start())  # no element ends behind it
                    rest = _ITEMS.sub("<br ", _DEEP.sub(_gone, markup[match.start() : last]))
                    return "".join(out) + markup[at : match.start()] + rest + markup[last:]
                out += [markup[at : match.start()], "<br " if name in _BLOCKS else "<wbr "]
                at = match.end()
    return "".join(out) + markup[at:] if out else markup


def _gone(match: re.Match[str]) -> str:
    return " " if match["rest"] else " </x "


def to_text(markup: str) -> str:
    """Return the readable text of an HTML body: one line a block, `> ` before quotes, links where they say more."""
    return tree_to_text(parse_tree(markup))


def to_marked_text(markup: str) -> str:
    """Like `to_text`, with what mail programs mark as history made plain: containers of it are quoted (`> `), and
    where all that follows is history a line `HISTORY` stands before it."""
    return tree_to_text(parse_tree(_SECTION.sub('<div id="', markup)), marks=True)


def tree_to_text(tree: Any, marks: bool = False) -> str:
    """Return the readable text of a parsed document."""
    body = tree.body or tree.root
    if body is None:
        return ""
    writer = _Writer(marks)
    walk(body, writer.enter, writer.leave)
    return writer.text()


def walk(root: Any, enter: Callable[[Any, str], bool], leave: Callable[[Any, str], None]) -> None:
    """Visit the nodes below `root` in order, without recursion; `enter` says whether to go into a node."""
    node, tag = root.child, ""
    open_nodes: list[tuple[Any, str]] = []
    while node is not None or open_nodes:
        if node is None:
            node, tag = open_nodes.pop()
            leave(node, tag)
            node = node.next
            continue
        tag = node.tag or ""
        if enter(node, tag):
            open_nodes.append((node, tag))
            node = node.child
        else:
            node = node.next


class _Writer:
    """Collects lines while the tree is walked."""

    def __init__(self, marks: bool) -> None:
        self._marks = marks
        self._heads = _HEADS
        self._blockquotes: list[bool] = []  # open ones, whether they quote
        self._containers: list[int] = []  # mem_id of open nodes that hold history
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quotes = self._pre = self._empty = 0
        self._links: list[tuple[str, int]] = []
        self._lists: list[int | None] = []

    def enter(self, node: Any, tag: str) -> bool:
        if tag == "-text":
            self._add(node.text_content or "")
            return False
        if tag in _SKIPPED:
            return False
        if tag == "br":
            self._break()
            return False
        if tag == "img":
            self._image(node)
            return False
        if tag in _BLOCKS or tag in _MARKED_TAGS:
            self._open_block(node, tag)
            if self._marks:
                self._mark(node, tag)
        elif tag == "a":
            self._links.append(((node.attributes.get("href") or "").strip(), len(self._line)))
        elif tag in ("td", "th") and self._line:
            self._line.append(" ")
        return True

    def leave(self, node: Any, tag: str) -> None:
        if tag in _BLOCKS or tag in _MARKED_TAGS:
            self._end_line()
            if self._containers and self._containers[-1] == node.mem_id:
                self._containers.pop()
                self._quotes -= 1
            if tag == "blockquote":
                self._quotes -= self._blockquotes.pop() if self._blockquotes else 0
            elif tag == "pre":
                self._pre -= 1
            elif tag in ("ol", "ul") and self._lists:
                self._lists.pop()
            if tag in _SPACED:
                self._blank()
        elif tag == "a" and self._links:
            self._close_link()

    def _open_block(self, node: Any, tag: str) -> None:
        self._end_line()
        if tag in _SPACED:
            self._blank()
        if tag == "blockquote":
            self._blockquotes.append(not quotes.is_indented(node.attributes))
            self._quotes += self._blockquotes[-1]
        elif tag == "pre":
            self._pre += 1
        elif tag == "hr":
            self._line.append("---")
            self._end_line()
        elif tag in ("ol", "ul"):
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._line.append(self._bullet())

    def _mark(self, node: Any, tag: str) -> None:
        if tag == "hr" and (node.attributes.get("id") or "") in _RULES:
            self._lines.insert(-1 if self._lines and self._lines[-1] == "---" else len(self._lines), HISTORY)
            return
        match quotes.mark_of(node.attributes, tag):
            case quotes.Mark.CONTAINER:
                self._containers.append(node.mem_id)
                self._quotes += 1
            case quotes.Mark.FROM_HERE:
                self._end_line()
                self._lines.append(HISTORY)
            case quotes.Mark.HEAD if (
                self._look() and _bold_first(node) and quotes.is_quoted_head(_start_of(node))
            ):
                self._end_line()
                self._lines.append(HISTORY)

    def _look(self) -> bool:
        self._heads -= 1
        return self._heads >= 0

    def _bullet(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _add(self, text: str) -> None:
        if self._pre:
            first, *rest = text.split("\n")
            if first:
                self._line.append(first)
            for line in rest:
                self._break()
                self._line.append(line)
            return
        if not text.isalnum():  # most of what makes a mail slow is words of a letter
            text = _SPACES.sub(" ", text)
        if text and not (text == " " and not self._line):
            self._line.append(text)

    def _image(self, node: Any) -> None:
        alt = _SPACES.sub(" ", node.attributes.get("alt") or "").strip()
        if alt:
            self._line.append(f"[{alt[:200]}]")

    def _close_link(self) -> None:
        href, start = self._links.pop()
        shown = "".join(self._line[start:]).strip() if start <= len(self._line) else ""
        if not href.lower().startswith(("http://", "https://")) or len(href) > _LONGEST_LINK:
            return
        bare = href.partition("://")[2].rstrip("/")
        if shown and bare not in shown and shown.rstrip("/") != href.rstrip("/"):
            self._line.append(f" <{href}>")

    def _break(self) -> None:
        if self._line or self._links:
            self._lines.append(self._prefix() + self._take())
            self._empty = 0
        elif self._empty < _MOST_EMPTY:
            self._empty += 1
            self._lines.append(self._prefix())

    def _end_line(self) -> None:
        if not self._line:
            return
        self._empty = 0
        text = self._take()
        if text:
            self._lines.append(self._prefix() + text)

    def _take(self) -> str:
        text = "".join(self._line)
        self._line.clear()
        for index, (href, _) in enumerate(self._links):  # a link that goes over several lines
            self._links[index] = (href, 0)
        if not text.isascii():
            text = text.replace("\xa0", " ")
        return text.rstrip() if self._pre else text.strip()

    def _prefix(self) -> str:
        return "> " * min(self._quotes, _INDENT) if self._quotes else ""

    def _blank(self) -> None:
        if self._lines and self._lines[-1].strip("> "):
            self._lines.append(self._prefix().rstrip())
        elif self._lines:  # the shallower of two quotes that end together
            self._lines[-1] = self._prefix().rstrip()

    def text(self) -> str:
        self._end_line()
        out: list[str] = []
        blank = 0
        for line in self._lines:
            line = line.rstrip()
            blank = blank + 1 if not line.strip("> ") else 0
            if blank <= 2:
                out.append(line)
        return clean("\n".join(out)).strip("\n")


def _bold_first(node: Any) -> bool:
    """Outlook sets the field names of a quoted head in bold; the first thing in the node is one."""
    for _ in range(8):
        node = node.child
        while node is not None and node.tag == "-text" and not (node.text_content or "").strip():
            node = node.next
        if node is None:
            return False
        if node.tag in ("b", "strong"):
            return True
    return False


def _start_of(node: Any) -> str:
    """The first words of a node, a bounded look into it."""
    out: list[str] = []
    for inner in islice(node.traverse(include_text=True), 80):
        if inner.tag == "-text":
            out.append(inner.text_content or "")
        elif inner.tag == "br" or inner.tag in _BLOCKS:
            out.append("\n")
    return "".join(out)[:600]


def sanitised(markup: str) -> str | None:
    """Return HTML that is safe to show in a page: no scripts, styles, forms, nothing fetched from outside.

    None where it's too large or too deep to be made safe in time (nh3 takes quadratic time with depth), or grows too
    large by that. Images are parts of the mail (`cid:`) or from https, which the page asks its reader about; links are
    http, https, mailto or tel.
    """
    if len(markup) > _SAFE_TO_SANITISE or flattened(markup) is not markup:
        return None
    import nh3

    made = clean(
        nh3.clean(
            markup,
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            url_schemes={"http", "https", "mailto", "tel", "cid"},
            attribute_filter=_kept_attribute,
            link_rel="noopener noreferrer nofollow",
        )
    )
    return made if len(made) <= _SAFE_TO_KEEP else None  # tags left open are repeated in every paragraph


_TAGS: Final = {"a", "abbr", "b", "blockquote", "br", "caption", "center", "code", "dd", "del", "div", "dl", "dt", "em",
                "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "li", "ol", "p", "pre", "q", "s", "small",
                "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt",
                "u", "ul"}  # fmt: skip
_ATTRIBUTES: Final = {"a": {"href", "title"}, "img": {"src", "alt", "width", "height"}, "td": {"colspan", "rowspan"},
                      "th": {"colspan", "rowspan"}, "ol": {"start"}, "*": {"dir", "lang"}}  # fmt: skip


def _kept_attribute(tag: str, name: str, value: str) -> str | None:
    """A `cid:` link goes nowhere; a picture is the mail's own, or may be asked for safely."""
    if tag == "img" and name == "src" and not value.strip().lower().startswith(("cid:", "https:")):
        return None
    if tag == "a" and name == "href" and value.strip().lower().startswith("cid:"):
        return None
    return value


def as_file(markup: str) -> File:
    """Return the HTML as a file, as text so that nothing runs it when it's opened."""
    content = markup.encode()
    return File(
        name="message.html.txt",
        content_type="text/plain",
        size=len(content),
        content=content,
        sha256=hashlib.sha256(content).digest(),
    )
