"""Case 15: nobody's text rings anybody, or breaks the frame that it stands in, in any post of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot import thread_posts
from bot.blocks import Look, Post
from bot.cards import ticket_card
from bot.sender import posts_of
from core.report_shapes import Chart, Line, Need, Report, Row, TableOf
from core.shapes import Attachment, Author, Kind, Outgoing, Visibility
from core.status import Status
from tests.bot.kit import NOW, TRIAGE, message, outgoing, ticket
from tests.bot.posts import check, live, walk

NASTY = (
    "<!channel>",
    "<!here|here>",
    "<!everyone>",
    "<@U0ADA00001>",
    "<@U0ADA00001|ada>",
    "<!subteam^S0GROUP001>",
    "<!subteam^S0GROUP001|@all>",
    "<#C0GENERAL1>",
    "<https://evil.example|https://bank.example>",
    "<mailto:a@b|c>",
    "*<https://evil.example>*",
    "<!date^1^{date}|x>",
    "@here @channel @everyone",
    "&lt;!channel&gt;",
    "&amp;lt;!channel&gt;",
    "<<!channel>>",
    "<!chan\u200bnel> <\u2060!here>",
    "<!channel",
    "*bold* _it_ ~no~ `code`",
    "```\nfence",
    "*\n*",
    ">quote\n>>>all",
    "> \n<!channel>",
    "|",
    "\u202e<!channel>",
)


def posts_with(evil: str) -> Iterator[tuple[str, list[Post]]]:
    """Every kind of post, with that text wherever somebody else's words may stand."""
    look = Look("https://desk.example", evil, team="T1", triage={"support": TRIAGE, evil: TRIAGE})
    files = [
        Attachment(id=n, name=f"{evil}.pdf", content_type="x/y", size=size, blob="k", state=state)
        for n, (size, state) in enumerate([(9, "stored"), (0, "stored"), (9, "unavailable")])
    ]
    author = Author(name=evil, email=evil, staff=False)
    about = ticket(
        title=evil,
        description=evil,
        requester_name=evil,
        requester_email=evil,
        queue=evil,
        assignee=evil,
        assignee_id=2,
        snoozed_until=NOW + timedelta(days=1),
        status=Status.OPEN,
    )

    rows = (Row(cells=(f"#1 {evil}", evil), ticket=1),)
    report = Report(
        name="daily",
        service="Acme",
        since=NOW - timedelta(days=1),
        until=NOW,
        zone="UTC",
        made_at=NOW,
        queues=(evil,),
        needs=(Need(kind="waiting", text="has waited", ticket=1, title=evil),),
        tables=(TableOf(key="waiting", title="Waiting", head=("Ticket", "Queue"), align="ll", rows=rows),),
        series=(
            Chart(
                key="queues", title="By queue", labels=(evil, "x"), lines=(Line(name="in", values=(1, 2)),)
            ),
        ),
    )

    def given(kind: Kind, **more: object) -> Outgoing:
        return outgoing(kind, ticket=about, requester=author, assignee=evil, **more)

    yield "card", [ticket_card(given(Kind.CARD, answering=(evil, evil)), look)]
    yield "moved card", [ticket_card(given(Kind.CARD), Look("", "x", triage={"other": evil}))]
    yield "card without a channel", [ticket_card(given(Kind.CARD), Look("", "x", triage={evil: ""}))]
    for visibility in Visibility:
        for deleted in (None, NOW):
            written = message(
                evil,
                files=files,
                author=author,
                visibility=visibility,
                outsider=True,
                edited_at=NOW,
                deleted_at=deleted,
            )
            thread = given(Kind.MESSAGE, message=written, data={"claims": evil})
            yield f"thread {visibility} {deleted}", posts_of(thread, look)
            yield (
                f"below no card {visibility}",
                [thread_posts.orphan(p, thread) for p in posts_of(thread, look)],
            )
            yield f"answer {visibility}", posts_of(given(Kind.MESSAGE, desk=False, message=written), look)
    yield "files alone", posts_of(given(Kind.MESSAGE, message=message("", files=files)), look)
    for desk in (True, False):
        for data in (
            {"what": "line", "text": evil},
            {"what": evil, "value": evil, "by": evil},
            {"what": "moved", "channel": evil},
            {"what": "ack", "shown": True, "offer": {"id": 11, "title": evil}},
            {"what": "resolved", "rate": True, "by": evil},
            {"what": "rated", "score": evil, "comment": evil},
        ):
            yield (
                f"notice {data['what']}",
                posts_of(given(Kind.NOTICE, desk=desk, data=data, language=evil), look),
            )
        yield "digest", posts_of(given(Kind.DIGEST, desk=desk, data={"report": report.as_json()}), look)
    yield (
        "alert",
        posts_of(given(Kind.ALERT, data={"reason": evil, "to": f"{evil}@x", "delivery_id": 9}), look),
    )
    yield "whisper", [thread_posts.whisper(given(Kind.WHISPER, data={"text": evil}))]


@pytest.mark.parametrize("evil", NASTY)
def test_nothing_in_it_is_live(evil: str) -> None:
    for kind, posts in posts_with(evil):
        assert live(posts) == [], kind
        for post in posts:
            check(post)


def test_formatting_that_somebody_begins_cannot_go_on_into_words_of_ours() -> None:
    """Their words have a text object of their own, or stand at the end of one."""
    evil = "*_~`EVIL`~_*"
    seen = 0
    for kind, posts in posts_with(evil):
        for text in [x["text"] for p in posts for x in walk(p.blocks) if x.get("type") == "mrkdwn"]:
            if "EVIL" in text:
                seen += 1
                assert text.rpartition("EVIL")[2] in ("`~_*", "`~_*.pdf", "`~_* (`~_*)"), (kind, text)
    assert seen > 20


def test_the_same_blocks_whatever_somebody_writes() -> None:
    def shape(posts: list[Post]) -> list[list[str]]:
        return [[block["type"] for block in p.blocks] for p in posts]

    harmless = [shape(posts) for _, posts in posts_with("x")]
    for evil in NASTY:
        assert [shape(posts) for _, posts in posts_with(evil)] == harmless, evil


def test_the_corpus_would_be_noticed() -> None:
    """The check itself can fail."""
    assert live([Post("<!channel>")]) == ["!channel"]
    assert live([Post("x", ({"type": "section", "text": {"type": "mrkdwn", "text": "<@U1>"}},))]) == ["@U1"]
    assert live([Post("x", ({"type": "header", "text": {"type": "plain_text", "text": "<!here>"}},))]) == [
        "!here"
    ]
