"""Signed and encrypted mail is shown as what it is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from intake.email.parse import parse
from intake.email.sealed import NOTE, encapsulated, without_armor
from tests.mail.written import mail, multipart, parsed

TEXT = "Content-Type: text/plain\r\n\r\n"
INNER = (
    b'Content-Type: multipart/mixed; boundary="i"\r\n\r\n--i\r\n\r\nSigned words\r\n'
    b"--i\r\nContent-Type: image/png; name=a.png\r\n\r\nx\r\n--i--\r\n"
)


@pytest.fixture(scope="module")
def signed() -> bytes:
    """An opaque S/MIME signature over INNER, DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ada")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    made = pkcs7.PKCS7SignatureBuilder().set_data(INNER).add_signer(certificate, key, hashes.SHA256())
    return made.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def smime(content: bytes, kind: str) -> bytes:
    return mail(
        base64.encodebytes(content),
        content_type=f"application/pkcs7-mime; smime-type={kind}; name=smime.p7m",
        content_transfer_encoding="base64",
    )


def test_a_detached_signature_is_a_file_and_said() -> None:
    read = parse(multipart("signed", TEXT + "Words", "Content-Type: application/pkcs7-signature\r\n\r\nsig"))
    assert (read.text, [f.name for f in read.files]) == ("Words", ["smime.p7s"])
    assert read.remarks == ("signed (S/MIME), not verified here",)
    pgp = parse(multipart("signed", TEXT + "Words", "Content-Type: application/pgp-signature\r\n\r\nsig"))
    assert (pgp.text, [f.name for f in pgp.files]) == ("Words", ["signature.asc"])
    assert pgp.remarks == ("signed (PGP), not verified here",)


def test_an_opaque_signature_is_opened(signed: bytes) -> None:
    assert encapsulated(signed) == INNER
    read = parse(smime(signed, "signed-data"))
    assert (read.text, [f.name for f in read.files]) == ("Signed words", ["a.png"])
    assert read.subject == "Printer"
    assert read.remarks == ("signed (S/MIME), not verified here",)
    part = (
        b"Content-Type: application/octet-stream; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    within = parse(multipart("mixed", TEXT + "Above", part + base64.encodebytes(signed)))
    assert within.text == "Above\n\nSigned words"


def test_ber_in_pieces_is_opened_too() -> None:
    octets = b"\x24\x80\x04\x03abc\x04\x03def\x00\x00"
    encap = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80" + octets + b"\x00\x00\x00\x00"
    data = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00" + encap
    assert encapsulated(data + b"\x00" * 6) == b"abcdef"


@given(st.binary(max_size=120))
def test_any_bytes_can_be_asked(data: bytes) -> None:
    encapsulated(data)
    head = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80"
    encapsulated(head + data)
    encapsulated(head + b"\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x01\x00\xa0\x80" + data)


def test_encrypted_mail_says_so_and_stays() -> None:
    read = parse(smime(b"\x30\x05\x06\x03abc", "enveloped-data"))
    assert (read.text, [f.name for f in read.files]) == (NOTE, ["smime.p7m"])
    assert read.remarks == ("encrypted (S/MIME), can't be read here",)
    pgp = parse(
        multipart(
            "encrypted",
            "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1",
            "Content-Type: application/octet-stream; name=encrypted.asc\r\n\r\n-----BEGIN PGP MESSAGE-----",
        )
    )
    assert pgp.text == NOTE
    assert "encrypted.asc" in [f.name for f in pgp.files]
    assert pgp.remarks == ("encrypted (PGP), can't be read here",)


def test_pgp_within_the_text() -> None:
    armored = (
        "Hi\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSigned\n- -----\n- - list\n"
        "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\nBye\n"
    )
    read = parsed(armored)
    assert read.text == "Hi\nSigned\n-----\n- list\nBye"
    assert read.remarks == ("signed (PGP), not verified here",)
    secret = parsed("See:\n-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n")
    assert "BEGIN PGP MESSAGE" in secret.text
    assert secret.remarks == ("part of the text is encrypted (PGP), can't be read here",)
    prose = "He wrote -----BEGIN PGP SIGNED MESSAGE----- and\n\nnothing more."
    assert without_armor(prose) == (prose, [])
