"""MIME: which part is text, which a file; limits; broken mail."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.email.files import safe_name
from intake.email.flowed import unflow
from intake.email.parse import parse
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


def test_broken_multiparts_still_give_their_parts() -> None:
    body = "--x\nContent-Type: text/plain\n\none\n--x\nContent-Type: text/plain; name=a.txt\n\ntwo\n--x--\n"
    for kind in ("multipart/mixed", 'multipart/mixed; boundary="wrong"', 'multipart/mixed; boundary="x "'):
        read = parsed(body, content_type=kind)
        assert (read.text, [f.name for f in read.files]) == ("one", ["a.txt"]), kind
    spaced = parsed(body.replace("--x\n", "--x  \t\n"), content_type="multipart/mixed; boundary=x")
    assert spaced.text == "one"
    encoded = parsed(
        base64.encodebytes(body.encode()),
        content_type="multipart/mixed; boundary=x",
        content_transfer_encoding="base64",
    )
    assert (encoded.text, [f.content for f in encoded.files]) == ("one", [b"two"])
    again = parsed(
        body + "--x\nContent-Type: text/plain\n\nafter the end\n--x--\n",
        content_type="multipart/mixed; boundary=x",
    )
    assert again.text == "one\n\nafter the end"
    empty = parsed("--x--\n", content_type="multipart/mixed; boundary=x")
    assert empty.files == ()


def test_fields_that_come_twice() -> None:
    read = parsed("<p>rich</p>", content_type=["nonsense", "text/html"])
    assert read.text == "rich"
    read = parsed(
        "Y2Fmw6k=", content_type="text/plain; charset=utf-8", content_transfer_encoding=["8bits", "base64"]
    )
    assert read.text == "café"


def test_the_root_of_related_parts_may_come_last() -> None:
    image = "Content-Type: image/png\r\nContent-ID: <a@x>\r\n\r\npng"
    page = "Content-Type: text/html\r\nContent-ID: <root@x>\r\n\r\n<p>see <img src=cid:a@x></p>"
    assert parse(multipart("related", image, page)).text == "see"
    named = multipart("related", image, page).replace(b"related;", b'related; start="<root@x>";')
    assert (parse(named).text, parse(named).files[0].inline_cid) == ("see", "a@x")


def test_text_and_pictures_in_turn() -> None:
    image = "Content-Type: image/png; name=a.png\r\nContent-Disposition: inline\r\n\r\npng"
    read = parse(multipart("mixed", TEXT + "one", image, TEXT + "two", image, TEXT + "footer of the list"))
    assert (read.text, [f.name for f in read.files]) == (
        "one\n\ntwo\n\nfooter of the list",
        ["a.png", "a (2).png"],
    )


def test_pictures_by_location_and_the_same_picture_twice() -> None:
    page = HTML + '<img src="http://x.example/a.png"><img src="cid:one@x"><img src="cid:two@x">'
    picture = "Content-Type: image/png\r\nContent-{}\r\n\r\nsame"
    other = "Content-Type: image/png\r\nContent-Location: http://x.example/a.png\r\n\r\nother"
    read = parse(
        multipart("related", page, other, picture.format("ID: <one@x>"), picture.format("ID: <two@x>"))
    )
    assert [f.inline_cid for f in read.files] == ["part-1", "one@x"]
    assert read.html == '<img src="cid:part-1"><img src="cid:one@x"><img src="cid:one@x">'
    attached = "Content-Type: image/png; name=a.png\r\nContent-Disposition: attachment\r\n\r\nsame"
    assert len(parse(multipart("mixed", page, attached, attached)).files) == 2


def test_files_in_the_text() -> None:
    block = "begin 644 cat.txt\n#8V%T\n`\nend\n"
    read = parsed(f"See:\n{block}Bye\n{block}")
    assert read.text == "See:\nBye"
    assert [(f.name, f.content_type, f.content) for f in read.files] == [
        ("cat.txt", "text/plain", b"cat"),
        ("cat (2).txt", "text/plain", b"cat"),
    ]
    for prose in ("begin 644 words that follow\nare prose\nend\n", "begin 644 x\n", "begin  now\nend"):
        read = parsed(prose)
        assert (read.text, read.files) == (prose.rstrip(), ())


def test_what_is_elsewhere_or_in_pieces_is_said() -> None:
    outside = 'Content-Type: message/external-body; access-type=URL; URL="http://x.example/"\r\n\r\nContent-ID: <a>\r\n'
    read = parse(multipart("mixed", TEXT + "see", outside))
    assert "was not fetched" in read.remarks[0]
    piece = parsed("x", content_type="message/partial; id=a; number=2; total=3")
    assert piece.remarks == ("one piece (2 of 3) of a larger mail; pieces are not put together",)
    assert len(piece.files) == 1


def test_apple_double_and_other_ways_to_say_the_same() -> None:
    fork = "Content-Type: application/applefile; name=a.pdf\r\n\r\nfork"
    file = "Content-Type: application/pdf; name=a.pdf\r\n\r\ndata"
    inner = (
        f'Content-Type: multipart/appledouble; boundary="y"\r\n\r\n--y\r\n{fork}\r\n--y\r\n{file}\r\n--y--'
    )
    assert [f.content for f in parse(multipart("mixed", TEXT + "x", inner)).files] == [b"data"]
    amp = "Content-Type: text/x-amp-html\r\n\r\n<html amp4email>"
    assert parse(multipart("alternative", TEXT + "x", amp, HTML + "<p>x</p>")).files == ()
    enriched = "Content-Type: text/enriched\r\n\r\n<bold>Hi</bold> <<there"
    assert parse(multipart("alternative", enriched)).text == "Hi <there"


def test_types_that_say_nothing_give_way_to_the_name() -> None:
    for declared in ("pdf", "application", "x y z", "/"):
        part = f'Content-Type: {declared}\r\nContent-Disposition: attachment; filename="a.pdf"\r\n\r\nx'
        assert parse(multipart("mixed", TEXT + "x", part)).files[0].content_type == "application/pdf"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('filename="a.pdf"', "a.pdf"),
        ("filename=\"na%C3%AFve.pdf\"", "naïve.pdf"),
        ('filename="100%25.pdf"', "100%25.pdf"),
        ('filename="my "best" file.pdf"', "my _best_ file.pdf"),
        ("filename*=utf-8''a%0D%0Ab.pdf", "a b.pdf"),
        ("filename*0*=utf-8''%E6%BC; filename*1*=%A2.pdf", "漢.pdf"),
        ("filename*=iso-8859-1'de'gr%F6%DFer.pdf; filename=x.pdf", "größer.pdf"),
        ("filename==?utf-8?B?5ryi?=.pdf", "漢.pdf"),
        ('filename="漢字.pdf"', "漢字.pdf"),
        (f'filename="{"漢" * 300}.pdf"', "漢" * 76 + ".pdf"),
        ('filename="con .txt"', "_con.txt"),
        ('filename="a\u200b\u061cb.txt"', "a__b.txt"),
    ],
)  # fmt: skip
def test_names_of_files(head: str, name: str) -> None:
    part = f"Content-Type: application/pdf; name=other\r\nContent-Disposition: attachment; {head}\r\n\r\nx"
    [file] = parse(multipart("mixed", TEXT + "x", part)).files
    assert file.name == name
    assert len(file.name.encode()) < 255


def test_text_that_is_called_an_attachment() -> None:
    assert parsed("words", content_disposition="attachment").text == "words"
    named = parsed("words", content_disposition="attachment; filename=a.txt")
    assert (named.text, [f.name for f in named.files]) == ("", ["a.txt"])


def test_line_ends_of_old_macs() -> None:
    read = parse(b"Subject: Old\rFrom: a@b.example\r\rone\rtwo\r")
    assert (read.subject, read.text) == ("Old", "one\ntwo")


def test_text_that_is_too_long_to_show_is_attached() -> None:
    for size in (1_200_000, 9_000_000):
        read = parsed("word " * (size // 5))
        assert len(read.text) == 1_000_000
        assert [f.content_type for f in read.files] == ["text/plain"]
        assert read.files[0].size >= size - 1
        assert "all of it is attached" in read.remarks[0]
