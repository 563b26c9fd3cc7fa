"""How a mail is spoilt: pieces cut, doubled, swapped with another mail's, bits turned, boundaries played with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

_BOUNDARY = re.compile(rb"(?i)boundary\s*=\s*\"?([^\";\r\n]{1,70})")
_CHARSET = re.compile(rb"(?i)charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})")
_ENCODING = re.compile(rb"(?im)^content-transfer-encoding:[^\r\n]*")
_TYPE = re.compile(rb"(?im)^content-type:[ \t]*([a-z]+/[a-z0-9.+-]+)")

CHARSETS: Sequence[bytes] = (
    b"utf-7", b"iso-2022-jp", b"iso-2022-kr", b"hz-gb-2312", b"gb18030", b"big5", b"x-sjis", b"ks_c_5601-1987",
    b"windows-874", b"utf-16", b"utf-32", b"idna", b"punycode", b"zip", b"x-unknown", b"cp-850", b"iso-8859-8-i",
    b"utf-8*fr", b"%CHARSET", b"unicode_escape", b"undefined", b"unicode-1-1-utf-7", b"koi8-r", b"euc-jp", b"",
)  # fmt: skip
ENCODINGS: Sequence[bytes] = (
    b"base64",
    b"quoted-printable",
    b"x-uuencode",
    b"7bit",
    b"binary",
    b"",
    b"base64, 8bit",
)
TYPES: Sequence[bytes] = (
    b"multipart/mixed", b"multipart/alternative", b"multipart/related", b"multipart/digest", b"multipart/signed",
    b"multipart/report", b"multipart/encrypted", b"multipart/appledouble", b"message/rfc822", b"message/partial",
    b"message/external-body", b"message/delivery-status", b"message/feedback-report", b"text/html", b"text/plain",
    b"text/calendar", b"text/enriched", b"application/ms-tnef", b"application/pkcs7-mime", b"image/png", b"", b"/",
    b"text", b"=?utf-8?q?text/html?=",
)  # fmt: skip
PIECES: Sequence[bytes] = (
    b"\0", b"\r", b"\n", b"\r\n\r\n", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b$B", b"~{", b"=?utf-8?q?", b"=?", b"?=", b"<",
    b">", b"(", b'"', b"\\", b";", b"=", b"%", b"'", b"&#x110000;", b"<!--", b"<div>", b"</p>", b"--", b"-- \r\n",
    b"> ", b"On 1 May 2026 at 10:00, A <a@b.example> wrote:\r\n", b"begin 644 x\r\n", b"end\r\n", b"BEGIN:VEVENT\r\n",
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n", b"\x78\x9f\x3e\x22", b"Message-ID: <>\r\n", b"Date: 31 Feb\r\n",
    b"From: <\r\n", b"Content-Type: text/html\r\n\r\n", "😀\u202e\u0000".encode(),
)  # fmt: skip


def mutated(seed: bytes, others: Sequence[bytes], dice: Random, most: int) -> bytes:
    """Return the seed after one to six mutations, at most `most` bytes."""
    for _ in range(dice.randint(1, 6)):
        seed = dice.choice(_KINDS)(seed, others, dice)[:most]
    return seed


def _flip(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    out = bytearray(mail)
    for _ in range(dice.randint(1, 12) if out else 0):
        out[dice.randrange(len(out))] ^= 1 << dice.randrange(8)
    return bytes(out)


def _truncate(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    return mail[: dice.randrange(len(mail) + 1)]


def _drop(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    start, end = _range(mail, dice)
    return mail[:start] + mail[end:]


def _double(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    start, end = _range(mail, dice)
    times = dice.choice((1, 1, 2, 10, 100)) if end - start < 400 else 1
    return mail[:end] + mail[start:end] * times + mail[end:]


def _splice(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    other = dice.choice(others)
    start, end = _range(other, dice)
    at = dice.randrange(len(mail) + 1)
    return mail[:at] + other[start:end] + mail[at:]


def _insert(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    at = dice.randrange(len(mail) + 1)
    return mail[:at] + dice.choice(PIECES) * dice.choice((1, 1, 1, 3, 200)) + mail[at:]


def _lines(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    """Double, drop or move whole lines of the head: fields twice, in another order, none at all."""
    head, blank, body = mail.partition(b"\n\n") if b"\r\n\r\n" not in mail else mail.partition(b"\r\n\r\n")
    lines = head.split(b"\n")
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(lines))
        how = dice.randrange(3)
        if how == 0:
            lines.insert(dice.randrange(len(lines) + 1), lines[at])
        elif how == 1 and len(lines) > 1:
            del lines[at]
        else:
            lines[at] = lines[at][: dice.randrange(len(lines[at]) + 1)] + dice.choice(PIECES)
    return b"\n".join(lines) + blank + body


def _boundaries(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    found = _BOUNDARY.findall(mail)
    if not found:
        return b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + mail
    boundary = dice.choice(found)
    other = dice.choice(
        (b"", b"x", boundary + b"1", boundary[:-1], boundary + b" ", boundary[:1], b"--", dice.choice(found))
    )
    return mail.replace(boundary, other, dice.randint(1, 3))


def _swap(
    pattern: re.Pattern[bytes], choice: Sequence[bytes]
) -> Callable[[bytes, Sequence[bytes], Random], bytes]:
    def swap(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
        found = list(pattern.finditer(mail))
        if not found:
            return mail
        match = dice.choice(found)
        start, end = match.span(1 if match.groups() else 0)
        word = dice.choice(choice)
        return mail[:start] + (word if match.groups() else b"Content-Transfer-Encoding: " + word) + mail[end:]

    return swap


def _nest(mail: bytes, others: Sequence[bytes], dice: Random) -> bytes:
    kind = dice.choice(TYPES) or b"multipart/mixed"
    mark = b"n%d" % dice.randrange(1_000)
    head = b"Content-Type: " + kind + b"; boundary=" + mark + b"\r\n\r\n--" + mark + b"\r\n"
    return head + mail + b"\r\n--" + mark + dice.choice((b"--", b"")) + b"\r\n"


def _range(mail: bytes, dice: Random) -> tuple[int, int]:
    start = dice.randrange(len(mail) + 1)
    return start, min(len(mail), start + dice.choice((1, 4, 40, 400, 4_000)))


_KINDS = (
    _flip, _truncate, _drop, _double, _splice, _insert, _lines, _boundaries, _nest,
    _swap(_CHARSET, CHARSETS), _swap(_ENCODING, ENCODINGS), _swap(_TYPE, TYPES),
)  # fmt: skip
