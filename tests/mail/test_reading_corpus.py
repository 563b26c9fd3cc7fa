"""The sample mails that other projects collected: what is expected of each folder stands in its README."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.shapes import NewMessage
from intake.email.bounces import Bounce, read_bounce
from intake.email.charsets import clean
from intake.email.html import to_marked_text
from intake.email.parse import parse
from intake.email.read import read, read_mail
from intake.email.sender import automatic, identify
from intake.email.visible import own_words, visible_text, without_signature
from tests.mail.corpus import CORPUS, files, needs_corpus
from tests.mail.written import CONTEXT

pytestmark = needs_corpus


@pytest.mark.parametrize("path", files("talon/standard_replies/*.eml"), ids=lambda p: p.stem)
def test_talon_replies(path: Path) -> None:
    mail = parse(path.read_bytes())
    assert visible_text(mail) == "Hello"
    neighbour = path.with_name(f"{path.stem}_reply_text")
    if neighbour.exists():
        assert own_words(mail.text).split() == neighbour.read_text().split()


@pytest.mark.parametrize("path", files("talon/html_replies/*.html"), ids=lambda p: p.stem)
def test_talon_html(path: Path) -> None:
    shown = own_words(to_marked_text(clean(path.read_text("utf-8", "replace"))))
    assert shown.split() == ["Hi.", "I", "am", "fine.", "Thanks,", "Alex"]


# The first line and the last that stay, where something goes; every other file stays whole.
REPLIES = {
    "correct_sig": (
        "this is an email with a correct -- signature.",
        "this is an email with a correct -- signature.",
    ),
    "email_1_1": ("Hi folks", "-Abhishek Kona"),
    "email_1_2": ("Hi,", "the keys in a bucket, you"),
    "email_1_3": ("Oh thanks.", "-Abhishek Kona"),
    "email_1_4": (
        "Awesome! I haven't had another problem with it.",
        "Awesome! I haven't had another problem with it.",
    ),
    "email_1_6": ("I get proper rendering as well.", "I get proper rendering as well."),
    "email_1_7": (":+1:", ":+1:"),
    "email_1_8": (
        "On Tue, Apr 29, 2014 at 4:22 PM, Example Dev <sugar@example.com>wrote:",
        "and under this.",
    ),
    "email_2_1": ("Outlook with a reply", "Outlook with a reply"),
    "email_2_2": ("Outlook with a reply directly above line", "Outlook with a reply directly above line"),
    "email_bullets": ("test 2 this should list second", "   - and another"),
    "email_danish_1": ("Hej Peter,", "Anders Andersen"),
    "email_danish_2": ("Hej Hanne,", "Søren"),
    "email_danish_3": ("Hej,", "Svar."),
    "email_danish_4": ("Hej,", "Svar."),
    "email_headers_no_delimiter": ("And another reply!", "And another reply!"),
    "email_ja_1_2": ("田中様", "以上、よろしくお願いいたします"),
    "email_nl_1_2": ("Outlook met een antwoord", "Outlook met een antwoord"),
    "email_one_is_not_on": ("Thank, this is really helpful.", "Locally (on development), when I run..."),
    "email_sv_anon_1": ("Hej", "070-0000000"),
    "email_swedish_1": ("Hej Person A,", "Person B "),
    "email_swedish_2": ("Hello Anna,", "/John"),
    "greedy_on": ("On your remote host you can run:", "fails, the tunnel is not working."),
    "multi_header": ("No problem. I’ll just start a new order.", "No problem. I’ll just start a new order."),
    "outlook": ("Dear Team,", "My number is: +00 0000 000 000"),
}


@pytest.mark.parametrize("path", files("replies-*/*.txt"), ids=lambda p: f"{p.parent.name[8:]}-{p.stem}")
def test_replies(path: Path) -> None:
    text = clean(path.read_text("utf-8"))
    shown = without_signature(own_words(text))
    assert shown
    if (ends := REPLIES.get(path.stem)) is None:
        return
    lines = [line for line in shown.split("\n") if line.strip()]
    assert lines[0] == ends[0]
    assert lines[-1].startswith(ends[1].rstrip()[:40])


NOT_CUT = ("email_1_5", "email_sent_from_my_not_signature", "email_sig_delimiter_in_middle_of_line", "caution",
           "forward", "email_pl_1_1", "email_pl_1_3", "email_danish_5")  # fmt: skip


@pytest.mark.parametrize(
    "path", [p for p in files("replies-*/*.txt") if p.stem in NOT_CUT], ids=lambda p: p.stem
)
def test_what_has_no_history_stays(path: Path) -> None:
    text = clean(path.read_text("utf-8"))
    assert without_signature(own_words(text)) == text.strip("\n").rstrip()


@pytest.mark.parametrize("path", files("quotequail/*_forward*.html"), ids=lambda p: p.stem)
def test_forwards_in_html_stay(path: Path) -> None:
    marked = to_marked_text(clean(path.read_text("utf-8", "replace")))
    if path.stem in ("gmail_forward", "apple_forward", "mailru_forward", "thunderbird_forward"):
        assert own_words(marked) == marked.replace("\ue000\n", "").strip("\n").rstrip()


@pytest.mark.parametrize("path", files("**/*.eml"), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_mail_is_read(path: Path) -> None:
    inbound = read_mail(path.read_bytes(), {}, CONTEXT)
    if isinstance(inbound, NewMessage):
        "".join([inbound.subject, inbound.text, inbound.visible, inbound.sender.name]).encode()
        assert "\x00" not in inbound.text
        assert all(file.name and file.content is not None for file in inbound.files)
        shown = {line for line in inbound.visible.split("\n") if line.strip()}
        assert shown or not inbound.text.strip()


# --- stalwart: a full parse of each mail ---------------------------------------------------------------------------


def _value(part: dict[str, Any], name: str) -> Any:
    return next((header["value"] for header in part["headers"] if header["name"] == name), None)


def _bare(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("path", files("stalwart/*/*.json"), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_stalwart(path: Path) -> None:
    expected = json.loads(path.read_text("utf-8"))
    mail = parse(path.with_suffix(".eml").read_bytes())
    root = expected["parts"][0]
    subject = (_value(root, "subject") or {}).get("Text", "")
    if "\ufffd" not in subject:  # where it gives up, we don't
        assert mail.subject == " ".join(subject.split())
    senders = [(box["name"] or "", (box["address"] or "").lower()) for box in _boxes(_value(root, "from"))]
    assert [(box.name, box.address) for box in mail.mailboxes("from")] == [s for s in senders if s[1]]
    for part in expected["text_body"]:
        text = expected["parts"][part]["body"].get("Text", "")
        if files_inside := re.findall(r"(?m)^begin [0-7]{3} ", text):  # files in the text are files to us
            assert _bare(text.partition(files_inside[0])[0]) in _bare(mail.text)
            expected["attachments"] += files_inside
        elif "\ufffd" not in text:
            assert _bare(text) in _bare(mail.text)
    assert len(mail.files) == len(expected["attachments"])


def _boxes(value: Any) -> Iterator[dict[str, Any]]:
    address = (value or {}).get("Address", {})
    yield from address.get("List", [])
    for group in address.get("Group", []):
        yield from group["addresses"]


# --- bounces ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reports() -> dict[str, tuple[list[dict[str, Any]], Bounce | None, str | None]]:
    folder = CORPUS / "bounces"
    found = {}
    for name, expected in json.loads((folder / "expected.json").read_text()).items():
        mail = parse((folder / name).read_bytes())
        bounce = read_bounce(mail, None)
        kind = "bounce" if bounce else automatic(mail, None, identify(mail, "", (), ()))
        found[name] = (expected, bounce, kind)
    return found


Reports = dict[str, tuple[list[dict[str, Any]], Bounce | None, str | None]]


def test_bounces_are_recognised(reports: Reports) -> None:
    assert [name for name, (_, _, kind) in reports.items() if kind is None] == []
    assert sum(bounce is not None for _, bounce, _ in reports.values()) >= 0.98 * len(reports)


def test_their_status_is_right(reports: Reports) -> None:
    right = wrong = 0
    for expected, bounce, _ in reports.values():
        real = {
            e["status"]
            for e in expected
            if e["status"] and not e["status"].split(".", 1)[1].startswith("0.9")
        }
        if real and bounce is not None:
            right, wrong = (right + 1, wrong) if bounce.status in real else (right, wrong + 1)
    assert right >= 0.95 * (right + wrong)
    assert right > 100


def test_none_soft_is_called_hard(reports: Reports) -> None:
    soft = {name: b for name, (expected, b, _) in reports.items() if not any(e["hard"] for e in expected)}
    assert [name for name, bounce in soft.items() if bounce and bounce.permanent] == []


def test_most_hard_ones_are_found(reports: Reports) -> None:
    hard = [bounce for expected, bounce, _ in reports.values() if all(e["hard"] for e in expected)]
    assert sum(bool(bounce and bounce.permanent and bounce.recipient) for bounce in hard) >= 0.85 * len(hard)


def test_other_mail_is_no_bounce() -> None:
    reports = ("multipart_report_emails", "raw_email_with_mimepart_without_content_type")
    for path in files("**/*.eml"):
        if path.parent.name == "bounces" or any(name in str(path) for name in reports):
            continue
        assert read(path.read_bytes(), {}, CONTEXT).bounce is None, path
