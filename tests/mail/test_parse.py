"""MIME: which part is text, which a file; limits; broken mail."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.email.parse import parse, safe_name, unflow
from tests.mail.written import mail, multipart, parsed

TEXT = "Content-Type: text/plain\r\n\r\n"
HTML = "Content-Type: text/html\r\n\r\n"


def test_a_plain_mail() -> None:
    read = parsed("Hello\r\nthere\r\n")
    assert (read.text, read.html, read.files) == ("Hello\nthere", None, ())
    assert (read.subject, read.message_id) == ("Printer", "1@customer.example")


def test_text_is_preferred_and_html_kept() -> None:
    read = parse(multipart("alternative", TEXT + "plain", HTML + "<p>rich</p>"))
    assert (read.text, read.html, read.from_html) == ("plain", "<p>rich</p>", False)
    assert read.files == ()


def test_html_alone_becomes_text() -> None:
    read = parse(multipart("alternative", TEXT + " ", HTML + "<p>rich</p>"))
    assert (read.text, read.from_html) == ("rich", True)
    assert parse(mail("<b>rich</b>", content_type="text/html")).text == "rich"


def test_files_and_inline_parts() -> None:
    picture = base64.b64encode(b"\x89PNG").decode()
    read = parse(
        multipart(
            "related",
            HTML + '<p>see <img src="cid:Logo@x"></p>',
            f"Content-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n{picture}",
            'Content-Type: text/plain; name="notes.txt"\r\nContent-Disposition: attachment\r\n\r\nnotes',
        )
    )
    image, notes = read.files
    assert (image.name, image.content_type, image.content, image.inline_cid) == (
        "part-1.png",
        "image/png",
        b"\x89PNG",
        "logo@x",
    )
    assert (notes.name, notes.content, notes.inline_cid) == ("notes.txt", b"notes", None)
    assert notes.sha256 == hashlib.sha256(b"notes").digest()
    assert read.text == "see"


def test_a_mail_in_a_mail_is_a_file() -> None:
    inner = "Content-Type: message/rfc822\r\n\r\nSubject: Inner\r\nFrom: x@y.example\r\n\r\nhi"
    read = parse(multipart("mixed", TEXT + "see below", inner))
    assert [(f.name, f.content_type) for f in read.files] == [("Inner.eml", "message/rfc822")]
    assert b"From: x@y.example" in (read.files[0].content or b"")
    assert read.text == "see below"


def test_calendar_and_unknown_parts_are_files() -> None:
    read = parse(
        multipart("alternative", TEXT + "invite", "Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN")
    )
    assert (read.text, [f.name for f in read.files]) == ("invite", ["part-1.ics"])


def test_text_on_both_sides_of_a_file_is_kept() -> None:
    file = "Content-Type: application/pdf; name=a.pdf\r\n\r\nx"
    assert parse(multipart("mixed", TEXT + "one", file, TEXT + "two")).text == "one\n\ntwo"


def test_the_same_name_twice_and_empty_files() -> None:
    file = 'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="a.pdf"\r\n\r\n'
    read = parse(multipart("mixed", TEXT + "x", file, file + "y"))
    assert [(f.name, f.size) for f in read.files] == [("a.pdf", 0), ("a (2).pdf", 1)]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        (".hidden", "hidden"),
        ("a\r\nb.txt", "a b.txt"),
        ("exe\u202etxt.doc", "exe_txt.doc"),
        ("", "file"),
        ("...", "file"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("a<b>:c?.txt", "a_b__c_.txt"),
        ("=?utf-8?q?caf=C3=A9.pdf?=", "café.pdf"),
    ],
)
def test_file_names_are_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_transfer_encodings() -> None:
    assert (
        parsed(
            "caf=C3=A9=\nx",
            content_type="text/plain; charset=utf-8",
            content_transfer_encoding="Quoted-Printable",
        ).text
        == "caféx"
    )
    assert (
        parsed("Y2Fmw6k", content_type="text/plain; charset=utf-8", content_transfer_encoding="base64").text
        == "café"
    )
    assert (
        parsed(
            "Y2Fm!!w6k=\n", content_type="text/plain; charset=utf-8", content_transfer_encoding="base64"
        ).text
        == "café"
    )
    assert parsed("begin 644 a\n#8V%T\n`\nend\n", content_transfer_encoding="x-uuencode").text == "cat"
    assert parsed("text", content_transfer_encoding="strange").text == "text"


def test_unknown_charsets_lose_nothing() -> None:
    for charset in ("x-unknown", "iso-gb2312", "%CHARSET", "utf-8*fr", "zip", ""):
        assert parsed("cafe", content_type=f"text/plain; charset={charset}").text == "cafe"
    assert parsed("grüße".encode(), content_type="text/plain; charset=x-unknown").text == "grüße"
    assert parsed("grüße".encode("latin-1"), content_type="text/plain; charset=us-ascii").text == "grüße"


def test_no_control_characters_come_out() -> None:
    read = parsed(b"a\x00b\x07c\r\nd\xed\xa0\x80", subject="x\x00y", content_type="text/plain; charset=utf-8")
    assert "\x00" not in read.text
    assert "\x07" not in read.text
    assert read.subject == "x y"
    read.text.encode()


def test_flowed_text_is_joined() -> None:
    flowed = "This is one \nparagraph.\n> quoted \n> text\n-- \nsig\n"
    assert (
        parsed(flowed, content_type="text/plain; format=flowed").text
        == "This is one paragraph.\n> quoted text\n-- \nsig"
    )
    assert unflow("a \nb", delete_space=True) == "ab"
    assert unflow("> x \n>> y") == "> x \n>> y"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/mixed",
        "multipart/mixed; boundary=",
        'multipart/mixed; boundary="never"',
        "nonsense",
        "=?utf-8?q?x?=",
        "text",
    ],
)
def test_broken_types_still_show_the_text(content_type: str) -> None:
    assert "Hello" in parsed("Hello", content_type=content_type).text


def test_an_unclosed_multipart_is_read() -> None:
    read = parsed("--x\nContent-Type: text/plain\n\ncut sho", content_type="multipart/mixed; boundary=x")
    assert read.text == "cut sho"


def test_similar_boundaries_are_told_apart() -> None:
    inner = "--b1\n\nin\n--b1--\n"
    body = f"--b\nContent-Type: multipart/mixed; boundary=b1\n\n{inner}--b\n\nout\n--b--\n"
    assert parsed(body, content_type="multipart/mixed; boundary=b").text == "in\n\nout"


def test_parts_are_limited_and_the_rest_is_attached() -> None:
    read = parsed("--x\n\na\n" * 300_000, content_type="multipart/mixed; boundary=x")
    assert len(read.files) + read.text.count("a") <= 201
    assert read.files[-1].name == "further-parts.txt"
    assert read.files[-1].size > 1_000_000
    assert "200 parts" in read.remarks[0]


def test_depth_is_limited() -> None:
    body = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(1_000))
    read = parse(b"From: a@b.example\n" + body.encode() + b"\ndeep")
    assert read.remarks
    assert len(read.files) == 1
    assert (read.files[0].content or b"").endswith(b"deep")


def test_no_mail_at_all() -> None:
    assert parse(b"").text == ""
    assert parse(b"just words").text == "just words"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2_000))
def test_any_bytes_can_be_parsed(raw: bytes) -> None:
    for whole in (
        raw,
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n" + raw,
        b"Content-Type: text/html\n\n" + raw,
    ):
        read = parse(whole)
        f"{read.subject}{read.text}{read.html}{read.message_id}".encode()
