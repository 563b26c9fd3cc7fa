"""Spam held by the service as it runs: nothing comes of it until somebody says it is none; then all does."""

from __future__ import annotations

import json

from tests.conftest import Houses


async def test_held_listed_and_let_in(houses: Houses) -> None:
    """No ticket, card or acknowledgement; `inbox list` says why, whose and what about; `inbox retry` makes of it what
    it would have been: here an answer to a ticket, and a new ticket with its acknowledgement and card."""
    house = await houses()
    assert house.box is not None
    first = await house.send_mail("ann@customer.example", subject="The lamp")
    opened = await house.logged("work_one", outcome="opened")
    await house.logged("delivered", kind="notice")
    before = len(house.box.mailbox.to("ann@customer.example"))
    spam = {"X-Spam-Flag": "YES", "X-Spam-Status": "Yes, score=9.1 required=5.0"}
    answer = {**spam, "In-Reply-To": first.message_id, "References": first.message_id}
    assert await house.send_mail("zoe@customer.example", subject="Cheap lamps", headers=spam)
    assert await house.send_mail(
        "ann@customer.example", subject="Re: The lamp", text="Still dark.", headers=answer
    )
    await house.logged("work_one", outcome="held", times=2)

    ran = await house.run("inbox", "list", "--json")
    assert ran.status == 0, ran.err
    rows = [row for row in json.loads(ran.out) if row["state"] == "held"]
    assert [row["ticket"] for row in rows] == [None, None]
    assert "x-spam-flag" in rows[0]["reason"]
    assert "customer.example, 'Cheap lamps'" in rows[0]["reason"]
    assert "Cheap lamps" in (await house.run("inbox", "list")).out
    assert not [entry for entry in house.log if "Cheap lamps" in json.dumps(entry)], "no subject is logged"
    assert house.store.count("tickets") == 1
    assert house.box.mailbox.to("zoe@customer.example") == []

    for row in rows:
        assert (await house.run("inbox", "retry", str(row["id"]))).status == 0
    entry = await house.logged("work_one", outcome="opened", times=2)
    joined = await house.logged("work_one", outcome="joined")
    assert joined["ticket"] == opened["ticket"]
    await house.logged("delivered", kind="notice", times=2)
    await house.logged("delivered", kind="card", ticket=entry["ticket"])
    assert len(house.box.mailbox.to("zoe@customer.example")) == 1
    assert len(house.box.mailbox.to("ann@customer.example")) == before
    assert house.store.count("tickets") == 2
