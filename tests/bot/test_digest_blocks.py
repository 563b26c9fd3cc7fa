"""A digest in Slack: within Block Kit's limits whatever it holds, nothing of people's live, a table where charts aren't
taken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.blocks import Look
from bot.digest_blocks import MOST_BLOCKS, digest
from bot.posting import PLAIN
from core.failures import PermanentFailure, UnknownOutcome
from core.report import make
from core.report_shapes import Chart, Line, Need, Report, Row, TableOf
from core.report_words import Speech, speech
from core.shapes import Kind, Seen
from sandbox import Sandbox
from tests.bot.kit import TRIAGE, Kit, outgoing
from tests.bot.posts import check, live, shown, walk
from tests.bot.test_injection import NASTY
from tests.core.figures_made import MADE_AT, big, big_before, ordinary, ordinary_before
from tests.core.long_words import longest

LOOK = Look("", "Acme Support")
UNTIL = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
HOURS = tuple(f"{hour:02}" for hour in range(24))


def a_report(**more: Any) -> Report:
    given: dict[str, Any] = {
        "name": "daily",
        "service": "Acme Support",
        "since": UNTIL - timedelta(days=1),
        "until": UNTIL,
        "zone": "UTC",
        "made_at": UNTIL,
        "headline": ("12 came in, 3 more than the period before; 9 were resolved, as many as then.",),
        "needs": (
            Need(kind="waiting", text="has waited 3 h; nobody has it", ticket=12, title="The printer burns"),
            Need(kind="deliveries", text="2 deliveries failed: relaydesk outbox list shows them."),
        ),
        "tables": (
            TableOf(
                key="counts",
                title="What happened",
                head=("Count", "This period", "Before", "Change"),
                align="lrrr",
                rows=(Row(cells=("Came in", "12", "9", "+3")), Row(cells=("Resolved", "9", "9", "="))),
            ),
            TableOf(
                key="waiting",
                title="Wait for us the longest",
                head=("Ticket", "Queue", "Has waited", "Assignee"),
                align="llrl",
                rows=(Row(cells=("#12 The printer burns", "support", "3 h", "nobody"), ticket=12),),
                note="In brackets: the period before.",
            ),
        ),
        "series": (
            Chart(
                key="flow",
                title="This period and the one before",
                labels=("Came in", "Resolved"),
                lines=(
                    Line(name="this period", values=(12, 9)),
                    Line(name="the period before", values=(9, 9)),
                ),
            ),
            Chart(
                key="hours",
                title="Came in by hour of the day",
                labels=HOURS,
                lines=(
                    Line(name="this period", values=tuple(range(24))),
                    Line(name="the period before", values=(1,) * 24),
                ),
            ),
        ),
    }
    return Report(**(given | more))


def posted(report: Report, **data: Any) -> list[Any]:
    told = outgoing(Kind.DIGEST, ticket=None, place="C9", data={"report": report.as_json(), **data})
    return digest(told, LOOK)


def said(posts: list[Any]) -> str:
    return "\n".join(shown(post) for post in posts)


def fits(posts: list[Any]) -> None:
    for post in posts:
        check(post)
        check(replace(post, blocks=post.plainer or post.blocks))
        assert sum(block["type"] == "data_visualization" for block in post.blocks) <= 2


def test_it_says_what_changed_and_what_needs_somebody_before_the_tables() -> None:
    post, below = posted(a_report())
    fits([post, below])
    assert "Wait for us the longest" in shown(below)
    kinds = [block["type"] for block in post.blocks]
    assert kinds[:2] == ["header", "context"]
    words = shown(post)
    order = (
        "26 Nov",
        "12 came in",
        "What needs somebody",
        "#12 The printer burns",
        "What happened",
        "Came in  ",
    )
    places = [words.index(one) for one in order]
    assert places == sorted(places)
    assert "Thu 26 Nov 2026 08:00 to Fri 27 Nov 08:00, UTC" in words
    assert "12 came in" in post.text
    assert "#12 The printer burns" in post.text


def test_charts_have_the_report_s_numbers_and_a_plain_form_without_them() -> None:
    """24 hours are two at a time: Slack draws at most 20 points."""
    post, _ = posted(a_report())
    flow, hours = (block["chart"] for block in post.blocks if block["type"] == "data_visualization")
    assert [[point["value"] for point in line["data"]] for line in flow["series"]] == [[12, 9], [9, 9]]
    assert hours["axis_config"]["categories"][0] == "00–01"
    assert [point["value"] for point in hours["series"][0]["data"]] == [4 * at + 1 for at in range(12)]
    assert not [block for block in post.plainer if block["type"] == "data_visualization"]
    plainly = "\n".join(x["text"] for x in walk(post.plainer) if isinstance(x.get("text"), str))
    assert "Came in by hour of the day" in plainly
    assert "23           23                  1" in plainly
    assert plainly.count("What happened") == 1  # the table has the numbers of the first chart already
    assert "This period and the one before" not in plainly


def test_an_empty_one_is_a_line() -> None:
    (post,) = posted(a_report(headline=("Nothing happened.",), needs=(), tables=(), series=(), empty=True))
    fits([post])
    assert [block["type"] for block in post.blocks] == ["header", "context", "section"]
    assert post.blocks[2]["text"]["text"] == "Nothing happened."
    assert not post.plainer


def test_a_late_one_says_so() -> None:
    post, _ = posted(a_report(late=True, made_at=UNTIL + timedelta(hours=5)))
    assert "This report is late: it is about Thu 26 Nov" in shown(post)
    assert "late" in post.blocks[0]["text"]["text"]


@pytest.mark.parametrize("evil", [*NASTY, "W" * 5_000, "字" * 300, "a\n```\nb"])
def test_nothing_in_it_is_live_and_it_fits(evil: str) -> None:
    table = TableOf(
        key="waiting",
        title=evil,
        head=("Ticket", evil),
        align="ll",
        rows=tuple(Row(cells=(f"#{n} {evil}", evil), ticket=n) for n in range(1, 11)),
        note=evil,
    )
    chart = Chart(key=evil, title=evil, labels=(evil, evil), lines=(Line(name=evil, values=(1, 2)),))
    needs = tuple(Need(kind="waiting", text="waits", ticket=n, title=evil[:80]) for n in range(1, 4))
    posts = posted(
        a_report(
            headline=(evil,) * 6, needs=needs, tables=(table,), series=(chart,), queues=(evil,), service=evil
        )
    )
    fits(posts)
    assert live(posts) == []
    assert live([replace(post, blocks=post.plainer) for post in posts]) == []


def test_a_large_one_comes_in_several_posts_of_which_each_fits() -> None:
    """The same number with charts and without, so that what stands there already is found again."""
    rows = tuple(
        Row(cells=(f"queue {n:03}", "1,000 (1,000)", "1,000 (1,000)", "3 h 20 min (3 h)")) for n in range(40)
    )
    tables = tuple(
        TableOf(
            key=f"t{n}", title=f"Table {n}", head=("Queue", "In", "Out", "Median"), align="lrrr", rows=rows
        )
        for n in range(30)
    )
    posts = posted(a_report(tables=tables))
    fits(posts)
    assert len(posts) > 2
    assert all(len(post.plainer or post.blocks) <= MOST_BLOCKS for post in posts)
    for n in range(30):
        assert f"*Table {n}*" in said(posts)
    assert posts[1].text == f"Acme Support: daily, 26 Nov (2 of {len(posts)})"


@pytest.mark.parametrize(
    "words",
    [*map(speech, ("en", "de", "fr", "es")), longest(), longest("字"), longest("*")],
    ids=["en", "de", "fr", "es", "longest", "wide", "stars"],
)
def test_it_fits_in_every_language_and_in_an_operator_s_words(words: Speech) -> None:
    """Also where these are as long as they may be; and none of them is live."""
    for now, before in ((ordinary(), ordinary_before()), (big(), big_before())):
        told = {"service": "Acme", "zone": ZoneInfo("UTC"), "made_at": MADE_AT, "told_in": words}
        report = make("daily", now, before, late=True, held_back=MADE_AT, **told)
        for titles in (True, False):
            posts = posted(report, titles=titles)
            fits(posts)
            assert live([*posts, *(replace(post, blocks=post.plainer) for post in posts)]) == []


def test_all_of_it_is_in_its_language() -> None:
    told = {"service": "Acme", "zone": ZoneInfo("UTC"), "made_at": MADE_AT, "told_in": speech("de")}
    posts = posted(make("daily", ordinary(), ordinary_before(), **told), titles=False)
    words = said(posts) + posts[0].text
    for one in (
        *(
            "*Hier wird jemand gebraucht*",
            "Hier wird jemand gebraucht:",
            "Was geschehen ist: Offen zu Beginn 53",
        ),
        *("#88 (Titel ausgeblendet: Diesen Kanal liest nicht nur das Team): wartet schon", "Eingegangen   "),
        "Warten am längsten auf uns",
    ):
        assert one in words
    assert posts[1].text == "Acme: daily, 27. Nov. (2 von 2)"
    charts = [block["chart"] for block in posts[0].blocks if block["type"] == "data_visualization"]
    assert [line["name"] for line in charts[0]["series"]] == ["dieser Zeitraum", "Zeitraum davor"]


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_what_is_a_table_in_english_is_one_in_each_language(language: str) -> None:
    """Labels are as short as that needs."""

    def tables(words: Speech) -> int:
        told = {"service": "Acme", "zone": ZoneInfo("UTC"), "made_at": MADE_AT, "told_in": words}
        posts = posted(make("daily", ordinary(), ordinary_before(), **told))
        return sum(one.get("type") == "rich_text_preformatted" for post in posts for one in walk(post.blocks))

    assert tables(speech(language)) == tables(speech("en")) > 5


def test_labels_within_a_line_keep_the_capitals_of_german_nouns() -> None:
    told = {"service": "Acme", "zone": ZoneInfo("UTC"), "made_at": MADE_AT}
    for language, label in (("de", "Erste Antwort 1"), ("en", "first answer 1")):
        report = make("daily", big(name="x" * 32), big_before(), told_in=speech(language), **told)
        assert label in said(posted(report))


def test_titles_stay_among_staff() -> None:
    """Where strangers read the channel, tickets are numbers."""
    posts = posted(a_report(), titles=False)
    everything = said(posts) + "".join(post.text for post in posts)
    assert "printer" not in everything
    assert "#12" in everything
    fits(posts)


@pytest.mark.parametrize("report", [None, {}, {"name": "x"}, 7])
def test_what_is_no_report_is_refused(report: Any) -> None:
    with pytest.raises(PermanentFailure):
        digest(outgoing(Kind.DIGEST, ticket=None, data={"report": report}), LOOK)


# -- over the wire --------------------------------------------------------------------------------------------------


def told(place: str = TRIAGE, **more: Any) -> Any:
    return outgoing(Kind.DIGEST, ticket=None, place=place, data={"report": a_report(**more).as_json()})


async def test_it_is_posted_once_and_found_after_a_lost_answer(box: Sandbox, kit: Kit) -> None:
    box.workspace.faults.drop_answer("chat.postMessage")
    given = told(tables=a_report().tables[:1])
    with pytest.raises(UnknownOutcome):
        await kit.channel.send(given)
    seen, sent = await kit.channel.look_up(given)
    (post,) = box.workspace.channel("triage").top
    assert (seen, sent.remote_id.rpartition("/")[2] if sent else "") == (Seen.SENT, post.ts)
    assert sum(block["type"] == "data_visualization" for block in post.blocks) == 2
    assert (await kit.channel.look_up(told()))[0] is Seen.NOT_THERE


async def test_several_posts_stand_below_the_first_and_are_not_repeated(box: Sandbox, kit: Kit) -> None:
    rows = tuple(Row(cells=(f"queue {n}", "x" * 30)) for n in range(40))
    large = tuple(
        TableOf(key="t", title=str(n), head=("Queue", "In"), align="ll", rows=rows) for n in range(9)
    )
    given = told(tables=large)
    first = await kit.channel.send(given)
    again = await kit.channel.send(replace(given, attempts=2))
    (root,) = box.workspace.channel("triage").top
    assert len(box.workspace.state.channels[TRIAGE].replies(root.ts)) == len(first.links) - 1 > 0
    assert again.remote_id == first.remote_id


async def test_where_charts_are_refused_it_goes_with_tables(box: Sandbox, kit: Kit) -> None:
    """And where no layout at all is taken, as its words."""
    box.workspace.faults.fail("chat.postMessage", "invalid_blocks")
    sent = await kit.channel.send(told())
    (post,) = box.workspace.channel("triage").top
    assert sent.warning is None
    assert "data_visualization" not in str(post.blocks)
    assert "Came in by hour of the day" in str(post.blocks)
    box.workspace.faults.fail("chat.postMessage", "invalid_blocks", times=2)
    sent = await kit.channel.send(told())
    assert sent.warning == PLAIN
    assert "12 came in" in box.workspace.channel("triage").top[-1].text


async def test_a_channel_that_strangers_read_gets_figures_without_titles(box: Sandbox, kit: Kit) -> None:
    await kit.channel.send(told())
    box.workspace.state.channels[TRIAGE].kind = "channel"
    await kit.channel.send(told())
    private, public = box.workspace.channel("triage").top
    assert "printer" in str(private.blocks)
    assert "printer" not in str(public.blocks) + public.text
    assert "12 came in" in str(public.blocks)


async def test_a_person_gets_it_by_direct_message(box: Sandbox, kit: Kit) -> None:
    await kit.channel.send(told(place=box.workspace.user("ada").id))
    post = box.workspace.dm_channel("ada").messages[0]
    assert "12 came in" in post.text
