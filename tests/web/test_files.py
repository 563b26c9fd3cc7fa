"""How what strangers sent is served."""

from __future__ import annotations

import pytest

from core.shapes import Attachment
from intake.web.files import how_to_save, how_to_serve
from intake.web.schemas import AttachmentOut


def _file(name: str, content_type: str) -> Attachment:
    return Attachment(id=1, name=name, content_type=content_type, size=1, blob=None)


@pytest.mark.parametrize(
    ("name", "declared", "served", "how"),
    [
        ("a.png", "image/png", "image/png", "inline"),
        ("a.JPEG", "application/octet-stream", "image/jpeg", "inline"),
        ("a.gif", "", "image/gif", "inline"),
        ("a.webp", "text/html", "image/webp", "inline"),
        ("a.txt", "text/html", "text/plain; charset=utf-8", "inline"),
        ("a.pdf", "application/pdf", "application/pdf", "attachment"),
        ("a.html", "image/png", "application/octet-stream", "attachment"),
        ("a.png.html", "image/png", "application/octet-stream", "attachment"),
        ("a.svg", "image/svg+xml", "application/octet-stream", "attachment"),
        ("a.js", "text/plain", "application/octet-stream", "attachment"),
        ("png", "image/png", "application/octet-stream", "attachment"),
        ("", "text/html\r\nX-Evil: 1", "application/octet-stream", "attachment"),
    ],
)
def test_types_are_ours(name: str, declared: str, served: str, how: str) -> None:
    """A browser shows images and text; the rest is saved. What the sender says of a file counts for nothing."""
    found, disposition = how_to_serve(_file(name, declared))
    assert (found, disposition.partition(";")[0]) == (served, how)


@pytest.mark.parametrize(
    ("name", "ascii_name", "whole"),
    [
        ("a.txt", "a.txt", "a.txt"),
        ("Größe.txt", "Gr__e.txt", "Gr%C3%B6%C3%9Fe.txt"),
        ('a";x="\r\nSet-Cookie: y', "a__x=___Set-Cookie_ y", "a__x%3D___Set-Cookie_%20y"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("half \ud83d.txt", "half _.txt", "half%20_.txt"),
        ("", "file", "file"),
        ("...", "file", "file"),
    ],
)
def test_names_can_t_break_out(name: str, ascii_name: str, whole: str) -> None:
    """Of the header, of the quotes, of the folder."""
    disposition = how_to_save(_file(name, "application/zip"))[1]
    assert disposition == f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{whole}"


@pytest.mark.parametrize("name", ["a.png", "a.txt", "a.PDF", "a.html", "a", ""])
def test_what_json_says_is_what_is_served(name: str) -> None:
    """Whatever the sender said."""
    file = _file(name, "text/html")
    assert AttachmentOut.of(file).content_type == how_to_serve(file)[0].partition(";")[0]
