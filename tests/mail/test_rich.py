"""Mail's formatting: the visible words keep theirs, and nothing that was cut away comes back with it."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import rich
from core.shapes import NewMessage
from intake.email.read import ReadContext, read, read_mail
from intake.email.rich_lines import rich_of

_LINK = re.compile(r"</?a\b[^>]*>")
_ADDED = re.compile(r"<[^<>\s]+>|\[[^\[\]\n]*\]|\(https?://[^()\s]+\)")
CONTEXT = ReadContext(keys=("test",), queues={"support": ("support@example.com",)})
QUOTED = (
    '<br><div class="gmail_quote"><div class="gmail_attr">On Mon, 2 Mar 2026 at 10:00, Support &lt;s@example.com&gt; '
    "wrote:<br></div><blockquote class='gmail_quote'>{}</blockquote></div>"
)
OUTLOOK = (
    "<div style='border:none;border-top:solid #E1E1E1 1.0pt'><p class=MsoNormal><b>From:</b> Support"
    " &lt;support@example.com&gt;<br><b>Sent:</b> Monday, March 2, 2026 10:00 AM<br><b>To:</b> Ann<br><b>Subject:</b> x"
    "</p></div><p class=MsoNormal>{}</p>"
)


def mail(html: str, text: str | None = None) -> bytes:
    made = EmailMessage(SMTP)
    made["From"], made["To"], made["Subject"] = "ann@example.org", "support@example.com", "Re: x"
    made["In-Reply-To"] = "<1@example.com>"
    if text is None:
        made.set_content(html, subtype="html")
    else:
        made.set_content(text)
        made.add_alternative(html, subtype="html")
    return made.as_bytes()


def kept(html: str, text: str | None = None) -> str | None:
    inbound = read_mail(mail(html, text), {}, CONTEXT)
    assert isinstance(inbound, NewMessage)
    return inbound.rich


def test_a_mail_is_read_with_its_formatting() -> None:
    assert kept("<p>It <b>burns</b></p>", "It *burns*") == "<p>It <b>burns</b></p>"
    assert kept("<p>It <b>burns</b></p>") == "<p>It <b>burns</b></p>"
    assert kept("<p>It burns</p>") is None


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One <b>two</b></p>", "One"),
        ("<p>One</p>", "One *two*"),
        ("<p>One <b>two</b></p>", "Two one"),
        ("<blockquote>One <b>two</b></blockquote><p>three</p>", "One two\nthree"),
        ("<p>One <b>two</b> three</p>", "> One two three\n\nfour"),
    ],
)
def test_where_the_parts_differ_there_is_no_formatting(html: str, text: str) -> None:
    assert kept(html, text) is None


OWN = st.sampled_from(
    [
        "<p>word{n} <b>bold{n}</b></p>",
        "<ul><li>item{n}</li><li><i>more{n}</i></li></ul>",
        "<div>line{n}</div>",
        "<pre>code{n}\n  x</pre>",
        "<div><a href='https://example.org/{n}'>link{n}</a> here</div>",
        "<div>Yes</div>",
        "<p>👍</p>",
        "<ol><li>first{n}<br>x</li></ol>",
        "<blockquote>own{n}</blockquote>",
        "<div><br></div>",
        "<p>???</p>",
    ]
)
HISTORY = st.sampled_from(
    [
        "<p>secret <b>word</b></p>",
        "<div>secret</div><div>Yes</div>",
        "<ul><li>secret</li></ul>",
        "secret<br>secret",
        "<pre>secret\nYes</pre>",
        "<div>word0 bold0</div><p>secret</p>",
        "<p>👍</p><p>secret</p>",
    ]
)
SIGNED = st.sampled_from(
    ["", "<div>-- <br></div><div><b>secret</b></div>", "<p>-- <br><i>secret</i> Ltd<br>secret</p>"]
)
AS_TEXT = st.sampled_from([None, "plain"])


@settings(max_examples=100, deadline=None)
@given(st.lists(OWN, min_size=1, max_size=5), SIGNED, st.sampled_from([QUOTED, OUTLOOK]), HISTORY, AS_TEXT)
def test_nothing_that_was_cut_away_comes_back(
    own: list[str], signed: str, frame: str, history: str, kind: str | None
) -> None:
    words = "".join(piece.format(n=n) for n, piece in enumerate(own))
    html = words + signed + frame.format(history)
    text = None
    if kind:
        text = rich.plain(words) + "\n-- \nsecret\n\nOn Mon, 2 Mar 2026 at 10:00, Support wrote:\n> secret\n"
    reading = read(mail(html, text), {}, CONTEXT)
    found = rich_of(reading.mail, reading.visible)
    if found is None:
        return
    assert rich.clean(found) == found
    if "secret" not in reading.visible:
        assert "secret" not in found
    assert _letters(rich.plain(_LINK.sub("", found))) == _letters(reading.visible)


def test_real_mails_say_in_their_formatting_what_their_text_says(shared_folder: Path) -> None:
    found = 0
    for path in sorted((shared_folder / "email" / "corpus").rglob("*.eml")):
        reading = read(path.read_bytes(), {}, CONTEXT)
        made = rich_of(reading.mail, reading.visible)
        if made is None:
            continue
        found += 1
        assert rich.clean(made) == made
        assert _letters(rich.plain(_LINK.sub("", made))) == _letters(reading.visible), path.name
    assert found >= 15


def _letters(text: str) -> str:
    """The letters of a text without what programs add to one that they make of HTML."""
    return "".join(char for char in _ADDED.sub("", text).lower() if char.isalpha())
