"""A digest through the real service: by mail and in Slack, ended by the link of its mail, asked for in Slack."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sandbox.shapes import TRIAGE
from tests.conftest import Houses

BOSS = "boss@example.com"


async def test_it_comes_by_mail_and_in_slack_and_can_be_ended(houses: Houses) -> None:
    """Two people: who unsubscribes gets the next one no more, the other does. A manager asks for one by direct
    message; somebody of the staff who is none is told why they don't get it."""
    daily = {"name": "daily", "email_to": [BOSS, "cfo@example.com"], "slack_to": [TRIAGE]}
    house = await houses(digest=[daily])
    box = house.box
    assert box is not None
    assert (await house.send_mail("Ann <ann@customer.example>", subject="The printer is on fire")).accepted
    await house.logged("delivered", kind="card")
    ran = await house.run("digest", "daily", "--send")
    assert (ran.status, ran.err, ran.out.splitlines()[-1]) == (0, "", "Sent to 3")
    first = await box.mailbox.wait_for(
        lambda mail: BOSS in mail.recipients, timeout=30
    )  # its charts are drawn
    await box.mailbox.wait_for(lambda mail: "cfo@example.com" in mail.recipients)
    assert "1 came in" in first.text
    assert first.header("Auto-Submitted") == "auto-generated"
    await house.logged("send", kind="digest")
    posted = box.workspace.channel("triage").top[-1]
    assert "1 came in" in posted.text
    assert "data_visualization" in str(posted.blocks)

    (url,) = re.fullmatch(r"<(\S+)>", first.header("List-Unsubscribe")).groups()  # type: ignore[union-attr]
    async with house.client() as http:
        path = urlsplit(url).path
        assert (await http.post(path, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    await house.logged("delivered", kind="digest", times=3)
    ran = await house.run("digest", "daily", "--send")
    assert ran.out.splitlines()[-2:] == [f"Unsubscribed: {BOSS}", "Sent to 2"]

    await box.workspace.user("grace").dm("!digest daily")
    await house.logged("delivered", kind="whisper")
    await box.workspace.user("ada").dm("!digest daily")
    await house.logged("delivered", kind="digest", times=6)
    hers, grace = (box.workspace.dm_channel(name) for name in ("ada", "grace"))
    assert [m.text for m in hers.messages if "1 came in" in m.text]
    assert not [m.text for m in grace.messages if "came in" in m.text]
    assert "only managers" in str([m.text for m in (*grace.ephemerals, *grace.messages)])
    assert len(box.mailbox.to(BOSS)) == 1
