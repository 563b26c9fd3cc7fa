"""Links in mails to files that were too large for them: one file, for a while, and nothing that tells which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import structlog

from core.blobs import Blobs
from core.file_links import FileLinks
from core.shapes import File, Visibility
from tests.core.desk import TestDesk
from tests.stores import Store
from tests.web.stage import client, parts_with, serving

KEYS = ("test key", "old key")
LINKS = FileLinks(KEYS)
NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(days=14)


def test_a_token_is_for_one_file_until_its_time() -> None:
    token = LINKS.token(7, LATER)
    assert token == LINKS.token(7, LATER), "the same mail made anew is the same"
    assert LINKS.read(token, NOW) == 7
    assert LINKS.read(token, LATER - timedelta(seconds=1)) == 7
    assert LINKS.read(token, LATER) is None
    assert LINKS.read(LINKS.token(8, LATER), NOW) == 8


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x",
        "." * 199,
        "WzcsMV0.x",
        "WzcsMV0",
        "a" * 10_000,
        "Ł.ł",
        "W10.",
        "bnVsbA.bnVsbA",
        "../../etc/passwd",
    ],
)
def test_what_we_did_not_sign_is_nothing(forged: str) -> None:
    assert LINKS.read(forged, NOW) is None


def test_every_changed_character_and_another_key_or_purpose_end_it() -> None:
    token = LINKS.token(7, LATER)
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        # The last character holds bits that base64 leaves unused.
        assert place == len(token) - 1 or LINKS.read(changed, NOW) is None
    assert FileLinks(["other"]).read(token, NOW) is None
    from itsdangerous import URLSafeSerializer

    assert LINKS.read(str(URLSafeSerializer("test key").dumps([7, 2**33])), NOW) is None


def test_earlier_keys_verify_and_never_sign() -> None:
    old = FileLinks(["old key"]).token(7, LATER)
    assert LINKS.read(old, NOW) == 7
    assert LINKS.token(7, LATER) != old
    assert FileLinks(["newest", "test key"]).read(LINKS.token(7, LATER), NOW) == 7


@dataclass
class Shelf:
    """A site over a real desk, and a ticket whose answer has a file."""

    desk: TestDesk
    store: Store
    blobs: Blobs
    url: str
    log: list[dict[str, Any]]

    async def answered(self, *, visibility: Visibility = Visibility.PUBLIC, name: str = "plan.html") -> int:
        """Have staff answer with a file; return the attachment's id."""
        receipt = await self.desk.write()
        actor = await self.desk.staff()
        content = b"<script>alert(1)</script>" * 50_000
        file = File(name=name, content_type="text/html", size=len(content), content=content)
        message = await self.desk.manager.exchange_messages(
            actor, int(receipt.ticket_id or 0), "here", visibility=visibility, files=[file]
        )
        return message.attachments[0].id

    def token(self, attachment_id: int, days: float = 14) -> str:
        return LINKS.token(attachment_id, datetime.now(UTC) + timedelta(days=days))

    async def get(self, token: str) -> httpx.Response:
        async with client(self.url) as http:
            return await http.get(f"/files/{token}")


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[TestDesk]:
    opened = await TestDesk.open(store, brakes={"file_links_per_source": 2})
    yield opened
    await opened.close()


@pytest.fixture
async def shelf(desk: TestDesk, store: Store) -> AsyncIterator[Shelf]:
    log: list[dict[str, Any]] = []

    def keep(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        log.append(dict(event))
        raise structlog.DropEvent

    parts = parts_with(service={"secret_key": KEYS[0], "previous_secret_keys": [KEYS[1]]})
    blobs = desk.blobs
    parts = SimpleNamespace(**{**vars(parts), "manager": desk.manager, "blobs": blobs})
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])
    async with serving(parts) as url:
        yield Shelf(desk, store, blobs, url, log)


async def test_the_file_is_saved_and_never_shown(shelf: Shelf) -> None:
    attachment = await shelf.answered()
    token = shelf.token(attachment)
    answer = await shelf.get(token)
    assert answer.status_code == 200
    assert answer.content == b"<script>alert(1)</script>" * 50_000
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith('attachment; filename="plan.html"')
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    async with client(shelf.url) as http:
        for method in ("POST", "PUT", "DELETE"):
            assert (await http.request(method, f"/files/{token}")).status_code == 405
    assert not any(token[:20] in str(line) for line in shelf.log)
    assert any(line.get("route") == "/files/{token}" for line in shelf.log)


async def test_missing_expired_forged_and_withdrawn_look_alike(shelf: Shelf) -> None:
    shown, note = await shelf.answered(), await shelf.answered(visibility=Visibility.NOTE)
    gone = await shelf.answered()
    [row] = shelf.store.rows(f"SELECT `blob` FROM attachments WHERE id = {gone}")
    shelf.blobs.path(row["blob"]).unlink()
    deleted, outsider = await shelf.answered(), await shelf.answered()
    for column, value, attachment in (
        ("deleted_at", "2026-01-01 00:00:00", deleted),
        ("outsider", 1, outsider),
    ):
        shelf.store.execute(
            f"UPDATE messages SET {column} = '{value}'"
            f" WHERE id = (SELECT message_id FROM attachments WHERE id = {attachment})"
        )
    tokens = [
        shelf.token(shown, days=-0.01),
        shelf.token(shown)[:-2],
        FileLinks(["stranger"]).token(shown, LATER),
        shelf.token(999_999),
        *map(shelf.token, (note, gone, deleted, outsider)),
    ]
    answers = [await shelf.get(token) for token in tokens]
    assert {answer.status_code for answer in answers} == {404}
    told = [{k: v for k, v in answer.json().items() if k != "id"} for answer in answers]
    assert all(one == told[0] for one in told)
    assert (await shelf.get(shelf.token(shown))).status_code == 200


async def test_one_source_may_fetch_so_many(desk: TestDesk) -> None:
    """Loopback, which the tests above come from, is spared."""
    from core.failures import TooMany

    for _ in range(2):
        assert await desk.manager.linked_file(1, "192.0.2.7") is None
    with pytest.raises(TooMany):
        await desk.manager.linked_file(1, "192.0.2.7")
    assert await desk.manager.linked_file(1, "192.0.2.8") is None
    assert await desk.manager.linked_file(1, "127.0.0.1") is None


def test_paths_stay_in_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="key"):
        Blobs(tmp_path).path("../secret_key")


async def test_from_staff_s_answer_to_the_requester_s_download(store: Store) -> None:
    """The link that stands in the mail is the one that works, until staff's message is taken back."""
    from tests.cases.letters import Client
    from tests.cases.postbox import open_postbox

    async with open_postbox(store, email={"outbound": {"attachment_bytes": 1000}}) as post:
        ticket = (await post.arrives(Client("Ann", "ann@customer.example").writes("Send me the plan"))).ticket
        post.news()
        files = [
            File(name="plan.pdf", content_type="application/pdf", size=2000, content=b"%" * 2000),
            File(name="note.txt", content_type="text/plain", size=4, content=b"note"),
        ]
        message = await post.desk.manager.exchange_messages(await post.staff(), ticket, "Here.", files=files)
        await post.quiet()
        [mail] = post.news()
        assert [part.get_filename() for part in mail.parsed.iter_attachments()] == ["note.txt"]
        base = f"{post.desk.config.service.base_url}/files/"
        [link] = [word for word in mail.text.split() if word.startswith(base)]
        parts = SimpleNamespace(
            **{**vars(parts_with()), "config": post.desk.config, "manager": post.desk.manager},
        )
        parts.blobs = post.desk.blobs
        async with serving(parts) as url, client(url) as http:
            answer = await http.get("/files/" + link.removeprefix(base))
            assert (answer.status_code, answer.content) == (200, b"%" * 2000)
            assert answer.headers["content-type"] == "application/pdf"
            assert "plan.pdf" in answer.headers["content-disposition"]
            part = await http.get("/files/" + link.removeprefix(base), headers={"Range": "bytes=0-9"})
            assert (part.status_code, part.content) == (206, b"%" * 10)
            store.execute(f"UPDATE messages SET visibility = 'note' WHERE id = {message.id}")
            assert (await http.get("/files/" + link.removeprefix(base))).status_code == 404
