"""`auth.revoke` and `oauth.v2.access`: how a token goes, and how one comes."""

from __future__ import annotations

from sandbox.methods import TIER_3, TIER_4, Asked, method
from sandbox.shapes import Json


@method("auth.revoke", optional=("test",), tier=TIER_3)
async def auth_revoke(asked: Asked) -> Json:
    """The app gives its token back; `test` only says that it could."""
    if asked.flag("test"):
        return {"revoked": False}
    asked.space.revoke()
    return {"revoked": True}


@method(
    "oauth.v2.access",
    required=("code",),
    optional=(
        "client_id",
        "client_secret",
        "code_verifier",
        "grant_type",
        "redirect_uri",
        "refresh_token",
    ),
    tier=TIER_4,
    by="none",
)
async def oauth_access(asked: Asked) -> Json:
    """A code becomes a token."""
    granted: Json = asked.api.oauth.exchange(asked.args, asked.basic)
    return granted
