"""`relaydesk explain`: the lines of INTERFACES.md."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.config import Config, Service
from intake.email.addresses import Signer
from intake.email.explain import FIELDS, explain
from tests.mail.written import mail, multipart


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(service=Service(data_dir=tmp_path / "var"))


def run(config: Config, *args: str) -> Result:
    return CliRunner().invoke(
        explain, args, obj=SimpleNamespace(load_config=lambda: config), standalone_mode=False
    )


def explained(config: Config, tmp_path: Path, raw: bytes) -> dict[str, Any]:
    (tmp_path / "one.eml").write_bytes(raw)
    result = run(config, "--json", str(tmp_path / "one.eml"))
    assert result.return_value == 0, result.output
    found = json.loads(result.output)
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
        "rule": "no database was asked; nothing in it names a ticket: a new one",
        "error": None,
    }


def test_what_it_says_about_the_ticket(config: Config, tmp_path: Path) -> None:
    config.service.data_dir.mkdir()
    (config.service.data_dir / "secret_key").write_text("the key")
    signed = Signer(["the key"]).reply_address("support@example.com", 12)
    found = explained(config, tmp_path, mail(to=signed, in_reply_to="<a@b>", subject="Re: [#7] x"))
    assert found["ticket"] is None
    assert found["rule"] == (
        "no database was asked; signed address of ticket 12 then 1 reference(s) then [#7] in the subject"
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
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["file"] for line in lines] == names
    assert all(line["error"] is None for line in lines)


def test_a_file_that_cant_be_opened(config: Config, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(mail())
    result = run(config, "--json", str(tmp_path / "none.eml"), str(tmp_path / "one.eml"))
    assert result.return_value == 1
    none, one = (json.loads(line) for line in result.output.splitlines())
    assert none["error"] == "No such file or directory"
    assert one["subject"] == "Printer"


def test_for_people(config: Config, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(mail("x\u202ey\n", auto_submitted="auto-replied"))
    output = run(config, str(tmp_path / "one.eml")).output
    assert "sender          Ada <ada@customer.example> (by from)" in output
    assert "automatic       auto-reply" in output
    assert "\u202e" not in output
