"""`views.*`: docs.slack.dev/reference/methods/views.open and its neighbours."""

from __future__ import annotations

from sandbox import wire
from sandbox.methods import TIER_4, Asked, method
from sandbox.shapes import Json, SlackError


@method("views.open", required=("view",), optional=("interactivity_pointer", "trigger_id"), tier=TIER_4)
async def open_(asked: Asked) -> Json:
    """Show a modal to who pulled the trigger."""
    body = asked.views.read(asked)
    user = asked.interactions.spend(asked.text("trigger_id"))
    return {"view": wire.view_json(asked.views.open(user, body))}


@method("views.push", required=("view",), optional=("interactivity_pointer", "trigger_id"), tier=TIER_4)
async def push(asked: Asked) -> Json:
    body = asked.views.read(asked)
    user = asked.interactions.spend(asked.text("trigger_id"))
    return {"view": wire.view_json(asked.views.push(user, body))}


@method("views.update", required=("view",), optional=("external_id", "hash", "view_id"), tier=TIER_4)
async def update(asked: Asked) -> Json:
    """Replace a view's content; a hash of an older state is refused."""
    view = asked.views.find(asked.text("view_id"), asked.text("external_id"))
    if asked.text("hash") and asked.text("hash") != view.hash:
        raise SlackError("hash_conflict")
    body = asked.views.read(asked, view.body["type"])
    return {"view": wire.view_json(asked.views.update(view, body))}


@method("views.publish", required=("user_id", "view"), optional=("hash",), tier=TIER_4)
async def publish(asked: Asked) -> Json:
    """Show a home tab to somebody."""
    if asked.text("user_id") not in asked.space.users:
        raise SlackError("invalid_arguments")
    if not asked.space.home_tab:
        raise SlackError("not_enabled")
    body = asked.views.read(asked, "home")
    return {"view": wire.view_json(asked.views.publish(asked.text("user_id"), body, asked.text("hash")))}
