"""The lines in the desk's threads: in the service's language, in the operator's words."""

from __future__ import annotations

from tests.core.commands import DAN, dans_ticket, lines, pressed, typed
from tests.core.desk import TestDesk
from tests.stores import Store


async def test_what_was_done_elsewhere_is_told_in_the_services_language(store: Store) -> None:
    """Each with its gaps filled; statuses, priorities and tags stay the words that commands take."""
    texts = {"de": {"line_priority": "{priority}, sagt {who}"}}
    slack = {"enabled": True, "bot_token": "x", "app_token": "x", "texts": texts}
    desk = await TestDesk.open(store, service={"language": "de"}, slack=slack)
    try:
        ticket, other = await dans_ticket(desk), await dans_ticket(desk, "Another {who}")
        for verb, *words in (
            ("assign", "ada"),
            ("assign", "nobody"),
            ("priority", "high"),
            ("tag", "vpn", "neu"),
            ("untag", "vpn"),
            ("snooze", "2d"),
            ("snooze", "off"),
            ("link", str(other)),
            ("spam",),
            ("spam", "off"),
            ("status", "resolved"),
        ):
            await pressed(desk, ticket, verb, *words)
        await pressed(desk, ticket, "rate", "4", sender=DAN)
        await pressed(desk, ticket, "rate", "4", sender=DAN, text="Gut {who}")
        await pressed(desk, ticket, "merge", str(other))
        told = lines(store, ticket)
        assert told.pop(5).startswith("Ada Lovelace hat dies bis 20"), "put aside until then"
        assert told == [
            "Ada Lovelace hat dies Ada Lovelace zugewiesen.",
            "Ada Lovelace hat dies niemandem zugewiesen.",
            "high, sagt Ada Lovelace",
            "Ada Lovelace hat dies markiert: vpn, neu",
            "Ada Lovelace hat Markierungen entfernt: vpn",
            "Ada Lovelace hat die Zurückstellung beendet.",
            f"Ada Lovelace hat dies mit #{other} verknüpft: Another {{who}}",
            "Ada Lovelace hat dies als Spam markiert. Es ist geschlossen; wer angefragt hat, hört nichts.",
            "Ada Lovelace sagt, dass dies kein Spam ist. Es ist wieder open.",
            "Ada Lovelace hat den Status auf resolved gesetzt.",
            "Dan hat dies mit 4 von 5 bewertet.",
            "Dan hat dies mit 4 von 5 bewertet: Gut {who}",
            f"Ada Lovelace hat dies mit #{other} zusammengeführt.",
        ]
        assert lines(store, other)[-1] == f"Ada Lovelace hat #{ticket} mit diesem zusammengeführt."
        await typed(desk, other, "title", "Der", "Drucker")
        assert lines(store, other)[-1] == f"Ada Lovelace hat #{ticket} mit diesem zusammengeführt.", (
            "what was done in the thread stands there already"
        )
    finally:
        await desk.close()
