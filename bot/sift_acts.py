"""First look at clicks and forms: where they happened and who did it. Pure."""

from __future__ import annotations

from typing import Final

from bot import form_reading
from bot.found import Found, Json, Side, What, side_of
from bot.home import Home, split_place
from core.shapes import Ignored

NUDGED: Final = "nudge_yes"  # "Open a ticket?" was answered with yes; its value is the message's ts


def sift_click(payload: Json, home: Home) -> Found | Ignored:
    """Look at `block_actions`: in a message, or in somebody's Home tab."""
    action = next(iter(payload.get("actions") or ()), None)
    user = str((payload.get("user") or {}).get("id") or "")
    container = payload.get("container") or {}
    if not (action and user):
        return Ignored(reason="a click on nothing that we posted")
    if container.get("type") == "view":
        return _in_view(action, user, home)
    message = payload.get("message") or {}
    channel = str(container.get("channel_id") or (payload.get("channel") or {}).get("id") or "")
    ts = str(container.get("message_ts") or message.get("ts") or "")
    if not (channel and ts):
        return Ignored(reason="a click on nothing that we posted")
    root = container.get("thread_ts") or message.get("thread_ts")
    pointed = action.get("action_id") == NUDGED and bool(action.get("value"))
    return Found(
        what=What.POINTED if pointed else What.CLICKED,
        side=side_of(channel, home),
        team=home.team,
        channel=channel,
        ts=str(action["value"]) if pointed else ts,
        root=str(root) if root and root != ts and not pointed else None,
        at=str(action.get("action_ts") or ts),
        user=user,
        mention=True,
        message={"action": action},
    )


def _in_view(action: Json, user: str, home: Home) -> Found:
    """A click in a Home tab: what it says goes to their direct messages."""
    return Found(
        what=What.CLICKED,
        side=Side.DM,
        team=home.team,
        channel=user,
        ts="",
        root=None,
        at=str(action.get("action_ts") or ""),
        user=user,
        mention=True,
        message={"action": action},
    )


def sift_form(payload: Json, home: Home) -> Found | Ignored:
    """Look at a form that was sent off. One that makes a ticket of a message points at it."""
    view = payload.get("view") or {}
    user = str((payload.get("user") or {}).get("id") or "")
    form = str(view.get("callback_id") or "")
    if form not in form_reading.FORMS or not (user and view.get("id")):
        return Ignored(reason=f"nothing to do for the form {form or 'without a name'}")
    about = form_reading.about(view)
    pointed = form == "make_ticket" and bool(about.channel and about.ts) and not about.own
    _, channel, root = split_place(about.place)
    return Found(
        what=What.POINTED if pointed else What.SUBMITTED,
        side=Side.ELSEWHERE if pointed else Side.DM,
        team=home.team,
        channel=about.channel if pointed else channel or user,
        ts=about.ts if pointed else "",
        root=None if pointed else root,
        at="",
        user=user,
        mention=True,
        message={"view": view},
    )
