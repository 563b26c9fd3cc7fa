"""DKIM signatures, checked by the library's own verification with a resolver of ours."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dkim
import pytest

from core.blobs import Blobs
from core.children import Children
from core.config import ConfigError, parse
from core.shapes import Attachment, Person
from intake.email.channel import EmailChannel
from intake.email.compose import compose_mail
from intake.email.composed import ComposedMail
from intake.email.dkim_sign import DkimSigner
from tests.mail.test_channel import config
from tests.mail.test_compose import CONTEXT, NOW, message, notice, outgoing, ticket


def _openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], check=True, capture_output=True, input=given).stdout


@pytest.fixture(scope="module")
def key() -> str:
    return _openssl("genrsa", "2048").decode()


@pytest.fixture(scope="module")
def record(key: str) -> bytes:
    public = _openssl("rsa", "-pubout", "-outform", "DER", given=key.encode())
    return b"v=DKIM1; k=rsa; p=" + b64encode(public)


def verified(mail: bytes, record: bytes, asked: list[bytes] | None = None) -> bool:
    def dns(name: bytes, timeout: int = 5) -> bytes:
        if asked is not None:
            asked.append(name)
        return record

    return bool(dkim.verify(mail, dnsfunc=dns))


def test_what_we_send_verifies(key: str, record: bytes) -> None:
    signer = DkimSigner("example.com", "desk", key)
    file = Attachment(id=1, name="Grüße.pdf", content_type="application/pdf", size=9, blob="b")
    answer = compose_mail(
        outgoing(
            message=message("Grüße\n.\nFrom here on  \n\n\n", attachments=(file,)),
            cc=(Person(kind="email", address="kim@example.net", name="Kim"),),
            ticket=ticket("Grüße 🙂 " * 20),
        ),
        replace(CONTEXT, contents={1: b"\x00" * 9}),
    )
    for mail in (
        answer,
        compose_mail(notice("ack"), CONTEXT),
        compose_mail(outgoing(place="zoë@example.net"), CONTEXT),
    ):
        asked: list[bytes] = []
        signed = signer.sign(mail.content, NOW)
        assert verified(signed, record, asked)
        assert asked == [b"desk._domainkey.example.com."]
        assert signed.endswith(mail.content)
        assert b"\n" not in signed.replace(b"\r\n", b"")
        assert max(map(len, signed.split(b"\r\n"))) <= 998
    head = signer.sign(answer.content, NOW).partition(b"\r\nDate:")[0].replace(b"\r\n", b"")
    names = head.partition(b"h=")[2].partition(b";")[0].replace(b" ", b"").split(b":")
    assert names.count(b"from") == 2
    for name in (
        b"to",
        b"cc",
        b"subject",
        b"date",
        b"message-id",
        b"reply-to",
        b"in-reply-to",
        b"references",
    ):
        assert names.count(name) == 1
    assert {b"mime-version", b"content-type"} <= set(names)
    assert b"c=relaxed/relaxed" in head


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"From: ", b"From: evil@example.net\r\nFrom: "),
        (b"Subject: Re: ", b"Subject: Re: URGENT "),
        (b"pour water", b"pour petrol"),
        (b"Reply-To: Acme", b"Reply-To: Evil"),
    ],
)
def test_what_was_changed_does_not(key: str, record: bytes, old: bytes, new: bytes) -> None:
    signed = DkimSigner("example.com", "desk", key).sign(compose_mail(outgoing(), CONTEXT).content, NOW)
    assert old in signed
    assert not verified(signed.replace(old, new, 1), record)


def test_same_mail_same_time_same_bytes(key: str) -> None:
    signer, mail = DkimSigner("example.com", "desk", key), compose_mail(outgoing(), CONTEXT).content
    assert signer.sign(mail, NOW) == signer.sign(mail, NOW)
    assert signer.sign(mail, NOW) != signer.sign(mail, NOW + timedelta(seconds=1))


def test_both_forms_of_pem(key: str, record: bytes) -> None:
    old = _openssl("rsa", "-traditional", given=key.encode()).decode()
    assert "BEGIN RSA PRIVATE KEY" in old
    mail = compose_mail(outgoing(), CONTEXT).content
    assert verified(DkimSigner("example.com", "desk", old).sign(mail, NOW), record)


@pytest.mark.parametrize(
    ("domain", "selector", "given", "said"),
    [
        ("example.com", "desk", "rubbish", "dkim_key"),
        ("example.com", "desk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "dkim_key"),
        ("example.com", "dësk", "KEY", "no name"),
        ("a..b", "desk", "KEY", "no name"),
    ],
)
def test_what_can_t_be_used_is_said_at_the_start(
    key: str, domain: str, selector: str, given: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        DkimSigner(domain, selector, key if given == "KEY" else given)
    assert "\n" not in str(caught.value)


def test_short_keys_and_keys_of_another_kind_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="512 bits"):
        DkimSigner("example.com", "desk", _openssl("genrsa", "512").decode())
    ed = _openssl("genpkey", "-algorithm", "ed25519").decode()
    with pytest.raises(ConfigError, match="RSA"):
        DkimSigner("example.com", "desk", ed)


async def test_the_channel_signs_once_and_says_so(tmp_path: Path, key: str, record: bytes) -> None:
    (tmp_path / "dkim.pem").write_text(key)
    given = {
        "dkim_domain": "example.com",
        "dkim_selector": "desk",
        "dkim_key_file": str(tmp_path / "dkim.pem"),
    }
    settings = config(tmp_path, email={"outbound": {"port": 1, "tls": "none", "timeout": "300ms", **given}})
    channel = EmailChannel(settings, Blobs(tmp_path), Children())
    rendered = await channel.render(outgoing())
    assert verified(ComposedMail.unpack(rendered).content, record)
    assert rendered == await channel.render(outgoing(attempts=4))
    [found] = [one for one in await channel.probe() if one.part == "DKIM"]
    assert found.text == "signed for desk._domainkey.example.com"
    with pytest.raises(ConfigError, match="can't read"):
        parse({"email": {"outbound": {**given, "dkim_key_file": str(tmp_path / "none")}}})
