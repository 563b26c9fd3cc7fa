"""Multipart forms as no browser sends them: parts without number, names as they must not be written."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from intake.web.uploads import MOST_PARTS
from tests.interfaces.counter import Counter, counter_on
from tests.stores import Store

pytestmark = pytest.mark.parametrize("store_name", ["sqlite"])
FIELDS = {"title": "No light", "description": "It is dark.", "email": "zoe@customer.example"}
EMPTY = 'form-data; name="files"; filename=""'  # as a browser sends a field of files that was left empty


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Counter]:
    """A served desk."""
    async with counter_on(store) as counter:
        yield counter


def _part(disposition: str, value: bytes = b"", more: str = "") -> bytes:
    return f"--b\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode() + value + b"\r\n"


REPORT = b"".join(_part(f'form-data; name="{name}"', value.encode()) for name, value in FIELDS.items())


async def _sent(desk: Counter, *parts: bytes) -> httpx.Response:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return await desk.nobody.post("/report-issue", content=b"".join((*parts, b"--b--\r\n")), headers=headers)


async def test_parts_are_counted_whatever_they_hold(desk: Counter) -> None:
    """Each takes its time, also one that brings nothing."""
    few = MOST_PARTS - len(FIELDS)
    assert (await _sent(desk, REPORT, _part(EMPTY) * few)).status_code == 201
    for more in (1, 20_000):
        answer = await _sent(desk, REPORT, _part(EMPTY) * (few + more))
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:relaydesk:problem:invalid")
        assert "10 files" in answer.json()["detail"]
    assert desk.store.count("tickets") == 1


async def test_what_looks_like_a_part_is_counted(desk: Counter) -> None:
    """The line before a part that goes on otherwise: byte by byte the parser sees that it is none."""
    file = 'form-data; name="files"; filename="a.bin"'
    for line in (b"\r\n--bX", b"\r\n--b-", b"\r\n--b\r"):
        assert (await _sent(desk, REPORT, _part(file, line * 50))).status_code == 201
        answer = await _sent(desk, REPORT, _part(file, line * 20_000))
        assert answer.status_code == 422
        assert "too many parts" in answer.json()["detail"]


@pytest.mark.parametrize("more", ["X: y\r\n" * 20, f"X: {'y' * 5000}\r\n", f"{'x' * 5000}: y\r\n"])
async def test_a_part_s_head_is_short(desk: Counter, more: str) -> None:
    answer = await _sent(desk, REPORT, _part(EMPTY, more=more))
    assert (answer.status_code, answer.json()["detail"]) == (422, "this is no form")


async def test_a_form_names_what_parts_it(desk: Counter) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'):
        answer = await desk.nobody.post("/report-issue", content=REPORT, headers={"Content-Type": kind})
        assert answer.status_code == 422


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("filename*=utf-8''%C3%9Cbung.txt", "Übung.txt"),
        ("FileName* = UTF-8'de'%C3%9Cbung.txt", "Übung.txt"),
        ("filename*=iso-8859-1''%DCbung.txt", "Übung.txt"),
        ("filename*=utf-8''..%2F%00a%0D%0A.txt", "a.txt"),
        ("filename*=utf-8''%FF.txt", "\ufffd.txt"),
        ("filename=\"a.txt\"; filename*=utf-8''b.txt", "a.txt"),
        ("filename*=utf-8''b.txt; filename=\"a.txt\"", "a.txt"),
    ],
)
async def test_names_as_mail_writes_them(desk: Counter, written: str, name: str) -> None:
    """urllib3 1.x does so where a name isn't ASCII; the plain one goes first."""
    file = _part(f'form-data; name="files"; {written}', b"abc")
    answer = await _sent(desk, REPORT, file)
    assert answer.status_code == 201, answer.text
    (kept,) = (await desk.shown(answer.json()["id"]))["messages"][0]["attachments"]
    assert (kept["filename"], kept["size"]) == (name, 3)


async def test_a_name_within_a_name_is_none(desk: Counter) -> None:
    """A field stays a field."""
    field = _part("form-data; name=\"x; filename*=utf-8''a.txt\"", b"abc")
    answer = await _sent(desk, REPORT, field)
    assert answer.status_code == 422
    assert "Extra inputs" in answer.json()["detail"]
