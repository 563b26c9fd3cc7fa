"""Quiet hours: given up, what waited for their end comes with what comes next; the list of a queue waits for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.jobs import Jobs, Slot
from core.preferences import Preferences, choose, keep
from core.unassigned import jobs_of
from tests.core.desk import TestDesk
from tests.core.test_bundling import STAFF, news_rows, opened, told
from tests.stores import Store


@pytest.mark.parametrize("bundle", ["60s", "0s"])
async def test_given_up_they_hold_nothing_back(store: Store, bundle: str) -> None:
    """News of the night wait for the morning; once the hours are off, the next piece takes them along."""
    desk = await TestDesk.open(store, staff=STAFF, notices={"bundle": bundle})
    now = datetime.now(UTC)
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=6):%H:%M}"
    try:
        ada, ben = await desk.staff(), (await desk.staff("ben")).user_id
        assert ben is not None
        await desk.database.unit(lambda tx: keep(tx, ben, Preferences(quiet_hours=hours)))
        first, second = await opened(desk), await opened(desk)
        await desk.manager.assign(ada, first, "ben")
        await desk.courier.start()
        await desk.database.unit(
            lambda tx: choose(tx, ben, ["quiet", "off"], quiet_hours="22:00-07:00", zone="UTC")
        )
        assert [row["state"] for row in news_rows(store)] == ["queued"]
        await desk.manager.assign(ada, second, "ben")
        assert told(store) == [[("assigned", first), ("assigned", second)]]
        desk.clock.offset = timedelta(seconds=61)
        await desk.quiet(store)
        (sent,) = [o for o in desk.mail.sent if o.data.get("what") == "staff_news"]
        assert [line["ticket"] for line in sent.data["lines"]] == [first, second]
    finally:
        await desk.close()


async def test_the_list_of_what_nobody_has_waits_for_their_end(store: Store) -> None:
    """It goes to agents by mail where a queue has no channel: to who has quiet hours now, after them."""
    queue = [{"name": "support", "addresses": ["support@example.com"], "unassigned_after": "8h"}]
    desk = await TestDesk.open(store, staff=STAFF, queue=queue, slack={"enabled": False})
    try:
        await opened(desk)
        desk.clock.offset = timedelta(hours=9)
        now, ben = desk.clock.now(), (await desk.staff("ben")).user_id
        assert ben is not None
        hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
        await desk.database.unit(lambda tx: keep(tx, ben, Preferences(quiet_hours=hours)))
        effect = await jobs_of(desk.config)[0].run(
            Jobs(desk.desk, desk.database, desk.blobs), Slot(now, late=False)
        )
        assert await desk.database.unit(effect) == "listed 1 to 2 agents by mail"
        sql = "SELECT place, lane, wait_until FROM deliveries WHERE data LIKE '%nobody has taken%'"
        rows = {row["place"]: row for row in store.rows(sql)}
        assert rows["ada@example.com"]["wait_until"] is None
        assert rows["ben@example.com"]["wait_until"] is not None
        assert rows["ben@example.com"]["lane"].endswith(":later")
    finally:
        await desk.close()
