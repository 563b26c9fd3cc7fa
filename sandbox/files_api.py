"""`files.*`, the upload door and downloads. docs.slack.dev/messaging/working-with-files

A download with a bad token is answered with 200 and a sign-in page, not with an error.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from sandbox import wire
from sandbox.chat import target
from sandbox.contract import read_blocks
from sandbox.methods import TIER_3, TIER_4, Asked, method
from sandbox.shapes import BOT_USER, Channel, File, Json, SlackError
from sandbox.workspace import Workspace

SIGN_IN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head>"
    "<body><h1>Sign in to your workspace</h1><form><input name=email></form></body></html>"
)
SNIPPET_MAX = 1_048_576


@method(
    "files.getUploadURLExternal",
    optional=("alt_txt", "filename", "length", "snippet_type"),
    scopes=("files:write",),
    tier=TIER_4,
)
async def get_upload_url(asked: Asked) -> Json:
    """Step one: a file's id, and where its bytes go. An empty file has no length and is refused."""
    length = asked.number("length", 0, "invalid_arguments")
    name = asked.text("filename")
    if not name or length <= 0:
        raise SlackError("missing_argument")
    if asked.text("snippet_type") and length > SNIPPET_MAX:
        raise SlackError("snippet_too_large")
    if len(asked.text("alt_txt")) > 1000:
        raise SlackError("alt_txt_too_large")
    file, ticket = asked.space.files.announce(BOT_USER, name, length, asked.text("alt_txt"))
    return {"upload_url": f"{asked.space.base_url}/upload/v1/{ticket}", "file_id": file.id}


@method(
    "files.completeUploadExternal",
    required=("files",),
    optional=("blocks", "channel_id", "channels", "initial_comment", "thread_ts"),
    scopes=("files:write",),
    tier=TIER_4,
)
async def complete_upload(asked: Asked) -> Json:
    """Step three: share the files. Their message comes when the scan is done; the answer doesn't name its ts."""
    space = asked.space
    files = [_uploaded(space, item) for item in _items(asked)]
    channels = _channels(asked)
    blocks = read_blocks(asked)
    thread_ts = asked.text("thread_ts")
    for file in files:
        file.completed = True
    shown = [_answer(space, file) for file in files]

    def post() -> None:
        for channel in channels:
            root = space.root_for(channel, thread_ts)
            more: dict[str, Any] = {"files": files, "blocks": blocks, "subtype": "file_share"}
            space.add(space.bot_message(channel, asked.text("initial_comment"), root, **more))

    space.files.after_scan(files, post)
    return {"files": shown}


def _items(asked: Asked) -> list[Json]:
    items = asked.json("files", "invalid_arguments")
    if not isinstance(items, list) or not items or not all(isinstance(i, dict) for i in items):
        raise SlackError("invalid_arguments")
    return items


def _uploaded(space: Workspace, item: Json) -> File:
    file = space.files.all.get(str(item.get("id", "")))
    if file is None or file.completed or not file.uploaded or file.deleted:
        raise SlackError("file_not_found")
    file.title = str(item.get("title") or file.name)
    return file


def _channels(asked: Asked) -> list[Channel]:
    names = [n for n in (asked.text("channel_id"), *asked.text("channels").split(",")) if n]
    found = [target(asked, name) for name in dict.fromkeys(names)]
    for channel in found:
        if BOT_USER not in channel.members:
            raise SlackError("not_in_channel")
    return found


def _answer(space: Workspace, file: File) -> Json:
    return wire.file_json(space, file) | wire.file_shares(space, file)


@method(
    "files.info",
    required=("file",),
    optional=("count", "cursor", "limit", "page"),
    scopes=("files:read",),
    tier=TIER_4,
)
async def info(asked: Asked) -> Json:
    file = asked.space.files.get(asked.text("file"))
    shown = _answer(asked.space, file)
    return {"file": shown, "comments": [], "response_metadata": {"next_cursor": ""}}


@method("files.delete", required=("file",), scopes=("files:write",), tier=TIER_3)
async def delete(asked: Asked) -> Json:
    file = asked.space.files.get(asked.text("file"))
    if file.user != BOT_USER:
        raise SlackError("cant_delete_file")
    asked.space.files.delete(file)
    return {}


async def upload(space: Workspace, request: web.Request) -> web.Response:
    """Step two: the bytes, without a token. As many as were announced."""
    file_id = space.files.tickets.get(request.match_info["ticket"])
    if file_id is None:
        return web.Response(status=404, text="no such upload")
    if request.content_type == "multipart/form-data":
        parts = (await request.post()).values()
        found = next((part for part in parts if isinstance(part, web.FileField)), None)
        content = found.file.read() if found else b""
    else:
        content = await request.read()
    file = space.files.all[file_id]
    if len(content) != file.length:
        return web.Response(status=400, text="length differs from what was announced")
    file.content, file.uploaded = content, True
    del space.files.tickets[request.match_info["ticket"]]
    return web.Response(text=f"OK - {len(content)}")


def download(space: Workspace, request: web.Request, tokens: dict[str, str]) -> web.Response:
    """A file's bytes for who has the bot's token, and a sign-in page for everybody else."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    may_read = scheme.lower() == "bearer" and tokens.get(token) == "bot" and "files:read" in space.scopes
    if not may_read:
        return web.Response(text=SIGN_IN_PAGE, content_type="text/html")
    if space.files.redirect_to:
        return web.Response(status=302, headers={"Location": space.files.redirect_to})
    return content_of(space, request.match_info["name"].rpartition("-")[2])


def content_of(space: Workspace, file_id: str, *, disposition: str = "attachment") -> web.Response:
    file = space.files.all.get(file_id)
    if file is None or file.deleted or file.hidden:
        return web.Response(status=404, text="no such file")
    named = f"{disposition}; filename*=UTF-8''{quote(file.name)}"
    headers = {"Content-Disposition": named, "Content-Type": file.mimetype}
    return web.Response(body=file.content, headers=headers)
