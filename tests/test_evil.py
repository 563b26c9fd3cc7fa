"""What strangers write to do harm, through every way out beside the pages (tests/web): mail, digest, Slack, terminal,
logs. In a title, a name, a file's name and the words; nothing of it is alive, and nothing of it breaks a line."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bot.blocks import Look
from bot.cards import ticket_card
from core.shapes import Attachment, Author, Kind, Person
from intake.cli.out import cell, plain
from intake.email.compose import compose_mail
from intake.email.digest_mail import compose_digest
from tests.bot import kit
from tests.bot.posts import live
from tests.bot.test_digest_blocks import a_report, posted
from tests.evil import EVERYTHING, STEERING, XSS
from tests.mail import test_compose as mails
from tests.mail import test_digest_mail as digest_mails

LOOK = Look("", "Acme Support", team="T1", triage={"support": kit.TRIAGE})
STEERS = {"\x1b", "\x9b", "\x07", "\u2028", "\u202e", "\u2066"}


class Alive(HTMLParser):
    """Finds what a mail program would run, load or lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "svg", "iframe", "object", "form", "base", "link"):
            self.found.append(tag)
        self.found += [name for name in given if name.startswith("on")]
        for name in ("href", "src"):
            target = given.get(name) or "https:"
            if not target.startswith(("https:", "http:", "mailto:", "cid:")):
                self.found.append(target)
        if tag == "img" and not str(given.get("src", "")).startswith("cid:"):
            self.found.append("img")


def alive(html: str) -> list[str]:
    parser = Alive()
    parser.feed(html)
    return parser.found


def _file(evil: str) -> Attachment:
    return Attachment(id=4, name=f"{evil}.txt", content_type="text/plain", size=1, state="stored", blob="b")


@pytest.mark.parametrize("evil", EVERYTHING)
def test_mails(evil: str) -> None:
    """An answer, and what agents are told of a new ticket: no field of the head is broken, the HTML is dead."""
    words = mails.message(f"M {evil}", author=Author(name=f"N {evil}", email="e@x.example", staff=False))
    words = replace(words, attachments=(_file(evil),))
    shared = {
        "ticket": replace(mails.ticket(f"T {evil}"), requester_name=f"N {evil}"),
        "message": words,
        "to": Person(kind="email", address="zoe@example.net", name=f"N {evil}"),
    }
    context = replace(mails.CONTEXT, contents={4: b"x"})
    for one in (mails.outgoing(**shared), mails.notice("staff_new", desk=True, **shared)):
        mail = compose_mail(one, context)
        made = mails.parsed(mail)
        head = mail.content.partition(b"\r\n\r\n")[0]
        assert b"\r\n{" not in head, "no line of theirs begins in the head"
        for name, value in made.items():
            assert not STEERS & set(str(value)), name
        plain_text, html = mails.texts(mail)
        assert alive(html) == []
        assert "7 * 7" in plain_text or "7 * 7" not in evil
        for part in made.iter_attachments():
            assert not {"\r", "\n", "/", *STEERS} & set(part.get_filename() or "")


@pytest.mark.parametrize("evil", EVERYTHING)
def test_digests(evil: str) -> None:
    """By mail and in Slack: a title, a queue, a name in the tables and charts."""
    told = digest_mails.big_report(name=evil, title=f"T {evil}")
    for _, html in _texts(compose_digest(digest_mails.digest(told), digest_mails.CONTEXT)):
        assert alive(html) == []
    report = a_report(name=evil, headline=(evil,), service=evil)
    needs = tuple(replace(one, title=evil, text=evil) for one in report.needs)
    assert live(posted(replace(report, needs=needs))) == []


def _texts(mail: object) -> Iterator[tuple[str, str]]:
    made = digest_mails.read(mail)  # type: ignore[arg-type]
    body = made.get_body(("html",))
    assert body is not None
    yield "", body.get_content()


@pytest.mark.parametrize("evil", EVERYTHING)
def test_cards(evil: str) -> None:
    ticket = kit.ticket(title=f"T {evil}", description=f"D {evil}", requester_name=f"N {evil}")
    who = Author(name=f"N {evil}", email="e@x.example", staff=False)
    card = kit.outgoing(Kind.CARD, ticket=ticket, requester=who, tags=(evil,), answering=(evil,))
    assert live([ticket_card(card, LOOK)]) == []


@pytest.mark.parametrize("evil", EVERYTHING)
def test_terminals(evil: str) -> None:
    assert not STEERS & set(plain(evil) + cell(evil) + cell({evil: evil}))
    assert "\n" not in cell(evil)


PROGRAM = """
import sys, structlog, logging
from core.logs import configure
configure(sys.argv[1], "info")
evil = sys.stdin.read()
log = structlog.get_logger("core.x")
log.warning("gave_up", reason=evil, names=[evil], more={evil: evil})
logging.getLogger("libraries").warning("refused: %s", evil)
try:
    raise ValueError(evil)
except ValueError:
    log.exception("broken")
"""


@pytest.mark.parametrize("how", ["json", "console"])
def test_logs(how: str) -> None:
    """Neither a line of its own nor a sign that steers the terminal, in values, messages and tracebacks."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        input="".join((*STEERING, *XSS)).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    lines = _uncoloured(ran.stderr.decode())
    assert not STEERS & set(lines)
    assert not any(line.startswith('{"event": "ready"') for line in lines.splitlines())
    assert lines.count("ready") >= 3, "it is there, written out"
    if how == "json":
        assert len(lines.splitlines()) == 3


def _uncoloured(lines: str) -> str:
    """Without the colours that a log on a terminal has by itself."""
    return re.sub(r"\x1b\[\d+m", "", lines)
