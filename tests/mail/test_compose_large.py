"""Files too large for a mail: the largest go as links that expire; the rest go along."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.blobs import Blobs
from core.children import Children
from core.config import secret_keys
from core.file_links import FileLinks
from core.shapes import Attachment, Visibility
from intake.email.channel import EmailChannel
from intake.email.compose import compose_mail
from intake.email.compose_files import too_large
from intake.email.composed import ComposedMail
from tests.mail.test_channel import config
from tests.mail.test_compose import CONTEXT, NOW, message, notice, outgoing, parsed, texts

LINKS = FileLinks(["test key"])


def file(id: int, size: int, **more: Any) -> Attachment:
    values = {"name": f"{id}.bin", "content_type": "application/x", "blob": "b"}
    return Attachment(**{"id": id, "size": size, **values, **more})


@pytest.mark.parametrize(
    ("sizes", "limit", "out"),
    [
        ([10, 20, 30], 60, set()),
        ([10, 20, 30], 59, {2}),
        ([10, 20, 30], 29, {2, 1}),
        ([10, 20, 30], 0, {0, 1, 2}),
        ([50, 50, 50], 100, {0}),
        ([0, 0], 0, set()),
        ([], 0, set()),
        ([10**12], 10, {0}),
    ],
)
def test_the_largest_first_until_the_rest_fits(sizes: list[int], limit: int, out: set[int]) -> None:
    assert too_large([file(i, size) for i, size in enumerate(sizes)], limit) == out


def test_what_was_never_had_counts_for_nothing() -> None:
    files = [file(1, 100, state="unavailable", blob=None), file(2, 50)]
    assert too_large(files, 60) == frozenset()


CONTEXT_WITH_LINKS = replace(
    CONTEXT,
    contents={1: b"small"},
    large=frozenset({2}),
    links=LINKS,
    files_url="https://desk.example.com/files/",
    link_expires=timedelta(days=14),
)
FILES = (file(1, 5), file(2, 20_480_000, name="Plan größer.pdf", inline_cid="x@y", content_type="image/png"))


def link_in(plain: str) -> str:
    return next(word for word in plain.split() if word.startswith("https://desk.example.com/files/"))


def test_a_link_stands_for_it_until_the_time_that_the_mail_says() -> None:
    made = outgoing(message=message(attachments=FILES), language="de")
    mail = compose_mail(made, CONTEXT_WITH_LINKS)
    assert mail == compose_mail(replace(made, attempts=3), CONTEXT_WITH_LINKS), "same in, same out"
    plain, html = texts(mail)
    assert "Die Datei Plan größer.pdf (20,5 MB) ist zu groß" in " ".join(plain.split())
    assert "2026-03-18 10:00 UTC" in plain
    token = link_in(plain).rpartition("/")[2]
    assert f'href="{link_in(plain)}"' in html
    assert "cid:" not in html
    end = datetime(2026, 3, 18, 10, tzinfo=UTC)
    assert LINKS.read(token, end - timedelta(seconds=1)) == 2
    assert LINKS.read(token, end) is None
    assert [part.get_filename() for part in parsed(mail).iter_attachments()] == ["1.bin"]


@pytest.mark.parametrize(
    "hidden", [{"visibility": Visibility.NOTE}, {"outsider": True}], ids=["note", "outsider"]
)
def test_staff_get_no_link_to_what_the_link_may_not_show(hidden: dict[str, Any]) -> None:
    made = notice("staff_reply", desk=True, message=message(attachments=FILES, **hidden))
    plain, _ = texts(compose_mail(made, CONTEXT_WITH_LINKS))
    assert "too large for a mail. It is kept with the request" in plain
    assert "/files/" not in plain


def test_a_notice_repeats_no_files_and_no_links() -> None:
    plain, _ = texts(compose_mail(notice("resolved", message=message(attachments=FILES)), CONTEXT_WITH_LINKS))
    assert "bin" not in plain
    assert "/files/" not in plain


async def test_the_channel_loads_only_what_it_attaches(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    small, large = await blobs.put(b"small file"), await blobs.put(b"x" * 5000)

    class Watched(Blobs):
        async def get(self, key: str) -> bytes:
            assert key == small
            return await super().get(key)

    def channel(**more: Any) -> EmailChannel:
        outbound = {"port": 1, "tls": "none", "attachment_bytes": 1000, "link_expires": "2d"}
        settings = config(
            tmp_path,
            service={
                "secret_key": "test key",
                "data_dir": str(tmp_path),
                "base_url": "https://desk.example.com/",
            },
            email={"outbound": outbound},
            **more,
        )
        assert secret_keys(settings) == ("test key",)
        return EmailChannel(settings, Watched(tmp_path) if not more else blobs, Children())

    files = (file(1, 10, blob=small), file(2, 5000, blob=large))
    made = outgoing(message=message(attachments=files))
    mail = ComposedMail.unpack(await channel().render(made))
    plain, _ = texts(mail)
    token = link_in(plain).rpartition("/")[2]
    assert LINKS.read(token, NOW + timedelta(days=2)) == 2
    assert LINKS.read(token, NOW + timedelta(days=2, hours=1)) is None
    assert [p.get_filename() for p in parsed(mail).iter_attachments()] == ["1.bin"]
    whole = ComposedMail.unpack(await channel(http={"enabled": False}).render(made))
    assert len(list(parsed(whole).iter_attachments())) == 2, "nobody would serve a link"
