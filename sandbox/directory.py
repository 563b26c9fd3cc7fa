"""`auth.*`, `users.*`, `team.info`, `bots.info`, `usergroups.*`, and the methods about the API itself."""

from __future__ import annotations

from sandbox import wire
from sandbox.blocks import check_blocks, check_view
from sandbox.methods import SPECIAL, TIER_2, TIER_3, TIER_4, Asked, method, paged
from sandbox.shapes import APP, BOT, BOT_USER, TEAM, Json, SlackError, User

DOMAIN = "sandbox"


def _shown(asked: Asked, user: User) -> Json:
    return wire.user_json(user, with_email="users:read.email" in asked.space.scopes)


@method("auth.test", tier=SPECIAL)
async def auth_test(asked: Asked) -> Json:
    return {
        "url": f"{asked.space.base_url}/",
        "team": "Sandbox",
        "user": "relaydesk",
        "team_id": TEAM,
        "user_id": BOT_USER,
        "bot_id": BOT,
        "is_enterprise_install": False,
    }


@method("api.test", optional=("error",), tier=TIER_4, by="none")
async def api_test(asked: Asked) -> Json:
    if error := asked.text("error"):
        raise SlackError(error, args=asked.args)
    return {"args": asked.args}


@method("apps.connections.open", tier=TIER_3, by="app")
async def connections_open(asked: Asked) -> Json:
    """A websocket address that works once."""
    base = asked.space.base_url.replace("http", "ws", 1)
    return {"url": f"{base}/link?ticket={asked.api.sockets.ticket()}&app_id={APP}"}


@method("blocks.validate", optional=("blocks", "view", "surface"), tier=TIER_4, by="none")
async def blocks_validate(asked: Asked) -> Json:
    """Check blocks, or a view, without showing them; each problem has its pointer."""
    view = asked.json("view", "invalid_blocks_format")
    if isinstance(view, dict):
        if wrong := check_view(view):
            raise SlackError("invalid_blocks", errors=[vars(problem) for problem in wrong])
        return {}
    blocks = asked.json("blocks", "invalid_blocks_format")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    if problems := check_blocks(blocks, asked.text("surface", "message")):
        raise SlackError("invalid_blocks", errors=[vars(problem) for problem in problems])
    return {}


@method(
    "users.info",
    required=("user",),
    optional=("include_locale",),
    scopes=("users:read",),
    tier=TIER_4,
)
async def users_info(asked: Asked) -> Json:
    user = asked.space.users.get(asked.text("user"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": _shown(asked, user)}


@method(
    "users.list",
    optional=("cursor", "include_locale", "limit", "team_id"),
    scopes=("users:read",),
    tier=TIER_2,
)
async def users_list(asked: Asked) -> Json:
    page, cursor = paged(
        list(asked.space.users.values()), asked, default=1000, most=1000, error="invalid_arguments"
    )
    shown = [{k: v for k, v in _shown(asked, user).items() if k != "is_stranger"} for user in page]
    return {"members": shown, "cache_ts": asked.space.now(), "response_metadata": {"next_cursor": cursor}}


@method("users.lookupByEmail", required=("email",), scopes=("users:read.email",), tier=TIER_3)
async def lookup_by_email(asked: Asked) -> Json:
    """Whose address this is; bots, former members and other organisations' people aren't found."""
    email = asked.text("email").casefold()
    for user in asked.space.users.values():
        findable = not (user.deleted or user.is_bot or user.external)
        if findable and (user.email or "").casefold() == email:
            return {"user": _shown(asked, user)}
    raise SlackError("users_not_found")


@method(
    "usergroups.users.list",
    required=("usergroup",),
    optional=("include_disabled", "team_id"),
    scopes=("usergroups:read",),
    tier=TIER_2,
)
async def usergroup_users(asked: Asked) -> Json:
    found = asked.space.usergroups.get(asked.text("usergroup"))
    if found is None:
        raise SlackError("no_such_subteam")
    return {"users": list(found)}


@method("team.info", optional=("domain", "team"), scopes=("team:read",), tier=TIER_3)
async def team_info(asked: Asked) -> Json:
    if asked.text("team", TEAM) != TEAM:
        raise SlackError("team_not_found")
    url = f"{asked.space.base_url}/"
    icon = {"image_default": True}
    return {"team": {"id": TEAM, "name": "Sandbox", "domain": DOMAIN, "url": url, "icon": icon}}


@method("bots.info", optional=("bot", "team_id"), scopes=("users:read",), tier=TIER_3)
async def bots_info(asked: Asked) -> Json:
    if asked.text("bot", BOT) != BOT:
        raise SlackError("bot_not_found")
    profile = {key: value for key, value in wire.bot_profile().items() if key != "team_id"}
    return {"bot": profile | {"user_id": BOT_USER}}
