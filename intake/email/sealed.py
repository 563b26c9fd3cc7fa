"""Signed and encrypted mail (RFC 8551, RFC 3156, RFC 9580): shown as what it is. Nothing is verified or decrypted.

What is signed can be read; where S/MIME packs the content into its own format, the content is taken out of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from intake.email.files import given_name
from intake.email.mime import Part

NOTE: Final = "[This mail is encrypted and can't be read here; it is attached as it came.]"
_SIGNATURES: Final = {"application/pkcs7-signature": "S/MIME", "application/x-pkcs7-signature": "S/MIME",
                      "application/pgp-signature": "PGP"}  # fmt: skip
_PKCS7: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_ENCRYPTED: Final = "encrypted ({}), can't be read here"
_SIGNED: Final = "signed ({}), not verified here"
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2 (RFC 5652 5.1)
_DEEPEST: Final = 8


def is_signature(part: Part) -> bool:
    """Say whether a part is the signature of its neighbours."""
    return part.type in _SIGNATURES


def remark_on(part: Part) -> str:
    """Return what staff should know about a part that signs or encrypts, '' for any other."""
    if part.type in _SIGNATURES:
        return _SIGNED.format(_SIGNATURES[part.type])
    if part.type == "application/pgp-encrypted":
        return _ENCRYPTED.format("PGP")
    if part.type in _PKCS7:
        kind = part.params.get("smime-type", "").lower()
        if kind in ("certs-only", "compressed-data") or given_name(part).lower().endswith(".p7c"):
            return ""
        if _is_signed(part):
            return _SIGNED.format("S/MIME") + ", its content can't be read"
        return _ENCRYPTED.format("S/MIME")
    return ""


def signed_content(part: Part) -> bytes | None:
    """Return the mail that an opaque S/MIME signature holds, None where it holds none that can be read."""
    if part.type not in _PKCS7 and not given_name(part).lower().endswith(".p7m"):
        return None
    return encapsulated(part.content())


def _is_signed(part: Part) -> bool:
    return "signed" in part.params.get("smime-type", "").lower() or _SIGNED_DATA in part.content()[:64]


# --- PGP in the text ----------------------------------------------------------------------------------------------

_BEGIN_SIGNED: Final = "-----BEGIN PGP SIGNED MESSAGE-----"
_BEGIN_SIGNATURE: Final = "-----BEGIN PGP SIGNATURE-----"
_END_SIGNATURE: Final = "-----END PGP SIGNATURE-----"
_BEGIN_MESSAGE: Final = "-----BEGIN PGP MESSAGE-----"
_MOST_BLOCKS: Final = 20


def without_armor(text: str) -> tuple[str, list[str]]:
    """Return text without the armor of clear signatures (RFC 9580 7), and remarks on what is signed or encrypted."""
    remarks = []
    if text.startswith(_BEGIN_MESSAGE) or f"\n{_BEGIN_MESSAGE}" in text:
        remarks.append("part of the text is " + _ENCRYPTED.format("PGP"))
    out: list[str] = []
    at = 0
    for _ in range(_MOST_BLOCKS):
        begin = text.find(_BEGIN_SIGNED, at)
        head = text.find("\n\n", begin) if begin >= 0 and _at_line_start(text, begin) else -1
        close = text.find(f"\n{_BEGIN_SIGNATURE}", head) if head >= 0 else -1
        end = text.find(_END_SIGNATURE, close) if close >= 0 else -1
        if end < 0:
            break
        signed = text[head + 2 : close]
        out += [text[at:begin], re.sub(r"^- ", "", signed, flags=re.MULTILINE)]
        at = end + len(_END_SIGNATURE)
    if out:
        remarks.append(_SIGNED.format("PGP"))
    return "".join([*out, text[at:]]), remarks


def _at_line_start(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "\n"


# --- the content of an opaque signature ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Node:
    """One BER value (X.690 8.1): its tag and where its content lies; `end` -1 where only its end mark tells."""

    tag: int
    start: int
    end: int


def encapsulated(data: bytes) -> bytes | None:
    """Return eContent of SignedData (RFC 5652 5.2), None where there is none. Reads DER and BER, which Outlook and
    OpenSSL write where they stream. Never raises."""
    try:
        return _content(data)
    except (IndexError, ValueError):
        return None


def _content(data: bytes) -> bytes | None:
    outer = _node(data, 0)
    kind = _node(data, outer.start)
    if outer.tag != 0x30 or kind.tag != 0x06 or data[kind.start : kind.end] != _SIGNED_DATA:
        return None
    signed = _node(data, _node(data, kind.end).start)  # [0] { SignedData
    version = _node(data, signed.start)
    digests = _node(data, version.end)
    encap = _node(data, _past(data, digests, 0))
    content_type = _node(data, encap.start)
    wrapped = _node(data, content_type.end)
    if encap.tag != 0x30 or content_type.tag != 0x06 or wrapped.tag != 0xA0:
        return None
    out = bytearray()
    _octets(data, _node(data, wrapped.start), out, 0)
    return bytes(out)


def _node(data: bytes, at: int) -> _Node:
    tag, first = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise ValueError("a long tag")
    if first == 0x80:
        return _Node(tag, at + 2, -1)
    if first < 0x80:
        length, start = first, at + 2
    else:
        count = first & 0x7F
        if count > 4:
            raise ValueError("a long length")
        length, start = int.from_bytes(data[at + 2 : at + 2 + count], "big"), at + 2 + count
    return _Node(tag, start, min(start + length, len(data)))


def _past(data: bytes, node: _Node, depth: int) -> int:
    """Return where the next value begins."""
    if node.end >= 0:
        return node.end
    if depth > _DEEPEST:
        raise ValueError("too deep")
    at = node.start
    while data[at : at + 2] != b"\0\0":
        at = _past(data, _node(data, at), depth + 1)
        if at >= len(data):
            raise ValueError("no end")
    return at + 2


def _octets(data: bytes, node: _Node, out: bytearray, depth: int) -> int:
    """Append an octet string, whole or in pieces; return where the next value begins."""
    if depth > _DEEPEST or node.tag not in (0x04, 0x24):
        raise ValueError("no octet string")
    if node.tag == 0x04:
        if node.end < 0:
            raise ValueError("no length")
        out += data[node.start : node.end]
        return node.end
    at = node.start
    while at < (node.end if node.end >= 0 else len(data)):
        if node.end < 0 and data[at : at + 2] == b"\0\0":
            return at + 2
        at = _octets(data, _node(data, at), out, depth + 1)
    return at
