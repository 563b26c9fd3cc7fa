"""The Slack door and channel on a desk's parts; nothing is opened yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.api import Api
from bot.channel import SlackChannel
from bot.connect import SlackDoor
from bot.exposure import Exposure
from bot.form_facts import Facts
from bot.forms import Forms
from bot.front import Counter, Front
from bot.home_reads import Reads
from bot.homes import Homes
from bot.keep_up import Cursors
from bot.nudges import Nudges
from bot.reader import Hears
from bot.seats import LeasedSeats
from bot.spent import Spent
from bot.staff import StaffSync
from bot.watch import Watch
from core.failures import Failure, Unavailable
from core.parts import Parts
from core.posted import brought
from core.shapes import Outgoing
from core.views import open_roots


def slack_api(parts: Parts) -> Api:
    """The Web API that door and channel share."""
    return Api(parts.config)


def slack_channel(parts: Parts, api: Api) -> SlackChannel:
    """What reads what came in, and sends."""

    async def taken(outgoing: Outgoing, remotes: Sequence[str]) -> set[str]:
        ticket = outgoing.ticket.id if outgoing.ticket is not None else 0
        return await parts.database.read(lambda tx: brought(tx, ticket, outgoing.delivery_id, remotes))

    facts = Facts(parts, api.directory)

    async def is_staff(user: str) -> bool:
        return (await facts.who(user)).staff

    exposure, staff = Exposure(api, parts.database, parts.desk), staff_sync(parts, api)

    async def exposed(channel: str, at: datetime | None) -> None:
        try:
            await exposure.changed(channel)
        except Failure as exc:
            raise Unavailable(exc.reason) from exc

    hears = Hears(staff_changed=staff.changed, exposure_changed=exposed)
    return SlackChannel(
        api,
        parts.blobs,
        parts.clock,
        linked=facts.linked,
        is_staff=is_staff,
        hears=hears,
        why_closed=exposure.why_closed,
        taken=taken,
        met=parts.people.met,
    )


def slack_door(parts: Parts, api: Api) -> SlackDoor:
    """What takes in."""

    async def threads() -> list[str]:
        return await parts.database.read(open_roots)

    cursors = Cursors(parts.database)
    return SlackDoor(
        api,
        parts.intake,
        cursors.load,
        cursors.save,
        threads=threads,
        clock=parts.clock,
        front=Front(counters(parts, api)),
        seats=LeasedSeats(parts.database, parts.config.slack.sockets),
        turn=cursors.turn,
        watch=Watch(api, parts.database, Exposure(api, parts.database, parts.desk)),
        beside=(staff_sync(parts, api),),
    )


def counters(parts: Parts, api: Api) -> Sequence[Counter]:
    """Who answers at the door, in the order in which they are asked."""
    facts = Facts(parts, api.directory)
    return (
        Forms(api, api.directory, facts),
        Nudges(api, facts),
        Spent(api, facts),
        Homes(api, api.directory, Reads(parts, api, api.directory)),
    )


def staff_sync(parts: Parts, api: Api) -> StaffSync:
    """What keeps the staff as Slack has them."""
    return StaffSync(parts.people, parts.database, api, api.directory)
