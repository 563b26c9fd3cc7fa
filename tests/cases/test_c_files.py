"""Cases 2 and 3: files arrive both ways, byte for byte, and what the bot uploads itself is nobody's message."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from sandbox import BOT_USER, Mail, Message, Sandbox
from tests.cases.slack_service import serving, words
from tests.stores import Store
from tests.writing import mail

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
HEIC = b"\x00\x00\x00\x18ftypheic" + bytes(range(255, -1, -1)) * 8
TEXT = b"plain words\r\n"


def with_pictures() -> EmailMessage:
    """A mail with an image within its text, a photo, a text, and an empty file."""
    made = mail("Cleo <cleo@customer.example>", ["support@example.com"], "Pictures", "See my screen.")
    made.add_alternative('<p>See my screen.</p><img src="cid:screen@x">', subtype="html")
    html = made.get_payload()[1]  # type: ignore[index]
    html.add_related(PNG, "image", "png", cid="<screen@x>", filename="screen.png")  # type: ignore[union-attr]
    for name, content in (("IMG_1.HEIC", HEIC), ("a.txt", TEXT), ("empty.txt", b"")):
        made.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return made


def files(messages: list[Message]) -> dict[str, bytes]:
    found = [file for message in messages for file in message.files]
    assert len({file.name for file in found}) == len(found), "each came once"
    return {file.name: file.content for file in found}


def attached(letter: Mail) -> dict[str, bytes]:
    return {str(part.get_filename()): part.get_payload(decode=True) for part in letter.files()}  # type: ignore[misc]


async def test_C2_files_arrive_both_ways(store: Store, box: Sandbox) -> None:
    """Of a mail in the thread, of an answer in the mail: with words and without, several, an image within the text."""
    async with serving(store, box) as desk:
        await desk.mail(message=with_pictures())
        card = await desk.opened("Pictures")
        wanted = {"screen.png": PNG, "IMG_1.HEIC": HEIC, "a.txt": TEXT}
        await desk.sees(lambda: len(files(desk.space.thread(card.ts))) == len(wanted))
        assert files(desk.space.thread(card.ts)) == wanted
        assert "empty.txt" in "".join(words(m) for m in desk.space.thread(card.ts))

        ada = desk.user("ada")
        await ada.post(
            "triage", "See these", thread_ts=card.ts, files=[("IMG_2.HEIC", HEIC), ("b.txt", TEXT)]
        )
        await ada.post("triage", "", thread_ts=card.ts, files=[("c.png", PNG)])
        both = await desk.mailed("See these")
        assert attached(both) == {"IMG_2.HEIC": HEIC, "b.txt": TEXT}
        alone = await box.mailbox.wait_for(lambda m: "c.png" in attached(m), timeout=20)
        assert attached(alone) == {"c.png": PNG}
        await desk.rest()
        assert len(desk.to_customer()) == 3, "the receipt and the two answers"


@pytest.mark.parametrize("store_name", ["sqlite"], indirect=True)
async def test_C2_twenty_megabytes_without_a_word(store: Store, box: Sandbox) -> None:
    """A requester's film is below the card, a colleague's below the requester's message; an empty file is named."""
    film = bytes(range(256)) * 4_096 * 20
    async with serving(store, box) as desk:
        root = await desk.user("ann").dm("", files=[("film.mov", film), ("empty.log", b"")])
        card = await desk.opened("film.mov")
        await desk.sees(lambda: files(desk.space.thread(card.ts)), timeout=40)
        assert files(desk.space.thread(card.ts)) == {"film.mov": film}
        assert "empty.log" in "".join(words(m) for m in desk.space.thread(card.ts))
        await desk.user("ada").post("triage", "", thread_ts=card.ts, files=[("cut.mov", film)])
        replies = desk.space.dm_channel("ann")
        await desk.sees(lambda: files([m for m in replies.thread(root) if m.bot_id]), timeout=40)
        assert files([m for m in replies.thread(root) if m.bot_id]) == {"cut.mov": film}


async def test_C3_our_own_uploads_are_nobodys_message(store: Store, box: Sandbox) -> None:
    """Slack tells us of what we uploaded: neither a message nor an answer, at the desk or at a requester's."""
    async with serving(store, box) as desk:
        root = await desk.user("ann").dm("See", files=[("scan.pdf", PNG)])
        card = await desk.opened("See")
        await desk.sees(lambda: files(desk.space.thread(card.ts)))
        await desk.user("ada").post("triage", "Sign this", thread_ts=card.ts, files=[("form.pdf", HEIC)])
        await desk.sees(lambda: "form.pdf" in files([m for m in desk.space.thread(root) if m.bot_id]))
        await desk.rest()
        told = [e["event"] for e in desk.space.events if e["event"].get("subtype") == "file_share"]
        assert sum(event["user"] == BOT_USER for event in told) == 2, "Slack did tell us"
        assert store.count("tickets") == 1
        assert sorted(row["text"] for row in store.rows("SELECT text FROM messages")) == ["See", "Sign this"]
        assert list(files([m for m in desk.space.thread(card.ts) if m.bot_id])) == ["scan.pdf"]
        assert list(files([m for m in desk.space.thread(root) if m.bot_id])) == ["form.pdf"]
        assert len(desk.cards()) == 1
