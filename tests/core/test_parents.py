"""What a mail may quote: the public texts of the ticket that it surely answers, and no others."""

from __future__ import annotations

from core.parents import MOST_TEXTS, quotable_texts
from core.shapes import Person, Ref, Visibility
from tests.core.desk import TestDesk
from tests.stores import Store


async def test_public_texts_latest_first(store: Store) -> None:
    desk = await TestDesk.open(store)
    try:
        receipt = await desk.write("It hums.", mail_id="a@x")
        ticket = receipt.ticket_id
        assert ticket is not None
        ada = await desk.staff()
        await desk.manager.exchange_messages(ada, ticket, "a secret", visibility=Visibility.NOTE)
        for number in range(MOST_TEXTS - 1):
            await desk.manager.exchange_messages(ada, ticket, f"Try {number}.", visibility=Visibility.PUBLIC)

        async def texts(signed: list[int], references: list[Ref]) -> list[str]:
            return await desk.database.read(lambda tx: quotable_texts(tx, signed, references))

        expected = [*(f"Try {number}." for number in reversed(range(MOST_TEXTS - 1))), "It hums."]
        assert await texts([ticket], []) == expected
        assert (
            await texts([], [Ref("mail:support:no@x", "mail:no@x"), Ref("mail:support:a@x", "mail:a@x")])
            == expected
        )
        assert await texts([], [Ref("mail:support:nobody@x", "mail:nobody@x")]) == []
        assert await texts([ticket + 1_000], []) == []
        assert await texts([], []) == []
    finally:
        await desk.close()


async def test_an_outsiders_words_are_no_proof(store: Store) -> None:
    desk = await TestDesk.open(store)
    try:
        receipt = await desk.write("It hums.", mail_id="a@x")
        ticket = receipt.ticket_id
        assert ticket is not None
        eve = Person(kind="email", address="eve@example.net", name="Eve", place="eve@example.net")
        stranger = await desk.write("I accept your offer.", sender=eve, signed=(ticket,))
        assert (stranger.outcome, stranger.ticket_id) == ("outsider", ticket)
        assert await desk.database.read(lambda tx: quotable_texts(tx, [ticket], [])) == ["It hums."]
    finally:
        await desk.close()
