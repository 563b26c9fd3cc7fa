"""`relaydesk deliver`: stores by itself; 0, 75 and 65 mean what a mail program takes them to mean."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config import Config, ConfigError
from core.failures import Unavailable
from intake.email import deliver
from intake.email.arrival import Envelope
from intake.email.deliver import CannotBeTaken, Given, NotNow, envelope_of, take
from tests.mail.server_house import SIGNER, config_with
from tests.stores import Store
from tests.writing import toml

MAIL = b"From: zoe@example.net\nMessage-ID: <1@example.net>\nSubject: x\n\nhello\n"
POSTFIX = (
    b"Return-Path: <zoe@example.net>\nX-Original-To: help@example.com\nDelivered-To: support@example.com\n"
    + MAIL
)
SIGNED = SIGNER.reply_address("billing@example.com", 8)
ONE_QUEUE = {"queue": [{"name": "only", "addresses": ["only@example.com"]}]}


def found(raw: bytes, given: Given, config: Config | None = None) -> tuple[str | None, dict[str, Any]]:
    envelope: Envelope = envelope_of(raw, given, config or config_with())
    return envelope.sender, dict(envelope.queues)


@pytest.mark.parametrize(
    ("raw", "given", "sender", "queues"),
    [
        (POSTFIX, Given(), "zoe@example.net", {"support": ("help@example.com", "support@example.com")}),
        (b"Return-Path: <>\nDelivered-To: " + SIGNED.encode() + b"\n" + MAIL, Given(), "", {"billing": (SIGNED,)}),
        (b"Envelope-to: billing@example.com\n" + MAIL, Given(), None, {"billing": ("billing@example.com",)}),
        (POSTFIX, Given(recipient="billing@example.com"), "zoe@example.net", {"billing": ("billing@example.com",)}),
        (POSTFIX, Given(sender="<bob@example.net>"), "bob@example.net", None),
        (POSTFIX, Given(sender="<>"), "", None),
        (MAIL, Given(queue="billing"), None, {"billing": ("billing@example.com",)}),
        (MAIL, Given(queue="support", recipient="alias@other.example"), None, {"support": ("alias@other.example",)}),
        (b"Delivered-To: me@other.example\nDelivered-To: support@example.com\n" + MAIL, Given(), None, None),
        (b"Delivered-To: support@example.com\nDelivered-To: billing@example.com\n" + MAIL, Given(), None,
         {"support": ("support@example.com",)}),
        (MAIL + b"\nDelivered-To: nobody@example.com\n", Given(recipient="postmaster"), None,
         {"support": ("postmaster",)}),
    ],
)  # fmt: skip
def test_whom_it_is_for(raw: bytes, given: Given, sender: str | None, queues: dict[str, Any] | None) -> None:
    for ends in (raw, raw.replace(b"\n", b"\r\n")):
        got = found(ends, given)
        assert got[0] == sender
        assert queues is None or got[1] == queues


def test_a_recipient_that_is_not_ours_and_one_that_is_left_open() -> None:
    with pytest.raises(CannotBeTaken, match=r"nobody@example\.com"):
        found(MAIL, Given(recipient="nobody@example.com"))
    with pytest.raises(CannotBeTaken):
        found(b"Delivered-To: nobody@example.com\n" + MAIL, Given())
    with pytest.raises(NotNow, match="--queue"):
        found(MAIL, Given())
    with pytest.raises(NotNow, match="no queue 'sales'"):
        found(MAIL, Given(queue="sales"))
    one = Config(**ONE_QUEUE)
    assert found(MAIL, Given(), one)[1] == {"only": ("only@example.com",)}


@pytest.mark.parametrize(
    ("trouble", "raw", "status"),
    [
        (ConfigError("x"), MAIL, 75),
        (OSError("disk"), MAIL, 75),
        (None, b"", 65),
        (None, b"\n\n", 65),
        (None, b"x" * 2001, 65),
        (None, b"From zoe Mon\n" + b"x" * 2000, 75),
    ],
)
def test_statuses(
    trouble: Exception | None, raw: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> None:
        raise Unavailable("database")

    monkeypatch.setattr(deliver, "_store", down)
    monkeypatch.setattr(deliver, "_quiet_logs", lambda: None)

    def load() -> Config:
        if trouble:
            raise trouble
        return config_with(max_message_bytes=2000)

    got, text = take(load, Given(queue="support"), lambda limit: raw[:limit])
    assert got == status
    assert text


@pytest.fixture
def relaydesk(store: Store, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """The command on this store."""
    file = tmp_path / "config.toml"
    file.write_text(toml(store.settings()), "utf-8")

    def run(*words: str, stdin: bytes = MAIL) -> subprocess.CompletedProcess[bytes]:
        code = "import app; app.main()"
        return subprocess.run(
            [sys.executable, "-c", code, "--config", str(file), "deliver", *words],
            input=stdin,
            capture_output=True,
            timeout=30,
        )

    return run


async def test_the_command_stores_once_while_no_service_runs(
    store: Store, relaydesk: Callable[..., subprocess.CompletedProcess[bytes]]
) -> None:
    for _ in range(2):
        ran = await asyncio.to_thread(relaydesk, stdin=POSTFIX.replace(b"help@", b"support@"))
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    (row,) = store.rows("SELECT * FROM inbox")
    assert bytes(row["raw"]) == POSTFIX.replace(b"help@", b"support@")
    ran = await asyncio.to_thread(relaydesk, "--recipient", "nobody@example.com")
    assert ran.returncode == 65
    assert ran.stderr.startswith(b"relaydesk deliver: no queue")
    ran = await asyncio.to_thread(relaydesk, "--recipient", "support@example.com", stdin=b"")
    assert ran.returncode == 65
    assert len(store.rows("SELECT id FROM inbox")) == 1


def test_a_database_that_is_away_and_a_broken_configuration_are_75(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    command = [sys.executable, "-c", "import app; app.main()", "--config", str(file), "deliver"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    away = {
        "service": {"secret_key": "k" * 32, "data_dir": str(tmp_path)},
        "database": {"url": "mysql+aiomysql://desk:secret@127.0.0.1:1/desk"},
    }
    for text in ("nonsense = 1", toml(away)):
        file.write_text(text)
        ran = subprocess.run([*command, "--queue", "support"], input=MAIL, capture_output=True, timeout=30)
        assert ran.returncode == 75, ran.stderr
        assert ran.stdout == b""
        assert b"relaydesk deliver: nothing was stored, try again: " in ran.stderr
        assert b"secret" not in ran.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 2 < 0.8
