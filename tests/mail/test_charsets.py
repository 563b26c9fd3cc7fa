"""Bytes to text, whatever their mail calls them: names that programs use, and what to do where the name is wrong."""

from __future__ import annotations

import time

import pytest

from intake.email.charsets import codec_for, decode
from intake.email.parse import parse
from tests.mail.written import mail, multipart, parsed

RUSSIAN = "Добрый день, принтер не печатает."
JAPANESE = "プリンターが動きません"
CHINESE = "打印机不工作"
KOREAN = "프린터가 작동하지 않습니다"
THAI = "เครื่องพิมพ์เสีย"
HEBREW = "המדפסת לא עובדת"

SPOKEN = [
    ("gb2312", "gbk", CHINESE), ("GB2312", "gb18030", "镕基"), ("iso-gb2312", "gbk", CHINESE),
    ("x-gbk", "gbk", CHINESE), ("hz-gb-2312", "hz", CHINESE), ("big5", "big5", "印表機"),
    ("x-x-big5", "big5", "印表機"), ("big5", "big5hkscs", "喺度嘅"), ("x-sjis", "shift_jis", JAPANESE),
    ("shift_jis", "cp932", "①髙﨑"), ("windows-31j", "cp932", "①髙﨑"), ("iso-2022-jp", "iso2022_jp", JAPANESE),
    ("csISO2022JP", "iso2022_jp", JAPANESE), ("iso-2022-jp-ms", "iso2022_jp", JAPANESE),
    ("x-euc-jp", "euc_jp", JAPANESE),
    ("ks_c_5601-1987", "cp949", KOREAN), ("ks_c_5601", "euc_kr", KOREAN), ("iso-2022-kr", "iso2022_kr", KOREAN),
    ("windows-949", "cp949", "똠방각하"), ("windows-874", "cp874", THAI), ("tis-620", "cp874", THAI),
    ("iso-8859-8-i", "iso8859_8", HEBREW), ("windows-1255", "cp1255", HEBREW), ("cp-850", "cp850", "größer"),
    ("koi8-r", "koi8_r", RUSSIAN), ("win-1251", "cp1251", RUSSIAN), ("cp-866", "cp866", RUSSIAN),
    ("unicode-1-1-utf-7", "utf_7", "größer + mehr"), ("utf-7", "utf_7", RUSSIAN), ("utf8", "utf-8", RUSSIAN),
    ("macintosh", "mac_roman", "größer"), ("iso-8859-9", "cp1254", "yazıcı çalışmıyor"),
    ("latin1", "cp1252", "„größer“ – €"),
    ("utf-16", "utf-16", RUSSIAN), ("windows-1252http-equivcontent-type", "cp1252", "größer"),
    ("utf-8; format=flowed", "utf-8", "größer"), ("'utf-8'", "utf-8", "größer"), ("utf-8*fr", "utf-8", "déjà vu"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec", "text"), SPOKEN, ids=[f"{n}-{c}" for n, c, _ in SPOKEN])
def test_declared_charsets(name: str, codec: str, text: str) -> None:
    assert decode(text.encode(codec), name) == text


def test_windows_letters_in_iso_2022_jp() -> None:
    circled = b"\x1b$B-!\x1b(B 1 \x1b$B%W%j%s%?!<-j\x1b(B"  # NEC row 13, as Outlook writes it
    assert decode(circled, "iso-2022-jp") == "① 1 プリンター㈱"
    assert decode(b"\x1b(I1\x1b(B", "iso-2022-jp") == "ｱ"
    assert decode(b"\x1b$B%W%j\x1b(B", None) == "プリ"
    assert decode(b"\x1b$B%W%j\x1b(B", "us-ascii") == "プリ"


@pytest.mark.parametrize(
    "charset", ["x-unknown", "%CHARSET", "", "zip", "hex", "idna", "us-ascii", "a\x00b", "unknown-8bit"]
)
def test_a_name_that_says_nothing_loses_nothing(charset: str) -> None:
    assert decode("größer".encode(), charset) == "größer"
    assert decode("größer".encode("cp1252"), charset) == "größer"
    assert decode(b"plain", charset) == "plain"


def test_utf8_under_a_wrong_name() -> None:
    for charset in ("iso-8859-1", "windows-1252", "us-ascii", "iso-2022-jp", "unknown"):
        assert decode("größer 漢字".encode(), charset) == "größer 漢字"


def test_a_few_wrong_bytes_cost_only_themselves() -> None:
    text = RUSSIAN * 10
    broken = text.encode()[:-1]  # cut within the last letter
    assert decode(broken + b"\xd0", "utf-8").startswith(text[:-1])
    assert decode(b"caf\xe9 \x81 \x8d", "iso-8859-1") == "café \x81 \x8d"


def test_letters_tell_the_charset_where_nobody_does() -> None:
    assert decode((RUSSIAN * 5).encode("cp1251")) == RUSSIAN * 5


def test_names_that_are_no_text() -> None:
    for name in (
        "unicode_escape",
        "raw_unicode_escape",
        "punycode",
        "undefined",
        "rot13",
        "base64",
        "charmap",
    ):
        assert codec_for(name) is None
    assert decode(b"C:\\new\\temp", "unicode_escape") == r"C:\new\temp"


def test_raw_letters_in_the_head_are_read_as_the_text_is() -> None:
    subject = RUSSIAN.encode("koi8-r").decode("utf-8", "surrogateescape")
    assert parsed("x", subject=subject, content_type="text/plain; charset=koi8-r").subject == RUSSIAN
    part = b"Content-Type: text/plain; charset=koi8-r\r\n\r\n" + RUSSIAN.encode("koi8-r")
    read = parse(multipart("mixed", part, subject=subject, from_=f"{subject} <a@x.example>"))
    assert (read.subject, read.text) == (RUSSIAN, RUSSIAN)
    assert read.mailboxes("from")[0].name == RUSSIAN
    assert parse(mail("x", subject="größer", content_type="text/plain; charset=koi8-r")).subject == "größer"


def test_much_text_in_no_charset_takes_little_time() -> None:
    began = time.process_time()
    for data in (b"\x81" * 4_000_000, b"\xff\xfe" * 2_000_000, b"\x1b$B!!\x1b(B" * 500_000):
        decode(data, "iso-2022-jp")
        decode(data, None)
    assert time.process_time() - began < 10
