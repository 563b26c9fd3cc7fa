"""What comes in, over the wire: people looked up, files brought into blobs, other people's talk left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.directory import person_of
from bot.files import is_sign_in_page, why_not
from core.failures import Unavailable
from core.shapes import Ignored, Inbound, MessageDeleted, MessageEdited, NewMessage, StaffCommand
from sandbox import Sandbox
from tests.bot.kit import Kit, until


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    box = Sandbox()
    await box.start()
    yield box
    await box.stop()


@pytest.fixture
async def kit(box: Sandbox, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(box.api_url, tmp_path)
    await kit.door.start()
    assert await kit.door.until_ready(5)
    yield kit
    await kit.close()


async def read(kit: Kit, rows: int = 1) -> list[Inbound]:
    await until(lambda: len(kit.shelf.arrivals) >= rows)
    return [await kit.channel.read(item) for item in kit.shelf.items()]


def message_of(inbound: Inbound) -> NewMessage:
    assert isinstance(inbound, NewMessage)
    return inbound


async def test_a_direct_message_with_its_author_and_files(box: Sandbox, kit: Kit) -> None:
    content = bytes(range(256)) * 300
    await box.workspace.user("ann").dm("see @ada", files=[("scan.bin", content), ("a.txt", b"abc")])
    message = message_of((await read(kit))[0])
    assert message.text == "see @Ada Lovelace"
    assert (message.sender.name, message.sender.email) == ("Ann Requester", "ann@example.com")
    assert [f.name for f in message.files] == ["scan.bin", "a.txt"]
    assert [await kit.blobs.get(str(f.blob)) for f in message.files] == [content, b"abc"]
    assert [f.size for f in message.files] == [len(content), 3]


async def test_people_are_asked_for_once(box: Sandbox, kit: Kit) -> None:
    for n in range(3):
        await box.workspace.user("ann").dm(f"{n}")
    await read(kit, 3)
    assert len(box.workspace.calls_of("users.info")) == 1


@pytest.mark.parametrize(("who", "email"), [("ann", True), ("gil", False), ("eve", False)])
async def test_only_full_members_have_an_address_that_counts(
    box: Sandbox, kit: Kit, who: str, email: bool
) -> None:
    await box.workspace.user(who).post("general", "@relaydesk help")
    sender = message_of((await read(kit, 2))[0]).sender
    assert (sender.email is not None) == email
    assert sender.guest != email


async def test_a_mention_is_one_message_in_two_events(box: Sandbox, kit: Kit) -> None:
    ts = await box.workspace.user("ann").post("general", "@relaydesk help")
    found = [message_of(inbound) for inbound in await read(kit, 2)]
    assert {m.ref for m in found} == {found[0].ref}
    assert found[0].ref.name.endswith(ts)
    assert found[0].text == "help"


async def test_replies_elsewhere_count_only_in_threads_of_ours(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("bob").post("general", "lunch?")
    await box.workspace.user("ann").post("general", "yes", thread_ts=root)
    chatter = (await read(kit))[0]
    assert isinstance(chatter, Ignored)
    assert chatter.private  # what others said isn't kept
    kit.known.add(f"slack:T0SANDBOX1/{box.workspace.channel('general').id}/{root}")
    assert message_of((await read(kit))[0]).text == "yes"


async def test_edits_and_deletions(box: Sandbox, kit: Kit) -> None:
    ann = box.workspace.user("ann")
    ts = await ann.dm("old")
    await ann.edit("dm", ts, "new")
    await ann.delete("dm", ts)
    new, edited, deleted = await read(kit, 3)
    assert message_of(new).text == "old"
    assert isinstance(edited, MessageEdited)
    assert edited.text == "new"
    assert isinstance(deleted, MessageDeleted)
    assert message_of(new).ref == edited.ref == deleted.ref


async def test_a_command_names_a_colleague_by_address(box: Sandbox, kit: Kit) -> None:
    root = await box.workspace.user("ada").post("triage", "as if it were a card")
    await box.workspace.user("ada").post("triage", "!assign @grace", thread_ts=root)
    command = (await read(kit, 2))[1]
    assert isinstance(command, StaffCommand)
    assert (command.verb, command.words) == ("assign", ("grace@example.com",))


async def test_a_sign_in_page_does_not_become_a_file(box: Sandbox, kit: Kit) -> None:
    await box.workspace.user("ann").dm("see", files=[("scan.pdf", b"%PDF-1.4")])
    await until(lambda: kit.shelf.arrivals)
    kit.api._token = "xoxb-false"
    file = message_of((await read(kit))[0]).files[0]
    assert file.blob is None
    assert "sign-in page" in str(file.unavailable)


async def test_the_token_goes_to_slack_alone(box: Sandbox, kit: Kit) -> None:
    for url in ("https://slack.com/x", "https://files.slack.com/x", box.api_url):
        assert kit.api.token_may_go_to(url)
    for url in (
        "http://files.slack.com/x",
        "https://slack.com.evil.example/x",
        "https://evilslack.com/x",
        "https://u@evil.example/slack.com",
        "http://127.0.0.1:1/x",
        "ftp://slack.com/x",
    ):
        assert not kit.api.token_may_go_to(url)


async def test_a_redirect_away_is_not_followed(box: Sandbox, kit: Kit) -> None:
    box.workspace.state.files.redirect_to = "http://127.0.0.1:1/elsewhere"
    await box.workspace.user("ann").dm("see", files=[("scan.pdf", b"%PDF-1.4")])
    file = message_of((await read(kit))[0]).files[0]
    assert "isn't Slack's" in str(file.unavailable)


async def test_files_that_are_too_large_are_named(box: Sandbox, tmp_path: Path) -> None:
    kit = Kit(box.api_url, tmp_path, max_file_bytes=2_000)
    await kit.door.start()
    assert await kit.door.until_ready(5)
    await box.workspace.user("ann").dm("see", files=[("scan.pdf", b"x" * 2_001)])
    file = message_of((await read(kit))[0]).files[0]
    assert (file.name, file.size, file.blob) == ("scan.pdf", 2_001, None)
    assert "larger" in str(file.unavailable)
    await kit.close()


async def test_slack_away_leaves_the_row_waiting(box: Sandbox, kit: Kit) -> None:
    await box.workspace.user("ann").dm("help")
    await until(lambda: kit.shelf.arrivals)
    box.workspace.faults.http_error("users.info", 503)
    with pytest.raises(Unavailable):
        await kit.channel.read(kit.shelf.items()[0])
    assert message_of((await read(kit))[0]).text == "help"


# -- pure --------------------------------------------------------------------------------------------------------


def user(**more: Any) -> dict[str, Any]:
    given = {
        "id": "U1",
        "team_id": "T1",
        "name": "ann",
        "profile": {"email": "Ann@Example.com", "real_name": "Ann R"},
    }
    return given | more


@pytest.mark.parametrize(
    ("more", "email"),
    [
        ({}, "ann@example.com"),
        ({"is_restricted": True}, None),
        ({"is_ultra_restricted": True}, None),
        ({"is_stranger": True}, None),
        ({"team_id": "T2"}, None),
        ({"deleted": True}, None),
        ({"is_bot": True}, None),
        ({"is_email_confirmed": False}, None),
        ({"profile": {}}, None),
    ],
)
def test_whom_the_workspace_vouches_for(more: dict[str, Any], email: str | None) -> None:
    assert person_of(user(**more), "T1").email == email


def test_names_fall_back() -> None:
    assert person_of(user(profile={"display_name": "annie", "real_name": "Ann R"}), "T1").name == "Ann R"
    assert person_of(user(profile={"display_name": "annie"}), "T1").name == "annie"
    assert person_of(user(profile={}), "T1").name == "ann"


@pytest.mark.parametrize(
    "file",
    [
        {"mode": "tombstone"},
        {"mode": "hidden_by_limit"},
        {"is_external": True, "external_url": "https://drive.example"},
        {"mode": "space", "url_private": "https://files.slack.com/x"},
        {"size": 101, "url_private": "https://files.slack.com/x"},
        {},
    ],
)
def test_files_that_cannot_be_had(file: dict[str, Any]) -> None:
    assert why_not(file, 100)


def test_sign_in_pages() -> None:
    page = {"mimetype": "text/html", "size": 10}
    assert not is_sign_in_page(page, "text/html; charset=utf-8", 10)
    assert is_sign_in_page(page, "text/html", 5_000)
    assert is_sign_in_page({"mimetype": "application/pdf", "size": 10}, "text/html", 10)
    assert not is_sign_in_page({"mimetype": "application/pdf"}, "application/pdf", None)
