"""The two journeys of `docs/architecture.md`, through the real service: mail → ticket → card, and staff's reply → mail.

Each hop logs an event of its own name with ids; the sequence is asserted, so that the drawing can't rot.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.house import House

ROOT = Path(__file__).parent.parent


def sequence(house: House, names: tuple[str, ...], since: int) -> list[str]:
    """The log events of these names, in order, once each."""
    found: list[str] = []
    for entry in house.log[since:]:
        if entry["event"] in names and entry["event"] not in found:
            found.append(entry["event"])
    return found


async def test_the_whole_loop(house: House) -> None:
    """A mail becomes a ticket with a card; staff answer in its thread; the customer has the mail; their reply is in the
    thread; a note stays there; closing tells them."""
    box = house.box
    assert box is not None
    since = house.mark()
    sent = await house.send_mail(
        "Ann <ann@customer.example>", subject="The printer is on fire", text="Help me."
    )
    assert sent.accepted
    await house.logged("delivered", kind="card", since=since)
    hops = ("handle_DATA", "work_one", "receive", "deliver_one", "send", "delivered")
    assert sequence(house, hops, since) == [
        "handle_DATA",
        "receive",
        "work_one",
        "deliver_one",
        "send",
        "delivered",
    ]
    [card] = box.workspace.channel("triage").top
    assert "The printer is on fire" in box.workspace.render()
    acknowledgement = await box.mailbox.wait_for(lambda m: "ann@customer.example" in m.recipients)
    assert acknowledgement.header("Auto-Submitted") == "auto-replied"
    assert acknowledgement.header("In-Reply-To") == sent.message_id

    await house.logged("delivered", kind="notice")
    await house.logged("work_one", outcome="ignored")  # Slack's echo of our card
    since = house.mark()
    await box.workspace.user("ada").post("triage", "Is it still burning?", thread_ts=card.ts)
    answer = await box.mailbox.wait_for(lambda m: "still burning" in m.text)
    await house.logged("delivered", kind="message", since=since)
    hops = ("on_message", "receive", "work_one", "deliver_one", "send", "delivered")
    assert sequence(house, hops, since) == [
        "on_message",
        "receive",
        "work_one",
        "deliver_one",
        "send",
        "delivered",
    ]
    assert answer.recipients == ["ann@customer.example"]
    assert not answer.header("Auto-Submitted")
    await house.logged("delivered", kind="mark")

    back = answer.header("Reply-To")
    assert re.search(r"support\+t\d+-[a-z2-7]{16}@example\.com", back)
    text = f"Yes!\n\nOn Tue, Ada wrote:\n> {answer.text.strip().splitlines()[-1]}\n"
    replied = await house.send_mail(
        "Ann <ann@customer.example>",
        re.sub(r".*<|>.*", "", back),
        subject=f"Re: {answer.subject}",
        text=text,
        headers={"In-Reply-To": answer.header("Message-ID")},
    )
    assert replied.accepted
    await box.workspace.wait_for(lambda: any("Yes!" in m.text for m in box.workspace.thread(card.ts)))

    mails = len(box.mailbox.mails)
    await box.workspace.user("grace").post("triage", "note: poor Ann", thread_ts=card.ts)
    await house.logged("work_one", outcome="joined", times=2, since=since)
    await box.workspace.user("ada").post("triage", "!close", thread_ts=card.ts)
    closed = await box.mailbox.wait_for(lambda m: m.id > mails and "closed" in (m.subject + m.text).lower())
    assert closed.recipients == ["ann@customer.example"]
    assert not any("poor Ann" in m.raw.decode("utf-8", "replace") for m in box.mailbox.mails)
    assert len(box.workspace.channel("triage").top) == 1


async def test_a_direct_message_is_answered_in_its_thread(house: House) -> None:
    """A DM to the bot opens a ticket; the receipt and the answer come into its thread; what is written there joins."""
    box = house.box
    assert box is not None
    root = await box.workspace.user("bob").dm("My laptop is stuck")
    await box.workspace.wait_for(lambda: box.workspace.channel("triage").top, timeout=10)
    [card] = box.workspace.channel("triage").top
    await box.workspace.user("ada").post("triage", "Which one?", thread_ts=card.ts)
    room = box.workspace.dm_channel("bob")
    await box.workspace.wait_for(lambda: any("Which one?" in m.text for m in room.thread(root)), timeout=10)
    await box.workspace.user("bob").dm("The blue one", thread_ts=root)
    await box.workspace.wait_for(
        lambda: any("The blue one" in m.text for m in box.workspace.thread(card.ts)), timeout=10
    )
    assert house.store.count("tickets") == 1


def test_every_function_that_the_docs_name_is_there() -> None:
    """`file:function` in the docs names a function that exists in that file."""
    named = 0
    for page in (ROOT / "docs").rglob("*.md"):
        for file, function in re.findall(r"`([\w/]+\.py):(\w+)`", page.read_text("utf-8")):
            named += 1
            assert re.search(
                rf"^\s*(?:async )?(?:def|class) {function}\b|^{function}\b",
                (ROOT / file).read_text("utf-8"),
                re.M,
            ), f"{page.name}: {file}:{function}"
    assert named > 10
