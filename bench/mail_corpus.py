"""What the reader makes of the sample mails in `../shared/email/corpus`: `python -m bench.mail_corpus`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.mail_reading import CONTEXT
from intake.email.bounces import Bounce, read_bounce
from intake.email.charsets import clean
from intake.email.html import to_marked_text
from intake.email.parse import parse
from intake.email.read import read
from intake.email.sender import automatic, identify
from intake.email.visible import own_words, visible_text
from tests.mail.corpus import CORPUS, files

# Reports of other folders: bounces they are, though they lie elsewhere.
_REPORTS = ("multipart_report_emails", "raw_email_with_mimepart_without_content_type")
HTML_REPLY = ("Hi. I am fine.", "Thanks,", "Alex")


def replies() -> list[Figure]:
    """talon's answers: how many come out as they should, and how many lines of their senders are lost."""
    text, html = files("talon/standard_replies/*.eml"), files("talon/html_replies/*.html")
    lost = right_text = right_html = 0
    for path in text:
        shown = visible_text(parse(path.read_bytes()))
        right_text += shown == "Hello"
        lost += "Hello" not in shown.split("\n")
    for path in html:
        shown = own_words(to_marked_text(clean(path.read_text("utf-8", "replace"))))
        lines = [line.strip() for line in shown.split("\n") if line.strip()]
        right_html += " ".join(lines).split() == " ".join(HTML_REPLY).split()
        lost += sum(own not in " ".join(lines) for own in HTML_REPLY)
    return [
        Figure(f"talon, standard replies of {len(text)}", right_text, least=len(text)),
        Figure(f"talon, HTML replies of {len(html)}", right_html, least=len(html)),
        Figure("talon, lines of the sender lost", lost, most=0),
    ]


def bounces() -> list[Figure]:
    """How many bounces are recognised, with the right status, none soft called hard; and what is none and called so."""
    folder = CORPUS / "bounces"
    reports = {
        name: (expected, *_kind(folder / name))
        for name, expected in json.loads((folder / "expected.json").read_text()).items()
    }
    with_status = [
        (_statuses(expected), b) for expected, b, _ in reports.values() if b and _statuses(expected)
    ]
    right = sum(bounce.status in real for real, bounce in with_status)
    soft = [bounce for expected, bounce, _ in reports.values() if not any(e["hard"] for e in expected)]
    recognised = sum(bounce is not None for _, bounce, _ in reports.values())
    return [
        Figure(
            "bounces recognised", 100 * recognised / len(reports), "%", least=98, beside=f"of {len(reports)}"
        ),
        Figure(
            "recognised as automatic at all",
            sum(k is not None for _, _, k in reports.values()),
            least=len(reports),
        ),
        Figure(
            "their status right",
            100 * right / len(with_status),
            "%",
            least=95,
            beside=f"of {len(with_status)}",
        ),
        Figure(
            "soft ones called hard",
            sum(bool(b and b.permanent) for b in soft),
            most=0,
            beside=f"of {len(soft)}",
        ),
        _others(),
    ]


def _kind(path: Path) -> tuple[Bounce | None, str | None]:
    mail = parse(path.read_bytes())
    bounce = read_bounce(mail, None)
    return bounce, "bounce" if bounce else automatic(mail, None, identify(mail, "", frozenset(), ()))


def _statuses(expected: list[dict[str, Any]]) -> set[str]:
    """What the mail itself says; x.0.9xx are codes that the collectors made."""
    said = (entry["status"] for entry in expected)
    return {status for status in said if status and not status.split(".", 1)[1].startswith("0.9")}


def _others() -> Figure:
    paths = [
        path
        for path in files("**/*.eml")
        if path.parent.name != "bounces" and not any(name in str(path) for name in _REPORTS)
    ]
    called = sum(read(path.read_bytes(), {}, CONTEXT).bounce is not None for path in paths)
    return Figure("other mails called a bounce", called, most=0, beside=f"of {len(paths)}")


def main() -> int:
    """Print the figures; 1 where one misses its target or the samples aren't there."""
    if not CORPUS.is_dir():
        print(f"the sample mails aren't there: {CORPUS}")
        return 1
    figures = [*replies(), *bounces()]
    for figure in figures:
        print(figure.line(), flush=True)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
