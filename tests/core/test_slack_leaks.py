"""Words stay with those for whom they were written, whatever became of the ticket; ids are people's own; no brake is
passed by pressing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.failures import Conflict
from core.shapes import Evidence, Person, Priority, Ref, Role, Visibility
from core.status import Status
from tests.core.commands import (
    ADA,
    DAN,
    EVE,
    KIM,
    dans_ticket,
    hang_card,
    lines,
    pressed,
    root_of,
    ticket_of,
    typed,
    whispers,
)
from tests.core.desk import TRIAGE, TestDesk, post
from tests.core.received import parts
from tests.stores import Store

NOTES = {
    "name": "support",
    "addresses": ["support@example.com"],
    "slack_channel": TRIAGE,
    "default_visibility": "note",
}
BILLING = {"name": "billing", "addresses": ["billing@example.com"], "slack_channel": "C2"}
EXT = Person(kind="slack", address="T2/UEXT", name="Ext", team="T2", guest=True, place="T1/C9#1.0")


def said(store: Store, ticket: int) -> list[tuple[str, str]]:
    rows = store.rows("SELECT text, visibility FROM messages WHERE ticket_id = :t ORDER BY seq", t=ticket)
    return [(row["text"], row["visibility"]) for row in rows]


async def remark(desk: TestDesk, ticket: int, ts: str, text: str, **more: Any) -> None:
    """Staff write below the ticket's first card."""
    await desk.manager.receive(post(ts, text, sender=ADA, root=root_of(ticket), desk=True, **more))


# -- where notes are the rule ---------------------------------------------------------------------------------------


async def test_notes_stay_the_rule_below_a_card_that_was_left(store: Store) -> None:
    """PLATFORM: the channel's people go by what is the rule there; `reply:` sends all the same."""
    desk = await TestDesk.open(store, queue=[NOTES, BILLING])
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "queue", "billing")
    await remark(desk, ticket, "7001.0", "Between us")
    await remark(desk, ticket, "7002.0", "Antwort: Hallo")
    await remark(desk, ticket, "7003.0", "Hello", visibility=Visibility.PUBLIC)
    assert said(store, ticket)[1:] == [("Between us", "note"), ("Hallo", "public"), ("Hello", "public")]
    await desk.close()


@pytest.mark.parametrize("shared", [False, True])
async def test_notes_stay_the_rule_below_a_card_that_was_merged(store: Store, shared: bool) -> None:
    """Also where both queues have one channel; below the other's card answers stay answers there."""
    billing = {**BILLING, "slack_channel": TRIAGE} if shared else BILLING
    desk = await TestDesk.open(store, queue=[NOTES, billing])
    ticket, into = await dans_ticket(desk), await dans_ticket(desk, "other", sender=EVE)
    await typed(desk, into, "queue", "billing")
    await typed(desk, ticket, "merge", str(into))
    await remark(desk, ticket, "7001.0", "Between us")
    assert said(store, into)[-1] == ("Between us", "note")
    where = TRIAGE if shared else "C2"
    ada = replace(ADA, place=f"T1/{where}#9.0")
    await hang_card(desk, into, "C2")
    ref = Ref(f"slack:T1/{where}/{root_of(into)}")
    await desk.manager.receive(
        post("7002.0", "Hello", sender=ada, desk=True, queue="support" if shared else "billing",
             conversation=where, evidence=Evidence(references=(ref,)))
    )  # fmt: skip
    assert said(store, into)[-1] == ("Hello", "public")
    await desk.close()


# -- a conversation of two ------------------------------------------------------------------------------------------


async def asked_in_channel(desk: TestDesk, *, sender: Person = DAN) -> int:
    """Somebody's ticket by a mention in a public channel."""
    there = replace(sender, place="T1/CPUB#2.0")
    receipt = await desk.manager.receive(
        post("2.0", "printer", sender=there, conversation="CPUB", evidence=Evidence())
    )
    assert receipt.ticket_id is not None
    await hang_card(desk, receipt.ticket_id)
    return receipt.ticket_id


def place_of(store: Store, ticket: int, role: str = "requester") -> str:
    sql = "SELECT place FROM participants WHERE ticket_id = :t AND role = :r"
    return str(store.value(sql, t=ticket, r=role))


async def answered_at(desk: TestDesk, store: Store, ticket: int) -> set[str]:
    before = store.value("SELECT max(id) FROM deliveries")
    await remark(desk, ticket, "7002.0", "your salary is 5")
    sql = "SELECT place FROM deliveries WHERE id > :m AND kind = 'message' AND desk = 0"
    return {row["place"] for row in store.rows(sql, m=before)}


@pytest.mark.parametrize("by", ["merge", "belongs"])
async def test_a_merge_makes_no_private_conversation_public(desk: TestDesk, store: Store, by: str) -> None:
    """Answers go on in the direct messages; the desk's thread and whoever pressed the button are told where."""
    private, public = await dans_ticket(desk), await asked_in_channel(desk)
    dm = place_of(store, private)
    if by == "merge":
        await typed(desk, private, "merge", str(public))
    else:
        await pressed(desk, private, "belongs", str(public), sender=DAN)
        await pressed(desk, private, "belongs", str(public), sender=DAN)
        assert len(set(whispers(store)[-2:])) == 1
        assert whispers(store)[-1].endswith("We answer here.")
    assert await answered_at(desk, store, private) == {dm}
    assert any("to Dan in direct messages from now on, not to the channel" in x for x in lines(store, public))


async def test_a_merge_the_other_way_leaves_it_private(desk: TestDesk, store: Store) -> None:
    private, public = await dans_ticket(desk), await asked_in_channel(desk)
    dm = place_of(store, private)
    await pressed(desk, public, "belongs", str(private), sender=DAN)
    assert "We answer there" in whispers(store)[-1]
    assert await answered_at(desk, store, private) == {dm}
    assert not any("direct messages" in line for line in lines(store, private))


async def test_the_desk_hears_where_others_read_along(desk: TestDesk, store: Store) -> None:
    """Kim takes part in the channel's thread: answers go there too, and staff know."""
    private, public = await dans_ticket(desk), await asked_in_channel(desk)
    kim = replace(KIM, place="T1/CPUB#2.0")
    await desk.people.known(kim)
    await typed(desk, public, "cc", "UKIM")
    sql = "UPDATE participants SET place = 'T1/CPUB#2.0' WHERE ticket_id = :t AND role = 'cc'"
    store.execute(sql, t=public)
    await typed(desk, private, "merge", str(public))
    assert any("from now on, also to the channel" in line for line in lines(store, public))


# -- whose an id is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["cc", "admit"])
async def test_an_id_is_its_own_teams(desk: TestDesk, store: Store, verb: str) -> None:
    """Of another organisation, who wrote as an outsider: they take part, and nobody made up of our team and their
    id."""
    ticket = await dans_ticket(desk)
    _, channel, ts = str(store.value("SELECT remote FROM links WHERE kind = 'received'")).split("/")
    again: dict[str, Any] = {"sender": EXT, "root": ts, "conversation": channel}
    assert (await desk.manager.receive(post("7.0", "me too", **again))).outcome == "outsider"
    await typed(desk, ticket, verb, "UEXT")
    assert parts(store, ticket) == {"T1/UDAN": "requester", "T2/UEXT": "cc"}
    assert place_of(store, ticket, "cc") == EXT.place
    assert store.count("messages", "outsider = 1") == 0
    assert (await desk.manager.receive(post("8.0", "and now?", **again))).outcome == "joined"
    other = await dans_ticket(desk)
    await typed(desk, other, verb, "<@UEXT>")  # known from elsewhere
    assert parts(store, other)["T2/UEXT"] == "cc"


@pytest.mark.parametrize("word", ["URGENT", "UNOBODY1", "<@UNOBODY1>", "WHY"])
async def test_a_word_that_looks_like_an_id(desk: TestDesk, store: Store, word: str) -> None:
    """Nobody is known by it: nobody is made up."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "cc", word)
    assert parts(store, ticket) == {"T1/UDAN": "requester"}
    assert "nobody is known here by" in whispers(store)[-1]
    assert "mail address" in whispers(store)[-1]


async def test_whom_staff_name_is_known_by_that(desk: TestDesk, store: Store) -> None:
    """A staff member's id is pinned, to one account; who has no address is known; nobody else becomes a user."""
    await desk.people.met(replace(ADA, name="Ada"))
    await desk.people.met(replace(ADA, address="T1/UADA2", name="Second"))
    await desk.people.met(EXT)
    await desk.people.met(replace(KIM, email="kim@example.com"))
    found = {
        row["address"]: row["user_id"] for row in store.rows("SELECT * FROM identities WHERE kind = 'slack'")
    }
    ada = store.value("SELECT id FROM users WHERE username = 'ada'")
    assert found.keys() == {"T1/UADA", "T1/UADA2", "T2/UEXT"}
    assert [address for address, user in found.items() if user == ada] == ["T1/UADA"]
    assert store.count("identities", "address = 'kim@example.com'") == 0


async def test_in_anothers_name_only_by_staff(desk: TestDesk, store: Store) -> None:
    """A form that its sender may not (any more) fill in for somebody else is their own request."""
    boss = Person(kind="slack", address="T1/UBOSS", name="Boss", team="T1", place="T1/UBOSS")
    for number, maker, whose in ((1, EVE, "Eve"), (2, ADA, "Boss")):
        receipt = await desk.manager.receive(
            post(f"view/V{number}", "I quit", sender=boss, made_by=maker, on_behalf=True, evidence=Evidence())
        )
        assert (await ticket_of(desk, receipt.ticket_id or 0)).requester_name == whose


# -- pressing on and on ---------------------------------------------------------------------------------------------


async def test_reopening_by_a_button_is_braked_too(desk: TestDesk, store: Store) -> None:
    """As by writing: of a hundred clicks the desk reads a few; staff aren't counted. An hour may end meanwhile."""
    ticket = await dans_ticket(desk)
    for _ in range(25):
        await pressed(desk, ticket, "resolve", sender=DAN)
        await pressed(desk, ticket, "reopen", sender=DAN)
    assert 5 <= sum("open" in line for line in lines(store, ticket)) <= 10
    assert len(lines(store, ticket)) <= 21
    assert "very often" in whispers(store)[-1]
    assert (await ticket_of(desk, ticket)).status is Status.RESOLVED
    await typed(desk, ticket, "reopen")
    assert (await ticket_of(desk, ticket)).status is Status.OPEN


async def test_rating_again_and_again_is_told_a_few_times(desk: TestDesk, store: Store) -> None:
    """The last score counts. A comment isn't lost unsaid."""
    ticket = await dans_ticket(desk)
    await typed(desk, ticket, "resolve")
    for number in range(30):
        await pressed(desk, ticket, "rate", str(1 + number % 5), sender=DAN)
    assert 5 <= sum("rated this" in line for line in lines(store, ticket)) <= 10
    assert store.count("deliveries", "desk = 0 AND data LIKE '%rated%'") <= 10
    assert store.count("deliveries", "kind = 'whisper'") == 0
    assert store.value("SELECT score FROM ratings") == 5


# -- merged away, over HTTP and in the terminal ---------------------------------------------------------------------


async def test_what_was_merged_away_is_set_no_more(desk: TestDesk) -> None:
    """409, with the number of the one in which it goes on, whatever it was set to."""
    away, into = await dans_ticket(desk), await dans_ticket(desk)
    await typed(desk, away, "merge", str(into))
    ada, manager, before = await desk.staff(), desk.manager, await ticket_of(desk, away)
    assert ada.role is not Role.REQUESTER
    for step in (
        manager.set_priority(ada, away, Priority.URGENT),
        manager.set_priority(ada, away, before.priority),
        manager.assign(ada, away, "grace"),
        manager.assign(ada, away, None),
        manager.assign_status(ada, away, Status.OPEN),
        manager.assign_status(ada, away, Status.CLOSED),
    ):
        with pytest.raises(Conflict, match=f"merged into {into}"):
            await step
    assert await ticket_of(desk, away) == before
