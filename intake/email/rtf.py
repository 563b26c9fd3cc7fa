"""Rich text as Outlook puts it into a winmail.dat: unpacked (MS-OXRTFCP), then as text, or as the HTML that it was
made from (MS-OXRTFEX). One pass, bounded in what it puts out; never raises.

Of our own because the libraries for it take quadratic time on crafted input, or can't undo the HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from intake.email.charsets import clean, codec_for, decode

LARGEST: Final = 2_000_000  # bytes of unpacked rich text
_DEEPEST: Final = 1_000
_FIRST: Final = (  # what the packer's dictionary holds at the start (MS-OXRTFCP 2.1.2.1)
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def unpack(data: bytes) -> bytes:
    """Unpack compressed rich text; at most `LARGEST` bytes, b"" where it isn't any. Checksums aren't checked: what
    can be read is better than nothing."""
    kind = data[8:12]
    if kind == b"MELA":
        return data[16 : 16 + min(int.from_bytes(data[4:8], "little"), LARGEST)]
    if kind != b"LZFu":
        return b""
    out = bytearray(_FIRST)
    start, at, end = len(_FIRST), 16, len(data)
    while at < end and len(out) < LARGEST:
        control, at = data[at], at + 1
        for bit in range(8):
            if not control >> bit & 1:
                out += data[at : at + 1]
                at += 1
            elif at + 1 >= end or not _copy(out, data[at] << 8 | data[at + 1]):
                return bytes(out[start:])
            else:
                at += 2
    return bytes(out[start:])


def _copy(out: bytearray, token: int) -> bool:
    """Append what the token refers to in the window of 4,096 bytes; False at its end mark."""
    offset, length = token >> 4, (token & 15) + 2
    back = (len(out) - offset) % 4_096
    if back == 0:
        return False
    for _ in range(length):
        position = len(out) - back
        out.append(out[position] if position >= 0 else 32)  # the window is blank before its first turn
    return True


@dataclass(frozen=True, slots=True)
class _State:
    """What a group inherits and its end undoes."""

    skipped: bool = False  # a destination that isn't text
    tag: bool = False  # HTML as it was written
    rtf_only: bool = False  # what the HTML had otherwise
    fonts: bool = False  # the font table
    after_unicode: int = 1  # letters that stand in for one of \u
    font: str = ""


_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_LETTERS: Final = {"par": "\n", "line": "\n", "sect": "\n\n", "page": "\n\n", "tab": "\t", "row": "\n", "cell": "\t",
                   "emdash": "\u2014", "endash": "\u2013", "emspace": " ", "enspace": " ", "bullet": "\u2022",
                   "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c", "rdblquote": "\u201d"}  # fmt: skip
_NOT_TEXT: Final = frozenset({"colortbl", "stylesheet", "info", "pict", "header", "footer", "object", "themedata",
                              "listtable", "listoverridetable", "generator", "filetbl", "revtbl", "xmlnstbl",
                              "datastore", "latentstyles", "colorschememapping", "objdata", "footnote"})  # fmt: skip
_CHARSETS: Final = {"128": "cp932", "129": "cp949", "134": "gb18030", "136": "cp950", "161": "cp1253", "162": "cp1254",
                    "163": "cp1258", "177": "cp1255", "178": "cp1256", "186": "cp1257", "204": "cp1251",
                    "222": "cp874", "238": "cp1250"}  # fmt: skip


def read_rtf(data: bytes) -> tuple[str, bool]:
    """Return what the rich text says, and whether that is HTML. ("", False) for what isn't rich text."""
    if not data.lstrip()[:5].startswith(b"{\\rtf"):
        return "", False
    reader = _Reader("\\fromhtml" in data[:2_000].decode("latin-1"))
    reader.read(data[:LARGEST].decode("latin-1"))
    return clean(reader.text()).strip("\n"), reader.html


class _Reader:
    """Walks over the tokens once."""

    def __init__(self, html: bool) -> None:
        self.html = html
        self._out: list[str] = []
        self._state = _State()
        self._stack: list[_State] = []
        self._codec = "cp1252"
        self._fonts: dict[str, str] = {}
        self._bytes = bytearray()  # \'xx in a row: letters may have several bytes
        self._skip = 0  # letters that stand in for one of \u
        self._starred = False  # `\*`: whoever doesn't know the next word skips the group

    def read(self, text: str) -> None:
        at = 0
        while at < len(text) and (token := _TOKEN.match(text, at)) is not None:
            at = token.end()
            word, number, hexed, sign, brace, plain = token.groups()
            if hexed:
                self._hex(int(hexed, 16))
                continue
            self._flush()
            if word == "bin":
                at += min(max(int(number or 0), 0), len(text))
            elif word:
                self._word(word, number)
            elif brace:
                self._group(brace == "{")
            elif plain:
                self._add(plain)
            elif sign:
                self._sign(sign)
        self._flush()

    def text(self) -> str:
        pairs = "".join(self._out).encode(
            "utf-16-le", "surrogatepass"
        )  # letters beyond 16 bits come in halves
        return pairs.decode("utf-16-le", "replace")

    def _shown(self) -> bool:
        state = self._state
        if self.html and state.tag:
            return True
        return not (state.skipped or state.fonts or (self.html and state.rtf_only))

    def _add(self, text: str) -> None:
        if self._skip:
            taken = min(self._skip, len(text))
            self._skip -= taken
            text = text[taken:]
        if text and self._shown():
            self._out.append(text)

    def _hex(self, byte: int) -> None:
        if self._skip:
            self._skip -= 1
        elif self._shown():
            self._bytes.append(byte)

    def _flush(self) -> None:
        if self._bytes:
            codec = self._fonts.get(self._state.font, self._codec)
            self._out.append(decode(bytes(self._bytes), codec, guess=False))
            self._bytes.clear()

    def _group(self, opens: bool) -> None:
        self._skip = 0
        self._starred = False
        if opens:
            if len(self._stack) < _DEEPEST:
                self._stack.append(self._state)
        elif self._stack:
            self._state = self._stack.pop()

    def _sign(self, sign: str) -> None:
        if sign == "*":
            self._starred = True
        elif sign in "\\{}":
            self._add(sign)
        elif sign == "~":
            self._add("\u00a0" if not self.html else "&nbsp;")
        elif sign == "_":
            self._add("-")
        elif sign in "\r\n":
            self._add("\n")

    def _word(self, word: str, number: str | None) -> None:
        starred, self._starred = self._starred, False
        if starred and word == "htmltag":
            self._state = replace(self._state, tag=True, skipped=False)
        elif starred or word in _NOT_TEXT:
            self._state = replace(self._state, skipped=True, tag=False)
        elif (letter := _LETTERS.get(word)) is not None:
            self._add(letter)
        elif (act := _ACTS.get(word)) is not None:
            act(self, number)

    def _unicode(self, number: str | None) -> None:
        code = int(number or 63) % 65_536
        if self._shown():
            self._out.append(chr(code))
        self._skip = self._state.after_unicode

    def _font(self, number: str | None) -> None:
        self._state = replace(self._state, font=number or "")

    def _font_charset(self, number: str | None) -> None:
        if self._state.fonts and number in _CHARSETS and len(self._fonts) < 1_000:
            self._fonts[self._state.font] = _CHARSETS[number]

    def _code_page(self, number: str | None) -> None:
        self._codec = codec_for(f"cp{number}") or "cp1252"

    def _html_rtf(self, number: str | None) -> None:
        self._state = replace(self._state, rtf_only=number != "0")

    def _font_table(self, number: str | None) -> None:
        self._state = replace(self._state, fonts=True)

    def _after_unicode(self, number: str | None) -> None:
        self._state = replace(self._state, after_unicode=min(max(int(number or 1), 0), 8))


_ACTS: Final[dict[str, Callable[[_Reader, str | None], None]]] = {
    "u": _Reader._unicode,
    "f": _Reader._font,
    "fcharset": _Reader._font_charset,
    "ansicpg": _Reader._code_page,
    "htmlrtf": _Reader._html_rtf,
    "fonttbl": _Reader._font_table,
    "uc": _Reader._after_unicode,
}
