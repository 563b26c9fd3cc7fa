"""winmail.dat: what Outlook packs a mail into (MS-OXTNEF). Files, the body, mails within. Bounded, never raises.

A reader of our own: tnefparse 1.4 copies the rest of the stream for each attribute (quadratic), counts up to whatever
a stream says (a few bytes keep it busy for hours), and takes trailing zero bytes from files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from intake.email.charsets import clean, decode
from intake.email.files import Loose
from intake.email.rtf import read_rtf, unpack

SIGNATURE: Final = b"\x78\x9f\x3e\x22"
_MOST_FILES: Final = 200
_MOST_ATTRIBUTES: Final = 20_000
_MOST_PROPERTIES: Final = 20_000
_DEEPEST: Final = 3  # mails within mails
_ATTRIBUTE = struct.Struct(
    "<BIi"
)  # level, tag (its lower half is the name, the upper a type that may be wrong), length
_MESSAGE_ID: Final = bytes.fromhex("0703020000000000c000000000000046")  # IID_IMessage before a mail within

# Attributes (MS-OXTNEF 2.1.3.1) and properties (MS-OXPROPS) that we read.
_BODY, _MESSAGE, _CODE_PAGE = 0x800C, 0x9003, 0x9007
_RENDERING, _TITLE, _DATA, _ATTACHMENT = 0x9002, 0x8010, 0x800F, 0x9005
_P_BODY, _P_RTF, _P_HTML, _P_CODE_PAGE, _P_SUBJECT = 0x1000, 0x1009, 0x1013, 0x3FDE, 0x0037
_P_DATA, _P_NAME, _P_LONG_NAME, _P_SHOWN_NAME = 0x3701, 0x3704, 0x3707, 0x3001
_P_TYPE, _P_CID, _P_TRANSPORT_NAME = 0x370E, 0x3712, 0x370C
_SIZES: Final = {0x0002: 4, 0x0003: 4, 0x0004: 4, 0x000A: 4, 0x000B: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x0014: 8,
                 0x0040: 8, 0x0048: 16, 0x0001: 0}  # fmt: skip
_TEXT8, _TEXT16, _BINARY, _OBJECT, _LONG = 0x001E, 0x001F, 0x0102, 0x000D, 0x0003


@dataclass(slots=True)
class Winmail:
    """What was in it. `html` is markup; `text` was read as such. `whole`: everything could be read."""

    files: list[Loose] = field(default_factory=list)
    text: str = ""
    html: str = ""
    whole: bool = True


@dataclass(slots=True)
class _Entry:
    """An attached file while its attributes come in."""

    title: str = ""
    data: bytes = b""
    given: dict[int, bytes | str] = field(default_factory=dict)


@dataclass(slots=True)
class _Mail:
    """The mail's own properties."""

    code_page: str = "cp1252"
    body: bytes = b""
    given: dict[int, bytes | str] = field(default_factory=dict)


def read_tnef(data: bytes, depth: int = 0) -> Winmail | None:
    """Return what is in a winmail.dat, None where it isn't one."""
    if not data.startswith(SIGNATURE):
        return None
    found = Winmail()
    mail, entries = _Mail(), list[_Entry]()
    for tag, content in _attributes(data, found):
        try:
            _take(tag, content, mail, entries)
        except (struct.error, IndexError, ValueError, UnicodeError):
            found.whole = False
        if len(entries) > _MOST_FILES:
            found.whole = False
            break
    _bodies(found, mail)
    for entry in entries[:_MOST_FILES]:
        _add_file(found, entry, depth)
    return found


def _attributes(data: bytes, found: Winmail) -> Iterator[tuple[int, memoryview]]:
    """Yield tag and content of each attribute. Checksums aren't checked: many programs write wrong ones."""
    view, at, count = memoryview(data), 6, 0
    while at + 11 <= len(data):
        level, tag, length = _ATTRIBUTE.unpack_from(data, at)
        if level not in (1, 2) or length < 0 or count >= _MOST_ATTRIBUTES:
            found.whole = (
                found.whole and count > 0 and count < _MOST_ATTRIBUTES
            )  # garbage at the end is common
            return
        at += _ATTRIBUTE.size
        if at + length > len(data):
            found.whole = False
        yield tag & 0xFFFF, view[at : at + length]
        at += length + 2
        count += 1
    found.whole = found.whole and count > 0


def _take(tag: int, content: memoryview, mail: _Mail, entries: list[_Entry]) -> None:
    if tag == _CODE_PAGE and len(content) >= 4:
        mail.code_page = f"cp{int.from_bytes(content[:4], 'little')}"
    elif tag == _BODY:
        mail.body = bytes(content).split(b"\0", 1)[0]
    elif tag == _MESSAGE:
        _properties(content, mail.code_page, mail.given)
    elif tag == _RENDERING:
        if len(entries) <= _MOST_FILES:
            entries.append(_Entry())
    elif tag in (_TITLE, _DATA, _ATTACHMENT):
        if not entries:
            entries.append(_Entry())
        entry = entries[-1]
        if tag == _TITLE:
            entry.title = _text8(bytes(content), mail.code_page)
        elif tag == _DATA:
            entry.data = bytes(content)
        else:
            _properties(content, mail.code_page, entry.given)


def _properties(data: memoryview, code_page: str, given: dict[int, bytes | str]) -> None:
    """Read a list of properties (MS-OXTNEF 2.1.3.4) into `given`. Raises `struct.error` where it breaks off."""
    (count,) = struct.unpack_from("<I", data, 0)
    at = 4
    for _ in range(min(count, _MOST_PROPERTIES)):
        kind, name = struct.unpack_from("<HH", data, at)
        at += 4
        if name >= 0x8000:
            at = _past_name(data, at)
        many = bool(kind & 0x1000)
        kind &= 0xEFFF
        values = 1
        if many or kind in (_TEXT8, _TEXT16, _BINARY, _OBJECT):
            (values,) = struct.unpack_from("<I", data, at)
            at += 4
        for _ in range(min(values, _MOST_PROPERTIES)):
            value, at = _value(data, at, kind, code_page)
            if value is not None and not many:
                given.setdefault(name, value)


def _past_name(data: memoryview, at: int) -> int:
    (kind,) = struct.unpack_from("<I", data, at + 16)
    if kind == 0:
        return at + 24
    (length,) = struct.unpack_from("<I", data, at + 20)
    return at + 24 + int(length) + -int(length) % 4


def _value(data: memoryview, at: int, kind: int, code_page: str) -> tuple[bytes | str | None, int]:
    size = _SIZES.get(kind)
    if size is not None:
        value = bytes(data[at : at + size]) if kind == _LONG else None
        return value, at + size
    if kind not in (_TEXT8, _TEXT16, _BINARY, _OBJECT):
        raise ValueError("a kind of property that nobody knows")
    (length,) = struct.unpack_from("<I", data, at)
    at += 4
    raw = bytes(data[at : at + length])
    after = at + int(length) + -int(length) % 4
    if after > len(data) + 3:
        raise ValueError("a property that ends behind its list")
    if kind == _TEXT16:
        return raw.decode("utf-16-le", "replace").split("\0", 1)[0], after
    return (_text8(raw, code_page) if kind == _TEXT8 else raw), after


def _text8(raw: bytes, code_page: str) -> str:
    return decode(raw.split(b"\0", 1)[0], code_page, guess=False)


def _bodies(found: Winmail, mail: _Mail) -> None:
    """Plain text before HTML before rich text; a program that reads us shows the first that is there."""
    number = mail.given.get(_P_CODE_PAGE)
    page = f"cp{int.from_bytes(number, 'little')}" if isinstance(number, bytes) else mail.code_page
    body, markup = mail.given.get(_P_BODY), mail.given.get(_P_HTML)
    if body:
        found.text = clean(body if isinstance(body, str) else decode(body, page)).strip("\n")
    elif mail.body:
        found.text = clean(decode(mail.body, mail.code_page)).strip("\n")
    if markup:
        found.html = clean(markup if isinstance(markup, str) else decode(markup, page))
    packed = mail.given.get(_P_RTF)
    if isinstance(packed, bytes) and not found.html:
        said, is_html = read_rtf(unpack(packed))
        if is_html:
            found.html = said
        elif not found.text:
            found.text = said


def _add_file(found: Winmail, entry: _Entry, depth: int) -> None:
    given = entry.given
    names = (given.get(n) for n in (_P_LONG_NAME, _P_TRANSPORT_NAME, _P_NAME))
    name = next((n for n in names if isinstance(n, str) and n), "") or entry.title
    shown = given.get(_P_SHOWN_NAME)
    name = name or (shown if isinstance(shown, str) else "")
    content = entry.data
    inner = given.get(_P_DATA)
    if isinstance(inner, bytes) and inner:  # beside it, the attribute is but a place-holder
        if inner.startswith(_MESSAGE_ID) and depth < _DEEPEST:
            mail = read_tnef(inner[16:], depth + 1)
            if mail is not None and (mail.text or mail.html or mail.files):
                _add_mail(found, mail, name)
                return
        content = inner[16:] if inner.startswith(_MESSAGE_ID) else inner
    kind, cid = given.get(_P_TYPE), given.get(_P_CID)
    found.files.append(
        Loose(
            name or f"file-{len(found.files) + 1}.bin",
            content,
            kind.lower() if isinstance(kind, str) and "/" in kind else "application/octet-stream",
            cid.strip("<> ") if isinstance(cid, str) else "",
        )
    )


def _add_mail(found: Winmail, mail: Winmail, name: str) -> None:
    """A mail within: its text as a file, then its files. Its words aren't the sender's."""
    found.whole = found.whole and mail.whole
    said, ending = (mail.text, "txt") if mail.text else (mail.html, "html.txt")
    if said:
        found.files.append(Loose(f"{name or 'message'}.{ending}", said.encode(), "text/plain"))
    found.files += mail.files[: max(_MOST_FILES - len(found.files), 0)]
