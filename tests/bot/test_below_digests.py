"""What is said below a digest in a channel: nothing to us until somebody names the bot, their ticket from then on."""

from __future__ import annotations

from core import digests
from core.database import Tx
from sandbox import Sandbox
from sandbox.shapes import Message
from tests.cases.slack_service import SlackService, serving
from tests.stores import Store


async def posted(desk: SlackService, channel: str) -> Message:
    """A digest that has just come into that channel."""

    async def unit(tx: Tx) -> None:
        told = [digests.told_in_slack(channel)]
        await digests.send_now(tx, desk.service.parts.desk, "daily", told)

    space = desk.space.channel("general")
    before = len(space.top)
    await desk.service.parts.database.unit(unit)
    await desk.sees(lambda: len(space.top) > before, timeout=30)
    await desk.rest()
    return space.top[-1]


async def test_a_thread_below_a_digest_is_followed_once_it_is_a_ticket(store: Store, box: Sandbox) -> None:
    """What is said before the mention comes along with it; what is said after it, with a mention or without, is there
    once; an edit and a deletion of it are followed too. What is said below another digest is chatter still."""
    channel = box.workspace.channel("general").id
    daily = {"name": "daily", "cron": "0 8 * * *", "slack_to": [channel]}
    async with serving(store, box, digest=[daily]) as desk:
        first, second = await posted(desk, channel), await posted(desk, channel)
        ann = desk.user("ann")
        await ann.post("general", "That is a lot", thread_ts=first.ts)
        await desk.rest()
        assert store.count("tickets") == 0
        await ann.post("general", "@relaydesk why so many?", thread_ts=first.ts)
        card = await desk.opened("why so many?")
        later = await ann.post("general", "I mean the printers", thread_ts=first.ts)
        await desk.posted("I mean the printers", card.ts)
        await ann.post("general", "@relaydesk and the faxes", thread_ts=first.ts)
        await desk.posted("and the faxes", card.ts)
        await ann.edit("general", later, "I mean all printers")
        await desk.posted("I mean all printers", card.ts)
        await ann.post("general", "Nobody's business", thread_ts=second.ts)
        await desk.rest()
        said = [row["text"] for row in store.rows("SELECT text FROM messages ORDER BY source_time")]
        assert said == ["That is a lot", "why so many?", "I mean all printers", "and the faxes"]
        assert store.count("tickets") == 1
        assert desk.cards() == [card]
        await ann.delete("general", later)
        await desk.sees(lambda: not desk.replies("I mean all printers", card.ts))
