"""Files that people attach in Slack, byte for byte; what can't be had says why (PLATFORM cases 2 and 29)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.files import fetch, is_bare, is_sign_in_page, why_not
from core.failures import Unavailable
from core.shapes import File
from sandbox import Sandbox
from sandbox.wire import file_json
from tests.bot.kit import Kit

Json = dict[str, Any]


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path)
    yield kit
    await kit.close()


def attached(box: Sandbox, name: str, content: bytes) -> Json:
    """A file that Ann attaches, as Slack describes it."""
    space = box.workspace.state
    return file_json(space, space.files.add(box.workspace.user("ann").id, name, content))


async def brought(kit: Kit, file: Json) -> File:
    return await fetch(kit.api, kit.blobs, file)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("empty.txt", b"", "text/plain"),
        ("IMG_0001.heic", b"\0\0\0\x18ftypheic" + bytes(range(256)), None),
        ("Größe 1.pdf", b"%PDF-1.4", "application/pdf"),
        ("page.html", b"<html><title>Sign in</title></html>", "text/html"),
        ("no ending", b"\xff\xfe", None),
    ],
)
async def test_as_it_was(box: Sandbox, kit: Kit, name: str, content: bytes, kind: str | None) -> None:
    """An HTML file of somebody's is a file; only Slack's own page instead of one isn't."""
    file = await brought(kit, attached(box, name, content))
    assert (file.name, file.size, file.unavailable) == (name, len(content), None)
    assert await kit.blobs.get(str(file.blob)) == content
    assert kind is None or file.content_type == kind


async def test_twenty_megabytes(box: Sandbox, kit: Kit) -> None:
    content = random.Random(20).randbytes(20 * 1024 * 1024)
    file = await brought(kit, attached(box, "film.mov", content))
    assert await kit.blobs.get(str(file.blob)) == content


async def test_more_came_than_was_said(box: Sandbox, tmp_path: Path) -> None:
    """The limit holds for what comes, not for what was promised."""
    kit = Kit(box.api_url, tmp_path, max_file_bytes=1_024)
    file = await brought(kit, attached(box, "a.bin", b"x" * 2_000) | {"size": 10})
    assert file.blob is None
    assert "larger than 1024" in str(file.unavailable)
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    await kit.close()


async def test_a_file_that_is_still_being_scanned(box: Sandbox, kit: Kit) -> None:
    """It has no type yet (slack-sdk#1277); its size tells it from a sign-in page."""
    for name, content in (("a.html", b"<p>mine</p>"), ("a.pdf", b"%PDF")):
        file = await brought(kit, attached(box, name, content) | {"mimetype": ""})
        assert await kit.blobs.get(str(file.blob)) == content
        assert file.content_type in ("text/html", "application/pdf")


async def test_what_has_only_an_id_is_asked_for(box: Sandbox, kit: Kit) -> None:
    """Forms may bring no more, Slack Connect brings `check_file_info`."""
    whole = attached(box, "a.txt", b"abc")
    for bare in (
        {"id": whole["id"]},
        {"id": whole["id"], "name": "a.txt", "mimetype": "text/plain"},
        {"id": whole["id"], "file_access": "check_file_info", "mode": "hosted"},
    ):
        file = await brought(kit, bare)
        assert (file.name, file.size) == ("a.txt", 3)
        assert await kit.blobs.get(str(file.blob)) == b"abc"
    assert len(box.workspace.calls_of("files.info")) == 3
    gone = await brought(kit, {"id": "F0NOWHERE", "name": "b.txt"})
    assert (gone.name, gone.blob) == ("b.txt", None)
    assert gone.unavailable


async def test_slack_away_is_no_answer(box: Sandbox, kit: Kit) -> None:
    whole = attached(box, "a.txt", b"abc")
    box.workspace.faults.http_error("files.info", 503)
    with pytest.raises(Unavailable):
        await brought(kit, {"id": whole["id"]})
    box.workspace.faults.http_error("download", 503)
    with pytest.raises(Unavailable):
        await brought(kit, whole)
    assert (await brought(kit, whole)).blob


async def test_without_the_permission_a_page_comes_and_is_none(box: Sandbox, kit: Kit) -> None:
    """hermes#11819: Slack answers 200 with its sign-in page."""
    pdf, page = attached(box, "a.pdf", b"%PDF"), attached(box, "a.html", b"<p>mine</p>")
    box.workspace.state.scopes = box.workspace.state.scopes - {"files:read"}
    for file in (pdf, page, pdf | {"mimetype": ""}):
        found = await brought(kit, file)
        assert (found.blob, "sign-in page" in str(found.unavailable)) == (None, True)


async def test_redirects_in_circles(box: Sandbox, kit: Kit) -> None:
    file = attached(box, "a.pdf", b"%PDF")
    box.workspace.state.files.redirect_to = file["url_private_download"]
    assert "circles" in str((await brought(kit, file)).unavailable)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ({"mode": "tombstone"}, "deleted"),
        ({"mode": "hidden_by_limit"}, "plan"),
        ({"mode": "external", "external_url": "https://drive.example/x"}, "https://drive.example/x"),
        ({"mode": "canvas", "permalink": "https://x.slack.com/docs/F1"}, "https://x.slack.com/docs/F1"),
        ({"mode": "space", "permalink": "https://x.slack.com/docs/F1"}, "lives in Slack"),
        ({"mode": "list", "permalink": "https://x.slack.com/lists/F1"}, "lives in Slack"),
    ],
)
async def test_what_is_no_file_is_named(kit: Kit, file: Json, why: str) -> None:
    found = await brought(kit, {"id": "F1", "name": "../plan", **file})
    assert (found.name, found.blob) == ("plan", None)
    assert why in str(found.unavailable)
    assert why_not(file, 1_000)


def test_what_came_with_little_more_than_its_id() -> None:
    assert is_bare({"id": "F1", "name": "a"})
    assert not is_bare({"id": "F1", "mode": "tombstone"})
    assert not is_bare({"name": "a"})


def test_a_page_of_unknown_length_counts_by_its_type() -> None:
    assert is_sign_in_page({"mimetype": ""}, "text/html", None)
    assert not is_sign_in_page({"mimetype": "text/html"}, "text/html", None)
    assert not is_sign_in_page({"mimetype": "", "size": 5}, "text/html", 5)
