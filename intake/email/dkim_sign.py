"""DKIM signatures (RFC 6376) for relays that don't sign by themselves. dkimpy does the work.

The body and what readers see of the header are signed, relaxed/relaxed; From once more than it is there, so that a
second one breaks the signature. The same mail at the same time gives the same signature.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from core.config import ConfigError, EmailOutbound
from core.shapes_base import ascii_domain

_SIGNED: Final = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"list-unsubscribe",  # RFC 8058, section 4: or nobody offers the click
    b"list-unsubscribe-post",
)
# Object identifiers inside a PKCS #8 key, as DER: id-Ed25519 (RFC 8410), id-ecPublicKey (RFC 5480).
_ED25519: Final = bytes.fromhex("06032b6570")
_EC: Final = bytes.fromhex("06072a8648ce3d0201")
SHORTEST: Final = 1024  # bits; receivers ignore shorter keys (RFC 8301, section 3.2)


class DkimSigner:
    """Signs as `selector._domainkey.domain`. `key`: a PEM private key, RSA. Raises `ConfigError` for one that can't be
    used."""

    def __init__(self, domain: str, selector: str, key: str) -> None:
        from dkim.crypto import UnparsableKeyError, parse_pem_private_key

        try:
            self._domain = ascii_domain(domain.strip().lower()).encode("idna")  # looks at its labels
            self._selector = selector.strip().encode("ascii")
        except UnicodeError as exc:
            raise ConfigError("email.outbound.dkim_domain or dkim_selector is no name") from exc
        self._key = key.strip().encode()
        try:
            bits = parse_pem_private_key(self._key)["modulus"].bit_length()
        except (UnparsableKeyError, ValueError, LookupError, TypeError) as exc:
            raise ConfigError(f"email.outbound.dkim_key {_what_it_is(key)}") from exc
        if bits < SHORTEST:
            raise ConfigError(f"email.outbound.dkim_key has {bits} bits; receivers want 2048")
        self.record = f"{selector.strip()}._domainkey.{self._domain.decode()}"

    def sign(self, mail: bytes, at: datetime) -> bytes:
        """Return the mail with a signature of that time in front. `mail` has CRLF line ends. CPU-bound: about
        ten milliseconds a mail, so run it in a thread."""
        import dkim

        class Timed(dkim.DKIM):  # type: ignore[misc]
            """With a time that is given, not the clock's."""

            def gen_header(self, fields: Sequence[tuple[bytes, bytes]], *more: Any, **named: Any) -> bytes:
                moment = str(int(at.timestamp())).encode()
                timed = [(name, moment if name == b"t" else value) for name, value in fields]
                return bytes(super().gen_header(timed, *more, **named))

        made = Timed(mail)
        there = {name.lower() for name, _ in made.headers}
        signature = made.sign(
            self._selector,
            self._domain,
            self._key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[*(name for name in _SIGNED if name in there), b"from"],
        )
        return bytes(signature) + mail


def _what_it_is(key: str) -> str:
    """Say what a key is that isn't the private key that is wanted, and what to do."""
    make = "make one with: openssl genrsa 2048"
    kinds = [line for line in key.splitlines() if line.startswith("-----BEGIN ")]
    kind = kinds[0].strip("- \t")[len("BEGIN ") :] if kinds else ""
    body = "".join(key.partition("-----BEGIN ")[2].partition("-----END ")[0].split("\n")[1:])
    try:
        der = b64decode(body)
    except ValueError:
        der = b""
    if kind == "ENCRYPTED PRIVATE KEY" or "Proc-Type: 4,ENCRYPTED" in key:
        return (
            "is protected by a passphrase, which nobody is there to type; "
            "write it without one with: openssl rsa -in KEY -out NEW"
        )
    if kind == "OPENSSH PRIVATE KEY":
        return f"is a key of OpenSSH; {make}"
    if "PUBLIC KEY" in kind or kind == "CERTIFICATE":
        return "is public: the private key that belongs to it is wanted"
    if _ED25519 in der:
        return f"is an Ed25519 key, which few receivers check (RFC 8463); an RSA key is wanted, {make}"
    if kind == "EC PRIVATE KEY" or _EC in der:
        return f"is a key on an elliptic curve; DKIM wants an RSA key, {make}"
    return f"is no RSA private key in PEM form; {make}"


def signer_of(settings: EmailOutbound) -> DkimSigner | None:
    """Return the signer that is configured, or None. Raises `ConfigError`."""
    if not settings.dkim_domain:
        return None
    return DkimSigner(settings.dkim_domain, settings.dkim_selector, settings.dkim_key)
