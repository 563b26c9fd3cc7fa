"""The bytes of a mail on their way in: dots off, whatever the pieces; a large mail read without holding it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.blobs import Blobs, loose_part
from core.children import Children
from core.config import parse
from core.shapes import InboxItem, NewMessage
from intake.email.arrival import HEADER_BYTES, Envelope, Mark, arrivals
from intake.email.channel import EmailChannel
from intake.email.incoming import Unstuffer
from tests.mail.server_house import QUEUES

NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
ODD = st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"\r\n.", b"a", b"..", b".\r\n"]), max_size=30)


def plainly(wire: bytes) -> bytes:
    """What RFC 5321 4.5.2 says, line by line."""
    lines = wire.split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@given(ODD.map(b"".join), st.randoms())
def test_dots_come_off_and_only_the_end_ends_whatever_the_pieces(content: bytes, dice: random.Random) -> None:
    content = content.removesuffix(b"\r") + b"\r\n"
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    wire = stuffed + b".\r\n"
    taken, unstuffer = b"", Unstuffer()
    for part in wire.split(b".\r\n")[
        :-1
    ]:  # as the dialogue reads: never beyond a dot-CRLF, and never inside one
        piece = part + b".\r\n"
        cut = dice.randrange(len(part) + 1)
        for some in (piece[:cut], piece[cut:]):
            assert not unstuffer.ended
            taken += unstuffer.feed(some)
    assert unstuffer.ended
    assert taken == content == plainly(stuffed)


def test_an_empty_mail() -> None:
    unstuffer = Unstuffer()
    assert unstuffer.feed(b".\r\n") == b""
    assert unstuffer.ended


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_a_mail_in_pieces_is_the_mail(raw: bytes, cuts: list[int]) -> None:
    told = Envelope(sender="a@b", queues={"support": ()})
    mark = Mark()
    places = [0, *sorted(cuts), len(raw)]
    for start, end in pairwise(places):
        mark.add(raw[start : max(start, end)])
    (whole,) = arrivals(raw, told, NOW)
    (pieces,) = mark.arrivals(told, NOW, raw=raw)
    assert (pieces.key, pieces.shard_by) == (whole.key, whole.shard_by)


@pytest.mark.parametrize("head", [100, HEADER_BYTES - 6, HEADER_BYTES - 2, HEADER_BYTES, HEADER_BYTES + 9])
@pytest.mark.parametrize("step", [65_536, 100_003, 262_144])
def test_long_heads_in_pieces(head: int, step: int) -> None:
    raw = b"Message-ID: <1@x>\r\nX: " + b"x" * (head - 23) + b"\r\n\r\n" + b"body\r\n" * 100_000
    told = Envelope(sender="a@b", queues={"support": ()})
    mark = Mark()
    for start in range(0, len(raw), step):
        mark.add(raw[start : start + step])
    assert mark.arrivals(told, NOW, raw=b"")[0].key == arrivals(raw, told, NOW)[0].key


async def test_a_large_mail_is_read_from_its_file_and_its_files_become_blobs(tmp_path: Path) -> None:
    """Neither it nor they pass through the service; the small ones come along."""
    config = parse({"service": {"secret_key": "k", "data_dir": str(tmp_path)}, "queue": QUEUES})
    blobs, children = Blobs(tmp_path / "blobs"), Children()
    channel = EmailChannel(config, blobs, children)
    scan = random.Random(1).randbytes(500_000).hex().encode()
    raw = (
        b"From: zoe@example.net\r\nTo: support@example.com\r\nSubject: Scan\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHere it is.\r\n"
        b"--b\r\nContent-Disposition: attachment; filename=scan.bin\r\n"
        b"Content-Type: application/octet-stream\r\n\r\n" + scan + b"\r\n"
        b"--b\r\nContent-Disposition: attachment; filename=note.bin\r\n"
        b"Content-Type: application/octet-stream\r\n\r\nsmall\r\n--b--\r\n"
    )
    key = await blobs.put(raw)
    item = InboxItem(
        id=1, key=b"k" * 32, channel="email", envelope={"sender": "zoe@example.net", "queue": "support"},
        raw=b"", received_at=NOW, path=str(blobs.path(key)),
    )  # fmt: skip
    try:
        read = await channel.read(item)
        assert isinstance(read, NewMessage)
        large, small = read.files
        assert (large.name, large.content, large.size) == ("scan.bin", None, len(scan))
        assert large.blob
        assert await blobs.get(large.blob) == scan
        assert (small.name, small.content, small.blob) == ("note.bin", b"small", None)
        assert [*blobs.folder.rglob("*.part")] == []
        blobs.path(key).unlink()
        with pytest.raises(FileNotFoundError):
            await channel.read(item)
    finally:
        await children.close()


async def test_only_parts_of_ours_are_taken_over(tmp_path: Path) -> None:
    """What a child says is not trusted: no path leads out of the folder, no blob that exists is taken."""
    blobs = Blobs(tmp_path / "blobs")
    secret = tmp_path / "secret.part"
    secret.write_bytes(b"key")
    name = loose_part(blobs.folder, b"file")
    link = blobs.folder / "aa" / f"{'a' * 32}.part"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(secret)
    for hostile in (
        "../secret.part",
        str(secret),
        await blobs.put(b"other"),
        name.removesuffix(".part"),
        ".part",
    ):
        with pytest.raises((ValueError, OSError)):
            await blobs.adopt(hostile)
    with pytest.raises(OSError):
        await blobs.adopt(link.name)
    assert await blobs.get(await blobs.adopt(name)) == b"file"


async def test_a_twin_lives_on_alone_also_where_the_disk_knows_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    blobs = Blobs(tmp_path)
    first = await blobs.put(b"bytes")
    second = await blobs.twin(first)
    monkeypatch.setattr("os.link", refused)
    third = await blobs.twin(first)
    await blobs.remove(first)
    assert [await blobs.get(key) for key in (second, third)] == [b"bytes"] * 2
    with pytest.raises(FileNotFoundError):
        await blobs.twin(first)
