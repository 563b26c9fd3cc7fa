"""What belongs to no ticket and didn't arrive: digests, news for one of the staff, lists. There is no thread in which
to say so, so the managers are told, once each time that one is given up; never about a notice that says this. News
that Slack refused go by mail instead, once, where the person can be mailed.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, select, update

from core import exposure
from core.audience import Told
from core.bundling import APART
from core.bundling import WHAT as NEWS
from core.database import Tx
from core.desk import Desk
from core.desk_texts import in_words, said
from core.hearing import News
from core.preferences import LIST
from core.shapes import Kind, Person, canonical_address
from core.staffing import MEMBER, StaffMember
from core.tables import deliveries, reports
from core.unsubscribing import stopped, url_for

ABOUT: Final = "undelivered"  # in such a notice's data: the delivery that it is about
MAILED: Final = "mailed"  # in the data of news that Slack refused: they went by mail
LATEST: Final = 200  # mails without a ticket among which one is looked for by its Message-ID
_REASON: Final = 300


def concerns(row: Row[Any]) -> bool:
    """Say whether a delivery that didn't arrive is to be told of here. Pure."""
    if row.ticket_id or ABOUT in row.data:
        return False
    listed = row.channel == "slack" and row.kind == Kind.NOTICE and row.desk
    return row.kind == Kind.DIGEST or row.data.get("what") in (NEWS, "staff_told") or bool(listed)


async def tell(tx: Tx, desk: Desk, row: Row[Any], reason: str, *, more: str = "") -> None:
    """Tell of a delivery that it didn't arrive, and why; `more`: what is said beside that. Call last in the unit, once
    for each delivery."""
    if MAILED in row.data:
        return  # somebody had Slack tried again, which refused them again
    if row.channel == "slack" and row.data.get("what") == NEWS and (mail := await _by_mail(tx, desk, row)):
        await _note_mailed(tx, row, reason)
        await exposure.send(tx, desk, [mail])
        return
    config, what = desk.config, await _named(tx, desk, row)
    why = in_words(config, reason)[:_REASON].rstrip(".")
    more = more or said(config, "undelivered_again", id=row.id)
    words = said(config, "undelivered_told", what=what, place=row.place, reason=why, more=more)
    subject = said(config, "undelivered_subject", what=what)
    # Who can't be reached there needn't be told so there.
    told = await exposure.to_managers(
        tx, desk, words, subject, may=lambda one: not _same(one, row), **{ABOUT: row.id}
    )
    await exposure.send(tx, desk, told)


def _same(one: Told, row: Row[Any]) -> bool:
    if one.channel != row.channel:
        return False
    if one.channel == "email":
        return canonical_address(one.place) == canonical_address(row.place)
    return _id_of(one.place) == _id_of(row.place)


def _id_of(place: str) -> str:
    """The id of somebody in Slack, with or without the team. Pure."""
    return place.rpartition("/")[2]


async def _named(tx: Tx, desk: Desk, row: Row[Any]) -> str:
    if row.kind == Kind.DIGEST:
        name = await tx.scalar(select(reports.c.name).where(reports.c.id == row.data.get("report")))
        key = "undelivered_digest" if name else "undelivered_digest_unnamed"
        return said(desk.config, key, name=name)
    if row.data.get("what") == NEWS:
        return said(desk.config, "undelivered_news")
    subject = row.data.get("subject")
    return said(desk.config, "undelivered_notice" if subject else "undelivered_list", subject=subject)


async def _note_mailed(tx: Tx, row: Row[Any], reason: str) -> None:
    data = {key: value for key, value in row.data.items() if key != "looks"}
    said = f"{reason[:_REASON].rstrip('.')}; it went by mail instead"
    mine = update(deliveries).where(deliveries.c.id == row.id)
    await tx.run(mine.values(last_error=said, data={**data, MAILED: True}))


async def _by_mail(tx: Tx, desk: Desk, row: Row[Any]) -> Told | None:
    """The same news as a mail; None where they have no address that is mailed. Who wants no news by mail gets those
    alone that can't be turned off."""
    member = await _whose(tx, desk, row)
    if "email" not in desk.specs or member is None or not member.email or member.suppressed:
        return None
    data = {key: row.data[key] for key in ("what", "language", "lines", "more") if key in row.data}
    if await stopped(tx, LIST, [member.email]):
        data["lines"] = [line for line in data.get("lines", ()) if line.get("news") == News.FAILED]
        data["more"] = 0
    if not data.get("lines"):
        return None
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
        data={**data, MEMBER: member.user_id},
    )


async def _whose(tx: Tx, desk: Desk, row: Row[Any]) -> StaffMember | None:
    """Whom of the staff news are for."""
    members, user = await exposure.staff_there(tx, desk), row.data.get(MEMBER)
    for one in members:
        if one.user_id == user if user else one.slack_user and _id_of(one.slack_user) == _id_of(row.place):
            return one
    return None


async def sent_as(tx: Tx, mail_id: str) -> Row[Any] | None:
    """Return the mail without a ticket that has this Message-ID, where it is one of the latest; they have no links."""
    rows = await tx.all(
        select(deliveries.c.id, deliveries.c.data)
        .where(deliveries.c.ticket_id == 0)
        .order_by(deliveries.c.id.desc())
        .limit(LATEST)
    )
    found = next((row.id for row in rows if row.data.get("mail_id") == mail_id), None)
    return None if found is None else await tx.first(select(deliveries).where(deliveries.c.id == found))
