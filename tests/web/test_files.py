"""How what strangers sent is served."""

from __future__ import annotations

import pytest

from core.shapes import Attachment
from intake.web.files import how_to_serve


def _file(name: str, content_type: str) -> Attachment:
    return Attachment(id=1, name=name, content_type=content_type, size=1, blob=None)


@pytest.mark.parametrize(
    ("content_type", "served", "how"),
    [
        ("image/png", "image/png", "inline"),
        ("IMAGE/JPEG; name=x", "image/jpeg", "inline"),
        ("text/plain", "text/plain; charset=utf-8", "inline"),
        ("application/pdf", "application/pdf", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("application/javascript", "application/octet-stream", "attachment"),
        ("text/html\r\nX-Evil: 1", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
    ],
)
def test_types_are_ours(content_type: str, served: str, how: str) -> None:
    """A browser shows images and text; the rest is saved."""
    found, disposition = how_to_serve(_file("a.bin", content_type))
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
    disposition = how_to_serve(_file(name, "application/zip"))[1]
    assert disposition == f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{whole}"
