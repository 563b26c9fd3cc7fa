"""Without Slack: agents are told by mail, and answer by mail or from the terminal."""

from __future__ import annotations

import re

from tests.conftest import Houses
from tests.house import House

AUTHSERV = "mx.example.com"
PROVEN = {"Authentication-Results": f"{AUTHSERV}; dmarc=pass header.from=example.com"}


async def _house(houses: Houses) -> House:
    return await houses(slack=False, email={"inbound": {"trusted_authserv_ids": [AUTHSERV]}})


def _address(header: str) -> str:
    return re.sub(r".*<|>.*", "", header)


async def test_agents_hear_by_mail_and_answer_by_mail(houses: Houses) -> None:
    """A new ticket and a reply are mailed to the agents; an agent's authenticated answer is the public reply."""
    house = await _house(houses)
    box = house.box
    assert box is not None
    await house.send_mail("Ann <ann@customer.example>", subject="No Slack here", text="Is anybody there?")
    told = await box.mailbox.wait_for(lambda m: m.recipients == ["ada@example.com"])
    await box.mailbox.wait_for(lambda m: m.recipients == ["grace@example.com"])
    assert "Is anybody there?" in told.text
    assert told.header("Auto-Submitted")
    answered = await house.send_mail(
        "Ada Lovelace <ada@example.com>",
        _address(told.header("Reply-To")),
        subject=f"Re: {told.subject}",
        text=f"I am.\n\nOn Tue, Acme wrote:\n> {told.text.splitlines()[0]}\n",
        headers={**PROVEN, "In-Reply-To": told.header("Message-ID")},
    )
    assert answered.accepted
    answer = await box.mailbox.wait_for(
        lambda m: m.recipients == ["ann@customer.example"] and "I am." in m.text
    )
    assert "ada@example.com" not in answer.text
    await house.send_mail(
        "Ann <ann@customer.example>", _address(answer.header("Reply-To")), subject="Re", text="Thanks!"
    )
    await box.mailbox.wait_for(lambda m: m.recipients == ["grace@example.com"] and "Thanks!" in m.text)
    note = await house.send_mail(
        "ada@example.com", _address(told.header("Reply-To")), text="note: be gentle", headers=PROVEN
    )
    assert note.accepted
    await house.logged("work_one", outcome="joined", times=3)
    assert house.store.count("messages", "visibility = 'note'") == 1


async def test_the_terminal_answers(houses: Houses) -> None:
    """`tickets list`, `show`, `assign`, `reply`, `status`: the requester has the mails."""
    house = await _house(houses)
    box = house.box
    assert box is not None
    await house.send_mail("Ann <ann@customer.example>", subject="Terminal")
    await house.logged("work_one", outcome="opened")
    listed = (await house.run("tickets", "list", "--json")).json()
    assert [t["title"] for t in listed] == ["Terminal"]
    number = str(listed[0]["id"])
    assert (await house.run("tickets", "assign", number, "grace")).status == 0
    assert (await house.run("tickets", "reply", number, "From the terminal", "--as", "grace")).status == 0
    mail = await box.mailbox.wait_for(lambda m: "From the terminal" in m.text)
    assert "Grace" in mail.header("From")
    assert (await house.run("tickets", "status", number, "resolved")).status == 0
    await box.mailbox.wait_for(lambda m: "resolved" in (m.subject + m.text).lower())
    wrong = await house.run("tickets", "status", number, "new")
    assert wrong.status == 1
    assert len(wrong.err.strip().splitlines()) == 1


async def test_a_pipe_delivers_while_the_service_is_down(houses: Houses) -> None:
    """`relaydesk deliver` stores by itself; the next start works it off."""
    house = await _house(houses)
    await house.terminate()
    raw = b"From: ann@customer.example\nTo: support@example.com\nSubject: Piped\nMessage-ID: <p@c>\n\nHello\n"
    taken = await house.run("deliver", "--sender", "ann@customer.example", "--queue", "support", stdin=raw)
    assert (taken.status, taken.err) == (0, "")
    assert (await house.run("deliver", "--recipient", "nobody@example.com", stdin=raw)).status == 65
    await house.restart()
    await house.logged("work_one", outcome="opened", timeout=10)
    assert [r["title"] for r in house.store.rows("SELECT title FROM tickets")] == ["Piped"]
