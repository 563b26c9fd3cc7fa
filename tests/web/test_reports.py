"""`/reports`: the periods that can be chosen, charts with their tables, CSV, digests on demand; managers alone."""

from __future__ import annotations

import csv as reader
import io
import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from core.failures import Invalid
from core.report_shapes import Chart, Line, Row, TableOf
from core.reporting import MOST_DAYS, PERIODS, SENDS, Wanted, spans
from intake.web import csv
from intake.web.charts import COLUMNS, drawn
from intake.web.reports_page import led
from tests.interfaces.counter import ANN, Counter, counter_on, on_sqlite
from tests.stores import Store
from tests.web.browser import HTML, browser, field, signs_in

BERLIN = ZoneInfo("Europe/Berlin")
QUEUES = [
    {"name": "support", "addresses": ["support@example.com"]},
    {"name": "billing", "addresses": ["billing@example.com"]},
]
DIGESTS = [{"name": "daily", "cron": "0 8 * * *", "period": "1d", "email_to": ["boss@example.com"]}]
ADA, GRACE = "ada@example.com", "grace@example.com"


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk with two queues and a digest, in Berlin."""
    service = {"timezone": "Europe/Berlin"}
    async with counter_on(store, queue=QUEUES, digest=DIGESTS, service=service) as counter:
        yield counter


# -- the period ---------------------------------------------------------------------------------------------------


def local(*args: int) -> datetime:
    return datetime(*args, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[misc,arg-type]


NOW = local(2026, 11, 27, 15, 30)
MIDNIGHT = (2026, 11, 27)


@pytest.mark.parametrize(
    ("period", "since", "until", "before_since", "before_until"),
    [
        ("today", MIDNIGHT, None, (2026, 11, 26), (2026, 11, 26, 15, 30)),
        ("yesterday", (2026, 11, 26), MIDNIGHT, (2026, 11, 25), (2026, 11, 26)),
        ("7d", (2026, 11, 21), None, (2026, 11, 14), (2026, 11, 20, 15, 30)),
        ("90d", (2026, 8, 30), None, (2026, 6, 1), (2026, 8, 29, 15, 30)),
        ("this-month", (2026, 11, 1), None, (2026, 10, 1), (2026, 10, 27, 15, 30)),
        ("last-month", (2026, 10, 1), (2026, 11, 1), (2026, 9, 1), (2026, 10, 1)),
    ],
)
def test_periods_in_the_services_time_zone(
    period: str, since: Any, until: Any, before_since: Any, before_until: Any
) -> None:
    """Each beside as much of the time before; months and days by the clocks of the zone."""
    now, before = spans(Wanted(period=period), NOW, BERLIN)
    assert (now.since, now.until) == (local(*since), local(*until) if until else NOW)
    assert (before.since, before.until) == (local(*before_since), local(*before_until))


def test_a_month_that_was_shorter_is_not_counted_twice() -> None:
    now, before = spans(Wanted(period="this-month"), local(2026, 3, 30, 12), BERLIN)
    assert before.until == now.since == local(2026, 3, 1)
    assert before.since == local(2026, 2, 1)


def test_own_dates_hold_both_days() -> None:
    wanted = Wanted(period="own", first=date(2026, 10, 24), last=date(2026, 10, 25))
    now, before = spans(wanted, NOW, BERLIN)
    assert (now.since, now.until) == (local(2026, 10, 24), local(2026, 10, 26))
    assert now.until - now.since == timedelta(hours=49), "the clocks were put back"
    assert (before.since, before.until) == (local(2026, 10, 22), now.since)
    open_end = Wanted(period="own", first=date(2026, 11, 27), last=date(2026, 12, 31))
    assert spans(open_end, NOW, BERLIN)[0].until == NOW


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (None, date(2026, 1, 1)),
        (date(2026, 1, 2), date(2026, 1, 1)),
        (date(2026, 11, 28), date(2026, 11, 29)),
        (date(1, 1, 1), date(1, 1, 2)),
        (date(9999, 12, 31), date(9999, 12, 31)),
        (date(2026, 11, 27) - timedelta(days=MOST_DAYS), date(2026, 11, 27)),
    ],
)
def test_dates_that_make_no_sense(first: date | None, last: date | None) -> None:
    with pytest.raises(Invalid):
        spans(Wanted(period="own", first=first, last=last), NOW, BERLIN)


@pytest.mark.parametrize("period", [name for name in PERIODS if name != "own"])
@pytest.mark.parametrize("at", [(2026, 1, 1), (2026, 3, 29, 3), (2028, 2, 29), (2026, 10, 25, 2, 30)])
def test_no_period_is_empty_or_overlaps(period: str, at: Any) -> None:
    """At midnight, at New Year, on leap days and while clocks are changed."""
    now, before = spans(Wanted(period=period), local(*at), BERLIN)
    assert before.since < before.until <= now.since + timedelta(seconds=1)
    assert now.since < now.until


# -- charts and CSV -----------------------------------------------------------------------------------------------


def test_charts_are_to_scale() -> None:
    lines = (Line(name="this period", values=(10, 5, 0)), Line(name="before", values=(0, 1, 20)))
    standing = drawn(Chart(key="d", title="D", labels=("Mon", "Tue", "Wed"), lines=lines))
    heights = {(bar.line, round(bar.x)): bar.height for bar in standing.bars}
    assert max(heights.values()) == COLUMNS
    assert sorted(heights.values()) == [0, 0, COLUMNS / 20, COLUMNS / 4, COLUMNS / 2, COLUMNS]
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 for bar in standing.bars)
    assert standing.top == "20"
    lying = drawn(Chart(key="q", title="Q", labels=("support", "billing", "x"), lines=lines))
    assert [bar.width / 78 for bar in lying.bars] == pytest.approx([0.5, 0, 0.25, 0.05, 0, 1], abs=0.01)
    nothing = drawn(Chart(key="n", title="N", labels=("a",), lines=(Line(name="x", values=(0,)),)))
    assert [bar.height for bar in nothing.bars] == [0]


def cells(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(reader.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    "evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t", "\rx", "\n", "＝1", '=HYPERLINK("https://x","y")']
)
def test_no_cell_is_a_formula(evil: str) -> None:
    written = csv.written([[evil, 'a "quoted", cell\nof two lines', None, -5]])
    assert cells(written) == [[f"'{evil}", 'a "quoted", cell\nof two lines', "", "-5"]]
    assert written.endswith(b"\r\n")


@pytest.mark.parametrize("mark", [";", "\t", "|", "\n", "; ", ';"', ";'"])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝"])
def test_no_cell_has_a_formula_where_others_separate(mark: str, sign: str) -> None:
    """A spreadsheet that separates cells by something else finds none, either."""
    ((cell,),) = cells(csv.written([[f"a{mark}{sign}1+cmd"]]))
    assert cell == f"a{mark[0]}'{mark[1:]}{sign}1+cmd"
    assert cells(csv.written([["ok; fine - good; 1"]])) == [["ok; fine - good; 1"]]


def test_tables_as_csv() -> None:
    table = TableOf(
        key="counts",
        title="What happened",
        head=("Count", "This period", "Before", "Change"),
        align="lrrr",
        rows=(Row(cells=("Came in", "1,234", "1,239", "−5")), Row(cells=("=cmd", "–", "2 (3)", "+1"))),
    )
    assert cells(csv.written(csv.table_rows(table))) == [
        ["Count", "This period", "Before"],
        ["Came in", "1234", "1239"],
        ["'=cmd", "–", "2 (3)"],
    ]


def test_what_follows_from_other_columns_is_left_out_whatever_it_is_called() -> None:
    table = TableOf(
        key="counts",
        title="What happened",
        head=("Count", "Now", "Then", "Δ"),
        align="lrrr",
        rows=(Row(cells=("Came in", "4", "9", "−5")),),
    )
    assert cells(csv.written(csv.table_rows(table))) == [["Count", "Now", "Then"], ["Came in", "4", "9"]]


# -- the page -----------------------------------------------------------------------------------------------------


async def reports(desk: Counter, query: str = "", by: httpx.AsyncClient | None = None) -> httpx.Response:
    return await (by or desk.ada).get(f"/reports{query}", headers=HTML)


def rows_of(page: str, key: str) -> list[list[str]]:
    """A table's cells, by the id of its heading."""
    found = re.search(rf'id="{key}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert found is not None, key
    rows = re.findall(r"<tr>(.*?)</tr>", found[1], re.DOTALL)
    cell = r"<t[dh][^>]*>(.*?)</t[dh]>"
    return [[re.sub(r"<[^>]*>", "", one).strip() for one in re.findall(cell, row, re.DOTALL)] for row in rows]


async def test_managers_see_what_happened(desk: Counter) -> None:
    """The same numbers as the API, as a chart and as tables, of a queue or of all."""
    ticket = await desk.opened(title="<script>alert(1)</script>")
    await desk.opened(desk.ben, queue="billing")
    await desk.ada.put(f"/tickets/{ticket['id']}/status", json={"status": "resolved"})
    answer = await reports(desk, "?period=today")
    assert answer.status_code == 200
    assert "2 came in" in answer.text
    counts = {row[0]: row[1:] for row in rows_of(answer.text, "t-counts")}
    assert counts["Came in"] == ["2", "0", "+2"]
    assert counts["Resolved"] == ["1", "0", "+1"]
    assert {row[0]: row[1] for row in rows_of(answer.text, "c-flow")}["Came in"] == "2"
    assert {row[0] for row in rows_of(answer.text, "t-by_queue")} == {"support", "billing"}
    assert '<svg class="chart" role="img" aria-label="This period and the one before' in answer.text
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert len(answer.content) < 100_000
    one = await reports(desk, "?period=today&queue=billing")
    assert {row[0]: row[1:] for row in rows_of(one.text, "t-counts")}["Came in"] == ["1", "0", "+1"]
    assert "<option selected>billing</option>" in one.text
    shares = rows_of((await reports(desk)).text, "t-targets")
    assert shares[0] == ["Resolution", "1 of 1", "–", "–", "–"], "no percentage of so few"


@on_sqlite
async def test_nobody_else_does(desk: Counter) -> None:
    for path in ("/reports", "/reports.csv"):
        for one in (desk.grace, desk.ann):
            assert (await one.get(path, headers=HTML)).status_code == 404
        answer = await desk.nobody.get(path, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={path}")
    async with browser(desk) as http:
        await signs_in(desk, http, GRACE)
        assert (await http.post("/ui/reports/send", data={"digest": "daily"})).status_code == 404
        assert "/reports" not in (await http.get("/")).text
    assert desk.store.count("reports") == 0


@on_sqlite
@pytest.mark.parametrize(
    "query",
    [
        "?period=never",
        "?queue=%3Cb%3E",
        "?period=own",
        "?period=own&from=2026-02-30&to=x",
        "?period=own&from=0001-01-01&to=9999-12-31",
        "?period=own&from=2026-01-01&to=9999-12-31",
        "?period=own&from=1899-01-01&to=1899-01-02",
        "?from=%00&period=own",
    ],
)
async def test_what_makes_no_sense_is_said(desk: Counter, query: str) -> None:
    answer = await reports(desk, query)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert (await desk.ada.get(f"/reports.csv{query}", headers=HTML)).status_code == 404


async def test_csv_of_everything_and_of_a_table(desk: Counter) -> None:
    await desk.opened(title="=cmd|' /C calc'!A0")
    answer = await desk.ada.get("/reports.csv?period=today")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="figures-\d{8}-\d{8}\.csv"', answer.headers["content-disposition"]
    )
    rows = cells(answer.content)
    assert {len(row) for row in rows} == {3}
    told = {name: (now, then) for name, now, then in rows}
    assert (told["came_in"], told["by_queue.support.came_in"]) == (("1", "0"), ("1", ""))
    assert told["oldest_waiting.0.title"] == ("'=cmd|' /C calc'!A0", "")
    figures = (await desk.ada.get("/analyze-data")).json()
    assert told["resolution.n"][0] == str(figures["resolution"]["n"])
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    page = (await reports(desk, "?period=today")).text
    links = re.findall(r'href="(/reports\.csv\?[^"]*)"', page)
    assert len(links) > 5
    for link in links:
        table = await desk.ada.get(link.replace("&amp;", "&"))
        assert len(cells(table.content)) > 1, link
    assert (await desk.ada.get("/reports.csv?table=%0d%0aX: 1", headers=HTML)).status_code == 404


@on_sqlite
async def test_what_failed_is_a_link_away(desk: Counter) -> None:
    """On the page, in place of the command that digests name; other texts stay as they are."""
    ticket = await desk.opened()
    await desk.ada.put(f"/tickets/{ticket['id']}/assignee", json={"username": "ada"})
    desk.store.execute("UPDATE events SET kind = 'delivery_failed' WHERE kind = 'assigned'")
    page = (await reports(desk)).text
    assert '<a href="/desk/failed">Undelivered and unread</a> shows them' in page
    assert "relaydesk outbox" not in page
    assert led("<b> & nothing") == "&lt;b&gt; &amp; nothing"


async def test_a_digest_goes_to_who_asks_alone(desk: Counter) -> None:
    async with browser(desk) as http:
        await signs_in(desk, http, ADA)
        page = await http.get("/reports")
        fields = {name: field(page, name) for name in ("key", "digest")}
        fields["token"] = re.findall(r'action="/ui/reports/send">\n<input[^>]*value="([^"]*)"', page.text)[0]
        forged = await http.post("/ui/reports/send", data={**fields, "token": "0" * 64})
        assert forged.status_code == 403
        assert sent_to(desk) == []
        for _ in range(2):
            answer = await http.post("/ui/reports/send", data=fields)
            assert (answer.status_code, answer.headers["location"]) == (303, "/reports?sent=daily")
        assert sent_to(desk) == [ADA], "a form that is sent twice sends one"
        assert "on its way" in (await http.get("/reports?sent=daily")).text
        assert "on its way" not in (await http.get("/reports?sent=<b>")).text
        gone = await http.post("/ui/reports/send", data={**fields, "digest": "weekly"})
        assert gone.status_code == 404
        answers = [
            (await http.post("/ui/reports/send", data={**fields, "key": f"k{n}"})).status_code
            for n in range(SENDS + 1)
        ]
        assert answers == [303] * (SENDS - 1) + [429] * 2


def sent_to(desk: Counter) -> Iterable[str]:
    return [row["place"] for row in desk.store.rows("SELECT place FROM deliveries WHERE kind = 'digest'")]


@on_sqlite
async def test_an_api_token_reads_but_has_no_forms(desk: Counter) -> None:
    page = await reports(desk)
    assert "/ui/reports/send" not in page.text
    assert (await desk.ada.post("/ui/reports/send", data={"digest": "daily"})).status_code in (303, 401)
    assert sent_to(desk) == []
    assert ANN not in page.text


@on_sqlite
async def test_it_is_english_in_the_operator_s_words(store: Store) -> None:
    """As all pages are, whatever the service's language is."""
    own = {
        "en": {"count_came_in": "Arrived", "span": "{since} until {until}"},
        "de": {"count_came_in": "Neu"},
    }
    service = {"timezone": "Europe/Berlin", "language": "de", "texts": own}
    async with counter_on(store, queue=QUEUES, digest=DIGESTS, service=service) as desk:
        await desk.opened()
        page = (await reports(desk, "?period=7d")).text
        assert "Arrived" in page
        assert "Neu" not in page
        assert page.count(" until ") == 2
        assert "Resolved" in page
