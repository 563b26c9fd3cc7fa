"""Hostile mail, built piece by piece: whatever comes, reading gives an `Inbound` in time, in bounds, with safe names.

The judge is the mutation run's (`bench/fuzz`); what that run found stands here in its shortest form.
"""

from __future__ import annotations

import base64
import resource
import subprocess
import sys
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fuzz.judge import problem
from bench.fuzz.mutate import CHARSETS, ENCODINGS, PIECES, TYPES, mutated
from bench.fuzz.seeds import own
from core.shapes import NewMessage
from intake.email.parse import parse
from intake.email.read import read_mail
from tests.mail.written import CONTEXT

words = st.one_of(
    st.sampled_from(PIECES),
    st.binary(max_size=30),
    st.text(max_size=20).map(lambda t: t.encode("utf-8", "replace")),
)
text = st.lists(words, max_size=12).map(b"".join)
charset = st.sampled_from(CHARSETS)
NAMES = (
    b"Subject", b"From", b"To", b"Cc", b"Reply-To", b"Date", b"Message-ID", b"References",
    b"In-Reply-To", b"Auto-Submitted",
    b"Content-Type", b"Content-Disposition", b"Content-ID", b"Content-Transfer-Encoding",
    b"Return-Path", b"X-Failed-Recipients",
    b"Authentication-Results", b"List-Id", b"Content-Location", b"X-Original-From",
)  # fmt: skip


@st.composite
def encoded_word(draw: st.DrawFn) -> bytes:
    raw = draw(st.binary(max_size=30))
    payload = base64.b64encode(raw) if draw(st.booleans()) else raw
    return (
        b"=?"
        + draw(charset)
        + draw(st.sampled_from([b"?b?", b"?q?", b"?", b"??"]))
        + payload
        + draw(st.sampled_from([b"?=", b"?", b""]))
    )


@st.composite
def field(draw: st.DrawFn) -> bytes:
    value = draw(
        st.lists(
            st.one_of(
                encoded_word(), text, st.sampled_from([b"a@b.example", b"<a@b.example>", b",", b"\r\n "])
            ),
            max_size=8,
        )
    )
    return (
        draw(st.sampled_from(NAMES))
        + b": "
        + b" ".join(value)
        + draw(st.sampled_from([b"\r\n", b"\n", b"\r"]))
    )


@st.composite
def leaf(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(TYPES))
    head = (
        b"Content-Type: "
        + kind
        + b"; charset="
        + draw(charset)
        + draw(st.sampled_from([b"", b"; format=flowed", b"; name=" + draw(text)]))
    )
    if draw(st.booleans()):
        head += (
            b"\r\nContent-Disposition: "
            + draw(st.sampled_from([b"attachment", b"inline", b""]))
            + b"; filename*0*=utf-8''"
            + draw(text)
        )
    encoding = draw(st.sampled_from(ENCODINGS))
    content = draw(text)
    if encoding == b"base64" and draw(st.booleans()):
        content = base64.b64encode(content)
    return head + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + content


def multi(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        mark = draw(st.sampled_from([b"x", b"x1", b"--", b"=_a b", b""]))
        inside = draw(st.lists(children, max_size=4))
        said = mark if draw(st.integers(0, 5)) else b"other"
        body = b"".join(
            b"\r\n--" + mark + draw(st.sampled_from([b"\r\n", b" \n", b"--\r\n"])) + part for part in inside
        )
        return (
            b'Content-Type: multipart/mixed; boundary="'
            + said
            + b'"\r\n\r\n'
            + body
            + b"\r\n--"
            + mark
            + b"--\r\n"
        )

    return build()


part = st.recursive(leaf(), multi, max_leaves=10)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(field(), max_size=12).map(b"".join), part, st.sampled_from([None, "", "a@b.example"]))
def test_built_mails(head: bytes, body: bytes, sender: str | None) -> None:
    wrong, _ = problem(head + body, sender)
    assert wrong == ""


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(own()), st.integers(0, 2**32))
def test_spoilt_mails(seed: bytes, number: int) -> None:
    raw = mutated(seed, own(), Random(number), 100_000)
    assert problem(raw)[0] == ""


def big(size: int) -> dict[str, Callable[[], bytes]]:
    """Mails of about this size that cost other programs minutes or gigabytes."""
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(size // 60)
    )
    return {
        "parts": lambda: b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n\r\n" * (size // 10),
        "nested parts": lambda: nested,
        "To": lambda: b"To: " + b"a@b.c, " * (120_000 // 7) + b"\r\n\r\nx",
        "nested comments": lambda: b"From: " + b"(" * 10_000 + b"\r\n\r\nx",
        "folded field": lambda: b"Subject: x\r\n" + b" y\r\n" * (size // 4) + b"\r\nx",
        "fields": lambda: b"X-A: b\r\n" * (size // 8) + b"\r\nx",
        "encoded words": lambda: b"Subject: " + b"=?utf-8?q?=C3?=" * (60_000 // 15) + b"\r\n\r\nx",
        "open words": lambda: b"Subject: " + b"=?utf-8?q?a?=41?" * 4_000 + b"\r\n\r\nx",
        "base64 words": lambda: b"Subject: " + b"=?utf-8?b?YWJ?= " * 4_000 + b"\r\n\r\nx",
        "padding": lambda: b"Content-Transfer-Encoding: base64\r\n\r\n" + b"YQ==" * (size // 4),
        "signatures": lambda: b"\r\n" + b"-----BEGIN PGP SIGNED MESSAGE-----\n\n" * (size // 36),
        "uuencoded": lambda: b"\r\n" + b"begin 644 x\n" * (size // 12),
        "uuencoded files": lambda: b"\r\n" + b"begin 644 x\n#8V%T\n`\nend\n" * (size // 24),
        "nulls": lambda: b"\r\n" + b"\0" * size,
        "no charset": lambda: b"Content-Type: text/plain; charset=x\r\n\r\n" + b"\x81\xfe" * (size // 2),
        "calendar": lambda: b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\n" + b"ATTENDEE:x\r\n" * (size // 12),
        "flowed": lambda: b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"> x \r\n" * (size // 6),
        "names": lambda: b"Content-Type: image/png; " + b'name*1="' * 4_000 + b"\r\n\r\nx",
        "locations": lambda: b"Content-Type: multipart/related; boundary=x\r\n\r\n--x\r\n"
        + b"Content-Type: text/html\r\n\r\n"
        + b"<img src='aaaa'>" * (size // 16)
        + b"\r\n--x\r\nContent-Type: image/png\r\nContent-Location: aaaa\r\n\r\nx" * 190,
        "forms in a form": lambda: b"Content-Type: multipart/mixed\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(b"--x\r\nContent-Type: text/plain\r\n\r\n" + b"y" * size),
    }  # fmt: skip


@pytest.mark.parametrize("name", big(60))
def test_crafted_mails_take_no_longer_than_a_second_per_100_kb(name: str) -> None:
    assert problem(big(300_000)[name]())[0] == ""


_MEASURE = """
import base64, resource, sys
from intake.email.read import ReadContext, read_mail
limit = 512 * 1024 * 1024
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
raw = sys.stdin.buffer.read()
read_mail(raw, {}, ReadContext(keys=("k",), queues={"support": ("support@example.com",)}))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_maxrss // (1024 if sys.platform != "darwin" else 1_048_576), used.ru_utime + used.ru_stime)
"""


def measured(raw: bytes) -> tuple[int, float]:
    """Peak memory in MiB and processor time of a fresh process that reads the mail."""
    # A small shell between: a process begins with its parent's peak.
    run = subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1"', sys.executable, _MEASURE],
        input=raw,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()[-2_000:]
    peak, seconds = run.stdout.split()
    return int(peak), float(seconds)


PDF = b"--x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
HEAD = b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("one file", HEAD + PDF + base64.encodebytes(bytes(range(256)) * 73_000) + b"\r\n--x--\r\n"),
        ("text", b"From: a@b.example\r\n\r\n" + "größer und größer\r\n".encode() * 1_200_000),
        ("300,000 parts", HEAD + b"--x\r\n\r\n\r\n" * 300_000),
    ],
    ids=["file", "text", "parts"],
)  # fmt: skip
def test_large_mails_need_little_memory(name: str, raw: bytes) -> None:
    peak, seconds = measured(raw)
    assert peak < 200, name
    assert seconds < 5, name


def test_what_is_over_a_limit_says_so() -> None:
    for raw in (
        big(60_000)["parts"](),
        big(60_000)["nested parts"](),
        big(300_000)["folded field"](),
        big(60_000)["fields"](),
    ):
        inbound = read_mail(raw, {}, CONTEXT)
        assert isinstance(inbound, NewMessage)
        assert inbound.remarks


def test_the_peak_is_measured_in_a_process_of_its_own() -> None:
    assert measured(b"\r\nx")[0] < 80
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
    assert parse(b"\r\nx").text == "x"
