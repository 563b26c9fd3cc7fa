"""Cases 7 and 15: formatting comes through both ways as formatting, and nobody's text rings anyone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.blocks import Post
from sandbox import Sandbox
from tests.bot.posts import live
from tests.bot.test_injection import NASTY
from tests.cases.slack_service import SlackService, serving, words
from tests.stores import Store
from tests.text.golden import files, from_mail, from_slack, sections
from tests.writing import mail

HTML = (
    "<p>It <b>burns</b>, <i>badly</i>:</p><ul><li>smoke</li><li>fire &amp; flames</li></ul>"
    '<p>See <a href="https://x.example/a?b=1&amp;c=2">the film</a></p><pre>error 5 &lt;tty&gt;</pre>'
)

TYPED = ("https://evil.example", "https://bank.example")  # addresses that a client makes links of


def posted(desk: SlackService) -> list[Post]:
    """What the bot has posted or changed, as Slack was given it."""
    made = []
    for call in desk.space.calls:
        if call.method in ("chat.postMessage", "chat.update", "chat.postEphemeral"):
            blocks: Any = call.args.get("blocks") or []
            blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
            made.append(Post(str(call.args.get("text") or ""), tuple(blocks)))
    return made


async def test_C7_a_mails_formatting_shows_in_slack_and_an_answers_in_the_mail(
    store: Store, box: Sandbox
) -> None:
    """Bold, lists, links and code are what they were; no Markdown stands about."""
    async with serving(store, box) as desk:
        card = await desk.asked_by_mail("Fire")
        receipt = box.mailbox.to("cleo@customer.example")[-1].header("Message-ID")
        made = mail("Cleo <cleo@customer.example>", ["support@example.com"], "Re: Fire", "")
        made["In-Reply-To"] = receipt
        made.set_content(HTML, subtype="html")
        await desk.mail(message=made)
        shown = words(await desk.posted("error 5", card.ts))
        for part in ("It *burns*, _badly_:", "smoke", "fire &amp; flames", "```"):
            assert part in shown
        assert "<https://x.example/a?b=1&amp;c=2|the film>" in shown
        assert not any(sign in shown for sign in ("**", "](", "<b>", "&nbsp;", "&amp;amp;"))
        await desk.user("ada").post(
            "triage", "Do *this*:\n• unplug & wait\n`ls <x>`\nhttps://x.example/?a=1&b=2", thread_ts=card.ts
        )
        answer = await desk.mailed("unplug & wait")
        for wanted in ("<b>this</b>", "<li", "unplug &amp; wait", ">ls &lt;x&gt;</code>"):
            assert wanted in answer.html
        assert 'href="https://x.example/?a=1&amp;b=2"' in answer.html
        assert "Do this:" in answer.text
        assert "ls <x>" in answer.text


@pytest.mark.parametrize("side", ["mail", "slack"])
def test_C7_every_golden_sample_comes_through(side: str) -> None:
    """HTML → mrkdwn and rich_text → HTML and plain, by samples that a person can read."""
    turned = {"mail": from_mail, "slack": from_slack}[side]
    for path in files(side):
        given = sections(path)
        made = turned(given)
        assert made
        assert {name: given[name] for name in made} == made, path.name


async def test_C15_nobodys_text_rings_anyone(store: Store, box: Sandbox) -> None:
    """In subject, name, body, file name, by mail and from Slack: what is posted holds no live token but our own."""
    evil = [text for text in NASTY if "\n" not in text]
    async with serving(store, box) as desk:
        await desk.mail(
            f"Fire {evil[0]} {evil[3]}",
            "\n".join(NASTY),
            sender='"<!here> <@U0ADA00001>" <cleo@customer.example>',
            files=[("<!channel>.txt", b"x")],
        )
        card = await desk.opened("Fire")
        await desk.user("ann").dm("\n".join(["Smoke", *NASTY]))
        smoke = await desk.opened("Smoke")
        await desk.user("ada").post("triage", "Unplug it " + " ".join(evil), thread_ts=smoke.ts)
        await desk.user("ada").post("triage", "Unplug it " + " ".join(evil), thread_ts=card.ts)
        await desk.mailed("Unplug it")
        await desk.rest()
        made = posted(desk)
        assert sum("&lt;!channel" in str(post) for post in made) >= 3, "it was posted"
        assert [token for token in live(made) if token not in TYPED] == []


async def test_C15_a_mention_makes_the_round_trip_as_a_name(store: Store, box: Sandbox) -> None:
    """Who is mentioned is named, on either side and in the mail, never by an id and never rung."""
    async with serving(store, box) as desk:
        root = await desk.user("ann").dm("@bob knows, *<https://x.example>* too, @here")
        card = await desk.opened("knows")
        assert "@Bob Requester knows" in words(card)
        assert "U0BOB00001" not in words(card)
        await desk.user("ada").post("triage", "Ask @grace please", thread_ts=card.ts)
        assert "@Grace Hopper please" in words(await desk.posted("Ask", root))
        by_mail = await desk.asked_by_mail()
        await desk.user("ada").post("triage", "Ask @grace please", thread_ts=by_mail.ts)
        assert "U0GRACE001" not in (await desk.mailed("Ask @Grace Hopper please")).raw.decode()
        await desk.rest()
        assert [token for token in live(posted(desk)) if token != "https://x.example"] == []
