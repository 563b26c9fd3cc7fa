"""What becomes of a report that nobody ever confirmed: it goes with its files, once staff have closed it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from core.shapes import File
from core.status import Status
from tests.core.desk import TestDesk
from tests.core.keeping import KEPT, at, sent
from tests.core.test_manager_reports import ANN
from tests.stores import Store


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    """A desk that keeps each kind for another time."""
    staff = [{"username": "ada", "email": "ada@example.com"}]
    opened = await TestDesk.open(store, retention=KEPT, staff=staff)
    yield opened
    await opened.close()


async def test_its_files_go_with_it(desk: TestDesk, store: Store) -> None:
    files = [File(name="a.bin", content_type="", size=3, content=b"abc")]
    ticket = await desk.manager.report(ANN, "t", "d", files=files)
    blob = store.value("SELECT `blob` FROM attachments")
    assert desk.blobs.path(blob).is_file()
    await desk.manager.assign_status(await desk.staff(), ticket.id, Status.CLOSED)
    await sent(desk)
    await at(desk, timedelta(days=200))
    assert (store.count("tickets"), store.count("attachments"), store.count("messages")) == (0, 0, 0)
    assert not desk.blobs.path(blob).exists()
