"""Files: uploads in three steps, the scan, downloads with and without the token."""

from __future__ import annotations

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox import TRIAGE, Sandbox
from tests.sandbox.conftest import App


async def test_the_sdks_upload(box: Sandbox, client: AsyncWebClient) -> None:
    root = (await client.chat_postMessage(channel=TRIAGE, text="card"))["ts"]
    done = await client.files_upload_v2(
        channel=TRIAGE, thread_ts=root, content=b"abc", filename="ä.txt", initial_comment="see"
    )
    file = done["files"][0]
    assert (file["mimetype"], file["shares"]) == ("", {})
    await box.workspace.wait_for(lambda: len(box.workspace.thread(root)) == 2)
    message = box.workspace.thread(root)[1]
    assert (message.subtype, message.text, message.user) == ("file_share", "see", box.bot_user_id)
    info = (await client.files_info(file=file["id"]))["file"]
    assert info["mimetype"] == "text/plain"
    assert info["shares"]["private"][TRIAGE][0]["ts"] == message.ts
    assert info["shares"]["private"][TRIAGE][0]["thread_ts"] == root


async def test_refusals(box: Sandbox, client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as raised:
        await client.files_getUploadURLExternal(filename="empty.txt", length=0)
    assert raised.value.response["error"] == "missing_argument"
    step = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    with pytest.raises(SlackApiError) as raised:
        await client.files_completeUploadExternal(files=[{"id": step["file_id"]}], channel_id=TRIAGE)
    assert raised.value.response["error"] == "file_not_found"
    async with aiohttp.ClientSession() as session:
        async with session.post(step["upload_url"], data=b"four") as answer:
            assert answer.status == 400
        async with session.post(step["upload_url"], data=b"abc") as answer:
            assert await answer.text() == "OK - 3"
        async with session.post(step["upload_url"], data=b"abc") as answer:
            assert answer.status == 404
    with pytest.raises(SlackApiError) as raised:
        await client.files_completeUploadExternal(files=[{"id": step["file_id"]}], channel_id="C404")
    assert raised.value.response["error"] == "channel_not_found"


async def test_downloads_need_the_token(box: Sandbox, app: App) -> None:
    await box.workspace.user("ann").dm("", files=[("photo.png", b"\x89PNG\r\n")])
    await box.workspace.wait_for(lambda: app.events)
    event = app.events[0]
    assert (event["subtype"], event["text"]) == ("file_share", "")
    file = event["files"][0]
    assert (file["mimetype"], file["size"]) == ("image/png", 6)
    bearer = {"Authorization": f"Bearer {box.bot_token}"}
    async with aiohttp.ClientSession() as session:
        for url in (file["url_private"], file["url_private_download"]):
            async with session.get(url, headers=bearer) as answer:
                assert (answer.content_type, await answer.read()) == ("image/png", b"\x89PNG\r\n")
        async with session.get(file["url_private"]) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
        box.workspace.state.scopes.discard("files:read")
        async with session.get(file["url_private"], headers=bearer) as answer:
            assert answer.content_type == "text/html"
        box.workspace.state.scopes.add("files:read")
        box.workspace.state.files.redirect_to = "http://127.0.0.1:1/elsewhere"
        async with session.get(file["url_private"], headers=bearer, allow_redirects=False) as answer:
            assert answer.status == 302


async def test_a_deleted_file(box: Sandbox, client: AsyncWebClient) -> None:
    done = await client.files_upload_v2(channel=TRIAGE, content=b"abc", filename="a.txt")
    await box.workspace.wait_for(lambda: box.workspace.channel("triage").messages)
    await client.files_delete(file=done["files"][0]["id"])
    with pytest.raises(SlackApiError) as raised:
        await client.files_info(file=done["files"][0]["id"])
    assert raised.value.response["error"] == "file_deleted"
    shown = (await client.conversations_history(channel=TRIAGE))["messages"][0]
    assert shown["files"][0]["mode"] == "tombstone"
    changed, gone = [body["event"] for body in box.workspace.events[-2:]]
    assert (changed["subtype"], changed["message"]["files"][0]["mode"]) == ("message_changed", "tombstone")
    assert ("edited" in changed["message"], gone["type"]) == (False, "file_deleted")


async def test_the_doors_beside_the_api_have_faults(box: Sandbox, client: AsyncWebClient) -> None:
    step = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    async with aiohttp.ClientSession() as session:
        box.workspace.faults.http_error("upload", 502)
        async with session.post(step["upload_url"], data=b"abc") as answer:
            assert answer.status == 502
        box.workspace.faults.drop_answer("upload")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.post(step["upload_url"], data=b"abc")
    assert box.workspace.state.files.all[step["file_id"]].uploaded
