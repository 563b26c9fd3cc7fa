"""Which parts of a mail are its text and which are files (RFC 8621 4.1.4), and what clients do in spite of RFCs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from intake.email import mime, sealed
from intake.email.files import given_name
from intake.email.mime import Part

_MEDIA: Final = ("image/", "audio/", "video/")
_TEXTS: Final = frozenset({"text/plain", "text/html"})
# Text that is shown only where the mail has no other.
_RARE_TEXTS: Final = frozenset({"text/enriched", "text/richtext", "text/markdown", "text/x-markdown"})
# Other ways to show the same text, which we show already.
_FURTHER_WAYS: Final = frozenset({"text/x-amp-html", "text/watch-html"})
# What stands beside a file or an encrypted mail and is of no use to a reader.
_WRAPPING: Final = frozenset({"application/applefile", "application/pgp-encrypted"})
_MOST_OPENED: Final = 3


@dataclass(slots=True)
class Bodies:
    """The parts by use: two ways to read the mail, and files."""

    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)


def sort_out(root: Part) -> Bodies:
    """Return the parts of a mail by their use."""
    bodies = Bodies()
    if root.multipart:
        _multipart(root, False, bodies)
    elif _is_body(root, True, ""):
        bodies.text.append(root)
        bodies.html.append(root)
    else:
        bodies.files.append(root)
    if not bodies.text and not bodies.html:
        _nameless_text(bodies)
    return bodies


def leaves(root: Part) -> list[Part]:
    """Return the parts that hold content, in order."""
    found, waiting = [], [root]
    while waiting:
        part = waiting.pop()
        if part.multipart:
            waiting.extend(reversed(part.children))
        else:
            found.append(part)
    return found


def opened(root: Part) -> tuple[Part, bool]:
    """Return the tree with the content of opaque S/MIME signatures in their place, and whether there was one."""
    found = [
        part for part in leaves(root) if "pkcs7" in part.type or given_name(part).lower().endswith(".p7m")
    ]
    any_opened = False
    for part in found[:_MOST_OPENED]:
        content = sealed.signed_content(part)
        if content is None:
            continue
        inner, _ = mime.read_parts(content, part.depth + 1)
        any_opened = True
        if part is root:
            root = inner
        else:
            _replace(root, part, inner)
    return root, any_opened


def _replace(root: Part, old: Part, new: Part) -> None:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        part.children = [new if child is old else child for child in part.children]
        waiting.extend(child for child in part.children if child.multipart and child is not new)


def _multipart(parent: Part, in_alternative: bool, bodies: Bodies) -> None:
    """Recursion is bounded by `mime.DEEPEST`."""
    subtype = parent.type.partition("/")[2]
    alternative = subtype == "alternative"
    texts, htmls = len(bodies.text), len(bodies.html)
    root = _root_of(parent) if subtype == "related" else 0
    for index, part in enumerate(parent.children):
        if part.multipart:
            _multipart(part, in_alternative or alternative, bodies)
        elif _needless(part, parent):
            continue
        elif not _is_body(part, index == root, subtype) or part.type.startswith(_MEDIA):
            bodies.files.append(part)
        elif alternative or in_alternative:
            (bodies.html if part.type == "text/html" else bodies.text).append(part)
        else:
            bodies.text.append(part)
            bodies.html.append(part)
    if alternative:  # one way may lack what the other has
        if len(bodies.text) == texts:
            bodies.text += bodies.html[htmls:]
        elif len(bodies.html) == htmls:
            bodies.html += bodies.text[texts:]


def _root_of(related: Part) -> int:
    """Return which part the others belong to (RFC 2387 3.2): the named one, else the first that can be read."""
    children = related.children
    start = related.params.get("start", "").strip("<> ")
    if start:
        for index, part in enumerate(children):
            if part.headers.get("content-id").strip("<> ") == start:
                return index
    readable = (i for i, p in enumerate(children) if p.type == "text/html" or p.type.startswith("multipart/"))
    return next(readable, 0)


def _needless(part: Part, parent: Part) -> bool:
    if part.type in _FURTHER_WAYS:
        return _has(parent.children, _TEXTS)
    return part.type in _WRAPPING and len(parent.children) > 1


def _has(parts: Sequence[Part], types: frozenset[str]) -> bool:
    return any(part.type in types for part in parts)


def _is_body(part: Part, first: bool, container: str) -> bool:
    media = part.type.startswith(_MEDIA)
    if part.disposition.value == "attachment" or not (media or part.type in _TEXTS):
        return False
    return first or (container != "related" and (media or given_name(part) == ""))


def _nameless_text(bodies: Bodies) -> None:
    """Some programs call the text an attachment; where a mail has no other and it has no name, it's the text."""
    for part in bodies.files:
        if part.type in _TEXTS | _RARE_TEXTS and not given_name(part):
            bodies.files.remove(part)
            bodies.text.append(part)
            bodies.html.append(part)
            return
