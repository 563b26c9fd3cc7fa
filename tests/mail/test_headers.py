"""Fields, encoded words and parameters, also the broken ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.email.charsets import clean, codec_for, decode
from intake.email.headers import read_date, read_head
from intake.email.values import read_value
from intake.email.words import decode_base64, decode_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?caf=C3=A9?=", "café"),
        ("=?UTF-8?B?Y2Fmw6k=?=", "café"),
        ("=?UTF-8?B?Y2Fmw6k?=", "café"),
        ("=?iso-8859-1?Q?caf=E9?= =?iso-8859-1?Q?_au_lait?=", "café au lait"),
        ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
        ("=?utf-8?q?hello world?=", "hello world"),
        ("=?utf-8*fr?q?caf=C3=A9?=", "café"),
        ("=?x-unknown?q?caf=C3=A9?=", "café"),
        ("=?%CHARSET?q?caf=E9?=", "café"),
        ("=?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?=", "こんにちは"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?utf-8?q?broken", "=?utf-8?q?broken"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8?b?5ryi5a2?=\t=?utf-8?b?XIQ==?=", "漢字!"),  # cut within a group of base64
        ("=?utf-8?b?5ryi?==?utf-8?b?5a2X?=", "漢字"),
        ("=?utf-8?q?What?_now?=", "What? now"),
        ("=?utf-8?q?Was?=C3=9F?=", "Was?ß"),
        ("=?iso-2022-jp?B?GyRCJUYbKEI=?= =?iso-2022-jp?B?GyRCJTklSBsoQg==?=", "テスト"),
        ("=?us-ascii?q?caf=C3=A9?=", "café"),
        ("=?utf-7?q?gr+APY-+AN8-er?=", "größer"),
        ("=?ks_c_5601-1987?B?wK/BpA==?=", "유정"),
        ("=??q?x?= =?utf-8?b??=", "x"),
    ],
)
def test_encoded_words(text: str, expected: str) -> None:
    assert decode_words(text) == expected


def test_line_ends_in_encoded_words_stay_inside() -> None:
    headers, _ = read_head(b"Subject: =?utf-8?q?a=0D=0AX-Inj:_1?=\n\n")
    assert headers.text("subject") == "a X-Inj: 1"
    assert "x-inj" not in headers


@pytest.mark.parametrize(
    ("text", "value", "params"),
    [
        ("text/plain; charset=utf-8", "text/plain", {"charset": "utf-8"}),
        ('TEXT/Plain; Charset="UTF-8"; x', "text/plain", {"charset": "UTF-8"}),
        ("attachment; filename*=utf-8''caf%C3%A9.pdf", "attachment", {"filename": "café.pdf"}),
        ("attachment; filename*0=long; filename*1=name.txt", "attachment", {"filename": "longname.txt"}),
        (
            "attachment; filename*0*=utf-8''caf%C3; filename*1*=%A9.pdf",
            "attachment",
            {"filename": "café.pdf"},
        ),
        ('attachment; filename="=?utf-8?q?caf=C3=A9.pdf?="', "attachment", {"filename": "café.pdf"}),
        ('attachment; filename="a;b\\"c.txt"', "attachment", {"filename": 'a;b"c.txt'}),
        ('attachment; filename="open', "attachment", {"filename": "open"}),
        (
            "attachment; filename=with space.txt; size=1",
            "attachment",
            {"filename": "with space.txt", "size": "1"},
        ),
        ("", "", {}),
        (";;;===;", "", {}),
        ("text/html charset=utf-8", "text/html", {"charset": "utf-8"}),
        ("text/plain (x); charset=utf-8", "text/plain", {"charset": "utf-8"}),
        ("text / html", "text/html", {}),
        ('"text/html"; charset=utf-8', "text/html", {"charset": "utf-8"}),
        ("=?utf-8?q?text/html=3B_charset=3Dutf-8?=", "text/html", {"charset": "utf-8"}),
        ('attachment; filename="a" b.pdf"; size=1', "attachment", {"filename": 'a" b.pdf', "size": "1"}),
        ('attachment filename="a.pdf"', "attachment", {"filename": "a.pdf"}),
        ("multipart/mixed; boundary==_x=_", "multipart/mixed", {"boundary": "=_x=_"}),
    ],
)
def test_values(text: str, value: str, params: dict[str, str]) -> None:
    read = read_value(text)
    assert read.value == value
    assert {name: content for name, content in read.params.items() if content} == params


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("iso-gb2312", "gb18030"),
        ("x-sjis", "cp932"),
        ("cp-850", "cp850"),
        ("iso-8859-8-i", "iso8859-8"),
        ("windows-874", "cp874"),
        ("ks_c_5601-1987", "cp949"),
        ("utf-8*fr", "utf-8"),
        ("x-unknown", None),
        ("unknown-8bit", None),
        ("%CHARSET", None),
        ("zip", None),
        ("hex", None),
        ("idna", None),
        ("unicode_escape", None),
        ("a\x00b", None),
        (None, None),
    ],
)
def test_charset_names(charset: str | None, codec: str | None) -> None:
    assert codec_for(charset) == codec


def test_decoding_never_loses_letters() -> None:
    assert decode("naïve".encode("cp1252"), "us-ascii") == "naïve"
    assert decode("naïve".encode(), "iso-2022-jp") == "naïve"
    assert decode("naïve".encode("cp1252"), "utf-8") == "naïve"
    assert decode("Привет, как дела? Всё хорошо.".encode("cp1251")) != ""


@given(st.binary(max_size=300), st.text(max_size=12))
def test_decoding_never_raises(data: bytes, charset: str) -> None:
    cleaned = clean(decode(data, charset))
    cleaned.encode()
    assert "\x00" not in cleaned
    assert "\r" not in cleaned


@given(st.binary(max_size=400))
def test_reading_a_head_never_raises(data: bytes) -> None:
    headers, body = read_head(data)
    assert 0 <= body <= len(data)
    for name, value in headers.fields:
        headers.text(name).encode()
        read_value(value)
        read_date(value)


def test_dates() -> None:
    assert read_date("Mon, 4 May 2026 10:00:00 +0200") == datetime(2026, 5, 4, 8, tzinfo=UTC)
    assert read_date("4 May 2026 10:00") == datetime(2026, 5, 4, 10, tzinfo=UTC)
    for bad in ("", "yesterday", "Mon, 99 Foo 2026", "1 Jan 0001 00:00:00 +2400"):
        assert read_date(bad) is None


def test_heads_that_real_mail_has() -> None:
    headers, body = read_head(b"From x Mon\nTo: a\n b\ngarbage\nSubject: s\nnot a field at all\nHello\n")
    assert (headers.get("to"), headers.get("subject")) == ("a b", "s")
    assert body == len(b"From x Mon\nTo: a\n b\ngarbage\nSubject: s\n")
    assert (
        read_head(b"Content-Type: multipart/mixed;\nboundary=x\n\n")[0]
        .get("content-type")
        .endswith("boundary=x")
    )


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (b"YWJj", b"abc"),
        (b"YQ", b"a"),
        (b"YQ==\r\nYg==", b"ab"),  # two encoders, one after the other
        (b"YQ==" + b" " * 2_000 + b"Yg==", b"ab"),
        (b"YQ==\r\n____\r\nfooter of the list", b"a"),
        (b"Y!W*J\x00j=", b"abc"),
        (b"YWJjZ", b"abc"),
        (b"=", b""),
    ],
)
def test_base64_as_far_as_it_goes(raw: bytes, content: bytes) -> None:
    assert decode_base64(raw) == content


def test_a_long_head_is_cut_and_says_so() -> None:
    assert read_head(b"Subject: " + b"x" * 70_000 + b"\n\n")[0].cut
    folded, _ = read_head(b"Subject: x\n" + b" y\n" * 500_000 + b"To: a@b.example\n\nHello")
    assert folded.cut
    assert folded.get("to") == "a@b.example"
    assert len(folded.get("subject")) <= 65_536
    many, _ = read_head(b"X: y\n" * 1_001)
    assert (many.cut, len(many.fields)) == (True, 1_000)
    assert not read_head(b"Subject: x\n\n")[0].cut
