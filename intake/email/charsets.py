"""Bytes to text, whatever the mail says they are: the declared charset, then UTF-8, then a guess. Never raises."""

from __future__ import annotations

import codecs
import re
from typing import Final

# What mail programs call charsets that Python knows by another name, or that mean a superset in practice
# (WHATWG Encoding, RFC 1922, RFC 1557). None: says nothing, guess.
_ALIASES: Final[dict[str, str | None]] = {
    "ascii": None, "us-ascii": None, "ansi_x3.4-1968": None, "unknown-8bit": None, "x-unknown": None,
    "unknown": None, "8bit": None, "7bit": None, "binary": None, "default": None, "none": None, "iso-8859": None,
    "utf8": "utf-8", "utf": "utf-8", "utf8mb4": "utf-8", "unicode": "utf-8", "utf-8-sig": "utf-8-sig",
    "unicode-1-1-utf-7": "utf-7", "x-unicode-2-0-utf-7": "utf-7",
    "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "iso_8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252",
    "ansi": "cp1252", "x-ansi": "cp1252", "windows1252": "cp1252", "cp-1252": "cp1252", "win-1252": "cp1252",
    "iso-8859-9": "cp1254", "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "iso-8859-6-i": "iso8859-6",
    "iso-8859-6-e": "iso8859-6", "cp-850": "cp850", "cp-437": "cp437", "windows-874": "cp874", "tis-620": "cp874",
    "iso-8859-11": "cp874", "dos-874": "cp874", "win-1251": "cp1251", "x-cp1251": "cp1251", "cp-866": "cp866",
    "koi8": "koi8-r", "koi8-ru": "koi8-u", "macintosh": "mac-roman", "x-mac-roman": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic", "x-mac-ce": "mac-latin2",
    "gb2312": "gb18030", "iso-gb2312": "gb18030", "gb_2312-80": "gb18030", "gb2312-80": "gb18030",
    "csgb2312": "gb18030", "euc-cn": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030",
    "hz-gb-2312": "hz", "big5": "cp950", "big-5": "cp950", "x-x-big5": "cp950", "big5-eten": "cp950",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932",
    "ms_kanji": "cp932", "iso-2022-jp": "iso2022_jp_ext", "csiso2022jp": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext", "cp50220": "iso2022_jp_ext", "cp50221": "iso2022_jp_ext",
    "cp50222": "iso2022_jp_ext", "x-euc-jp": "euc-jp", "eucjp": "euc-jp", "euc-jp-ms": "euc-jp",
    "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949", "ksc5601": "cp949", "ks_c_5601-1989": "cp949",
    "euc-kr": "cp949", "euckr": "cp949", "windows-949": "cp949", "x-windows-949": "cp949", "korean": "cp949",
    "ksc_5601": "cp949", "ks_c-5601-1987": "cp949", "cseuckr": "cp949", "iso-ir-149": "cp949", "windows-1361": "johab",
    "windows-936": "gb18030", "ms936": "gb18030", "cn-gb": "gb18030", "iso-ir-58": "gb18030", "gb18030-2000": "gb18030",
    "windows-950": "cp950", "csbig5": "cp950", "cn-big5": "cp950", "big5-hkscs": "big5hkscs",
    "ms932": "cp932", "windows-932": "cp932", "cp932": "cp932", "csshiftjis": "cp932", "x-ms-cp932": "cp932",
    "cseucpkdfmtjapanese": "euc-jp", "cp51932": "euc-jp", "iso-2022-jp-1": "iso2022_jp_ext", "jis": "iso2022_jp_ext",
    "iso-2022-jp-2": "iso2022_jp_2", "iso-2022-jp-3": "iso2022_jp_3", "jis7": "iso2022_jp_ext",
    "csiso2022kr": "iso2022_kr", "x-windows-874": "cp874", "ibm850": "cp850", "dos-850": "cp850", "pc850": "cp850",
    "iso-8859-1-windows-3.1-latin-1": "cp1252", "x-cp1252": "cp1252", "cp819": "cp1252", "l1": "cp1252",
    "windows-28591": "cp1252", "windows-65001": "utf-8", "cp65001": "utf-8", "unicode-2-0-utf-8": "utf-8",
    "x-user-defined": None, "iso-10646": None, "text": None, "plain": None, "auto": None, "undefined": None,
    "visual": "iso8859-8", "logical": "iso8859-8",
}  # fmt: skip
# Python codecs that are no charset of a mail: one may read escapes or raise on any input.
_NOT_TEXT: Final = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "charmap"}
)
_GUESS_FROM: Final = 16_384  # bytes that the guess looks at
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,39}")


def codec_for(charset: str | None) -> str | None:
    """Return the name of the Python codec to use for the declared charset, or None where that says nothing."""
    name = (charset or "").strip(" \t\r\n\"'<>,;").lower().partition("*")[0]
    if name in _ALIASES:
        return _ALIASES[name]
    if _NAME.fullmatch(name) and (found := _known(name)) is not None:
        return found
    # What was glued to a name that lost its end: `utf-8; format=flowed`, `windows-1252http-equiv`.
    glued = _BEGINNING.match(name)
    if glued is None or glued[0] == name:
        return None
    return codec_for(glued[0])


def _known(name: str) -> str | None:
    for candidate in (name, name.removeprefix("x-"), name.replace("windows-", "cp").replace("cp-", "cp")):
        try:
            info = codecs.lookup(candidate)
        except (LookupError, ValueError):
            continue
        if getattr(info, "_is_text_encoding", False) and info.name.replace("-", "_") not in _NOT_TEXT:
            return info.name
    return None


_BEGINNING = re.compile(
    r"us-ascii|utf-?8|windows-?125\d|windows-?874|iso-?8859-?(?:1[0-6]|[1-9])|koi8-[ru]|gb2312|gbk|gb18030|big5"
    r"|shift_jis|iso-2022-jp|euc-jp|euc-kr|ks_c_5601-1987"
)


def decode(data: bytes, charset: str | None = None, *, guess: bool = True) -> str:
    """Return the text: declared charset, UTF-8, then a guess (`guess`: by letter statistics) and cp1252.

    Control characters are still in it; see `clean`.
    """
    codec = codec_for(charset)
    if data.isascii() and b"\x1b" not in data and b"~{" not in data and codec in _ASCII_LIKE:
        return data.decode("ascii")
    if b"\x1b$" in data[:65_536] and (codec in _ASCII_LIKE or codec in _JAPANESE) and data.isascii():
        codec = "iso2022_jp_ext"
    # UTF-8 isn't valid by accident, and nothing is called Latin-1 by mistake more often.
    tried: tuple[str | None, ...] = ("utf-8", codec) if codec == "cp1252" else (codec, "utf-8")
    if codec in _STATEFUL and data.isascii():  # as UTF-8 its escapes would be text
        tried = (codec,)
    for name in (*filter(None, tried), *_NEXT.get(codec or "", ())):
        try:
            return data.decode(name)
        except (UnicodeError, ValueError, LookupError):
            continue
    if codec == "cp1252":
        return _western(data)
    if codec in _STATEFUL and data.isascii():
        return _jis(data)
    if codec is not None:
        text = data.decode(codec, "replace")
        if text.count("\ufffd") * 50 <= len(text):
            return text
    return (_guessed(data) if guess else None) or _western(data)


_ASCII_LIKE: Final = frozenset(
    {None, "utf-8", "cp1252", "cp1250", "cp1251", "cp949", "gb18030", "iso8859-15"}
)
_STATEFUL: Final = frozenset({"iso2022_jp_ext", "iso2022_jp_2", "iso2022_jp_3"})
_JAPANESE: Final = frozenset({"cp932", "euc_jp", "euc-jp", "iso2022_jp_ext", "iso2022_jp"})
# Supersets that programs put under the name of what they extend.
_NEXT: Final[dict[str, tuple[str, ...]]] = {
    "cp950": ("big5hkscs",), "cp932": ("euc_jp",), "euc-jp": ("cp932",), "iso8859-8": ("cp1255",),
    "iso2022_jp_2": ("iso2022_jp_ext",),
}  # fmt: skip

_CP1252: Final = "".join(  # with Latin-1 for the five bytes that it leaves open
    bytes([n]).decode("latin-1" if n in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else "cp1252") for n in range(256)
)


def _western(data: bytes) -> str:
    return codecs.charmap_decode(data, "strict", _CP1252)[0]


_ESCAPE = re.compile(rb"\x1b(\$\([D@B]|\$[@B]|\([BJIHA])")


def _jis(data: bytes) -> str:
    """ISO-2022-JP with the circled numbers and company signs that Windows puts into it (cp50221): each run of two-byte
    letters is moved to where cp932 has it (JIS X 0208 to Shift_JIS)."""
    out: list[str] = []
    mode, at = b"(B", 0
    for match in _ESCAPE.finditer(data):
        out.append(_jis_run(data[at : match.start()], mode))
        mode, at = match[1], match.end()
    out.append(_jis_run(data[at:], mode))
    return "".join(out)


def _jis_run(run: bytes, mode: bytes) -> str:
    if mode == b"(I":
        return bytes(byte | 0x80 for byte in run).decode("cp932", "replace")
    if mode not in (b"$@", b"$B"):
        return run.decode("ascii", "replace")
    moved = bytearray()
    for row, cell in zip(run[::2], run[1::2], strict=False):
        if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
            moved += b"?"
            continue
        moved.append((row + 1) // 2 + (0x70 if row < 0x5F else 0xB0))
        moved.append(cell + 0x7E if row % 2 == 0 else cell + (0x1F if cell < 0x60 else 0x20))
    return moved.decode("cp932", "replace")


def _guessed(data: bytes) -> str | None:
    """Guess by statistics; only worth it where there is enough to count. Imports late: it's 10 MB."""
    sample = data[:_GUESS_FROM]
    high = sum(1 for byte in sample if byte > 127)
    if high < 16:
        return None
    from charset_normalizer import from_bytes

    best = from_bytes(sample, steps=3, chunk_size=1024).best()
    if best is None or best.encoding in ("utf_16_be", "utf_16_le", "utf_7"):
        return None
    text = data.decode(best.encoding, "replace")
    return text if text.count("\ufffd") * 20 <= len(text) else None


def clean(text: str) -> str:
    """Return the text with `\\n` line ends and without control characters, NULs and lone surrogates."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", text)


def one_line(text: str) -> str:
    """Return the text as one line: runs of white space and line ends become one space."""
    return " ".join(_CONTROLS.sub(" ", text.replace("\r", " ")).split())
