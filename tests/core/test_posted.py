"""Which files a ticket's other deliveries brought: asked before one is taken for a delivery's own."""

from __future__ import annotations

from sqlalchemy import update

from core.outbox import link
from core.posted import brought
from core.shapes import Kind, Sent
from core.tables import deliveries
from tests.core.desk import TestDesk
from tests.core.test_outbox import note, told

FILES = ["T1/C1/F1", "T1/C1/F2", "T1/C1/F3", "T1/C1/F4"]


async def test_files_of_other_deliveries(desk: TestDesk) -> None:
    """An upload's own name, and that of a text which went as a file; neither its own nor another ticket's."""
    mine, other, text = await note(desk, told(kind=Kind.FILE), told(kind=Kind.FILE), told())
    for delivery, remote in ((mine, FILES[0]), (other, FILES[1]), (text, "T1/C1/9.0")):
        await desk.database.unit(
            lambda tx, d=delivery, r=remote: tx.run(  # type: ignore[misc]
                update(deliveries).where(deliveries.c.id == d).values(remote_id=r)
            )
        )
    row = await desk.database.read(lambda tx: tx.first(deliveries.select().where(deliveries.c.id == text)))
    assert row is not None
    await desk.database.unit(lambda tx: link(tx, row, f"slack:{FILES[2]}", Sent(remote_id="T1/C1/9.0")))
    assert await desk.database.read(lambda tx: brought(tx, 1, mine, FILES)) == {FILES[1], FILES[2]}
    assert await desk.database.read(lambda tx: brought(tx, 1, text, FILES)) == {FILES[0], FILES[1]}
    assert await desk.database.read(lambda tx: brought(tx, 2, 0, FILES[:2])) == set()
