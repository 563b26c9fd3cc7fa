"""Processor time of reading crafted mails of 1 MB, beside the stdlib's parser: `python -m bench.mail_reading`."""

from __future__ import annotations

import email
import email.policy
import sys
import time
from collections.abc import Callable, Iterable

from bench.figures import Figure
from intake.email.read import ReadContext, read_mail

CONTEXT = ReadContext(keys=("bench",), queues={"support": ("support@example.com",)})
HEAD = b"From: a@example.org\r\nTo: support@example.com\r\nSubject: Re: x\r\nIn-Reply-To: <a@b>\r\n"
SIZE = 1_000_000
MOST_MS = 500


def names() -> list[str]:
    """Return the names of the crafted mails: what makes parsers and reply cutters slow."""
    tables: dict[str, Iterable[str]] = {"text": TEXTS, "html": MARKUP, "head": FIELDS, "parts": BODIES}
    return [f"{table}: {name}" for table, pieces in tables.items() for name in pieces]


def crafted(name: str, size: int = SIZE) -> bytes:
    """Return the crafted mail of that name, about `size` bytes long."""
    table, _, piece = name.partition(": ")
    if table == "text":
        return HEAD + b"\r\nHello\r\n" + _filled(TEXTS[piece], size)
    if table == "html":
        return HEAD + b"Content-Type: text/html\r\n\r\n<p>Hello</p>" + _filled(MARKUP[piece], size)
    if table == "head":
        return b"From: a@example.org\r\n" + _filled(FIELDS[piece], size) + b"\r\n\r\nHello\r\n"
    head, body = BODIES[piece]
    if piece == "nested":
        body = b"".join(body.replace(b"%d", b"%d" % level) for level in range(size // len(body)))
    return head + _filled(body, size)


MULTIPART = HEAD + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
REPORT = b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n"
BODIES = {
    "many": (MULTIPART, b"--x\r\n\r\n\r\n"),
    "unclosed": (MULTIPART, b"--x-\r\n"),
    "nested": (HEAD, b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n"),
    "uuencode": (HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\n", b"begin 644 x\r\n"),
    "bounce prose": (HEAD.replace(b"a@", b"mailer-daemon@") + b"\r\n", b"user does not deliver mailbox "),
    "bounce report": (
        HEAD + REPORT + b"Content-Type: message/delivery-status\r\n\r\n",
        b"Final-Recipient: rfc822; a@b.example\r\nStatus: 5.1.1\r\n\r\n",
    ),
}
TEXTS = {
    "On": b"On ",
    "On lines": b"On a b c\r\n",
    "On dates": b"On 1.1.2020 12:00 x\r\n",
    "On dates:": b"On 1.1.2020 12:00 a@b.c x:\r\n",
    "wrote": b"On 1.1.2020 12:00 a@b.c wrote:\r\n",
    "blank lines": b"\r\n",
    "spaces": b" ",
    "one line": b"x",
    "quotes": b">",
    "quoted lines": b"> x\r\n",
    "between quotes": b"> x\r\ny\r\n",
    "heads": b"From: x\r\nTo: y\r\nSubject: z\r\n",
    "heads in full": b"From: x\r\nSent: 1\r\nTo: y\r\nSubject: other\r\n",
    "From": b"From: ",
    "original": b"-----Original Message-----\r\n",
    "rules": b"_____________\r\n",
    "dashes": b"-",
    "dash lines": b"-- \r\n",
    "sent from": b"Sent from my ",
    "sent from lines": b"Sent from my phone\r\n",
    "colons": b"1:",
    "addresses": b"a@b.c ",
    "at": b"a@",
    "dots": b"a.",
    "verbs": b"he wrote\r\n",
    "verbs between dashes": b"-- a@b.c wrote --\r\n",
    "table of fields": b"| From | x |\r\n| Date | 1 |\r\n",
    "quoted attributions": b"> On 1.1.2020 12:00 a@b.c wrote:\r\ny\r\n",
    "devices": b"Sent from iphone mail outlook ",
    "products": b"get outlook for ios\r\n",
    "markers": b"--=( x\r\n",
    "rules with words": b"-----Original\r\n",
    "names above addresses": b"Bob <\r\nb@c.example> wrote:\r\n",
}
MARKUP = {
    "div": b"<div>",
    "named divs": b"<div name=quote>",
    "links never closed": b'<a href="x">',
    "links with open quotes": b'<a "',
    "words set in bold": b"<b>x<p>y",
    "blockquote": b"<blockquote>",
    "table": b"<table><tr><td>",
    "links": b"<a href='http://example.org/x'>x</a> ",
    "open links": b"<a href='http://example.org/x'><p>x",
    "line breaks": b"<br>",
    "spaces": b" ",
    "less-than": b"<",
    "entities": b"&lt;",
    "comments": b"<!--",
    "spans": b"<span>x",
    "fonts": b"<font><b><i>x",
    "outlook": b"<p class=MsoNormal><b>From:</b> x",
    "borders": b"<div style='border-top:solid #E1E1E1 1.0pt'><b>From:</b> x",
    "marks": b"<div class=yahoo_quoted>x",
    "images": b"<img src='cid:x'>",
    "lists": b"<ul><li>x",
    "pre": b"<pre>\n",
    "300 nested tables": b"<table><tr><td>" * 300 + b"x" + b"</td></tr></table>" * 300,
    "50,000 nested divs": b"<div>" * 50_000 + b"x" + b"</div>" * 50_000,
    "indented": b"<blockquote style='margin:0 0 0 40px;border:none'>x</blockquote>",
    "text in spans": b"<div><span style='x'>On 1.1.2020 12:00 a@b.c wrote:</span></div>",
}
FIELDS = {
    "To": b"To: " + b"a@b.c, " * 9_000 + b"\r\n",
    "comments": b"To: " + b"(" * 60_000 + b"\r\n",
    "quotes": b'To: "' + b"\\" * 60_000 + b"\r\n",
    "words": b"Subject: " + b"=?utf-8?q?a?= " * 4_000 + b"\r\n",
    "broken words": b"Subject: " + b"=?utf-8?q?" * 6_000 + b"\r\n",
    "references": b"References: " + b"<a@b> " * 10_000 + b"\r\n",
    "fields": b"X: y\r\n",
    "folds": b" x\r\n",
    "type": b"Content-Type: text/plain; " + b'a="' * 10_000 + b"\r\n",
    "continuations": b"Content-Type: text/plain; "
    + b"".join(b"n*%d*=%%41;" % n for n in range(900))
    + b"\r\n",
    "results": b"Authentication-Results: x; " + b"(" * 30_000 + b"\r\n",
    "no fields": b"x\r\n",
}


def _filled(piece: bytes, size: int) -> bytes:
    return piece * (size // len(piece) + 1)


def milliseconds(raw: bytes) -> float:
    """Return the processor time of reading."""
    return _took(lambda: read_mail(raw, {}, CONTEXT))


def stdlib_milliseconds(raw: bytes) -> float:
    """Return the processor time of what the standard library does with it: parse, and decode the texts. Its parser
    gives up on deep nesting (`RecursionError`) and is quadratic on some heads, so it's asked about bodies only."""

    def parse() -> None:
        mail = email.message_from_bytes(raw, policy=email.policy.compat32)
        for part in mail.walk():
            if part.get_content_maintype() == "text":
                part.get_payload(decode=True)

    return _took(parse)


def _took(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def measure() -> list[Figure]:
    """Return a figure for each crafted mail, the slowest first, and for an ordinary one."""
    ordinary = (
        HEAD
        + b"\r\nHello,\r\n\r\nplease help.\r\n\r\nOn 1 May 2026 at 10:00, Bob <b@x.example> wrote:\r\n> Hi\r\n"
    )
    milliseconds(ordinary)  # imports and patterns once
    took = {name: _of(name) for name in names()}
    slowest = sorted(took.items(), key=lambda item: -item[1][0])
    figures = [
        Figure(name, ours, "ms", most=MOST_MS, beside="" if bare is None else f"stdlib parse {bare:.0f} ms")
        for name, (ours, bare) in slowest
    ]
    ours = min(milliseconds(ordinary) for _ in range(20))
    bare = min(stdlib_milliseconds(ordinary) for _ in range(20))
    return [*figures, Figure("an ordinary answer", ours, "ms", beside=f"stdlib parse {bare:.2f} ms")]


def _of(name: str) -> tuple[float, float | None]:
    """Ours, the better of two, beside the stdlib's."""
    raw = crafted(name)
    bare = stdlib_milliseconds(raw) if name.startswith(("text", "html")) else None
    return min(milliseconds(raw), milliseconds(raw)), bare


def main() -> int:
    """Print the figures, the slowest first; 1 where one is over its target."""
    figures = measure()
    for figure in figures:
        print(figure.line(), flush=True)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
