# ruff: noqa: E501
"""What programs write around an answer, in every language: the history goes, every line of the sender's stays."""

from __future__ import annotations

import textwrap

import pytest

from intake.email.phrases import LANGUAGES
from intake.email.separators import is_added_line
from intake.email.visible import is_forward, visible_text
from tests.mail.reply_samples import ATTRIBUTIONS, FORWARDS, HEADS, ORIGINALS, SENT_FROM, heads
from tests.mail.written import parsed

OWN = "Thanks, that worked!\n\nRoom 5 has another one.\nAda"
OLD = "Please restart it.\n\nRegards\nSupport"
NAMED = "en de fr es pt it nl pl cs sv da no fi ru uk tr el hu ro he ar ja zh ko".split()  # noqa: SIM905


def shown(body: str, **fields: str) -> str:
    given = {"subject": "Re: Printer", "in_reply_to": "<x@example.com>", **fields}
    return visible_text(parsed(body, content_type="text/plain; charset=utf-8", **given))


def quoted(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def test_every_language_of_the_issue_has_samples_of_each_kind() -> None:
    for language in NAMED:
        assert language in ATTRIBUTIONS and language in HEADS, language  # noqa: PT018
        assert language in ORIGINALS and language in FORWARDS, language  # noqa: PT018
        assert ("nb" if language == "no" else language) in LANGUAGES, language


def wrapped(line: str) -> dict[str, str]:
    """The ways in which programs and relays break an attribution."""
    if "\n" in line:
        return {"as it is": line}
    return {
        "as it is": line,
        "at 60": "\n".join(textwrap.wrap(line, 60, break_on_hyphens=False)),
        "at 42": "\n".join(textwrap.wrap(line, 42, break_on_hyphens=False)),
        "before the address": line.replace("Desk <", "Desk\n<"),
        "in the address": line.replace(" <", " <\n"),
    }


@pytest.mark.parametrize(
    "line", [line for lines in ATTRIBUTIONS.values() for line in lines], ids=lambda line: line[:60]
)
def test_attributions(line: str) -> None:
    for how, above in wrapped(line).items():
        assert shown(f"{OWN}\n\n{above}\n\n{quoted(OLD)}\n") == OWN, how
        assert shown(f"{OWN}\n{above}\n{quoted(OLD)}\n") == OWN, how
        assert shown(f"{OWN}\n\n{quoted(above)}\n>\n{quoted(OLD)}\n") == OWN, how
        if " by support@" not in line:  # without brackets around the address it may be prose
            assert shown(f"{OWN}\n\n{above}\n\n{OLD}\n") == OWN, how


@pytest.mark.parametrize("language", HEADS)
def test_heads(language: str) -> None:
    for head in heads(language):
        bold = "\n".join("*{}:*{}".format(*line.split(":", 1)) for line in head.split("\n"))
        for above in ("", f"{'_' * 32}\n", f"{'_' * 40}\n\n", "-----Original Message-----\n"):
            assert shown(f"{OWN}\n\n{above}{head}\n\n{OLD}\n") == OWN
        assert shown(f"{OWN}\n\n\n{bold}\n\n{OLD}\n") == OWN
        assert shown(f"{OWN}\n\n{quoted(head)}\n>\n{quoted(OLD)}\n") == OWN
        first_mail = f"{OWN}\n\n{head}\n\n{OLD}"
        read = parsed(first_mail, content_type="text/plain; charset=utf-8")
        assert visible_text(read) == first_mail


@pytest.mark.parametrize("language", ORIGINALS)
def test_original_lines(language: str) -> None:
    line = ORIGINALS[language]
    for above in (line, f"-------- {line.strip('- ')} --------", f"{line}\n{heads(language)[0]}\n"):
        assert shown(f"{OWN}\n\n{above}\n{OLD}\n") == OWN


@pytest.mark.parametrize("language", FORWARDS)
def test_forwarded_mails_stay(language: str) -> None:
    text = f"See this.\n\n{FORWARDS[language]}\n\n{heads(language)[0]}\n\n{OLD}"
    assert shown(text) == text


FORWARD_SUBJECTS = (
    "Fwd: x|FW: x|WG: x|TR: x|RV: x|ENC: x|I: x|Doorst: x|PD: x|VB: x|VL: x|İLT: x|Πρθ: x|Továbbítás: x|转发: x|"
    "轉寄：x|전달: x|転送: x|[EXT] Fwd: x|Fwd: Re: x"
)


@pytest.mark.parametrize("subject", FORWARD_SUBJECTS.split("|"))
def test_subjects_of_forwards(subject: str) -> None:
    text = f"See this.\n\n{heads('en')[0]}\n\n{OLD}"
    assert shown(text, subject=subject) == text


ANSWER_SUBJECTS = (
    "Re: Printer|AW: Printer|SV: Printer|Odp: Printer|Ynt: Printer|回复：Printer|Ответ: Printer|"
    "답장: Printer|Re[2]: Printer|RE : Printer|Antw.: Printer|[#12] Re: Printer|R: Printer|RES: Printer|ΑΠ: Printer|השב: Printer|رد: Printer|"
    "Vá: Printer|返信: Printer|Re: Fwd: Printer"
)


@pytest.mark.parametrize("subject", ANSWER_SUBJECTS.split("|"))
def test_subjects_of_answers(subject: str) -> None:
    body = f"{OWN}\n\n{heads('en')[0]}\n\n{OLD}"
    read = parsed(body, content_type="text/plain; charset=utf-8", subject=subject)
    assert visible_text(read) == OWN


def test_one_prefix_means_two_things() -> None:
    assert is_forward("VS: Printer", "Se her\n\nFra: A\nSendt: i dag")
    assert not is_forward("VS: Printer", "Kiitos\n\nLähettäjä: A")


@pytest.mark.parametrize("line", SENT_FROM)
def test_lines_that_programs_add(line: str) -> None:
    above = "On Mon, May 4, 2026 at 10:00 AM Support <support@example.com> wrote:"
    assert shown(f"{OWN}\n\n{line}\n\n{above}\n\n{quoted(OLD)}\n") == OWN
    assert shown(f"{OWN}\n\n{above}\n\n{quoted(OLD)}\n\n{line}\n") == OWN
    assert shown(f"{OWN}\n\n{line}\n", subject="Printer") == OWN


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my desk, which is on fire.",
        "Sent from my desk is much easier then my mobile phone.",
        "Sent from the old account yesterday",
        "Outlook for Android",
        "I use Outlook for iOS",
        "Enviado de Madrid ayer por la tarde",
        "Mit dem Handy geht es nicht.",
        "Get the mail from Outlook, then call me.",
        "Ich habe die Rechnung gestern per E-Mail verschickt",
        "my iPhone is broken",
        "From my phone it works",
    ],
)
def test_lines_that_people_write(line: str) -> None:
    assert not is_added_line(line)
    assert shown(f"Hello,\n\n{line}") == f"Hello,\n\n{line}"
