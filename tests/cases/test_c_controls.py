"""A card's controls in the running desk: whom they name, and what they show afterwards."""

from __future__ import annotations

import re
from typing import Any

from sandbox import Sandbox
from tests.cases.slack_service import SlackService, serving, words
from tests.stores import Store


def element(desk: SlackService, said: str, action: str) -> tuple[str, dict[str, Any]]:
    """A control of a card: the name of its block, and itself."""
    [card] = desk.cards(said)
    [(block, found)] = [
        (block["block_id"], one)
        for block in card.blocks
        for one in block.get("elements", ())
        if one.get("action_id") == action
    ]
    return block, found


async def test_whom_a_card_was_given_to_is_shown_in_its_menu(store: Store, box: Sandbox) -> None:
    """Grace has never said a word in Slack: choosing her says who she is there, by the address of her profile."""
    async with serving(store, box) as desk:
        await desk.user("ann").dm("The printer burns")
        card = await desk.opened("The printer burns")
        assert "initial_user" not in element(desk, "The printer burns", "assign")[1]
        await desk.user("ada").select("triage", card.ts, "assign", "grace")
        grace = desk.user("grace").id
        await desk.sees(lambda: element(desk, "The printer burns", "assign")[1].get("initial_user") == grace)
        assert (
            store.value("SELECT username FROM users WHERE id = (SELECT assignee_id FROM tickets)") == "grace"
        )


async def test_the_menu_is_let_go_after_a_choice(store: Store, box: Sandbox) -> None:
    """The form is closed again; the card has another block of controls, and the same can be chosen once more."""
    async with serving(store, box) as desk:
        await desk.user("ann").dm("The printer burns")
        card = await desk.opened("The printer burns")
        ada = desk.user("ada")
        for _ in range(2):
            before = element(desk, "The printer burns", "menu")[0]
            await ada.select("triage", card.ts, "menu", "note")
            await desk.sees(lambda: ada.modal is not None)
            assert ada.modal is not None
            await ada.close_modal(ada.modal.id)
            await desk.sees(lambda b=before: element(desk, "The printer burns", "menu")[0] != b)


async def test_a_delivery_that_was_tried_again_is_offered_no_more(store: Store, box: Sandbox) -> None:
    """The alert says that it arrived; who presses in that moment, or elsewhere, is told so, and nothing goes twice."""
    async with serving(store, box) as desk:
        card = await desk.asked_by_mail()
        box.mailbox.refuse_next(code=550, text="5.1.1 no such user here")
        await desk.user("ada").post("triage", "Unplug it", thread_ts=card.ts)
        alert = await desk.posted("no such user here", card.ts)
        await desk.user("grace").click("triage", alert.ts, "retry")
        delivery = store.value("SELECT id FROM deliveries WHERE desk = 0 AND kind = 'message'")
        await desk.mailed("Unplug it")
        await desk.sees(lambda: "delivered by another try" in words(alert))
        assert "'retry'" not in words(alert)
        assert "no such user here" in words(alert)
        await desk.user("ada").post("triage", f"!retry {delivery}", thread_ts=card.ts)
        told = desk.space.channel("triage").ephemerals
        await desk.sees(lambda: any("delivered meanwhile" in words(m) for m in told))
        await desk.rest()
        assert len(desk.to_customer("Unplug it")) == 1


async def test_what_belongs_to_another_is_asked_once(store: Store, box: Sandbox) -> None:
    """The question and its button go from the receipt; the receipt stays."""
    async with serving(store, box, slack={"group_window": "0s"}) as desk:
        first = await desk.user("ann").dm("The printer burns")
        await desk.opened("The printer burns")
        await desk.sees(lambda: len(desk.space.thread(first)) == 2)
        second = await desk.user("ann").dm("It smokes too")
        await desk.sees(lambda: any("'belongs'" in words(m) for m in desk.space.thread(second)))
        receipt = next(m for m in desk.space.thread(second) if "'belongs'" in words(m))
        await desk.user("ann").click("dm", receipt.ts, "belongs")
        await desk.sees(lambda: "'belongs'" not in words(receipt))
        assert "asked already" not in words(receipt)
        assert re.search(r"it's ticket #\d+", words(receipt))
        assert store.rows("SELECT merged_into FROM tickets WHERE merged_into IS NOT NULL") == [
            {"merged_into": store.value("SELECT MIN(id) FROM tickets")}
        ]
