"""The sender's own words. Two questions to every case: is the history gone, and is every own line there?"""

from __future__ import annotations

import pytest

from intake.email.history import Hints
from intake.email.marker import MARKER
from intake.email.parse import parse
from intake.email.visible import own_words, visible_text, without_signature
from tests.mail.written import mail, multipart, parsed

ANSWER = {"subject": "Re: Printer", "in_reply_to": "<x@example.com>"}

ATTRIBUTIONS = [
    "On Mon, May 4, 2026 at 10:00 AM Support <support@example.com> wrote:",
    "On 4 May 2026, at 10:00, Support <support@example.com> wrote:",
    "Am Mo., 4. Mai 2026 um 10:00 Uhr schrieb Support <support@example.com>:",
    "Am 04.05.26 um 10:00 schrieb Support:",
    "Le lun. 4 mai 2026 à 10:00, Support <support@example.com> a écrit :",
    "El lun, 4 may 2026 a las 10:00, Support (<support@example.com>) escribió:",
    "Em seg., 4 de mai. de 2026 às 10:00, Support <support@example.com> escreveu:",
    "Il giorno lun 4 mag 2026 alle ore 10:00 Support <support@example.com> ha scritto:",
    "Op ma 4 mei 2026 om 10:00 schreef Support <support@example.com>:",
    "pon., 4 maj 2026 o 10:00 Support <support@example.com> napisał(a):",
    "po 4. 5. 2026 v 10:00 odesílatel Support <support@example.com> napsal:",
    "Den mån 4 maj 2026 kl 10:00 skrev Support <support@example.com>:",
    "ma 4. toukok. 2026 klo 10.00 Support (support@example.com) kirjoitti:",
    "пн, 4 мая 2026 г. в 10:00, Support <support@example.com>:",
    "4 мая 2026 г., в 10:00, Support <support@example.com> написал(а):",
    "Support <support@example.com>, 4 May 2026 Pzt, 10:00 tarihinde şunu yazdı:",
    "2026年5月4日(月) 10:00 Support <support@example.com>:",
    "Support <support@example.com> 于2026年5月4日周一 10:00写道：",
    "2026년 5월 4일 (월) 오전 10:00, Support <support@example.com>님이 작성:",
    "Vào Th 2, 4 thg 5, 2026 vào lúc 10:00 Support <support@example.com> đã viết:",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_attributions_go_with_their_quote(attribution: str, wrapped: bool) -> None:
    if wrapped:
        attribution = attribution.replace("Support <", "Support\n<").replace("Support (", "Support\n(")
    assert own_words(f"Thanks!\n\n{attribution}\n\n> Please restart it.\n> \n> > older\n") == "Thanks!"


HEADS = [
    "From: Support <support@example.com>\nSent: Monday, May 4, 2026 10:00 AM\nTo: Ada\nSubject: Printer",
    "*From:* Support <support@example.com>\n*Date:* May 4, 2026\n*To:* Ada\n*Subject:* RE: Printer",
    "Von: Support <support@example.com>\nGesendet: Montag, 4. Mai 2026 10:00\nAn: Ada\nBetreff: AW: Printer",
    "De : Support <support@example.com>\nEnvoyé : lundi 4 mai 2026 10:00\nÀ : Ada\nObjet : Printer",
    "De: Support\nEnviado el: lunes, 4 de mayo de 2026\nPara: Ada\nAsunto: Printer",
    "Da: Support\nInviato: lunedì 4 maggio 2026\nA: Ada\nOggetto: Printer",
    "Van: Support\nVerzonden: maandag 4 mei 2026\nAan: Ada\nOnderwerp: Printer",
    "Od: Support\nWysłano: poniedziałek, 4 maja 2026\nDo: Ada\nTemat: Printer",
    "Från: Support\nSkickat: den 4 maj 2026\nTill: Ada\nÄmne: Printer",
    "Fra: Support\nSendt: 4. mai 2026\nTil: Ada\nEmne: Printer",
    "От: Support\nОтправлено: 4 мая 2026 г.\nКому: Ada\nТема: Printer",
    "发件人: Support\n发送时间: 2026年5月4日\n收件人: Ada\n主题: Printer",
    "差出人: Support\n送信日時: 2026年5月4日\n宛先: Ada\n件名: Printer",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("rule", ["", "________________________________\n", "-----Original Message-----\n"])
def test_quoted_heads_of_outlook(head: str, rule: str) -> None:
    read = parsed(f"Thanks!\n\n{rule}{head}\n\nPlease restart it.\n", **ANSWER)
    assert visible_text(read) == "Thanks!"


@pytest.mark.parametrize(
    "line",
    [
        "-----Original Message-----",
        "----- Ursprüngliche Nachricht -----",
        "-------- Message d'origine --------",
        "----- Mensaje original -----",
    ],
)
def test_original_message_lines(line: str) -> None:
    assert own_words(f"Thanks!\n\n{line}\nold text\n") == "Thanks!"


def test_our_own_line_is_the_first_choice() -> None:
    text = f"Thanks!\n\nSupport schrieb irgendwann irgendwas\n\n{MARKER}\nold\n"
    assert own_words(text) == "Thanks!\n\nSupport schrieb irgendwann irgendwas"
    assert own_words(f"{MARKER}\nold\n\nmy answer below") == f"{MARKER}\nold\n\nmy answer below"


# --- nothing of the sender's own is lost --------------------------------------------------------------------------

KEPT = [
    "Yes.\n\n> How old is it?\n\nTwo years.\n\n> Which colour?\n\nRed.",
    "On Monday our boss wrote:\nall printers must go. What now?",
    "On 4 May at 10:30 your colleague wrote: call back. I did.",
    "I pasted this:\nFrom: x@y.example\nTo: z@y.example\nSubject: Other\nand it failed. Why?",
    "Facts\n____\nmore facts\n- one\n- two\nThanks,\nAda",
    "Thanks,\nAda\n\nOne more thing: it smokes.",
    "The log says:\n> error 17\n> error 18",
    "--\nnot a signature but a very long text\n" + "line\n" * 20 + "end",
    "Sent from my desk, which is on fire.",
    "From: here to there\nit's all broken",
    "1. On\n2. Off\nOn 5 of 7 days: nothing.",
    "Begin forwarded message:\n\nFrom: a@b.example\nDate: 1 May 2026\nSubject: Printer\n\nlook at this",
    "See\n\n---------- Forwarded message ---------\nFrom: A <a@b.example>\nDate: 1 May 2026\nTo: x\nSubject: Printer\n\ntext",  # noqa: E501
    "My answers are in red below\n\nFrom: S\nSent: 1 May 2026\nTo: A\nSubject: Printer\n\nHow old? Two years.",
    "> only\n> quotes",
    "On Mon, May 4, 2026 at 10:00 AM Support <support@example.com> wrote:\n> nothing else",
]


@pytest.mark.parametrize("text", KEPT)
def test_own_words_stay(text: str) -> None:
    assert visible_text(parsed(text, **ANSWER)) == text


def test_a_head_with_another_subject_is_pasted() -> None:
    pasted = "This came:\n\nFrom: Bank\nSent: 1 May 2026\nTo: me\nSubject: Your account\n\nIs it real?"
    assert visible_text(parsed(pasted, **ANSWER)) == pasted


def test_a_first_mail_isnt_cut() -> None:
    pasted = "This came:\n\nFrom: Bank\nSent: 1 May 2026\nTo: me\nSubject: Printer\n\nIs it real?"
    assert visible_text(parsed(pasted)) == pasted


def test_a_forward_stays_whole() -> None:
    text = "FYI\n\nFrom: Bank\nSent: 1 May 2026\nTo: me\nSubject: Printer\n\nold"
    for prefix in ("Fwd: ", "WG: ", "TR: ", "FW:"):
        assert visible_text(parsed(text, subject=f"{prefix}Printer", in_reply_to="<x@y>")) == text


def test_an_answer_below_the_quote() -> None:
    assert own_words("On 4 May 2026 10:00, S <s@x.example> wrote:\n> old\n\nMy answer") == "My answer"


@pytest.mark.parametrize("separator", [ATTRIBUTIONS[0], "-----Original Message-----", HEADS[0]])
def test_an_answer_above_and_another_below_the_quote(separator: str) -> None:
    shown = own_words(f"Thanks!\n\n{separator}\n\n> old\n> text\n\nAnd one more question.")
    assert shown.startswith("Thanks!")
    assert shown.endswith("And one more question.")


def test_the_last_quote_goes_where_others_stay() -> None:
    text = "> one?\nYes.\n> two?\nNo.\n\nOn 4 May 2026 10:00, S <s@x.example> wrote:\n> rest"
    assert own_words(text) == "> one?\nYes.\n> two?\nNo."


# --- the parent as proof ------------------------------------------------------------------------------------------

PARENT = "Hello Ada,\nplease restart the printer.\nThen tell us what it says.\nYours, Support"


def test_the_parent_is_found_without_any_separator() -> None:
    text = f"It says 17.\n\nWas Support am 4.5.2026 meinte:\n{PARENT}"
    assert own_words(text, Hints(parents=(PARENT,))) == "It says 17."
    assert own_words(text) == text


def test_what_isnt_the_parent_isnt_cut() -> None:
    text = "It says:\n\nFrom: P\nSent: 1 May 2026\nTo: A\nSubject: Printer\n\nPaper jam in tray 2"
    assert own_words(text, Hints(parents=(PARENT,))) == text
    assert own_words(text) == "It says:"


# --- signatures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAda Lovelace\nCountess",
        "--\nAda",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Enviado desde mi Samsung Galaxy",
    ],
)
def test_signatures_go(signature: str) -> None:
    assert without_signature(f"It broke.\n\n{signature}\n") == "It broke."


def test_a_signature_alone_stays() -> None:
    assert without_signature("-- \nAda") == "-- \nAda"


# --- HTML by program ----------------------------------------------------------------------------------------------

OLD = "<p>Please restart it.</p>"
PROGRAMS = {
    "gmail": f'<div dir="ltr">Thanks!</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">S, gestern:<br></div><blockquote class="gmail_quote">{OLD}</blockquote></div>',  # noqa: E501
    "outlook on the web": f'<div>Thanks!</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> S<br></div>{OLD}',  # noqa: E501
    "outlook": f'<div class=WordSection1><p class=MsoNormal>Thanks!</p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class=MsoNormal><b>Von:</b> S<br><b>Gesendet:</b> Montag<br><b>An:</b> A<br><b>Betreff:</b> Ganz anders</p></div></div>{OLD}</div>',  # noqa: E501
    "outlook mobile": f'<div>Thanks!</div><div id="mail-editor-reference-message-container"><div class="ms-outlook-mobile-reference-message">{OLD}</div></div>',  # noqa: E501
    "apple mail": f'Thanks!<br><div><blockquote type="cite"><div>On 4 May 2026, at 10:00, S &lt;s@x.example&gt; wrote:</div>{OLD}</blockquote></div>',  # noqa: E501
    "thunderbird": f'<p>Thanks!</p><div class="moz-cite-prefix">S skrifaði þann 4:<br></div><blockquote type="cite" cite="mid:x">{OLD}</blockquote>',  # noqa: E501
    "yahoo": f'<div>Thanks!</div><div id="yahoo_quoted_123" class="yahoo_quoted"><div>S:</div>{OLD}</div>',
    "proton": f'<div>Thanks!</div><div class="protonmail_quote">S:<br><blockquote class="protonmail_quote">{OLD}</blockquote></div>',  # noqa: E501
    "gmx": f'<div>Thanks!</div><div name="quote" style="border-left:2px solid #C3D9E5;">{OLD}</div>',
    "zimbra": f'<div>Thanks!<hr id="zwchr"><b>From: </b>S<br></div>{OLD}',
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("with_text", [False, True])
def test_programs(program: str, with_text: bool) -> None:
    page = f"Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>{PROGRAMS[program]}</body></html>".encode()
    text = b"Content-Type: text/plain\r\n\r\nThanks!\r\n\r\nPlease restart it.\r\n"
    parts = [text, page] if with_text else [page]
    read = parse(multipart("alternative", *parts, **ANSWER))
    if with_text and program in (
        "gmail",
        "apple mail",
        "thunderbird",
        "proton",
        "gmx",
        "yahoo",
        "outlook mobile",
    ):
        assert "Thanks!" in visible_text(read), "a quote too many is the lesser harm"
    else:
        assert visible_text(read) == "Thanks!"
    assert "Please restart it." in read.text


def test_answers_inside_a_gmail_quote_stay() -> None:
    page = '<div class="gmail_quote"><div class="gmail_attr">S:</div><blockquote>one?</blockquote><div>Yes.</div><blockquote>two?</blockquote><div>No.</div></div>'  # noqa: E501
    shown = visible_text(parse(mail(page, content_type="text/html", **ANSWER)))
    assert "Yes." in shown
    assert "No." in shown
