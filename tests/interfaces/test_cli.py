"""INTERFACES.md, command line: the operator's commands on the real desk, in this process."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from app import HOOKS, MOUNTS, build_parts
from core.inbox import Arrival, store_once
from core.shapes import key_of
from intake.cli.main import group, run
from tests.interfaces.counter import on_sqlite
from tests.stores import Store
from tests.web.stage import client, serving
from tests.writing import toml

ANN = "ann@customer.example"


@dataclass
class Ran:
    """What a command did."""

    status: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        """What it printed."""
        return self.raw.decode()

    def json(self) -> Any:
        """The data that it printed."""
        return json.loads(self.out)


class Cli:
    """Runs commands against a store."""

    def __init__(self, store: Store, folder: Path, capsys: pytest.CaptureFixture[bytes]) -> None:
        self.store, self._capsys = store, capsys
        self.config = folder / "config.toml"
        self.config.write_text(toml(store.settings()), "utf-8")

    def __call__(self, *arguments: object) -> Ran:
        status = run(group(MOUNTS, HOOKS), ["--config", str(self.config), *map(str, arguments)])
        captured = self._capsys.readouterr()
        return Ran(status, captured.out, captured.err.decode())

    def done(self, *arguments: object) -> Ran:
        """Run what must succeed, without a word on stderr."""
        ran = self(*arguments)
        assert (ran.status, ran.err) == (0, "")
        return ran

    def refused(self, *arguments: object, status: int = 1) -> str:
        """Run what must fail with one line on stderr and nothing on stdout; returns the line."""
        ran = self(*arguments)
        assert (ran.status, ran.out) == (status, ""), ran
        assert ran.err.count("\n") == 1
        assert ran.err.startswith("relaydesk")
        return ran.err

    def ticket(self, **change: Any) -> int:
        """Open a ticket as ann and return its number."""

        async def go() -> int:
            parts = build_parts(self.store.config())
            await parts.people.sync()
            actor = await parts.people.by_token(await parts.people.create_token(ANN, timedelta(days=1)))
            assert actor is not None
            words = {"title": "The printer is on fire", "description": "It burns.", **change}
            ticket = await parts.manager.create_ticket(actor, **words)
            await parts.database.close()
            return ticket.id

        return asyncio.run(go())


@pytest.fixture
def cli(store: Store, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Iterator[Cli]:
    """The command line on this test's store."""
    before = structlog.get_config()
    yield Cli(store, tmp_path, capsysbinary)
    structlog.configure(**before)


def test_a_ticket_is_worked_on(cli: Cli) -> None:
    """Reply, note, assign, status: as the operator, whose replies count as staff's, or as somebody of the staff."""
    number = cli.ticket()
    assert cli.done("tickets", "reply", number, "On my way.").out == f"#{number} has a new reply\n"
    cli.done("tickets", "note", number, "He means the toaster.", "--as", "grace")
    cli.done("tickets", "assign", number, "grace")
    assert cli.done("tickets", "--as", "ada", "status", number, "pending").out == f"#{number} is pending\n"
    shown = cli.done("tickets", "show", number, "--json").json()
    assert (shown["status"], shown["assignee"]) == ("pending", "grace")
    messages = [(m["text"], m["visibility"], m["author"]["staff"], m["channel"]) for m in shown["messages"]]
    assert messages[1:] == [
        ("On my way.", "public", True, "cli"),
        ("He means the toaster.", "note", True, "cli"),
    ]
    assert shown["messages"][2]["author"]["name"] == "Grace Hopper"
    assert {"opened", "answered", "assigned"} <= {event["kind"] for event in shown["events"]}
    text = cli.done("tickets", "show", number).out
    for words in (f"#{number}  The printer is on fire", ANN, "On my way.", "(note, cli)", "Grace Hopper"):
        assert words in text


def test_tickets_are_listed(cli: Cli) -> None:
    """As a table or as JSON, narrowed; without a limit of ours on how many."""
    numbers = [cli.ticket(title=f"Nr. {n}") for n in range(3)]
    cli.done("tickets", "assign", numbers[0], "ada")
    listed = cli.done("tickets", "list", "--json").json()
    assert [ticket["id"] for ticket in listed] == [numbers[0], numbers[2], numbers[1]]
    new = cli.done("tickets", "list", "--status", "new", "--assignee", "-", "--json").json()
    assert [ticket["id"] for ticket in new] == [numbers[2], numbers[1]]
    assert [t["id"] for t in cli.done("tickets", "list", "-q", "nr. 1", "--json").json()] == [numbers[1]]
    assert cli.done("tickets", "list", "--requester", "x@example.com").out == "no such tickets\n"
    head, *rows = cli.done("tickets", "list").out.splitlines()
    assert head.split() == ["ID", "STATUS", "PRIORITY", "QUEUE", "REQUESTER", "ASSIGNEE", "UPDATED", "TITLE"]
    assert len(rows) == 3
    assert len({row.index(" Nr. ") for row in rows}) == 1
    part = cli("tickets", "list", "--limit", 2, "--json")
    assert (part.status, len(part.json())) == (0, 2)
    assert part.err == "there are more than 2; see --limit\n"


@on_sqlite
def test_many_tickets_are_listed_page_by_page(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk's pages don't show."""
    monkeypatch.setattr("intake.cli.tickets._PAGE", 2)
    numbers = [cli.ticket() for _ in range(5)]
    assert [t["id"] for t in cli.done("tickets", "list", "--json").json()] == numbers[::-1]
    assert [t["id"] for t in cli("tickets", "list", "--limit", 3, "--json").json()] == numbers[:1:-1]


@on_sqlite
def test_json_is_what_http_gives(cli: Cli) -> None:
    """A ticket, its messages and events, and lists: key by key."""
    number = cli.ticket()
    cli.done("tickets", "reply", number, "On my way.")
    cli.done("tickets", "status", number, "resolved")
    token = cli.done("token", "create", "--for", "ada@example.com").out.strip()

    async def ask() -> list[Any]:
        parts = build_parts(cli.store.config())
        async with serving(parts) as url, client(url, token) as http:
            answers: list[httpx.Response] = [
                await http.get(f"/tickets/{number}"),
                await http.get("/view-tickets"),
            ]
        await parts.database.close()
        return [answer.json() for answer in answers]

    one, many = asyncio.run(ask())
    assert cli.done("tickets", "show", number, "--json").json() == one
    assert cli.done("tickets", "list", "--json").json() == many


def test_tickets_are_merged_and_people_admitted(cli: Cli) -> None:
    """The closed one points at the other."""
    one, two = cli.ticket(), cli.ticket()
    assert cli.done("tickets", "merge", one, two).out == f"#{one} is merged into #{two}\n"
    assert cli.done("tickets", "show", one, "--json").json()["status"] == "closed"
    assert "merged into" in cli.done("tickets", "show", one).out
    cli.done("tickets", "admit", two, "dora@customer.example")
    cli.refused("tickets", "merge", two, two)
    cli.refused("tickets", "admit", two, "not an address")


@on_sqlite
def test_what_does_not_exist_is_one_line(cli: Cli) -> None:
    """Exit 1, whatever is asked of it."""
    for words in (
        ("show", 77),
        ("show", 77, "--json"),
        ("status", 77, "open"),
        ("assign", 77, "ada"),
        ("reply", 77, "x"),
        ("note", 77, "x"),
        ("merge", 77, 78),
        ("admit", 77, ANN),
    ):
        assert "77" in cli.refused("tickets", *words)
    number = cli.ticket()
    assert "zoe" in cli.refused("tickets", "assign", number, "zoe")
    assert "zoe" in cli.refused("tickets", "show", number, "--as", "zoe")
    for room, verbs in (("outbox", ("retry", "cancel")), ("inbox", ("show", "raw", "retry"))):
        for verb in verbs:
            assert "77" in cli.refused(room, verb, 77)


@on_sqlite
def test_forbidden_moves_name_the_allowed(cli: Cli) -> None:
    """Exit 1, and nothing changes."""
    number = cli.ticket()
    cli.done("tickets", "status", number, "closed")
    assert "open" in cli.refused("tickets", "status", number, "pending")
    assert cli.done("tickets", "show", number, "--json").json()["status"] == "closed"


@on_sqlite
def test_wrong_usage_is_two(cli: Cli) -> None:
    """Before the configuration is read or a database opened."""
    for words in (
        ("tikets",),
        ("tickets", "shwo", 1),
        ("tickets", "show"),
        ("tickets", "show", "x"),
        ("tickets", "show", 0),
        ("tickets", "show", 2**63),
        ("tickets", "show", 1, 2),
        ("tickets", "show", 1, "--yaml"),
        ("tickets", "status", 1, "done"),
        ("tickets", "reply", 1, "  "),
        ("tickets", "list", "--limit", 0),
        ("outbox", "list", "--state", "lost"),
        ("staff", "add", "x"),
        ("staff", "add", "x", "--email", "x@example.com", "--role", "boss"),
        ("token", "create"),
        ("token", "create", "--for", ANN, "--expires", "soon"),
        ("token", "create", "--for", ANN, "--expires", "0s"),
        ("serve", "--only", "web,kitchen"),
        ("--colour", "tickets", "list"),
    ):
        cli.refused(*words, status=2)
    assert "did you mean 'tickets'?" in cli.refused("tikets", status=2)


@on_sqlite
def test_a_wrong_configuration_is_two(cli: Cli) -> None:
    """One line that names the nearest key, whatever the command."""
    cli.config.write_text("[htp]\nport = 1\n", "utf-8")
    for words in (("tickets", "list"), ("migrate",), ("check",), ("serve",), ("staff", "list")):
        assert "did you mean 'http'?" in cli.refused(*words, status=2)
    cli.config.unlink()
    assert "no such file" in cli.refused("tickets", "list", status=2)


@on_sqlite
def test_help_needs_nothing(cli: Cli) -> None:
    """Every command has `--help`, without a configuration."""
    cli.config.unlink()
    commands = group(MOUNTS, HOOKS)
    for name in commands.list_commands(None):  # type: ignore[arg-type]
        text = cli.done(name, "--help").out
        assert text.startswith(f"Usage: relaydesk {name}")
        command = commands.get_command(None, name)  # type: ignore[arg-type]
        for inner in getattr(command, "commands", ()):
            assert cli.done(name, inner, "--help").out.startswith(f"Usage: relaydesk {name} {inner}")
    whole = cli.done("--help").out
    for name in (
        "serve",
        "sandbox",
        "check",
        "migrate",
        "deliver",
        "explain",
        "tickets",
        "outbox",
        "inbox",
        "staff",
    ):
        assert f"  {name} " in whole


def test_tokens_are_made_listed_and_revoked(cli: Cli) -> None:
    """`create` prints the token and nothing else; the list never shows one."""
    made = cli.done("token", "create", "--for", "new@customer.example", "--expires", "8h").out
    assert made == made.strip() + "\n"
    assert len(made.split()) == 1
    (listed,) = cli.done("token", "list", "--json").json()
    assert listed["email"] == "new@customer.example"
    assert made.strip() not in cli.done("token", "list").out
    cli.done("token", "revoke", listed["id"])
    assert cli.done("token", "list").out == "no token is in force\n"
    cli.refused("token", "revoke", listed["id"])
    cli.refused("token", "create", "--for", "nobody")


def test_tokens_may_be_for_less(cli: Cli) -> None:
    """`--scope` says for what, the list too."""
    cli.done("token", "create", "--for", ANN)
    cli.done("token", "create", "--for", ANN, "--scope", "write", "--scope", "read", "--scope", "read")
    listed = cli.done("token", "list", "--json").json()
    assert sorted(token["scopes"] for token in listed) == [[], ["read", "write"]]
    assert all(token["last_used_at"] is None for token in listed)
    table = cli.done("token", "list").out
    assert "read, write" in table
    assert "all" in table
    cli.refused("token", "create", "--for", ANN, "--scope", "admin", status=2)


def test_staff_is_added_and_removed(cli: Cli) -> None:
    """The configuration's own can't be."""
    cli.done("staff", "add", "lin", "--email", "Lin@Example.com", "--name", "Lin", "--role", "manager")
    (lin,) = [m for m in cli.done("staff", "list", "--json").json() if m["username"] == "lin"]
    assert (lin["email"], lin["role"], lin["source"], lin["name"]) == (
        "lin@example.com",
        "manager",
        "added",
        "Lin",
    )
    number = cli.ticket()
    cli.done("tickets", "note", number, "mine", "--as", "lin")
    cli.done("staff", "remove", "lin")
    cli.refused("tickets", "note", number, "no longer", "--as", "lin")
    cli.refused("staff", "remove", "ada")
    cli.refused("staff", "add", "ada", "--email", "other@example.com")
    assert "lin" not in cli.done("staff", "list").out


def test_what_waits_to_go_out(cli: Cli) -> None:
    """List, cancel, retry, pause and resume."""
    number = cli.ticket()
    cli.done("outbox", "pause")
    cli.done("tickets", "reply", number, "On my way.")
    rows = cli.done("outbox", "list", "--json").json()
    held = [row for row in rows if row["state"] == "held"]
    assert held
    assert all({"id", "state", "place", "kind", "attempts"} <= set(row) for row in rows)
    first = held[0]["id"]
    assert str(first) in cli.done("outbox", "list", "--state", "held").out
    cli.done("outbox", "cancel", first)
    assert first in [row["id"] for row in cli.done("outbox", "list", "--state", "cancelled", "--json").json()]
    cli.refused("outbox", "cancel", first)
    cli.done("outbox", "resume")
    rest = cli.done("outbox", "list", "--json").json()
    assert {row["state"] for row in rest} == {"queued"}
    cli.done("outbox", "retry", rest[0]["id"])


def test_what_came_in(cli: Cli) -> None:
    """Shown, byte for byte where asked, and read again."""
    raw = b"From: x\r\nSubject: \x1b[31m\xff\x00\r\n\r\n.\r\n"

    async def put() -> None:
        parts = build_parts(cli.store.config())
        arrival = Arrival(
            key=key_of("x"),
            channel="email",
            shard_by="x",
            envelope={"queue": "support", "sender": "x"},
            raw=raw,
        )
        await store_once(parts.database, parts.blobs, [arrival])
        await parts.database.close()

    asyncio.run(put())
    cli.store.execute("UPDATE inbox SET state = 'unreadable', reason = 'crash', attempts = 3")
    (row,) = cli.done("inbox", "list", "--json").json()
    assert (row["state"], row["reason"], row["attempts"]) == ("unreadable", "crash", 3)
    assert cli.done("inbox", "raw", row["id"]).raw == raw
    assert "unreadable" in cli.done("inbox", "show", row["id"]).out
    cli.done("inbox", "retry", row["id"])
    assert cli.store.value("SELECT state FROM inbox") == "new"


@on_sqlite
def test_strangers_words_can_t_steer_the_terminal(cli: Cli) -> None:
    """Escape sequences, line ends and reversed writing show as what they are; JSON holds them escaped."""
    evil = "\x1b]0;owned\x07 \x9b31m \u202etxt.exe"
    number = cli.ticket(title="ok", description=f"{evil}\r\n#99  a made-up line")
    cli.store.execute("UPDATE tickets SET title = :evil", evil=f"{evil}\nfake")
    for words in (("show", number), ("list",), ("show", number, "--json"), ("list", "--json")):
        out = cli.done("tickets", *words).out
        assert not any(char in out for char in "\x1b\x07\x9b\u202e\r")
    assert "\n#99" not in cli.done("tickets", "show", number).out
    assert cli.done("tickets", "list", "--json").json()[0]["title"] == f"{evil}\nfake"


@on_sqlite
def test_a_reply_comes_from_stdin(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """TEXT `-`; what isn't UTF-8 is refused, and so is nothing at all."""
    number = cli.ticket()
    monkeypatch.setattr("sys.stdin", io.StringIO("Two\nlines\n"))
    cli.done("tickets", "reply", number, "-")
    assert cli.done("tickets", "show", number, "--json").json()["messages"][1]["text"].strip() == "Two\nlines"
    for words in ("", "half \udcff"):
        monkeypatch.setattr("sys.stdin", io.StringIO(words))
        cli.refused("tickets", "reply", number, "-", status=2)


@on_sqlite
def test_the_operator_s_reply_counts(cli: Cli) -> None:
    """It is staff's: it sets the first response and goes to the requester."""
    number = cli.ticket()
    cli.done("tickets", "reply", number, "On my way.")
    assert cli.done("tickets", "show", number, "--json").json()["first_response_at"]
    places = [(row["kind"], row["place"]) for row in cli.done("outbox", "list", "--json").json()]
    assert ("message", ANN) in places


@on_sqlite
def test_a_bug_is_one_line_without_its_text(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind and the place, for a report; exit 1."""

    def broken(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("core.manager.TicketManager.view_tickets", broken)
    line = cli.refused("tickets", "list")
    assert "KeyError" in line
    assert "secret" not in line
