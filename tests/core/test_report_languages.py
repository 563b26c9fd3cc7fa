"""Reports in every language: the same texts with the same gaps, numbers and dates as people write them there, and an
operator's own words before ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.config import parse
from core.config_section import ConfigError
from core.digests import report_of
from core.report import Report, make
from core.report_texts import LONGEST, check, gaps, ours, twins
from core.report_words import speech, spoken_by
from core.slack_texts import gaps_of
from core.views import Period
from intake.email.texts import LANGUAGES
from tests.core.desk import TestDesk
from tests.core.figures_made import (
    DAY,
    DAY_BEFORE,
    MADE_AT,
    big,
    big_before,
    nothing,
    ordinary,
    ordinary_before,
    spread,
    waiting,
)
from tests.stores import Store

BERLIN = ZoneInfo("Europe/Berlin")
OTHERS = tuple(language for language in LANGUAGES if language != "en")
# Where a language really says the same, or where there are only gaps.
SAME = {
    *("hours_minutes", "days_hours", "happened", "first_answer_told", "in_time", "in_time_now"),
    *("colon", "title", "chart", "head_n", "head_ticket", "tickets"),
}
SAME_THERE = {
    "de": {"head_median", "head_queue", "queues_one", "queues_other", "priority_normal"},
    "fr": {"seconds", "minutes", "hours", "count_messages"},
    "es": {"seconds", "minutes", "hours", "priority_normal"},
}


def made(language: str, own: dict[str, dict[str, str]] | None = None, **more: Any) -> Report:
    values: dict[str, Any] = {"service": "Acme", "zone": BERLIN, "made_at": MADE_AT}
    return make(
        "daily",
        more.pop("now", ordinary()),
        more.pop("before", ordinary_before()),
        **(values | {"told_in": spoken_by(language, own or {})} | more),
    )


# -- the files ----------------------------------------------------------------------------------------------------


def test_every_language_has_every_text_with_the_same_gaps() -> None:
    """And the languages are those of our mails."""
    assert set(ours()) == set(LANGUAGES)
    for language, texts in ours().items():
        assert list(texts) == list(ours()["en"]), language
        assert gaps_of(texts) == gaps_of(ours()["en"]), language


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_in_english(language: str) -> None:
    english = ours()["en"]
    same = {key for key, text in ours()[language].items() if text == english[key]}
    assert same <= SAME | SAME_THERE[language]
    assert SAME_THERE[language] <= same


def test_ours_would_be_taken_from_an_operator_too() -> None:
    """So each may be copied and changed a little."""
    check(ours())


def test_each_counted_text_has_both_forms() -> None:
    counted = {key for key in ours()["en"] if len(twins(key)) == 2}
    assert {"days_one", "came_in_other", "missed_next_one"} <= counted
    assert not {key for key in ours()["en"] if key.endswith(("_one", "_other"))} - counted


def test_each_text_is_said_somewhere() -> None:
    """One of which no report had any more need would be translated for nobody."""
    asked: set[str] = set()

    class Listening(dict[str, str]):
        def __getitem__(self, key: str) -> str:
            asked.add(key)
            return super().__getitem__(key)

        def get(self, key: str, default: Any = None) -> Any:
            asked.add(key)
            return super().get(key, default)

    heard = replace(speech("en"), texts=Listening(ours()["en"]))
    for n in (1, 2):
        now = nothing(
            **dict.fromkeys(
                ("came_in", "resolved", "backlog_end", "deliveries_failed", "unread", "past_target"), n
            ),
            **dict.fromkeys(("unassigned_aside", "waiting_aside"), n),
            unassigned=2 * n,
            waiting_for_staff=2 * n,
            first_response=spread(n, 60, 60),
        )
        make("daily", now, nothing(DAY_BEFORE), service="", zone=BERLIN, told_in=heard)
        make("daily", nothing(backlog_end=n), now, service="", zone=BERLIN, told_in=heard)
        heard.duration(n * 90_000)
        heard.duration(n)
    for now, before in (
        (ordinary(), ordinary_before()),
        (ordinary_before(), ordinary()),
        (big(), big_before()),
    ):
        made("en", now=now, before=before, told_in=heard, held_back=MADE_AT)
    shown_later = {
        *("span", "span_changed", "dates", "title", "title_late", "part", "late", "hidden"),
        *("queues_all", "queues_one", "queues_other", "needs", "in_numbers", "tickets"),
        *("unsubscribe", "unsubscribe_at", "none", "priority_low"),
    }
    few = {
        key
        for key in ours()["en"]
        if key.startswith(("missed_", "rated_", "nothing", "same", "as_long", "in_time"))
    }
    assert set(ours()["en"]) - asked <= shown_later | few


# -- how it is written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "number", "average", "percent", "duration", "days", "moment"),
    [
        ("en", "12,345", "4.25", "91.2 %", "3 h 20 min", "2 days 4 h", "Fri 27 Nov 2026 08:00"),
        ("de", "12.345", "4,25", "91,2\u00a0%", "3 Std. 20 Min.", "2 Tage 4 Std.", "Fr. 27. Nov. 2026 08:00"),
        ("fr", "12\u00a0345", "4,25", "91,2\u00a0%", "3 h 20 min", "2 jours 4 h", "ven. 27 nov. 2026 08:00"),
        ("es", "12.345", "4,25", "91,2\u00a0%", "3 h 20 min", "2 días 4 h", "vie 27 nov 2026 08:00"),
        (
            "de-AT",
            "12.345",
            "4,25",
            "91,2\u00a0%",
            "3 Std. 20 Min.",
            "2 Tage 4 Std.",
            "Fr. 27. Nov. 2026 08:00",
        ),
        ("en-GB", "12,345", "4.25", "91.2 %", "3 h 20 min", "2 days 4 h", "Fri 27 Nov 2026 08:00"),
        ("tlh", "12,345", "4.25", "91.2 %", "3 h 20 min", "2 days 4 h", "Fri 27 Nov 2026 08:00"),
    ],
)
def test_numbers_and_dates(
    language: str, number: str, average: str, percent: str, duration: str, days: str, moment: str
) -> None:
    words = speech(language)
    at = datetime(2026, 11, 27, 7, tzinfo=UTC)
    assert (words.number(12_345), words.decimal(4.25), words.hundredths(91.2)) == (number, average, percent)
    assert (words.duration(12_000), words.duration(187_200)) == (duration, days)
    assert words.moment(at, BERLIN, year=True) == moment


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("en", ["other", "one", "other", "other"]),
        ("de", ["other", "one", "other", "other"]),
        ("fr", ["one", "one", "other", "other"]),  # "0 ticket"; and a million has a form of its own
        ("es", ["other", "one", "other", "other"]),
    ],
)
def test_one_and_many(language: str, forms: list[str]) -> None:
    words = speech(language)
    assert [words.plural(n) for n in (0, 1, 2, 1_000_000)] == forms
    for n in (0, 1, 2, 1_000_000):
        assert words.number(n) in words.counted("came_in", n, compared="")


@pytest.mark.parametrize(
    ("language", "day", "week", "years", "changed"),
    [
        (
            "de",
            "27. Nov.",
            "20. bis 27. Nov.",
            "28. Dez. 2026 bis 3. Jan. 2027",
            "23 Std. wegen der Zeitumstellung",
        ),
        (
            "fr",
            "27 nov.",
            "20 au 27 nov.",
            "28 déc. 2026 au 3 janv. 2027",
            "23 h, changement d'heure compris",
        ),
        ("es", "27 nov", "20 al 27 nov", "28 dic 2026 al 3 ene 2027", "23 h, por el cambio de hora"),
    ],
)
def test_periods(language: str, day: str, week: str, years: str, changed: str) -> None:
    words = speech(language)

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)

    assert words.dates(at("2026-11-27T08:00"), at("2026-11-28T08:00"), BERLIN) == day
    assert words.dates(at("2026-11-20T08:00"), at("2026-11-28T00:00"), BERLIN) == week
    assert words.dates(at("2026-12-28T00:00"), at("2027-01-04T00:00"), BERLIN) == years
    assert changed in words.span(at("2026-03-28T08:00"), at("2026-03-29T08:00"), BERLIN)


def test_a_sentence_that_ends_with_an_abbreviation_has_one_point() -> None:
    told = made(
        "de", now=nothing(came_in=1, first_response=spread(1, 7_200, 7_200)), before=nothing(DAY_BEFORE)
    )
    assert told.headline[2] == "Die einzige erste Antwort dauerte 2 Std."


# -- a digest in each ---------------------------------------------------------------------------------------------

TOLD = {
    "de": (
        "Acme: daily, 27. Nov. (verspätet)",
        "Fr. 27. Nov. 2026 08:00 bis Sa. 28. Nov. 08:00, Europe/Berlin",
        "Queues billing, support",
        "1 Ticket ist eingegangen, 1 weniger als im Zeitraum davor; 12.000 wurden gelöst, 12.000 mehr.",
        "3 waren am Ende des Zeitraums offen, gleich viele wie zu Beginn.",
        "Eine erste Antwort dauerte 2 Std. 5 Min. (Median von 2), so lange wie im Zeitraum davor.",
        "#7 Hello?: wartet schon 2 Tage 2 Std.; niemand zuständig",
        "2 E-Mails waren nicht lesbar: relaydesk inbox list zeigt sie.",
        ("Kennzahl", "Dieser Zeitraum", "Davor", "Änderung"),
        ("Eingegangen", "1", "2", "−1"),
    ),
    "fr": (
        "Acme\u00a0: daily, 27 nov. (en retard)",
        "ven. 27 nov. 2026 08:00 – sam. 28 nov. 08:00, Europe/Berlin",
        "Files billing, support",
        "1 ticket reçu, 1 de moins que sur la période précédente\u00a0; "
        "12\u00a0000 résolus, 12\u00a0000 de plus.",
        "3 tickets étaient ouverts à la fin de la période, autant qu'au début.",
        "Une première réponse a pris 2 h 5 min (médiane de 2), autant que sur la période précédente.",
        "#7 Hello?\u00a0: attend depuis 2 jours 2 h\u00a0; attribué à personne",
        "2 e-mails n'ont pas pu être lus\u00a0: relaydesk inbox list les montre.",
        ("Indicateur", "Cette période", "Avant", "Écart"),
        ("Reçus", "1", "2", "−1"),
    ),
    "es": (
        "Acme: daily, 27 nov (con retraso)",
        "vie 27 nov 2026 08:00 – sáb 28 nov 08:00, Europe/Berlin",
        "Colas billing, support",
        "Ha llegado 1 ticket, 1 menos que en el período anterior; se han resuelto 12.000, 12.000 más.",
        "Al final del período había 3 abiertos, igual que al principio.",
        "Una primera respuesta tardó 2 h 5 min (mediana de 2), lo mismo que en el período anterior.",
        "#7 Hello?: espera desde hace 2 días 2 h; sin asignar",
        "2 correos no se han podido leer: relaydesk inbox list los muestra.",
        ("Indicador", "Este período", "Antes", "Cambio"),
        ("Recibidos", "1", "2", "−1"),
    ),
}


@pytest.mark.parametrize("language", OTHERS)
def test_a_short_one_in_each_language(language: str) -> None:
    now = nothing(
        queues=("billing", "support"),
        came_in=1,
        resolved=12_000,
        backlog_start=3,
        backlog_end=3,
        waiting_for_staff=1,
        unread=2,
        first_response=spread(2, 7_500, 7_500),
        oldest_waiting=(waiting(7, "Hello?", 50),),
    )
    before = nothing(DAY_BEFORE, came_in=2, first_response=spread(2, 7_500, 7_500))
    told = made(language, now=now, before=before, late=True)
    counts = told.tables[0]
    row = next(one.cells for one in counts.rows if one.cells[1:] == ("1", "2", "−1"))
    needs = [need.words for need in told.needs]
    assert (told.title, told.period, told.scope, *told.headline, *needs, counts.head, row) == TOLD[language]
    assert told.language == language


def test_no_english_is_left_in_a_large_one() -> None:
    """No sentence, head or label of a German one stands in the English one too, but for what is the same."""

    def words(report: Report) -> set[str]:
        cells = {cell for table in report.tables for row in table.rows for cell in row.cells}
        heads = {name for table in report.tables for name in (*table.head, table.title, table.note)}
        charts = {
            name for chart in report.series for name in (chart.title, *(line.name for line in chart.lines))
        }
        told = {
            *report.headline,
            *(need.text for need in report.needs),
            report.title,
            report.period,
            report.scope,
        }
        return {one for one in cells | heads | charts | told if any(letter.isalpha() for letter in one)}

    german, english = (
        words(made(language, now=ordinary(), held_back=MADE_AT, late=True)) for language in ("de", "en")
    )
    names = {"support", "billing", "warehouse", "ada", "mo", "printer", "invoice", "password"}
    kept = {one for one in german & english if one not in names and not one.startswith("#")}
    assert kept == {"Median", "n", "Queue", "Ticket", "normal"}


# -- an operator's own --------------------------------------------------------------------------------------------


def test_an_operator_s_words_come_before_ours() -> None:
    own = {"de": {"count_came_in": "Neu", "days_other": "{n} T", "came_in_other": "Neu: {n} ({compared})"}}
    told = made("de", own)
    assert told.headline[0].startswith("Neu: 42 (12 mehr als im Zeitraum davor); 38 wurden gelöst")
    assert "Neu" in {row.cells[0] for row in told.tables[0].rows}
    assert told.needs[0].text == "wartet schon 3 T 4 Std.; zuständig: ada"
    assert made("en", own).headline == made("en").headline


def test_also_in_a_language_that_we_don_t_have() -> None:
    """What isn't given is English; numbers and days are that language's."""
    own = {
        "nl": {
            "nothing_open_other": "Niets gebeurd; {n} tickets open.",
            "title": "{service}: {name} van {dates}",
        }
    }
    told = made("nl", own, now=nothing(backlog_end=12_345), before=nothing(DAY_BEFORE), late=True)
    assert told.headline == ("Niets gebeurd; 12.345 tickets open.",)
    assert told.title == "Acme: daily van 27 nov (late)"
    assert told.period.startswith("vr 27 nov 2026 08:00 to za 28 nov 08:00")
    assert told.language == "nl"
    assert made("nl").language == "en"


def test_they_stay_with_a_report_that_is_kept() -> None:
    """What is shown a year later speaks as it did when it was made."""
    own = {"nl": {"queues_all": "Alle rijen", "needs": "Wie helpt?"}}
    kept = Report.of_json(made("nl", own).as_json())
    assert kept.scope == "Alle rijen"
    assert kept.speech.text("needs") == "Wie helpt?"


def test_one_that_was_kept_before_there_were_languages_is_read() -> None:
    kept = made("en").as_json()
    for key in ("language", "texts"):
        del kept[key]
    for one in kept["needs"]:
        del one["colon"]
    for one in kept["series"]:
        del one["words"]
    report = Report.of_json(kept)
    assert (report.title, report.needs[0].words) == (made("en").title, made("en").needs[0].words)
    assert [chart.words for chart in report.series] == [chart.words for chart in made("en").series]
    assert all(chart.words for chart in report.series)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"de": {"count_came_on": "x"}}, "no text 'count_came_on'; did you mean count_came_in"),
        ({"de": {"late": "{made} {when}"}}, "a gap {when}; it may have {made}, {period}"),
        ({"de": {"nobody": "{n}"}}, "it has no gaps"),
        ({"de": {"late": "{made.__class__}"}}, "a gap {made.__class__}"),
        ({"de": {"late": "{made:>99999999}"}}, "a gap {made}"),
        ({"de": {"days_one": "{n} {n}"}}, "the gap {n} twice"),
        ({"de": {"late": "} {made}"}}, "a brace stands alone"),
        ({"de": {"nobody": " "}}, "service.texts.de.nobody: it is empty"),
        ({"de": {"late": "x" * (LONGEST + 1)}}, "longer than 300"),
        ({"de": {"head_queue": "x" * 41}}, "longer than 40"),
        (
            {"de": {"title": "{service}\nBcc: eve@example.net"}},
            "service.texts.de.title: it has more than one line",
        ),
        ({"de": {"late": "{made}\u2029"}}, "service.texts.de.late: it has more than one line"),
        ({"de": {"nobody": "nie\tmand"}}, "service.texts.de.nobody: it has a control character, U+0009"),
        ({"German": {"nobody": "x"}}, "write it like [service.texts.de]"),
        ({"de": {"nobody": 7}}, "service.texts.de.nobody"),
        ({"de": "nobody"}, "service.texts.de"),
    ],
)
def test_what_cannot_be_said_is_refused(texts: Any, why: str) -> None:
    """When the configuration is read, with the key and what it may have."""
    with pytest.raises(ConfigError) as refused:
        parse({"service": {"texts": texts}}, environ={})
    assert why in str(refused.value)


def test_a_form_may_have_the_gaps_of_the_other() -> None:
    assert "n" not in gaps_of(ours()["en"])["first_answer_one"]
    assert gaps()["first_answer_one"] == gaps()["first_answer_other"] == {"n", "duration"}
    own = {"nl": {"first_answer_one": "{n} eerste antwoord: {duration}"}}
    parse({"service": {"texts": own}}, environ={})
    now = nothing(came_in=1, first_response=spread(1, 60, 60))
    assert made("nl", own, now=now).headline[2].startswith("1 eerste antwoord: 1 min")


# -- which language -----------------------------------------------------------------------------------------------


def test_a_digest_s_language_needs_words() -> None:
    digest = [{"name": "daily", "language": "nl"}]
    with pytest.raises(
        ConfigError, match=r"digest daily: there are no words in 'nl' \(there are: de, en, es, fr\)"
    ):
        parse({"digest": digest}, environ={})
    parse({"digest": digest, "service": {"texts": {"nl": {"nobody": "niemand"}}}}, environ={})
    with pytest.raises(ConfigError, match=r"digest\.0\.language"):
        parse({"digest": [{"name": "daily", "language": "Deutsch"}]}, environ={})


@pytest.mark.parametrize(
    ("service", "digest", "told"),
    [
        ({}, {}, "Nothing happened."),
        ({"language": "de"}, {}, "In diesem Zeitraum ist nichts geschehen."),
        ({"language": "de"}, {"language": "fr"}, "Il ne s'est rien passé."),
        ({"language": "it"}, {}, "Nothing happened."),
        (
            {"language": "it", "texts": {"it": {"nothing": "Non è successo niente."}}},
            {},
            "Non è successo niente.",
        ),
    ],
)
async def test_it_speaks_its_own_or_else_the_service_s(
    store: Store, service: dict[str, Any], digest: dict[str, Any], told: str
) -> None:
    desk = await TestDesk.open(store, service=service, digest=[{"name": "daily", **digest}])
    wanted, until = desk.config.digest[0], DAY.until
    report = await desk.database.read(lambda tx: report_of(tx, desk.config, wanted, until))
    assert report.headline == (told,)
    assert Period(report.since, report.until) == Period(until - timedelta(days=1), until)
    await desk.close()
