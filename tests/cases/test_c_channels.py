"""Cases 4, 5, 6 and 14: which channel a ticket is in, what moves, and what a missing permission costs."""

from __future__ import annotations

import pytest

from app import probe
from bot.probe import FEATURES
from core.jobs import Jobs
from core.moving import move_cards
from sandbox import Sandbox
from sandbox.install import DEFAULT_SCOPES
from tests.cases.slack_service import SUPPORT, SlackService, serving, words
from tests.stores import STAFF, Store

OPTIONAL = {scope: feature.off for feature in FEATURES if feature.optional for scope in feature.scopes}


async def moved(desk: SlackService) -> None:
    """The scheduler's job, at once."""
    parts = desk.service.parts
    while await move_cards(Jobs(parts.desk, parts.database, parts.blobs)):
        pass


async def test_C4_another_triage_channel_takes_the_open_tickets_along(store: Store, box: Sandbox) -> None:
    """A card in the new channel, a pointer in the old thread; staff's words below either reach the requester."""
    new = box.workspace.add_channel("desk-2", members=("ada", "grace", "relaydesk"))
    async with serving(store, box) as desk:
        await moved(desk)
        root = await desk.user("ann").dm("The printer burns")
        old = await desk.opened("The printer burns")
        await desk.rest()
    async with serving(store, box, queue=[{**SUPPORT, "slack_channel": new.id}]) as desk:
        await moved(desk)
        card = await desk.opened("The printer burns", "desk-2")
        await desk.posted(f"<#{new.id}>", old.ts)
        await desk.user("ada").post("desk-2", "Unplug it", thread_ts=card.ts)
        await desk.posted("Unplug it", root)
        await desk.user("grace").post("triage", "Is it out?", thread_ts=old.ts)
        await desk.posted("Is it out?", root)
        await desk.posted("Is it out?", card.ts)
        await desk.user("ann").dm("It is out", thread_ts=root)
        await desk.posted("It is out", card.ts)
        await desk.rest()
        assert [m.ts for m in desk.space.channel("triage").top if m.subtype != "channel_join"] == [old.ts]
        assert len([m for m in desk.space.channel("desk-2").top if m.bot_id]) == 1
        assert not desk.replies("It is out", old.ts)
        assert store.count("tickets") == 1


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_C5_without_optional_permissions_the_rest_goes_on(store: Store) -> None:
    """All of them missing: tickets, cards and answers go their way; each missing one is named with what it costs."""
    box = Sandbox(scopes=set(DEFAULT_SCOPES) - OPTIONAL.keys())
    await box.start()
    try:
        staff = [
            {**STAFF[0], "slack_user": "U0ADA00001"}
        ]  # without addresses nobody else would be known as staff
        async with serving(store, box, staff=staff) as desk:
            root = await desk.user("ann").dm("The printer burns", files=[("scan.pdf", b"%PDF-1.4")])
            card = await desk.opened("The printer burns")
            await desk.user("ada").post("triage", "Unplug it", thread_ts=card.ts)
            await desk.posted("Unplug it", root)
            await desk.rest()
            ready = await desk.service.readiness()
            assert {part.name: str(part.state) for part in ready.parts}["slack"] == "ok"
            assert store.count("deliveries", "state = 'failed'") == 0
            assert "scan.pdf" in "".join(words(m) for m in desk.space.thread(card.ts)) + words(card)
            config = desk.service.parts.config
        [scopes] = [f for f in await probe(config) if f.part == "slack scopes"]
        assert scopes.problem is not None
        assert scopes.problem.count("(") == len(OPTIONAL)
        for scope, costs in OPTIONAL.items():
            assert f"{scope} ({costs})" in scopes.problem
    finally:
        await box.stop()


async def test_C6_each_address_has_its_own_triage_channel(store: Store, box: Sandbox) -> None:
    """Mail to either is shown to its own people alone, and answered from its own address."""
    money = box.workspace.add_channel("money", members=("grace", "relaydesk"))
    billing = {"name": "billing", "addresses": ["billing@example.com"], "slack_channel": money.id}
    async with serving(store, box, queue=[SUPPORT, billing]) as desk:
        await desk.mail("Printer", "alpha", to="support@example.com")
        await desk.mail("Invoice", "beta", to="billing@example.com")
        await desk.opened("Printer", "triage")
        invoice = await desk.opened("Invoice", "money")
        await desk.user("grace").post("money", "It is paid", thread_ts=invoice.ts)
        answer = await desk.mailed("It is paid")
        assert "billing" in answer.header("From") + answer.header("Reply-To")
        await desk.rest()
        assert "Invoice" not in desk.space.render("triage")
        assert "Printer" not in desk.space.render("money")


async def test_C14_one_workspace_many_projects(store: Store, box: Sandbox) -> None:
    """Each project has channels to ask in and one for its desk: what is asked in one never shows in the other's."""
    space = box.workspace
    people = ("ann", "bob", "ada", "grace", "relaydesk")
    ask = {
        name: space.add_channel(f"ask-{name}", private=False, members=people) for name in ("apples", "pears")
    }
    desks = {name: space.add_channel(f"desk-{name}", members=("ada", "relaydesk")) for name in ask}
    queues = [
        {
            "name": name,
            "addresses": [f"{name}@example.com"],
            "slack_channel": desks[name].id,
            "request_channels": [ask[name].id],
        }
        for name in ask
    ]
    async with serving(store, box, queue=queues) as desk:
        roots = {
            "apples": await desk.user("ann").post("ask-apples", "@relaydesk apples are out"),
            "pears": await desk.user("ann").post("ask-pears", "@relaydesk pears are out"),
        }
        for name, root in roots.items():
            card = await desk.opened(f"{name} are out", f"desk-{name}")
            await desk.user("ada").post(f"desk-{name}", f"More {name} tomorrow", thread_ts=card.ts)
            await desk.posted(f"More {name} tomorrow", root)
        await desk.rest()
        assert "pears" not in space.render("desk-apples").replace("desk-pears", "")
        assert "apples" not in space.render("desk-pears").replace("desk-apples", "")
        assert store.rows("SELECT queue, COUNT(*) AS n FROM tickets GROUP BY queue ORDER BY queue") == [
            {"queue": "apples", "n": 1},
            {"queue": "pears", "n": 1},
        ]
