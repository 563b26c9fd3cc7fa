"""How each mail program writes and quotes, and that the desk's reader leaves the new words alone."""

from __future__ import annotations

import base64

import pytest

from sandbox.clients import CLIENTS
from sandbox.mailbox import Mail
from sandbox.outgoing import Letter, compose

QUOTED_HTML = "<p>Unplug it.</p>"


def original(**more: str) -> Mail:
    fields = {
        "From": "Ada via Support <support+t1-abc@example.com>",
        "To": "carol@customer.example",
        "Subject": "Re: fire [#1]",
        "Date": "Mon, 02 Nov 2026 09:05:00 +0000",
        "Message-ID": "<m2@example.com>",
        "References": "<m1@customer.example>",
        **more,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    body = (
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n\r\nUnplug it.\r\n'
        f"--b\r\nContent-Type: text/html\r\n\r\n{QUOTED_HTML}\r\n--b--\r\n"
    )
    return Mail(1, "b@example.com", ["carol@customer.example"], f"{head}MIME-Version: 1.0\r\n{body}".encode())


def written(client: str, answers: Mail | None = None) -> Mail:
    letter = Letter("carol@customer.example", "support@example.com", "Re: fire [#1]", "It <burns> still.")
    letter.client = client
    return Mail(2, letter.sender, [letter.to], compose(letter, answers).as_bytes())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_first_mail_quotes_nothing(client: str) -> None:
    mail = written(client)
    assert mail.text.strip() == "It <burns> still."
    assert [mail.header(name) for name in ("In-Reply-To", "References")] == ["", ""]
    assert ("It &lt;burns&gt; still." in mail.html) == (client != "plain")


@pytest.mark.parametrize(
    ("client", "lead", "mark"),
    [
        ("gmail", "\n\nOn Mon, Nov 2, 2026 at 9:05 AM Ada via Support <support+t1-abc@example.com> wrote:", "> "),
        ("outlook", "\n\nFrom: Ada via Support <support+t1-abc@example.com>\nSent: Monday, November 2, 2026 9:05", ""),
        ("apple", "\n\n> On Nov 2, 2026, at 9:05 AM, Ada via Support <support+t1-abc@example.com> wrote:\n>", "> "),
        ("plain", "\n\nOn Mon, Nov 2, 2026 at 9:05:00AM +0000, Ada via Support wrote:\n> ", "> "),
    ],
)  # fmt: skip
def test_an_answer_quotes_as_the_program_does(client: str, lead: str, mark: str) -> None:
    mail = written(client, original())
    assert mail.text.startswith(f"It <burns> still.{lead}")
    assert mail.text.rstrip().endswith(f"\n{mark}Unplug it.")


@pytest.mark.parametrize(
    ("client", "trait"),
    [("gmail", 'class="gmail_quote"'), ("outlook", "MsoNormal"), ("apple", 'blockquote type="cite"')],
)
def test_its_html_is_the_programs(client: str, trait: str) -> None:
    html = written(client, original()).html
    assert trait in html
    assert html.index("It &lt;burns&gt; still.") < html.index(QUOTED_HTML)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_it_answers(client: str) -> None:
    """Outlook says it by In-Reply-To and its own index, all others by References too."""
    mail = written(client, original())
    assert mail.header("In-Reply-To") == "<m2@example.com>"
    wanted = "" if client == "outlook" else "<m1@customer.example> <m2@example.com>"
    assert mail.header("References") == wanted
    assert bool(mail.header("Thread-Index")) == (client == "outlook")


def test_outlooks_index_grows_with_each_answer() -> None:
    """22 octets begin a conversation, an answer adds five; what was there stays."""
    first = written("outlook")
    head = base64.b64decode(first.header("Thread-Index"))
    assert (len(head), first.header("Thread-Topic")) == (22, "fire [#1]")
    again = written("outlook", original(**{"Thread-Index": first.header("Thread-Index")}))
    index = base64.b64decode(again.header("Thread-Index"))
    assert (len(index), index[:22]) == (27, head)
    bare = base64.b64decode(
        written("outlook", original(**{"Thread-Index": "no base64!"})).header("Thread-Index")
    )
    assert len(bare) == 27


def test_a_mail_without_a_date_or_id_is_answered_too() -> None:
    for client in CLIENTS:
        mail = written(client, original(Date="some day", **{"Message-ID": ""}))
        assert "an unknown day" in mail.text
        assert not mail.header("In-Reply-To")
