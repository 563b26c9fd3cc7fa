"""The digest as a mail: what clients and readers need of it, and what must not be in it."""

from __future__ import annotations

import email
import re
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.blobs import Blobs
from core.children import ChildFailed, Children
from core.report import Chart, Line, Report, make
from core.report_words import speech
from core.shapes import Kind, Outgoing, Person
from core.widths import width
from intake.email import digest_charts
from intake.email.channel import EmailChannel
from intake.email.composed import ComposedMail
from intake.email.digest_charts import Painter
from intake.email.digest_lines import lines_of
from intake.email.digest_mail import compose_digest, values
from intake.email.texts import DIGEST_SAMPLES, Texts
from tests.core.figures_made import (
    DAY_BEFORE,
    MADE_AT,
    big,
    big_before,
    nothing,
    ordinary,
    ordinary_before,
    waiting,
)
from tests.mail.test_channel import config
from tests.mail.test_compose import CONTEXT

BERLIN = ZoneInfo("Europe/Berlin")
PNG = b"\x89PNG\r\n\x1a\n"


def report(**more: Any) -> Report:
    given: dict[str, Any] = {"service": "Acme Support", "zone": BERLIN, "made_at": MADE_AT}
    return make("daily", ordinary(), ordinary_before(), **(given | more))


def big_report(language: str = "en", **more: Any) -> Report:
    given: dict[str, Any] = {"service": "Acme Support", "zone": BERLIN, "made_at": MADE_AT, "late": True}
    return make("weekly", big(**more), big_before(), **given, told_in=speech(language))


def empty_report() -> Report:
    return make("daily", nothing(backlog_end=3), nothing(DAY_BEFORE), service="Acme Support", zone=BERLIN)


def digest(told: Report, **data: Any) -> Outgoing:
    return Outgoing(
        delivery_id=41,
        kind=Kind.DIGEST,
        place="boss@example.com",
        desk=True,
        attempts=0,
        sending_at=MADE_AT,
        created_at=MADE_AT,
        queue="",
        data={"report": told.as_json(), **data},
        to=Person(kind="email", address="boss@example.com", name="The Boss"),
    )


def read(mail: ComposedMail) -> EmailMessage:
    parsed = email.message_from_bytes(mail.content, policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    assert not [part.defects for part in parsed.walk() if part.defects]
    return parsed


def content(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


class Elements(HTMLParser):
    """Elements with their attributes, and the words between them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.found if name == tag]


# -- what is in it ------------------------------------------------------------------------------------------------


def test_text_and_html_with_pictures_beside_it() -> None:
    mail = read(compose_digest(digest(report()), CONTEXT, (PNG + b"1", PNG + b"2", PNG + b"3")))
    assert mail.get_content_type() == "multipart/alternative"
    text, related = mail.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert related.get_content_type() == "multipart/related"
    html, *pictures = related.iter_parts()  # type: ignore[attr-defined]
    assert html.get_content_type() == "text/html"
    assert [one.get_content() for one in pictures] == [PNG + b"1", PNG + b"2", PNG + b"3"]
    shown = Elements(html.get_content())
    named = [attrs["src"].removeprefix("cid:") for attrs in shown.all("img")]
    assert [f"<{name}>" for name in named] == [one["Content-ID"] for one in pictures]
    assert {one.get_content_disposition() for one in pictures} == {"inline"}
    assert [attrs["alt"] for attrs in shown.all("img")] == [chart.words for chart in report().series]
    assert "Came in 42 / 30" in shown.all("img")[0]["alt"]


@pytest.mark.parametrize(
    "told", [report(late=True), empty_report(), big_report()], ids=["day", "empty", "big"]
)
def test_html_holds_nothing_that_mail_programs_refuse(told: Report) -> None:
    mail = read(compose_digest(digest(told, unsubscribe="https://desk.example.com/u"), CONTEXT, (PNG,) * 3))
    html = content(mail, "html")
    shown = Elements(html)
    assert shown.open == []  # every element is closed
    tags = {name for name, _ in shown.found}
    assert not tags & {"script", "svg", "link", "iframe", "form", "video", "object", "base", "input"}
    for _, attrs in shown.found:
        assert not [name for name in attrs if name.startswith("on")]
        style = attrs.get("style", "")
        assert not re.search(r"flex|grid|url\(|position|@import|float|var\(", style)
    assert not re.search(r"data:|flex|grid|url\(|@import|@font-face", html)
    assert all(attrs["src"].startswith("cid:") for attrs in shown.all("img"))
    assert all(attrs["href"].startswith("https://desk.example.com/") for attrs in shown.all("a"))
    assert len(html.encode()) < 100_000  # Gmail cuts at 102 KB
    assert {"name": "color-scheme", "content": "light dark"} in shown.all("meta")
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_it_stays_small_whatever_names_and_titles_are(language: str) -> None:
    for word in ('"', "語"):
        told = big_report(language, name=word * 40, title=word * 80)
        html = content(read(compose_digest(digest(told), CONTEXT)), "html")
        assert len(html.encode()) < 102_000


@pytest.mark.parametrize("told", [report(late=True), big_report()], ids=["day", "big"])
def test_both_parts_say_everything(told: Report) -> None:
    """Each sentence, each cell of each table, each number of each chart: in the text too."""
    mail = read(compose_digest(digest(told), CONTEXT))
    text = content(mail, "plain")
    html = "".join(Elements(content(mail, "html")).words).replace("\u00a0", " ")
    for said in (text, html):
        for line in (*told.headline, told.period, told.scope, told.late_words, told.title):
            assert line in said
        for need in told.needs:
            assert need.text in said
            assert need.title in said
        for chart in told.series:
            assert chart.words in said
    for table in told.tables:
        lines = lines_of(table)
        assert "\n".join(lines) in text.replace("\r\n", "\n")
        for row in table.rows:
            assert all(cell in "\n".join(lines) for cell in row.cells)
            assert all(cell in html for cell in row.cells)


def test_bars_are_cells_with_a_colour() -> None:
    """They are read with images off."""
    shown = Elements(content(read(compose_digest(digest(report()), CONTEXT)), "html"))
    bars = [attrs["width"] for attrs in shown.all("td") if attrs.get("bgcolor") == "#4c82f7"]
    drawn = [f"{row.bar}%" for table in report().tables for row in table.rows if row.bar]
    assert bars == drawn
    assert "100%" in bars


def test_an_empty_period_is_one_line() -> None:
    mail = read(compose_digest(digest(empty_report()), CONTEXT))
    text = content(mail, "plain").replace("\r\n", "\n")
    assert text.partition("-- ")[0].split("\n\n")[1:] == ["Nothing happened; 3 tickets are open.", ""]
    shown = Elements(content(mail, "html"))
    assert shown.all("th") == []
    assert mail.get_body(("related",)) is None


def test_a_chart_that_failed_is_told_in_words() -> None:
    told = report()
    mail = read(compose_digest(digest(told), CONTEXT, (b"", PNG, b"")))
    shown = Elements(content(mail, "html"))
    assert [attrs["src"] for attrs in shown.all("img")] == ["cid:41.chart1@example.com"]
    assert told.series[0].words in "".join(shown.words)


def test_tickets_are_links_where_there_is_a_site() -> None:
    shown = Elements(content(read(compose_digest(digest(report()), CONTEXT)), "html"))
    assert "https://desk.example.com/tickets/88" in {attrs["href"] for attrs in shown.all("a")}
    without = read(compose_digest(digest(report()), replace(CONTEXT, base_url="")))
    assert Elements(content(without, "html")).all("a") == []


def test_text_tables_are_aligned() -> None:
    """Also behind letters that take two columns, and behind titles that take a line."""
    told = make(
        "daily",
        nothing(
            came_in=1,
            oldest_waiting=(waiting(7, "文字化け", 1), waiting(8, "x" * 70, 200), waiting(9, "Hi", 3)),
        ),
        nothing(DAY_BEFORE),
        service="Acme Support",
        zone=BERLIN,
        made_at=MADE_AT,
    )
    [table] = [one for one in told.tables if one.key == "waiting"]
    head, rule, *rows = lines_of(table)
    assert set(rule) == {"-"}
    assert rows[1] == f"#8 {'x' * 70}"
    del rows[1]
    column = width(head[: head.index("Queue")])
    for row in rows:
        assert width(row[: row.index("support")]) == column


# -- the header ---------------------------------------------------------------------------------------------------


def test_header() -> None:
    made = compose_digest(digest(report(), unsubscribe="https://desk.example.com/unsubscribe/TOKEN"), CONTEXT)
    mail = read(made)
    assert mail["Subject"] == "Acme Support: daily, 27 Nov"
    assert mail["From"] == "Acme Support <support@example.com>"
    assert mail["To"] == "The Boss <boss@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "<daily.digests.example.com>"
    assert mail["List-Unsubscribe"] == "<https://desk.example.com/unsubscribe/TOKEN>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Precedence"] == "bulk"
    assert mail["Reply-To"] is None
    assert made.rcpt_tos == ("boss@example.com",)
    assert "https://desk.example.com/unsubscribe/TOKEN" in content(mail, "plain")
    assert (
        read(compose_digest(digest(report(late=True)), CONTEXT))["Subject"]
        == "Acme Support: daily, 27 Nov (late)"
    )


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "javascript:alert(1)",
            "https://x/\r\nBcc: eve@example.net",
            "https://x/> <mailto:eve@example.net",
        ),
        *('https://x/" onclick="', "https://x/ y", "https://x/ü", "https://x/" + "y" * 2_000),
    ],
)
def test_what_is_no_url_unsubscribes_nobody(url: str) -> None:
    mail = read(compose_digest(digest(report(), unsubscribe=url), CONTEXT))
    assert mail["List-Unsubscribe"] is None
    assert mail["List-Unsubscribe-Post"] is None
    assert mail["Bcc"] is None
    assert "mails no more" not in content(mail, "html")


def test_one_click_is_for_https_alone() -> None:
    mail = read(compose_digest(digest(report(), unsubscribe="http://localhost:8080/u/1"), CONTEXT))
    assert mail["List-Unsubscribe"] == "<http://localhost:8080/u/1>"
    assert mail["List-Unsubscribe-Post"] is None


def test_nothing_that_others_wrote_is_markup_or_header() -> None:
    evil = "</td><script>alert(1)</script>\r\nBcc: eve@example.net\r\n\r\n{{ 7 * 7 }}<img src=https://e.example/x>"
    now = replace(
        ordinary(),
        by_tag=(replace(ordinary().by_tag[0], name=evil),),
        by_assignee=(replace(ordinary().by_assignee[0], name=evil),),
        by_queue=tuple(replace(group, name=f"{at}{evil}") for at, group in enumerate(ordinary().by_queue)),
        oldest_waiting=(waiting(7, evil, 9, evil, evil),),
    )
    told = make("daily", now, ordinary_before(), service=f"Acme{evil}", zone=BERLIN)
    named = replace(digest(told), to=Person(kind="email", address="boss@example.com", name=evil))
    mail = read(compose_digest(named, replace(CONTEXT, service=f"Acme{evil}"), (PNG,) * 3))
    assert mail["Bcc"] is None
    assert {name.lower() for name in mail} >= {"subject", "list-id"}
    shown = Elements(content(mail, "html"))
    assert shown.all("script") == []
    assert all(attrs["src"].startswith("cid:") for attrs in shown.all("img"))
    assert shown.open == []
    assert "{{ 7 * 7 }}" in mail["Subject"]
    for line in content(mail, "plain").splitlines():
        assert not line.startswith("Bcc:")


def test_a_name_that_is_none_makes_no_list() -> None:
    told = replace(report(), name="daily>\r\nBcc: eve@example.net")
    mail = read(compose_digest(digest(told), CONTEXT))
    assert mail["List-Id"] is None
    assert mail["Bcc"] is None


def test_the_same_again_is_the_same_mail() -> None:
    made = digest(report())
    assert compose_digest(made, CONTEXT, (PNG,)).content == compose_digest(made, CONTEXT, (PNG,)).content
    other = compose_digest(replace(made, delivery_id=42), CONTEXT, (PNG,))
    assert read(other)["Message-ID"] != read(compose_digest(made, CONTEXT, (PNG,)))["Message-ID"]


@pytest.mark.parametrize("data", [{}, {"report": 7}, {"report": {}}, {"report": None}])
def test_without_a_report_there_is_no_mail(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="carries no report"):
        compose_digest(replace(digest(report()), data=data), CONTEXT)


# -- texts --------------------------------------------------------------------------------------------------------


def test_samples_hold_what_the_layouts_get() -> None:
    """What `check` tries an operator's layout with is what it gets, also within."""
    given = values(report(late=True), CONTEXT, "https://desk.example.com/u", ("cid",))
    sample = DIGEST_SAMPLES[0]
    assert given.keys() == sample.keys() == DIGEST_SAMPLES[1].keys()
    for name in ("needs", "charts", "tables"):
        assert given[name][0].keys() == sample[name][0].keys()
    table, shown = given["tables"][0], sample["tables"][0]
    assert table["head"][0].keys() == shown["head"][0].keys()
    assert table["rows"][0].keys() == shown["rows"][0].keys()
    assert table["rows"][0]["cells"][0].keys() == shown["rows"][0]["cells"][0].keys()


def test_operators_may_have_their_own(tmp_path: Path) -> None:
    (tmp_path / "digest.txt.j2").write_text("Ours: {{ headline[0] }}")
    texts = Texts(str(tmp_path))
    assert texts.problems([]) == []
    mail = read(compose_digest(digest(report()), replace(CONTEXT, texts=texts)))
    assert content(mail, "plain").startswith("Ours: 42 came in")
    (tmp_path / "digest.html.j2").write_text("{{ tabels }}")
    assert texts.problems([]) == ["digest.html.j2: 'tabels' is undefined"]


# -- charts and the channel ---------------------------------------------------------------------------------------


async def test_charts_are_pictures_drawn_in_a_child() -> None:
    painter, told = Painter(), report()
    drawn = await painter.draw(told.series)
    assert len(drawn) == 3
    for one in drawn:
        assert one.startswith(PNG)
        size = [int.from_bytes(one[at : at + 4]) for at in (16, 20)]
        assert size == [2 * digest_charts.WIDTH, 2 * digest_charts.HEIGHT]
        assert len(one) < 60_000
    assert await Painter().draw(told.series) == drawn  # the same numbers are the same bytes
    again = await painter.draw(told.series)
    assert all(
        one is other for one, other in zip(again, drawn, strict=True)
    )  # not drawn twice for two readers
    assert await painter.draw(()) == ()


async def test_a_failing_chart_costs_that_chart_alone() -> None:
    """One whose numbers don't fit its labels can't be drawn."""
    good = report().series[0]
    broken = Chart(key="x", title="x", labels=("a", "b"), lines=(Line(name="n", values=(1, 2, 3)),))
    first, second = await Painter().draw((broken, good))
    assert first == b""
    assert second.startswith(PNG)


async def test_a_child_that_dies_costs_no_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(self: Children, function: str, *args: Any) -> Any:
        raise ChildFailed("needed too much memory")

    monkeypatch.setattr(Children, "call", dies)
    channel = EmailChannel(config(tmp_path), Blobs(tmp_path), Children())
    mail = read(ComposedMail.unpack(await channel.render(digest(report()))))
    shown = Elements(content(mail, "html"))
    assert shown.all("img") == []
    assert report().series[0].words in "".join(shown.words)
