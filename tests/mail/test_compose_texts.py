"""The words of our mails: complete in each language, replaceable, and never a reason for a mail not to go."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.blobs import Blobs
from core.children import Children
from core.shapes import Kind, Outgoing
from intake.email.channel import EmailChannel
from intake.email.compose import compose_mail
from intake.email.marker import MARKERS, is_marker
from intake.email.texts import LANGUAGES, LAYOUTS, MAILS, NOTICES, OURS, PIECES, SAMPLES, Texts, Voice, amount
from tests.mail.test_channel import config
from tests.mail.test_compose import CONTEXT, message, notice, outgoing, parsed, texts, ticket

# A link to sign in is about no request; it has a test of its own.
REQUESTERS = sorted(name for name in NOTICES - {"sign_in"} if not name.startswith("staff_"))


def made_in(folder: Path, files: dict[str, str]) -> Texts:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Texts(str(folder))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text(language: str) -> None:
    assert {file.name for file in (OURS / language).iterdir()} == {f"{n}.txt.j2" for n in MAILS | PIECES}
    assert {file.name for file in OURS.iterdir() if file.is_file()} == LAYOUTS


@pytest.mark.parametrize("language", [x for x in LANGUAGES if x != "en"])
@pytest.mark.parametrize("name", sorted(MAILS | PIECES))
def test_translations_say_the_same_with_the_same_values(name: str, language: str) -> None:
    """Each names what the English one names, in other words."""
    english, other = ((OURS / code / f"{name}.txt.j2").read_text() for code in ("en", language))

    def values(text: str) -> list[str]:
        return sorted(re.findall(r"{{ (\w+)", text) + re.findall(r"{% if ([^%]+?) %}", text))

    assert values(english) == values(other)
    for sample in SAMPLES:
        rendered = Texts().render(name, sample, Voice(language))
        assert "{" not in rendered
    if name not in ("message", "staff_told"):
        assert Texts().render(name, SAMPLES[0], Voice(language)) != Texts().render(name, SAMPLES[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_link_to_sign_in_comes_in_their_language_and_names_no_ticket(language: str) -> None:
    data = {"url": "https://desk.example.com/sign-in/TOKEN", "code": "012345"}
    mail = compose_mail(notice("sign_in", language=language, data=data), CONTEXT)
    plain, html = texts(mail)
    own = {"en": "Sign in", "de": "Anmelden", "fr": "Se connecter", "es": "Iniciar sesión"}
    assert own[language] in html
    assert "https://desk.example.com/sign-in/TOKEN" in plain
    assert "012345" in plain
    assert "#12" not in plain + html + str(parsed(mail)["Subject"])
    assert parsed(mail)["Reply-To"] is None
    assert parsed(mail)["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", REQUESTERS)
def test_requesters_are_written_to_in_their_language(what: str, language: str) -> None:
    made = notice(what, language=language, data={"url": "https://desk.example.com/confirm/TOKEN"})
    mail = compose_mail(made, CONTEXT)
    plain, html = texts(mail)
    own = {"en": "request", "de": "Anfrage", "fr": "demande", "es": "solicitud"}
    assert own[language] in plain
    assert not any(word in plain for code, word in own.items() if code != language)
    assert f'<html lang="{language}">' in html
    if what == "confirm":
        assert own[language] in parsed(mail)["Subject"].split()[-1] + parsed(mail)["Subject"]
    else:
        assert "#12" in plain


@pytest.mark.parametrize(
    ("queue", "mail", "service", "spoken"),
    [
        ("", "de", "en", "de"),
        ("", "de-AT", "en", "de"),
        ("", "FR_ca", "en", "fr"),
        ("es", "de", "en", "es"),
        ("", "", "fr", "fr"),
        ("", "ja", "es", "es"),
        ("ja", "de", "en", "de"),
        ("", "../en", "de", "de"),
        ("", "", "ja", "en"),
    ],
)
def test_which_language(queue: str, mail: str, service: str, spoken: str) -> None:
    context = replace(CONTEXT, queue_language=queue, language=service)
    _, html = texts(compose_mail(notice("ack", language=mail), context))
    assert f'<html lang="{spoken}">' in html


def test_staff_read_the_service_s_language() -> None:
    context = replace(CONTEXT, language="fr", queue_language="es")
    made = notice("staff_new", desk=True, message=message(), language="de")
    assert "Nouveau ticket #12" in texts(compose_mail(made, context))[0]


def test_a_ticket_without_a_title_has_a_subject_of_its_language() -> None:
    mail = compose_mail(outgoing(ticket=ticket(""), language="de"), CONTEXT)
    assert parsed(mail)["Subject"] == "Re: [#12] Ihre Anfrage"


def test_the_nearest_of_the_operator_s_texts_wins(tmp_path: Path) -> None:
    places = ["support/de/ack.txt.j2", "support/ack.txt.j2", "de/ack.txt.j2", "ack.txt.j2"]
    own = made_in(tmp_path, {place: f"{place} {{{{ number }}}}\n" for place in places})
    voice = Voice("de", "support")
    for place in places:
        assert own.render("ack", SAMPLES[0], voice) == f"{place} #12\n"
        (tmp_path / place).unlink()
    assert "Vielen Dank" in own.render("ack", SAMPLES[0], voice)


def test_other_queues_and_languages_keep_ours(tmp_path: Path) -> None:
    own = made_in(tmp_path, {"support/de/ack.txt.j2": "Moin"})
    assert own.render("ack", SAMPLES[0], Voice("de", "billing")).startswith("Vielen Dank")
    assert own.render("ack", SAMPLES[0], Voice("fr", "support")).startswith("Merci")
    assert own.render("closed", SAMPLES[0], Voice("de", "support")).startswith("Ihre Anfrage")


def test_a_folder_may_bring_another_language(tmp_path: Path) -> None:
    own = made_in(tmp_path, {"it/ack.txt.j2": "Grazie: {{ number }}", "billing/pt/ack.txt.j2": "Obrigado"})
    assert own.language(["it"]) == "it"
    assert own.language(["pt", "de"], "billing") == "pt"
    assert own.language(["pt", "de"], "support") == "de"
    mail = compose_mail(notice("ack", language="it"), replace(CONTEXT, texts=own))
    assert "Grazie: #12" in texts(mail)[0]
    assert "request #12" in texts(mail)[0], "what it lacks is ours, in English"


def test_subjects_html_and_layouts_too(tmp_path: Path) -> None:
    own = made_in(
        tmp_path,
        {
            "confirm.subject.txt.j2": "Hello\r\nBcc: all@example.com\n",
            "ack.html.j2": "<p><b>{{ title }}</b></p>",
            "layout.txt.j2": "ONLY {{ lead }}",
        },
    )
    context = replace(CONTEXT, texts=own)
    assert parsed(compose_mail(notice("confirm"), context))["Subject"] == "Hello Bcc: all@example.com"
    plain, html = texts(compose_mail(notice("ack", ticket=ticket("<script>x</script>")), context))
    assert "<p><b>&lt;script&gt;x&lt;/script&gt;</b></p>" in html
    assert plain.startswith("ONLY Thank you")


BROKEN = {
    "syntax": "{% if %}",
    "unknown value": "Hello {{ nubmer }}",
    "unknown filter": "{{ number | shout }}",
    "a call": "{{ number() }}",
    "reaching out": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "changing": "{{ footer.append(1) }}",
    "an include that isn't there": "{% include 'other.txt.j2' %}",
    "outside": "{% include '../secret' %}",
    "endless": "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "too many": "{% for i in range(10**9) %}x{% endfor %}",
    "bytes": "\udcff",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_text_is_ours_in_the_mail_and_told_in_the_log(tmp_path: Path, name: str) -> None:
    text = BROKEN[name]
    (tmp_path / "ack.txt.j2").write_bytes(text.encode("utf-8", "surrogateescape"))
    own = Texts(str(tmp_path))
    with capture_logs() as log:
        plain, _ = texts(compose_mail(notice("ack"), replace(CONTEXT, texts=own)))
    assert "Thank you, your request has reached us" in plain
    assert [line["event"] for line in log] == ["template_broken"]
    assert log[0]["template"] == "ack.txt.j2"
    assert own.problems([]) != []


def test_check_finds_what_no_mail_uses(tmp_path: Path) -> None:
    own = made_in(
        tmp_path,
        {
            "ack.txt.j2": "fine {{ service }}{% if outsider %}!{% endif %}",
            "de/ack.html.j2": "<b>{{ words_html }}</b>",
            "support/de/closed.txt.j2": "fine",
            "akc.txt.j2": "typo",
            "confirm.subject.html.j2": "no",
            "unknown_queue/ack.txt.j2": "no",
            "de/support/ack.txt.j2": "the wrong way round",
            "support/de/x/ack.txt.j2": "too deep",
            "ack.txt": "not a template",
            "footer.txt.j2": "{{ serivce }}",
        },
    )
    found = own.problems(["support"])
    assert [one.partition(":")[0] for one in found] == [
        "akc.txt.j2",
        "confirm.subject.html.j2",
        "de/support/ack.txt.j2",
        "footer.txt.j2",
        "support/de/x/ack.txt.j2",
        "unknown_queue/ack.txt.j2",
    ]
    assert "'serivce' is undefined" in found[3]
    assert Texts(str(tmp_path / "none")).problems([]) == [
        f"email.outbound.templates: there is no folder {tmp_path / 'none'}"
    ]
    assert Texts().problems([]) == []


def test_samples_hold_what_mails_hold() -> None:
    """What `check` tries texts with is what they get: a value more or less would let a broken one through."""
    given: dict[str, set[str]] = {"lead": set(), "layout": set()}

    class Spy(Texts):
        def render(self, name: str, values, voice=Voice()) -> str:  # type: ignore[no-untyped-def] # noqa: B008
            given["lead"] |= values.keys()
            return super().render(name, values, voice)

        def layout(self, file: str, values, voice=Voice()) -> str:  # type: ignore[no-untyped-def] # noqa: B008
            given["layout"] |= values.keys()
            return super().layout(file, values, voice)

    made = notice("confirm", data={"url": "https://desk.example.com/c"})
    compose_mail(made, replace(CONTEXT, texts=Spy()))
    compose_mail(outgoing(), replace(CONTEXT, texts=Spy()))
    assert given["lead"] | given["layout"] | {"file", "size", "until"} == set(SAMPLES[0])


async def test_check_of_the_service_says_it(tmp_path: Path) -> None:
    made_in(tmp_path / "own", {"ack.txt.j2": "{{ nubmer }}", "closed.txt.j2": "Bye {{ number }}"})
    settings = config(
        tmp_path,
        email={
            "outbound": {"port": 1, "tls": "none", "timeout": "300ms", "templates": str(tmp_path / "own")}
        },
    )
    channel = EmailChannel(settings, Blobs(tmp_path), Children())
    [found] = [one for one in await channel.probe() if one.part == "mail texts"]
    assert found.problem == "ack.txt.j2: 'nubmer' is undefined"
    assert found.text.startswith("2 in ")
    (tmp_path / "own" / "ack.txt.j2").write_text("{{ number }}")
    [fine] = [one for one in await channel.probe() if one.part == "mail texts"]
    assert fine.problem is None
    rendered = await channel.render(notice("closed", language="de"))
    assert b"Bye #12" in rendered


@pytest.mark.parametrize(
    ("size", "language", "written"),
    [
        (0, "en", "0.1 kB"),
        (900, "en", "0.9 kB"),
        (20_480_000, "en", "20.5 MB"),
        (20_480_000, "de", "20,5 MB"),
        (20_480_000, "fr", "20,5 Mo"),
        (1_000_000, "es", "1 MB"),
        (3_200_000_000, "fr", "3,2 Go"),
    ],
)
def test_sizes(size: int, language: str, written: str) -> None:
    assert amount(size, language) == written


def test_everything_a_mail_is_made_of_is_a_text() -> None:
    """Whatever the kind, no word comes from the code."""
    blank = {f"{name}.txt.j2": "·" for name in (MAILS | PIECES)}

    class Blank(Texts):
        def _render(self, file: str, values, voice) -> str:  # type: ignore[no-untyped-def]
            return blank.get(file) or super()._render(file, values, voice)

    context = replace(CONTEXT, texts=Blank(), base_url="")
    everything: list[Outgoing] = [notice(name, desk=name.startswith("staff_")) for name in sorted(NOTICES)]
    everything += [outgoing(message=message("·")), outgoing(Kind.ALERT, desk=True)]
    for made in everything:
        plain, _ = texts(compose_mail(made, replace(context, service="·")))
        left = re.sub(r"--=\(.*\)=--", "", plain).replace("-- ", "").split()
        assert set(left) <= {"·"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_line_to_answer_above_is_in_their_language_and_known_to_reading(language: str) -> None:
    plain, html = texts(compose_mail(outgoing(language=language), CONTEXT))
    line = plain.splitlines()[0]
    assert line == MARKERS[language]
    assert is_marker(line)
    assert line in html


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_told_that_it_is_resolved_may_rate_it(language: str) -> None:
    """The link stands in the text and behind a button of the HTML; where there is none, nothing speaks of it."""
    url = "https://desk.example.com/rate/WzEyLCJhYiJd.c2ln"
    with_it = texts(compose_mail(notice("resolved", language=language, data={"url": url}), CONTEXT))
    without = texts(compose_mail(notice("resolved", language=language), CONTEXT))
    label = (OURS / language / "resolved.button.txt.j2").read_text().strip()
    assert with_it[0].count(url) == 1
    assert f'href="{url}"' in with_it[1]
    assert f">{label}</a>" in with_it[1]
    assert label not in without[1]
    assert "/rate/" not in "".join(without)
    assert len(with_it[0].splitlines()) == len(without[0].splitlines()) + 4, "a line that asks, and the link"
    other = compose_mail(notice("closed", language=language, data={"url": url}), CONTEXT)
    assert url not in "".join(texts(other))
