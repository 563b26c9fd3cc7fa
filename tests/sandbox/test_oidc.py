"""Sign in with Slack, as the provider plays it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import Sandbox

BACK = "https://desk.example/back"


async def code_of(box: Sandbox, user: str = "U0ADA00001", **more: str) -> str:
    """Go through the page as somebody."""
    asked = {
        "client_id": box.client_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "openid email profile",
        "state": "s",
        "nonce": "n",
        **more,
    }
    async with httpx.AsyncClient(base_url=box.url) as http:
        page = await http.get("/openid/connect/authorize", params=asked)
        assert "Ada Lovelace" in page.text
        assert "Eve External</a> (of another organisation)" in page.text
        assert "relaydesk" not in page.text
        went = await http.get("/openid/connect/allow", params={**asked, "user": user})
    assert went.headers["location"].startswith(f"{BACK}?code=")
    query = parse_qs(urlsplit(went.headers["location"]).query)
    assert query["state"] == ["s"]
    return query["code"][0]


async def exchanged(box: Sandbox, client: AsyncWebClient, code: str, **more: str) -> Any:
    asked = {"client_id": box.client_id, "client_secret": box.client_secret, "code": code, **more}
    async with httpx.AsyncClient(base_url=box.api_url) as http:
        return (await http.post("openid.connect.token", data={"redirect_uri": BACK, **asked})).json()


async def test_the_whole_way(box: Sandbox, client: AsyncWebClient) -> None:
    answer = await exchanged(box, client, await code_of(box))
    assert answer["ok"] is True
    async with httpx.AsyncClient(base_url=box.url) as http:
        keys = KeySet.import_key_set((await http.get("/openid/connect/keys")).json())
    claims = jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == ("https://slack.com", box.client_id, "n")
    assert claims["https://slack.com/user_id"] == "U0ADA00001"
    assert (claims["email"], claims["email_verified"]) == ("ada@example.com", True)
    assert claims["exp"] - claims["iat"] == 300
    told = await AsyncWebClient(answer["access_token"], base_url=box.api_url).openid_connect_userInfo()
    assert told["https://slack.com/team_id"] == box.team_id


async def test_what_it_refuses(box: Sandbox, client: AsyncWebClient) -> None:
    code = await code_of(box)
    assert (await exchanged(box, client, code, client_secret="x"))["error"] == "bad_client_secret"
    assert (await exchanged(box, client, code, client_id="x"))["error"] == "invalid_client_id"
    assert (await exchanged(box, client, code, redirect_uri="https://x"))["error"] == "bad_redirect_uri"
    assert (await exchanged(box, client, code))["error"] == "invalid_code"
    code = await code_of(box)
    box.clock.advance(601)
    assert (await exchanged(box, client, code))["error"] == "invalid_code"
    async with httpx.AsyncClient(base_url=box.url) as http:
        for asked in ({}, {"client_id": box.client_id}, {"client_id": box.client_id, "redirect_uri": BACK}):
            assert (await http.get("/openid/connect/authorize", params=asked)).status_code == 400
        assert (await http.get("/api/openid.connect.userInfo")).json()["error"] == "not_authed"
