"""Files that show a text on both sides: what came, what is kept, how it's shown. Sections begin `=== name`."""

from __future__ import annotations

import json
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from bot.markup import plain_text
from bot.rich_in import html_of
from bot.rich_out import mrkdwn_of
from core import rich
from intake.email.read import ReadContext, read
from intake.email.rich_lines import rich_of

HERE = Path(__file__).parent
NAMES = {"U1": "Ann Lee", "U2": "Bob"}
CONTEXT = ReadContext(keys=("golden",), queues={"support": ("support@example.com",)})
PLAIN = "(needs no formatting)"


def files(side: str) -> list[Path]:
    """The golden files of a side, "mail" or "slack"."""
    return sorted((HERE / side).glob("*.txt"))


def sections(path: Path) -> dict[str, str]:
    """A golden file by its sections."""
    found: dict[str, str] = {}
    name = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("=== "):
            name = line[4:]
            found[name] = ""
        elif name:
            found[name] += line + "\n"
    return {name: text.strip("\n") for name, text in found.items()}


def from_mail(given: dict[str, str]) -> dict[str, str]:
    """What becomes of a mail: `html`, and `text` where it has a plain part."""
    mail = EmailMessage(SMTP)
    mail["From"], mail["To"], mail["Subject"] = "ann@example.org", "support@example.com", "Re: The printer"
    mail["In-Reply-To"] = "<1@example.com>"
    if "text" in given:
        mail.set_content(given["text"] + "\n")
        mail.add_alternative(given["html"], subtype="html")
    else:
        mail.set_content(given["html"], subtype="html")
    reading = read(mail.as_bytes(), {}, CONTEXT)
    kept = rich_of(reading.mail, reading.visible)
    shown = {"plain": reading.visible, "kept": opened(kept) if kept else PLAIN}
    return shown | ({"slack": mrkdwn_of(kept)} if kept else {})


def from_slack(given: dict[str, str]) -> dict[str, str]:
    """What becomes of a Slack message: `blocks` (the elements of its rich text), `text`, `attachments`."""
    message = {"text": given.get("text", "")}
    if "blocks" in given:
        message["blocks"] = [{"type": "rich_text", "elements": json.loads(given["blocks"])}]
    if "attachments" in given:
        message["attachments"] = json.loads(given["attachments"])
    kept = html_of(message, NAMES)
    shown = {"plain": plain_text(message, NAMES), "kept": opened(kept) if kept else PLAIN}
    if not kept:
        return shown
    assert rich.squashed(rich.plain(kept)) == rich.squashed(shown["plain"])
    return shown | {"slack again": mrkdwn_of(kept)}


def opened(html: str) -> str:
    """The HTML with a line for each block, to be read."""
    for end in ("</p>", "</pre>", "</ul>", "</ol>", "</li>", "<ul>", "<ol>", "<blockquote>", "</blockquote>"):
        html = html.replace(end, end + "\n")
    return html.strip("\n")
