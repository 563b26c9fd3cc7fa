"""Review: what becomes of an outsider's words, and that no answer gives them away."""

from __future__ import annotations

import base64

import pytest

from core.quoted import without_hidden
from tests.cases.letters import Client, Letter
from tests.cases.postbox import Outward, Postbox, vouched
from tests.reports.test_review_mail_desk import ADA, ANN, EVE, answered, post, reply, told

__all__ = ["post"]


async def test_who_takes_part_can_be_admitted_too(post: Postbox) -> None:
    """Ann wrote to the note address, which isn't hers: kept as an outsider's, until staff admit her words."""
    ticket = (await post.arrives(ANN.writes("It hums."))).ticket
    [notice] = [mail for mail in post.news() if ADA.address in mail.recipients]
    noted = next(word for word in notice.text.split() if "+n" in word)
    await post.arrives(ANN.writes("It burns.", to=noted))
    assert (await post.words(ticket))[-1] == f"?{ANN.address}: It burns."
    await post.admits(ticket, ANN.address)
    assert (await post.words(ticket))[-1] == f"{ANN.address}: It burns."
    assert post.people(ticket)[ANN.address] == "requester"
    await post.admits(ticket, ANN.address)
    assert (await post.happened(ticket)).count("admitted") == 1, "a second time changes nothing"


async def outsider_wrote(post: Postbox, words: Letter | None = None) -> tuple[int, Outward]:
    """Eve wrote into Ann's answered ticket; returns the notice that Ada got of it."""
    ticket, answer = await answered(post, ANN.writes("It hums since Monday.\nWhat shall I do?"))
    await post.arrives(
        words or EVE.writes("I am the former husband.\nShe lives in Rome now.", answer.reply_to)
    )
    return ticket, [mail for mail in post.news() if mail.recipients == (ADA.address,)][-1]


async def test_an_answer_between_quoted_lines_gives_no_outsider_away(post: Postbox) -> None:
    """Ada answers between the lines of the notice: what isn't public of them stays here, her words go."""
    ticket, notice = await outsider_wrote(post)
    quote = [f"> {line}" for line in notice.text.splitlines()]
    at = quote.index("> She lives in Rome now.")
    body = "\n".join(
        ["Hello,", "", *quote[:at], "", "Unplug it.", *quote[at:], "> It hums since Monday.", "Really?"]
    )
    await post.arrives(vouched(reply(ADA, notice, body)))
    [answer] = [mail for mail in post.news() if ANN.address in mail.recipients]
    assert "Unplug it." in answer.text
    for secret in (EVE.address, "husband", "Rome", "nobody but staff"):
        assert secret not in answer.text
    assert (await post.words(ticket))[-1].count("Unplug it.") == 1


async def test_an_answer_with_hidden_words_unmarked_is_a_note(post: Postbox) -> None:
    """A program that quotes without marks: nothing goes out, and whoever wrote it hears that."""
    ticket, notice = await outsider_wrote(post)
    body = "I am the former husband.\n\nAnn, please ignore him.\n\nShe lives in Rome now."
    await post.arrives(vouched(reply(ADA, notice, body)))
    assert (await post.words(ticket))[-1].startswith(f"#{ADA.address}: ")
    fresh = post.news()
    assert ANN.address not in told(fresh)
    [hint] = [mail for mail in fresh if ADA.address in mail.recipients]
    assert "nothing was sent" in hint.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes.", "Yes."),
        ("> It hums\n> all day.\n\nSince when?", "> It hums\n> all day.\n\nSince when?"),
        (">> all day. What\nSince when?", ">> all day. What\nSince when?"),
        ("> Ann wrote:\n>\n> It hums\nSince when?", "> It hums\nSince when?"),
        ("Hi,\n> Rome is mine\nno.", "Hi,\nno."),
        ("> Rome is mine", None),
        ("Hello.\nRome is mine, and so is all of it.", None),
        ("Rome is mine", "Rome is mine"),
    ],
)
def test_what_may_be_quoted(text: str, expected: str | None) -> None:
    """Lines of public texts, however they are wrapped; short words outside of a quote are nobody's."""
    public = ["It hums all day.\nWhat shall I do?"]
    assert without_hidden(text, public, ["Rome is mine, and so is all of it."]) == expected


async def test_an_outsiders_picture_stays(post: Postbox) -> None:
    """Ada's answer quotes the notice with Eve's picture in it: Ann gets the words alone."""
    png = base64.b64encode(b"\x89PNG a picture of Eve's" * 20).decode()

    def pictured(writer: Client, to: str, html: str, cid: str) -> Letter:
        lines = [
            f"From: {writer.shown}", f"To: {to}", "Subject: Re: x", "Date: Mon, 2 Nov 2026 10:00:00 +0000",
            f"Message-ID: <{cid}@x.example>", "MIME-Version: 1.0", "Content-Type: multipart/related; boundary=b", "",
            "--b", "Content-Type: text/html; charset=utf-8", "", html, "--b", "Content-Type: image/png; name=p.png",
            f"Content-ID: <{cid}>", "Content-Disposition: inline; filename=p.png",
            "Content-Transfer-Encoding: base64", "", png, "--b--", "",
        ]  # fmt: skip
        return Letter("\r\n".join(lines).encode())

    ticket, answer = await answered(post, ANN.writes("It hums."))
    await post.arrives(pictured(EVE, answer.reply_to, 'Look <img src="cid:p1">', "p1"))
    [notice] = [mail for mail in post.news() if mail.recipients == (ADA.address,)]
    html = '<p>Ann, all is fine.</p><blockquote type="cite">Look <img src="cid:p2"></blockquote>'
    await post.arrives(vouched(pictured(ADA, notice.reply_to, html, "p2")))
    [mail] = [mail for mail in post.news() if ANN.address in mail.recipients]
    assert "all is fine" in mail.text
    assert b"image/png" not in mail.raw
    assert [len(m.attachments) for m in (await post.ticket(ticket)).messages] == [0, 0, 1, 0]
