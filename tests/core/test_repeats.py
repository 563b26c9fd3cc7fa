"""Pictures within a mail that the ticket has already aren't kept again; files are."""

from __future__ import annotations

from hashlib import sha256

from core.shapes import File, Person
from tests.core.desk import BOB, TestDesk
from tests.stores import Store


def picture(content: bytes = b"logo", cid: str | None = "logo@x", kind: str = "image/png") -> File:
    return File(
        name="logo.png",
        content_type=kind,
        size=len(content),
        content=content,
        sha256=sha256(content).digest(),
        inline_cid=cid,
    )


async def kept(store: Store, *mails: tuple[File, ...], sender: Person | None = None) -> int:
    """How many files a ticket has after mails with these."""
    desk = await TestDesk.open(store)
    try:
        first = await desk.write("One", mail_id="1@x.example", files=mails[0])
        for files in mails[1:]:
            more = {"sender": sender} if sender else {}
            await desk.write("More", to=("1@x.example",), files=files, **more)
        return store.count("attachments") if first.ticket_id else -1
    finally:
        await desk.database.close()


async def test_a_logo_is_kept_once(store: Store) -> None:
    assert await kept(store, (picture(),), (picture(cid="other@x"),), (picture(),)) == 1


async def test_another_picture_and_anything_attached_is_kept(store: Store) -> None:
    assert (
        await kept(store, (picture(),), (picture(b"other"), picture(cid=None), picture(kind="text/html")))
        == 4
    )


async def test_another_ticket_has_its_own(store: Store) -> None:
    assert await kept(store, (picture(),), (picture(),), sender=BOB) == 2
