"""The page on which a member of the staff chooses what they are told of personally: the same as `!notify`.

Everybody sees and changes their own choices alone. To requesters there is no such page: what they hear belongs to
their tickets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from core import preferences
from core.database import Tx
from core.failures import Invalid, NotFound
from core.preferences import Preferences
from core.shapes import Actor
from intake.web.auth import Somebody
from intake.web.forms import fields_of
from intake.web.parts import House, parts_of
from intake.web.render import SAME_PAGE, PageRoute, head, message, page, see_other, to_sign_in
from intake.web.sessions import cookies_of, is_csrf_of, session_actor

log = structlog.get_logger()
router = APIRouter(include_in_schema=False, route_class=PageRoute)
PATH: Final = "/preferences"
_LONGEST: Final = 60  # characters of a field that is shown again


@router.get(PATH)
async def ask(request: Request, actor: Somebody, parts: House) -> Response:
    """Show what somebody chose."""
    user_id = _whose(actor)
    chosen, ended = await parts.database.read(lambda tx: preferences.of_one(tx, user_id))
    return _shown(request, actor, _fields_for(chosen), ended, saved="saved" in request.query_params)


@router.post(PATH)
async def choose(request: Request, parts: House) -> Response:
    """Keep what the form says, whole."""
    cookies, fields = cookies_of(request), await fields_of(request)
    actor = await session_actor(request)
    if actor is None:
        return to_sign_in(request)
    user_id = _whose(actor)
    if not is_csrf_of(cookies.read(request, cookies.session), fields.get("token", "")):
        text = "The form was too old. Nothing was changed."
        return message(request, "That didn't work", text, 403, back=SAME_PAGE)
    try:
        chosen = _read(fields)
    except Invalid as exc:
        _, ended = await parts.database.read(lambda tx: preferences.of_one(tx, user_id))
        return _shown(request, actor, fields, ended, problem=str(exc), status=422)

    async def unit(tx: Tx) -> None:
        await preferences.keep(tx, user_id, chosen)
        if fields.get("again"):
            await preferences.mail_again(tx, user_id)

    await parts.database.unit(unit)
    log.info("preferences_changed", user_id=user_id)
    return see_other(f"{PATH}?saved")


def _whose(actor: Actor) -> int:
    """Return whose choices they are. Raises `NotFound` for who has none."""
    if not actor.staff or actor.user_id is None:
        raise NotFound("there is no such page")
    return actor.user_id


def _read(fields: Mapping[str, str]) -> Preferences:
    wanted = [str(news) for news in preferences.OPTIONAL if f"on_{news}" in fields]
    words = (fields.get(name, "") for name in ("channel", "quiet", "hours", "zone"))
    return preferences.ticked(wanted, *words)


def _fields_for(chosen: Preferences) -> dict[str, str]:
    """What a form would hold that says this."""
    own = {None: "default", "": "off"}.get(chosen.quiet_hours, "own")
    return {
        **{f"on_{news}": "1" for news in preferences.OPTIONAL if news not in chosen.off},
        "channel": {"email": "mail"}.get(chosen.channel, chosen.channel or "default"),
        "quiet": own,
        "hours": chosen.quiet_hours or "",
        "zone": chosen.zone,
    }


def _shown(
    request: Request, actor: Actor, fields: Mapping[str, str], ended: bool, *, status: int = 200, **more: Any
) -> Response:
    config = parts_of(request).config
    news = [
        (str(name), words[:1].upper() + words[1:], name in preferences.OPTIONAL)
        for name, words in preferences.WORDS.items()
    ]
    shown = {
        "news": news,
        "ticked": [name for name, _, optional in news if not optional or f"on_{name}" in fields],
        "channel": fields.get("channel", ""),
        "quiet": fields.get("quiet", ""),
        "hours": fields.get("hours", "")[:_LONGEST],
        "zone": fields.get("zone", "")[:_LONGEST],
        "everybodys": config.notices.quiet_hours,
        "service_zone": config.service.timezone,
        "ended": ended,
        "problem": "",
        "saved": False,
        **more,
    }
    return page(request, "preferences", status, **shown, **head(request, actor))
