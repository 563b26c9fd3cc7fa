"""Messages, lines, alerts and whispers as posts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot import thread_posts
from bot.blocks import Look, file_name, size_of
from core.shapes import Attachment, Kind, Visibility
from tests.bot.kit import NOW, message, outgoing
from tests.bot.posts import check, live, shown, transcript

GOLDEN = Path(__file__).parent / "golden"
LOOK = Look("", "Acme Support")
LONG = "<&>" * 4_000 + "word " * 9_000


def file(n: int, name: str, size: int = 9, **more: str) -> Attachment:
    blob = None if more.get("state") == "unavailable" else "k"
    return Attachment(
        id=n, name=name, content_type="x/y", size=size, blob=blob, state=more.get("state", "stored")
    )


FILES = [file(1, "empty.txt", 0), file(2, "lost.pdf", state="unavailable"), file(3, "here.png", 20_000_000)]
WRITTEN = {
    "requester_by_mail": outgoing(Kind.MESSAGE, message=message("It <burns>\n\nStill.", files=FILES)),
    "requester_in_slack": outgoing(Kind.MESSAGE, message=message("It burns", channel="slack")),
    "staff_by_mail": outgoing(Kind.MESSAGE, message=message("Turn it off", staff=True, channel="email")),
    "note": outgoing(Kind.MESSAGE, message=message("psst", staff=True, visibility=Visibility.NOTE)),
    "outsider": outgoing(Kind.MESSAGE, message=message("hi", outsider=True)),
    "claims": outgoing(Kind.MESSAGE, message=message("hi"), data={"claims": "ada@example.com"}),
    "late": replace(outgoing(Kind.MESSAGE, message=message("It burns")), overtaken=True),
    "edited": outgoing(Kind.MESSAGE, message=message("It burnt", edited_at=NOW)),
    "deleted": outgoing(Kind.MESSAGE, message=message("It burnt", deleted_at=NOW)),
}


@pytest.mark.parametrize("case", list(WRITTEN))
def test_a_message_in_the_thread_looks_as_it_was_agreed(case: str) -> None:
    [post] = thread_posts.thread_messages(WRITTEN[case], LOOK)
    check(post)
    assert transcript(post) + "\n" == (GOLDEN / f"thread_{case}.txt").read_text(encoding="utf-8")


def test_an_answer_looks_as_it_was_agreed() -> None:
    given = outgoing(
        Kind.MESSAGE, desk=False, message=message("Turn it off", staff=True, files=FILES, edited_at=NOW)
    )
    [post] = thread_posts.dm_messages(given, LOOK)
    check(post)
    assert transcript(post) + "\n" == (GOLDEN / "answer.txt").read_text(encoding="utf-8")


def test_a_message_of_files_alone_has_words() -> None:
    [post] = thread_posts.dm_messages(outgoing(Kind.MESSAGE, message=message("", files=FILES[2:])), LOOK)
    assert post.text == ":paperclip: here.png"
    [nothing] = thread_posts.dm_messages(outgoing(Kind.MESSAGE, message=message(" ")), LOOK)
    assert nothing.text == "(no text)"


def test_very_many_files_are_named_within_the_limits() -> None:
    many = [file(n, "&" * 100 + f"{n}.png") for n in range(500)]
    for shown_to in (thread_posts.thread_messages, thread_posts.dm_messages):
        for post in shown_to(outgoing(Kind.MESSAGE, message=message("see", files=many)), LOOK):
            check(post)
    [post] = thread_posts.thread_messages(outgoing(Kind.MESSAGE, message=message("see", files=many)), LOOK)
    assert " more" in shown(post)


def test_a_text_of_three_parts_is_three_posts() -> None:
    text = "\n\n".join(f"paragraph {n}: " + "word " * 100 for n in range(45))
    posts = thread_posts.thread_messages(outgoing(Kind.MESSAGE, message=message(text)), LOOK)
    assert 1 < len(posts) <= 3
    assert not any(post.attached for post in posts)
    for post in posts:
        check(post)
    whole = " ".join(x["text"]["text"] for p in posts for x in p.blocks if x["type"] == "section")
    assert whole.split() == text.split()


@pytest.mark.parametrize("desk", [True, False])
def test_a_longer_one_is_its_first_words_and_a_file(desk: bool) -> None:
    given = outgoing(Kind.MESSAGE, desk=desk, message=message(LONG, staff=not desk, files=FILES))
    made = thread_posts.thread_messages if desk else thread_posts.dm_messages
    [post] = made(given, LOOK)
    check(post)
    assert post.attached == LONG
    assert "message.txt" in shown(post)
    assert "lost.pdf" in shown(post)


def test_without_uploads_a_long_text_is_as_many_posts_as_it_needs() -> None:
    posts = thread_posts.thread_messages(
        outgoing(Kind.MESSAGE, message=message(LONG)), Look("", "Acme", uploads=False)
    )
    assert len(posts) > 3
    for post in posts:
        check(post)
    whole = "".join(x["text"]["text"] for p in posts for x in p.blocks if x["type"] == "section")
    assert whole.count("&lt;&amp;&gt;") == 4_000
    assert whole.count("word") == 9_000


def test_what_was_deleted_shows_that_it_was() -> None:
    [staff] = thread_posts.edited(outgoing(Kind.EDIT, data={"deleted": True}), LOOK)
    [requester] = thread_posts.edited(outgoing(Kind.EDIT, desk=False, data={"deleted": True}), LOOK)
    assert "deleted by its author" in staff.text
    assert "message was deleted._" in requester.text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"what": "line", "text": "<!here> a"}, "&lt;!here&gt; a"),
        ({"what": "moved", "channel": "C0BILLING1"}, ":arrow_right: This ticket goes on in <#C0BILLING1>"),
        (
            {"what": "moved", "channel": "T1/C0BILLING1"},
            ":arrow_right: This ticket goes on in <#C0BILLING1>",
        ),
        ({"what": "moved", "channel": "<!here>"}, ":arrow_right: This ticket goes on in &lt;!here&gt;"),
        ({"what": "priority_set", "value": "high", "by": "Ada"}, "Priority set: high by Ada"),
        ({}, "Something changed"),
    ],
)
def test_a_line_for_staff(data: dict[str, str], text: str) -> None:
    post = thread_posts.line(outgoing(Kind.NOTICE, data=data), LOOK)
    check(post)
    assert post.text == text


def test_an_alert() -> None:
    data = {"delivery_id": 9, "reason": LONG, "to": "bob@example.com"}
    post = thread_posts.alert(outgoing(Kind.ALERT, data=data), LOOK)
    check(post)
    assert transcript(post).endswith("ticket:12:delivery:9: [Try again retry=9]")
    assert live([post]) == []


def test_a_whisper_is_never_empty() -> None:
    assert thread_posts.whisper(outgoing(Kind.WHISPER, data={})).text


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\bill.pdf", "bill.pdf"),
        ("in\x00vo\x1bice\u202efdp.exe", "invoicefdp.exe"),
        ("\u2066a\u2069\u200bb.txt", "ab.txt"),
        ("  two\n lines.txt ", "two lines.txt"),
        ("<!channel>.png", "<!channel>.png"),
        ("...", "file"),
        ("", "file"),
        ("/", "file"),
        ("photo.HEIC", "photo.HEIC"),
    ],
)
def test_a_files_name_has_no_path_and_nothing_invisible(name: str, safe: str) -> None:
    assert file_name(name) == safe


def test_a_long_name_keeps_its_ending() -> None:
    assert file_name("a" * 500 + ".pdf").endswith(".pdf")
    assert len(file_name("a" * 500 + ".pdf")) <= 120
    assert len(file_name("a" * 500 + "." + "b" * 500)) <= 120


def test_sizes() -> None:
    assert [size_of(n) for n in (9, 1_234, 45_678, 999_999, 20_000_000)] == [
        "9 bytes",
        "1.2 kB",
        "46 kB",
        "1.0 MB",
        "20 MB",
    ]


def test_formatting_is_shown_and_nothing_in_it_is_live() -> None:
    rich = "<p>It <b>burns</b>, see <i>&lt;!channel&gt;</i></p>"
    given = outgoing(Kind.MESSAGE, message=message("It burns, see <!channel>", rich=rich))
    [post] = thread_posts.thread_messages(given, LOOK)
    check(post)
    assert "*burns*" in shown(post)
    assert live([post]) == []
    assert "<!channel>" not in post.text


def test_a_line_of_ours_with_somebodys_words_is_one_line_without_marks() -> None:
    said = "Dan rated this 2 of 5: *SLOW*\n\n&gt; `x`\n~ <!here>"
    post = thread_posts.line(outgoing(Kind.NOTICE, data={"what": "line", "text": said}), LOOK)
    check(post)
    assert [block["text"]["type"] for block in post.blocks] == ["plain_text"]
    assert "\n" not in shown(post)
    assert live([post]) == []
