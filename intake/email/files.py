"""Parts to files: names that are names on every system, and what is shown inside the text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from core.shapes import File
from intake.email.charsets import one_line
from intake.email.headers import read_head
from intake.email.mime import BY_ENDING, TYPE, Part
from intake.email.words import decode_words

LONGEST_FILE_NAME: Final = 120  # characters
_LONGEST_NAME_BYTES: Final = 240  # of UTF-8; file systems take 255
_CID = re.compile(r"cid:([^\"'\s>)]{1,300})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Loose:
    """A file that isn't a part of its own: out of a winmail.dat, out of the text."""

    name: str
    content: bytes = field(repr=False)
    type: str = "application/octet-stream"
    cid: str = ""


def to_files(parts: Iterable[Part], loose: Iterable[Loose], markup: str) -> tuple[tuple[File, ...], str]:
    """Return the files, and the HTML with the places of its images named by `cid:`.

    An image that comes twice in one mail (a signature's logo in every quoted mail) is one file. Only images that
    the HTML shows are taken for the same; what somebody attached stays, however often.
    """
    shown = {cid.lower() for cid in _CID.findall(markup)}
    taken: set[str] = set()
    files: list[File] = []
    logos: dict[bytes, str] = {}
    for index, part in enumerate(parts, 1):
        file = _file(part, index, shown, taken)
        if file.inline_cid is None and (place := _place(part, markup)):
            cid = f"part-{index}"
            markup = markup.replace(place, f"cid:{cid}")
            file = replace(file, inline_cid=cid)
        if file.inline_cid and file.content_type.startswith("image/"):
            first = logos.setdefault(file.sha256, file.inline_cid)
            if first != file.inline_cid and first.lower() in shown:
                markup = re.sub(
                    f"cid:{re.escape(file.inline_cid)}(?=[\"'\\s>)])", f"cid:{first}", markup, flags=re.I
                )
                continue
        files.append(file)
    files += [_loose(file, shown, taken) for file in loose]
    return tuple(files), markup


def _file(part: Part, index: int, shown: set[str], taken: set[str]) -> File:
    content = part.content()
    cid = one_line(part.headers.get("content-id")).strip("<> ")[:300]
    inline = bool(cid) and (part.disposition.value == "inline" or cid.lower() in shown)
    return File(
        name=unique(safe_name(given_name(part) or _made_name(part, content, index)), taken),
        content_type=part.type[:127],
        size=len(content),
        content=content,
        sha256=hashlib.sha256(content).digest(),
        inline_cid=cid if inline else None,
    )


def _loose(file: Loose, shown: set[str], taken: set[str]) -> File:
    name = unique(safe_name(file.name), taken)
    kind = file.type if TYPE.fullmatch(file.type) else "application/octet-stream"
    if kind == "application/octet-stream":  # nobody said what it is, so its name may
        kind = BY_ENDING.get(name.rpartition(".")[2].lower(), kind)
    return File(
        name=name,
        content_type=kind[:127],
        size=len(file.content),
        content=file.content,
        sha256=hashlib.sha256(file.content).digest(),
        inline_cid=file.cid[:300] if file.cid.lower() in shown else None,
    )


def _place(part: Part, markup: str) -> str:
    """The Content-Location under which the HTML shows this part (RFC 2557 4), '' where it doesn't."""
    place = one_line(part.headers.get("content-location"))[:1_000]
    if len(place) < 4 or not part.type.startswith("image/") or part.disposition.value == "attachment":
        return ""
    return place if f'"{place}"' in markup or f"'{place}'" in markup else ""


def given_name(part: Part) -> str:
    """Return the name that the part has, '' without one. Content-Disposition's comes first (RFC 2183 2.3)."""
    name = part.disposition.params.get("filename", "") or part.params.get("name", "")
    return _unpercented(name) if "%" in name and " " not in name else name


_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def _unpercented(name: str) -> str:
    """Some programs percent-encode as in an address; only where that gives letters beyond ASCII, or blanks, is it
    meant so."""
    try:
        decoded = _ESCAPES.sub(lambda m: bytes.fromhex(m[0].replace("%", "")).decode("utf-8"), name)
    except UnicodeDecodeError:
        return name
    return decoded if not decoded.isascii() or "%20" in name else name


_ENDINGS: Final = {"text/plain": "txt", "text/html": "html", "image/jpeg": "jpg", "image/png": "png",
                   "image/gif": "gif", "message/rfc822": "eml", "text/calendar": "ics", "application/pdf": "pdf",
                   "text/rfc822-headers": "txt", "message/delivery-status": "txt", "text/csv": "csv",
                   "application/zip": "zip", "text/vcard": "vcf", "text/x-vcard": "vcf", "text/enriched": "txt",
                   "image/svg+xml": "svg", "image/webp": "webp", "image/tiff": "tif", "image/bmp": "bmp",
                   "message/external-body": "txt", "message/partial": "txt", "audio/mpeg": "mp3",
                   "video/mp4": "mp4", "message/global": "eml", "application/json": "json"}  # fmt: skip
_NAMES: Final = {"application/pgp-signature": "signature.asc", "application/pgp-keys": "key.asc",
                 "application/pgp-encrypted": "version.txt", "application/pkcs7-signature": "smime.p7s",
                 "application/x-pkcs7-signature": "smime.p7s", "application/pkcs7-mime": "smime.p7m",
                 "application/x-pkcs7-mime": "smime.p7m", "application/ms-tnef": "winmail.dat",
                 "application/vnd.ms-tnef": "winmail.dat"}  # fmt: skip


def _made_name(part: Part, content: bytes, index: int) -> str:
    """A name for a part that has none: a nested mail by its subject, anything else by what it is and its place."""
    if part.type in ("message/rfc822", "message/global"):
        subject = read_head(content[:65_536])[0].text("subject")
        return f"{subject[:LONGEST_FILE_NAME].replace('/', '_') or 'message'}.eml"
    if (name := _NAMES.get(part.type)) is not None:
        return name
    said = one_line(decode_words(part.headers.get("content-description")))[:LONGEST_FILE_NAME]
    if said and re.search(r"\.[A-Za-z0-9]{2,5}$", said):
        return said
    return f"part-{index}.{_ENDINGS.get(part.type, 'bin')}"


# What paths and shells understand, and letters that nobody sees or that turn the direction of reading.
_FORBIDDEN = re.compile(
    '[<>:"/\\\\|?*\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\x00-\x1f\x7f]'
)
_DEVICES = re.compile(
    r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[\d\u00b9\u00b2\u00b3]|lpt[\d\u00b9\u00b2\u00b3])\s*(\..*)?"
)


def safe_name(name: str) -> str:
    """Return a file name that is one on every system: no path, no device, no hidden or endless name."""
    name = one_line(decode_words(name)).replace("\\", "/").rpartition("/")[2]
    name = _FORBIDDEN.sub("_", name).strip(" .") or "file"
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    stem, dot, ending = name.rpartition(".")
    tail = f".{ending}" if dot and len(ending) <= 16 else ""
    stem = stem if tail else name
    if len(name) > LONGEST_FILE_NAME:
        stem = stem[: LONGEST_FILE_NAME - len(tail)]
    while len(f"{stem}{tail}".encode()) > _LONGEST_NAME_BYTES:
        stem = stem[: max(len(stem) - 8, 1)]
        tail = tail if len(stem) > 1 else ""
    return (stem.rstrip(" .") or "file") + tail


def unique(name: str, taken: set[str]) -> str:
    """Return the name, numbered where it's taken; note it as taken."""
    stem, dot, ending = name.rpartition(".")
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{stem} ({number}).{ending}" if dot else f"{name} ({number})"
    taken.add(candidate.lower())
    return candidate
