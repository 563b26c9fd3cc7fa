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
    name = (charset or "").strip().strip("\"'").lower().partition("*")[0]
    if name in _ALIASES:
        return _ALIASES[name]
    if not _NAME.fullmatch(name):
        return None
    for candidate in (name, name.removeprefix("x-"), name.replace("windows-", "cp").replace("cp-", "cp")):
        try:
            info = codecs.lookup(candidate)
        except (LookupError, ValueError):
            continue
        if getattr(info, "_is_text_encoding", False) and info.name.replace("-", "_") not in _NOT_TEXT:
            return info.name
    return None


def decode(data: bytes, charset: str | None = None, *, guess: bool = True) -> str:
    """Return the text: declared charset, UTF-8, then a guess (`guess`: by letter statistics) and cp1252.

    Control characters are still in it; see `clean`.
    """
    if data.isascii() and b"\x1b" not in data and b"~{" not in data and codec_for(charset) in _ASCII_LIKE:
        return data.decode("ascii")
    codec = codec_for(charset)
    if codec is None and b"\x1b$" in data[:65_536]:
        codec = "iso2022_jp_ext"
    for name in filter(None, (codec, "utf-8")):
        try:
            return data.decode(name)
        except (UnicodeError, ValueError, LookupError):
            continue
    if codec is not None:
        text = data.decode(codec, "replace")
        if text.count("\ufffd") * 50 <= len(text) or codec == "cp1252":
            return text if codec != "cp1252" else _western(data)
    return (_guessed(data) if guess else None) or _western(data)


_ASCII_LIKE: Final = frozenset({None, "utf-8", "cp1252", "cp1250", "cp1251", "gb18030", "cp949", "iso8859-15", "iso8859-2"})  # fmt: skip  # noqa: E501


def _western(data: bytes) -> str:
    """cp1252, with Latin-1 for the five bytes that it leaves open."""
    return "".join(
        run.decode("latin-1") if run in _OPEN else run.decode("cp1252", "replace")
        for run in _SPLIT.split(data)
    )


_SPLIT = re.compile(b"([\x81\x8d\x8f\x90\x9d])")
_OPEN: Final = frozenset({b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"})


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
