"""winmail.dat: files, bodies and mails within come out; nothing in one can hurt."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.email.parse import parse
from intake.email.rtf import LARGEST, read_rtf, unpack
from intake.email.tnef import read_tnef
from tests.mail import tnef_samples as build
from tests.mail.written import multipart

TEXT = "Content-Type: text/plain\r\n\r\n"
WINMAIL = b'Content-Type: application/ms-tnef; name="winmail.dat"\r\n\r\n'
FROM_HTML = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Gr\'fc\'dfe, \u8364 ?5"
    rb"{\*\htmltag84 <b>}\htmlrtf \b\htmlrtf0 now{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0 {\*\htmltag72 </p>}}"
)


def test_files_come_out_byte_for_byte() -> None:
    content = b"\x00\x01data\x00\x00"
    found = read_tnef(
        build.tnef(
            {build.BODY: "See the file."},
            [
                ("NOTES~1.TXT", b"words", {build.LONG_NAME: "Notes for Jörg.txt"}),
                ("a.bin", content, {}),
                ("b.pdf", b"", {build.DATA_OBJECT: content, build.MIME_TYPE: "application/pdf"}),
            ],
        )
    )
    assert found is not None
    assert found.whole
    assert found.text == "See the file."
    assert [(f.name, f.content, f.type) for f in found.files] == [
        ("Notes for Jörg.txt", b"words", "application/octet-stream"),
        ("a.bin", content, "application/octet-stream"),
        ("b.pdf", content, "application/pdf"),
    ]


def test_the_body_is_text_html_or_rich_text() -> None:
    html = read_tnef(build.tnef({build.HTML: "<p>größer</p>".encode("cp1252"), build.CODE_PAGE: 1252}))
    assert html is not None
    assert html.html == "<p>größer</p>"
    rich = read_tnef(
        build.tnef({build.RTF: build.stored_rtf(rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}Hello\par there\'e9}")})
    )
    assert rich is not None
    assert rich.text == "Hello\nthereé"
    made = read_tnef(build.tnef({build.RTF: build.stored_rtf(FROM_HTML)}))
    assert made is not None
    assert made.html == "<p>Grüße, €5<b>now</b></p>"


def test_rich_text_in_other_alphabets() -> None:
    rtf = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}{\f2\fcharset128 C;}}"
    rtf += rb"\f1 \'cf\'f0\'e8 \f2 \'93\'fa\'96\'7b \f0\u-10179 ?\u-8704 ?{\*\generator x;}{\pict\bin4 }}}}}"
    said, is_html = read_rtf(rtf)
    assert not is_html
    assert said == "При 日本 😀"


def test_packed_rich_text() -> None:
    rtf = rb"{\rtf1\ansi Hello Hello }"
    assert unpack(build.packed_rtf(rtf)).startswith(rtf)
    back = (207 + 13) << 4 | 3  # five letters from where "Hello" was written
    assert unpack(build.packed_rtf(rb"{\rtf1\ansi  Hello xx ", back))[-5:] == b"Hello"
    assert unpack(b"") == b""
    assert unpack(b"\0" * 8 + b"ABCD" + b"\0" * 8) == b""


def test_a_mail_within_gives_its_text_as_a_file() -> None:
    inner = build.tnef({build.BODY: "Inner words"}, [("in.txt", b"in", {})])
    found = read_tnef(build.tnef(None, [("Old mail", b"", {build.DATA_OBJECT: build.MESSAGE + inner})]))
    assert found is not None
    assert [(f.name, f.content) for f in found.files] == [
        ("Old mail.txt", b"Inner words"),
        ("in.txt", b"in"),
    ]
    assert found.text == ""


def test_a_mail_shows_what_its_winmail_holds() -> None:
    raw = build.tnef({build.BODY: "Packed words"}, [("x.txt", b"x", {build.LONG_NAME: "../Über.txt"})])
    read = parse(multipart("mixed", TEXT, WINMAIL + raw))
    assert read.text == "Packed words"
    assert [(f.name, f.content_type, f.content) for f in read.files] == [("Über.txt", "text/plain", b"x")]
    both = parse(multipart("mixed", TEXT + "Plain words", WINMAIL + raw))
    assert both.text == "Plain words"
    assert both.remarks == ()


def test_html_out_of_a_winmail_shows_its_pictures() -> None:
    raw = build.tnef(
        {build.RTF: build.stored_rtf(rb"{\rtf1\fromhtml1{\*\htmltag <p>see <img src=cid:logo@x></p>}}")},
        [("l.png", b"\x89PNG", {build.CONTENT_ID: "logo@x"})],
    )
    read = parse(multipart("mixed", WINMAIL + raw))
    assert (read.text, read.from_html) == ("see", True)
    assert [(f.name, f.inline_cid) for f in read.files] == [("l.png", "logo@x")]


def test_what_cannot_be_read_whole_stays() -> None:
    raw = build.tnef(None, [("x.txt", b"a longer file", {})])
    read = parse(multipart("mixed", TEXT + "words", WINMAIL + raw[:-8]))
    assert [f.name for f in read.files] == ["winmail.dat", "x.txt"]
    assert read.files[0].content == raw[:-8]
    assert "could not be read whole" in read.remarks[0]
    none = parse(multipart("mixed", TEXT + "words", WINMAIL + b"no tnef at all"))
    assert [(f.name, f.content) for f in none.files] == [("winmail.dat", b"no tnef at all")]


def test_bombs_cost_little() -> None:
    endless = build.attribute(1, 0x00069003, struct.pack("<I", 0xFFFFFFFF) + bytes(4))
    many = build.attribute(2, 0x00069002, b"") * 200_000
    values = struct.pack("<IHHI", 1, 0x101F, 0x3001, 0xFFFFFFFF)
    packed = build.packed_rtf(b"x", *[0xFFF << 4 | 15] * 400_000)
    deep = b"{" * 1_000_000
    began = time.process_time()
    for inner in (endless, many, build.attribute(1, 0x00069003, values)):
        read_tnef(b"\x78\x9f\x3e\x22\x01\x00" + inner)
    assert len(unpack(packed)) <= LARGEST + 300
    read_rtf(rb"{\rtf1 " + deep)
    assert time.process_time() - began < 5


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 500), st.binary(min_size=1, max_size=8))
def test_any_bytes_are_read(tail: bytes, at: int, put: bytes) -> None:
    read_tnef(b"\x78\x9f\x3e\x22\x01\x00" + tail)
    good = build.tnef(
        {build.BODY: "x", build.RTF: build.stored_rtf(FROM_HTML)}, [("a", b"b", {build.LONG_NAME: "c"})]
    )
    found = read_tnef(good[:at] + put + good[at + len(put) :])
    if found is not None:
        f"{found.text}{found.html}{[f.name for f in found.files]}".encode()
    read_rtf(b"{\\rtf1 " + tail)
    unpack(bytes(8) + b"LZFu" + tail)


EXPECTED = {
    "two-files": [("AUTHORS", 244), ("README", 893)],
    "long-filename": [("allproductsmar2000.dat", 279)],
    "data-before-name": [("AUTOEXEC.BAT", 0), ("CONFIG.SYS", 0), ("boot.ini", 289)],
    "umlaut": [("TBZ PARIV GmbH.jpg", 44764), ("image003.jpg", 1001), ("UmlautAnhang-äüö.txt", 14)],
    "unicode-mapi-attr": [("example.dat", 1024)],
    "MAPI_ATTACH_DATA_OBJ": [("VIA_Nytt_1402.doc", 61952), ("VIA_Nytt_1402.pdf", 213685),
                             ("VIA_Nytt_14021.htm", 68919)],
}  # fmt: skip


def test_the_sample_files(shared_folder: Path) -> None:
    samples = sorted((shared_folder / "email" / "corpus" / "tnef").glob("*.tnef"))
    if not samples:
        pytest.skip("no sample files there")
    for path in samples:
        found = read_tnef(path.read_bytes())
        assert found is not None, path.name
        assert found.whole, path.name
        if path.stem in EXPECTED:
            assert [(f.name, len(f.content)) for f in found.files] == EXPECTED[path.stem]
