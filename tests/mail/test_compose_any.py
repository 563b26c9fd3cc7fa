"""Whatever people are called and write: a mail comes of it, with sound headers, and always the same one."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.shapes import Attachment, Author, Person
from intake.email.compose import compose_mail
from tests.mail.test_compose import CONTEXT, message, notice, outgoing, parsed, texts, ticket

WORDS = st.text(st.characters(), max_size=300) | st.sampled_from(
    [
        "",
        "\r\nBcc: x@example.com",
        "=?utf-8?q?=0D=0A?=",
        "{{ 7*7 }}",
        "<b>",
        "\ud800",
        "x" * 3000,
        "‮abc",
        "\x85y",
    ]
)
FIELD = re.compile(rb"[A-Za-z-]+: ")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    title=WORDS,
    name=WORDS,
    text=WORDS,
    file=WORDS,
    content_type=WORDS,
    ids=st.lists(WORDS, max_size=5),
    index=WORDS,
    language=WORDS,
)
def test_any_words_make_a_mail(
    title: str, name: str, text: str, file: str, content_type: str, ids: list[str], index: str, language: str
) -> None:
    files = (
        Attachment(id=1, name=file, content_type=content_type, size=1, blob="b", inline_cid=name or None),
    )
    author = Author(name=name, email="ada@example.com", staff=True)
    people = (Person(kind="email", address="kim@example.net", name=name),)
    made = outgoing(
        ticket=ticket(title),
        message=message(text, author=author, attachments=files),
        to=Person(kind="email", address="zoe@example.net", name=name),
        cc=people,
        mail_ids=tuple(ids),
        thread_index=index,
        language=language,
    )
    context = replace(CONTEXT, service=name or "Acme", contents={1: b"\x00"})
    mail = compose_mail(made, context)
    assert mail == compose_mail(made, context)
    assert mail.rcpt_tos == ("zoe@example.net", "kim@example.net")
    head, _, _ = mail.content.partition(b"\r\n\r\n")
    lines = mail.content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\n" in line or b"\r" in line or b"\x00" in line for line in lines)
    for line in head.split(b"\r\n"):
        assert line[:1] in (b" ", b"\t") or FIELD.match(line)
        assert not line.lower().startswith(b"bcc")
    shown = parsed(mail)
    assert shown["From"].addresses[0].addr_spec == "support@example.com"
    assert len(shown["To"].addresses) == len(shown["Cc"].addresses) == 1
    plain, html = texts(mail)
    for line in text.splitlines():
        if line.isascii() and line.isprintable() and line.strip() and len(line) < 300:
            assert line.strip() in plain
    assert "<b>" not in html.partition("<body")[2]
    compose_mail(notice("staff_new", desk=True, ticket=ticket(title), message=made.message), context)
