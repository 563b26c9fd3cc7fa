"""Promise 6. Catches up: what was written while the service was away is read, once."""

from __future__ import annotations

from tests.house import House


async def test_messages_written_while_it_was_down_are_read_once(house: House) -> None:
    """A direct message, a reply in a direct message's thread, and a staff's answer in a triage thread."""
    box = house.box
    assert box is not None
    box.workspace.delivery.retry_delays = ()  # Slack gives up at once: the events are lost
    bob, ada = box.workspace.user("bob"), box.workspace.user("ada")
    root = await bob.dm("before")
    await house.logged("delivered", kind="card")
    [card] = box.workspace.channel("triage").top
    await house.logged("work_one", outcome="opened")
    await house.terminate()
    await bob.dm("reply while away", thread_ts=root)
    await box.workspace.user("ann").dm("new while away")
    await ada.post("triage", "answer while away", thread_ts=card.ts)
    await house.restart()
    room = box.workspace.dm_channel("bob")
    await box.workspace.wait_for(
        lambda: any("answer while away" in m.text for m in room.thread(root)), timeout=20
    )
    await house.logged("catch_up")
    await house.restart()
    await house.logged("catch_up", times=2)
    texts = sorted(r["text"] for r in house.store.rows("SELECT text FROM messages"))
    assert texts == ["answer while away", "before", "new while away", "reply while away"]
    assert len([m for m in room.thread(root) if "answer while away" in m.text]) == 1


async def test_a_staff_answer_of_before_the_stop_still_goes_out(house: House) -> None:
    """Killed between the answer and its mail: the next start sends it."""
    box = house.box
    assert box is not None
    await house.send_mail("ann@customer.example", subject="Kill")
    await house.logged("delivered", kind="notice")
    await house.logged("delivered", kind="card")
    await box.mailbox.down()
    [card] = box.workspace.channel("triage").top
    await box.workspace.user("ada").post("triage", "sent after all", thread_ts=card.ts)
    await house.logged("work_one", outcome="joined")
    await house.kill9()
    await box.mailbox.up()
    house.write_config(courier={"channel_pause": "200ms"})
    await house.restart()
    await box.mailbox.wait_for(lambda m: "sent after all" in m.text, timeout=45)
