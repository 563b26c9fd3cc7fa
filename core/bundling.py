"""News for members of the staff, gathered: what comes within `notices.bundle`, or in their quiet hours, is one message.

A message that still waits takes further news; with each its `seq` moves, by which the courier sees that what it loaded
isn't all (`core.courier`). So each piece of news is in one message, wherever an instance dies. The messages belong to
no ticket, so that what is written below one goes to nobody's customer, and have a lane of their own, so that nothing
else waits behind them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from core.audience import Personal, Told
from core.database import Tx
from core.desk import Desk
from core.outbox import Noted, enqueue, lane_kind, lane_of, on_hold
from core.preferences import LIST
from core.shapes import Kind
from core.staffing import MEMBER
from core.tables import deliveries
from core.unsubscribing import url_for
from core.work import enqueue as enqueue_work

WHAT: Final = "staff_news"
APART: Final = "news"
MOST_LINES: Final = 20  # in one message; of more it says how many
_TITLE: Final = 120
_REASON: Final = 200


async def tell(tx: Tx, desk: Desk, news: Sequence[Personal]) -> None:
    """Note these pieces of news, each person's in one message that may wait already. Call last in the unit."""
    if desk.quiet or not news:
        return
    people: dict[tuple[int, str, str], list[Personal]] = {}
    for one in news:
        people.setdefault((one.to.user_id, one.channel, one.place), []).append(one)
    for _, theirs in sorted(people.items()):
        await _tell_one(tx, desk, theirs)


async def _tell_one(tx: Tx, desk: Desk, news: Sequence[Personal]) -> None:
    agent, lines = news[0].to, [line_of(one) for one in news]
    wait = max(desk.config.notices.bundle, agent.quiet)
    data: dict[str, Any] = {"what": WHAT, "language": desk.config.service.language, MEMBER: agent.user_id}
    if news[0].channel == "email" and (url := url_for(desk.config, LIST, agent.email)):
        data["unsubscribe"] = url
    told = Told(
        channel=news[0].channel,
        place=news[0].place,
        kind=Kind.NOTICE,
        desk=news[0].channel == "email",
        automatic=True,
        delay=wait,
        apart=APART,
        to_key=agent.key if news[0].channel == "email" else None,
        data=joined(data, lines),
    )
    lane = lane_of(desk.specs[told.channel], told, 0)
    now = await tx.now()
    work = {lane: lane_kind(told.channel)}
    if await _add(tx, work, lines, now, now + wait):
        return
    if wait:
        # Whoever else begins a message for them waits here, and finds this one.
        await enqueue_work(tx, work, now)
        if await _add(tx, work, lines, now, now + wait):
            return
    noted = Noted(
        ticket_id=0,
        version=int(now.timestamp() * 1000),
        message_id=None,
        domain=desk.domain(desk.config.queue[0].name),
        on_hold=await on_hold(tx, desk.config.service.outbound),
    )
    if await enqueue(tx, desk.specs, noted, [told]):
        tx.after_commit.append(desk.signals.outbox.set)


async def _add(
    tx: Tx, work: Mapping[str, str], lines: Sequence[Mapping[str, Any]], now: datetime, until: datetime
) -> bool:
    """Add lines to the message that waits in this lane, which then waits no longer than they do (`until`): quiet hours
    may have been given up meanwhile. False where there is none, or it is being sent by now."""
    waits = (
        deliveries.c.lane.in_(work),
        deliveries.c.ticket_id == 0,
        deliveries.c.state.in_(("queued", "held")),
        deliveries.c.wait_until > now,
    )
    found = await tx.scalar(select(deliveries.c.id).where(*waits).order_by(deliveries.c.seq.desc()).limit(1))
    if found is None:
        return False
    mine = deliveries.c.id == found
    if not await tx.changed(update(deliveries).where(mine, *waits).values(seq=deliveries.c.seq + 1)):
        return False
    data = await tx.scalar(select(deliveries.c.data).where(mine))  # ours alone until we commit
    await tx.run(update(deliveries).where(mine).values(data=joined(data, lines)))
    longer = update(deliveries).where(mine, deliveries.c.wait_until > until)
    if await tx.changed(longer.values(wait_until=until)):
        await tx.run(update(deliveries).where(mine, deliveries.c.due_at > until).values(due_at=until))
        await enqueue_work(tx, work, until)
    return True


def line_of(one: Personal) -> dict[str, Any]:
    """Return what a message keeps of a piece of news: what its words are made of, whatever the language."""
    line = {"news": one.news, "ticket": one.ticket_id, "title": one.title[:_TITLE], **one.data}
    if "reason" in line:
        line["reason"] = str(line["reason"])[:_REASON]
    return line


def joined(data: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a message's data with further lines. The same of the same ticket stays one line, which counts (`times`);
    of what is beyond `MOST_LINES` there is only the number (`more`)."""
    kept, more = [dict(line) for line in data.get("lines", ())], int(data.get("more", 0))
    for line in lines:
        same = next((i for i, other in enumerate(kept) if _about(other) == _about(line)), None)
        if same is not None:
            kept[same] = {**line, "times": int(kept[same].get("times", 1)) + 1}
        elif len(kept) < MOST_LINES:
            kept.append(dict(line))
        else:
            more += 1
    return {**data, "lines": kept, "more": more}


def _about(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return (line.get("news"), line.get("ticket"), line.get("target"), line.get("to"))
