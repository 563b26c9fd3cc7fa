"""`relaydesk explain`: the lines of INTERFACES.md."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

import app
from core.config import Config, DatabaseConfig, Service
from core.shapes import Person
from intake.email import explain as command
from intake.email.addresses import Signer
from intake.email.arrival import Envelope, arrivals
from intake.email.explain import explain
from intake.email.explaining import FIELDS
from tests.core.desk import mail as core_mail
from tests.mail.written import mail, multipart
from tests.stores import Store

ADA = Person(kind="email", address="ada@customer.example", name="Ada", place="ada@customer.example")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    url = f"sqlite+aiosqlite:///{tmp_path}/var/relaydesk.db"
    return Config(service=Service(data_dir=tmp_path / "var"), database=DatabaseConfig(url=url))


def run(config: Config, *args: str) -> Result:
    return CliRunner().invoke(
        explain, args, obj=SimpleNamespace(load_config=lambda: config), standalone_mode=False
    )


def explained(config: Config, tmp_path: Path, raw: bytes) -> dict[str, Any]:
    (tmp_path / "one.eml").write_bytes(raw)
    result = run(config, "--json", str(tmp_path / "one.eml"))
    assert result.return_value == 0, result.output
    found = json.loads(result.stdout)
    assert tuple(found) == FIELDS
    return dict(found)


def test_the_object(config: Config, tmp_path: Path) -> None:
    file = 'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="a.pdf"\r\n\r\nx'
    raw = multipart(
        "mixed", "Content-Type: text/plain\r\n\r\nHi\r\n\r\n-- \r\nAda", file, cc="Bob <bob@x.example>"
    )
    assert explained(config, tmp_path, raw) == {
        "file": str(tmp_path / "one.eml"),
        "sender": {"name": "Ada", "address": "ada@customer.example"},
        "recipients": ["support@example.com", "bob@x.example"],
        "subject": "Printer",
        "message_id": "1@customer.example",
        "date": "2026-05-04T08:00:00Z",
        "text": "Hi\n\n-- \nAda",
        "visible_text": "Hi",
        "attachments": [
            {
                "filename": "a.pdf",
                "content_type": "application/pdf",
                "size": 1,
                "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
                "inline": False,
            }
        ],
        "automatic": None,
        "bounce": None,
        "authentication": {
            "authenticated": False,
            "level": "claimed",
            "sender_from": "from",
            "trusted": False,
            "dmarc": None,
            "dkim": None,
            "spf": None,
        },
        "ticket": None,
        "rule": "no database was asked (there is none yet); nothing in it names a ticket: a new one",
        "error": None,
    }


def test_what_it_says_about_the_ticket(config: Config, tmp_path: Path) -> None:
    config.service.data_dir.mkdir()
    (config.service.data_dir / "secret_key").write_text("the key")
    signed = Signer(["the key"]).reply_address("support@example.com", 12)
    found = explained(config, tmp_path, mail(to=signed, in_reply_to="<a@b>", subject="Re: [#7] x"))
    assert found["ticket"] is None
    assert found["rule"] == (
        "no database was asked (there is none yet); "
        "signed address of ticket 12 then 1 reference(s) then [#7] in the subject"
    )
    assert found["authentication"]["level"] == "linked"


def test_a_bounce(config: Config, tmp_path: Path) -> None:
    raw = mail("550 5.1.1 user unknown", x_failed_recipients="bob@x.example", subject="failure notice")
    found = explained(config, tmp_path, raw)
    assert found["automatic"] == "bounce"
    assert found["bounce"] == {
        "recipient": "bob@x.example",
        "status": "5.1.1",
        "action": "failed",
        "permanent": True,
        "message_id": None,
    }


def test_it_changes_nothing(config: Config, tmp_path: Path) -> None:
    explained(config, tmp_path, mail())
    assert not config.service.data_dir.exists()


def test_many_files_in_order_whatever_is_in_them(config: Config, tmp_path: Path) -> None:
    names = []
    for number, raw in enumerate(
        [b"", b"\x00\xff" * 500, mail(), b"Content-Type: multipart/x; boundary=x\n\n--x"] * 50
    ):
        path = tmp_path / f"{number:03}.eml"
        path.write_bytes(raw)
        names.append(str(path))
    result = run(config, "--json", *names)
    assert result.return_value == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["file"] for line in lines] == names
    assert all(line["error"] is None for line in lines)


def test_spam_would_be_held(config: Config, tmp_path: Path) -> None:
    found = explained(config, tmp_path, mail(x_spam_flag="YES"))
    assert found["ticket"] is None
    assert "held: " in found["rule"]


def test_a_mail_that_takes_its_reader_with_it_costs_its_own_line(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One dies, one hangs, one is over the size limit: the others are explained, in order."""
    monkeypatch.setattr(command, "_READ", "tests.mail.test_explain:troubled")
    inbound = config.email.inbound.model_copy(update={"max_message_bytes": 2_000})
    config = config.model_copy(
        update={
            "email": config.email.model_copy(update={"inbound": inbound}),
            "worker": config.worker.model_copy(update={"reading_timeout": timedelta(seconds=8)}),
        }
    )
    names = []
    for number, body in enumerate(["a\n", "DIE\n", "b\n", "HANG\n", "c" * 2_000, "d\n"]):
        path = tmp_path / f"{number}.eml"
        path.write_bytes(mail(body))
        names.append(str(path))
    result = run(config, "--json", *names)
    assert result.return_value == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["file"] for line in lines] == names
    errors = [line["error"] for line in lines]
    assert [errors[n] for n in (0, 2, 5)] == [None] * 3
    assert errors[1].startswith("can't be read: ")
    assert errors[3] == "can't be read: took longer than 8 s"
    assert errors[4] == "is over 2000 bytes: no door takes it"


def troubled(raw: bytes, context: Any) -> Any:
    """Runs in the child: as `explained`, but for two mails."""
    from intake.email.explaining import explained

    if b"DIE" in raw:
        os._exit(3)
    if b"HANG" in raw:
        time.sleep(60)
    return explained(raw, context)


@pytest.fixture
async def asked(store: Store, tmp_path: Path) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Explain a mail with this test's database, in which Ada has a ticket."""
    parts = app.build_parts(store.config())
    await parts.people.sync()
    receipt = await parts.manager.receive(core_mail("It burns", sender=ADA, mail_id="q@customer.example"))
    await parts.database.close()
    assert receipt.ticket_id is not None
    signer = Signer([store.config().service.secret_key])
    at = {
        "ticket": receipt.ticket_id,
        "address": signer.reply_address("support@example.com", receipt.ticket_id),
    }

    async def ask(**fields: str) -> dict[str, Any]:
        given = {name: value.format(**at) for name, value in fields.items()}
        found = await asyncio.to_thread(explained, store.config(), tmp_path, mail(**given))
        return {"ticket": found["ticket"] and found["ticket"] == at["ticket"], "rule": found["rule"]}

    return ask


async def test_which_ticket_and_by_which_rule(asked: Any) -> None:
    """By the functions that decide it when the mail comes in."""
    eve = "Eve <eve@x.example>"
    reference = {"in_reply_to": "<q@customer.example>", "message_id": "<2@x>"}
    assert await asked(**reference) == {"ticket": True, "rule": "reference (received)"}
    assert await asked(to="{address}") == {"ticket": True, "rule": "signed address"}
    assert await asked(subject="Re: [#{ticket}] x") == {"ticket": True, "rule": "subject tag"}
    new = await asked()
    assert new == {"ticket": None, "rule": "nothing names a ticket: a new one"}
    stranger = await asked(from_=eve, **reference)
    assert stranger["ticket"] is None
    assert stranger["rule"].startswith("reference (received), but its sender takes no part in it: a new one")
    outsider = await asked(from_=eve, to="{address}")
    assert outsider["ticket"] is True
    assert outsider["rule"].startswith("signed address")
    assert "takes no part" in outsider["rule"]


async def test_asking_changes_nothing(store: Store, asked: Any, tmp_path: Path) -> None:
    """Not even of an unknown sender, a held one, or the folder of the database."""
    tables = ("users", "identities", "tickets", "messages", "links", "inbox", "events", "participants")
    before = [store.count(table) for table in tables]
    files = sorted(path.name for path in tmp_path.rglob("*"))
    await asked(from_="New <new@x.example>", message_id="<new@x>", in_reply_to="<other@x>")
    assert [store.count(table) for table in tables] == before
    assert {path.name for path in tmp_path.rglob("*")} - set(files) <= {"one.eml"}


async def test_beside_a_running_service(store: Store, tmp_path: Path) -> None:
    """What is only in the log of an open SQLite database is seen, too."""
    config = store.config()
    parts = app.build_parts(config)
    receipt = await parts.manager.receive(core_mail("It burns", sender=ADA, mail_id="q@customer.example"))
    raw = mail(in_reply_to="<q@customer.example>", message_id="<2@x>")
    found = await asyncio.to_thread(explained, config, tmp_path, raw)
    await parts.database.close()
    assert (found["ticket"], found["rule"]) == (receipt.ticket_id, "reference (received)")


async def test_what_came_in_before(store: Store, tmp_path: Path) -> None:
    config = store.config()
    parts = app.build_parts(config)
    raw = mail()
    now = parts.clock.now()
    envelope = Envelope(sender="ada@customer.example", queues={"support": ("support@example.com",)})
    await parts.intake.store(arrivals(raw, envelope, now))
    await parts.database.close()
    found = await asyncio.to_thread(explained, config, tmp_path, raw)
    assert found["rule"].startswith("it came in before")


def test_a_database_that_cant_be_asked(tmp_path: Path, empty_store: Store) -> None:
    found = explained(empty_store.config(), tmp_path, mail())
    assert found["ticket"] is None
    assert found["rule"].startswith("no database was asked (")
    away = {"url": "mysql+aiomysql://desk:secret@127.0.0.1:1/desk"}
    found = explained(empty_store.config(database=away), tmp_path, mail())
    assert found["rule"].startswith("no database was asked (it can't be reached)")


def test_a_file_that_cant_be_opened(config: Config, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(mail())
    result = run(config, "--json", str(tmp_path / "none.eml"), str(tmp_path / "one.eml"))
    assert result.return_value == 1
    none, one = (json.loads(line) for line in result.stdout.splitlines())
    assert none["error"] == "No such file or directory"
    assert one["subject"] == "Printer"


def test_for_people(config: Config, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(mail("x\u202ey\n", auto_submitted="auto-replied"))
    output = run(config, str(tmp_path / "one.eml")).output
    assert "sender          Ada <ada@customer.example> (by from)" in output
    assert "automatic       auto-reply" in output
    assert "\u202e" not in output
