"""What belongs to no ticket and didn't arrive: digests, news for one of the staff, lists. There is no thread in which
to say so, so the managers are told, once for each such delivery; never about a notice that says this. News that Slack
refused go by mail instead, where the person can be mailed.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, select

from core import exposure
from core.audience import Told
from core.bundling import APART
from core.bundling import WHAT as NEWS
from core.database import Tx
from core.desk import Desk
from core.preferences import LIST
from core.shapes import Kind, Person, canonical_address
from core.staffing import StaffMember
from core.tables import reports
from core.unsubscribing import stopped, url_for

ABOUT: Final = "undelivered"  # in such a notice's data: the delivery that it is about
_REASON: Final = 300
_OF_NEWS: Final = ("what", "language", "lines", "more")


def concerns(row: Row[Any]) -> bool:
    """Say whether a delivery that didn't arrive is to be told of here. Pure."""
    if row.ticket_id or ABOUT in row.data:
        return False
    listed = row.channel == "slack" and row.kind == Kind.NOTICE and row.desk
    return row.kind == Kind.DIGEST or row.data.get("what") in (NEWS, "staff_told") or bool(listed)


async def tell(tx: Tx, desk: Desk, row: Row[Any], reason: str, *, more: str = "") -> None:
    """Tell of a delivery that it didn't arrive, and why; `more`: what is said beside that. Call last in the unit, once
    for each delivery."""
    if row.channel == "slack" and row.data.get("what") == NEWS:
        member = await _whose(tx, desk, row.place)
        if member is not None and await _mailable(tx, desk, member):
            await exposure.send(tx, desk, [_by_mail(desk, row, member)])
            return
    what = await _named(tx, row)
    words = f"{what} didn't reach {row.place}: {reason[:_REASON].rstrip('.')}. "
    words += more or f"To send it again: relaydesk outbox retry {row.id}"
    told = await exposure.to_managers(tx, desk, words, f"Not delivered: {what}", **{ABOUT: row.id})
    # Who can't be reached there needn't be told so there.
    await exposure.send(tx, desk, [one for one in told if not _same(one, row)])


def _same(one: Told, row: Row[Any]) -> bool:
    if one.channel != row.channel:
        return False
    if one.channel == "email":
        return canonical_address(one.place) == canonical_address(row.place)
    return _id_of(one.place) == _id_of(row.place)


def _id_of(place: str) -> str:
    """The id of somebody in Slack, with or without the team. Pure."""
    return place.rpartition("/")[2]


async def _named(tx: Tx, row: Row[Any]) -> str:
    if row.kind == Kind.DIGEST:
        name = await tx.scalar(select(reports.c.name).where(reports.c.id == row.data.get("report")))
        return f"The digest {name}" if name else "A digest"
    if row.data.get("what") == NEWS:
        return "News for one of the staff"
    subject = row.data.get("subject")
    return f'The notice "{subject}"' if subject else "A list of tickets"


async def _whose(tx: Tx, desk: Desk, place: str) -> StaffMember | None:
    members = await exposure.staff_there(tx, desk)
    return next((one for one in members if one.slack_user and _id_of(one.slack_user) == _id_of(place)), None)


async def _mailable(tx: Tx, desk: Desk, member: StaffMember) -> bool:
    if "email" not in desk.specs or not member.email or member.suppressed:
        return False
    return not await stopped(tx, LIST, [member.email])


def _by_mail(desk: Desk, row: Row[Any], member: StaffMember) -> Told:
    data = {key: row.data[key] for key in _OF_NEWS if key in row.data}
    if url := url_for(desk.config, LIST, member.email):
        data["unsubscribe"] = url
    return Told(
        channel="email",
        place=member.email,
        kind=Kind.NOTICE,
        desk=True,
        automatic=True,
        apart=APART,
        to_key=Person(kind="email", address=member.email).key,
        data=data,
    )
