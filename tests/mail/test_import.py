"""`relaydesk import`: tickets of an archive, threaded, once, and nothing goes out because of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import app
from core.config import Config
from core.failures import Unavailable
from core.importing import Importer
from core.shapes import Inbound, InboxItem
from intake.email import import_run
from intake.email.importing import import_
from tests.core.desk import TestDesk
from tests.core.desk import mail as written
from tests.mail.written import mail
from tests.stores import Store
from tests.writing import toml

ADA, STAFF, OURS = "Ann <ann@customer.example>", "Grace <grace@example.com>", "Desk <support@example.com>"


def at(hour: int, day: int = 4) -> str:
    return f"{day} May 2020 {hour:02}:00:00 +0000"


QUESTION = mail("It burns.\n", from_=ADA, message_id="<q@customer.example>", date=at(8))
ANSWER = mail(
    "Water helps.\n", from_=OURS, to="ann@customer.example", cc="bob@customer.example", date=at(9),
    message_id="<a@old.example>", in_reply_to="<q@customer.example>", subject="Re: Printer",
)  # fmt: skip
THANKS = mail(
    "Thanks!\n", from_=ADA, date=at(10), subject="Re: Printer",
    message_id="<t@customer.example>", references="<q@customer.example> <a@old.example>",
)  # fmt: skip


def mbox(path: Path, *mails: bytes) -> Path:
    path.write_bytes(b"".join(b"From x Mon May  4 08:00:00 2020\n" + raw + b"\n" for raw in mails))
    return path


def run(config: Config, *words: str | Path) -> dict[str, Any]:
    obj = SimpleNamespace(load_config=lambda: config, open_parts=app.open_parts)
    result = CliRunner().invoke(import_, ["--json", *map(str, words)], obj=obj, standalone_mode=False)
    assert result.exception is None, result.output
    summary = dict(json.loads(result.stdout))
    assert result.return_value == (1 if summary["not_read"] or summary["stopped"] else 0)
    return summary


def counts(summary: dict[str, Any]) -> tuple[int, int, int]:
    return summary["opened"], summary["joined"], summary["already_there"]


def thread(store: Store) -> list[tuple[str, bool, str]]:
    """The messages of the only ticket."""
    assert store.count("tickets") == 1
    rows = store.rows("SELECT * FROM messages ORDER BY seq")
    return [(row["author_address"], bool(row["author_staff"]), row["text"].strip()) for row in rows]


def test_a_thread_in_any_order_reads_right_and_is_there_once(store: Store, tmp_path: Path) -> None:
    archive = mbox(tmp_path / "archive", THANKS, ANSWER, QUESTION)
    config = store.config()
    assert counts(run(config, archive)) == (1, 2, 0)
    assert thread(store) == [
        ("ann@customer.example", False, "It burns."),
        ("support@example.com", True, "Water helps."),
        ("ann@customer.example", False, "Thanks!"),
    ]
    (ticket,) = store.rows("SELECT * FROM tickets")
    assert (ticket["title"], ticket["status"], ticket["requester_address"]) == (
        "Printer", "open", "ann@customer.example",
    )  # fmt: skip
    roles = store.rows("SELECT place, role FROM participants ORDER BY place")
    assert [tuple(row.values()) for row in roles] == [
        ("ann@customer.example", "requester"),
        ("bob@customer.example", "cc"),  # whom staff copied
    ]
    before = store.rows("SELECT * FROM tickets"), store.count("messages"), store.count("events")
    assert counts(run(config, archive)) == (0, 0, 3)
    assert before == (store.rows("SELECT * FROM tickets"), store.count("messages"), store.count("events"))


def test_nothing_goes_out(store: Store, tmp_path: Path) -> None:
    """Not with Slack on, staff told by mail, acknowledgements on, an unconfirmed ticket's mail waiting."""
    slack = {"enabled": True, "bot_token": "xoxb-1", "app_token": "xapp-1"}
    queue = {"name": "support", "addresses": ["support@example.com"], "slack_channel": "C1",
             "notify": ["slack", "email"]}  # fmt: skip
    config = store.config(slack=slack, queue=[queue])
    forged = mail(from_="Grace <grace@example.com>", to="support@example.com", message_id="<f@x>", date=at(7))
    stranger = mail(
        from_="Eve <eve@x.example>", message_id="<e@x>", in_reply_to="<q@customer.example>", date=at(11)
    )
    run(config, mbox(tmp_path / "archive", QUESTION, ANSWER, THANKS, forged, stranger))
    assert store.count("deliveries") == 0
    assert store.count("work", "kind LIKE 'lane%'") == 0
    assert store.count("counters") == 0  # and no brake of the living was used up


def test_with_the_mails_dates(store: Store, tmp_path: Path) -> None:
    run(store.config(), "--as-of-date", mbox(tmp_path / "archive", QUESTION, ANSWER, THANKS))
    (ticket,) = store.rows("SELECT * FROM tickets")
    hours = {name: _time(ticket[name]) for name in ("created_at", "updated_at", "first_response_at")}
    assert hours == {
        "created_at": datetime(2020, 5, 4, 8),
        "updated_at": datetime(2020, 5, 4, 10),
        "first_response_at": datetime(2020, 5, 4, 9),
    }
    messages = store.rows("SELECT created_at FROM messages ORDER BY seq")
    assert [_time(row["created_at"]).hour for row in messages] == [8, 9, 10]
    assert {_time(row["at"]).year for row in store.rows("SELECT at FROM events")} == {2020}


def test_without_them_it_is_now_and_a_date_without_sense_is_now(store: Store, tmp_path: Path) -> None:
    future = mail(from_=ADA, date="Mon, 4 May 2099 10:00:00 +0000")
    run(store.config(), mbox(tmp_path / "one", QUESTION))
    run(store.config(), "--as-of-date", mbox(tmp_path / "two", future))
    now = datetime.now(UTC).replace(tzinfo=None)
    for row in store.rows("SELECT created_at FROM tickets"):
        assert abs((_time(row["created_at"]) - now).total_seconds()) < 120
    for row in store.rows("SELECT source_time FROM messages"):
        assert _time(row["source_time"]) <= now


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def test_staff_write_as_staff_whoever_they_are(store: Store, tmp_path: Path) -> None:
    """A [[staff]] address and a queue's own; where staff wrote first, the ticket is whom they wrote to's."""
    first = mail(
        "We saw smoke.\n",
        from_=STAFF,
        to="Ann <ann@customer.example>",
        message_id="<s@example.com>",
        date=at(8),
    )
    then = mail("Oh!\n", from_=ADA, in_reply_to="<s@example.com>", message_id="<o@x>", date=at(9))
    assert counts(run(store.config(), mbox(tmp_path / "archive", first, then))) == (1, 1, 0)
    assert thread(store) == [
        ("grace@example.com", True, "We saw smoke."),
        ("ann@customer.example", False, "Oh!"),
    ]
    (ticket,) = store.rows("SELECT * FROM tickets")
    assert ticket["requester_address"] == "ann@customer.example"
    assert ticket["first_response_at"] is not None


def test_which_queue(store: Store, tmp_path: Path) -> None:
    """By --queue, else by the addresses, else by what it answers, else the first."""
    queues = [
        {"name": "support", "addresses": ["support@example.com"]},
        {"name": "sales", "addresses": ["sales@example.com"]},
    ]
    config = store.config(queue=queues)
    asked = mail(from_=ADA, to="Sales@example.com", message_id="<1@x>", date=at(8))
    answered = mail(
        from_=STAFF, to="ann@customer.example", message_id="<2@x>", in_reply_to="<1@x>", date=at(9)
    )
    blind = mail(from_=ADA, to="undisclosed-recipients:;", message_id="<3@x>", date=at(10))
    given = mail(from_=ADA, message_id="<4@x>", date=at(11))
    assert counts(run(config, mbox(tmp_path / "one", asked, answered, blind))) == (2, 1, 0)
    assert counts(run(config, "--queue", "sales", mbox(tmp_path / "two", given))) == (1, 0, 0)
    rows = store.rows("SELECT queue FROM tickets ORDER BY id")
    assert [row["queue"] for row in rows] == ["sales", "support", "sales"]
    assert counts(run(config, tmp_path / "one")) == (0, 0, 3)


def test_bounces_spam_and_our_own_machines(store: Store, tmp_path: Path) -> None:
    bounce = mail(
        "550 5.1.1 user unknown\n", from_="MAILER-DAEMON@x.example", subject="failure notice",
        x_failed_recipients="bob@x.example", message_id="<b@x>", return_path="<>",
    )  # fmt: skip
    spam = mail(from_="Max <max@x.example>", x_spam_flag="YES", message_id="<s@x>")
    ack = mail(from_=OURS, to="ann@customer.example", auto_submitted="auto-replied", message_id="<k@x>")
    away = mail(from_=ADA, auto_submitted="auto-replied", subject="Away", message_id="<w@x>")
    summary = run(store.config(), mbox(tmp_path / "archive", bounce, spam, ack, away))
    assert counts(summary) == (1, 0, 0)  # a machine's mail is a ticket like any other
    assert summary["skipped"] == {"bounce": 1, "spam, held in the inbox": 1, "automatic mail of ours": 1}
    (held,) = store.rows("SELECT * FROM inbox WHERE state = 'held'")
    assert json.loads(held["envelope"])["quiet"] is True
    assert store.count("tickets") == 1


def test_the_same_mail_in_other_bytes_is_there(store: Store, tmp_path: Path) -> None:
    """As a list's footer or another encoding leaves it; another mail under the same Message-ID is kept (D2)."""
    folder = tmp_path / "mails"
    folder.mkdir()
    (folder / "1.eml").write_bytes(QUESTION)
    (folder / "2.eml").write_bytes(
        QUESTION.replace(b"\n\n", b"\nContent-Transfer-Encoding: 7bit\n\n").replace(b"burns.", b"burns.  ")
    )
    (folder / "3.eml").write_bytes(QUESTION.replace(b"\n", b"\r\n"))
    (folder / "4.eml").write_bytes(QUESTION.replace(b"It burns", b"Something else"))
    summary = run(store.config(), folder)
    assert counts(summary) == (2, 0, 2)
    assert counts(run(store.config(), folder)) == (0, 0, 4)


def test_without_message_id_and_date_it_is_still_there(store: Store, tmp_path: Path) -> None:
    bare = mail(from_=ADA, message_id=None, date=None)
    (tmp_path / "one.eml").write_bytes(bare)
    (tmp_path / "two.eml").write_bytes(bare.replace(b"Hello", b"Bye"))
    assert counts(run(store.config(), tmp_path / "one.eml", tmp_path / "two.eml")) == (2, 0, 0)
    os.utime(tmp_path / "one.eml", (1_500_000_000, 1_500_000_000))
    assert counts(run(store.config(), tmp_path / "one.eml", tmp_path / "two.eml")) == (0, 0, 2)


def test_what_cant_be_read_is_listed_and_the_rest_is_in(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = store.config(email={"inbound": {"max_message_bytes": 4096}})
    large = mail("x" * 5_000 + "\n", message_id="<l@x>")
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b\x08\x00rubbish")
    summary = run(config, mbox(tmp_path / "box", large, QUESTION), tmp_path / "broken.gz")
    assert counts(summary) == (1, 0, 0)
    assert summary["not_read"] == [
        {"file": str(tmp_path / "box"), "offset": 32, "reason": "is over 4096 bytes"},
        {"file": str(tmp_path / "broken.gz"), "offset": None, "reason": "is compressed and broken"},
    ]


def test_a_mail_that_takes_the_reader_with_it_costs_no_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_run, "_READ", "tests.mail.test_import:dying")
    summary = run(store.config(), mbox(tmp_path / "box", QUESTION, mail("DIE\n", message_id="<d@x>"), ANSWER))
    assert counts(summary) == (1, 1, 0)
    (row,) = summary["not_read"]
    assert row["reason"].startswith("can't be read: ")


def dying(mails: list[bytes], *more: Any) -> Any:
    """Runs in the child: as `read_archived`, but for one mail."""
    from intake.email.import_reading import read_archived

    if any(b"DIE" in raw for raw in mails):
        os._exit(3)
    return read_archived(mails, *more)


def test_an_old_mail_reopens_nothing(store: Store, tmp_path: Path) -> None:
    config = store.config()
    run(config, mbox(tmp_path / "one", QUESTION))
    store.execute("UPDATE tickets SET status = 'closed', closed_at = updated_at")
    run(config, "--as-of-date", mbox(tmp_path / "two", THANKS))
    (ticket,) = store.rows("SELECT * FROM tickets")
    assert (ticket["status"], ticket["last_seq"]) == ("closed", 2)
    assert _time(ticket["updated_at"]).year > 2020  # nor does its activity go back


def test_misuse(store: Store, tmp_path: Path) -> None:
    from intake.cli.main import group
    from intake.cli.main import run as run_cli

    file = tmp_path / "config.toml"
    file.write_text(toml(store.settings()), "utf-8")
    commands = group(app.MOUNTS, app.HOOKS)
    assert run_cli(commands, ["--config", str(file), "import"]) == 2
    assert run_cli(commands, ["--config", str(file), "import", str(tmp_path / "none")]) == 2
    assert run_cli(commands, ["--config", str(file), "import", "--queue", "x", str(file)]) == 2


def test_killed_half_way_it_goes_on(store: Store, tmp_path: Path) -> None:
    mails = [
        mail(f"Number {n}\n", from_=ADA, message_id=f"<{n}@x>", date=at(n % 24, 1 + n // 24))
        for n in range(300)
    ]
    archive = mbox(tmp_path / "archive", *mails)
    file = tmp_path / "config.toml"
    file.write_text(toml(store.settings()), "utf-8")
    command = [sys.executable, "-c", "import app; app.main()", "--config", str(file), "import", str(archive)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not store.count("inbox") and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    there = store.count("inbox")
    assert 0 < there < 300
    summary = run(store.config(), "--no-notify", archive)
    assert counts(summary) == (300 - there, 0, there)
    assert store.count("tickets") == store.count("messages") == store.count("inbox") == 300


def test_a_database_that_goes_away_ends_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("database: away")

    monkeypatch.setattr(Importer, "take_in", away)
    archive = mbox(tmp_path / "box", QUESTION)
    assert run(store.config(), archive)["stopped"] == "database: away"
    monkeypatch.undo()
    assert counts(run(store.config(), archive)) == (1, 0, 0)


@pytest.mark.parametrize("store_name", ["sqlite"])
def test_a_progress_bar_on_a_terminal_alone(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(toml(store.settings()), "utf-8")
    archive = mbox(tmp_path / "box", QUESTION)
    command = [sys.executable, "-c", "import app; app.main()", "--config", str(file), "import", str(archive)]
    ours, theirs = os.openpty()
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True)
    os.close(theirs)
    assert b"importing" in os.read(ours, 10_000)
    os.close(ours)
    assert ran.stdout.startswith(b"opened 1, ")
    again = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert again.stderr == b""


def test_the_summary_for_people(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    folder.mkdir()
    (folder / "em\x1bpty.eml").write_bytes(b"")
    mbox(folder / "box", QUESTION, mail(x_mozilla_status="0009"))
    obj = SimpleNamespace(load_config=store.config, open_parts=app.open_parts)
    result = CliRunner().invoke(import_, [str(folder)], obj=obj, standalone_mode=False)
    lines = result.output.splitlines()
    assert lines[0] == "opened 1, joined 0, already there 0, skipped 1, not read 1"
    assert lines[1] == "skipped 1: deleted there"
    assert lines[2].endswith("em\ufffdpty.eml: is empty")


async def test_a_held_mail_stays_quiet_when_it_is_let_in(store: Store, tmp_path: Path) -> None:
    """An archive's spam that an operator calls none becomes a ticket; still nobody is written to."""
    spam = mail(from_="Max <max@x.example>", x_spam_flag="YES", message_id="<s@x>")
    await asyncio.to_thread(run, store.config(), mbox(tmp_path / "archive", spam))
    desk = await TestDesk.open(store)

    async def read(item: InboxItem) -> Inbound:
        return written("Help!")

    desk.mail.read = read  # type: ignore[method-assign]
    await desk.operations.retry_inbox(int(store.value("SELECT id FROM inbox")))
    await desk.worker.start()
    await desk.quiet(store)
    await desk.close()
    assert store.value("SELECT state FROM inbox") == "done"
    assert store.count("tickets") == 1
    assert store.count("deliveries") == 0
